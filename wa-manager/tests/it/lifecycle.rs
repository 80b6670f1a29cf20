//! Start, stop, restart, logout, delete, update.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use wa_core::client::ClientBuilder;
use wa_core::transport::{Connector, Socket, TransportFuture};
use wa_manager::account::{AccountRecord, ConnectionPolicy, DesiredState, ReasonKind};
use wa_manager::event::EventKind;
use wa_manager::keys::{KeyStoreFuture, KeyStores, SqliteKeyStores};
use wa_manager::manager::TenantQuota;
use wa_manager::pairing::{PairError, PairRequest};
use wa_manager::sending::{SendError, SendRequest};
use wa_manager::store::{ManagerStore, MemoryManagerStore};
use wa_manager::{AccountPatch, AccountStatus, ManagerError, TenantId, Unlink};
use wa_store::StoreError;
use wa_test_server::TestServer;

use crate::paused::{MemoryKeys, Paused};
use crate::scene::{Scene, builder, builder_on, client, key, link_to, linked, settled, soon, stands};

// R080, R088, R099, R100, R151: start and stop, without logout.
// R087, R115
#[tokio::test]
async fn an_account_starts_and_stops_and_stays_linked() {
    let scene = linked(&["anna"]).await;
    let anna = scene.account("anna");
    let outcome = anna.start().await.unwrap();
    assert_eq!(
        (outcome.before, outcome.after, outcome.changed),
        (AccountStatus::Idle, AccountStatus::Loading, true)
    );
    let ready = stands(&anna, AccountStatus::Ready).await;
    assert_eq!(ready.desired, DesiredState::Running);
    assert!(ready.device.unwrap().connected);

    let outcome = anna.stop().await.unwrap();
    assert_eq!((outcome.before, outcome.after), (AccountStatus::Ready, AccountStatus::Idle));
    let stopped = anna.snapshot();
    assert!(stopped.is_logged_in, "stop is no logout");
    assert_eq!(stopped.desired, DesiredState::Stopped);

    assert!(anna.start().await.unwrap().changed);
    stands(&anna, AccountStatus::Ready).await;
    let statuses = scene.statuses(&anna).await;
    let run = ["loading", "authenticated", "ready"];
    assert_eq!(statuses, [&run[..], &["idle"], &run].concat());
}

/// Connections that do not close before they may.
#[derive(Debug)]
struct Stubborn {
    inner: Arc<dyn Connector>,
    hold: Arc<Hold>,
}

#[derive(Debug, Default)]
struct Hold {
    closing: Notify,
    may: Mutex<bool>,
    told: Condvar,
}

impl Hold {
    fn let_go(&self) {
        *self.may.lock().unwrap() = true;
        self.told.notify_all();
    }
}

#[derive(Debug)]
struct StubbornSocket {
    inner: Box<dyn Socket>,
    hold: Arc<Hold>,
}

impl Connector for Stubborn {
    fn connect<'a>(&'a self, routing: Option<&'a [u8]>) -> TransportFuture<'a, Box<dyn Socket>> {
        Box::pin(async move {
            let inner = self.inner.connect(routing).await?;
            Ok(Box::new(StubbornSocket { inner, hold: Arc::clone(&self.hold) }) as Box<dyn Socket>)
        })
    }
}

impl Socket for StubbornSocket {
    fn send(&mut self, bytes: Vec<u8>) -> TransportFuture<'_, ()> {
        self.inner.send(bytes)
    }

    fn recv(&mut self) -> TransportFuture<'_, Option<Vec<u8>>> {
        self.inner.recv()
    }

    fn close(&mut self) -> TransportFuture<'_, ()> {
        Box::pin(async {
            self.hold.closing.notify_one();
            // No time limit ends this: it does not come back to whoever would look at the time.
            tokio::task::block_in_place(|| {
                let may = self.hold.may.lock().unwrap();
                let longest = Duration::from_secs(120);
                drop(self.hold.told.wait_timeout_while(may, longest, |may| !*may).unwrap());
            });
            self.inner.close().await
        })
    }
}

