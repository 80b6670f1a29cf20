//! Reads a blob, one record at a time.

use std::io::Read;

use super::fields::{self, Width};
use super::limits::{HistoryError, ReadLimits, Selection};
use super::message::WebMessage;
use super::window::Window;

/// Numbers of fields of `HistorySync`.
mod top {
    pub(super) const SYNC_TYPE: u32 = 1;
    pub(super) const CONVERSATION: u32 = 2;
    pub(super) const STATUS: u32 = 3;
    pub(super) const CHUNK_ORDER: u32 = 5;
    pub(super) const PROGRESS: u32 = 6;
    pub(super) const PUSH_NAME: u32 = 7;
    pub(super) const SETTINGS: u32 = 8;
    pub(super) const PAST_MEMBERS: u32 = 12;
    pub(super) const CALL: u32 = 13;
    pub(super) const ADDRESSES: u32 = 15;
    pub(super) const NONCE: u32 = 16;
    pub(super) const ACCOUNT: u32 = 18;
    pub(super) const SALT: u32 = 19;
    pub(super) const CONTACT: u32 = 20;
}

/// Numbers of fields of `Conversation`.
mod within {
    pub(super) const ID: u32 = 1;
    pub(super) const MESSAGE: u32 = 2;
}

/// The longest address of a chat.
const LONGEST_ID: usize = 1024;

