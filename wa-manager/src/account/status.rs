//! Where an account stands, as it is stored, shown and told. Requirements: manager.md, 4.2.

use serde::{Deserialize, Serialize};
use wa_types::UnixMillis;

/// Whether an account shall run, whatever it does at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DesiredState {
    /// It is stopped, or was never started.
    #[default]
    Stopped,
    /// It was started, and is started again after a restart of the process.
    Running,
}

/// Where an account stands. The names in serialized form are those of the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AccountStatus {
    /// Not running, by wish, or never linked.
    #[default]
    Idle,
    /// Its store is opened, or it connects.
    Loading,
    /// A QR code is shown.
    Qr,
    /// A code to be typed is shown, or a passkey is asked for.
    Pairing,
    /// The phone accepted, or the login succeeded: messages of the time away come.
    Authenticated,
    /// It can send.
    Ready,
    /// It was ready, and connects again by itself.
    Disconnected,
    /// Somebody has to act, or a time has to come: the reason says which.
    Error,
}

impl AccountStatus {
    /// Its name on the wire.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Loading => "loading",
            Self::Qr => "qr",
            Self::Pairing => "pairing",
            Self::Authenticated => "authenticated",
            Self::Ready => "ready",
            Self::Disconnected => "disconnected",
            Self::Error => "error",
        }
    }

    /// The status of this name; `connected` means [`Self::Ready`].
    #[must_use]
    pub fn from_wire(name: &str) -> Option<Self> {
        const ALL: [AccountStatus; 8] = [
            AccountStatus::Idle,
            AccountStatus::Loading,
            AccountStatus::Qr,
            AccountStatus::Pairing,
            AccountStatus::Authenticated,
            AccountStatus::Ready,
            AccountStatus::Disconnected,
            AccountStatus::Error,
        ];
        let name = if name == "connected" { "ready" } else { name };
        ALL.into_iter().find(|status| status.wire() == name)
    }
}

/// Why an account stands where it does. Told with whether it is [retryable](ReasonKind::is_retryable), and with the
/// [`UserAction`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", into = "Told")]
#[non_exhaustive]
pub struct Reason {
    /// What it is.
    pub kind: ReasonKind,
    /// The server's code, where there is one.
    #[serde(default)]
    pub code: Option<u16>,
    /// More, for people.
    #[serde(default)]
    pub detail: Option<String>,
    /// When it is tried again by itself, in milliseconds since 1970.
    #[serde(default)]
    pub retry_at: Option<u64>,
}

/// A reason as snapshots and events tell it, with what follows from its kind: not every reader knows all kinds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    kind: ReasonKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_at: Option<u64>,
    retryable: bool,
    user_action: UserAction,
}

impl From<Reason> for Told {
    fn from(Reason { kind, code, detail, retry_at }: Reason) -> Self {
        let (retryable, user_action) = (kind.is_retryable(), kind.user_action());
        Self { kind, code, detail, retry_at, retryable, user_action }
    }
}

/// What a [`Reason`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReasonKind {
    /// Loading: its store is opened.
    OpeningStore,
    /// Loading: it connects, or logs in.
    Connecting,
    /// Loading: the process has just started, and its turn has not come.
    Restoring,
    /// The network, or the server for a while; it connects again by itself.
    Network,
    /// The account was unlinked, by its phone or by logout.
    LoggedOut,
    /// The server banned the account for a while.
    TemporaryBan,
    /// The account is locked: its phone tells more.
    AccountLocked,
    /// The account is banned.
    AccountBanned,
    /// The server takes no clients of this version.
    ClientOutdated,
    /// Somebody else uses the same keys.
    Conflict,
    /// No phone took a code in time.
    PairingExpired,
    /// The phone or the server refused to link.
    PairingRejected,
    /// The phone dropped the link right after it was made.
    UnstableLink,
    /// The server could not be reached in time.
    ConnectTimeout,
    /// It was tried too often.
    RetryBudget,
    /// Another process has its store open.
    StoreLocked,
    /// Its store is damaged.
    StoreCorrupt,
    /// Its store fails.
    StoreFailed,
    /// Another owner took it over.
    FenceLost,
    /// The proxy does not work.
    ProxyFailed,
    /// The server refuses its keys.
    CredentialsRejected,
    /// It crashed too often.
    Quarantined,
    /// A fault of this library.
    Internal,
}

/// What somebody can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UserAction {
    /// Link it again.
    Relink,
    /// Look at the phone.
    OpenPhone,
    /// Wait; it goes on by itself, or may be started later.
    Wait,
    /// Use a newer version of this library.
    UpdateLibrary,
    /// Ask whoever runs this.
    ContactOperator,
    /// Nothing is to be done.
    None,
}

