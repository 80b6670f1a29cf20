//! `IdentityPolicy::Hold`: what waits for somebody's being trusted, for how long, and what becomes of it then.

use std::sync::Arc;
use std::time::Duration;

use wa_core::event::{Cancellation, SendState, SendUpdate};
use wa_core::{Client, Event, IdentityPolicy, Message, SendError, SendOptions};
use wa_it::{Companion, builder};
use wa_store::{MemoryStore, Store};
use wa_test_server::{Act, Filter, Phone, TestServer};
use wa_types::{Jid, MessageId};

/// Alice's companion, which holds; Bob, to whom it wrote; Carol.
struct Scene {
    server: TestServer,
    phone: Phone,
    bob: Phone,
    carol: Phone,
    alice: Companion,
}

impl Scene {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let [phone, bob, carol] = ["alice", "bob", "carol"].map(|name| server.phone(name));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let built = builder(&server, Arc::clone(&store)).identity_policy(IdentityPolicy::Hold);
        let alice = Companion::link_built(built, &phone, store).await;
        alice.send_text(bob.pn(), "before").await;
        assert_eq!(bob.next_message().await.text(), Some("before"));
        Self { server, phone, bob, carol, alice }
    }

    /// Bob has a new phone, and Alice knows it.
    async fn reinstall(&mut self) {
        self.bob.reinstall();
        self.alice.wait(|event| matches!(event, Event::IdentityChanged { .. })).await;
    }

    async fn enqueue(&self, chat: &Jid, text: &str) -> MessageId {
        self.alice.client.enqueue(chat, Message::text(text), SendOptions::new()).await.unwrap()
    }

    /// The next message of which it is told that it is held, and that it is for Bob's sake.
    async fn held(&mut self) -> MessageId {
        held(&mut self.alice, &self.bob).await
    }

    async fn restart(self) -> Self {
        let Self { server, phone, bob, carol, alice } = self;
        let jid = alice.jid.clone();
        let store = alice.stop().await;
        let built = builder(&server, Arc::clone(&store)).identity_policy(IdentityPolicy::Hold);
        let (client, events) = built.connect().await.unwrap();
        assert!(client.ready().await);
        let alice = Companion { client, events, store, jid };
        Self { server, phone, bob, carol, alice }
    }
}

async fn held(alice: &mut Companion, by: &Phone) -> MessageId {
    let is_held = |event: &Event| matches!(event, Event::Send(update) if matches!(**update, SendUpdate { state: SendState::Held { .. }, .. }));
    match alice.wait(is_held).await {
        Event::Send(update) => {
            assert_is_held(&update.state, by);
            update.id
        }
        other => unreachable!("{other:?}"),
    }
}

fn assert_is_held(state: &SendState, by: &Phone) {
    match state {
        SendState::Held { users } => assert!(
            matches!(&users[..], [user] if user.is_same_user(by.lid()) || user.is_same_user(by.pn())),
            "{users:?}"
        ),
        other => panic!("{other:?}"),
    }
}

async fn state(client: &Client, id: &MessageId) -> SendState {
    client.sent_state(id).await.unwrap().unwrap()
}

#[tokio::test]
async fn messages_wait_for_trust_also_after_a_restart_and_leave_in_order() {
    let mut scene = Scene::new().await;
    scene.reinstall().await;
    let first = scene.enqueue(&scene.bob.pn().clone(), "first").await;
    assert_eq!(scene.held().await, first);
    let second = scene.enqueue(&scene.bob.lid().clone(), "second").await;
    assert_eq!(scene.held().await, second);
    assert_is_held(&state(&scene.alice.client, &first).await, &scene.bob);
    // Others are not concerned, and he is heard.
    scene.alice.send_text(scene.carol.pn(), "to carol").await;
    assert_eq!(scene.carol.next_message().await.text(), Some("to carol"));
    scene.bob.send_text(scene.phone.pn(), "hello?").await.unwrap();
    assert_eq!(scene.alice.texts(1).await, ["hello?"]);

    let mut scene = scene.restart().await;
    assert_eq!([scene.held().await, scene.held().await], [first, second]);
    scene.alice.client.trust_identity(scene.bob.pn()).await.unwrap();
    scene.alice.send_text(scene.bob.pn(), "third").await;
    for text in ["first", "second", "third"] {
        assert_eq!(scene.bob.next_message().await.text(), Some(text));
    }
    let both = [scene.bob.pn().clone(), scene.bob.lid().clone()];
    assert_eq!(scene.alice.store.held(&both).await.unwrap(), [false; 2]);
}

