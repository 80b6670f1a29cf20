//! Time is virtual: it passes when everybody waits.

use std::future::pending;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;

use axum::extract::connect_info::MockConnectInfo;
use axum::serve::Listener;
use metrics_exporter_prometheus::PrometheusBuilder;
use tempfile::TempDir;
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::client_async;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use wa_manager::account::AccountSettings;
use wa_manager::clock::SystemClock;
use wa_manager::event::NewEvent;
use wa_manager::pairing::{MemoryPairingStore, PairingStore};
use wa_manager::store::{Changes, EventQuery, ManagerStore, MemoryManagerStore, SqliteManagerStore};
use wa_manager::{AccountPatch, AccountSpec, ClientManager, EventId, PathTemplate, TenantId};
use wa_types::UnixMillis;

use super::*;
use crate::idempotency::Idempotency;
use crate::keys::KeyStore;
use crate::passkeys::Passkeys;
use crate::rates::Rates;
use crate::rest::health::Answered;
use crate::rest::nodes::Node;

pub(crate) fn key() -> Key {
    Key {
        id: "k".to_owned(),
        label: String::new(),
        tenant: TenantId::default(),
        accounts: BTreeSet::new(),
        scopes: BTreeSet::from([Scope::Read]),
        addresses: BTreeSet::new(),
        expires_at: None,
        created_at: 0,
    }
}

/// A server without accounts, and its files.
async fn app() -> (Arc<App>, TempDir) {
    app_on(Arc::new(MemoryManagerStore::new()), Arc::new(MemoryPairingStore::new())).await
}

/// The same on these stores.
pub(crate) async fn app_on(
    store: Arc<dyn ManagerStore>,
    pairing: Arc<dyn PairingStore>,
) -> (Arc<App>, TempDir) {
    let directory = TempDir::new().unwrap();
    let places = Arc::new(PathTemplate::new(directory.path(), "{tenant}/{name}.db").unwrap());
    let clock = Arc::new(SystemClock::new());
    let manager = ClientManager::builder(store, places).pairing_store(pairing);
    let keys = KeyStore::open(&directory.path().join("keys.db")).unwrap();
    keys.add("text", key()).await.unwrap();
    let app = App {
        base: String::new(),
        manager: manager.clock(clock.clone()).build().await.unwrap(),
        defaults: AccountSettings::default(),
        keys,
        clock,
        rates: Rates::new(60, None),
        idempotency: Idempotency::open(&directory.path().join("answers.db")).unwrap(),
        tickets: Tickets::default(),
        sockets: TaskTracker::new(),
        passkeys: Passkeys::default(),
        metrics: PrometheusBuilder::new().build_recorder().handle(),
        node: Node::new(0),
        answered: Answered::default(),
        sandbox: None,
    };
    (Arc::new(app), directory)
}

/// A socket, and the other end of its connection, which holds so many bytes.
async fn connected(app: &Arc<App>, bytes: usize) -> (Socket<DuplexStream>, WebSocketStream<DuplexStream>) {
    let (client, server) = duplex(bytes);
    let caller = Caller { key: app.keys.get("k").unwrap(), from: [127, 0, 0, 1].into() };
    let socket = Socket::new(Arc::clone(app), caller, app.keys.changes(), server).await;
    (socket, WebSocketStream::from_raw_socket(client, Role::Client, None).await)
}

/// The same, and the socket runs.
async fn opened(app: &Arc<App>, bytes: usize) -> (JoinHandle<()>, WebSocketStream<DuplexStream>) {
    let (socket, client) = connected(app, bytes).await;
    (tokio::spawn(socket.run()), client)
}

async fn next(client: &mut WebSocketStream<DuplexStream>) -> Message {
    client.next().await.unwrap().unwrap()
}

