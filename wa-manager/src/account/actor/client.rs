//! Opens and ends the protocol's client of an account.

use std::future::poll_fn;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::Instrument as _;
use wa_core::client::{HistoryReader, HistoryUse};
use wa_core::crypto::{Random as _, SystemRandom};
use wa_core::history::Selection;
use wa_core::{Client, Events, StartError};
use wa_store::{Store, StoreError};

use super::flaps::Standing;
use super::intake::Taking;
use super::past::Progress;
use super::standing::{Connection, of_store};
use super::{AGAIN, Actor, Lost};
use crate::account::{AccountStatus, DesiredState, IdentityPolicy, Reason, ReasonKind};
use crate::location::LocationError;
use crate::manager::{Admission, ManagerError, bounded};
use crate::store::ManagerStoreError;

/// How long the store of an account's keys may take.
pub(super) const KEYS: Duration = Duration::from_secs(10);

/// A store that stays in use is tried again no more seldom.
const SELDOM: Duration = Duration::from_secs(60 * 60);

/// The client of a running account.
pub(super) struct Running {
    pub(super) client: Client,
    pub(super) events: Events,
    pub(super) connection: Connection,
    /// The past that the phone sends.
    pub(super) past: Option<HistoryReader>,
}

/// Whether an account is linked is for the server to say, each time: its store says the same of one that was unlinked and
/// of one that was locked, and a process may have ended before it was known which.
async fn unlock(store: &dyn Store) -> Result<(), StoreError> {
    let Some(mut account) = store.account().await?.filter(|account| account.logged_out) else {
        return Ok(());
    };
    let mut changes = wa_store::Changes::new();
    account.logged_out = false;
    changes.put_account(account);
    store.commit(changes).await
}

/// What outlives a crash of the actor.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    /// The client that it runs, which has the account's store open.
    client: Option<Client>,
    /// Clients that are ending.
    closing: JoinSet<()>,
    /// The job that asks the phone for the past.
    pub(super) job: Option<Progress>,
}

pub(super) type Left = Arc<Mutex<Behind>>;

pub(super) fn behind(left: &Left) -> MutexGuard<'_, Behind> {
    left.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the client that a crashed actor left, so that the next one finds the store closed. If that takes long, the next one
/// waits for it.
pub(super) async fn end_left(left: &Left, within: Duration) {
    let client = behind(left).client.take();
    if let Some(client) = client {
        behind(left).closing.spawn(client.shutdown());
        closed(left, within).await;
    }
}

/// Whether the clients that are ending have ended within so long.
async fn closed(left: &Left, within: Duration) -> bool {
    let closed = poll_fn(|context| {
        while ready!(behind(left).closing.poll_join_next(context)).is_some() {}
        Poll::Ready(())
    });
    timeout(within, closed).await.is_ok()
}

impl Actor {
    /// Opens the account's store and connects, unless it runs. Where it stands then is told.
    pub(super) async fn open(&mut self) -> Result<(), Lost> {
        if self.running.is_some() {
            return Ok(());
        }
        self.restart_at = None;
        self.flaps.clear();
        if self.record.jid.is_none() {
            if self.record.accepted.is_some() {
                return self.resume_accepted().await;
            }
            return self.stand(Standing::new(AccountStatus::Idle)).await;
        }
        match self.admit() {
            Ok(admission) => self.open_admitted(admission).await,
            Err(outdated) => self.hold(outdated).await,
        }
    }

    /// Whether this release may be presented to the server.
    ///
    /// # Errors
    /// That it may not, with the time of the next trial.
    pub(super) fn admit(&self) -> Result<Admission, Reason> {
        self.shared.release.admit(self.shared.clock.boot()).map_err(|at| self.refused_to_another(at))
    }

    /// The same, and nobody is admitted by it.
    ///
    /// # Errors
    /// As of [`Self::admit`].
    pub(super) fn may_be_admitted(&self) -> Result<(), Reason> {
        self.shared.release.check(self.shared.clock.boot()).map_err(|at| self.refused_to_another(at))
    }

    fn refused_to_another(&self, next: Duration) -> Reason {
        self.outdated(next).detail("the server refused this release to another account a moment ago")
    }

