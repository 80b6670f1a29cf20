//! Messages between companions and phones.

use wa_core::wire::Node;
use wa_test_server::{Direction, TestServer};
use wa_types::{Jid, MessageId};

use crate::companion::{Companion, Wire, attr, phash, text};
use crate::pairing::{linked, log_in};

/// Sends a text to these devices of `to`.
pub(crate) async fn send(
    companion: &mut Companion,
    wire: &mut Wire,
    to: &Jid,
    devices: &[Jid],
    id: &str,
    body: &str,
) -> Node {
    let unknown: Vec<Jid> =
        devices.iter().filter(|jid| !companion.sessions.contains_key(*jid)).cloned().collect();
    if !unknown.is_empty() {
        companion.fetch(wire, &unknown).await;
    }
    let copies: Vec<Node> = devices.iter().map(|device| companion.copy_for(device, &text(body))).collect();
    let stanza = Node::new("message")
        .attr("to", to)
        .attr("id", id)
        .attr("type", "text")
        .child(Node::new("participants").children(copies))
        .child(companion.device_identity());
    wire.send(&stanza).await;
    wire.expect_where(|node| node.tag == "ack" && attr(node, "id") == id).await
}

#[tokio::test(start_paused = true)]
async fn a_companion_and_a_phone_exchange_messages() {
    let server = TestServer::start().await;
    let (mut companion, mut wire) = linked(&server, "alice").await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));

    let sent = bob.send_text(alice.pn(), "hello companion").await.expect("sent");
    let stanza = wire.expect("message").await;
    assert_eq!(attr(&stanza, "id"), sent.id.to_string());
    assert_eq!(attr(&stanza, "from"), bob.lid().to_string());
    assert_eq!(attr(&stanza, "sender_pn"), bob.pn().to_string());
    assert_eq!(attr(&stanza, "notify"), "bob");
    assert_eq!(companion.decrypt(&stanza).conversation(), "hello companion");
    wire.confirm(&stanza).await;
    let receipt = bob.receipt(&sent.id, None).await;
    assert!(server.phone("alice").lid().is_same_user(&receipt.from));
    assert_eq!(alice.next_message().await.text(), Some("hello companion"));

    let devices = [bob.lid().clone(), alice.lid().clone()];
    let ack = send(&mut companion, &mut wire, bob.lid(), &devices, "3EB0A1", "hello phone").await;
    assert_eq!(attr(&ack, "error"), "", "{}", ack.to_xml());
    assert_eq!(attr(&ack, "phash"), "");
    let message = bob.next_message().await;
    assert_eq!((message.text(), message.from_me), (Some("hello phone"), false));
    assert_eq!(Some(&message.sender), companion.lid.as_ref());
    bob.read(&message);
    let read = wire.expect_where(|node| node.tag == "receipt" && attr(node, "type") == "read").await;
    assert_eq!(attr(&read, "from"), bob.lid().to_string());
}

#[tokio::test(start_paused = true)]
async fn own_devices_get_a_copy_with_the_chat() {
    let server = TestServer::start().await;
    let (mut one, mut one_wire) = linked(&server, "alice").await;
    let (mut two, mut two_wire) = linked(&server, "alice").await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));

    alice.send_text(bob.pn(), "from the phone").await.expect("sent");
    let stanza = one_wire.expect("message").await;
    assert_eq!(attr(&stanza, "recipient"), bob.lid().to_string());
    assert_eq!(attr(&stanza, "peer_recipient_pn"), bob.pn().to_string());
    let copy = one.decrypt(&stanza).device_sent_message.expect("a copy");
    assert_eq!(copy.destination_jid(), bob.lid().to_string());
    assert_eq!(copy.message.expect("inner").conversation(), "from the phone");

    let two_lid = two.lid.clone().expect("lid");
    let devices = [bob.lid().clone(), alice.lid().clone(), two_lid];
    send(&mut one, &mut one_wire, bob.lid(), &devices, "3EB0A2", "to all").await;
    let stanza = two_wire.expect_where(|node| attr(node, "id") == "3EB0A2").await;
    assert_eq!(attr(&stanza, "from"), one.lid.as_ref().expect("lid").to_string());
    assert_eq!(two.decrypt(&stanza).conversation(), "to all");
    two_wire.confirm(&stanza).await;
    let receipt = one_wire.expect_where(|node| node.tag == "receipt" && attr(node, "type") == "sender").await;
    assert_eq!(attr(&receipt, "recipient"), bob.lid().to_string());
}

