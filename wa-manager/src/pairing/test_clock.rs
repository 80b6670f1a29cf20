//! A clock that tests set.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wa_types::UnixMillis;

use crate::clock::Clock;

/// Stands still unless a test moves it.
#[derive(Debug)]
pub(super) struct TestClock(AtomicU64);

pub(super) const START: UnixMillis = UnixMillis(1_800_000_000_000);

impl TestClock {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(START.0)))
    }

    pub(super) fn pass(&self, span: Duration) {
        self.set(self.wall().after(span));
    }

    pub(super) fn set(&self, at: UnixMillis) {
        self.0.store(at.0, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn wall(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }

    fn boot(&self) -> Duration {
        self.wall().since(START)
    }
}
