//! Another owner took an account over.

use std::sync::Arc;

use wa_manager::account::{CheckError, ErrandError, HistoryError, HistoryRequest, ReasonKind};
use wa_manager::pairing::PairRequest;
use wa_manager::sending::SendRequest;
use wa_manager::store::{Changes, ManagerStore, MemoryManagerStore};
use wa_manager::{AccountId, AccountPatch, AccountStatus, Epoch, ManagerError};
use wa_test_server::TestServer;

use crate::scene::{Scene, builder_on, link_to, settled, soon, stands};

async fn scene() -> (Scene, Arc<MemoryManagerStore>) {
    let (server, directory) = (TestServer::start().await, tempfile::TempDir::new().unwrap());
    let store = Arc::new(MemoryManagerStore::new());
    let shared = Arc::clone(&store) as Arc<dyn ManagerStore>;
    let manager = builder_on(shared, &server, &directory).build().await.unwrap();
    (Scene { server, directory, manager }, store)
}

async fn take_over(store: &MemoryManagerStore, account: &AccountId) {
    let mut row = store.account(account).await.unwrap().unwrap();
    row.epoch = Epoch(row.epoch.0 + 1);
    let mut changes = Changes::new();
    changes.put_account(row);
    store.commit(changes).await.unwrap();
}

#[tokio::test]
async fn an_account_that_was_taken_over_is_shown_so_and_writes_nothing() {
    let (scene, store) = scene().await;
    let anna = scene.create("anna").await;
    link_to(&scene, &anna, "anna").await;
    let device = stands(&anna, AccountStatus::Ready).await.device.unwrap().device_id.parse().unwrap();
    take_over(&store, anna.id()).await;
    let (row, seq) = (store.account(anna.id()).await.unwrap(), store.last_seq().await.unwrap());
    scene.phone("berta").send_text(scene.phone("anna").pn(), "hello").await.unwrap();
    let lost = stands(&anna, AccountStatus::Error).await;
    assert_eq!(lost.reason.unwrap().kind, ReasonKind::FenceLost);
    soon("its socket to be closed", scene.server.wait_offline(&device)).await;
    let refused = anna.start().await.unwrap_err();
    assert!(matches!(refused, ManagerError::FenceLost { .. }), "{refused:?}");
    let request = SendRequest::new(scene.phone("berta").pn().clone(), wa_core::Message::text("hello"));
    let refused = anna.send(request).await.unwrap_err();
    assert_eq!(refused.code(), ManagerError::FenceLost { account: anna.id().clone() }.code(), "{refused:?}");
    // Whatever is wanted of it.
    let berta = scene.phone("berta").pn().clone();
    let refused = anna.set_typing(&berta, wa_core::event::Typing::Composing).await.unwrap_err();
    assert!(matches!(refused, ErrandError::Manager(ManagerError::FenceLost { .. })), "{refused:?}");
    let refused = anna.check_numbers(&[berta.user().parse().unwrap()]).await.unwrap_err();
    assert!(matches!(refused, CheckError::Manager(ManagerError::FenceLost { .. })), "{refused:?}");
    let refused = anna.sync_history(HistoryRequest::default()).await.unwrap_err();
    assert!(matches!(refused, HistoryError::Manager(ManagerError::FenceLost { .. })), "{refused:?}");
    assert_eq!(store.account(anna.id()).await.unwrap(), row);
    assert_eq!(store.last_seq().await.unwrap(), seq);
    assert_eq!(scene.manager.health().connected, 0);
}

// Whichever write finds out.
#[tokio::test]
async fn a_command_finds_out_that_an_account_was_taken_over() {
    let (scene, store) = scene().await;
    for (name, by_gate) in [("anna", false), ("berta", true)] {
        let account = scene.create(name).await;
        settled(&account).await;
        take_over(&store, account.id()).await;
        if by_gate {
            let operator = wa_manager::sending::Actor::new("operator");
            assert!(account.trust().set_daily_limit(20, operator).await.is_err());
        } else {
            let patch = AccountPatch { display_name: Some("Shop".to_owned()), ..AccountPatch::default() };
            assert!(matches!(account.update(patch).await, Err(ManagerError::FenceLost { .. })));
        }
        let lost = stands(&account, AccountStatus::Error).await;
        assert_eq!(lost.reason.unwrap().kind, ReasonKind::FenceLost);
    }
}

/// Keys are removed by whoever owns the account, and by nobody else.
#[tokio::test]
async fn an_account_that_was_taken_over_keeps_its_keys() {
    let (scene, store) = scene().await;
    let anna = scene.create("anna").await;
    settled(&anna).await;
    take_over(&store, anna.id()).await;
    let path = scene.key_file("anna");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "keys of another owner").unwrap();
    let refused = anna.pair(PairRequest::qr()).await.unwrap_err();
    assert!(matches!(refused, ManagerError::FenceLost { .. }), "{refused:?}");
    let lost = stands(&anna, AccountStatus::Error).await;
    assert_eq!(lost.reason.unwrap().kind, ReasonKind::FenceLost);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "keys of another owner");
}
