//! `pair-device` and `pair-success`: what an unregistered connection hears. Protocol: pairing.

use wa_types::{Jid, UnixSeconds};

use super::{Reader, StanzaError};
use crate::wire::Node;

/// The server's requests while nobody is linked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PairingRequest {
    /// References to show as QR codes, one after the other.
    PairDevice {
        /// The references' text.
        refs: Vec<String>,
    },
    /// The phone scanned one of them.
    PairSuccess(Box<PairSuccess>),
}

/// The phone's answer, to be checked before anything of it is believed.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PairSuccess {
    /// The `ADVSignedDeviceIdentityHMAC`.
    pub device_identity: Vec<u8>,
    /// Our new device, by phone number.
    pub jid: Jid,
    /// Our new device, by LID.
    pub lid: Option<Jid>,
    /// The phone's platform.
    pub platform: Option<String>,
    /// The business's name.
    pub business_name: Option<String>,
    /// Encoded `ClientPairingProps`.
    pub client_props: Option<Vec<u8>>,
    /// The server's clock.
    pub timestamp: Option<UnixSeconds>,
}

impl std::fmt::Debug for PairSuccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PairSuccess").field("jid", &self.jid).finish_non_exhaustive()
    }
}

/// How many references one `pair-device` may carry; the server sends six.
const REFS_LIMIT: usize = 32;

impl PairingRequest {
    /// Reads the child of an `<iq type="set">`; `None` when it is about something else.
    ///
    /// # Errors
    /// [`StanzaError`] when a required part is missing or malformed.
    pub fn read(iq: Reader<'_>) -> Result<Option<Self>, StanzaError> {
        if let Some(pair_device) = iq.child_opt("pair-device") {
            let text = |child: Reader<'_>| String::from_utf8(child.content().into_owned()).ok();
            let refs: Vec<String> =
                pair_device.children_of("ref").take(REFS_LIMIT).filter_map(text).collect();
            return if refs.is_empty() {
                Err(pair_device.missing("ref"))
            } else {
                Ok(Some(Self::PairDevice { refs }))
            };
        }
        let Some(success) = iq.child_opt("pair-success") else { return Ok(None) };
        let device = success.child("device")?;
        let jid = device.jid("jid").ok().filter(Jid::is_pn).ok_or_else(|| device.invalid("jid"))?;
        let lid = device.jid_opt("lid")?;
        if lid.as_ref().is_some_and(|lid| !lid.is_lid()) {
            return Err(device.invalid("lid"));
        }
        let name_of = |tag: &str| {
            success.child_opt(tag).and_then(|child| child.text_opt("name")).map(std::borrow::Cow::into_owned)
        };
        Ok(Some(Self::PairSuccess(Box::new(PairSuccess {
            device_identity: success.child("device-identity")?.content().into_owned(),
            jid,
            lid,
            platform: name_of("platform"),
            business_name: name_of("biz"),
            client_props: success.child_opt("client-props").map(|props| props.content().into_owned()),
            timestamp: iq.time_opt("t"),
        }))))
    }
}

/// The reply that completes the link: our signed device identity, without the account's key.
#[must_use]
pub fn pair_device_sign(iq_id: &str, key_index: u32, device_identity: Vec<u8>) -> Node {
    let identity = Node::new("device-identity").attr("key-index", key_index).bytes(device_identity);
    super::iq::result(iq_id).child(Node::new("pair-device-sign").child(identity))
}
