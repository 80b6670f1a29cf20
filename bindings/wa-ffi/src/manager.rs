//! Many accounts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wa_core::client::version::fetch_current;
use wa_manager::event::{EventKind, EventRecord};
use wa_manager::hub::{EventFilter, StreamError};
use wa_manager::manager::{AccountKey, ItemResult, ListFilter};
use wa_manager::store::{EventQuery, MemoryManagerStore, SqliteManagerStore};
use wa_manager::{AccountId, AccountName, AccountStatus, PathTemplate, TenantId, Unlink};

use crate::account::{Account, AccountSnapshot};
use crate::error::WaError;
use crate::inbound::InboundMessage;
use crate::pairing::{PairRequest, PairingTicket};
use crate::queue::{CAPACITY, Filling, Queue};
use crate::runtime::{self, Task};
use crate::settings::AccountSettings;
use crate::testing::TestServer;
use crate::types;

/// How a manager works.
#[derive(Debug, Clone, uniffi::Record)]
pub struct ManagerOptions {
    /// Where the accounts' own files are kept.
    pub folder: String,
    /// Where in it: `{tenant}`, `{name}`, `{owner}` and `{phone}` are filled in. `{tenant}/{name}.db` unless it is said.
    #[uniffi(default = None)]
    pub template: Option<String>,
    /// The SQLite file of what the manager knows. Without it, that is forgotten with the process: for tests.
    #[uniffi(default = None)]
    pub database: Option<String>,
    /// This test server instead of the real service.
    #[uniffi(default = None)]
    pub test_server: Option<Arc<TestServer>>,
    /// What phones show in their lists of linked devices.
    #[uniffi(default = None)]
    pub device_name: Option<String>,
    /// How many accounts there may be.
    #[uniffi(default = None)]
    pub max_accounts: Option<u32>,
}

/// An account that is to be made. All of it may be left out.
#[derive(Debug, Clone, Default, uniffi::Record)]
pub struct AccountSpec {
    /// Whose it is.
    #[uniffi(default = None)]
    pub tenant: Option<String>,
    /// Its name, which stays; one is made unless it is said.
    #[uniffi(default = None)]
    pub name: Option<String>,
    /// What people call it.
    #[uniffi(default = None)]
    pub display_name: Option<String>,
    /// The host's own id of who it belongs to.
    #[uniffi(default = None)]
    pub owner: Option<String>,
    /// Its settings; those that were asked for unless they are said.
    #[uniffi(default = None)]
    pub settings: Option<AccountSettings>,
    /// What the host keeps with it.
    #[uniffi(default = None)]
    pub metadata: Option<HashMap<String, String>>,
}

/// An event of the manager, as it is stored: at least once, in order for each account.
#[derive(Debug, Clone, uniffi::Record)]
pub struct ManagerEvent {
    /// Its number among all; the cursor to go on from.
    pub seq: u64,
    /// Its number among those of its account; 0 for those of the manager.
    pub account_seq: u64,
    /// Its id, which stays when it is told again.
    pub id: String,
    /// Whose it is.
    pub tenant: String,
    /// Which account it is about.
    pub account: Option<String>,
    /// What happened, such as `message.received` or `account.status`.
    pub kind: String,
    /// When.
    pub at: SystemTime,
    /// The message, for the kinds `message.received` and `reaction`.
    pub message: Option<InboundMessage>,
    /// All of it, by kind, as JSON.
    pub data: String,
}

/// What a stream of events gives.
#[derive(Debug, Clone, uniffi::Enum)]
#[expect(clippy::large_enum_variant, reason = "nearly all are events, and none stays here for long")]
pub enum ManagerUpdate {
    /// An event.
    Event {
        /// The event.
        event: ManagerEvent,
    },
    /// The reader was so late that events were removed before it took them: look at all accounts anew.
    Lagged {
        /// The last event that is gone; the stream goes on after it.
        resume_cursor: u64,
    },
    /// Something that this version does not know.
    Unknown,
}

