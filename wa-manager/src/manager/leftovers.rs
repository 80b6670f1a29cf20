//! Files that no account owns any more: what a deleted account left, or one that was linked anew elsewhere. That they are
//! to be removed is stored in the commit that makes them nobody's, so that a crash leaves none for ever; until they are
//! gone nobody gets their place. Requirements: manager.md, R090.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::timeout;

use super::{ManagerError, Shared};
use crate::store::{Change, Changes, LeftoverRecord, ManagerStoreError};

/// How long the files of one place, or its keys, may take to go. Object stores and key stores are the host's.
const LIMIT: Duration = Duration::from_secs(30);

/// What is left, as it was read.
struct Found {
    of: LeftoverRecord,
    /// The account lives on, elsewhere: what is not in this place is its own.
    is_living: bool,
}

impl Shared {
    /// Removes all that is left; what cannot be removed now is tried again. What is under way when it is dropped stays.
    pub(crate) async fn sweep(&self) {
        let found = match self.hold_leftovers().await {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "what deleted accounts left could not be read");
                return;
            }
        };
        for Found { of, is_living } in found {
            let _alone = self.clearing.write().await;
            self.clear_once(of, is_living).await;
        }
    }

    /// [Holds](super::Places::hold) the places of all that is left, so that nobody gets them.
    pub(crate) async fn settle_leftovers(&self) -> Result<(), ManagerStoreError> {
        self.hold_leftovers().await.map(drop)
    }

    async fn hold_leftovers(&self) -> Result<Vec<Found>, ManagerStoreError> {
        // A place is released under this, too: what is read here is there until it is held.
        let _alone = self.clearing.write().await;
        let leftovers = self.store.leftovers().await?;
        if leftovers.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.store.accounts().await?;
        let mut found = Vec::new();
        for of in leftovers {
            if rows.iter().any(|row| row.location.as_ref() == Some(&of.location)) {
                // They are an account's again, and go with it.
                self.forget(of).await?;
            } else if self.places.hold(&of.location) {
                let is_living = rows.iter().any(|row| row.id == of.account);
                found.push(Found { of, is_living });
            }
        }
        Ok(found)
    }

    /// Removes these files, and all else that is kept of the account. Their place is [held](super::Places::hold); it is
    /// free when they are gone.
    pub(crate) async fn clear(&self, leftover: LeftoverRecord) {
        // Accounts beside each other, and beside no sweep.
        let _no_sweep = self.clearing.read().await;
        self.clear_once(leftover, false).await;
    }

    /// Removes what is not removed yet. A place that was free may be another account's.
    async fn clear_once(&self, leftover: LeftoverRecord, is_living: bool) {
        let (home, place) = (Self::media_home_of(&leftover), Path::new(&leftover.location));
        let removed = async {
            if !self.store.leftovers().await?.contains(&leftover) {
                return Ok(());
            }
            let media = bounded(async {
                let deleted = match is_living {
                    true => self.media.delete_in_place(&home).await,
                    false => self.media.delete_all(&home).await,
                };
                deleted.map_err(|error| ManagerStoreError::io(error).into())
            });
            let media = media.await;
            bounded(async { Ok(self.keys.remove(place).await?) }).await?;
            media?;
            self.forget(leftover.clone()).await?;
            self.places.release(&leftover.location);
            Ok::<_, ManagerError>(())
        };
        if let Err(error) = removed.await {
            let account = &leftover.account;
            tracing::warn!(%account, %error, "files could not be removed: it is tried again later");
        }
    }

    async fn forget(&self, leftover: LeftoverRecord) -> Result<(), ManagerStoreError> {
        let mut changes = Changes::new();
        changes.push(Change::DeleteLeftover(leftover));
        self.store.commit(changes).await.map(drop)
    }
}

/// Code of the host's may hang, or crash: neither is to end who waits for it.
pub(crate) async fn bounded(
    work: impl Future<Output = Result<(), ManagerError>>,
) -> Result<(), ManagerError> {
    match timeout(LIMIT, AssertUnwindSafe(work).catch_unwind()).await {
        Ok(Ok(done)) => done,
        Ok(Err(_panic)) => Err(ManagerError::Crashed),
        Err(late) => Err(ManagerStoreError::io(late).into()),
    }
}
