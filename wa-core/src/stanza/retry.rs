//! `<receipt type="retry">`: asks a sender for a message again. Protocol: receiving, "Retry requests".

use wa_types::RegistrationId;

use super::message::InboundMessage;
use crate::wire::Node;

/// A request for a message that could not be decrypted.
#[derive(Debug)]
pub struct RetryRequest<'m> {
    /// The message.
    pub message: &'m InboundMessage,
    /// Which request for it this is, from 1.
    pub count: u8,
    /// Why it could not be decrypted.
    pub code: u8,
    /// Our registration id.
    pub registration_id: RegistrationId,
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
            .attr("error", u32::from(self.code));
        Node::new("receipt")
            .attr("id", &message.id)
            .attr("to", &message.from)
            .attr("type", "retry")
            .attr_opt("participant", message.participant.as_ref())
            .attr_opt("recipient", message.recipient.as_ref())
            .attr_opt("category", message.is_peer.then_some("peer"))
            .child(retry)
            .child(Node::new("registration").bytes(self.registration_id.to_bytes().to_vec()))
    }
}
