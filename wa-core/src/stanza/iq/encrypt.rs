//! `encrypt`: our own pre-keys on the server, and the bundles of others.
//! Protocol: prekeys and devices, "Count" to "Signed prekey rotation".

use wa_types::{Jid, PreKeyId, PublicKey, RegistrationId, Signature};

use super::{IqKind, IqRequest};
use crate::stanza::{Reader, StanzaError};
use crate::wire::Node;

/// The key type byte of Curve25519.
pub(in crate::stanza) const KEY_TYPE: [u8; 1] = [wa_types::keys::KEY_TYPE];

/// Asks how many of our one-time pre-keys the server still has.
#[derive(Debug, Clone, Copy)]
pub struct CountPreKeys;

impl IqRequest for CountPreKeys {
    const NAMESPACE: &'static str = "encrypt";
    const KIND: IqKind = IqKind::Get;
    type Reply = u32;

    fn body(&self) -> Vec<Node> {
        vec![Node::new("count")]
    }

    fn read(reply: Reader<'_>) -> Result<u32, StanzaError> {
        reply.child("count")?.number("value")
    }
}

/// Gives the server one-time pre-keys and the signed one.
#[derive(Debug, Clone)]
pub struct UploadPreKeys {
    /// Our registration id.
    pub registration_id: RegistrationId,
    /// Our identity.
    pub identity: PublicKey,
    /// One-time pre-keys.
    pub one_time: Vec<(PreKeyId, PublicKey)>,
    /// The signed pre-key.
    pub signed: SignedKey,
}

/// The public side of a signed pre-key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedKey {
    /// Its id.
    pub id: PreKeyId,
    /// The key.
    pub key: PublicKey,
    /// The identity's signature over it.
    pub signature: Signature,
}

impl SignedKey {
    /// The `<skey>` node.
    #[must_use]
    pub fn to_node(&self) -> Node {
        key_node("skey", self.id, &self.key)
            .child(Node::new("signature").bytes(self.signature.as_bytes().to_vec()))
    }
}

/// A `<key>` node, or one of the same shape.
#[must_use]
pub fn key_node(tag: &'static str, id: PreKeyId, key: &PublicKey) -> Node {
    Node::new(tag)
        .child(Node::new("id").bytes(id.to_bytes().to_vec()))
        .child(Node::new("value").bytes(key.as_bytes().to_vec()))
}

impl IqRequest for UploadPreKeys {
    const NAMESPACE: &'static str = "encrypt";
    const KIND: IqKind = IqKind::Set;
    type Reply = ();

    fn body(&self) -> Vec<Node> {
        let keys = self.one_time.iter().map(|(id, key)| key_node("key", *id, key));
        vec![
            Node::new("registration").bytes(self.registration_id.to_bytes().to_vec()),
            Node::new("type").bytes(KEY_TYPE.to_vec()),
            Node::new("identity").bytes(self.identity.as_bytes().to_vec()),
            Node::new("list").children(keys),
            self.signed.to_node(),
        ]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}

/// Makes another signed pre-key the current one.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "a request is made by its caller")]
pub struct RotateSignedPreKey {
    /// The new one.
    pub signed: SignedKey,
}

impl IqRequest for RotateSignedPreKey {
    const NAMESPACE: &'static str = "encrypt";
    const KIND: IqKind = IqKind::Set;
    /// The same key twice is one key.
    const IDEMPOTENT: bool = true;
    type Reply = ();

    fn body(&self) -> Vec<Node> {
        vec![Node::new("rotate").child(self.signed.to_node())]
    }

    fn read(_: Reader<'_>) -> Result<(), StanzaError> {
        Ok(())
    }
}

/// Asks which of our keys the server has. Refused with 404 when it has none.
#[derive(Debug, Clone, Copy)]
pub struct KeyDigest;

/// What the server has of our keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerKeys {
    /// Our registration id.
    pub registration_id: RegistrationId,
    /// Our identity.
    pub identity: PublicKey,
    /// The id of the signed pre-key.
    pub signed_id: PreKeyId,
    /// The one-time pre-keys, in the order of the hash.
    pub one_time: Vec<PreKeyId>,
    /// SHA-1 over the keys themselves.
    pub hash: [u8; 20],
}

/// How many ids of one answer are looked at: several full supplies.
const DIGEST_LIMIT: usize = 8192;

impl IqRequest for KeyDigest {
    const NAMESPACE: &'static str = "encrypt";
    const KIND: IqKind = IqKind::Get;
    /// `None` when the answer has no digest: the server has no keys.
    type Reply = Option<ServerKeys>;