impl ReasonKind {
    /// Whether starting the account again by hand may help.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        !matches!(
            self,
            Self::AccountBanned | Self::ClientOutdated | Self::LoggedOut | Self::CredentialsRejected
        )
    }

    /// What somebody can do.
    #[must_use]
    pub const fn user_action(self) -> UserAction {
        match self {
            Self::OpeningStore | Self::Connecting | Self::Restoring | Self::FenceLost => UserAction::None,
            Self::Network | Self::TemporaryBan | Self::UnstableLink | Self::ConnectTimeout => {
                UserAction::Wait
            }
            Self::LoggedOut | Self::PairingExpired | Self::PairingRejected | Self::CredentialsRejected => {
                UserAction::Relink
            }
            Self::AccountLocked | Self::AccountBanned => UserAction::OpenPhone,
            Self::ClientOutdated => UserAction::UpdateLibrary,
            Self::Conflict
            | Self::RetryBudget
            | Self::StoreLocked
            | Self::StoreCorrupt
            | Self::StoreFailed
            | Self::ProxyFailed
            | Self::Quarantined
            | Self::Internal => UserAction::ContactOperator,
        }
    }
}

impl Reason {
    /// A reason without more.
    #[must_use]
    pub const fn new(kind: ReasonKind) -> Self {
        Self { kind, code: None, detail: None, retry_at: None }
    }

    /// With the server's code.
    #[must_use]
    pub fn code(self, code: u16) -> Self {
        Self { code: Some(code), ..self }
    }

    /// With words.
    #[must_use]
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// With a time at which it is tried again.
    #[must_use]
    pub fn retry_at(self, at: UnixMillis) -> Self {
        Self { retry_at: Some(at.0), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R061, R112
    #[test]
    fn the_wire_has_eight_statuses_and_connected_is_ready() {
        let names = ["idle", "loading", "qr", "pairing", "authenticated", "ready", "disconnected", "error"];
        for name in names {
            let status = AccountStatus::from_wire(name).unwrap();
            assert_eq!(serde_json::to_string(&status).unwrap(), format!("\"{name}\""));
        }
        assert_eq!(AccountStatus::from_wire("connected"), Some(AccountStatus::Ready));
        assert_eq!(AccountStatus::from_wire("READY"), None);
    }

    /// 4.2: each kind has what somebody can do about it, and whether a start by hand may help.
    #[test]
    fn every_reason_says_what_to_do_about_it() {
        use {ReasonKind as K, UserAction as A};
        for (kind, action, is_retryable) in [
            (K::OpeningStore, A::None, true),
            (K::Connecting, A::None, true),
            (K::Restoring, A::None, true),
            (K::Network, A::Wait, true),
            (K::LoggedOut, A::Relink, false),
            (K::TemporaryBan, A::Wait, true),
            (K::AccountLocked, A::OpenPhone, true),
            (K::AccountBanned, A::OpenPhone, false),
            (K::ClientOutdated, A::UpdateLibrary, false),
            (K::Conflict, A::ContactOperator, true),
            (K::PairingExpired, A::Relink, true),
            (K::PairingRejected, A::Relink, true),
            (K::UnstableLink, A::Wait, true),
            (K::ConnectTimeout, A::Wait, true),
            (K::RetryBudget, A::ContactOperator, true),
            (K::StoreLocked, A::ContactOperator, true),
            (K::StoreCorrupt, A::ContactOperator, true),
            (K::StoreFailed, A::ContactOperator, true),
            (K::FenceLost, A::None, true),
            (K::ProxyFailed, A::ContactOperator, true),
            (K::CredentialsRejected, A::Relink, false),
            (K::Quarantined, A::ContactOperator, true),
            (K::Internal, A::ContactOperator, true),
        ] {
            assert_eq!((kind.user_action(), kind.is_retryable()), (action, is_retryable), "{kind:?}");
        }
    }

    #[test]
    fn a_reason_says_only_what_there_is_and_what_to_do() {
        let reason = Reason::new(ReasonKind::TemporaryBan).code(402).retry_at(UnixMillis(5));
        let text = r#"{"kind":"temporary_ban","code":402,"retryAt":5,"retryable":true,"userAction":"wait"}"#;
        assert_eq!(serde_json::to_string(&reason).unwrap(), text);
        assert_eq!(serde_json::from_str::<Reason>(text).unwrap(), reason);
        let banned = serde_json::to_value(Reason::new(ReasonKind::AccountBanned)).unwrap();
        let told =
            serde_json::json!({ "kind": "account_banned", "retryable": false, "userAction": "open_phone" });
        assert_eq!(banned, told);
        // What a reason follows from is its kind, whatever else is written.
        let kind = r#"{"kind":"account_banned"}"#;
        assert_eq!(serde_json::from_str::<Reason>(kind).unwrap(), Reason::new(ReasonKind::AccountBanned));
    }
}
