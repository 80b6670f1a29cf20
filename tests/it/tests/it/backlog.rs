//! What came while the client was away.

use std::time::Duration;

use wa_core::wire::Node;
use wa_core::{Event, Jid, Message};
use wa_it::{Companion, builder, next_within};
use wa_test_server::{Act, Config, Direction, Filter, Phone, TestServer};

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
    let (mut received, mut told) = (Vec::new(), Vec::new());
    let count = loop {
        match wa_it::next(&mut events).await {
            Event::Message(message) => {
                assert!(message.is_backlog);
                received.push(message.message.as_text().unwrap().to_owned());
            }
            Event::BacklogDone { count, is_complete } => {
                assert!(is_complete);
                break count;
            }
            Event::Backlog(progress) => {
                assert_eq!((progress.total, progress.messages), (450, 450));
                assert_eq!(progress.done as usize, received.len(), "what is told as done was told before");
                told.push(progress.done);
            }
            Event::Connected => assert!(received.is_empty(), "the login comes first"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(received, texts);
    assert_eq!(count, 450);
    assert_eq!(
        (told.first(), told.len()),
        (Some(&0), 3),
        "at its beginning, and every two hundred: {told:?}"
    );
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

/// A companion that is away, and a backlog of this many texts for it.
async fn away(server: &TestServer, count: usize) -> (Companion, Phone) {
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(server, &phone).await;
    alice.wait(|event| matches!(event, Event::BacklogDone { .. })).await;
    alice.client.disconnect().await;
    server.wait_offline(&alice.jid).await;
    for number in 0..count {
        bob.send_text(phone.pn(), &number.to_string()).await.unwrap();
    }
    (alice, bob)
}

fn is_pull(node: &Node) -> bool {
    node.tag == "ib" && node.find("offline_batch").is_some()
}

#[tokio::test(start_paused = true)]
async fn an_application_that_keeps_up_is_not_held_up() {
    let server = TestServer::start().await;
    let (mut alice, _bob) = away(&server, 2000).await;
    alice.client.reconnect().await.unwrap();
    assert!(alice.client.ready().await);
    let begun = tokio::time::Instant::now();
    let texts = alice.texts(2000).await;
    assert!(texts.iter().enumerate().all(|(number, text)| *text == number.to_string()));
    // Nothing was waited for: the pauses between the pulls would show on this clock.
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    alice.wait(|event| matches!(event, Event::BacklogDone { count: 2000, is_complete: true })).await;
    let pulls = server
        .nodes_of(&alice.jid)
        .into_iter()
        .filter(|(way, node)| *way == Direction::FromClient && is_pull(node));
    assert!(pulls.count() <= 2000 / 200 + 1, "and not more than there is was asked for");
}

#[tokio::test(start_paused = true)]
async fn an_application_that_takes_nothing_is_not_flooded() {
    let server =
        TestServer::with(Config { drain_after: Duration::from_secs(36_000), ..Config::default() }).await;
    let (mut alice, _bob) = away(&server, 1000).await;
    alice.client.reconnect().await.unwrap();
    assert!(alice.client.ready().await);
    // Hours pass without anybody reading; the capacity is 256 events.
    tokio::time::sleep(Duration::from_secs(7200)).await;
    let pulls = || {
        let nodes = server.nodes_of(&alice.jid);
        nodes.iter().filter(|(way, node)| *way == Direction::FromClient && is_pull(node)).count()
    };
    assert!(pulls() <= 3, "{} pulls", pulls());
    assert_eq!(alice.texts(1000).await.len(), 1000);
    // The silence was ours: the backlog is complete.
    let done = alice.wait(|event| matches!(event, Event::BacklogDone { .. })).await;
    assert!(matches!(done, Event::BacklogDone { count: 1000, is_complete: true }), "{done:?}");
}

#[tokio::test(start_paused = true)]
async fn a_backlog_is_counted_by_kind() {
    let server = TestServer::start().await;
    let (mut alice, bob) = away(&server, 3).await;
    for number in 0..2 {
        let from = |tag: &'static str, id: String| {
            Node::new(tag).attr("id", id).attr("from", bob.pn()).attr("t", 1_u32)
        };
        server.deliver(&alice.jid, from("receipt", format!("R{number}")));
        server.deliver(&alice.jid, from("notification", format!("N{number}")).attr("type", "novelty"));
    }
    server.deliver(&alice.jid, Node::new("call").attr("id", "C1").attr("from", bob.pn()).attr("t", 1_u32));
    alice.client.reconnect().await.unwrap();
    let begun = alice.wait(|event| matches!(event, Event::Backlog(_))).await;
    let Event::Backlog(progress) = begun else { unreachable!("{begun:?}") };
    let counts = (progress.messages, progress.receipts, progress.notifications, progress.calls);
    assert_eq!((progress.total, counts, progress.done), (8, (3, 2, 2, 1), 0));
    let mut messages = 0;
    loop {
        match alice.next().await {
            Event::Message(message) => {
                assert!(message.is_backlog);
                messages += 1;
            }
            Event::BacklogDone { count, is_complete } => {
                assert!(is_complete && count == 8);
                break;
            }
            _ => {}
        }
    }
    assert_eq!(messages, 3);
    server.wait_drained(&alice.jid).await;
}

#[tokio::test(start_paused = true)]
async fn a_backlog_that_the_server_never_ends_counts_as_through_after_a_while() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let alice = Companion::link(&server, &phone).await;
    let jid = alice.jid.clone();
    let store = alice.stop().await;
    server.wait_offline(&jid).await;
    bob.send_text(phone.pn(), "lost on the way").await.unwrap();
    bob.send_text(phone.pn(), "one").await.unwrap();
    let faults = server.faults_of(&jid);
    faults.script(Filter::deliveries(), Act::Drop, 1);
    // The preview is the first of these, the word of the end the second.
    faults.script(Filter::to_client().tag("ib"), Act::Delay(Duration::ZERO), 1);
    faults.script(Filter::to_client().tag("ib"), Act::Drop, 1);
    let limit = Duration::from_secs(25);
    let (client, mut events) = builder(&server, store).backlog_limit(limit).connect().await.unwrap();
    let mut begun = None;
    loop {
        match next_within(&mut events, Duration::from_secs(120)).await {
            Event::Backlog(progress) => assert_eq!(progress.total, 2),
            Event::Message(message) => {
                assert_eq!(message.message.as_text(), Some("one"));
                begun = Some(tokio::time::Instant::now());
            }
            Event::BacklogDone { count, is_complete } => {
                assert!(!is_complete && count == 1, "{count}");
                break;
            }
            Event::Connected => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(begun.unwrap().elapsed() >= limit);
    let pulled = server
        .nodes_of(&jid)
        .iter()
        .filter(|(way, node)| *way == Direction::FromClient && is_pull(node))
        .count();
    assert!(pulled > 5, "it was asked for again meanwhile: {pulled}");
    // The account works on, and does not tell it twice.
    bob.send_text(phone.pn(), "live").await.unwrap();
    let live = next_within(&mut events, Duration::from_secs(30)).await;
    assert!(
        matches!(&live, Event::Message(message) if message.message.as_text() == Some("live")),
        "{live:?}"
    );
    server.inject(
        &jid,
        Node::new("ib").attr("from", Jid::SERVER).child(Node::new("offline").attr("count", 2_u32)),
    );
    client.send(bob.pn(), Message::text("on we go")).await.unwrap();
    bob.send_text(phone.pn(), "after").await.unwrap();
    loop {
        match next_within(&mut events, Duration::from_secs(30)).await {
            Event::Message(message) => {
                assert_eq!(message.message.as_text(), Some("after"));
                break;
            }
            other => assert!(!matches!(other, Event::BacklogDone { .. }), "{other:?}"),
        }
    }
    client.shutdown().await;
}

#[tokio::test]
async fn what_a_sender_calls_itself_stays_out_of_debug() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &phone).await;
    bob.send_text(phone.pn(), "hello").await.unwrap();
    let message = alice.message().await;
    let name = message.push_name.clone().expect("phones have names");
    assert!(!name.is_empty() && !format!("{message:?}").contains(&name), "{message:?}");
}
