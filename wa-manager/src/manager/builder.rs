//! Builds a [`ClientManager`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wa_core::client::ClientBuilder;
use wa_core::client::version::VersionError;
use wa_core::crypto::{Random as _, SystemRandom};
use wa_core::noise::client_payload::ClientVersion;

use super::housekeeping::{Owed, keep_house};
use super::shared::{Configure, Egress, Shared, TenantZone};
use super::version::Source;
use super::{
    ClientManager, ClockOffset, Inner, ManagerError, Places, Quotas, Registry, Release, TenantQuota, Versions,
};
use crate::account::actor::{ConnectionPolicy, unheard_link};
use crate::account::{
    AccountRecord, AccountSettings, AccountStatus, DesiredState, Reason, ReasonKind, ReconnectPolicy,
};
use crate::clock::{Clock, SystemClock};
use crate::event::{EventKind, NewEvent};
use crate::figures;
use crate::hub::Hub;
use crate::ids::{Epoch, EventId, TenantId};
use crate::inbound::{ContactProvisioner, FixedProvider, ProviderSelector};
use crate::keys::{KeyStores, SqliteKeyStores};
use crate::location::StoreLocator;
use crate::media::{MediaStore, MediaStores};
use crate::pairing::{MemoryPairingStore, PairLimiter, PairingPolicy, PairingStore};
use crate::sink::{EventSink, SinkOptions, Sinks};
use crate::store::{Changes, ManagerStore, ManagerStoreError, Sealed};
use crate::trust::{TrustPolicy, Zone};
use crate::vault::SecretVault;
use crate::webhook::{Webhooks, WebhooksBuilder};

/// Builds a [`ClientManager`]; every choice but the store and the places of the accounts' stores has a default.
#[must_use = "a builder does nothing until `build`"]
pub struct ManagerBuilder {
    store: Arc<dyn ManagerStore>,
    locator: Arc<dyn StoreLocator>,
    keys: Arc<dyn KeyStores>,
    clock: Arc<dyn Clock>,
    configure: Box<Configure>,
    version: Option<Box<Source>>,
    connection: ConnectionPolicy,
    reconnect: ReconnectPolicy,
    pairing: PairingPolicy,
    pairing_store: Arc<dyn PairingStore>,
    selector: Arc<dyn ProviderSelector>,
    provisioner: Option<Arc<dyn ContactProvisioner>>,
    vault: Option<Arc<dyn SecretVault>>,
    exports: bool,
    objects: Option<Arc<dyn MediaStore>>,
    trust: TrustPolicy,
    zone: Zone,
    tenant_zone: Box<TenantZone>,
    egress: Box<Egress>,
    defaults: AccountSettings,
    starts: Starts,
    quotas: Quotas,
    keep_events: Duration,
    webhooks: Box<dyn FnOnce(WebhooksBuilder) -> WebhooksBuilder + Send>,
    sinks: Sinks,
}

/// How many accounts start at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by hosts with ..Default::default()")]
pub struct Starts {
    /// So many connect at the same time.
    pub at_once: usize,
    /// The next one begins when one is through, or after so long.
    pub patience: Duration,
}

impl Default for Starts {
    fn default() -> Self {
        Self { at_once: 16, patience: Duration::from_secs(10) }
    }
}

/// How long the start waits for files to be removed.
const SWEEP: Duration = Duration::from_secs(10);

impl ManagerBuilder {
    pub(super) fn new(store: Arc<dyn ManagerStore>, locator: Arc<dyn StoreLocator>) -> Self {
        Self {
            store,
            locator,
            keys: Arc::new(SqliteKeyStores::new()),
            clock: Arc::new(SystemClock::new()),
            configure: Box::new(|builder, _| builder),
            version: None,
            connection: ConnectionPolicy::default(),
            reconnect: ReconnectPolicy::default(),
            pairing: PairingPolicy::default(),
            pairing_store: Arc::new(MemoryPairingStore::default()),
            selector: Arc::new(FixedProvider::default()),
            provisioner: None,
            vault: None,
            exports: false,
            objects: None,
            trust: TrustPolicy::default(),
            zone: Zone::utc(),
            tenant_zone: Box::new(|_| None),
            egress: Box::new(|_| None),
            defaults: AccountSettings::default(),
            starts: Starts::default(),
            quotas: Quotas::default(),
            keep_events: Duration::from_secs(30 * 24 * 60 * 60),
            webhooks: Box::new(|builder| builder),
            sinks: Sinks::default(),
        }
    }