/// 4.2: a stop waits two seconds; what does not end by then ends by itself, and nothing begins before it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_account_whose_client_does_not_end_is_stopped_all_the_same() {
    assert_eq!(ConnectionPolicy::default().stop, Duration::from_secs(2));
    let Scene { server, directory, manager } = linked(&["anna", "berta"]).await;
    manager.shutdown(Duration::from_secs(30)).await;
    drop(manager);
    let hold = Arc::new(Hold::default());
    let (plain, connector) = (client(&server), server.connector());
    let stubborn = Arc::new(Stubborn { inner: connector, hold: Arc::clone(&hold) });
    let of_account = move |builder: ClientBuilder, row: &AccountRecord| {
        plain(builder, row).connector(Arc::clone(&stubborn) as Arc<dyn Connector>)
    };
    let manager = builder(&server, &directory).client(of_account).build().await.unwrap();
    let scene = Scene { server, directory, manager };
    let anna = scene.account("anna");
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let asked = Instant::now();
    let outcome = soon("the stop", anna.stop()).await.unwrap();
    assert!(asked.elapsed() >= ConnectionPolicy::default().stop, "{:?}", asked.elapsed());
    assert_eq!((outcome.after, anna.status()), (AccountStatus::Idle, AccountStatus::Idle));
    soon("the client to end", hold.closing.notified()).await;
    // It has not ended, so nothing else has the account's store: that is said, and the account hears what it is told.
    let logins = scene.server.metrics().logins;
    let outcome = soon("the start", anna.start()).await.unwrap();
    assert_eq!((outcome.after, outcome.changed), (AccountStatus::Error, true));
    let reason = anna.snapshot().reason.unwrap();
    assert_eq!((reason.kind, reason.retry_at.is_some()), (ReasonKind::StoreLocked, true));
    let berta = scene.account("berta");
    berta.start().await.unwrap();
    stands(&berta, AccountStatus::Ready).await;
    assert_eq!(scene.server.metrics().logins, logins + 1);
    let outcome = soon("the stop", anna.stop()).await.unwrap();
    assert_eq!(outcome.after, AccountStatus::Idle);
    hold.let_go();
    // However long that takes it after this.
    let ready = async {
        let mut outcome = soon("the start", anna.start()).await.unwrap();
        while outcome.after == AccountStatus::Error {
            outcome = soon("the start", anna.start()).await.unwrap();
        }
        assert!(outcome.changed);
        stands(&anna, AccountStatus::Ready).await;
    };
    soon("the client to end", ready).await;
}

/// A crash does not make what it left behind end any sooner.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_account_that_crashed_waits_until_its_client_has_ended() {
    let Scene { server, directory, manager } = linked(&["anna"]).await;
    manager.shutdown(Duration::from_secs(30)).await;
    drop(manager);
    let hold = Arc::new(Hold::default());
    let (plain, connector) = (client(&server), server.connector());
    let stubborn = Arc::new(Stubborn { inner: connector, hold: Arc::clone(&hold) });
    let of_account = move |builder: ClientBuilder, row: &AccountRecord| {
        plain(builder, row).connector(Arc::clone(&stubborn) as Arc<dyn Connector>)
    };
    let panics = Arc::new(AtomicBool::new(false));
    let crashes = Arc::clone(&panics);
    let quota = move |_: &TenantId| {
        assert!(!crashes.swap(false, Ordering::SeqCst), "on purpose");
        TenantQuota::default()
    };
    let stop = Duration::from_millis(100);
    let policy = ConnectionPolicy { stop, ..ConnectionPolicy::default() };
    let builder = builder(&server, &directory).client(of_account).connection(policy).tenant_quota(quota);
    let scene = Scene { manager: builder.build().await.unwrap(), server, directory };
    let anna = scene.account("anna");
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    panics.store(true, Ordering::SeqCst);
    let patch = AccountPatch { display_name: Some("Shop".to_owned()), ..AccountPatch::default() };
    assert!(matches!(anna.update(patch).await, Err(ManagerError::Crashed)));
    let reason = stands(&anna, AccountStatus::Error).await.reason.unwrap();
    assert_eq!((reason.kind, reason.retry_at.is_some()), (ReasonKind::StoreLocked, true));
    assert_eq!(reason.detail.as_deref(), Some("the client before this one has not ended"));
    hold.let_go();
    // However long that takes it after this.
    let ready = async {
        while soon("the start", anna.start()).await.unwrap().after == AccountStatus::Error {}
        stands(&anna, AccountStatus::Ready).await;
    };
    soon("the client to end", ready).await;
}

