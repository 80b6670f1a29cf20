//! Asking senders for their messages again. What that may cost has a limit, whoever sends what cannot be read: requests
//! go out at a bounded rate, and so do the one-time pre-keys in them; a request without one still works.

use std::time::{Duration, Instant};

use wa_store::{PreKeyRecord, StoreError};
use wa_types::{MessageId, PreKeyId, PublicKey};

use super::{Asking, Repair};
use crate::driver::{Actor, Step};
use crate::e2e::retry::{self, Rate};
use crate::event::TrailStep;
use crate::signal::PreKey;
use crate::stanza::retry::{RetryKeys, RetryRequest};

/// Requests to one user.
const EACH: Rate = Rate { burst: 16, refill: Duration::from_secs(1) };

/// Requests to all: in a backlog that cannot be read they become a trickle.
const ALL: Rate = Rate { burst: 32, refill: Duration::from_millis(250) };

/// One-time pre-keys given to one user.
const GIFTS_EACH: Rate = Rate { burst: 8, refill: Duration::from_secs(10 * 60) };

/// One-time pre-keys given to all.
const GIFTS_ALL: Rate = Rate { burst: 128, refill: Duration::from_secs(60) };

/// How many requests are looked at in one step.
const AT_ONCE: usize = 64;

impl Actor {
    /// Sends the requests that are due, as many as may leave now.
    pub(super) async fn ask_senders(&mut self, now: Instant, step: &mut Step) -> Result<(), StoreError> {
        for _ in 0..self.repairs.due.len().min(AT_ONCE) {
            let Some(key) = self.repairs.due.pop_front() else { break };
            let Some(mut repair) = self.repairs.open.remove(&key) else { continue };
            if repair.asking == Asking::Due {
                if self.repairs.requests.take(repair.sender.to_user(), EACH, ALL, now) {
                    self.ask_sender(&mut repair, now, step).await?;
                    step.changes.put_repair(repair.record(key.clone()));
                } else {
                    self.repairs.due.push_back(key.clone());
                }
            }
            self.repairs.open.insert(key, repair);
        }
        self.repairs.ask_at = (!self.repairs.due.is_empty()).then(|| now + ALL.refill);
        Ok(())
    }

    /// Requests whose answers do not come are made again; the server may not even have had them.
    pub(super) fn repeat_requests(&mut self, now: Instant) {
        let times = self.config.repair;
        for (key, repair) in &mut self.repairs.open {
            if repair.ask_again_at(&times).is_none_or(|at| now < at) {
                continue;
            }
            if repair.asking == Asking::Waiting {
                repair.count = retry::next_count(Some(repair.count), 0).unwrap_or(repair.count);
            }
            repair.asking = Asking::Due;
            self.repairs.due.push_back(key.clone());
        }
    }

    /// The server has our request for this message.
    pub(in crate::driver) fn note_retry_ack(&mut self, id: &MessageId, step: &mut Step) {
        for (key, repair) in self.repairs.open.iter_mut().filter(|(key, _)| key.id == *id) {
            if repair.asking == Asking::Sent {
                repair.asking = Asking::Waiting;
                step.changes.put_repair(repair.record(key.clone()));
            }
        }
    }

    async fn ask_sender(
        &mut self,
        repair: &mut Repair,
        now: Instant,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let one_time = if retry::sends_keys(repair.count, &repair.origin.from) {
            Some(self.gift(repair, now, step).await?)
        } else {
            None
        };
        let keys = one_time.zip(self.account.signed_device_identity.as_deref());
        let keys = keys.map(|(one_time, device_identity)| RetryKeys {
            identity: self.account.identity.public,
            one_time,
            signed: self.signed_pre_key(),
            device_identity,
        });
        let request = RetryRequest {
            origin: &repair.origin,
            count: repair.count,
            code: repair.code,
            registration_id: self.account.registration_id,
            keys,
        };
        step.note(&repair.origin.id, TrailStep::SenderAsked { count: repair.count });
        step.reply(request.to_node());
        (repair.asking, repair.asked) = (Asking::Sent, now);
        Ok(())
    }

    /// A one-time pre-key for one message's sender only: the server never gets it. The same one as long as it is not
    /// used; none when too many were given away lately.
    async fn gift(
        &mut self,
        repair: &mut Repair,
        now: Instant,
        step: &mut Step,
    ) -> Result<Option<(PreKeyId, PublicKey)>, StoreError> {
        if let Some(id) = repair.spare
            && let Some(record) = self.store.pre_keys(&[id]).await?.into_iter().next().flatten()
        {
            return Ok(Some((id, record.key_pair.public)));
        }
        if !self.repairs.gifts.take(repair.sender.to_user(), GIFTS_EACH, GIFTS_ALL, now) {
            return Ok(None);
        }
        let id = self.account.next_pre_key_id;
        self.account.next_pre_key_id = id.next();
        let PreKey { id, key_pair } = PreKey::generate(id, &mut self.random);
        let public = key_pair.public;
        repair.spare = Some(id);
        // As if uploaded: it is never offered to the server, and goes with the old ones.
        step.changes.put_pre_key(PreKeyRecord { id, key_pair, uploaded: true });
        step.changes.put_account(self.account.clone());
        Ok(Some((id, public)))
    }
}
