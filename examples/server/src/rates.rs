//! How many requests a key may make: so many at once, and so many a minute in the long run.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Requests a minute, and at once.
const PER_MINUTE: u32 = 60;
/// The same where codes are made.
const PAIRING_PER_MINUTE: u32 = 30;

/// Nobody has more keys than this in use; the oldest are forgotten, which only gives them a full bucket.
const REMEMBERED: usize = 10_000;

/// When the buckets are full again, by key and kind of request.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    full_at: Mutex<HashMap<(String, bool), Duration>>,
}

impl Rates {
    /// Counts a request. Fails with the time to wait.
    pub(crate) fn take(&self, key: &str, path: &str, now: Duration) -> Result<(), Duration> {
        let is_pairing = path.ends_with("/pairing") || path.contains("/pairing/");
        let per_minute = if is_pairing { PAIRING_PER_MINUTE } else { PER_MINUTE };
        let (each, burst) = (MINUTE / per_minute, MINUTE);
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= REMEMBERED {
            full_at.retain(|_, at| *at > now);
        }
        let at = full_at.entry((key.to_owned(), is_pairing)).or_insert(now);
        let next = (*at).max(now) + each;
        if next > now + burst {
            return Err(next - now - burst);
        }
        *at = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_at_once_and_then_one_after_the_other() {
        let rates = Rates::default();
        let start = Duration::from_secs(1000);
        for _ in 0..60 {
            rates.take("a", "/whatsapp/sessions", start).unwrap();
        }
        assert_eq!(rates.take("a", "/whatsapp/sessions", start), Err(Duration::from_secs(1)));
        rates.take("b", "/whatsapp/sessions", start).unwrap();
        rates.take("a", "/whatsapp/session/x/pairing", start).unwrap();
        rates.take("a", "/whatsapp/sessions", start + Duration::from_secs(1)).unwrap();
        for _ in 0..29 {
            rates.take("a", "/whatsapp/session/x/pairing", start).unwrap();
        }
        assert!(rates.take("a", "/whatsapp/session/x/pairing/refresh", start).is_err());
    }
}
