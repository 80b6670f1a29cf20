//! All that is remembered of one account for its limits. It is stored as a whole with each reservation: nothing of it
//! is worth more than the row that it stands in.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wa_types::{Jid, UnixMillis};

use super::day::{DayKey, Zone};
use super::lane::Lane;
use super::table::{TrustLevel, TrustTable};
use super::window::{Bucket, Window};

pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);
pub(super) const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The limits of an account, and what was used of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustState {
    pub(super) level: u8,
    /// Since when the account is managed: since it was connected first, once it was.
    pub(super) since: u64,
    /// Whose limits these are: the addresses of the number that is linked, as far as they were told.
    pub(super) holder: Vec<String>,
    /// Whether anything was ever counted.
    pub(super) has_counted: bool,
    /// The limit that the user set; none follows the level.
    pub(super) daily_limit: Option<u32>,
    /// Whether the daily limit gates answers, too.
    pub(super) is_strict: bool,
    /// The last time that anything was counted.
    pub(super) last: u64,
    pub(super) day: DayKey,
    /// When a day began last: two are at least twenty hours apart.
    pub(super) day_began: u64,
    pub(super) usage: DayUsage,
    pub(super) pace: Bucket,
    /// The pace of what is done with groups.
    pub(super) group_pace: Bucket,
    pub(super) replies: Bucket,
    pub(super) hour: Window,
    pub(super) contacts: VecDeque<Contact>,
    /// No first contact before.
    pub(super) next_contact: u64,
    pub(super) texts: VecDeque<SentText>,
    pub(super) lookups: Window,
    /// No numbers are looked up before.
    pub(super) next_lookup: u64,
    pub(super) groups: Window,
    pub(super) strangers: Window,
    pub(super) posts: Window,
    pub(super) restrictions: Vec<Restriction>,
    pub(super) holds: Vec<Hold>,
    pub(super) quota: Option<Quota>,
    /// People to whom the server refused a message, until they write, or give us another token.
    pub(super) refused: VecDeque<RefusedPerson>,
    /// No first contact before, for the past may still come; the highest number until the account is ready once.
    pub(super) history_until: u64,
    /// Since when the account is used, as its owner says.
    pub(super) claimed_since: Option<u64>,
    /// Whether what waits to be sent goes on waiting.
    pub(super) is_paused: bool,
    pub(super) record: Record,
}

/// What was used on one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DayUsage {
    /// All that counts, answers included.
    pub(super) sent: u32,
    /// What the daily limit gates.
    pub(super) gated: u32,
    /// Answers.
    pub(super) replies: u32,
    /// Gated messages that a reset by hand forgave.
    pub(super) forgiven: u32,
    /// Whether there was a reset by hand.
    pub(super) was_reset: bool,
    /// What was counted up to then was forgiven.
    #[serde(default)]
    pub(super) forgiven_until: u64,
}

/// Somebody who was written to first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Contact {
    pub(super) person: u64,
    pub(super) at: u64,
    /// They wrote within 72 hours.
    pub(super) is_answered: bool,
}

/// A text that went to somebody; of the text only a keyed hash is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SentText {
    pub(super) tag: u64,
    pub(super) person: u64,
    pub(super) at: u64,
}

/// Somebody to whom the server refused a message for the want of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RefusedPerson {
    pub(super) person: u64,
    pub(super) at: u64,
}

/// First contacts are fewer than the level says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hold {
    /// Percent of the limit.
    pub(super) percent: u32,
    pub(super) until: u64,
    /// For a warning of the server's quota: its next word replaces it.
    pub(super) is_quota: bool,
}

/// How many new chats the server still allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Quota {
    pub(super) left: u32,
    pub(super) ends: u64,
}

/// What speaks for and against a higher level.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The level may not rise before.
    pub(super) frozen_until: u64,
    /// When it rose last.
    pub(super) rose: Option<u64>,
    /// When the server restricted the account last.
    pub(super) restricted: Option<u64>,
    /// When it was slowed last because few answered.
    pub(super) slowed: u64,
    /// When there were temporary bans.
    pub(super) bans: Vec<u64>,
    /// The end of the last of them: the same one may be told again.
    pub(super) banned_until: u64,
    /// Refusals of first contacts without a time lock.
    pub(super) refusals: Window,
    /// When the server ended the stream for too much of something.
    pub(super) overlimits: Window,
    /// The first day on which the account was connected, and the last.
    pub(super) first_day: Option<DayKey>,
    pub(super) last_day: Option<DayKey>,
    /// On how many days it was connected.
    pub(super) connected_days: u32,
    /// What became of what was sent: in all, and refused.
    pub(super) sent: u32,
    pub(super) failed: u32,
    /// When something was sent or received last.
    pub(super) active: u64,
    /// The server wants to hear nothing of the account before.
    pub(super) barred_until: u64,
    /// How often it was refused as locked or banned since its last login.
    pub(super) locks: u32,
}

