//! What the store has of the outbox, page by page; what is written there lazily; what is taken out again.

use std::time::{Duration, Instant};

use wa_store::{Changes, OutboxEntry, OutboxState, StoreError};
use wa_types::{Jid, MessageId, UnixMillis};

use super::Outbox;
use super::accept::later;
use super::queue::{Pending, WINDOW, WINDOW_BYTES};
use crate::driver::delivery::Delivery;
use crate::driver::secrets::KEEP_SEALED;
use crate::driver::{Actor, CONFIRM_AFTER, READ_AGAIN, Step, clock};
use crate::error::SendError;
use crate::event::{Event, SendState};
use crate::message::Message;

/// How many entries are read at once.
const PAGE: usize = 64;

/// After the start, then every so often, the store is trimmed; and soon after a part of what may be kept has come.
pub(super) const TRIM_FIRST: Duration = Duration::from_secs(30);
const TRIM_EVERY: Duration = Duration::from_secs(60 * 60);
const TRIM_SOON: Duration = Duration::from_secs(1);
const TRIM_PART: u64 = 8;

/// A message that came before is known as such for this long.
const KEEP_SEEN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How many messages' states wait to be written. As many may be sent again after a crash, beside those under way.
const RAISED: usize = 1024;

/// How far a message is, to be written soon: an ack and the receipts that follow it are one write then. Lost in a crash,
/// it is learned again: from the server, which knows the id.
#[derive(Debug)]
pub(super) struct Raised {
    /// The entry's number, where it is known: the store finds it sooner so.
    seq: Option<u64>,
    state: OutboxState,
    at: UnixMillis,
    acked: Option<UnixMillis>,
}

impl Outbox {
    /// Has it written soon how far a message is.
    pub(super) fn raise(&mut self, id: MessageId, seq: Option<u64>, state: OutboxState, at: UnixMillis) {
        let raised = self.raised.entry(id).or_insert(Raised { seq, state, at, acked: None });
        raised.seq = raised.seq.or(seq);
        if state == OutboxState::Acked {
            raised.acked = Some(at);
        }
        if state.rank() > raised.state.rank() {
            (raised.state, raised.at) = (state, at);
        }
        let now = clock::now();
        let soon = if self.raised.len() < RAISED { now + CONFIRM_AFTER } else { now };
        self.raise_at = Some(self.raise_at.map_or(soon, |at| at.min(soon)));
    }

    /// Adds what is to be written to a commit.
    fn stage_raised(&self, changes: &mut Changes) {
        for (id, Raised { seq, state, at, acked }) in &self.raised {
            let Some(seq) = *seq else {
                changes.set_outbox_state_of(id.clone(), *state, *at);
                continue;
            };
            if let Some(acked) = acked.filter(|_| *state != OutboxState::Acked) {
                changes.set_outbox_state(seq, OutboxState::Acked, acked);
            }
            changes.set_outbox_state(seq, *state, *at);
        }
    }

    /// It is written.
    fn forget_raised(&mut self) {
        self.raised.clear();
        self.raise_at = None;
    }

    /// An entry as it will be.
    pub(super) fn up_to_date(&self, mut entry: OutboxEntry) -> OutboxEntry {
        if let Some(Raised { state, at, acked, .. }) = self.raised.get(&entry.id) {
            if let Some(acked) = acked {
                entry.raise(OutboxState::Acked, *acked);
            }
            entry.raise(*state, *at);
        }
        entry
    }

    /// Whether there is more in the store, and room for it.
    pub(in crate::driver) fn wants_page(&self) -> bool {
        self.stored_after.is_some() && self.count < WINDOW / 2 && self.bytes < WINDOW_BYTES / 2
    }
}

impl Actor {
    /// When the store is to be read for more, or again.
    pub(in crate::driver) fn next_page(&self) -> Option<Instant> {
        let is_due = self.account.is_paired() && !self.account.logged_out && self.outbox.wants_page();
        is_due.then(|| self.outbox.page_at.unwrap_or_else(clock::now))
    }

