//! Files that no account owns any more.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use wa_manager::keys::{KeyStoreFuture, KeyStores, SqliteKeyStores};
use wa_manager::pairing::PairRequest;
use wa_manager::store::{ManagerStore as _, SqliteManagerStore};
use wa_manager::{
    AccountName, AccountSpec, AccountStatus, ClientManager, LocationError, ManagerError, PathTemplate, Unlink,
};
use wa_store::{Store, StoreError};
use wa_test_server::TestServer;

use crate::scene::{Scene, client, key, link_to, linked_with, soon, stands};

/// What happens to a store that is to be removed.
#[derive(Debug, Default)]
struct Stuck {
    fails: AtomicBool,
    crashes: AtomicBool,
}

impl KeyStores for Stuck {
    fn open<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, Arc<dyn Store>> {
        Box::pin(async move { SqliteKeyStores::new().open(path).await })
    }

    fn remove<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, ()> {
        Box::pin(async move {
            assert!(!self.crashes.load(Ordering::SeqCst), "on purpose");
            if self.fails.load(Ordering::SeqCst) {
                return Err(StoreError::Locked);
            }
            SqliteKeyStores::new().remove(path).await
        })
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
