//! Devices that cannot read what we sent, and ask for it again.

use std::sync::Arc;

use wa_core::Message;
use wa_core::wire::Node;
use wa_it::Companion;
use wa_store::{SqliteStore, Store};
use wa_test_server::{Act, Direction, Filter, Phone, PhoneMessage, TestServer};
use wa_types::{Jid, MessageId};

struct Scene {
    server: TestServer,
    phone: Phone,
    bob: Phone,
    alice: Companion,
}

impl Scene {
    /// Alice's companion has talked with Bob's phone, and her own phone.
    async fn new() -> Self {
        let server = TestServer::start().await;
        let (phone, bob) = (server.phone("alice"), server.phone("bob"));
        let mut alice = Companion::link(&server, &phone).await;
        alice.send_text(bob.pn(), "hello").await;
        for phone in [&phone, &bob] {
            assert_eq!(phone.next_message().await.text(), Some("hello"));
        }
        bob.send_text(phone.pn(), "hi").await.unwrap();
        assert_eq!(alice.texts(1).await, ["hi"]);
        assert_eq!(phone.next_message().await.text(), Some("hi"));
        server.wait_drained(&alice.jid).await;
        Self { server, phone, bob, alice }
    }

    /// The messages that went to one device again: their counts and kinds.
    fn resends(&self, id: &MessageId) -> Vec<(String, String)> {
        let nodes = self.server.nodes_of(&self.alice.jid).into_iter();
        let resends = nodes.filter(|(direction, node)| {
            *direction == Direction::FromClient && node.tag == "message" && text(node, "id") == id.as_str()
        });
        let encs =
            resends.filter_map(|(_, node)| node.nodes().iter().find(|child| child.tag == "enc").cloned());
        encs.map(|enc| (text(&enc, "count"), text(&enc, "type"))).collect()
    }

    /// How often keys were asked for since the beginning.
    fn fetches(&self) -> usize {
        let nodes = self.server.nodes_of(&self.alice.jid).into_iter();
        let is_fetch = |node: &Node| node.tag == "iq" && node.nodes().iter().any(|child| child.tag == "key");
        nodes.filter(|(direction, node)| *direction == Direction::FromClient && is_fetch(node)).count()
    }

    /// Has a request for a message delivered, as this device would make it; then waits until it is acknowledged.
    async fn ask(&self, from: &Jid, id: &MessageId, count: u32, registration: [u8; 4]) {
        self.server.deliver(&self.alice.jid, request(from, id, count, registration));
        self.server.wait_drained(&self.alice.jid).await;
    }

    /// Returns when Alice's companion has read the acks of all that it sent.
    async fn all_acks_are_read(&self) {
        self.alice.send_text(self.phone.pn(), "all is acknowledged").await;
    }

    /// The next message that the phone gets; nothing came before it.
    async fn nothing_before(&self, phone: &Phone, text: &str) {
        self.alice.send_text(phone.pn(), text).await;
        assert_eq!(phone.next_message().await.text(), Some(text));
    }
}

fn text(node: &Node, name: &str) -> String {
    node.get(name).map(|value| value.to_text().into_owned()).unwrap_or_default()
}

fn is_retry_ack(node: &Node) -> bool {
    node.tag == "ack" && text(node, "type") == "retry"
}

fn request(from: &Jid, id: &MessageId, count: u32, registration: [u8; 4]) -> Node {
    let retry = Node::new("retry").attr("v", "1").attr("count", count).attr("id", id).attr("t", 1_u32);
    Node::new("receipt")
        .attr("from", from)
        .attr("id", id)
        .attr("type", "retry")
        .attr("t", 1_u32)
        .child(retry)
        .child(Node::new("registration").bytes(registration))
}

fn secret(message: &PhoneMessage) -> Vec<u8> {
    let context = message.message.message_context_info.as_ref().unwrap();
    context.message_secret.clone().unwrap()
}

#[tokio::test]
async fn a_phone_that_cannot_read_a_message_three_times_gets_it_in_the_end() {
    let scene = Scene::new().await;
    scene.server.faults_of(scene.bob.pn()).refuse_decrypt(3);
    let sent = scene.alice.send_text(scene.bob.pn(), "in the end").await;
    let message = scene.bob.next_message().await;
    assert_eq!((&message.id, message.text()), (&sent.id, Some("in the end")));
    let counts: Vec<String> = scene.resends(&sent.id).into_iter().map(|(count, _)| count).collect();
    assert_eq!(counts, ["1", "2", "3"]);
    // The same message in everything: what refers to it by its secret works for all who have it.
    let own = scene.phone.next_message().await;
    assert_eq!((&own.id, own.from_me), (&sent.id, true));
    assert_eq!(secret(&message), secret(&own));
    scene.nothing_before(&scene.bob, "after").await;
    scene.server.wait_drained(&scene.alice.jid).await;
}

