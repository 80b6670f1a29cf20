//! Requests of devices for messages that they could not read: which are new, and which wait until there is room for
//! them. The server acknowledges none of them for us, so what is put off is kept here.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use wa_types::{Jid, MessageId, RegistrationId};

use super::answers::Wanted;
use crate::e2e::retry::{Buckets, Rate};
use crate::stanza::receipt::InboundReceipt;

/// Requests of one user that are looked at.
const EACH: Rate = Rate { burst: 16, refill: Duration::from_secs(1) };

/// Requests of all.
const ALL: Rate = Rate { burst: 64, refill: Duration::from_millis(100) };

/// How many wait: those of a few devices that can read nothing of a long backlog.
const WAITING: usize = 1024;

/// How many answered requests are remembered.
const REMEMBERED: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Asked {
    buckets: Buckets<Jid>,
    waiting: VecDeque<InboundReceipt>,
    look_at: Option<Instant>,
    answered: HashMap<(MessageId, Jid), (u8, Option<RegistrationId>)>,
}

impl Asked {
    /// Whether a request is to be looked at now. If not, it is one that was answered, which the server delivered again;
    /// or it waits, as too many come at once.
    pub(super) fn admit(&mut self, receipt: &InboundReceipt, now: Instant) -> bool {
        if self.is_answered(receipt) {
            return false;
        }
        let may = self.buckets.take(requester(receipt).to_chat(), EACH, ALL, now);
        if !may {
            self.put_off(receipt, now);
        }
        may
    }

    /// Looks at a request again a little later.
    pub(super) fn put_off(&mut self, receipt: &InboundReceipt, now: Instant) {
        let is_same =
            |other: &InboundReceipt| other.id == receipt.id && requester(other) == requester(receipt);
        // A device's newer request takes the older one's place.
        self.waiting.retain(|other| !is_same(other));
        if self.waiting.len() >= WAITING
            && let Some(oldest) = self.waiting.pop_front()
        {
            tracing::warn!(id = %oldest.id, "too many requests for messages; the oldest is not answered");
        }
        self.waiting.push_back(receipt.clone());
        self.look_at.get_or_insert(now + EACH.refill);
    }

    /// When something that waits may be looked at.
    pub(super) const fn next_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// What waited and may be looked at now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<InboundReceipt> {
        if self.look_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        self.look_at = None;
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().filter(|receipt| self.admit(receipt, now)).collect()
    }

    /// A message went to a device again.
    pub(super) fn note_answer(&mut self, wanted: &Wanted) {
        if self.answered.len() >= REMEMBERED {
            // Whoever comes so far has asked for thousands of messages: forgetting costs little.
            self.answered.clear();
        }
        let key = (wanted.id.clone(), wanted.requester.clone());
        self.answered.insert(key, (wanted.count, wanted.registration_id));
    }

    /// A device that could not read the answer counts further, and one that was set up anew has another number.
    fn is_answered(&self, receipt: &InboundReceipt) -> bool {
        let Some(asked) = &receipt.retry else { return false };
        let answered = self.answered.get(&(receipt.id.clone(), requester(receipt).clone()));
        answered.is_some_and(|(count, registration)| {
            asked.count <= *count && asked.registration_id == *registration
        })
    }
}

/// The device that asks.
pub(super) fn requester(receipt: &InboundReceipt) -> &Jid {
    receipt.participant.as_ref().unwrap_or(&receipt.from)
}

#[cfg(test)]
mod tests {
    use wa_types::UnixSeconds;

    use super::*;
    use crate::stanza::receipt::ReceiptKind;
    use crate::stanza::retry::RetryAsked;

    fn request(id: &str, from: &str, count: u8, registration: u32) -> InboundReceipt {
        InboundReceipt {
            id: MessageId::new(id),
            from: from.parse().unwrap(),
            participant: None,
            recipient: None,
            kind: ReceiptKind::Retry,
            ids: vec![MessageId::new(id)],
            timestamp: Some(UnixSeconds(1)),
            is_offline: false,
            retry: Some(Box::new(RetryAsked {
                count,
                code: None,
                registration_id: Some(RegistrationId(registration)),
                keys: None,
            })),
        }
    }

    fn answer(request: &InboundReceipt) -> Wanted {
        let asked = request.retry.as_ref().unwrap();
        Wanted {
            id: request.id.clone(),
            requester: requester(request).clone(),
            count: asked.count,
            registration_id: asked.registration_id,
            tries: 0,
        }
    }

    const ANA: &str = "111@lid";

    #[test]
    fn an_answered_request_that_comes_again_is_none() {
        let (mut asked, now) = (Asked::default(), Instant::now());
        let first = request("M", ANA, 1, 7);
        assert!(asked.admit(&first, now));
        assert!(asked.admit(&first, now));
        asked.note_answer(&answer(&first));
        assert!(!asked.admit(&first, now));
        assert_eq!(asked.next_at(), None);
        // It could not read the answer; it was set up anew; another message; another device.
        assert!(asked.admit(&request("M", ANA, 2, 7), now));
        assert!(asked.admit(&request("M", ANA, 1, 8), now));
        assert!(asked.admit(&request("N", ANA, 1, 7), now));
        assert!(asked.admit(&request("M", "111:3@lid", 1, 7), now));
    }

    #[test]
    fn requests_beyond_the_rate_wait_and_none_is_forgotten() {
        let (mut asked, mut now) = (Asked::default(), Instant::now());
        let requests: Vec<InboundReceipt> =
            (0..60).map(|number| request(&format!("M{number}"), ANA, 1, 7)).collect();
        let at_once = requests.iter().filter(|request| asked.admit(request, now)).count();
        assert_eq!(at_once, 16);
        let mut later = Vec::new();
        while let Some(at) = asked.next_at() {
            now = at;
            later.extend(asked.due(now));
        }
        assert_eq!(later, requests[16..]);
    }

    #[test]
    fn of_too_many_that_wait_the_oldest_goes_and_a_newer_one_of_a_device_takes_the_olders_place() {
        let (mut asked, now) = (Asked::default(), Instant::now());
        for number in 0..=WAITING {
            asked.put_off(&request(&format!("M{number}"), ANA, 1, 7), now);
        }
        asked.put_off(&request("M5", ANA, 2, 7), now);
        assert_eq!(asked.waiting.len(), WAITING);
        assert_eq!(asked.waiting.front().unwrap().id, MessageId::new("M1"));
        assert_eq!(asked.waiting.back().unwrap().retry.as_ref().unwrap().count, 2);
        assert_eq!(asked.due(now), []);
    }
}
