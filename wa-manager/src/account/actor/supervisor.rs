//! Starts an actor anew after a crash, and leaves it alone after too many: whatever happens to one account, the others
//! run on.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use wa_core::crypto::SystemRandom;

use super::client::{Left, end_left};
use super::crashes::Crashes;
use super::damaged::{Damaged, Unread, Wish};
use super::gatekeeping::gate_config;
use super::{Actor, Begin, Command, End};
use crate::account::{AccountRecord, AccountSnapshot, Reason, ReasonKind};
use crate::ids::AccountId;
use crate::manager::{Ending, Shared};
use crate::pairing::PairingView;
use crate::sending::{Gate, GateOwner};
use crate::store::ManagerStoreError;

/// A crashed account is started again so much later.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// One that cannot be read is left alone, and looked at again so much later.
const SELDOM: Duration = Duration::from_secs(60);

/// After so many failures of the store in a row whoever asks is no longer left waiting.
const PERSISTENT: u32 = 3;

/// So much is kept of what a panic says.
const LONGEST: usize = 200;

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
    let mut failures = 0_u32;
    let mut wish = None;
    let damaged = |what| Damaged::new(&shared, &id, &snapshot, what);
    let unread = |reason| Unread { shared: &shared, id: &id, snapshot: &snapshot, reason };
    loop {
        // What the host says of tenants is asked, too.
        let read = AssertUnwindSafe(read(&shared, &id)).catch_unwind().await;
        let (record, gate) = match read {
            Ok(Ok(Some(read))) => read,
            Ok(Ok(None)) => return End::Deleted,
            Ok(Err(ManagerStoreError::FenceLost { .. })) => return End::FenceLost,
            Ok(Err(ManagerStoreError::Corrupt { what })) => {
                return damaged(what).stand(mailbox, &stop, ending).await;
            }
            Ok(Err(error)) => {
                tracing::error!(account = %id, %error, "the manager's store failed");
                failures = failures.saturating_add(1);
                let unread = unread(Reason::new(ReasonKind::StoreFailed).detail(error.to_string()));
                let end = if failures < PERSISTENT {
                    wait(&stop).await
                } else {
                    unread.show();
                    unread.refuse(mailbox, &stop, AGAIN_AFTER, &mut wish).await
                };
                if let Some(end) = end {
                    return end;
                }
                continue;
            }
            Err(panic) => {
                let what = text_of(&*panic);
                let is_too_often = crashes.add(shared.clock.boot());
                tracing::error!(account = %id, is_too_often, "reading the account crashed");
                let end = if is_too_often || matches!(begin, Begin::Quarantined(_)) {
                    let unread = unread(Reason::new(ReasonKind::Quarantined).detail(what.clone()));
                    unread.tell().await;
                    unread.show();
                    begin = Begin::Quarantined(what);
                    unread.refuse(mailbox, &stop, SELDOM, &mut wish).await
                } else {
                    wait(&stop).await
                };
                if let Some(end) = end {
                    return end;
                }
                continue;
            }
        };
        failures = 0;
        if wish == Some(Wish::Stop) {
            // It connects not even for a moment.
            begin = Begin::Fresh;
        }
        let wanted = wish.take().map(Wish::command);
        let beyond = (Arc::clone(&left), Arc::clone(ending));
        let (seen, shown) = (snapshot.clone(), shown.clone());
        let actor = Actor::new(Arc::clone(&shared), record, seen, shown, gate, stop.clone(), beyond);
        // After a panic the actor is gone with all that it had; only the mailbox stays, which has no state.
        let what = match AssertUnwindSafe(Box::pin(actor.run(begin, wanted, mailbox))).catch_unwind().await {
            Ok(End::Damaged(what)) => return damaged(what).stand(mailbox, &stop, ending).await,
            Ok(end) => return end,
            Err(panic) => text_of(&*panic),
        };
        end_left(&left, shared.connection.stop).await;
        let is_too_often = crashes.add(shared.clock.boot());
        tracing::error!(account = %id, is_too_often, "the account crashed");
        begin = if is_too_often { Begin::Quarantined(what) } else { Begin::Again };
        if let Some(end) = wait(&stop).await {
            return end;
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

/// What a panic says, where it says anything.
fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic").chars().take(LONGEST).collect()
}

/// Waits a moment. How it ends, if the manager does.
async fn wait(stop: &CancellationToken) -> Option<End> {
    tokio::select! {
        () = stop.cancelled() => Some(End::Shutdown),
        () = tokio::time::sleep(AGAIN_AFTER) => None,
    }
}