    /// The server takes no clients of this release, and somebody may try again then; not all at once.
    fn outdated(&self, next: Duration) -> Reason {
        let clock = &self.shared.clock;
        let wait = next.saturating_sub(clock.boot());
        let later = Duration::from_millis(u64::from(u16::from_be_bytes(SystemRandom.array())));
        Reason::new(ReasonKind::ClientOutdated).code(405).retry_at(clock.wall().after(wait + later))
    }

    /// When the server refused this release for good, it is tried again all the same: an update may come from its side.
    pub(super) fn try_outdated_again(&self, reason: Reason) -> Reason {
        if reason.kind != ReasonKind::ClientOutdated || reason.code != Some(405) {
            return reason;
        }
        let next = self.shared.release.note_refused(self.shared.clock.boot());
        Reason { retry_at: self.outdated(next).retry_at, ..reason }
    }

    /// The account shall run, and is started at the time that this names.
    pub(super) async fn hold(&mut self, reason: Reason) -> Result<(), Lost> {
        self.restart_at = reason.retry_at.map(|at| self.boot_time(at));
        let changes = self.standing(Standing::because(AccountStatus::Error, reason), DesiredState::Running);
        self.write(changes).await
    }

    /// The same as [`Self::open`], of an account that is linked and does not run.
    pub(super) async fn open_admitted(&mut self, admission: Admission) -> Result<(), Lost> {
        let reason = Reason::new(ReasonKind::OpeningStore);
        let changes = self.standing(Standing::because(AccountStatus::Loading, reason), DesiredState::Running);
        self.write(changes).await?;
        match self.connect(admission).await {
            Ok(running) => {
                self.running = Some(running);
                self.resume_probation().await;
                Ok(())
            }
            // The manager ends, and where it stands then is written next.
            Err(_) if self.stop.is_cancelled() => Ok(()),
            Err(reason) => {
                self.restart_at = reason.retry_at.map(|at| self.boot_time(at));
                self.stand(Standing::because(AccountStatus::Error, reason)).await
            }
        }
    }

    /// The store is in use, and nobody can say for how long: the account is not deaf meanwhile, and waits longer each time.
    fn locked(&mut self, why: &str) -> Reason {
        let at = self.shared.clock.wall().after(self.locked_wait);
        self.locked_wait = (self.locked_wait * 2).min(SELDOM);
        Reason::new(ReasonKind::StoreLocked).detail(why).retry_at(at)
    }

    /// Why the store does not do. One that is in use is tried again by itself.
    fn unopened(&mut self, error: &StoreError) -> Reason {
        match error {
            StoreError::Locked => self.locked(&error.to_string()),
            error => of_store(error),
        }
    }

