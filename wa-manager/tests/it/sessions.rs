//! Sessions that move from one manager to another.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use wa_core::Message;
use wa_manager::account::{ReasonKind, SessionError};
use wa_manager::event::EventKind;
use wa_manager::keys::{KeyStoreFuture, KeyStores, SqliteKeyStores};
use wa_manager::sending::{SendError, SendRequest};
use wa_manager::store::{Changes, ManagerStore, MemoryManagerStore};
use wa_manager::trust::OnLimit;
use wa_manager::vault::{SessionKey, VaultError};
use wa_manager::{
    Account, AccountName, AccountPatch, AccountSpec, AccountStatus, ClientManager, Epoch, ManagerError,
    Unlink,
};
use wa_test_server::TestServer;

use crate::paused::{MemoryKeys, Paused};
use crate::scene::{
    HandClock, Scene, builder, builder_on, key, link_to, linked, linked_with, next, settled, soon, stands,
};

fn seal() -> SessionKey {
    SessionKey::new([7; 32])
}

/// Another manager at the same server.
async fn elsewhere(scene: &Scene) -> (ClientManager, TempDir) {
    let directory = TempDir::new().unwrap();
    let manager = builder(&scene.server, &directory).allow_session_export().build().await.unwrap();
    (manager, directory)
}

async fn empty(manager: &ClientManager, name: &str) -> Account {
    let name = AccountName::new(name).unwrap();
    manager.create(AccountSpec { name: Some(name), ..AccountSpec::default() }).await.unwrap()
}

async fn export(manager: &ClientManager, name: &str) -> Vec<u8> {
    soon("a session", manager.export_session(&key(name), &seal())).await.unwrap()
}

async fn import(manager: &ClientManager, name: &str, sealed: &[u8]) -> Result<(), SessionError> {
    soon("an import", manager.import_session(&key(name), sealed.to_vec(), &seal())).await
}

/// R164: sealed, fenced, and off unless somebody wants it.
#[tokio::test]
async fn a_session_runs_in_one_place_only() {
    let scene = linked_with(&["anna"], |builder| builder.allow_session_export()).await;
    let (anna, seal) = (scene.account("anna"), SessionKey::new([7; 32]));
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let export = async || scene.manager.export_session(&key("anna"), &seal).await;
    let running = export().await.unwrap_err();
    assert!(matches!(running, SessionError::NotStopped { status: AccountStatus::Ready }), "{running:?}");
    anna.stop().await.unwrap();
    let sealed = export().await.unwrap();
    assert!(!sealed.windows(6).any(|part| part == b"SQLite"), "sealed");
    assert!(matches!(anna.start().await, Err(ManagerError::Exported)));
    let still_ours = scene.manager.delete(&key("anna"), Unlink::AtServer).await;
    assert!(matches!(still_ours, Err(ManagerError::Exported)), "{still_ours:?}");

    // Elsewhere it runs.
    let directory = TempDir::new().unwrap();
    let other = builder(&scene.server, &directory).allow_session_export().build().await.unwrap();
    let name = AccountName::new("moved").unwrap();
    let moved = other.create(AccountSpec { name: Some(name), ..AccountSpec::default() }).await.unwrap();
    let wrong = SessionKey::new([8; 32]);
    let refused = other.import_session(&key("moved"), sealed.clone(), &wrong).await.unwrap_err();
    assert!(matches!(refused, SessionError::Sealed(VaultError::NoKey)), "{refused:?}");
    assert!(!moved.snapshot().is_logged_in);
    other.import_session(&key("moved"), sealed.clone(), &seal).await.unwrap();
    assert_eq!(moved.status(), AccountStatus::Idle, "it does not start by itself");
    let again = other.import_session(&key("moved"), sealed, &seal).await.unwrap_err();
    assert!(matches!(again, SessionError::AlreadyLinked), "{again:?}");
    let mut events = other.subscribe(Default::default(), None);
    moved.start().await.unwrap();
    stands(&moved, AccountStatus::Ready).await;
    let own = scene.phone("anna").pn().clone();
    scene.phone("berta").send_text(&own, "are you there?").await.unwrap();
    assert_eq!(next(&mut events, EventKind::MessageReceived).await.data["text"], "are you there?");

    // And back, with all that it learned. Until then nothing starts here, after a restart neither.
    moved.stop().await.unwrap();
    let back = other.export_session(&key("moved"), &seal).await.unwrap();
    let scene = scene.restart_with(|builder| builder.allow_session_export()).await;
    let anna = scene.account("anna");
    assert!(matches!(anna.start().await, Err(ManagerError::Exported)));
    let mut events = scene.subscribe(&anna);
    scene.manager.import_session(&key("anna"), back, &seal).await.unwrap();
    next(&mut events, EventKind::AccountImported).await;
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    scene.phone("berta").send_text(&own, "and now?").await.unwrap();
    assert_eq!(next(&mut events, EventKind::MessageReceived).await.data["text"], "and now?");
    assert!(matches!(moved.start().await, Err(ManagerError::Exported)));
    // Of what runs elsewhere the rest can be deleted.
    soon("the deletion", other.delete(&key("moved"), Unlink::IfReachable)).await.unwrap();
    assert_eq!(anna.status(), AccountStatus::Ready, "still linked");
}

