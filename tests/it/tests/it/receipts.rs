//! Receipts, both ways.

use wa_core::Event;
use wa_core::stanza::receipt::ReceiptKind;
use wa_core::wire::Node;
use wa_it::Companion;
use wa_test_server::{Direction, TestServer};

#[tokio::test]
async fn deliveries_are_inactive_until_somebody_looks() {
    let server = TestServer::start().await;
    let (alice_phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &alice_phone).await;
    let first = bob.send_text(alice_phone.pn(), "one").await.unwrap();
    alice.message().await;
    bob.receipt(&first.id, Some("inactive")).await;

    alice.client.set_available(true).await.unwrap();
    let second = bob.send_text(alice_phone.pn(), "two").await.unwrap();
    alice.message().await;
    let receipt = server
        .wait_for(&alice.jid, Direction::FromClient, |node| {
            node.tag == "receipt" && node.get("id").is_some_and(|id| id.to_text() == second.id.as_str())
        })
        .await;
    assert!(receipt.get("type").is_none(), "an active delivery has no type");

    alice.client.set_available(false).await.unwrap();
    let third = bob.send_text(alice_phone.pn(), "three").await.unwrap();
    alice.message().await;
    bob.receipt(&third.id, Some("inactive")).await;
}

#[tokio::test]
async fn read_receipts_go_both_ways() {
    let server = TestServer::start().await;
    let (alice_phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &alice_phone).await;

    let sent = alice.send_text(bob.pn(), "read me").await;
    let message = bob.next_message().await;
    alice.receipt(&sent.id, ReceiptKind::Delivered).await;
    bob.read(&message);
    let receipt = alice.receipt(&sent.id, ReceiptKind::Read).await;
    assert_eq!((receipt.chat, receipt.from.to_user()), (bob.pn().clone(), bob.lid().clone()));

    let mut ids = Vec::new();
    let mut received = Vec::new();
    for number in 0..3 {
        ids.push(bob.send_text(alice_phone.pn(), &number.to_string()).await.unwrap().id);
        received.push(alice.message().await);
    }
    let all: Vec<_> = received.iter().collect();
    alice.client.mark_read(&all).await.unwrap();
    for id in &ids {
        bob.receipt(id, Some("read")).await;
    }
}

#[tokio::test]
async fn what_is_read_here_is_known_on_the_other_own_devices() {
    let server = TestServer::start().await;
    let (alice_phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut first = Companion::link(&server, &alice_phone).await;
    let mut second = Companion::link(&server, &alice_phone).await;
    let sent = bob.send_text(alice_phone.pn(), "for all").await.unwrap();
    let message = first.message().await;
    first.client.mark_read(&[&message]).await.unwrap();
    let receipt = second.receipt(&sent.id, ReceiptKind::ReadSelf).await;
    assert_eq!(receipt.chat, *bob.lid());
}

#[tokio::test]
async fn receipts_of_a_batch_are_joined() {
    let server = TestServer::start().await;
    let (alice_phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &alice_phone).await;
    bob.send_text(alice_phone.pn(), "first").await.unwrap();
    alice.message().await;
    server.wait_drained(&alice.jid).await;
    alice.client.disconnect().await;
    for number in 0..40 {
        bob.send_text(alice_phone.pn(), &number.to_string()).await.unwrap();
    }
    alice.client.reconnect().await.unwrap();
    alice.texts(40).await;
    server.wait_drained(&alice.jid).await;
    let receipts = server.nodes_of(&alice.jid);
    let receipts: Vec<Node> = receipts
        .into_iter()
        .filter(|(direction, node)| *direction == Direction::FromClient && node.tag == "receipt")
        .map(|(_, node)| node)
        .collect();
    assert!(receipts.len() < 20, "{} receipts for 41 messages", receipts.len());
    assert!(receipts.iter().any(|node| node.find("list").is_some()));
}

#[tokio::test]
async fn receipts_are_acknowledged() {
    let server = TestServer::start().await;
    let (alice_phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &alice_phone).await;
    let sent = alice.send_text(bob.pn(), "x").await;
    alice.wait(|event| matches!(event, Event::Receipt(receipt) if receipt.ids.contains(&sent.id))).await;
    server.wait_drained(&alice.jid).await;
}
