//! What can go wrong with the past.

use super::CallError;
use crate::history::HistoryError;

/// A part of the past was given up. What is missing can be asked for, chat by chat.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// Its blob is not to be had, and the phone did not upload it again.
    #[error("the blob is not to be had")]
    Unavailable,
    /// It is damaged, and so was what the phone sent in its place; or it is larger than the limits.
    #[error("the blob cannot be read")]
    Unreadable(#[from] HistoryError),
    /// The store failed, or the archive; it is tried again after a restart.
    #[error("the store failed: {0}")]
    Store(String),
    /// The media hosts could not be reached; it is tried again.
    #[error("the media hosts could not be reached: {0}")]
    Network(String),
    /// The client ended before it was through; it is tried again after a restart.
    #[error("the client was shut down")]
    Shutdown,
}

/// The phone did not give what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryRequestError {
    /// No answer in time: the phone may be off. What it still sends comes as any other part of the past.
    #[error("the phone did not answer in time")]
    NoAnswer,
    /// The phone does not want to, or cannot. Asking again is of no use before something changes there.
    #[error("the phone refused with code {code}")]
    Refused {
        /// The phone's code. Protocol: history sync, "Full history on demand".
        code: i32,
    },
    /// It answered, and the answer cannot be read.
    #[error("the answer cannot be read")]
    Chunk(#[from] ChunkError),
    /// It was not asked.
    #[error("the phone was not asked")]
    Call(#[from] CallError),
}
