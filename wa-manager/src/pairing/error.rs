//! Why an account was not linked.

use std::time::Duration;

use wa_types::UnixMillis;

use crate::account::{Reason, ReasonKind};
use crate::ids::AccountId;

/// Whoever has the store of an account's keys may be done with it after so long.
const LOCKED: Duration = Duration::from_secs(60);

/// Why an account was not linked, or a call of a ticket failed. [`Self::code`] is for programs, [`Self::hints`] for
/// people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// The account, or the phone, is being linked by another attempt. Its ticket goes on; wait for its end or cancel it.
    #[error("an attempt to link this account or phone is under way")]
    AlreadyPairing,
    /// The account, or the number, is linked. Log it out, or allow it with the request.
    #[error("linked already")]
    AlreadyLinked {
        /// Which account has the number, when it is another one.
        account: Option<AccountId>,
    },
    /// A code for this phone is live, and is not replaced: type it, or wait.
    #[error("a code is live for {remaining:?} more")]
    CodeOutstanding {
        /// How long it is still good.
        remaining: Duration,
    },
    /// It was tried too often.
    #[error("tried too often; not before {retry_after:?}")]
    RateLimited {
        /// When it may be tried again.
        retry_after: Duration,
        /// Who says so.
        by: LimitedBy,
    },
    /// The server does not want to link this number so.
    #[error("the server refused with code {code}")]
    Rejected {
        /// Its code. 452: the account cannot be linked by code, and a QR code links. 400: the number has no account, or
        /// was tried too often.
        code: u16,
        /// When it may be tried again, if there is a wait.
        retry_after: Option<Duration>,
    },
    /// No phone took a code in time. Ask again when somebody holds the phone.
    #[error("no phone linked the account in time")]
    Expired,
    /// All codes of the ticket were used up. Ask again, later.
    #[error("the ticket has no codes left")]
    Exhausted,
    /// The phone dropped the link right after it was made.
    #[error("the phone dropped the link right after it was made")]
    UnstableLink {
        /// When it may be tried again, if there is a wait.
        retry_after: Option<Duration>,
    },
    /// The limits cannot be read or written: nothing is tried without them.
    #[error("the store of the limits failed")]
    StoreUnavailable,
    /// The phone wanted a passkey, and there was none, or it failed.
    #[error("the passkey did not do")]
    Passkey,
    /// The server could not be reached in time, or the login did not come after the phone accepted.
    #[error("the server was not reached in time")]
    ConnectTimeout,
    /// The connection ended for good.
    #[error("the connection ended for good: {kind:?}")]
    Closed {
        /// Why.
        kind: ReasonKind,
        /// The server's code, where there is one.
        code: Option<u16>,
    },
    /// Somebody called it off.
    #[error("called off")]
    Cancelled,
    /// A code was asked for without the number of the phone.
    #[error("a code needs the number of the phone")]
    PhoneMissing,
    /// No attempt is under way.
    #[error("no attempt is under way")]
    NotPairing,
}

/// Who says that something was tried too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LimitedBy {
    /// Codes for this phone.
    Phone,
    /// Codes for this tenant.
    Tenant,
    /// Codes of this process.
    Process,
    /// Codes over this way out to the network.
    Egress,
    /// QR codes for this account.
    Account,
    /// Most pairings fail alike at the moment, for whomever.
    Circuit,
    /// The server.
    Server,
}

impl LimitedBy {
    /// Its name in events and answers.
    #[must_use]
    pub const fn wire(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Tenant => "tenant",
            Self::Process => "process",
            Self::Egress => "egress",
            Self::Account => "account",
            Self::Circuit => "circuit",
            Self::Server => "server",
        }
    }
}

impl PairError {
    /// Its name for programs. It never changes.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::AlreadyPairing => "already_pairing",
            Self::AlreadyLinked { .. } => "already_linked",
            Self::CodeOutstanding { .. } => "code_outstanding",
            Self::RateLimited { .. } => "rate_limited",
            Self::Rejected { .. } => "rejected",
            Self::Expired => "expired",
            Self::Exhausted => "exhausted",
            Self::UnstableLink { .. } => "unstable_link",
            Self::StoreUnavailable => "store_unavailable",
            Self::Passkey => "passkey",
            Self::ConnectTimeout => "connect_timeout",
            Self::Closed { .. } => "closed",
            Self::Cancelled => "cancelled",
            Self::PhoneMissing => "phone_missing",
            Self::NotPairing => "not_pairing",
        }
    }

    /// How long to wait before trying again, where that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::CodeOutstanding { remaining } => Some(*remaining),
            Self::RateLimited { retry_after, .. } => Some(*retry_after),
            Self::Rejected { retry_after, .. } | Self::UnstableLink { retry_after } => *retry_after,
            Self::Closed { kind: ReasonKind::StoreLocked, .. } => Some(LOCKED),
            _ => None,
        }
    }

    /// The server's code, where there is one.
    #[must_use]
    pub const fn server_code(&self) -> Option<u16> {
        match self {
            Self::Rejected { code, .. } => Some(*code),
            Self::RateLimited { by: LimitedBy::Server, .. } => Some(429),
            Self::Closed { code, .. } => *code,
            _ => None,
        }
    }

    /// Why the account stands at `error` after this; none when it is idle again.
    #[must_use]
    pub fn reason(&self, now: UnixMillis) -> Option<Reason> {
        let kind = match self {
            Self::Cancelled | Self::AlreadyPairing | Self::PhoneMissing | Self::NotPairing => return None,
            Self::Expired | Self::Exhausted => ReasonKind::PairingExpired,
            Self::UnstableLink { .. } => ReasonKind::UnstableLink,
            Self::ConnectTimeout => ReasonKind::ConnectTimeout,
            Self::StoreUnavailable => ReasonKind::StoreFailed,
            Self::Closed { kind, .. } => *kind,
            Self::AlreadyLinked { .. }
            | Self::CodeOutstanding { .. }
            | Self::RateLimited { .. }
            | Self::Rejected { .. }
            | Self::Passkey => ReasonKind::PairingRejected,
        };
        let mut reason = Reason::new(kind).detail(self.code());
        if let Some(code) = self.server_code() {
            reason = reason.code(code);
        }
        if let Some(wait) = self.retry_after() {
            reason = reason.retry_at(now.after(wait));
        }
        Some(reason)
    }
}
