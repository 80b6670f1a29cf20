//! Everything that one step of the manager writes, all or nothing.

use wa_types::{Jid, MessageId};

use super::records::{
    ChatRecord, ContactRecord, CursorRecord, DeadLetterRecord, IdempotencyRecord, LeftoverRecord,
    NumberRecord, PairLimitRecord, ReservationRecord, SendRecord, TrustRecord,
};
use crate::account::AccountRecord;
use crate::event::NewEvent;
use crate::ids::{AccountId, Epoch};
use crate::webhook::{WebhookId, WebhookRecord, WebhookState};

/// What one step writes: made by the step, handed to [`ManagerStore::commit`](super::ManagerStore::commit). The changes
/// are applied in the order in which they were added.
#[must_use = "changes do nothing until they are committed"]
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    list: Vec<Change>,
}

/// One thing that is written.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// Nothing is written unless the account's row has this epoch.
    Fence {
        /// The account.
        account: AccountId,
        /// Its owner's epoch.
        epoch: Epoch,
    },
    /// Makes an account, or replaces it. The store keeps `seq`: what a record says of it is ignored.
    PutAccount(Box<AccountRecord>),
    /// Removes an account and all that is kept of it, with its webhooks, its events, and those of them that are dead
    /// letters of anybody. What tells its deletion stays.
    DeleteAccount(AccountId),
    /// Removes what is kept of the number that an account was linked to: persons, chats, what waits, what was counted.
    /// Its row, its limits, its events and its webhooks stay.
    ForgetNumber(AccountId),
    /// Adds an event, which gets its numbers; one whose id is there is not added again.
    PushEvent(Box<NewEvent>),
    /// Removes the events up to this number.
    TrimEvents {
        /// The last one to go.
        seq: u64,
    },
    /// Writes what is remembered of an account for its limits.
    PutTrust(Box<TrustRecord>),
    /// Writes something that was counted.
    PutReservation(Box<ReservationRecord>),
    /// Forgets what was counted before a time, and is no longer asked for.
    TrimReservations {
        /// The account.
        account: AccountId,
        /// What was counted before this, in milliseconds since 1970.
        before: u64,
    },
    /// Writes a message that waits.
    PutSend(Box<SendRecord>),
    /// Removes a message that waited, if it is there.
    DeleteSend {
        /// The account.
        account: AccountId,
        /// The message.
        id: MessageId,
    },
    /// Writes a person. Each address leads to one person of an account only: others lose it.
    PutContact(Box<ContactRecord>),
    /// Removes a person, as when two turn out to be one.
    DeleteContact {
        /// The account.
        account: AccountId,
        /// The person.
        id: u64,
    },
    /// Writes a chat.
    PutChat(Box<ChatRecord>),
    /// Removes a chat, as when two turn out to be one.
    DeleteChat {
        /// The account.
        account: AccountId,
        /// Its address.
        chat: Jid,
    },
    /// Writes what the server said of a phone number.
    PutNumber(Box<NumberRecord>),
    /// Forgets what was said of phone numbers before a time.
    TrimNumbers {
        /// The account.
        account: AccountId,
        /// In milliseconds since 1970.
        before: u64,
    },
    /// Remembers files that are to be removed. It stays when the account goes.
    PutLeftover(LeftoverRecord),
    /// They are removed.
    DeleteLeftover(LeftoverRecord),
    /// Remembers what a request led to.
    PutIdempotency(Box<IdempotencyRecord>),
    /// Writes how often something was tried to be linked.
    PutPairLimit(Box<PairLimitRecord>),
    /// Forgets requests and limits that say nothing any more.
    TrimExpired {
        /// The time, in milliseconds since 1970.
        now: u64,
    },
    /// Writes how far an endpoint is; nothing for an account that is not there any more.
    PutCursor(Box<CursorRecord>),
    /// Sets up where events are sent, or changes it; nothing for an account that is not there any more.
    PutWebhook(Box<WebhookRecord>),
    /// Writes how a webhook does, if it is still there.
    SetWebhookState {
        /// The webhook.
        id: WebhookId,
        /// How it does.
        state: WebhookState,
    },
    /// Removes a webhook, with its cursors and dead letters.
    DeleteWebhook(WebhookId),
    /// Writes an event that an endpoint did not take; nothing of an account that is not there any more, but what tells
    /// its deletion.
    PutDeadLetter(Box<DeadLetterRecord>),
    /// Removes the oldest dead letters of an endpoint beyond so many, but for those that shall be tried once more.
    TrimDeadLetters {
        /// The endpoint.
        endpoint: String,
        /// How many stay.
        keep: usize,
    },
    /// Removes the dead letters of some events.
    DeleteDeadLetters {
        /// The endpoint.
        endpoint: String,
        /// The number of the first event.
        first: u64,
        /// The number of the last one.
        last: u64,
    },
}

impl Changes {
    /// No changes yet.
    pub const fn new() -> Self {
        Self { list: Vec::new() }
    }

    /// Adds a change.
    pub fn push(&mut self, change: Change) -> &mut Self {
        self.list.push(change);
        self
    }

    /// Adds changes.
    pub fn extend(&mut self, changes: impl IntoIterator<Item = Change>) -> &mut Self {
        self.list.extend(changes);
        self
    }

    /// Makes an account, or replaces it.
    pub fn put_account(&mut self, account: AccountRecord) -> &mut Self {
        self.push(Change::PutAccount(Box::new(account)))
    }

    /// Adds an event.
    pub fn push_event(&mut self, event: NewEvent) -> &mut Self {
        self.push(Change::PushEvent(Box::new(event)))
    }

    /// Writes what is remembered of an account for its limits.
    pub fn put_trust(&mut self, trust: TrustRecord) -> &mut Self {
        self.push(Change::PutTrust(Box::new(trust)))
    }

    /// Writes something that was counted.
    pub fn put_reservation(&mut self, reservation: ReservationRecord) -> &mut Self {
        self.push(Change::PutReservation(Box::new(reservation)))
    }

    /// The row of this account as these changes leave it, if they write it.
    #[must_use]
    pub fn account(&self, id: &AccountId) -> Option<&AccountRecord> {
        self.list.iter().rev().find_map(|change| match change {
            Change::PutAccount(row) if row.id == *id => Some(&**row),
            _ => None,
        })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The changes in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.list.iter()
    }
}

impl IntoIterator for Changes {
    type Item = Change;
    type IntoIter = std::vec::IntoIter<Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}
