//! Deliveries that go wrong: twice, out of order, unreadable, too long.

use wa_core::wire::Node;
use wa_core::{Event, Message};
use wa_it::Companion;
use wa_test_server::{Direction, Phone, TestServer};

async fn linked() -> (TestServer, Phone, Phone, Companion) {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let alice = Companion::link(&server, &phone).await;
    (server, phone, bob, alice)
}

fn is_receipt(kind: &'static str) -> impl Fn(&Node) -> bool {
    move |node| node.tag == "receipt" && node.get("type").is_some_and(|value| value.to_text() == kind)
}

#[tokio::test]
async fn a_message_delivered_twice_is_told_once_and_confirmed_twice() {
    let (server, phone, bob, mut alice) = linked().await;
    server.faults_of(&alice.jid).duplicate_next(3);
    for text in ["one", "two", "three", "four"] {
        bob.send_text(phone.pn(), text).await.unwrap();
    }
    assert_eq!(alice.texts(4).await, ["one", "two", "three", "four"]);
    server.wait_drained(&alice.jid).await;
}

#[tokio::test]
async fn messages_out_of_order_are_all_read() {
    let (server, phone, bob, mut alice) = linked().await;
    bob.send_text(phone.pn(), "zero").await.unwrap();
    assert_eq!(alice.texts(1).await, ["zero"]);
    server.faults_of(&alice.jid).reorder_next(1);
    for text in ["one", "two", "three"] {
        bob.send_text(phone.pn(), text).await.unwrap();
    }
    let mut texts = alice.texts(3).await;
    texts.sort_unstable();
    assert_eq!(texts, ["one", "three", "two"]);
}

#[tokio::test]
async fn the_first_messages_of_a_session_out_of_order_are_all_read() {
    let (server, phone, bob, mut alice) = linked().await;
    server.faults_of(&alice.jid).reorder_next(1);
    for text in ["one", "two", "three"] {
        bob.send_text(phone.pn(), text).await.unwrap();
    }
    let mut texts = alice.texts(3).await;
    texts.sort_unstable();
    assert_eq!(texts, ["one", "three", "two"]);
}

#[tokio::test]
async fn an_unreadable_message_is_told_acknowledged_and_asked_for_again() {
    let (server, phone, bob, mut alice) = linked().await;
    bob.send_text(phone.pn(), "before").await.unwrap();
    assert_eq!(alice.texts(1).await, ["before"]);
    server.faults_of(&alice.jid).garble_next(1);
    let sent = bob.send_text(phone.pn(), "garbled").await.unwrap();
    match alice.wait(|event| matches!(event, Event::Undecryptable(_) | Event::Message(_))).await {
        Event::Undecryptable(lost) => {
            assert_eq!((&lost.id, lost.is_retried), (&sent.id, true));
            assert_eq!(lost.chat, *bob.lid());
        }
        other => panic!("{other:?}"),
    }
    server.wait_for(&alice.jid, Direction::FromClient, is_receipt("retry")).await;
    let again = alice.message().await;
    assert_eq!((again.id, again.message.as_text()), (sent.id, Some("garbled")));
    bob.send_text(phone.pn(), "after").await.unwrap();
    assert_eq!(alice.texts(1).await, ["after"]);
    server.wait_drained(&alice.jid).await;
}

#[tokio::test]
async fn a_garbled_first_message_is_asked_for_again() {
    let (server, phone, bob, mut alice) = linked().await;
    server.faults_of(&alice.jid).garble_next(2);
    let sent = bob.send_text(phone.pn(), "garbled twice").await.unwrap();
    let lost = alice.wait(|event| matches!(event, Event::Undecryptable(_) | Event::Message(_))).await;
    assert!(matches!(lost, Event::Undecryptable(_)), "{lost:?}");
    let again = alice.message().await;
    assert_eq!((again.id, again.message.as_text()), (sent.id, Some("garbled twice")));
    alice.send_text(bob.pn(), "thanks").await;
    assert_eq!(bob.next_message().await.text(), Some("thanks"));
}

#[tokio::test]
async fn an_oversize_message_is_told_and_the_connection_stands() {
    let (server, phone, bob, mut alice) = linked().await;
    bob.send_text(phone.pn(), "before").await.unwrap();
    assert_eq!(alice.texts(1).await, ["before"]);
    server.faults_of(&alice.jid).inflate_next(1, 8 << 20);
    let sent = bob.send_text(phone.pn(), "inflated").await.unwrap();
    let lost = alice.wait(|event| matches!(event, Event::Undecryptable(_) | Event::Message(_))).await;
    assert!(matches!(&lost, Event::Undecryptable(lost) if lost.id == sent.id), "{lost:?}");
    bob.send_text(phone.pn(), "after").await.unwrap();
    let mut texts = alice.texts(2).await;
    texts.sort_unstable();
    assert_eq!(texts, ["after", "inflated"]);
}

#[tokio::test]
async fn a_session_that_the_peer_lost_is_mended() {
    let (server, _phone, bob_phone, alice) = linked().await;
    let mut bob = Companion::link(&server, &bob_phone).await;
    alice.client.send(bob_phone.pn(), Message::text("one")).await.unwrap();
    assert_eq!(bob.texts(1).await, ["one"]);
    // Bob's companion begins anew on an empty store: another device, and the old one is gone.
    assert!(bob_phone.remove_device(&bob.jid));
    let mut bob = Companion::link(&server, &bob_phone).await;
    alice.client.send(bob_phone.pn(), Message::text("two")).await.unwrap();
    assert_eq!(bob.texts(1).await, ["two"]);
}
