//! When an endpoint that takes nothing is left alone: after some failures in a row it is tried with one event now and
//! then, until it takes one. Time is handed in.

use std::time::Duration;

use super::DeliveryPolicy;

/// Counts failures in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breaker {
    /// Everything is tried.
    Closed { failures: u32 },
    /// Nothing is tried before this time; then one event is.
    Open { probe_at: Duration },
    /// One event is under way.
    Probing,
}

/// How the endpoint does from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is left alone.
    Worse,
    /// It takes events again.
    Better,
}

impl Breaker {
    pub(super) const fn new() -> Self {
        Self::Closed { failures: 0 }
    }

    /// From when on something may be tried; never while something is awaited that decides.
    pub(super) const fn open_until(self) -> Option<Duration> {
        match self {
            Self::Closed { .. } => Some(Duration::ZERO),
            Self::Open { probe_at } => Some(probe_at),
            Self::Probing => None,
        }
    }

    /// Something is tried.
    pub(super) const fn try_one(&mut self) {
        if let Self::Open { .. } = self {
            *self = Self::Probing;
        }
    }

    /// What was tried was taken.
    pub(super) const fn succeed(&mut self) -> Option<Turn> {
        let before = std::mem::replace(self, Self::new());
        if let Self::Closed { .. } = before { None } else { Some(Turn::Better) }
    }

    /// What was tried was not taken.
    pub(super) fn fail(&mut self, policy: &DeliveryPolicy, now: Duration) -> Option<Turn> {
        match self {
            Self::Closed { failures } => {
                *failures += 1;
                if *failures < policy.failures_in_a_row {
                    return None;
                }
                *self = Self::Open { probe_at: now + policy.probe_every };
                Some(Turn::Worse)
            }
            // One that was under way when it opened says nothing new.
            Self::Open { .. } => None,
            Self::Probing => {
                *self = Self::Open { probe_at: now + policy.probe_every };
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_twenty_failures_in_a_row_one_event_is_tried_every_five_minutes() {
        let policy = DeliveryPolicy::default();
        let (mut breaker, now) = (Breaker::new(), Duration::from_secs(7));
        for _ in 0..19 {
            assert_eq!(breaker.fail(&policy, now), None);
        }
        assert_eq!(breaker.succeed(), None);
        for _ in 0..19 {
            assert_eq!(breaker.fail(&policy, now), None);
        }
        assert_eq!(breaker.open_until(), Some(Duration::ZERO));
        assert_eq!(breaker.fail(&policy, now), Some(Turn::Worse));
        assert_eq!(breaker.open_until(), Some(Duration::from_secs(307)));
        // Others were under way.
        assert_eq!(breaker.fail(&policy, now * 2), None);
        assert_eq!(breaker.open_until(), Some(Duration::from_secs(307)));
        breaker.try_one();
        assert_eq!(breaker.open_until(), None);
        assert_eq!(breaker.fail(&policy, Duration::from_secs(310)), None);
        assert_eq!(breaker.open_until(), Some(Duration::from_secs(610)));
        breaker.try_one();
        assert_eq!(breaker.succeed(), Some(Turn::Better));
        assert_eq!(breaker.open_until(), Some(Duration::ZERO));
    }
}
