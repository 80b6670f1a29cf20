//! A manager beside a test server, with accounts that are linked to its phones.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use wa_core::client::ClientBuilder;
use wa_core::{Client, Event};
use wa_manager::account::AccountRecord;
use wa_manager::clock::{Clock, SystemClock};
use wa_manager::event::{EventKind, EventRecord};
use wa_manager::hub::{EventFilter, EventStream};
use wa_manager::pairing::{PairRequest, PairingUpdate};
use wa_manager::store::{Changes, EventQuery, ManagerStore, SqliteManagerStore};
use wa_manager::{
    Account, AccountKey, AccountName, AccountSnapshot, AccountSpec, AccountStatus, ClientManager,
    ManagerBuilder, PathTemplate, TenantId,
};
use wa_test_server::{Phone, TestServer};
use wa_types::UnixMillis;

/// Whoever waits longer waits for something that does not come.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// A server, a directory, and a manager that can be ended and begun again on it.
pub(crate) struct Scene {
    pub(crate) server: TestServer,
    pub(crate) directory: TempDir,
    pub(crate) manager: ClientManager,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(set: impl FnOnce(ManagerBuilder) -> ManagerBuilder) -> Self {
        let (server, directory) = (TestServer::start().await, TempDir::new().unwrap());
        let manager = set(builder(&server, &directory)).build().await.unwrap();
        Self { server, directory, manager }
    }

    /// Ends the manager, and begins another one on the same files.
    pub(crate) async fn restart(self) -> Self {
        self.restart_with(|builder| builder).await
    }

    pub(crate) async fn restart_with(self, set: impl FnOnce(ManagerBuilder) -> ManagerBuilder) -> Self {
        let Self { server, directory, manager } = self;
        soon("the end of the manager", manager.shutdown(LIMIT)).await;
        drop(manager);
        let manager = set(builder(&server, &directory)).build().await.unwrap();
        Self { server, directory, manager }
    }

    pub(crate) fn phone(&self, name: &str) -> Phone {
        self.server.phone(name)
    }

    pub(crate) fn account(&self, name: &str) -> Account {
        self.manager.account(&key(name)).unwrap()
    }

    /// Makes an account that nobody linked.
    pub(crate) async fn create(&self, name: &str) -> Account {
        let spec = AccountSpec { name: Some(AccountName::new(name).unwrap()), ..AccountSpec::default() };
        self.manager.create(spec).await.unwrap()
    }

    /// The events of an account so far.
    pub(crate) async fn events(&self, account: &Account) -> Vec<EventRecord> {
        let query = EventQuery { account: Some(account.id().clone()), limit: 1000, ..EventQuery::default() };
        self.manager.events_since(query).await.unwrap()
    }

