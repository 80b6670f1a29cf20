//! One account of a manager, and how it is linked.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use wa_core::client::{AuthenticatorError, PasskeyAssertion};
use wa_manager::account::SendOutcome;
use wa_manager::account::{HistoryRequest, StorageMode, SyncLimit};
use wa_manager::inbound::InboundMessage;
use wa_manager::pairing::{self, Lang, PairError, Shown};
use wa_manager::sending::Actor;
use wa_manager::trust::{Admission, OnLimit, TrustLevel};
use wa_manager::{AccountPatch, AccountStatus as CoreStatus, Unlink};

use crate::error::{self, WaError};
use crate::event::TypingState;
use crate::message::Message;
use crate::people::NumberStatus;
use crate::queue::{CAPACITY, Queue};
use crate::runtime::{self, Task};
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
    /// What a person should do: `relink`, `open_phone`, `wait`, `update_library`, `contact_operator` or `none`.
    pub user_action: String,
}

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

    fn of(settings: &wa_manager::AccountSettings) -> Self {
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

/// How far an account is trusted, and what was used of its limits.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Trust {
    /// 0 to 5.
    pub level: u8,
    /// How many messages a day, answers not counted.
    pub daily_limit: u32,
    /// How many were sent today, answers counted.
    pub sent_today: u32,
    /// When the day ends.
    pub resets_at: SystemTime,
    /// What the service forbids now.
    pub restrictions: Vec<Restriction>,
}

/// Something that the service forbids.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Restriction {
    /// What.
    pub kind: String,
    /// Until when; until somebody acts without it.
    pub until: Option<SystemTime>,
    /// The service's code, where there is one.
    pub code: Option<u16>,
}

/// Whether something may be sent.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Preview {
    /// Now.
    Allowed {
        /// What it counts as.
        lane: String,
    },
    /// Not before a time.
    Later {
        /// What stands against it.
        limit: LimitInfo,
    },
    /// Not by waiting.
    Denied {
        /// What stands against it.
        limit: LimitInfo,
    },
    /// Something that this version does not know.
    Unknown,
}

/// A limit that is reached.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct LimitInfo {
    /// Whose budget, such as `first_contact`.
    pub lane: String,
    /// Of what, such as `day`.
    pub scope: String,
    /// How many are allowed.
    pub limit: u32,
    /// How many were used.
    pub used: u32,
    /// When it may be tried again.
    pub retry_at: Option<SystemTime>,
}

/// What to do when a limit is reached.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum LimitChoice {
    /// Say so: `WaError.Limited`.
    Reject,
    /// Wait up to this long, then say so.
    WaitUpTo {
        /// How long.
        duration: Duration,
    },
    /// Keep it, and send it when it may be sent, if that is within this long.
    Enqueue {
        /// How long it is worth sending.
        deadline: Duration,
    },
}

