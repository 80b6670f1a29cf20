//! Status that is true.

use std::collections::HashMap;

use tokio::task::JoinSet;
use wa_manager::account::{ConnectionPolicy, ReasonKind};
use wa_manager::event::EventKind;
use wa_manager::hub::EventFilter;
use wa_manager::{AccountName, AccountPatch, AccountSpec, AccountStatus, Unlink};

use crate::scene::{Scene, key, linked, linked_with, next, settled, soon, stands};

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

// R116, R158, R180: whoever shows accounts by their events shows each as it is at its event, and misses none that is new.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_hears_of_an_account_finds_it_as_it_is() {
    const ACCOUNTS: usize = 24;
    const ROUNDS: usize = 20;
    let scene = Scene::new().await;
    let mut events = scene.manager.subscribe(EventFilter::default(), Some(0));
    let manager = scene.manager.clone();
    let mut storm = JoinSet::new();
    for number in 0..ACCOUNTS {
        let manager = manager.clone();
        storm.spawn(async move {
            let name = AccountName::new(format!("account-{number}")).unwrap();
            let spec = AccountSpec { name: Some(name), ..AccountSpec::default() };
            let account = manager.create(spec).await.unwrap();
            for round in 0..ROUNDS {
                let patch =
                    AccountPatch { display_name: Some(format!("Round {round}")), ..AccountPatch::default() };
                account.update(patch).await.unwrap();
            }
        });
    }
    let (mut heard, mut last) = (HashMap::new(), 0);
    while !storm.is_empty() || last < scene.manager.all_statuses(None).await.unwrap().seq {
        let event = tokio::select! {
            event = soon("an event", events.next()) => event.unwrap(),
            Some(done) = storm.join_next() => {
                done.unwrap();
                continue;
            }
        };
        let shown = scene.manager.account_after(&event).await.unwrap().expect("it is there");
        assert!(shown.seq >= event.account_seq, "{} before {}", shown.seq, event.account_seq);
        heard.insert(shown.id.clone(), (shown.seq, shown.display_name));
        last = event.seq;
    }
    for shown in scene.manager.all_statuses(None).await.unwrap().accounts {
        assert_eq!(heard.remove(&shown.id), Some((shown.seq, shown.display_name)));
    }
    assert!(heard.is_empty());
    scene.manager.delete(&key("account-0"), Unlink::AtServer).await.unwrap();
    let gone = soon("the last event", events.next()).await.unwrap();
    assert_eq!(scene.manager.account_after(&gone).await.unwrap(), None);
}

// R123, R146: when it was active is told alike wherever it is told, and outlives the process.
#[tokio::test]
async fn when_an_account_was_active_is_one_truth() {
    let scene = linked(&["anna"]).await;
    let anna = scene.account("anna");
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let mut events = scene.subscribe(&anna);
    for text in ["one", "two"] {
        scene.phone("berta").send_text(scene.phone("anna").pn(), text).await.unwrap();
        next(&mut events, EventKind::MessageReceived).await;
        settled(&anna).await;
        let listed = scene.manager.all_statuses(None).await.unwrap().accounts;
        assert_eq!(listed, [anna.snapshot()]);
    }
    let active = anna.snapshot().last_active_at;
    assert!(active.is_some());
    let scene = scene.restart().await;
    assert_eq!(scene.account("anna").snapshot().last_active_at, active);
}
