//! Nothing that was received is lost, whatever happens to the application, the client or the disk.

use std::sync::Arc;
use std::time::Duration;

use wa_core::connection::CloseReason;
use wa_core::{Event, Events, Message, SendError, Status};
use wa_it::{Companion, FaultyStore, builder, next};
use wa_store::{MemoryStore, Remedy, SqliteStore, Store};
use wa_test_server::{Phone, TestServer};

struct Scene {
    server: TestServer,
    phone: Phone,
    bob: Phone,
}

impl Scene {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let (phone, bob) = (server.phone("alice"), server.phone("bob"));
        Self { server, phone, bob }
    }

    async fn send(&self, texts: std::ops::Range<u32>) {
        for number in texts {
            self.bob.send_text(self.phone.pn(), &number.to_string()).await.unwrap();
        }
    }
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// The next texts; all other events before them are dropped.
async fn texts(events: &mut Events, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        if let Event::Message(message) = next(events).await {
            texts.push(message.message.as_text().unwrap_or("no text").to_owned());
        }
    }
    texts
}

#[tokio::test]
async fn what_the_application_did_not_take_comes_again_before_what_is_new() {
    let scene = Scene::new().await;
    let mut alice = Companion::link(&scene.server, &scene.phone).await;
    scene.send(0..6).await;
    let taken = alice.texts(2).await;
    assert_eq!(taken, ["0", "1"]);
    let ids = alice.message().await.id;
    // "2" was handed out, and the next one never asked for: it counts as not taken.
    scene.server.wait_drained(&alice.jid).await;
    let jid = alice.jid.clone();
    let store = alice.stop().await;

    scene.send(6..8).await;
    let (client, mut events) = builder(&scene.server, Arc::clone(&store)).connect().await.unwrap();
    let Event::Message(first) = next(&mut events).await else { panic!("stored messages come first") };
    assert_eq!((first.message.as_text(), &first.id), (Some("2"), &ids));
    assert_eq!(texts(&mut events, 5).await, numbers(3..8));
    // Asking for the next event confirms the last message.
    while let Some(event) = tokio::select! {
        biased;
        event = events.next() => event,
        () = scene.server.wait_drained(&jid) => None,
    } {
        assert!(!matches!(event, Event::Message(_)), "{event:?}");
    }
    client.shutdown().await;

    let (client, mut events) = builder(&scene.server, store).connect().await.unwrap();
    scene.send(8..9).await;
    assert_eq!(texts(&mut events, 1).await, ["8"], "confirmed ones do not come again");
    client.shutdown().await;
}

#[tokio::test]
async fn dropped_events_are_kept_for_the_next_start() {
    let scene = Scene::new().await;
    let Companion { client, events, store, jid } = Companion::link(&scene.server, &scene.phone).await;
    drop(events);
    scene.send(0..5).await;
    scene.server.wait_drained(&jid).await;
    client.shutdown().await;
    let (_client, mut events) = builder(&scene.server, store).connect().await.unwrap();
    assert_eq!(texts(&mut events, 5).await, numbers(0..5));
}

#[tokio::test]
async fn confirmed_by_hand_means_by_hand() {
    let scene = Scene::new().await;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let built = builder(&scene.server, Arc::clone(&store)).confirm_by_hand();
    let mut alice = Companion::link_built(built, &scene.phone, store).await;
    scene.send(0..4).await;
    let mut messages = Vec::new();
    for _ in 0..4 {
        messages.push(alice.message().await);
    }
    alice.events.confirm(messages[1].number).await;
    alice.events.confirm(messages[3].number).await;
    let store = alice.stop().await;
    let built = builder(&scene.server, Arc::clone(&store)).confirm_by_hand();
    let (client, mut events) = built.connect().await.unwrap();
    assert_eq!(texts(&mut events, 2).await, ["0", "2"]);
    client.shutdown().await;
    let (_client, mut events) = builder(&scene.server, store).connect().await.unwrap();
    assert_eq!(texts(&mut events, 2).await, ["0", "2"]);
}

