//! Whether the server still serves this release (405): when it does not, no account of the manager connects, but for one
//! now and then that tries. Requirements: manager.md, 3.1, 5.5.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One account tries so often.
const TRY_EVERY: Duration = Duration::from_secs(60);

/// Whether the server serves this release, as far as the accounts of this manager know.
#[derive(Debug, Default)]
pub(crate) struct Release {
    /// When it was refused, or tried, last; by the clock that does not jump.
    refused: Mutex<Option<Duration>>,
}

impl Release {
    fn lock(&self) -> MutexGuard<'_, Option<Duration>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an account may connect now; one that may is the one that tries.
    pub(crate) fn may_connect(&self, now: Duration) -> bool {
        let mut refused = self.lock();
        let may = refused.is_none_or(|at| now.saturating_sub(at) >= TRY_EVERY);
        if may && refused.is_some() {
            *refused = Some(now);
        }
        may
    }

    /// The server refused it.
    pub(crate) fn note_refused(&self, now: Duration) {
        *self.lock() = Some(now);
    }

    /// The server took it.
    pub(crate) fn note_served(&self) {
        *self.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 405: one account tries each minute, until one is served.
    #[test]
    fn one_account_tries_a_refused_release_now_and_then() {
        let (release, second) = (Release::default(), Duration::from_secs(1));
        assert!(release.may_connect(second) && release.may_connect(second));
        release.note_refused(second);
        assert!(!release.may_connect(second * 60));
        assert!(release.may_connect(second * 61));
        assert!(!release.may_connect(second * 62), "another one tries");
        release.note_served();
        assert!(release.may_connect(second * 62));
    }
}