/// R164: a manager hands out sessions only if it was built to.
#[tokio::test]
async fn sessions_are_not_handed_out_unasked() {
    let scene: Scene = linked(&["anna"]).await;
    let seal = SessionKey::new([7; 32]);
    let off = scene.manager.export_session(&key("anna"), &seal).await.unwrap_err();
    assert!(matches!(off, SessionError::Off), "{off:?}");
    scene.account("anna").start().await.unwrap();
    stands(&scene.account("anna"), AccountStatus::Ready).await;
    let scene = scene.restart_with(|builder| builder.allow_session_export()).await;
    scene.create("empty").await;
    let nothing = scene.manager.export_session(&key("empty"), &seal).await.unwrap_err();
    assert!(matches!(nothing, SessionError::NotLinked), "{nothing:?}");
}

/// R164: what the server locked is neither unlinked nor tried too early because it moved.
#[tokio::test]
async fn a_locked_session_is_locked_wherever_it_is() {
    let scene = linked_with(&["anna"], |builder| builder.allow_session_export()).await;
    let anna = scene.account("anna");
    scene.server.faults().refuse_login(403, 1);
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Error).await;
    anna.stop().await.unwrap();
    let sealed = export(&scene.manager, "anna").await;
    let clock = Arc::new(HandClock::default());
    let directory = TempDir::new().unwrap();
    let other = builder(&scene.server, &directory).clock(clock.clone()).build().await.unwrap();
    let moved = empty(&other, "moved").await;
    import(&other, "moved", &sealed).await.unwrap();
    let told = moved.snapshot();
    assert_eq!((told.status, told.reason.unwrap().kind), (AccountStatus::Error, ReasonKind::AccountLocked));
    let barred = moved.start().await;
    assert!(matches!(barred, Err(ManagerError::NotYet { .. })), "{barred:?}");
    clock.pass(Duration::from_secs(5 * 60));
    moved.start().await.unwrap();
    stands(&moved, AccountStatus::Ready).await;
}

/// R164: two accounts that take one session over at the same time would lose messages.
#[tokio::test]
async fn a_session_is_taken_over_once_however_many_try() {
    let scene = linked_with(&["anna"], |builder| builder.allow_session_export()).await;
    let sealed = export(&scene.manager, "anna").await;
    let (other, _directory) = elsewhere(&scene).await;
    let (one, two) = (empty(&other, "one").await, empty(&other, "two").await);
    let (first, second) = tokio::join!(import(&other, "one", &sealed), import(&other, "two", &sealed));
    assert_eq!([first.is_ok(), second.is_ok()].iter().filter(|is_ok| **is_ok).count(), 1);
    let refused = first.and(second).unwrap_err();
    // While the other one takes it, or after that: by then what was sealed is old.
    assert!(
        matches!(refused, SessionError::LinkedElsewhere { .. } | SessionError::Old { .. }),
        "{refused:?}"
    );
    let linked = [one, two].iter().filter(|account| account.snapshot().is_logged_in).count();
    assert_eq!(linked, 1);
    // Whoever was refused has nothing of it: the other one may hand it on.
    let holder = if other.account(&key("one")).unwrap().snapshot().is_logged_in { "one" } else { "two" };
    let free = if holder == "one" { "two" } else { "one" };
    let again = export(&other, holder).await;
    import(&other, free, &again).await.unwrap();
}

/// R164: the keys of whoever owns the account by now stay as they are.
#[tokio::test]
async fn an_import_into_an_account_of_somebody_else_touches_no_keys() {
    let (server, directory) = (TestServer::start().await, TempDir::new().unwrap());
    let store = Arc::new(MemoryManagerStore::new());
    let shared = Arc::clone(&store) as Arc<dyn ManagerStore>;
    let manager = builder_on(shared, &server, &directory).allow_session_export().build().await.unwrap();
    let scene = Scene { server, directory, manager };
    let anna = scene.create("anna").await;
    link_to(&scene, &anna, "anna").await;
    stands(&anna, AccountStatus::Ready).await;
    anna.stop().await.unwrap();
    let sealed = export(&scene.manager, "anna").await;
    let mut row = store.account(anna.id()).await.unwrap().unwrap();
    row.epoch = Epoch(row.epoch.0 + 1);
    let mut changes = Changes::new();
    changes.put_account(row.clone());
    store.commit(changes).await.unwrap();
    std::fs::write(scene.key_file("anna"), "theirs").unwrap();
    let refused = import(&scene.manager, "anna", &sealed).await.unwrap_err();
    assert_eq!(refused.code(), "fence_lost", "{refused:?}");
    assert!(std::fs::read(scene.key_file("anna")).unwrap() == b"theirs");
    assert_eq!(store.account(anna.id()).await.unwrap().unwrap(), row);
}

