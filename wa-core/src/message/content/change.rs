//! What is done to earlier messages: edited, deleted, pinned, kept.

use std::time::Duration;

use wa_proto::e2e;
use wa_proto::e2e::KeepType;
use wa_proto::e2e::pin_in_chat_message::Type as PinType;
use wa_proto::e2e::protocol_message::Type;
use wa_types::UnixMillis;

use crate::message::read::{self, opaque_debug};
use crate::message::{Message, MessageKey};

/// New content for an earlier message of the same user.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Edit {
    /// The message; told from the side of who edits.
    pub target: MessageKey,
    /// What it says now.
    pub message: Message,
    /// When, by the sender's clock; set when it is sent.
    pub at: Option<UnixMillis>,
}

/// A message is deleted for everyone: by its author, or by an admin of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Revoke {
    /// The message; told from the side of who deletes it.
    pub target: MessageKey,
}

/// A message is pinned in its chat, or no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pin {
    /// The message; told from the side of who pins it.
    pub target: MessageKey,
    /// For how long: a day, a week or 30 days. `None` when it is pinned no longer.
    pub duration: Option<Duration>,
    /// When, by the sender's clock; set when it is sent.
    pub at: Option<UnixMillis>,
}

/// A message of a disappearing chat is kept, or no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Keep {
    /// The message; told from the side of who keeps it.
    pub target: MessageKey,
    /// Whether it is kept.
    pub is_kept: bool,
    /// When, by the sender's clock; set when it is sent.
    pub at: Option<UnixMillis>,
}

opaque_debug!(Edit);

const DAY: Duration = Duration::from_secs(86_400);

impl Edit {
    /// `bytes` are those of the message that holds `protocol`.
    pub(super) fn read(protocol: &e2e::ProtocolMessage, bytes: &[u8]) -> Option<Self> {
        /// `Message.protocolMessage`, and its `editedMessage`.
        const PATH: [u32; 2] = [12, 14];
        Some(Self {
            target: read::key(protocol.key.as_deref())?,
            message: Message::nested(protocol.edited_message.as_deref()?, bytes, &PATH),
            at: read::millis(protocol.timestamp_ms),
        })
    }

    /// This content for a message of our own, which is not older than 20 minutes. Texts and captions can be edited.
    #[must_use]
    pub fn new(target: impl Into<MessageKey>, message: Message) -> Self {
        Self { target: target.into(), message, at: None }
    }
}

impl From<Edit> for Message {
    fn from(edit: Edit) -> Self {
        let protocol = e2e::ProtocolMessage {
            key: Some(Box::new(edit.target.to_proto())),
            r#type: Some(Type::MessageEdit as i32),
            timestamp_ms: edit.at.map(read::millis_to_wire),
            ..Default::default()
        };
        // Secret and keys of the new content are not told: it has those of the edit.
        Self::from_protocol(protocol).with_nested(&[12, 14], edit.message.content_bytes())
    }
}

impl Revoke {
    /// Of this message.
    #[must_use]
    pub fn new(target: impl Into<MessageKey>) -> Self {
        Self { target: target.into() }
    }

    pub(super) fn read(protocol: &e2e::ProtocolMessage) -> Option<Self> {
        Some(Self { target: read::key(protocol.key.as_deref())? })
    }
}

impl From<Revoke> for Message {
    fn from(revoke: Revoke) -> Self {
        let key = Some(Box::new(revoke.target.to_proto()));
        Self::from_protocol(e2e::ProtocolMessage {
            key,
            r#type: Some(Type::Revoke as i32),
            ..Default::default()
        })
    }
}

impl Pin {
    /// For this time: a day, a week or 30 days.
    #[must_use]
    pub fn new(target: impl Into<MessageKey>, duration: Duration) -> Self {
        Self { target: target.into(), duration: Some(duration), at: None }
    }

    /// No longer.
    #[must_use]
    pub fn removed(target: impl Into<MessageKey>) -> Self {
        Self { target: target.into(), duration: None, at: None }
    }

    pub(super) fn read(
        pin: &e2e::PinInChatMessage,
        context: Option<&e2e::MessageContextInfo>,
    ) -> Option<Self> {
        let duration = match pin.r#type() {
            PinType::PinForAll => Some(
                read::span(context.and_then(|context| context.message_add_on_duration_in_secs))
                    .unwrap_or(7 * DAY),
            ),
            PinType::UnpinForAll => None,
            PinType::UnknownType => return None,
        };
        Some(Self {
            target: read::key(pin.key.as_ref())?,
            duration,
            at: read::millis(pin.sender_timestamp_ms),
        })
    }
}

impl From<Pin> for Message {
    fn from(content: Pin) -> Self {
        let kind = if content.duration.is_some() { PinType::PinForAll } else { PinType::UnpinForAll };
        let pin = e2e::PinInChatMessage {
            key: Some(content.target.to_proto()),
            r#type: Some(kind as i32),
            sender_timestamp_ms: content.at.map(read::millis_to_wire),
        };
        let context = e2e::MessageContextInfo {
            message_add_on_duration_in_secs: Some(read::span_to_wire(content.duration.unwrap_or_default())),
            ..Default::default()
        };
        Self::from_proto(e2e::Message {
            pin_in_chat_message: Some(Box::new(pin)),
            message_context_info: Some(Box::new(context)),
            ..Default::default()
        })
    }
}

impl Keep {
    /// Whether this message is kept.
    #[must_use]
    pub fn new(target: impl Into<MessageKey>, is_kept: bool) -> Self {
        Self { target: target.into(), is_kept, at: None }
    }

    pub(super) fn read(keep: &e2e::KeepInChatMessage) -> Option<Self> {
        let is_kept = match keep.keep_type() {
            KeepType::KeepForAll => true,
            KeepType::UndoKeepForAll => false,
            KeepType::UnknownKeepType => return None,
        };
        Some(Self { target: read::key(keep.key.as_ref())?, is_kept, at: read::millis(keep.timestamp_ms) })
    }
}

impl From<Keep> for Message {
    fn from(keep: Keep) -> Self {
        let kind = if keep.is_kept { KeepType::KeepForAll } else { KeepType::UndoKeepForAll };
        let keep = e2e::KeepInChatMessage {
            key: Some(keep.target.to_proto()),
            keep_type: Some(kind as i32),
            timestamp_ms: keep.at.map(read::millis_to_wire),
        };
        Self::from_proto(e2e::Message { keep_in_chat_message: Some(Box::new(keep)), ..Default::default() })
    }
}
