//! Messages that the application sends: from before they leave until nobody asks for them again.
//!
//! A message is kept from the moment it is taken, so that it leaves whatever happens, and for a while after the
//! server has it: a device that cannot read its copy asks for it again.

use std::fmt;

use wa_types::{Jid, MessageId, UnixMillis};

use crate::store::StoreFuture;

/// A message on its way out, or sent.
#[derive(Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Its number, given by the caller, at most `i64::MAX`: messages of one chat leave in its order.
    pub seq: u64,
    /// Where it goes.
    pub chat: Jid,
    /// Its id; an id names one entry.
    pub id: MessageId,
    /// The application's own name for it, so that it is not sent twice; a key names one entry.
    pub idempotency_key: Option<String>,
    /// When it was taken.
    pub created: UnixMillis,
    /// Not to be begun after this.
    pub deadline: Option<UnixMillis>,
    /// How far it is.
    pub state: OutboxState,
    /// When it got there.
    pub at: UnixMillis,
    /// When the server took it, by its own clock; `None` until that is known.
    pub acked: Option<UnixMillis>,
    /// What it says; opaque here.
    pub payload: Vec<u8>,
    /// How it goes, where neither the chat nor the payload tells, as to whom of many; opaque here, empty for most.
    pub delivery: Vec<u8>,
}

/// How far a message is. A later state is the greater one, and no change leads back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OutboxState {
    /// It waits for a connection, for keys, or for those before it.
    Queued,
    /// It may have left: its keys are used up. It is sent again, under the same id, until the server answers.
    Written,
    /// It was given up, for a reason that the caller numbers. What a receipt tells later counts all the same.
    Failed(u16),
    /// The server has it.
    Acked,
    /// A device of the recipient has it.
    Delivered,
    /// Somebody read it.
    Read,
    /// Somebody played it.
    Played,
}

impl OutboxState {
    /// Its place in the order, 0 to 6, whatever the reason of a failure; for stores that keep it as a number.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::Written => 1,
            Self::Failed(_) => 2,
            Self::Acked => 3,
            Self::Delivered => 4,
            Self::Read => 5,
            Self::Played => 6,
        }
    }

    /// The reason of a failure, 0 for other states; for stores that keep it as a number.
    #[must_use]
    pub const fn reason(self) -> u16 {
        match self {
            Self::Failed(reason) => reason,
            _ => 0,
        }
    }

    /// The state of this rank and reason; `None` for a rank beyond the last.
    #[must_use]
    pub const fn new(rank: u8, reason: u16) -> Option<Self> {
        Some(match rank {
            0 => Self::Queued,
            1 => Self::Written,
            2 => Self::Failed(reason),
            3 => Self::Acked,
            4 => Self::Delivered,
            5 => Self::Read,
            6 => Self::Played,
            _ => return None,
        })
    }

    /// Whether it is still to be sent, or sent again.
    #[must_use]
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::Queued | Self::Written)
    }
}

impl OutboxEntry {
    /// What [`Changes::set_outbox_state`](crate::Changes::set_outbox_state) does to an entry.
    pub fn raise(&mut self, state: OutboxState, at: UnixMillis) {
        if state == OutboxState::Acked {
            self.acked = Some(at);
        }
        if state.rank() > self.state.rank() {
            (self.state, self.at) = (state, at);
        }
    }
}

impl fmt::Debug for OutboxEntry {
    /// The payload by its length; the key not at all, it is the application's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutboxEntry")
            .field("seq", &self.seq)
            .field("chat", &self.chat)
            .field("id", &self.id)
            .field("has_key", &self.idempotency_key.is_some())
            .field("created", &self.created)
            .field("deadline", &self.deadline)
            .field("state", &self.state)
            .field("at", &self.at)
            .field("acked", &self.acked)
            .field("payload_bytes", &self.payload.len())
            .field("delivery_bytes", &self.delivery.len())
            .finish()
    }
}

/// Reads the outbox. Written by [`Changes::put_outbox`](crate::Changes::put_outbox).
pub trait OutboxReader {
    /// The queued and written entries with a number above `after`, lowest first, at most `limit`. Start with 0.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn outbox_pending(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<OutboxEntry>>;

    /// The entries of these ids in whatever state, in the order asked; `None` where there is none.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn outbox_by_ids(&self, ids: &[MessageId]) -> StoreFuture<'_, Vec<Option<OutboxEntry>>>;

    /// The entry of this idempotency key, in whatever state.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn outbox_by_key(&self, key: &str) -> StoreFuture<'_, Option<OutboxEntry>>;

    /// The highest number of an entry; 0 when there is none.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn last_outbox_seq(&self) -> StoreFuture<'_, u64>;
}
