//! Status that is true.

use wa_manager::AccountStatus;
use wa_manager::account::{ConnectionPolicy, ReasonKind};
use wa_manager::event::EventKind;

use crate::scene::{linked, linked_with, soon, stands};

// R057, R115-R117: each change is stored, numbered and told, in order.
// R025, R035
#[tokio::test]
async fn a_lost_connection_is_told_and_comes_back() {
    let quick = ConnectionPolicy { flap_window: std::time::Duration::ZERO, ..ConnectionPolicy::default() };
    let scene = linked_with(&["anna"], |builder| builder.connection(quick)).await;
    let anna = scene.account("anna");
    let mut events = scene.subscribe(&anna);
    anna.start().await.unwrap();
    let ready = stands(&anna, AccountStatus::Ready).await;
    assert!(scene.server.disconnect(&ready.device.unwrap().device_id.parse().unwrap()));
    let mut told = Vec::new();
    while told.iter().filter(|status| *status == "ready").count() < 2 {
        let event = soon("the account to be back", events.next()).await.unwrap();
        assert_eq!(event.kind, EventKind::AccountStatus);
        told.push(event.data["status"].as_str().unwrap().to_owned());
        if event.data["status"] == "disconnected" {
            assert_eq!(event.data["reason"]["kind"], "network");
            assert!(event.data["reason"]["retryAt"].is_u64());
        }
    }
    let login = ["authenticated", "ready"];
    assert_eq!(told, [&["loading"], &login[..], &["disconnected"], &login].concat());
    // R158, R180: the row is the end of the log.
    let board = scene.manager.all_statuses(None).await.unwrap();
    let last = scene.events(&anna).await.pop().unwrap();
    assert_eq!((board.accounts[0].seq, board.seq), (last.account_seq, last.seq));
}

/// Acceptance: Two processes on one SQLite file: second fails to open with `StoreLocked`.
#[tokio::test]
async fn a_store_that_is_open_elsewhere_is_told() {
    let scene = linked(&["anna"]).await;
    let elsewhere = wa_store::SqliteStore::open(scene.key_file("anna")).await.unwrap();
    let anna = scene.account("anna");
    anna.start().await.unwrap();
    let failed = stands(&anna, AccountStatus::Error).await;
    assert_eq!(failed.reason.unwrap().kind, ReasonKind::StoreLocked);
    wa_store::Store::close(&elsewhere).await.unwrap();
    drop(elsewhere);
    assert!(anna.start().await.unwrap().changed);
    stands(&anna, AccountStatus::Ready).await;
}
