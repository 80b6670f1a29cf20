//! Takes messages, each once; cancels them; tells how far they are.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;
use wa_store::{Expiration, MessageKey, OutboxEntry, OutboxState, StoreError};
use wa_types::{MessageId, UnixMillis};

use super::{Fresh, Pending};
use crate::driver::command::{CancelReply, SendJob, SendReply};
use crate::driver::delivery::{Audience, Delivery};
use crate::driver::{Actor, Step, clock};
use crate::error::{CallError, SendError, SendRemedy, Sent};
use crate::event::{Cancellation, SendState};
use crate::message::{self, Content};
use crate::wire::frame::MAX_FRAME_SIZE;

impl Actor {
    /// Takes a message: it is stored with this step.
    pub(in crate::driver) async fn accept_send(&mut self, mut job: SendJob, step: &mut Step) {
        if let Err(error) = self.can_take(&job) {
            return job.reply.refuse(error);
        }
        job.chat = match self.directory.known_chat_key(&job.chat) {
            Some(key) => key,
            None => match self.chat_key(&job.chat, step).await {
                Ok(key) => key,
                Err(error) => return job.reply.refuse(error.into()),
            },
        };
        match self.seal_content(&job.chat, &job.message, step.secrets.clone()).await {
            Ok(Some(sealed)) => job.message = sealed,
            Ok(None) => {}
            Err(error) => return job.reply.refuse(error),
        }
        match self.settle_delivery(&job).await {
            Ok(delivery) => job.delivery = delivery,
            Err(error) => return job.reply.refuse(error),
        }
        match self.known_send(&job).await {
            Ok(Known::New) => self.take_send(job, step),
            Ok(Known::Fresh(id)) => self.join(id, job.reply, step),
            Ok(Known::Stored(entry)) => self.join_stored(*entry, job, step),
            // Nothing of it is stored.
            Err(error) => job.reply.refuse(error.into()),
        }
    }

    fn can_take(&self, job: &SendJob) -> Result<(), SendError> {
        if self.account.logged_out {
            return Err(SendError::LoggedOut);
        }
        if !self.account.is_paired() {
            return Err(SendError::NotPaired);
        }
        if !Self::can_send_to(&job.chat) {
            return Err(SendError::Unsupported(job.chat.clone()));
        }
        if job.message.encoded().len() > MAX_FRAME_SIZE {
            return Err(SendError::TooLarge);
        }
        Ok(())
    }

    /// How the message goes, as far as its caller did not say: a deletion to whoever got what it deletes, a reaction to a
    /// status to the status's author.
    async fn settle_delivery(&self, job: &SendJob) -> Result<Delivery, SendError> {
        if !job.chat.is_broadcast() || job.delivery != Delivery::Plain {
            return Ok(job.delivery.clone());
        }
        let no_audience = || SendError::NoAudience(job.chat.clone());
        match job.message.content() {
            Content::Reaction(reaction) if job.chat.is_status() => {
                let author = reaction.target.sender.filter(|_| !reaction.target.from_me);
                author.map(|author| Delivery::Author(author.to_chat())).ok_or_else(no_audience)
            }
            Content::Revoke(revoke) => {
                let entry = self.entry_of(&revoke.target.id).await?;
                let entry = entry.filter(|entry| entry.chat == job.chat).ok_or_else(no_audience)?;
                match Delivery::decode(&entry.delivery) {
                    Some(Delivery::Audience(audience)) => {
                        let audience = Audience { setting: None, ..(*audience).clone() };
                        Ok(Delivery::Audience(Arc::new(audience)))
                    }
                    _ => Err(no_audience()),
                }
            }
            _ => Err(no_audience()),
        }
    }

    /// Whether the message was sent before. Only a caller's own id or key can be known.
    async fn known_send(&self, job: &SendJob) -> Result<Known, StoreError> {
        if job.id.is_none() && job.idempotency_key.is_none() {
            return Ok(Known::New);
        }
        let is_same = |fresh: &&Fresh| {
            job.id.as_ref() == Some(&fresh.id)
                || job.idempotency_key.is_some() && job.idempotency_key == fresh.idempotency_key
        };
        if let Some(fresh) = self.outbox.fresh.iter().find(is_same) {
            return Ok(Known::Fresh(fresh.id.clone()));
        }
        let mut known = None;
        if let Some(key) = &job.idempotency_key {
            known = self.store.outbox_by_key(key).await?;
        }
        if let (Some(id), None) = (&job.id, &known) {
            known = self.store.outbox_by_ids(std::slice::from_ref(id)).await?.pop().flatten();
        }
        Ok(known.map_or(Known::New, |entry| Known::Stored(Box::new(self.outbox.up_to_date(entry)))))
    }

