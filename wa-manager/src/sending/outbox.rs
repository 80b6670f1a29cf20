//! The queue of an account in the store: what waits survives restarts, and is looked at again when its turn comes.
//! Requirements: manager.md, 3.7, 3.10, 4.4.

use std::time::Duration;

use metrics::histogram;
use serde_json::json;
use wa_core::Message;
use wa_types::{Jid, MessageId, UnixMillis};

use super::ask::Claim;
use super::error::SendError;
use super::gate::{Gate, Step};
use super::queue::Queue;
use super::request::{Queued, Recipient, Reserved};
use crate::account::AccountStatus;
use crate::event::EventKind;
use crate::store::{Change, ManagerStoreError, SendRecord};
use crate::trust::{Admission, Lane};

/// What the outbox has next.
#[derive(Debug)]
#[non_exhaustive]
pub enum Next {
    /// This one: it is counted. Hand it to the client, then tell [`Gate::handed_over`].
    Send(Box<Reserved>),
    /// Nothing before then.
    WaitUntil(UnixMillis),
    /// Nothing waits.
    Empty,
}

/// A message that waits, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueuedSend {
    /// Its id.
    pub id: MessageId,
    /// Where it goes.
    pub to: Jid,
    /// What it was when it was taken.
    pub lane: Lane,
    /// When it was taken.
    pub at: UnixMillis,
    /// When it is worth sending no more.
    pub deadline: UnixMillis,
    /// How many wait before it.
    pub position: usize,
    /// Whether it was given out, and is about to be sent.
    pub is_leaving: bool,
}

impl Gate {
    /// The next message of the outbox, counted like any other; those whose time is over are told as expired. To be
    /// called when something was queued or sent, when the time comes that it names, and when the account is ready.
    ///
    /// `recipients` tells who an address is, with what the client knows of it.
    ///
    /// # Errors
    /// [`SendError::Store`]; ask again.
    pub async fn next<R: Future<Output = Recipient> + Send>(
        &mut self,
        mut recipients: impl FnMut(Jid) -> R + Send,
    ) -> Result<Next, SendError> {
        self.expire().await?;
        let mut wake = self.queue.next_deadline();
        if self.trust.state.is_paused() || self.status != AccountStatus::Ready {
            return Ok(wake.map_or(Next::Empty, Next::WaitUntil));
        }
        for record in self.queue.heads() {
            let recipient = recipients(record.to.clone()).await;
            match self.give_out(&record, &recipient).await? {
                Ok(reserved) => return Ok(Next::Send(Box::new(reserved))),
                Err(Some(at)) => wake = Some(wake.map_or(at, |wake| wake.min(at))),
                Err(None) => {}
            }
        }
        Ok(wake.map_or(Next::Empty, Next::WaitUntil))
    }

    /// The client has stored this message: it waits here no more.
    ///
    /// # Errors
    /// [`ManagerStoreError`]: it is given out again, under the same id, and counted once.
    pub async fn handed_over(&mut self, id: &MessageId) -> Result<(), ManagerStoreError> {
        if self.queue.find(id).is_none() {
            return Ok(());
        }
        let mut step = self.begin().await?;
        self.delete(&mut step, id);
        self.commit(step).await?;
        self.queue.remove(id);
        Ok(())
    }

    /// The account has another client, that knows nothing of what was given out and not [taken](Self::handed_over).
    pub fn client_is_new(&mut self) {
        self.queue.take_back();
    }

    /// What waits, in its order.
    #[must_use]
    pub fn outbox(&self) -> Vec<QueuedSend> {
        let listed = self.queue.iter().enumerate().map(|(position, record)| QueuedSend {
            id: record.id.clone(),
            to: record.to.clone(),
            lane: record.lane,
            at: record.at,
            deadline: record.deadline,
            position,
            is_leaving: self.queue.is_given_out(&record.id),
        });
        listed.collect()
    }

    /// Takes back a message that waits. `false` when it does not, or was given out.
    ///
    /// # Errors
    /// [`ManagerStoreError`]: it may still be sent.
    pub async fn cancel(&mut self, id: &MessageId) -> Result<bool, ManagerStoreError> {
        let mut step = self.begin().await?;
        if self.queue.find(id).is_none() || self.queue.is_given_out(id) {
            return Ok(false);
        }
        self.delete(&mut step, id);
        let data =
            json!({ "messageId": id.as_str(), "code": SendError::Cancelled.code(), "mayHaveArrived": false });
        self.push(&mut step, EventKind::MessageFailed, data);
        self.commit(step).await?;
        self.queue.remove(id);
        Ok(true)
    }

    /// Lets what waits go on waiting, restarts included, until [`Self::resume`]. Deadlines go on.
    ///
    /// # Errors
    /// [`ManagerStoreError`].
    pub async fn pause(&mut self) -> Result<(), ManagerStoreError> {
        self.set_paused(true).await
    }

    /// What waits may be sent again.
    ///
    /// # Errors
    /// [`ManagerStoreError`].
    pub async fn resume(&mut self) -> Result<(), ManagerStoreError> {
        self.set_paused(false).await
    }

