//! What an inbox entry holds: one durable event, as bytes.

use prost::Message as _;
use wa_store::InboxEntry;
use wa_types::{Jid, UnixSeconds};

use crate::event::{
    ChatsMerged, Event, InboxNumber, LostReason, MessageLost, MessageReceived, RecoveredBy, Undecodable,
};
use crate::message::Message;

/// An event that the inbox keeps until the application confirms it.
pub(in crate::driver) enum StoredEvent {
    /// [`Event::Message`].
    Message(Box<MessageReceived>),
    /// [`Event::OwnDevice`].
    OwnDevice(Box<MessageReceived>),
    /// [`Event::Undecodable`].
    Undecodable(Box<Undecodable>),
    /// [`Event::MessageLost`].
    Lost(Box<MessageLost>),
    /// [`Event::ChatsMerged`].
    ChatsMerged(Box<ChatsMerged>),
    /// [`Event::Opened`].
    Opened(Box<MessageReceived>),
}

impl StoredEvent {
    /// Its number in the inbox.
    pub(in crate::driver) const fn number(&self) -> InboxNumber {
        match self {
            Self::Message(received) | Self::OwnDevice(received) | Self::Opened(received) => received.number,
            Self::Undecodable(undecodable) => undecodable.number,
            Self::Lost(lost) => lost.number,
            Self::ChatsMerged(merged) => merged.number,
        }
    }

    /// What the application hears.
    pub(in crate::driver) fn into_event(self) -> Event {
        match self {
            Self::Message(received) => Event::Message(received),
            Self::OwnDevice(received) => Event::OwnDevice(received),
            Self::Undecodable(undecodable) => Event::Undecodable(undecodable),
            Self::Lost(lost) => Event::MessageLost(lost),
            Self::ChatsMerged(merged) => Event::ChatsMerged(merged),
            Self::Opened(received) => Event::Opened(received),
        }
    }

    /// The payload of a message's entry.
    pub(in crate::driver) fn encode_message(received: &MessageReceived) -> Vec<u8> {
        RawEvent::of(received, What::Message).encode_to_vec()
    }

    /// The number and the payload of an event's entry; `None` for one that is told once.
    pub(super) fn encode(event: &Event) -> Option<(InboxNumber, Vec<u8>)> {
        let payload = match event {
            Event::Message(received) => Self::encode_message(received),
            Event::OwnDevice(received) => RawEvent::of(received, What::OwnDevice).encode_to_vec(),
            Event::Opened(received) => RawEvent::of(received, What::Opened).encode_to_vec(),
            Event::Undecodable(undecodable) => RawEvent {
                chat: undecodable.chat.to_string(),
                sender: undecodable.sender.to_string(),
                sender_alt: undecodable.sender_alt.as_ref().map(Jid::to_string),
                from_me: undecodable.from_me,
                timestamp: undecodable.timestamp.0,
                what: Some(What::Undecodable(undecodable.bytes.clone())),
                ..RawEvent::default()
            }
            .encode_to_vec(),
            Event::MessageLost(lost) => RawEvent {
                chat: lost.chat.to_string(),
                sender: lost.sender.to_string(),
                from_me: lost.from_me,
                timestamp: lost.timestamp.0,
                what: Some(What::Lost(number_of(lost.why))),
                ..RawEvent::default()
            }
            .encode_to_vec(),
            Event::ChatsMerged(merged) => RawEvent {
                chat: merged.kept.to_string(),
                what: Some(What::ChatsMerged(merged.gone.to_string())),
                ..RawEvent::default()
            }
            .encode_to_vec(),
            _ => return None,
        };
        Some((event.inbox_number()?, payload))
    }

    /// The chat that it belongs to, if to one.
    pub(super) const fn chat_mut(&mut self) -> Option<&mut Jid> {
        match self {
            Self::Message(received) | Self::OwnDevice(received) | Self::Opened(received) => {
                Some(&mut received.chat)
            }
            Self::Undecodable(undecodable) => Some(&mut undecodable.chat),
            Self::Lost(lost) => Some(&mut lost.chat),
            Self::ChatsMerged(_) => None,
        }
    }

