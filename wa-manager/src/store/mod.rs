//! Where the manager keeps accounts, events and limits: many reads, one atomic commit. The protocol's keys and messages
//! are elsewhere, a store for each account.
//!
//! | File | Subject |
//! |---|---|
//! | `changes` | [`Changes`]: everything that one step writes |
//! | `records` | what is kept besides accounts and events |
//! | `sqlite` | [`SqliteManagerStore`]: one file for all accounts |
//! | `memory` | [`MemoryManagerStore`]: for tests, and for managers that end with the process |
//! | `sealed` | seals secrets before a store has them |
//! | `error` | [`ManagerStoreError`] |

mod changes;
mod error;
mod memory;
mod records;
mod sealed;
mod sqlite;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt::Debug;
use std::pin::Pin;

use wa_types::{Jid, MessageId, PhoneNumber, UnixMillis};

pub use self::changes::{Change, Changes};
pub use self::error::ManagerStoreError;
pub use self::memory::MemoryManagerStore;
pub use self::records::{
    ChatKind, ChatRecord, ContactRecord, CursorRecord, DeadLetterQuery, DeadLetterRecord, FoundNumber,
    IdempotencyRecord, LeftoverRecord, NumberRecord, OldestMessage, PairLimitRecord, ReservationRecord,
    SendRecord, TrustRecord,
};
pub(crate) use self::sealed::Sealed;
pub use self::sqlite::SqliteManagerStore;
pub(crate) use self::sqlite::create_private;
use crate::account::AccountRecord;
use crate::event::EventRecord;
use crate::ids::{AccountId, EventId, TenantId};
use crate::webhook::WebhookRecord;

/// What every call of a store returns; boxed, so that a store can be an `Arc<dyn ManagerStore>`.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, ManagerStoreError>> + Send + 'a>>;

/// Which events are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by callers with ..Default::default()")]
pub struct EventQuery {
    /// Those with a higher number than this.
    pub after: u64,
    /// Those of one tenant only.
    pub tenant: Option<TenantId>,
    /// Those of one account only.
    pub account: Option<AccountId>,
    /// So many at most.
    pub limit: usize,
}

/// Where the manager keeps what it knows. Yours to implement.
///
/// # What every store promises
/// - **All or nothing.** A commit's changes become visible together and survive together. After an error none of them
///   is there.
/// - **In order.** Events get their numbers in the order of commits; whoever has seen an event sees all of lower
///   numbers. The events of an account are numbered without gaps, and its row's `seq` is the last of them.
/// - **Dropping is safe.** A commit whose future is dropped after its first poll happens in full or not at all.
pub trait ManagerStore: Send + Sync + Debug {
    /// All accounts, in the order in which they were made. One that cannot be read in full is among them with what can,
    /// standing at [`StoreCorrupt`](crate::account::ReasonKind::StoreCorrupt): it is not to be written back.
    ///
    /// # Errors
    /// Any [`ManagerStoreError`]; so with all reads.
    fn accounts(&self) -> StoreFuture<'_, Vec<AccountRecord>>;

    /// One account.
    ///
    /// # Errors
    /// As [`Self::accounts`]; [`ManagerStoreError::Corrupt`] for one that cannot be read in full. So with all that is
    /// kept of it.
    fn account(&self, id: &AccountId) -> StoreFuture<'_, Option<AccountRecord>>;

    /// Events, the oldest first.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn events(&self, query: EventQuery) -> StoreFuture<'_, Vec<EventRecord>>;

    /// Whether there is an event of this id.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn has_event(&self, id: &EventId) -> StoreFuture<'_, bool>;

    /// The number of the last event; 0 before the first.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn last_seq(&self) -> StoreFuture<'_, u64>;

    /// The number of the oldest event that is kept; of the next one if none is. Those before it were trimmed.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn first_seq(&self) -> StoreFuture<'_, u64>;

    /// The number of the last event before the first one that is of this time or later; 0 if there is none before it.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn last_seq_before(&self, at: UnixMillis) -> StoreFuture<'_, u64>;

    /// What is remembered of an account for its limits.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn trust(&self, account: &AccountId) -> StoreFuture<'_, Option<TrustRecord>>;

    /// What was counted for a message.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn reservation(&self, account: &AccountId, id: &str) -> StoreFuture<'_, Option<ReservationRecord>>;

    /// What was counted for an account, and of which nobody knows what became of it.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn open_reservations(&self, account: &AccountId) -> StoreFuture<'_, Vec<ReservationRecord>>;

    /// The messages of an account that wait, in their order.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn sends(&self, account: &AccountId) -> StoreFuture<'_, Vec<SendRecord>>;

    /// One message that waits.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn send(&self, account: &AccountId, id: &MessageId) -> StoreFuture<'_, Option<SendRecord>>;

    /// The person behind an address, by number or LID.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn contact(&self, account: &AccountId, address: &Jid) -> StoreFuture<'_, Option<ContactRecord>>;

    /// The persons of an account from this number on, in their order.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn contacts(&self, account: &AccountId, from: u64, limit: usize) -> StoreFuture<'_, Vec<ContactRecord>>;

    /// A chat.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn chat(&self, account: &AccountId, chat: &Jid) -> StoreFuture<'_, Option<ChatRecord>>;

    /// The chats of an account, that in which something was written last first.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn chats(&self, account: &AccountId, limit: usize) -> StoreFuture<'_, Vec<ChatRecord>>;

    /// What is known of these phone numbers, in no order.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn numbers(&self, account: &AccountId, numbers: Vec<PhoneNumber>) -> StoreFuture<'_, Vec<NumberRecord>>;

    /// Files that are to be removed.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn leftovers(&self) -> StoreFuture<'_, Vec<LeftoverRecord>>;

    /// What a request led to, if that is known.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn idempotency(&self, tenant: &TenantId, key: &str) -> StoreFuture<'_, Option<IdempotencyRecord>>;

    /// How often something was tried to be linked.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn pair_limit(&self, key: &str) -> StoreFuture<'_, Option<PairLimitRecord>>;

    /// How far an endpoint is, for each account.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn cursors(&self, endpoint: &str) -> StoreFuture<'_, Vec<CursorRecord>>;

    /// Where events are sent, in the order in which that was set up.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn webhooks(&self) -> StoreFuture<'_, Vec<WebhookRecord>>;

    /// Events that an endpoint did not take, the oldest first.
    ///
    /// # Errors
    /// As [`Self::accounts`].
    fn dead_letters(&self, endpoint: &str, query: DeadLetterQuery) -> StoreFuture<'_, Vec<DeadLetterRecord>>;

    /// Writes all changes, or none. Returns the events that were pushed, with their numbers.
    ///
    /// # Errors
    /// Any [`ManagerStoreError`]; nothing of `changes` is stored then.
    fn commit(&self, changes: Changes) -> StoreFuture<'_, Vec<EventRecord>>;

    /// Finishes what is under way; later calls fail with [`ManagerStoreError::Closed`].
    ///
    /// # Errors
    /// Those of the last writes.
    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}