/// Whoever says nothing is told that, and when: 90 seconds after the last word.
#[tokio::test(start_paused = true)]
async fn a_silent_client_is_told_goodbye() {
    let (app, _directory) = app().await;
    let (socket, mut client) = opened(&app, 1 << 16).await;
    assert!(next(&mut client).await.is_text(), "how everything is");
    tokio::time::sleep(SILENCE - Duration::from_secs(1)).await;
    client.send(Message::text(r#"{"type":"ping"}"#)).await.unwrap();
    assert!(next(&mut client).await.is_text(), "the answer");
    let last = Instant::now();
    let Message::Close(Some(goodbye)) = next(&mut client).await else { panic!("no goodbye") };
    assert_eq!((goodbye.code, goodbye.reason.as_str()), (CloseCode::Away, "silent for too long"));
    assert_eq!(last.elapsed().as_secs(), 90);
    assert!(client.next().await.is_none(), "the connection ends");
    drop(client);
    socket.await.unwrap();
}

/// Whoever takes nothing at all is gone after 20 seconds, however much it says.
#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_given_up() {
    let (app, _directory) = app().await;
    let start = Instant::now();
    let (socket, mut client) = opened(&app, 16).await;
    let talk = tokio::spawn(async move {
        while client.send(Message::text(r#"{"type":"ping"}"#)).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        client
    });
    socket.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 20);
    talk.await.unwrap();
}

/// So does one that is told goodbye, and neither hears it nor goes.
#[tokio::test(start_paused = true)]
async fn nobody_waits_long_for_a_client_that_does_not_go() {
    let (app, _directory) = app().await;
    let (socket, mut client) = opened(&app, 1 << 16).await;
    assert!(next(&mut client).await.is_text(), "how everything is");
    let start = Instant::now();
    client.send(Message::text("nonsense")).await.unwrap();
    socket.await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 20);
    let Message::Close(Some(goodbye)) = next(&mut client).await else { panic!("no goodbye") };
    assert_eq!(goodbye.code, CloseCode::Invalid);
}

/// Where clients of the tests come from.
const HERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Connections in this process, which hold few bytes: what a client does not read stays with the server.
struct Pipes(mpsc::Receiver<DuplexStream>);

impl Listener for Pipes {
    type Io = DuplexStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (DuplexStream, SocketAddr) {
        match self.0.recv().await {
            Some(pipe) => (pipe, HERE),
            None => pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(HERE)
    }
}

/// Serves this app as the program does, to twenty clients. The server's end, what begins it, and the clients, who have read nothing.
async fn served(
    app: &Arc<App>,
) -> (JoinHandle<io::Result<()>>, CancellationToken, Vec<WebSocketStream<DuplexStream>>) {
    let (connect, pipes) = mpsc::channel(1);
    let over = CancellationToken::new();
    let service = app.router().layer(MockConnectInfo(HERE)).into_make_service();
    let served = axum::serve(Pipes(pipes), service).with_graceful_shutdown(over.clone().cancelled_owned());
    let (sockets, begun) = (app.sockets.clone(), over.clone());
    let end = tokio::spawn(async move { crate::ended(served, &sockets, &begun).await });
    let mut clients = Vec::new();
    for _ in 0..20 {
        let ticket = app.tickets.issue(Arc::new(key()), app.clock.boot()).unwrap();
        let (client, server) = duplex(64);
        connect.send(server).await.unwrap();
        let client = client_async(format!("ws://localhost/ws?ticket={ticket}"), client).await;
        clients.push(client.unwrap().0);
    }
    (end, over, clients)
}

/// A server that ends waits until each of its clients was told so: the framework does not, to which sockets are no connections.
#[tokio::test(start_paused = true)]
async fn the_server_does_not_end_before_every_socket_was_told() {
    let (app, _directory) = app().await;
    let (mut end, over, mut clients) = served(&app).await;
    for client in &mut clients {
        // What it is told does not fit, whatever came with the answer to its request.
        for _ in 0..2 {
            client.send(Message::text(r#"{"type":"subscribe"}"#)).await.unwrap();
        }
    }
    app.manager.shutdown(SLOWEST).await;
    over.cancel();
    assert!(timeout(Duration::from_secs(1), &mut end).await.is_err(), "nobody has heard anything yet");
    for client in &mut clients {
        let goodbye = loop {
            match next(client).await {
                Message::Close(goodbye) => break goodbye.unwrap(),
                message => assert!(message.is_text(), "how everything is"),
            }
        };
        assert_eq!((goodbye.code, goodbye.reason.as_str()), (CloseCode::Away, "the server ends"));
    }
    drop(clients);
    end.await.unwrap().unwrap();
}

/// The manager closes its store when it ends: that is no failure of the store.
#[tokio::test]
async fn who_asks_when_the_store_is_closed_is_told_that_the_server_ends() {
    let files = TempDir::new().unwrap();
    let store = Arc::new(SqliteManagerStore::open(files.path().join("manager.db")).unwrap());
    let (app, _directory) = app_on(store, Arc::new(MemoryPairingStore::new())).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        // It holds less than the first frame: what the client says is heard when that is read.
        let (socket, mut client) = opened(&app, 64).await;
        client.send(Message::text(r#"{"type":"subscribe"}"#)).await.unwrap();
        clients.push((socket, client));
    }
    app.manager.shutdown(SLOWEST).await;
    for (socket, mut client) in clients {
        assert!(next(&mut client).await.is_text(), "how everything is");
        let Message::Close(Some(goodbye)) = next(&mut client).await else { panic!("no goodbye") };
        assert_eq!((goodbye.code, goodbye.reason.as_str()), (CloseCode::Away, "the server ends"));
        drop(client);
        socket.await.unwrap();
    }
}

/// Whoever hears nothing holds the server for three seconds.
#[tokio::test(start_paused = true)]
async fn the_server_does_not_wait_long_for_clients_that_hear_nothing() {
    let (app, _directory) = app().await;
    let (end, over, _clients) = served(&app).await;
    app.manager.shutdown(SLOWEST).await;
    let start = Instant::now();
    over.cancel();
    end.await.unwrap().unwrap();
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[test]
fn a_ticket_opens_once_and_within_a_minute() {
    let (tickets, start, key) = (Tickets::default(), Duration::from_secs(1000), Arc::new(key()));
    let ticket = tickets.issue(Arc::clone(&key), start).unwrap();
    let late = tickets.issue(key, start).unwrap();
    let last = start + Duration::from_secs(59);
    assert!(tickets.redeem(&ticket, last).is_some());
    assert!(tickets.redeem(&ticket, last).is_none());
    assert!(tickets.redeem(&late, start + Duration::from_secs(60)).is_none());
}

#[test]
fn a_key_has_so_many_sockets() {
    let tickets = Tickets::default();
    let mut places: Vec<_> = (0..SOCKETS).map(|_| tickets.place("k").unwrap()).collect();
    assert!(tickets.place("k").is_none());
    assert!(tickets.place("other").is_some());
    places.pop();
    assert!(tickets.place("k").is_some());
}

fn event_of(account: &AccountId, kind: EventKind, data: Value) -> NewEvent {
    let (id, tenant) = (EventId::of(SystemRandom.array()), TenantId::default());
    NewEvent { id, tenant, account: Some(account.clone()), kind, at: UnixMillis(1), data }
}

fn status_event(account: &AccountId, status: &str) -> NewEvent {
    event_of(account, EventKind::AccountStatus, json!({ "before": "idle", "status": status, "reason": null }))
}

/// Stores events of the account's status at once, without a word to anybody.
async fn store_statuses(store: &MemoryManagerStore, account: &AccountId, statuses: &[&str]) {
    let mut changes = Changes::new();
    for status in statuses {
        changes.push_event(status_event(account, status));
    }
    store.commit(changes).await.unwrap();
}

/// A server with an account, of which nothing more is told by itself, and its store.
async fn app_with_an_account() -> (Arc<App>, Arc<MemoryManagerStore>, AccountId, TempDir) {
    let store = Arc::new(MemoryManagerStore::new());
    let (app, directory) = app_on(store.clone(), Arc::new(MemoryPairingStore::new())).await;
    let account = app.manager.create(AccountSpec::default()).await.unwrap();
    account.reached(|shown| shown.seq == 2).await.unwrap();
    (app, store, account.id().clone(), directory)
}

async fn frame_of(client: &mut WebSocketStream<DuplexStream>) -> Value {
    serde_json::from_str(next(client).await.to_text().unwrap()).unwrap()
}

/// R116: a status that holds for a moment only is told, too.
#[tokio::test(start_paused = true)]
async fn each_change_of_a_status_is_told_as_it_was() {
    let (app, store, account, _directory) = app_with_an_account().await;
    let (_socket, mut client) = opened(&app, 1 << 16).await;
    assert_eq!(frame_of(&mut client).await["event"], "whatsapp-all-statuses");
    store_statuses(&store, &account, &["disconnected", "authenticated", "ready"]).await;
    app.manager.create(AccountSpec::default()).await.unwrap();
    let mut told = Vec::new();
    while told.len() < 3 {
        let frame = frame_of(&mut client).await;
        if frame["event"] == "whatsapp-status" && frame["data"]["accountId"] == json!(account) {
            told.push(frame["data"]["status"].clone());
        }
    }
    assert_eq!(told, ["disconnected", "authenticated", "ready"]);
}

/// 4.7: the account is ready by the time that the first of its changes is told.
#[tokio::test(start_paused = true)]
async fn a_status_is_not_followed_by_an_older_one() {
    let (app, store, account, _directory) = app_with_an_account().await;
    let (_socket, mut client) = opened(&app, 1 << 16).await;
    let all = frame_of(&mut client).await["data"].take();
    assert_eq!(
        (&all["accounts"][0]["status"], &all["accounts"][0]["accountSeq"]),
        (&json!("idle"), &json!(2))
    );
    let updated = || event_of(&account, EventKind::AccountUpdated, json!({}));
    let mut row = store.account(&account).await.unwrap().unwrap();
    row.status = AccountStatus::Ready;
    let mut changes = Changes::new();
    changes.put_account(row);
    changes.push_event(updated()).push_event(status_event(&account, "disconnected"));
    changes.push_event(updated()).push_event(status_event(&account, "ready"));
    store.commit(changes).await.unwrap();
    app.manager.create(AccountSpec::default()).await.unwrap();
    let expected = [(3, "idle"), (4, "disconnected"), (5, "disconnected"), (6, "ready")];
    let tell = async |client: &mut WebSocketStream<DuplexStream>| {
        let mut told = Vec::new();
        while told.len() < expected.len() {
            let frame = frame_of(client).await;
            if frame["event"] == "whatsapp-status" && frame["data"]["accountId"] == json!(account) {
                let data = &frame["data"];
                told.push((
                    data["accountSeq"].as_u64().unwrap(),
                    data["status"].as_str().unwrap().to_owned(),
                ));
            }
        }
        told
    };
    let expected: Vec<_> = expected.iter().map(|(seq, status)| (*seq, (*status).to_owned())).collect();
    assert_eq!(tell(&mut client).await, expected);
    // Again, for who asks for it.
    let again = json!({ "type": "resume", "seq": all["seq"] });
    client.send(Message::text(again.to_string())).await.unwrap();
    let told = tell(&mut client).await;
    assert_eq!(told.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [3, 4, 5, 6]);
    assert_eq!((told[1].1.as_str(), told[3].1.as_str()), ("disconnected", "ready"));
}

/// What came while all was read is part of it: it is not told again, as it was before.
#[tokio::test(start_paused = true)]
async fn what_all_says_is_not_followed_by_what_was_before() {
    let (app, store, account, _directory) = app_with_an_account().await;
    let (mut socket, mut client) = connected(&app, 1 << 16).await;
    store_statuses(&store, &account, &["disconnected", "ready"]).await;
    socket.send_all(None).await.ok().unwrap();
    assert_eq!(frame_of(&mut client).await["event"], "whatsapp-all-statuses");
    for event in store.events(EventQuery { limit: 100, ..EventQuery::default() }).await.unwrap() {
        socket.send_event(&event).await.ok().unwrap();
    }
    socket.send("pong", 0, Value::Null).await.ok().unwrap();
    assert_eq!(frame_of(&mut client).await["event"], "pong", "nothing else");
}

/// Whoever goes by `accountSeq` passes over no status for figures that were told before it.
#[tokio::test]
async fn figures_are_no_newer_than_what_was_told() {
    let (app, store, account, _directory) = app_with_an_account().await;
    let (mut socket, mut client) = connected(&app, 1 << 16).await;
    let seq = socket.send_all(None).await.ok().unwrap();
    let mut changes = Changes::new();
    changes.push_event(event_of(&account, EventKind::MessageSent, json!({})));
    store.commit(changes).await.unwrap();
    let handle = app.manager.get(&AccountKey::Id(account)).unwrap();
    handle
        .update(AccountPatch { display_name: Some("New".to_owned()), ..AccountPatch::default() })
        .await
        .unwrap();
    assert_eq!(handle.snapshot().seq, 4);
    let events = store.events(EventQuery { after: seq, limit: 100, ..EventQuery::default() }).await.unwrap();
    assert_eq!((events[0].kind, events[0].account_seq), (EventKind::MessageSent, 3));
    socket.send_event(&events[0]).await.ok().unwrap();
    socket.send_usage(events[0].seq).await.ok().unwrap();
    assert_eq!(frame_of(&mut client).await["event"], "whatsapp-all-statuses");
    let figures = frame_of(&mut client).await;
    assert_eq!((&figures["event"], &figures["data"]["accountSeq"]), (&json!("whatsapp-usage"), &json!(3)));
}

/// What is made for a key that is changed by then is not told: what was missed is still missed.
#[tokio::test]
async fn a_key_that_is_changed_twice_is_told_all_that_was_missed() {
    let (app, store, account, _directory) = app_with_an_account().await;
    let (mut socket, mut client) = connected(&app, 1 << 16).await;
    let first = socket.send_all(None).await.ok().unwrap();
    assert_eq!(frame_of(&mut client).await["event"], "whatsapp-all-statuses");
    store_statuses(&store, &account, &["disconnected", "ready"]).await;
    // It is told all anew for the first change; by then there is another one.
    app.keys.change("k", |key| Key { label: "another".to_owned(), ..key.clone() }).await.unwrap();
    let heard = socket.send_all(Some(first)).await.ok().unwrap();
    assert_eq!(heard, first);
    socket.caller = socket.caller_now().unwrap();
    let last = socket.send_all(Some(heard)).await.ok().unwrap();
    let all = frame_of(&mut client).await["data"].take();
    assert_eq!((&all["seq"], &all["missed"]), (&json!(last), &json!({ "after": first, "upTo": first + 2 })));
}

/// What was to be told in between was not: all of it is told anew, though the key is what it was.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_changed_and_back_again_is_told_all_anew() {
    let (app, _store, _account, _directory) = app_with_an_account().await;
    let (socket, mut client) = connected(&app, 1 << 16).await;
    let mut run = pin!(socket.run());
    for _ in 0..2 {
        let frame = tokio::select! {
            frame = frame_of(&mut client) => frame,
            () = &mut run => panic!("it ended"),
        };
        assert_eq!(frame["event"], "whatsapp-all-statuses");
        for label in ["another", ""] {
            let change = |key: &Key| Key { label: label.to_owned(), ..key.clone() };
            app.keys.change("k", change).await.unwrap();
        }
    }
}

/// Whoever reads too slowly is told all as it is, and where to find what it missed.
#[tokio::test(start_paused = true)]
async fn a_reader_that_falls_behind_is_told_all_as_it_is() {
    let (app, store, account, _directory) = app_with_an_account().await;
    let (_socket, mut client) = opened(&app, 64).await;
    assert_eq!(frame_of(&mut client).await["event"], "whatsapp-all-statuses");
    let statuses = vec!["disconnected"; usize::try_from(2 * BEHIND).unwrap()];
    store_statuses(&store, &account, &statuses).await;
    app.manager.create(AccountSpec::default()).await.unwrap();
    let mut single = 0;
    let missed = loop {
        let frame = frame_of(&mut client).await;
        if frame["event"] == "whatsapp-all-statuses" {
            break frame["data"]["missed"].clone();
        }
        single += 1;
    };
    assert!(single < statuses.len(), "told one by one");
    assert!(missed["upTo"].as_u64().unwrap() - missed["after"].as_u64().unwrap() > BEHIND, "{missed}");
}