/// Keys that take for ever to be opened or removed, or are not, if they shall.
#[derive(Debug, Default)]
struct Slow {
    keys: MemoryKeys,
    is_slow: AtomicBool,
    is_locked: AtomicBool,
    stays: AtomicBool,
    fails_to_go: AtomicBool,
}

impl KeyStores for Slow {
    fn open<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, Arc<dyn wa_store::Store>> {
        if self.is_slow.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        if self.is_locked.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(StoreError::Locked)));
        }
        self.keys.open(path)
    }

    fn remove<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, ()> {
        if self.stays.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        if self.fails_to_go.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(StoreError::Interrupted)));
        }
        self.keys.remove(path)
    }
}

/// A store that is not opened in time costs its own account the start, and nobody an answer.
#[tokio::test(start_paused = true)]
async fn an_account_whose_keys_take_for_ever_to_be_opened_goes_on_listening() {
    let slow = Arc::new(Slow::default());
    let keys = Arc::clone(&slow) as Arc<dyn KeyStores>;
    let paused = Paused::with(|builder, _| builder.key_stores(keys)).await;
    let anna = paused.scene.create("anna").await;
    link_to(&paused.scene, &anna, "anna").await;
    anna.stop().await.unwrap();
    slow.is_slow.store(true, Ordering::SeqCst);
    assert_eq!(soon("the start", anna.start()).await.unwrap().after, AccountStatus::Error);
    assert_eq!(anna.snapshot().reason.unwrap().kind, ReasonKind::StoreLocked);
    slow.is_slow.store(false, Ordering::SeqCst);
    // It shall run, and is tried again by itself.
    tokio::time::sleep(Duration::from_secs(61)).await;
    stands(&anna, AccountStatus::Ready).await;
}

/// What was slow to open keys may have them for a while more: the account waits for that.
#[tokio::test(start_paused = true)]
async fn an_account_whose_keys_are_in_use_is_tried_again() {
    let slow = Arc::new(Slow::default());
    let keys = Arc::clone(&slow) as Arc<dyn KeyStores>;
    let paused = Paused::with(|builder, _| builder.key_stores(keys)).await;
    let anna = paused.scene.create("anna").await;
    link_to(&paused.scene, &anna, "anna").await;
    anna.stop().await.unwrap();
    slow.is_slow.store(true, Ordering::SeqCst);
    soon("the start", anna.start()).await.unwrap();
    slow.is_slow.store(false, Ordering::SeqCst);
    slow.is_locked.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(61)).await;
    settled(&anna).await;
    let shown = anna.snapshot();
    assert_eq!(shown.status, AccountStatus::Error);
    let reason = shown.reason.unwrap();
    assert_eq!((reason.kind, reason.retry_at.is_some()), (ReasonKind::StoreLocked, true));
    slow.is_locked.store(false, Ordering::SeqCst);
    // It waits twice as long now.
    tokio::time::sleep(Duration::from_secs(61)).await;
    settled(&anna).await;
    assert_eq!(anna.status(), AccountStatus::Error);
    tokio::time::sleep(Duration::from_secs(61)).await;
    stands(&anna, AccountStatus::Ready).await;
}

/// A removal that is late would take the keys of the next attempt, too.
#[tokio::test(start_paused = true)]
async fn no_attempt_begins_before_the_keys_of_the_last_one_are_gone() {
    let slow = Arc::new(Slow::default());
    let keys = Arc::clone(&slow) as Arc<dyn KeyStores>;
    let paused = Paused::with(|builder, _| builder.key_stores(keys)).await;
    let anna = paused.scene.create("anna").await;
    let troubles = [(&slow.stays, ReasonKind::StoreLocked), (&slow.fails_to_go, ReasonKind::StoreFailed)];
    for (trouble, kind) in troubles {
        trouble.store(true, Ordering::SeqCst);
        let refused = soon("an answer", anna.pair(PairRequest::qr())).await.unwrap_err();
        let ManagerError::Pair(error) = refused else { panic!("{refused:?}") };
        assert_eq!(error, PairError::Closed { kind, code: None });
        // What is in use is free again by itself.
        assert_eq!(error.retry_after().is_some(), kind == ReasonKind::StoreLocked);
        trouble.store(false, Ordering::SeqCst);
    }
    link_to(&paused.scene, &anna, "anna").await;
}

