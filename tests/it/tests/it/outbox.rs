//! What was sent is stored first, leaves in order, and once, whatever comes between.

use std::sync::Arc;
use std::time::Duration;

use wa_core::event::SendUpdate;
use wa_core::stanza::receipt::ReceiptKind;
use wa_core::wire::Node;
use wa_core::{
    Cancellation, Client, Event, Events, Message, MessageId, SendError, SendOptions, SendState, Status,
};
use wa_it::{Companion, builder, next};
use wa_store::{Changes, MemoryStore, OutboxEntry, OutboxState, SqliteStore, Store};
use wa_test_server::{Config, Direction, Phone, TestServer};
use wa_types::{Jid, UnixMillis};

struct Scene {
    server: TestServer,
    phone: Phone,
    bob: Phone,
    alice: Companion,
}

impl Scene {
    async fn new() -> Self {
        Self::with(Arc::new(MemoryStore::new())).await
    }

    async fn with(store: Arc<dyn Store>) -> Self {
        let server = TestServer::with(Config { detect_key_reuse: true, ..Config::default() }).await;
        let (phone, bob) = (server.phone("alice"), server.phone("bob"));
        let alice = Companion::link_with(&server, &phone, store).await;
        Self { server, phone, bob, alice }
    }

    /// Alice has Bob's keys, and goes offline.
    async fn offline() -> Self {
        let scene = Self::new().await;
        scene.alice.send_text(scene.bob.pn(), "before").await;
        assert_eq!(scene.bob.next_message().await.text(), Some("before"));
        scene.alice.client.disconnect().await;
        scene
    }

    async fn enqueue(&self, text: &str, options: SendOptions) -> MessageId {
        self.alice.client.enqueue(self.bob.pn(), Message::text(text), options).await.unwrap()
    }

    async fn texts(&self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(self.bob.next_message().await.text().unwrap().to_owned());
        }
        texts
    }

    /// Nothing came twice, no key was used twice, and nothing more comes before this.
    async fn ends_with(&self, client: &Client, text: &str) {
        client.send(self.bob.pn(), Message::text(text)).await.unwrap();
        assert_eq!(self.texts(1).await, [text]);
        assert_eq!(self.bob.try_next_message().map(|message| message.text().map(str::to_owned)), None);
        assert!(self.server.seen_keys() > 0);
        assert_eq!(self.server.reused_keys(), []);
    }
}

/// The next news about messages of our own; other events before them are dropped.
async fn updates(events: &mut Events, count: usize) -> Vec<SendUpdate> {
    let mut updates = Vec::new();
    while updates.len() < count {
        if let Event::Send(update) = next(events).await {
            updates.push(*update);
        }
    }
    updates
}

async fn state(client: &Client, id: &MessageId) -> SendState {
    client.sent_state(id).await.unwrap().expect("the message is known")
}

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

#[tokio::test]
async fn messages_sent_while_offline_wait_and_leave_in_order() {
    let mut scene = Scene::offline().await;
    let mut ids = Vec::new();
    for text in numbers(0..5) {
        ids.push(scene.enqueue(&text, SendOptions::new()).await);
    }
    for id in &ids {
        assert_eq!(state(&scene.alice.client, id).await, SendState::Queued);
    }
    let (client, chat) = (scene.alice.client.clone(), scene.bob.pn().clone());
    let waits = tokio::spawn(async move { client.send(&chat, Message::text("5")).await });
    scene.alice.client.reconnect().await.unwrap();
    assert_eq!(scene.texts(6).await, numbers(0..6));
    assert_eq!(waits.await.unwrap().unwrap().chat, *scene.bob.pn());
    // Two of the message before, then for each: queued, written, acknowledged.
    let told = updates(&mut scene.alice.events, 2 + 3 * 6).await;
    for id in &ids {
        let states: Vec<_> =
            told.iter().filter(|update| update.id == *id).map(|update| &update.state).collect();
        assert!(
            matches!(states[..], [SendState::Queued, SendState::Written, SendState::Acked { .. }]),
            "{states:?}"
        );
    }
    scene.ends_with(&scene.alice.client, "end").await;
}