    /// Reads what is pending in the store, as far as there is room.
    pub(in crate::driver) async fn page_outbox(&mut self, step: &mut Step) {
        if self.outbox.must_rewind {
            self.rewind(step);
        }
        while self.next_page().is_some_and(|at| at <= clock::now())
            && let Some(after) = self.outbox.stored_after
        {
            // What was acknowledged must not look as if it were not.
            let read = match self.flush_raised().await {
                Ok(()) => self.read_pending_page(after).await,
                Err(error) => Err(error),
            };
            match read {
                Ok(entries) => {
                    self.outbox.page_at = None;
                    self.outbox.stored_after =
                        entries.last().filter(|_| entries.len() == PAGE).map(|entry| entry.seq);
                    self.take_in(entries, step);
                }
                Err(error) => {
                    tracing::error!(%error, "the outbox could not be read");
                    step.events.push(Event::StoreFailed { error: error.into() });
                    self.outbox.page_at = Some(clock::now() + READ_AGAIN);
                }
            }
        }
    }

    /// What is pending is read from the store again: memory may have less, or know too much.
    fn rewind(&mut self, step: &mut Step) {
        self.outbox.must_rewind = false;
        self.settle_in_flight(step);
        self.outbox.chats.clear();
        (self.outbox.count, self.outbox.bytes) = (0, 0);
        (self.outbox.stored_after, self.outbox.page_at) = (Some(0), None);
    }

    /// The answers to what is under way will not come; receipts may have said as much.
    fn settle_in_flight(&mut self, step: &mut Step) {
        for in_flight in std::mem::take(&mut self.outbox.in_flight).into_values() {
            if let Some(at) = in_flight.delivered {
                self.acknowledge_send(in_flight.id.clone(), in_flight, at.to_seconds(), step);
            }
        }
    }

    async fn read_pending_page(&mut self, after: u64) -> Result<Vec<OutboxEntry>, StoreError> {
        let store = std::sync::Arc::clone(&self.store);
        let entries = store.outbox_pending(after, PAGE).await?;
        let chats: Vec<Jid> = entries.iter().map(|entry| entry.chat.clone()).collect();
        self.directory.load_chats(&*store, &chats).await?;
        Ok(entries)
    }

    fn take_in(&mut self, entries: Vec<OutboxEntry>, step: &mut Step) {
        for entry in entries {
            let (seq, id) = (entry.seq, entry.id.clone());
            let chat = self.directory.known_chat_key(&entry.chat).unwrap_or_else(|| entry.chat.clone());
            match Self::read_pending(chat.clone(), entry) {
                Ok(pending) => self.outbox.insert(pending),
                Err(error) => self.fail_stored(seq, &chat, &id, &error, step),
            }
        }
    }

    /// The key of a stored message's chat: it may have become another one since.
    pub(super) async fn chat_of(&mut self, entry: &OutboxEntry) -> Result<Jid, StoreError> {
        let store = std::sync::Arc::clone(&self.store);
        self.directory.load_chats(&*store, std::slice::from_ref(&entry.chat)).await?;
        Ok(self.directory.known_chat_key(&entry.chat).unwrap_or_else(|| entry.chat.clone()))
    }

    /// Reads a stored message of this chat.
    pub(super) fn read_pending(chat: Jid, entry: OutboxEntry) -> Result<Pending, SendError> {
        let now = clock::unix_millis();
        let is_late = entry.deadline.is_some_and(|deadline| now >= deadline);
        if is_late && entry.state == OutboxState::Queued {
            return Err(SendError::Expired);
        }
        let deadline = entry.deadline.map(|deadline| {
            let left = Duration::from_millis(deadline.0.saturating_sub(now.0));
            (deadline, later(clock::now(), left))
        });
        let message = Message::decode(entry.payload).map_err(|error| {
            tracing::error!(%error, id = %entry.id, "a stored message is damaged");
            SendError::Damaged
        })?;
        let delivery = Delivery::decode(&entry.delivery).ok_or_else(|| {
            tracing::error!(id = %entry.id, "who a stored message is for is damaged");
            SendError::Damaged
        })?;
        Ok(Pending {
            seq: entry.seq,
            chat,
            id: entry.id,
            idempotency_key: entry.idempotency_key,
            created: entry.created,
            deadline,
            message,
            delivery,
            state: Some(entry.state),
            retries: 0,
        })
    }

