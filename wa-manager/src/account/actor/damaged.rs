//! Stands for an actor whose account cannot be read from the store: it is shown as such, and can be deleted. One that may
//! be read later can be stopped as well, and is restored then. The other accounts run on.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wa_core::{Client, Events};
use wa_store::StoreError;

use super::client::KEYS;
use super::{Command, CommandOutcome, End, Reply, Unlink};
use crate::account::{AccountRecord, AccountSnapshot, AccountStatus, DesiredState, Reason, ReasonKind};
use crate::event::EventKind;
use crate::ids::AccountId;
use crate::manager::{Ending, ManagerError, Shared, is_restored};
use crate::sending::SendError;
use crate::store::{Change, ManagerStoreError};

/// How long the server has to hear that a device is to be unlinked.
const UNLINK: Duration = Duration::from_secs(10);

/// What was asked of an account while it could not be read, and is done as soon as it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// It shall run, if it is one that runs after a start of the process.
    Restore,
    /// It shall not run, whoever restores it.
    Stop,
}

impl Wish {
    /// The same as a command, whose answer nobody waits for any more.
    pub(super) fn command(self) -> Command {
        match self {
            Self::Restore => Command::Restore(oneshot::channel().0),
            Self::Stop => Command::Stop(oneshot::channel().0),
        }
    }
}

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

    /// Answers for so long, and refuses most of what is asked of the account. How it ends, if it does meanwhile.
    pub(super) async fn refuse(
        &self,
        mailbox: &mut mpsc::Receiver<Command>,
        stop: &CancellationToken,
        within: Duration,
        wish: &mut Option<Wish>,
    ) -> Option<End> {
        let mut is_over = pin!(tokio::time::sleep(within));
        loop {
            let command = tokio::select! {
                biased;
                () = stop.cancelled() => return Some(End::Shutdown),
                () = &mut is_over => return None,
                command = mailbox.recv() => command,
            };
            match command {
                None => return Some(End::Shutdown),
                Some(Command::Restore(reply)) => {
                    let is_wanted = is_restored(&self.snapshot.borrow()) && *wish != Some(Wish::Stop);
                    if is_wanted {
                        wish.get_or_insert(Wish::Restore);
                    }
                    let _gone = reply.send(Ok(is_wanted));
                }
                Some(Command::Stop(reply)) => {
                    *wish = Some(Wish::Stop);
                    // The host's store may be what crashes.
                    let halted = AssertUnwindSafe(self.halt()).catch_unwind().await;
                    let _gone = reply.send(halted.unwrap_or(Err(ManagerError::Crashed)));
                }
                Some(Command::Delete(how, reply)) => {
                    if self.obey_delete(how, reply).await {
                        return Some(End::Deleted);
                    }
                }
                Some(Command::Send(_, reply)) => {
                    let _gone = reply.send(Err(ManagerError::Crashed.into()));
                }
                // Others find it out by themselves.
                Some(_) => {}
            }
        }
    }

    /// Stores that it shall not run, if its row can be read; where it stands stays as it is.
    ///
    /// # Errors
    /// It could not be stored: only this process knows it.
    async fn halt(&self) -> Result<CommandOutcome, ManagerError> {
        let mut row = self.shared.store.account(self.id).await?.ok_or(ManagerError::NotFound)?;
        let changed = row.desired != DesiredState::Stopped;
        if changed {
            (row.desired, row.updated_at) = (DesiredState::Stopped, self.shared.clock.wall());
            let mut changes = self.shared.fenced(&row);
            changes.put_account(row);
            self.shared.store.commit(changes).await?;
            self.snapshot.send_modify(|shown| shown.desired = DesiredState::Stopped);
        }
        Ok(CommandOutcome::new(AccountStatus::Error, AccountStatus::Error, changed))
    }

    /// Stores where the account stands, if its row can be read; its row is left as it is otherwise.
    pub(super) async fn tell(&self) {
        match AssertUnwindSafe(self.store_standing()).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(account = %self.id, %error, "the manager's store failed"),
            Err(_panic) => tracing::error!(account = %self.id, "the manager's store crashed"),
        }
    }

    async fn store_standing(&self) -> Result<(), ManagerStoreError> {
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

    /// Deletes it, and says so. Whether it is deleted.
    async fn obey_delete(&self, how: Unlink, reply: Reply<()>) -> bool {
        // The host's code may be what crashes.
        let deleted = AssertUnwindSafe(self.delete(how)).catch_unwind().await;
        let deleted = deleted.unwrap_or(Err(ManagerError::Crashed));
        let is_deleted = deleted.is_ok();
        let _gone = reply.send(deleted);
        is_deleted
    }

    async fn delete(&self, how: Unlink) -> Result<(), ManagerError> {
        let Some(record) = self.record().await? else { return Ok(()) };
        let place = record.location.as_ref().filter(|place| self.shared.places.is_of(place, self.id));
        let place = place.map(Path::new);
        let mut is_closed = true;
        if let Some(place) = place
            && (record.jid.is_some() || record.accepted.is_some())
        {
            let told = match self.connect(&record, place, &mut is_closed).await {
                Ok((client, events)) => {
                    let told = unlink(&client, events).await;
                    is_closed = timeout(self.shared.connection.stop, client.shutdown()).await.is_ok();
                    told
                }
                Err(error) => Err(error),
            };
            if how == Unlink::AtServer {
                told?;
            }
        }
        let mut changes = self.shared.fenced(&record);
        let data = json!({ "name": record.name.as_str() });
        changes.push_event(self.shared.event(&record, EventKind::AccountDeleted, data));
        changes.push(Change::DeleteAccount(self.id.clone()));
        let leftover = self.shared.leftover(&record);
        changes.extend(leftover.clone().map(Change::PutLeftover));
        self.shared.store.commit(changes).await?;
        self.shared.hub.notify();
        self.shared.numbers.forget(self.id);
        self.shared.places.hold_of(self.id);
        // What a client still has is removed later: it is remembered.
        if let Some(leftover) = leftover.filter(|_| is_closed) {
            self.shared.clear(leftover).await;
        }
        Ok(())
    }

    /// Connects for nothing but an end of the link. Where it does not: whether nothing of ours may have the keys open.
    async fn connect(
        &self,
        record: &AccountRecord,
        place: &Path,
        is_closed: &mut bool,
    ) -> Result<(Client, Events), ManagerError> {
        if record.exported {
            // Whoever has the session now unlinks it.
            return Err(ManagerError::Exported);
        }
        let clock = &self.shared.clock;
        let _admission = self.shared.release.admit(clock.boot()).map_err(|at| {
            ManagerError::ClientOutdated { until: clock.wall().after(at.saturating_sub(clock.boot())) }
        })?;
        let version = self.shared.version().await;
        let opened = timeout(KEYS, self.shared.keys.open(place)).await;
        // The client that a crash left may be the one that has them.
        *is_closed = !matches!(opened, Err(_) | Ok(Err(StoreError::Locked)));
        let store = opened.map_err(|_| not_unlinked("its keys take long to open"))??;
        let mut builder = Client::builder(store).alias(self.id.as_str()).confirm_by_hand();
        if let Some(version) = version {
            builder = builder.version(version);
        }
        let builder = (self.shared.configure)(builder, record);
        let connected = timeout(KEYS, builder.connect()).await;
        *is_closed = connected.is_ok();
        let connected = connected.map_err(|_| not_unlinked("its keys take long to read"))?;
        connected.map_err(|error| not_unlinked(error.to_string()))
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
        self.unread.tell().await;
        while let Some(Some(command)) = stop.run_until_cancelled(mailbox.recv()).await {
            match command {
                Command::Delete(how, reply) => {
                    let is_deleted = self.unread.obey_delete(how, reply).await;
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
}

/// Ends the link at the server, if that answers in time.
async fn unlink(client: &Client, mut events: Events) -> Result<(), ManagerError> {
    let unlinked = async {
        if client.ready().await {
            client.logout().await.map_err(|error| not_unlinked(error.to_string()))
        } else {
            Err(not_unlinked("there is no connection"))
        }
    };
    // A client whose events nobody reads waits.
    let reading = async { while events.next().await.is_some() {} };
    tokio::select! {
        told = timeout(UNLINK, unlinked) => {
            told.unwrap_or_else(|_| Err(not_unlinked("the server did not answer in time")))
        }
        () = reading => Err(not_unlinked("there is no connection")),
    }
}

fn not_unlinked(why: impl Into<String>) -> ManagerError {
    ManagerError::NotUnlinked(why.into())
}