#[tokio::test(start_paused = true)]
async fn what_is_not_acknowledged_comes_again_in_order() {
    let server = TestServer::start().await;
    let (mut companion, wire) = linked(&server, "alice").await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    drop(wire);
    server.wait_offline(&companion.jid()).await;
    let mut ids = Vec::new();
    for number in 0..12 {
        ids.push(
            bob.send_text(alice.lid(), &format!("message {number}")).await.expect("sent").id.to_string(),
        );
    }

    let mut wire = log_in(&server, &mut companion).await;
    let preview = wire.expect_where(|node| node.find("offline_preview").is_some()).await;
    assert_eq!(attr(preview.find("offline_preview").expect("preview"), "message"), "12");
    for (place, id) in ids.iter().take(5).enumerate() {
        let stanza = wire.expect("message").await;
        assert_eq!((&attr(&stanza, "id"), attr(&stanza, "offline")), (id, place.to_string()));
        assert_eq!(companion.decrypt(&stanza).conversation(), format!("message {place}"));
        wire.confirm(&stanza).await;
    }
    drop(wire);
    server.wait_offline(&companion.jid()).await;

    let mut wire = log_in(&server, &mut companion).await;
    wire.send(&Node::new("ib").child(Node::new("offline_batch").attr("count", "200"))).await;
    for (place, id) in ids.iter().enumerate().skip(5) {
        let stanza = wire.expect("message").await;
        assert_eq!(&attr(&stanza, "id"), id);
        assert_eq!(companion.decrypt(&stanza).conversation(), format!("message {place}"));
        wire.confirm(&stanza).await;
    }
    let end = wire.expect_where(|node| node.find("offline").is_some()).await;
    assert_eq!(attr(end.find("offline").expect("offline"), "count"), "7");
    server.wait_drained(&companion.jid()).await;
}

#[tokio::test(start_paused = true)]
async fn a_passive_client_gets_its_backlog_when_it_is_ready_even_without_asking() {
    let server = TestServer::start().await;
    let (mut companion, wire) = linked(&server, "alice").await;
    server.disconnect(&companion.jid());
    drop(wire);
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    for number in 0..8 {
        bob.send_text(alice.lid(), &number.to_string()).await.expect("sent");
    }
    companion.passive = true;
    let mut wire = log_in(&server, &mut companion).await;
    let count = wire.request("get", "encrypt", vec![Node::new("count")]).await;
    assert!(count.find("count").is_some());
    assert!(!server.stanzas_of(&companion.jid()).last().is_some_and(|last| last.contains("offline_preview")));
    wire.request("set", "passive", vec![Node::new("active")]).await;
    for _ in 0..8 {
        wire.expect("message").await;
    }
    wire.expect_where(|node| node.find("offline").is_some()).await;
}

#[tokio::test(start_paused = true)]
async fn the_same_id_is_acknowledged_again_and_delivered_once() {
    let server = TestServer::start().await;
    let (mut companion, mut wire) = linked(&server, "alice").await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    let devices = [bob.lid().clone(), alice.lid().clone()];
    let first = send(&mut companion, &mut wire, bob.lid(), &devices, "3EB0D1", "once").await;
    let second = send(&mut companion, &mut wire, bob.lid(), &devices, "3EB0D1", "twice").await;
    assert_eq!(attr(&first, "t"), attr(&second, "t"));
    assert_eq!(bob.next_message().await.text(), Some("once"));
    send(&mut companion, &mut wire, bob.lid(), &devices, "3EB0D2", "other").await;
    assert_eq!(bob.next_message().await.text(), Some("other"));
}

#[tokio::test(start_paused = true)]
async fn a_stale_device_list_is_told_by_the_participant_hash() {
    let server = TestServer::start().await;
    let (mut companion, mut wire) = linked(&server, "alice").await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    let (bobs, _bobs_wire) = linked(&server, "bob").await;
    let devices = [bob.lid().clone(), alice.lid().clone()];
    let ack = send(&mut companion, &mut wire, bob.lid(), &devices, "3EB0E1", "to some").await;
    let all = [
        bob.lid().clone(),
        bobs.lid.clone().expect("lid"),
        alice.lid().clone(),
        companion.lid.clone().expect("lid"),
    ];
    assert_eq!(attr(&ack, "phash"), phash(&all));
}