/// R164: what was handed out once more since then is not taken: its keys were used meanwhile.
#[tokio::test]
async fn an_old_session_is_not_taken_again() {
    let scene = linked_with(&["anna"], |builder| builder.allow_session_export()).await;
    let first = export(&scene.manager, "anna").await;
    let (other, _directory) = elsewhere(&scene).await;
    let moved = empty(&other, "moved").await;
    import(&other, "moved", &first).await.unwrap();
    moved.start().await.unwrap();
    stands(&moved, AccountStatus::Ready).await;
    moved.stop().await.unwrap();
    let second = export(&other, "moved").await;
    let old = |result: Result<(), SessionError>| assert_eq!(result.unwrap_err().code(), "old_session");
    old(import(&other, "moved", &first).await);
    // Neither does another account of this manager take it.
    let third = empty(&other, "third").await;
    old(import(&other, "third", &first).await);
    import(&scene.manager, "anna", &second).await.unwrap();
    let back = export(&scene.manager, "anna").await;
    old(import(&scene.manager, "anna", &second).await);
    old(import(&scene.manager, "anna", &first).await);
    // Its own one back, as long as nobody had it meanwhile; and not after a restart either.
    import(&scene.manager, "anna", &back).await.unwrap();
    export(&scene.manager, "anna").await;
    let scene = scene.restart_with(|builder| builder.allow_session_export()).await;
    old(import(&scene.manager, "anna", &back).await);
    assert!(!third.snapshot().is_logged_in);
}

/// What an import changes is told; what waited for the number before is answered.
#[tokio::test]
async fn an_import_is_told_and_what_waited_is_answered() {
    let scene = linked_with(&["anna", "berta"], |builder| builder.allow_session_export()).await;
    let anna = scene.account("anna");
    anna.start().await.unwrap();
    let device = stands(&anna, AccountStatus::Ready).await.device.unwrap().device_id.parse().unwrap();
    // Strangers have to wait until an account was linked for a while.
    let patient = SendRequest::new(scene.phone("dora").pn().clone(), Message::text("hello"));
    let patient = patient.on_limit(OnLimit::WaitUpTo(Duration::from_secs(7 * 24 * 60 * 60)));
    let mut waits = Box::pin(anna.send(patient));
    // Asked for, and not answered.
    assert!(futures_util::poll!(&mut waits).is_pending());
    assert!(scene.phone("anna").remove_device(&device));
    stands(&anna, AccountStatus::Error).await;
    settled(&anna).await;
    assert!(futures_util::poll!(&mut waits).is_pending(), "it waits");
    let sealed = export(&scene.manager, "berta").await;
    import(&scene.manager, "anna", &sealed).await.unwrap();
    let answer = soon("an answer", waits).await;
    assert!(matches!(answer, Err(SendError::Cancelled)), "{answer:?}");
    let told = scene.events(&anna).await.into_iter().rfind(|event| event.kind == EventKind::AccountStatus);
    let told = told.unwrap();
    assert_eq!((&told.data["before"], &told.data["status"]), (&"error".into(), &"idle".into()));
    assert_eq!((anna.status(), anna.snapshot().reason), (AccountStatus::Idle, None));
}

/// R164, R106: whose session is elsewhere is shown so, and does not start by itself, whatever is set.
#[tokio::test]
async fn an_exported_account_is_shown_so_and_is_not_restored() {
    let scene = linked_with(&["anna"], |builder| builder.allow_session_export()).await;
    let anna = scene.account("anna");
    let mut settings = anna.snapshot().settings;
    settings.auto_start = true;
    anna.update(AccountPatch { settings: Some(settings), ..AccountPatch::default() }).await.unwrap();
    let is_exported =
        |account: &Account| serde_json::to_value(account.snapshot()).unwrap()["isExported"].clone();
    assert_eq!(is_exported(&anna), false);
    export(&scene.manager, "anna").await;
    assert_eq!(is_exported(&anna), true);
    let scene = scene.restart().await;
    assert_eq!(is_exported(&scene.account("anna")), true);
    let report = soon("the accounts to be restored", scene.manager.restore()).await;
    assert_eq!((report.started.len(), report.skipped.len(), report.failed.len()), (0, 1, 0));
}

