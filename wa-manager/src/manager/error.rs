//! Why a call of the manager failed.

use wa_types::UnixMillis;

use crate::account::{AccountName, NameError};
use crate::ids::AccountId;
use crate::location::LocationError;
use crate::pairing::PairError;
use crate::store::ManagerStoreError;

/// Why a call of the manager failed. [`Self::code`] is its name for other languages and for the wire.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagerError {
    /// There is no such account.
    #[error("there is no such account")]
    NotFound,
    /// The tenant has an account of this name.
    #[error("there is an account named {name} already")]
    AlreadyExists {
        /// The name.
        name: AccountName,
    },
    /// The name is none.
    #[error("no name for an account: {0}")]
    InvalidName(#[from] NameError),
    /// The account was changed meanwhile: read it, and decide again.
    #[error("the account was changed meanwhile; it has version {current} now")]
    VersionConflict {
        /// The version that it has.
        current: u64,
    },
    /// The account is not linked to a phone: pair it first.
    #[error("the account is not linked to a phone")]
    NotLinked,
    /// The server banned the account for a while, or locked it, and wants to hear nothing of it before this: nothing was
    /// done, and nobody connected.
    #[error("the server wants to hear nothing of the account before {}", until.0)]
    NotYet {
        /// When it may be tried again.
        until: UnixMillis,
    },
    /// The server takes no clients of this release: nothing was done, and nobody connected. Use a newer one; this one is
    /// tried again then.
    #[error("the server takes no clients of this release; it is tried again at {}", until.0)]
    ClientOutdated {
        /// When it is tried again.
        until: UnixMillis,
    },
    /// The server was not reached, and the device is still linked. Try again, or forget it on this side only.
    #[error("the device could not be unlinked: {0}")]
    NotUnlinked(String),
    /// The account has no place for its store.
    #[error("the account's store has no place")]
    Location(#[from] LocationError),
    /// The account's own store could not be opened or removed.
    #[error("the account's store failed")]
    KeyStore(#[from] wa_store::StoreError),
    /// The tenant has as many accounts as it may.
    #[error("the tenant may have {max} accounts")]
    QuotaExceeded {
        /// How many.
        max: usize,
    },
    /// The account's session was exported: it runs elsewhere, or is to be imported first.
    #[error("the account's session was exported")]
    Exported,
    /// This is no place in a list: begin anew.
    #[error("this is no place in a list")]
    InvalidCursor,
    /// Another owner took the account over.
    #[error("the account {account} has another owner")]
    FenceLost {
        /// The account.
        account: AccountId,
    },
    /// Two sinks of a manager have this name.
    #[error("two sinks are named {name}")]
    SameName {
        /// The name.
        name: String,
    },
    /// The account was not linked.
    #[error(transparent)]
    Pair(#[from] PairError),
    /// The store of codes on show failed: nobody would see them.
    #[error("the store of pairing codes failed")]
    PairingStore(#[source] ManagerStoreError),
    /// The account's actor crashed over this. It is started again by itself.
    #[error("the account crashed over this")]
    Crashed,
    /// The manager's store failed; nothing was done.
    #[error("the manager's store failed")]
    Store(#[source] ManagerStoreError),
    /// The manager was shut down.
    #[error("the manager was shut down")]
    Shutdown,
}

impl ManagerError {
    /// Its name, which stays.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyExists { .. } => "already_exists",
            Self::InvalidName(_) => "invalid_name",
            Self::VersionConflict { .. } => "version_conflict",
            Self::NotLinked => "not_linked",
            Self::NotYet { .. } => "not_yet",
            Self::ClientOutdated { .. } => "client_outdated",
            Self::NotUnlinked(_) => "not_unlinked",
            Self::Location(_) => "location",
            Self::KeyStore(_) => "key_store",
            Self::QuotaExceeded { .. } => "quota_exceeded",
            Self::Exported => "exported",
            Self::InvalidCursor => "invalid_cursor",
            Self::SameName { .. } => "same_name",
            Self::FenceLost { .. } => "fence_lost",
            Self::Pair(error) => error.code(),
            Self::PairingStore(_) => "pairing_store",
            Self::Crashed => "crashed",
            Self::Store(_) => "store",
            Self::Shutdown => "shutdown",
        }
    }
}

impl From<ManagerStoreError> for ManagerError {
    fn from(error: ManagerStoreError) -> Self {
        match error {
            ManagerStoreError::NameTaken { name } => Self::AlreadyExists { name },
            ManagerStoreError::FenceLost { account } => Self::FenceLost { account },
            error => Self::Store(error),
        }
    }
}
