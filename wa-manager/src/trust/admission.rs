//! May this be sent now? What is sent is counted before it leaves, and stays counted unless it surely never did.

use std::time::Duration;

use wa_types::UnixMillis;

use super::day::{DayKey, Zone};
use super::lane::{Deed, Lane, Person};
use super::state::{
    ClosedLane, Contact, DAY, DayUsage, HOUR, MONTH, Reservation, ReservationState, RestrictionKind,
    SentText, TrustState,
};
use super::table::{Level, PACE, TrustTable};
use super::window::{Bucket, Window, millis};

/// After a login, the pace grows from a quarter to the whole over this long: a backlog does not leave in one burst.
const RAMP: Duration = Duration::from_secs(60);

/// So many numbers are looked up at once, so far apart.
const MOST_LOOKUPS: u32 = 20;
const LOOKUP_GAP: Duration = Duration::from_secs(5);

/// The server refuses a message with these for the protocol's sake (an old addressing mode, an old session): they say
/// nothing of the account.
const REPAIRS: [u16; 2] = [421, 479];

/// Two days begin at least so far apart, whatever happens to the zone.
const SHORTEST_DAY: Duration = Duration::from_secs(20 * 60 * 60);

/// By what an account is measured.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "made by the caller for each question")]
pub struct Terms<'t> {
    /// The limits of all levels.
    pub table: &'t TrustTable,
    /// The account's zone.
    pub zone: &'t Zone,
    /// What the tenant allows an account a day.
    pub tenant_cap: Option<u32>,
    /// Since when the account is ready: logged in, and its backlog done.
    pub ready_since: UnixMillis,
}

/// Whether something may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Admission {
    /// Now.
    Allow {
        /// On which lane.
        lane: Lane,
    },
    /// Not before the time of this limit, which is the last of those that stand against it.
    Delay(LimitInfo),
    /// Not by waiting.
    Deny(LimitInfo),
}

/// A limit that is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitInfo {
    /// Whose budget.
    pub lane: Lane,
    /// Of what.
    pub scope: Scope,
    /// How many are allowed.
    pub limit: u32,
    /// How many there were.
    pub used: u32,
    /// When it may be tried again; `None` when time does not help.
    pub retry_at: Option<UnixMillis>,
    /// Whose limit it is.
    pub source: LimitSource,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// A restriction.
    Restriction(RestrictionKind),
    /// New chats, by the server's count.
    Quota,
    /// Messages to one person who did not answer.
    Person,
    /// People who get the same text.
    SameText,
    /// First contacts within a day.
    FirstContactsDay,
    /// First contacts within 30 days.
    FirstContactsMonth,
    /// Messages of a day.
    Day,
    /// Answers of a day.
    ReplyDay,
    /// Messages within an hour.
    Hour,
    /// The pace.
    Minute,
    /// The pause between first contacts, and between lookups.
    Gap,
    /// First contacts, until the past has come: before that an old friend looks like a stranger.
    History,
    /// A person to whom the server refused a message, until they write, or give us another token.
    Refused,
    /// Numbers that are looked up within a day.
    Lookups,
    /// Groups that are made within a day.
    Groups,
    /// Strangers that are added to groups within a day.
    Strangers,
    /// Status posts within a day.
    Posts,
}

impl Scope {
    /// Its name in errors and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Restriction(kind) => kind.as_str(),
            Self::Quota => "quota",
            Self::Person => "person",
            Self::SameText => "same_text",
            Self::FirstContactsDay => "first_contacts_day",
            Self::FirstContactsMonth => "first_contacts_month",
            Self::Day => "day",
            Self::ReplyDay => "reply_day",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Gap => "gap",
            Self::History => "history",
            Self::Refused => "refused",
            Self::Lookups => "lookups",
            Self::Groups => "groups",
            Self::Strangers => "strangers",
            Self::Posts => "posts",
        }
    }
}

/// Whose limit it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitSource {
    /// Ours.
    Own,
    /// The server's, with its code where there is one.
    Server {
        /// The code.
        code: Option<u16>,
    },
}

