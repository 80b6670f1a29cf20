//! What came while the client was away.

use wa_core::Event;
use wa_it::{Companion, builder};
use wa_test_server::TestServer;

#[tokio::test]
async fn the_backlog_comes_in_order_and_says_when_it_is_through() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let alice = Companion::link(&server, &phone).await;
    let jid = alice.jid.clone();
    let store = alice.stop().await;
    server.wait_offline(&jid).await;
    let texts: Vec<String> = (0..450).map(|number| number.to_string()).collect();
    for text in &texts {
        bob.send_text(phone.pn(), text).await.unwrap();
    }
    let (client, mut events) = builder(&server, store).connect().await.unwrap();
    let mut received = Vec::new();
    let count = loop {
        match wa_it::next(&mut events).await {
            Event::Message(message) => {
                assert!(message.is_backlog);
                received.push(message.message.as_text().unwrap().to_owned());
            }
            Event::BacklogDone { count } => break count,
            Event::Connected => assert!(received.is_empty(), "the login comes first"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(received, texts);
    assert!(count >= 450, "{count}");
    bob.send_text(phone.pn(), "live").await.unwrap();
    match wa_it::next(&mut events).await {
        Event::Message(message) => assert!(!message.is_backlog && message.message.as_text() == Some("live")),
        other => panic!("{other:?}"),
    }
    server.wait_drained(&jid).await;
    client.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_lost_amid_the_backlog_loses_nothing_and_repeats_nothing() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &phone).await;
    alice.client.disconnect().await;
    let texts: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    for text in &texts {
        bob.send_text(phone.pn(), text).await.unwrap();
    }
    let mut received = Vec::new();
    while received.len() < texts.len() {
        alice.client.reconnect().await.unwrap();
        for _ in 0..60 {
            received.extend(alice.texts(1).await);
        }
        server.disconnect(&alice.jid);
        server.wait_offline(&alice.jid).await;
    }
    assert_eq!(received, texts);
    alice.client.reconnect().await.unwrap();
    server.wait_drained(&alice.jid).await;
    bob.send_text(phone.pn(), "live").await.unwrap();
    assert_eq!(alice.texts(1).await, ["live"]);
}
