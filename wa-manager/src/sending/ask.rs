//! May this be sent: classified, counted and stored in one commit, before anything leaves.
//! Requirements: manager.md, 3.3, 3.7, 3.9, 3.10.

use std::fmt::Write as _;
use std::time::Duration;

use metrics::counter;
use serde_json::json;
use wa_core::message::Content;
use wa_types::{Jid, MessageId, UnixMillis};

use super::deed;
use super::error::SendError;
use super::gate::{Gate, Step};
use super::request::{Decision, Recipient, Reserved, SendReceipt, SendRequest};
use crate::account::AccountStatus;
use crate::contacts::{self, Addresses, Known};
use crate::event::EventKind;
use crate::store::{Change, IdempotencyRecord, ManagerStoreError, ReservationRecord};
use crate::trust::{Admission, Deed, Lane, LimitInfo, OnLimit, Reservation, ReservationState};

/// How long a caller's key leads to its first message.
const KEEP_KEYS: Duration = Duration::from_secs(24 * 60 * 60);

/// What is counted for a message: what it is, and how it is named.
pub(super) struct Claim<'c> {
    pub(super) id: &'c MessageId,
    pub(super) recipient: &'c Recipient,
    pub(super) content: &'c Content,
    /// The caller's key, as the store knows it.
    pub(super) key: Option<&'c str>,
}

/// What a recipient is, for the limits.
pub(super) struct Looked {
    pub(super) deed: Deed,
    /// Who it is, for a person.
    pub(super) known: Option<Known>,
}

impl Gate {
    /// Whether a message may be sent. With [`Decision::Send`] it is counted and stored, and is to be handed to the client;
    /// [`Self::settle`] then says what became of it. `recipient` is who `request` is for.
    ///
    /// # Errors
    /// [`SendError`]; nothing is counted then.
    pub async fn ask(&mut self, request: &SendRequest, recipient: &Recipient) -> Result<Decision, SendError> {
        let key = request.idempotency_key.as_deref().map(|key| self.key(key));
        let mut id = request.id.clone();
        if let Some(key) = &key {
            let first = self.store.idempotency(&self.owner.tenant, key).await?;
            let now = self.now();
            id = first.filter(|first| now < first.until).map(|first| MessageId::new(first.outcome)).or(id);
        }
        if let Some(id) = &id
            && let Some(decision) = self.look_up(id, request, recipient).await?
        {
            return Ok(decision);
        }
        let id = id.unwrap_or_else(|| self.new_message_id());
        let content = request.message.content();
        let claim = Claim { id: &id, recipient, content: &content, key: key.as_deref() };
        let waits = matches!(request.on_limit, OnLimit::Enqueue { .. });
        // Who may wait waits behind those who do.
        let limit = if waits && (!self.queue.is_empty() || self.status != AccountStatus::Ready) {
            None
        } else {
            match self.reserve(&claim).await? {
                Ok(lane) => {
                    let (to, message) = (recipient.to.clone(), request.message.clone());
                    let deadline = request.deadline;
                    let reserved = Reserved { id, to, message, lane, is_again: false, deadline };
                    return Ok(Decision::Send(Box::new(reserved)));
                }
                Err(limit) => Some(limit),
            }
        };
        match (request.on_limit, limit) {
            (OnLimit::Enqueue { deadline }, limit) => {
                if let Some(limit) = limit.filter(|limit| limit.retry_at.is_none()) {
                    return Err(denied(limit));
                }
                self.enqueue(&claim, &request.message, deadline).await.map(Decision::Queued)
            }
            (OnLimit::WaitUpTo(longest), Some(limit)) => {
                let now = self.now();
                match limit.retry_at {
                    Some(until) if until.since(now) <= longest => {
                        let wait = self.spread(until.since(now)).min(longest);
                        Ok(Decision::Wait { until: now.after(wait), limit })
                    }
                    _ => Err(denied(limit)),
                }
            }
            (_, Some(limit)) => Err(denied(limit)),
            // Only those who may wait come here without a limit.
            (_, None) => Err(SendError::NotReady { status: self.status }),
        }
    }

    /// Whether a message to them would be let through now. Spends nothing.
    ///
    /// # Errors
    /// [`SendError::InvalidRecipient`], [`SendError::Store`].
    pub async fn preview(&mut self, recipient: &Recipient) -> Result<Admission, SendError> {
        let step = self.begin().await?;
        let looked = self.look(recipient, &deed::plain()).await?;
        Ok(step.state.admit(&self.terms(), &looked.deed, None, step.now))
    }

