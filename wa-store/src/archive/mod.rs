//! What an account's chats hold, kept for its application: chats, contacts and messages, searchable. It is apart from
//! the [`Store`](crate::Store), which keeps what the protocol needs: a client works without an archive, and an archive
//! may be elsewhere, larger, and deleted.
//!
//! Whatever is put in is known by its key: putting it in again changes nothing.

mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::fmt;
use std::fmt::Debug;

use wa_types::{Jid, MessageId, UnixSeconds};

pub use self::memory::MemoryArchive;
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteArchive;
use crate::records::MessageKey;
use crate::store::StoreFuture;

/// Where chats are kept. Yours to implement.
pub trait Archive: Send + Sync + Debug {
    /// Takes entries in, in their order: all or nothing, and durably.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn put(&self, entries: Vec<ArchiveEntry>) -> StoreFuture<'_, ()>;

    /// The chats, the one where something last happened first, at most `limit`; those behind `after`, the last one of
    /// the page before.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn chats(&self, after: Option<&ArchivedChat>, limit: usize) -> StoreFuture<'_, Vec<ArchivedChat>>;

    /// Messages of a chat, at most `limit`: the newest first, or with [`Page::After`] the oldest first.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn messages(&self, chat: &Jid, page: Page, limit: usize) -> StoreFuture<'_, Vec<ArchivedMessage>>;

    /// The messages that hold all of these words or their beginnings, the newest first, at most `limit`; of one chat, or
    /// of all.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn search(&self, words: &str, chat: Option<&Jid>, limit: usize) -> StoreFuture<'_, Vec<ArchivedMessage>>;

    /// One message; its media keys are in it.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn message(&self, key: &MessageKey) -> StoreFuture<'_, Option<ArchivedMessage>>;

    /// What is known of users, in the order asked.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn contacts(&self, users: &[Jid]) -> StoreFuture<'_, Vec<Option<ArchivedContact>>>;
}

/// How much an archive keeps. What is beyond goes when something is put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ArchiveLimits {
    /// How many messages of each chat: the newest.
    pub messages_per_chat: Option<u32>,
    /// None that are older.
    pub not_before: Option<UnixSeconds>,
    /// How large one message may be, in bytes; a larger one is not kept.
    pub message_bytes: Option<usize>,
}

/// Something for the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArchiveEntry {
    /// A message. One that is there stays as it is.
    Message(ArchivedMessage),
    /// What is known of a chat; what is `None` here stays as it was there.
    Chat(ArchivedChat),
    /// What is known of a user; what is `None` here stays as it was there.
    Contact(ArchivedContact),
    /// A message was edited: what it says now. The latest edit counts.
    Edited {
        /// Its chat.
        chat: Jid,
        /// Who wrote it, and edits it.
        sender: Jid,
        /// The message.
        id: MessageId,
        /// When.
        at: UnixSeconds,
        /// Its text, to be found by.
        text: Option<String>,
        /// What it says: an encoded `Message`.
        encoded: Vec<u8>,
    },
    /// A message was deleted for everyone. Its content goes.
    Revoked {
        /// Its chat.
        chat: Jid,
        /// Who wrote it.
        sender: Jid,
        /// The message.
        id: MessageId,
    },
    /// Two chats are one.
    Merged {
        /// The key that stays.
        kept: Jid,
        /// The key that is gone.
        gone: Jid,
    },
}

/// A message of an archive.
#[derive(Clone, PartialEq, Eq)]
pub struct ArchivedMessage {
    /// Which message it is. The sender is a user, without a device.
    pub key: MessageKey,
    /// Whether our own account wrote it.
    pub from_me: bool,
    /// When the server took it.
    pub at: UnixSeconds,
    /// Its text, to be found by.
    pub text: Option<String>,
    /// What it says: an encoded `Message`, with its media keys. Empty when it was deleted.
    pub encoded: Vec<u8>,
    /// When it was last edited.
    pub edited: Option<UnixSeconds>,
    /// It was deleted for everyone.
    pub is_revoked: bool,
}

impl fmt::Debug for ArchivedMessage {
    /// Not what it says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchivedMessage")
            .field("key", &self.key)
            .field("at", &self.at)
            .field("bytes", &self.encoded.len())
            .field("is_revoked", &self.is_revoked)
            .finish_non_exhaustive()
    }
}

/// A chat of an archive.
#[derive(Clone, PartialEq, Eq)]
pub struct ArchivedChat {
    /// Its key, as events name it.
    pub jid: Jid,
    /// Its name.
    pub name: Option<String>,
    /// When something last happened in it.
    pub at: UnixSeconds,
}

impl fmt::Debug for ArchivedChat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchivedChat").field("jid", &self.jid).field("at", &self.at).finish_non_exhaustive()
    }
}

/// A user of an archive.
#[derive(Clone, PartialEq, Eq)]
pub struct ArchivedContact {
    /// Who.
    pub user: Jid,
    /// The name in the address book.
    pub name: Option<String>,
    /// The user's own name for itself.
    pub push_name: Option<String>,
}

impl fmt::Debug for ArchivedContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArchivedContact").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Where a page of messages begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Page {
    /// At the newest message, and back.
    #[default]
    Newest,
    /// Before this message, and back.
    Before(UnixSeconds, MessageId),
    /// After this message, and on.
    After(UnixSeconds, MessageId),
}

impl Page {
    /// Back from this message.
    #[must_use]
    pub fn before(message: &ArchivedMessage) -> Self {
        Self::Before(message.at, message.key.id.clone())
    }

    /// On from this message.
    #[must_use]
    pub fn after(message: &ArchivedMessage) -> Self {
        Self::After(message.at, message.key.id.clone())
    }
}

/// The words of a text, as they are searched by.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|sign: char| !sign.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}
