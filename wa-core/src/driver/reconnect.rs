//! When to come back, how soon, and when never. Protocol: transport, "Reconnecting".

use std::time::{Duration, Instant};

use crate::connection::{CloseReason, NextStep};
use crate::crypto::Random;

/// When a client comes back after a connection ended. The default suits the live service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReconnectPolicy {
    /// The first two pauses between attempts; each later one is as long as the two before it: 1 s and 1 s.
    pub first_pauses: [Duration; 2],
    /// The longest of them, give or take what chance adds: 15 minutes.
    pub longest_pause: Duration,
    /// By how many percent chance makes them shorter or longer, so that not all come back at once: 10.
    pub jitter_percent: u8,
    /// The pause after a server that falls silent, once until the next stable connection: none of its own, those above.
    pub after_silence: Option<Duration>,
    /// The shortest pause after the server asked for fewer connections; it doubles each time: a minute.
    pub slow_pause: Duration,
    /// The longest of these: 15 minutes.
    pub longest_slow_pause: Duration,
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
            first_pauses: [Duration::from_secs(1); 2],
            longest_pause: Duration::from_secs(15 * 60),
            jitter_percent: 10,
            after_silence: None,
            slow_pause: Duration::from_secs(60),
            longest_slow_pause: Duration::from_secs(15 * 60),
            stable_after: Duration::from_secs(60),
            after_replaced: Duration::from_secs(10),
            conflict_within: Duration::from_secs(5 * 60),
        }
    }
}

/// The growing pauses between attempts. And how often this connection was taken over.
#[derive(Debug)]
pub(super) struct Backoff {
    policy: ReconnectPolicy,
    /// Attempts since the last stable connection that ended without a word of the server's on how soon to come back.
    failures: u32,
    /// And those that it ended with one.
    pleas: u32,
    /// The server fell silent since then.
    was_silent: bool,
    failed_attempts: u32,
    up_since: Option<Instant>,
    replaced_at: Option<Instant>,
}

impl Backoff {
    pub(super) const fn new(policy: ReconnectPolicy) -> Self {
        Self {
            policy,
            failures: 0,
            pleas: 0,
            was_silent: false,
            failed_attempts: 0,
            up_since: None,
            replaced_at: None,
        }
    }

    /// The connection stands.
    pub(super) const fn connected(&mut self, now: Instant) {
        self.up_since = Some(now);
        self.failed_attempts = 0;
    }

    /// The pause before the next attempt, after a connection that ended for a reason after which one pauses.
    pub(super) fn next(&mut self, now: Instant, reason: &CloseReason, random: &mut impl Random) -> Duration {
        let up_since = self.up_since.take();
        if up_since.is_some_and(|since| now.duration_since(since) >= self.policy.stable_after) {
            (self.failures, self.pleas, self.was_silent) = (0, 0, false);
        }
        if reason.next_step() == NextStep::SlowBackoff {
            return self.after_plea(random);
        }
        if let Some(pause) = self.policy.after_silence
            && matches!(reason, CloseReason::DeadSocket)
            && up_since.is_some()
            && !std::mem::replace(&mut self.was_silent, true)
        {
            return pause;
        }
        self.failures = self.failures.saturating_add(1).min(64);
        let [mut pause, mut following] = self.policy.first_pauses;
        for _ in 1..self.failures {
            (pause, following) = (following, pause.saturating_add(following));
        }
        let (least, most) = (100 - self.jitter(), 100 + self.jitter());
        percent(pause.min(self.policy.longest_pause), least, most, random)
    }

    /// Never sooner than it takes, and never later: the server is to be spared, not forgotten.
    fn after_plea(&mut self, random: &mut impl Random) -> Duration {
        let ReconnectPolicy { slow_pause, longest_slow_pause, .. } = self.policy;
        let pause = slow_pause.saturating_mul(2_u32.saturating_pow(self.pleas)).min(longest_slow_pause);
        self.pleas = self.pleas.saturating_add(1).min(64);
        percent(pause, 100, 100 + self.jitter(), random).min(longest_slow_pause)
    }

