//! What the server says to a message, or does not say.

use std::sync::Arc;
use std::time::Duration;

use wa_core::error::SendRemedy;
use wa_core::{Event, Message, SendError, SendOptions, SendState};
use wa_it::{Companion, builder};
use wa_store::{MemoryStore, Store};
use wa_test_server::{Act, Config, Filter, Phone, TestServer};

struct Scene {
    server: TestServer,
    bob: Phone,
    alice: Companion,
}

impl Scene {
    async fn new() -> Self {
        let server = TestServer::with(Config { detect_key_reuse: true, ..Config::default() }).await;
        let (phone, bob) = (server.phone("alice"), server.phone("bob"));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let built = builder(&server, Arc::clone(&store)).ack_limit(Duration::from_secs(8));
        let alice = Companion::link_built(built, &phone, store).await;
        let scene = Self { server, bob, alice };
        scene.alice.send_text(scene.bob.pn(), "before").await;
        assert_eq!(scene.texts(1).await, ["before"]);
        scene
    }

    async fn send(&self, text: &str) -> Result<wa_core::Sent, SendError> {
        self.alice.client.send(self.bob.pn(), Message::text(text)).await
    }

    async fn texts(&self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(self.bob.next_message().await.text().unwrap().to_owned());
        }
        texts
    }

    /// Nothing more came than was looked at, and no key was used twice.
    async fn ends(&self) {
        self.send("end").await.unwrap();
        assert_eq!(self.texts(1).await, ["end"]);
        assert!(self.server.seen_keys() > 0);
        assert_eq!(self.server.reused_keys(), []);
    }
}

