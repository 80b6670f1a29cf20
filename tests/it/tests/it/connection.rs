//! How a connection stands, falls and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wa_core::connection::CloseReason;
use wa_core::noise::HandshakeError;
use wa_core::transport::{Connector, Socket, TransportFuture};
use wa_core::wire::Node;
use wa_core::{Event, Message, SendError, SendOptions, Status};
use wa_it::{Companion, Recorder, builder, next_within};
use wa_store::{MemoryStore, Store};
use wa_test_server::{CertificateFault, Config, Direction, Phone, TestServer};

async fn linked() -> (TestServer, Phone, Companion) {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let companion = Companion::link(&server, &phone).await;
    (server, phone, companion)
}

/// The reason of the next disconnect; the client comes back by itself.
async fn disconnected(companion: &mut Companion) -> (CloseReason, Duration) {
    match companion.wait(|event| matches!(event, Event::Disconnected { .. } | Event::Closed { .. })).await {
        Event::Disconnected { reason, retry_in } => (reason, retry_in),
        other => panic!("{other:?}"),
    }
}

async fn connected(companion: &mut Companion) {
    companion.wait(|event| matches!(event, Event::Connected)).await;
}

/// Nothing more happens, however long one waits. For paused clocks.
async fn stays_away(companion: &mut Companion) {
    let more = tokio::time::timeout(Duration::from_secs(7200), companion.events.next()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_away_for_a_while_is_found_again() {
    let (server, phone, mut alice) = linked().await;
    let bob = server.phone("bob");
    server.faults().refuse_connections(3);
    assert!(server.disconnect(&alice.jid));
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let (reason, retry_in) = disconnected(&mut alice).await;
        assert!(matches!(reason, CloseReason::Network(_)), "{reason:?}");
        pauses.push(retry_in.as_secs_f64().round());
        bob.send_text(phone.pn(), "are you there?").await.unwrap();
    }
    assert_eq!(pauses, [1.0, 1.0, 2.0, 3.0]);
    connected(&mut alice).await;
    assert_eq!(alice.texts(4).await, ["are you there?"; 4]);
}

#[tokio::test]
async fn a_frame_cut_in_the_middle_costs_a_connection_and_no_message() {
    let (server, phone, mut alice) = linked().await;
    let bob = server.phone("bob");
    bob.send_text(phone.pn(), "one").await.unwrap();
    assert_eq!(alice.texts(1).await, ["one"]);
    assert!(server.cut_mid_frame(&alice.jid));
    bob.send_text(phone.pn(), "two").await.unwrap();
    let (reason, _) = disconnected(&mut alice).await;
    assert!(matches!(reason, CloseReason::Network(_)), "{reason:?}");
    alice.client.reconnect().await.unwrap();
    assert_eq!(alice.texts(1).await, ["two"]);
}

#[tokio::test]
async fn an_end_of_the_stream_is_no_farewell_for_ever() {
    let (server, _phone, mut alice) = linked().await;
    server.end_stream(&alice.jid);
    let (reason, _) = disconnected(&mut alice).await;
    assert!(matches!(reason, CloseReason::StreamEnd), "{reason:?}");
    alice.client.reconnect().await.unwrap();
    connected(&mut alice).await;
    assert!(server.mark_stream_end(&alice.jid));
    let (reason, _) = disconnected(&mut alice).await;
    assert!(matches!(reason, CloseReason::StreamEnd), "{reason:?}");
    alice.client.reconnect().await.unwrap();
    connected(&mut alice).await;
    server.stream_error(&alice.jid, 500);
    let (reason, _) = disconnected(&mut alice).await;
    assert!(matches!(reason, CloseReason::StreamError(_)), "{reason:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_nobody_vouches_for_is_left_alone() {
    for fault in [CertificateFault::WrongRoot, CertificateFault::BrokenSignature, CertificateFault::OtherKey]
    {
        let server = TestServer::start().await;
        server.faults().certificate(fault, 100);
        let recorder = Arc::new(Recorder::new(server.connector()));
        let built = builder(&server, Arc::new(MemoryStore::new())).connector(Arc::clone(&recorder) as _);
        let (client, mut events) = built.connect().await.unwrap();
        match next_within(&mut events, Duration::from_secs(30)).await {
            Event::Closed { reason: CloseReason::Handshake(HandshakeError::Certificate(_)) } => {}
            other => panic!("{fault:?}: {other:?}"),
        }
        assert_eq!(client.status(), Status::Closed);
        assert!(tokio::time::timeout(Duration::from_secs(7200), events.next()).await.is_err());
        assert_eq!(recorder.beginnings().len(), 1, "{fault:?}: no second attempt");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_root_key_ends_it() {
    let (server, other) = (TestServer::start().await, TestServer::start().await);
    let built = builder(&server, Arc::new(MemoryStore::new())).trust_root(other.trust_root());
    let (client, mut events) = built.connect().await.unwrap();
    match next_within(&mut events, Duration::from_secs(30)).await {
        Event::Closed { reason: CloseReason::Handshake(HandshakeError::Certificate(_)) } => {}
        other => panic!("{other:?}"),
    }
    assert!(!client.ready().await);
}

#[tokio::test(start_paused = true)]
async fn a_tampered_certificate_on_the_way_back_ends_it_too() {
    let (server, _phone, mut alice) = linked().await;
    server.faults().refuse_resume(true);
    server.faults().certificate(CertificateFault::BrokenSignature, 1);
    server.disconnect(&alice.jid);
    disconnected(&mut alice).await;
    match alice.next().await {
        Event::Closed { reason: CloseReason::Handshake(HandshakeError::Certificate(_)) } => {}
        other => panic!("{other:?}"),
    }
    stays_away(&mut alice).await;
    alice.client.reconnect().await.unwrap();
    assert!(alice.client.ready().await, "the keys are as good as before");
}

#[tokio::test(start_paused = true)]
async fn a_dead_socket_is_noticed_by_what_does_not_come() {
    let (server, _phone, mut alice) = linked().await;
    server.faults_of(&alice.jid).dead_socket(true);
    let event = next_within(&mut alice.events, Duration::from_secs(90)).await;
    let event = if matches!(event, Event::BacklogDone { .. }) {
        next_within(&mut alice.events, Duration::from_secs(90)).await
    } else {
        event
    };
    assert!(matches!(event, Event::Disconnected { reason: CloseReason::DeadSocket, .. }), "{event:?}");
    server.faults_of(&alice.jid).clear();
    connected(&mut alice).await;
}

#[tokio::test(start_paused = true)]
async fn a_quiet_connection_is_kept_alive_with_pings() {
    let (server, _phone, mut alice) = linked().await;
    for _ in 0..5 {
        let mark = server.mark();
        server
            .wait_for_after(mark, &alice.jid, Direction::FromClient, |node| {
                node.tag == "iq" && node.get("xmlns").is_some_and(|ns| ns.to_text() == "w:p")
            })
            .await;
    }
    assert_eq!(alice.client.status(), Status::Ready);
    server.faults_of(&alice.jid).swallow_pings(true);
    let event = next_within(&mut alice.events, Duration::from_secs(90)).await;
    let event = if matches!(event, Event::BacklogDone { .. }) {
        next_within(&mut alice.events, Duration::from_secs(90)).await
    } else {
        event
    };
    assert!(matches!(event, Event::Disconnected { reason: CloseReason::DeadSocket, .. }), "{event:?}");
}

#[tokio::test]
async fn frames_in_single_bytes_and_packed_stanzas_are_read() {
    let (server, phone, mut alice) = linked().await;
    let bob = server.phone("bob");
    server.faults_of(&alice.jid).split_frames(true);
    bob.send_text(phone.pn(), "byte by byte").await.unwrap();
    assert_eq!(alice.texts(1).await, ["byte by byte"]);
    server.faults_of(&alice.jid).split_frames(false);
    server.faults_of(&alice.jid).compress(true);
    let long = "packed ".repeat(1000);
    bob.send_text(phone.pn(), &long).await.unwrap();
    assert_eq!(alice.texts(1).await, [long]);
    server.faults_of(&alice.jid).split_frames(true);
    server.disconnect(&alice.jid);
    disconnected(&mut alice).await;
    alice.client.reconnect().await.unwrap();
    connected(&mut alice).await;
    alice.send_text(bob.pn(), "and back").await;
    assert_eq!(bob.next_message().await.text(), Some("and back"));
}

#[tokio::test(start_paused = true)]
async fn a_question_without_an_answer_times_out() {
    let (server, phone, alice) = linked().await;
    let (bob, carol) = (server.phone("bob"), server.phone("carol"));
    carol.send_text(phone.pn(), "the line is alive").await.unwrap();
    server.faults_of(&alice.jid).swallow_requests(Some("usync"));
    let send = alice.client.send(bob.pn(), Message::text("who are you?"));
    tokio::pin!(send);
    let failed = loop {
        tokio::select! {
            sent = &mut send => break sent,
            () = tokio::time::sleep(Duration::from_secs(10)) => {
                carol.send_text(phone.pn(), "the line is alive").await.unwrap();
            }
        }
    };
    assert!(matches!(failed, Err(SendError::Lookup)), "{failed:?}");
    assert_eq!(alice.client.status(), Status::Ready);
    server.faults_of(&alice.jid).clear();
    alice.send_text(bob.pn(), "and now?").await;
}

#[tokio::test]
async fn the_second_connection_is_resumed_and_falls_back_when_refused() {
    let server = TestServer::with(Config { edge_routing: Some(vec![1, 2, 3]), ..Config::default() }).await;
    let phone = server.phone("alice");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let recorder = Arc::new(Recorder::new(server.connector()));
    let built = builder(&server, Arc::clone(&store)).connector(Arc::clone(&recorder) as _);
    let mut alice = Companion::link_built(built, &phone, store).await;
    server.disconnect(&alice.jid);
    disconnected(&mut alice).await;
    alice.client.reconnect().await.unwrap();
    connected(&mut alice).await;
    let beginnings = recorder.beginnings();
    let full = beginnings[0].first.len();
    let last = beginnings.last().unwrap();
    assert!(last.first.len() > full + 80, "the hello of a resumed connection proves who we are");
    assert_eq!((beginnings[0].routing.as_deref(), last.routing.as_deref()), (None, Some(&[1, 2, 3][..])));

    server.faults().refuse_resume(true);
    server.disconnect(&alice.jid);
    disconnected(&mut alice).await;
    alice.client.reconnect().await.unwrap();
    connected(&mut alice).await;
    server.faults().refuse_resume(false);
    server.disconnect(&alice.jid);
    disconnected(&mut alice).await;
    alice.client.reconnect().await.unwrap();
    connected(&mut alice).await;
    assert!(recorder.beginnings().last().unwrap().first.len() > full + 80, "resumed again");
}

#[tokio::test]
async fn a_disconnect_is_orderly_and_lasts() {
    let (server, phone, alice) = linked().await;
    alice.client.disconnect().await;
    assert_eq!(alice.client.status(), Status::Closed);
    server.wait_offline(&alice.jid).await;
    alice.client.enqueue(phone.pn(), Message::text("later"), SendOptions::new()).await.unwrap();
    alice.client.reconnect().await.unwrap();
    assert!(alice.client.ready().await, "it is on its way as soon as reconnect returns");
    server.wait_online(&alice.jid).await;
    assert_eq!(phone.next_message().await.text(), Some("later"));
}

#[tokio::test]
async fn malformed_stanzas_are_refused_and_do_no_harm() {
    let (server, phone, mut alice) = linked().await;
    let bob = server.phone("bob");
    let mark = server.mark();
    // No sender of a form that exists, no time, nothing inside.
    assert!(server.deliver(&alice.jid, Node::new("message").attr("id", "BAD1").attr("from", "@@")));
    assert!(server.deliver(
        &alice.jid,
        Node::new("receipt").attr("id", "BAD2").attr("from", bob.pn()).attr("t", "soon")
    ));
    assert!(server.deliver(&alice.jid, Node::new("notification").attr("id", "BAD3").attr("from", bob.pn())));
    server.inject(&alice.jid, Node::new("message"));
    server.send_raw(&alice.jid, vec![0, 255, 255, 255]);
    server.send_raw(&alice.jid, Vec::new());
    server.inject(&alice.jid, Node::new("novelty").attr("id", "NEW1").attr("from", bob.pn()));
    match alice.wait(|event| matches!(event, Event::Other(_))).await {
        Event::Other(node) => assert_eq!(node.tag, "novelty"),
        other => panic!("{other:?}"),
    }
    let has_error = |id: &'static str| {
        move |node: &Node| {
            node.tag == "ack"
                && node.get("id").is_some_and(|value| value.to_text() == id)
                && node.get("error").is_some()
        }
    };
    server.wait_for_after(mark, &alice.jid, Direction::FromClient, has_error("BAD1")).await;
    server.wait_for_after(mark, &alice.jid, Direction::FromClient, has_error("NEW1")).await;
    bob.send_text(phone.pn(), "still there").await.unwrap();
    assert_eq!(alice.texts(1).await, ["still there"]);
    assert_eq!(alice.client.status(), Status::Ready);
}

#[tokio::test(start_paused = true)]
async fn a_login_whose_traffic_never_starts_is_no_login() {
    let (server, phone, mut alice) = linked().await;
    server.faults_of(&alice.jid).swallow_requests(Some("passive"));
    server.disconnect(&alice.jid);
    disconnected(&mut alice).await;
    match next_within(&mut alice.events, Duration::from_secs(120)).await {
        Event::Disconnected { reason: CloseReason::DeadSocket, .. } => {}
        other => panic!("{other:?}"),
    }
    alice.client.enqueue(phone.pn(), Message::text("later"), SendOptions::new()).await.unwrap();
    server.faults_of(&alice.jid).clear();
    connected(&mut alice).await;
    assert_eq!(phone.next_message().await.text(), Some("later"));
    assert_eq!(alice.client.status(), Status::Ready);
}

#[tokio::test(start_paused = true)]
async fn questions_of_a_lost_connection_do_not_stand_in_the_way_of_the_next_one() {
    let (server, _phone, mut alice) = linked().await;
    server.faults_of(&alice.jid).swallow_requests(Some("usync"));
    let mut sends = tokio::task::JoinSet::new();
    for name in ["bob", "carol", "dave"] {
        let (client, chat) = (alice.client.clone(), server.phone(name).pn().clone());
        sends.spawn(async move { client.send(&chat, Message::text("x")).await });
    }
    let is_usync = |node: &Node| node.get("xmlns").is_some_and(|ns| ns.to_text() == "usync");
    server.wait_for(&alice.jid, Direction::FromClient, is_usync).await;
    server.faults_of(&alice.jid).clear();
    server.disconnect(&alice.jid);
    for sent in sends.join_all().await {
        sent.unwrap();
    }
    connected(&mut alice).await;
    for name in ["bob", "carol", "dave"] {
        alice.send_text(server.phone(name).pn(), "again").await;
        assert_eq!(server.phone(name).next_message().await.text(), Some("x"));
        assert_eq!(server.phone(name).next_message().await.text(), Some("again"));
    }
}

/// A network that takes the call and says nothing.
#[derive(Debug)]
struct Nowhere;

impl Connector for Nowhere {
    fn connect<'a>(&'a self, _: Option<&'a [u8]>) -> TransportFuture<'a, Box<dyn Socket>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_a_network_that_says_nothing() {
    let server = TestServer::start().await;
    let built = builder(&server, Arc::new(MemoryStore::new())).connector(Arc::new(Nowhere));
    let (client, mut events) = built.connect().await.unwrap();
    let begun = tokio::time::Instant::now();
    client.shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_low_supply_of_pre_keys_is_filled_up_once() {
    let (server, _phone, alice) = linked().await;
    server.drain_pre_keys(&alice.jid, 3);
    let uploads = || {
        let nodes = server.nodes_of(&alice.jid);
        let is_upload = |node: &Node| {
            node.tag == "iq"
                && node.get("xmlns").is_some_and(|ns| ns.to_text() == "encrypt")
                && node.find("list").is_some()
        };
        nodes.iter().filter(|(way, node)| *way == Direction::FromClient && is_upload(node)).count()
    };
    assert_eq!(uploads(), 1, "the one of the first login");
    for id in ["LOW1", "LOW2"] {
        let low = Node::new("notification")
            .attr("from", wa_types::Jid::SERVER)
            .attr("id", id)
            .attr("type", "encrypt")
            .attr("t", 1_u32)
            .child(Node::new("count").attr("value", 3_u32));
        assert!(server.deliver(&alice.jid, low));
    }
    server.wait_drained(&alice.jid).await;
    let is_answer =
        |node: &Node| node.tag == "iq" && node.get("type").is_some_and(|kind| kind.to_text() == "result");
    server.wait_for(&alice.jid, Direction::ToClient, is_answer).await;
    // A second round trip, so that everything before it is through.
    alice.client.disconnect().await;
    alice.client.reconnect().await.unwrap();
    assert!(alice.client.ready().await);
    assert_eq!(uploads(), 2);
    assert!(server.pre_keys_of(&alice.jid) > 800);
}

/// The server's network, which takes nothing any more once it is told so.
#[derive(Debug)]
struct Clogged {
    inner: Arc<dyn Connector>,
    is_clogged: Arc<AtomicBool>,
}

#[derive(Debug)]
struct CloggedSocket {
    inner: Box<dyn Socket>,
    is_clogged: Arc<AtomicBool>,
}

impl Connector for Clogged {
    fn connect<'a>(&'a self, routing_info: Option<&'a [u8]>) -> TransportFuture<'a, Box<dyn Socket>> {
        Box::pin(async move {
            let inner = self.inner.connect(routing_info).await?;
            Ok(Box::new(CloggedSocket { inner, is_clogged: Arc::clone(&self.is_clogged) }) as Box<dyn Socket>)
        })
    }
}

impl Socket for CloggedSocket {
    fn send(&mut self, bytes: Vec<u8>) -> TransportFuture<'_, ()> {
        if self.is_clogged.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        self.inner.send(bytes)
    }

    fn recv(&mut self) -> TransportFuture<'_, Option<Vec<u8>>> {
        self.inner.recv()
    }

    fn close(&mut self) -> TransportFuture<'_, ()> {
        if self.is_clogged.load(Ordering::Relaxed) {
            return Box::pin(std::future::pending());
        }
        self.inner.close()
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_a_network_that_takes_nothing() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let is_clogged = Arc::new(AtomicBool::new(false));
    let network = Arc::new(Clogged { inner: server.connector(), is_clogged: Arc::clone(&is_clogged) });
    let built = builder(&server, Arc::clone(&store)).connector(network);
    let alice = Companion::link_built(built, &phone, store).await;
    alice.send_text(bob.pn(), "before").await;
    assert_eq!(bob.next_message().await.text(), Some("before"));
    is_clogged.store(true, Ordering::Relaxed);
    // Until nothing is taken any more: all that may wait on the way to the network is full.
    let send = || alice.client.enqueue(bob.pn(), Message::text("waits"), SendOptions::new());
    while let Ok(taken) = tokio::time::timeout(Duration::from_secs(1), send()).await {
        taken.unwrap();
    }
    let begun = tokio::time::Instant::now();
    let Companion { client, store, .. } = alice;
    client.shutdown().await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    // What was taken is stored, and leaves at the next start.
    let _alice = Companion::start(&server, store).await;
    assert_eq!(bob.next_message().await.text(), Some("waits"));
}
