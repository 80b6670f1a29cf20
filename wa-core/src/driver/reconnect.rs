//! When to come back, how soon, and when never. Protocol: transport, "Reconnecting".

use std::time::{Duration, Instant};

use crate::crypto::Random;

/// The longest pause.
const CAP: Duration = Duration::from_secs(900);

/// A connection that lasted this long counts as stable: the next failure starts from the shortest pause again.
const STABLE: Duration = Duration::from_secs(60);

/// How many steps a server's plea for fewer connections skips.
const SLOW_STEPS: u32 = 5;

/// The growing pauses between attempts: 1, 1, 2, 3, 5, 8 … seconds, each a tenth shorter or longer by chance.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    up_since: Option<Instant>,
}

impl Backoff {
    /// The connection stands.
    pub(super) fn connected(&mut self, now: Instant) {
        self.up_since = Some(now);
    }

    /// The pause before the next attempt.
    pub(super) fn next(&mut self, now: Instant, is_slow: bool, random: &mut impl Random) -> Duration {
        if self.up_since.take().is_some_and(|since| now.duration_since(since) >= STABLE) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(if is_slow { SLOW_STEPS } else { 1 }).min(64);
        let (mut pause, mut following) = (1_u64, 1_u64);
        for _ in 1..self.failures {
            (pause, following) = (following, (pause + following).min(CAP.as_secs()));
        }
        let millis = pause.min(CAP.as_secs()) * 1000;
        let [chance] = random.array::<1>();
        // 90 % to 110 %.
        Duration::from_millis(millis * (900 + u64::from(chance) * 200 / 255) / 1000)
    }

    /// Starts from the shortest pause again.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SystemRandom;

    #[test]
    fn pauses_grow_to_the_cap_and_start_again_after_a_stable_minute() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        let mut pause = || backoff.next(now, false, &mut SystemRandom).as_millis();
        let pauses: Vec<u128> = (0..40).map(|_| pause()).collect();
        assert!((900..=1100).contains(&pauses[0]), "{pauses:?}");
        assert!((4500..=5500).contains(&pauses[4]), "{pauses:?}");
        assert!((810_000..=990_000).contains(&pauses[39]), "{pauses:?}");

        backoff.connected(now);
        let later = now + STABLE;
        assert!(backoff.next(later, false, &mut SystemRandom) <= Duration::from_millis(1100));
        backoff.connected(later);
        assert!(
            backoff.next(later, false, &mut SystemRandom) <= Duration::from_millis(1100),
            "one step only"
        );
        assert!(backoff.next(later, true, &mut SystemRandom) >= Duration::from_secs(8), "the slow steps");
    }
}