/// How an account sends a message. All of it may be left out.
#[derive(Debug, Clone, Default, uniffi::Record)]
pub struct AccountSendOptions {
    /// What to do when a limit is reached: say so, unless it is said.
    #[uniffi(default = None)]
    pub on_limit: Option<LimitChoice>,
    /// How long it may wait to be written.
    #[uniffi(default = None)]
    pub deadline: Option<Duration>,
    /// The host's own name for it: the same name sends nothing more for a day, and is answered as the first.
    #[uniffi(default = None)]
    pub idempotency_key: Option<String>,
    /// Its id.
    #[uniffi(default = None)]
    pub id: Option<String>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum SendResult {
    /// The service has it.
    Sent {
        /// Its id.
        id: String,
        /// The chat, as events name it.
        chat: Option<String>,
        /// Since when.
        timestamp: SystemTime,
    },
    /// It waits for its turn. `message.sent`, `message.failed` or `send.expired` follows.
    Queued {
        /// Its id.
        id: String,
        /// How many wait before it.
        position: u64,
        /// It is not sent before.
        earliest_at: SystemTime,
    },
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct QueuedMessage {
    /// Its id.
    pub id: String,
    /// Where it goes.
    pub to: String,
    /// When it was taken.
    pub at: SystemTime,
    /// When it is worth sending no more.
    pub deadline: SystemTime,
    /// How many wait before it.
    pub position: u64,
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

/// How a phone is to be linked.
#[derive(Debug, Clone, uniffi::Record)]
pub struct PairRequest {
    /// The phone's number, digits with the country code: for a code to type.
    #[uniffi(default = None)]
    pub phone_number: Option<String>,
    /// A QR code, too, or only. Without a number there is always one.
    #[uniffi(default = false)]
    pub with_qr: bool,
    /// The number may be linked to another account here.
    #[uniffi(default = false)]
    pub allow_relink: bool,
}

impl PairRequest {
    pub(crate) fn into_core(self) -> Result<pairing::PairRequest, WaError> {
        let request = match self.phone_number {
            None => pairing::PairRequest::qr(),
            Some(number) => {
                let number = types::phone_number(&number)?;
                if self.with_qr {
                    pairing::PairRequest::both(number)
                } else {
                    pairing::PairRequest::code(number)
                }
            }
        };
        Ok(if self.allow_relink { request.allow_relink() } else { request })
    }
}

/// What happens while a phone is linked.
#[derive(Debug, Clone, uniffi::Enum)]
pub enum PairingUpdate {
    /// A QR code to show, in place of the one before.
    Qr {
        /// The text to show as a QR code. A secret.
        text: String,
        /// When it is worth nothing any more.
        expires_at: SystemTime,
    },
    /// A code to type on the phone.
    Code {
        /// The code, as it is to be shown. A secret.
        code: String,
        /// When it is worth nothing any more.
        expires_at: SystemTime,
    },
    /// The code is worth nothing any more.
    CodeExpired {
        /// A new one wants `refresh`.
        needs_refresh: bool,
    },
    /// There is no code to type; a QR code may still link.
    CodeRefused {
        /// Why, for programs.
        code: String,
        /// When it may be tried again.
        retry_after: Option<Duration>,
    },
    /// The phone wants a passkey: answer with `respond_passkey`.
    PasskeyChallenge {
        /// WebAuthn's request options, as JSON.
        options: String,
    },
    /// The phone shows this code, too: answer with `confirm_passkey` if it is asked.
    PasskeyConfirm {
        /// The code, as it is to be shown.
        code: String,
        /// Whether an answer is waited for.
        is_asked: bool,
    },
    /// The passkey did not do; codes still link.
    PasskeyFailed,
    /// The phone accepted; the login follows.
    Accepted,
    /// Linked, and logged in.
    Linked {
        /// The device, by phone number.
        jid: String,
        /// The device, by LID.
        lid: Option<String>,
    },
    /// The link held through its probation. The last update.
    Confirmed,
    /// It came to nothing. The last update.
    Failed {
        /// Why, for programs.
        code: String,
        /// Why, for logs.
        detail: String,
        /// When it may be tried again.
        retry_after: Option<Duration>,
        /// What the user can try, in English.
        hints: Vec<String>,
    },
    /// Something that this version has no form for.
    Unknown {
        /// What is known of it, for logs.
        debug: String,
    },
}

impl PairingUpdate {
    fn of(update: pairing::PairingUpdate) -> Self {
        use pairing::PairingUpdate as P;
        let shown = |shown: &Shown| (shown.text.expose().to_owned(), types::time_ms(shown.expires_at));
        match update {
            P::Qr(qr) => {
                let (text, expires_at) = shown(&qr);
                Self::Qr { text, expires_at }
            }
            P::Code(code) => {
                let (code, expires_at) = shown(&code);
                Self::Code { code, expires_at }
            }
            P::CodeExpired { needs_refresh } => Self::CodeExpired { needs_refresh },
            P::CodeRefused(error) => {
                Self::CodeRefused { code: error.code().to_owned(), retry_after: error.retry_after() }
            }
            P::PasskeyChallenge { options } => {
                Self::PasskeyChallenge { options: options.expose().to_owned() }
            }
            P::PasskeyConfirm { code, is_asked } => {
                Self::PasskeyConfirm { code: code.expose().to_owned(), is_asked }
            }
            P::PasskeyFailed => Self::PasskeyFailed,
            P::Accepted => Self::Accepted,
            P::Linked(device) => {
                Self::Linked { jid: device.jid.to_string(), lid: types::text(device.lid.as_ref()) }
            }
            P::Confirmed => Self::Confirmed,
            P::Failed(error) => Self::Failed {
                code: error.code().to_owned(),
                detail: error.to_string(),
                retry_after: error.retry_after(),
                hints: error.hints(Lang::En).into_iter().map(str::to_owned).collect(),
            },
            other => Self::Unknown { debug: format!("{other:?}") },
        }
    }
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

impl Trust {
    fn of(trust: &wa_manager::account::TrustSnapshot) -> Self {
        let of = |restriction: &wa_manager::trust::Restriction| Restriction {
            kind: restriction.kind.as_str().to_owned(),
            until: error::at(restriction.until.map(wa_types::UnixMillis)),
            code: restriction.code,
        };
        Self {
            level: trust.trust_level,
            daily_limit: trust.daily_limit,
            sent_today: trust.messages_sent_today,
            resets_at: types::time_ms(wa_types::UnixMillis(trust.resets_at)),
            restrictions: trust.restrictions.iter().map(of).collect(),
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

impl LimitInfo {
    fn of(limit: &wa_manager::trust::LimitInfo) -> Self {
        Self {
            lane: limit.lane.as_str().to_owned(),
            scope: limit.scope.as_str().to_owned(),
            limit: limit.limit,
            used: limit.used,
            retry_at: error::at(limit.retry_at),
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

    async fn call<T, E, F>(&self, call: impl FnOnce(wa_manager::Account) -> F) -> Result<T, WaError>
    where
        T: Send + 'static,
        WaError: From<E>,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        let work = call(self.0.clone());
        runtime::run(async move { Ok(work.await?) }).await
    }
}

fn outcome(outcome: wa_manager::CommandOutcome) -> CommandOutcome {
    CommandOutcome {
        before: AccountStatus::of(outcome.before),
        after: AccountStatus::of(outcome.after),
        changed: outcome.changed,
    }
}

fn result(outcome: SendOutcome) -> Result<SendResult, WaError> {
    Ok(match outcome {
        SendOutcome::Sent(receipt) => SendResult::Sent {
            id: receipt.id.to_string(),
            chat: types::text(receipt.chat.as_ref()),
            timestamp: types::time_ms(receipt.timestamp),
        },
        SendOutcome::Queued(queued) => SendResult::Queued {
            id: queued.id.to_string(),
            position: queued.position as u64,
            earliest_at: types::time_ms(queued.earliest_at),
        },
        _ => return Err(WaError::other("send", "an outcome that this version does not know")),
    })
}

/// The message that an event of the manager tells of: its `data`.
fn inbound(data: &str) -> Result<InboundMessage, WaError> {
    serde_json::from_str(data).map_err(|error| WaError::invalid("no_message", error))
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

    /// Changes its name for people, its settings, or what the host keeps with it; what is not said stays. With a version
    /// only if it has that one.
    #[uniffi::method(default(display_name = None, settings = None, metadata = None, version = None))]
    pub async fn update(
        &self,
        display_name: Option<String>,
        settings: Option<AccountSettings>,
        metadata: Option<HashMap<String, String>>,
        version: Option<u64>,
    ) -> Result<AccountSnapshot, WaError> {
        let patch = AccountPatch {
            version,
            display_name,
            settings: settings.map(AccountSettings::into_core).transpose()?,
            metadata: metadata.map(|metadata| metadata.into_iter().collect()),
        };
        let snapshot = self.call(|account| async move { account.update(patch).await }).await?;
        Ok(AccountSnapshot::of(&snapshot))
    }

    /// Sends a message, within the account's limits: what they do not allow is `WaError.Limited`, or waits, as is asked
    /// for.
    #[uniffi::method(default(options = None))]
    pub async fn send(
        &self,
        to: String,
        message: Arc<Message>,
        options: Option<AccountSendOptions>,
    ) -> Result<SendResult, WaError> {
        let mut request = wa_manager::sending::SendRequest::new(types::jid(&to)?, message.0.clone());
        let options = options.unwrap_or_default();
        if let Some(id) = options.id {
            request = request.id(types::message_id(&id)?);
        }
        if let Some(key) = options.idempotency_key {
            request = request.idempotency_key(key);
        }
        if let Some(deadline) = options.deadline {
            request = request.deadline(deadline);
        }
        request = request.on_limit(match options.on_limit {
            None | Some(LimitChoice::Reject) => OnLimit::Reject,
            Some(LimitChoice::WaitUpTo { duration }) => OnLimit::WaitUpTo(duration),
            Some(LimitChoice::Enqueue { deadline }) => OnLimit::Enqueue { deadline },
        });
        result(self.call(|account| async move { account.send(request).await }).await?)
    }

    /// Answers the message that an event tells of, which is quoted: `data` is that of the event.
    pub async fn reply(&self, data: String, message: Arc<Message>) -> Result<SendResult, WaError> {
        let to = inbound(&data)?;
        result(self.call(|account| async move { account.reply(&to, message.0.clone()).await }).await?)
    }

    /// Tells the senders that the messages were read that these events tell of: each is the `data` of an event.
    pub async fn mark_read(&self, data: Vec<String>) -> Result<(), WaError> {
        let messages = data.iter().map(|data| inbound(data)).collect::<Result<Vec<_>, _>>()?;
        self.call(|account| async move { account.mark_read(&messages).await }).await
    }

    /// Shows in a chat that we write or record, or stopped.
    pub async fn set_typing(&self, chat: String, state: TypingState) -> Result<(), WaError> {
        let chat = types::jid(&chat)?;
        self.call(|account| async move { account.set_typing(&chat, state.to_core()).await }).await
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

    /// How far it is trusted, and what was used of its limits.
    pub async fn trust(&self) -> Result<Trust, WaError> {
        let view = self.call(|account| async move { account.trust().view().await }).await?;
        Ok(Trust::of(&view.summary))
    }

    /// Whether something may be sent to this address now. Nothing is counted.
    pub async fn preview(&self, to: String) -> Result<Preview, WaError> {
        let to = types::jid(&to)?;
        let admission = self.call(|account| async move { account.trust().preview(&to).await }).await?;
        Ok(match admission {
            Admission::Allow { lane } => Preview::Allowed { lane: lane.as_str().to_owned() },
            Admission::Delay(limit) => Preview::Later { limit: LimitInfo::of(&limit) },
            Admission::Deny(limit) => Preview::Denied { limit: LimitInfo::of(&limit) },
            _ => Preview::Unknown,
        })
    }

    /// Sets its level: lower at will, higher by one step. `actor` is who wants it, and both are recorded.
    pub async fn set_trust_level(&self, level: u8, actor: String, reason: String) -> Result<(), WaError> {
        let level = TrustLevel::new(level)
            .ok_or_else(|| WaError::invalid("invalid_level", "levels are from 0 to 5"))?;
        self.call(|account| async move { account.trust().set_level(level, Actor::new(actor), reason).await })
            .await
    }

    /// Sets how many messages a day, answers not counted; not above what its level allows.
    pub async fn set_daily_limit(&self, limit: u32, actor: String) -> Result<(), WaError> {
        self.call(|account| async move { account.trust().set_daily_limit(limit, Actor::new(actor)).await })
            .await
    }

    /// Forgives what was used today, once a day. What the service forbids stays.
    pub async fn reset_usage(&self, actor: String, reason: String) -> Result<(), WaError> {
        self.call(|account| async move { account.trust().reset_usage(Actor::new(actor), reason).await }).await
    }

    /// What waits to be sent.
    pub async fn outbox(&self) -> Result<Vec<QueuedMessage>, WaError> {
        let queued = self.call(|account| async move { account.outbox().list().await }).await?;
        let of = |queued: wa_manager::sending::QueuedSend| QueuedMessage {
            id: queued.id.to_string(),
            to: queued.to.to_string(),
            at: types::time_ms(queued.at),
            deadline: types::time_ms(queued.deadline),
            position: queued.position as u64,
        };
        Ok(queued.into_iter().map(of).collect())
    }

    /// Takes a message back that waits. False when it is not there, or is leaving.
    pub async fn cancel_send(&self, id: String) -> Result<bool, WaError> {
        let id = types::message_id(&id)?;
        self.call(|account| async move { account.outbox().cancel(id).await }).await
    }
}

enum TicketCall {
    Refresh(oneshot::Sender<Result<(), PairError>>),
    Cancel(oneshot::Sender<Result<(), PairError>>),
    Respond(Result<PasskeyAssertion, AuthenticatorError>, oneshot::Sender<Result<(), PairError>>),
    Confirm(bool, oneshot::Sender<Result<(), PairError>>),
}

/// An attempt to link an account to a phone: while `ready`, `drain` what happened. It is called off when nobody holds it
/// any more.
#[derive(uniffi::Object)]
pub struct PairingTicket {
    id: String,
    expires_at: SystemTime,
    queue: Arc<Queue<PairingUpdate>>,
    calls: mpsc::UnboundedSender<TicketCall>,
    /// Ends with the ticket.
    _pump: Task<()>,
}

impl std::fmt::Debug for PairingTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PairingTicket").field("id", &self.id).finish_non_exhaustive()
    }
}

struct EndOnDrop(Arc<Queue<PairingUpdate>>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl PairingTicket {
    pub(crate) fn new(mut ticket: pairing::PairingTicket) -> Result<Arc<Self>, WaError> {
        let (id, expires_at) = (ticket.id().to_string(), types::time_ms(ticket.expires_at()));
        let queue = Arc::new(Queue::new(CAPACITY));
        let filled = EndOnDrop(Arc::clone(&queue));
        let (calls, mut called) = mpsc::unbounded_channel();
        let pump = Task::spawn(async move {
            loop {
                tokio::select! {
                    Some(call) = called.recv() => answer(&ticket, call).await,
                    update = ticket.next() => match update {
                        Some(update) => filled.0.put(PairingUpdate::of(update)),
                        None => return,
                    },
                }
            }
        })?;
        Ok(Arc::new(Self { id, expires_at, queue, calls, _pump: pump }))
    }

    async fn ask(
        &self,
        call: impl FnOnce(oneshot::Sender<Result<(), PairError>>) -> TicketCall,
    ) -> Result<(), WaError> {
        let (answer, answered) = oneshot::channel();
        // A ticket that ended has no attempt under way.
        let _ = self.calls.send(call(answer));
        Ok(answered.await.unwrap_or(Err(PairError::NotPairing))?)
    }
}

async fn answer(ticket: &pairing::PairingTicket, call: TicketCall) {
    let (outcome, to) = match call {
        TicketCall::Refresh(to) => (ticket.refresh().await, to),
        TicketCall::Cancel(to) => (ticket.cancel().await, to),
        TicketCall::Respond(answer, to) => (ticket.respond_passkey(answer), to),
        TicketCall::Confirm(is_same, to) => (ticket.confirm_passkey(is_same), to),
    };
    let _ = to.send(outcome);
}

#[uniffi::export]
impl PairingTicket {
    /// Its id.
    pub fn id(&self) -> String {
        self.id.clone()
    }

    /// When no phone may link any more.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }

    /// Waits for what happens next. True when something did, false when nothing will any more. Takes nothing: cancelling
    /// it loses nothing.
    pub async fn ready(&self) -> bool {
        self.queue.ready().await
    }

    /// Takes up to so many updates, without waiting.
    pub fn drain(&self, max: u32) -> Vec<PairingUpdate> {
        self.queue.drain(max)
    }

    /// Asks for a new code.
    pub async fn refresh(&self) -> Result<(), WaError> {
        self.ask(TicketCall::Refresh).await
    }

    /// Calls it off.
    pub async fn cancel(&self) -> Result<(), WaError> {
        self.ask(TicketCall::Cancel).await
    }

    /// Answers `PasskeyChallenge`. Without an id and an assertion, the user declined.
    #[uniffi::method(default(credential_id = None, assertion = None))]
    pub async fn respond_passkey(
        &self,
        credential_id: Option<Vec<u8>>,
        assertion: Option<String>,
    ) -> Result<(), WaError> {
        let answer = match (credential_id, assertion) {
            (Some(id), Some(json)) => Ok(PasskeyAssertion::new(id, json)),
            _ => Err(AuthenticatorError::Declined),
        };
        self.ask(|to| TicketCall::Respond(answer, to)).await
    }

    /// Answers `PasskeyConfirm`: whether the phone shows the same code.
    pub async fn confirm_passkey(&self, is_same: bool) -> Result<(), WaError> {
        self.ask(|to| TicketCall::Confirm(is_same, to)).await
    }
}
