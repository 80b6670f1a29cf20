//! The same for many accounts at once, with an answer for each. Once begun, all of it is carried out, even when the future
//! is dropped.

use futures_util::stream::{self, StreamExt as _};

use super::{AccountKey, ClientManager, ManagerError};
use crate::account::{Account, CommandOutcome, Unlink};
use crate::ids::TenantId;

/// How many accounts are worked on at once.
const AT_ONCE: usize = 16;

/// What became of one of many.
#[derive(Debug)]
#[non_exhaustive]
pub struct ItemResult<T> {
    /// Which one.
    pub key: AccountKey,
    /// What became of it.
    pub result: Result<T, ManagerError>,
}

impl ClientManager {
    /// Starts these accounts; in the order of the keys, each with its own answer.
    pub async fn batch_start(&self, keys: &[AccountKey]) -> Vec<ItemResult<CommandOutcome>> {
        self.each(keys, |account| async move { account.start().await }).await
    }

    /// Stops these accounts.
    pub async fn batch_stop(&self, keys: &[AccountKey]) -> Vec<ItemResult<CommandOutcome>> {
        self.each(keys, |account| async move { account.stop().await }).await
    }

    /// Deletes these accounts, with all that is kept of them.
    pub async fn batch_delete(&self, keys: &[AccountKey], how: Unlink) -> Vec<ItemResult<()>> {
        let manager = self.clone();
        self.each(keys, move |account| {
            let manager = manager.clone();
            async move { manager.remove(&account, how).await }
        })
        .await
    }

    /// Stops all accounts of a tenant, and no others.
    pub async fn stop_all(&self, tenant: &TenantId) -> Vec<ItemResult<CommandOutcome>> {
        let keys: Vec<AccountKey> = self
            .inner
            .registry
            .all(Some(tenant))
            .into_iter()
            .map(|entry| AccountKey::Id(entry.id.clone()))
            .collect();
        self.batch_stop(&keys).await
    }

    async fn each<T: Send + 'static, F: Future<Output = Result<T, ManagerError>> + Send + 'static>(
        &self,
        keys: &[AccountKey],
        work: impl Fn(Account) -> F + Send,
    ) -> Vec<ItemResult<T>> {
        let begun: Vec<_> = keys
            .iter()
            .map(|key| {
                let (key, work) = (key.clone(), self.get(key).map(&work));
                async move {
                    let result = match work {
                        Some(work) => work.await,
                        None => Err(ManagerError::NotFound),
                    };
                    ItemResult { key, result }
                }
            })
            .collect();
        let all = self.whole(async move { stream::iter(begun).buffered(AT_ONCE).collect().await }).await;
        all.unwrap_or_else(|error| {
            let why = || match error {
                ManagerError::Shutdown => ManagerError::Shutdown,
                _ => ManagerError::Crashed,
            };
            keys.iter().map(|key| ItemResult { key: key.clone(), result: Err(why()) }).collect()
        })
    }
}
