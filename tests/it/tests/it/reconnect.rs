//! Why a connection ended, and when the client comes back: at once, later, much later, once, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use wa_core::client::ReconnectPolicy;
use wa_core::connection::CloseReason;
use wa_core::error::ReconnectError;
use wa_core::noise::client_payload::ClientVersion;
use wa_core::stanza::stream::{BanCause, Refusal, StreamError};
use wa_core::transport::{Connector, Socket, TransportFuture};
use wa_core::wire::Node;
use wa_core::{Client, Event, Status};
use wa_it::{CommitHook, Companion, FaultyStore, Recorder, builder, next_within};
use wa_store::{Changes, MemoryStore, Store, StoreError};
use wa_test_server::{Config, Direction, Phone, TestServer};

async fn linked() -> (TestServer, Phone, Companion) {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let companion = Companion::link(&server, &phone).await;
    (server, phone, companion)
}

/// The next end of a connection: why, and when the client comes back.
async fn ended(companion: &mut Companion) -> (CloseReason, Option<Duration>) {
    loop {
        match next_within(&mut companion.events, Duration::from_secs(20_000)).await {
            Event::Disconnected { reason, retry_in } => return (reason, Some(retry_in)),
            Event::Closed { reason } => return (reason, None),
            Event::LoggedOut { reason } => {
                assert_eq!(companion.client.status(), Status::LoggedOut);
                return (reason, None);
            }
            _ => {}
        }
    }
}

async fn connected(companion: &mut Companion) {
    while !matches!(next_within(&mut companion.events, Duration::from_secs(20_000)).await, Event::Connected) {
    }
}

