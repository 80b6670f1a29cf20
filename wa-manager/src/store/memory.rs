//! A store that ends with the process.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use metrics::counter;
use wa_types::{Jid, MessageId, PhoneNumber, UnixMillis};

use super::changes::{Change, Changes};
use super::error::ManagerStoreError;
use super::records::{
    ChatRecord, ContactRecord, CursorRecord, DeadLetterQuery, DeadLetterRecord, IdempotencyRecord,
    LeftoverRecord, NumberRecord, PairLimitRecord, ReservationRecord, SendRecord, TrustRecord,
};
use super::{EventQuery, ManagerStore, StoreFuture};
use crate::account::AccountRecord;
use crate::event::{EventKind, EventRecord, NewEvent};
use crate::ids::{AccountId, EventId, TenantId};
use crate::trust::ReservationState;
use crate::webhook::{WebhookId, WebhookRecord};

/// For tests, and for managers that end with the process. A clone of everything is made for each commit: not for
/// thousands of accounts.
#[derive(Debug, Default)]
pub struct MemoryManagerStore {
    tables: Mutex<Tables>,
    /// How many calls are still to fail.
    failures: AtomicUsize,
}

#[derive(Debug, Clone, Default)]
struct Tables {
    /// In the order in which they were made.
    accounts: Vec<AccountRecord>,
    events: VecDeque<EventRecord>,
    last_seq: u64,
    kept: HashMap<AccountId, Kept>,
    leftovers: Vec<LeftoverRecord>,
    idempotency: HashMap<(TenantId, String), IdempotencyRecord>,
    pair_limits: HashMap<String, PairLimitRecord>,
    cursors: HashMap<(String, Option<AccountId>), CursorRecord>,
    webhooks: Vec<WebhookRecord>,
    dead_letters: BTreeMap<(String, u64), DeadLetterRecord>,
}

/// What is kept of one account.
#[derive(Debug, Clone, Default)]
struct Kept {
    trust: Option<TrustRecord>,
    reservations: HashMap<String, ReservationRecord>,
    sends: BTreeMap<u64, SendRecord>,
    contacts: BTreeMap<u64, ContactRecord>,
    chats: HashMap<Jid, ChatRecord>,
    numbers: HashMap<PhoneNumber, NumberRecord>,
}

impl MemoryManagerStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets so many calls fail from now on, as if the disk were full. For tests.
    pub fn fail_next(&self, calls: usize) {
        self.failures.store(calls, Ordering::SeqCst);
    }

    /// How many calls are still to fail.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.failures.load(Ordering::SeqCst)
    }

    fn check(&self) -> Result<(), ManagerStoreError> {
        let one_less = |left: usize| left.checked_sub(1);
        match self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) {
            Ok(_) => Err(ManagerStoreError::Full),
            Err(_) => Ok(()),
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<'a, T: Send + 'a>(&self, read: impl FnOnce(&Tables) -> T) -> StoreFuture<'a, T> {
        let answer = self.check().map(|()| read(&self.tables()));
        Box::pin(std::future::ready(answer))
    }

    fn read_kept<'a, T: Send + 'a>(
        &self,
        account: &AccountId,
        read: impl FnOnce(&Kept) -> T,
    ) -> StoreFuture<'a, T> {
        self.read(|tables| match tables.kept.get(account) {
            Some(kept) => read(kept),
            None => read(&Kept::default()),
        })
    }
}

