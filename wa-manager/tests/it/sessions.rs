//! Sessions that move from one manager to another.

use tempfile::TempDir;
use wa_manager::account::SessionError;
use wa_manager::event::EventKind;
use wa_manager::vault::{SessionKey, VaultError};
use wa_manager::{AccountName, AccountSpec, AccountStatus, ManagerError, Unlink};

use crate::scene::{Scene, builder, key, linked, linked_with, next, soon, stands};

/// R164: sealed, fenced, and off unless somebody wants it.
#[tokio::test]
async fn a_session_runs_in_one_place_only() {
    let scene = linked_with(&["anna"], |builder| builder.allow_session_export()).await;
    let (anna, seal) = (scene.account("anna"), SessionKey::new([7; 32]));
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let export = async || scene.manager.export_session(&key("anna"), &seal).await;
    let running = export().await.unwrap_err();
    assert!(matches!(running, SessionError::NotStopped { status: AccountStatus::Ready }), "{running:?}");
    anna.stop().await.unwrap();
    let sealed = export().await.unwrap();
    assert!(!sealed.windows(6).any(|part| part == b"SQLite"), "sealed");
    assert!(matches!(anna.start().await, Err(ManagerError::Exported)));
    let still_ours = scene.manager.delete(&key("anna"), Unlink::AtServer).await;
    assert!(matches!(still_ours, Err(ManagerError::Exported)), "{still_ours:?}");

    // Elsewhere it runs.
    let directory = TempDir::new().unwrap();
    let other = builder(&scene.server, &directory).allow_session_export().build().await.unwrap();
    let name = AccountName::new("moved").unwrap();
    let moved = other.create(AccountSpec { name: Some(name), ..AccountSpec::default() }).await.unwrap();
    let wrong = SessionKey::new([8; 32]);
    let refused = other.import_session(&key("moved"), sealed.clone(), &wrong).await.unwrap_err();
    assert!(matches!(refused, SessionError::Sealed(VaultError::NoKey)), "{refused:?}");
    assert!(!moved.snapshot().is_logged_in);
    other.import_session(&key("moved"), sealed.clone(), &seal).await.unwrap();
    assert_eq!(moved.status(), AccountStatus::Idle, "it does not start by itself");
    let again = other.import_session(&key("moved"), sealed, &seal).await.unwrap_err();
    assert!(matches!(again, SessionError::AlreadyLinked), "{again:?}");
    let mut events = other.subscribe(Default::default(), None);
    moved.start().await.unwrap();
    stands(&moved, AccountStatus::Ready).await;
    let own = scene.phone("anna").pn().clone();
    scene.phone("berta").send_text(&own, "are you there?").await.unwrap();
    assert_eq!(next(&mut events, EventKind::MessageReceived).await.data["text"], "are you there?");

    // And back, with all that it learned. Until then nothing starts here, after a restart neither.
    moved.stop().await.unwrap();
    let back = other.export_session(&key("moved"), &seal).await.unwrap();
    let scene = scene.restart_with(|builder| builder.allow_session_export()).await;
    let anna = scene.account("anna");
    assert!(matches!(anna.start().await, Err(ManagerError::Exported)));
    let mut events = scene.subscribe(&anna);
    scene.manager.import_session(&key("anna"), back, &seal).await.unwrap();
    next(&mut events, EventKind::AccountImported).await;
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    scene.phone("berta").send_text(&own, "and now?").await.unwrap();
    assert_eq!(next(&mut events, EventKind::MessageReceived).await.data["text"], "and now?");
    assert!(matches!(moved.start().await, Err(ManagerError::Exported)));
    // Of what runs elsewhere the rest can be deleted.
    soon("the deletion", other.delete(&key("moved"), Unlink::IfReachable)).await.unwrap();
    assert_eq!(anna.status(), AccountStatus::Ready, "still linked");
}

/// R164: a manager hands out sessions only if it was built to.
#[tokio::test]
async fn sessions_are_not_handed_out_unasked() {
    let scene: Scene = linked(&["anna"]).await;
    let seal = SessionKey::new([7; 32]);
    let off = scene.manager.export_session(&key("anna"), &seal).await.unwrap_err();
    assert!(matches!(off, SessionError::Off), "{off:?}");
    scene.account("anna").start().await.unwrap();
    stands(&scene.account("anna"), AccountStatus::Ready).await;
    let scene = scene.restart_with(|builder| builder.allow_session_export()).await;
    scene.create("empty").await;
    let nothing = scene.manager.export_session(&key("empty"), &seal).await.unwrap_err();
    assert!(matches!(nothing, SessionError::NotLinked), "{nothing:?}");
}
