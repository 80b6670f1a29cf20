//! Messages that cannot be read: asked for again, recovered or given up, and told about exactly once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use wa_core::event::RecoveredBy;
use wa_core::wire::Node;
use wa_core::{ClientBuilder, Event, LostReason, MessageLost, RepairTimes};
use wa_it::{Companion, builder};
use wa_proto::e2e;
use wa_store::{MemoryStore, SqliteStore, Store};
use wa_test_server::{Act, Direction, Filter, Phone, Resends, TestServer};
use wa_types::{Jid, MessageId};

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

    /// A companion of Alice with a running session with Bob.
    async fn linked(&self) -> Companion {
        self.linked_with(times(), Arc::new(MemoryStore::new())).await
    }

    async fn linked_with(&self, times: RepairTimes, store: Arc<dyn Store>) -> Companion {
        let built = self.builder(times, &store);
        let mut alice = Companion::link_built(built, &self.phone, store).await;
        self.bob.send_text(self.phone.pn(), "hello").await.unwrap();
        assert_eq!(alice.texts(1).await, ["hello"]);
        alice
    }

    fn builder(&self, times: RepairTimes, store: &Arc<dyn Store>) -> ClientBuilder {
        builder(&self.server, Arc::clone(store)).repair_times(times)
    }

    /// Bob's next messages to this device cannot be read.
    fn garble(&self, alice: &Companion, count: u32) {
        self.server.faults_of(&alice.jid).script(Filter::deliveries().tag("message"), Act::Garble, count);
    }

    /// A message of Bob's that is noise, as the given resend.
    fn noise(&self, id: &str, resend: u32) -> Node {
        self.noise_of(id, resend, 0x33)
    }

    fn noise_of(&self, id: &str, resend: u32, filler: u8) -> Node {
        let enc = Node::new("enc").attr("v", "2").attr("type", "msg").bytes(vec![filler; 90]);
        let enc = enc.attr_opt("count", (resend > 0).then_some(resend));
        self.empty(id).child(enc)
    }

    fn empty(&self, id: &str) -> Node {
        Node::new("message").attr("from", self.bob.lid()).attr("id", id).attr("t", now()).attr("type", "text")
    }

    /// The requests to senders that a device made: by message, their counts and whether they had keys.
    fn requests(&self, alice: &Jid) -> Vec<(String, u32, bool)> {
        let nodes = self.server.nodes_of(alice).into_iter();
        let requests =
            nodes.filter(|(direction, node)| *direction == Direction::FromClient && is_retry(node));
        requests
            .map(|(_, node)| {
                let retry = node.nodes().iter().find(|child| child.tag == "retry").unwrap();
                let count = retry.get("count").unwrap().to_text().parse().unwrap();
                let id = node.get("id").unwrap().to_text().into_owned();
                (id, count, node.nodes().iter().any(|child| child.tag == "keys"))
            })
            .collect()
    }
}

/// The paused clock of these tests makes short work of days; waiting for an event has its limit, though.
fn times() -> RepairTimes {
    let mut times = RepairTimes::default();
    times.phone_limit = Duration::from_secs(8);
    times.deadline = Duration::from_secs(20);
    times
}

#[expect(clippy::disallowed_methods, reason = "the server's clock is not paused")]
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs()
}

fn is_retry(node: &Node) -> bool {
    node.tag == "receipt" && node.get("type").is_some_and(|value| value.to_text() == "retry")
}

fn is_retry_ack(node: &Node) -> bool {
    node.tag == "ack" && node.get("type").is_some_and(|value| value.to_text() == "retry")
}

/// Our requests to senders.
fn requests() -> Filter {
    Filter::from_client().tag("receipt").kind("retry")
}

fn is_to_phone(node: &Node) -> bool {
    node.tag == "message" && node.get("category").is_some_and(|value| value.to_text() == "peer")
}

