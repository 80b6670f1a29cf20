//! Whether the server still serves this release (405): when it does not, no account of the manager connects, but for one
//! now and then that tries. Requirements: manager.md, 3.1, 5.5.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One account tries so much later, and each time that it is refused again, twice as much later.
const WAIT: Duration = Duration::from_secs(60);

/// But no later than this.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// How long the one that tries may take.
const TRIAL: Duration = Duration::from_secs(60);

/// Whether the server serves this release, as far as the accounts of this manager know.
#[derive(Debug, Default)]
pub(crate) struct Release {
    refused: Mutex<Option<Refused>>,
}

#[derive(Debug, Clone, Copy)]
struct Refused {
    wait: Duration,
    /// When somebody may try, by the clock that does not jump.
    next: Duration,
    /// Somebody tries, until [`Self::next`].
    is_tried: bool,
}

/// One connection may be made.
#[derive(Debug)]
#[must_use = "who does not connect keeps the others waiting"]
pub(crate) struct Admission(());

impl Release {
    fn lock(&self) -> MutexGuard<'_, Option<Refused>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an account may connect now; one that may may be the one that tries.
    ///
    /// # Errors
    /// When to ask again.
    pub(crate) fn admit(&self, now: Duration) -> Result<Admission, Duration> {
        match &mut *self.lock() {
            None => Ok(Admission(())),
            Some(refused) if now < refused.next => Err(refused.next),
            Some(refused) => {
                (refused.next, refused.is_tried) = (now + TRIAL, true);
                Ok(Admission(()))
            }
        }
    }

    /// Whether [`Self::admit`] would let an account connect now.
    ///
    /// # Errors
    /// When to ask again.
    pub(crate) fn check(&self, now: Duration) -> Result<(), Duration> {
        match *self.lock() {
            Some(refused) if now < refused.next => Err(refused.next),
            _ => Ok(()),
        }
    }

    /// Whether the server refused it, and took it from nobody since.
    pub(crate) fn is_refused(&self) -> bool {
        self.lock().is_some()
    }

    /// The server refused it. When to ask again.
    pub(crate) fn note_refused(&self, now: Duration) -> Duration {
        let mut lock = self.lock();
        let refused = match *lock {
            None => Refused { wait: WAIT, next: now + WAIT, is_tried: false },
            Some(Refused { wait, is_tried: true, .. }) => {
                let wait = (wait * 2).min(LONGEST);
                Refused { wait, next: now + wait, is_tried: false }
            }
            // One of those that connected before it was known.
            Some(refused) => refused,
        };
        *lock = Some(refused);
        refused.next
    }

    /// The server took it.
    pub(crate) fn note_served(&self) {
        *self.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// 405: one account tries, later each time, until one is served.
    #[test]
    fn one_account_tries_a_refused_release_now_and_then() {
        let release = Release::default();
        let admit = |second: u32| release.admit(SECOND * second).map(drop);
        assert_eq!((admit(1), admit(1)), (Ok(()), Ok(())));
        assert_eq!(release.note_refused(SECOND), SECOND * 61);
        assert_eq!(release.note_refused(SECOND * 2), SECOND * 61, "it connected before");
        assert_eq!(admit(60), Err(SECOND * 61));
        assert_eq!((release.check(SECOND * 60), release.check(SECOND * 61)), (Err(SECOND * 61), Ok(())));
        assert_eq!((admit(61), admit(62)), (Ok(()), Err(SECOND * 121)), "one tries");
        assert_eq!(release.check(SECOND * 62), Err(SECOND * 121));
        assert_eq!(release.note_refused(SECOND * 63), SECOND * 183);
        assert_eq!((admit(182), admit(183)), (Err(SECOND * 183), Ok(())));
        assert_eq!((admit(242), admit(243)), (Err(SECOND * 243), Ok(())), "nobody heard of the one before");
        for _ in 0..9 {
            release.note_refused(SECOND * 244);
            admit(244 + 3600).unwrap();
        }
        assert_eq!(release.note_refused(SECOND * 4000), SECOND * 7600);
        release.note_served();
        assert_eq!((admit(4000), admit(4000)), (Ok(()), Ok(())));
    }
}
