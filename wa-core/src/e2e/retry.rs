//! What to do when a device asks for a message again, and what to ask ourselves. Times are handed in; nothing here
//! reads a record. Protocol: receiving, "Retry requests", "Inbound retry receipt".

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use wa_types::{Jid, PublicKey, RegistrationId};

use crate::stanza::retry::Origin;

/// From this count on a device's requests are ignored.
pub const COUNT_LIMIT: u8 = 5;

/// How often one device gets one message again, whatever it counts.
pub const ANSWER_LIMIT: u8 = 10;

/// A session is not made anew by force more often than this, unless the device shows that it must be.
pub const RENEW_AFTER: Duration = Duration::from_secs(60 * 60);

/// A device's keys are not fetched more often than this.
pub const FETCH_PAUSE: Duration = Duration::from_secs(10);

/// How often we ask a sender: it ignores what comes after.
pub const REQUEST_LIMIT: u8 = COUNT_LIMIT - 1;

/// From this request on, the sender gets our keys for a new session.
const KEYS_FROM: u8 = 2;

/// The phone does not have messages that are older.
const PHONE_KEEPS: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// What a device is to the chat of the message that it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// A device that the message was for: of the recipient, of a member, or our own.
    Reader,
    /// Not on its user's device list; the user may read the message.
    Unlisted,
    /// Of a user whom the message was not for.
    Stranger,
}

/// What is known when a device asks for a message again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by the caller from its records")]
pub struct Request {
    /// The device's own count.
    pub count: u8,
    /// How often it got this message again already.
    pub answered: u8,
    /// Whether it may read the message.
    pub standing: Standing,
    /// It sent keys, and they are good.
    pub has_keys: bool,
    /// The registration id that it sent.
    pub registration_id: Option<RegistrationId>,
    /// Our session with it, as far as there is one to send on.
    pub session: Option<Session>,
    /// The base key of the session that carried an earlier answer to a second or later request.
    pub answered_on: Option<PublicKey>,
    /// How long ago the session was made anew by force.
    pub renewed: Option<Duration>,
    /// How long ago its keys were fetched for an answer.
    pub fetched: Option<Duration>,
}

/// What matters of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by the caller from its records")]
pub struct Session {
    /// The other side's registration id.
    pub registration_id: RegistrationId,
    /// What names the session.
    pub base_key: PublicKey,
}

/// What to do about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// Nothing.
    Ignore(Ignored),
    /// Send the message again, on the session that there is.
    Answer,
    /// Open a session with the keys that came, then send again on it.
    AnswerOnKeys,
    /// Send nothing more on the session that there is; fetch the device's keys, then send again.
    Renew,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ignored {
    /// The device counts too far.
    CountedOut,
    /// It got the message often enough.
    AnsweredOften,
    /// The message was not for its user.
    Stranger,
    /// Nobody knows the device, and it sent no keys: its user's device list is to be fetched anew.
    UnknownDevice,
    /// There is no session, and its keys were fetched a moment ago: it is to be looked at again a little later.
    TooSoon,
}

impl Request {
    /// The rules, in their order.
    #[must_use]
    pub fn decide(&self) -> Decision {
        if self.count >= COUNT_LIMIT {
            return Decision::Ignore(Ignored::CountedOut);
        }
        if self.answered >= ANSWER_LIMIT {
            return Decision::Ignore(Ignored::AnsweredOften);
        }
        match self.standing {
            Standing::Stranger => return Decision::Ignore(Ignored::Stranger),
            Standing::Unlisted if !self.has_keys => return Decision::Ignore(Ignored::UnknownDevice),
            Standing::Reader | Standing::Unlisted => {}
        }
        if self.has_keys {
            return Decision::AnswerOnKeys;
        }
        if !self.is_renewal_due() {
            return Decision::Answer;
        }
        match (self.fetched, self.session) {
            (Some(ago), Some(_)) if ago < FETCH_PAUSE => Decision::Answer,
            (Some(ago), None) if ago < FETCH_PAUSE => Decision::Ignore(Ignored::TooSoon),
            _ => Decision::Renew,
        }
    }

    fn is_renewal_due(&self) -> bool {
        let Some(session) = &self.session else { return true };
        let is_another_device = self.registration_id.is_some_and(|id| id != session.registration_id);
        // What was sent on this very session could not be read.
        let failed = self.count > KEYS_FROM && self.answered_on == Some(session.base_key);
        let may_be_broken = self.count >= KEYS_FROM && self.renewed.is_none_or(|ago| ago > RENEW_AFTER);
        is_another_device || failed || may_be_broken
    }
}

/// Whether the session that carries the answer to a request of this count is to be remembered.
#[must_use]
pub const fn is_remembered(count: u8) -> bool {
    count >= KEYS_FROM
}