#[tokio::test]
async fn our_own_phone_gets_its_copy_again_with_the_chat_that_it_belongs_to() {
    let scene = Scene::new().await;
    scene.server.faults_of(scene.phone.pn()).refuse_decrypt(2);
    let sent = scene.alice.send_text(scene.bob.pn(), "for both").await;
    let theirs = scene.bob.next_message().await;
    assert_eq!(theirs.text(), Some("for both"));
    let own = scene.phone.next_message().await;
    assert_eq!((&own.id, own.text(), own.from_me), (&sent.id, Some("for both"), true));
    assert_eq!(own.chat, *scene.bob.lid());
    assert_eq!(secret(&own), secret(&theirs));
    assert_eq!(scene.resends(&sent.id).len(), 2);
}

#[tokio::test]
async fn a_peer_that_reinstalled_gets_what_was_sent_to_its_old_keys() {
    let scene = Scene::new().await;
    scene.bob.go_offline();
    let sent = scene.alice.send_text(scene.bob.pn(), "to the old keys").await;
    scene.bob.reinstall();
    scene.bob.online();
    let message = scene.bob.next_message().await;
    assert_eq!((&message.id, message.text()), (&sent.id, Some("to the old keys")));
    scene.nothing_before(&scene.bob, "to the new ones").await;
}

#[tokio::test]
async fn requests_are_answered_from_the_store_after_a_restart() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alice");
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await.unwrap());
    let alice = Companion::link_with(&server, &phone, store).await;
    bob.go_offline();
    let sent = alice.send_text(bob.pn(), "kept").await;
    drop(alice.stop().await);
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&path).await.unwrap());
    let _alice = Companion::start(&server, store).await;
    server.faults_of(bob.pn()).refuse_decrypt(1);
    bob.online();
    let message = bob.next_message().await;
    assert_eq!((&message.id, message.text()), (&sent.id, Some("kept")));
}