/// Nothing more happens, however long one waits.
async fn stays_away(companion: &mut Companion) {
    let more = tokio::time::timeout(Duration::from_secs(7200), companion.events.next()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn who_is_replaced_comes_back_once_and_then_leaves_it_to_the_other() {
    let (server, _phone, mut alice) = linked().await;
    let mut second = Companion::start(&server, Arc::clone(&alice.store)).await;
    let (reason, retry_in) = ended(&mut alice).await;
    assert!(matches!(reason, CloseReason::Replaced), "{reason:?}");
    assert_eq!(retry_in, Some(Duration::from_secs(10)));
    connected(&mut alice).await;
    // The other one is as stubborn.
    let (reason, retry_in) = ended(&mut second).await;
    assert!(matches!(reason, CloseReason::Replaced), "{reason:?}");
    assert_eq!(retry_in, Some(Duration::from_secs(10)));
    let (reason, retry_in) = ended(&mut alice).await;
    assert!(matches!(reason, CloseReason::Conflict) && retry_in.is_none(), "{reason:?}");
    assert_eq!(alice.client.status(), Status::Closed);
    assert!(matches!(alice.client.close_reason(), Some(CloseReason::Conflict)));
    stays_away(&mut alice).await;
    assert_eq!(second.client.status(), Status::Ready);
    assert!(second.client.close_reason().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_application_may_take_a_conflicted_connection_back() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let mut policy = ReconnectPolicy::default();
    policy.after_replaced = Duration::from_secs(1);
    policy.conflict_within = Duration::from_secs(30);
    let built = builder(&server, Arc::clone(&store)).reconnect(policy);
    let mut alice = Companion::link_built(built, &phone, store).await;
    for _ in 0..2 {
        let second = Companion::start(&server, Arc::clone(&alice.store)).await;
        ended(&mut alice).await;
        second.stop().await;
        connected_or_closed(&mut alice).await;
    }
    assert!(matches!(alice.client.close_reason(), Some(CloseReason::Conflict)));
    alice.client.reconnect().await.unwrap();
    assert!(alice.client.ready().await);
    // That one was asked for: it is defended once.
    let second = Companion::start(&server, Arc::clone(&alice.store)).await;
    assert!(matches!(ended(&mut alice).await, (CloseReason::Replaced, Some(_))));
    second.stop().await;
    connected(&mut alice).await;
    // And after a while it is as if nothing had been.
    tokio::time::sleep(Duration::from_secs(31)).await;
    let second = Companion::start(&server, Arc::clone(&alice.store)).await;
    assert!(matches!(ended(&mut alice).await, (CloseReason::Replaced, Some(_))));
    second.stop().await;
    connected(&mut alice).await;
}

async fn connected_or_closed(companion: &mut Companion) {
    companion.client.ready().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_says_why_and_what_is_next() {
    use Refusal::{
        BadUserAgent, Banned, ClientUnknown, Experimental, Generic, Locked, LoggedOut, NotFound, Other,
        RateLimited, ServerTrouble, TokenExpired, TokenInvalid, Unavailable,
    };
    // Seconds until the next attempt; `None` for never. 402 and 405 have tests of their own.
    let cases: &[(u16, Refusal, Option<f64>, Status)] = &[
        (400, Generic, None, Status::Closed),
        (401, LoggedOut, None, Status::LoggedOut),
        (403, Locked, None, Status::LoggedOut),
        (406, Banned, None, Status::LoggedOut),
        (409, BadUserAgent, None, Status::Closed),
        (413, TokenExpired, None, Status::Closed),
        (414, TokenInvalid, None, Status::Closed),
        (415, NotFound, None, Status::Closed),
        (418, ClientUnknown, None, Status::Closed),
        (429, RateLimited, Some(60.0), Status::Ready),
        (500, ServerTrouble, Some(1.0), Status::Ready),
        (501, Experimental, None, Status::Closed),
        (503, Unavailable, Some(1.0), Status::Ready),
        (599, Other(599), None, Status::Closed),
    ];
    for (code, refusal, pause, status) in cases {
        let (server, _phone, mut alice) = linked().await;
        server.faults_of(&alice.jid).refuse_login(*code, 1);
        alice.client.disconnect().await;
        ended(&mut alice).await;
        alice.client.reconnect().await.unwrap();
        let (reason, retry_in) = ended(&mut alice).await;
        let CloseReason::Refused(failure) = &reason else { panic!("{code}: {reason:?}") };
        assert_eq!(failure.reason, *refusal, "{code}");
        assert_eq!(retry_in.is_some(), pause.is_some(), "{code}: {retry_in:?}");
        if let (Some(retry_in), Some(pause)) = (retry_in, pause) {
            assert!((retry_in.as_secs_f64() - pause).abs() <= pause / 8.0, "{code}: {retry_in:?}");
            connected(&mut alice).await;
        } else {
            stays_away(&mut alice).await;
            assert!(matches!(alice.client.close_reason(), Some(CloseReason::Refused(_))), "{code}");
        }
        assert_eq!(alice.client.status(), *status, "{code}");
        if *status == Status::LoggedOut {
            assert_eq!(alice.client.reconnect().await, Err(ReconnectError::LoggedOut), "{code}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_error_says_why_and_what_is_next() {
    use StreamError::{Code, RateLimited, ServerTrouble};
    let cases: &[(u16, StreamError, f64)] = &[
        (413, Code(413), 1.0),
        (429, RateLimited, 60.0),
        (500, ServerTrouble(500), 1.0),
        (503, ServerTrouble(503), 1.0),
    ];
    for (code, error, pause) in cases {
        let (server, _phone, mut alice) = linked().await;
        server.stream_error(&alice.jid, *code);
        let (reason, retry_in) = ended(&mut alice).await;
        assert!(matches!(&reason, CloseReason::StreamError(got) if got == error), "{code}: {reason:?}");
        let retry_in = retry_in.expect("it comes back").as_secs_f64();
        assert!((retry_in - pause).abs() <= pause / 8.0, "{code}: {retry_in}");
        assert!(matches!(alice.client.status(), Status::Waiting { .. }), "{code}");
        connected(&mut alice).await;
    }
    let (server, _phone, mut alice) = linked().await;
    server.stream_error(&alice.jid, 515);
    let (reason, retry_in) = ended(&mut alice).await;
    assert!(matches!(reason, CloseReason::RestartRequired), "{reason:?}");
    assert_eq!(retry_in, Some(Duration::ZERO));
    connected(&mut alice).await;
    for child in ["ack", "xml-not-well-formed"] {
        server.close_with(&alice.jid, Node::new("stream:error").child(Node::new(child)));
        assert!(matches!(ended(&mut alice).await, (CloseReason::StreamError(_), Some(_))), "{child}");
        connected(&mut alice).await;
    }
    server.close_with(&alice.jid, Node::new("stream:error").child(Node::new("conflict").attr("type", "new")));
    let (reason, retry_in) = ended(&mut alice).await;
    assert!(matches!(reason, CloseReason::StreamError(StreamError::UnknownConflict)), "{reason:?}");
    assert_eq!(retry_in, None);
    alice.client.reconnect().await.unwrap();
    connected(&mut alice).await;
    server.stream_error(&alice.jid, 516);
    assert!(matches!(ended(&mut alice).await, (CloseReason::LoggedOut, None)));
    assert_eq!(alice.client.status(), Status::LoggedOut);
}

#[tokio::test(start_paused = true)]
async fn a_ban_is_waited_for_also_after_a_restart_and_also_when_asked() {
    let (server, _phone, mut alice) = linked().await;
    server.faults_of(&alice.jid).refuse_login(402, 1);
    server.disconnect(&alice.jid);
    ended(&mut alice).await;
    let (reason, retry_in) = ended(&mut alice).await;
    let CloseReason::Banned { until, failure: Some(failure) } = &reason else { panic!("{reason:?}") };
    assert_eq!(failure.ban, Some(BanCause::TooManyStrangers));
    let hour = Duration::from_secs(3600);
    assert!(
        retry_in.is_some_and(|pause| (hour - Duration::from_secs(5)..=hour).contains(&pause)),
        "{retry_in:?}"
    );
    assert_eq!(alice.client.reconnect().await, Err(ReconnectError::Banned { until: *until }));
    assert!(matches!(alice.client.status(), Status::Waiting { .. }));

    let store = alice.stop().await;
    let recorder = Arc::new(Recorder::new(server.connector()));
    let built = builder(&server, Arc::clone(&store)).connector(Arc::clone(&recorder) as _);
    let (client, mut events) = built.connect().await.unwrap();
    match next_within(&mut events, Duration::from_secs(60)).await {
        Event::Disconnected { reason: CloseReason::Banned { until: again, failure: None }, .. } => {
            assert_eq!(again, *until);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(client.reconnect().await, Err(ReconnectError::Banned { until: *until }));
    assert!(recorder.beginnings().is_empty(), "not even a connection");
    assert!(
        matches!(next_within(&mut events, 2 * hour).await, Event::Connected),
        "by itself, when it is over"
    );
    assert_eq!(recorder.beginnings().len(), 1);
    let account = store.account().await.unwrap().unwrap();
    assert_eq!(account.banned_until, None);
    client.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn who_was_told_to_stay_away_stays_away_when_the_ban_is_over() {
    let (server, _phone, mut alice) = linked().await;
    server.faults_of(&alice.jid).refuse_login(402, 1);
    server.disconnect(&alice.jid);
    ended(&mut alice).await;
    assert!(matches!(ended(&mut alice).await, (CloseReason::Banned { .. }, Some(_))));
    alice.client.disconnect().await;
    assert!(matches!(ended(&mut alice).await, (CloseReason::Requested, None)));
    stays_away(&mut alice).await;
    assert_eq!(alice.client.status(), Status::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_refused_version_is_told_and_a_newer_one_brings_the_account_back() {
    let server = TestServer::with(Config { minimum_revision: 1000, ..Config::default() }).await;
    let phone = server.phone("alice");
    let (old, new) = (ClientVersion::web(999), ClientVersion::web(1000));
    let refused = |reason: &CloseReason| matches!(reason, CloseReason::VersionRefused { version } if *version == ClientVersion::web(999));
    // While pairing,
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let built = builder(&server, Arc::clone(&store)).version(old);
    let (client, mut events) = built.connect().await.unwrap();
    match next_within(&mut events, Duration::from_secs(60)).await {
        Event::Closed { reason } => assert!(refused(&reason), "{reason:?}"),
        other => panic!("{other:?}"),
    }
    client.set_version(new).await;
    client.reconnect().await.unwrap();
    let qr = wa_it::next_qr(&mut events).await;
    let jid = phone.scan(&qr).await.unwrap();
    while !matches!(wa_it::next(&mut events).await, Event::Connected) {}
    client.shutdown().await;
    // and at a login.
    let (client, events) = builder(&server, Arc::clone(&store)).version(old).connect().await.unwrap();
    let mut alice = Companion { client, events, store, jid };
    let (reason, retry_in) = ended(&mut alice).await;
    assert!(refused(&reason) && retry_in.is_none(), "{reason:?}");
    assert!(alice.client.close_reason().is_some_and(|reason| refused(&reason)));
    stays_away(&mut alice).await;
    alice.client.set_version(new).await;
    alice.client.reconnect().await.unwrap();
    connected(&mut alice).await;
}

/// Closes connections that begin with a resumption, without a word. Counts all.
#[derive(Debug)]
struct NoResumption {
    inner: Arc<dyn Connector>,
    refused: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct NoResumptionSocket {
    inner: Box<dyn Socket>,
    refused: Arc<AtomicUsize>,
    is_begun: bool,
    is_closed: bool,
}

impl Connector for NoResumption {
    fn connect<'a>(&'a self, routing_info: Option<&'a [u8]>) -> TransportFuture<'a, Box<dyn Socket>> {
        Box::pin(async move {
            let inner = self.inner.connect(routing_info).await?;
            let refused = Arc::clone(&self.refused);
            Ok(Box::new(NoResumptionSocket { inner, refused, is_begun: false, is_closed: false })
                as Box<dyn Socket>)
        })
    }
}

impl Socket for NoResumptionSocket {
    fn send(&mut self, bytes: Vec<u8>) -> TransportFuture<'_, ()> {
        // A hello that proves who we are is far longer than one that does not.
        if !std::mem::replace(&mut self.is_begun, true) && bytes.len() > 120 {
            self.is_closed = true;
            self.refused.fetch_add(1, Ordering::SeqCst);
        }
        if self.is_closed { Box::pin(async { Ok(()) }) } else { self.inner.send(bytes) }
    }

    fn recv(&mut self) -> TransportFuture<'_, Option<Vec<u8>>> {
        if self.is_closed { Box::pin(async { Ok(None) }) } else { self.inner.recv() }
    }

    fn close(&mut self) -> TransportFuture<'_, ()> {
        self.inner.close()
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_closes_on_a_resumption_gets_the_full_handshake_next() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let refused = Arc::new(AtomicUsize::new(0));
    let connector = Arc::new(NoResumption { inner: server.connector(), refused: Arc::clone(&refused) });
    let built = builder(&server, Arc::clone(&store)).connector(connector);
    let (client, mut events) = built.connect().await.unwrap();
    let qr = wa_it::next_qr(&mut events).await;
    let jid = phone.scan(&qr).await.unwrap();
    let mut alice = Companion { client, events, store, jid };
    connected(&mut alice).await;
    assert_eq!(refused.load(Ordering::SeqCst), 0, "nothing is resumed before the first login");
    for round in 1..=2 {
        server.disconnect(&alice.jid);
        ended(&mut alice).await;
        let (reason, retry_in) = ended(&mut alice).await;
        assert!(matches!(reason, CloseReason::Network(_)) && retry_in.is_some(), "{reason:?}");
        assert_eq!(refused.load(Ordering::SeqCst), round);
        connected(&mut alice).await;
    }
}

#[tokio::test(start_paused = true)]
async fn routing_that_leads_nowhere_is_dropped() {
    let server = TestServer::with(Config { edge_routing: Some(vec![1, 2, 3]), ..Config::default() }).await;
    let phone = server.phone("alice");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let recorder = Arc::new(Recorder::new(server.connector()));
    let built = builder(&server, Arc::clone(&store)).connector(Arc::clone(&recorder) as _);
    let mut alice = Companion::link_built(built, &phone, store).await;
    let before = recorder.beginnings().len();
    server.faults().refuse_connections(2);
    server.disconnect(&alice.jid);
    connected(&mut alice).await;
    let routes: Vec<bool> =
        recorder.beginnings()[before..].iter().map(|beginning| beginning.routing.is_some()).collect();
    assert_eq!(routes, [true, true, false]);
    server.disconnect(&alice.jid);
    connected(&mut alice).await;
    assert!(recorder.beginnings().last().unwrap().routing.is_some(), "the server gave it anew");
}

fn is_presence(kind: &'static str) -> impl Fn(&Node) -> bool {
    move |node| node.tag == "presence" && node.get("type").is_some_and(|value| value.to_text() == kind)
}

#[tokio::test(start_paused = true)]
async fn being_available_survives_a_reconnect() {
    let (server, _phone, mut alice) = linked().await;
    alice.client.set_available(true).await.unwrap();
    server.wait_for(&alice.jid, Direction::FromClient, is_presence("available")).await;
    for _ in 0..2 {
        let mark = server.mark();
        server.disconnect(&alice.jid);
        ended(&mut alice).await;
        server.wait_for_after(mark, &alice.jid, Direction::FromClient, is_presence("available")).await;
    }
    // What is said while there is no connection is said with the next one.
    alice.client.disconnect().await;
    alice.client.set_available(false).await.unwrap();
    let mark = server.mark();
    alice.client.reconnect().await.unwrap();
    server.wait_for_after(mark, &alice.jid, Direction::FromClient, is_presence("unavailable")).await;
}

#[tokio::test(start_paused = true)]
async fn the_status_of_an_account_whose_client_ended_is_closed() {
    let (_server, _phone, alice) = linked().await;
    let other: Client = alice.client.clone();
    assert_eq!(other.status(), Status::Ready);
    assert!(other.close_reason().is_none());
    alice.stop().await;
    assert_eq!(other.status(), Status::Closed);
    assert!(matches!(other.close_reason(), Some(CloseReason::Requested)));
    assert_eq!(other.reconnect().await, Err(ReconnectError::Shutdown));
}

/// Counts the commits.
#[derive(Debug, Default)]
struct Counted(AtomicUsize);

impl CommitHook for Counted {
    fn before(&self, _: &Changes) -> Result<(), StoreError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_writes_once() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let commits = Arc::new(Counted::default());
    let store = FaultyStore::with_hook(Arc::new(MemoryStore::new()), Arc::clone(&commits) as _);
    let mut alice = Companion::link_with(&server, &phone, Arc::new(store)).await;
    for _ in 0..3 {
        alice.client.disconnect().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let before = commits.0.load(Ordering::SeqCst);
        alice.client.reconnect().await.unwrap();
        connected(&mut alice).await;
        alice.wait(|event| matches!(event, Event::BacklogDone { .. })).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(commits.0.load(Ordering::SeqCst) - before, 1);
    }
}
