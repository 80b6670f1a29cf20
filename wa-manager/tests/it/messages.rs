//! What goes out, and what comes in.

use std::time::Duration;

use wa_core::Message;
use wa_core::wire::Node;
use wa_manager::account::{AccountSettings, IgnoreRules, SendOutcome};
use wa_manager::event::EventKind;
use wa_manager::sending::{Actor, SendError, SendRequest};
use wa_manager::trust::{Admission, Lane, OnLimit, TrustLevel};
use wa_manager::{Account, AccountPatch, AccountStatus, Unlink};
use wa_test_server::{Act, Direction, Filter};
use wa_types::{Jid, MessageId};

use crate::scene::{Scene, linked, next, soon, stands};

async fn ready(names: &[&str]) -> Scene {
    let scene = linked(names).await;
    for name in names {
        scene.account(name).start().await.unwrap();
        stands(&scene.account(name), AccountStatus::Ready).await;
    }
    scene
}

fn text(to: &Jid, text: &str) -> SendRequest {
    SendRequest::new(to.clone(), Message::text(text))
}

async fn send(account: &Account, request: SendRequest) -> Result<SendOutcome, SendError> {
    soon("a send to end", account.send(request)).await
}

/// R091: what is on its way when the link ends is told, and waits for nothing any more.
#[tokio::test]
async fn what_is_on_its_way_at_a_logout_is_told() {
    let scene = ready(&["anna"]).await;
    let (anna, berta) = (scene.account("anna"), scene.phone("berta"));
    berta.send_text(scene.phone("anna").pn(), "hello").await.unwrap();
    next(&mut scene.subscribe(&anna), EventKind::MessageReceived).await;
    let device: Jid = anna.snapshot().device.unwrap().device_id.parse().unwrap();
    scene.server.faults_of(&device).script(Filter::from_client().tag("message"), Act::Drop, 1);
    let sending = tokio::spawn({
        let (anna, request) = (anna.clone(), text(berta.pn(), "yes"));
        async move { anna.send(request).await }
    });
    let is_it = |node: &Node| node.tag == "message";
    let sent = soon("the message", scene.server.wait_for(&device, Direction::FromClient, is_it)).await;
    let sent = MessageId::new(&*sent.get("id").unwrap().to_text());
    soon("the logout", anna.logout(Unlink::AtServer)).await.unwrap();
    let told = soon("the end of the send", sending).await.unwrap().unwrap_err();
    assert!(matches!(&told, SendError::Unknown { message_id } if *message_id == sent), "{told:?}");
    let events = scene.events(&anna).await;
    let failed: Vec<_> = events.iter().filter(|event| event.kind == EventKind::MessageFailed).collect();
    assert_eq!(failed.len(), 1, "{events:?}");
    assert_eq!(failed[0].data["messageId"], sent.as_str());
    assert_eq!(failed[0].data["mayHaveArrived"], true);
}

// R033, R064, R067, R074: a contact and a chat, once, and an answer.
// R066, R073, R123
#[tokio::test]
async fn a_message_makes_a_contact_and_a_chat_and_is_answered() {
    let scene = ready(&["anna"]).await;
    let (anna, berta) = (scene.account("anna"), scene.phone("berta"));
    let mut events = scene.subscribe(&anna);
    let own = scene.phone("anna").pn().clone();
    berta.send_text(&own, "hello").await.unwrap();
    let received = next(&mut events, EventKind::MessageReceived).await;
    assert_eq!(received.data["text"], "hello");
    assert_eq!(received.data["fromMe"], false);
    berta.send_text(&own, "are you there?").await.unwrap();
    next(&mut events, EventKind::MessageReceived).await;
    let told = scene.events(&anna).await;
    for kind in [EventKind::ContactCreated, EventKind::ChatCreated] {
        assert_eq!(told.iter().filter(|event| event.kind == kind).count(), 1, "{kind:?}");
    }
    // R173, R175, R176: an answer is counted by the library itself.
    let SendOutcome::Sent(receipt) = send(&anna, text(berta.pn(), "yes")).await.unwrap() else {
        panic!("waits")
    };
    let message = soon("the answer", berta.message()).await;
    assert_eq!((message.text(), &message.id), (Some("yes"), &receipt.id));
    let sent = next(&mut events, EventKind::MessageSent).await;
    assert_eq!(sent.data["messageId"], receipt.id.as_str());
    next(&mut events, EventKind::MessageAck).await;
    assert_eq!(anna.snapshot().trust.messages_sent_today, 1);
    let scene = scene.restart().await;
    let anna = scene.account("anna");
    soon("what was used to be read", anna.reached(|snapshot| snapshot.trust.messages_sent_today == 1))
        .await
        .unwrap();
}

