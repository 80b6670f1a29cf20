//! The clocks of the driver. Everything below it is handed the time.

use std::time::{Instant, SystemTime};

use wa_types::UnixMillis;

/// The runtime's monotonic clock, which tests can pause.
#[expect(clippy::disallowed_methods, reason = "the one place that reads this clock")]
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "the one place that reads this clock")]
pub(super) fn unix_millis() -> UnixMillis {
    UnixMillis::from_system_time(SystemTime::now())
}
