//! Which day it is for an account. A new day is noticed when something happens in it: nothing has to run at midnight.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};
use wa_types::UnixMillis;

/// A calendar day, counted from the first of January 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DayKey(pub i64);

/// A time zone by its IANA name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    zone: TimeZone,
}

/// No time zone has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone {name:?}")]
pub struct UnknownZone {
    /// The name that was asked for.
    pub name: String,
}

const EPOCH: Date = Date::constant(1970, 1, 1);

impl Zone {
    /// Where days begin at midnight UTC.
    #[must_use]
    pub const fn utc() -> Self {
        Self { zone: TimeZone::UTC }
    }

    /// Coordinated universal time: the default.
    pub const UTC: Self = Self { zone: TimeZone::UTC };

    /// The zone of this name, such as `Asia/Jakarta`.
    ///
    /// # Errors
    /// [`UnknownZone`].
    pub fn named(name: &str) -> Result<Self, UnknownZone> {
        let zone = TimeZone::get(name).map_err(|_| UnknownZone { name: name.to_owned() })?;
        Ok(Self { zone })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// The day of a time.
    #[must_use]
    pub fn day(&self, at: UnixMillis) -> DayKey {
        let date = timestamp(at).to_zoned(self.zone.clone()).date();
        DayKey(date.duration_since(EPOCH).as_hours().div_euclid(24))
    }

    /// When the day of a time began.
    #[must_use]
    pub fn day_start(&self, at: UnixMillis) -> UnixMillis {
        let began = timestamp(at).to_zoned(self.zone.clone()).start_of_day();
        // A day that some zone left out, or one before 1970.
        began.map_or(at, |began| {
            UnixMillis(u64::try_from(began.timestamp().as_millisecond()).unwrap_or_default())
        })
    }

    /// When the next day begins.
    #[must_use]
    pub fn next_day(&self, at: UnixMillis) -> UnixMillis {
        let today = timestamp(at).to_zoned(self.zone.clone()).date();
        let next = today.checked_add(1.day()).and_then(|date| date.to_zoned(self.zone.clone()));
        // A day that some zone left out, or the end of the calendar.
        next.map_or(UnixMillis(at.0.saturating_add(24 * 60 * 60 * 1000)), |next| {
            UnixMillis(u64::try_from(next.timestamp().as_millisecond()).unwrap_or(at.0))
        })
    }
}

fn timestamp(at: UnixMillis) -> Timestamp {
    let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixMillis {
        let time: Timestamp = text.parse().unwrap();
        UnixMillis(time.as_millisecond().try_into().unwrap())
    }

    #[test]
    fn a_day_begins_at_midnight_in_its_zone() {
        let jakarta = Zone::named("Asia/Jakarta").unwrap();
        let (before, after) = (at("2026-03-01T16:59:59Z"), at("2026-03-01T17:00:00Z"));
        assert_eq!(jakarta.day(after).0, jakarta.day(before).0 + 1);
        assert_eq!(jakarta.next_day(before), after);
        assert_eq!(jakarta.day_start(at("2026-03-02T16:59:59Z")), after);
        assert_eq!(jakarta.day_start(after), after);
        assert_eq!(Zone::UTC.day(before), Zone::UTC.day(after));
    }

    #[test]
    fn days_of_23_and_25_hours_are_days() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let spring = at("2026-03-28T23:00:00Z");
        assert_eq!(berlin.next_day(spring).since(spring).as_secs(), 23 * 3600);
        let autumn = at("2026-10-24T22:00:00Z");
        assert_eq!(berlin.next_day(autumn).since(autumn).as_secs(), 25 * 3600);
    }

    #[test]
    fn an_unknown_zone_is_said() {
        assert_eq!(Zone::named("Atlantis").unwrap_err(), UnknownZone { name: "Atlantis".to_owned() });
    }
}