    /// Where the accounts' keys are kept. By default an SQLite file for each.
    pub fn key_stores(mut self, keys: Arc<dyn KeyStores>) -> Self {
        self.keys = keys;
        self
    }

    /// What time it is. By default the machine's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Sets up the client of an account, each time that one is made: its proxy, its name among the phone's linked devices,
    /// another server. By default nothing is set. A panic in it is a crash of that account alone.
    pub fn client(
        mut self,
        configure: impl Fn(ClientBuilder, &AccountRecord) -> ClientBuilder + Send + Sync + 'static,
    ) -> Self {
        self.configure = Box::new(configure);
        self
    }

    /// Where accounts learn which release of the web client to present as: mostly
    /// [`fetch_current`](wa_core::client::version::fetch_current). It is asked before an account connects, at most once a
    /// day, and again when the server refuses the release that is known. Without it, and without an answer, accounts present
    /// as the release that this library was built with, which the service refuses one day. What [`Self::client`] sets comes
    /// after it.
    pub fn version_source<F>(mut self, source: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<ClientVersion, VersionError>> + Send + 'static,
    {
        self.version = Some(Box::new(move || Box::pin(source())));
        self
    }

    /// How patient accounts are with their connections.
    pub const fn connection(mut self, policy: ConnectionPolicy) -> Self {
        self.connection = policy;
        self
    }

    /// When accounts come back after a connection ended. [`Self::client`] may say otherwise for one account.
    pub const fn reconnect_policy(mut self, policy: ReconnectPolicy) -> Self {
        self.reconnect = policy;
        self
    }

    /// How long linking may take, and how often it may be tried.
    pub fn pairing(mut self, policy: PairingPolicy) -> Self {
        self.pairing = policy;
        self
    }

    /// Where codes on show are kept for a while, so that other processes can show them. By default in memory: this
    /// process alone has them.
    pub fn pairing_store(mut self, store: Arc<dyn PairingStore>) -> Self {
        self.pairing_store = store;
        self
    }

    /// Says who serves what comes in. By default nobody in particular.
    pub fn provider_selector(mut self, selector: Arc<dyn ProviderSelector>) -> Self {
        self.selector = selector;
        self
    }

    /// Keeps contacts and chats of yours, beside the manager's own. By default nobody does.
    pub fn provisioner(mut self, provisioner: Arc<dyn ContactProvisioner>) -> Self {
        self.provisioner = Some(provisioner);
        self
    }

    /// Seals the secrets of webhooks before the store has them. Without a vault they are as safe as the store's file. What
    /// was stored without one is sealed when it is changed.
    pub fn vault(mut self, vault: Arc<dyn SecretVault>) -> Self {
        self.vault = Some(vault);
        self
    }

    /// Lets sessions be handed out, to run elsewhere: see [`ClientManager::export_session`]. Not unless this is called.
    pub const fn allow_session_export(mut self) -> Self {
        self.exports = true;
        self
    }

    /// Where files go of accounts whose `storageMode` is `s3`: an object store of yours. Without it their downloads fail.
    pub fn media_store(mut self, store: Arc<dyn MediaStore>) -> Self {
        self.objects = Some(store);
        self
    }

    /// Which limits hold. There is no way to have none.
    pub fn trust(mut self, policy: TrustPolicy) -> Self {
        self.trust = policy;
        self
    }

    /// The time zone of accounts that name none, of tenants that have none; UTC unless set.
    pub fn zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    /// The time zone of a tenant's accounts that name none; the manager's where it tells none. It is asked as
    /// [`Self::tenant_quota`] is, and whenever limits are shown of an account that does not run; it must return at once.
    pub fn tenant_zone(mut self, zone: impl Fn(&TenantId) -> Option<Zone> + Send + Sync + 'static) -> Self {
        self.tenant_zone = Box::new(zone);
        self
    }

    /// By which way an account goes out to the network, by any name, as its proxy's: codes are counted for each of them,
    /// whatever tenant they are of. Without a name they are counted for the process alone. It must return at once.
    pub fn egress(
        mut self,
        egress: impl Fn(&AccountRecord) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.egress = Box::new(egress);
        self
    }

    /// What is set for accounts that are made without settings of their own.
    pub fn defaults(mut self, settings: AccountSettings) -> Self {
        self.defaults = settings;
        self
    }

    /// How many accounts start at once.
    pub const fn starts(mut self, starts: Starts) -> Self {
        self.starts = starts;
        self
    }

    /// How many accounts a tenant may have; as many as it likes unless set. The same for all: [`Self::tenant_quota`] tells
    /// them apart.
    pub fn max_accounts(self, count: usize) -> Self {
        self.tenant_quota(move |_| TenantQuota { max_accounts: Some(count), ..TenantQuota::default() })
    }

    /// What each tenant may have; all they like unless set. It is asked when an account is made, started with the manager,
    /// or changed; it must return at once.
    pub fn tenant_quota(mut self, quota: impl Fn(&TenantId) -> TenantQuota + Send + Sync + 'static) -> Self {
        self.quotas = Quotas::new(quota);
        self
    }

    /// How long events are kept for those who come late; 30 days unless set, 2 days at least.
    pub const fn keep_events(mut self, duration: Duration) -> Self {
        self.keep_events = duration;
        self
    }

    /// Sets up how webhooks are delivered: what they may reach, how patient we are.
    pub fn webhooks(mut self, set: impl FnOnce(WebhooksBuilder) -> WebhooksBuilder + Send + 'static) -> Self {
        self.webhooks = Box::new(set);
        self
    }

    /// Hands all events to a sink of yours as well, under a name that stays the same: a broker, a queue. Each one at least
    /// once and in order for each account, from the first start with it on.
    pub fn sink(self, name: impl Into<String>, sink: Arc<dyn EventSink>) -> Self {
        self.sink_with(name, sink, SinkOptions::default())
    }

    /// The same, for some events, or with other patience. What it refuses is a dead letter of the endpoint `sink:<name>`
    /// in the manager's store.
    pub fn sink_with(
        mut self,
        name: impl Into<String>,
        sink: Arc<dyn EventSink>,
        options: SinkOptions,
    ) -> Self {
        self.sinks.add(name.into(), sink, options);
        self
    }

    /// Takes over what the store has. No account is started: see [`ClientManager::restore`]. What another life of the
    /// manager left as connected is told as disconnected before this returns, and what it left of deleted accounts is
    /// removed. A webhook whose secrets cannot be opened is told as [`Damaged`](crate::webhook::WebhookState::Damaged).
    ///
    /// # Errors
    /// [`ManagerError::Store`]; [`ManagerError::PairingStore`] when codes could not be shown;
    /// [`ManagerError::SameName`] of two sinks.
    pub async fn build(mut self) -> Result<ClientManager, ManagerError> {
        if let Some(name) = self.sinks.twice() {
            return Err(ManagerError::SameName { name: name.to_owned() });
        }
        let unopened = Arc::clone(&self.store);
        self.store = Arc::new(Sealed::new(self.store, self.vault.take()));
        self.pairing_store.check().await.map_err(ManagerError::PairingStore)?;
        let began = self.clock.boot();
        let accounts = take_over(&*self.store, &*self.keys, &*self.clock).await?;
        figures::claimed(self.clock.boot().saturating_sub(began));
        let (hub, tail) = Hub::new(Arc::clone(&self.store), Hub::CAPACITY).await?;
        let (stop, stop_hub) = (CancellationToken::new(), CancellationToken::new());
        let (tasks, hub_task) = (TaskTracker::new(), TaskTracker::new());
        hub_task.spawn(tail.timed(Arc::clone(&self.clock)).run(stop_hub.clone()));
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let (webhooks, delivery) = (self.webhooks)(Webhooks::builder(store, hub.clone(), clock)).build();
        hub_task.spawn(delivery.run(stop_hub.clone()));
        let (tasks_of_sinks, endpoints) = ((&hub_task, &stop_hub), self.sinks.endpoints());
        self.sinks.start(&self.store, &hub, &self.clock, tasks_of_sinks).await?;
        let limiter =
            PairLimiter::new(Arc::clone(&self.store), Arc::clone(&self.clock), self.pairing.clone());
        let limiter = Arc::new(limiter);
        let shared = Arc::new(Shared {
            store: self.store,
            keys: self.keys,
            locator: self.locator,
            clock: self.clock,
            configure: self.configure,
            hub,
            connection: self.connection,
            reconnect: self.reconnect,
            pairing: self.pairing,
            pairing_store: self.pairing_store,
            limiter,
            numbers: Arc::default(),
            places: Places::default(),
            clearing: tokio::sync::RwLock::default(),
            selector: self.selector,
            provisioner: self.provisioner,
            exports: self.exports,
            media: MediaStores::new(self.objects),
            release: Release::default(),
            versions: Versions::new(self.version),
            quotas: self.quotas,
            table: self.trust.table(),
            zone: self.zone,
            tenant_zone: self.tenant_zone,
            egress: self.egress,
            defaults: self.defaults,
            clock_offset: ClockOffset::default(),
        });
        let inner = Inner {
            shared,
            registry: Arc::new(Registry::default()),
            starts: self.starts,
            creating: tokio::sync::Mutex::new(()),
            tasks,
            stop,
            webhooks,
            hub_task,
            stop_hub,
        };
        for record in accounts {
            inner.adopt(record);
        }
        // Even where it takes long to remove: nobody is to get these places.
        inner.shared.settle_leftovers().await?;
        let (told, is_swept) = oneshot::channel();
        let owed = Owed { sinks: endpoints, webhooks: inner.webhooks.clone(), unopened };
        let (shared, stop) = (Arc::clone(&inner.shared), inner.stop_hub.clone());
        let house = keep_house(shared, owed, self.keep_events, told, stop);
        inner.hub_task.spawn(house);
        if timeout(SWEEP, is_swept).await.is_err() {
            tracing::error!("what deleted accounts left takes long to remove: it goes on");
        }
        Ok(ClientManager { inner: Arc::new(inner) })
    }
}

impl fmt::Debug for ManagerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagerBuilder").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Makes all accounts this life's, and tells the truth about them: none runs.
async fn take_over(
    store: &dyn ManagerStore,
    keys: &dyn KeyStores,
    clock: &dyn Clock,
) -> Result<Vec<AccountRecord>, ManagerError> {
    let mut accounts = store.accounts().await?;
    let mut changes = Changes::new();
    let now = clock.wall();
    for record in &mut accounts {
        // What cannot be read is not written.
        if let Some(Reason { kind: ReasonKind::StoreCorrupt, .. }) = &record.reason
            && matches!(store.account(&record.id).await, Err(ManagerStoreError::Corrupt { .. }))
        {
            continue;
        }
        record.epoch = Epoch(record.epoch.0 + 1);
        let before = record.status;
        let is_over =
            !matches!(before, AccountStatus::Idle | AccountStatus::Error | AccountStatus::Disconnected);
        if is_over {
            let unheard = unheard_link(keys, record).await;
            if let Ok(Some(link)) = &unheard {
                (record.accepted, record.desired) = (Some(link.clone()), DesiredState::Running);
            }
            // What was about to be linked is not.
            let is_linked = record.jid.is_some() || record.accepted.is_some();
            let status = match &unheard {
                _ if is_linked => AccountStatus::Disconnected,
                Err(_) => AccountStatus::Error,
                Ok(_) => AccountStatus::Idle,
            };
            (record.status, record.reason, record.updated_at) = (status, unheard.err(), now);
        }
        changes.put_account(record.clone());
        if is_over {
            changes.push_event(NewEvent {
                id: EventId::of(SystemRandom.array()),
                tenant: record.tenant.clone(),
                account: Some(record.id.clone()),
                kind: EventKind::AccountStatus,
                at: now,
                data: json!({ "before": before, "status": record.status, "reason": record.reason }),
            });
            record.seq += 1;
        }
    }
    if !changes.is_empty() {
        store.commit(changes).await?;
    }
    Ok(accounts)
}