// R173: before it is ready nothing is sent, and nothing counted.
#[tokio::test]
async fn an_account_that_does_not_run_sends_nothing() {
    let scene = linked(&["anna"]).await;
    let anna = scene.account("anna");
    let refused = send(&anna, text(scene.phone("berta").pn(), "hello")).await.unwrap_err();
    assert!(matches!(refused, SendError::NotReady { status: AccountStatus::Idle }), "{refused:?}");
    assert_eq!(anna.snapshot().trust.messages_sent_today, 0);
}

// 3.3: before the past came, an old friend looks like a stranger; so strangers wait.
#[tokio::test]
async fn strangers_wait_for_the_past() {
    let scene = ready(&["anna"]).await;
    let anna = scene.account("anna");
    let stranger = scene.phone("berta").pn().clone();
    let refused = send(&anna, text(&stranger, "hello")).await.unwrap_err();
    assert!(matches!(refused, SendError::Limited(_)), "{refused:?}");
    let admission = anna.trust().preview(&stranger).await.unwrap();
    assert!(
        matches!(&admission, Admission::Delay(limit) if limit.lane == Lane::FirstContact),
        "{admission:?}"
    );
}

// R067, R065, R024: what is ignored is taken, and told to nobody.
#[tokio::test]
async fn what_is_ignored_is_told_to_nobody() {
    let scene = ready(&["anna"]).await;
    let (anna, berta) = (scene.account("anna"), scene.phone("berta"));
    let ignore = IgnoreRules { groups: true, ..IgnoreRules::default() };
    let settings = AccountSettings { ignore, ..anna.snapshot().settings };
    anna.update(AccountPatch { settings: Some(settings), ..AccountPatch::default() }).await.unwrap();
    let mut events = scene.subscribe(&anna);
    let own = scene.phone("anna").pn().clone();
    let group = berta.create_group("friends", &[&own], wa_test_server::GroupMode::Pn);
    berta.send_text(&group, "in the group").await.unwrap();
    berta.send_text(&own, "in person").await.unwrap();
    assert_eq!(next(&mut events, EventKind::MessageReceived).await.data["text"], "in person");
}

// 3.10: what may not be sent now waits, and is taken back, or sent when it may be.
#[tokio::test]
async fn what_waits_can_be_taken_back() {
    let scene = ready(&["anna"]).await;
    let anna = scene.account("anna");
    let request = text(scene.phone("berta").pn(), "hello")
        .on_limit(OnLimit::Enqueue { deadline: Duration::from_secs(24 * 60 * 60) });
    let SendOutcome::Queued(queued) = send(&anna, request).await.unwrap() else { panic!("sent") };
    assert_eq!(anna.outbox().list().await.unwrap().len(), 1);
    assert!(anna.outbox().cancel(queued.id.clone()).await.unwrap());
    assert!(!anna.outbox().cancel(queued.id).await.unwrap());
    assert!(anna.outbox().list().await.unwrap().is_empty());
}

