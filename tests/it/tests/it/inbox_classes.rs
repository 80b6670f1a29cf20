//! Whatever kind of message it is: it is stored before it is answered, delivered until it is confirmed, and told once.

use std::sync::Arc;

use prost::Message as _;
use wa_core::message::OwnDeviceKind;
use wa_core::wire::Node;
use wa_core::{Client, Event, Events};
use wa_it::{Companion, FaultyStore, builder, next};
use wa_store::Store;
use wa_test_server::{Direction, GroupMode, Phone, SPOILED, TestServer};
use wa_types::{Jid, MessageId, Server};

const NEWSLETTER: &str = "120363000000000001";

struct Scene {
    server: TestServer,
    phone: Phone,
    bob: Phone,
    group: Jid,
    store: Arc<dyn Store>,
    jid: Jid,
    posts: u32,
}

impl Scene {
    /// Alice's companion was linked and stopped; Bob is her contact and shares a group with her.
    async fn new() -> Self {
        let server = TestServer::start().await;
        let (phone, bob) = (server.phone("alice"), server.phone("bob"));
        let alice = Companion::link(&server, &phone).await;
        let group = bob.create_group("Friends", &[phone.lid()], GroupMode::Lid);
        server.wait_drained(&alice.jid).await;
        let jid = alice.jid.clone();
        let store = alice.stop().await;
        Self { server, phone, bob, group, store, jid, posts: 0 }
    }

    async fn start(&self) -> (Client, Events) {
        let built = builder(&self.server, Arc::clone(&self.store)).confirm_by_hand();
        built.connect().await.unwrap()
    }

    /// Sends one of each class; what the application is to hear of it.
    async fn send(&mut self, class: usize) -> (String, MessageId) {
        let to = self.phone.pn();
        let text = "hello";
        let id = match class % CLASSES.len() {
            0 => self.bob.send_text(to, text).await.unwrap().id,
            1 => self.bob.send_text(&self.group, text).await.unwrap().id,
            2 => self.bob.send_status(&[to], text).await.unwrap().id,
            3 => self.post(wa_proto_text(text)),
            4 => self.phone.tell_companion(&self.jid, key_share()).unwrap(),
            5 => {
                self.bob.spoil_next(1);
                self.bob.send_text(to, text).await.unwrap().id
            }
            6 => self.phone.send_text(self.bob.pn(), text).await.unwrap().id,
            _ => self.post(SPOILED.to_vec()),
        };
        (CLASSES[class % CLASSES.len()].to_owned(), id)
    }

    /// A post of a channel, which no phone has to make.
    fn post(&mut self, plaintext: Vec<u8>) -> MessageId {
        self.posts += 1;
        let id = MessageId::new(format!("POST{}", self.posts));
        let stanza = Node::new("message")
            .attr("from", Jid::new(NEWSLETTER, Server::Newsletter))
            .attr("id", &id)
            .attr("t", 1_700_000_000_u32)
            .attr("type", "text")
            .attr("server_id", 100 + self.posts)
            .child(Node::new("plaintext").bytes(plaintext));
        assert!(self.server.deliver(&self.jid, stanza));
        id
    }
}

const CLASSES: [&str; 8] =
    ["direct", "group", "status", "channel", "own device", "undecodable", "own message", "undecodable post"];

fn wa_proto_text(text: &str) -> Vec<u8> {
    wa_proto::e2e::Message { conversation: Some(text.to_owned()), ..Default::default() }.encode_to_vec()
}

fn key_share() -> wa_proto::e2e::ProtocolMessage {
    wa_proto::e2e::ProtocolMessage {
        r#type: Some(wa_proto::e2e::protocol_message::Type::AppStateSyncKeyShare.into()),
        ..Default::default()
    }
}

/// Which class an event is of, and its message; `None` for what is not durable.
fn class_of(event: &Event) -> Option<(String, MessageId)> {
    let (class, id) = match event {
        Event::Message(message) => {
            assert_eq!(message.message.as_text(), Some("hello"));
            let class = match &message.chat {
                _ if message.from_me => "own message",
                chat if chat.is_group() => "group",
                chat if chat.is_status() => "status",
                chat if chat.is_newsletter() => "channel",
                _ => "direct",
            };
            (class, &message.id)
        }
        Event::OwnDevice(message) => {
            assert_eq!(message.message.own_device_kind(), Some(OwnDeviceKind::AppStateKeys));
            assert!(message.from_me);
            ("own device", &message.id)
        }
        Event::Undecodable(undecodable) => {
            // The padding of a channel's post is not taken off, since it has none.
            assert!(undecodable.bytes.starts_with(&SPOILED));
            let is_post = undecodable.chat.is_newsletter();
            (if is_post { "undecodable post" } else { "undecodable" }, &undecodable.id)
        }
        Event::Undecryptable(failed) => panic!("{failed:?}"),
        _ => return None,
    };
    Some((class.to_owned(), id.clone()))
}

/// The next durable events.
async fn durable(events: &mut Events, count: usize) -> Vec<(Event, (String, MessageId))> {
    let mut found = Vec::new();
    while found.len() < count {
        let event = next(events).await;
        if let Some(what) = class_of(&event) {
            found.push((event, what));
        }
    }
    found
}

/// No durable event comes before the server has nothing left for the device.
async fn nothing_more(scene: &Scene, events: &mut Events) {
    loop {
        tokio::select! {
            biased;
            event = events.next() => {
                let event = event.expect("the client lives");
                assert!(class_of(&event).is_none(), "{event:?}");
            }
            () = scene.server.wait_drained(&scene.jid) => return,
        }
    }
}