/// What to do when a limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OnLimit {
    /// Say so.
    #[default]
    Reject,
    /// Wait up to this long, then say so.
    WaitUpTo(Duration),
    /// Keep it, and send it when it may be sent, if that is within this long.
    Enqueue {
        /// How long it is worth sending.
        deadline: Duration,
    },
}

impl TrustState {
    /// Whether something may be done now. Nothing is counted. `text` is a keyed hash of what is said, where that counts.
    #[must_use]
    pub fn admit(&self, terms: &Terms<'_>, deed: &Deed, text: Option<u64>, now: UnixMillis) -> Admission {
        let lane = Lane::of(deed, now);
        let mut limits = Limits { lane, now, found: Vec::new() };
        self.look(terms, deed, text, now, &mut limits);
        limits.verdict()
    }

    /// Counts something that may be done now, before it leaves. `random` draws the pause to the next first contact.
    ///
    /// # Errors
    /// The limit that stands against it; nothing is counted then.
    pub fn reserve(
        &mut self,
        terms: &Terms<'_>,
        id: impl Into<String>,
        deed: &Deed,
        text: Option<u64>,
        now: UnixMillis,
        random: u64,
    ) -> Result<Reservation, LimitInfo> {
        let now = UnixMillis(now.0.max(self.last));
        self.begin_day(terms.zone, now);
        let lane = match self.admit(terms, deed, text, now) {
            Admission::Allow { lane } => lane,
            Admission::Delay(limit) | Admission::Deny(limit) => return Err(limit),
        };
        self.last = now.0;
        self.record.active = now.0;
        self.forget_old(now);
        let level = terms.table.level(self.level());
        let person = if let Deed::Message(person) = deed { Some(person.id) } else { None };
        let count = match deed {
            Deed::Lookup { numbers } => *numbers,
            Deed::CreateGroup { strangers } | Deed::AddToGroup { strangers } => *strangers,
            _ => 1,
        };
        let pace = terms.pace(level.per_minute, now);
        match lane {
            Lane::Reply => {
                self.usage.replies += 1;
                self.replies.take(now, terms.pace(level.reply_per_minute, now));
            }
            Lane::Lookup => {
                self.lookups.add(now, count, DAY);
                self.next_lookup = now.after(LOOKUP_GAP).0;
            }
            Lane::GroupAdmin => {
                if matches!(deed, Deed::CreateGroup { .. }) {
                    self.groups.add(now, 1, DAY);
                }
                self.strangers.add(now, count, DAY);
                self.group_pace.take(now, pace);
            }
            Lane::Status => {
                self.posts.add(now, 1, DAY);
                self.pace.take(now, pace);
            }
            Lane::Group => {
                self.pace.take(now, pace);
                self.group_pace.take(now, pace);
            }
            Lane::Light | Lane::Known | Lane::Unanswered | Lane::FirstContact => self.pace.take(now, pace),
        }
        self.has_counted = true;
        let is_gated = lane.is_counted() && (lane.is_gated() || self.is_strict);
        if lane.is_counted() {
            self.usage.sent += 1;
            self.usage.gated += u32::from(is_gated);
            if lane != Lane::Reply {
                self.hour.add(now, 1, HOUR);
            }
        }
        if lane.is_to_stranger() {
            let (shortest, longest) = (millis(level.gap.0), millis(level.gap.1));
            self.next_contact = now.0 + shortest + random % (longest - shortest + 1);
            // The server counts each message that nobody answers.
            if let Some(quota) = &mut self.quota {
                quota.left = quota.left.saturating_sub(1);
            }
        }
        if lane == Lane::FirstContact
            && let Some(person) = person
        {
            self.contacts.push_back(Contact { person, at: now.0, is_answered: false });
        }
        if let (Some(tag), Some(person)) = (text, person)
            && lane != Lane::Reply
        {
            self.texts.push_back(SentText { tag, person, at: now.0 });
        }
        Ok(Reservation {
            id: id.into(),
            lane,
            at: now,
            day: self.day,
            state: ReservationState::Reserved,
            count,
            person,
            chat: None,
            is_new_group: matches!(deed, Deed::CreateGroup { .. }),
            is_gated,
            settled_at: None,
            code: None,
        })
    }

