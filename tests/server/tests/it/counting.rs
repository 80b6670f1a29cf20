//! What the server counts, and the message keys that it finds used twice.

use std::time::Duration;

use tokio::time::Instant;
use wa_core::signal::SessionRecord;
use wa_core::wire::Node;
use wa_test_server::{Config, TestServer};
use wa_types::Jid;

use crate::companion::{Companion, attr, text};
use crate::messages::send;
use crate::pairing::{linked, log_in};

#[tokio::test(start_paused = true)]
async fn what_is_routed_redelivered_and_deduped_is_counted() {
    let server = TestServer::start().await;
    let (mut companion, mut wire) = linked(&server, "alice").await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    let before = server.metrics();
    assert_eq!((before.redelivered, before.deduped), (0, 0));
    let devices = [bob.lid().clone(), alice.lid().clone()];
    send(&mut companion, &mut wire, bob.lid(), &devices, "3EB0C1", "once").await;
    send(&mut companion, &mut wire, bob.lid(), &devices, "3EB0C1", "once more").await;
    bob.next_message().await;
    bob.send_text(alice.lid(), "unconfirmed").await.expect("sent");
    wire.expect("message").await;
    server.disconnect(&companion.jid());
    let unconfirmed = server.queued_for(&companion.jid());
    assert!(unconfirmed >= 1);
    bob.send_text(alice.lid(), "while away").await.expect("sent");
    let mut wire = log_in(&server, &mut companion).await;
    for _ in 0..2 {
        let stanza = wire.expect("message").await;
        wire.confirm(&stanza).await;
    }
    let after = server.metrics();
    assert_eq!((after.deduped, after.logins - before.logins), (1, 1));
    assert_eq!(
        after.redelivered, unconfirmed as u64,
        "what came while it was away goes out for the first time"
    );
    assert!(
        after.routed >= before.routed + 4 && after.sent > before.sent && after.received > before.received
    );
    let left = |jid: &Jid| after.pre_keys.iter().find(|(device, _)| device == jid).map(|(_, count)| *count);
    assert_eq!(left(&companion.jid()), Some(server.pre_keys_of(&companion.jid())));
    assert_eq!(left(bob.pn()), Some(server.pre_keys_of(bob.pn())));
}

#[tokio::test(start_paused = true)]
async fn acks_take_as_long_as_the_server_is_told() {
    let server =
        TestServer::with(Config { ack_delay: Some(Duration::from_secs(4)), ..Config::default() }).await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    let start = Instant::now();
    alice.send_text(bob.pn(), "slowly").await.expect("sent");
    assert_eq!(start.elapsed(), Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn a_message_key_that_is_used_twice_is_found() {
    let server = TestServer::with(Config { detect_key_reuse: true, ..Config::default() }).await;
    let (mut companion, mut wire) = linked(&server, "alice").await;
    let bob = server.phone("bob");
    let devices = [bob.lid().clone()];
    for number in 0..4 {
        send(&mut companion, &mut wire, bob.lid(), &devices, &format!("3EB0F{number}"), "fine").await;
        bob.next_message().await;
    }
    let stanza = message(&mut companion, bob.lid(), "3EB0A0", "the same bytes again");
    for _ in 0..2 {
        wire.send(&stanza).await;
        wire.expect_where(|node| node.tag == "ack" && attr(node, "id") == "3EB0A0").await;
    }
    assert_eq!((server.seen_keys(), server.reused_keys()), (5, vec![]));

    // As a client does that crashed between sending and storing.
    let stored = companion.sessions.get(bob.lid()).expect("a session").encode();
    let first = message(&mut companion, bob.lid(), "3EB0B0", "before the crash");
    let stored = SessionRecord::decode(&stored).expect("good");
    companion.sessions.insert(bob.lid().clone(), stored);
    let second = message(&mut companion, bob.lid(), "3EB0B1", "after the crash");
    wire.send(&first).await;
    wire.send(&second).await;
    wire.expect_where(|node| node.tag == "ack" && attr(node, "id") == "3EB0B1").await;
    let reused = server.reused_keys();
    assert_eq!(reused.len(), 1, "{reused:?}");
    let reuse = reused.first().expect("one");
    assert_eq!(reuse.ids, ["3EB0B0", "3EB0B1"]);
    assert_eq!((Some(&reuse.sender), &reuse.receiver), (companion.lid.as_ref(), bob.lid()));
}

/// A message for one device, encrypted with the next key of its session.
fn message(companion: &mut Companion, to: &Jid, id: &str, body: &str) -> Node {
    let copy = companion.copy_for(to, &text(body));
    Node::new("message")
        .attr("to", to)
        .attr("id", id)
        .attr("type", "text")
        .child(Node::new("participants").child(copy))
        .child(companion.device_identity())
}
