//! Faults of single stanzas, each by its filter.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use wa_core::wire::Node;
use wa_test_server::{Act, Direction, Filter, Phone, StreamEnd, TestServer};

use crate::companion::{Companion, Wire, attr};
use crate::messages::send;
use crate::pairing::{linked, log_in};

/// A server, Alice's companion, and the phones of Alice and Bob.
async fn scene() -> (TestServer, Companion, Wire, Phone, Phone) {
    let server = TestServer::start().await;
    let (companion, wire) = linked(&server, "alice").await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    (server, companion, wire, alice, bob)
}

/// Sends a text to Bob's phone alone, without waiting for the ack.
async fn write_to(companion: &mut Companion, wire: &mut Wire, bob: &Phone, id: &str, body: &str) {
    if !companion.sessions.contains_key(bob.lid()) {
        companion.fetch(wire, &[bob.lid().clone()]).await;
    }
    let copy = companion.copy_for(bob.lid(), &crate::companion::text(body));
    let stanza = Node::new("message")
        .attr("to", bob.lid())
        .attr("id", id)
        .attr("type", "text")
        .child(Node::new("participants").child(copy))
        .child(companion.device_identity());
    wire.send(&stanza).await;
}

async fn ping(wire: &mut Wire) {
    wire.request("get", "w:p", vec![]).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_delivery_comes_with_the_next_login() {
    let (server, mut companion, mut wire, alice, bob) = scene().await;
    server.faults_of(&companion.jid()).script(Filter::deliveries().tag("message"), Act::Drop, 1);
    let lost = bob.send_text(alice.lid(), "lost").await.expect("sent");
    let kept = bob.send_text(alice.lid(), "kept").await.expect("sent");
    let stanza = wire.expect("message").await;
    assert_eq!(attr(&stanza, "id"), kept.id.to_string());
    wire.confirm(&stanza).await;
    drop(wire);
    server.wait_offline(&companion.jid()).await;
    let mut wire = log_in(&server, &mut companion).await;
    let stanza = wire.expect("message").await;
    assert_eq!(attr(&stanza, "id"), lost.id.to_string());
    assert_eq!(companion.decrypt(&stanza).conversation(), "lost");
    wire.confirm(&stanza).await;
    server.wait_drained(&companion.jid()).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_acknowledgement_means_a_redelivery() {
    let (server, mut companion, mut wire, alice, bob) = scene().await;
    server.faults_of(&companion.jid()).script(Filter::from_client().tag("receipt"), Act::Drop, 1);
    bob.send_text(alice.lid(), "once").await.expect("sent");
    let first = wire.expect("message").await;
    wire.confirm(&first).await;
    ping(&mut wire).await;
    assert_eq!(server.queued_for(&companion.jid()), 1);
    server.disconnect(&companion.jid());
    let mut wire = log_in(&server, &mut companion).await;
    let again = wire.expect("message").await;
    assert_eq!(attr(&again, "offline"), "0");
    assert_eq!(first.find("enc"), again.find("enc"));
    wire.confirm(&again).await;
    server.wait_drained(&companion.jid()).await;
}

#[tokio::test(start_paused = true)]
async fn stanzas_are_held_back_delayed_and_doubled_both_ways() {
    let (server, mut companion, mut wire, alice, bob) = scene().await;
    let faults = server.faults_of(&companion.jid());

    faults.script(Filter::deliveries(), Act::After(2), 1);
    for body in ["one", "two", "three", "four"] {
        bob.send_text(alice.lid(), body).await.expect("sent");
    }
    for expected in ["two", "three", "one", "four"] {
        let stanza = wire.expect("message").await;
        assert_eq!(companion.decrypt(&stanza).conversation(), expected);
    }

    let start = Instant::now();
    faults.script(Filter::deliveries(), Act::Delay(Duration::from_secs(3)), 1);
    bob.send_text(alice.lid(), "late").await.expect("sent");
    let stanza = wire.expect("message").await;
    assert_eq!(companion.decrypt(&stanza).conversation(), "late");
    assert!(start.elapsed() >= Duration::from_secs(3));

    faults.script(Filter::from_client().tag("message"), Act::After(1), 1);
    write_to(&mut companion, &mut wire, &bob, "3EB001", "first").await;
    write_to(&mut companion, &mut wire, &bob, "3EB002", "second").await;
    for id in ["3EB002", "3EB001"] {
        assert_eq!(attr(&wire.expect("ack").await, "id"), id);
    }
    for expected in ["second", "first"] {
        assert_eq!(bob.next_message().await.text(), Some(expected));
    }

    faults.script(Filter::from_client().tag("message"), Act::Duplicate, 1);
    write_to(&mut companion, &mut wire, &bob, "3EB003", "doubled").await;
    for _ in 0..2 {
        assert_eq!(attr(&wire.expect("ack").await, "id"), "3EB003");
    }
    assert_eq!(bob.next_message().await.text(), Some("doubled"));
    write_to(&mut companion, &mut wire, &bob, "3EB004", "after it").await;
    assert_eq!(bob.next_message().await.text(), Some("after it"), "delivered once");
}

#[tokio::test(start_paused = true)]
async fn acks_can_be_wrong_missing_late_or_refusals() {
    let (server, mut companion, mut wire, alice, bob) = scene().await;
    let faults = server.faults_of(&companion.jid());
    let devices = [bob.lid().clone(), alice.lid().clone()];
    faults.script(Filter::message_acks(), Act::WrongPhash, 1);
    let ack = send(&mut companion, &mut wire, bob.lid(), &devices, "3EB010", "wrong").await;
    assert!(attr(&ack, "phash").starts_with("2:"), "{}", ack.to_xml());
    assert_eq!(bob.next_message().await.text(), Some("wrong"));

    for code in [400, 405, 408, 421, 429, 463, 475, 479, 500, 503] {
        faults.nack_next(code);
        let id = format!("3EB0{code}");
        let ack = send(&mut companion, &mut wire, bob.lid(), &devices, &id, "refused").await;
        assert_eq!((attr(&ack, "error"), attr(&ack, "from")), (code.to_string(), bob.lid().to_string()));
    }
    let ack = send(&mut companion, &mut wire, bob.lid(), &devices, "3EB011", "taken").await;
    assert_eq!(attr(&ack, "error"), "");
    assert_eq!(bob.next_message().await.text(), Some("taken"), "what was refused is not delivered");

    faults.drop_ack(1);
    write_to(&mut companion, &mut wire, &bob, "3EB012", "unanswered").await;
    assert_eq!(bob.next_message().await.text(), Some("unanswered"));
    faults.delay_acks(Some(Duration::from_secs(5)));
    let start = Instant::now();
    write_to(&mut companion, &mut wire, &bob, "3EB013", "late").await;
    assert_eq!(attr(&wire.expect("ack").await, "id"), "3EB013");
    assert!(start.elapsed() >= Duration::from_secs(5));
    faults.delay_acks(None);
    let now = Instant::now();
    write_to(&mut companion, &mut wire, &bob, "3EB014", "at once").await;
    assert_eq!(attr(&wire.expect("ack").await, "id"), "3EB014");
    assert_eq!(now.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn connections_break_around_a_stanza() {
    let (server, mut companion, mut wire, alice, bob) = scene().await;
    let jid = companion.jid();
    let faults = server.faults_of(&jid);

    faults.script(Filter::deliveries(), Act::Cut, 1);
    bob.send_text(alice.lid(), "half").await.expect("sent");
    wire.expect_end().await;
    assert!(!wire.buffer.unread().is_empty(), "half a frame came");
    assert_eq!(server.queued_for(&jid), 1);

    let mut wire = log_in(&server, &mut companion).await;
    let stanza = wire.expect("message").await;
    assert_eq!(companion.decrypt(&stanza).conversation(), "half");
    wire.confirm(&stanza).await;

    // Handled, and its answer is lost.
    write_to(&mut companion, &mut wire, &bob, "3EB020", "acked").await;
    wire.expect_where(|node| node.tag == "ack" && attr(node, "id") == "3EB020").await;
    assert_eq!(bob.next_message().await.text(), Some("acked"));
    faults.script(Filter::from_client().tag("message"), Act::CutAfter, 1);
    write_to(&mut companion, &mut wire, &bob, "3EB021", "no ack").await;
    assert_eq!(bob.next_message().await.text(), Some("no ack"));
    let acks = |server: &TestServer| {
        let seen = server.nodes_of(&jid).into_iter();
        seen.filter(|(way, node)| *way == Direction::ToClient && attr(node, "id") == "3EB021").count()
    };
    assert_eq!(acks(&server), 0);

    // Never read: not delivered.
    let mut wire = log_in(&server, &mut companion).await;
    faults.script(Filter::from_client().tag("message"), Act::Cut, 1);
    write_to(&mut companion, &mut wire, &bob, "3EB022", "unread").await;
    wire.drain().await;
    let mut wire = log_in(&server, &mut companion).await;
    write_to(&mut companion, &mut wire, &bob, "3EB023", "read").await;
    assert_eq!(bob.next_message().await.text(), Some("read"));
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_silent_until_the_next_login() {
    let (server, mut companion, mut wire, alice, bob) = scene().await;
    let jid = companion.jid();
    assert!(server.half_open(&jid));
    write_to_nobody(&mut wire).await;
    bob.send_text(alice.lid(), "into the void").await.expect("sent");
    assert!(
        timeout(Duration::from_secs(600), wire.socket.recv()).await.is_err(),
        "neither a stanza nor an end"
    );
    assert!(server.is_online(&jid), "the server does not know");
    let before = server.mark();
    let mut second = log_in(&server, &mut companion).await;
    let stanza = second.expect("message").await;
    assert_eq!(companion.decrypt(&stanza).conversation(), "into the void");
    assert!(matches!(wire.socket.recv().await, Ok(None) | Err(_)), "replaced");
    server.wait_for_after(before, &jid, Direction::ToClient, |node| node.tag == "success").await;

    server.faults_of(&jid).script(Filter::from_client().tag("presence"), Act::HalfOpen, 1);
    second.send(&Node::new("presence").attr("type", "available").attr("name", "A")).await;
    write_to_nobody(&mut second).await;
    assert!(timeout(Duration::from_secs(600), second.drain()).await.is_err());
}

/// A ping whose answer nobody waits for.
async fn write_to_nobody(wire: &mut Wire) {
    wire.send(&Node::new("iq").attr("type", "get").attr("xmlns", "w:p").attr("id", "void")).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_answers_one_after_the_other() {
    let (server, companion, mut wire, ..) = scene().await;
    server.faults_of(&companion.jid()).slow_reader(Some(Duration::from_secs(2)));
    ping(&mut wire).await;
    let start = Instant::now();
    for _ in 0..3 {
        ping(&mut wire).await;
    }
    assert_eq!(start.elapsed(), Duration::from_secs(6));
}

#[tokio::test(start_paused = true)]
async fn streams_end_by_code_and_by_kind() {
    let (server, mut companion, mut wire, ..) = scene().await;
    let faults = server.faults_of(&companion.jid());
    let cases = [
        (StreamEnd::Code(503), Node::new("stream:error").attr("code", "503")),
        (
            StreamEnd::Conflict("replaced".to_owned()),
            Node::new("stream:error").child(Node::new("conflict").attr("type", "replaced")),
        ),
        (StreamEnd::NotWellFormed, Node::new("stream:error").child(Node::new("xml-not-well-formed"))),
        (StreamEnd::Orderly, Node::new("xmlstreamend")),
    ];
    for (end, expected) in cases {
        faults.script(Filter::to_client().tag("iq"), Act::End(end), 1);
        write_to_nobody(&mut wire).await;
        assert_eq!(wire.expect(&expected.tag).await.to_xml(), expected.to_xml());
        wire.expect_end().await;
        wire = log_in(&server, &mut companion).await;
    }
}

#[tokio::test(start_paused = true)]
async fn logins_are_refused_by_code_and_bans_have_an_end() {
    let (server, companion, wire, ..) = scene().await;
    drop(wire);
    let faults = server.faults_of_account(&companion.jid());
    faults.ban(104, Duration::from_secs(90), 1);
    let mut wire = companion.connect(&*server.connector(), &server.trust_root()).await;
    let failure = wire.expect("failure").await;
    assert_eq!(
        (attr(&failure, "reason"), attr(&failure, "code"), attr(&failure, "expire")),
        ("402".to_owned(), "104".to_owned(), "90".to_owned())
    );
    for reason in [400, 401, 403, 405, 406, 409, 429, 500, 503] {
        faults.refuse_login(reason, 1);
        let mut wire = companion.connect(&*server.connector(), &server.trust_root()).await;
        assert_eq!(attr(&wire.expect("failure").await, "reason"), reason.to_string());
    }
    let mut wire = companion.connect(&*server.connector(), &server.trust_root()).await;
    wire.expect("success").await;
}

#[tokio::test(start_paused = true)]
async fn a_phone_refuses_to_decrypt_and_asks_again() {
    let (server, mut companion, mut wire, _, bob) = scene().await;
    server.faults_of_account(bob.pn()).refuse_decrypt(1);
    write_to(&mut companion, &mut wire, &bob, "3EB030", "what?").await;
    let retry = wire.expect_where(|node| attr(node, "type") == "retry").await;
    assert_eq!(attr(&retry, "id"), "3EB030");
    // The same bytes again would do: nothing of the session was used up.
    assert!(bob.try_next_message().is_none());
    write_to(&mut companion, &mut wire, &bob, "3EB031", "that's better").await;
    assert_eq!(bob.next_message().await.text(), Some("that's better"));
}

#[tokio::test(start_paused = true)]
async fn ciphertexts_are_tampered_with_on_their_way_to_the_server_too() {
    let (server, mut companion, mut wire, _, bob) = scene().await;
    server.faults_of(&companion.jid()).script(Filter::from_client(), Act::Garble, 1);
    write_to(&mut companion, &mut wire, &bob, "3EB040", "spoiled").await;
    let retry = wire.expect_where(|node| attr(node, "type") == "retry").await;
    assert_eq!(attr(&retry, "id"), "3EB040");
}

#[tokio::test(start_paused = true)]
async fn pre_keys_run_out_and_are_asked_for() {
    let (server, mut companion, mut wire, _, bob) = scene().await;
    let before = server.pre_keys_of(bob.pn());
    server.faults_of(bob.pn()).exhaust_pre_keys(1);
    for has_key in [false, true] {
        let user = Node::new("user").attr("jid", bob.lid());
        let answer = wire.request("get", "encrypt", vec![Node::new("key").child(user)]).await;
        let user = answer.find("list").and_then(|list| list.find("user")).expect("a bundle");
        assert_eq!(user.find("key").is_some(), has_key);
        assert!(user.find("skey").is_some());
    }
    assert_eq!(server.pre_keys_of(bob.pn()), before - 1);

    let jid = companion.jid();
    server.drain_pre_keys(&jid, 2);
    server.tell_low_pre_keys(&jid);
    let low = wire.expect_where(|node| attr(node, "type") == "encrypt").await;
    assert_eq!(attr(low.find("count").expect("count"), "value"), "2");
    let more = companion.upload(20);
    wire.request("set", "encrypt", more).await;
    assert_eq!(server.pre_keys_of(&jid), 22);
}

#[tokio::test(start_paused = true)]
async fn the_servers_clock_is_off_by_hours() {
    let (server, companion, mut wire, alice, bob) = scene().await;
    let time = |node: &Node| attr(node, "t").parse::<i64>().expect("a time");
    let now = time(&wire.request("get", "w:p", vec![]).await);
    for hours in [-30, 30] {
        server.faults_of(&companion.jid()).shift_clock(Some(hours * 3600));
        let off = time(&wire.request("get", "w:p", vec![]).await);
        assert!((off - now - hours * 3600).abs() < 60, "{off} against {now}");
        let sent = bob.send_text(alice.lid(), "when?").await.expect("sent");
        let told = time(&wire.expect("message").await);
        let real = i64::try_from(sent.timestamp.0).expect("small");
        assert_eq!(told - real, hours * 3600);
    }
    server.faults_of(&companion.jid()).shift_clock(None);
}

#[tokio::test(start_paused = true)]
async fn new_messages_are_sent_among_the_backlog() {
    let (server, mut companion, wire, alice, bob) = scene().await;
    drop(wire);
    server.wait_offline(&companion.jid()).await;
    for number in 0..8 {
        bob.send_text(alice.lid(), &format!("old {number}")).await.expect("sent");
    }
    server.faults_of(&companion.jid()).interleave_backlog(true);
    let mut wire = log_in(&server, &mut companion).await;
    bob.send_text(alice.lid(), "new").await.expect("sent");
    let mut bodies = Vec::new();
    let mut places = Vec::new();
    for _ in 0..6 {
        let stanza = wire.expect("message").await;
        bodies.push(companion.decrypt(&stanza).conversation().to_owned());
        places.push(attr(&stanza, "offline"));
    }
    assert_eq!(bodies, ["old 0", "old 1", "old 2", "old 3", "old 4", "new"]);
    assert_eq!(places, ["0", "1", "2", "3", "4", ""]);
    wire.send(&Node::new("ib").child(Node::new("offline_batch").attr("count", "200"))).await;
    for number in 5..8 {
        let stanza = wire.expect("message").await;
        assert_eq!(companion.decrypt(&stanza).conversation(), format!("old {number}"));
    }
}
