//! Settings that all devices of an account share: push name, locale, and others. Protocol: app state, "Action semantics".

use super::Client;
use super::app_state::AppState;
use crate::app_state::action::{Action, SettingAction};
use crate::error::CallError;

/// The shared settings of an account; [`Client::settings`] gives it. How changes travel is said at [`AppState`].
#[derive(Debug, Clone, Copy)]
pub struct Settings<'c> {
    state: AppState<'c>,
}

impl Client {
    /// The settings that the account's devices share. All that are not here are in [`Client::app_state`].
    #[must_use]
    pub const fn settings(&self) -> Settings<'_> {
        Settings { state: self.app_state() }
    }
}

impl Settings<'_> {
    /// The name that others see; `None` while it is not known.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn push_name(&self) -> Result<Option<String>, CallError> {
        Ok(match self.state.get(&["setting_pushName"]).await? {
            Some(Action::Setting(SettingAction::PushName { name })) => Some(name),
            _ => None,
        })
    }

    /// Gives the account another name: our devices hear of it, and those to whom we write see it from now on.
    ///
    /// # Errors
    /// [`CallError`]; nothing was changed.
    pub async fn set_push_name(&self, name: &str) -> Result<(), CallError> {
        self.set(SettingAction::PushName { name: name.to_owned() }).await
    }

    /// The language, as in `en_US`; `None` while it is not known.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn locale(&self) -> Result<Option<String>, CallError> {
        Ok(match self.state.get(&["setting_locale"]).await? {
            Some(Action::Setting(SettingAction::Locale { locale })) => Some(locale),
            _ => None,
        })
    }

    /// Whether archived chats come back with a new message.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn unarchives(&self) -> Result<bool, CallError> {
        let action = self.state.get(&["setting_unarchiveChats"]).await?;
        Ok(matches!(action, Some(Action::Setting(SettingAction::Unarchive { returns: true }))))
    }

    /// Lets archived chats come back with a new message, or stay.
    ///
    /// # Errors
    /// As [`Self::set_push_name`].
    pub async fn set_unarchives(&self, returns: bool) -> Result<(), CallError> {
        self.set(SettingAction::Unarchive { returns }).await
    }

    /// Whether links are sent without preview.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn disables_link_previews(&self) -> Result<bool, CallError> {
        let action = self.state.get(&["setting_disableLinkPreviews"]).await?;
        Ok(matches!(action, Some(Action::Setting(SettingAction::NoLinkPreviews { disabled: true }))))
    }

    async fn set(&self, action: SettingAction) -> Result<(), CallError> {
        self.state.set(vec![Action::Setting(action)]).await
    }
}
