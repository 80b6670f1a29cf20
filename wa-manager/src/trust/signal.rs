//! What the server says about an account, and what follows from it. Its word counts more than any limit of ours.

use std::time::Duration;

use wa_types::UnixMillis;

use super::state::{ClosedLane, DAY, Hold, Quota, Restriction, RestrictionKind, TrustState};
use super::table::TrustLevel;
use super::window::millis;

const MINUTE: Duration = Duration::from_secs(60);

/// A locked account is not tried again before so long, each time longer.
const LOCKS: [Duration; 3] =
    [Duration::from_secs(5 * 60), Duration::from_secs(15 * 60), Duration::from_secs(60 * 60)];
const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Restrictions are believed a little longer than they say.
const MARGIN: Duration = Duration::from_secs(10 * 60);

/// A time lock whose end is not told ends so soon, unless it is told again.
const UNTOLD: Duration = Duration::from_secs(60);

/// Something that the server said or did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// The time lock is on until then; its end may not be told.
    TimeLocked {
        /// Its end.
        until: Option<UnixMillis>,
        /// The server's word for the kind of lock, whatever it is.
        enforcement: Option<String>,
    },
    /// The time lock is off.
    TimeLockOver,
    /// How many new chats are left, until the cycle ends.
    Quota {
        /// How many there are in a cycle.
        total: u32,
        /// How many were used.
        used: u32,
        /// When the cycle ends.
        ends: UnixMillis,
        /// Percent of the usual first contacts that its warning leaves: 100 without a warning, 0 when it is used up.
        leaves: u32,
    },
    /// A message was refused with 463, and there is no time lock.
    NoToken,
    /// A message was refused with 475: no more new chats.
    Capped,
    /// The stream was ended with 429.
    StreamOverlimit,
    /// Temporarily banned.
    Banned {
        /// Why, by the server's code.
        code: BanCode,
        /// Until when.
        until: UnixMillis,
    },
    /// Locked, or banned for good: 403, 406.
    Locked,
}

/// Why an account is banned for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "the server's code, whatever it is")]
pub struct BanCode(pub u16);

impl BanCode {
    /// The lane that it is about.
    const fn lane(self) -> Option<ClosedLane> {
        Some(match self.0 {
            101 | 102 => ClosedLane::FirstContact,
            103 => ClosedLane::GroupAdmin,
            104 => ClosedLane::SameText,
            106 => ClosedLane::Status,
            _ => return None,
        })
    }
}

