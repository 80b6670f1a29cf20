//! `pair-device` and `pair-success`: what an unregistered connection hears. Protocol: pairing.

use wa_types::{Jid, PublicKey, UnixSeconds};

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

/// What the server tells a connection that is not paired, besides its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PairingNotice {
    /// A phone answers our pairing code.
    PrimaryHello {
        /// Which code: the server's name for the link.
        reference: Vec<u8>,
        /// The phone's key, encrypted under the code that its user typed.
        wrapped_key: Box<[u8; 80]>,
        /// The account's identity key.
        identity: PublicKey,
    },
    /// A pairing code is no longer good.
    RefreshCode {
        /// Which code: the server's name for the link.
        reference: Vec<u8>,
        /// The user is to ask for a new one; else it is made at once.
        by_user: bool,
    },
    /// The secret of the QR codes is to be replaced.
    RotateQr,
    /// The phone wants a passkey to vouch for the link.
    PasskeyRequest {
        /// What the passkey shall sign, JSON; to be asked for when absent.
        options: Option<String>,
    },
    /// The phone's half of a link that a passkey vouched for.
    PasskeyContinuation {
        /// The encoded `PrimaryEphemeralIdentity`.
        primary: Vec<u8>,
    },
}

impl PairingNotice {
    /// Reads a `<notification>` of this type; `None` when it is about something else.
    ///
    /// # Errors
    /// [`StanzaError`] when a required part is missing or malformed.
    pub fn read(kind: &str, stanza: Reader<'_>) -> Result<Option<Self>, StanzaError> {
        match kind {
            "link_code_companion_reg" => Self::read_code(stanza.child("link_code_companion_reg")?),
            "companion_reg_refresh" => {
                let is_named = ["companion_reg_refresh", "pair-device-rotate-qr"]
                    .into_iter()
                    .any(|tag| stanza.child_opt(tag).is_some());
                Ok(is_named.then_some(Self::RotateQr))
            }
            "passkey_prologue_request" => {
                let options = stanza.child_opt("passkey_request_options");
                let options = options.map(|options| String::from_utf8(options.content().into_owned()));
                let options = options.transpose().map_err(|_| stanza.invalid("passkey_request_options"))?;
                Ok(Some(Self::PasskeyRequest { options: options.filter(|options| !options.is_empty()) }))
            }
            "crsc_continuation" => {
                let primary = stanza.child("primary_ephemeral_identity")?.content().into_owned();
                Ok(Some(Self::PasskeyContinuation { primary }))
            }
            _ => Ok(None),
        }
    }

    fn read_code(code: Reader<'_>) -> Result<Option<Self>, StanzaError> {
        let reference = || Ok(code.child("link_code_pairing_ref")?.content().into_owned());
        match &*code.text("stage")? {
            "primary_hello" => Ok(Some(Self::PrimaryHello {
                reference: reference()?,
                wrapped_key: Box::new(code.array("link_code_pairing_wrapped_primary_ephemeral_pub")?),
                identity: code.public_key("primary_identity_pub")?,
            })),
            "refresh_code" => Ok(Some(Self::RefreshCode {
                reference: reference()?,
                by_user: code.attr_is("force_manual_refresh", "true"),
            })),
            _ => Ok(None),
        }
    }
}

/// The reply that completes the link: our signed device identity, without the account's key.
#[must_use]
pub fn pair_device_sign(iq_id: &str, key_index: u32, device_identity: Vec<u8>) -> Node {
    let identity = Node::new("device-identity").attr("key-index", key_index).bytes(device_identity);
    super::iq::result(iq_id).child(Node::new("pair-device-sign").child(identity))
}
