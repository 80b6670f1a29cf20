//! What one account's rows say cannot be read: that account says so, and the others run on.

use rusqlite::params;
use wa_manager::account::ReasonKind;
use wa_manager::event::EventKind;
use wa_manager::sending::{SendError, SendRequest};
use wa_manager::{AccountPatch, AccountStatus, Unlink};

use crate::scene::{Scene, builder, key, link_to, linked, settled, soon, stands};

/// Ends the manager, runs this on its file, and begins another manager on it.
async fn with_damage(scene: Scene, sql: &str, name: &str) -> Scene {
    let Scene { server, directory, manager } = scene;
    soon("the end of the manager", manager.shutdown(std::time::Duration::from_secs(30))).await;
    drop(manager);
    let connection = rusqlite::Connection::open(directory.path().join("manager.db")).unwrap();
    assert_eq!(connection.execute(sql, params![name]).unwrap(), 1, "{sql}");
    connection.close().unwrap();
    let manager = builder(&server, &directory).build().await.unwrap();
    Scene { server, directory, manager }
}

const SETTINGS: &str = "UPDATE account SET settings = '{' WHERE name = ?1";
const TRUST: &str =
    "UPDATE trust SET state = 'no json' WHERE account = (SELECT id FROM account WHERE name = ?1)";

#[tokio::test]
async fn a_damaged_row_stops_its_own_account_only() {
    let scene = linked(&["anna", "berta", "clara"]).await;
    for name in ["anna", "berta", "clara"] {
        scene.account(name).start().await.unwrap();
        stands(&scene.account(name), AccountStatus::Ready).await;
    }
    let scene = with_damage(scene, SETTINGS, "anna").await;
    let scene = with_damage(scene, TRUST, "berta").await;
    for name in ["anna", "berta"] {
        let account = scene.account(name);
        let shown = stands(&account, AccountStatus::Error).await;
        assert_eq!(shown.reason.unwrap().kind, ReasonKind::StoreCorrupt, "{name}");
        assert_eq!(soon("an answer", account.start()).await.unwrap_err().code(), "store");
        assert_eq!(
            soon("an answer", account.update(AccountPatch::default())).await.unwrap_err().code(),
            "store"
        );
        let request = SendRequest::new(scene.phone("clara").pn().clone(), wa_core::Message::text("hello"));
        let refused = soon("an answer", account.send(request)).await.unwrap_err();
        assert!(matches!(refused, SendError::Store(_)), "{refused:?}");
        // Its row, as far as it can be read, and its events tell the same.
        let last =
            scene.events(&account).await.into_iter().rfind(|event| event.kind == EventKind::AccountStatus);
        let last = last.unwrap();
        assert_eq!(
            (&last.data["status"], &last.data["reason"]["kind"]),
            (&"error".into(), &"store_corrupt".into())
        );
    }
    assert!(scene.account("anna").snapshot().reason.unwrap().detail.unwrap().contains("settings"));
    let board = scene.manager.all_statuses(None).await.unwrap();
    let errors = board.accounts.iter().filter(|account| account.status == AccountStatus::Error).count();
    assert_eq!((board.accounts.len(), errors), (3, 2));
    let report = soon("the rest to be restored", scene.manager.restore()).await;
    assert_eq!((report.started.len(), report.skipped.len()), (1, 2));
    stands(&scene.account("clara"), AccountStatus::Ready).await;
}

#[tokio::test]
async fn a_damaged_account_can_be_deleted_and_is_unlinked() {
    for damage in [SETTINGS, TRUST] {
        let scene = linked(&["anna"]).await;
        scene.account("anna").start().await.unwrap();
        stands(&scene.account("anna"), AccountStatus::Ready).await;
        let scene = with_damage(scene, damage, "anna").await;
        let anna = scene.account("anna");
        let device = anna.snapshot().device.unwrap().device_id.parse().unwrap();
        soon("the deletion", scene.manager.delete(&key("anna"), Unlink::AtServer)).await.unwrap();
        assert!(!scene.phone("anna").remove_device(&device), "the phone lists it no more");
        assert!(scene.manager.get(&key("anna")).is_none());
        assert!(!scene.key_file("anna").exists());
        let kinds: Vec<_> = scene.events(&anna).await.into_iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [EventKind::AccountDeleted]);
        scene.create("anna").await;
    }
}

/// The process ended while a code was on show, and the keys cannot be read now: a phone may have accepted them.
#[tokio::test]
async fn keys_that_a_phone_may_have_accepted_are_kept_while_they_cannot_be_read() {
    let scene = Scene::new().await;
    settled(&scene.create("anna").await).await;
    let keys = scene.key_file("anna");
    std::fs::create_dir_all(keys.parent().unwrap()).unwrap();
    std::fs::write(&keys, "no database").unwrap();
    let mut scene = with_damage(scene, "UPDATE account SET status = 'qr' WHERE name = ?1", "anna").await;
    for _ in 0..2 {
        settled(&scene.account("anna")).await;
        assert_eq!(std::fs::read(&keys).unwrap(), b"no database");
        let shown = scene.account("anna").snapshot();
        assert_eq!(
            (shown.status, shown.reason.map(|reason| reason.kind)),
            (AccountStatus::Error, Some(ReasonKind::StoreCorrupt))
        );
        scene = scene.restart().await;
    }
    // Whoever links it anew wants other keys.
    link_to(&scene, &scene.account("anna"), "anna").await;
}