#[tokio::test]
async fn what_is_queued_survives_a_restart_with_its_id() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alice.db");
    let scene = Scene::with(Arc::new(SqliteStore::open(&path).await.unwrap())).await;
    scene.alice.client.disconnect().await;
    let mut ids = Vec::new();
    for text in numbers(0..3) {
        ids.push(scene.enqueue(&text, SendOptions::new()).await);
    }
    let Scene { server, bob, alice, phone: _phone } = scene;
    drop(alice.stop().await);
    let store = Arc::new(SqliteStore::open(&path).await.unwrap());
    let alice = Companion::start(&server, store).await;
    for (id, text) in ids.iter().zip(numbers(0..3)) {
        let message = bob.next_message().await;
        assert_eq!((&message.id, message.text()), (id, Some(text.as_str())));
    }
    alice.send_text(bob.pn(), "after").await;
    for id in &ids {
        assert!(matches!(state(&alice.client, id).await, SendState::Acked { .. } | SendState::Delivered));
    }
}

#[tokio::test]
async fn what_was_written_and_not_acknowledged_arrives_once_after_a_restart() {
    let scene = Scene::new().await;
    scene.alice.send_text(scene.bob.pn(), "before").await;
    scene.server.faults_of(&scene.alice.jid).drop_ack(3);
    let mut ids = Vec::new();
    for text in numbers(0..3) {
        ids.push(scene.enqueue(&text, SendOptions::new()).await);
    }
    assert_eq!(scene.texts(4).await, ["before", "0", "1", "2"]);
    // The process dies: nothing is said, and nothing is written.
    let Companion { client, events, store, jid } = scene.alice;
    drop((client, events));
    scene.server.wait_offline(&jid).await;
    let (alice, _events) = builder(&scene.server, store).connect().await.unwrap();
    assert!(alice.ready().await);
    alice.send(scene.bob.pn(), Message::text("after")).await.unwrap();
    assert_eq!(scene.bob.next_message().await.text(), Some("after"), "the server knew the ids");
    for id in &ids {
        assert!(!matches!(state(&alice, id).await, SendState::Queued | SendState::Failed(_)));
    }
    assert_eq!(scene.server.reused_keys(), []);
}

#[tokio::test]
async fn thousands_that_wait_in_the_store_leave_in_order() {
    let scene = Scene::offline().await;
    let texts = numbers(0..1500);
    let mut sends = tokio::task::JoinSet::new();
    for text in &texts {
        let (client, chat, text) = (scene.alice.client.clone(), scene.bob.pn().clone(), text.clone());
        // Spawned in order, and polled in order by this single-threaded runtime.
        sends.spawn(async move { client.enqueue(&chat, Message::text(text), SendOptions::new()).await });
    }
    for id in sends.join_all().await {
        id.unwrap();
    }
    let Scene { server, bob, alice, phone: _phone } = scene;
    let alice = Companion::start(&server, alice.stop().await).await;
    let mut arrived = Vec::new();
    while arrived.len() < texts.len() {
        arrived.push(bob.next_message().await.text().unwrap().to_owned());
        if arrived.len() == 700 {
            // In the middle of it, and with some of them under way.
            server.disconnect(&alice.jid);
        }
    }
    assert_eq!(arrived, texts);
    alice.send_text(bob.pn(), "end").await;
    assert_eq!(bob.next_message().await.text(), Some("end"));
    assert_eq!(server.reused_keys(), []);
}