    /// Counts something that is no message: numbers that are looked up, a group that is made, people who are added to
    /// one. `id` names it for [`Self::settle`]; with an id that was counted before nothing is counted again.
    ///
    /// # Errors
    /// [`SendError`]; nothing is counted then.
    pub async fn ask_deed(&mut self, id: &MessageId, deed: &Deed) -> Result<Lane, SendError> {
        if self.status != AccountStatus::Ready {
            return Err(SendError::NotReady { status: self.status });
        }
        let known = self.store.reservation(&self.owner.account, id.as_str()).await?;
        if let Some(known) = known.filter(|known| known.reservation.state != ReservationState::Released) {
            return Ok(known.reservation.lane);
        }
        let mut step = self.begin().await?;
        let random = self.draw();
        let reservation =
            step.state.reserve(&self.terms(), id.as_str(), deed, None, step.now, random).map_err(denied)?;
        let lane = reservation.lane;
        self.put_reservation(&mut step, reservation);
        self.commit(step).await?;
        Ok(lane)
    }

    /// Counts a message and stores that, in one commit; or the limit that stands against it.
    pub(super) async fn reserve(&mut self, claim: &Claim<'_>) -> Result<Result<Lane, LimitInfo>, SendError> {
        if self.status != AccountStatus::Ready {
            return Err(SendError::NotReady { status: self.status });
        }
        let mut step = self.begin().await?;
        let mut looked = self.look(claim.recipient, claim.content).await?;
        if looked.known.is_none() && matches!(looked.deed, Deed::Message(_)) {
            let account = self.owner.account.clone();
            let store = std::sync::Arc::clone(&self.store);
            let addresses = &claim.recipient.addresses;
            let known =
                contacts::find_or_make(&*store, &account, addresses, &mut *self.random, step.now).await?;
            if let Deed::Message(person) = &mut looked.deed {
                person.id = known.contact.id;
            }
            looked.known = Some(known);
        }
        let tag = self.tag(&step, claim.content);
        let random = self.draw();
        if let Some(Known { merged: Some(merged), contact, .. }) = &looked.known {
            step.state.merge_persons(merged.id, contact.id);
        }
        let counted =
            step.state.reserve(&self.terms(), claim.id.as_str(), &looked.deed, tag, step.now, random);
        let mut reservation = match counted {
            Ok(reservation) => reservation,
            Err(limit) => return Ok(Err(limit)),
        };
        if reservation.person().is_none() {
            reservation.chat = Some(claim.recipient.to.to_string());
        }
        let lane = reservation.lane;
        self.put_reservation(&mut step, reservation);
        if let Some(mut known) = looked.known {
            if matches!(looked.deed, Deed::Message(_)) {
                known.contact.unanswered = known.contact.unanswered.saturating_add(1);
            }
            contacts::write(&*self.store, &known, &mut step.changes).await?;
            if known.is_new {
                let data = json!({ "contactId": known.contact.id, "by": "sending" });
                self.push(&mut step, EventKind::ContactCreated, data);
            }
        }
        self.put_key(&mut step, claim);
        self.commit(step).await?;
        Ok(Ok(lane))
    }

    /// Who a message is for, and what it does.
    pub(super) async fn look(&self, recipient: &Recipient, content: &Content) -> Result<Looked, SendError> {
        let known = if recipient.addresses.is_empty() {
            None
        } else {
            contacts::find(&*self.store, &self.owner.account, &recipient.addresses).await?
        };
        let contact = known.as_ref().map(|known| &known.contact);
        let deed = deed::deed_of(recipient, content, contact, &self.own);
        let deed = deed.ok_or(SendError::InvalidRecipient)?;
        Ok(Looked { deed, known })
    }

    /// A keyed hash of what is said, where that counts.
    pub(super) fn tag(&self, Step { state, now, .. }: &Step, content: &Content) -> Option<u64> {
        let now = *now;
        let counts = self.config.table.counts_texts() || state.is_text_limited(now);
        counts.then(|| deed::tag(&self.trust.text_key, content)).flatten()
    }

    pub(super) fn put_key(&self, step: &mut Step, claim: &Claim<'_>) {
        if let Some(key) = claim.key {
            step.changes.push(Change::PutIdempotency(Box::new(IdempotencyRecord {
                tenant: self.owner.tenant.clone(),
                key: key.to_owned(),
                outcome: claim.id.to_string(),
                until: step.now.after(KEEP_KEYS),
            })));
        }
    }

    pub(super) fn put_reservation(&self, step: &mut Step, reservation: Reservation) {
        let account = self.owner.account.clone();
        step.changes.put_reservation(ReservationRecord { account, reservation });
    }

