//! Up and down between levels, at the beginning of a day. What was sent is never a reason to rise.

use std::time::Duration;

use wa_types::UnixMillis;

use super::admission::Terms;
use super::state::{DAY, Hold, MONTH, TrustState};
use super::table::TrustLevel;
use super::window::millis;

const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// First contacts that are needed to tell how many answer.
const ENOUGH_CONTACTS: u32 = 10;

/// Of so many first contacts the answers are counted before the account is slowed.
const LAST_CONTACTS: usize = 20;

/// Why a level changed, or did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// How long the account is managed: since it was connected first.
    pub age: Duration,
    /// Days on which it was connected, percent of all since the first of them, without today.
    pub connected_percent: u32,
    /// First contacts within 30 days, and answers to them, percent; none with too few.
    pub answered_percent: Option<u32>,
    /// What the server refused, percent of what was sent.
    pub failed_percent: u32,
    /// When the server restricted the account last.
    pub restricted: Option<UnixMillis>,
    /// How long nothing was sent or received.
    pub idle: Duration,
}

/// A change of level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moved {
    /// Before.
    pub from: TrustLevel,
    /// Now.
    pub to: TrustLevel,
    /// Why.
    pub evidence: Evidence,
}

impl TrustState {
    /// The account is connected, or was today. To be told on each day on which it is: a day that nobody spoke for is one
    /// on which it was not.
    pub fn note_connected(&mut self, now: UnixMillis) {
        if self.record.first_day.is_none() {
            (self.record.first_day, self.record.connected_days) = (Some(self.day), 0);
            self.since = now.0;
        }
        if self.record.last_day.is_none_or(|last| last < self.day) {
            self.record.last_day = Some(self.day);
            self.record.connected_days = self.record.connected_days.saturating_add(1);
        }
    }

    /// Begins a new day, if it is one, and moves the account up or down by what is known of it.
    pub fn roll(&mut self, terms: &Terms<'_>, now: UnixMillis) -> Option<Moved> {
        let now = UnixMillis(now.0.max(self.last));
        if !self.begin_day(terms.zone, now) {
            return None;
        }
        self.last = now.0;
        let evidence = self.evidence(now);
        let from = self.level();
        self.slow_if_unanswered(now);
        let to = if self.level() < from {
            self.level()
        } else if evidence.idle > MONTH && from > TrustLevel::NEW {
            self.record.active = now.0;
            from.down()
        } else if self.may_rise(terms, &evidence, now) {
            self.record.rose = Some(now.0);
            from.up()
        } else {
            from
        };
        self.level = to.number();
        (to != from).then_some(Moved { from, to, evidence })
    }

    /// Sets the level by hand: any lower one, or one higher. Whether it was done.
    pub fn set_level(&mut self, level: TrustLevel, now: UnixMillis) -> bool {
        let may = level <= self.level().up();
        if may {
            if level > self.level() {
                self.record.rose = Some(now.0);
            }
            self.level = level.number();
        }
        may
    }

    /// What speaks for and against a higher level.
    #[must_use]
    pub fn evidence(&self, now: UnixMillis) -> Evidence {
        let since = now.0.saturating_sub(millis(MONTH));
        let month = self.contacts.iter().filter(|contact| contact.at >= since);
        let (mut contacts, mut answered) = (0, 0);
        for contact in month {
            contacts += 1;
            answered += u32::from(contact.is_answered);
        }
        Evidence {
            age: Duration::from_millis(now.0.saturating_sub(self.since)),
            connected_percent: self.connected_percent(),
            answered_percent: percent(answered, contacts).filter(|_| contacts >= ENOUGH_CONTACTS),
            failed_percent: percent(self.record.failed, self.record.sent).unwrap_or(0),
            restricted: self.record.restricted.map(UnixMillis),
            idle: Duration::from_millis(now.0.saturating_sub(self.record.active)),
        }
    }

    /// Of the days of the calendar, whether or not anything ran on them. Today is not over.
    fn connected_percent(&self) -> u32 {
        let record = &self.record;
        let days = record.first_day.map_or(0, |first| self.day.0.saturating_sub(first.0));
        let is_today = record.last_day == Some(self.day);
        let connected = record.connected_days.saturating_sub(u32::from(is_today));
        percent(connected, u32::try_from(days).unwrap_or_default()).unwrap_or(0)
    }

    fn may_rise(&self, terms: &Terms<'_>, evidence: &Evidence, now: UnixMillis) -> bool {
        let level = self.level();
        let next = terms.table.level(level.up());
        level != TrustLevel::HELD
            && level != TrustLevel::HIGHEST
            && evidence.age >= next.min_age
            && evidence.connected_percent >= 80
            && evidence.restricted.is_none_or(|at| now.since(at) > DAY * 14)
            && evidence.answered_percent.is_none_or(|percent| percent >= 30)
            && evidence.failed_percent < 5
            && now.0 >= self.record.frozen_until
            && self.record.rose.is_none_or(|at| now.0.saturating_sub(at) >= millis(WEEK))
    }

    /// Few of the last who were written to first answered: fewer are written to, and the account sinks.
    fn slow_if_unanswered(&mut self, now: UnixMillis) {
        let last: Vec<_> = self.contacts.iter().rev().take(LAST_CONTACTS).collect();
        let answered = last.iter().filter(|contact| contact.is_answered).count();
        // Not for the same people twice, and not while it is slow for it.
        let is_new = last.first().is_some_and(|contact| contact.at > self.record.slowed);
        let is_slow = self.record.slowed != 0 && now.0 < UnixMillis(self.record.slowed).after(WEEK).0;
        if last.len() == LAST_CONTACTS && answered * 10 < LAST_CONTACTS && is_new && !is_slow {
            self.record.slowed = now.0;
            self.holds.push(Hold { percent: 50, until: now.after(WEEK).0, is_quota: false });
            self.level = self.level().down().number();
        }
    }
}

fn percent(part: u32, all: u32) -> Option<u32> {
    part.saturating_mul(100).checked_div(all)
}