    /// Opens the store and connects, and tells nobody.
    pub(super) async fn connect(&mut self, _: Admission) -> Result<Running, Reason> {
        // Our own earlier client may still have the store.
        if !self.is_closed().await {
            return Err(self.locked("the client before this one has not ended"));
        }
        let path =
            self.path().map_err(|error| Reason::new(ReasonKind::StoreFailed).detail(error.to_string()))?;
        let is_linked = self.record.jid.is_some() || self.record.accepted.is_some();
        // Not while the store is open, and no end of the manager waits for it.
        let Some(version) = self.stop.run_until_cancelled(self.shared.version()).await else {
            return Err(Reason::new(ReasonKind::Network).detail("the manager ends"));
        };
        let opening = async {
            let store = self.shared.keys.open(&path).await?;
            if is_linked {
                unlock(&*store).await?;
            }
            Ok::<_, StoreError>(store)
        };
        let opened = timeout(KEYS, opening).await;
        let store = match opened {
            Ok(opened) => opened.map_err(|error| self.unopened(&error))?,
            Err(_) => return Err(self.locked("it takes long to open")),
        };
        let mut builder = Client::builder(store).alias(self.id().as_str()).confirm_by_hand();
        if let Some(version) = version {
            builder = builder.version(version);
        }
        let mut selection = Selection::default();
        selection.messages_per_chat = Some(u32::from(self.record.settings.sync_limit.get()));
        builder = builder.identity_policy(match self.record.settings.identity_policy {
            IdentityPolicy::AutoTrust => wa_core::IdentityPolicy::Trust,
            IdentityPolicy::Hold => wa_core::IdentityPolicy::Hold,
        });
        builder = builder.history_use(HistoryUse::Deliver).history_selection(selection);
        if let Some(guard) = self.link_guard() {
            builder = builder.link_guard(guard);
        }
        if let Some(authenticator) = self.authenticator() {
            builder = builder.passkey_authenticator(authenticator);
        }
        let reconnect = self.shared.reconnect;
        let builder = (self.shared.configure)(builder.reconnect(reconnect.of_client()), &self.record);
        // What it does later is not a matter of who connects it now.
        let span = tracing::info_span!(parent: &self.span, "client");
        let (client, events) = match timeout(KEYS, builder.connect().instrument(span)).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(StartError::Store(error))) => return Err(self.unopened(&error)),
            Ok(Err(error)) => return Err(Reason::new(ReasonKind::Internal).detail(error.to_string())),
            Err(_) => return Err(self.locked("it takes long to read")),
        };
        self.locked_wait = AGAIN;
        let connection = Connection::new(self.shared.connection, reconnect, self.shared.clock.boot());
        behind(&self.left).client = Some(client.clone());
        let past = client.history().reader();
        self.gate.set_own([&self.record.jid, &self.record.lid].into_iter().flatten().cloned());
        self.gate.client_is_new();
        Ok(Running { client, events, connection, past })
    }

    /// Ends the client in good order, if there is one. Takes no longer than it may; what takes longer ends by itself, and
    /// the store is not opened before.
    pub(super) async fn end_client(&mut self) {
        self.flaps.clear();
        self.restart_at = None;
        self.answer_waiting();
        // What is not confirmed comes again.
        self.taking = Taking::default();
        let Some(Running { client, events, .. }) = self.running.take() else { return };
        {
            let mut behind = behind(&self.left);
            behind.client = None;
            behind.closing.spawn(async move {
                client.shutdown().await;
                drop(events);
            });
        }
        self.is_closed().await;
    }

    /// Whether the clients of before have ended, as they shall within the time that a stop may take.
    pub(super) async fn is_closed(&self) -> bool {
        let is_closed = closed(&self.left, self.shared.connection.stop).await;
        if !is_closed {
            tracing::warn!(account = %self.record.id, "the client takes long to end");
        }
        is_closed
    }

    /// Where the account's keys are.
    pub(super) fn path(&self) -> Result<PathBuf, ManagerError> {
        let place = match &self.record.location {
            Some(place) => place.clone(),
            None => {
                let mut record = self.record.clone();
                self.shared.settle_location(&mut record)?;
                record.location.ok_or(LocationError::Missing { name: "phone" })?
            }
        };
        if self.shared.places.is_of(&place, self.id()) {
            Ok(PathBuf::from(place))
        } else {
            Err(LocationError::Taken.into())
        }
    }

    /// Removes the files that the account fetched.
    pub(super) async fn remove_media(&self) {
        let Some(home) = self.shared.media_home(&self.record) else { return };
        let removed = bounded(async {
            let removed = self.shared.media.delete_all(&home).await;
            removed.map_err(|error| ManagerStoreError::io(error).into())
        });
        if let Err(error) = removed.await {
            tracing::warn!(account = %self.record.id, %error, "files of a deleted account could not be removed");
        }
    }

    /// Removes the account's keys, which are worthless, unless a client has them still. What cannot be removed now is found
    /// worthless at the next start. Why there are some still: a removal that is late would take the next ones, too.
    pub(super) async fn remove_keys(&mut self) -> Option<ReasonKind> {
        if !self.is_closed().await {
            return Some(ReasonKind::StoreLocked);
        }
        let path = match self.path() {
            Ok(path) => path,
            // They have no place, or another account has it.
            Err(error) => {
                tracing::warn!(account = %self.record.id, %error, "the account has no keys to be removed");
                return None;
            }
        };
        let removed = timeout(KEYS, self.shared.keys.remove(&path)).await;
        // Somebody is at work on what is not removed in time.
        let error = removed.unwrap_or(Err(StoreError::Locked)).err()?;
        tracing::warn!(account = %self.record.id, %error, "the keys could not be removed");
        Some(if matches!(error, StoreError::Locked) {
            ReasonKind::StoreLocked
        } else {
            ReasonKind::StoreFailed
        })
    }
}
