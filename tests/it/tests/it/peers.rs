//! Peers that do what they should not, and devices that are not where they are thought to be.

use wa_core::wire::Node;
use wa_core::{Event, LostReason, Message, SendError};
use wa_it::Companion;
use wa_test_server::{Direction, TestServer};

#[tokio::test(start_paused = true)]
async fn a_device_that_vanished_unnoticed_is_asked_about_and_left_out() {
    let server = TestServer::start().await;
    let bob_phone = server.phone("bob");
    let alice = Companion::link(&server, &server.phone("alice")).await;
    let bob = Companion::link(&server, &bob_phone).await;
    // Alice learns Bob's devices and gets no keys; she is no contact yet, so that nobody tells her of the change.
    server.faults_of(&alice.jid).refuse_request("encrypt", 503);
    server.faults_of(&alice.jid).refuse_request("encrypt", 503);
    let sent = alice.client.send(bob_phone.pn(), Message::text("x")).await;
    assert_eq!(sent, Err(SendError::Lookup));
    assert!(bob_phone.remove_device(&bob.jid));
    alice.send_text(bob_phone.pn(), "to the phone").await;
    assert_eq!(bob_phone.next_message().await.text(), Some("to the phone"));
}

#[tokio::test]
async fn a_forged_copy_of_an_own_message_is_not_believed() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &phone).await;
    let copy = wa_proto::e2e::DeviceSentMessage {
        destination_jid: Some(server.phone("carol").lid().to_string()),
        message: Some(Box::new(wa_proto::e2e::Message {
            conversation: Some("I owe you".to_owned()),
            ..Default::default()
        })),
        ..Default::default()
    };
    let forged = wa_proto::e2e::Message { device_sent_message: Some(Box::new(copy)), ..Default::default() };
    let sent = bob.send(phone.pn(), forged).await.unwrap();
    match alice.wait(|event| matches!(event, Event::MessageLost(_) | Event::Message(_))).await {
        Event::MessageLost(lost) => {
            assert_eq!((&lost.id, lost.why), (&sent.id, LostReason::ForeignCopy));
            assert_eq!(lost.chat, *bob.lid());
        }
        other => panic!("{other:?}"),
    }
    server.wait_drained(&alice.jid).await;
}

#[tokio::test]
async fn stanzas_without_anything_to_read_are_told_and_refused() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &phone).await;
    let message = |id: &'static str| {
        Node::new("message")
            .attr("from", bob.lid())
            .attr("id", id)
            .attr("t", 1_700_000_000_u32)
            .attr("type", "text")
    };
    let enc =
        |kind: &'static str, bytes: Vec<u8>| Node::new("enc").attr("v", "2").attr("type", kind).bytes(bytes);
    let cases = [
        message("EMPTY"),
        message("UNKNOWN").child(enc("telepathy", vec![1, 2, 3])),
        message("NOTHING").child(enc("msg", Vec::new())),
        message("NOISE").child(enc("pkmsg", vec![0x33; 200])),
    ];
    for node in cases {
        let id = node.get("id").unwrap().to_text().into_owned();
        assert!(server.deliver(&alice.jid, node));
        let is_told = |event: &Event| {
            matches!(event, Event::Undecryptable(_) | Event::MessageLost(_) | Event::Message(_))
        };
        match alice.wait(is_told).await {
            // What is asked for again, and what is hopeless.
            Event::Undecryptable(started) => assert!(started.id.as_str() == id && started.is_retried),
            Event::MessageLost(lost) => {
                assert_eq!((lost.id.as_str(), lost.why), (id.as_str(), LostReason::NoContent));
            }
            other => panic!("{id}: {other:?}"),
        }
    }
    server
        .wait_for(&alice.jid, Direction::FromClient, |node| {
            node.tag == "ack" && node.get("id").is_some_and(|id| id.to_text() == "EMPTY")
        })
        .await;
    bob.send_text(phone.pn(), "and a good one").await.unwrap();
    assert_eq!(alice.texts(1).await, ["and a good one"]);
    server.wait_drained(&alice.jid).await;
}

#[tokio::test]
async fn a_reader_that_is_away_hears_everything_in_order_from_several_senders() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let mut alice = Companion::link(&server, &phone).await;
    let bob = Companion::link(&server, &server.phone("bob")).await;
    let carol = Companion::link(&server, &server.phone("carol")).await;
    alice.client.disconnect().await;
    let mut expected = Vec::new();
    for number in 0..10 {
        for (name, sender) in [("bob", &bob), ("carol", &carol)] {
            sender.send_text(phone.pn(), &format!("{name} {number}")).await;
            expected.push(format!("{name} {number}"));
        }
    }
    alice.client.reconnect().await.unwrap();
    assert_eq!(alice.texts(20).await, expected);
}
