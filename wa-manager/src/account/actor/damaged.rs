//! Stands for an actor whose account cannot be read from the store: it is shown as such, and one that is damaged can be
//! deleted. The other accounts run on.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wa_core::Client;

use super::{Command, End, Unlink};
use crate::account::{AccountRecord, AccountSnapshot, AccountStatus, Reason, ReasonKind};
use crate::event::EventKind;
use crate::ids::AccountId;
use crate::manager::{Ending, ManagerError, Shared};
use crate::sending::SendError;
use crate::store::{Change, ManagerStoreError};

/// How long the server has to hear that a device is to be unlinked.
const UNLINK: Duration = Duration::from_secs(10);

/// An account that cannot be read.
pub(super) struct Unread<'a> {
    pub(super) shared: &'a Shared,
    pub(super) id: &'a AccountId,
    pub(super) snapshot: &'a watch::Sender<AccountSnapshot>,
    /// Why.
    pub(super) reason: Reason,
}

/// An account of which something is damaged.
pub(super) struct Damaged<'a> {
    unread: Unread<'a>,
    /// What cannot be read.
    what: String,
}

impl Unread<'_> {
    /// Shows it as it is, in this process.
    pub(super) fn show(&self) {
        self.snapshot.send_modify(|shown| {
            (shown.status, shown.reason) = (AccountStatus::Error, Some(self.reason.clone()));
        });
    }

    /// Refuses what is asked of the account, for so long. Whether the manager ends.
    pub(super) async fn refuse(
        &self,
        mailbox: &mut mpsc::Receiver<Command>,
        stop: &CancellationToken,
        within: Duration,
    ) -> bool {
        let refused = async {
            while let Some(command) = mailbox.recv().await {
                // Others find it out by themselves.
                if let Command::Send(_, reply) = command {
                    let _gone = reply.send(Err(ManagerError::Crashed.into()));
                }
            }
        };
        stop.run_until_cancelled(timeout(within, refused)).await.is_none_or(|refused| refused.is_ok())
    }

    /// Stores where the account stands, if its row can be read; its row is left as it is otherwise.
    pub(super) async fn tell(&self) -> Result<(), ManagerStoreError> {
        let Some(record) = self.record().await? else { return Ok(()) };
        let mut changes = self.shared.fenced(&record);
        if let Ok(Some(mut row)) = self.shared.store.account(self.id).await {
            if row.status == AccountStatus::Error && row.reason.as_ref() == Some(&self.reason) {
                return Ok(());
            }
            (row.status, row.reason) = (AccountStatus::Error, Some(self.reason.clone()));
            row.updated_at = self.shared.clock.wall();
            changes.put_account(row);
        }
        let data = json!({ "before": record.status, "status": AccountStatus::Error, "reason": self.reason });
        changes.push_event(self.shared.event(&record, EventKind::AccountStatus, data));
        let events = self.shared.store.commit(changes).await?;
        if let Some(event) = events.last() {
            self.snapshot.send_modify(|shown| shown.seq = event.account_seq);
        }
        self.shared.hub.notify();
        Ok(())
    }

    /// What can be read of its row.
    async fn record(&self) -> Result<Option<AccountRecord>, ManagerStoreError> {
        let rows = self.shared.store.accounts().await?;
        Ok(rows.into_iter().find(|row| row.id == *self.id))
    }
}

impl<'a> Damaged<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        id: &'a AccountId,
        snapshot: &'a watch::Sender<AccountSnapshot>,
        what: String,
    ) -> Self {
        let reason = Reason::new(ReasonKind::StoreCorrupt).detail(what.clone());
        Self { unread: Unread { shared, id, snapshot, reason }, what }
    }

    /// Answers until the account is deleted, or the manager ends.
    pub(super) async fn stand(
        self,
        mailbox: &mut mpsc::Receiver<Command>,
        stop: &CancellationToken,
        ending: &Ending,
    ) -> End {
        tracing::error!(account = %self.unread.id, what = self.what, "what is stored of the account is damaged");
        ending.note(&End::Damaged(self.what.clone()));
        self.unread.show();
        if let Err(error) = self.unread.tell().await {
            tracing::error!(account = %self.unread.id, %error, "the manager's store failed");
        }
        while let Some(Some(command)) = stop.run_until_cancelled(mailbox.recv()).await {
            match command {
                Command::Delete(how, reply) => {
                    let deleted = self.delete(how).await;
                    let is_deleted = deleted.is_ok();
                    let _gone = reply.send(deleted);
                    if is_deleted {
                        return End::Deleted;
                    }
                }
                Command::Send(_, reply) => {
                    let _gone = reply.send(Err(SendError::Store(self.error())));
                }
                // Who asked finds out from `ending`.
                _ => {}
            }
        }
        End::Shutdown
    }

    fn error(&self) -> ManagerStoreError {
        ManagerStoreError::Corrupt { what: self.what.clone() }
    }

    async fn delete(&self, how: Unlink) -> Result<(), ManagerError> {
        let Some(record) = self.unread.record().await? else { return Ok(()) };
        let place =
            record.location.as_ref().filter(|place| self.unread.shared.places.is_of(place, self.unread.id));
        let place = place.map(Path::new);
        if let Some(place) = place
            && (record.jid.is_some() || record.accepted.is_some())
        {
            let told = self.unlink(&record, place).await;
            if how == Unlink::AtServer {
                told?;
            }
        }
        let mut changes = self.unread.shared.fenced(&record);
        let data = json!({ "name": record.name.as_str() });
        changes.push_event(self.unread.shared.event(&record, EventKind::AccountDeleted, data));
        changes.push(Change::DeleteAccount(self.unread.id.clone()));
        let leftover = self.unread.shared.leftover(&record);
        changes.extend(leftover.clone().map(Change::PutLeftover));
        self.unread.shared.store.commit(changes).await?;
        self.unread.shared.hub.notify();
        self.unread.shared.numbers.forget(self.unread.id);
        self.unread.shared.places.hold_of(self.unread.id);
        if let Some(leftover) = leftover {
            self.unread.shared.clear(leftover).await;
        }
        Ok(())
    }

    /// Connects for nothing but this.
    async fn unlink(&self, record: &AccountRecord, place: &Path) -> Result<(), ManagerError> {
        let not_unlinked = |why: String| ManagerError::NotUnlinked(why);
        let clock = &self.unread.shared.clock;
        let _admission = self.unread.shared.release.admit(clock.boot()).map_err(|at| {
            ManagerError::ClientOutdated { until: clock.wall().after(at.saturating_sub(clock.boot())) }
        })?;
        let store = self.unread.shared.keys.open(place).await?;
        let builder = Client::builder(store).alias(self.unread.id.as_str()).confirm_by_hand();
        let builder = (self.unread.shared.configure)(builder, record);
        let (client, mut events) =
            builder.connect().await.map_err(|error| not_unlinked(error.to_string()))?;
        let unlinked = async {
            if client.ready().await {
                client.logout().await.map_err(|error| not_unlinked(error.to_string()))
            } else {
                Err(not_unlinked("there is no connection".to_owned()))
            }
        };
        // A client whose events nobody reads waits.
        let reading = async { while events.next().await.is_some() {} };
        let told = tokio::select! {
            told = timeout(UNLINK, unlinked) => told,
            () = reading => Ok(Err(not_unlinked("there is no connection".to_owned()))),
        };
        client.shutdown().await;
        told.unwrap_or_else(|_| Err(not_unlinked("the server did not answer in time".to_owned())))
    }
}