    fn take_send(&mut self, job: SendJob, step: &mut Step) {
        self.outbox.last_seq += 1;
        let now = clock::unix_millis();
        let pending = Pending {
            seq: self.outbox.last_seq,
            id: job.id.unwrap_or_else(|| message::id::generate(&mut self.random)),
            chat: job.chat,
            idempotency_key: job.idempotency_key,
            created: now,
            deadline: job.deadline.map(|within| {
                let millis = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
                (UnixMillis(now.0.saturating_add(millis)), later(clock::now(), within))
            }),
            message: job.message.stamped(now),
            delivery: job.delivery,
            state: None,
            retries: 0,
        };
        if let Some((seconds, since)) = pending.message.told_expiration(now.to_seconds()) {
            self.directory.set_expiration(&pending.chat, Expiration { seconds, since }, &mut step.changes);
        }
        if let Some(own) = self.own() {
            let (chat, sender) = (pending.chat.clone(), own.pn.to_user());
            let key = MessageKey { chat, sender, id: pending.id.clone() };
            self.keep_secret(key, &pending.message, now, step);
        }
        self.outbox.fresh.push(Fresh {
            seq: pending.seq,
            chat: pending.chat.clone(),
            id: pending.id.clone(),
            idempotency_key: pending.idempotency_key.clone(),
        });
        self.join(pending.id.clone(), job.reply, step);
        if self.outbox.stored_after.is_none() && self.outbox.has_room() {
            self.outbox.insert(pending);
        } else {
            // Those before it are in the store only, or there are too many: it waits there too.
            self.outbox.stored_after.get_or_insert(pending.seq - 1);
            if let Some((_, at)) = pending.deadline {
                let known = (pending.chat.clone(), pending.id.clone());
                self.outbox.deadlines.insert((at, pending.seq), known);
            }
            step.update(&pending.chat, &pending.id, SendState::Queued);
            step.changes.put_outbox(pending.into_entry(OutboxState::Queued, now));
        }
    }

    /// Waits with those who wait for this message already.
    fn join(&mut self, id: MessageId, reply: SendReply, step: &mut Step) {
        match reply {
            SendReply::Sent(reply) => self.outbox.waiting.entry(id).or_default().push(reply),
            SendReply::Stored(reply) => step.staged.stored.push((reply, id)),
        }
    }

    /// The message was taken before: nothing is sent, unless it failed in a way that trying again may help.
    fn join_stored(&mut self, entry: OutboxEntry, job: SendJob, step: &mut Step) {
        if let OutboxState::Failed(reason) = entry.state {
            let error = SendError::from_reason(reason, &entry.chat);
            if error.remedy() == SendRemedy::GiveUp {
                return job.reply.refuse(error);
            }
            let idempotency_key = job.idempotency_key.or(entry.idempotency_key);
            return self.take_send(SendJob { id: Some(entry.id), idempotency_key, ..job }, step);
        }
        match job.reply {
            SendReply::Sent(reply) if !entry.state.is_pending() => {
                let timestamp = entry.acked.unwrap_or(entry.at).to_seconds();
                let _ = reply.send(Ok(Sent { id: entry.id, chat: job.chat, timestamp, server_id: None }));
            }
            reply => self.join(entry.id, reply, step),
        }
    }

    /// Takes a message back, if nothing of it has left.
    pub(in crate::driver) async fn cancel_send(
        &mut self,
        id: &MessageId,
        reply: CancelReply,
        step: &mut Step,
    ) {
        if let Some(fresh) = self.outbox.fresh.iter().find(|fresh| fresh.id == *id) {
            let (chat, seq) = (fresh.chat.clone(), fresh.seq);
            if let Some(pending) = self.outbox.remove(&chat, seq) {
                self.fail(pending, &SendError::Cancelled, step);
                return step.staged.cancelled.push(reply);
            }
        }
        let entry = match self.entry_of(id).await {
            Ok(Some(entry)) => entry,
            Ok(None) => return drop(reply.send(Ok(Cancellation::Unknown))),
            Err(error) => return drop(reply.send(Err(error.into()))),
        };
        if entry.state != OutboxState::Queued {
            let state = SendState::of(&entry);
            return drop(reply.send(Ok(Cancellation::TooLate(state))));
        }
        let chat = match self.chat_of(&entry).await {
            Ok(chat) => chat,
            Err(error) => return drop(reply.send(Err(error.into()))),
        };
        match self.outbox.remove(&chat, entry.seq) {
            Some(pending) => self.fail(pending, &SendError::Cancelled, step),
            None => self.fail_stored(entry.seq, &chat, &entry.id, &SendError::Cancelled, step),
        }
        step.staged.cancelled.push(reply);
    }

    /// How far a message is.
    pub(in crate::driver) async fn tell_send_state(
        &self,
        id: &MessageId,
        reply: oneshot::Sender<Result<Option<SendState>, CallError>>,
    ) {
        let state = if self.outbox.fresh.iter().any(|fresh| fresh.id == *id) {
            Ok(Some(SendState::Queued))
        } else {
            let entry = self.entry_of(id).await;
            entry.map(|entry| entry.as_ref().map(|entry| self.send_state(entry)))
        };
        let _ = reply.send(state.map_err(CallError::from));
    }

    fn send_state(&self, entry: &OutboxEntry) -> SendState {
        let chat = self.directory.known_chat_key(&entry.chat).unwrap_or_else(|| entry.chat.clone());
        match self.outbox.held_by(&chat) {
            Some(users) if entry.state == OutboxState::Queued => SendState::Held { users: users.to_vec() },
            _ => SendState::of(entry),
        }
    }

    /// What is known of a message, what is not written yet included.
    pub(super) async fn entry_of(&self, id: &MessageId) -> Result<Option<OutboxEntry>, StoreError> {
        let entry = self.store.outbox_by_ids(std::slice::from_ref(id)).await?.pop().flatten();
        Ok(entry.map(|entry| self.outbox.up_to_date(entry)))
    }
}

enum Known {
    New,
    /// Taken in this very step.
    Fresh(MessageId),
    Stored(Box<OutboxEntry>),
}

/// A time that may be beyond the clock's.
pub(super) fn later(now: Instant, within: std::time::Duration) -> Instant {
    /// Beyond what any run lasts.
    const FAR: std::time::Duration = std::time::Duration::from_secs(100 * 365 * 24 * 60 * 60);
    now + within.min(FAR)
}
