//! Many accounts in one process.
//!
//! | File | Subject |
//! |---|---|
//! | `builder` | what a manager is made of |
//! | `registry` | which accounts there are |
//! | `list` | accounts, some at a time |
//! | `quota` | what tenants may have |
//! | `batch` | the same for many accounts |
//! | `restore` | what ran before a restart runs again |
//! | `shared` | what all accounts share |
//! | `housekeeping` | forgets what is old |
//! | `numbers` | which account is linked to which number |
//! | `release` | whether the server serves this release |
//! | `version` | which release accounts present as |
//! | `places` | which account has its store where |
//! | `leftovers` | files that no account owns any more |
//! | `error` | [`ManagerError`] |

mod batch;
mod builder;
mod clock_offset;
mod error;
mod housekeeping;
mod leftovers;
mod list;
mod numbers;
mod places;
mod quota;
mod registry;
mod release;
mod restore;
mod shared;
mod version;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;
use wa_core::crypto::{Random as _, SystemRandom};
use wa_types::PhoneNumber;

pub use batch::ItemResult;
pub use builder::{ManagerBuilder, Starts};
pub(crate) use clock_offset::ClockOffset;
pub use error::ManagerError;
pub(crate) use leftovers::bounded;
pub use list::{ListFilter, Page};
pub(crate) use numbers::{NotClaimed, Numbers};
pub(crate) use places::Places;
pub(crate) use quota::Quotas;
pub use quota::TenantQuota;
use registry::Registry;
pub(crate) use registry::{Ending, Entry};
pub(crate) use release::{Admission, Release};
pub use restore::RestoreReport;
pub(crate) use restore::is_restored;
pub(crate) use shared::Shared;
pub(crate) use version::Versions;

use crate::account::SessionError;
use crate::account::actor::{Command, End, Unlink, gate_config, supervise};
use crate::account::{
    Account, AccountName, AccountRecord, AccountSettings, AccountSnapshot, AccountStatus, DesiredState,
    Reason, ReasonKind, TrustSnapshot,
};
use crate::event::{EventKind, EventRecord};
use crate::figures;
use crate::hub::{EventFilter, EventStream};
use crate::ids::{AccountId, Epoch, TenantId};
use crate::location::StoreLocator;
use crate::pairing::{PairRequest, PairingTicket, PairingView};
use crate::sending::{GateConfig, Start, created_json};
use crate::store::{Changes, EventQuery, ManagerStore};
use crate::trust::{TrustLevel, TrustState};
use crate::vault::SessionKey;
use crate::webhook::Webhooks;

/// What an actor committed is shown in this time, unless somebody else wrote it.
const SHOWN_SOON: Duration = Duration::from_secs(1);

/// How many commands wait for an account.
const COMMANDS: usize = 64;

/// Many accounts in one process. Cheap to clone; all clones are the same manager.
///
/// [`Self::shutdown`] ends it in good order. When the last clone is dropped without it, the accounts' tasks are told to
/// end, and nobody waits for them.
#[derive(Clone)]
pub struct ClientManager {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    starts: Starts,
    /// One account is made at a time, so that two do not both find room.
    creating: tokio::sync::Mutex<()>,
    tasks: TaskTracker,
    stop: CancellationToken,
    webhooks: Webhooks,
    /// Ends after the accounts: it tells what they do at the end.
    hub_task: TaskTracker,
    stop_hub: CancellationToken,
}

/// Names an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AccountKey {
    /// By its id.
    Id(AccountId),
    /// By its name, among those of a tenant.
    Name(TenantId, AccountName),
}

/// An account that is to be made.
#[derive(Debug, Clone, Default)]
#[expect(clippy::exhaustive_structs, reason = "made by hosts with ..Default::default()")]
pub struct AccountSpec {
    /// Whose it is.
    pub tenant: TenantId,
    /// Its name in addresses; one is made if there is none.
    pub name: Option<AccountName>,
    /// What people call it; its name if there is none.
    pub display_name: Option<String>,
    /// Which of the tenant's people it belongs to.
    pub owner: Option<String>,
    /// The number that it is to be linked to, if that is known.
    pub phone: Option<PhoneNumber>,
    /// What is set; the manager's defaults if there is none.
    pub settings: Option<AccountSettings>,
    /// What the caller keeps with it.
    pub metadata: BTreeMap<String, String>,
    /// How old the account and its link are, where it is no new one: it begins at a level that goes with that.
    pub start: Start,
}

