//! What changed in the state that the account's devices share.

use wa_types::UnixMillis;

use crate::app_state::{Action, AppStateError, Collection};

/// News of the shared state. Told once: what the state is now is read from the client's handles for it, such as
/// [`crate::Client::chats`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AppStateEvent {
    /// An entry was written or removed.
    Changed(Box<StateChanged>),
    /// This collection was fetched whole, for the first time or to mend it; its entries were told before.
    Synced {
        /// Which.
        collection: Collection,
    },
    /// A change of the application's own was refused by the server for good, and undone.
    Refused {
        /// What was to be.
        action: Box<Action>,
        /// The server's code.
        code: u16,
    },
    /// This collection cannot be read, with all that was tried: the server's patches, its snapshot, and the phone. What
    /// is known of it stays as it was. It is tried again with the next connection, and when the server has news of it.
    Broken {
        /// Which.
        collection: Collection,
        /// What is wrong with what the server has.
        error: AppStateError,
    },
    /// This collection waits for keys, which were asked for. Everything else goes on.
    KeysMissing {
        /// Which.
        collection: Collection,
    },
}

/// An entry of the shared state that was written or removed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StateChanged {
    /// What it is about, the name of the action first.
    pub index: Vec<String>,
    /// What it says now; `None` when it was removed.
    pub action: Option<Action>,
    /// What it said before, as far as that is known.
    pub previous: Option<Action>,
    /// When the change was made, by the clock of who made it.
    pub at: Option<UnixMillis>,
    /// Where it comes from.
    pub origin: ChangeOrigin,
}

/// Where a change comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChangeOrigin {
    /// This device: the application made it, just now.
    Application,
    /// Another device of the account.
    Device,
    /// The collection was fetched whole: the change may be old.
    FullSync,
}
