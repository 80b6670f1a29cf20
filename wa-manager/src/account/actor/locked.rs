//! How soon somebody may try an account again that the server locked (403). Requirements: manager.md, 3.1.

use std::time::Duration;

/// Waits after one lock, after two, and from then on.
const WAITS: [Duration; 3] =
    [Duration::from_secs(5 * 60), Duration::from_secs(15 * 60), Duration::from_secs(60 * 60)];

/// The locks since the account was ready last.
#[derive(Debug, Default)]
pub(super) struct Locked {
    times: usize,
    at: Duration,
}

impl Locked {
    /// The server locked the account, at this time by the clock that does not jump.
    pub(super) const fn note(&mut self, at: Duration) {
        self.times += 1;
        self.at = at;
    }

    /// The account is ready.
    pub(super) const fn over(&mut self) {
        self.times = 0;
    }

    /// How long until it may be tried; none for now.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        let wait = WAITS.get(self.times.checked_sub(1)?.min(WAITS.len() - 1))?;
        (self.at + *wait).checked_sub(now).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 403: 5, 15 and 60 minutes.
    #[test]
    fn each_lock_makes_the_next_try_wait_longer() {
        let (mut locked, mut now) = (Locked::default(), Duration::from_secs(1));
        assert_eq!(locked.wait(now), None);
        for minutes in [5, 15, 60, 60] {
            locked.note(now);
            let wait = Duration::from_secs(minutes * 60);
            assert_eq!(locked.wait(now), Some(wait));
            now += wait;
            assert_eq!(locked.wait(now), None);
        }
        locked.note(now);
        locked.over();
        assert_eq!(locked.wait(now), None);
    }
}
