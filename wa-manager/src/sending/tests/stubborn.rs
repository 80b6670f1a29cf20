//! A store that does not always do what it should.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wa_types::{Jid, MessageId, PhoneNumber, UnixMillis};

use crate::account::AccountRecord;
use crate::event::EventRecord;
use crate::ids::{AccountId, EventId, TenantId};
use crate::store::{
    Change, Changes, ChatRecord, ContactRecord, CursorRecord, DeadLetterQuery, DeadLetterRecord, EventQuery,
    IdempotencyRecord, LeftoverRecord, ManagerStore, ManagerStoreError, MemoryManagerStore, NumberRecord,
    PairLimitRecord, ReservationRecord, SendRecord, StoreFuture, TrustRecord,
};
use crate::webhook::WebhookRecord;

/// Refuses the contacts of one phone number, 15, as a constraint would; fails and hangs when it is told to.
#[derive(Debug, Default)]
pub(crate) struct Stubborn {
    pub(crate) inner: Arc<MemoryManagerStore>,
    hangs: AtomicBool,
}

impl Stubborn {
    /// The next commit is made, and nobody hears of it.
    pub(crate) fn hang_once(&self) {
        self.hangs.store(true, Ordering::SeqCst);
    }

    /// If it was told to hang and did not yet, it does not.
    pub(crate) fn go_on(&self) {
        self.hangs.store(false, Ordering::SeqCst);
    }
}

macro_rules! passed_on {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&self, $($argument: $type),*) -> StoreFuture<'_, $answer> {
            self.inner.$name($($argument),*)
        })*
    };
}

impl ManagerStore for Stubborn {
    passed_on! {
        accounts() -> Vec<AccountRecord>;
        account(id: &AccountId) -> Option<AccountRecord>;
        events(query: EventQuery) -> Vec<EventRecord>;
        has_event(id: &EventId) -> bool;
        last_seq() -> u64;
        first_seq() -> u64;
        last_seq_before(at: UnixMillis) -> u64;
        open_reservations(account: &AccountId) -> Vec<ReservationRecord>;
        trust(account: &AccountId) -> Option<TrustRecord>;
        reservation(account: &AccountId, id: &str) -> Option<ReservationRecord>;
        sends(account: &AccountId) -> Vec<SendRecord>;
        send(account: &AccountId, id: &MessageId) -> Option<SendRecord>;
        contact(account: &AccountId, address: &Jid) -> Option<ContactRecord>;
        contacts(account: &AccountId, from: u64, limit: usize) -> Vec<ContactRecord>;
        chat(account: &AccountId, chat: &Jid) -> Option<ChatRecord>;
        chats(account: &AccountId, limit: usize) -> Vec<ChatRecord>;
        numbers(account: &AccountId, numbers: Vec<PhoneNumber>) -> Vec<NumberRecord>;
        leftovers() -> Vec<LeftoverRecord>;
        idempotency(tenant: &TenantId, key: &str) -> Option<IdempotencyRecord>;
        pair_limit(key: &str) -> Option<PairLimitRecord>;
        cursors(endpoint: &str) -> Vec<CursorRecord>;
        webhooks() -> Vec<WebhookRecord>;
        dead_letters(endpoint: &str, query: DeadLetterQuery) -> Vec<DeadLetterRecord>;
    }

    fn commit(&self, changes: Changes) -> StoreFuture<'_, Vec<EventRecord>> {
        let is_refused = |change: &Change| {
            let of_15 = Some(Jid::pn("15"));
            matches!(change, Change::PutContact(contact) if contact.pn == of_15)
        };
        if changes.iter().any(is_refused) {
            let error = ManagerStoreError::io(std::io::Error::other("a constraint"));
            return Box::pin(std::future::ready(Err(error)));
        }
        let done = self.inner.commit(changes);
        if self.hangs.swap(false, Ordering::SeqCst) { Box::pin(pending()) } else { done }
    }
}
