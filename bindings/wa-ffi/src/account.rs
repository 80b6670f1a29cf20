//! One account of a manager.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use wa_manager::account::{HistoryRequest, SyncLimit};
use wa_manager::{AccountPatch, AccountStatus as CoreStatus, ManagerError, Unlink};

use crate::error::{self, WaError};
use crate::event::TypingState;
use crate::limits::Trust;
use crate::pairing::{PairRequest, PairingTicket};
use crate::people::NumberStatus;
use crate::runtime::{self, Running};
use crate::settings::{AccountSettings, SettingsChange};
use crate::types;

/// Where an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum AccountStatus {
    /// Does not run.
    Idle,
    /// Opens its store, or connects.
    Loading,
    /// Shows a QR code.
    Qr,
    /// Shows a code to type.
    Pairing,
    /// The phone accepted; it logs in.
    Authenticated,
    /// Can send.
    Ready,
    /// Lost its connection, which comes back by itself.
    Disconnected,
    /// Needs a person, or a date: `reason` says which.
    Error,
    /// A state that this version does not know.
    Unknown,
}

/// Why an account stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Reason {
    /// Why, for programs: `network`, `logged_out`, `temporary_ban` and others.
    pub kind: String,
    /// The service's code, where there is one.
    pub code: Option<u16>,
    /// More, for logs.
    pub detail: Option<String>,
    /// When it is tried again by itself.
    pub retry_at: Option<SystemTime>,
    /// Whether starting the account by hand may help.
    pub is_retryable: bool,
    /// What a person should do: `relink`, `open_phone`, `wait`, `update_library`, `contact_operator` or `none`.
    pub user_action: String,
}

/// An account as it is at one moment.
#[derive(Debug, Clone, PartialEq, uniffi::Record)]
pub struct AccountSnapshot {
    /// Its id, which never changes.
    pub id: String,
    /// Whose it is.
    pub tenant: String,
    /// Its name, which never changes.
    pub name: String,
    /// What people call it.
    pub display_name: String,
    /// The host's own id of who it belongs to.
    pub owner: Option<String>,
    /// Where it stands.
    pub status: AccountStatus,
    /// Why.
    pub reason: Option<Reason>,
    /// Whether it shall run.
    pub shall_run: bool,
    /// Whether it is linked to a phone.
    pub is_linked: bool,
    /// Its phone number: digits.
    pub phone_number: Option<String>,
    /// The number of its last event: events with higher numbers are news.
    pub seq: u64,
    /// For updates that must not undo another one.
    pub version: u64,
    /// Its settings.
    pub settings: AccountSettings,
    /// How far it is trusted, and what was used of its limits.
    pub trust: Trust,
    /// What the host keeps with it.
    pub metadata: HashMap<String, String>,
    /// When it was made.
    pub created_at: SystemTime,
    /// When something was sent or received last.
    pub last_active_at: Option<SystemTime>,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct CommandOutcome {
    /// Where the account stood.
    pub before: AccountStatus,
    /// Where it stands.
    pub after: AccountStatus,
    /// Whether the command did anything.
    pub changed: bool,
}

impl AccountStatus {
    const fn of(status: CoreStatus) -> Self {
        match status {
            CoreStatus::Idle => Self::Idle,
            CoreStatus::Loading => Self::Loading,
            CoreStatus::Qr => Self::Qr,
            CoreStatus::Pairing => Self::Pairing,
            CoreStatus::Authenticated => Self::Authenticated,
            CoreStatus::Ready => Self::Ready,
            CoreStatus::Disconnected => Self::Disconnected,
            CoreStatus::Error => Self::Error,
            _ => Self::Unknown,
        }
    }
}

impl AccountSnapshot {
    pub(crate) fn of(snapshot: &wa_manager::AccountSnapshot) -> Self {
        let of = |reason: &wa_manager::account::Reason| Reason {
            kind: types::word(&reason.kind),
            code: reason.code,
            detail: reason.detail.clone(),
            retry_at: error::at(reason.retry_at.map(wa_types::UnixMillis)),
            is_retryable: reason.kind.is_retryable(),
            user_action: types::word(&reason.kind.user_action()),
        };
        Self {
            id: snapshot.id.to_string(),
            tenant: snapshot.tenant.to_string(),
            name: snapshot.name.as_str().to_owned(),
            display_name: snapshot.display_name.clone(),
            owner: snapshot.owner.clone(),
            status: AccountStatus::of(snapshot.status),
            reason: snapshot.reason.as_ref().map(of),
            shall_run: snapshot.desired == wa_manager::account::DesiredState::Running,
            is_linked: snapshot.is_logged_in,
            phone_number: snapshot.phone_number.clone(),
            seq: snapshot.seq,
            version: snapshot.version,
            settings: AccountSettings::of(&snapshot.settings),
            trust: Trust::of(&snapshot.trust),
            metadata: snapshot.metadata.clone().into_iter().collect(),
            created_at: types::time_ms(wa_types::UnixMillis(snapshot.created_at)),
            last_active_at: error::at(snapshot.last_active_at.map(wa_types::UnixMillis)),
        }
    }
}

/// One account of a manager. Holding it keeps nothing running.
#[derive(Debug, uniffi::Object)]
pub struct Account(wa_manager::Account);

impl Account {
    pub(crate) fn new(account: wa_manager::Account) -> Arc<Self> {
        Arc::new(Self(account))
    }

