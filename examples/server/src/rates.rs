//! How many requests a key may make: so many at once, and so many a minute in the long run. Requirements: manager.md, 4.6.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Requests a minute unless the command line says another number.
pub(crate) const PER_MINUTE: u32 = 60;
/// Where codes are made: half of it.
const PAIRING_SHARE: u32 = 2;
/// Where a host takes in what came, in the minutes of a long past above all, unless the command line says another number: R059.
const INTAKE_PER_MINUTE: u32 = 500;

/// Nobody has more keys than this in use; buckets that are full again are forgotten.
const REMEMBERED: usize = 10_000;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Usual,
    Pairing,
    Intake,
}

impl Kind {
    fn of(path: &str) -> Self {
        let of_account = path.split_once("/whatsapp/session/").and_then(|(_, rest)| rest.split('/').nth(1));
        if of_account == Some("pairing") {
            Self::Pairing
        } else if path.ends_with("/whatsapp/events") {
            Self::Intake
        } else {
            Self::Usual
        }
    }
}

/// When the buckets are full again, by key and kind of request.
#[derive(Debug)]
pub(crate) struct Rates {
    per_minute: u32,
    intake_per_minute: u32,
    full_at: Mutex<HashMap<(String, Kind), Duration>>,
}

impl Rates {
    /// So many requests a minute for each key, and so many that read events: more than of the others, unless somebody says
    /// how many.
    pub(crate) fn new(per_minute: u32, intake: Option<u32>) -> Self {
        let intake_per_minute = intake.unwrap_or_else(|| per_minute.max(INTAKE_PER_MINUTE));
        Self { per_minute, intake_per_minute, full_at: Mutex::default() }
    }

    /// Counts a request. Fails with the time to wait.
    pub(crate) fn take(&self, key: &str, path: &str, now: Duration) -> Result<(), Duration> {
        self.count(key, Kind::of(path), now)
    }

    /// Counts an attempt to link that begins elsewhere than under `pairing`.
    pub(crate) fn take_pairing(&self, key: &str, now: Duration) -> Result<(), Duration> {
        self.count(key, Kind::Pairing, now)
    }

    fn count(&self, key: &str, kind: Kind, now: Duration) -> Result<(), Duration> {
        let per_minute = match kind {
            Kind::Usual => self.per_minute,
            Kind::Pairing => (self.per_minute / PAIRING_SHARE).max(1),
            Kind::Intake => self.intake_per_minute,
        };
        let each = MINUTE / per_minute;
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= REMEMBERED {
            full_at.retain(|_, at| *at > now);
        }
        let at = full_at.entry((key.to_owned(), kind)).or_insert(now);
        let next = (*at).max(now) + each;
        if next > now + MINUTE {
            return Err(next - now - MINUTE);
        }
        *at = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R059: what a host takes in has a rate of its own.
    #[test]
    fn so_many_at_once_and_then_one_after_the_other() {
        let rates = Rates::new(PER_MINUTE, None);
        let start = Duration::from_secs(1000);
        let take = |path, now| rates.take("a", path, now);
        for _ in 0..60 {
            take("/whatsapp/sessions", start).unwrap();
        }
        assert_eq!(take("/whatsapp/sessions", start), Err(Duration::from_secs(1)));
        rates.take("b", "/whatsapp/sessions", start).unwrap();
        take("/whatsapp/session/x/pairing", start).unwrap();
        take("/whatsapp/sessions", start + Duration::from_secs(1)).unwrap();
        for _ in 0..29 {
            take("/whatsapp/session/x/pairing", start).unwrap();
        }
        assert!(take("/whatsapp/session/x/pairing/refresh", start).is_err());
        for _ in 0..500 {
            take("/whatsapp/events", start).unwrap();
        }
        assert!(take("/whatsapp/events", start).is_err());
    }

    #[test]
    fn whoever_runs_the_server_says_how_often_events_are_read() {
        for (intake, expected) in [(Some(2), 2), (Some(700), 700), (None, 600)] {
            let (rates, now) = (Rates::new(600, intake), Duration::from_secs(1000));
            let taken = (0..).take_while(|_| rates.take("a", "/whatsapp/events", now).is_ok()).count();
            assert_eq!(taken, expected, "{intake:?}");
        }
    }
}
