//! One time that does not jump: the server's, told at login and carried on by the time since the machine started. The
//! wall clock counts only before the first login, when nothing can be sent.

use std::time::Duration;

use wa_types::UnixMillis;

/// The server's time may be this far from ours without a word.
const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// More than this forward at once is no time that passed.
const JUMP: Duration = Duration::from_secs(26 * 60 * 60);

/// So much of such a jump is believed: one day.
const STEP: Duration = Duration::from_secs(24 * 60 * 60);

/// The time that limits are counted by. It never goes back.
#[derive(Debug, Clone)]
pub struct TrustClock {
    login: Option<(UnixMillis, Duration)>,
    last: UnixMillis,
    /// The time since the machine started when a jump was believed last.
    jumped: Option<Duration>,
}

/// The server's time is not where it was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClockSkew {
    /// It is this much earlier: limits count on from where they were.
    Back(Duration),
    /// It is this much later: a day of it is believed, and one a day while it stays so.
    Forward(Duration),
}

impl TrustClock {
    /// A clock that is not earlier than what was stored last.
    #[must_use]
    pub const fn new(last: UnixMillis) -> Self {
        Self { login: None, last, jumped: None }
    }

    /// The server told its time at a login; `boot` is the time since the machine started, sleep included.
    pub fn set(&mut self, server: UnixMillis, boot: Duration) -> Option<ClockSkew> {
        let expected = self.login.map(|(at, since)| at.after(boot.saturating_sub(since)));
        let Some(expected) = expected else {
            self.login = Some((server, boot));
            return None;
        };
        let (early, late) = (expected.since(server), server.since(expected));
        if late > JUMP {
            // Or each reconnection would be a new day, with all its budgets.
            let may_step = self.jumped.is_none_or(|jumped| boot.saturating_sub(jumped) >= STEP);
            if may_step {
                self.jumped = Some(boot);
            }
            self.login = Some((if may_step { expected.after(STEP) } else { expected }, boot));
            return Some(ClockSkew::Forward(late));
        }
        self.login = Some((server, boot));
        (early > TOLERANCE).then_some(ClockSkew::Back(early))
    }

    /// The time now.
    pub fn now(&mut self, wall: UnixMillis, boot: Duration) -> UnixMillis {
        let now = self.login.map_or(wall, |(at, since)| at.after(boot.saturating_sub(since)));
        self.last = self.last.max(now);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: UnixMillis = UnixMillis(1_800_000_000_000);
    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn after_a_login_the_wall_clock_says_nothing() {
        let mut clock = TrustClock::new(UnixMillis(0));
        assert_eq!(clock.now(T, HOUR), T);
        assert_eq!(clock.set(T.after(HOUR), HOUR), None);
        assert_eq!(clock.now(UnixMillis(5), HOUR * 2), T.after(HOUR * 2));
        assert_eq!(clock.now(T.after(HOUR * 900), HOUR * 3), T.after(HOUR * 3));
    }

    #[test]
    fn it_never_goes_back() {
        let mut clock = TrustClock::new(T);
        assert_eq!(clock.now(UnixMillis(5), HOUR), T);
        assert_eq!(clock.set(T.after(HOUR * 10), HOUR), None);
        assert_eq!(clock.now(T, HOUR * 2), T.after(HOUR * 11));
        assert_eq!(clock.set(T, HOUR * 2), Some(ClockSkew::Back(HOUR * 11)));
        assert_eq!(clock.now(T, HOUR * 3), T.after(HOUR * 11));
    }

    #[test]
    fn of_a_jump_forward_a_day_is_believed() {
        let mut clock = TrustClock::new(UnixMillis(0));
        clock.set(T, HOUR);
        assert_eq!(clock.set(T.after(HOUR * 1000), HOUR), Some(ClockSkew::Forward(HOUR * 1000)));
        assert_eq!(clock.now(T, HOUR), T.after(HOUR * 24));
    }

    #[test]
    fn a_server_that_stays_ahead_is_believed_a_day_a_day() {
        let mut clock = TrustClock::new(UnixMillis(0));
        clock.set(T, HOUR);
        for boot in [HOUR, HOUR * 2, HOUR * 24] {
            let server = T.after(HOUR * 999 + boot);
            assert!(matches!(clock.set(server, boot), Some(ClockSkew::Forward(_))));
            assert_eq!(clock.now(T, boot), T.after(HOUR * 23 + boot));
        }
        clock.set(T.after(HOUR * 1024), HOUR * 25);
        assert_eq!(clock.now(T, HOUR * 25), T.after(HOUR * 72));
    }
}
