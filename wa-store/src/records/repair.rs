//! Messages that could not be read and are being asked for again. Protocol: receiving, "Retry requests".

use std::fmt;

use wa_types::UnixMillis;

use super::inbox::MessageKey;
use crate::store::StoreFuture;

/// A message that could not be read yet. It stays here until it is recovered or given up.
#[derive(Clone, PartialEq, Eq)]
pub struct RepairRecord {
    /// Which message it is.
    pub message: MessageKey,
    /// When it could first not be read.
    pub since: UnixMillis,
    /// What was asked so far, and what of it is still due; opaque here.
    pub state: Vec<u8>,
}

impl fmt::Debug for RepairRecord {
    /// The state by its length.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepairRecord")
            .field("message", &self.message)
            .field("since", &self.since)
            .field("state_bytes", &self.state.len())
            .finish()
    }
}

/// Reads the open repairs. Written by [`Changes::put_repair`](crate::Changes::put_repair).
pub trait RepairReader {
    /// The open repairs, the oldest first, at most `limit`.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn repairs(&self, limit: usize) -> StoreFuture<'_, Vec<RepairRecord>>;
}