/// Acceptance: Store write failure mid-receive: no ack sent; redelivery handled once.
#[tokio::test(start_paused = true)]
async fn a_full_store_acknowledges_nothing_and_everything_arrives_once_there_is_room() {
    let scene = Scene::new().await;
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let mut alice = Companion::link_with(&scene.server, &scene.phone, Arc::clone(&store) as _).await;
    scene.send(0..2).await;
    assert_eq!(alice.texts(2).await, numbers(0..2));
    scene.server.wait_drained(&alice.jid).await;

    store.set_full(true);
    scene.send(2..5).await;
    let failed = alice.wait(|event| matches!(event, Event::StoreFailed { .. } | Event::Message(_))).await;
    assert!(matches!(failed, Event::StoreFailed { .. }), "{failed:?}");
    let down = alice.next().await;
    assert!(matches!(down, Event::Disconnected { reason: CloseReason::StoreFailed, .. }), "{down:?}");
    assert_eq!(scene.server.queued_for(&alice.jid), 3, "nothing was acknowledged");
    scene.send(5..6).await;
    store.set_full(false);
    assert_eq!(alice.texts(4).await, numbers(2..6));
    scene.send(6..7).await;
    assert_eq!(alice.texts(1).await, ["6"], "nothing came twice");
    scene.server.wait_drained(&alice.jid).await;
}

#[tokio::test(start_paused = true)]
async fn a_send_into_a_full_store_fails_and_the_next_one_is_readable() {
    let scene = Scene::new().await;
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let mut alice = Companion::link_with(&scene.server, &scene.phone, Arc::clone(&store) as _).await;
    alice.send_text(scene.bob.pn(), "before").await;
    store.set_full(true);
    let sent = alice.client.send(scene.bob.pn(), Message::text("lost")).await;
    let Err(SendError::Store(failure)) = sent else { panic!("{sent:?}") };
    assert_eq!(failure.remedy(), Remedy::MakeRoom);
    store.set_full(false);
    let told = alice.wait(|event| matches!(event, Event::StoreFailed { .. })).await;
    assert!(matches!(told, Event::StoreFailed { error } if error == failure), "the event says the same");
    alice.wait(|event| matches!(event, Event::Connected)).await;
    for number in 0..3 {
        alice.send_text(scene.bob.pn(), &number.to_string()).await;
    }
    assert_eq!(scene.bob.next_message().await.text(), Some("before"));
    for number in 0..3 {
        assert_eq!(scene.bob.next_message().await.text(), Some(number.to_string().as_str()));
    }
}

#[tokio::test(start_paused = true)]
async fn confirmations_survive_a_full_store() {
    let scene = Scene::new().await;
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let mut alice = Companion::link_with(&scene.server, &scene.phone, Arc::clone(&store) as _).await;
    scene.send(0..3).await;
    assert_eq!(alice.texts(3).await, numbers(0..3));
    scene.server.wait_drained(&alice.jid).await;
    store.set_full(true);
    scene.send(3..4).await;
    // Asks for the next event, which confirms "2", while nothing can be written.
    alice.wait(|event| matches!(event, Event::StoreFailed { .. })).await;
    store.set_full(false);
    assert_eq!(alice.texts(1).await, ["3"]);
    alice.stop().await;
    let (_client, mut events) = builder(&scene.server, store).connect().await.unwrap();
    assert_eq!(texts(&mut events, 1).await, ["3"], "and not what was confirmed before");
}

#[tokio::test]
async fn a_sqlite_store_that_is_full_loses_nothing() {
    let scene = Scene::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alice.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let alice = Companion::link_with(&scene.server, &scene.phone, Arc::new(store)).await;
    let jid = alice.jid.clone();
    drop(alice.stop().await);

    let size = std::fs::metadata(&path).unwrap().len();
    let store = SqliteStore::builder(&path).max_size_bytes(size + 40 * 4096).open().await.unwrap();
    let store: Arc<dyn Store> = Arc::new(store);
    let mut alice = Companion::start(&scene.server, store).await;
    let long = "x".repeat(20_000);
    let mut sent = 0;
    for number in 0..20 {
        scene.bob.send_text(scene.phone.pn(), &format!("{number} {long}")).await.unwrap();
        sent += 1;
    }
    alice.wait(|event| matches!(event, Event::StoreFailed { .. })).await;
    alice.stop().await;
    assert!(scene.server.queued_for(&jid) > 0);

    let store = SqliteStore::open(&path).await.expect("the store was closed with the client");
    let (client, mut events) = builder(&scene.server, Arc::new(store)).connect().await.unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&(sent - 1)) {
        if let Event::Message(message) = next(&mut events).await {
            let text = message.message.as_text().unwrap().to_owned();
            seen.push(text.split(' ').next().unwrap().parse::<u32>().unwrap());
        }
    }
    let first = seen[0];
    assert_eq!(seen, (first..sent).collect::<Vec<u32>>(), "in order, none missing, none twice");
    client.shutdown().await;
}