#[tokio::test]
async fn a_key_or_an_id_that_is_known_sends_nothing() {
    let scene = Scene::offline().await;
    let key = || SendOptions::new().idempotency_key("order 17");
    let first = scene.enqueue("once", key()).await;
    assert_eq!(scene.enqueue("twice", key()).await, first);
    // Both at once, the store not knowing either yet.
    let (bob, client) = (scene.bob.pn(), &scene.alice.client);
    let (a, b) = tokio::join!(
        client.enqueue(bob, Message::text("a"), SendOptions::new().idempotency_key("order 18")),
        client.enqueue(bob, Message::text("b"), SendOptions::new().idempotency_key("order 18"))
    );
    assert_eq!(a, b);
    let waits = client.send_with(bob, Message::text("three times"), key());
    let (sent, ()) = tokio::join!(waits, async { client.reconnect().await.unwrap() });
    let sent = sent.unwrap();
    assert_eq!(sent.id, first);
    assert_eq!(scene.texts(2).await, ["once", "a"]);
    // Done with, and after a restart.
    let by_id = SendOptions::new().id(first.clone());
    assert_eq!(client.send_with(bob, Message::text("x"), by_id.clone()).await, Ok(sent.clone()));
    assert_eq!(client.send_with(bob, Message::text("x"), key()).await, Ok(sent.clone()));
    let Scene { server, bob, alice, phone: _phone } = scene;
    let alice = Companion::start(&server, alice.stop().await).await;
    assert_eq!(alice.client.send_with(bob.pn(), Message::text("x"), key()).await, Ok(sent.clone()));
    assert_eq!(alice.client.send_with(bob.pn(), Message::text("x"), by_id).await, Ok(sent));
    assert_eq!(alice.client.enqueue(bob.pn(), Message::text("x"), key()).await, Ok(first));
    alice.send_text(bob.pn(), "end").await;
    assert_eq!(bob.next_message().await.text(), Some("end"));
}

#[tokio::test(start_paused = true)]
async fn a_chat_that_waits_for_devices_does_not_hold_up_another() {
    let scene = Scene::new().await;
    let carol = scene.server.phone("carol");
    scene.alice.send_text(scene.bob.pn(), "before").await;
    let faults = scene.server.faults_of(&scene.alice.jid);
    faults.swallow_requests(Some("usync"));
    let client = &scene.alice.client;
    let mut to_carol = Vec::new();
    for text in numbers(0..3) {
        to_carol.push(client.enqueue(carol.pn(), Message::text(text), SendOptions::new()).await.unwrap());
    }
    for text in numbers(0..3) {
        scene.alice.send_text(scene.bob.pn(), &text).await;
    }
    assert_eq!(scene.texts(4).await, ["before", "0", "1", "2"]);
    for id in &to_carol {
        assert_eq!(state(client, id).await, SendState::Queued);
    }
    faults.clear();
    // The question that got no answer is asked again.
    scene.alice.send_text(carol.pn(), "3").await;
    for text in numbers(0..4) {
        assert_eq!(carol.next_message().await.text(), Some(text.as_str()));
    }
}