/// Which events are wanted. All of it may be left out.
#[derive(Debug, Clone, Default, uniffi::Record)]
pub struct EventSelection {
    /// Those of one tenant only.
    #[uniffi(default = None)]
    pub tenant: Option<String>,
    /// Those of the account of this id only.
    #[uniffi(default = None)]
    pub account: Option<String>,
    /// Those of these kinds only.
    #[uniffi(default = None)]
    pub kinds: Option<Vec<String>>,
    /// Those after this number; from now on without it.
    #[uniffi(default = None)]
    pub after: Option<u64>,
}

/// What became of one of several.
#[derive(Debug, Clone, uniffi::Record)]
pub struct BatchItem {
    /// Which account.
    pub account: String,
    /// Why it was not done, for programs; nothing when it was.
    pub error: Option<String>,
    /// Why, for logs.
    pub detail: Option<String>,
    /// How long to wait before trying again, where that is known.
    pub retry_after: Option<Duration>,
    /// When what stands against it ends, where that is known.
    pub until: Option<SystemTime>,
}

/// What came of a restore, by the ids of accounts.
#[derive(Debug, Clone, uniffi::Record)]
pub struct RestoreReport {
    /// They are started; where they stand they tell themselves.
    pub started: Vec<String>,
    /// They are not: somebody stopped them, they are not linked, or somebody has to look at them first.
    pub skipped: Vec<String>,
    /// They could not be started, and why.
    pub failed: Vec<BatchItem>,
}

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ManagerHealth {
    /// How many accounts are connected.
    pub connected: u64,
    /// How many there are.
    pub total: u64,
}

/// Many accounts in one process: each with its own store, task and limits.
#[derive(uniffi::Object)]
pub struct ClientManager(wa_manager::ClientManager);

impl std::fmt::Debug for ClientManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientManager").finish_non_exhaustive()
    }
}

fn tenant(name: Option<String>) -> TenantId {
    name.map(TenantId::new).unwrap_or_default()
}

fn name(text: String) -> Result<AccountName, WaError> {
    AccountName::new(text).map_err(|error| WaError::invalid("invalid_name", error))
}

fn items<T>(results: Vec<ItemResult<T>>) -> Vec<BatchItem> {
    let of = |item: ItemResult<T>| {
        let account = match item.key {
            AccountKey::Id(id) => id.to_string(),
            AccountKey::Name(_, name) => name.as_str().to_owned(),
            _ => String::new(),
        };
        BatchItem::of(account, item.result.err().map(WaError::from))
    };
    results.into_iter().map(of).collect()
}

/// All that a filter lets through, page by page.
async fn listed(
    manager: &wa_manager::ClientManager,
    mut filter: ListFilter,
) -> Result<Vec<wa_manager::AccountSnapshot>, WaError> {
    let mut accounts = Vec::new();
    loop {
        let page = manager.list(filter.clone()).await?;
        accounts.extend(page.items);
        match page.next {
            Some(next) => filter.cursor = Some(next),
            None => return Ok(accounts),
        }
    }
}

impl BatchItem {
    fn of(account: String, error: Option<WaError>) -> Self {
        let (retry_after, until) = error.as_ref().map_or((None, None), WaError::wait);
        Self {
            account,
            error: error.as_ref().map(|error| error.code().to_owned()),
            detail: error.map(|error| error.to_string()),
            retry_after,
            until,
        }
    }
}

impl ClientManager {
    /// An account by its id, or by its name among those of the default tenant.
    fn key(&self, account: String) -> Result<AccountKey, WaError> {
        let by_id = AccountKey::Id(AccountId::stored(account.clone()));
        match self.0.get(&by_id) {
            Some(_) => Ok(by_id),
            None => Ok(AccountKey::Name(TenantId::default(), name(account)?)),
        }
    }

