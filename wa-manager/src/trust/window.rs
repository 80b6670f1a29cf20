//! How much of something happened lately.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wa_types::UnixMillis;

/// What happened within a span of time before now: exact, one entry for each time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Window {
    entries: VecDeque<(u64, u32)>,
}

impl Window {
    /// Notes `count` more of it.
    pub(super) fn add(&mut self, now: UnixMillis, count: u32, span: Duration) {
        self.forget(now, span);
        self.entries.push_back((now.0, count));
    }

    /// Takes the last entry of this time and number back.
    pub(super) fn remove(&mut self, at: UnixMillis, count: u32) {
        if let Some(place) = self.entries.iter().rposition(|entry| *entry == (at.0, count)) {
            self.entries.remove(place);
        }
    }

    /// How much there was in this span before now.
    pub(super) fn sum(&self, now: UnixMillis, span: Duration) -> u32 {
        let inside = self.entries.iter().filter(|(at, _)| is_within(*at, now, span));
        inside.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// When `count` more of it fit under a limit, as things are; `None` if they never do.
    pub(super) fn free_at(
        &self,
        now: UnixMillis,
        span: Duration,
        limit: u32,
        count: u32,
    ) -> Option<UnixMillis> {
        if count > limit {
            return None;
        }
        let mut sum = self.sum(now, span).saturating_add(count);
        if sum <= limit {
            return Some(now);
        }
        for (at, count) in self.entries.iter().filter(|(at, _)| is_within(*at, now, span)) {
            sum = sum.saturating_sub(*count);
            if sum <= limit {
                return Some(UnixMillis(at.saturating_add(millis(span)).saturating_add(1)));
            }
        }
        None
    }

    fn forget(&mut self, now: UnixMillis, span: Duration) {
        while self.entries.front().is_some_and(|(at, _)| !is_within(*at, now, span)) {
            self.entries.pop_front();
        }
    }
}

fn is_within(at: u64, now: UnixMillis, span: Duration) -> bool {
    now.0.saturating_sub(at) <= millis(span)
}

/// A token bucket that can be stored: how many may happen at once, and how fast it fills.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bucket {
    /// When it is full again.
    full_at: u64,
}

impl Bucket {
    /// When there is a token; now, if there is one.
    pub(super) fn free_at(self, now: UnixMillis, burst: u32, refill: Duration) -> UnixMillis {
        let room = millis(refill).saturating_mul(u64::from(burst.saturating_sub(1)));
        UnixMillis(self.full_at.saturating_sub(room).max(now.0))
    }

    /// Takes one token, whether there is one or not.
    pub(super) fn take(&mut self, now: UnixMillis, refill: Duration) {
        self.full_at = self.full_at.max(now.0).saturating_add(millis(refill));
    }
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