impl Tables {
    fn apply(&mut self, changes: Changes) -> Result<Vec<EventRecord>, ManagerStoreError> {
        let mut pushed = Vec::new();
        for change in changes {
            match change {
                Change::Fence { account, epoch } => {
                    let is_owner = self.accounts.iter().any(|row| row.id == account && row.epoch == epoch);
                    if !is_owner {
                        return Err(ManagerStoreError::FenceLost { account });
                    }
                }
                Change::PutAccount(account) => self.put_account(*account)?,
                Change::DeleteAccount(account) => {
                    self.accounts.retain(|row| row.id != account);
                    self.kept.remove(&account);
                    self.cursors.retain(|(_, of), _| of.as_ref() != Some(&account));
                    let of_it =
                        self.webhooks.iter().filter(|hook| hook.spec.account.as_ref() == Some(&account));
                    for id in of_it.map(|hook| hook.id.clone()).collect::<Vec<_>>() {
                        self.delete_webhook(&id);
                    }
                    let is_of_it = |event: &EventRecord| {
                        event.account.as_ref() == Some(&account) && event.kind != EventKind::AccountDeleted
                    };
                    self.events.retain(|event| !is_of_it(event));
                    self.dead_letters.retain(|_, letter| !is_of_it(&letter.event));
                }
                Change::ForgetNumber(account) => {
                    if let Some(kept) = self.kept.get_mut(&account) {
                        let trust = kept.trust.take();
                        *kept = Kept { trust, ..Kept::default() };
                    }
                }
                Change::PushEvent(event) => pushed.extend(self.push_event(*event)),
                Change::TrimEvents { seq } => self.events.retain(|event| event.seq > seq),
                Change::PutTrust(trust) => {
                    let kept = self.kept(&trust.account);
                    kept.trust = Some(*trust);
                }
                Change::PutReservation(record) => {
                    let id = record.reservation.id.clone();
                    self.kept(&record.account).reservations.insert(id, *record);
                }
                Change::TrimReservations { account, before } => {
                    let is_kept = |record: &ReservationRecord| record.reservation.at >= UnixMillis(before);
                    self.kept(&account).reservations.retain(|_, record| is_kept(record));
                }
                Change::PutSend(send) => {
                    let kept = self.kept(&send.account);
                    kept.sends.retain(|_, other| other.id != send.id);
                    kept.sends.insert(send.number, *send);
                }
                Change::DeleteSend { account, id } => {
                    self.kept(&account).sends.retain(|_, send| send.id != id);
                }
                Change::PutContact(contact) => self.put_contact(*contact),
                Change::DeleteContact { account, id } => {
                    self.kept(&account).contacts.remove(&id);
                }
                Change::PutChat(chat) => {
                    self.kept(&chat.account).chats.insert(chat.chat.clone(), *chat);
                }
                Change::DeleteChat { account, chat } => {
                    self.kept(&account).chats.remove(&chat);
                }
                Change::PutNumber(record) => {
                    self.kept(&record.account).numbers.insert(record.number.clone(), *record);
                }
                Change::TrimNumbers { account, before } => {
                    self.kept(&account).numbers.retain(|_, record| record.at.0 >= before);
                }
                Change::PutLeftover(leftover) => {
                    self.leftovers.retain(|other| *other != leftover);
                    self.leftovers.push(leftover);
                }
                Change::DeleteLeftover(leftover) => self.leftovers.retain(|other| *other != leftover),
                Change::PutIdempotency(record) => {
                    self.idempotency.insert((record.tenant.clone(), record.key.clone()), *record);
                }
                Change::PutPairLimit(record) => {
                    self.pair_limits.insert(record.key.clone(), *record);
                }
                Change::TrimExpired { now } => {
                    self.idempotency.retain(|_, record| record.until.0 > now);
                    self.pair_limits.retain(|_, record| record.until.0 > now);
                }
                Change::PutCursor(cursor) => {
                    if cursor.account.as_ref().is_some_and(|account| !self.has_account(account)) {
                        continue;
                    }
                    self.cursors.insert((cursor.endpoint.clone(), cursor.account.clone()), *cursor);
                }
                Change::PutWebhook(webhook) => {
                    if webhook.spec.account.as_ref().is_some_and(|account| !self.has_account(account)) {
                        continue;
                    }
                    match self.webhooks.iter_mut().find(|row| row.id == webhook.id) {
                        Some(row) => *row = *webhook,
                        None => self.webhooks.push(*webhook),
                    }
                }
                Change::SetWebhookState { id, state } => {
                    if let Some(row) = self.webhooks.iter_mut().find(|row| row.id == id) {
                        row.state = state;
                    }
                }
                Change::DeleteWebhook(id) => self.delete_webhook(&id),
                Change::PutDeadLetter(letter) => {
                    let event = &letter.event;
                    if event.kind != EventKind::AccountDeleted
                        && event.account.as_ref().is_some_and(|account| !self.has_account(account))
                    {
                        continue;
                    }
                    self.dead_letters.insert((letter.endpoint.clone(), letter.event.seq), *letter);
                }
                Change::TrimDeadLetters { endpoint, keep } => {
                    let is_old = |(of, _): &(String, u64), letter: &DeadLetterRecord| {
                        *of == endpoint && !letter.is_replayed
                    };
                    let all = self.dead_letters.iter().filter(|(key, letter)| is_old(key, letter)).count();
                    let mut lost = all.saturating_sub(keep);
                    counter!("wa_dead_letters_lost_total").increment(lost as u64);
                    self.dead_letters.retain(|key, letter| {
                        let goes = lost > 0 && is_old(key, letter);
                        lost -= usize::from(goes);
                        !goes
                    });
                }
                Change::DeleteDeadLetters { endpoint, first, last } => {
                    self.dead_letters.retain(|(of, seq), _| *of != endpoint || !(first..=last).contains(seq));
                }
            }
        }
        Ok(pushed)
    }