const fn is_about_messages(event: &Event) -> bool {
    matches!(
        event,
        Event::Undecryptable(_) | Event::Message(_) | Event::MessageLost(_) | Event::Undecodable(_)
    )
}

async fn started(alice: &mut Companion, id: &str) {
    match alice.wait(is_about_messages).await {
        Event::Undecryptable(started) => assert_eq!(started.id.as_str(), id),
        other => panic!("{other:?}"),
    }
}

async fn lost(alice: &mut Companion) -> MessageLost {
    match alice.wait(is_about_messages).await {
        Event::MessageLost(lost) => *lost,
        other => panic!("{other:?}"),
    }
}

/// The next event about messages is this text.
async fn only(alice: &mut Companion, text: &str) {
    match alice.wait(is_about_messages).await {
        Event::Message(message) => assert_eq!(message.message.as_text(), Some(text)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_is_recovered_by_its_sender() {
    let scene = Scene::new().await;
    let mut alice = scene.linked().await;
    scene.garble(&alice, 3);
    let sent = scene.bob.send_text(scene.phone.pn(), "garbled three times").await.unwrap();
    started(&mut alice, sent.id.as_str()).await;
    match alice.wait(is_about_messages).await {
        Event::Message(message) => {
            assert_eq!((&message.id, message.recovered), (&sent.id, Some(RecoveredBy::Sender)));
            assert_eq!(message.message.as_text(), Some("garbled three times"));
        }
        other => panic!("{other:?}"),
    }
    let id = sent.id.to_string();
    let expected = [(id.clone(), 1, false), (id.clone(), 2, true), (id, 3, true)];
    assert_eq!(scene.requests(&alice.jid), expected);
    assert_eq!(alice.store.repairs(9).await.unwrap(), []);
    scene.server.wait_drained(&alice.jid).await;
    scene.bob.send_text(scene.phone.pn(), "after").await.unwrap();
    only(&mut alice, "after").await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_sender_is_silent_is_recovered_by_our_phone() {
    let scene = Scene::new().await;
    let mut alice = scene.linked().await;
    scene.bob.ignore_retries(true);
    scene.garble(&alice, 1);
    let sent = scene.bob.send_text(scene.phone.pn(), "on the phone").await.unwrap();
    started(&mut alice, sent.id.as_str()).await;
    match alice.wait(is_about_messages).await {
        Event::Message(message) => {
            assert_eq!((&message.id, message.recovered), (&sent.id, Some(RecoveredBy::Phone)));
            assert_eq!((&message.chat, &message.sender), (scene.bob.lid(), scene.bob.lid()));
            assert_eq!(message.message.as_text(), Some("on the phone"));
            assert!(!message.from_me);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(alice.store.repairs(9).await.unwrap(), []);
    scene.server.wait_drained(&alice.jid).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_both_recover_is_told_once() {
    let scene = Scene::new().await;
    let mut at_once = times();
    at_once.phone_after = Duration::ZERO;
    let mut alice = scene.linked_with(at_once, Arc::new(MemoryStore::new())).await;
    for text in ["by the phone", "by both"] {
        // The first makes a session with the phone; with it both are asked at once.
        scene.bob.ignore_retries(text == "by the phone");
        scene.garble(&alice, 1);
        let mark = scene.server.mark();
        let sent = scene.bob.send_text(scene.phone.pn(), text).await.unwrap();
        started(&mut alice, sent.id.as_str()).await;
        only(&mut alice, text).await;
        scene.server.wait_for_after(mark, &alice.jid, Direction::FromClient, is_to_phone).await;
    }
    scene.server.wait_drained(&alice.jid).await;
    scene.bob.send_text(scene.phone.pn(), "after").await.unwrap();
    only(&mut alice, "after").await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_nobody_can_give_us_is_lost_once_whatever_its_sender_counts() {
    let scene = Scene::new().await;
    scene.phone.set_resends(Resends::Missing);
    let mut alice = scene.linked().await;
    // Copies that all claim to be the first: our own count is what counts. Those that come at once count once.
    for number in 0..5 {
        let mark = scene.server.mark();
        let copy = scene.noise_of("NOISE", 0, 0x33 + number);
        scene.server.deliver(&alice.jid, copy.clone());
        if number == 0 {
            scene.server.deliver(&alice.jid, copy);
            started(&mut alice, "NOISE").await;
        }
        let is_answer = |node: &Node| is_retry(node) || node.tag == "ack";
        scene.server.wait_for_after(mark, &alice.jid, Direction::FromClient, is_answer).await;
        scene.server.wait_drained(&alice.jid).await;
    }
    let lost = lost(&mut alice).await;
    assert_eq!((lost.id.as_str(), lost.why), ("NOISE", LostReason::Unreadable));
    assert_eq!((&lost.chat, &lost.sender, lost.from_me), (scene.bob.lid(), scene.bob.lid(), false));
    let counts: Vec<u32> = scene.requests(&alice.jid).iter().map(|(_, count, _)| *count).collect();
    assert_eq!(counts, [1, 2, 3, 4]);
    assert_eq!(alice.store.repairs(9).await.unwrap(), []);
    // It is not asked for again, and not told again.
    scene.server.deliver(&alice.jid, scene.noise("NOISE", 1));
    scene.server.wait_drained(&alice.jid).await;
    scene.bob.send_text(scene.phone.pn(), "after").await.unwrap();
    only(&mut alice, "after").await;
    assert_eq!(scene.requests(&alice.jid).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_hostile_count_makes_us_ask_nothing_and_costs_no_key() {
    let scene = Scene::new().await;
    scene.phone.set_resends(Resends::Missing);
    let mut alice = scene.linked().await;
    let keys = alice.store.pre_key_count().await.unwrap();
    for (id, count) in [("FIVE", 5), ("MANY", 4_000_000_000)] {
        scene.server.deliver(&alice.jid, scene.noise(id, count));
        started(&mut alice, id).await;
        assert_eq!(lost(&mut alice).await.why, LostReason::Unreadable);
    }
    assert_eq!(scene.requests(&alice.jid), []);
    assert_eq!(alice.store.pre_key_count().await.unwrap(), keys);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_noise_is_bounded_work_and_each_message_has_its_last_word() {
    const FLOOD: usize = 300;
    let scene = Scene::new().await;
    scene.phone.set_resends(Resends::Missing);
    let mut slow = times();
    slow.deadline = Duration::from_secs(600);
    let mut alice = scene.linked_with(slow, Arc::new(MemoryStore::new())).await;
    let keys = alice.store.pre_key_count().await.unwrap();
    // Each claims to be the first resend, so that each request would carry keys.
    for number in 0..FLOOD {
        scene.server.deliver(&alice.jid, scene.noise(&format!("NOISE{number}"), 1));
    }
    for number in 0..FLOOD {
        started(&mut alice, &format!("NOISE{number}")).await;
    }
    scene.server.wait_drained(&alice.jid).await;
    assert!(scene.requests(&alice.jid).len() <= 32, "{}", scene.requests(&alice.jid).len());
    // A message of another sort is read as ever, and the rest of the requests goes out at its pace.
    scene.bob.send_text(scene.phone.pn(), "meanwhile").await.unwrap();
    only(&mut alice, "meanwhile").await;
    let mut words: HashMap<MessageId, usize> = HashMap::new();
    while words.len() < FLOOD {
        let event = wa_it::next_within(&mut alice.events, Duration::from_secs(1000)).await;
        if let Event::MessageLost(lost) = event {
            assert_eq!(lost.why, LostReason::NotAnswered);
            *words.entry(lost.id).or_default() += 1;
        }
    }
    assert!(words.values().all(|count| *count == 1));
    let given = alice.store.pre_key_count().await.unwrap() - keys;
    assert!(given <= 10, "{given} pre-keys were given away");
    assert_eq!(alice.store.repairs(9).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_repair_goes_on_after_a_restart_and_counts_on() {
    let scene = Scene::new().await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alice");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await.unwrap());
    let mut alice = scene.linked_with(times(), store).await;
    scene.bob.ignore_retries(true);
    scene.garble(&alice, 1);
    let sent = scene.bob.send_text(scene.phone.pn(), "across a restart").await.unwrap();
    started(&mut alice, sent.id.as_str()).await;
    scene.server.wait_for(&alice.jid, Direction::FromClient, is_retry).await;
    scene.server.deliver(&alice.jid, scene.noise("NOISE", 0));
    started(&mut alice, "NOISE").await;
    scene.server.wait_drained(&alice.jid).await;
    drop(alice.stop().await);

    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await.unwrap());
    let jid = store.account().await.unwrap().unwrap().jid.unwrap();
    let (client, events) = scene.builder(times(), &store).connect().await.unwrap();
    let mut alice = Companion { client, events, store, jid };
    // Counted on: this is the second failure of that message.
    scene.server.deliver(&alice.jid, scene.noise("NOISE", 1));
    match alice.wait(is_about_messages).await {
        Event::Message(message) => {
            assert_eq!((message.id, message.recovered), (sent.id, Some(RecoveredBy::Phone)));
        }
        other => panic!("{other:?}"),
    }
    let of_noise = |(id, count, keys): (String, u32, bool)| (id == "NOISE").then_some((count, keys));
    let requests: Vec<_> = scene.requests(&alice.jid).into_iter().filter_map(of_noise).collect();
    assert_eq!(requests, [(1, false), (2, true)]);
    assert_eq!(lost(&mut alice).await.why, LostReason::NotAnswered);
    drop(alice.stop().await);

    // The last word was not confirmed (nothing was asked for after it): it comes again, and it only.
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await.unwrap());
    let (client, events) = scene.builder(times(), &store).connect().await.unwrap();
    let jid = store.account().await.unwrap().unwrap().jid.unwrap();
    let mut alice = Companion { client, events, store, jid };
    assert_eq!(lost(&mut alice).await.id.as_str(), "NOISE");
    scene.bob.send_text(scene.phone.pn(), "after").await.unwrap();
    only(&mut alice, "after").await;
}

#[tokio::test(start_paused = true)]
async fn nobody_answers_and_the_message_is_given_up_in_time() {
    let scene = Scene::new().await;
    scene.phone.set_resends(Resends::Silent);
    let mut alice = scene.linked().await;
    scene.server.deliver(&alice.jid, scene.noise("NOISE", 0));
    started(&mut alice, "NOISE").await;
    assert_eq!(lost(&mut alice).await.why, LostReason::NotAnswered);
}

#[tokio::test(start_paused = true)]
async fn the_phone_is_asked_for_all_at_once_and_only_once() {
    let scene = Scene::new().await;
    scene.phone.set_resends(Resends::Silent);
    let mut alice = scene.linked().await;
    for number in 0..40 {
        scene.server.deliver(&alice.jid, scene.noise(&format!("NOISE{number}"), 9));
    }
    for _ in 0..40 {
        lost_or_started(&mut alice).await;
    }
    for _ in 0..40 {
        assert_eq!(lost(&mut alice).await.why, LostReason::Unreadable);
    }
    let nodes = scene.server.nodes_of(&alice.jid);
    let asked =
        nodes.iter().filter(|(direction, node)| *direction == Direction::FromClient && is_to_phone(node));
    assert_eq!(asked.count(), 2, "32 in the first request, 8 in the second");
}

async fn lost_or_started(alice: &mut Companion) {
    match alice.wait(is_about_messages).await {
        Event::Undecryptable(_) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_placeholder_is_filled_by_the_phone_and_what_only_the_phone_may_show_is_told() {
    let scene = Scene::new().await;
    let mut alice = scene.linked().await;
    // The phone has this one; the companion gets a placeholder for it first.
    scene.server.faults_of(&alice.jid).script(Filter::deliveries().tag("message"), Act::Drop, 1);
    let sent = scene.bob.send_text(scene.phone.pn(), "for the phone").await.unwrap();
    let mark = Node::new("unavailable");
    scene.server.deliver(&alice.jid, scene.empty(sent.id.as_str()).child(mark.clone()));
    match alice.wait(is_about_messages).await {
        Event::Undecryptable(started) => assert!(!started.is_retried),
        other => panic!("{other:?}"),
    }
    match alice.wait(is_about_messages).await {
        Event::Message(message) => {
            assert_eq!((message.id, message.recovered), (sent.id, Some(RecoveredBy::Phone)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(scene.requests(&alice.jid), []);

    for (id, mark) in
        [("ONCE", mark.clone().attr("type", "view_once")), ("HOSTED", mark.attr("hosted", "true"))]
    {
        scene.server.deliver(&alice.jid, scene.empty(id).child(mark));
        let lost = lost(&mut alice).await;
        assert_eq!((lost.id.as_str(), lost.why), (id, LostReason::NotForThisDevice));
    }
    // One that the phone does not have either.
    scene.phone.set_resends(Resends::Missing);
    scene.server.deliver(&alice.jid, scene.empty("NOWHERE").child(Node::new("unavailable")));
    started(&mut alice, "NOWHERE").await;
    assert_eq!(lost(&mut alice).await.why, LostReason::NotForThisDevice);
}

#[tokio::test(start_paused = true)]
async fn only_our_own_phone_is_believed() {
    let scene = Scene::new().await;
    scene.phone.set_resends(Resends::Silent);
    let mut alice = scene.linked().await;
    scene.server.deliver(&alice.jid, scene.noise("NOISE", 0));
    started(&mut alice, "NOISE").await;
    let request = scene.server.wait_for(&alice.jid, Direction::FromClient, is_to_phone).await;
    let forged = answer(&request.get("id").unwrap().to_text(), "NOISE", "I owe you");
    scene.bob.send(scene.phone.pn(), forged).await.unwrap();
    assert_eq!(lost(&mut alice).await.why, LostReason::NotAnswered);
}

/// A phone's answer that gives this text for this message.
fn answer(request: &str, id: &str, text: &str) -> e2e::Message {
    use e2e::peer_data_operation_request_response_message::PeerDataOperationResult;
    use e2e::peer_data_operation_request_response_message::peer_data_operation_result::PlaceholderMessageResendResponse;
    use prost::Message as _;
    let info = wa_proto::web::WebMessageInfo {
        key: wa_proto::common::MessageKey {
            id: Some(id.to_owned()),
            from_me: Some(false),
            ..Default::default()
        },
        message: Some(Box::new(e2e::Message { conversation: Some(text.to_owned()), ..Default::default() })),
        ..Default::default()
    };
    let response = PlaceholderMessageResendResponse { web_message_info_bytes: Some(info.encode_to_vec()) };
    let result =
        PeerDataOperationResult { placeholder_message_resend_response: Some(response), ..Default::default() };
    let answer = e2e::PeerDataOperationRequestResponseMessage {
        peer_data_operation_request_type: Some(
            e2e::PeerDataOperationRequestType::PlaceholderMessageResend.into(),
        ),
        stanza_id: Some(request.to_owned()),
        peer_data_operation_result: vec![result],
    };
    let protocol = e2e::ProtocolMessage {
        r#type: Some(e2e::protocol_message::Type::PeerDataOperationRequestResponseMessage.into()),
        peer_data_operation_request_response_message: Some(Box::new(answer)),
        ..Default::default()
    };
    e2e::Message { protocol_message: Some(Box::new(protocol)), ..Default::default() }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_phone_cannot_read_is_made_again() {
    let scene = Scene::new().await;
    let mut alice = scene.linked().await;
    scene.bob.ignore_retries(true);
    scene.garble(&alice, 1);
    let sent = scene.bob.send_text(scene.phone.pn(), "in the end").await.unwrap();
    started(&mut alice, sent.id.as_str()).await;
    scene.server.faults_of(scene.phone.pn()).refuse_decrypt(1);
    match alice.wait(is_about_messages).await {
        Event::Message(message) => {
            assert_eq!((message.id, message.recovered), (sent.id, Some(RecoveredBy::Phone)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_to_the_phone_that_was_lost_with_the_connection_is_made_again() {
    let scene = Scene::new().await;
    let mut alice = scene.linked().await;
    scene.bob.ignore_retries(true);
    scene.garble(&alice, 1);
    let sent = scene.bob.send_text(scene.phone.pn(), "asked twice").await.unwrap();
    started(&mut alice, sent.id.as_str()).await;
    scene.server.faults_of(&alice.jid).script(Filter::from_client().tag("message"), Act::Cut, 1);
    match alice.wait(is_about_messages).await {
        Event::Message(message) => {
            assert_eq!((message.id, message.recovered), (sent.id, Some(RecoveredBy::Phone)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_copy_once_more_is_no_answer() {
    let scene = Scene::new().await;
    scene.phone.set_resends(Resends::Silent);
    let mut alice = scene.linked().await;
    scene.server.deliver(&alice.jid, scene.noise("NOISE", 0));
    started(&mut alice, "NOISE").await;
    scene.server.wait_drained(&alice.jid).await;
    for _ in 0..5 {
        alice.client.disconnect().await;
        scene.server.wait_offline(&alice.jid).await;
        scene.server.deliver(&alice.jid, scene.noise("NOISE", 0));
        alice.client.reconnect().await.unwrap();
        scene.server.wait_drained(&alice.jid).await;
    }
    assert_eq!(scene.requests(&alice.jid), [("NOISE".to_owned(), 1, false)]);
}

#[tokio::test(start_paused = true)]
async fn the_first_copy_twice_on_one_connection_is_no_answer() {
    let scene = Scene::new().await;
    scene.phone.set_resends(Resends::Silent);
    let mut alice = scene.linked().await;
    for _ in 0..6 {
        scene.server.deliver(&alice.jid, scene.noise("NOISE", 0));
        scene.server.wait_drained(&alice.jid).await;
    }
    started(&mut alice, "NOISE").await;
    assert_eq!(scene.requests(&alice.jid), [("NOISE".to_owned(), 1, false)]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_lost_with_the_connection_is_made_again() {
    let scene = Scene::new().await;
    scene.phone.set_resends(Resends::Silent);
    let mut alice = scene.linked().await;
    scene.garble(&alice, 1);
    scene.server.faults_of(&alice.jid).script(requests(), Act::Drop, 2);
    let sent = scene.bob.send_text(scene.phone.pn(), "asked for three times").await.unwrap();
    started(&mut alice, sent.id.as_str()).await;
    for _ in 0..2 {
        // The message itself was acknowledged: it does not come again.
        scene.server.wait_drained(&alice.jid).await;
        alice.client.disconnect().await;
        scene.server.wait_offline(&alice.jid).await;
        let mark = scene.server.mark();
        alice.client.reconnect().await.unwrap();
        scene.server.wait_for_after(mark, &alice.jid, Direction::FromClient, is_retry).await;
    }
    only(&mut alice, "asked for three times").await;
    let asked = (sent.id.to_string(), 1, false);
    assert_eq!(scene.requests(&alice.jid), [asked.clone(), asked.clone(), asked]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_lost_is_made_again_after_a_restart_and_one_that_arrived_is_not() {
    let scene = Scene::new().await;
    scene.phone.set_resends(Resends::Silent);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut alice = scene.linked_with(times(), Arc::clone(&store)).await;
    scene.bob.ignore_retries(true);
    scene.garble(&alice, 2);
    let arrived = scene.bob.send_text(scene.phone.pn(), "its request arrived").await.unwrap();
    started(&mut alice, arrived.id.as_str()).await;
    scene.server.wait_for(&alice.jid, Direction::ToClient, is_retry_ack).await;
    scene.server.wait_drained(&alice.jid).await;
    scene.server.faults_of(&alice.jid).script(requests(), Act::Drop, 1);
    let lost = scene.bob.send_text(scene.phone.pn(), "its request did not").await.unwrap();
    started(&mut alice, lost.id.as_str()).await;
    scene.server.wait_drained(&alice.jid).await;
    drop(alice.stop().await);

    scene.bob.ignore_retries(false);
    let jid = store.account().await.unwrap().unwrap().jid.unwrap();
    let (client, events) = scene.builder(times(), &store).connect().await.unwrap();
    let mut alice = Companion { client, events, store, jid };
    only(&mut alice, "its request did not").await;
    let asked = [&arrived.id, &lost.id, &lost.id].map(|id| (id.to_string(), 1, false));
    assert_eq!(scene.requests(&alice.jid), asked);
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_does_not_answer_is_asked_again_later() {
    let scene = Scene::new().await;
    scene.phone.set_resends(Resends::Silent);
    let mut times = RepairTimes::default();
    times.ask_again_after = Duration::from_millis(200);
    times.deadline = Duration::from_secs(20);
    let mut alice = scene.linked_with(times, Arc::new(MemoryStore::new())).await;
    scene.bob.ignore_retries(true);
    scene.garble(&alice, 1);
    let sent = scene.bob.send_text(scene.phone.pn(), "asked for twice").await.unwrap();
    started(&mut alice, sent.id.as_str()).await;
    scene.server.wait_for(&alice.jid, Direction::FromClient, is_retry).await;
    scene.bob.ignore_retries(false);
    only(&mut alice, "asked for twice").await;
    let id = sent.id.to_string();
    assert_eq!(scene.requests(&alice.jid), [(id.clone(), 1, false), (id, 2, true)]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_server_never_got_is_made_again_on_the_same_connection() {
    let scene = Scene::new().await;
    scene.phone.set_resends(Resends::Silent);
    let mut times = RepairTimes::default();
    times.ask_again_after = Duration::from_millis(200);
    let mut alice = scene.linked_with(times, Arc::new(MemoryStore::new())).await;
    scene.garble(&alice, 1);
    scene.server.faults_of(&alice.jid).script(requests(), Act::Drop, 1);
    let sent = scene.bob.send_text(scene.phone.pn(), "asked for twice").await.unwrap();
    started(&mut alice, sent.id.as_str()).await;
    only(&mut alice, "asked for twice").await;
    let asked = (sent.id.to_string(), 1, false);
    assert_eq!(scene.requests(&alice.jid), [asked.clone(), asked]);
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_acknowledged_before_it_is_asked_for_so_that_its_answer_is_not() {
    let scene = Scene::new().await;
    let mut alice = scene.linked().await;
    scene.garble(&alice, 1);
    let sent = scene.bob.send_text(scene.phone.pn(), "answered").await.unwrap();
    started(&mut alice, sent.id.as_str()).await;
    only(&mut alice, "answered").await;
    let is_about = |node: &Node| node.get("id").is_some_and(|id| id.to_text() == sent.id.as_str());
    let said = scene.server.nodes_of(&alice.jid).into_iter();
    let said = said.filter(|(direction, node)| *direction == Direction::FromClient && is_about(node));
    let tags: Vec<String> = said.map(|(_, node)| node.tag.to_string()).collect();
    assert_eq!(tags, ["ack", "receipt", "receipt"]);
}
