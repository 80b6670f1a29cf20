//! `<receipt type="retry">`: asks a sender for a message again. Protocol: receiving, "Retry requests".

use wa_types::{PreKeyId, PublicKey, RegistrationId};

use super::iq::encrypt::{KEY_TYPE, SignedKey, key_node};
use super::message::InboundMessage;
use crate::wire::Node;

/// A request for a message that could not be decrypted.
#[derive(Debug)]
pub struct RetryRequest<'m> {
    /// The message.
    pub message: &'m InboundMessage,
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
        let message = self.message;
        let retry = Node::new("retry")
            .attr("v", "1")
            .attr("count", u32::from(self.count))
            .attr("id", &message.id)
            .attr("t", message.timestamp)
            .attr_opt("error", self.code);
        Node::new("receipt")
            .attr("id", &message.id)
            .attr("to", &message.from)
            .attr("type", "retry")
            .attr_opt("participant", message.participant.as_ref())
            .attr_opt("recipient", message.recipient.as_ref())
            .attr_opt("category", message.is_peer.then_some("peer"))
            .child(retry)
            .child(Node::new("registration").bytes(self.registration_id.to_bytes().to_vec()))
            .children(self.keys.map(RetryKeys::to_node))
    }
}
