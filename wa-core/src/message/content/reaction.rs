//! Reactions and comments.

use wa_proto::e2e;
use wa_types::UnixMillis;

use crate::message::read::{self, opaque_debug};
use crate::message::{Message, MessageKey};

/// A reaction to a message. It takes the place of the same user's earlier one.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reaction {
    /// The message; told from the side of who reacts.
    pub target: MessageKey,
    /// The emoji; `None` takes the reaction back.
    pub emoji: Option<String>,
    /// When, by the sender's clock; set when it is sent.
    pub at: Option<UnixMillis>,
}

opaque_debug!(Reaction, Comment);

impl Reaction {
    /// This emoji; an empty one takes the reaction back.
    #[must_use]
    pub fn new(target: impl Into<MessageKey>, emoji: impl Into<String>) -> Self {
        Self { target: target.into(), emoji: Some(emoji.into()).filter(|emoji| !emoji.is_empty()), at: None }
    }

    pub(super) fn read(reaction: &e2e::ReactionMessage) -> Option<Self> {
        Some(Self {
            target: read::key(reaction.key.as_ref())?,
            emoji: read::text(reaction.text.as_ref()),
            at: read::millis(reaction.sender_timestamp_ms),
        })
    }
}

impl From<Reaction> for Message {
    fn from(reaction: Reaction) -> Self {
        let reaction = e2e::ReactionMessage {
            key: Some(reaction.target.to_proto()),
            text: Some(reaction.emoji.unwrap_or_default()),
            sender_timestamp_ms: reaction.at.map(read::millis_to_wire),
            ..Default::default()
        };
        Self::from_proto(e2e::Message { reaction_message: Some(Box::new(reaction)), ..Default::default() })
    }
}

/// A comment on a message of an announcement group.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Comment {
    /// The message; told from the side of who comments.
    pub target: MessageKey,
    /// What is said of it.
    pub message: Message,
}

impl Comment {
    pub(super) fn read(comment: &e2e::CommentMessage, bytes: &[u8]) -> Option<Self> {
        /// `Message.commentMessage`, and its `message`.
        const PATH: [u32; 2] = [77, 1];
        Some(Self {
            target: read::key(comment.target_message_key.as_ref())?,
            message: Message::nested(comment.message.as_deref()?, bytes, &PATH),
        })
    }
}
