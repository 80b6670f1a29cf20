//! The client's events as signals: what the server says about the account. Requirements: manager.md, 3.1.

use std::time::Duration;

use wa_core::client::{NewChatQuota, ReachoutTimelock};
use wa_core::connection::CloseReason;
use wa_core::event::{AccountChange, Event};
use wa_core::stanza::stream::{BanCause, Failure, Refusal, StreamError};
use wa_types::{UnixMillis, UnixSeconds};

use crate::trust::{BanCode, Signal};

/// A cycle whose end is not told is believed to end so soon.
const UNTOLD_CYCLE: Duration = Duration::from_secs(24 * 60 * 60);

/// A ban whose end is not told is believed to last so long; it is the shortest that was seen.
const UNTOLD_BAN: Duration = Duration::from_secs(24 * 60 * 60);

/// What an event says about the account's limits; `None` for most.
#[must_use]
pub fn signal_of(event: &Event, now: UnixMillis) -> Option<Signal> {
    match event {
        Event::Account(change) => match &**change {
            AccountChange::ReachoutTimelock(lock) => Some(time_lock(lock)),
            AccountChange::NewChatQuota(quota) => signal_of_quota(quota, now),
            _ => None,
        },
        Event::Disconnected { reason, .. } | Event::Closed { reason } | Event::LoggedOut { reason } => {
            of_close(reason, now)
        }
        _ => None,
    }
}

/// The server's time lock.
pub(super) fn time_lock(lock: &ReachoutTimelock) -> Signal {
    let until = lock.until.map(UnixSeconds::to_millis);
    // A word, and no text: it is shown.
    let enforcement = lock.kind.clone().filter(|kind| kind.len() <= 100);
    if lock.is_active { Signal::TimeLocked { until, enforcement } } else { Signal::TimeLockOver }
}

/// The server's quota of new chats; `None` when it says nothing of use.
#[must_use]
pub fn signal_of_quota(quota: &NewChatQuota, now: UnixMillis) -> Option<Signal> {
    let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let ends = quota.cycle_end.map(UnixSeconds::to_millis);
    let ends = super::heed::in_future(now, ends).unwrap_or_else(|| now.after(UNTOLD_CYCLE));
    let status = quota.status.as_deref();
    let leaves = match status {
        Some("CAPPED") => 0,
        Some("SECOND_WARNING") => 25,
        Some("FIRST_WARNING") => 50,
        _ => 100,
    };
    match (quota.total, quota.used) {
        (Some(total @ 1..), used) => {
            let used = number(used.unwrap_or(0));
            Some(Signal::Quota { total: number(total), used, ends, leaves })
        }
        // A quota of nothing is none. Only the word for it: as much as there may be, less what the word says.
        _ if status.is_some() => Some(Signal::Quota { total: u32::MAX, used: 0, ends, leaves }),
        _ => None,
    }
}

/// What the end of a connection says about the account.
pub(super) fn of_close(reason: &CloseReason, now: UnixMillis) -> Option<Signal> {
    match reason {
        // Without what the server said it is told again, after a restart.
        CloseReason::Banned { failure: None, .. } => None,
        CloseReason::Banned { until, failure: Some(failure) } => {
            Some(Signal::Banned { code: BanCode(ban_code(failure)), until: until.to_millis() })
        }
        CloseReason::Refused(failure) => match failure.reason {
            Refusal::TemporaryBan => {
                let until = now.after(failure.expires_in.unwrap_or(UNTOLD_BAN));
                Some(Signal::Banned { code: BanCode(ban_code(failure)), until })
            }
            Refusal::Locked | Refusal::Banned => Some(Signal::Locked),
            Refusal::RateLimited => Some(Signal::StreamOverlimit),
            _ => None,
        },
        CloseReason::StreamError(StreamError::RateLimited) => Some(Signal::StreamOverlimit),
        _ => None,
    }
}

fn ban_code(failure: &Failure) -> u16 {
    match failure.ban {
        Some(BanCause::TooManyStrangers) => 101,
        Some(BanCause::BlockedByTooMany) => 102,
        Some(BanCause::GroupsOfStrangers) => 103,
        Some(BanCause::SameMessageToTooMany) => 104,
        Some(BanCause::TooManyBroadcasts) => 106,
        Some(BanCause::Other(code)) => code,
        Some(_) | None => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const T: UnixMillis = UnixMillis(1_800_000_000_000);

    #[test]
    fn a_time_lock_is_on_until_its_end_or_off() {
        let lock = |value| ReachoutTimelock::read(&value).unwrap();
        let on = lock(json!({ "is_active": true, "time_enforcement_ends": 1_800_000_500 }));
        let until = Some(UnixMillis(1_800_000_500_000));
        assert_eq!(time_lock(&on), Signal::TimeLocked { until, enforcement: None });
        let untold = json!({ "is_active": true, "enforcement_type": "SOME_NEW_WORD" });
        let enforcement = Some("SOME_NEW_WORD".to_owned());
        assert_eq!(time_lock(&lock(untold)), Signal::TimeLocked { until: None, enforcement });
        assert_eq!(time_lock(&lock(json!({ "is_active": false }))), Signal::TimeLockOver);
    }

    #[test]
    fn a_quota_leaves_what_its_warning_says() {
        let quota = |value| signal_of_quota(&NewChatQuota::read(&value).unwrap(), T);
        let end = 1_800_000_500_u64;
        let said = json!({ "total_quota": 30, "used_quota": 15, "cycle_end_timestamp": end, "capping_status": "FIRST_WARNING" });
        let ends = UnixMillis(end * 1000);
        assert_eq!(quota(said), Some(Signal::Quota { total: 30, used: 15, ends, leaves: 50 }));
        let tomorrow = T.after(UNTOLD_CYCLE);
        let capped = Signal::Quota { total: u32::MAX, used: 0, ends: tomorrow, leaves: 0 };
        assert_eq!(quota(json!({ "capping_status": "CAPPED" })), Some(capped));
        let free = Signal::Quota { total: u32::MAX, used: 0, ends: tomorrow, leaves: 100 };
        assert_eq!(quota(json!({ "total_quota": 0, "capping_status": "NONE" })), Some(free));
        assert_eq!(quota(json!({})), None);
    }

    #[test]
    fn ends_of_connections_say_what_the_server_thinks() {
        let overlimit = CloseReason::StreamError(StreamError::RateLimited);
        assert_eq!(of_close(&overlimit, T), Some(Signal::StreamOverlimit));
        let told_again = CloseReason::Banned { until: UnixSeconds(1), failure: None };
        assert_eq!(of_close(&told_again, T), None);
        assert_eq!(of_close(&CloseReason::StreamEnd, T), None);
        let closed = Event::Closed { reason: overlimit };
        assert_eq!(signal_of(&closed, T), Some(Signal::StreamOverlimit));
    }
}
