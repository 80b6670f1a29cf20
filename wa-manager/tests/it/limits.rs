//! What the server says about an account, and the time that it says it is.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use wa_core::Message;
use wa_core::wire::Node;
use wa_manager::account::SendOutcome;
use wa_manager::clock::{Clock, SystemClock};
use wa_manager::event::EventKind;
use wa_manager::sending::{SendError, SendRequest, Start};
use wa_manager::trust::{Admission, Lane, OnLimit, RestrictionKind};
use wa_manager::{Account, AccountSpec, AccountStatus};
use wa_test_server::Direction;
use wa_types::{Jid, UnixMillis};

use crate::paused::Paused;
use crate::scene::{HandClock, Scene, link_to, linked, linked_with, next, settled, soon, stands};

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

/// 3.8: an offset of more than five minutes is a warning.
#[tokio::test]
async fn a_clock_that_is_off_is_seen_in_the_health() {
    let scene = linked(&["anna"]).await;
    let before = scene.manager.health();
    assert_eq!((before.clock_offset_ms, before.warnings), (None, Vec::new()));
    let anna = scene.account("anna");
    let offset = async |shift: Duration| {
        scene.server.faults().shift_clock(Some(i64::try_from(shift.as_secs()).unwrap()));
        anna.start().await.unwrap();
        stands(&anna, AccountStatus::Ready).await;
        anna.stop().await.unwrap();
        let health = scene.manager.health();
        (health.clock_offset_ms.unwrap(), health.warnings)
    };
    let hour = 60 * 60 * 1000;
    let (ahead, warnings) = offset(Duration::from_secs(60 * 60)).await;
    // A login takes a while, and the server tells whole seconds.
    assert!((hour - 60_000..=hour).contains(&ahead), "{ahead}");
    assert_eq!(warnings, ["clock_offset"]);
    let (ahead, warnings) = offset(Duration::from_secs(60)).await;
    assert!((0..=60_000).contains(&ahead), "{ahead}");
    assert!(warnings.is_empty());
}

/// R175, 3.3: a token of trust that somebody gave us makes them known, as long as it is good; they need not have written.
#[tokio::test]
async fn whoever_gave_a_token_is_known() {
    let scene = linked(&["anna"]).await;
    let (anna, own) = (scene.account("anna"), scene.phone("anna").pn().clone());
    let (berta, clara) = (scene.phone("berta"), scene.phone("clara"));
    let day = DAY.as_secs();
    let now = Clock::wall(&SystemClock::new()).to_seconds().0;
    berta.give_token(&own, now).unwrap();
    clara.give_token(&own, now - day * 35).unwrap();
    anna.start().await.unwrap();
    let device = stands(&anna, AccountStatus::Ready).await.device.unwrap().device_id.parse().unwrap();
    scene.server.wait_drained(&device).await;
    let lane = async |to: &Jid| match anna.trust().preview(to).await.unwrap() {
        Admission::Allow { lane } => lane,
        Admission::Delay(limit) | Admission::Deny(limit) => limit.lane,
        other => panic!("{other:?}"),
    };
    for (phone, expected) in [(&berta, Lane::Known), (&clara, Lane::FirstContact)] {
        assert_eq!(lane(phone.pn()).await, expected);
        assert_eq!(lane(phone.lid()).await, expected, "one person under both addresses");
    }
    // Not even while strangers are not to be written to.
    let sent = anna.send(SendRequest::new(berta.pn().clone(), Message::text("hello"))).await.unwrap();
    assert!(matches!(sent, SendOutcome::Sent(_)), "{sent:?}");
}

/// How often the server was asked for its time lock.
fn asked(scene: &Scene, device: &Jid) -> usize {
    fn is_it(node: &Node) -> bool {
        let id = node.get("query_id").is_some_and(|id| id.to_text() == "23983697327930364");
        id || node.nodes().iter().any(is_it)
    }
    let nodes = scene.server.nodes_of(device);
    nodes.iter().filter(|(direction, node)| *direction == Direction::FromClient && is_it(node)).count()
}

