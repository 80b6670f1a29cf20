//! Whether the other side still lives: pings when it is quiet, and gives up when a send stays without any echo.
//! Protocol: transport, "Keep-alive".

use std::time::{Duration, Instant};

use crate::crypto::Random;

/// Nothing received for this long after a send that wants an answer: the socket is dead.
pub(super) const DEAD_AFTER: Duration = Duration::from_secs(20);

/// No ping while something came in as recently as this.
const QUIET: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct KeepAlive {
    last_received: Instant,
    /// The first send since then.
    unanswered_since: Option<Instant>,
    ping_at: Instant,
}

/// What is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    Dead,
}

impl KeepAlive {
    pub(super) fn new(now: Instant, random: &mut dyn Random) -> Self {
        Self { last_received: now, unanswered_since: None, ping_at: now + interval(random) }
    }

    pub(super) fn received(&mut self, now: Instant) {
        self.last_received = now;
        self.unanswered_since = None;
    }

    /// Something was sent that the server answers.
    pub(super) fn sent(&mut self, now: Instant) {
        self.unanswered_since.get_or_insert(now);
    }

    pub(super) fn due(&mut self, now: Instant, random: &mut dyn Random) -> Due {
        if self.unanswered_since.is_some_and(|since| now >= since + DEAD_AFTER) {
            return Due::Dead;
        }
        if now < self.ping_at {
            return Due::Nothing;
        }
        self.ping_at = now + interval(random);
        let is_quiet = now >= self.last_received + QUIET && self.unanswered_since.is_none();
        if is_quiet { Due::Ping } else { Due::Nothing }
    }

    pub(super) fn next(&self) -> Instant {
        self.unanswered_since.map_or(self.ping_at, |since| self.ping_at.min(since + DEAD_AFTER))
    }
}

/// 15 to 30 seconds.
fn interval(random: &mut dyn Random) -> Duration {
    let mut bytes = [0; 2];
    random.fill(&mut bytes);
    Duration::from_secs(15) + Duration::from_millis(u64::from(u16::from_le_bytes(bytes)) * 15_000 / 65_536)
}
