//! How often something was tried to be linked, and what came of it: all that is remembered of one phone, tenant or
//! account. Plain values; times are handed in.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wa_types::UnixMillis;

use super::{Cap, LimitedBy, PairError, PairingCaps};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// What is remembered of one phone, tenant, account, way out, or of the process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Ledger {
    /// When codes were asked for, or QR codes shown.
    tries: Times,
    /// A code is live until then, as far as anybody said.
    live_until: u64,
    throttled: Ladder,
    refused: Ladder,
    unstable: Ladder,
    /// When links were gone too soon.
    unstable_at: Times,
    /// The last device number, and how it rose.
    device: Option<u16>,
    rises: Times,
}

impl Ledger {
    /// What a store kept, as of now: a time that has not come yet was told by a wrong clock, and counts as now.
    pub(super) fn load(state: &[u8], now: UnixMillis, caps: &PairingCaps) -> Option<Self> {
        let mut ledger: Self = serde_json::from_slice(state).ok()?;
        for times in [&mut ledger.tries, &mut ledger.unstable_at, &mut ledger.rises] {
            times.heal(now);
        }
        ledger.throttled.heal(now, &caps.throttled);
        ledger.refused.heal(now, &caps.refused);
        ledger.unstable.heal(now, &caps.unstable_waits);
        Some(ledger)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        // Numbers only: there is nothing in it that has no form.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// How long until something is tried once more within these caps; `None` for at once.
    pub(super) fn wait(&self, caps: &[Cap], now: UnixMillis) -> Option<Duration> {
        caps.iter().filter_map(|cap| self.tries.wait(*cap, now)).max()
    }

    /// Something is tried.
    pub(super) fn count(&mut self, caps: &[Cap], now: UnixMillis) {
        self.tries.add(now, longest(caps));
    }

    /// What was counted last was not tried.
    pub(super) fn give_back(&mut self, at: UnixMillis) {
        self.tries.remove(at);
    }

    /// Whether a code for the phone may be tried; [`Ledger::may_pair`] said so too.
    pub(super) fn may_ask_code(&self, caps: &PairingCaps, now: UnixMillis) -> Result<(), PairError> {
        let live = Duration::from_millis(self.live_until.saturating_sub(now.0));
        if !live.is_zero() {
            return Err(PairError::CodeOutstanding { remaining: live });
        }
        let server = self.refused.wait(now).map(|wait| (wait, LimitedBy::Server));
        let own = self.wait(&caps.phone, now).map(|wait| (wait, LimitedBy::Phone));
        longer(server, own)
    }

    /// Whether anything may be tried with the phone.
    pub(super) fn may_pair(&self, now: UnixMillis) -> Result<(), PairError> {
        if let Some(wait) = self.unstable.wait(now) {
            return Err(PairError::UnstableLink { retry_after: Some(wait) });
        }
        match self.throttled.wait(now) {
            Some(retry_after) => Err(PairError::RateLimited { retry_after, by: LimitedBy::Server }),
            None => Ok(()),
        }
    }

    /// A code is live for so long.
    pub(super) const fn code_lives(&mut self, until: UnixMillis) {
        self.live_until = until.0;
    }

    /// What was said of a code turned out to be this, unless something else was said since: that it is gone, as these
    /// words may come late.
    pub(super) fn code_lives_after_all(&mut self, said: UnixMillis, until: UnixMillis) {
        if self.live_until == said.0 {
            self.live_until = until.0;
        }
    }

    pub(super) const fn code_gone(&mut self) {
        self.live_until = 0;
    }

    /// The server refused. What follows: how long the phone waits.
    pub(super) fn refused(
        &mut self,
        code: u16,
        retry_after: Option<Duration>,
        caps: &PairingCaps,
        now: UnixMillis,
    ) -> Option<Duration> {
        self.live_until = 0;
        match code {
            429 => Some(self.throttled.climb(&caps.throttled, retry_after, now)),
            400 => Some(self.refused.climb(&caps.refused, retry_after, now)),
            _ => retry_after,
        }
    }

    /// The server restricted the account, and unlinked it.
    pub(super) fn restricted(&mut self, now: UnixMillis) {
        self.throttled.climb(&[24 * HOUR], None, now);
    }

    /// A link, by a device with this number. Rising numbers within a day say that somebody links again and again.
    pub(super) fn linked(&mut self, device: u16, caps: &PairingCaps, now: UnixMillis) {
        self.live_until = 0;
        let cap = caps.device_numbers;
        let rise = self.device.map_or(0, |last| device.saturating_sub(last));
        self.device = Some(device);
        // The very first number says nothing, and neither does one that rose long ago.
        for _ in 0..u32::from(rise).min(cap.count) {
            self.rises.add(now, cap.span);
        }
        if cap.count > 0 && self.rises.count(cap.span, now) >= cap.count {
            self.unstable.climb(&caps.unstable_waits, None, now);
            self.rises = Times::default();
        }
    }

    /// A link was gone too soon. What follows: how long the phone waits, if it does.
    pub(super) fn unstable(&mut self, caps: &PairingCaps, now: UnixMillis) -> Option<Duration> {
        let cap = caps.unstable;
        self.unstable_at.add(now, cap.span);
        let is_repeated = self.unstable_at.count(cap.span, now) >= cap.count;
        // After one wait, the next one comes with the next such link.
        if is_repeated || self.unstable.is_remembered(now) {
            self.unstable.climb(&caps.unstable_waits, None, now);
        }
        self.unstable.wait(now)
    }

    /// A link held: what the server refused before says nothing any more.
    pub(super) fn confirmed(&mut self) {
        self.throttled = Ladder::default();
        self.refused = Ladder::default();
        self.unstable = Ladder::default();
        self.unstable_at = Times::default();
    }

    /// After this it says nothing.
    pub(super) fn until(&self, longest: Duration) -> UnixMillis {
        let times = [&self.tries, &self.unstable_at, &self.rises];
        let times = times.into_iter().filter_map(Times::last).map(|at| at.after(longest).0);
        let ladders = [&self.throttled, &self.refused, &self.unstable].map(|ladder| ladder.forgotten_at);
        UnixMillis(times.chain(ladders).fold(self.live_until, u64::max).saturating_add(1))
    }
}

/// The longer wait of two, if there is one.
fn longer(one: Option<(Duration, LimitedBy)>, other: Option<(Duration, LimitedBy)>) -> Result<(), PairError> {
    match one.max(other) {
        Some((retry_after, source)) => Err(PairError::RateLimited { retry_after, by: source }),
        None => Ok(()),
    }
}

pub(super) fn longest(caps: &[Cap]) -> Duration {
    caps.iter().map(|cap| cap.span).max().unwrap_or_default()
}

/// More than any cap asks for, so that a server that makes codes by itself fills no row.
const MOST: usize = 1024;

/// When something happened, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Times(Vec<u64>);

impl Times {
    fn add(&mut self, now: UnixMillis, longest: Duration) {
        self.0.retain(|at| now.since(UnixMillis(*at)) <= longest);
        self.0.push(now.0);
        self.0.drain(..self.0.len().saturating_sub(MOST));
    }

