//! What is set for an account.

use wa_manager::account::{IdentityPolicy, StorageMode, SyncLimit};

use crate::error::WaError;

/// Where files are kept that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum MediaStorage {
    /// In files.
    Files,
    /// In the manager's database.
    Database,
    /// Nowhere.
    Nowhere,
    /// In a place that this version does not know.
    Unknown,
}

/// What is set for an account. All of it may be left out.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct AccountSettings {
    /// It starts with the manager.
    #[uniffi(default = false)]
    pub auto_start: bool,
    /// How many messages of each chat's past are taken, 500 at most.
    #[uniffi(default = 50)]
    pub sync_limit: u16,
    /// Where files that came are kept; in files unless it is said.
    #[uniffi(default = None)]
    pub storage: Option<MediaStorage>,
    /// The daily limit holds for answers, too.
    #[uniffi(default = false)]
    pub strict_daily_limit: bool,
    /// The zone of its days, such as `Asia/Jakarta`; the manager's unless it is said.
    #[uniffi(default = None)]
    pub time_zone: Option<String>,
    /// Messages to users whose identity key changed wait until it is trusted.
    #[uniffi(default = false)]
    pub holds_for_new_identities: bool,
    /// Status posts are not told.
    #[uniffi(default = true)]
    pub ignores_status: bool,
    /// Messages of broadcast lists are not told.
    #[uniffi(default = false)]
    pub ignores_broadcasts: bool,
    /// Messages of groups are not told.
    #[uniffi(default = false)]
    pub ignores_groups: bool,
    /// Posts of channels are not told.
    #[uniffi(default = false)]
    pub ignores_channels: bool,
}

/// What is to be set anew for an account. What is left out stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, uniffi::Record)]
pub struct SettingsChange {
    /// It starts with the manager.
    #[uniffi(default = None)]
    pub auto_start: Option<bool>,
    /// How many messages of each chat's past are taken, 500 at most.
    #[uniffi(default = None)]
    pub sync_limit: Option<u16>,
    /// Where files that came are kept.
    #[uniffi(default = None)]
    pub storage: Option<MediaStorage>,
    /// The daily limit holds for answers, too.
    #[uniffi(default = None)]
    pub strict_daily_limit: Option<bool>,
    /// The zone of its days, such as `Asia/Jakarta`; an empty one is the manager's.
    #[uniffi(default = None)]
    pub time_zone: Option<String>,
    /// Messages to users whose identity key changed wait until it is trusted.
    #[uniffi(default = None)]
    pub holds_for_new_identities: Option<bool>,
    /// Status posts are not told.
    #[uniffi(default = None)]
    pub ignores_status: Option<bool>,
    /// Messages of broadcast lists are not told.
    #[uniffi(default = None)]
    pub ignores_broadcasts: Option<bool>,
    /// Messages of groups are not told.
    #[uniffi(default = None)]
    pub ignores_groups: Option<bool>,
    /// Posts of channels are not told.
    #[uniffi(default = None)]
    pub ignores_channels: Option<bool>,
}

impl SettingsChange {
    /// Those with the changes.
    pub(crate) fn on(
        &self,
        mut settings: wa_manager::AccountSettings,
    ) -> Result<wa_manager::AccountSettings, WaError> {
        let set = |value: Option<bool>, to: &mut bool| *to = value.unwrap_or(*to);
        set(self.auto_start, &mut settings.auto_start);
        set(self.strict_daily_limit, &mut settings.strict_daily_limit);
        set(self.ignores_status, &mut settings.ignore.status);
        set(self.ignores_broadcasts, &mut settings.ignore.broadcast);
        set(self.ignores_groups, &mut settings.ignore.groups);
        set(self.ignores_channels, &mut settings.ignore.newsletters);
        if let Some(limit) = self.sync_limit {
            settings.sync_limit = SyncLimit::new(limit).map_err(invalid)?;
        }
        if let Some(storage) = self.storage {
            settings.storage_mode = storage.to_core()?;
        }
        if let Some(name) = &self.time_zone {
            let zone = || name.clone().try_into().map_err(invalid);
            settings.time_zone = if name.is_empty() { None } else { Some(zone()?) };
        }
        if let Some(holds) = self.holds_for_new_identities {
            settings.identity_policy = if holds { IdentityPolicy::Hold } else { IdentityPolicy::AutoTrust };
        }
        Ok(settings)
    }
}

