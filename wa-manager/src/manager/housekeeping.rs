//! Forgets what is old: events, and what requests and attempts led to. Removes what is left of accounts.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use wa_types::UnixMillis;

use super::Shared;
use crate::media::{MediaHome, remove_abandoned};
use crate::sink::Endpoint;
use crate::store::{Change, Changes, ManagerStore, ManagerStoreError};
use crate::webhook::Webhooks;

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(60 * 60);

/// Events that are not handed on yet are kept, and those of the last days: webhooks are tried for one.
const LEAST: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// Whom events are owed to.
pub(super) struct Owed {
    pub(super) sinks: Vec<Endpoint>,
    pub(super) webhooks: Webhooks,
    /// The store beneath the vault: what is old is forgotten whether that is there or not.
    pub(super) unopened: Arc<dyn ManagerStore>,
}

/// Forgets from time to time, until it is told to stop. Tells when what accounts left was looked at for the first time.
pub(super) async fn keep_house(
    shared: Arc<Shared>,
    owed: Owed,
    keep: Duration,
    is_swept: oneshot::Sender<()>,
    stop: CancellationToken,
) {
    let mut is_swept = Some(is_swept);
    loop {
        let forgotten = async {
            if let Err(error) = forget(&shared, &owed, keep.max(LEAST)).await {
                tracing::warn!(%error, "what is old could not be removed");
            }
            if let Err(error) = sweep_media(&shared).await {
                tracing::warn!(%error, "files that were being fetched could not be removed");
            }
        };
        let swept = async {
            shared.sweep().await;
            let _nobody_waits = is_swept.take().map(|told| told.send(()));
        };
        tokio::join!(forgotten, stop.run_until_cancelled(swept));
        if stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            return;
        }
    }
}

/// Removes what is left of files that were being fetched.
async fn sweep_media(shared: &Shared) -> Result<(), ManagerStoreError> {
    let now = shared.clock.wall();
    let rows = shared.store.accounts().await?;
    let homes: Vec<_> = rows.iter().filter_map(|row| shared.media_home(row)).collect();
    let swept = tokio::task::spawn_blocking(move || sweep_homes(&homes, now));
    swept.await.map_err(ManagerStoreError::io)?.map_err(ManagerStoreError::io)
}

/// One that fails keeps nobody from the others.
fn sweep_homes(homes: &[MediaHome], now: UnixMillis) -> io::Result<()> {
    let removed = homes.iter().map(|home| remove_abandoned(home, now));
    removed.fold(Ok(()), Result::and)
}

async fn forget(shared: &Shared, owed: &Owed, keep: Duration) -> Result<(), ManagerStoreError> {
    let now = shared.clock.wall();
    let mut changes = Changes::new();
    changes.push(Change::TrimExpired { now: now.0 });
    let old = keep_untaken(shared, owed, keep, now).await;
    if let Ok(seq @ 1..) = old {
        changes.push(Change::TrimEvents { seq });
    }
    shared.store.commit(changes).await?;
    old.map(drop)
}

/// Up to which event all may be forgotten: what nobody took of them is kept as dead letters.
async fn keep_untaken(
    shared: &Shared,
    owed: &Owed,
    keep: Duration,
    now: UnixMillis,
) -> Result<u64, ManagerStoreError> {
    let cut = UnixMillis(now.0.saturating_sub(u64::try_from(keep.as_millis()).unwrap_or(u64::MAX)));
    let seq = shared.store.last_seq_before(cut).await?.min(shared.hub.published());
    if seq > 0 {
        let webhooks = owed.webhooks.endpoints(&*owed.unopened).await?;
        for endpoint in owed.sinks.iter().chain(&webhooks) {
            endpoint.keep_untaken(&*shared.store, seq, now).await?;
        }
    }
    Ok(seq)
}