#[tokio::test]
async fn messages_to_both_addresses_of_a_user_are_one_chat_in_order() {
    let scene = Scene::offline().await;
    let (client, bob) = (&scene.alice.client, &scene.bob);
    let texts = numbers(0..40);
    for (text, chat) in texts.iter().zip([bob.pn(), bob.lid(), bob.lid()].into_iter().cycle()) {
        client.enqueue(chat, Message::text(text.as_str()), SendOptions::new()).await.unwrap();
    }
    client.reconnect().await.unwrap();
    assert_eq!(scene.texts(40).await, texts);
    scene.ends_with(client, "end").await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_deadline_passes_while_it_waits_fails_and_the_next_ones_go_on() {
    let mut scene = Scene::offline().await;
    let within = |seconds| SendOptions::new().deadline(Duration::from_secs(seconds));
    let late = scene.alice.client.send_with(scene.bob.pn(), Message::text("late"), within(20));
    assert_eq!(late.await, Err(SendError::Expired));
    let id = scene.enqueue("late too", within(20)).await;
    let in_time = scene.enqueue("in time", within(3600)).await;
    let failed = |event: &Event| matches!(event, Event::Send(update) if update.id == id && update.state == SendState::Failed(SendError::Expired));
    scene.alice.wait(failed).await;
    assert_eq!(state(&scene.alice.client, &id).await, SendState::Failed(SendError::Expired));
    assert_eq!(state(&scene.alice.client, &in_time).await, SendState::Queued);
    scene.alice.client.reconnect().await.unwrap();
    assert_eq!(scene.texts(1).await, ["in time"]);
    scene.ends_with(&scene.alice.client, "end").await;
}

#[tokio::test]
async fn a_deadline_that_passed_before_the_start_counts_unless_the_message_was_written() {
    let scene = Scene::offline().await;
    let Scene { server, bob, alice, phone: _phone } = scene;
    let store = alice.stop().await;
    let seq = store.last_outbox_seq().await.unwrap();
    let mut changes = Changes::new();
    for (number, state) in [(1, OutboxState::Queued), (2, OutboxState::Written)] {
        changes.put_outbox(OutboxEntry {
            seq: seq + number,
            chat: bob.pn().clone(),
            id: MessageId::new(format!("3EB0{number}")),
            idempotency_key: None,
            created: UnixMillis(1_600_000_000_000),
            deadline: Some(UnixMillis(1_600_000_001_000)),
            state,
            at: UnixMillis(1_600_000_000_000),
            acked: None,
            payload: [&[10, 1][..], number.to_string().as_bytes()].concat(),
            delivery: Vec::new(),
        });
    }
    store.commit(changes).await.unwrap();
    let mut alice = Companion::start(&server, store).await;
    let Event::Send(update) = alice.wait(|event| matches!(event, Event::Send(_))).await else {
        unreachable!("waited for")
    };
    assert_eq!((update.id.as_str(), update.state), ("3EB01", SendState::Failed(SendError::Expired)));
    assert_eq!(bob.next_message().await.text(), Some("2"));
}

#[tokio::test]
async fn a_queued_message_can_be_cancelled_and_a_written_one_not() {
    let scene = Scene::offline().await;
    let client = &scene.alice.client;
    let own = MessageId::new("3EB0CA");
    let waits = SendOptions::new().id(own.clone());
    let (sent, cancelled) = tokio::join!(
        client.send_with(scene.bob.pn(), Message::text("cancelled at once"), waits),
        client.cancel_send(&own)
    );
    assert_eq!((sent, cancelled.unwrap()), (Err(SendError::Cancelled), Cancellation::Cancelled));
    let id = scene.enqueue("cancelled", SendOptions::new().idempotency_key("order 1")).await;
    assert_eq!(client.cancel_send(&id).await.unwrap(), Cancellation::Cancelled);
    assert_eq!(state(client, &id).await, SendState::Failed(SendError::Cancelled));
    let again = client.cancel_send(&id).await.unwrap();
    assert_eq!(again, Cancellation::TooLate(SendState::Failed(SendError::Cancelled)));
    assert_eq!(client.cancel_send(&"nobody's".into()).await.unwrap(), Cancellation::Unknown);
    // What was cancelled stays so under its key.
    let key = SendOptions::new().idempotency_key("order 1");
    assert_eq!(client.enqueue(scene.bob.pn(), Message::text("x"), key).await, Err(SendError::Cancelled));
    client.reconnect().await.unwrap();
    let sent = scene.alice.send_text(scene.bob.pn(), "sent").await;
    assert_eq!(scene.texts(1).await, ["sent"]);
    assert!(matches!(client.cancel_send(&sent.id).await.unwrap(), Cancellation::TooLate(_)));
    scene.ends_with(client, "end").await;
}

#[tokio::test]
async fn a_dropped_future_does_not_take_the_message_back() {
    let scene = Scene::new().await;
    scene.server.faults_of(&scene.alice.jid).delay_acks(Some(Duration::from_secs(3600)));
    let send = scene.alice.client.send(scene.bob.pn(), Message::text("nobody waits"));
    tokio::select! {
        biased;
        sent = send => panic!("{sent:?} before its ack"),
        message = scene.bob.next_message() => assert_eq!(message.text(), Some("nobody waits")),
    }
}

#[tokio::test]
async fn receipts_raise_the_state_that_is_stored() {
    let mut scene = Scene::new().await;
    let sent = scene.alice.send_text(scene.bob.pn(), "hello").await;
    let acked = state(&scene.alice.client, &sent.id).await;
    assert!(
        acked == SendState::Acked { timestamp: sent.timestamp } || acked == SendState::Delivered,
        "{acked:?}"
    );
    scene.alice.receipt(&sent.id, ReceiptKind::Delivered).await;
    assert_eq!(state(&scene.alice.client, &sent.id).await, SendState::Delivered);
    let message = scene.bob.next_message().await;
    scene.bob.read(&message);
    scene.alice.receipt(&sent.id, ReceiptKind::Read).await;
    assert_eq!(state(&scene.alice.client, &sent.id).await, SendState::Read);
    let played = Node::new("receipt")
        .attr("id", &sent.id)
        .attr("from", scene.bob.lid())
        .attr("type", "played")
        .attr("t", 1_700_000_000_u32);
    scene.server.deliver(&scene.alice.jid, played);
    scene.alice.receipt(&sent.id, ReceiptKind::Played).await;
    let Scene { server, alice, .. } = scene;
    let alice = Companion::start(&server, alice.stop().await).await;
    assert_eq!(state(&alice.client, &sent.id).await, SendState::Played);
    assert_eq!(alice.client.sent_state(&"nobody's".into()).await.unwrap(), None);
}

#[tokio::test]
async fn what_waits_when_the_device_is_unlinked_fails_and_so_does_what_is_sent_after() {
    let mut scene = Scene::new().await;
    let carol: Jid = scene.server.phone("carol").pn().clone();
    scene.server.faults_of(&scene.alice.jid).swallow_requests(Some("usync"));
    let client = scene.alice.client.clone();
    let waits = tokio::spawn(async move { client.send(&carol, Message::text("x")).await });
    let is_usync = |node: &Node| node.get("xmlns").is_some_and(|ns| ns.to_text() == "usync");
    scene.server.wait_for(&scene.alice.jid, Direction::FromClient, is_usync).await;
    assert!(scene.phone.remove_device(&scene.alice.jid));
    assert_eq!(waits.await.unwrap(), Err(SendError::LoggedOut));
    scene.alice.wait(|event| matches!(event, Event::LoggedOut { .. })).await;
    assert_eq!(scene.alice.client.status(), Status::LoggedOut);
    let sent = scene.alice.client.send(scene.bob.pn(), Message::text("x")).await;
    assert_eq!(sent, Err(SendError::LoggedOut));
    assert_eq!(scene.alice.store.outbox_pending(0, 9).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn sent_messages_are_kept_for_as_long_and_as_many_bytes_as_is_wanted() {
    for (duration, bytes, left) in
        [(Duration::from_secs(3600), 1 << 20, true), (Duration::from_secs(3600), 0, false)]
    {
        let server = TestServer::start().await;
        let (phone, bob) = (server.phone("alice"), server.phone("bob"));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let built = builder(&server, Arc::clone(&store)).keep_sent(duration, bytes);
        let alice = Companion::link_built(built, &phone, store).await;
        let sent = alice.send_text(bob.pn(), "hello").await;
        alice.client.disconnect().await;
        let queued = alice.client.enqueue(bob.pn(), Message::text("x"), SendOptions::new()).await.unwrap();
        // Long enough for the store to be trimmed once, by the paused clock.
        tokio::time::sleep(Duration::from_secs(60)).await;
        let entries = alice.store.outbox_by_ids(&[sent.id.clone(), queued]).await.unwrap();
        assert_eq!(entries[0].is_some(), left, "{bytes}");
        assert!(entries[1].is_some(), "what is not sent stays");
        assert_eq!(alice.client.sent_state(&sent.id).await.unwrap().is_some(), left);
    }
}