#[tokio::test]
async fn a_shut_down_client_gives_its_store_free() {
    let scene = Scene::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alice.db");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await.unwrap());
    let alice = Companion::link_with(&scene.server, &scene.phone, store).await;
    let kept = alice.stop().await;
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await.expect("free again"));
    let mut alice = Companion::start(&scene.server, store).await;
    scene.send(0..1).await;
    assert_eq!(alice.texts(1).await, ["0"]);
    drop(kept);
}

#[tokio::test]
async fn an_application_that_does_not_read_stops_the_intake_and_nothing_else() {
    let scene = Scene::new().await;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let built = builder(&scene.server, Arc::clone(&store)).event_capacity(8);
    let mut alice = Companion::link_built(built, &scene.phone, store).await;
    scene.send(0..1000).await;
    // Nobody reads; messages still leave.
    for number in 0..20 {
        alice.send_text(scene.bob.pn(), &number.to_string()).await;
    }
    assert!(scene.server.queued_for(&alice.jid) > 100, "the server keeps what is not taken");
    // A new connection comes up all the same.
    alice.client.disconnect().await;
    alice.client.reconnect().await.unwrap();
    assert!(alice.client.ready().await);
    alice.send_text(scene.bob.pn(), "after the reconnect").await;
    assert_eq!(alice.texts(1000).await, numbers(0..1000));
    tokio::select! {
        () = scene.server.wait_drained(&alice.jid) => {}
        () = async { while alice.events.next().await.is_some() {} } => {}
    }
}

#[tokio::test]
async fn acks_are_read_also_when_more_stanzas_wait_than_the_connection_reads_ahead() {
    let scene = Scene::new().await;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let built = builder(&scene.server, Arc::clone(&store)).event_capacity(8);
    let mut alice = Companion::link_built(built, &scene.phone, store).await;
    scene.send(0..2000).await;
    for number in 0..5 {
        alice.send_text(scene.bob.pn(), &number.to_string()).await;
    }
    // One connection carried it all: nothing ended and came again.
    let mut texts = Vec::new();
    while texts.len() < 2000 {
        match alice.next().await {
            Event::Message(message) => texts.push(message.message.as_text().unwrap().to_owned()),
            Event::Disconnected { reason, .. } => panic!("the connection ended: {reason}"),
            _ => {}
        }
    }
    assert_eq!(texts, numbers(0..2000));
}

#[tokio::test]
async fn an_unread_inbox_does_not_keep_the_next_start_from_logging_in() {
    let scene = Scene::new().await;
    let Companion { client, events, store, jid } = Companion::link(&scene.server, &scene.phone).await;
    drop(events);
    scene.send(0..40).await;
    scene.server.wait_drained(&jid).await;
    client.shutdown().await;
    let built = builder(&scene.server, store).event_capacity(4);
    let (client, mut events) = built.connect().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_secs(10), client.ready()).await.expect("it logs in"));
    client.send(scene.bob.pn(), Message::text("ready")).await.unwrap();
    assert_eq!(texts(&mut events, 40).await, numbers(0..40));
    client.shutdown().await;
}

#[tokio::test]
async fn a_store_that_fails_at_the_start_is_told_and_ends_the_client() {
    let scene = Scene::new().await;
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    store.set_full(true);
    let started = builder(&scene.server, Arc::clone(&store) as _).connect().await;
    assert!(matches!(started, Err(wa_core::StartError::Store(_))));
    store.set_full(false);
    let (client, _events) = builder(&scene.server, store).connect().await.unwrap();
    assert_ne!(client.status(), Status::Closed);
}
