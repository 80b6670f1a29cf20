//! `<ack>`, both directions. Protocol: messages, "Server ack of a message"; receiving, "ack", "Negative acks".

use wa_store::AddressingMode;
use wa_types::UnixSeconds;

use super::Reader;
use crate::wire::{Node, Value};

/// The server's answer to a message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageAck {
    /// When the server took the message: the authoritative time.
    pub timestamp: Option<UnixSeconds>,
    /// The code of a refusal.
    pub error: Option<u16>,
    /// The server's view of the participants, when it differs from ours.
    pub phash: Option<String>,
    /// How the group is addressed, as the server sees it.
    pub addressing: Option<AddressingMode>,
    /// The number of a post in its channel.
    pub server_id: Option<u64>,
}

impl MessageAck {
    /// Reads an `<ack class="message">`. An error code that is no number reads as 0, never as success.
    #[must_use]
    pub fn read(stanza: Reader<'_>) -> Self {
        Self {
            timestamp: stanza.time_opt("t"),
            error: stanza.text_opt("error").map(|code| code.parse().unwrap_or(0)),
            phash: stanza.text_opt("phash").map(std::borrow::Cow::into_owned),
            addressing: super::group::read_mode(stanza),
            server_id: stanza.text_opt("server_id").and_then(|number| number.parse().ok()),
        }
    }
}

/// The ack that answers this stanza: class, id, address and type are copied from it. A call's type is its child's tag.
#[must_use]
pub fn for_stanza(stanza: Reader<'_>) -> Node {
    let node = stanza.node();
    let copied = |name: &str| node.attr(name).map(Value::from);
    let is_identity_change = stanza.attr_is("type", "encrypt") && stanza.child_opt("identity").is_some();
    let kind = if stanza.is("message") || is_identity_change {
        None
    } else if stanza.is("call") {
        stanza.children().next().map(|child| Value::from(child.node().tag().to_smol()))
    } else {
        copied("type")
    };
    Node::new("ack")
        .attr("class", node.tag().to_smol())
        .attr_opt("id", copied("id"))
        .attr_opt("to", copied("from"))
        .attr_opt("participant", copied("participant"))
        .attr_opt("recipient", copied("recipient"))
        .attr_opt("type", kind)
}

/// The codes with which we refuse a stanza for good; the server drops it then.
pub mod nack {
    /// A required attribute is missing, or a JID malformed.
    pub const PARSING: u16 = 487;
    /// A tag that we do not know.
    pub const UNRECOGNIZED_STANZA: u16 = 488;
    /// No content that we could use.
    pub const UNRECOGNIZED_TYPE: u16 = 490;
    /// It decrypts, but is no message.
    pub const INVALID_PROTOBUF: u16 = 491;
    /// It is encrypted with the secret of a message that we do not have.
    pub const MISSING_SECRET: u16 = 495;
}

/// The ack of a message that wants no receipt; with an error code, the refusal of it.
#[must_use]
pub fn for_message(message: &super::message::InboundMessage, error: Option<u16>) -> Node {
    Node::new("ack")
        .attr("class", "message")
        .attr("id", &message.id)
        .attr("to", &message.from)
        .attr_opt("participant", message.participant.as_ref())
        .attr_opt("recipient", message.recipient.as_ref())
        .attr_opt("error", error.map(u32::from))
}