    /// The same for each. What can be no name is as little found as an id that there is not.
    fn keys(&self, accounts: Vec<String>) -> Vec<AccountKey> {
        let no_name = |account| AccountKey::Id(AccountId::stored(account));
        let key = |account: String| self.key(account.clone()).unwrap_or_else(|_| no_name(account));
        accounts.into_iter().map(key).collect()
    }
}

impl ManagerEvent {
    fn of(record: &EventRecord) -> Self {
        Self {
            seq: record.seq,
            account_seq: record.account_seq,
            id: record.id.to_string(),
            tenant: record.tenant.to_string(),
            account: record.account.as_ref().map(ToString::to_string),
            kind: record.kind.wire().to_owned(),
            at: types::time_ms(record.at),
            message: matches!(record.kind, EventKind::MessageReceived | EventKind::Reaction)
                .then(|| InboundMessage::of(&record.data))
                .flatten(),
            data: record.data.to_string(),
        }
    }
}

#[uniffi::export]
impl ClientManager {
    /// Opens a manager. Nothing runs yet: `restore` starts what ran before.
    #[uniffi::constructor]
    pub async fn open(options: ManagerOptions) -> Result<Arc<Self>, WaError> {
        runtime::run(async move {
            let template = options.template.as_deref().unwrap_or("{tenant}/{name}.db");
            let places = PathTemplate::new(&options.folder, template)
                .map_err(|error| WaError::invalid("invalid_template", error))?;
            let store: Arc<dyn wa_manager::store::ManagerStore> = match options.database {
                Some(path) => {
                    let opened = tokio::task::spawn_blocking(|| SqliteManagerStore::open(path)).await;
                    let opened = opened.map_err(|_| WaError::shut_down())?;
                    Arc::new(opened?)
                }
                None => Arc::new(MemoryManagerStore::new()),
            };
            let mut builder = wa_manager::ClientManager::builder(store, Arc::new(places));
            if let Some(count) = options.max_accounts {
                builder = builder.max_accounts(usize::try_from(count).unwrap_or(usize::MAX));
            }
            let (server, name) = (options.test_server, options.device_name);
            if server.is_none() {
                builder = builder.version_source(fetch_current);
            }
            builder = builder.client(move |mut client, _| {
                if let Some(server) = &server {
                    client = server.connect(client);
                }
                if let Some(name) = &name {
                    client = client.device_name(name.clone());
                }
                client
            });
            Ok(Arc::new(Self(builder.build().await?)))
        })
        .await
    }

    /// Starts again what ran before, one after the other.
    pub async fn restore(&self) -> Result<RestoreReport, WaError> {
        let manager = self.0.clone();
        runtime::run(async move {
            let report = manager.restore().await;
            let ids = |accounts: &[AccountId]| accounts.iter().map(ToString::to_string).collect();
            Ok(RestoreReport {
                started: ids(&report.started),
                skipped: ids(&report.skipped),
                failed: report
                    .failed
                    .into_iter()
                    .map(|(id, error)| BatchItem::of(id.to_string(), Some(error.into())))
                    .collect(),
            })
        })
        .await
    }

    /// Makes an account. It is not linked yet: `pair` is next.
    #[uniffi::method(default(spec = None))]
    pub async fn create(&self, spec: Option<AccountSpec>) -> Result<Arc<Account>, WaError> {
        let (manager, spec) = (self.0.clone(), spec.unwrap_or_default().into_core()?);
        runtime::run(async move { Ok(Account::new(manager.create(spec).await?)) }).await
    }

    /// Makes an account, and begins to link it.
    #[uniffi::method(default(spec = None))]
    pub async fn create_and_pair(
        &self,
        request: PairRequest,
        spec: Option<AccountSpec>,
    ) -> Result<Arc<PairingTicket>, WaError> {
        let (manager, spec) = (self.0.clone(), spec.unwrap_or_default().into_core()?);
        let request = request.into_core()?;
        runtime::run(async move {
            let (_, ticket) = manager.create_and_pair(spec, request).await?;
            PairingTicket::new(ticket)
        })
        .await
    }

