//! After a restart of the process.

use std::time::Duration;

use wa_manager::account::DesiredState;
use wa_manager::manager::Starts;
use wa_manager::store::EventQuery;
use wa_manager::{AccountPatch, AccountStatus};

use crate::paused::Paused;
use crate::scene::{link_to, linked, soon, stands};

// R056, R072, R077, R106: what ran runs again, what was stopped does not, unless it is set to.
#[tokio::test]
async fn what_ran_runs_again() {
    let scene = linked(&["ran", "stopped", "starts", "never"]).await;
    for name in ["ran", "stopped"] {
        scene.account(name).start().await.unwrap();
        stands(&scene.account(name), AccountStatus::Ready).await;
    }
    scene.account("stopped").stop().await.unwrap();
    let starts = scene.account("starts");
    let mut settings = starts.snapshot().settings;
    settings.auto_start = true;
    starts.update(AccountPatch { settings: Some(settings), ..AccountPatch::default() }).await.unwrap();

    let scene = scene.restart().await;
    let ran = scene.account("ran").snapshot();
    assert_eq!(
        (ran.status, ran.desired),
        (AccountStatus::Disconnected, DesiredState::Running),
        "no lie before"
    );
    let report = soon("the accounts to be restored", scene.manager.restore()).await;
    assert_eq!((report.started.len(), report.skipped.len(), report.failed.len()), (2, 2, 0));
    for name in ["ran", "starts"] {
        stands(&scene.account(name), AccountStatus::Ready).await;
    }
    for name in ["stopped", "never"] {
        assert_eq!(scene.account(name).status(), AccountStatus::Idle);
    }
}

// Acceptance, for an account that was ready: killed; the row is the end of the event log.
#[tokio::test]
async fn what_a_killed_process_left_is_told_as_it_is() {
    let scene = linked(&["anna"]).await;
    let anna = scene.account("anna");
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    // The copy of the database is what a killed process would have left.
    let copy = tempfile::TempDir::new().unwrap();
    for file in ["manager.db", "manager.db-wal"] {
        std::fs::copy(scene.directory.path().join(file), copy.path().join(file)).unwrap();
    }
    let before = scene.events(&anna).await;
    let killed = crate::scene::builder(&scene.server, &copy).build().await.unwrap();
    let board = killed.all_statuses(None).await.unwrap();
    assert_eq!(board.accounts[0].status, AccountStatus::Disconnected);
    let query = wa_manager::store::EventQuery { limit: 1000, ..Default::default() };
    let events = killed.events_since(query).await.unwrap();
    let last = events.last().unwrap();
    assert_eq!(
        (last.data["before"].as_str(), last.data["status"].as_str()),
        (Some("ready"), Some("disconnected"))
    );
    assert_eq!((last.seq, last.account_seq), (board.seq, board.accounts[0].seq));
    assert_eq!(events.len(), before.len() + 1);
}

/// These accounts are linked, and set to start by themselves; the manager of now has done nothing with them.
async fn begun_anew(names: &[&str], starts: Starts) -> Paused {
    let paused = Paused::new().await;
    for name in names {
        let account = paused.scene.create(name).await;
        link_to(&paused.scene, &account, name).await;
        let mut settings = account.snapshot().settings;
        settings.auto_start = true;
        account.update(AccountPatch { settings: Some(settings), ..AccountPatch::default() }).await.unwrap();
        // Of the last one only its settings say that it is to run.
        if names.last() == Some(name) {
            account.stop().await.unwrap();
        }
    }
    let paused = paused.restart_with(|builder| builder.starts(starts)).await;
    paused.scene.server.faults().refuse_connections(1_000_000);
    paused
}

// R056: a few at a time; who does not connect holds up the next one for a while only.
#[tokio::test(start_paused = true)]
async fn accounts_are_restored_one_after_another() {
    let patience = Duration::from_secs(10);
    let paused = begun_anew(&["anna", "berta", "clara"], Starts { at_once: 1, patience }).await;
    let since = paused.scene.manager.all_statuses(None).await.unwrap().seq;
    assert_eq!(paused.scene.manager.restore().await.started.len(), 3);
    let query = EventQuery { after: since, limit: 1000, ..EventQuery::default() };
    let events = paused.scene.manager.events_since(query).await.unwrap();
    let loading = events
        .iter()
        .filter(|event| event.data["status"] == "loading" && event.data["reason"]["kind"] == "opening_store");
    let begun: Vec<_> = loading.map(|event| event.at).collect();
    assert_eq!(begun.len(), 3);
    assert!(begun.windows(2).all(|pair| pair[1].since(pair[0]) >= patience), "{begun:?}");
}

// R077: whoever is quick to stop an account need not wait until it was restored.
#[tokio::test(start_paused = true)]
async fn what_is_stopped_while_others_are_restored_stays_stopped() {
    let starts = Starts { at_once: 1, patience: Duration::from_secs(10) };
    let paused = begun_anew(&["anna", "berta", "clara"], starts).await;
    let accounts = ["anna", "berta", "clara"].map(|name| paused.scene.account(name));
    let manager = paused.scene.manager.clone();
    let restored = tokio::spawn(async move { manager.restore().await });
    let starting = accounts.iter().map(|account| Box::pin(stands(account, AccountStatus::Loading)));
    let (_, first, _) = futures_util::future::select_all(starting).await;
    for (place, account) in accounts.iter().enumerate() {
        if place != first {
            account.stop().await.unwrap();
        }
    }
    let report = restored.await.unwrap();
    assert_eq!(report.started, [accounts[first].id().clone()]);
    assert_eq!(report.skipped.len(), 2);
    for (place, account) in accounts.iter().enumerate() {
        if place != first {
            let shown = account.snapshot();
            assert_eq!((shown.status, shown.desired), (AccountStatus::Idle, DesiredState::Stopped));
        }
    }
}
