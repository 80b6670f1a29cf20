//! What can be set for an account, with the defaults that were asked for. Requirements: manager.md, R106-R110, 4.9.

use serde::{Deserialize, Serialize};

use crate::trust::Zone;

/// What can be set. Unknown fields are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(clippy::exhaustive_structs, reason = "made by hosts with ..Default::default()")]
pub struct AccountSettings {
    /// It is started with the process, whether it ran before or not.
    pub auto_start: bool,
    /// How many messages of a chat are taken from the past; at most 500.
    pub sync_limit: SyncLimit,
    /// Where media go.
    pub storage_mode: StorageMode,
    /// Whether the daily limit gates answers, too.
    pub strict_daily_limit: bool,
    /// The time zone of its days, by IANA name; the manager's where there is none.
    pub time_zone: Option<ZoneName>,
    /// What a new identity key of somebody's phone means.
    pub identity_policy: IdentityPolicy,
    /// What is skipped of what comes in.
    pub ignore: IgnoreRules,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self {
            auto_start: false,
            sync_limit: SyncLimit(50),
            storage_mode: StorageMode::default(),
            strict_daily_limit: false,
            time_zone: None,
            identity_policy: IdentityPolicy::default(),
            ignore: IgnoreRules::default(),
        }
    }
}

/// How many messages of a chat are taken from the past: 0 to 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct SyncLimit(u16);

/// More than 500 messages of a chat were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at most 500 messages of a chat are taken from the past, not {asked}")]
pub struct SyncLimitTooHigh {
    /// How many.
    pub asked: u16,
}

impl SyncLimit {
    /// So many.
    ///
    /// # Errors
    /// [`SyncLimitTooHigh`].
    pub const fn new(count: u16) -> Result<Self, SyncLimitTooHigh> {
        if count > 500 { Err(SyncLimitTooHigh { asked: count }) } else { Ok(Self(count)) }
    }

    /// How many.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for SyncLimit {
    type Error = SyncLimitTooHigh;

    fn try_from(count: u16) -> Result<Self, SyncLimitTooHigh> {
        Self::new(count)
    }
}

impl From<SyncLimit> for u16 {
    fn from(limit: SyncLimit) -> Self {
        limit.0
    }
}

/// The name of a time zone that there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ZoneName(Zone);

impl ZoneName {
    /// The zone.
    #[must_use]
    pub const fn zone(&self) -> &Zone {
        &self.0
    }
}

impl TryFrom<String> for ZoneName {
    type Error = crate::trust::UnknownZone;

    fn try_from(name: String) -> Result<Self, crate::trust::UnknownZone> {
        Zone::named(&name).map(Self)
    }
}

impl From<ZoneName> for String {
    fn from(name: ZoneName) -> Self {
        name.0.name().to_owned()
    }
}

/// Where media go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StorageMode {
    /// Into files.
    #[default]
    Filesystem,
    /// Into the database.
    Database,
    /// To an object store.
    S3,
    /// They are not kept.
    None,
}

/// What a new identity key of somebody's phone means for messages to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IdentityPolicy {
    /// It is taken, and told.
    #[default]
    AutoTrust,
    /// Messages wait until it is trusted.
    Hold,
}

/// What is skipped of what comes in: acknowledged, counted as skipped, and told to nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(
    clippy::exhaustive_structs,
    clippy::struct_excessive_bools,
    reason = "one switch for each kind of chat"
)]
pub struct IgnoreRules {
    /// Status posts.
    pub status: bool,
    /// Messages of broadcast lists.
    pub broadcast: bool,
    /// Messages of groups.
    pub groups: bool,
    /// Posts of channels.
    pub newsletters: bool,
}

impl Default for IgnoreRules {
    fn default() -> Self {
        Self { status: true, broadcast: false, groups: false, newsletters: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R083, R106, R107, R108, R165
    #[test]
    fn the_defaults_are_those_that_were_asked_for() {
        let text = r#"{"autoStart":false,"syncLimit":50,"storageMode":"filesystem","strictDailyLimit":false,"timeZone":null,"identityPolicy":"auto_trust","ignore":{"status":true,"broadcast":false,"groups":false,"newsletters":false}}"#;
        assert_eq!(serde_json::to_string(&AccountSettings::default()).unwrap(), text);
        assert_eq!(serde_json::from_str::<AccountSettings>("{}").unwrap(), AccountSettings::default());
    }

    // R132
    #[test]
    fn what_cannot_be_is_refused() {
        for bad in [
            r#"{"syncLimit":501}"#,
            r#"{"syncLimit":-1}"#,
            r#"{"storageMode":"tape"}"#,
            r#"{"timeZone":"Mars/Olympus"}"#,
            r#"{"autostart":true}"#,
            r#"{"ignore":{"everything":true}}"#,
        ] {
            assert!(serde_json::from_str::<AccountSettings>(bad).is_err(), "{bad}");
        }
        let zone = serde_json::from_str::<AccountSettings>(r#"{"timeZone":"Asia/Jakarta"}"#).unwrap();
        assert_eq!(zone.time_zone.unwrap().zone().name(), "Asia/Jakarta");
    }
}
