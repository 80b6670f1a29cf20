//! The exception of all languages. Its variants say what to do next; its `code` says what happened, under a name that
//! stays.

use std::time::{Duration, SystemTime};

use wa_core::client::{PictureError, StickerPackError};
use wa_core::connection::RequestError;
use wa_core::error::{
    CallError, GroupError, HistoryRequestError, MediaError, MediaRemedy, PairCodeError, ReconnectError,
    SendError, SendRemedy, StartError, StoreFailure,
};
use wa_manager::account::{CheckError, ErrandError, HistoryError, ReasonKind};
use wa_manager::manager::ManagerError;
use wa_manager::media::DownloadError;
use wa_manager::pairing::PairError;
use wa_manager::sending::ControlError;
use wa_manager::store::ManagerStoreError;
use wa_store::{Remedy, StoreError};
use wa_types::UnixMillis;

use crate::types;

macro_rules! errors {
    ($($(#[$doc:meta])* $variant:ident,)*) => {
        /// Why a call failed. The variant says what to do next.
        #[derive(Debug, Clone, thiserror::Error, uniffi::Error)]
        pub enum WaError {
            $(
                $(#[$doc])*
                #[error("{detail} ({code})")]
                $variant {
                    /// What happened, for programs: a name that stays.
                    code: String,
                    /// What happened, for people who look into it. Without secrets; not in the user's language.
                    detail: String,
                    /// How long to wait before trying again, where that is known.
                    retry_after: Option<Duration>,
                    /// When what stands against it ends, where that is known.
                    until: Option<SystemTime>,
                },
            )*
        }

        impl WaError {
            fn set(&mut self, wait: Option<Duration>, end: Option<SystemTime>) {
                match self {
                    $(Self::$variant { retry_after, until, .. } => {
                        *retry_after = wait;
                        *until = end;
                    })*
                }
            }

            /// How long to wait, and until when.
            pub(crate) fn wait(&self) -> (Option<Duration>, Option<SystemTime>) {
                match self {
                    $(Self::$variant { retry_after, until, .. } => (*retry_after, *until),)*
                }
            }

            /// What happened, for programs.
            pub(crate) fn code(&self) -> &str {
                match self {
                    $(Self::$variant { code, .. } => code,)*
                }
            }
        }
    };
}

errors! {
    /// The account is not connected, or the service was not reached or did not answer. Try again.
    Unavailable,
    /// This device is not linked to a phone, or not any more. Pair it.
    NotLinked,
    /// A limit of the account is reached. Wait until `until`, or for `retry_after`; unless both are missing, then
    /// waiting does not help.
    Limited,
    /// The service forbids it to this account. Not before `until`.
    Restricted,
    /// The service said no. The same again is answered the same.
    Refused,
    /// What was given is not what is wanted: an address, a number, a name, a file. Change it.
    Invalid,
    /// There is no such thing.
    NotFound,
    /// It is so already, or something else is under way. Look again, and decide anew.
    Conflict,
    /// Nobody knows whether it was done. Try again under the same message id or key only.
    Unknown,
    /// A media file cannot be had, or is not what was sent.
    Media,
    /// The store failed, or a local file. Nothing was done. The code says what helps.
    Store,
    /// It was called off, or its deadline passed. Nothing was done.
    Cancelled,
    /// The object, or the library, was shut down.
    Closed,
    /// Something that this version has no name for.
    Other,
}

#[uniffi::export]
impl WaError {
    /// A text for logs.
    pub fn message(&self) -> String {
        self.to_string()
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Unknown { .. } => true,
            // Neither time nor room mends these, nor that somebody lets go of them.
            Self::Store { code, .. } => !matches!(
                code.as_str(),
                "local_file"
                    | "store_closed"
                    | "store_corrupt"
                    | "store_foreign"
                    | "store_newer"
                    | "store_older"
            ),
            Self::Limited { retry_after, until, .. } | Self::Restricted { retry_after, until, .. } => {
                retry_after.is_some() || until.is_some()
            }
            Self::Media { retry_after, .. } | Self::Refused { retry_after, .. } => retry_after.is_some(),
            _ => false,
        }
    }
}

macro_rules! makers {
    ($($name:ident = $variant:ident,)*) => {
        impl WaError {
            $(
                pub(crate) fn $name(code: &str, detail: impl ToString) -> Self {
                    Self::$variant { code: code.to_owned(), detail: detail.to_string(), retry_after: None, until: None }
                }
            )*
        }
    };
}

makers! {
    unavailable = Unavailable,
    not_linked = NotLinked,
    limited = Limited,
    restricted = Restricted,
    refused = Refused,
    invalid = Invalid,
    not_found = NotFound,
    conflict = Conflict,
    unknown = Unknown,
    media = Media,
    store = Store,
    cancelled = Cancelled,
    closed = Closed,
    other = Other,
}

impl WaError {
    pub(crate) fn shut_down() -> Self {
        Self::closed("shutdown", "it was shut down")
    }

    pub(crate) fn forked() -> Self {
        let detail =
            "this process was forked after the library was used; start it with spawn or forkserver instead";
        Self::closed("forked", detail)
    }

    fn of_store(remedy: Remedy, detail: String) -> Self {
        match remedy {
            Remedy::MakeRoom => Self::store("store_full", detail),
            Remedy::CloseElsewhere => Self::store("store_locked", detail),
            Remedy::Reopen => Self::store("store_closed", detail),
            Remedy::Update => Self::store("store_newer", detail),
            Remedy::CheckPath => Self::store("store_foreign", detail),
            Remedy::Restore => Self::store("store_corrupt", detail),
            // A mistake of this library, which stays one.
            Remedy::FixCaller => Self::other("store", detail),
            _ => Self::store("store", detail),
        }
    }

    fn of_manager_store(error: &ManagerStoreError, detail: String) -> Self {
        match error {
            ManagerStoreError::NameTaken { .. } => Self::conflict("already_exists", detail),
            ManagerStoreError::FenceLost { .. } => Self::conflict("fence_lost", detail),
            ManagerStoreError::NotAStore => Self::of_store(Remedy::CheckPath, detail),
            ManagerStoreError::OlderVersion { .. } => Self::store("store_older", detail),
            ManagerStoreError::NewerVersion { .. } => Self::of_store(Remedy::Update, detail),
            ManagerStoreError::Locked => Self::of_store(Remedy::CloseElsewhere, detail),
            ManagerStoreError::Full => Self::of_store(Remedy::MakeRoom, detail),
            ManagerStoreError::Corrupt { .. } => Self::of_store(Remedy::Restore, detail),
            ManagerStoreError::Closed => Self::of_store(Remedy::Reopen, detail),
            _ => Self::of_store(Remedy::TryLater, detail),
        }
    }

    pub(crate) fn after(mut self, wait: Option<Duration>) -> Self {
        self.set(wait, None);
        self
    }

    pub(crate) fn until(mut self, end: Option<SystemTime>) -> Self {
        let wait = end.and_then(|end| end.duration_since(now()).ok());
        self.set(wait, end);
        self
    }
}

#[expect(clippy::disallowed_methods, reason = "the border: hosts want to know how long to wait")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// The words of an error and of what caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}

impl From<StoreError> for WaError {
    fn from(error: StoreError) -> Self {
        Self::of_store(error.remedy(), chain(&error))
    }
}

impl From<ManagerStoreError> for WaError {
    fn from(error: ManagerStoreError) -> Self {
        Self::of_manager_store(&error, chain(&error))
    }
}

impl From<StoreFailure> for WaError {
    fn from(error: StoreFailure) -> Self {
        Self::of_store(error.remedy(), error.to_string())
    }
}

impl From<StartError> for WaError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Store(error) => error.into(),
            error => Self::other("start", chain(&error)),
        }
    }
}