/// Acceptance: Stop during start, double start, start during stop: one actor, no leaked socket, final state = last
/// command.
#[tokio::test]
async fn the_last_command_decides() {
    let scene = linked(&["anna"]).await;
    let anna = scene.account("anna");
    let (first, second) = tokio::join!(anna.start(), anna.start());
    assert!(first.unwrap().changed);
    assert!(!second.unwrap().changed, "it runs");
    let (stopped, started, stopped_again) = tokio::join!(anna.stop(), anna.start(), anna.stop());
    assert!(stopped.unwrap().changed && started.unwrap().changed && stopped_again.unwrap().changed);
    assert_eq!(anna.status(), AccountStatus::Idle);
    let device = anna.snapshot().device.unwrap().device_id.parse().unwrap();
    soon("no socket to be left", scene.server.wait_offline(&device)).await;
    let (_, started) = tokio::join!(anna.stop(), anna.start());
    assert!(started.unwrap().changed);
    stands(&anna, AccountStatus::Ready).await;
}

/// Acceptance: delete during start: no leaked socket, final state = last command.
// R090, R098
// R152
#[tokio::test]
async fn an_account_that_starts_can_be_deleted() {
    let scene = linked(&["anna", "berta"]).await;
    let (anna, phone) = (scene.account("anna"), scene.phone("anna"));
    let device = anna.snapshot().device.unwrap().device_id.parse().unwrap();
    anna.start().await.unwrap();
    let events = scene.subscribe(&anna);
    scene.manager.delete(&key("anna"), Unlink::AtServer).await.unwrap();
    assert!(scene.manager.get(&key("anna")).is_none());
    assert!(!phone.remove_device(&device), "the phone lists it no more");
    assert!(!scene.key_file("anna").exists());
    assert!(matches!(anna.start().await, Err(ManagerError::NotFound)));
    let request = SendRequest::new(wa_types::Jid::pn("15550000009"), wa_core::Message::text("hello"));
    let refused = anna.send(request).await.unwrap_err();
    assert!(
        matches!(&refused, SendError::Manager(why) if matches!(**why, ManagerError::NotFound)),
        "{refused:?}"
    );
    let board = scene.manager.all_statuses(None).await.unwrap();
    assert_eq!(board.accounts.iter().map(|account| account.name.as_str()).collect::<Vec<_>>(), ["berta"]);
    let mut events = events;
    let last = loop {
        let event = soon("the deletion to be told", events.next()).await.unwrap();
        if event.kind == EventKind::AccountDeleted {
            break event;
        }
    };
    assert_eq!(last.data["name"], "anna");
    // It was there, and is not: deleting again is no error.
    scene.manager.delete(&key("anna"), Unlink::AtServer).await.unwrap();
    // The name is free again.
    scene.create("anna").await;
}

// R091, R101: logout keeps the row and what was set.
#[tokio::test]
async fn a_logout_unlinks_and_keeps_the_account() {
    let scene = linked(&["anna"]).await;
    let (anna, phone) = (scene.account("anna"), scene.phone("anna"));
    let device = anna.snapshot().device.unwrap().device_id.parse().unwrap();
    let patch = AccountPatch { display_name: Some("Shop".to_owned()), ..AccountPatch::default() };
    anna.update(patch).await.unwrap();
    // It does not run: it is connected for this.
    let outcome = anna.logout(Unlink::AtServer).await.unwrap();
    assert!(outcome.changed);
    assert!(!phone.remove_device(&device), "the phone lists it no more");
    let after = anna.snapshot();
    assert_eq!(
        (after.status, after.is_logged_in, after.display_name.as_str()),
        (AccountStatus::Idle, false, "Shop")
    );
    assert!(!scene.key_file("anna").exists());
    assert!(matches!(anna.start().await, Err(ManagerError::NotLinked)));
    assert!(scene.events(&anna).await.iter().any(|event| event.kind == EventKind::AccountUnlinked));
    assert!(!anna.logout(Unlink::AtServer).await.unwrap().changed, "nothing is left to do");
}

