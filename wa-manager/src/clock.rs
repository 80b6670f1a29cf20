//! What time it is. The manager asks nobody else, so that a test can say what time it is.

use std::fmt::Debug;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wa_types::UnixMillis;

/// Tells the time.
pub trait Clock: Send + Sync + Debug {
    /// The time of day. It may jump, and may be wrong.
    fn wall(&self) -> UnixMillis;

    /// The time since some moment before the first call: it never jumps and never goes back. While the machine sleeps it
    /// goes on, where the machine has such a clock.
    fn boot(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Moment,
}

impl SystemClock {
    /// The machine's clocks, counting from now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Moment::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clocks")]
    fn wall(&self) -> UnixMillis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn boot(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A moment of the clock that counts sleep.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[derive(Debug, Clone, Copy)]
struct Moment(Duration);

#[cfg(any(target_os = "linux", target_os = "android"))]
impl Moment {
    fn now() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        // Since the machine started: never before.
        Self(Duration::try_from(now).unwrap_or_default())
    }

    fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

/// A moment of the clock that does not jump, where none counts sleep.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[derive(Debug, Clone, Copy)]
struct Moment(std::time::Instant);

#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clocks")]
impl Moment {
    fn now() -> Self {
        Self(std::time::Instant::now())
    }

    fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_clock_never_goes_back() {
        let early = SystemClock::new();
        let late = SystemClock::new();
        let mut last = Duration::ZERO;
        for _ in 0..1_000 {
            let since_late = late.boot();
            let now = early.boot();
            assert!(now >= last && now >= since_late);
            last = now;
        }
    }

    /// What the machine's own count of the time since its start says, sleep included, is what is counted by.
    #[test]
    #[cfg(target_os = "linux")]
    fn time_goes_on_while_the_machine_sleeps() {
        use rustix::time::{ClockId, clock_gettime};
        let machine = || Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap();
        let (before, now, after) = (machine(), Moment::now().0, machine());
        assert!(before <= now && now <= after);
    }
}