    /// The account of this id, or of this name among those of the default tenant.
    pub fn account(&self, account: String) -> Result<Arc<Account>, WaError> {
        Ok(Account::new(self.0.account(&self.key(account)?)?))
    }

    /// The account of this name of a tenant.
    pub fn account_of(&self, tenant: String, account: String) -> Result<Arc<Account>, WaError> {
        let key = AccountKey::Name(TenantId::new(tenant), name(account)?);
        Ok(Account::new(self.0.account(&key)?))
    }

    /// All accounts, of one tenant or of all; those that stand so, if a status is said: `ready`, `idle` and so on.
    #[uniffi::method(default(tenant = None, status = None))]
    pub async fn accounts(
        &self,
        tenant: Option<String>,
        status: Option<String>,
    ) -> Result<Vec<AccountSnapshot>, WaError> {
        let status = status.map(|status| {
            AccountStatus::from_wire(&status)
                .ok_or_else(|| WaError::invalid("invalid_status", format!("{status:?} is no status")))
        });
        let filter = ListFilter {
            tenant: tenant.map(TenantId::new),
            status: status.transpose()?,
            ..ListFilter::default()
        };
        let manager = self.0.clone();
        runtime::run(
            async move { Ok(listed(&manager, filter).await?.iter().map(AccountSnapshot::of).collect()) },
        )
        .await
    }

    /// Deletes an account with all that belongs to it. With `force` also when the service cannot be told: then the phone
    /// keeps the device in its list.
    #[uniffi::method(default(force = false))]
    pub async fn delete(&self, account: String, force: bool) -> Result<(), WaError> {
        let (manager, key) = (self.0.clone(), self.key(account)?);
        let how = if force { Unlink::IfReachable } else { Unlink::AtServer };
        runtime::run(async move { Ok(manager.delete(&key, how).await?) }).await
    }

    /// Starts several accounts; each has its own answer.
    pub async fn batch_start(&self, accounts: Vec<String>) -> Result<Vec<BatchItem>, WaError> {
        let (manager, keys) = (self.0.clone(), self.keys(accounts));
        runtime::run(async move { Ok(items(manager.batch_start(&keys).await)) }).await
    }

    /// Stops several accounts; each has its own answer.
    pub async fn batch_stop(&self, accounts: Vec<String>) -> Result<Vec<BatchItem>, WaError> {
        let (manager, keys) = (self.0.clone(), self.keys(accounts));
        runtime::run(async move { Ok(items(manager.batch_stop(&keys).await)) }).await
    }

    /// Deletes several accounts; each has its own answer.
    #[uniffi::method(default(force = false))]
    pub async fn batch_delete(&self, accounts: Vec<String>, force: bool) -> Result<Vec<BatchItem>, WaError> {
        let (manager, keys) = (self.0.clone(), self.keys(accounts));
        let how = if force { Unlink::IfReachable } else { Unlink::AtServer };
        runtime::run(async move { Ok(items(manager.batch_delete(&keys, how).await)) }).await
    }

    /// Stops all accounts: of this tenant, or of all tenants if none is said. Each has its own answer.
    #[uniffi::method(default(tenant = None))]
    pub async fn stop_all(&self, tenant: Option<String>) -> Result<Vec<BatchItem>, WaError> {
        let manager = self.0.clone();
        runtime::run(async move {
            let Some(tenant) = tenant else {
                let all = listed(&manager, ListFilter::default()).await?;
                let keys: Vec<_> = all.into_iter().map(|account| AccountKey::Id(account.id)).collect();
                return Ok(items(manager.batch_stop(&keys).await));
            };
            Ok(items(manager.stop_all(&TenantId::new(tenant)).await))
        })
        .await
    }