/// 3.1: while the time lock is on it is asked for each six hours, and no longer once it is off.
#[tokio::test]
async fn an_active_time_lock_is_asked_for_again() {
    let clock = Arc::new(HandClock::default());
    let scene = linked_with(&["anna"], |builder| builder.clock(clock.clone())).await;
    let (anna, phone) = (scene.account("anna"), scene.phone("anna"));
    phone.set_timelock(Some(4_000_000_000));
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let is_locked = |snapshot: &wa_manager::AccountSnapshot| !snapshot.trust.restrictions.is_empty();
    soon("the time lock", anna.reached(is_locked)).await.unwrap();
    let device = anna.snapshot().device.unwrap().device_id.parse().unwrap();
    let number = |number: &str| [number.parse().unwrap()];
    // An answer to a later question shows that those before it were answered.
    anna.check_numbers(&number("628110000001")).await.unwrap();
    let at_login = asked(&scene, &device);
    // Up to a tenth later, so that many accounts do not ask at once.
    clock.pass(Duration::from_secs(6 * 60 * 60 - 60));
    settled(&anna).await;
    anna.check_numbers(&number("628110000004")).await.unwrap();
    assert_eq!(asked(&scene, &device), at_login);
    let mark = scene.server.mark();
    clock.pass(Duration::from_secs(37 * 60));
    settled(&anna).await;
    let question =
        |node: &Node| node.tag == "iq" && node.get("xmlns").is_some_and(|ns| ns.to_text() == "w:mex");
    soon("a question", scene.server.wait_for_after(mark, &device, Direction::FromClient, question)).await;
    anna.check_numbers(&number("628110000002")).await.unwrap();
    phone.set_timelock(None);
    soon("the end of the time lock", anna.reached(|snapshot| !is_locked(snapshot))).await.unwrap();
    let before = asked(&scene, &device);
    assert_eq!(before, at_login + 1);
    clock.pass(Duration::from_secs(7 * 60 * 60));
    settled(&anna).await;
    anna.check_numbers(&number("628110000003")).await.unwrap();
    assert_eq!(asked(&scene, &device), before);
}

/// 3.1: a refusal that is about no limit says nothing about when to ask again: the next login does.
#[tokio::test(start_paused = true)]
async fn a_question_that_was_refused_is_asked_again_at_the_next_login() {
    let paused = Paused::new().await;
    let scene = &paused.scene;
    let anna = scene.create("anna").await;
    link_to(scene, &anna, "anna").await;
    let device = stands(&anna, AccountStatus::Ready).await.device.unwrap().device_id.parse().unwrap();
    let again = async || {
        let before = asked(scene, &device);
        scene.server.disconnect(&device);
        stands(&anna, AccountStatus::Disconnected).await;
        stands(&anna, AccountStatus::Ready).await;
        tokio::time::sleep(Duration::from_secs(10 * 60)).await;
        asked(scene, &device) - before
    };
    for _ in 0..10 {
        scene.server.faults_of(&device).refuse_request("w:mex", 500);
    }
    assert_eq!((again().await, again().await), (1, 1));
}

/// The account has looked at the clock, and done what was due: it takes one command after the other.
async fn looked(account: &Account) {
    for _ in 0..2 {
        account.liveness().await.unwrap();
    }
}

/// 3.5: nothing is sent and nothing comes; each day counts on which the account was connected, and it rises by that.
#[tokio::test]
async fn a_quiet_account_is_connected_on_each_day() {
    let clock = Arc::new(HandClock::default());
    let scene = linked_with(&["anna"], |builder| builder.clock(clock.clone())).await;
    let anna = scene.account("anna");
    // A quota would be asked for each hour, and its answers noted.
    let device = anna.snapshot().device.unwrap().device_id.parse().unwrap();
    for _ in 0..10 {
        scene.server.faults_of(&device).refuse_request("w:mex", 500);
    }
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let mut events = scene.subscribe(&anna);
    for _ in 0..16 {
        clock.pass(DAY / 2);
        looked(&anna).await;
    }
    let moved = next(&mut events, EventKind::TrustChanged).await;
    assert_eq!((&moved.data["cause"], &moved.data["to"]), (&json!("day"), &json!(2)));
    assert_eq!(moved.data["evidence"]["connectedPercent"], 100);
}

