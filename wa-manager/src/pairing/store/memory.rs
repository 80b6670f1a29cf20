//! Codes on show for one process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use wa_types::UnixMillis;

use super::PairingStore;
use crate::ids::AccountId;
use crate::pairing::view::PairingView;
use crate::store::StoreFuture;

/// Keeps what is on show as long as this process lives. Other processes see nothing of it.
#[derive(Debug, Default)]
pub struct MemoryPairingStore {
    views: Mutex<HashMap<AccountId, PairingView>>,
}

impl MemoryPairingStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn views(&self) -> MutexGuard<'_, HashMap<AccountId, PairingView>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn done<'a, T: Send + 'a>(answer: T) -> StoreFuture<'a, T> {
    Box::pin(std::future::ready(Ok(answer)))
}

impl PairingStore for MemoryPairingStore {
    fn put(&self, account: &AccountId, view: &PairingView, now: UnixMillis) -> StoreFuture<'_, ()> {
        let mut views = self.views();
        views.retain(|_, view| now < view.expires_at);
        views.insert(account.clone(), view.clone());
        done(())
    }

    fn get(&self, account: &AccountId, now: UnixMillis) -> StoreFuture<'_, Option<PairingView>> {
        done(self.views().get(account).cloned().and_then(|view| view.at(now)))
    }

    fn delete(&self, account: &AccountId) -> StoreFuture<'_, ()> {
        self.views().remove(account);
        done(())
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        done(())
    }
}