    pub(crate) fn core(&self) -> wa_manager::Account {
        self.0.clone()
    }

    pub(crate) fn call<T, E, F>(&self, call: impl FnOnce(wa_manager::Account) -> F) -> Running<T>
    where
        T: Send + 'static,
        WaError: From<E>,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let work = call(self.0.clone());
        runtime::run(async move { Ok(work.await?) })
    }
}

fn outcome(outcome: wa_manager::CommandOutcome) -> CommandOutcome {
    CommandOutcome {
        before: AccountStatus::of(outcome.before),
        after: AccountStatus::of(outcome.after),
        changed: outcome.changed,
    }
}

#[uniffi::export]
impl Account {
    /// Its id.
    pub fn id(&self) -> String {
        self.0.id().to_string()
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.0.name().as_str().to_owned()
    }

    /// How it is now.
    pub fn snapshot(&self) -> AccountSnapshot {
        AccountSnapshot::of(&self.0.snapshot())
    }

    /// Waits until it stands so. `NotFound` when it is gone.
    pub async fn reached(&self, status: AccountStatus) -> Result<AccountSnapshot, WaError> {
        let account = self.0.clone();
        runtime::run(async move {
            let reached = account.reached(|snapshot| AccountStatus::of(snapshot.status) == status).await;
            let snapshot = reached.ok_or_else(|| WaError::not_found("not_found", "the account is gone"))?;
            Ok(AccountSnapshot::of(&snapshot))
        })
        .await
    }

    /// Starts it. It is connected when it stands at `ready`.
    pub async fn start(&self) -> Result<CommandOutcome, WaError> {
        Ok(outcome(self.call(|account| async move { account.start().await }).await?))
    }

    /// Stops it. It stays linked.
    pub async fn stop(&self) -> Result<CommandOutcome, WaError> {
        Ok(outcome(self.call(|account| async move { account.stop().await }).await?))
    }

    /// Stops and starts it.
    pub async fn restart(&self) -> Result<CommandOutcome, WaError> {
        Ok(outcome(self.call(|account| async move { account.restart().await }).await?))
    }

    /// Unlinks it, and wipes its keys; settings, chats and contacts stay. With `force` also when the service cannot be
    /// told.
    #[uniffi::method(default(force = false))]
    pub async fn logout(&self, force: bool) -> Result<CommandOutcome, WaError> {
        let how = if force { Unlink::IfReachable } else { Unlink::AtServer };
        Ok(outcome(self.call(|account| async move { account.logout(how).await }).await?))
    }