/// 3.5: an account that was linked and stopped is not trusted more for the time that went by.
#[tokio::test]
async fn an_account_that_was_stopped_for_its_first_week_is_as_new_as_before() {
    let clock = Arc::new(HandClock::default());
    let scene = linked_with(&["anna"], |builder| builder.clock(clock.clone())).await;
    let anna = scene.account("anna");
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    anna.stop().await.unwrap();
    let week = DAY * 7;
    clock.pass(week);
    scene.server.faults().shift_clock(Some(i64::try_from(week.as_secs()).unwrap()));
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let view = anna.trust().view().await.unwrap();
    assert_eq!((view.summary.trust_level, view.evidence.connected_percent), (1, 14));
    assert!(view.evidence.age >= week);
}

/// 3.10: what waits is sent when its time has come, and whoever waits for it is told.
#[tokio::test]
async fn what_waits_is_sent_when_its_time_has_come() {
    let clock = Arc::new(HandClock::default());
    let scene = linked_with(&["anna"], |builder| builder.clock(clock.clone())).await;
    let (anna, berta) = (scene.account("anna"), scene.phone("berta"));
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let to_stranger = |longest| {
        let request = SendRequest::new(berta.pn().clone(), Message::text("hello"));
        anna.send(request.on_limit(OnLimit::WaitUpTo(longest)))
    };
    let minute = Duration::from_secs(60);
    // Strangers wait for half an hour, for the past may come; whoever does not wait that long is told at once.
    let refused = to_stranger(minute * 29).await.unwrap_err();
    assert!(matches!(refused, SendError::Limited(_)), "{refused:?}");
    let mut waits = Box::pin(to_stranger(minute * 60));
    assert!(futures_util::poll!(&mut waits).is_pending());
    clock.pass(minute * 29);
    looked(&anna).await;
    assert!(futures_util::poll!(&mut waits).is_pending(), "not before its time");
    assert_eq!(anna.snapshot().trust.messages_sent_today, 0);
    // A tenth of it later at most.
    clock.pass(minute * 5);
    looked(&anna).await;
    let sent = soon("the message to be sent", waits).await.unwrap();
    let SendOutcome::Sent(receipt) = sent else { panic!("{sent:?}") };
    let came = soon("the message", berta.message()).await;
    assert_eq!((came.text(), &came.id), (Some("hello"), &receipt.id));
    assert_eq!(anna.snapshot().trust.messages_sent_today, 1);
}

/// R025: another identity key is taken, and told.
#[tokio::test]
async fn another_identity_is_told() {
    let scene = linked(&["anna"]).await;
    let (anna, berta) = (scene.account("anna"), scene.phone("berta"));
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let mut events = scene.subscribe(&anna);
    let own = scene.phone("anna").pn().clone();
    berta.send_text(&own, "before").await.unwrap();
    next(&mut events, EventKind::MessageReceived).await;
    berta.reinstall();
    berta.send_text(&own, "after").await.unwrap();
    let changed = next(&mut events, EventKind::IdentityChanged).await;
    assert_eq!(changed.data["isTrusted"], true);
    assert_eq!(next(&mut events, EventKind::MessageReceived).await.data["text"], "after");
}

/// 3.5: an account that is no new one begins higher, by what its owner says; that is kept as such.
#[tokio::test]
async fn an_operator_says_how_old_an_account_and_its_link_are() {
    let scene = Scene::new().await;
    let now = Clock::wall(&SystemClock::new()).0;
    let ago = |days: u64| Some(wa_types::UnixMillis(now - days * 24 * 60 * 60 * 1000));
    for (start, level, claimed) in [
        (Start::default(), 1, None),
        (Start { linked_since: ago(31), ..Start::default() }, 2, None),
        (Start { established_since: ago(4000), ..Start::default() }, 3, ago(4000)),
    ] {
        let account = scene.manager.create(AccountSpec { start, ..AccountSpec::default() }).await.unwrap();
        settled(&account).await;
        assert_eq!(account.snapshot().trust.trust_level, level);
        let events = scene.events(&account).await;
        let told: Vec<_> = events.iter().filter(|event| event.kind == EventKind::TrustChanged).collect();
        assert_eq!(told.len(), 1);
        assert_eq!((&told[0].data["to"], &told[0].data["cause"]), (&level.into(), &"created".into()));
        assert_eq!(told[0].data["establishedSince"].as_u64(), claimed.map(|since| since.0));
    }
}