/// Something that the server forbids, or that follows from what it said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Restriction {
    /// What is forbidden.
    pub kind: RestrictionKind,
    /// Until when, in milliseconds since 1970; `None` until somebody acts.
    pub until: Option<u64>,
    /// The server's code, where there is one.
    #[serde(rename = "serverCode")]
    pub code: Option<u16>,
    /// The server's word for the kind of a time lock, as `WEB_COMPANION_ONLY`.
    pub enforcement: Option<String>,
}

/// What a restriction forbids. Stored and told by its [name](Self::as_str), wherever it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
#[non_exhaustive]
pub enum RestrictionKind {
    /// People who never wrote to us are not written to: the server's time lock.
    TimeLock,
    /// No new chats: the server's quota is used up.
    NewChats,
    /// No first contacts: too many were refused.
    FirstContacts,
    /// Nothing but answers for a while: the server was asked for too much.
    Pause,
    /// Nothing on one lane: a ban named it.
    LaneClosed(ClosedLane),
}

/// The lane that a temporary ban closes after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClosedLane {
    /// First contacts.
    FirstContact,
    /// Groups with strangers.
    GroupAdmin,
    /// The same text to several.
    SameText,
    /// Status and broadcast.
    Status,
}

/// What was counted for one message, before it left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reservation {
    /// The id of the message.
    pub id: String,
    /// Its lane.
    pub lane: Lane,
    /// When it was counted.
    #[serde(with = "crate::millis")]
    pub at: UnixMillis,
    /// The day that it counts for.
    pub day: DayKey,
    /// How far it is.
    pub state: ReservationState,
    /// How many numbers or strangers it is for.
    pub(super) count: u32,
    /// Who it is for.
    pub(super) person: Option<u64>,
    /// Where it goes, where it is counted for no person: to a group, to status, to ourselves, and all that is light. None of
    /// what was stored by earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
    /// Whether a group is made.
    pub(super) is_new_group: bool,
    /// Whether the daily limit gated it when it was counted.
    pub(super) is_gated: bool,
    /// When the server took it, in milliseconds since 1970.
    pub settled_at: Option<u64>,
    /// The server's code, where it refused it with one.
    pub code: Option<u16>,
}

impl Reservation {
    /// Who it is for, by the number of their contact.
    #[must_use]
    pub const fn person(&self) -> Option<u64> {
        self.person
    }
}

impl RestrictionKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::TimeLock,
        Self::NewChats,
        Self::FirstContacts,
        Self::Pause,
        Self::LaneClosed(ClosedLane::FirstContact),
        Self::LaneClosed(ClosedLane::GroupAdmin),
        Self::LaneClosed(ClosedLane::SameText),
        Self::LaneClosed(ClosedLane::Status),
    ];

    /// Its name in the store, in errors, events, snapshots and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TimeLock => "time_lock",
            Self::NewChats => "new_chats",
            Self::FirstContacts => "first_contacts",
            Self::Pause => "pause",
            Self::LaneClosed(ClosedLane::FirstContact) => "lane_first_contact",
            Self::LaneClosed(ClosedLane::GroupAdmin) => "lane_group_admin",
            Self::LaneClosed(ClosedLane::SameText) => "lane_same_text",
            Self::LaneClosed(ClosedLane::Status) => "lane_status",
        }
    }
}

/// No restriction has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no restriction {name:?}")]
pub struct UnknownRestriction {
    /// The name that was read.
    pub name: String,
}

impl TryFrom<String> for RestrictionKind {
    type Error = UnknownRestriction;

    fn try_from(name: String) -> Result<Self, UnknownRestriction> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or(UnknownRestriction { name })
    }
}

impl From<RestrictionKind> for &'static str {
    fn from(kind: RestrictionKind) -> Self {
        kind.as_str()
    }
}

/// How far a reserved message is. What nobody knows stays counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ReservationState {
    /// Counted, and maybe on its way.
    Reserved,
    /// The server has it.
    Sent,
    /// It never left: it does not count.
    Released,
    /// The server refused it.
    Refused,
}