#[tokio::test]
async fn what_the_phone_unlinks_is_told_and_its_keys_are_gone() {
    let scene = linked(&["anna"]).await;
    let (anna, phone) = (scene.account("anna"), scene.phone("anna"));
    anna.start().await.unwrap();
    let ready = stands(&anna, AccountStatus::Ready).await;
    assert!(phone.remove_device(&ready.device.unwrap().device_id.parse().unwrap()));
    let after = stands(&anna, AccountStatus::Error).await;
    assert_eq!(after.reason.unwrap().kind, ReasonKind::LoggedOut);
    assert!(!after.is_logged_in);
    settled(&anna).await;
    assert!(!scene.key_file("anna").exists());
}

// R079, R089, R097, R153: names and settings; If-Match.
#[tokio::test]
async fn an_update_changes_what_it_names_and_notices_another() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    let before = anna.snapshot();
    let mut settings = before.settings.clone();
    settings.auto_start = true;
    let patch =
        AccountPatch { version: Some(before.version), settings: Some(settings), ..AccountPatch::default() };
    let after = anna.update(patch.clone()).await.unwrap();
    assert!(after.settings.auto_start);
    assert_eq!((after.version, after.display_name), (before.version + 1, before.display_name));
    assert!(matches!(anna.update(patch).await, Err(ManagerError::VersionConflict { current: 2 })));
    let nothing = anna.update(AccountPatch::default()).await.unwrap();
    assert_eq!((nothing.version, nothing.seq), (after.version, after.seq), "nothing changed");
    let scene = scene.restart().await;
    assert!(scene.account("anna").snapshot().settings.auto_start);
}

// R078, R149, R183: made, not started; names are the tenant's own.
#[tokio::test]
async fn names_are_taken_once_for_each_tenant() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    assert_eq!(anna.status(), AccountStatus::Idle);
    let spec = |tenant: &str| wa_manager::AccountSpec {
        tenant: wa_manager::TenantId::new(tenant),
        name: Some("anna".parse().unwrap()),
        ..wa_manager::AccountSpec::default()
    };
    let taken = scene.manager.create(spec("default")).await.unwrap_err();
    assert_eq!(taken.code(), "already_exists");
    scene.manager.create(spec("other")).await.unwrap();
    let unnamed = scene.manager.create(wa_manager::AccountSpec::default()).await.unwrap();
    assert!(unnamed.name().as_str().starts_with("account_"));
}

// R163
#[tokio::test]
async fn a_tenant_has_as_many_accounts_as_it_may() {
    let scene = Scene::with(|builder| builder.max_accounts(1)).await;
    let spec = wa_manager::AccountSpec::default;
    let (one, two) = tokio::join!(scene.manager.create(spec()), scene.manager.create(spec()));
    let failed = [one, two].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert!(matches!(failed.as_slice(), [ManagerError::QuotaExceeded { max: 1 }]));
}

// A store belongs to one account, whatever the template says.
#[tokio::test]
async fn no_two_accounts_have_one_store() {
    let (server, directory) = (wa_test_server::TestServer::start().await, tempfile::TempDir::new().unwrap());
    let store = wa_manager::store::SqliteManagerStore::open(directory.path().join("manager.db")).unwrap();
    let template = wa_manager::PathTemplate::new(directory.path(), "{name}.db").unwrap();
    let builder =
        wa_manager::ClientManager::builder(std::sync::Arc::new(store), std::sync::Arc::new(template));
    let manager = builder.client(crate::scene::client(&server)).build().await.unwrap();
    let spec = |tenant: &str| wa_manager::AccountSpec {
        tenant: wa_manager::TenantId::new(tenant),
        name: Some("anna".parse().unwrap()),
        ..wa_manager::AccountSpec::default()
    };
    let one = manager.create(spec("one")).await.unwrap();
    let other = manager.create(spec("other")).await.unwrap_err();
    assert_eq!(other.code(), "location");
    manager.delete(&wa_manager::AccountKey::Id(one.id().clone()), Unlink::AtServer).await.unwrap();
    manager.create(spec("other")).await.unwrap();
}