#[tokio::test]
async fn a_retry_storm_is_bounded_work_and_all_of_it_is_acknowledged() {
    let scene = Scene::new().await;
    let sent = scene.alice.send_text(scene.bob.pn(), "stormy").await;
    assert_eq!(scene.bob.next_message().await.text(), Some("stormy"));
    for _ in 0..300 {
        // Always the first request, by its own count.
        scene.server.deliver(&scene.alice.jid, request(scene.bob.lid(), &sent.id, 1, [0, 0, 0, 1]));
    }
    scene.server.wait_drained(&scene.alice.jid).await;
    assert!(scene.resends(&sent.id).len() <= 10, "{}", scene.resends(&sent.id).len());
    // Another registration id each time: its keys were fetched once, not three hundred times.
    assert!(scene.fetches() <= 3, "{} fetches", scene.fetches());
    scene.nothing_before(&scene.bob, "after").await;
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_can_read_nothing_of_its_backlog_gets_all_of_it() {
    let scene = Scene::new().await;
    scene.bob.go_offline();
    let texts: Vec<String> = (0..60).map(|number| format!("while you were away, {number}")).collect();
    for text in &texts {
        scene.alice.send_text(scene.bob.pn(), text).await;
    }
    scene.server.faults_of(scene.bob.pn()).refuse_decrypt(60);
    scene.bob.online();
    let mut read = Vec::new();
    while read.len() < texts.len() {
        read.push(scene.bob.next_message().await.text().unwrap().to_owned());
    }
    read.sort_by_key(|text| texts.iter().position(|sent| sent == text));
    assert_eq!(read, texts);
}

#[tokio::test]
async fn who_counts_too_far_asks_for_the_unknown_or_may_not_read_gets_nothing() {
    let scene = Scene::new().await;
    let carol = scene.server.phone("carol");
    scene.nothing_before(&carol, "carol is no stranger").await;
    let sent = scene.alice.send_text(scene.bob.pn(), "for bob").await;
    assert_eq!(scene.bob.next_message().await.text(), Some("for bob"));
    for count in [5, 6, 255, 4_000_000_000] {
        scene.ask(scene.bob.lid(), &sent.id, count, [0; 4]).await;
    }
    scene.ask(scene.bob.lid(), &MessageId::new("3EB0UNKNOWN"), 1, [0; 4]).await;
    for count in [1, 2, 3] {
        scene.ask(carol.lid(), &sent.id, count, [0; 4]).await;
    }
    assert_eq!(scene.resends(&sent.id), []);
    scene.nothing_before(&carol, "for carol").await;
    scene.nothing_before(&scene.bob, "for bob again").await;
}

#[tokio::test]
async fn an_unknown_device_without_keys_gets_nothing_and_the_devices_are_asked_for_again() {
    let scene = Scene::new().await;
    let sent = scene.alice.send_text(scene.bob.pn(), "for bob").await;
    assert_eq!(scene.bob.next_message().await.text(), Some("for bob"));
    scene.ask(&scene.bob.lid().clone().with_device(77), &sent.id, 1, [0; 4]).await;
    assert_eq!(scene.resends(&sent.id), []);
    let mark = scene.server.mark();
    scene.alice.client.send(scene.bob.pn(), Message::text("next")).await.unwrap();
    let asks = |node: &Node| node.tag == "iq" && node.nodes().iter().any(|child| child.tag == "usync");
    scene.server.wait_for_after(mark, &scene.alice.jid, Direction::FromClient, asks).await;
}

#[tokio::test]
async fn a_member_that_cannot_read_a_group_message_gets_it_again_with_our_key() {
    let scene = Scene::new().await;
    let members = [scene.bob.pn().clone()];
    let group = scene.alice.client.groups().create("Crew", &members).await.unwrap().group.jid.clone();
    scene.alice.send_text(&group, "first").await;
    assert_eq!(scene.bob.next_message().await.text(), Some("first"));
    scene.server.faults_of(scene.bob.pn()).refuse_decrypt(2);
    let sent = scene.alice.send_text(&group, "second").await;
    let message = scene.bob.next_message().await;
    assert_eq!((&message.id, message.text(), &message.chat), (&sent.id, Some("second"), &group));
    assert_eq!(scene.resends(&sent.id).into_iter().filter(|(count, _)| !count.is_empty()).count(), 2);
    // It has our key, and reads what comes next.
    scene.alice.send_text(&group, "third").await;
    assert_eq!(scene.bob.next_message().await.text(), Some("third"));
    // Who is no member gets nothing, and the key is made anew.
    let carol = scene.server.phone("carol");
    scene.nothing_before(&carol, "carol is known").await;
    let request = request(carol.lid(), &sent.id, 1, [0; 4]).attr("participant", carol.lid());
    scene.server.deliver(&scene.alice.jid, request.attr("from", &group));
    scene.server.wait_drained(&scene.alice.jid).await;
    scene.nothing_before(&carol, "for carol").await;
    scene.alice.send_text(&group, "fourth").await;
    assert_eq!(scene.bob.next_message().await.text(), Some("fourth"));
}

#[tokio::test]
async fn a_member_that_forgot_all_keys_of_a_group_gets_what_it_misses() {
    let scene = Scene::new().await;
    let members = [scene.bob.pn().clone()];
    let group = scene.alice.client.groups().create("Crew", &members).await.unwrap().group.jid.clone();
    scene.alice.send_text(&group, "first").await;
    assert_eq!(scene.bob.next_message().await.text(), Some("first"));
    scene.bob.forget_sender_keys(&group);
    let sent = scene.alice.send_text(&group, "second").await;
    let message = scene.bob.next_message().await;
    assert_eq!((&message.id, message.text()), (&sent.id, Some("second")));
}

#[tokio::test]
async fn keys_that_do_not_hold_open_no_session_and_get_nothing() {
    let scene = Scene::new().await;
    let sent = scene.alice.send_text(scene.bob.pn(), "for bob").await;
    assert_eq!(scene.bob.next_message().await.text(), Some("for bob"));
    let key = |tag: &'static str| {
        Node::new(tag).child(Node::new("id").bytes([0, 0, 9])).child(Node::new("value").bytes([9; 32]))
    };
    let keys = || {
        Node::new("keys")
            .child(Node::new("type").bytes([5]))
            .child(Node::new("identity").bytes([7; 32]))
            .child(key("key"))
    };
    let forged = keys().child(key("skey").child(Node::new("signature").bytes([1; 64])));
    let fetches = scene.fetches();
    for keys in [keys(), forged] {
        let request = request(scene.bob.lid(), &sent.id, 2, [0, 0, 0, 1]).child(keys);
        scene.server.deliver(&scene.alice.jid, request);
        scene.server.wait_drained(&scene.alice.jid).await;
    }
    assert_eq!((scene.resends(&sent.id), scene.fetches()), (Vec::new(), fetches));
    scene.nothing_before(&scene.bob, "on the session that there was").await;
}