    /// Whether a ban for the same text to too many is not long ago: one person gets it, and nobody else.
    #[must_use]
    pub fn is_text_limited(&self, now: UnixMillis) -> bool {
        let closed = RestrictionKind::LaneClosed(ClosedLane::SameText);
        self.restrictions(now).iter().any(|restriction| restriction.kind == closed)
    }

    /// What became of something that was counted. Only what surely never left is counted no more.
    pub fn settle(&mut self, reservation: &mut Reservation, state: ReservationState) {
        if reservation.state != ReservationState::Reserved {
            return;
        }
        reservation.state = state;
        match state {
            // What is looked up is no message.
            ReservationState::Sent | ReservationState::Refused if reservation.lane == Lane::Lookup => {}
            ReservationState::Sent => self.record.sent = self.record.sent.saturating_add(1),
            ReservationState::Refused => {
                self.record.sent = self.record.sent.saturating_add(1);
                let is_repair = reservation.code.is_some_and(|code| REPAIRS.contains(&code));
                self.record.failed = self.record.failed.saturating_add(u32::from(!is_repair));
            }
            ReservationState::Released => self.release(reservation),
            ReservationState::Reserved => {}
        }
    }

    fn release(&mut self, reservation: &Reservation) {
        let Reservation { lane, at, .. } = *reservation;
        if lane.is_counted() && reservation.day == self.day {
            self.usage.sent = self.usage.sent.saturating_sub(1);
            // As it was counted, whatever is set by now.
            if reservation.is_gated {
                self.usage.gated = self.usage.gated.saturating_sub(1);
                if at.0 <= self.usage.forgiven_until {
                    self.usage.forgiven = self.usage.forgiven.saturating_sub(1);
                }
            }
            if lane == Lane::Reply {
                self.usage.replies = self.usage.replies.saturating_sub(1);
            }
        }
        // Others may have been counted at the same time: what is taken back is what this one added.
        match lane {
            Lane::Lookup => self.lookups.remove(at, reservation.count),
            Lane::GroupAdmin => {
                if reservation.is_new_group {
                    self.groups.remove(at, 1);
                }
                self.strangers.remove(at, reservation.count);
            }
            Lane::Status => self.posts.remove(at, 1),
            Lane::Light | Lane::Reply => {}
            Lane::Known | Lane::Unanswered | Lane::FirstContact | Lane::Group => self.hour.remove(at, 1),
        }
        let Some(person) = reservation.person else { return };
        if lane == Lane::FirstContact {
            self.contacts.retain(|contact| contact.person != person || contact.at != at.0);
        }
        let is_its = |text: &SentText| text.person == person && text.at == at.0;
        if lane != Lane::Reply
            && let Some(place) = self.texts.iter().rposition(is_its)
        {
            self.texts.remove(place);
        }
    }

    /// Somebody wrote to the account.
    pub fn note_inbound(&mut self, person: u64, now: UnixMillis) {
        const ANSWER: Duration = Duration::from_secs(72 * 60 * 60);
        self.allow_person(person);
        self.record.active = self.record.active.max(now.0);
        for contact in self.contacts.iter_mut().filter(|contact| contact.person == person) {
            contact.is_answered |= now.0.saturating_sub(contact.at) <= millis(ANSWER);
        }
    }

    fn look(&self, terms: &Terms<'_>, deed: &Deed, text: Option<u64>, now: UnixMillis, limits: &mut Limits) {
        let (lane, level) = (limits.lane, terms.table.level(self.level()));
        self.look_at_restrictions(lane, deed, now, limits);
        match deed {
            Deed::Message(person) => self.look_at_person(level, person, text, now, limits),
            Deed::Lookup { numbers } => {
                if *numbers > MOST_LOOKUPS {
                    limits.own(Scope::Lookups, MOST_LOOKUPS, *numbers, None);
                }
                if now.0 < self.next_lookup {
                    limits.own(Scope::Gap, 1, 1, Some(UnixMillis(self.next_lookup)));
                }
                limits.window(Scope::Lookups, &self.lookups, DAY, level.lookups, *numbers);
            }
            Deed::CreateGroup { strangers } | Deed::AddToGroup { strangers } => {
                if matches!(deed, Deed::CreateGroup { .. }) {
                    limits.window(Scope::Groups, &self.groups, DAY, level.groups, 1);
                }
                limits.window(Scope::Strangers, &self.strangers, DAY, level.strangers, *strangers);
            }
            Deed::Status => limits.window(Scope::Posts, &self.posts, DAY, level.posts, 1),
            Deed::Light | Deed::Group => {}
        }
        self.look_at_day(terms, level, now, limits);
        self.look_at_pace(terms, level, now, limits);
    }