/// All accounts at one moment. Events with a higher number than `seq` tell what changed since; some of them may be in it
/// already: they have a number of their account up to that of its snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StatusBoard {
    /// The number of the last event.
    pub seq: u64,
    /// The accounts, in the order in which they were made.
    pub accounts: Vec<AccountSnapshot>,
}

/// How a manager is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ManagerHealth {
    /// How many accounts can send.
    pub connected: usize,
    /// How many there are.
    pub total: usize,
    /// How many stand where.
    pub by_status: BTreeMap<&'static str, usize>,
    /// How far the server's clock is ahead of ours, as the last login told; none before the first one.
    pub clock_offset_ms: Option<i64>,
    /// What somebody should look at: `clock_offset` when the clocks are more than five minutes apart (limits count by the
    /// server's time all the same); `quarantined` when an account crashed too often, or its rows or its store are damaged,
    /// and it is left alone until somebody comes.
    pub warnings: Vec<&'static str>,
}

impl ClientManager {
    /// Builds a manager on this store, with the accounts' stores in these places.
    pub fn builder(store: Arc<dyn ManagerStore>, locator: Arc<dyn StoreLocator>) -> ManagerBuilder {
        ManagerBuilder::new(store, locator)
    }

    /// Makes an account. It is not linked, and not started; [`Self::create_and_pair`] links it at once.
    ///
    /// Once begun it is carried out, even when the future is dropped.
    ///
    /// # Errors
    /// [`ManagerError::AlreadyExists`], [`ManagerError::QuotaExceeded`], [`ManagerError::Location`],
    /// [`ManagerError::Store`].
    pub async fn create(&self, spec: AccountSpec) -> Result<Account, ManagerError> {
        let manager = self.clone();
        self.whole(async move { manager.make(spec).await }).await?
    }

    async fn make(&self, spec: AccountSpec) -> Result<Account, ManagerError> {
        let Inner { shared, registry, .. } = &*self.inner;
        let _one_at_a_time = self.inner.creating.lock().await;
        if let Some(max) = shared.quotas.of(&spec.tenant).max_accounts
            && registry.count(&spec.tenant) >= max
        {
            return Err(ManagerError::QuotaExceeded { max });
        }
        let now = shared.clock.wall();
        let id = AccountId::of(SystemRandom.array());
        let name = match spec.name {
            Some(name) => name,
            None => AccountName::generate("account", now, SystemRandom.array()),
        };
        if registry.get(&AccountKey::Name(spec.tenant.clone(), name.clone())).is_some() {
            return Err(ManagerError::AlreadyExists { name });
        }
        let mut record = AccountRecord {
            id,
            tenant: spec.tenant,
            owner: spec.owner,
            display_name: spec.display_name.unwrap_or_else(|| name.to_string()),
            name,
            phone: spec.phone,
            jid: None,
            lid: None,
            desired: DesiredState::Stopped,
            status: AccountStatus::Idle,
            reason: None,
            seq: 0,
            version: 1,
            settings: spec.settings.unwrap_or_else(|| shared.defaults.clone()),
            metadata: spec.metadata,
            location: None,
            created_at: now,
            updated_at: now,
            last_active_at: None,
            probation: None,
            accepted: None,
            exported: false,
            hand_overs: 0,
            epoch: Epoch(1),
        };
        shared.settle_location(&mut record)?;
        let data = json!({ "name": record.name, "displayName": record.display_name });
        let mut changes = Changes::new();
        changes.put_account(record.clone());
        changes.push_event(shared.event(&record, EventKind::AccountCreated, data));
        if spec.start != Start::default() {
            let config = GateConfig { start: spec.start, ..gate_config(shared, &record) };
            let trust = config.first(record.id.clone(), now, &mut SystemRandom);
            changes.push_event(shared.event(&record, EventKind::TrustChanged, created_json(&trust.state)));
            changes.put_trust(trust);
        }
        let events = match shared.store.commit(changes).await {
            Ok(events) => events,
            Err(error) => {
                shared.places.give_up(&record.id);
                return Err(error.into());
            }
        };
        record.seq = events.last().map_or(0, |event| event.account_seq);
        let account = Account::new(self.inner.adopt(record));
        // Whoever hears of it finds it.
        shared.hub.notify();
        Ok(account)
    }

