//! Messages that were decrypted and not yet confirmed by the application, and which ones came before.
//!
//! A message is decrypted once: its key is gone with the ratchet step. So the plaintext is committed with that step,
//! stays here until the application confirms it, and is delivered again after a crash.

use std::fmt;

use wa_types::{Jid, MessageId, UnixMillis};

use crate::store::StoreFuture;

/// What names a message: an id is unique per chat and sender only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageKey {
    /// The chat it belongs to.
    pub chat: Jid,
    /// Who sent it.
    pub sender: Jid,
    /// Its id.
    pub id: MessageId,
}

/// A decrypted message on its way to the application.
#[derive(Clone, PartialEq, Eq)]
pub struct InboxEntry {
    /// Its number, given by the caller: above every number used before, gaps allowed, at most `i64::MAX`.
    pub seq: u64,
    /// Which message it is.
    pub message: MessageKey,
    /// When it came.
    pub received: UnixMillis,
    /// What it says; opaque here.
    pub payload: Vec<u8>,
}

impl fmt::Debug for InboxEntry {
    /// The payload by its length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboxEntry")
            .field("seq", &self.seq)
            .field("message", &self.message)
            .field("received", &self.received)
            .field("payload_bytes", &self.payload.len())
            .finish()
    }
}

/// Reads the inbox. Written by [`Changes::push_inbox`](crate::Changes::push_inbox).
pub trait InboxReader {
    /// The unconfirmed entries with a number above `after`, lowest first, at most `limit`. Start with 0.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn inbox(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<InboxEntry>>;

    /// The highest number ever used, confirmed entries included; 0 when none was.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn last_inbox_seq(&self) -> StoreFuture<'_, u64>;

    /// Whether each of these messages came before, in the order asked.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn seen(&self, keys: &[MessageKey]) -> StoreFuture<'_, Vec<bool>>;
}
