//! How often an account may crash before it is left alone.

use std::collections::VecDeque;
use std::time::Duration;

/// So many crashes within so long are too many.
const TOO_MANY: usize = 3;
const SPAN: Duration = Duration::from_secs(10 * 60);

/// When an account crashed lately.
#[derive(Debug, Default)]
pub(crate) struct Crashes {
    at: VecDeque<Duration>,
}

impl Crashes {
    /// Counts one more. Whether the account is to be left alone; it has a clean record then, for when somebody starts it.
    pub(crate) fn add(&mut self, now: Duration) -> bool {
        self.at.retain(|at| now.saturating_sub(*at) < SPAN);
        self.at.push_back(now);
        let is_enough = self.at.len() >= TOO_MANY;
        if is_enough {
            self.at.clear();
        }
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_crash_within_ten_minutes_is_one_too_many() {
        let mut crashes = Crashes::default();
        let minute = |minutes: u64| Duration::from_secs(60 * minutes);
        assert!(!crashes.add(minute(0)));
        assert!(!crashes.add(minute(5)));
        assert!(!crashes.add(minute(10)), "the first is ten minutes old");
        assert!(crashes.add(minute(14)));
        assert!(!crashes.add(minute(15)), "it was started by hand");
    }
}
