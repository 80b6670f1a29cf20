//! Writes what an account shows into the pairing store, behind the account's actor: a store that hangs or fails delays
//! nothing, and its holder hears the code all the same. Requirements: manager.md, R051, R054.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use wa_types::UnixMillis;

use super::PairingStore;
use crate::clock::Clock;
use crate::ids::AccountId;
use crate::pairing::view::PairingView;

/// How long the store may take for one write.
const LIMIT: Duration = Duration::from_secs(5);

/// Waits between tries of a write that failed: doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// Whether other processes see what an account shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreHealth {
    /// As far as is known.
    #[default]
    Good,
    /// What is on show could not be written. It is tried again, with longer and longer waits.
    Degraded,
}

/// What an account shows, to be written by the future that comes with it. One for the life of the account's actor, so
/// that what an attempt shows never overtakes the next one's.
#[derive(Debug)]
pub struct ViewPublisher {
    views: watch::Sender<Option<PairingView>>,
    health: watch::Receiver<StoreHealth>,
}

impl ViewPublisher {
    /// A publisher, and the future that writes. The actor runs it beside itself; it ends when the publisher is
    /// dropped, after a last try to write what was published last.
    pub fn new(
        store: Arc<dyn PairingStore>,
        clock: Arc<dyn Clock>,
        account: AccountId,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (views, shown) = watch::channel(None);
        let (told, health) = watch::channel(StoreHealth::Good);
        let writer = Writer { store, clock, account, shown, told };
        (Self { views, health }, writer.run())
    }

    /// Shows this, or nothing any more. Never waits.
    pub fn publish(&self, view: Option<PairingView>) {
        self.views.send_if_modified(|shown| {
            let is_new = *shown != view;
            *shown = view;
            is_new
        });
    }

    /// Waits until the store's health changes; for [`crate::event::EventKind::PairingDegraded`]. Never returns once the
    /// writing future is gone.
    ///
    /// Cancel safe.
    pub async fn health_changed(&mut self) -> StoreHealth {
        if self.health.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        *self.health.borrow_and_update()
    }
}

struct Writer {
    store: Arc<dyn PairingStore>,
    clock: Arc<dyn Clock>,
    account: AccountId,
    shown: watch::Receiver<Option<PairingView>>,
    told: watch::Sender<StoreHealth>,
}

impl Writer {
    async fn run(mut self) {
        while self.shown.changed().await.is_ok() {
            self.write_newest().await;
        }
    }

    /// Writes what is shown now, until that worked, or nobody publishes any more.
    async fn write_newest(&mut self) {
        let mut wait = FIRST_WAIT;
        loop {
            let view = self.shown.borrow_and_update().clone();
            let now = self.clock.wall();
            // What has expired meanwhile is not worth a write.
            if view.as_ref().is_some_and(|view| view.expires_at <= now) {
                return;
            }
            let is_written = self.write(view, now).await;
            let health = if is_written { StoreHealth::Good } else { StoreHealth::Degraded };
            self.told.send_if_modified(|told| std::mem::replace(told, health) != health);
            if is_written {
                return;
            }
            tokio::select! {
                changed = self.shown.changed() => match changed {
                    Ok(()) => self.shown.mark_changed(),
                    Err(_) => return,
                },
                () = sleep(wait) => {}
            }
            wait = LONGEST_WAIT.min(wait * 2);
        }
    }

    async fn write(&self, view: Option<PairingView>, now: UnixMillis) -> bool {
        let write = match &view {
            Some(view) => self.store.put(&self.account, view, now),
            None => self.store.delete(&self.account),
        };
        match timeout(LIMIT, write).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(account = %self.account, %error, "what a pairing shows is not stored");
                false
            }
            Err(_) => {
                tracing::warn!(account = %self.account, "the store of what pairings show does not answer");
                false
            }
        }
    }
}