    fn jitter(&self) -> u32 {
        u32::from(self.policy.jitter_percent.min(100))
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

/// So many percent of a pause, between these.
fn percent(pause: Duration, least: u32, most: u32, random: &mut impl Random) -> Duration {
    let [chance] = random.array::<1>();
    pause.saturating_mul(least * 10 + u32::from(chance) * (most - least) * 10 / 255) / 1000
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::crypto::SystemRandom;
    use crate::stanza::stream::StreamError;

    const LOST: CloseReason = CloseReason::Network(ErrorKind::ConnectionReset);
    const PLEA: CloseReason = CloseReason::StreamError(StreamError::RateLimited);

    #[test]
    fn pauses_grow_to_the_cap_and_start_again_after_a_stable_minute() {
        let (mut backoff, now) = (Backoff::new(ReconnectPolicy::default()), Instant::now());
        let mut pause = || backoff.next(now, &LOST, &mut SystemRandom).as_millis();
        let pauses: Vec<u128> = (0..70).map(|_| pause()).collect();
        assert!((900..=1100).contains(&pauses[0]), "{pauses:?}");
        assert!((4500..=5500).contains(&pauses[4]), "{pauses:?}");
        assert!((810_000..=990_000).contains(&pauses[69]), "{pauses:?}");

        backoff.connected(now);
        let early = backoff.next(now + Duration::from_secs(59), &LOST, &mut SystemRandom);
        assert!(
            early >= Duration::from_secs(810),
            "a connection that did not last changes nothing: {early:?}"
        );
        backoff.connected(now);
        let later = now + Duration::from_secs(60);
        assert!(backoff.next(later, &LOST, &mut SystemRandom) <= Duration::from_millis(1100));
        backoff.connected(later);
        assert!(
            backoff.next(later, &LOST, &mut SystemRandom) <= Duration::from_millis(1100),
            "one step only"
        );
    }

    #[test]
    fn a_plea_for_fewer_connections_is_heeded_for_a_minute_and_longer_each_time() {
        let longest_slow_pause = Duration::from_secs(30 * 60);
        let policy = ReconnectPolicy { longest_slow_pause, ..ReconnectPolicy::default() };
        let (mut backoff, now) = (Backoff::new(policy), Instant::now());
        for seconds in [60, 120, 240, 480, 960, 1800, 1800] {
            let pause = backoff.next(now, &PLEA, &mut SystemRandom);
            let (least, most) = (Duration::from_secs(seconds), Duration::from_secs(seconds * 11 / 10));
            assert!(least <= pause && pause <= most.min(policy.longest_slow_pause), "{pause:?}");
        }
        // What else ends a connection meanwhile has pauses of its own.
        assert!(backoff.next(now, &LOST, &mut SystemRandom) <= Duration::from_millis(1100));
        backoff.connected(now);
        let pause = backoff.next(now + policy.stable_after, &PLEA, &mut SystemRandom);
        assert!(pause <= Duration::from_secs(66), "{pause:?}");
    }

    #[test]
    fn a_server_that_falls_silent_is_left_at_once_and_only_once() {
        let policy = ReconnectPolicy { after_silence: Some(Duration::ZERO), ..ReconnectPolicy::default() };
        let (mut backoff, now) = (Backoff::new(policy), Instant::now());
        let mut pause = |is_up: bool, seconds| {
            if is_up {
                backoff.connected(now);
            }
            let now = now + Duration::from_secs(seconds);
            backoff.next(now, &CloseReason::DeadSocket, &mut SystemRandom)
        };
        assert!(pause(false, 0) >= Duration::from_millis(900), "it never spoke");
        assert_eq!(pause(true, 1), Duration::ZERO);
        assert!(pause(true, 2) >= Duration::from_millis(900), "again");
        assert_eq!(pause(true, 62), Duration::ZERO, "it was stable in between");
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
