//! What the account may do only so often: the reach-out time lock, and the quota of new chats. Asked for, and told when
//! they change. Protocol: IQ catalogue, "Mex".

use serde_json::{Value, json};
use wa_types::UnixSeconds;

use super::number;

/// Whether the account may write to people who never wrote to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReachoutTimelock {
    /// It may not, for now.
    pub is_active: bool,
    /// When that ends, as far as the server says.
    pub until: Option<UnixSeconds>,
    /// The server's word for the kind of lock.
    pub kind: Option<String>,
}

/// How many chats the account may still begin in this cycle. Whatever the server does not say is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewChatQuota {
    /// How many in a cycle.
    pub total: Option<u64>,
    /// How many of them are used.
    pub used: Option<u64>,
    /// When the cycle began.
    pub cycle_start: Option<UnixSeconds>,
    /// When it ends.
    pub cycle_end: Option<UnixSeconds>,
    /// When the server said so.
    pub told: Option<UnixSeconds>,
    /// The server's word for how close the limit is: `NONE`, `FIRST_WARNING`, `SECOND_WARNING`, `CAPPED`, …
    pub status: Option<String>,
    /// The server's word for whether a one-time extension is to be had.
    pub extension: Option<String>,
    /// The server's word for whether a verification lifts it.
    pub verification: Option<String>,
}

impl ReachoutTimelock {
    /// Reads the object of the query or the notification. `None` when it is none.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        let fields = value.as_object()?;
        Some(Self {
            is_active: fields.get("is_active").and_then(Value::as_bool).unwrap_or_default(),
            until: time(value, "time_enforcement_ends"),
            kind: text(value, "enforcement_type"),
        })
    }
}

impl NewChatQuota {
    /// The variables of its query.
    #[must_use]
    pub fn variables() -> Value {
        json!({ "input": { "type": "INDIVIDUAL_NEW_CHAT_MSG" } })
    }

    /// Reads the object of the query or the notification. `None` when it is none.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        value.as_object()?;
        Some(Self {
            total: value.get("total_quota").and_then(number),
            used: value.get("used_quota").and_then(number),
            cycle_start: time(value, "cycle_start_timestamp"),
            cycle_end: time(value, "cycle_end_timestamp"),
            told: time(value, "server_sent_timestamp"),
            status: text(value, "capping_status"),
            extension: text(value, "ote_status"),
            verification: text(value, "mv_status"),
        })
    }
}

fn time(value: &Value, name: &str) -> Option<UnixSeconds> {
    value.get(name).and_then(number).filter(|time| *time > 0).map(UnixSeconds)
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_may_be_texts_and_everything_may_be_absent() {
        let lock =
            json!({ "is_active": true, "time_enforcement_ends": "1700000000", "enforcement_type": "X" });
        let expected = ReachoutTimelock {
            is_active: true,
            until: Some(UnixSeconds(1_700_000_000)),
            kind: Some("X".to_owned()),
        };
        assert_eq!(ReachoutTimelock::read(&lock), Some(expected));
        let none = ReachoutTimelock { is_active: false, until: None, kind: None };
        assert_eq!(ReachoutTimelock::read(&json!({ "time_enforcement_ends": 0 })), Some(none));
        assert_eq!(ReachoutTimelock::read(&json!(1)), None);

        let quota =
            NewChatQuota::read(&json!({ "total_quota": 10, "used_quota": "3", "cycle_end_timestamp": 5 }));
        let quota = quota.unwrap();
        assert_eq!((quota.total, quota.used), (Some(10), Some(3)));
        assert_eq!((quota.cycle_start, quota.cycle_end), (None, Some(UnixSeconds(5))));
        assert_eq!(NewChatQuota::read(&Value::Null), None);
    }
}
