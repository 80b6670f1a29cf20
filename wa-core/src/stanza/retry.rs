//! `<receipt type="retry">`, both directions, and the message that answers it. Protocol: receiving, "Retry requests",
//! "Inbound retry receipt", "Resend".

use wa_types::{Jid, MessageId, PreKeyId, PublicKey, RegistrationId, UnixSeconds};

use super::iq::encrypt::{Bundle, KEY_TYPE, SignedKey, key_node, read_keys};
use super::message::{Class, EncKind, InboundMessage};
use super::{Reader, StanzaError};
use crate::wire::Node;

/// Which message a request is for, as its stanza had it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by the caller from its record")]
pub struct Origin {
    /// The message's id.
    pub id: MessageId,
    /// The stanza's `from`.
    pub from: Jid,
    /// The stanza's `participant`.
    pub participant: Option<Jid>,
    /// The stanza's `recipient`.
    pub recipient: Option<Jid>,
    /// The stanza's time.
    pub timestamp: UnixSeconds,
    /// A message of our own devices about protocol matters.
    pub is_peer: bool,
}

impl Origin {
    /// Where this message came from.
    #[must_use]
    pub fn of(message: &InboundMessage) -> Self {
        Self {
            id: message.id.clone(),
            from: message.from.clone(),
            participant: message.participant.clone(),
            recipient: message.recipient.clone(),
            timestamp: message.timestamp,
            is_peer: message.is_peer,
        }
    }
}

/// A request for a message that could not be decrypted.
#[derive(Debug)]
pub struct RetryRequest<'m> {
    /// The message.
    pub origin: &'m Origin,
    /// Which request for it this is, from 1.
    pub count: u8,
    /// Why it could not be decrypted, where there is a code for it.
    pub code: Option<u8>,
    /// Our registration id.
    pub registration_id: RegistrationId,
    /// What the sender needs for a new session.
    pub keys: Option<RetryKeys<'m>>,
}

/// Our keys, for a sender whose session with us is worth nothing.
#[derive(Debug, Clone, Copy)]
pub struct RetryKeys<'m> {
    /// Our identity.
    pub identity: PublicKey,
    /// A one-time pre-key that the server never had, and never will.
    pub one_time: Option<(PreKeyId, PublicKey)>,
    /// The signed pre-key.
    pub signed: SignedKey,
    /// Our own signed device identity.
    pub device_identity: &'m [u8],
}

impl RetryKeys<'_> {
    fn to_node(self) -> Node {
        let keys = Node::new("keys")
            .child(Node::new("type").bytes(KEY_TYPE.to_vec()))
            .child(Node::new("identity").bytes(self.identity.as_bytes().to_vec()));
        keys.children(self.one_time.map(|(id, key)| key_node("key", id, &key)))
            .child(self.signed.to_node())
            .child(Node::new("device-identity").bytes(self.device_identity))
    }
}

impl RetryRequest<'_> {
    /// The stanza.
    #[must_use]
    pub fn to_node(&self) -> Node {
        let origin = self.origin;
        let retry = Node::new("retry")
            .attr("v", "1")
            .attr("count", u32::from(self.count))
            .attr("id", &origin.id)
            .attr("t", origin.timestamp)
            .attr_opt("error", self.code);
        Node::new("receipt")
            .attr("id", &origin.id)
            .attr("to", &origin.from)
            .attr("type", "retry")
            .attr_opt("participant", origin.participant.as_ref())
            .attr_opt("recipient", origin.recipient.as_ref())
            .attr_opt("category", origin.is_peer.then_some("peer"))
            .child(retry)
            .child(Node::new("registration").bytes(self.registration_id.to_bytes().to_vec()))
            .children(self.keys.map(RetryKeys::to_node))
    }
}

/// What a device says when it asks us for a message again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryAsked {
    /// Which request for the message this is, by the device's count.
    pub count: u8,
    /// Why it could not read it; the codes are those of our own requests.
    pub code: Option<u8>,
    /// The device's registration id.
    pub registration_id: Option<RegistrationId>,
    /// Its keys for a new session; signature and device identity are not checked yet.
    pub keys: Option<Box<Bundle>>,
}

impl RetryAsked {
    /// Reads the children of a `<receipt type="retry">`.
    ///
    /// # Errors
    /// [`StanzaError`] when `retry` is missing, or keys are there and malformed: the request is worth nothing.
    pub fn read(stanza: Reader<'_>) -> Result<Self, StanzaError> {
        let retry = stanza.child("retry")?;
        // More than anyone honest counts to is still a count.
        let count = retry.text_opt("count").map_or(1, |count| count.parse().unwrap_or(u8::MAX));
        let registration_id = stanza
            .child_opt("registration")
            .and_then(|id| <[u8; 4]>::try_from(id.content().as_ref()).ok())
            .map(|id| RegistrationId(u32::from_be_bytes(id)));
        let keys = match stanza.child_opt("keys") {
            Some(keys) => {
                let id = registration_id.ok_or_else(|| stanza.missing("registration"))?;
                Some(Box::new(read_keys(keys, id)?))
            }
            None => None,
        };
        let code = retry.text_opt("error").and_then(|code| code.parse().ok());
        Ok(Self { count, code, registration_id, keys })
    }
}

/// A message that goes again to one device, under its old id.
#[derive(Debug)]
pub struct Resend<'m> {
    /// The stanza's `to`: the device in direct chats, else the chat.
    pub to: &'m Jid,
    /// The device, where `to` is a chat.
    pub participant: Option<&'m Jid>,
    /// The chat, when the device is one of our own.
    pub recipient: Option<&'m Jid>,
    /// The message's id.
    pub id: &'m MessageId,
    /// What the content is.
    pub class: Class,
    /// The ciphertext.
    pub enc: (EncKind, Vec<u8>),
    /// The count of the request that this answers.
    pub count: u8,
    /// Our own signed device identity, needed when the ciphertext is a pkmsg.
    pub device_identity: Option<&'m [u8]>,
    /// The name space of a group's members.
    pub addressing_mode: Option<&'static str>,
}

impl Resend<'_> {
    /// The stanza.
    #[must_use]
    pub fn into_node(self) -> Node {
        let (kind, bytes) = self.enc;
        let enc = Node::new("enc")
            .attr("v", "2")
            .attr("type", kind.as_str())
            .attr("count", u32::from(self.count))
            .attr_opt("mediatype", self.class.media)
            .attr_opt("decrypt-fail", self.class.hides_failure.then_some("hide"))
            .bytes(bytes);
        let is_direct = self.participant.is_none();
        Node::new("message")
            .attr("to", self.to)
            .attr("id", self.id)
            .attr("type", self.class.kind)
            .attr_opt("participant", self.participant)
            .attr_opt("recipient", self.recipient)
            .attr_opt("edit", self.class.edit)
            .attr_opt("addressing_mode", self.addressing_mode)
            .attr_opt("device_fanout", is_direct.then_some("false"))
            .child(enc)
            .children(
                self.device_identity
                    .filter(|_| kind == EncKind::PreKey)
                    .map(|identity| Node::new("device-identity").bytes(identity)),
            )
    }
}