    fn has_account(&self, account: &AccountId) -> bool {
        self.accounts.iter().any(|row| row.id == *account)
    }

    fn kept(&mut self, account: &AccountId) -> &mut Kept {
        self.kept.entry(account.clone()).or_default()
    }

    fn put_account(&mut self, account: AccountRecord) -> Result<(), ManagerStoreError> {
        let is_taken = |row: &AccountRecord| {
            row.tenant == account.tenant && row.name == account.name && row.id != account.id
        };
        if self.accounts.iter().any(is_taken) {
            return Err(ManagerStoreError::NameTaken { name: account.name });
        }
        match self.accounts.iter_mut().find(|row| row.id == account.id) {
            Some(row) => *row = AccountRecord { seq: row.seq, ..account },
            None => self.accounts.push(AccountRecord { seq: 0, ..account }),
        }
        Ok(())
    }

    /// `None` for one that is there.
    fn push_event(&mut self, event: NewEvent) -> Option<EventRecord> {
        // The newest first: what comes again came lately.
        if self.events.iter().rev().any(|known| known.id == event.id) {
            return None;
        }
        self.last_seq += 1;
        let row = event.account.as_ref().and_then(|id| self.accounts.iter_mut().find(|row| row.id == *id));
        let account_seq = row.map_or(0, |row| {
            row.seq += 1;
            row.seq
        });
        let NewEvent { id, tenant, account, kind, at, data } = event;
        let event = EventRecord { seq: self.last_seq, account_seq, id, tenant, account, kind, at, data };
        self.events.push_back(event.clone());
        Some(event)
    }

    fn delete_webhook(&mut self, id: &WebhookId) {
        self.webhooks.retain(|row| row.id != *id);
        self.cursors.retain(|(endpoint, _), _| endpoint != id.as_str());
        self.dead_letters.retain(|(endpoint, _), _| endpoint != id.as_str());
    }

    fn put_contact(&mut self, contact: ContactRecord) {
        let contacts = &mut self.kept(&contact.account).contacts;
        for other in contacts.values_mut().filter(|other| other.id != contact.id) {
            if other.pn.is_some() && other.pn == contact.pn {
                other.pn = None;
            }
            if other.lid.is_some() && other.lid == contact.lid {
                other.lid = None;
            }
        }
        contacts.insert(contact.id, contact);
    }
}

