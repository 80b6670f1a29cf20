//! What happens to one account happens to that one alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use wa_manager::account::ReasonKind;
use wa_manager::{AccountStatus, ManagerError};

use crate::scene::{Scene, linked, soon, stands};

/// The same scene, with accounts that crash so often when they start.
async fn crashing(scene: Scene, name: &'static str, times: u32) -> (Scene, Arc<AtomicU32>) {
    let left = Arc::new(AtomicU32::new(times));
    let count = Arc::clone(&left);
    let set = crate::scene::client(&scene.server);
    let crash = move |builder, record: &wa_manager::account::AccountRecord| {
        let crashes = |left: u32| left.checked_sub(1);
        if record.name.as_str() == name
            && count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, crashes).is_ok()
        {
            panic!("on purpose");
        }
        set(builder, record)
    };
    (scene.restart_with(|builder| builder.client(crash)).await, left)
}

#[tokio::test]
async fn a_crash_is_recovered_from_and_the_others_run_on() {
    let scene = linked(&["anna", "berta"]).await;
    let (scene, left) = crashing(scene, "anna", 1).await;
    let (anna, berta) = (scene.account("anna"), scene.account("berta"));
    berta.start().await.unwrap();
    stands(&berta, AccountStatus::Ready).await;
    assert!(matches!(anna.start().await, Err(ManagerError::Crashed)));
    stands(&anna, AccountStatus::Ready).await;
    assert_eq!(left.load(Ordering::SeqCst), 0);
    assert_eq!(scene.statuses(&berta).await, ["loading", "authenticated", "ready"]);
}

#[tokio::test]
async fn what_crashes_again_and_again_is_left_alone() {
    let scene = linked(&["anna", "berta"]).await;
    let (scene, left) = crashing(scene, "anna", 3).await;
    let (anna, berta) = (scene.account("anna"), scene.account("berta"));
    assert!(matches!(anna.start().await, Err(ManagerError::Crashed)));
    let quarantined = soon(
        "the account to be left alone",
        anna.reached(|snapshot| snapshot.status == AccountStatus::Error),
    );
    let reason = quarantined.await.unwrap().reason.unwrap();
    assert_eq!((reason.kind, reason.detail.as_deref()), (ReasonKind::Quarantined, Some("on purpose")));
    assert_eq!(left.load(Ordering::SeqCst), 0);
    berta.start().await.unwrap();
    stands(&berta, AccountStatus::Ready).await;
    // Somebody had a look, and starts it.
    assert!(anna.start().await.unwrap().changed);
    stands(&anna, AccountStatus::Ready).await;
}