    /// Makes an account, and begins to link it. An account that cannot begin to be linked is not made.
    ///
    /// Once begun it is carried out, even when the future is dropped: the attempt goes on without its ticket.
    ///
    /// # Errors
    /// As [`Self::create`] and [`Account::pair`].
    pub async fn create_and_pair(
        &self,
        spec: AccountSpec,
        request: PairRequest,
    ) -> Result<(Account, PairingTicket), ManagerError> {
        let manager = self.clone();
        let work = async move {
            let account = manager.make(spec).await?;
            match account.pair(request).await {
                Ok(ticket) => Ok((account, ticket)),
                Err(error) => {
                    if let Err(error) = manager.remove(&account, Unlink::IfReachable).await {
                        tracing::warn!(account = %account.id(), %error, "an account that was not linked stays");
                    }
                    Err(error)
                }
            }
        };
        self.whole(work).await?
    }

    /// Carries something out in a task of its own, which goes on when whoever waits for it goes away, and which
    /// [`Self::shutdown`] waits for.
    async fn whole<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, ManagerError> {
        if self.inner.stop.is_cancelled() {
            return Err(ManagerError::Shutdown);
        }
        self.inner.tasks.spawn(work.in_current_span()).await.map_err(|ended| {
            // A task that nobody aborts ends early with the runtime only.
            if ended.is_panic() { ManagerError::Crashed } else { ManagerError::Shutdown }
        })
    }

    /// An account.
    #[must_use]
    pub fn get(&self, key: &AccountKey) -> Option<Account> {
        self.inner.registry.get(key).map(Account::new)
    }

    /// An account.
    ///
    /// # Errors
    /// [`ManagerError::NotFound`].
    pub fn account(&self, key: &AccountKey) -> Result<Account, ManagerError> {
        self.get(key).ok_or(ManagerError::NotFound)
    }

    /// All accounts of a tenant, or of all tenants, as the store has them.
    ///
    /// # Errors
    /// [`ManagerError::Store`].
    pub async fn all_statuses(&self, tenant: Option<&TenantId>) -> Result<StatusBoard, ManagerError> {
        let store = &self.inner.shared.store;
        // In this order: what is committed in between is in the rows, and comes as events, too.
        let seq = store.last_seq().await?;
        let rows = store.accounts().await?;
        let is_wanted = |row: &AccountRecord| tenant.is_none_or(|tenant| row.tenant == *tenant);
        let accounts = rows.into_iter().filter(is_wanted).map(|row| self.inner.show(&row)).collect();
        Ok(StatusBoard { seq, accounts })
    }

    /// The account of an event, as it was at this event or has been since, so that who shows accounts by their events
    /// never shows one as it was before. `None` for events of no account, and once the account is deleted.
    ///
    /// # Errors
    /// [`ManagerError::Store`].
    ///
    /// Cancel safe.
    pub async fn account_after(&self, event: &EventRecord) -> Result<Option<AccountSnapshot>, ManagerError> {
        let Some(id) = &event.account else { return Ok(None) };
        let Inner { shared, registry, .. } = &*self.inner;
        // Events are heard when they are committed; the actor shows what it committed a moment later.
        if let Some(entry) = registry.get(&AccountKey::Id(id.clone())) {
            let mut snapshot = entry.snapshot.clone();
            let is_there = |shown: &AccountSnapshot| shown.seq >= event.account_seq;
            if let Ok(Ok(shown)) = timeout(SHOWN_SOON, snapshot.wait_for(is_there)).await {
                return Ok(Some(shown.clone()));
            }
        }
        // Made just now, or not told by its actor.
        Ok(shared.store.account(id).await?.map(|row| self.inner.show(&row)))
    }

    /// What an account that is being linked shows. Whoever heard that there is a code finds it here. Where another
    /// process took the account over, it is asked of the pairing store.
    ///
    /// # Errors
    /// [`ManagerError::NotFound`], [`ManagerError::Store`].
    pub async fn pairing(&self, key: &AccountKey) -> Result<Option<PairingView>, ManagerError> {
        let Inner { shared, registry, .. } = &*self.inner;
        let entry = registry.get(key).ok_or(ManagerError::NotFound)?;
        let now = shared.clock.wall();
        if entry.ending.is_noted() {
            Ok(shared.pairing_store.get(&entry.id, now).await?)
        } else {
            Ok(entry.shown.borrow().clone().and_then(|view| view.at(now)))
        }
    }

    /// Hands the session of a stopped account out, sealed with this key, to run elsewhere. From then on the account does
    /// not start here, until the session is imported again: two owners of one session lose messages. Whoever has both the
    /// answer and the key can write as the account.
    ///
    /// # Errors
    /// [`SessionError`]; nothing is handed out then.
    pub async fn export_session(&self, key: &AccountKey, seal: &SessionKey) -> Result<Vec<u8>, SessionError> {
        let account = self.account(key)?;
        account.ask_session(|reply| Command::Export(seal.clone(), reply)).await
    }