impl ManagerStore for MemoryManagerStore {
    fn accounts(&self) -> StoreFuture<'_, Vec<AccountRecord>> {
        self.read(|tables| tables.accounts.clone())
    }

    fn account(&self, id: &AccountId) -> StoreFuture<'_, Option<AccountRecord>> {
        self.read(|tables| tables.accounts.iter().find(|row| row.id == *id).cloned())
    }

    fn events(&self, query: EventQuery) -> StoreFuture<'_, Vec<EventRecord>> {
        self.read(|tables| {
            let is_wanted = |event: &&EventRecord| {
                event.seq > query.after
                    && query.tenant.as_ref().is_none_or(|tenant| event.tenant == *tenant)
                    && (query.account.is_none() || event.account == query.account)
            };
            tables.events.iter().filter(is_wanted).take(query.limit).cloned().collect()
        })
    }

    fn has_event(&self, id: &EventId) -> StoreFuture<'_, bool> {
        self.read(|tables| tables.events.iter().any(|event| event.id == *id))
    }

    fn last_seq(&self) -> StoreFuture<'_, u64> {
        self.read(|tables| tables.last_seq)
    }

    fn first_seq(&self) -> StoreFuture<'_, u64> {
        self.read(|tables| tables.events.front().map_or(tables.last_seq + 1, |event| event.seq))
    }

    fn last_seq_before(&self, at: UnixMillis) -> StoreFuture<'_, u64> {
        self.read(|tables| {
            let before = tables.events.iter().take_while(|event| event.at < at).last();
            before.map_or(0, |event| event.seq)
        })
    }

    fn trust(&self, account: &AccountId) -> StoreFuture<'_, Option<TrustRecord>> {
        self.read_kept(account, |kept| kept.trust.clone())
    }

    fn reservation(&self, account: &AccountId, id: &str) -> StoreFuture<'_, Option<ReservationRecord>> {
        self.read_kept(account, |kept| kept.reservations.get(id).cloned())
    }

    fn open_reservations(&self, account: &AccountId) -> StoreFuture<'_, Vec<ReservationRecord>> {
        let is_open = |record: &&ReservationRecord| record.reservation.state == ReservationState::Reserved;
        self.read_kept(account, |kept| kept.reservations.values().filter(is_open).cloned().collect())
    }

    fn sends(&self, account: &AccountId) -> StoreFuture<'_, Vec<SendRecord>> {
        self.read_kept(account, |kept| kept.sends.values().cloned().collect())
    }

    fn send(&self, account: &AccountId, id: &MessageId) -> StoreFuture<'_, Option<SendRecord>> {
        self.read_kept(account, |kept| kept.sends.values().find(|send| send.id == *id).cloned())
    }

    fn contact(&self, account: &AccountId, address: &Jid) -> StoreFuture<'_, Option<ContactRecord>> {
        let address = address.to_chat();
        let is_this = |contact: &&ContactRecord| {
            contact.pn.as_ref() == Some(&address) || contact.lid.as_ref() == Some(&address)
        };
        self.read_kept(account, |kept| kept.contacts.values().find(is_this).cloned())
    }

    fn contacts(&self, account: &AccountId, from: u64, limit: usize) -> StoreFuture<'_, Vec<ContactRecord>> {
        self.read_kept(account, |kept| {
            kept.contacts.range(from..).map(|(_, contact)| contact.clone()).take(limit).collect()
        })
    }

    fn chat(&self, account: &AccountId, chat: &Jid) -> StoreFuture<'_, Option<ChatRecord>> {
        self.read_kept(account, |kept| kept.chats.get(chat).cloned())
    }

    fn chats(&self, account: &AccountId, limit: usize) -> StoreFuture<'_, Vec<ChatRecord>> {
        self.read_kept(account, |kept| {
            let mut chats: Vec<ChatRecord> = kept.chats.values().cloned().collect();
            chats.sort_unstable_by(|a, b| (b.last_message_at, &a.chat).cmp(&(a.last_message_at, &b.chat)));
            chats.truncate(limit);
            chats
        })
    }

    fn numbers(&self, account: &AccountId, numbers: Vec<PhoneNumber>) -> StoreFuture<'_, Vec<NumberRecord>> {
        self.read_kept(account, |kept| {
            numbers.iter().filter_map(|number| kept.numbers.get(number).cloned()).collect()
        })
    }

    fn leftovers(&self) -> StoreFuture<'_, Vec<LeftoverRecord>> {
        self.read(|tables| tables.leftovers.clone())
    }

    fn idempotency(&self, tenant: &TenantId, key: &str) -> StoreFuture<'_, Option<IdempotencyRecord>> {
        let key = (tenant.clone(), key.to_owned());
        self.read(|tables| tables.idempotency.get(&key).cloned())
    }

    fn pair_limit(&self, key: &str) -> StoreFuture<'_, Option<PairLimitRecord>> {
        self.read(|tables| tables.pair_limits.get(key).cloned())
    }

    fn cursors(&self, endpoint: &str) -> StoreFuture<'_, Vec<CursorRecord>> {
        self.read(|tables| {
            tables.cursors.values().filter(|cursor| cursor.endpoint == endpoint).cloned().collect()
        })
    }

    fn webhooks(&self) -> StoreFuture<'_, Vec<WebhookRecord>> {
        self.read(|tables| tables.webhooks.clone())
    }

    fn dead_letters(&self, endpoint: &str, query: DeadLetterQuery) -> StoreFuture<'_, Vec<DeadLetterRecord>> {
        let from = (endpoint.to_owned(), query.after + 1);
        let is_wanted = |letter: &&DeadLetterRecord| {
            letter.endpoint == endpoint && query.is_replayed.is_none_or(|is| letter.is_replayed == is)
        };
        self.read(|tables| {
            let letters = tables.dead_letters.range(from..).map(|(_, letter)| letter);
            letters.filter(is_wanted).take(query.limit).cloned().collect()
        })
    }

    fn commit(&self, changes: Changes) -> StoreFuture<'_, Vec<EventRecord>> {
        if let Err(error) = self.check() {
            return Box::pin(std::future::ready(Err(error)));
        }
        let mut tables = self.tables();
        // All or nothing.
        let mut next = tables.clone();
        let done = next.apply(changes);
        if done.is_ok() {
            *tables = next;
        }
        drop(tables);
        Box::pin(std::future::ready(done))
    }
}