/// One record of a blob; the bytes are encoded protobuf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item<'b> {
    /// A message of a chat; the newest of a chat come first.
    Message {
        /// The chat's address.
        chat: &'b str,
        /// The message.
        message: WebMessage<'b>,
    },
    /// A message of the status feed.
    Status(WebMessage<'b>),
    /// A message whose envelope cannot be read.
    Unreadable(&'b [u8]),
    /// All else that is known of a chat, behind its messages: a `Conversation` without messages.
    Chat(&'b [u8]),
    /// A `Pushname`.
    PushName(&'b [u8]),
    /// A `PastParticipants`.
    PastMembers(&'b [u8]),
    /// A `CallLogRecord`.
    Call(&'b [u8]),
    /// A `PhoneNumberToLIDMapping`.
    Addresses(&'b [u8]),
    /// An `Account`.
    Account(&'b [u8]),
    /// An `InlineContact`.
    Contact(&'b [u8]),
    /// The `GlobalSettings`.
    Settings(&'b [u8]),
}

/// What a blob says of itself. Complete once the reader is at the end.
#[derive(Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Summary {
    /// The number of its `HistorySyncType`.
    pub sync_type: Option<i32>,
    /// Its place among the chunks of its type.
    pub chunk_order: Option<u32>,
    /// How far the whole is, percent.
    pub progress: Option<u32>,
    /// Asked for when a blob is deleted.
    pub nonce: Option<String>,
    /// The salt of tokens for strangers.
    pub nct_salt: Option<Vec<u8>>,
    /// How many messages were read over because nobody wanted them.
    pub left_out: u64,
}

impl std::fmt::Debug for Summary {
    /// Without the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Summary")
            .field("sync_type", &self.sync_type)
            .field("chunk_order", &self.chunk_order)
            .field("progress", &self.progress)
            .field("left_out", &self.left_out)
            .finish_non_exhaustive()
    }
}

/// Reads a compressed `HistorySync` from `R`. Holds a window of some kilobytes, and one record.
///
/// Bytes that were not checked against their hash may be given to it: it ends with an error or without one, never with a
/// panic. What it handed out before an error is real only if the bytes are.
pub struct Reader<R> {
    window: Window<R>,
    limits: ReadLimits,
    selection: Selection,
    /// The record handed out last; it stands in the window.
    held: usize,
    chat: Option<Chat>,
    /// Those of the chat handed out last.
    settings: Vec<u8>,
    summary: Summary,
    position: u64,
}

/// The conversation that is being read.
struct Chat {
    id: String,
    /// How many bytes of it are still to come.
    left: u64,
    /// Its fields but the messages, as they came.
    settings: Vec<u8>,
    messages: u32,
}

/// Where the next record stands.
enum Next {
    Message(usize),
    Status(usize),
    /// Its settings are in the reader.
    Chat,
    Record(u32, usize),
    End,
}

impl<R: Read> Reader<R> {
    /// A reader at the beginning.
    pub fn new(compressed: R, limits: ReadLimits, selection: Selection) -> Self {
        Self {
            window: Window::new(compressed, limits.total_bytes),
            limits,
            selection,
            held: 0,
            chat: None,
            settings: Vec::new(),
            summary: Summary::default(),
            position: 0,
        }
    }

    /// The next record; `None` at the end of a blob that is whole.
    ///
    /// # Errors
    /// [`HistoryError`]; nothing more can be read then.
    pub fn read_item(&mut self) -> Result<Option<Item<'_>>, HistoryError> {
        let next = loop {
            self.window.consume(std::mem::take(&mut self.held));
            let next = self.advance()?;
            if self.wants(&next) {
                break next;
            }
        };
        if !matches!(next, Next::End) {
            self.position += 1;
        }
        Ok(self.lend(&next))
    }

    /// How many records were handed out.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// What the blob said of itself so far.
    #[must_use]
    pub const fn summary(&self) -> &Summary {
        &self.summary
    }

    fn record(&self, size: usize) -> &[u8] {
        self.window.ready().get(..size).unwrap_or_default()
    }

    /// Whether a message is wanted; all else is.
    fn wants(&mut self, next: &Next) -> bool {
        let (Next::Message(size) | Next::Status(size)) = *next else { return true };
        self.held = size;
        if let Some(oldest) = self.selection.not_before {
            let record = self.record(size);
            let message = match next {
                Next::Status(_) => WebMessage::read(record),
                _ => WebMessage::read_placed(record),
            };
            if message.is_ok_and(|message| message.timestamp < oldest.0) {
                self.summary.left_out += 1;
                return false;
            }
        }
        if let (Next::Message(_), Some(chat)) = (next, &mut self.chat) {
            chat.messages = chat.messages.saturating_add(1);
        }
        true
    }

    fn lend(&mut self, next: &Next) -> Option<Item<'_>> {
        Some(match *next {
            Next::Message(size) => {
                let record = self.record(size);
                let chat = &self.chat.as_ref()?.id;
                let message = WebMessage::read_placed(record);
                message.map_or(Item::Unreadable(record), |message| Item::Message { chat, message })
            }
            Next::Status(size) => {
                let record = self.record(size);
                WebMessage::read(record).map_or(Item::Unreadable(record), Item::Status)
            }
            Next::Chat => Item::Chat(&self.settings),
            Next::Record(number, size) => {
                self.held = size;
                let record = self.record(size);
                match number {
                    top::PUSH_NAME => Item::PushName(record),
                    top::PAST_MEMBERS => Item::PastMembers(record),
                    top::CALL => Item::Call(record),
                    top::ADDRESSES => Item::Addresses(record),
                    top::ACCOUNT => Item::Account(record),
                    top::CONTACT => Item::Contact(record),
                    _ => Item::Settings(record),
                }
            }
            Next::End => return None,
        })
    }

    /// Reads on to the next record.
    fn advance(&mut self) -> Result<Next, HistoryError> {
        loop {
            if let Some(next) = self.advance_in_chat()? {
                return Ok(next);
            }
            // Up to a key and a length.
            self.window.fill(20)?;
            if self.window.ready().is_empty() {
                return if self.summary.sync_type.is_some() {
                    Ok(Next::End)
                } else {
                    Err(HistoryError::Malformed("no type"))
                };
            }
            let (number, width, _) = self.key()?;
            let size = match width {
                Width::Varint => {
                    let (value, size) = self.varint()?;
                    self.window.consume(size);
                    self.note_number(number, value);
                    continue;
                }
                Width::Fixed(size) => {
                    self.window.skip(u64::try_from(size).unwrap_or(u64::MAX))?;
                    continue;
                }
                Width::Sized => {
                    let (size, width) = self.varint()?;
                    self.window.consume(width);
                    size
                }
            };
            match number {
                top::CONVERSATION => {
                    self.chat =
                        Some(Chat { id: String::new(), left: size, settings: Vec::new(), messages: 0 });
                }
                top::STATUS => return Ok(Next::Status(self.load(size)?)),
                top::PUSH_NAME
                | top::PAST_MEMBERS
                | top::CALL
                | top::ADDRESSES
                | top::ACCOUNT
                | top::CONTACT
                | top::SETTINGS => return Ok(Next::Record(number, self.load(size)?)),
                top::NONCE | top::SALT if size <= 1024 => {
                    let size = self.load(size)?;
                    let bytes = self.record(size).to_vec();
                    self.window.consume(size);
                    if number == top::SALT {
                        self.summary.nct_salt = Some(bytes);
                    } else {
                        self.summary.nonce = String::from_utf8(bytes).ok();
                    }
                }
                _ => self.window.skip(size)?,
            }
        }
    }

    /// Reads on within a conversation; `None` when none is open.
    fn advance_in_chat(&mut self) -> Result<Option<Next>, HistoryError> {
        while let Some(chat) = &self.chat {
            if chat.left == 0 {
                let Some(chat) = self.chat.take() else { return Ok(None) };
                if chat.id.is_empty() {
                    return Err(HistoryError::Malformed("a chat without an address"));
                }
                self.settings = chat.settings;
                return Ok(Some(Next::Chat));
            }
            self.window.fill(20)?;
            let start = self.header();
            let (number, width, key_size) = self.key()?;
            let (size, header) = match width {
                Width::Varint => (0, key_size + self.varint()?.1),
                Width::Fixed(size) => (u64::try_from(size).unwrap_or(u64::MAX), key_size),
                Width::Sized => {
                    let (size, width) = self.varint()?;
                    (size, key_size + width)
                }
            };
            self.window.consume(header - key_size);
            let whole = u64::try_from(header).unwrap_or(u64::MAX).saturating_add(size);
            let limit = self.limits.record_bytes;
            let Some(chat) = &mut self.chat else { return Ok(None) };
            chat.left = chat.left.checked_sub(whole).ok_or(HistoryError::Malformed("a chat"))?;
            if number == within::MESSAGE && width == Width::Sized {
                if chat.id.is_empty() {
                    return Err(HistoryError::Malformed("messages before their chat's address"));
                }
                let is_enough = self.selection.messages_per_chat.is_some_and(|most| chat.messages >= most);
                if is_enough {
                    self.summary.left_out += 1;
                    self.window.skip(size)?;
                    continue;
                }
                return Ok(Some(Next::Message(self.load(size)?)));
            }
            let size = self.load(size)?;
            let body = self.window.ready().get(..size).unwrap_or_default();
            let Some(chat) = &mut self.chat else { return Ok(None) };
            let held = chat.settings.len() + header + size;
            if held > limit {
                return Err(too_large(held, limit));
            }
            if number == within::ID && width == Width::Sized {
                let id = std::str::from_utf8(body).ok().filter(|id| id.len() <= LONGEST_ID);
                chat.id = id.ok_or(HistoryError::Malformed("a chat's address"))?.to_owned();
            }
            chat.settings.extend_from_slice(start.get(..header).unwrap_or_default());
            chat.settings.extend_from_slice(body);
            self.window.consume(size);
        }
        Ok(None)
    }

    /// The next bytes, as many as a key and a number take.
    fn header(&self) -> [u8; 20] {
        let mut header = [0; 20];
        for (to, from) in header.iter_mut().zip(self.window.ready()) {
            *to = *from;
        }
        header
    }

    /// Takes a key, which must be ready.
    fn key(&mut self) -> Result<(u32, Width, usize), HistoryError> {
        let (key, size) = self.varint()?;
        let (number, width) = fields::key(key).ok_or(HistoryError::Malformed("a key"))?;
        self.window.consume(size);
        Ok((number, width, size))
    }

    /// The next number, which must be ready; it is not taken.
    fn varint(&self) -> Result<(u64, usize), HistoryError> {
        fields::varint(self.window.ready()).ok_or(HistoryError::Malformed("a number"))
    }

    /// Makes a record ready.
    fn load(&mut self, size: u64) -> Result<usize, HistoryError> {
        let limit = self.limits.record_bytes;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size > limit {
            return Err(too_large(size, limit));
        }
        if self.window.fill(size)? { Ok(size) } else { Err(HistoryError::Malformed("cut short")) }
    }

    fn note_number(&mut self, number: u32, value: u64) {
        let small = u32::try_from(value).ok();
        match number {
            top::SYNC_TYPE => self.summary.sync_type = i32::try_from(value).ok(),
            top::CHUNK_ORDER => self.summary.chunk_order = small,
            top::PROGRESS => self.summary.progress = small,
            _ => {}
        }
    }
}

fn too_large(size: usize, limit: usize) -> HistoryError {
    let number = |size| u64::try_from(size).unwrap_or(u64::MAX);
    HistoryError::RecordTooLarge { size: number(size), limit: number(limit) }
}

impl<R> std::fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("position", &self.position).finish_non_exhaustive()
    }
}
