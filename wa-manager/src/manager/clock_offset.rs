//! How far the server's clock is from ours. Requirements: manager.md, 3.8.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use wa_types::UnixMillis;

/// Clocks that are further apart are a warning.
const LARGE: Duration = Duration::from_secs(5 * 60);

/// How far the server's clock is ahead of ours, as the last login of any account told.
#[derive(Debug, Default)]
pub(crate) struct ClockOffset(Mutex<Option<i64>>);

impl ClockOffset {
    /// A login told the server's time, when ours was `wall`.
    pub(crate) fn told(&self, server: UnixMillis, wall: UnixMillis) {
        let offset = i128::from(server.0) - i128::from(wall.0);
        let offset = i64::try_from(offset).unwrap_or(if offset < 0 { i64::MIN } else { i64::MAX });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(offset);
    }

    /// In milliseconds; none before a login told it.
    pub(super) fn millis(&self) -> Option<i64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody should look at the clock.
    pub(super) fn is_large(millis: i64) -> bool {
        Duration::from_millis(millis.unsigned_abs()) > LARGE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_more_than_five_minutes_apart_are_a_warning() {
        let offset = ClockOffset::default();
        assert_eq!(offset.millis(), None);
        let told = |server, wall| {
            offset.told(UnixMillis(server), UnixMillis(wall));
            offset.millis().unwrap()
        };
        assert_eq!((told(1_000, 301_000), ClockOffset::is_large(-300_000)), (-300_000, false));
        assert_eq!((told(301_001, 1_000), ClockOffset::is_large(300_001)), (300_001, true));
        assert_eq!((told(0, u64::MAX), told(u64::MAX, 0)), (i64::MIN, i64::MAX));
        assert!(ClockOffset::is_large(i64::MIN));
    }
}
