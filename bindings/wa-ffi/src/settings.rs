//! What is set for an account.

use wa_manager::account::{StorageMode, SyncLimit};

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
}

impl AccountSettings {
    pub(crate) fn into_core(self) -> Result<wa_manager::AccountSettings, WaError> {
        let storage_mode = match self.storage {
            None | Some(MediaStorage::Files) => StorageMode::Filesystem,
            Some(MediaStorage::Database) => StorageMode::Database,
            Some(MediaStorage::Nowhere) => StorageMode::None,
            Some(MediaStorage::Unknown) => {
                return Err(WaError::invalid("invalid_settings", "say where files are to be kept"));
            }
        };
        let zone =
            |name: String| name.try_into().map_err(|error| WaError::invalid("invalid_settings", error));
        Ok(wa_manager::AccountSettings {
            auto_start: self.auto_start,
            sync_limit: SyncLimit::new(self.sync_limit)
                .map_err(|error| WaError::invalid("invalid_settings", error))?,
            storage_mode,
            strict_daily_limit: self.strict_daily_limit,
            time_zone: self.time_zone.map(zone).transpose()?,
            ..wa_manager::AccountSettings::default()
        })
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
        }
    }
}
