//! Files that no account owns any more.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use wa_manager::keys::{KeyStoreFuture, KeyStores, SqliteKeyStores};
use wa_manager::media::{MediaFuture, MediaHome, MediaKey, MediaStore, StoredMedia};
use wa_manager::pairing::{PairRequest, PairingUpdate};
use wa_manager::store::{
    Change, Changes, LeftoverRecord, ManagerStore, MemoryManagerStore, SqliteManagerStore,
};
use wa_manager::{
    AccountId, AccountName, AccountSpec, AccountStatus, ClientManager, LocationError, ManagerError,
    PathTemplate, Unlink,
};
use wa_store::{Store, StoreError};
use wa_test_server::TestServer;

use crate::paused::Paused;
use crate::scene::{Scene, client, key, link_to, linked_with, soon, stands};

/// What happens to a store that is to be removed.
#[derive(Debug, Default)]
struct Stuck {
    fails: AtomicBool,
    crashes: AtomicBool,
    hangs: AtomicBool,
    asked: AtomicUsize,
}

impl KeyStores for Stuck {
    fn open<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, Arc<dyn Store>> {
        Box::pin(async move { SqliteKeyStores::new().open(path).await })
    }

    fn remove<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, ()> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            assert!(!self.crashes.load(Ordering::SeqCst), "on purpose");
            if self.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if self.fails.load(Ordering::SeqCst) {
                return Err(StoreError::Locked);
            }
            SqliteKeyStores::new().remove(path).await
        })
    }
}

/// Notes whose files it was to forget.
#[derive(Debug, Default)]
struct Objects(Mutex<Vec<AccountId>>);

impl MediaStore for Objects {
    fn put<'a>(&'a self, _key: &'a MediaKey, _path: &'a Path) -> MediaFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn get<'a>(&'a self, _key: &'a MediaKey) -> MediaFuture<'a, Option<StoredMedia>> {
        Box::pin(async { Ok(None) })
    }

    fn delete_all<'a>(&'a self, home: &'a MediaHome) -> MediaFuture<'a, ()> {
        self.0.lock().unwrap().push(home.account.clone());
        Box::pin(async { Ok(()) })
    }
}

/// Never answers who wants files to be forgotten.
#[derive(Debug)]
struct Mute;

impl MediaStore for Mute {
    fn put<'a>(&'a self, _key: &'a MediaKey, _path: &'a Path) -> MediaFuture<'a, ()> {
        Box::pin(async { Ok(()) })
    }

    fn get<'a>(&'a self, _key: &'a MediaKey) -> MediaFuture<'a, Option<StoredMedia>> {
        Box::pin(async { Ok(None) })
    }

    fn delete_all<'a>(&'a self, _home: &'a MediaHome) -> MediaFuture<'a, ()> {
        Box::pin(std::future::pending())
    }
}

/// A linked account with a file, which is deleted on these terms; what is left of it is given back.
async fn deleted(set: impl FnOnce(&Stuck)) -> (Scene, [PathBuf; 2]) {
    let keys = Arc::new(Stuck::default());
    let stores = Arc::clone(&keys) as Arc<dyn KeyStores>;
    let scene = linked_with(&["anna"], |builder| builder.key_stores(stores)).await;
    let media = scene.key_file("anna").with_extension("db.media").join("a");
    std::fs::create_dir_all(media.parent().unwrap()).unwrap();
    std::fs::write(&media, b"a picture").unwrap();
    set(&keys);
    let deleted = scene.manager.delete(&key("anna"), Unlink::IfReachable).await;
    assert!(matches!(deleted, Ok(()) | Err(ManagerError::Crashed)), "{deleted:?}");
    let files = [scene.key_file("anna"), media];
    (scene, files)
}

/// R090: whatever happens between the end of the row and the end of the files, the files end, too.
#[tokio::test]
async fn a_crash_after_a_deletion_leaves_no_files_for_ever() {
    let (scene, [keys, media]) = deleted(|stuck| stuck.crashes.store(true, Ordering::SeqCst)).await;
    assert!(keys.exists());
    let scene = scene.restart().await;
    assert!(!keys.exists() && !media.exists());
    let Scene { directory, manager, .. } = scene;
    manager.shutdown(std::time::Duration::from_secs(30)).await;
    drop(manager);
    let store = SqliteManagerStore::open(directory.path().join("manager.db")).unwrap();
    assert_eq!(store.leftovers().await.unwrap(), []);
}

/// Who comes after does not find what another one left.
#[tokio::test]
async fn the_place_of_files_that_cannot_be_removed_is_not_given_away() {
    let (scene, [keys, _]) = deleted(|stuck| stuck.fails.store(true, Ordering::SeqCst)).await;
    let spec = || AccountSpec { name: Some(AccountName::new("anna").unwrap()), ..AccountSpec::default() };
    let refused = scene.manager.create(spec()).await.unwrap_err();
    assert!(matches!(refused, ManagerError::Location(LocationError::Taken)), "{refused:?}");
    let scene = scene.restart().await;
    assert!(!keys.exists());
    scene.manager.create(spec()).await.unwrap();
}

