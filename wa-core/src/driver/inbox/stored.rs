//! What an inbox entry holds.

use prost::Message as _;
use wa_store::InboxEntry;
use wa_types::UnixSeconds;

use crate::event::MessageReceived;
use crate::message::Message;

/// A received message as the inbox keeps it.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StoredMessage {
    #[prost(string, tag = "1")]
    chat: String,
    #[prost(string, tag = "2")]
    sender: String,
    #[prost(bool, tag = "3")]
    from_me: bool,
    #[prost(uint64, tag = "4")]
    timestamp: u64,
    #[prost(string, optional, tag = "5")]
    push_name: Option<String>,
    #[prost(bool, tag = "6")]
    is_backlog: bool,
    #[prost(bytes = "vec", tag = "7")]
    message: Vec<u8>,
}

impl StoredMessage {
    pub(super) fn of(received: &MessageReceived) -> Self {
        Self {
            chat: received.chat.to_string(),
            sender: received.sender.to_string(),
            from_me: received.from_me,
            timestamp: received.timestamp.0,
            push_name: received.push_name.clone(),
            is_backlog: received.is_backlog,
            message: received.message.encoded().to_vec(),
        }
    }

    pub(super) fn read(entry: &InboxEntry) -> Option<MessageReceived> {
        let stored = Self::decode(entry.payload.as_slice()).ok()?;
        Some(MessageReceived {
            seq: entry.seq,
            chat: stored.chat.parse().ok()?,
            sender: stored.sender.parse().ok()?,
            from_me: stored.from_me,
            id: entry.message.id.clone(),
            timestamp: UnixSeconds(stored.timestamp),
            push_name: stored.push_name,
            is_backlog: stored.is_backlog,
            message: Message::decode(stored.message).ok()?,
        })
    }
}