    /// Stores a message that waits.
    pub(super) async fn enqueue(
        &mut self,
        claim: &Claim<'_>,
        message: &Message,
        deadline: Duration,
    ) -> Result<Queued, SendError> {
        let payload = message.encoded().to_vec();
        // What is sealed when it leaves is not in the bytes.
        if Message::from_encoded(payload.clone()).ok().as_ref() != Some(message) {
            return Err(SendError::NotQueueable);
        }
        let mut step = self.begin().await?;
        if self.queue.len() >= Queue::MOST {
            return Err(SendError::QueueFull { limit: Queue::MOST });
        }
        let looked = self.look(claim.recipient, claim.content).await?;
        let tag = self.tag(&step, claim.content);
        let earliest_at = match step.state.admit(&self.terms(), &looked.deed, tag, step.now) {
            Admission::Allow { .. } => step.now,
            Admission::Delay(limit) => limit.retry_at.unwrap_or(step.now),
            Admission::Deny(limit) => return Err(limit.into()),
        };
        let record = SendRecord {
            account: self.owner.account.clone(),
            id: claim.id.clone(),
            number: self.queue.next_number(),
            to: claim.recipient.to.clone(),
            payload,
            lane: Lane::of(&looked.deed, step.now),
            at: step.now,
            deadline: step.now.after(deadline),
        };
        let position = self.queue.position(record.number);
        step.changes.push(Change::PutSend(Box::new(record.clone())));
        self.put_key(&mut step, claim);
        let data = json!({
            "messageId": record.id.as_str(),
            "chat": record.to.to_string(),
            "lane": record.lane.as_str(),
            "position": position,
            "earliestAt": earliest_at.0,
            "deadline": record.deadline.0,
        });
        self.push(&mut step, EventKind::SendQueued, data);
        self.commit(step).await?;
        let id = record.id.clone();
        self.queue.push(record);
        Ok(Queued { id, position, earliest_at })
    }

    /// Where a message stands that waits.
    pub(super) fn queued(&self, record: &SendRecord, now: UnixMillis) -> Queued {
        Queued { id: record.id.clone(), position: self.queue.position(record.number), earliest_at: now }
    }

    /// Counts a message whose turn it is; or when it may be looked at again.
    async fn give_out(
        &mut self,
        record: &SendRecord,
        recipient: &Recipient,
    ) -> Result<Result<Reserved, Option<UnixMillis>>, SendError> {
        let Ok(message) = Message::from_encoded(record.payload.clone()) else {
            self.drop_damaged(record).await?;
            return Ok(Err(None));
        };
        let counted = self.store.reservation(&self.owner.account, record.id.as_str()).await?;
        let is_again = counted.as_ref().is_some_and(|counted| Self::is_open(&counted.reservation));
        let lane = match counted.filter(|_| is_again) {
            // It was given out before, and nobody knows whether the client got it.
            Some(counted) => counted.reservation.lane,
            None => {
                let content = message.content();
                let claim = Claim { id: &record.id, recipient, content: &content, key: None };
                match self.reserve(&claim).await? {
                    Ok(lane) => lane,
                    Err(limit) => return Ok(Err(limit.retry_at.map(|at| self.turn(record, at)))),
                }
            }
        };
        let now = self.now();
        self.queue.give_out(&record.id);
        histogram!("wa_outbox_lag_seconds").record(now.since(record.at).as_secs_f64());
        let deadline = Some(record.deadline.since(now));
        let (id, to) = (record.id.clone(), record.to.clone());
        Ok(Ok(Reserved { id, to, message, lane, is_again, deadline }))
    }

    /// When a message that waits until `at` is looked at again: a little later, but not after its deadline.
    fn turn(&mut self, record: &SendRecord, at: UnixMillis) -> UnixMillis {
        let now = self.now();
        let later = now.after(self.spread(at.since(now)));
        at.max(later.min(UnixMillis(record.deadline.0.saturating_sub(1))))
    }

    /// Tells what is worth sending no more.
    async fn expire(&mut self) -> Result<(), ManagerStoreError> {
        let mut step = self.begin().await?;
        let expired = self.queue.expired(step.now);
        for record in &expired {
            self.delete(&mut step, &record.id);
            let data = json!({
                "messageId": record.id.as_str(),
                "chat": record.to.to_string(),
                "deadline": record.deadline.0,
            });
            self.push(&mut step, EventKind::SendExpired, data);
        }
        self.commit(step).await?;
        for record in expired {
            self.queue.remove(&record.id);
        }
        Ok(())
    }

    /// What is stored of it cannot be read: it is told, and waits no more.
    async fn drop_damaged(&mut self, record: &SendRecord) -> Result<(), ManagerStoreError> {
        let mut step = self.begin().await?;
        self.delete(&mut step, &record.id);
        let data = json!({ "messageId": record.id.as_str(), "code": "damaged", "mayHaveArrived": false });
        self.push(&mut step, EventKind::MessageFailed, data);
        self.commit(step).await?;
        self.queue.remove(&record.id);
        Ok(())
    }

    async fn set_paused(&mut self, is_paused: bool) -> Result<(), ManagerStoreError> {
        let mut step = self.begin().await?;
        step.state.set_paused(is_paused);
        self.commit(step).await
    }

    fn delete(&self, step: &mut Step, id: &MessageId) {
        let account = self.owner.account.clone();
        step.changes.push(Change::DeleteSend { account, id: id.clone() });
    }
}