    /// Begins to link it to a phone.
    pub async fn pair(&self, request: PairRequest) -> Result<Arc<PairingTicket>, WaError> {
        let request = request.into_core()?;
        PairingTicket::new(self.call(|account| async move { account.pair(request).await }).await?)
    }

    /// Calls the attempt to link it off, as its ticket would.
    pub async fn cancel_pairing(&self) -> Result<(), WaError> {
        self.call(|account| async move { account.cancel_pairing().await }).await
    }

    /// Asks for a new code to type, as its ticket would.
    pub async fn refresh_pairing(&self) -> Result<(), WaError> {
        self.call(|account| async move { account.refresh_pairing().await }).await
    }

    /// Changes its name for people, single settings, or what the host keeps with it; what is not said stays. With a version
    /// only if it has that one, else `Conflict`.
    #[uniffi::method(default(display_name = None, settings = None, metadata = None, version = None))]
    pub async fn update(
        &self,
        display_name: Option<String>,
        settings: Option<SettingsChange>,
        metadata: Option<HashMap<String, String>>,
        version: Option<u64>,
    ) -> Result<AccountSnapshot, WaError> {
        let account = self.core();
        let metadata = metadata.map(|metadata| metadata.into_iter().collect());
        runtime::run(async move {
            loop {
                let before = account.snapshot();
                let patch = AccountPatch {
                    // What the settings were is part of what they become.
                    version: version.or_else(|| settings.is_some().then_some(before.version)),
                    display_name: display_name.clone(),
                    settings: settings.as_ref().map(|change| change.on(before.settings)).transpose()?,
                    metadata: metadata.clone(),
                };
                match account.update(patch).await {
                    // Somebody else was faster: once that shows, again.
                    Err(ManagerError::VersionConflict { current }) if version.is_none() => {
                        account.reached(|snapshot| snapshot.version >= current).await;
                    }
                    updated => return Ok(AccountSnapshot::of(&updated?)),
                }
            }
        })
        .await
    }

    /// Shows in a chat that we write or record, or stopped.
    pub async fn set_typing(&self, chat: String, state: TypingState) -> Result<(), WaError> {
        let (chat, state) = (types::jid(&chat)?, state.to_core()?);
        self.call(|account| async move { account.set_typing(&chat, state).await }).await
    }

    /// Which of these phone numbers have an account, within the account's limits: 20 at most.
    pub async fn check_numbers(&self, numbers: Vec<String>) -> Result<Vec<NumberStatus>, WaError> {
        let numbers =
            numbers.iter().map(|number| types::phone_number(number)).collect::<Result<Vec<_>, _>>()?;
        let found = self.call(|account| async move { account.check_numbers(&numbers).await }).await?;
        let of = |status: wa_manager::account::NumberStatus| NumberStatus {
            number: status.number,
            is_registered: status.is_registered,
            address: status.jid,
            lid: status.lid,
            is_business: status.is_business,
        };
        Ok(found.into_iter().map(of).collect())
    }

    /// Asks the phone for older messages; `history.progress` tells of them. Returns the id of the job.
    #[uniffi::method(default(limit = None, chats = None))]
    pub async fn sync_history(
        &self,
        limit: Option<u16>,
        chats: Option<Vec<String>>,
    ) -> Result<String, WaError> {
        let limit = limit.map(SyncLimit::new).transpose();
        let request = HistoryRequest {
            limit: limit.map_err(|error| WaError::invalid("invalid_limit", error))?,
            chats: types::jids(&chats.unwrap_or_default())?,
            ..HistoryRequest::default()
        };
        let job = self.call(|account| async move { account.sync_history(request).await }).await?;
        Ok(job.id.to_string())
    }
}