    /// What is known of a message of this id; `None` if it is to be sent.
    async fn look_up(
        &mut self,
        id: &MessageId,
        request: &SendRequest,
        recipient: &Recipient,
    ) -> Result<Option<Decision>, SendError> {
        // What is stored may be newer than the queue.
        let step = self.begin().await?;
        let counted = self.store.reservation(&self.owner.account, id.as_str()).await?;
        if let Some(record) = self.queue.find(id) {
            if self.waits_for_another(&record.to, recipient).await? {
                return Err(SendError::InvalidRecipient);
            }
            return Ok(Some(Decision::Queued(self.queued(record, step.now))));
        }
        let Some(ReservationRecord { reservation, .. }) = counted else { return Ok(None) };
        if reservation.state != ReservationState::Released
            && self.is_for_another(&reservation, recipient).await?
        {
            return Err(SendError::InvalidRecipient);
        }
        Ok(match reservation.state {
            ReservationState::Sent => {
                let timestamp = UnixMillis(reservation.settled_at.unwrap_or(reservation.at.0));
                Some(Decision::Done(SendReceipt {
                    id: id.clone(),
                    chat: Some(request.to.to_chat()),
                    timestamp,
                }))
            }
            ReservationState::Refused => {
                return Err(match reservation.code {
                    Some(server_code) => SendError::Refused { server_code },
                    None => SendError::InvalidRecipient,
                });
            }
            ReservationState::Reserved if self.status != AccountStatus::Ready => {
                return Err(SendError::Unknown { message_id: id.clone() });
            }
            // The client knows it by its id, or never got it.
            ReservationState::Reserved => {
                // What was counted as light may never have left: no message leaves in its place.
                if reservation.lane == Lane::Light
                    && self.look(recipient, &request.message.content()).await?.deed != Deed::Light
                {
                    return Err(SendError::InvalidRecipient);
                }
                Some(Decision::Send(Box::new(Reserved {
                    id: id.clone(),
                    to: request.to.to_chat(),
                    message: request.message.clone(),
                    lane: reservation.lane,
                    is_again: true,
                    deadline: request.deadline,
                })))
            }
            ReservationState::Released => None,
        })
    }

    /// Whether what waits, or was counted, for this address is for somebody else than this.
    async fn waits_for_another(&self, to: &Jid, recipient: &Recipient) -> Result<bool, ManagerStoreError> {
        let (of, other) = (Addresses::of([to]), &recipient.addresses);
        if of.is_empty() || other.is_empty() {
            return Ok(*to != recipient.to);
        }
        let (store, account) = (&self.store, &self.owner.account);
        let found = contacts::find(&**store, account, other).await?;
        if let Some(waits) = contacts::find(&**store, account, &of).await?
            && let Some(found) = found
        {
            return Ok(!is_person(&found, waits.contact.id));
        }
        // A number and a LID that nobody named together may be one person's.
        let differ =
            |one: &Option<Jid>, other: &Option<Jid>| one.is_some() && other.is_some() && one != other;
        Ok(differ(&of.pn, &other.pn) || differ(&of.lid, &other.lid))
    }

    /// Whether something was counted for somebody else than this.
    async fn is_for_another(
        &self,
        reservation: &Reservation,
        recipient: &Recipient,
    ) -> Result<bool, ManagerStoreError> {
        let (store, account) = (&self.store, &self.owner.account);
        if let Some(chat) = &reservation.chat {
            let Ok(chat) = chat.parse::<Jid>() else { return Ok(true) };
            let is_own = |jid: &Jid| self.own.iter().any(|own| own.is_same_user(jid));
            return Ok(
                is_own(&chat) != is_own(&recipient.to) || self.waits_for_another(&chat, recipient).await?
            );
        }
        let Some(person) = reservation.person() else {
            return Ok(
                matches!(reservation.lane, Lane::Group | Lane::Status) && !recipient.addresses.is_empty()
            );
        };
        // One that turned out to be the same as another is not there any more.
        let of = store.contacts(account, person, 1).await?;
        let is_known = of.first().is_some_and(|contact| contact.id == person);
        let found = contacts::find(&**store, account, &recipient.addresses).await?;
        Ok(is_known && !found.is_some_and(|found| is_person(&found, person)))
    }

    fn key(&self, key: &str) -> String {
        format!("send/{}/{key}", self.owner.account)
    }

    /// A new id of the form that companions use. Protocol: messages, "Message id".
    fn new_message_id(&mut self) -> MessageId {
        let mut bytes = [0; 9];
        self.random.fill(&mut bytes);
        let mut text = String::from("3EB0");
        for byte in bytes {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02X}");
        }
        MessageId::new(text)
    }
}

/// Whether they are the person of this number, also where that turned out to be the same as another.
fn is_person(known: &Known, person: u64) -> bool {
    known.contact.id == person || known.merged.as_ref().is_some_and(|merged| merged.id == person)
}

/// A limit as an error, counted.
fn denied(limit: LimitInfo) -> SendError {
    let (lane, scope) = (limit.lane.as_str(), limit.scope.as_str());
    counter!("wa_limit_denied_total", "lane" => lane, "scope" => scope).increment(1);
    limit.into()
}