/// What was used, and what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// All that was sent today, answers included.
    pub sent_today: u32,
    /// Of that, what the daily limit gates.
    pub gated_today: u32,
    /// The daily limit as it is now.
    pub daily_limit: u32,
    /// First contacts within a day.
    pub first_contacts_day: u32,
    /// First contacts within 30 days.
    pub first_contacts_month: u32,
    /// When the day ends.
    pub resets_at: UnixMillis,
}

impl TrustState {
    /// An account that is managed from now on.
    #[must_use]
    pub fn new(level: TrustLevel, now: UnixMillis, zone: &Zone) -> Self {
        Self {
            level: level.number(),
            since: now.0,
            holder: Vec::new(),
            has_counted: false,
            daily_limit: None,
            is_strict: false,
            last: now.0,
            day: zone.day(now),
            day_began: zone.day_start(now).0,
            usage: DayUsage::default(),
            pace: Bucket::default(),
            group_pace: Bucket::default(),
            replies: Bucket::default(),
            hour: Window::default(),
            contacts: VecDeque::new(),
            next_contact: 0,
            texts: VecDeque::new(),
            lookups: Window::default(),
            next_lookup: 0,
            groups: Window::default(),
            strangers: Window::default(),
            posts: Window::default(),
            restrictions: Vec::new(),
            holds: Vec::new(),
            quota: None,
            refused: VecDeque::new(),
            history_until: 0,
            claimed_since: None,
            is_paused: false,
            record: Record { active: now.0, ..Record::default() },
        }
    }

    /// Whether these are the limits of another number than the one with these addresses: one that shares no address with
    /// it. A number that moved to another SIM keeps its LID, and so its limits.
    #[must_use]
    pub fn is_of_another(&self, own: &[Jid]) -> bool {
        let is_ours = |own: &Jid| self.holder.contains(&own.to_user().to_string());
        !self.holder.is_empty() && !own.is_empty() && !own.iter().any(is_ours)
    }

    /// These are the limits of the number with these addresses.
    pub fn set_holder(&mut self, own: &[Jid]) {
        if self.is_of_another(own) {
            self.holder.clear();
        }
        for address in own.iter().map(|own| own.to_user().to_string()) {
            if !self.holder.contains(&address) {
                self.holder.push(address);
            }
        }
        // Two are in use at a time; the oldest ones say nothing any more.
        let old = self.holder.len().saturating_sub(4);
        self.holder.drain(..old);
    }

    /// The limits of another number that is linked to the account from now on: nothing of what was used, and nothing that
    /// the server said, is about it. What people set stays.
    #[must_use]
    pub fn of_another(&self, own: &[Jid], now: UnixMillis, zone: &Zone) -> Self {
        let mut state = Self {
            daily_limit: self.daily_limit,
            is_strict: self.is_strict,
            is_paused: self.is_paused,
            ..Self::new(TrustLevel::NEW, now, zone)
        };
        state.set_holder(own);
        state.await_history();
        state
    }

    /// The account was made when the clock was ahead, and nothing was counted since: it is managed from now on.
    pub fn begin_earlier(&mut self, now: UnixMillis, zone: &Zone) {
        if self.has_counted || now.0 >= self.last {
            return;
        }
        (self.last, self.since, self.record.active) = (now.0, now.0, now.0);
        (self.day, self.day_began) = (zone.day(now), zone.day_start(now).0);
        (self.record.first_day, self.record.last_day, self.record.connected_days) = (None, None, 0);
    }

    /// The server wants to hear nothing of the account before this.
    #[must_use]
    pub fn barred_until(&self, now: UnixMillis) -> Option<UnixMillis> {
        (now.0 < self.record.barred_until).then_some(UnixMillis(self.record.barred_until))
    }

