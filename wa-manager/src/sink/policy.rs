//! When a delivery is tried again, and when it is given up. Time and chance are handed in.

use std::time::Duration;

use super::Outcome;

/// An event is never given up for its age before so many tries: it may have waited behind others.
const LEAST_TRIES: u32 = 3;

/// How patient we are with an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by hosts with ..Default::default()")]
pub struct DeliveryPolicy {
    /// The wait after the first failure; it doubles.
    pub first_wait: Duration,
    /// The longest wait.
    pub longest_wait: Duration,
    /// An event that was not taken for so long since it happened is a dead letter, once it was tried three times. One that
    /// is delivered once more is given so long since this process tried it first.
    pub give_up_after: Duration,
    /// An event that was refused is tried so many times.
    pub refused_tries: u32,
    /// After so many failures in a row the endpoint is left alone.
    pub failures_in_a_row: u32,
    /// And tried with one event each time that so long is over.
    pub probe_every: Duration,
    /// So many events are under way at once.
    pub at_once: usize,
    /// Of more dead letters than so many, and some, the oldest are forgotten, and counted as `wa_dead_letters_lost_total`.
    /// Those that somebody wants once more stay.
    pub dead_letters: usize,
}

impl Default for DeliveryPolicy {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        Self {
            first_wait: Duration::from_secs(5),
            longest_wait: MINUTE * 15,
            give_up_after: MINUTE * 60 * 24,
            refused_tries: 3,
            failures_in_a_row: 20,
            probe_every: MINUTE * 5,
            at_once: 16,
            dead_letters: 10_000,
        }
    }
}

/// What to do with an event that was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Try again after so long.
    Wait(Duration),
    /// It is a dead letter.
    GiveUp,
}

impl DeliveryPolicy {
    /// What to do after `tries` tries of an event of this age. `chance` is any number.
    pub(super) fn after(&self, outcome: &Outcome, tries: u32, age: Duration, chance: u64) -> Next {
        let retry_after = match outcome {
            Outcome::Refused { .. } if tries >= self.refused_tries => return Next::GiveUp,
            Outcome::Failed { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let is_late = age >= self.give_up_after;
        if is_late && tries >= LEAST_TRIES {
            return Next::GiveUp;
        }
        let doubled = 2u32.saturating_pow(tries.saturating_sub(1));
        let wait = self.first_wait.saturating_mul(doubled).min(self.longest_wait);
        // 80 to 120 %.
        let per_mille = 800 + u32::try_from(chance % 401).unwrap_or_default();
        let wait = wait * per_mille / 1000;
        // What they ask for, but there must be a last try; and what is late keeps others waiting.
        let longest = if is_late { self.longest_wait } else { self.give_up_after.saturating_sub(age) };
        Next::Wait(wait.max(retry_after).min(longest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    /// The chance of exactly 100 %.
    const EXACT: u64 = 200;

    fn failed(retry_after: Option<u64>) -> Outcome {
        Outcome::Failed { retry_after: retry_after.map(Duration::from_secs), reason: String::new() }
    }

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour() {
        let policy = DeliveryPolicy::default();
        let wait = |tries| policy.after(&failed(None), tries, SECOND, EXACT);
        let waits: Vec<_> = [1, 2, 3, 7, 8, 9, 99].map(wait).into();
        let expected = [5, 10, 20, 320, 640, 900, 900].map(|seconds| Next::Wait(SECOND * seconds));
        assert_eq!(waits, expected);
        assert_eq!(policy.after(&failed(None), 1, SECOND, 0), Next::Wait(SECOND * 4));
        assert_eq!(policy.after(&failed(None), 1, SECOND, 400), Next::Wait(SECOND * 6));
    }

    #[test]
    fn what_they_ask_for_is_waited_for() {
        let policy = DeliveryPolicy::default();
        let wait = |asked| policy.after(&failed(Some(asked)), 1, SECOND, EXACT);
        assert_eq!(wait(60), Next::Wait(SECOND * 60));
        assert_eq!(wait(1), Next::Wait(SECOND * 5));
        assert_eq!(wait(u64::MAX), Next::Wait(policy.give_up_after - SECOND));
    }

    #[test]
    fn what_is_not_taken_for_a_day_or_refused_three_times_is_given_up() {
        let policy = DeliveryPolicy::default();
        let day = policy.give_up_after;
        assert_eq!(policy.after(&failed(None), 99, day - SECOND, EXACT), Next::Wait(SECOND));
        assert_eq!(policy.after(&failed(None), 99, day, EXACT), Next::GiveUp);
        // It may have waited a day behind others.
        assert_eq!(policy.after(&failed(None), 2, day, EXACT), Next::Wait(SECOND * 10));
        assert_eq!(policy.after(&failed(Some(u64::MAX)), 1, day * 2, EXACT), Next::Wait(policy.longest_wait));
        let refused = Outcome::Refused { reason: String::new() };
        assert_eq!(policy.after(&refused, 2, SECOND, EXACT), Next::Wait(SECOND * 10));
        assert_eq!(policy.after(&refused, 3, SECOND, EXACT), Next::GiveUp);
    }

    proptest! {
        #[test]
        fn waits_are_within_their_bounds(tries in 1u32.., age in 0u64..86_400, chance: u64) {
            let policy = DeliveryPolicy::default();
            let age = Duration::from_secs(age);
            match policy.after(&failed(None), tries, age, chance) {
                Next::Wait(wait) => {
                    prop_assert!(wait <= policy.longest_wait * 12 / 10);
                    prop_assert!(age + wait <= policy.give_up_after);
                    prop_assert!(wait > Duration::ZERO);
                }
                Next::GiveUp => prop_assert!(false),
            }
        }
    }
}
