//! What everyone shares: the state behind one lock, the certificate authority, and the bell that rings at change.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::account::DeviceKey;
use crate::authority::Authority;
use crate::config::Config;
use crate::journal::{Direction, Entry, Subject};
use crate::phone::Phone;
use crate::state::State;

/// The inside of a running server.
pub(crate) struct Hub {
    state: Mutex<State>,
    pub(crate) authority: Authority,
    pub(crate) config: Config,
    /// Ends every connection and every phone.
    pub(crate) shutdown: CancellationToken,
    changes: watch::Receiver<u64>,
    phones: Mutex<HashMap<String, Phone>>,
}

impl Hub {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        let (bell, changes) = watch::channel(0);
        let hub = Arc::new(Self {
            state: Mutex::new(State::new(config.clone(), bell)),
            authority: Authority::new(),
            config,
            shutdown: CancellationToken::new(),
            changes,
            phones: Mutex::new(HashMap::new()),
        });
        hub.state().hub = Arc::downgrade(&hub);
        hub
    }

    /// The state, locked. Never held across an await.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The phones by the name that each was made with.
    pub(crate) fn phones(&self) -> MutexGuard<'_, HashMap<String, Phone>> {
        self.phones.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last stanzas of a device as text, oldest first.
    pub(crate) fn stanzas_of(&self, key: DeviceKey) -> Vec<String> {
        let state = self.state();
        let line = |entry: &Entry| {
            let arrow = match entry.direction {
                Direction::FromClient => "→",
                Direction::ToClient => "←",
            };
            format!("{arrow} {}", entry.node.to_xml())
        };
        state.journal.of(Subject::Device(key)).map(line).collect()
    }

    /// Ends everything.
    pub(crate) fn end(&self) {
        self.shutdown.cancel();
        // Phones hold the hub, and the hub them.
        self.phones().clear();
    }

    /// Waits until `look` finds what it looks for in the state; looks again after every stanza and every login.
    pub(crate) async fn wait<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut changes = self.changes.clone();
        loop {
            changes.mark_unchanged();
            if let Some(found) = look(&mut self.state()) {
                return found;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}