impl From<RequestError> for WaError {
    fn from(error: RequestError) -> Self {
        let detail = chain(&error);
        match error {
            RequestError::Refused(refusal) => {
                Self::refused(&format!("refused_{}", refusal.code), detail).after(refusal.backoff)
            }
            RequestError::Timeout => Self::unknown("timeout", detail),
            RequestError::ConnectionLost => Self::unknown("connection_lost", detail),
            RequestError::NotConnected => Self::unavailable("not_connected", detail),
            RequestError::TooLong => Self::invalid("too_long", detail),
            RequestError::Encode(_) => Self::invalid("no_wire_form", detail),
            _ => Self::other("request", detail),
        }
    }
}

impl From<CallError> for WaError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Request(error) => error.into(),
            CallError::Store(error) => error.into(),
            CallError::NotPaired => Self::not_linked("not_paired", error),
            CallError::AuthorMissing => Self::invalid("author_missing", error),
            CallError::Shutdown => Self::shut_down(),
            error => Self::other("call", chain(&error)),
        }
    }
}

impl From<GroupError> for WaError {
    fn from(error: GroupError) -> Self {
        let detail = chain(&error);
        match error {
            GroupError::Call(error) => error.into(),
            GroupError::Refused { code, retry_after, .. } => {
                Self::refused(&format!("refused_{code}"), detail).after(retry_after)
            }
            _ => Self::other("group", detail),
        }
    }
}

