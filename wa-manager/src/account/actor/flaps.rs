//! A connection that comes and goes is not told at each turn: the first loss is told at once, then one change within a
//! window at most. Requirements: manager.md, 4.2.

use std::time::Duration;

use crate::account::{AccountStatus, Reason};

/// Where an account stands, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) status: AccountStatus,
    pub(crate) reason: Option<Reason>,
}

impl Standing {
    pub(crate) const fn new(status: AccountStatus) -> Self {
        Self { status, reason: None }
    }

    pub(crate) const fn because(status: AccountStatus, reason: Reason) -> Self {
        Self { status, reason: Some(reason) }
    }
}

/// Holds back what changes too often.
#[derive(Debug)]
pub(crate) struct Flaps {
    window: Duration,
    ends: Duration,
    held: Option<Standing>,
}

impl Flaps {
    /// Windows of this length.
    pub(crate) const fn new(window: Duration) -> Self {
        Self { window, ends: Duration::ZERO, held: None }
    }

    /// The connection brought a change. Given back if it is to be told now; otherwise it is held.
    pub(crate) fn change(&mut self, to: Standing, now: Duration) -> Option<Standing> {
        if now < self.ends {
            self.held = Some(to);
            return None;
        }
        if to.status == AccountStatus::Disconnected {
            self.ends = now + self.window;
        }
        Some(to)
    }

    /// What was held, once its window is over.
    pub(crate) fn due(&mut self, now: Duration) -> Option<Standing> {
        if now < self.ends {
            return None;
        }
        let held = self.held.take()?;
        self.ends = now + self.window;
        Some(held)
    }

    /// When something is due.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.held.is_some().then_some(self.ends)
    }

    /// Somebody decided otherwise: what was held is worth nothing.
    pub(crate) fn clear(&mut self) {
        (self.ends, self.held) = (Duration::ZERO, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(status: AccountStatus) -> Standing {
        Standing::new(status)
    }

    /// Acceptance: 1,000 flaps in 10 minutes: <= 1 published transition per debounce window.
    #[test]
    fn a_thousand_flaps_are_told_once_a_window() {
        let window = Duration::from_secs(2);
        let mut flaps = Flaps::new(window);
        let mut told: Vec<(Duration, AccountStatus)> = Vec::new();
        for flap in 0..1000_u32 {
            let begin = Duration::from_millis(600) * flap;
            for (offset, status) in [(0, AccountStatus::Disconnected), (200, AccountStatus::Ready)] {
                let now = begin + Duration::from_millis(offset);
                told.extend(flaps.due(now).map(|standing| (now, standing.status)));
                told.extend(flaps.change(at(status), now).map(|standing| (now, standing.status)));
            }
        }
        assert_eq!(told[0], (Duration::ZERO, AccountStatus::Disconnected), "the first one at once");
        assert!(told.windows(2).all(|pair| pair[1].0 - pair[0].0 >= window), "{told:?}");
        assert!(told.len() <= 301, "{}", told.len());
        let end = Duration::from_secs(700);
        assert_eq!(
            flaps.due(end).map(|standing| standing.status),
            Some(AccountStatus::Ready),
            "the truth at last"
        );
        assert_eq!(flaps.deadline(), None);
    }

    #[test]
    fn a_login_is_told_at_each_step() {
        let mut flaps = Flaps::new(Duration::from_secs(2));
        for status in [AccountStatus::Loading, AccountStatus::Authenticated, AccountStatus::Ready] {
            assert_eq!(flaps.change(at(status), Duration::from_secs(9)), Some(at(status)));
        }
    }
}