    fn look_at_restrictions(&self, lane: Lane, deed: &Deed, now: UnixMillis, limits: &mut Limits) {
        let has_strangers =
            matches!(deed, Deed::CreateGroup { strangers: 1.. } | Deed::AddToGroup { strangers: 1.. });
        for restriction in self.restrictions(now) {
            let forbids = match restriction.kind {
                RestrictionKind::TimeLock => lane.is_to_stranger() || has_strangers,
                RestrictionKind::NewChats => lane.is_to_stranger(),
                RestrictionKind::FirstContacts | RestrictionKind::LaneClosed(ClosedLane::FirstContact) => {
                    lane == Lane::FirstContact
                }
                RestrictionKind::Pause => lane != Lane::Reply,
                RestrictionKind::LaneClosed(ClosedLane::GroupAdmin) => lane == Lane::GroupAdmin,
                RestrictionKind::LaneClosed(ClosedLane::Status) => lane == Lane::Status,
                // It lowers a limit.
                RestrictionKind::LaneClosed(ClosedLane::SameText) => false,
            };
            if forbids {
                limits.add(LimitInfo {
                    lane,
                    scope: Scope::Restriction(restriction.kind),
                    limit: 0,
                    used: 0,
                    retry_at: restriction.until.map(UnixMillis),
                    source: LimitSource::Server { code: restriction.code },
                });
            }
        }
    }

    fn look_at_person(
        &self,
        level: &Level,
        person: &Person,
        text: Option<u64>,
        now: UnixMillis,
        limits: &mut Limits,
    ) {
        let lane = limits.lane;
        let is_older = |at: u64| person.token_at.is_none_or(|given| given.0 <= at);
        if self.refused.iter().any(|refused| refused.person == person.id && is_older(refused.at)) {
            limits.add(LimitInfo {
                lane,
                scope: Scope::Refused,
                limit: 0,
                used: 1,
                retry_at: None,
                source: LimitSource::Server { code: Some(463) },
            });
        }
        if lane == Lane::FirstContact && now.0 < self.history_until {
            let until = (self.history_until != u64::MAX).then_some(UnixMillis(self.history_until));
            limits.own(Scope::History, 0, 0, until);
        }
        if lane.is_to_stranger() {
            if person.unanswered >= level.unanswered_each {
                limits.own(Scope::Person, level.unanswered_each, person.unanswered, None);
            }
            if now.0 < self.next_contact {
                limits.own(Scope::Gap, 1, 1, Some(UnixMillis(self.next_contact)));
            }
        }
        if lane == Lane::FirstContact {
            let held = |limit: u32| self.held(limit, now);
            for (scope, span, limit) in [
                (Scope::FirstContactsDay, DAY, held(level.first_contacts_day)),
                (Scope::FirstContactsMonth, MONTH, held(level.first_contacts_month)),
            ] {
                let used = self.contacts_within(now, span);
                if used >= limit {
                    let free = self.contact_free_at(now, span, limit);
                    limits.own(scope, limit, used, free);
                }
            }
        }
        if lane.is_to_stranger()
            && let Some(quota) = self.quota.filter(|quota| now.0 < quota.ends && quota.left == 0)
        {
            limits.add(LimitInfo {
                lane,
                scope: Scope::Quota,
                limit: 0,
                used: 0,
                retry_at: Some(UnixMillis(quota.ends)),
                source: LimitSource::Server { code: None },
            });
        }
        if let Some(tag) = text.filter(|_| lane != Lane::Reply) {
            self.look_at_text(level, person.id, tag, now, limits);
        }
    }

