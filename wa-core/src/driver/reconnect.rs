//! When to come back, how soon, and when never. Protocol: transport, "Reconnecting".

use std::time::{Duration, Instant};

use crate::crypto::Random;

/// How many steps a server's plea for fewer connections takes at once: about a minute, then the cap.
const SLOW_STEPS: u32 = 10;

/// When a client comes back after a connection ended. The default suits the live service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReconnectPolicy {
    /// The longest pause between two attempts, give or take a tenth: 15 minutes.
    pub longest_pause: Duration,
    /// How long a connection must last so that the next pause is the shortest one again: a minute.
    pub stable_after: Duration,
    /// How long to wait after another connection of this device took over, before the one attempt that follows: 10 s.
    pub after_replaced: Duration,
    /// Taken over again within this, the client stays away: 5 minutes.
    pub conflict_within: Duration,
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        Self {
            longest_pause: Duration::from_secs(15 * 60),
            stable_after: Duration::from_secs(60),
            after_replaced: Duration::from_secs(10),
            conflict_within: Duration::from_secs(5 * 60),
        }
    }
}

/// The growing pauses between attempts: 1, 1, 2, 3, 5, 8 … seconds, each up to a tenth shorter or longer by chance.
/// And how often this connection was taken over.
#[derive(Debug)]
pub(super) struct Backoff {
    policy: ReconnectPolicy,
    failures: u32,
    failed_attempts: u32,
    up_since: Option<Instant>,
    replaced_at: Option<Instant>,
}

impl Backoff {
    pub(super) const fn new(policy: ReconnectPolicy) -> Self {
        Self { policy, failures: 0, failed_attempts: 0, up_since: None, replaced_at: None }
    }

    /// The connection stands.
    pub(super) const fn connected(&mut self, now: Instant) {
        self.up_since = Some(now);
        self.failed_attempts = 0;
    }

    /// The pause before the next attempt.
    pub(super) fn next(&mut self, now: Instant, is_slow: bool, random: &mut impl Random) -> Duration {
        let stable_after = self.policy.stable_after;
        if self.up_since.take().is_some_and(|since| now.duration_since(since) >= stable_after) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(if is_slow { SLOW_STEPS } else { 1 }).min(64);
        let (mut pause, mut following) = (Duration::from_secs(1), Duration::from_secs(1));
        for _ in 1..self.failures {
            (pause, following) = (following, pause.saturating_add(following));
        }
        let pause = pause.min(self.policy.longest_pause);
        let [chance] = random.array::<1>();
        // 90 % to 110 %.
        pause * (900 + u32::from(chance) * 200 / 255) / 1000
    }

    /// An attempt came to nothing; how many did so, one after the other.
    pub(super) const fn attempt_failed(&mut self) -> u32 {
        self.failed_attempts = self.failed_attempts.saturating_add(1);
        self.failed_attempts
    }

    /// Another connection of this device took over; whether that is the second time within a short while.
    pub(super) fn is_conflict(&mut self, now: Instant) -> bool {
        let before = self.replaced_at.replace(now);
        before.is_some_and(|before| now.duration_since(before) < self.policy.conflict_within)
    }

    /// The pause before the one attempt after that.
    pub(super) const fn after_replaced(&self) -> Duration {
        self.policy.after_replaced
    }

    /// Starts from the shortest pause again, and as if never taken over: the application wants a connection.
    pub(super) const fn reset(&mut self) {
        *self = Self::new(self.policy);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SystemRandom;

    #[test]
    fn pauses_grow_to_the_cap_and_start_again_after_a_stable_minute() {
        let (mut backoff, now) = (Backoff::new(ReconnectPolicy::default()), Instant::now());
        let mut pause = || backoff.next(now, false, &mut SystemRandom).as_millis();
        let pauses: Vec<u128> = (0..70).map(|_| pause()).collect();
        assert!((900..=1100).contains(&pauses[0]), "{pauses:?}");
        assert!((4500..=5500).contains(&pauses[4]), "{pauses:?}");
        assert!((810_000..=990_000).contains(&pauses[69]), "{pauses:?}");

        backoff.connected(now);
        let early = backoff.next(now + Duration::from_secs(59), false, &mut SystemRandom);
        assert!(
            early >= Duration::from_secs(810),
            "a connection that did not last changes nothing: {early:?}"
        );
        backoff.connected(now);
        let later = now + Duration::from_secs(60);
        assert!(backoff.next(later, false, &mut SystemRandom) <= Duration::from_millis(1100));
        backoff.connected(later);
        assert!(
            backoff.next(later, false, &mut SystemRandom) <= Duration::from_millis(1100),
            "one step only"
        );
        assert!(backoff.next(later, true, &mut SystemRandom) >= Duration::from_secs(60), "the slow steps");
    }

    #[test]
    fn a_second_takeover_is_a_conflict_only_soon_after_the_first() {
        let (mut backoff, now) = (Backoff::new(ReconnectPolicy::default()), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        let taken_over = [0, 301, 600].map(|seconds| backoff.is_conflict(after(seconds)));
        assert_eq!(taken_over, [false, false, true]);
        backoff.reset();
        assert!(!backoff.is_conflict(after(601)), "the application asked for it");
    }
}
