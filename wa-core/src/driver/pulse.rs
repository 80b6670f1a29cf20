//! How a connection does: since when it stands, and when bytes came last.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::clock;

/// How an account's connection does. What is quiet for more than a minute is about to be given up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Liveness {
    /// How long the connection stands; `None` without one.
    pub socket_age: Option<Duration>,
    /// How long ago bytes came last, of this connection or an earlier one; `None` before the first ones.
    pub quiet_for: Option<Duration>,
}

/// What the connection's task notes, for whoever looks. Times are milliseconds after the beginning, and one more.
#[derive(Debug)]
pub(crate) struct Pulse {
    begin: Instant,
    opened: AtomicU64,
    heard: AtomicU64,
}

/// The connection stands as long as this.
pub(super) struct Stands<'p>(&'p Pulse);

impl Pulse {
    pub(super) fn new() -> Self {
        Self { begin: clock::now(), opened: AtomicU64::new(0), heard: AtomicU64::new(0) }
    }

    pub(super) fn stands(&self) -> Stands<'_> {
        self.opened.store(self.now(), Ordering::Relaxed);
        Stands(self)
    }

    pub(super) fn heard(&self) {
        self.heard.store(self.now(), Ordering::Relaxed);
    }

    /// At this moment.
    pub(crate) fn liveness(&self) -> Liveness {
        let now = self.now();
        let since = |noted: &AtomicU64| match noted.load(Ordering::Relaxed) {
            0 => None,
            at => Some(Duration::from_millis(now.saturating_sub(at))),
        };
        Liveness { socket_age: since(&self.opened), quiet_for: since(&self.heard) }
    }

    fn now(&self) -> u64 {
        let passed = clock::now().saturating_duration_since(self.begin).as_millis();
        u64::try_from(passed).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl Drop for Stands<'_> {
    fn drop(&mut self) {
        self.0.opened.store(0, Ordering::Relaxed);
    }
}