    fn look_at_text(&self, level: &Level, person: u64, tag: u64, now: UnixMillis, limits: &mut Limits) {
        let limit = if self.is_text_limited(now) { level.same_text.min(1) } else { level.same_text };
        let since = now.0.saturating_sub(millis(DAY));
        let mut others: Vec<(u64, u64)> = Vec::new();
        for text in self.texts.iter().filter(|text| text.tag == tag && text.at >= since) {
            if text.person == person {
                return;
            }
            match others.iter_mut().find(|(known, _)| *known == text.person) {
                Some((_, at)) => *at = text.at,
                None => others.push((text.person, text.at)),
            }
        }
        let used = u32::try_from(others.len()).unwrap_or(u32::MAX);
        if used >= limit {
            others.sort_by_key(|(_, at)| *at);
            // So many must be over before there is room for one.
            let last = others.get((used - limit) as usize).filter(|_| limit > 0);
            let free = last.map(|(_, at)| UnixMillis(at + millis(DAY) + 1));
            limits.own(Scope::SameText, limit, used, free);
        }
    }

    fn look_at_day(&self, terms: &Terms<'_>, level: &Level, now: UnixMillis, limits: &mut Limits) {
        let lane = limits.lane;
        if !lane.is_counted() {
            return;
        }
        let (_, usage) = self.today(terms.zone, now);
        let next = self.next_day(terms.zone, now);
        if lane == Lane::Reply && usage.replies >= level.reply_daily {
            limits.own(Scope::ReplyDay, level.reply_daily, usage.replies, Some(next));
        }
        if lane.is_gated() || self.is_strict {
            let own = self.daily_limit(terms.table);
            let limit = terms.tenant_cap.map_or(own, |cap| cap.min(own));
            let used = usage.gated.saturating_sub(usage.forgiven);
            if used >= limit {
                limits.own(Scope::Day, limit, used, Some(next).filter(|_| limit > 0));
            }
        }
    }

    fn look_at_pace(&self, terms: &Terms<'_>, level: &Level, now: UnixMillis, limits: &mut Limits) {
        let pace = terms.pace(level.per_minute, now);
        match limits.lane {
            // A minute's worth at once, but not of a backlog.
            Lane::Reply => {
                let burst = terms.ramped(level.reply_per_minute, now);
                limits.bucket(self.replies, burst, terms.pace(level.reply_per_minute, now));
            }
            Lane::Light => limits.bucket(self.pace, level.burst.max(1), pace),
            Lane::Known | Lane::Unanswered | Lane::FirstContact | Lane::Group => {
                limits.window(Scope::Hour, &self.hour, HOUR, level.per_hour, 1);
                limits.bucket(self.pace, level.burst, pace);
            }
            Lane::Status => limits.bucket(self.pace, level.burst, pace),
            Lane::GroupAdmin | Lane::Lookup => {}
        }
        if matches!(limits.lane, Lane::Group | Lane::GroupAdmin) {
            limits.bucket(self.group_pace, level.burst, pace);
        }
    }

    /// When the next day begins for what is counted now.
    pub(crate) fn next_day(&self, zone: &Zone, now: UnixMillis) -> UnixMillis {
        let (day, _) = self.today(zone, now);
        let is_new = day != self.day;
        let began = if is_new { zone.day_start(now).0 } else { self.day_began };
        // East of where the day was counted the next one is here already; west of it, it is still the day before.
        let mut next = now;
        for _ in 0..3 {
            if zone.day(next) <= day {
                next = zone.next_day(next);
            }
        }
        next.max(UnixMillis(began.saturating_add(millis(SHORTEST_DAY))))
    }

    /// The day that now is of, with what was used of it.
    pub(super) fn today(&self, zone: &Zone, now: UnixMillis) -> (DayKey, DayUsage) {
        let day = zone.day(now);
        let is_new = day > self.day && now.0.saturating_sub(self.day_began) >= millis(SHORTEST_DAY);
        if is_new { (day, DayUsage::default()) } else { (self.day, self.usage) }
    }