#[tokio::test(start_paused = true)]
async fn a_held_message_may_be_cancelled_and_has_its_deadline() {
    let mut scene = Scene::new().await;
    scene.reinstall().await;
    let cancelled = scene.enqueue(&scene.bob.pn().clone(), "cancelled").await;
    assert_eq!(scene.held().await, cancelled);
    assert_eq!(scene.alice.client.cancel_send(&cancelled).await.unwrap(), Cancellation::Cancelled);
    let within = SendOptions::new().deadline(Duration::from_secs(20));
    let late = scene.alice.client.send_with(scene.bob.pn(), Message::text("late"), within).await;
    assert_eq!(late, Err(SendError::Expired));
    scene.alice.client.trust_identity(scene.bob.lid()).await.unwrap();
    scene.alice.send_text(scene.bob.pn(), "in time").await;
    assert_eq!(scene.bob.next_message().await.text(), Some("in time"));
}

#[tokio::test]
async fn a_group_waits_for_each_held_member_and_nobody_misses_a_message() {
    let mut scene = Scene::new().await;
    let members = [scene.bob.pn().clone(), scene.carol.pn().clone()];
    let group = scene.alice.client.groups().create("Crew", &members).await.unwrap().group.jid.clone();
    scene.alice.send_text(&group, "our key").await;
    for phone in [&scene.bob, &scene.carol] {
        assert_eq!(phone.next_message().await.text(), Some("our key"));
    }
    scene.reinstall().await;
    let id = scene.enqueue(&group, "for all").await;
    assert_eq!(scene.held().await, id);
    assert_is_held(&state(&scene.alice.client, &id).await, &scene.bob);
    // A second one, known with the keys of her new phone.
    scene.alice.send_text(scene.carol.pn(), "to carol").await;
    assert_eq!(scene.carol.next_message().await.text(), Some("to carol"), "nothing of the group before");
    scene.carol.reinstall();
    scene.alice.wait(|event| matches!(event, Event::IdentityChanged { .. })).await;
    scene.alice.client.trust_identity(scene.bob.pn()).await.unwrap();
    assert_eq!(held(&mut scene.alice, &scene.carol).await, id);

    let mut scene = scene.restart().await;
    assert_eq!(held(&mut scene.alice, &scene.carol).await, id);
    scene.alice.client.trust_identity(scene.carol.lid()).await.unwrap();
    for phone in [&scene.bob, &scene.carol] {
        let message = phone.next_message().await;
        assert_eq!((&message.id, message.text(), &message.chat), (&id, Some("for all"), &group));
    }
}

#[tokio::test]
async fn what_a_new_phone_asks_for_again_is_not_given_before_it_is_trusted() {
    let mut scene = Scene::new().await;
    // Nobody tells of the new phone: its keys come with its request.
    let faults = scene.server.faults_of(&scene.alice.jid);
    faults.script(Filter::deliveries().tag("notification").kind("encrypt"), Act::Drop, 1);
    scene.bob.go_offline();
    let old = scene.alice.send_text(scene.bob.pn(), "to the old phone").await;
    scene.bob.reinstall();
    scene.bob.online();
    scene.alice.wait(|event| matches!(event, Event::IdentityChanged { .. })).await;
    let new = scene.enqueue(&scene.bob.pn().clone(), "to the new phone").await;
    assert_eq!(scene.held().await, new);
    scene.alice.send_text(scene.carol.pn(), "meanwhile").await;
    assert_eq!(scene.carol.next_message().await.text(), Some("meanwhile"));
    assert!(scene.bob.try_next_message().is_none(), "nothing reached him");
    scene.alice.client.trust_identity(scene.bob.pn()).await.unwrap();
    let mut got = [scene.bob.next_message().await.id, scene.bob.next_message().await.id];
    let mut sent = [old.id, new];
    got.sort();
    sent.sort();
    assert_eq!(got, sent);
}