/// The number of our next request for a message; `None` when its sender was asked often enough. `asked` is how often
/// we asked, where that is known; else the message itself says which resend it is.
#[must_use]
pub fn next_count(asked: Option<u8>, resend: u8) -> Option<u8> {
    Some(asked.unwrap_or(resend).saturating_add(1)).filter(|count| *count <= REQUEST_LIMIT)
}

/// Whether a request carries our keys.
#[must_use]
pub fn sends_keys(count: u8, sender: &Jid) -> bool {
    count >= KEYS_FROM || sender.is_hosted()
}

/// Whether our phone is asked for this message too.
#[must_use]
pub fn is_for_phone(origin: &Origin, age: Duration) -> bool {
    let is_kept = (origin.from.is_user() || origin.from.is_group()) && !origin.from.is_bot();
    is_kept && !origin.is_peer && age <= PHONE_KEEPS
}

/// How much of something may happen: `burst` times at once, then once per `refill`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "constants of the driver")]
pub struct Rate {
    /// How often at once.
    pub burst: u32,
    /// After this long it may happen once more.
    pub refill: Duration,
}

/// A token bucket; full when new.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bucket {
    full_at: Option<Instant>,
}

impl Bucket {
    /// Takes a token, if there is one.
    pub fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let is_free = self.free_at(rate, now) <= now;
        if is_free {
            self.full_at = Some(self.full_at.map_or(now, |at| at.max(now)) + rate.refill);
        }
        is_free
    }

    /// When the next token is there.
    #[must_use]
    pub fn free_at(&self, rate: Rate, now: Instant) -> Instant {
        let room = rate.refill.saturating_mul(rate.burst.saturating_sub(1));
        self.full_at.and_then(|at| at.checked_sub(room)).map_or(now, |at| at.max(now))
    }

    fn is_full(&self, now: Instant) -> bool {
        self.full_at.is_none_or(|at| at <= now)
    }
}

/// Token buckets by key, and one for all keys together. Bounded: those that are full again are forgotten, and when all
/// are in use, new keys share the common one only.
#[derive(Debug)]
pub struct Buckets<K> {
    each: HashMap<K, Bucket>,
    all: Bucket,
}

/// How many keys have buckets of their own.
const KEYS: usize = 1024;

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Self { each: HashMap::new(), all: Bucket::default() }
    }
}

impl<K: Eq + Hash> Buckets<K> {
    /// Takes a token for this key, and one of all; nothing is taken unless both are there.
    pub fn take(&mut self, key: K, each: Rate, all: Rate, now: Instant) -> bool {
        if self.all.free_at(all, now) > now {
            return false;
        }
        if self.each.len() >= KEYS {
            self.each.retain(|_, bucket| !bucket.is_full(now));
        }
        let is_known = self.each.contains_key(&key);
        let is_free = match self.each.len() < KEYS || is_known {
            true => self.each.entry(key).or_default().take(each, now),
            false => true,
        };
        is_free && self.all.take(all, now)
    }

