//! What can go wrong with the manager's store.

use crate::account::AccountName;
use crate::ids::AccountId;

/// Why a call of the store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagerStoreError {
    /// Another account of the tenant has this name. Nothing was written.
    #[error("there is an account named {name} already")]
    NameTaken {
        /// The name.
        name: AccountName,
    },
    /// Another owner has taken the account over, or it is gone: whoever gets this stops writing. Nothing was written.
    #[error("the account {account} has another owner")]
    FenceLost {
        /// The account.
        account: AccountId,
    },
    /// Another process has the store open.
    #[error("the store is open in another process")]
    Locked,
    /// The disk is full.
    #[error("the disk is full")]
    Full,
    /// What is stored cannot be read.
    #[error("the store is damaged: {what}")]
    Corrupt {
        /// What cannot be read.
        what: String,
    },
    /// The file is no database, or another application's, such as an account's keys; it was left untouched. Look at the path.
    #[error("the file is no store of a manager")]
    NotAStore,
    /// It was made by an older version, whose files are not read: begin with a new one.
    #[error("the store was made by an older version ({found})")]
    OlderVersion {
        /// The version that it has.
        found: u32,
    },
    /// It was made by a newer version: use that, or a later one.
    #[error("the store was made by a newer version ({found})")]
    NewerVersion {
        /// The version that it has.
        found: u32,
    },
    /// It was closed.
    #[error("the store is closed")]
    Closed,
    /// Reading or writing failed.
    #[error("the store failed")]
    Io(#[source] std::sync::Arc<dyn std::error::Error + Send + Sync>),
}

impl ManagerStoreError {
    /// A failure of reading or writing.
    pub fn io(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Io(std::sync::Arc::new(error))
    }

    /// The same error for another caller whose changes went with the first one's.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Full => Self::Full,
            Self::Locked => Self::Locked,
            Self::Corrupt { what } => Self::Corrupt { what: what.clone() },
            Self::Io(error) => Self::Io(std::sync::Arc::clone(error)),
            other => Self::io(std::io::Error::other(other.to_string())),
        }
    }
}