/// What an account owns again is its own.
#[tokio::test]
async fn what_is_left_is_removed_once_when_an_account_moves_to_another_number() {
    let (server, directory) = (TestServer::start().await, TempDir::new().unwrap());
    let store = Arc::new(SqliteManagerStore::open(directory.path().join("manager.db")).unwrap());
    let template = PathTemplate::new(directory.path(), "{name}-{phone}.db").unwrap();
    let builder = ClientManager::builder(store.clone(), Arc::new(template)).client(client(&server));
    let scene = Scene { manager: builder.build().await.unwrap(), server, directory };
    let anna = scene.create("anna").await;
    let number = |name: &str| scene.phone(name).pn().user().parse().unwrap();
    let file = |name: &str| {
        let name = format!("anna-{}.db", scene.phone(name).pn().user());
        scene.directory.path().join(name)
    };
    let mut request = PairRequest::qr();
    request.phone = Some(number("anna"));
    anna.pair(request.clone()).await.unwrap();
    anna.cancel_pairing().await.unwrap();
    let media = file("anna").with_extension("db.media").join("a");
    std::fs::create_dir_all(media.parent().unwrap()).unwrap();
    std::fs::write(&media, b"a picture").unwrap();
    // The same place: nothing is lost.
    anna.pair(request).await.unwrap();
    anna.cancel_pairing().await.unwrap();
    assert!(media.exists());
    let mut request = PairRequest::qr();
    request.phone = Some(number("clara"));
    anna.pair(request).await.unwrap();
    assert!(!media.exists() && !file("anna").exists());
    assert_eq!(store.leftovers().await.unwrap(), []);
    anna.cancel_pairing().await.unwrap();
    soon("the end of the attempt", stands(&anna, AccountStatus::Idle)).await;
    link_to(&scene, &anna, "clara").await;
    assert!(file("clara").exists());
}

/// What an account has in an object store since it moved is not what it left.
#[tokio::test]
async fn a_late_removal_takes_nothing_from_an_account_that_lives_on() {
    let (server, directory) = (TestServer::start().await, TempDir::new().unwrap());
    let (keys, objects) = (Arc::new(Stuck::default()), Arc::new(Objects::default()));
    let store = Arc::new(SqliteManagerStore::open(directory.path().join("manager.db")).unwrap());
    let begin = |store: &Arc<SqliteManagerStore>| {
        let template = PathTemplate::new(directory.path(), "{name}-{phone}.db").unwrap();
        let builder = ClientManager::builder(store.clone(), Arc::new(template)).client(client(&server));
        builder.key_stores(keys.clone()).media_store(objects.clone()).build()
    };
    let manager = begin(&store).await.unwrap();
    let spec = AccountSpec { name: Some(AccountName::new("anna").unwrap()), ..AccountSpec::default() };
    let anna = manager.create(spec).await.unwrap();
    let number = |name: &str| server.phone(name).pn().user().to_owned();
    for name in ["anna", "clara"] {
        let mut request = PairRequest::qr();
        request.phone = Some(number(name).parse().unwrap());
        anna.pair(request).await.unwrap();
        anna.cancel_pairing().await.unwrap();
        soon("the end of the attempt", stands(&anna, AccountStatus::Idle)).await;
        keys.fails.store(true, Ordering::SeqCst);
    }
    let known = std::mem::take(&mut *objects.0.lock().unwrap());
    assert_eq!(known, [anna.id().clone()], "what was there before it moved");
    assert_eq!(store.leftovers().await.unwrap().len(), 1);
    keys.fails.store(false, Ordering::SeqCst);
    let media = directory.path().join(format!("anna-{}.db.media", number("anna")));
    std::fs::create_dir_all(&media).unwrap();
    // The store is closed with its manager; the rows are read anew.
    manager.shutdown(Duration::from_secs(30)).await;
    drop(manager);
    let store = Arc::new(SqliteManagerStore::open(directory.path().join("manager.db")).unwrap());
    let manager = begin(&store).await.unwrap();
    assert!(!media.exists());
    assert_eq!(store.leftovers().await.unwrap(), []);
    assert_eq!(*objects.0.lock().unwrap(), []);
    manager.shutdown(Duration::from_secs(30)).await;
}

