//! What the application hears of the past.

use crate::error::ChunkError;
use crate::history::HistoryKind;

/// Something happened to the past. Its content comes by [`History::reader`](crate::client::History::reader).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistoryUpdate {
    /// A part of it is through: what is to be kept of it is kept.
    ChunkDone {
        /// What it held.
        kind: HistoryKind,
        /// Its place among those of its kind.
        chunk_order: u32,
        /// How far the whole is, percent, as the phone says.
        progress: Option<u32>,
        /// How many messages it had.
        messages: u64,
        /// How many messages of it could not be read.
        unreadable: u64,
    },
    /// A part of it was given up.
    ChunkFailed {
        /// What it held.
        kind: HistoryKind,
        /// Its place among those of its kind.
        chunk_order: u32,
        /// Why.
        error: ChunkError,
    },
    /// The user chose to share nothing of it.
    Refused,
}
