//! Files that no account owns any more: what a deleted account left, or one that was linked anew elsewhere. That they are
//! to be removed is stored in the commit that makes them nobody's, so that a crash leaves none for ever; until they are
//! gone nobody gets their place. Requirements: manager.md, R090.

use std::path::Path;

use super::{ManagerError, Shared};
use crate::store::{Change, Changes, LeftoverRecord, ManagerStoreError};

impl Shared {
    /// Removes all that is left; what cannot be removed now is tried again.
    pub(crate) async fn sweep(&self) {
        if let Err(error) = self.try_sweep().await {
            tracing::error!(%error, "what deleted accounts left could not be read");
        }
    }

    async fn try_sweep(&self) -> Result<(), ManagerStoreError> {
        let leftovers = self.store.leftovers().await?;
        if leftovers.is_empty() {
            return Ok(());
        }
        let rows = self.store.accounts().await?;
        for leftover in leftovers {
            if rows.iter().any(|row| row.location.as_ref() == Some(&leftover.location)) {
                // They are an account's again, and go with it.
                self.forget(leftover).await?;
            } else if self.places.hold(&leftover.location) {
                self.clear(leftover).await;
            }
        }
        Ok(())
    }

    /// Removes these files. Their place is [held](super::Places::hold); it is free when they are gone.
    pub(crate) async fn clear(&self, leftover: LeftoverRecord) {
        let removed = async {
            let media = self.media.delete_all(&Self::media_home_of(&leftover)).await;
            self.keys.remove(Path::new(&leftover.location)).await?;
            media.map_err(ManagerStoreError::io)?;
            self.forget(leftover.clone()).await?;
            Ok::<_, ManagerError>(())
        };
        match removed.await {
            Ok(()) => self.places.release(&leftover.location),
            Err(error) => {
                let account = &leftover.account;
                tracing::warn!(%account, %error, "files could not be removed: it is tried again later");
            }
        }
    }

    async fn forget(&self, leftover: LeftoverRecord) -> Result<(), ManagerStoreError> {
        let mut changes = Changes::new();
        changes.push(Change::DeleteLeftover(leftover));
        self.store.commit(changes).await.map(drop)
    }
}