    /// A message of which memory holds nothing is given up.
    pub(super) fn fail_stored(
        &self,
        seq: u64,
        chat: &Jid,
        id: &MessageId,
        error: &SendError,
        step: &mut Step,
    ) {
        step.changes.set_outbox_state(seq, OutboxState::Failed(error.to_reason()), clock::unix_millis());
        step.update(chat, id, SendState::Failed(error.clone()));
        step.staged.settled.push((id.clone(), Err(error.clone())));
    }

    /// Gives up what was not written in time.
    pub(in crate::driver) async fn expire_sends(&mut self, step: &mut Step) -> Result<(), StoreError> {
        let now = clock::now();
        while let Some(due) = self.outbox.deadlines.first_entry().filter(|due| due.key().0 <= now) {
            let ((_, seq), (chat, id)) = due.remove_entry();
            if let Some(pending) = self.outbox.remove(&chat, seq) {
                self.fail(pending, &SendError::Expired, step);
            } else if let Some(entry) = self.entry_of(&id).await?
                && (entry.seq, entry.state) == (seq, OutboxState::Queued)
            {
                // It waits in the store only.
                self.fail_stored(seq, &chat, &id, &SendError::Expired, step);
            }
        }
        Ok(())
    }

    /// Gives up all that is not sent: the account is not ours any more.
    pub(in crate::driver) async fn fail_all_sends(
        &mut self,
        error: &SendError,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let mut after = 0;
        loop {
            let page = self.store.outbox_pending(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for entry in page.into_iter().map(|entry| self.outbox.up_to_date(entry)) {
                if entry.state.is_pending() {
                    self.fail_stored(entry.seq, &entry.chat, &entry.id, error, step);
                }
            }
        }
        self.outbox.chats.clear();
        self.settle_in_flight(step);
        self.outbox.deadlines.clear();
        self.outbox.fresh.clear();
        (self.outbox.count, self.outbox.bytes) = (0, 0);
        (self.outbox.stored_after, self.outbox.must_rewind) = (None, false);
        Ok(())
    }

    pub(in crate::driver) async fn flush_raised(&mut self) -> Result<(), StoreError> {
        if self.outbox.raised.is_empty() {
            return Ok(());
        }
        let mut changes = Changes::new();
        self.outbox.stage_raised(&mut changes);
        self.store.commit(changes).await?;
        self.outbox.forget_raised();
        Ok(())
    }

    /// More that is kept only for those who ask again.
    pub(super) fn note_growth(&mut self, bytes: u64) {
        self.outbox.grown += bytes;
        if self.outbox.grown > self.config.keep_sent_bytes / TRIM_PART {
            let soon = clock::now() + TRIM_SOON;
            self.outbox.trim_at = self.outbox.trim_at.min(soon);
        }
    }

    /// Writes states, and trims the store, when it is time.
    pub(in crate::driver) async fn keep_outbox(&mut self, now: Instant) {
        if self.outbox.raise_at.is_some_and(|at| now >= at)
            && let Err(error) = self.flush_raised().await
        {
            tracing::warn!(%error, "states of messages could not be stored");
            self.outbox.raise_at = Some(now + READ_AGAIN);
        }
        if now >= self.outbox.trim_at {
            self.outbox.trim_at = now + TRIM_EVERY;
            self.trim(now).await;
        }
    }

    /// Takes out of the store what nobody asks for any more.
    async fn trim(&mut self, now: Instant) {
        let ago = |duration: Duration| {
            let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
            UnixMillis(clock::unix_millis().0.saturating_sub(millis))
        };
        let mut changes = Changes::new();
        // What was just acknowledged counts too.
        self.outbox.stage_raised(&mut changes);
        changes.trim_outbox(ago(self.config.keep_sent), self.config.keep_sent_bytes);
        // Reads through all of them: not each time that something was sent.
        if now >= self.outbox.forget_seen_at {
            changes.forget_seen_before(ago(KEEP_SEEN));
            let (kept, count) = self.config.keep_secrets;
            changes.trim_message_secrets(ago(kept), count, KEEP_SEALED);
            self.outbox.forget_seen_at = now + TRIM_EVERY;
        }
        match self.store.commit(changes).await {
            Ok(()) => {
                self.outbox.forget_raised();
                self.outbox.grown = 0;
            }
            Err(error) => tracing::warn!(%error, "the store could not be trimmed"),
        }
    }
}
