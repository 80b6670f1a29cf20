//! Where something that came in failed.

use tracing::{Span, debug_span};

use crate::store::ManagerStoreError;

use super::provider::HookError;

/// Why something that came in was not taken in as a whole. Each stage has its own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InboundError {
    /// It could not be decrypted; that it came is told.
    #[error("it could not be decrypted")]
    Undecryptable,
    /// What was decrypted is no message; that it came is told.
    #[error("what was decrypted is no message")]
    Undecodable,
    /// The account is gone, or has another owner. Nothing is stored; do not confirm.
    #[error("the account is gone, or has another owner")]
    UnknownAccount,
    /// The host's hook said no.
    #[error("the provider was not selected")]
    Provider(#[source] HookError),
    /// A hook of the host's did not answer in time.
    #[error("the host did not answer in time")]
    HookTimeout(Stage),
    /// A hook of the host's panicked.
    #[error("a hook of the host panicked")]
    HookPanic(Stage),
    /// The host was not asked: it did not answer in time again and again, or others waited too long for it.
    #[error("the host was not asked, as it takes too long to answer")]
    NotAsked,
    /// The host has no contact for it.
    #[error("the host did not provide a contact")]
    HostContact(#[source] HookError),
    /// The host has no chat for it.
    #[error("the host did not provide a chat")]
    HostChat(#[source] HookError),
    /// The contact could not be read.
    #[error("the contact could not be read")]
    Contact(#[source] ManagerStoreError),
    /// The chat could not be read.
    #[error("the chat could not be read")]
    Chat(#[source] ManagerStoreError),
    /// Contact and chat could not be stored; the message was, without them.
    #[error("contact and chat could not be stored")]
    Provision(#[source] ManagerStoreError),
    /// Nothing could be stored; do not confirm.
    #[error("the store failed")]
    Store(#[source] ManagerStoreError),
}

/// A stage of what comes in, as errors and counters name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// It could not be decrypted.
    Decrypt,
    /// What was decrypted is no message.
    Decode,
    /// The account is unknown.
    Account,
    /// The provider was not selected.
    Provider,
    /// The contact failed.
    Contact,
    /// The chat failed.
    Chat,
    /// Contact and chat were refused by the store.
    Provision,
    /// The store failed.
    Store,
}

impl Stage {
    /// Its name in events and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decrypt => "decrypt",
            Self::Decode => "decode",
            Self::Account => "account",
            Self::Provider => "provider",
            Self::Contact => "contact",
            Self::Chat => "chat",
            Self::Provision => "provision",
            Self::Store => "store",
        }
    }
}

impl Stage {
    /// What happens in it is traced within this.
    pub(super) fn span(self) -> Span {
        debug_span!("inbound", stage = self.as_str())
    }
}

impl InboundError {
    /// Where it failed.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Undecryptable => Stage::Decrypt,
            Self::Undecodable => Stage::Decode,
            Self::UnknownAccount => Stage::Account,
            Self::Provider(_) | Self::NotAsked => Stage::Provider,
            Self::HookTimeout(stage) | Self::HookPanic(stage) => *stage,
            Self::Contact(_) | Self::HostContact(_) => Stage::Contact,
            Self::Chat(_) | Self::HostChat(_) => Stage::Chat,
            Self::Provision(_) => Stage::Provision,
            Self::Store(_) => Stage::Store,
        }
    }

    /// An error of the store, after which nothing is stored.
    pub(super) fn of_store(error: ManagerStoreError) -> Self {
        match error {
            ManagerStoreError::FenceLost { .. } => Self::UnknownAccount,
            error => Self::Store(error),
        }
    }
}