/// Reads and writes keys that are of no use, and takes for ever over it, if it shall.
#[derive(Debug, Default)]
struct Hung {
    keys: MemoryKeys,
    hangs: AtomicBool,
}

impl Hung {
    async fn wait(&self) {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending().await
        }
    }
}

impl KeyStores for Hung {
    fn open<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, Arc<dyn wa_store::Store>> {
        self.keys.open(path)
    }

    fn read<'a>(&'a self, _path: &'a Path) -> KeyStoreFuture<'a, zeroize::Zeroizing<Vec<u8>>> {
        Box::pin(async {
            self.wait().await;
            Ok(zeroize::Zeroizing::new(b"keys".to_vec()))
        })
    }

    fn write<'a>(&'a self, _path: &'a Path, _store: zeroize::Zeroizing<Vec<u8>>) -> KeyStoreFuture<'a, ()> {
        Box::pin(async {
            self.wait().await;
            Ok(())
        })
    }

    fn remove<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, ()> {
        self.keys.remove(path)
    }
}

/// Keys that are neither read nor written in time cost their account the move, and nobody an answer.
#[tokio::test(start_paused = true)]
async fn keys_that_hang_hold_up_no_account_that_moves() {
    let hung = Arc::new(Hung::default());
    let keys = Arc::clone(&hung) as Arc<dyn KeyStores>;
    let paused = Paused::with(|builder, _| builder.key_stores(keys).allow_session_export()).await;
    let anna = paused.scene.create("anna").await;
    link_to(&paused.scene, &anna, "anna").await;
    anna.stop().await.unwrap();
    let (manager, name) = (&paused.scene.manager, key("anna"));
    let is_locked = |error: SessionError| {
        assert!(matches!(error, SessionError::KeyStore(wa_store::StoreError::Locked)), "{error:?}");
    };
    hung.hangs.store(true, Ordering::SeqCst);
    is_locked(soon("an answer", manager.export_session(&name, &seal())).await.unwrap_err());
    assert!(!anna.snapshot().is_exported, "it has not left");
    hung.hangs.store(false, Ordering::SeqCst);
    let sealed = export(manager, "anna").await;
    hung.hangs.store(true, Ordering::SeqCst);
    is_locked(import(manager, "anna", &sealed).await.unwrap_err());
    assert!(anna.snapshot().is_exported, "it has not come");
    hung.hangs.store(false, Ordering::SeqCst);
    import(manager, "anna", &sealed).await.unwrap();
    assert!(!anna.snapshot().is_exported);
}

/// Crashes once, after it wrote keys.
#[derive(Debug)]
struct Fragile {
    keys: SqliteKeyStores,
    crashes: AtomicBool,
}

impl KeyStores for Fragile {
    fn open<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, Arc<dyn wa_store::Store>> {
        self.keys.open(path)
    }

    fn write<'a>(&'a self, path: &'a Path, store: zeroize::Zeroizing<Vec<u8>>) -> KeyStoreFuture<'a, ()> {
        Box::pin(async {
            let written = self.keys.write(path, store).await;
            assert!(!self.crashes.swap(false, Ordering::SeqCst), "on purpose");
            written
        })
    }

    fn remove<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, ()> {
        self.keys.remove(path)
    }
}

/// R164: what ends in the midst of an import leaves neither keys nor a claim behind: anybody may import it then.
#[tokio::test]
async fn an_import_that_crashes_leaves_nothing() {
    let scene = linked_with(&["anna"], |builder| builder.allow_session_export()).await;
    let sealed = export(&scene.manager, "anna").await;
    let directory = TempDir::new().unwrap();
    let keys = Fragile { keys: SqliteKeyStores::new(), crashes: AtomicBool::new(true) };
    let other = builder(&scene.server, &directory).key_stores(Arc::new(keys)).build().await.unwrap();
    let (one, two) = (empty(&other, "one").await, empty(&other, "two").await);
    let crashed = import(&other, "one", &sealed).await.unwrap_err();
    assert!(matches!(crashed, SessionError::Manager(ManagerError::Crashed)), "{crashed:?}");
    soon("the account to be there again", one.update(AccountPatch::default())).await.unwrap();
    assert!(!one.snapshot().is_logged_in);
    assert!(!directory.path().join("default").join("one.db").exists());
    import(&other, "two", &sealed).await.unwrap();
    two.start().await.unwrap();
    stands(&two, AccountStatus::Ready).await;
}