    fn body(&self) -> Vec<Node> {
        vec![Node::new("digest")]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let Some(digest) = reply.child_opt("digest") else { return Ok(None) };
        let skey = digest.child("skey")?;
        let ids = digest.child("list")?.children_of("id").take(DIGEST_LIMIT);
        let read_id = |id: Reader<'_>| {
            <[u8; 3]>::try_from(id.content().as_ref())
                .ok()
                .and_then(PreKeyId::from_bytes)
                .ok_or_else(|| id.invalid("id"))
        };
        Ok(Some(ServerKeys {
            registration_id: RegistrationId(u32::from_be_bytes(digest.array("registration")?)),
            identity: digest.public_key("identity")?,
            signed_id: PreKeyId::from_bytes(skey.array("id")?).ok_or_else(|| skey.invalid("id"))?,
            one_time: ids.map(read_id).collect::<Result<_, _>>()?,
            hash: digest.array("hash")?,
        }))
    }
}

/// Asks for what is needed to open sessions with these devices. Every answered device costs it a one-time pre-key.
#[derive(Debug, Clone)]
pub struct FetchBundles {
    /// Devices, device 0 without its number.
    pub devices: Vec<Jid>,
    /// There was a session, and it is worth nothing: the device may have another identity now.
    pub is_renewal: bool,
}

/// The keys of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bundle {
    /// The device's registration id.
    pub registration_id: RegistrationId,
    /// Its identity.
    pub identity: PublicKey,
    /// Its signed pre-key; the signature is not checked yet.
    pub signed: SignedKey,
    /// One of its one-time pre-keys, if any is left.
    pub one_time: Option<(PreKeyId, PublicKey)>,
    /// A companion's signed device identity; not checked yet.
    pub device_identity: Option<Vec<u8>>,
}

/// What the server said about one device.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BundleAnswer {
    /// Its keys.
    Bundle(Box<Bundle>),
    /// It is not registered any more (406): take it off the device list.
    Gone,
    /// No keys, now.
    Unavailable,
}

impl IqRequest for FetchBundles {
    const NAMESPACE: &'static str = "encrypt";
    const KIND: IqKind = IqKind::Get;
    /// Devices in the server's order; those missing are unavailable, those without an address are left out.
    type Reply = Vec<(Jid, BundleAnswer)>;

    fn body(&self) -> Vec<Node> {
        let reason = self.is_renewal.then_some("identity");
        let users =
            self.devices.iter().map(|jid| Node::new("user").attr("jid", jid).attr_opt("reason", reason));
        vec![Node::new("key").children(users)]
    }

    fn read(reply: Reader<'_>) -> Result<Self::Reply, StanzaError> {
        let list = reply.child("list")?;
        let users = list.children_of("user");
        Ok(users.filter_map(|user| Some((user.jid("jid").ok()?, read_answer(user)))).collect())
    }
}

/// One device's fault is not the others': a malformed bundle reads as unavailable.
fn read_answer(user: Reader<'_>) -> BundleAnswer {
    if let Some(error) = user.child_opt("error") {
        return if error.attr_is("code", "406") { BundleAnswer::Gone } else { BundleAnswer::Unavailable };
    }
    let keys = user.child_opt("keys").unwrap_or(user);
    match read_bundle(keys) {
        Ok(bundle) => BundleAnswer::Bundle(Box::new(bundle)),
        Err(error) => {
            tracing::warn!(%error, "a malformed pre-key bundle");
            BundleAnswer::Unavailable
        }
    }
}

fn read_bundle(keys: Reader<'_>) -> Result<Bundle, StanzaError> {
    read_keys(keys, RegistrationId(u32::from_be_bytes(keys.array("registration")?)))
}

/// Reads a device's keys, wherever its registration id stands.
pub(in crate::stanza) fn read_keys(
    keys: Reader<'_>,
    registration_id: RegistrationId,
) -> Result<Bundle, StanzaError> {
    if keys.child_opt("type").is_some_and(|kind| *kind.content() != KEY_TYPE) {
        return Err(keys.invalid("type"));
    }
    let signed = keys.child("skey")?;
    let signature = signed.array("signature").map(Signature::new)?;
    let (id, key) = read_key(signed)?;
    Ok(Bundle {
        registration_id,
        identity: keys.public_key("identity")?,
        signed: SignedKey { id, key, signature },
        one_time: keys.child_opt("key").map(read_key).transpose()?,
        device_identity: keys.child_opt("device-identity").map(|identity| identity.content().into_owned()),
    })
}

fn read_key(key: Reader<'_>) -> Result<(PreKeyId, PublicKey), StanzaError> {
    let id = PreKeyId::from_bytes(key.array("id")?).ok_or_else(|| key.invalid("id"))?;
    Ok((id, key.public_key("value")?))
}