    /// When there may be a token for any key again.
    #[must_use]
    pub fn free_at(&self, all: Rate, now: Instant) -> Instant {
        self.all.free_at(all, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PublicKey = PublicKey::new([1; 32]);
    const B: PublicKey = PublicKey::new([2; 32]);

    const SESSION: Session = Session { registration_id: RegistrationId(7), base_key: A };

    /// A first request of a listed device with a working session.
    const FIRST: Request = Request {
        count: 1,
        answered: 0,
        standing: Standing::Reader,
        has_keys: false,
        registration_id: Some(RegistrationId(7)),
        session: Some(SESSION),
        answered_on: None,
        renewed: None,
        fetched: None,
    };

    const SECONDS: Duration = Duration::from_secs(1);

    #[expect(clippy::disallowed_methods, reason = "any time will do")]
    fn now() -> Instant {
        Instant::now()
    }

    #[test]
    fn every_rule_decides_as_the_chapter_says() {
        let hour = RENEW_AFTER + SECONDS;
        let second = Request { count: 2, ..FIRST };
        let third = Request { count: 3, renewed: Some(SECONDS), ..FIRST };
        let cases: &[(&str, Request, Decision)] = &[
            ("a first request", FIRST, Decision::Answer),
            ("keys", Request { has_keys: true, ..FIRST }, Decision::AnswerOnKeys),
            (
                "keys, and no session",
                Request { has_keys: true, session: None, ..FIRST },
                Decision::AnswerOnKeys,
            ),
            ("no session", Request { session: None, ..FIRST }, Decision::Renew),
            (
                "no session, keys fetched a moment ago",
                Request { session: None, fetched: Some(SECONDS), ..FIRST },
                Decision::Ignore(Ignored::TooSoon),
            ),
            (
                "no session, keys fetched before",
                Request { session: None, fetched: Some(hour), ..FIRST },
                Decision::Renew,
            ),
            (
                "another registration id",
                Request { registration_id: Some(RegistrationId(8)), ..FIRST },
                Decision::Renew,
            ),
            ("no registration id", Request { registration_id: None, ..FIRST }, Decision::Answer),
            (
                "another registration id, keys fetched a moment ago",
                Request { registration_id: Some(RegistrationId(8)), fetched: Some(SECONDS), ..FIRST },
                Decision::Answer,
            ),
            ("a second request", second, Decision::Renew),
            ("a second one, renewed lately", Request { renewed: Some(SECONDS), ..second }, Decision::Answer),
            ("a second one, renewed long ago", Request { renewed: Some(hour), ..second }, Decision::Renew),
            ("a third one on another session", Request { answered_on: Some(B), ..third }, Decision::Answer),
            ("a third one on the same session", Request { answered_on: Some(A), ..third }, Decision::Renew),
            ("a count beyond", Request { count: 5, ..FIRST }, Decision::Ignore(Ignored::CountedOut)),
            (
                "a hostile count",
                Request { count: 255, has_keys: true, ..FIRST },
                Decision::Ignore(Ignored::CountedOut),
            ),
            (
                "the same count over and over",
                Request { answered: 10, ..FIRST },
                Decision::Ignore(Ignored::AnsweredOften),
            ),
            (
                "a stranger with keys",
                Request { standing: Standing::Stranger, has_keys: true, ..FIRST },
                Decision::Ignore(Ignored::Stranger),
            ),
            (
                "an unknown device",
                Request { standing: Standing::Unlisted, ..FIRST },
                Decision::Ignore(Ignored::UnknownDevice),
            ),
            (
                "an unknown device with keys",
                Request { standing: Standing::Unlisted, has_keys: true, ..FIRST },
                Decision::AnswerOnKeys,
            ),
        ];
        for (name, request, decision) in cases {
            assert_eq!(request.decide(), *decision, "{name}");
        }
    }

    #[test]
    fn our_own_count_goes_on_from_what_we_know_and_ends_at_four() {
        assert_eq!(next_count(None, 0), Some(1));
        assert_eq!(next_count(None, 3), Some(4), "after a restart the resend says how far it was");
        assert_eq!(next_count(None, 4), None);
        assert_eq!(next_count(None, u8::MAX), None);
        assert_eq!(next_count(Some(1), u8::MAX), Some(2), "the sender's count is not ours");
        assert_eq!(next_count(Some(4), 0), None);
        assert!(!sends_keys(1, &Jid::lid("1")) && sends_keys(2, &Jid::lid("1")));
    }

    #[test]
    fn the_phone_is_asked_for_what_it_may_have() {
        let origin = |from: &str, is_peer| Origin {
            id: "A".into(),
            from: from.parse().unwrap(),
            participant: None,
            recipient: None,
            timestamp: wa_types::UnixSeconds(0),
            is_peer,
        };
        assert!(is_for_phone(&origin("1:3@lid", false), PHONE_KEEPS));
        assert!(is_for_phone(&origin("1203630@g.us", false), SECONDS));
        assert!(!is_for_phone(&origin("1:3@lid", false), PHONE_KEEPS + SECONDS));
        assert!(!is_for_phone(&origin("1:3@lid", true), SECONDS));
        assert!(!is_for_phone(&origin("status@broadcast", false), SECONDS));
        assert!(!is_for_phone(&origin("1203630@newsletter", false), SECONDS));
    }

    #[test]
    fn a_bucket_gives_a_burst_and_then_a_trickle() {
        let rate = Rate { burst: 3, refill: SECONDS };
        let start = now();
        let mut bucket = Bucket::default();
        assert_eq!((0..5).filter(|_| bucket.take(rate, start)).count(), 3);
        assert_eq!(bucket.free_at(rate, start), start + SECONDS);
        assert!(!bucket.take(rate, start + SECONDS / 2));
        assert!(bucket.take(rate, start + SECONDS));
        assert!(!bucket.take(rate, start + SECONDS));
        let later = start + 100 * SECONDS;
        assert_eq!((0..5).filter(|_| bucket.take(rate, later)).count(), 3);
    }

    #[test]
    fn one_key_does_not_starve_the_others_and_all_together_are_bounded() {
        let each = Rate { burst: 2, refill: SECONDS };
        let all = Rate { burst: 5, refill: SECONDS };
        let now = now();
        let mut buckets = Buckets::default();
        assert_eq!((0..9).filter(|_| buckets.take(1, each, all, now)).count(), 2);
        assert_eq!((0..9).filter(|key| buckets.take(10 + key, each, all, now)).count(), 3);
        let mut many = Buckets::default();
        let all = Rate { burst: u32::MAX, refill: Duration::from_nanos(1) };
        for key in 0..100_000 {
            many.take(key, each, all, now);
        }
        assert!(many.each.len() <= KEYS);
    }
}