impl MediaStorage {
    // An object store (`StorageMode::S3`) is code of the host, and asynchronous: no language can give one.
    fn to_core(self) -> Result<StorageMode, WaError> {
        Ok(match self {
            Self::Files => StorageMode::Filesystem,
            Self::Database => StorageMode::Database,
            Self::Nowhere => StorageMode::None,
            Self::Unknown => return Err(invalid("say where files are to be kept")),
        })
    }
}

fn invalid(error: impl ToString) -> WaError {
    WaError::invalid("invalid_settings", error)
}

impl AccountSettings {
    pub(crate) fn into_core(self) -> Result<wa_manager::AccountSettings, WaError> {
        let all = SettingsChange {
            auto_start: Some(self.auto_start),
            sync_limit: Some(self.sync_limit),
            storage: self.storage,
            strict_daily_limit: Some(self.strict_daily_limit),
            time_zone: self.time_zone,
            holds_for_new_identities: Some(self.holds_for_new_identities),
            ignores_status: Some(self.ignores_status),
            ignores_broadcasts: Some(self.ignores_broadcasts),
            ignores_groups: Some(self.ignores_groups),
            ignores_channels: Some(self.ignores_channels),
        };
        all.on(wa_manager::AccountSettings::default())
    }

    pub(crate) fn of(settings: &wa_manager::AccountSettings) -> Self {
        Self {
            auto_start: settings.auto_start,
            sync_limit: settings.sync_limit.get(),
            storage: Some(match settings.storage_mode {
                StorageMode::Filesystem => MediaStorage::Files,
                StorageMode::Database => MediaStorage::Database,
                StorageMode::None => MediaStorage::Nowhere,
                _ => MediaStorage::Unknown,
            }),
            strict_daily_limit: settings.strict_daily_limit,
            time_zone: settings.time_zone.clone().map(String::from),
            holds_for_new_identities: settings.identity_policy == IdentityPolicy::Hold,
            ignores_status: settings.ignore.status,
            ignores_broadcasts: settings.ignore.broadcast,
            ignores_groups: settings.ignore.groups,
            ignores_channels: settings.ignore.newsletters,
        }
    }
}

#[cfg(test)]
mod tests {
    use wa_manager::account::IgnoreRules;

    use super::*;

    #[test]
    fn what_is_left_out_of_a_change_stays_as_it_is() {
        let mut before = wa_manager::AccountSettings {
            // What a host without this library set: nothing here can say it, and nothing here undoes it.
            storage_mode: StorageMode::S3,
            auto_start: true,
            ..wa_manager::AccountSettings::default()
        };
        before.ignore.groups = true;
        assert_eq!(SettingsChange::default().on(before.clone()).unwrap(), before);
        let change = SettingsChange {
            sync_limit: Some(7),
            time_zone: Some("Asia/Jakarta".to_owned()),
            ..SettingsChange::default()
        };
        let after = change.on(before.clone()).unwrap();
        assert_eq!(
            (after.sync_limit.get(), after.storage_mode, after.auto_start),
            (7, StorageMode::S3, true)
        );
        assert!(after.ignore.groups && after.time_zone.is_some());
        let back = SettingsChange { time_zone: Some(String::new()), ..SettingsChange::default() };
        assert_eq!(back.on(after).unwrap().time_zone, None);
        let bad = SettingsChange { sync_limit: Some(501), ..SettingsChange::default() };
        assert!(matches!(bad.on(before), Err(WaError::Invalid { code, .. }) if code == "invalid_settings"));
    }

    #[test]
    fn settings_cross_both_ways() {
        let core = wa_manager::AccountSettings {
            auto_start: true,
            storage_mode: StorageMode::Database,
            strict_daily_limit: true,
            time_zone: Some("Asia/Jakarta".to_owned().try_into().unwrap()),
            identity_policy: IdentityPolicy::Hold,
            ignore: IgnoreRules { status: false, broadcast: true, groups: true, newsletters: true },
            sync_limit: SyncLimit::new(3).unwrap(),
        };
        assert_eq!(AccountSettings::of(&core).into_core().unwrap(), core);
        let default = AccountSettings::of(&wa_manager::AccountSettings::default());
        assert_eq!(default.into_core().unwrap(), wa_manager::AccountSettings::default());
    }
}
