//! How much a blob may hold, how much of it is wanted, and what may be wrong with it.

use wa_types::UnixSeconds;

/// A part of the past could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The compressed stream is cut short, damaged, or none. The phone can be asked for it again.
    #[error("the compressed stream is damaged")]
    Damaged,
    /// What was compressed is no history. The phone can be asked for it again.
    #[error("not a history: {0}")]
    Malformed(&'static str),
    /// One record is larger than [`ReadLimits::record_bytes`]. It comes again as it is: give up.
    #[error("a record of {size} bytes is above the limit of {limit}")]
    RecordTooLarge {
        /// How large it says it is.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Inflated it is more than [`ReadLimits::total_bytes`]. It comes again as it is: give up.
    #[error("inflated it is above the limit of {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The source of the bytes failed, and may not the next time.
    #[error("the bytes could not be read: {0}")]
    Source(std::io::ErrorKind),
}

impl HistoryError {
    /// Whether another copy of it may be better.
    #[must_use]
    pub const fn is_worth_another(self) -> bool {
        match self {
            Self::Damaged | Self::Malformed(_) | Self::Source(_) => true,
            Self::RecordTooLarge { .. } | Self::TooLarge { .. } => false,
        }
    }
}

/// How much a blob may hold before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadLimits {
    /// The largest record, in bytes: a message, or what is known of a chat. A reader holds one; 4 MiB unless set.
    pub record_bytes: usize,
    /// All of it inflated, in bytes; 512 MiB unless set.
    pub total_bytes: u64,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { record_bytes: 4 << 20, total_bytes: 512 << 20 }
    }
}

/// Which messages are wanted; by default all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Selection {
    /// How many of each chat, the newest; counted in each blob for itself.
    pub messages_per_chat: Option<u32>,
    /// None that are older.
    pub not_before: Option<UnixSeconds>,
}