    /// The events that are wanted, from a place on.
    #[uniffi::method(default(selection = None))]
    pub fn events(&self, selection: Option<EventSelection>) -> Result<Arc<ManagerEvents>, WaError> {
        let selection = selection.unwrap_or_default();
        let kinds = selection.kinds.unwrap_or_default().into_iter().map(|kind| {
            EventKind::from_wire(&kind)
                .ok_or_else(|| WaError::invalid("invalid_kind", format!("{kind:?} is no event")))
        });
        let filter = EventFilter {
            tenant: selection.tenant.map(TenantId::new),
            account: selection.account.map(AccountId::stored),
            kinds: kinds.collect::<Result<_, _>>()?,
            ..EventFilter::default()
        };
        let _runtime = runtime::handle()?.enter();
        ManagerEvents::new(self.0.subscribe(filter, selection.after))
    }

    /// Up to so many stored events after a number.
    pub async fn events_since(&self, after: u64, limit: u32) -> Result<Vec<ManagerEvent>, WaError> {
        let manager = self.0.clone();
        let query = EventQuery { after, tenant: None, account: None, limit: limit as usize };
        runtime::run(async move {
            let records = manager.events_since(query).await?;
            Ok(records.iter().map(ManagerEvent::of).collect())
        })
        .await
    }

    /// The number of the last event.
    pub fn last_event(&self) -> u64 {
        self.0.last_event()
    }

    /// How it stands.
    pub fn health(&self) -> ManagerHealth {
        let health = self.0.health();
        ManagerHealth { connected: health.connected as u64, total: health.total as u64 }
    }

    /// Ends all accounts in order, within this time. They stay linked, and `restore` starts them again.
    pub async fn shutdown(&self, deadline: Duration) -> Result<(), WaError> {
        let manager = self.0.clone();
        runtime::run(async move {
            manager.shutdown(deadline).await;
            Ok(())
        })
        .await
    }
}

impl AccountSpec {
    fn into_core(self) -> Result<wa_manager::AccountSpec, WaError> {
        Ok(wa_manager::AccountSpec {
            tenant: tenant(self.tenant),
            name: self.name.map(name).transpose()?,
            display_name: self.display_name,
            owner: self.owner,
            settings: self.settings.map(|settings| settings.into_core()).transpose()?,
            metadata: self.metadata.unwrap_or_default().into_iter().collect(),
            ..wa_manager::AccountSpec::default()
        })
    }
}

/// Events of the manager: while `ready`, `drain` what there is. Keep the number of the last one that was dealt with, and
/// go on from it after a restart.
#[derive(uniffi::Object)]
pub struct ManagerEvents {
    queue: Arc<Queue<ManagerUpdate>>,
    /// Ends with the stream.
    _pump: Task<()>,
}

impl std::fmt::Debug for ManagerEvents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManagerEvents").finish_non_exhaustive()
    }
}

impl ManagerEvents {
    fn new(mut events: wa_manager::hub::EventStream) -> Result<Arc<Self>, WaError> {
        let queue = Arc::new(Queue::new(CAPACITY));
        let filled = Filling(Arc::clone(&queue));
        let pump = Task::spawn(async move {
            while filled.room().await {
                filled.put(match events.next().await {
                    Ok(record) => ManagerUpdate::Event { event: ManagerEvent::of(&record) },
                    Err(StreamError::Lagged { resume_cursor }) => ManagerUpdate::Lagged { resume_cursor },
                    Err(StreamError::Closed) => return,
                    // Whether it goes on after that is not known.
                    Err(_) => return filled.put(ManagerUpdate::Unknown),
                });
            }
        })?;
        Ok(Arc::new(Self { queue, _pump: pump }))
    }
}

#[uniffi::export]
impl ManagerEvents {
    /// Waits for an event. True when there is one, false when there will be none any more. Takes nothing: cancelling it
    /// loses nothing.
    pub async fn ready(&self) -> bool {
        self.queue.ready().await
    }

    /// Takes up to so many, without waiting.
    pub fn drain(&self, max: u32) -> Vec<ManagerUpdate> {
        self.queue.drain(max)
    }

    /// Ends the stream: `ready` answers false.
    pub fn stop(&self) {
        self.queue.stop();
    }
}