    /// Gives a stopped account a session that another manager handed out, or its own one back, as long as that was not
    /// handed out anew since then. It does not start by itself.
    ///
    /// # Errors
    /// [`SessionError`]; the account has no other session then. Once begun it is carried out, even when the future is
    /// dropped.
    pub async fn import_session(
        &self,
        key: &AccountKey,
        sealed: Vec<u8>,
        seal: &SessionKey,
    ) -> Result<(), SessionError> {
        let account = self.account(key)?;
        account.ask_session(|reply| Command::Import(sealed, seal.clone(), reply)).await
    }

    /// Deletes an account: unlinks it, and removes its keys and all that is kept of it. One that is not there is deleted.
    ///
    /// Its events go with it, in the same commit, and so do those of them that are dead letters: they hold what people
    /// wrote. What a webhook of the tenant has not taken by then it does not get; `account.deleted` it gets, and that alone
    /// stays until events are forgotten. Who wants the rest first waits for it, with the account stopped.
    ///
    /// Once begun it is carried out, even when the future is dropped.
    ///
    /// # Errors
    /// [`ManagerError::NotUnlinked`]: the server was not reached, and nothing was done; [`ManagerError::Store`].
    pub async fn delete(&self, key: &AccountKey, how: Unlink) -> Result<(), ManagerError> {
        match self.get(key) {
            Some(account) => {
                let manager = self.clone();
                self.whole(async move { manager.remove(&account, how).await }).await?
            }
            None => Ok(()),
        }
    }

    /// To be carried out whole: dropped halfway, the account's webhooks stay silent.
    async fn remove(&self, account: &Account, how: Unlink) -> Result<(), ManagerError> {
        // Before, so that nothing is written for webhooks that are gone.
        let stopped = self.inner.webhooks.stop_account(account.id()).await;
        let deleted = match account.delete(how).await {
            // Somebody else was faster.
            Err(ManagerError::NotFound) => Ok(()),
            deleted => deleted,
        };
        if deleted.is_ok() {
            self.inner.registry.remove(account.id());
        }
        let settled = match stopped {
            Ok(()) => self.inner.webhooks.start_account(account.id()).await,
            stopped => stopped,
        };
        if let Err(error) = settled {
            tracing::warn!(account = %account.id(), %error, "its webhooks are not as they should be");
        }
        deleted
    }

    /// Events as they happen, or from after an earlier one on.
    #[must_use]
    pub fn subscribe(&self, filter: EventFilter, after: Option<u64>) -> EventStream {
        self.inner.shared.hub.subscribe(filter, after)
    }

    /// The number of the last event that subscribers were told of.
    #[must_use]
    pub fn last_event(&self) -> u64 {
        self.inner.shared.hub.published()
    }

    /// Events that were stored, the oldest first.
    ///
    /// # Errors
    /// [`ManagerError::Store`].
    pub async fn events_since(&self, query: EventQuery) -> Result<Vec<EventRecord>, ManagerError> {
        Ok(self.inner.shared.store.events(query).await?)
    }

    /// The number of the newest event that is stored. Subscribers are told of it, if they were not yet.
    ///
    /// # Errors
    /// [`ManagerError::Store`].
    pub async fn newest_event(&self) -> Result<u64, ManagerError> {
        Ok(self.inner.shared.store.last_seq().await?)
    }

    /// The number of the oldest event that is kept: those before it were forgotten.
    ///
    /// # Errors
    /// [`ManagerError::Store`].
    pub async fn first_event(&self) -> Result<u64, ManagerError> {
        Ok(self.inner.shared.store.first_seq().await?)
    }

    /// Where events are delivered to by HTTP.
    #[must_use]
    pub fn webhooks(&self) -> &Webhooks {
        &self.inner.webhooks
    }

    /// Whether the stores answer: that of the manager, and that of codes on show.
    ///
    /// # Errors
    /// [`ManagerError::Store`], [`ManagerError::PairingStore`].
    pub async fn check(&self) -> Result<(), ManagerError> {
        let shared = &self.inner.shared;
        shared.store.last_seq().await?;
        shared.pairing_store.check().await.map_err(ManagerError::PairingStore)
    }

