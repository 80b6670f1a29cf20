//! Accounts that cannot be read for now: what is wanted of them is done all the same, or later.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use wa_manager::account::{DesiredState, ReasonKind};
use wa_manager::clock::Clock as _;
use wa_manager::event::EventKind;
use wa_manager::keys::{KeyStoreFuture, KeyStores};
use wa_manager::store::ManagerStore as _;
use wa_manager::{Account, AccountPatch, AccountStatus, ManagerError, TenantId, Unlink};
use wa_store::Store;

use crate::paused::{MemoryKeys, Paused};
use crate::scene::{key, link_to, linked_with, soon, stands};

/// An account that ran, in another life of its manager, whose store fails from the moment on in which it is to be read.
async fn starting() -> (Paused, Account) {
    let paused = Paused::new().await;
    let anna = paused.scene.create("anna").await;
    link_to(&paused.scene, &anna, "anna").await;
    stands(&anna, AccountStatus::Ready).await;
    let (store, calls) = (Arc::clone(&paused.store), AtomicUsize::new(0));
    // Asked first when the account is taken over, then when its task begins.
    let zone = move |_: &TenantId| {
        if calls.fetch_add(1, Ordering::SeqCst) == 1 {
            store.fail_next(1_000_000);
        }
        None
    };
    let paused = paused.restart_with(|builder| builder.tenant_zone(zone)).await;
    let anna = paused.scene.account("anna");
    let shown = stands(&anna, AccountStatus::Error).await;
    assert_eq!(shown.reason.unwrap().kind, ReasonKind::StoreFailed);
    (paused, anna)
}

#[tokio::test(start_paused = true)]
async fn what_is_restored_while_the_store_fails_comes_up_when_it_does_not() {
    let (paused, anna) = starting().await;
    let report = paused.scene.manager.restore().await;
    assert_eq!((report.started.len(), report.failed.len()), (1, 0), "{report:?}");
    assert_eq!(anna.status(), AccountStatus::Error);
    paused.store.fail_next(0);
    stands(&anna, AccountStatus::Ready).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_stopped_while_the_store_fails_is_not_restored_when_it_does_not() {
    let (paused, anna) = starting().await;
    let logins = paused.logins();
    paused.scene.manager.restore().await;
    assert!(matches!(anna.stop().await, Err(ManagerError::Store(_))), "it cannot be stored");
    let report = paused.scene.manager.restore().await;
    assert_eq!((report.started.len(), report.skipped.len()), (0, 1), "{report:?}");
    paused.store.fail_next(0);
    let shown = stands(&anna, AccountStatus::Idle).await;
    assert_eq!((shown.desired, paused.logins()), (DesiredState::Stopped, logins));
}

/// Nothing can be stored of it meanwhile: whoever wants it gone is told so, and can say it again.
#[tokio::test(start_paused = true)]
async fn what_the_store_does_not_give_is_deleted_once_it_does() {
    let (paused, anna) = starting().await;
    let deleted = soon("an answer", paused.scene.manager.delete(&key("anna"), Unlink::AtServer)).await;
    assert!(matches!(deleted, Err(ManagerError::Store(_))), "{deleted:?}");
    paused.store.fail_next(0);
    soon("the deletion", paused.scene.manager.delete(&key("anna"), Unlink::AtServer)).await.unwrap();
    assert!(paused.store.account(anna.id()).await.unwrap().is_none());
}

/// Panics in the host's code leave no way to read the account.
fn panicking() -> (Arc<AtomicBool>, impl Fn(&TenantId) -> Option<wa_manager::trust::Zone> + Send + Sync) {
    let panics = Arc::new(AtomicBool::new(false));
    let is_on = Arc::clone(&panics);
    let zone = move |_: &TenantId| {
        assert!(!is_on.load(Ordering::SeqCst), "on purpose");
        None
    };
    (panics, zone)
}

/// The account's task crashes until it is left alone.
async fn crash(anna: &Account, panics: &AtomicBool) {
    panics.store(true, Ordering::SeqCst);
    let display_name = Some(format!("Shop {}", anna.snapshot().version));
    let patch = AccountPatch { display_name, ..AccountPatch::default() };
    assert!(matches!(anna.update(patch).await, Err(ManagerError::Crashed)));
    let reason = stands(anna, AccountStatus::Error).await.reason.unwrap();
    assert_eq!(reason.kind, ReasonKind::Quarantined);
}

#[tokio::test]
async fn an_account_that_cannot_be_read_can_be_stopped_for_the_next_life_and_deleted() {
    let (panics, zone) = panicking();
    let scene = linked_with(&["anna"], |builder| builder.tenant_zone(zone)).await;
    let anna = scene.account("anna");
    anna.start().await.unwrap();
    let device = stands(&anna, AccountStatus::Ready).await.device.unwrap().device_id.parse().unwrap();
    crash(&anna, &panics).await;
    assert!(soon("the stop", anna.stop()).await.unwrap().changed);
    assert_eq!(anna.snapshot().desired, DesiredState::Stopped);
    let (panics, zone) = panicking();
    let scene = scene.restart_with(|builder| builder.tenant_zone(zone)).await;
    let anna = scene.account("anna");
    let report = soon("the rest to be restored", scene.manager.restore()).await;
    assert_eq!((report.started.len(), report.skipped.len()), (0, 1));
    crash(&anna, &panics).await;
    soon("the deletion", scene.manager.delete(&key("anna"), Unlink::AtServer)).await.unwrap();
    assert!(!scene.phone("anna").remove_device(&device), "the phone lists it no more");
    assert!(scene.manager.get(&key("anna")).is_none());
    assert!(!scene.key_file("anna").exists());
    let kinds: Vec<_> = scene.events(&anna).await.into_iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::AccountDeleted]);
}

/// Keys that are not opened while this is set.
#[derive(Debug, Default)]
struct Hanging {
    keys: MemoryKeys,
    hang: AtomicBool,
}

impl KeyStores for Hanging {
    fn open<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, Arc<dyn Store>> {
        if self.hang.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        self.keys.open(path)
    }

    fn remove<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, ()> {
        self.keys.remove(path)
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_hang_hold_no_deletion_up_for_long() {
    let (panics, zone) = panicking();
    let keys = Arc::new(Hanging::default());
    let own = Arc::clone(&keys) as Arc<dyn KeyStores>;
    let paused = Paused::with(|builder, _| builder.tenant_zone(zone).key_stores(own)).await;
    let manager = &paused.scene.manager;
    let anna = paused.scene.create("anna").await;
    link_to(&paused.scene, &anna, "anna").await;
    stands(&anna, AccountStatus::Ready).await;
    crash(&anna, &panics).await;
    keys.hang.store(true, Ordering::SeqCst);
    let begin = paused.clock.boot();
    let refused = soon("an answer", manager.delete(&key("anna"), Unlink::AtServer)).await;
    assert!(matches!(refused, Err(ManagerError::NotUnlinked(_))), "{refused:?}");
    soon("the deletion", manager.delete(&key("anna"), Unlink::IfReachable)).await.unwrap();
    let took = paused.clock.boot() - begin;
    assert!(took <= Duration::from_secs(21), "{took:?}");
    // They are removed later: whoever opens them may have them still.
    assert_eq!(paused.store.leftovers().await.unwrap().len(), 1);
    assert!(paused.store.account(anna.id()).await.unwrap().is_none());
}