#[tokio::test]
async fn each_refusal_has_its_meaning_and_the_next_messages_go_on() {
    use SendRemedy::{GiveUp, SendAgain, SendAgainWithSameId};
    let mut scene = Scene::new().await;
    let refused = |code| SendError::Refused { code };
    let cases = [
        (400, refused(400), GiveUp),
        (404, refused(404), GiveUp),
        (405, refused(405), GiveUp),
        (421, SendError::StaleAddressing, SendAgainWithSameId),
        (463, SendError::PrivacyTokenMissing, GiveUp),
        (473, refused(473), GiveUp),
        (475, SendError::NewChatsCapped, SendAgain),
        (479, SendError::SchemaRefused, GiveUp),
        (487, refused(487), GiveUp),
        (551, refused(551), GiveUp),
    ];
    for (code, expected, remedy) in cases {
        scene.server.faults_of(&scene.alice.jid).nack_next(code);
        let id = scene.alice.client.new_message_id();
        let options = || SendOptions::new().id(id.clone());
        let (failed, next) = tokio::join!(
            scene.alice.client.send_with(scene.bob.pn(), Message::text("refused"), options()),
            scene.send("next")
        );
        assert_eq!((failed, expected.remedy()), (Err(expected.clone()), remedy), "{code}");
        next.unwrap();
        assert_eq!(scene.texts(1).await, ["next"], "{code}");
        let state = scene.alice.client.sent_state(&id).await.unwrap();
        assert_eq!(state, Some(SendState::Failed(expected.clone())), "{code}");
        let told = |event: &Event| matches!(event, Event::Send(update) if update.id == id && update.state == SendState::Failed(expected.clone()));
        scene.alice.wait(told).await;
        // A second send of the id: the same failure, or another try.
        let again = scene.alice.client.send_with(scene.bob.pn(), Message::text("again"), options()).await;
        if remedy == GiveUp {
            assert_eq!(again, Err(expected), "{code}");
        } else {
            assert_eq!(again.unwrap().id, id);
            assert_eq!(scene.texts(1).await, ["again"], "{code}");
        }
    }
    scene.ends().await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_for_now_is_followed_by_one_more_try() {
    let scene = Scene::new().await;
    let faults = scene.server.faults_of(&scene.alice.jid);
    for code in [408, 429, 500, 503] {
        faults.nack_next(code);
        scene.send("taken").await.unwrap();
        assert_eq!(scene.texts(1).await, ["taken"], "{code}");
        faults.nack_next(code);
        faults.nack_next(code);
        let failed = scene.send("refused").await;
        assert_eq!(failed, Err(SendError::Refused { code }));
        assert_eq!(SendError::Refused { code }.remedy(), SendRemedy::SendAgainWithSameId);
    }
    scene.ends().await;
}

#[tokio::test(start_paused = true)]
async fn those_behind_a_refused_message_wait_for_its_second_try() {
    let scene = Scene::new().await;
    scene.server.faults_of(&scene.alice.jid).nack_next(503);
    let client = &scene.alice.client;
    let first = client.enqueue(scene.bob.pn(), Message::text("0"), SendOptions::new()).await.unwrap();
    // The paused clock advances once nobody has anything left to do: the refusal was read, the second try is to come.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(client.sent_state(&first).await.unwrap(), Some(SendState::Written));
    for number in 1..4 {
        scene.send(&number.to_string()).await.unwrap();
    }
    assert_eq!(scene.texts(4).await, ["0", "1", "2", "3"]);
    scene.ends().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_try_that_falls_into_a_time_without_connection_waits_for_its_end() {
    let scene = Scene::new().await;
    scene.server.faults_of(&scene.alice.jid).nack_next(503);
    let client = &scene.alice.client;
    let send = scene.send("refused for now");
    let (sent, ()) = tokio::join!(send, async {
        // A clock that is paused stands still for a client that does not rest.
        tokio::time::sleep(Duration::from_secs(1)).await;
        client.disconnect().await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        client.reconnect().await.unwrap();
    });
    sent.unwrap();
    assert_eq!(scene.texts(1).await, ["refused for now"]);
    scene.ends().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_ack_is_lost_is_sent_once_more_and_arrives_once() {
    let scene = Scene::new().await;
    // Bob's receipt would tell that it arrived.
    scene.bob.go_offline();
    scene.server.faults_of(&scene.alice.jid).drop_ack(1);
    let sent = scene.send("lost once").await.unwrap();
    scene.bob.online();
    assert_eq!(scene.texts(1).await, ["lost once"]);
    assert_eq!(scene.server.metrics().deduped, 1);
    assert!(!matches!(
        scene.alice.client.sent_state(&sent.id).await.unwrap(),
        Some(SendState::Failed(_)) | None
    ));
    scene.ends().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_without_an_ack_fails_in_the_end_and_may_be_sent_again() {
    let scene = Scene::new().await;
    // Bob's receipt would tell that it arrived.
    scene.bob.go_offline();
    scene.server.faults_of(&scene.alice.jid).drop_ack(2);
    let id = scene.alice.client.new_message_id();
    let options = || SendOptions::new().id(id.clone());
    let client = &scene.alice.client;
    let failed = client.send_with(scene.bob.pn(), Message::text("lost?"), options()).await;
    assert_eq!(failed, Err(SendError::Timeout));
    assert_eq!(SendError::Timeout.remedy(), SendRemedy::SendAgainWithSameId);
    let sent = client.send_with(scene.bob.pn(), Message::text("lost?"), options()).await.unwrap();
    assert_eq!(sent.id, id);
    scene.bob.online();
    assert_eq!(scene.texts(1).await, ["lost?"]);
    scene.ends().await;
}

#[tokio::test(start_paused = true)]
async fn a_receipt_says_what_a_lost_ack_did_not() {
    let scene = Scene::new().await;
    scene.server.faults_of(&scene.alice.jid).drop_ack(1);
    let (sent, arrived) = tokio::join!(scene.send("arrived"), scene.texts(1));
    assert_eq!(arrived, ["arrived"]);
    sent.unwrap();
    assert_eq!(scene.server.metrics().deduped, 0, "nothing was sent again");
    scene.ends().await;
}

#[tokio::test]
async fn a_connection_lost_before_the_ack_delays_the_message_and_no_more() {
    let scene = Scene::new().await;
    // The message arrives, and its ack is lost with the connection.
    let filter = Filter::from_client().tag("message");
    scene.server.faults_of(&scene.alice.jid).script(filter, Act::CutAfter, 1);
    let mut sends = tokio::task::JoinSet::new();
    for number in 0..5 {
        let (client, chat) = (scene.alice.client.clone(), scene.bob.pn().clone());
        sends.spawn(async move { client.send(&chat, Message::text(number.to_string())).await });
    }
    for sent in sends.join_all().await {
        sent.unwrap();
    }
    assert_eq!(scene.texts(5).await, ["0", "1", "2", "3", "4"]);
    scene.ends().await;
}

#[tokio::test]
async fn a_server_that_counts_other_devices_makes_us_ask_for_them() {
    let scene = Scene::new().await;
    // Alice does not hear of Bob's new companion.
    let filter = Filter::to_client().tag("notification");
    scene.server.faults_of(&scene.alice.jid).script(filter, Act::Drop, 4);
    let mut companion = Companion::link(&scene.server, &scene.bob).await;
    scene.send("to the phone").await.unwrap();
    scene.send("to both").await.unwrap();
    assert_eq!(scene.texts(2).await, ["to the phone", "to both"]);
    // The copy that it did not get is asked for, or not at all: the first one that it reads is this.
    assert_eq!(companion.texts(1).await, ["to both"]);
}