    /// Whether it was refused as locked or banned since its last login.
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        self.record.locks > 0
    }

    /// The server let the account in: it is not locked.
    pub const fn let_in(&mut self) {
        (self.record.barred_until, self.record.locks) = (0, 0);
    }

    /// How far the account is trusted.
    #[must_use]
    pub fn level(&self) -> TrustLevel {
        TrustLevel::new(self.level).unwrap_or(TrustLevel::NEW)
    }

    /// The last time that anything was counted.
    #[must_use]
    pub const fn last(&self) -> UnixMillis {
        UnixMillis(self.last)
    }

    /// What the server forbids now.
    #[must_use]
    pub fn restrictions(&self, now: UnixMillis) -> Vec<Restriction> {
        let holds = |restriction: &&Restriction| restriction.until.is_none_or(|until| now.0 < until);
        self.restrictions.iter().filter(holds).cloned().collect()
    }

    /// What was used, and what is left.
    #[must_use]
    pub fn usage(&self, table: &TrustTable, zone: &Zone, now: UnixMillis) -> Usage {
        let (_, usage) = self.today(zone, now);
        Usage {
            sent_today: usage.sent,
            gated_today: usage.gated.saturating_sub(usage.forgiven),
            daily_limit: self.daily_limit(table),
            first_contacts_day: self.contacts_within(now, DAY),
            first_contacts_month: self.contacts_within(now, MONTH),
            resets_at: self.next_day(zone, now),
        }
    }

    /// The daily limit: the user's, never above the level's.
    #[must_use]
    pub fn daily_limit(&self, table: &TrustTable) -> u32 {
        let ceiling = table.level(self.level()).daily;
        self.daily_limit.map_or(ceiling, |limit| limit.min(ceiling))
    }

    /// Sets the user's daily limit; one that is the level's follows the level from then on. `false` above the level's:
    /// nothing is set then.
    pub fn set_daily_limit(&mut self, table: &TrustTable, limit: u32) -> bool {
        let ceiling = table.level(self.level()).daily;
        if limit > ceiling {
            return false;
        }
        self.daily_limit = (limit != ceiling).then_some(limit);
        true
    }

    /// Two persons turned out to be one: what counted for the one counts for the other.
    pub fn merge_persons(&mut self, gone: u64, kept: u64) {
        let of_contacts = self.contacts.iter_mut().map(|contact| &mut contact.person);
        let of_texts = self.texts.iter_mut().map(|text| &mut text.person);
        let of_refused = self.refused.iter_mut().map(|refused| &mut refused.person);
        for person in of_contacts.chain(of_texts).chain(of_refused) {
            if *person == gone {
                *person = kept;
            }
        }
    }

    /// The past of the account may still come: no first contact before it has, or before it had `within` since the
    /// account was ready first.
    pub const fn await_history(&mut self) {
        self.history_until = u64::MAX;
    }

    /// The account is ready: the past comes now, or not at all. Whether anything changed.
    pub fn begin_history(&mut self, now: UnixMillis, within: Duration) -> bool {
        let begins = self.history_until == u64::MAX;
        if begins {
            self.history_until = now.after(within).0;
        }
        begins
    }

    /// The past has come, or will not. Whether it was waited for.
    pub const fn end_history(&mut self) -> bool {
        let was_awaited = self.history_until != 0;
        self.history_until = 0;
        was_awaited
    }

    /// The server refused a message to this person: none follows until they write, or give us another token than the
    /// one that we may have had.
    pub fn refuse_person(&mut self, person: u64, now: UnixMillis) {
        const MOST: usize = 2_000;
        self.allow_person(person);
        self.refused.push_back(RefusedPerson { person, at: now.0 });
        while self.refused.len() > MOST {
            self.refused.pop_front();
        }
    }

    /// It was no fault of this person's chat that the server refused a message.
    pub fn allow_person(&mut self, person: u64) {
        self.refused.retain(|refused| refused.person != person);
    }

    /// The owner says since when the account is used: kept as a claim.
    pub const fn claim(&mut self, since: UnixMillis) {
        self.claimed_since = Some(since.0);
    }

    /// Since when the account is used, as its owner says.
    #[must_use]
    pub fn claimed_since(&self) -> Option<UnixMillis> {
        self.claimed_since.map(UnixMillis)
    }

    /// Whether what waits to be sent goes on waiting.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Lets what waits to be sent go on waiting, or no longer.
    pub const fn set_paused(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    /// When the server restricted the account last.
    #[must_use]
    pub fn last_restricted(&self) -> Option<UnixMillis> {
        self.record.restricted.map(UnixMillis)
    }

    /// Whether the daily limit gates answers, too.
    pub const fn set_strict(&mut self, is_strict: bool) {
        self.is_strict = is_strict;
    }

    /// Forgives what was sent today. Once a day; what the server forbids and what counts for longer stays. Whether it was
    /// done.
    pub fn reset_usage(&mut self) -> bool {
        if self.usage.was_reset {
            return false;
        }
        self.usage.was_reset = true;
        (self.usage.forgiven, self.usage.forgiven_until) = (self.usage.gated, self.last);
        true
    }

    pub(super) fn contacts_within(&self, now: UnixMillis, span: Duration) -> u32 {
        let since = now.0.saturating_sub(super::window::millis(span));
        u32::try_from(self.contacts.iter().filter(|contact| contact.at >= since).count()).unwrap_or(u32::MAX)
    }
}
