//! Every commit on the way of a message fails once, one after the other: nothing is lost, nothing doubled, no key used
//! twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use wa_core::{Client, Event, Message, MessageId, SendError, SendOptions, SendState};
use wa_it::{CommitHook, Companion, FaultyStore, builder};
use wa_store::{Changes, MemoryStore, Store, StoreError};
use wa_test_server::{Config, Phone, TestServer};

/// Fails the commit of this number once, counted from when it is armed.
#[derive(Debug, Default)]
struct FailOne {
    number: usize,
    seen: AtomicUsize,
    is_armed: AtomicBool,
    has_failed: AtomicBool,
}

impl CommitHook for FailOne {
    fn before(&self, _changes: &Changes) -> Result<(), StoreError> {
        if !self.is_armed.load(Ordering::SeqCst) || self.seen.fetch_add(1, Ordering::SeqCst) != self.number {
            return Ok(());
        }
        self.has_failed.store(true, Ordering::SeqCst);
        Err(StoreError::Full { source: None })
    }
}

struct Scene {
    server: TestServer,
    bob: Phone,
    alice: Companion,
    hook: Arc<FailOne>,
}

impl Scene {
    async fn new(number: usize) -> Self {
        let server = TestServer::with(Config { detect_key_reuse: true, ..Config::default() }).await;
        let (phone, bob) = (server.phone("alice"), server.phone("bob"));
        let hook = Arc::new(FailOne { number, ..FailOne::default() });
        let store = FaultyStore::with_hook(Arc::new(MemoryStore::new()), Arc::clone(&hook) as _);
        let store: Arc<dyn Store> = Arc::new(store);
        let alice = Companion::link_with(&server, &phone, store).await;
        Self { server, bob, alice, hook }
    }

    fn arm(&self) {
        self.hook.is_armed.store(true, Ordering::SeqCst);
    }

    /// What was sent arrived, each once; after a restart too. Tells whether a commit failed at all.
    async fn ends_with(self, count: usize) -> bool {
        let Self { server, bob, alice, hook } = self;
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(bob.next_message().await.text().unwrap().to_owned());
        }
        texts.sort();
        assert_eq!(texts, (0..count).map(|number| number.to_string()).collect::<Vec<_>>());
        let failed = hook.has_failed.load(Ordering::SeqCst);
        hook.is_armed.store(false, Ordering::SeqCst);
        let alice = Companion::start(&server, alice.stop().await).await;
        alice.send_text(bob.pn(), "end").await;
        assert_eq!(bob.next_message().await.text(), Some("end"));
        assert!(server.seen_keys() > 0);
        assert_eq!(server.reused_keys(), []);
        failed
    }
}

/// Sends until the store has it, always under the same id.
async fn send(client: &Client, bob: &Phone, id: &MessageId, text: &str) {
    loop {
        let options = SendOptions::new().id(id.clone());
        match client.send_with(bob.pn(), Message::text(text), options).await {
            Ok(_) => return,
            Err(SendError::Store(_)) => assert!(client.ready().await),
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_fails_while_connected_loses_and_doubles_nothing() {
    for number in 0.. {
        let scene = Scene::new(number).await;
        scene.arm();
        let (client, bob) = (&scene.alice.client, &scene.bob);
        let ids: Vec<MessageId> = (0..4).map(|_| client.new_message_id()).collect();
        // The first asks for devices and keys; the next two leave beside each other, and the last on its own.
        send(client, bob, &ids[0], "0").await;
        tokio::join!(send(client, bob, &ids[1], "1"), send(client, bob, &ids[2], "2"));
        send(client, bob, &ids[3], "3").await;
        for id in &ids {
            let state = client.sent_state(id).await.unwrap().expect("it is stored");
            assert!(matches!(state, SendState::Acked { .. } | SendState::Delivered), "{number}: {state:?}");
        }
        if !scene.ends_with(4).await {
            assert!(number > 4, "only {number} commits");
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_fails_around_a_reconnect_loses_and_doubles_nothing() {
    for number in 0.. {
        let scene = Scene::new(number).await;
        let (client, bob) = (&scene.alice.client, &scene.bob);
        client.send(bob.pn(), Message::text("0")).await.unwrap();
        // One whose ack is lost with its connection, and two that wait.
        scene.bob.go_offline();
        scene.server.faults_of(&scene.alice.jid).drop_ack(1);
        client.enqueue(bob.pn(), Message::text("1"), SendOptions::new()).await.unwrap();
        client.disconnect().await;
        scene.arm();
        for text in ["2", "3"] {
            let id = client.new_message_id();
            let options = || SendOptions::new().id(id.clone());
            while let Err(error) = client.enqueue(bob.pn(), Message::text(text), options()).await {
                assert!(matches!(error, SendError::Store(_)), "{error:?}");
            }
        }
        client.reconnect().await.unwrap();
        scene.bob.online();
        if !scene.ends_with(4).await {
            assert!(number > 3, "only {number} commits");
            return;
        }
    }
}

#[tokio::test]
async fn an_application_that_takes_no_events_costs_no_more_than_the_latest_news() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let built = builder(&server, Arc::clone(&store)).event_capacity(8);
    let mut alice = Companion::link_built(built, &phone, store).await;
    for number in 0..2500 {
        alice.send_text(bob.pn(), &number.to_string()).await;
    }
    let last = alice.send_text(bob.pn(), "last").await;
    let mut updates = 0;
    loop {
        match alice.next().await {
            Event::Send(update)
                if update.id == last.id && matches!(update.state, SendState::Acked { .. }) =>
            {
                break;
            }
            Event::Send(_) => updates += 1,
            _ => {}
        }
    }
    assert!(updates < 4200, "{updates} of 5,001");
    assert!(updates > 1000, "{updates} of 5,001");
}