impl From<ReconnectError> for WaError {
    fn from(error: ReconnectError) -> Self {
        match error {
            ReconnectError::Banned { until } => {
                Self::restricted("banned", &error).until(Some(types::time(until)))
            }
            ReconnectError::LoggedOut => Self::not_linked("logged_out", error),
            ReconnectError::Shutdown => Self::shut_down(),
            error => Self::other("reconnect", error),
        }
    }
}

impl From<PairCodeError> for WaError {
    fn from(error: PairCodeError) -> Self {
        // The code that is live is a secret: it comes with its event.
        let detail = error.to_string();
        match error {
            PairCodeError::Live { expires_in, .. } => {
                Self::conflict("code_outstanding", detail).after(Some(expires_in))
            }
            PairCodeError::InProgress => Self::conflict("already_pairing", detail),
            PairCodeError::AlreadyPaired => Self::conflict("already_linked", detail),
            PairCodeError::LoggedOut => Self::not_linked("logged_out", detail),
            PairCodeError::Refused { retry_after, .. } => {
                Self::refused("pairing_refused", detail).after(retry_after)
            }
            PairCodeError::Request(error) => error.into(),
            PairCodeError::NotConnected => Self::unavailable("not_connected", detail),
            PairCodeError::Timeout => Self::unavailable("timeout", detail),
            PairCodeError::Shutdown => Self::shut_down(),
            _ => Self::other("pairing", detail),
        }
    }
}

impl From<SendError> for WaError {
    fn from(error: SendError) -> Self {
        let detail = chain(&error);
        match &error {
            SendError::NotPaired => Self::not_linked("not_paired", detail),
            SendError::LoggedOut => Self::not_linked("logged_out", detail),
            SendError::Lookup => Self::unavailable("lookup", detail),
            SendError::NoDevices(_) => Self::unavailable("no_devices", detail),
            SendError::NewChatsCapped => Self::restricted("new_chats_capped", detail),
            SendError::PrivacyTokenMissing => Self::refused("privacy_token_missing", detail),
            SendError::Expired => Self::cancelled("expired", detail),
            SendError::Cancelled => Self::cancelled("cancelled", detail),
            SendError::Timeout => Self::unknown("timeout", detail),
            SendError::Store(error) => error.clone().into(),
            SendError::Shutdown => Self::shut_down(),
            SendError::Unsupported(_) => Self::invalid("unsupported_recipient", detail),
            SendError::UnknownRecipient(_) => Self::invalid("unknown_recipient", detail),
            SendError::NoAudience(_) => Self::invalid("no_audience", detail),
            SendError::UnknownSecret(_) => Self::invalid("unknown_secret", detail),
            SendError::TooLarge => Self::invalid("too_large", detail),
            SendError::NotMember(_) => Self::refused("not_member", detail),
            SendError::AdminsOnly(_) => Self::refused("admins_only", detail),
            SendError::Refused { code } => Self::refused(&format!("refused_{code}"), detail),
            _ if error.remedy() == SendRemedy::GiveUp => Self::refused("refused", detail),
            _ => Self::unknown("send", detail),
        }
    }
}

impl From<MediaError> for WaError {
    fn from(error: MediaError) -> Self {
        let detail = chain(&error);
        match (&error, error.remedy()) {
            (MediaError::Gone { .. }, _) => Self::media("gone", detail),
            (MediaError::Tampered(_), _) => Self::media("tampered", detail),
            (MediaError::Truncated { .. }, _) => Self::media("truncated", detail),
            (MediaError::TooLarge { .. }, _) => Self::invalid("too_large", detail),
            (MediaError::NoPlace | MediaError::NoKey | MediaError::NotUploadable, _) => {
                Self::invalid("no_file", detail)
            }
            (MediaError::Source(_) | MediaError::Sink(_), _) => Self::store("local_file", detail),
            (MediaError::Call(error) | MediaError::Hosts(error), _)
                if !matches!(error, CallError::Request(_)) =>
            {
                error.clone().into()
            }
            (_, MediaRemedy::TryLater) => Self::unavailable("media_hosts", detail),
            _ => Self::media("refused", detail),
        }
    }
}

impl From<StickerPackError> for WaError {
    fn from(error: StickerPackError) -> Self {
        match error {
            StickerPackError::Media(error) => error.into(),
            other => Self::invalid("bad_sticker_pack", chain(&other)),
        }
    }
}

impl From<HistoryRequestError> for WaError {
    fn from(error: HistoryRequestError) -> Self {
        let detail = chain(&error);
        match error {
            HistoryRequestError::NoAnswer => Self::unavailable("phone_silent", detail),
            HistoryRequestError::Refused { .. } => Self::refused("refused", detail),
            HistoryRequestError::Call(error) => error.into(),
            _ => Self::other("history", detail),
        }
    }
}

