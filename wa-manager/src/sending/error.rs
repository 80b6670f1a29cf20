//! Why something is not sent.

use std::time::Duration;

use wa_types::{MessageId, UnixMillis};

use crate::account::AccountStatus;
use crate::manager::ManagerError;
use crate::store::ManagerStoreError;
use crate::trust::{LimitInfo, RestrictionKind, Scope};

/// A message was not sent, or it is not known whether it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The account cannot send now. Nothing was counted; try again when it is ready.
    #[error("the account is not ready: {}", status.wire())]
    NotReady {
        /// Where it stands.
        status: AccountStatus,
    },
    /// A limit is reached. Nothing was counted; [`Self::retry_after`] says when to try again, unless time does not help.
    #[error("the limit {:?} of lane {} is reached", .0.scope, .0.lane.as_str())]
    Limited(LimitInfo),
    /// The server forbids it. Nothing was counted; not before [`Self::until`].
    #[error("the server forbids it: {}", kind.as_str())]
    Restricted {
        /// What it forbids.
        kind: RestrictionKind,
        /// Until when; none until somebody acts.
        until: Option<UnixMillis>,
        /// The server's code, where there is one.
        server_code: Option<u16>,
    },
    /// The server refused this message. It stays counted; do not send it again.
    #[error("the server refused the message with code {server_code}")]
    Refused {
        /// The server's code.
        server_code: u16,
    },
    /// Nothing can be sent to this address, or nobody has it; or the id or the key is that of a message to somebody else,
    /// or of a reaction, an edit, a deletion or a vote where a message is to be sent.
    #[error("nothing can be sent to this address")]
    InvalidRecipient,
    /// Nobody knows whether it left: it stays counted. Send again with the same id or key only.
    #[error("it is not known whether message {message_id} was sent")]
    Unknown {
        /// The message.
        message_id: MessageId,
    },
    /// It was not sent before its deadline. Nothing left, nothing is counted.
    #[error("the deadline has passed")]
    Expired,
    /// It was taken back. Nothing left, nothing is counted.
    #[error("cancelled")]
    Cancelled,
    /// So many messages of the account wait already. Try again when some of them left.
    #[error("{limit} messages wait already")]
    QueueFull {
        /// How many may wait.
        limit: usize,
    },
    /// A message of this kind cannot wait: it is sealed when it leaves.
    #[error("a message of this kind cannot wait")]
    NotQueueable,
    /// The client could not send it. Nothing left, nothing is counted; its own advice says what to do.
    #[error("the client could not send it")]
    Client(#[source] wa_core::SendError),
    /// The store failed. Nothing left.
    #[error("the store failed")]
    Store(#[from] ManagerStoreError),
    /// The account is gone, damaged, or another owner's; or the manager ended. Nothing left.
    #[error(transparent)]
    Manager(Box<ManagerError>),
}

impl From<ManagerError> for SendError {
    fn from(error: ManagerError) -> Self {
        Self::Manager(Box::new(error))
    }
}

impl SendError {
    /// A name that does not change, for other languages and for HTTP.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotReady { .. } => "not_ready",
            Self::Limited(_) => "limited",
            Self::Restricted { .. } => "restricted",
            Self::Refused { .. } => "refused",
            Self::InvalidRecipient => "invalid_recipient",
            Self::Unknown { .. } => "unknown",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::QueueFull { .. } => "queue_full",
            Self::NotQueueable => "not_queueable",
            Self::Client(_) => "client",
            Self::Store(_) => "store",
            Self::Manager(error) => error.code(),
        }
    }

    /// When it may be tried again; `None` when that is not known, or time does not help.
    #[must_use]
    pub const fn until(&self) -> Option<UnixMillis> {
        match self {
            Self::Limited(limit) => limit.retry_at,
            Self::Restricted { until, .. } => *until,
            _ => None,
        }
    }

    /// How long until then.
    #[must_use]
    pub fn retry_after(&self, now: UnixMillis) -> Option<Duration> {
        self.until().map(|until| until.since(now))
    }
}

impl From<LimitInfo> for SendError {
    fn from(limit: LimitInfo) -> Self {
        let server_code = match limit.source {
            crate::trust::LimitSource::Server { code } => code,
            crate::trust::LimitSource::Own => None,
        };
        match limit.scope {
            Scope::Restriction(kind) => Self::Restricted { kind, until: limit.retry_at, server_code },
            _ => Self::Limited(limit),
        }
    }
}