#[tokio::test]
async fn every_class_is_delivered_in_order_and_again_until_it_is_confirmed() {
    let mut scene = Scene::new().await;
    let (client, mut events) = scene.start().await;
    assert!(client.ready().await);
    let mut expected = Vec::new();
    for class in 0..CLASSES.len() {
        expected.push(scene.send(class).await);
    }
    let first: Vec<_> =
        durable(&mut events, expected.len()).await.into_iter().map(|(_, what)| what).collect();
    assert_eq!(first, expected);
    nothing_more(&scene, &mut events).await;
    client.shutdown().await;

    let (client, mut events) = scene.start().await;
    let again = durable(&mut events, expected.len()).await;
    assert_eq!(again.iter().map(|(_, what)| what.clone()).collect::<Vec<_>>(), expected);
    for (event, _) in &again {
        events.confirm(event.inbox_number().unwrap()).await;
    }
    assert!(client.ready().await);
    nothing_more(&scene, &mut events).await;
    client.shutdown().await;

    let (client, mut events) = scene.start().await;
    assert!(client.ready().await);
    nothing_more(&scene, &mut events).await;
    client.shutdown().await;
}

/// Numbers of a seed, the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).unwrap()
    }
}

#[tokio::test]
async fn exactly_what_was_not_confirmed_comes_again_in_order_whatever_the_pattern() {
    for seed in 1..=6_u64 {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut scene = Scene::new().await;
        let mut open: Vec<(String, MessageId)> = Vec::new();
        for round in 0..5 {
            // Some arrive while the client is away.
            for _ in 0..dice.roll(4) {
                open.push(scene.send(dice.roll(CLASSES.len())).await);
            }
            let (client, mut events) = scene.start().await;
            assert!(client.ready().await);
            for _ in 0..dice.roll(6) {
                open.push(scene.send(dice.roll(CLASSES.len())).await);
            }
            let heard = durable(&mut events, open.len()).await;
            let what: Vec<_> = heard.iter().map(|(_, what)| what.clone()).collect();
            assert_eq!(what, open, "seed {seed}, round {round}");
            nothing_more(&scene, &mut events).await;
            // In any order, some of them twice.
            let mut confirmed = Vec::new();
            for _ in 0..heard.len() {
                let (event, what) = &heard[dice.roll(heard.len())];
                events.confirm(event.inbox_number().unwrap()).await;
                confirmed.push(what.clone());
            }
            open.retain(|what| !confirmed.contains(what));
            client.shutdown().await;
        }
    }
}

#[tokio::test]
async fn what_comes_twice_is_answered_and_told_once_whatever_the_class() {
    let mut scene = Scene::new().await;
    let (client, mut events) = scene.start().await;
    assert!(client.ready().await);
    let mut expected = Vec::new();
    for class in 0..CLASSES.len() {
        let (what, id) = scene.send(class).await;
        let is_this = |node: &Node| {
            node.tag == "message" && node.get("id").is_some_and(|known| known.to_text() == id.as_str())
        };
        let stanza = scene.server.wait_for(&scene.jid, Direction::ToClient, is_this).await;
        let mark = scene.server.mark();
        assert!(scene.server.deliver(&scene.jid, stanza));
        let answers = |node: &Node| node.get("id").is_some_and(|known| known.to_text() == id.as_str());
        let answer = scene.server.wait_for_after(mark, &scene.jid, Direction::FromClient, answers).await;
        let kind = answer.get("type").map(|kind| kind.to_text().into_owned());
        assert_ne!(kind.as_deref(), Some("retry"), "{what}");
        expected.push((what, id));
    }
    let heard: Vec<_> =
        durable(&mut events, expected.len()).await.into_iter().map(|(_, what)| what).collect();
    assert_eq!(heard, expected);
    nothing_more(&scene, &mut events).await;
    client.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn no_class_is_answered_while_the_store_fails() {
    let mut scene = Scene::new().await;
    let store = Arc::new(FaultyStore::new(Arc::clone(&scene.store)));
    scene.store = Arc::clone(&store) as _;
    let (client, mut events) = scene.start().await;
    assert!(client.ready().await);
    store.set_full(true);
    let mut expected = Vec::new();
    for class in 0..CLASSES.len() {
        expected.push(scene.send(class).await);
    }
    loop {
        match next(&mut events).await {
            Event::StoreFailed { .. } => break,
            event => assert!(class_of(&event).is_none(), "{event:?}"),
        }
    }
    // And what the server tells besides: receipts, devices.
    assert!(scene.server.queued_for(&scene.jid) >= CLASSES.len(), "nothing was acknowledged");
    store.set_full(false);
    let heard: Vec<_> =
        durable(&mut events, expected.len()).await.into_iter().map(|(_, what)| what).collect();
    assert_eq!(heard, expected);
    client.shutdown().await;
}

#[tokio::test]
async fn an_undecodable_payload_is_refused_once_and_for_all() {
    let mut scene = Scene::new().await;
    let (client, mut events) = scene.start().await;
    assert!(client.ready().await);
    let (_, id) = scene.send(5).await;
    let is_ack =
        |node: &Node| node.tag == "ack" && node.get("id").is_some_and(|known| known.to_text() == id.as_str());
    let ack = scene.server.wait_for(&scene.jid, Direction::FromClient, is_ack).await;
    assert_eq!(ack.get("error").map(|code| code.to_text().into_owned()).as_deref(), Some("491"));
    scene.server.wait_drained(&scene.jid).await;
    match &durable(&mut events, 1).await[0].0 {
        Event::Undecodable(undecodable) => {
            assert_eq!(undecodable.bytes, SPOILED);
            assert_eq!((&undecodable.chat, undecodable.from_me), (scene.bob.lid(), false));
            assert_eq!(undecodable.sender_alt.as_ref(), Some(scene.bob.pn()));
        }
        other => panic!("{other:?}"),
    }
    client.shutdown().await;
}
