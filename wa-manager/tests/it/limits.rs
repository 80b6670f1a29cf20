//! What the server says about an account, and the time that it says it is.

use std::time::Duration;

use serde_json::json;
use wa_core::Message;
use wa_manager::AccountStatus;
use wa_manager::event::EventKind;
use wa_manager::sending::{SendError, SendRequest};
use wa_manager::trust::RestrictionKind;
use wa_types::UnixMillis;

use crate::scene::{linked, soon, stands};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

// 3.1: asked for after a login; told when it changes.
#[tokio::test]
async fn the_servers_time_lock_is_known_after_the_login_and_until_it_is_lifted() {
    let scene = linked(&["anna"]).await;
    let (anna, phone) = (scene.account("anna"), scene.phone("anna"));
    phone.set_timelock(Some(4_000_000_000));
    let mut events = scene.subscribe(&anna);
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let mut restriction = async || loop {
        let event = soon("a restriction", events.next()).await.unwrap();
        if event.kind == EventKind::AccountRestriction {
            return event.data.clone();
        }
    };
    let told = restriction().await;
    assert_eq!((&told["kind"], &told["active"]), (&json!("time_lock"), &json!(true)));
    let stranger = scene.phone("berta").pn().clone();
    let refused = anna.send(SendRequest::new(stranger, Message::text("hello"))).await.unwrap_err();
    let SendError::Restricted { kind, until, .. } = refused else { panic!("{refused:?}") };
    assert_eq!(kind, RestrictionKind::TimeLock);
    assert!(until.unwrap() > UnixMillis(4_000_000_000_000));
    assert_eq!(anna.snapshot().trust.restrictions.len(), 1);
    phone.set_timelock(None);
    assert_eq!(restriction().await["active"], false);
}

// 3.8: limits count by the server's time.
#[tokio::test]
async fn days_are_those_of_the_servers_clock() {
    let scene = linked(&["anna"]).await;
    let anna = scene.account("anna");
    let before = anna.snapshot().trust.resets_at;
    let shift = DAY * 3;
    scene.server.faults().shift_clock(Some(i64::try_from(shift.as_secs()).unwrap()));
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let later = before + u64::try_from((shift - DAY).as_millis()).unwrap();
    soon("the server's day", anna.reached(|snapshot| snapshot.trust.resets_at > later)).await.unwrap();
}
