//! `<receipt>`, both directions. Protocol: receiving, "Positive answers", "Retry requests", "Inbound receipts".

use smol_str::SmolStr;
use wa_types::{Jid, MessageId, UnixSeconds};

use super::retry::RetryAsked;
use super::{Reader, StanzaError};
use crate::wire::Node;

/// How many ids one receipt may name.
pub const IDS_LIMIT: usize = 256;

/// A receipt as it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InboundReceipt {
    /// The stanza's id, the first of the message ids.
    pub id: MessageId,
    /// Who sent it: a device, or the chat.
    pub from: Jid,
    /// The device, when `from` is a chat.
    pub participant: Option<Jid>,
    /// The chat, when another device of our own account sent it.
    pub recipient: Option<Jid>,
    /// What happened to the messages.
    pub kind: ReceiptKind,
    /// Which messages.
    pub ids: Vec<MessageId>,
    /// When, by the server's clock.
    pub timestamp: Option<UnixSeconds>,
    /// It came with the backlog.
    pub is_offline: bool,
    /// What a retry receipt asks for; none when that is malformed.
    pub retry: Option<Box<RetryAsked>>,
}

/// The `type` of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReceiptKind {
    /// Arrived on a device of the recipient. No `type`, or `inactive`.
    Delivered,
    /// Another device of our own account has it.
    Sender,
    /// Read by the recipient.
    Read,
    /// Read on another device of our own account.
    ReadSelf,
    /// Voice or video note played.
    Played,
    /// The same on another device of our own account.
    PlayedSelf,
    /// The receiver could not decrypt it and asks for it again.
    Retry,
    /// Anything else, as it came.
    Other(SmolStr),
}

impl ReceiptKind {
    fn from_name(name: Option<&str>) -> Self {
        match name {
            None | Some("inactive" | "") => Self::Delivered,
            Some("sender") => Self::Sender,
            Some("read") => Self::Read,
            Some("read-self") => Self::ReadSelf,
            Some("played") => Self::Played,
            Some("played-self") => Self::PlayedSelf,
            Some("retry") => Self::Retry,
            Some(other) => Self::Other(SmolStr::new(other)),
        }
    }
}

impl InboundReceipt {
    /// Reads a `<receipt>`.
    ///
    /// # Errors
    /// [`StanzaError`] when id or sender are missing or malformed.
    pub fn read(stanza: Reader<'_>) -> Result<Self, StanzaError> {
        let id = stanza.message_id()?;
        // Items of channels have numbers instead of ids.
        let listed = stanza.child_opt("list").into_iter().flat_map(|list| list.children_of("item"));
        let mut ids = vec![id.clone()];
        ids.extend(listed.filter_map(|item| item.message_id().ok()).take(IDS_LIMIT));
        let kind = ReceiptKind::from_name(stanza.text_opt("type").as_deref());
        let retry = (kind == ReceiptKind::Retry).then(|| RetryAsked::read(stanza)).and_then(|asked| {
            asked.inspect_err(|error| tracing::warn!(%error, "a malformed retry receipt")).ok()
        });
        Ok(Self {
            id,
            from: stanza.jid("from")?,
            participant: stanza.jid_opt("participant")?,
            recipient: stanza.jid_opt("recipient")?,
            kind,
            ids,
            timestamp: stanza.time_opt("t"),
            is_offline: stanza.node().attr("offline").is_some(),
            retry: retry.map(Box::new),
        })
    }
}

/// A receipt on its way out; several messages of one sender share one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboundReceipt {
    /// The stanza's `to`: the sender's device, or the chat.
    pub to: Jid,
    /// `type`; none for a plain delivery.
    pub kind: Option<&'static str>,
    /// The author, in groups and status.
    pub participant: Option<Jid>,
    /// The chat, for messages of our own other devices.
    pub recipient: Option<Jid>,
    /// The messages are of the status feed.
    pub is_status: bool,
    /// The messages; at least one.
    pub ids: Vec<MessageId>,
    /// When they were read.
    pub timestamp: Option<UnixSeconds>,
}

impl OutboundReceipt {
    /// A receipt for one message.
    #[must_use]
    pub fn new(to: Jid, kind: Option<&'static str>, id: MessageId) -> Self {
        let is_status = to.is_status();
        Self { to, kind, participant: None, recipient: None, is_status, ids: vec![id], timestamp: None }
    }

    /// Whether both can be one stanza.
    #[must_use]
    pub fn joins(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.to == other.to
            && self.participant == other.participant
            && self.recipient == other.recipient
            && self.ids.len() + other.ids.len() <= IDS_LIMIT
    }

    /// The stanza.
    #[must_use]
    pub fn into_node(self) -> Node {
        let mut ids = self.ids.into_iter();
        let node = Node::new("receipt")
            .attr_opt("id", ids.next())
            .attr("to", self.to)
            .attr_opt("type", self.kind)
            .attr_opt("participant", self.participant)
            .attr_opt("recipient", self.recipient)
            .attr_opt("context", self.is_status.then_some("status"))
            .attr_opt("t", self.timestamp.map(|t| t.0));
        if ids.len() == 0 {
            return node;
        }
        node.child(Node::new("list").children(ids.map(|id| Node::new("item").attr("id", id))))
    }
}
