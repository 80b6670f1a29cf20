//! Levels of trust and their limits. All figures are our own proposals, and configuration.

use std::time::Duration;

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * 60;

/// How far an account is trusted, 0 to 5. 0 is held: it only answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustLevel(u8);

impl TrustLevel {
    /// Only answers, until an operator acknowledges.
    pub const HELD: Self = Self(0);
    /// Where a new account starts.
    pub const NEW: Self = Self(1);
    /// The highest.
    pub const HIGHEST: Self = Self(5);

    /// `None` above the highest.
    #[must_use]
    pub const fn new(level: u8) -> Option<Self> {
        if level <= Self::HIGHEST.0 { Some(Self(level)) } else { None }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// One higher, up to the highest.
    #[must_use]
    pub fn up(self) -> Self {
        Self(self.0.saturating_add(1)).min(Self::HIGHEST)
    }

    /// One lower, down to the level of new accounts; a held one stays held.
    #[must_use]
    pub fn down(self) -> Self {
        if self == Self::HELD { self } else { Self(self.0.saturating_sub(1)).max(Self::NEW) }
    }
}

/// The limits of one level. Those of a day count any 24 hours, but for `daily` and `reply_daily`: they are of a
/// calendar day.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Level {
    /// How long an account must have been managed to come here.
    pub min_age: Duration,
    /// Messages a day, but for answers.
    pub daily: u32,
    /// First contacts a day.
    pub first_contacts_day: u32,
    /// First contacts in 30 days.
    pub first_contacts_month: u32,
    /// Messages to one person before any answer, in all.
    pub unanswered_each: u32,
    /// Messages a minute on counted lanes, in the long run.
    pub per_minute: u32,
    /// Messages an hour on counted lanes.
    pub per_hour: u32,
    /// Messages at once.
    pub burst: u32,
    /// The pause between first contacts is drawn from here.
    pub gap: (Duration, Duration),
    /// How many people get the same text, but for answers.
    pub same_text: u32,
    /// Numbers looked up a day.
    pub lookups: u32,
    /// Groups made a day.
    pub groups: u32,
    /// Strangers added to groups a day.
    pub strangers: u32,
    /// Status posts a day.
    pub posts: u32,
    /// Answers a minute.
    pub reply_per_minute: u32,
    /// Answers a day: a backstop.
    pub reply_daily: u32,
}

/// The limits of all levels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustTable {
    levels: [Level; 6],
    counts_texts: bool,
}

/// Which limits hold. There is no profile without limits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TrustPolicy {
    /// As proposed.
    #[default]
    Conservative,
    /// Half of that.
    Strict,
    /// The application's own.
    Custom(Box<TrustTable>),
}

impl TrustPolicy {
    /// Its limits.
    #[must_use]
    pub fn table(&self) -> TrustTable {
        match self {
            Self::Conservative => TrustTable::conservative(),
            Self::Strict => TrustTable::conservative().halved(),
            Self::Custom(table) => (**table).clone(),
        }
    }

    /// The same, as [`TrustTable::without_same_text`].
    #[must_use]
    pub fn without_same_text(self) -> Self {
        Self::Custom(Box::new(self.table().without_same_text()))
    }
}

impl TrustTable {
    /// These levels, from held to highest.
    #[must_use]
    pub const fn new(levels: [Level; 6]) -> Self {
        Self { levels, counts_texts: true }
    }

    /// Without the limit on the same text to several people, and without any trace of what is said. After a ban for the
    /// same text (104) it holds all the same.
    #[must_use]
    pub const fn without_same_text(mut self) -> Self {
        self.counts_texts = false;
        self
    }

    /// Whether the same text to several people is counted.
    #[must_use]
    pub const fn counts_texts(&self) -> bool {
        self.counts_texts
    }

    /// The default.
    #[must_use]
    pub fn conservative() -> Self {
        let row = |days, messages: [u32; 8], gap: [u64; 2], others: [u32; 7]| {
            let [daily, day, month, unanswered, per_minute, per_hour, burst, same_text] = messages;
            let [lookups, groups, strangers, posts, reply_per_minute, reply_daily, _] = others;
            Level {
                min_age: Duration::from_secs(days * DAY),
                daily,
                first_contacts_day: day,
                first_contacts_month: month,
                unanswered_each: unanswered,
                per_minute,
                per_hour,
                burst,
                gap: (Duration::from_secs(gap[0]), Duration::from_secs(gap[1])),
                same_text,
                lookups,
                groups,
                strangers,
                posts,
                reply_per_minute,
                reply_daily,
            }
        };
        Self::new([
            row(0, [0, 0, 0, 0, 0, 0, 0, 0], [0, 0], [0, 0, 0, 0, 4, 200, 0]),
            row(0, [50, 3, 40, 1, 4, 30, 2, 5], [120, 300], [20, 0, 0, 3, 8, 1_000, 0]),
            row(7, [120, 6, 80, 2, 5, 60, 3, 10], [90, 240], [50, 1, 5, 5, 12, 2_400, 0]),
            row(21, [250, 12, 150, 2, 6, 100, 4, 20], [60, 180], [100, 2, 15, 10, 16, 5_000, 0]),
            row(45, [500, 20, 250, 2, 7, 150, 5, 30], [45, 120], [150, 3, 30, 15, 20, 10_000, 0]),
            row(90, [1_000, 25, 400, 2, 8, 200, 5, 40], [30, 90], [200, 5, 50, 20, 20, 20_000, 0]),
        ])
    }

    /// Half of every budget, at least one where there was one; pauses twice as long.
    #[must_use]
    pub fn halved(mut self) -> Self {
        let half = |number: &mut u32| *number = number.div_ceil(2);
        for level in &mut self.levels {
            for number in [
                &mut level.daily,
                &mut level.first_contacts_day,
                &mut level.first_contacts_month,
                &mut level.per_minute,
                &mut level.per_hour,
                &mut level.burst,
                &mut level.same_text,
                &mut level.lookups,
                &mut level.groups,
                &mut level.strangers,
                &mut level.posts,
                &mut level.reply_per_minute,
                &mut level.reply_daily,
            ] {
                half(number);
            }
            level.unanswered_each = level.unanswered_each.min(1);
            level.gap = (level.gap.0 * 2, level.gap.1 * 2);
        }
        self
    }

    /// The limits of a level.
    #[must_use]
    pub fn level(&self, level: TrustLevel) -> &Level {
        let [held, first, second, third, fourth, fifth] = &self.levels;
        match level.number() {
            0 => held,
            1 => first,
            2 => second,
            3 => third,
            4 => fourth,
            _ => fifth,
        }
    }
}

/// A minute, as pace is counted.
pub(super) const PACE: Duration = Duration::from_secs(MINUTE);