impl From<PairError> for WaError {
    fn from(error: PairError) -> Self {
        let (code, detail, wait) = (error.code(), chain(&error), error.retry_after());
        match error {
            PairError::AlreadyPairing
            | PairError::AlreadyLinked { .. }
            | PairError::CodeOutstanding { .. }
            | PairError::NotPairing => Self::conflict(code, detail),
            PairError::RateLimited { .. } => Self::limited(code, detail),
            PairError::Rejected { .. } | PairError::UnstableLink { .. } | PairError::Passkey => {
                Self::refused(code, detail)
            }
            PairError::StoreUnavailable => Self::store(code, detail),
            PairError::ConnectTimeout => Self::unavailable(code, detail),
            PairError::Expired | PairError::Exhausted | PairError::Cancelled => Self::cancelled(code, detail),
            PairError::Closed { kind: ReasonKind::StoreLocked, .. } => {
                Self::of_store(Remedy::CloseElsewhere, detail)
            }
            PairError::Closed { kind: ReasonKind::StoreCorrupt, .. } => {
                Self::of_store(Remedy::Restore, detail)
            }
            PairError::Closed { kind: ReasonKind::StoreFailed, .. } => {
                Self::of_store(Remedy::TryLater, detail)
            }
            PairError::Closed { .. } => Self::refused(code, detail),
            PairError::PhoneMissing => Self::invalid(code, detail),
            _ => Self::other(code, detail),
        }
        .after(wait)
    }
}

impl From<ManagerError> for WaError {
    fn from(error: ManagerError) -> Self {
        let (code, detail) = (error.code(), chain(&error));
        match error {
            ManagerError::NotFound => Self::not_found(code, detail),
            ManagerError::AlreadyExists { .. }
            | ManagerError::VersionConflict { .. }
            | ManagerError::Exported
            | ManagerError::FenceLost { .. } => Self::conflict(code, detail),
            ManagerError::InvalidName(_) | ManagerError::Location(_) | ManagerError::InvalidCursor => {
                Self::invalid(code, detail)
            }
            ManagerError::NotLinked => Self::not_linked(code, detail),
            ManagerError::NotYet { until } | ManagerError::ClientOutdated { until } => {
                Self::restricted(code, detail).until(Some(types::time_ms(until)))
            }
            ManagerError::NotUnlinked(_) | ManagerError::Crashed => Self::unavailable(code, detail),
            ManagerError::KeyStore(error) => Self::of_store(error.remedy(), detail),
            ManagerError::PairingStore(error) | ManagerError::Store(error) => {
                Self::of_manager_store(&error, detail)
            }
            ManagerError::QuotaExceeded { .. } => Self::limited(code, detail),
            ManagerError::Pair(error) => error.into(),
            ManagerError::Shutdown => Self::shut_down(),
            _ => Self::other(code, detail),
        }
    }
}

impl From<wa_manager::sending::SendError> for WaError {
    fn from(error: wa_manager::sending::SendError) -> Self {
        use wa_manager::sending::SendError as E;
        let code = error.code().to_owned();
        let code = code.as_str();
        let (detail, until) = (chain(&error), error.until().map(types::time_ms));
        match error {
            E::NotReady { .. } | E::QueueFull { .. } => Self::unavailable(code, detail),
            E::Limited(_) => Self::limited(code, detail).until(until),
            E::Restricted { .. } => Self::restricted(code, detail).until(until),
            E::Refused { .. } => Self::refused(code, detail),
            E::InvalidRecipient | E::NotQueueable => Self::invalid(code, detail),
            E::Unknown { .. } => Self::unknown(code, detail),
            E::Expired | E::Cancelled => Self::cancelled(code, detail),
            E::Client(error) => error.into(),
            E::Store(error) => Self::of_manager_store(&error, detail),
            E::Manager(error) => (*error).into(),
            _ => Self::other(code, detail),
        }
    }
}

impl From<ErrandError> for WaError {
    fn from(error: ErrandError) -> Self {
        let (code, detail) = (error.code(), chain(&error));
        match error {
            ErrandError::NotReady { .. } => Self::unavailable(code, detail),
            ErrandError::Client(error) => error.into(),
            ErrandError::Manager(error) => error.into(),
            _ => Self::other(code, detail),
        }
    }
}

