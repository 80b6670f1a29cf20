//! After a restart of the process.

use wa_manager::account::DesiredState;
use wa_manager::{AccountPatch, AccountStatus};

use crate::scene::{linked, soon, stands};

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
