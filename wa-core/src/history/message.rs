//! One message of the past: its envelope is read, what it says is left as it is.

use wa_types::{Jid, MessageId, UnixSeconds};

use super::fields;
use super::limits::HistoryError;
use crate::message::Message;

/// Numbers of fields of `WebMessageInfo`.
mod field {
    pub(super) const KEY: u32 = 1;
    pub(super) const MESSAGE: u32 = 2;
    pub(super) const TIMESTAMP: u32 = 3;
    pub(super) const STATUS: u32 = 4;
    pub(super) const PARTICIPANT: u32 = 5;
    pub(super) const STARRED: u32 = 17;
    pub(super) const PUSH_NAME: u32 = 19;
    pub(super) const STUB_TYPE: u32 = 24;
    pub(super) const SECRET: u32 = 49;
}

/// A message of a blob, in place. Protocol: history sync, "Conversation".
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WebMessage<'b> {
    /// Its id.
    pub id: &'b str,
    /// The chat's address, as the phone writes it.
    pub remote: &'b str,
    /// Whether our own account wrote it.
    pub from_me: bool,
    /// Who wrote it, in chats with more than one other.
    pub participant: Option<&'b str>,
    /// When the server took it, seconds.
    pub timestamp: u64,
    /// How far a message of our own is: the number of `WebMessageInfo.Status`.
    pub status: Option<u32>,
    /// Whether the user marked it with a star.
    pub is_starred: bool,
    /// The author's own name for itself.
    pub push_name: Option<&'b str>,
    /// What happened, for a message that tells of an event: the number of `WebMessageInfo.StubType`.
    pub stub: Option<u32>,
    /// What it says: an encoded `Message`. Absent in messages that tell of an event.
    pub message: Option<&'b [u8]>,
    /// Opens what others add to it: votes, reactions, edits.
    pub secret: Option<&'b [u8]>,
    /// Its place in the phone's order of the chat.
    pub order: Option<u64>,
    /// All of it: an encoded `WebMessageInfo`.
    pub encoded: &'b [u8],
}

impl<'b> WebMessage<'b> {
    /// Reads the envelope of an encoded `WebMessageInfo`.
    ///
    /// # Errors
    /// [`HistoryError::Malformed`]: it is none, or has no id.
    pub fn read(encoded: &'b [u8]) -> Result<Self, HistoryError> {
        let mut read = Self {
            id: "",
            remote: "",
            from_me: false,
            participant: None,
            timestamp: 0,
            status: None,
            is_starred: false,
            push_name: None,
            stub: None,
            message: None,
            secret: None,
            order: None,
            encoded,
        };
        let mut other_participant = None;
        let small = |value: fields::Value<'_>| value.number().and_then(|number| u32::try_from(number).ok());
        for one in fields::of(encoded) {
            let (number, value) = one?;
            match number {
                field::KEY => read.read_key(value.bytes().unwrap_or_default())?,
                field::MESSAGE => read.message = value.bytes(),
                field::TIMESTAMP => read.timestamp = value.number().unwrap_or_default(),
                field::STATUS => read.status = small(value),
                field::PARTICIPANT => other_participant = value.text(),
                field::STARRED => read.is_starred = value.number() == Some(1),
                field::PUSH_NAME => read.push_name = value.text(),
                field::STUB_TYPE => read.stub = small(value),
                field::SECRET => read.secret = value.bytes(),
                _ => {}
            }
        }
        read.participant = read.participant.or(other_participant).filter(|text| !text.is_empty());
        read.secret =
            read.secret.or_else(|| secret_within(read.message?)).filter(|secret| !secret.is_empty());
        if read.id.is_empty() { Err(HistoryError::Malformed("a message without an id")) } else { Ok(read) }
    }

    /// Reads an encoded `HistorySyncMsg`: a message, and its place.
    pub(super) fn read_placed(encoded: &'b [u8]) -> Result<Self, HistoryError> {
        let (mut message, mut order) = (None, None);
        for one in fields::of(encoded) {
            match one? {
                (1, value) => message = value.bytes(),
                (2, value) => order = value.number(),
                _ => {}
            }
        }
        let message = message.ok_or(HistoryError::Malformed("a place without a message"))?;
        Ok(Self { order, ..Self::read(message)? })
    }

    fn read_key(&mut self, key: &'b [u8]) -> Result<(), HistoryError> {
        for one in fields::of(key) {
            match one? {
                (1, value) => self.remote = value.text().unwrap_or_default(),
                (2, value) => self.from_me = value.number() == Some(1),
                (3, value) => self.id = value.text().unwrap_or_default(),
                (4, value) => self.participant = value.text(),
                _ => {}
            }
        }
        Ok(())
    }

    /// Who wrote it, in this chat of the account `own`. `None` when the address is none.
    #[must_use]
    pub fn sender(&self, chat: &Jid, own: &Jid) -> Option<Jid> {
        if self.from_me {
            return Some(own.to_user());
        }
        match self.participant {
            Some(participant) => Some(participant.parse::<Jid>().ok()?.to_user()),
            None => Some(chat.clone()),
        }
    }

    /// A message of its own.
    #[must_use]
    pub fn to_owned(&self, chat: &Jid, own: &Jid) -> Option<HistoryMessage> {
        Some(HistoryMessage {
            chat: chat.clone(),
            sender: self.sender(chat, own)?,
            from_me: self.from_me,
            id: MessageId::new(self.id),
            timestamp: UnixSeconds(self.timestamp),
            push_name: self.push_name.map(str::to_owned),
            is_starred: self.is_starred,
            stub: self.stub,
            encoded: self.encoded.into(),
        })
    }
}

/// `Message.messageContextInfo.messageSecret`.
fn secret_within(message: &[u8]) -> Option<&[u8]> {
    let find = |bytes, wanted| {
        fields::of(bytes).filter_map(Result::ok).find(|(number, _)| *number == wanted)?.1.bytes()
    };
    find(find(message, 35)?, 3)
}

impl std::fmt::Debug for WebMessage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WebMessage({}, {} bytes)", self.id, self.encoded.len())
    }
}

/// A message of the past. What it says is decoded when it is asked for.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryMessage {
    /// The chat that it belongs to.
    pub chat: Jid,
    /// Who wrote it. The past knows users, not devices.
    pub sender: Jid,
    /// Whether our own account wrote it.
    pub from_me: bool,
    /// Its id.
    pub id: MessageId,
    /// When the server took it.
    pub timestamp: UnixSeconds,
    /// The author's own name for itself.
    pub push_name: Option<String>,
    /// Whether the user marked it with a star.
    pub is_starred: bool,
    /// What happened, for a message that tells of an event: the number of `WebMessageInfo.StubType`.
    pub stub: Option<u32>,
    encoded: Box<[u8]>,
}

impl HistoryMessage {
    /// What it says. `None` for a message that tells of an event, or that cannot be read. Decodes it each time.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        Message::decode(WebMessage::read(&self.encoded).ok()?.message?.to_vec()).ok()
    }

    /// Opens what others add to it: votes, reactions, edits.
    #[must_use]
    pub fn secret(&self) -> Option<&[u8]> {
        WebMessage::read(&self.encoded).ok()?.secret
    }

    /// All that the phone has of it: an encoded `WebMessageInfo`, with receipts, reactions and votes.
    #[must_use]
    pub const fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// How much memory it takes, about.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.encoded.len() + size_of::<Self>()
    }
}

impl std::fmt::Debug for HistoryMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HistoryMessage({:?}, {}, {} bytes)", self.chat, self.id, self.encoded.len())
    }
}