impl TrustState {
    /// Takes note of a signal. `random` draws how much longer a time lock is believed. Whether level or restrictions
    /// changed.
    pub fn heed(&mut self, signal: Signal, now: UnixMillis, random: u64) -> bool {
        let before = (self.level, self.restrictions.clone(), self.holds.clone(), self.quota);
        match signal {
            Signal::TimeLocked { until, enforcement } => {
                let end = until.unwrap_or_else(|| now.after(UNTOLD)).after(MARGIN);
                // The same lock, told again, ends when it was said to end.
                let same = end.0..=end.after(MARGIN).0;
                let is_known = self.restrictions.iter().any(|restriction| {
                    restriction.kind == RestrictionKind::TimeLock
                        && restriction.until.is_some_and(|until| same.contains(&until))
                });
                if !is_known {
                    let until = end.0 + random % millis(MARGIN);
                    self.restrict(RestrictionKind::TimeLock, Some(until), Some(463));
                }
                let lock = self.restrictions.iter_mut().find(|known| known.kind == RestrictionKind::TimeLock);
                if let Some(lock) = lock.filter(|_| enforcement.is_some()) {
                    lock.enforcement = enforcement;
                }
                self.was_restricted(now, DAY * 14);
                self.level = self.level.min(2);
            }
            Signal::TimeLockOver => self.lift(RestrictionKind::TimeLock),
            Signal::Quota { total, used, ends, leaves } => self.heed_quota(total, used, ends, leaves, now),
            Signal::NoToken => {
                self.record.refusals.add(now, 1, DAY);
                if self.record.refusals.sum(now, DAY) >= 3 {
                    let until = now.after(DAY).0;
                    self.restrict(RestrictionKind::FirstContacts, Some(until), Some(463));
                    self.was_restricted(now, Duration::ZERO);
                    self.record.refusals = super::window::Window::default();
                    self.lower();
                }
            }
            Signal::Capped => {
                let end = self.quota.map(|quota| quota.ends).filter(|end| *end > now.0);
                let until = end.unwrap_or_else(|| now.after(DAY).0);
                self.restrict(RestrictionKind::NewChats, Some(until), Some(475));
                self.was_restricted(now, Duration::ZERO);
            }
            Signal::StreamOverlimit => {
                let times = self.record.overlimits.sum(now, DAY);
                self.record.overlimits.add(now, 1, DAY);
                let pause = (MINUTE * 5 * 2_u32.saturating_pow(times.min(10))).min(DAY / 4);
                self.restrict(RestrictionKind::Pause, Some(now.after(pause).0), Some(429));
                if times >= 1 {
                    self.freeze(now, DAY * 7);
                    self.lower();
                }
            }
            // The same ban, told again.
            Signal::Banned { until, .. } if until.0 == self.record.banned_until => {}
            Signal::Banned { code, until } => {
                self.record.banned_until = until.0;
                self.record.barred_until = until.after(MARGIN).0;
                if let Some(lane) = code.lane() {
                    let until = now.after(MONTH).0.max(until.0);
                    self.restrict(RestrictionKind::LaneClosed(lane), Some(until), Some(code.0));
                }
                let recent = now.0.saturating_sub(millis(MONTH * 2));
                self.record.bans.retain(|at| *at >= recent);
                self.record.bans.push(now.0);
                self.level = if self.record.bans.len() >= 2 { 0 } else { self.level.min(1) };
                self.was_restricted(now, MONTH);
            }
            Signal::Locked => {
                let [.., longest] = LOCKS;
                let wait = LOCKS.get(self.record.locks as usize).copied().unwrap_or(longest);
                self.record.locks = self.record.locks.saturating_add(1);
                self.record.barred_until = now.after(wait).0;
                self.level = TrustLevel::HELD.number();
                self.was_restricted(now, Duration::ZERO);
            }
        }
        before != (self.level, self.restrictions.clone(), self.holds.clone(), self.quota)
    }

    fn heed_quota(&mut self, total: u32, used: u32, ends: UnixMillis, leaves: u32, now: UnixMillis) {
        self.quota = Some(Quota { left: total.saturating_sub(used), ends: ends.0 });
        self.holds.retain(|hold| !hold.is_quota);
        match leaves {
            0 => {
                self.restrict(RestrictionKind::NewChats, Some(ends.0), None);
                self.was_restricted(now, Duration::ZERO);
            }
            100.. => self.lift(RestrictionKind::NewChats),
            percent => {
                self.lift(RestrictionKind::NewChats);
                self.holds.push(Hold { percent, until: ends.0, is_quota: true });
                self.was_restricted(now, Duration::ZERO);
            }
        }
    }

    /// An operator saw what happened: a held account begins anew.
    pub fn acknowledge(&mut self) {
        if self.level() == TrustLevel::HELD {
            self.level = TrustLevel::NEW.number();
        }
    }

    /// The later end of two restrictions of a kind holds.
    fn restrict(&mut self, kind: RestrictionKind, until: Option<u64>, code: Option<u16>) {
        let known = self.restrictions.iter_mut().find(|restriction| restriction.kind == kind);
        match known {
            Some(known) => {
                known.until = known.until.zip(until).map(|(one, other)| one.max(other));
                known.code = code;
            }
            None => self.restrictions.push(Restriction { kind, until, code, enforcement: None }),
        }
    }

    fn lift(&mut self, kind: RestrictionKind) {
        self.restrictions.retain(|restriction| restriction.kind != kind);
    }

    fn was_restricted(&mut self, now: UnixMillis, frozen: Duration) {
        self.record.restricted = Some(now.0);
        self.freeze(now, frozen);
    }

    pub(super) fn freeze(&mut self, now: UnixMillis, span: Duration) {
        self.record.frozen_until = self.record.frozen_until.max(now.after(span).0);
    }

    fn lower(&mut self) {
        self.level = self.level().down().number();
    }
}