    /// Reads an entry; `None` when it is damaged.
    pub(in crate::driver) fn read(entry: &InboxEntry) -> Option<Self> {
        let mut raw = RawEvent::decode(entry.payload.as_slice()).ok()?;
        Some(match raw.what.take()? {
            What::Message(message) => Self::Message(Box::new(raw.into_received(entry, message)?)),
            What::Opened(message) => Self::Opened(Box::new(raw.into_received(entry, message)?)),
            What::OwnDevice(message) => Self::OwnDevice(Box::new(raw.into_received(entry, message)?)),
            What::Lost(why) => Self::Lost(Box::new(MessageLost {
                number: InboxNumber(entry.seq),
                chat: raw.chat.parse().ok()?,
                sender: raw.sender.parse().ok()?,
                from_me: raw.from_me,
                id: entry.message.id.clone(),
                timestamp: UnixSeconds(raw.timestamp),
                why: reason_of(why),
            })),
            What::Undecodable(bytes) => Self::Undecodable(Box::new(Undecodable {
                number: InboxNumber(entry.seq),
                chat: raw.chat.parse().ok()?,
                sender: raw.sender.parse().ok()?,
                sender_alt: raw.other_address(),
                from_me: raw.from_me,
                id: entry.message.id.clone(),
                timestamp: UnixSeconds(raw.timestamp),
                bytes,
            })),
            What::ChatsMerged(gone) => Self::ChatsMerged(Box::new(ChatsMerged {
                number: InboxNumber(entry.seq),
                kept: raw.chat.parse().ok()?,
                gone: gone.parse().ok()?,
            })),
        })
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct RawEvent {
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
    #[prost(string, optional, tag = "7")]
    sender_alt: Option<String>,
    /// 1 the sender, 2 our phone.
    #[prost(uint32, tag = "8")]
    recovered: u32,
    #[prost(uint64, optional, tag = "9")]
    post: Option<u64>,
    /// What was sealed in the message.
    #[prost(bytes, optional, tag = "10")]
    opened: Option<Vec<u8>>,
    #[prost(oneof = "What", tags = "16, 17, 18, 19, 20, 21")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(bytes, tag = "16")]
    Message(Vec<u8>),
    #[prost(bytes, tag = "17")]
    OwnDevice(Vec<u8>),
    #[prost(bytes, tag = "18")]
    Undecodable(Vec<u8>),
    #[prost(uint32, tag = "19")]
    Lost(u32),
    /// The key that is gone.
    #[prost(string, tag = "20")]
    ChatsMerged(String),
    #[prost(bytes, tag = "21")]
    Opened(Vec<u8>),
}

/// The number of a reason in entries; never given to another one.
const fn number_of(why: LostReason) -> u32 {
    match why {
        LostReason::NotAnswered => 0,
        LostReason::Unreadable => 1,
        LostReason::NotForThisDevice => 2,
        LostReason::OnlyKeys => 3,
        LostReason::NoContent => 4,
        LostReason::MissingSecret => 5,
        LostReason::ForeignCopy => 6,
        LostReason::TooMany => 7,
    }
}

const fn reason_of(number: u32) -> LostReason {
    match number {
        1 => LostReason::Unreadable,
        2 => LostReason::NotForThisDevice,
        3 => LostReason::OnlyKeys,
        4 => LostReason::NoContent,
        5 => LostReason::MissingSecret,
        6 => LostReason::ForeignCopy,
        7 => LostReason::TooMany,
        _ => LostReason::NotAnswered,
    }
}

impl RawEvent {
    fn of(received: &MessageReceived, what: fn(Vec<u8>) -> What) -> Self {
        Self {
            chat: received.chat.to_string(),
            sender: received.sender.to_string(),
            sender_alt: received.sender_alt.as_ref().map(Jid::to_string),
            from_me: received.from_me,
            post: received.post,
            timestamp: received.timestamp.0,
            push_name: received.push_name.clone(),
            is_backlog: received.is_backlog,
            recovered: match received.recovered {
                None => 0,
                Some(RecoveredBy::Sender) => 1,
                Some(RecoveredBy::Phone) => 2,
            },
            opened: received.message.opened().map(<[u8]>::to_vec),
            what: Some(what(received.message.encoded().to_vec())),
        }
    }

    fn into_received(self, entry: &InboxEntry, message: Vec<u8>) -> Option<MessageReceived> {
        let mut message = Message::decode(message).ok()?;
        if let Some(opened) = &self.opened {
            message.set_opened(opened.clone());
        }
        Some(MessageReceived {
            number: InboxNumber(entry.seq),
            chat: self.chat.parse().ok()?,
            sender: self.sender.parse().ok()?,
            sender_alt: self.other_address(),
            from_me: self.from_me,
            id: entry.message.id.clone(),
            post: self.post,
            timestamp: UnixSeconds(self.timestamp),
            push_name: self.push_name,
            is_backlog: self.is_backlog,
            recovered: match self.recovered {
                1 => Some(RecoveredBy::Sender),
                2 => Some(RecoveredBy::Phone),
                _ => None,
            },
            message,
        })
    }

    fn other_address(&self) -> Option<Jid> {
        self.sender_alt.as_ref()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use wa_store::MessageKey;
    use wa_types::{MessageId, UnixMillis};

    use super::*;

    fn received(message: Message) -> Box<MessageReceived> {
        Box::new(MessageReceived {
            number: InboxNumber(7),
            chat: Jid::pn("15551234567"),
            sender: Jid::lid("98765432109876").with_device(3),
            sender_alt: Some(Jid::pn("15551234567").with_device(3)),
            from_me: false,
            id: MessageId::new("3EB0"),
            post: Some(100),
            timestamp: UnixSeconds(1_700_000_000),
            push_name: Some("Ana".to_owned()),
            is_backlog: true,
            recovered: Some(RecoveredBy::Phone),
            message,
        })
    }

    fn again(event: Event) -> Option<Event> {
        let (number, payload) = StoredEvent::encode(&event)?;
        let message = MessageKey { chat: Jid::STATUS, sender: Jid::STATUS, id: MessageId::new("3EB0") };
        Some(
            StoredEvent::read(&InboxEntry { seq: number.0, message, received: UnixMillis(0), payload })?
                .into_event(),
        )
    }

    #[test]
    fn what_is_stored_is_read_again() {
        let message = received(Message::text("hello"));
        let stored = again(Event::Message(message.clone())).unwrap();
        assert!(matches!(stored, Event::Message(read) if read == message));
        let own = received(Message::text("keys"));
        let stored = again(Event::OwnDevice(own.clone())).unwrap();
        assert!(matches!(stored, Event::OwnDevice(read) if read == own));
        let undecodable = Box::new(Undecodable {
            number: InboxNumber(7),
            chat: own.chat.clone(),
            sender: own.sender.clone(),
            sender_alt: None,
            from_me: true,
            id: own.id.clone(),
            timestamp: own.timestamp,
            bytes: vec![1, 2, 0xFF],
        });
        let stored = again(Event::Undecodable(undecodable.clone())).unwrap();
        assert!(matches!(stored, Event::Undecodable(read) if read == undecodable));
        let merged = Box::new(ChatsMerged {
            number: InboxNumber(7),
            kept: own.sender.to_user(),
            gone: own.chat.clone(),
        });
        let stored = again(Event::ChatsMerged(merged.clone())).unwrap();
        assert!(matches!(stored, Event::ChatsMerged(read) if read == merged));
    }

    #[test]
    fn a_damaged_entry_is_known_as_one() {
        let message = MessageKey { chat: Jid::STATUS, sender: Jid::STATUS, id: MessageId::new("3EB0") };
        for payload in [vec![], vec![0xFF; 9], RawEvent::default().encode_to_vec()] {
            let entry = InboxEntry { seq: 7, message: message.clone(), received: UnixMillis(0), payload };
            assert!(StoredEvent::read(&entry).is_none());
        }
    }
}
