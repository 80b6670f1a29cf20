//! Many accounts at once.

use wa_manager::{AccountKey, AccountSpec, AccountStatus, ManagerError, TenantId, Unlink};

use crate::scene::{Scene, key, linked, stands};

// R082, R092, R103, R104, R150, R181: an answer for each.
#[tokio::test]
async fn each_of_many_has_its_own_answer() {
    let scene = linked(&["anna", "berta"]).await;
    scene.create("unlinked").await;
    let keys = [key("anna"), key("nobody"), key("unlinked"), key("berta")];
    let started = scene.manager.batch_start(&keys).await;
    assert!(started.iter().map(|item| &item.key).eq(&keys));
    assert!(started[0].result.is_ok() && started[3].result.is_ok());
    assert!(matches!(started[1].result, Err(ManagerError::NotFound)));
    assert!(matches!(started[2].result, Err(ManagerError::NotLinked)));
    for name in ["anna", "berta"] {
        stands(&scene.account(name), AccountStatus::Ready).await;
    }
    assert_eq!(scene.manager.health().connected, 2);
    let stopped = scene.manager.batch_stop(&keys[..1]).await;
    assert!(stopped[0].result.as_ref().unwrap().changed);
    assert_eq!(scene.account("berta").status(), AccountStatus::Ready);
    let deleted = scene.manager.batch_delete(&keys, Unlink::AtServer).await;
    assert_eq!(deleted.iter().filter(|item| item.result.is_ok()).count(), 3);
    assert!(scene.manager.all_statuses(None).await.unwrap().accounts.is_empty());
}

// R105, R184: only the caller's.
#[tokio::test]
async fn all_of_a_tenant_are_stopped_and_no_others() {
    let scene = linked(&["anna", "berta"]).await;
    for name in ["anna", "berta"] {
        scene.account(name).start().await.unwrap();
    }
    let other = TenantId::new("other");
    scene.manager.create(AccountSpec { tenant: other.clone(), ..AccountSpec::default() }).await.unwrap();
    let stopped = scene.manager.stop_all(&other).await;
    assert_eq!(stopped.len(), 1);
    for name in ["anna", "berta"] {
        stands(&scene.account(name), AccountStatus::Ready).await;
    }
    let stopped = scene.manager.stop_all(&TenantId::default()).await;
    assert_eq!(stopped.iter().filter(|item| item.result.as_ref().unwrap().changed).count(), 2);
    assert_eq!(scene.manager.health().connected, 0);
}

// R182: another tenant's account is not found.
#[tokio::test]
async fn a_name_leads_to_an_account_of_its_tenant_only() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    let foreign = AccountKey::Name(TenantId::new("other"), anna.name().clone());
    assert!(scene.manager.get(&foreign).is_none());
    let board = scene.manager.all_statuses(Some(&TenantId::new("other"))).await.unwrap();
    assert!(board.accounts.is_empty());
}

// What a server spawns must be able to move between threads.
#[tokio::test]
async fn batches_run_in_tasks_of_their_own() {
    let scene = Scene::new().await;
    let manager = scene.manager.clone();
    let task = tokio::spawn(async move {
        let keys = [key("nobody")];
        manager.batch_start(&keys).await.len()
            + manager.batch_stop(&keys).await.len()
            + manager.batch_delete(&keys, Unlink::AtServer).await.len()
            + manager.stop_all(&TenantId::default()).await.len()
            + manager.restore().await.started.len()
    });
    assert_eq!(task.await.unwrap(), 3);
}

/// All say why nothing was done.
#[tokio::test]
async fn after_the_end_each_of_many_says_so() {
    let scene = Scene::new().await;
    scene.create("anna").await;
    scene.manager.shutdown(std::time::Duration::from_secs(30)).await;
    let keys = [key("anna"), key("nobody")];
    let refused = scene.manager.batch_start(&keys).await;
    assert_eq!(refused.len(), 2);
    assert!(refused.iter().all(|item| matches!(item.result, Err(ManagerError::Shutdown))), "{refused:?}");
}
