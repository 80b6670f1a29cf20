//! Which accounts there are in this process, by id and by name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{mpsc, watch};

use super::{AccountKey, ManagerError};
use crate::account::actor::{Command, End};
use crate::account::{AccountName, AccountSnapshot};
use crate::ids::{AccountId, TenantId};
use crate::pairing::PairingView;
use crate::store::ManagerStoreError;

/// What leads to an account's actor.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: AccountId,
    pub(crate) tenant: TenantId,
    pub(crate) name: AccountName,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) snapshot: watch::Receiver<AccountSnapshot>,
    /// What it shows to be scanned or typed, as long as its task runs.
    pub(crate) shown: watch::Receiver<Option<PairingView>>,
    pub(crate) ending: Arc<Ending>,
}

/// Why nobody answers any more. It is said before the first one waits in vain.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// How the account's task ended, once it has, or is about to.
    end: OnceLock<End>,
    /// What cannot be read of it: it can only be deleted then.
    damage: OnceLock<String>,
}

impl Ending {
    /// Whether the task has ended, or is about to.
    pub(crate) fn is_noted(&self) -> bool {
        self.end.get().is_some()
    }

    /// The task ends so.
    pub(crate) fn note(&self, end: &End) {
        let _the_first_counts = match end {
            End::Damaged(what) => self.damage.set(what.clone()).is_ok(),
            end => self.end.set(end.clone()).is_ok(),
        };
    }
}

impl Entry {
    /// Why nobody answers.
    pub(crate) fn gone(&self) -> ManagerError {
        let damage = || Some(ManagerStoreError::Corrupt { what: self.ending.damage.get()?.clone() });
        match self.ending.end.get() {
            Some(End::Deleted) => ManagerError::NotFound,
            Some(End::Shutdown) => ManagerError::Shutdown,
            Some(End::FenceLost) => ManagerError::FenceLost { account: self.id.clone() },
            Some(End::Damaged(_)) | None => damage().map_or(ManagerError::Crashed, ManagerError::Store),
        }
    }
}

/// All accounts.
#[derive(Debug, Default)]
pub(super) struct Registry {
    accounts: Mutex<Accounts>,
}

#[derive(Debug, Default)]
struct Accounts {
    by_id: HashMap<AccountId, Arc<Entry>>,
    by_name: HashMap<TenantId, HashMap<AccountName, AccountId>>,
}

impl Registry {
    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(&self, entry: Entry) -> Arc<Entry> {
        let entry = Arc::new(entry);
        let mut accounts = self.accounts();
        let names = accounts.by_name.entry(entry.tenant.clone()).or_default();
        names.insert(entry.name.clone(), entry.id.clone());
        accounts.by_id.insert(entry.id.clone(), Arc::clone(&entry));
        entry
    }

    pub(super) fn remove(&self, id: &AccountId) {
        let mut accounts = self.accounts();
        let Some(entry) = accounts.by_id.remove(id) else { return };
        if let Some(names) = accounts.by_name.get_mut(&entry.tenant) {
            // Another account may have the name by now.
            if names.get(&entry.name) == Some(id) {
                names.remove(&entry.name);
            }
            if names.is_empty() {
                accounts.by_name.remove(&entry.tenant);
            }
        }
    }

    pub(super) fn get(&self, key: &AccountKey) -> Option<Arc<Entry>> {
        let accounts = self.accounts();
        let id = match key {
            AccountKey::Id(id) => id,
            AccountKey::Name(tenant, name) => accounts.by_name.get(tenant)?.get(name)?,
        };
        accounts.by_id.get(id).cloned()
    }

    /// How many accounts a tenant has.
    pub(super) fn count(&self, tenant: &TenantId) -> usize {
        self.accounts().by_name.get(tenant).map_or(0, HashMap::len)
    }

    /// All of them, or those of a tenant, in no order.
    pub(super) fn all(&self, tenant: Option<&TenantId>) -> Vec<Arc<Entry>> {
        let is_wanted = |entry: &&Arc<Entry>| tenant.is_none_or(|tenant| entry.tenant == *tenant);
        self.accounts().by_id.values().filter(is_wanted).cloned().collect()
    }
}