#[tokio::test]
async fn a_member_gets_a_message_again_also_while_the_group_must_be_asked_about() {
    let scene = Scene::new().await;
    let groups = scene.alice.client.groups();
    let members = [scene.bob.pn().clone()];
    let group = groups.create("Crew", &members).await.unwrap().group.jid.clone();
    scene.bob.go_offline();
    let sent = scene.alice.send_text(&group, "while you were away").await;
    // After a change of ours nothing about the group is sure.
    groups.promote(&group, &members).await.unwrap();
    scene.server.faults_of(scene.bob.pn()).refuse_decrypt(1);
    scene.bob.online();
    let message = scene.bob.next_message().await;
    assert_eq!((&message.id, message.text()), (&sent.id, Some("while you were away")));
}

#[tokio::test]
async fn an_answer_that_the_server_never_got_goes_out_again_on_the_next_connection() {
    let scene = Scene::new().await;
    scene.bob.go_offline();
    let sent = scene.alice.send_text(scene.bob.pn(), "twice").await;
    let faults = scene.server.faults_of(&scene.alice.jid);
    faults.script(Filter::from_client().tag("message"), Act::Drop, 1);
    scene.server.faults_of(scene.bob.pn()).refuse_decrypt(1);
    scene.bob.online();
    // The request is acknowledged, behind the answer that was dropped.
    scene.server.wait_for(&scene.alice.jid, Direction::FromClient, is_retry_ack).await;
    scene.server.disconnect(&scene.alice.jid);
    let message = scene.bob.next_message().await;
    assert_eq!((&message.id, message.text()), (&sent.id, Some("twice")));
    // Once acknowledged it is done with.
    let is_acked = |node: &Node| node.tag == "ack" && text(node, "id") == sent.id.as_str();
    scene.server.wait_for(&scene.alice.jid, Direction::ToClient, is_acked).await;
}

#[tokio::test]
async fn of_two_members_who_ask_for_one_message_both_get_it_whichever_answer_is_lost() {
    let scene = Scene::new().await;
    let carol = scene.server.phone("carol");
    let members = [scene.bob.pn().clone(), carol.pn().clone()];
    let group = scene.alice.client.groups().create("Crew", &members).await.unwrap().group.jid.clone();
    scene.alice.send_text(&group, "first").await;
    for phone in [&scene.bob, &carol] {
        assert_eq!(phone.next_message().await.text(), Some("first"));
        phone.go_offline();
    }
    let sent = scene.alice.send_text(&group, "second").await;
    // The first answer never arrives. The ack of another one is none for it, though it looks the same.
    scene.server.faults_of(&scene.alice.jid).script(Filter::from_client().tag("message"), Act::Drop, 1);
    for phone in [&scene.bob, &carol] {
        let mark = scene.server.mark();
        scene.server.faults_of(phone.pn()).refuse_decrypt(1);
        phone.online();
        scene.server.wait_for_after(mark, &scene.alice.jid, Direction::FromClient, is_retry_ack).await;
    }
    scene.all_acks_are_read().await;
    scene.alice.client.disconnect().await;
    scene.alice.client.reconnect().await.unwrap();
    for phone in [&scene.bob, &carol] {
        let message = phone.next_message().await;
        assert_eq!((&message.id, message.text()), (&sent.id, Some("second")), "{}", phone.name());
    }
    // The message, the copy that was lost, and one for each.
    assert_eq!(scene.resends(&sent.id).len(), 4);
}

#[tokio::test]
async fn an_answer_and_the_message_itself_do_not_take_each_others_ack() {
    let scene = Scene::new().await;
    let faults = scene.server.faults_of(&scene.alice.jid);
    // The phone asks before we know that the server has the message, and the answer is lost.
    faults.script(Filter::message_acks(), Act::After(1), 1);
    scene.bob.go_offline();
    let chat = scene.bob.pn().clone();
    let client = scene.alice.client.clone();
    let mark = scene.server.mark();
    let sending = tokio::spawn(async move { client.send(&chat, Message::text("late")).await });
    let is_message = |node: &Node| node.tag == "message";
    scene.server.wait_for_after(mark, &scene.alice.jid, Direction::FromClient, is_message).await;
    faults.script(Filter::from_client().tag("message"), Act::Drop, 1);
    scene.server.faults_of(scene.bob.pn()).refuse_decrypt(1);
    scene.bob.online();
    scene.server.wait_for(&scene.alice.jid, Direction::FromClient, is_retry_ack).await;
    // The answer to a question lets the ack through.
    scene.alice.client.groups().participating().await.unwrap();
    let sent = sending.await.unwrap().unwrap();
    scene.all_acks_are_read().await;
    scene.alice.client.disconnect().await;
    scene.alice.client.reconnect().await.unwrap();
    let message = scene.bob.next_message().await;
    assert_eq!((&message.id, message.text()), (&sent.id, Some("late")));
}