#[tokio::test(start_paused = true)]
async fn contacts_hear_of_new_devices() {
    let server = TestServer::start().await;
    let (_companion, mut wire) = linked(&server, "alice").await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    bob.send_text(alice.pn(), "now we know each other").await.expect("sent");
    let (bobs, _bobs_wire) = linked(&server, "bob").await;
    let notification = wire.expect_where(|node| attr(node, "type") == "devices").await;
    let add = notification.find("add").expect("add");
    assert_eq!(attr(add.find("device").expect("device"), "jid"), bobs.jid().to_string());
    assert_eq!(attr(add, "device_hash"), phash(&[bob.pn().clone(), bobs.jid()]));
    assert!(add.find("key-index-list").and_then(Node::content_bytes).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_garbled_message_is_sent_again_when_asked_for() {
    let server = TestServer::start().await;
    let (mut companion, mut wire) = linked(&server, "alice").await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    bob.send_text(alice.lid(), "first").await.expect("sent");
    let stanza = wire.expect("message").await;
    companion.decrypt(&stanza);
    server.faults_of(&companion.jid()).garble_next(1);
    let sent = bob.send_text(alice.lid(), "second").await.expect("sent");
    let stanza = wire.expect("message").await;
    let retry = Node::new("retry").attr("v", "1").attr("count", 1_u32).attr("id", attr(&stanza, "id"));
    let receipt = Node::new("receipt")
        .attr("id", attr(&stanza, "id"))
        .attr_opt("to", stanza.get("from").cloned())
        .attr("type", "retry")
        .child(retry)
        .child(Node::new("registration").bytes(companion.registration_id.to_bytes()));
    wire.send(&receipt).await;
    let again = wire.expect("message").await;
    assert_eq!(attr(&again, "id"), sent.id.to_string());
    assert_eq!(attr(again.find("enc").expect("enc"), "count"), "1");
    assert_eq!(companion.decrypt(&again).conversation(), "second");
}

#[tokio::test(start_paused = true)]
async fn a_phone_asks_again_for_what_it_cannot_read() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    alice.send_text(bob.pn(), "first").await.expect("sent");
    assert_eq!(bob.next_message().await.text(), Some("first"));
    server.faults_of(bob.pn()).garble_next(1);
    let sent = alice.send_text(bob.pn(), "second").await.expect("sent");
    let message = bob.next_message().await;
    assert_eq!((message.text(), &message.id), (Some("second"), &sent.id));
    alice.receipt(&sent.id, Some("retry")).await;
    alice.receipt(&sent.id, None).await;
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_was_off_gets_its_messages() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    bob.go_offline();
    for number in 0..3 {
        alice.send_text(bob.pn(), &number.to_string()).await.expect("sent");
    }
    assert!(bob.try_next_message().is_none());
    bob.online();
    for number in 0..3 {
        assert_eq!(bob.next_message().await.text(), Some(number.to_string().as_str()));
    }
    server.wait_drained(bob.pn()).await;
}

#[tokio::test(start_paused = true)]
async fn one_time_keys_are_given_once_and_asked_for_when_low() {
    let server = TestServer::start().await;
    let (mut companion, mut wire) = linked(&server, "alice").await;
    let jid = companion.jid();
    let bob = server.phone("bob");
    let before = server.pre_keys_of(bob.pn());
    companion.fetch(&mut wire, &[bob.lid().clone()]).await;
    assert_eq!(server.pre_keys_of(bob.pn()), before - 1);

    server.drain_pre_keys(&jid, 5);
    bob.send_text(&jid, "takes one").await.expect("sent");
    let low = wire.expect_where(|node| attr(node, "type") == "encrypt").await;
    assert_eq!(attr(low.find("count").expect("count"), "value"), "4");
    let digest = wire.request("get", "encrypt", vec![Node::new("digest")]).await;
    assert_eq!(
        digest.find("digest").and_then(|node| node.find("list")).map(|list| list.nodes().len()),
        Some(4)
    );
    let stanza = server.wait_for(&jid, Direction::ToClient, |node| node.tag == "message").await;
    assert!(MessageId::new(attr(&stanza, "id")).as_str().starts_with("3A"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_loses_nothing() {
    let server = TestServer::start().await;
    let (mut companion, mut wire) = linked(&server, "alice").await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    alice.go_offline();
    for number in 0..1500 {
        bob.send_text(alice.lid(), &number.to_string()).await.expect("sent");
    }
    assert_eq!(server.queued_for(&companion.jid()), 1500);
    for number in 0..1500 {
        let stanza = wire.expect("message").await;
        assert_eq!(companion.decrypt(&stanza).conversation(), number.to_string());
        wire.confirm(&stanza).await;
    }
    server.wait_drained(&companion.jid()).await;
}
