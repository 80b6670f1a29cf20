//! Calls: heard of, and declined.

use wa_core::Event;
use wa_core::event::{CallSignal, InboundCall};
use wa_core::wire::Node;
use wa_it::Companion;
use wa_test_server::{Direction, TestServer};

async fn call(companion: &mut Companion) -> InboundCall {
    match companion.wait(|event| matches!(event, Event::Call(_))).await {
        Event::Call(call) => *call,
        other => unreachable!("{other:?} is no call"),
    }
}

#[tokio::test]
async fn a_call_rings_and_ends_and_is_answered_for_the_server() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &phone).await;
    bob.call(phone.lid(), "C1", true);
    let rings = call(&mut alice).await;
    assert_eq!((rings.call_id.as_str(), &rings.creator), ("C1", bob.lid()));
    assert!(matches!(&rings.signal, CallSignal::Offer(offer) if offer.is_video && !offer.is_group));
    let receipt = |node: &Node| node.tag == "receipt" && node.find("offer").is_some();
    server.wait_for(&alice.jid, Direction::FromClient, receipt).await;
    bob.hang_up(phone.lid(), "C1", "timeout");
    let ends = call(&mut alice).await;
    assert!(matches!(&ends.signal, CallSignal::Terminate { reason } if reason.as_deref() == Some("timeout")));
    server.wait_drained(&alice.jid).await;
}

#[tokio::test]
async fn a_call_is_declined_and_the_caller_hears_of_it() {
    let server = TestServer::start().await;
    let (phone, bob_phone) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &phone).await;
    let mut bob = Companion::link(&server, &bob_phone).await;
    bob_phone.call(phone.lid(), "C2", false);
    let rings = call(&mut alice).await;
    alice.client.calls().reject(&rings).await.unwrap();
    let declined = call(&mut bob).await;
    assert_eq!((declined.call_id.as_str(), declined.signal), ("C2", CallSignal::Reject));
    assert!(declined.from.is_same_user(phone.lid()));
    alice.client.disconnect().await;
    assert!(alice.client.calls().reject(&rings).await.is_err());
}

#[tokio::test]
async fn a_call_is_taken_elsewhere_and_steps_that_are_new_arrive_too() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &phone).await;
    for (step, expected) in [
        ("preaccept", CallSignal::PreAccept),
        ("accept", CallSignal::Accept),
        ("mute_v2", CallSignal::Other("mute_v2".to_owned())),
    ] {
        bob.call_step(phone.lid(), "C4", step);
        let heard = call(&mut alice).await;
        assert_eq!((heard.call_id.as_str(), heard.signal), ("C4", expected));
        // A device must know that it was heard, or the server alone.
        let tag = if step == "accept" { "receipt" } else { "ack" };
        let id = heard.id.clone();
        let answer = move |node: &Node| {
            node.tag == tag && node.get("id").is_some_and(|it| it.to_text() == id.as_str())
        };
        server.wait_for(&alice.jid, Direction::FromClient, answer).await;
    }
    bob.hang_up(phone.lid(), "C4", "accepted_elsewhere");
    let ended = call(&mut alice).await.signal;
    assert_eq!(ended, CallSignal::Terminate { reason: Some("accepted_elsewhere".to_owned()) });
    server.wait_drained(&alice.jid).await;
}

#[tokio::test]
async fn a_call_that_was_missed_is_told_as_such() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &phone).await;
    alice.client.disconnect().await;
    bob.call(phone.lid(), "C3", false);
    alice.client.reconnect().await.unwrap();
    let missed = call(&mut alice).await;
    assert!(missed.is_offline);
    server.wait_drained(&alice.jid).await;
}