    fn remove(&mut self, at: UnixMillis) {
        if let Some(place) = self.0.iter().rposition(|time| *time == at.0) {
            self.0.remove(place);
        }
    }

    fn heal(&mut self, now: UnixMillis) {
        for at in &mut self.0 {
            *at = (*at).min(now.0);
        }
    }

    fn count(&self, span: Duration, now: UnixMillis) -> u32 {
        let inside = self.0.iter().filter(|at| now.since(UnixMillis(**at)) <= span).count();
        u32::try_from(inside).unwrap_or(u32::MAX)
    }

    fn wait(&self, cap: Cap, now: UnixMillis) -> Option<Duration> {
        let inside: Vec<u64> =
            self.0.iter().copied().filter(|at| now.since(UnixMillis(*at)) <= cap.span).collect();
        let allowed = usize::try_from(cap.count).unwrap_or(usize::MAX);
        if inside.len() < allowed {
            return None;
        }
        // When so many are outside that one more fits. A cap of none never lets anything in.
        let place = inside.len().saturating_sub(allowed);
        let at = inside.get(place).copied().unwrap_or(now.0);
        Some(UnixMillis(at).after(cap.span).since(now) + Duration::from_millis(1))
    }

    fn last(&self) -> Option<UnixMillis> {
        self.0.last().copied().map(UnixMillis)
    }
}

/// Waits that get longer each time, until it was quiet for as long as the last of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Ladder {
    /// How often.
    steps: u32,
    /// The wait ends then.
    until: u64,
    /// And is forgotten then.
    forgotten_at: u64,
}

impl Ladder {
    fn climb(&mut self, waits: &[Duration], at_least: Option<Duration>, now: UnixMillis) -> Duration {
        if !self.is_remembered(now) {
            self.steps = 0;
        }
        let place = usize::try_from(self.steps).unwrap_or(usize::MAX);
        let last = waits.last().copied().unwrap_or_default();
        let wait = waits.get(place).copied().unwrap_or(last).max(at_least.unwrap_or_default()).min(LONGEST);
        self.steps = self.steps.saturating_add(1);
        self.until = self.until.max(now.after(wait).0);
        self.forgotten_at = UnixMillis(self.until).after(last).0;
        UnixMillis(self.until).since(now)
    }

    fn wait(&self, now: UnixMillis) -> Option<Duration> {
        (now.0 < self.until).then(|| UnixMillis(self.until).since(now))
    }

    const fn is_remembered(&self, now: UnixMillis) -> bool {
        self.steps > 0 && now.0 < self.forgotten_at
    }

    /// No wait is longer than the longest that there is, counted from now.
    fn heal(&mut self, now: UnixMillis, waits: &[Duration]) {
        let last = waits.last().copied().unwrap_or_default();
        self.until = self.until.min(now.after(LONGEST).0);
        self.forgotten_at = self.forgotten_at.min(UnixMillis(self.until.max(now.0)).after(last).0);
    }
}

/// No wait that a server asks for is longer.
const LONGEST: Duration = HOUR.saturating_mul(24 * 7);
