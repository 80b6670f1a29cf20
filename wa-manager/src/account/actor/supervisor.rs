//! Starts an actor anew after a crash, and leaves it alone after too many: whatever happens to one account, the others
//! run on.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use wa_core::crypto::SystemRandom;

use super::client::{Left, end_left};
use super::crashes::Crashes;
use super::damaged::Damaged;
use super::gatekeeping::gate_config;
use super::{Actor, Begin, Command, End};
use crate::account::{AccountRecord, AccountSnapshot};
use crate::ids::AccountId;
use crate::manager::{Ending, Shared};
use crate::pairing::PairingView;
use crate::sending::{Gate, GateOwner};
use crate::store::ManagerStoreError;

/// A crashed account is started again so much later.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Runs the account until it is deleted, or the manager ends; why it ends is noted at once.
pub(crate) async fn supervise(
    shared: Arc<Shared>,
    id: AccountId,
    snapshot: watch::Sender<AccountSnapshot>,
    shown: watch::Sender<Option<PairingView>>,
    mailbox: &mut mpsc::Receiver<Command>,
    stop: CancellationToken,
    ending: &Arc<Ending>,
) -> End {
    let mut crashes = Crashes::default();
    let mut begin = Begin::Fresh;
    let left = Left::default();
    let damaged = |what| Damaged { shared: &shared, id: &id, snapshot: &snapshot, what };
    loop {
        // What the host says of tenants is asked, too.
        let read = AssertUnwindSafe(read(&shared, &id)).catch_unwind().await;
        let (record, gate) =
            match read.unwrap_or_else(|_| Err(ManagerStoreError::io(std::io::Error::other("a panic")))) {
                Ok(Some(read)) => read,
                Ok(None) => return End::Deleted,
                Err(ManagerStoreError::FenceLost { .. }) => return End::FenceLost,
                Err(ManagerStoreError::Corrupt { what }) => {
                    return damaged(what).stand(mailbox, &stop, ending).await;
                }
                Err(error) => {
                    tracing::error!(account = %id, %error, "the manager's store failed");
                    if wait(&stop).await {
                        return End::Shutdown;
                    }
                    continue;
                }
            };
        let beyond = (Arc::clone(&left), Arc::clone(ending));
        let (seen, shown) = (snapshot.clone(), shown.clone());
        let actor = Actor::new(Arc::clone(&shared), record, seen, shown, gate, stop.clone(), beyond);
        // After a panic the actor is gone with all that it had; only the mailbox stays, which has no state.
        match AssertUnwindSafe(Box::pin(actor.run(begin, mailbox))).catch_unwind().await {
            Ok(End::Damaged(what)) => return damaged(what).stand(mailbox, &stop, ending).await,
            Ok(end) => return end,
            Err(_) => end_left(&left).await,
        }
        let is_too_often = crashes.add(shared.clock.boot());
        tracing::error!(account = %id, is_too_often, "the account crashed");
        begin = if is_too_often { Begin::Quarantined } else { Begin::Again };
        if wait(&stop).await {
            return End::Shutdown;
        }
    }
}

/// The account as it is stored.
async fn read(shared: &Shared, id: &AccountId) -> Result<Option<(AccountRecord, Gate)>, ManagerStoreError> {
    let Some(record) = shared.store.account(id).await? else { return Ok(None) };
    let owner = GateOwner { account: id.clone(), tenant: record.tenant.clone(), epoch: record.epoch };
    let (store, clock) = (Arc::clone(&shared.store), Arc::clone(&shared.clock));
    let random = Box::new(SystemRandom);
    let gate = Gate::open(store, owner, gate_config(shared, &record), clock, random).await?;
    Ok(Some((record, gate)))
}

/// Waits a moment. Whether the manager ends.
async fn wait(stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => true,
        () = tokio::time::sleep(AGAIN_AFTER) => false,
    }
}
