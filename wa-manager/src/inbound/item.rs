//! The client's durable events, as plain values.

use wa_core::event::{Event, LostReason, RecoveredBy};
use wa_core::message::MessageKey;
use wa_core::{Message, MessageReceived};
use wa_types::{Jid, MessageId, UnixSeconds};

/// Something that came in, and that the client keeps until it is confirmed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Item {
    /// A message, or what is left of one.
    Received(Box<Received>),
    /// Two chats turned out to be with one person.
    Merged {
        /// Its number in the inbox.
        number: u64,
        /// The key of both from now on.
        kept: Jid,
        /// The key that no event carries any more.
        gone: Jid,
    },
}

/// A message, or what is left of one. `Debug` does not show the sender's name for itself.
#[derive(Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "made of the client's events, and by tests")]
pub struct Received {
    /// Its number in the inbox.
    pub number: u64,
    /// The chat that it belongs to.
    pub chat: Jid,
    /// The device that wrote it.
    pub sender: Jid,
    /// The sender's other address, where it is known.
    pub sender_alt: Option<Jid>,
    /// Whether our own account wrote it, on another device.
    pub from_me: bool,
    /// Its id.
    pub id: MessageId,
    /// Its number in a channel.
    pub post: Option<u64>,
    /// When the server took it.
    pub timestamp: UnixSeconds,
    /// The sender's own name for itself.
    pub push_name: Option<String>,
    /// It came with the backlog of the time away.
    pub is_backlog: bool,
    /// Who made up for it, when it could not be read at first.
    pub recovered: Option<RecoveredBy>,
    /// The message that it is about, from our side.
    pub target: Option<MessageKey>,
    /// What there is of it.
    pub what: What,
}

/// What there is of a message.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum What {
    /// What it says.
    Message(Message),
    /// What it says, now that it is opened; it was told sealed before.
    Opened(Message),
    /// A matter between our own devices.
    OwnDevice,
    /// So many bytes that are no message.
    Undecodable {
        /// How many.
        bytes: usize,
    },
    /// Nothing: it was given up.
    Lost(LostReason),
}

impl Item {
    /// The item that an event is; `None` for events that are told once, and need no confirmation.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::Message(message) => Self::received(message, What::Message(message.message.clone())),
            Event::Opened(message) => Self::received(message, What::Opened(message.message.clone())),
            Event::OwnDevice(message) => Self::received(message, What::OwnDevice),
            Event::Undecodable(lost) => Self::Received(Box::new(Received {
                number: lost.number.get(),
                chat: lost.chat.clone(),
                sender: lost.sender.clone(),
                sender_alt: lost.sender_alt.clone(),
                from_me: lost.from_me,
                id: lost.id.clone(),
                post: None,
                timestamp: lost.timestamp,
                push_name: None,
                is_backlog: false,
                recovered: None,
                target: None,
                what: What::Undecodable { bytes: lost.bytes.len() },
            })),
            Event::MessageLost(lost) => Self::Received(Box::new(Received {
                number: lost.number.get(),
                chat: lost.chat.clone(),
                sender: lost.sender.clone(),
                sender_alt: None,
                from_me: lost.from_me,
                id: lost.id.clone(),
                post: None,
                timestamp: lost.timestamp,
                push_name: None,
                is_backlog: false,
                recovered: None,
                target: None,
                what: What::Lost(lost.why),
            })),
            Event::ChatsMerged(merged) => Self::Merged {
                number: merged.number.get(),
                kept: merged.kept.clone(),
                gone: merged.gone.clone(),
            },
            _ => return None,
        })
    }

    fn received(message: &MessageReceived, what: What) -> Self {
        Self::Received(Box::new(Received {
            number: message.number.get(),
            chat: message.chat.clone(),
            sender: message.sender.clone(),
            sender_alt: message.sender_alt.clone(),
            from_me: message.from_me,
            id: message.id.clone(),
            post: message.post,
            timestamp: message.timestamp,
            push_name: message.push_name.clone(),
            is_backlog: message.is_backlog,
            recovered: message.recovered,
            target: message.target(),
            what,
        }))
    }
}

impl std::fmt::Debug for Received {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Received")
            .field("number", &self.number)
            .field("chat", &self.chat)
            .field("sender", &self.sender)
            .field("from_me", &self.from_me)
            .field("id", &self.id)
            .field("what", &self.what)
            .finish_non_exhaustive()
    }
}