impl From<DownloadError> for WaError {
    fn from(error: DownloadError) -> Self {
        let (code, detail) = (error.code(), chain(&error));
        match error {
            DownloadError::NotReady { .. } => Self::unavailable(code, detail),
            DownloadError::NoFile | DownloadError::NoObjectStore => Self::invalid(code, detail),
            DownloadError::NoPlace => Self::not_linked(code, detail),
            DownloadError::Media(error) => error.into(),
            DownloadError::Store(_) => Self::store(code, detail),
            DownloadError::Manager(error) => error.into(),
            _ => Self::other(code, detail),
        }
    }
}

impl From<CheckError> for WaError {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Limit(error) => error.into(),
            CheckError::Client(error) => error.into(),
            CheckError::Manager(error) => error.into(),
            error => Self::other(error.code(), chain(&error)),
        }
    }
}

impl From<HistoryError> for WaError {
    fn from(error: HistoryError) -> Self {
        let (code, detail) = (error.code(), chain(&error));
        match error {
            HistoryError::NotReady { .. } => Self::unavailable(code, detail),
            HistoryError::Busy { .. } => Self::conflict(code, detail),
            HistoryError::UnknownChat { .. } => Self::not_found(code, detail),
            HistoryError::Store(error) => Self::of_manager_store(&error, detail),
            HistoryError::Manager(error) => error.into(),
            _ => Self::other(code, detail),
        }
    }
}

impl From<ControlError> for WaError {
    fn from(error: ControlError) -> Self {
        let detail = chain(&error);
        match error {
            ControlError::NoReason => Self::invalid("no_reason", detail),
            ControlError::TooHigh { .. } => Self::invalid("too_high", detail),
            ControlError::AboveLevel { .. } => Self::invalid("above_level", detail),
            ControlError::AlreadyReset { resets_at } => {
                Self::limited("already_reset", detail).until(Some(types::time_ms(resets_at)))
            }
            ControlError::Gone => Self::not_found("not_found", detail),
            ControlError::Store(error) => Self::of_manager_store(&error, detail),
            _ => Self::other("control", detail),
        }
    }
}

impl From<PictureError> for WaError {
    fn from(error: PictureError) -> Self {
        match error {
            PictureError::Hidden => Self::refused("hidden", error),
            PictureError::Call(error) => error.into(),
            error => Self::other("picture", error),
        }
    }
}

/// For what ends at a time of the manager's clock.
pub(crate) fn at(time: Option<UnixMillis>) -> Option<SystemTime> {
    time.map(types::time_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(error: impl Into<WaError>) -> (String, bool) {
        let error = error.into();
        (error.code().to_owned(), error.is_retryable())
    }

    #[test]
    fn a_store_says_what_helps() {
        let cases = [
            (StoreError::Io { source: "gone".into() }, "store", true),
            (StoreError::Full { source: None }, "store_full", true),
            (StoreError::Locked, "store_locked", true),
            (StoreError::Closed, "store_closed", false),
            (StoreError::Corrupt { what: "account", source: None }, "store_corrupt", false),
            (StoreError::NotADatabase, "store_foreign", false),
            (StoreError::NewerVersion { found: 9, supported: 1 }, "store_newer", false),
            (StoreError::OutOfRange { what: "a number" }, "store", false),
        ];
        for (error, code, is_retryable) in cases {
            let expected = (code.to_owned(), is_retryable);
            let failure = StoreFailure::from(&error);
            assert_eq!(told(SendError::Store(failure.clone())), expected);
            assert_eq!(told(CallError::Store(failure.clone())), expected);
            assert_eq!(told(MediaError::Call(CallError::Store(failure))), expected);
            assert_eq!(told(ManagerError::KeyStore(error)), expected);
        }
    }

    #[test]
    fn the_store_of_a_manager_says_what_helps() {
        let cases = [
            (ManagerStoreError::io(std::io::Error::from(std::io::ErrorKind::NotFound)), "store", true),
            (ManagerStoreError::Full, "store_full", true),
            (ManagerStoreError::Locked, "store_locked", true),
            (ManagerStoreError::Closed, "store_closed", false),
            (ManagerStoreError::Corrupt { what: "account".to_owned() }, "store_corrupt", false),
            (ManagerStoreError::NotAStore, "store_foreign", false),
            (ManagerStoreError::NewerVersion { found: 9 }, "store_newer", false),
            (ManagerStoreError::OlderVersion { found: 1 }, "store_older", false),
        ];
        for (error, code, is_retryable) in cases {
            assert_eq!(told(ManagerError::Store(error)), (code.to_owned(), is_retryable));
        }
        let locked = PairError::Closed { kind: ReasonKind::StoreLocked, code: None };
        assert_eq!(told(locked), ("store_locked".to_owned(), true));
    }
}