    /// Begins a new day, if it is one. Whether it is.
    pub(super) fn begin_day(&mut self, zone: &Zone, now: UnixMillis) -> bool {
        let (day, usage) = self.today(zone, now);
        let is_new = day != self.day;
        if is_new {
            // The day begins at its boundary, whenever it was noticed, and never early.
            let began = zone.day_start(now).0.max(self.day_began.saturating_add(millis(SHORTEST_DAY)));
            (self.day, self.usage, self.day_began) = (day, usage, began.min(now.0));
        }
        is_new
    }

    fn held(&self, limit: u32, now: UnixMillis) -> u32 {
        let percent = self.holds.iter().filter(|hold| now.0 < hold.until).map(|hold| hold.percent).min();
        percent.map_or(limit, |percent| limit.saturating_mul(percent).div_ceil(100))
    }

    fn contact_free_at(&self, now: UnixMillis, span: Duration, limit: u32) -> Option<UnixMillis> {
        let since = now.0.saturating_sub(millis(span));
        let inside: Vec<u64> =
            self.contacts.iter().map(|contact| contact.at).filter(|at| *at >= since).collect();
        let over = inside.len().checked_sub(limit as usize).filter(|_| limit > 0)?;
        inside.get(over).map(|at| UnixMillis(at + millis(span) + 1))
    }

    fn forget_old(&mut self, now: UnixMillis) {
        let (month, day) = (now.0.saturating_sub(millis(MONTH)), now.0.saturating_sub(millis(DAY)));
        self.contacts.retain(|contact| contact.at >= month);
        self.texts.retain(|text| text.at >= day);
        self.restrictions.retain(|restriction| restriction.until.is_none_or(|until| now.0 < until));
        self.holds.retain(|hold| now.0 < hold.until);
    }
}

/// The limits that stand against something.
struct Limits {
    lane: Lane,
    now: UnixMillis,
    found: Vec<LimitInfo>,
}

impl Limits {
    fn add(&mut self, limit: LimitInfo) {
        self.found.push(limit);
    }

    fn own(&mut self, scope: Scope, limit: u32, used: u32, retry_at: Option<UnixMillis>) {
        self.add(LimitInfo { lane: self.lane, scope, limit, used, retry_at, source: LimitSource::Own });
    }

    /// A limit of so many within a span, of which `count` more are wanted.
    fn window(&mut self, scope: Scope, window: &Window, span: Duration, limit: u32, count: u32) {
        let free = window.free_at(self.now, span, limit, count);
        if free.is_none_or(|at| at > self.now) {
            self.own(scope, limit, window.sum(self.now, span), free);
        }
    }

    fn bucket(&mut self, bucket: Bucket, burst: u32, refill: Duration) {
        let free = bucket.free_at(self.now, burst, refill);
        if burst == 0 {
            self.own(Scope::Minute, 0, 0, None);
        } else if free > self.now {
            self.own(Scope::Minute, burst, burst, Some(free));
        }
    }

    /// Of several limits that which lasts longest: none that time does not help against comes before one.
    fn verdict(self) -> Admission {
        let lane = self.lane;
        // Of equals the first that was looked at.
        let longest =
            self.found.into_iter().rev().max_by_key(|limit| limit.retry_at.map_or(u64::MAX, |at| at.0));
        match longest {
            None => Admission::Allow { lane },
            Some(limit) if limit.retry_at.is_none() => Admission::Deny(limit),
            Some(limit) => Admission::Delay(limit),
        }
    }
}

/// How long one of so many a minute takes.
fn every(per_minute: u32) -> Duration {
    PACE / per_minute.max(1)
}

impl Terms<'_> {
    /// How much of the pace is allowed by now: from a quarter right after a login to all of it, in percent.
    fn percent(&self, now: UnixMillis) -> u32 {
        let since = now.since(self.ready_since).min(RAMP);
        25 + u32::try_from(since.as_secs() * 75 / RAMP.as_secs()).unwrap_or(75)
    }

    /// How long one of so many a minute takes, by now.
    fn pace(&self, per_minute: u32, now: UnixMillis) -> Duration {
        every(per_minute) * 100 / self.percent(now)
    }

    /// How many of so many may happen at once, by now.
    fn ramped(&self, count: u32, now: UnixMillis) -> u32 {
        count.saturating_mul(self.percent(now)).div_ceil(100)
    }
}