/// An object store that does not answer holds up nobody who changes the number.
#[tokio::test(start_paused = true)]
async fn files_of_the_number_before_that_do_not_go_hold_up_no_link() {
    let objects = Arc::new(Mute);
    let paused = Paused::with(|builder, _| builder.media_store(objects)).await;
    let anna = paused.scene.create("anna").await;
    link_to(&paused.scene, &anna, "anna").await;
    stands(&anna, AccountStatus::Ready).await;
    soon("the logout", anna.logout(Unlink::AtServer)).await.unwrap();
    let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
    loop {
        if let Some(PairingUpdate::Qr(shown)) = soon("a code", ticket.next()).await {
            paused.scene.phone("berta").scan(shown.text.expose()).await.unwrap();
            break;
        }
    }
    let linked = anna.reached(|shown| shown.status == AccountStatus::Ready);
    tokio::time::timeout(Duration::from_secs(120), linked).await.expect("a link").unwrap();
}

/// What a manager finds that begins with something left of a deleted account.
async fn begun_with_leftovers(
    keys: &Arc<Stuck>,
    directory: &TempDir,
) -> (ClientManager, Arc<MemoryManagerStore>) {
    let store = Arc::new(MemoryManagerStore::default());
    let mut changes = Changes::new();
    for name in ["anna", "berta"] {
        let location = directory.path().join(format!("{name}.db")).into_os_string().into_string().unwrap();
        let account = AccountId::stored("gone");
        changes.push(Change::PutLeftover(LeftoverRecord { account, location }));
    }
    store.commit(changes).await.unwrap();
    let template = PathTemplate::new(directory.path(), "{name}.db").unwrap();
    let builder = ClientManager::builder(store.clone(), Arc::new(template)).key_stores(keys.clone());
    (builder.build().await.unwrap(), store)
}

/// A second removal would take what somebody else has there since the first.
#[tokio::test(start_paused = true)]
async fn what_is_left_is_removed_once_at_the_start() {
    let (keys, directory) = (Arc::new(Stuck::default()), TempDir::new().unwrap());
    let (manager, store) = begun_with_leftovers(&keys, &directory).await;
    assert_eq!(store.leftovers().await.unwrap(), []);
    tokio::time::sleep(Duration::from_secs(2 * 60 * 60)).await;
    manager.shutdown(Duration::from_secs(30)).await;
    assert_eq!(keys.asked.load(Ordering::SeqCst), 2);
}

/// Code of the host's that never returns holds up neither the start nor the end, and gives no place away.
#[tokio::test(start_paused = true)]
async fn a_removal_that_hangs_holds_nobody_up() {
    let (keys, directory) = (Arc::new(Stuck::default()), TempDir::new().unwrap());
    keys.hangs.store(true, Ordering::SeqCst);
    let (manager, store) = begun_with_leftovers(&keys, &directory).await;
    for name in ["anna", "berta"] {
        let spec = AccountSpec { name: Some(AccountName::new(name).unwrap()), ..AccountSpec::default() };
        let refused = manager.create(spec).await.unwrap_err();
        assert!(matches!(refused, ManagerError::Location(LocationError::Taken)), "{refused:?}");
    }
    assert_eq!(store.leftovers().await.unwrap().len(), 2);
    keys.hangs.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(2 * 60 * 60)).await;
    assert_eq!(store.leftovers().await.unwrap(), [], "housekeeping goes on");
    let began = tokio::time::Instant::now();
    manager.shutdown(Duration::from_secs(600)).await;
    assert!(began.elapsed() < Duration::from_secs(600));
}

/// Code of the host's that crashes ends neither the start nor the housekeeping.
#[tokio::test(start_paused = true)]
async fn a_removal_that_crashes_is_tried_again() {
    let (keys, directory) = (Arc::new(Stuck::default()), TempDir::new().unwrap());
    keys.crashes.store(true, Ordering::SeqCst);
    let (manager, store) = begun_with_leftovers(&keys, &directory).await;
    assert_eq!(store.leftovers().await.unwrap().len(), 2);
    keys.crashes.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(2 * 60 * 60)).await;
    assert_eq!(store.leftovers().await.unwrap(), []);
    manager.shutdown(Duration::from_secs(30)).await;
}

/// What processes left half fetched goes, whatever is wrong with the files of another account.
#[tokio::test]
async fn files_that_cannot_be_looked_at_keep_nobody_from_the_others() {
    let scene = Scene::new().await;
    for name in ["anna", "berta", "clara"] {
        scene.create(name).await;
    }
    let media = |name: &str| scene.key_file(name).with_extension("db.media");
    std::fs::create_dir_all(scene.directory.path().join("default")).unwrap();
    std::fs::write(media("berta"), b"no directory").unwrap();
    let left = ["anna", "clara"].map(|name| media(name).join(".fetch-left"));
    for left in &left {
        std::fs::create_dir(left.parent().unwrap()).unwrap();
        std::fs::File::create(left).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    let scene = scene.restart().await;
    scene.manager.shutdown(Duration::from_secs(30)).await;
    assert!(left.iter().all(|left| !left.exists()));
}