// R135, R136, R145, R155, R178: set by hand, with a reason, and told.
#[tokio::test]
async fn limits_are_set_by_hand_and_that_is_told() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    let mut events = scene.subscribe(&anna);
    let operator = || Actor::new("operator");
    anna.trust().set_daily_limit(20, operator()).await.unwrap();
    assert_eq!(anna.snapshot().trust.daily_limit, 20);
    assert!(anna.trust().set_daily_limit(51, operator()).await.is_err(), "above the level");
    anna.trust().set_level(TrustLevel::HELD, operator(), "a complaint".to_owned()).await.unwrap();
    assert!(anna.trust().set_level(TrustLevel::HIGHEST, operator(), "please".to_owned()).await.is_err());
    assert_eq!(anna.snapshot().trust.trust_level, 0);
    anna.trust().reset_usage(operator(), "a test".to_owned()).await.unwrap();
    assert!(anna.trust().reset_usage(operator(), "again".to_owned()).await.is_err(), "once a day");
    let changed = next(&mut events, EventKind::TrustChanged).await;
    assert!(changed.data.is_object());
}

// A stopped account sends nothing and counts nothing, and what may wait waits for its start.
#[tokio::test]
async fn a_stopped_account_counts_nothing_and_keeps_what_waits() {
    let scene = ready(&["anna"]).await;
    let (anna, berta) = (scene.account("anna"), scene.phone("berta"));
    let mut events = scene.subscribe(&anna);
    berta.send_text(scene.phone("anna").pn(), "hello").await.unwrap();
    next(&mut events, EventKind::MessageReceived).await;
    anna.stop().await.unwrap();
    let refused = send(&anna, text(berta.pn(), "lost?")).await.unwrap_err();
    assert!(matches!(refused, SendError::NotReady { .. }), "{refused:?}");
    assert_eq!(anna.trust().view().await.unwrap().usage.sent_today, 0);
    let waits = text(berta.pn(), "later").on_limit(OnLimit::Enqueue { deadline: Duration::from_secs(3600) });
    assert!(matches!(send(&anna, waits).await.unwrap(), SendOutcome::Queued(_)));
    anna.start().await.unwrap();
    assert_eq!(soon("what waited", berta.message()).await.text(), Some("later"));
    let sent = next(&mut events, EventKind::MessageSent).await;
    assert_eq!(sent.data["lane"], "reply");
}

// 3.9: the end of the client between the server's yes and ours; the next one tells.
#[tokio::test]
async fn what_became_of_a_message_is_told_after_a_stop() {
    let scene = ready(&["anna"]).await;
    let (anna, berta) = (scene.account("anna"), scene.phone("berta"));
    let mut events = scene.subscribe(&anna);
    berta.send_text(scene.phone("anna").pn(), "hello").await.unwrap();
    next(&mut events, EventKind::MessageReceived).await;
    // No ack comes: whoever waits is told that it may arrive, when the client ends.
    let device = anna.snapshot().device.unwrap().device_id.parse().unwrap();
    scene.server.faults_of(&device).dead_socket(true);
    let sending = tokio::spawn({
        let (anna, request) = (anna.clone(), text(berta.pn(), "arrives"));
        async move { anna.send(request).await }
    });
    soon("the message to be counted", anna.reached(|snapshot| snapshot.trust.messages_sent_today == 1))
        .await
        .unwrap();
    anna.stop().await.unwrap();
    let unknown = soon("an answer", sending).await.unwrap().unwrap_err();
    let SendError::Unknown { message_id } = unknown else { panic!("{unknown:?}") };
    scene.server.faults_of(&device).dead_socket(false);
    anna.start().await.unwrap();
    let arrived = soon("the message", berta.message()).await;
    assert_eq!((arrived.text(), &arrived.id), (Some("arrives"), &message_id));
    let sent = next(&mut events, EventKind::MessageSent).await;
    assert_eq!(sent.data["messageId"], message_id.as_str());
    // Sent again under its id it is the same message, and answered at once.
    let again = send(&anna, text(berta.pn(), "arrives").id(message_id.clone())).await.unwrap();
    assert!(matches!(again, SendOutcome::Sent(receipt) if receipt.id == message_id));
    assert_eq!(anna.snapshot().trust.messages_sent_today, 1);
}