    /// How many accounts stand where.
    #[must_use]
    pub fn health(&self) -> ManagerHealth {
        let mut by_status = BTreeMap::new();
        let mut is_some_left_alone = false;
        for entry in self.inner.registry.all(None) {
            let shown = entry.snapshot.borrow();
            *by_status.entry(shown.status.wire()).or_default() += 1;
            let kind = shown.reason.as_ref().map(|reason| reason.kind);
            is_some_left_alone |= matches!(kind, Some(ReasonKind::Quarantined | ReasonKind::StoreCorrupt));
        }
        let connected = by_status.get(AccountStatus::Ready.wire()).copied().unwrap_or(0);
        let clock_offset_ms = self.inner.shared.clock_offset.millis();
        let is_off = clock_offset_ms.is_some_and(ClockOffset::is_large);
        let warnings = [is_off.then_some("clock_offset"), is_some_left_alone.then_some("quarantined")];
        let warnings = warnings.into_iter().flatten().collect();
        let total = by_status.values().sum();
        ManagerHealth { connected, total, by_status, clock_offset_ms, warnings }
    }

    /// Ends all accounts' connections in good order, and everything else after them. What takes longer than `deadline` is
    /// left to itself. Calls that come later fail with [`ManagerError::Shutdown`].
    pub async fn shutdown(&self, deadline: Duration) {
        let inner = &*self.inner;
        inner.stop.cancel();
        inner.tasks.close();
        inner.hub_task.close();
        let ended = async {
            inner.tasks.wait().await;
            inner.stop_hub.cancel();
            inner.hub_task.wait().await;
            if let Err(error) = inner.shared.store.close().await {
                tracing::error!(%error, "the manager's store failed at the end");
            }
        };
        if timeout(deadline, ended).await.is_err() {
            tracing::warn!("the manager took too long to end");
        }
        inner.stop_hub.cancel();
    }
}

impl Inner {
    /// Gives an account its actor.
    fn adopt(&self, record: AccountRecord) -> Arc<Entry> {
        if let Some(place) = &record.location
            && !self.shared.places.take(place, &record.id)
        {
            tracing::error!(account = %record.id, place, "two accounts have one store: this one will not use it");
        }
        self.shared.numbers.note(&record);
        let (commands, mut mailbox) = mpsc::channel(COMMANDS);
        let (sender, snapshot) = watch::channel(AccountSnapshot::new(&record, self.new_trust(&record)));
        let (show, shown) = watch::channel(None);
        let entry = Entry {
            id: record.id.clone(),
            tenant: record.tenant.clone(),
            name: record.name.clone(),
            commands,
            snapshot,
            shown,
            ending: Arc::default(),
        };
        let (registry, ending) = (Arc::clone(&self.registry), Arc::clone(&entry.ending));
        let (shared, stop, id) = (Arc::clone(&self.shared), self.stop.clone(), record.id);
        let entry = self.registry.insert(entry);
        let span = tracing::info_span!("account", id = %id);
        let task = async move {
            let how = supervise(shared, id.clone(), sender.clone(), show, &mut mailbox, stop, &ending).await;
            if how == End::FenceLost {
                figures::fence_lost();
                // Nothing is written any more: this is for those who look at this process.
                sender.send_modify(|shown| {
                    let reason = Reason::new(ReasonKind::FenceLost);
                    (shown.status, shown.reason) = (AccountStatus::Error, Some(reason));
                });
            }
            // Before the mailbox goes, so that whoever waits for an answer knows why there is none.
            ending.note(&how);
            if how == End::Deleted {
                registry.remove(&id);
            }
        };
        self.tasks.spawn(task.instrument(span));
        entry
    }

    /// A row, as it is shown.
    fn show(&self, row: &AccountRecord) -> AccountSnapshot {
        let trust = match self.registry.get(&AccountKey::Id(row.id.clone())) {
            Some(entry) => entry.snapshot.borrow().trust.clone(),
            // Made just now.
            None => self.new_trust(row),
        };
        AccountSnapshot::new(row, trust)
    }

    /// What a new account is trusted; what is stored is shown as soon as its actor has read it.
    fn new_trust(&self, record: &AccountRecord) -> TrustSnapshot {
        let (now, zone) = (self.shared.clock.wall(), self.shared.zone(record));
        let state = TrustState::new(TrustLevel::NEW, now, &zone);
        TrustSnapshot::new(&state, &self.shared.table, &zone, now)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if !self.stop.is_cancelled() {
            tracing::warn!("the manager was dropped without a shutdown: its accounts end by themselves");
        }
        self.stop.cancel();
        self.stop_hub.cancel();
    }
}

impl fmt::Debug for ClientManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientManager").field("health", &self.health()).finish_non_exhaustive()
    }
}