    /// The statuses that were told of an account so far.
    pub(crate) async fn statuses(&self, account: &Account) -> Vec<String> {
        let events = self.events(account).await;
        let told = events.iter().filter(|event| event.kind == EventKind::AccountStatus);
        told.map(|event| event.data["status"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn subscribe(&self, account: &Account) -> EventStream {
        let filter = EventFilter { account: Some(account.id().clone()), ..EventFilter::default() };
        self.manager.subscribe(filter, None)
    }

    pub(crate) fn key_file(&self, name: &str) -> PathBuf {
        self.directory.path().join("default").join(format!("{name}.db"))
    }
}

pub(crate) fn key(name: &str) -> AccountKey {
    AccountKey::Name(TenantId::default(), AccountName::new(name).unwrap())
}

pub(crate) fn builder(server: &TestServer, directory: &TempDir) -> ManagerBuilder {
    let store = SqliteManagerStore::open(directory.path().join("manager.db")).unwrap();
    builder_on(Arc::new(store), server, directory)
}

/// The same on a store that the test keeps an eye on.
pub(crate) fn builder_on(
    store: Arc<dyn ManagerStore>,
    server: &TestServer,
    directory: &TempDir,
) -> ManagerBuilder {
    let template = PathTemplate::new(directory.path(), "{tenant}/{name}.db").unwrap();
    ClientManager::builder(store, Arc::new(template)).client(client(server))
}

/// Links an account to the phone of this name, by QR code.
pub(crate) async fn link_to(scene: &Scene, account: &Account, phone: &str) {
    let mut ticket = account.pair(PairRequest::qr()).await.unwrap();
    loop {
        match soon("a link", ticket.next()).await.expect("the ticket ended") {
            PairingUpdate::Qr(shown) => {
                scene.phone(phone).scan(shown.text.expose()).await.unwrap();
            }
            PairingUpdate::Linked(_) => return,
            PairingUpdate::Failed(error) => panic!("{error:?}"),
            _ => {}
        }
    }
}

/// How clients reach the server.
pub(crate) fn client(
    server: &TestServer,
) -> impl Fn(ClientBuilder, &AccountRecord) -> ClientBuilder + Send + Sync + 'static + use<> {
    let (connector, root, http) = (server.connector(), server.trust_root(), server.media().http_client());
    move |builder, _| {
        builder.connector(Arc::clone(&connector)).trust_root(root).http_client(Arc::clone(&http))
    }
}

/// A scene whose accounts of these names are linked, each to the phone of its name, and do not run.
pub(crate) async fn linked(names: &[&str]) -> Scene {
    linked_with(names, |builder| builder).await
}

pub(crate) async fn linked_with(names: &[&str], set: impl FnOnce(ManagerBuilder) -> ManagerBuilder) -> Scene {
    let scene = Scene::new().await;
    for name in names {
        scene.create(name).await;
    }
    let Scene { server, directory, manager } = scene;
    soon("the end of the manager", manager.shutdown(LIMIT)).await;
    drop(manager);
    let store = SqliteManagerStore::open(directory.path().join("manager.db")).unwrap();
    let mut changes = Changes::new();
    for mut row in store.accounts().await.unwrap() {
        let (jid, lid) = link(&server, row.location.as_deref().unwrap(), row.name.as_str()).await;
        row.phone = jid.user().parse().ok();
        (row.jid, row.lid) = (Some(jid), lid);
        changes.put_account(row);
    }
    store.commit(changes).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let manager = set(builder(&server, &directory)).build().await.unwrap();
    Scene { server, directory, manager }
}

async fn link(server: &TestServer, path: &str, phone: &str) -> (wa_types::Jid, Option<wa_types::Jid>) {
    std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
    let store = Arc::new(wa_store::SqliteStore::open(path).await.unwrap());
    let builder = Client::builder(store).connector(server.connector()).trust_root(server.trust_root());
    let (client, mut events) = builder.connect().await.unwrap();
    let mut device = None;
    loop {
        match soon("a link", events.next()).await.unwrap() {
            Event::PairingQr(qr) => {
                server.phone(phone).scan(&qr.text).await.unwrap();
            }
            Event::Paired(paired) => device = Some((paired.jid, paired.lid)),
            Event::BacklogDone { .. } => break,
            _ => {}
        }
    }
    client.shutdown().await;
    device.unwrap()
}

/// The machine's clocks, further on by what passed by hand.
#[derive(Debug, Default)]
pub(crate) struct HandClock {
    clock: SystemClock,
    passed: AtomicU64,
}

impl HandClock {
    pub(crate) fn pass(&self, time: Duration) {
        self.passed.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    fn passed(&self) -> Duration {
        Duration::from_millis(self.passed.load(Ordering::SeqCst))
    }
}

impl Clock for HandClock {
    fn wall(&self) -> UnixMillis {
        self.clock.wall().after(self.passed())
    }

    fn boot(&self) -> Duration {
        self.clock.boot() + self.passed()
    }
}

/// The next event of this kind.
pub(crate) async fn next(events: &mut EventStream, kind: EventKind) -> Arc<EventRecord> {
    loop {
        let event = soon(kind.wire(), events.next()).await.unwrap();
        if event.kind == kind {
            return event;
        }
    }
}

/// Waits until the account stands so.
pub(crate) async fn stands(account: &Account, status: AccountStatus) -> AccountSnapshot {
    let what = format!("{} to be {status:?}", account.name());
    soon(&what, account.reached(|snapshot| snapshot.status == status)).await.unwrap()
}

/// Waits until the account has done what it told: it takes one command after the other.
pub(crate) async fn settled(account: &Account) {
    account.update(wa_manager::AccountPatch::default()).await.unwrap();
}