// Deleted by two at once, it is deleted; after the end of the manager nothing is.
#[tokio::test]
async fn a_deletion_says_what_it_did() {
    let scene = linked(&["anna", "berta"]).await;
    let anna = key("anna");
    let delete = || scene.manager.delete(&anna, Unlink::AtServer);
    let (first, second) = tokio::join!(delete(), delete());
    first.unwrap();
    second.unwrap();
    scene.create("anna").await;
    scene.manager.shutdown(std::time::Duration::from_secs(10)).await;
    let late = scene.manager.delete(&key("berta"), Unlink::AtServer).await;
    assert!(matches!(late, Err(ManagerError::Shutdown)), "{late:?}");
    let scene = scene.restart().await;
    assert!(scene.account("berta").snapshot().is_logged_in);
}

// The phone unlinks while nobody looks: the next start learns it.
#[tokio::test]
async fn what_was_unlinked_meanwhile_is_told_at_the_next_start() {
    let scene = linked(&["anna"]).await;
    let (anna, phone) = (scene.account("anna"), scene.phone("anna"));
    let device = anna.snapshot().device.unwrap().device_id.parse().unwrap();
    assert!(phone.remove_device(&device));
    anna.start().await.unwrap();
    let after = stands(&anna, AccountStatus::Error).await;
    assert_eq!(after.reason.unwrap().kind, ReasonKind::LoggedOut);
    assert_eq!((after.is_logged_in, after.desired), (false, DesiredState::Stopped));
}

#[tokio::test]
async fn nothing_is_made_after_the_end() {
    let scene = Scene::new().await;
    scene.manager.shutdown(std::time::Duration::from_secs(30)).await;
    let refused = scene.manager.create(wa_manager::AccountSpec::default()).await.unwrap_err();
    assert!(matches!(refused, ManagerError::Shutdown), "{refused:?}");
}

/// Keys, and what the rows say at the moment at which some are removed.
#[derive(Debug)]
struct Watched {
    keys: SqliteKeyStores,
    store: Arc<MemoryManagerStore>,
    /// How many rows there are, and how many of them are linked.
    seen: Mutex<Vec<(usize, usize)>>,
}

impl KeyStores for Watched {
    fn open<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, Arc<dyn wa_store::Store>> {
        self.keys.open(path)
    }

    fn remove<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, ()> {
        Box::pin(async {
            let rows = self.store.accounts().await.unwrap();
            let linked = rows.iter().filter(|row| row.jid.is_some()).count();
            self.seen.lock().unwrap().push((rows.len(), linked));
            self.keys.remove(path).await
        })
    }
}

/// No row says that it is linked without keys. What is left without a row is remembered, and goes with the next start:
/// `leftovers`.
#[tokio::test]
async fn keys_go_after_their_row() {
    let (server, directory) = (TestServer::start().await, tempfile::TempDir::new().unwrap());
    let store = Arc::new(MemoryManagerStore::new());
    let shared = Arc::clone(&store) as Arc<dyn ManagerStore>;
    let watched =
        Arc::new(Watched { keys: SqliteKeyStores::new(), store: Arc::clone(&store), seen: Mutex::default() });
    let keys = Arc::clone(&watched) as Arc<dyn KeyStores>;
    let manager =
        builder_on(Arc::clone(&shared), &server, &directory).key_stores(keys).build().await.unwrap();
    let scene = Scene { server, directory, manager };
    let anna = scene.create("anna").await;
    link_to(&scene, &anna, "anna").await;
    stands(&anna, AccountStatus::Ready).await;
    watched.seen.lock().unwrap().clear();
    soon("the deletion", scene.manager.delete(&key("anna"), Unlink::AtServer)).await.unwrap();
    assert_eq!(*watched.seen.lock().unwrap(), [(0, 0)]);
    assert_eq!(store.leftovers().await.unwrap(), []);
    // What a process that ended too early left behind goes with the next start.
    let berta = scene.create("berta").await;
    settled(&berta).await;
    std::fs::create_dir_all(scene.key_file("berta").parent().unwrap()).unwrap();
    std::fs::write(scene.key_file("berta"), "keys").unwrap();
    let Scene { server, directory, manager } = scene;
    soon("the end of the manager", manager.shutdown(std::time::Duration::from_secs(30))).await;
    let manager = builder_on(shared, &server, &directory).build().await.unwrap();
    let scene = Scene { server, directory, manager };
    settled(&scene.account("berta")).await;
    assert!(!scene.key_file("berta").exists());
}
