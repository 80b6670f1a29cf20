//! What happens, as it happens.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::{SinkExt as _, Stream, StreamExt as _};
use hyper::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data as OpData, OpCode};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::server::{Server, TestServer, soon};

/// With the number of what was told of each account last: it never goes back by itself.
pub(crate) struct Socket(WebSocketStream<TcpStream>, BTreeMap<String, u64>);

impl Socket {
    pub(crate) async fn open(server: &Server, key: &str) -> Self {
        let ticket = server.call_with(key, Method::POST, "/ws/ticket", Value::Null).await.expect(200);
        Self::with(server, ticket["ticket"].as_str().unwrap()).await.unwrap()
    }

    async fn with(server: &Server, ticket: &str) -> Result<Self, String> {
        let stream = TcpStream::connect(&server.address).await.unwrap();
        let url = format!("ws://{}/ws?ticket={ticket}", server.address);
        let opened = client_async(url, stream).await;
        opened.map(|(socket, _)| Self(socket, BTreeMap::new())).map_err(|error| error.to_string())
    }

    async fn next(&mut self) -> Option<Value> {
        loop {
            match soon("a frame", self.0.next()).await?.ok()? {
                Message::Text(text) => {
                    let frame = serde_json::from_str(&text).ok()?;
                    self.note(&frame);
                    return Some(frame);
                }
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    fn note(&mut self, frame: &Value) {
        let number =
            |data: &Value| Some((data["accountId"].as_str()?.to_owned(), data["accountSeq"].as_u64()?));
        if let Some(accounts) = frame["data"]["accounts"].as_array() {
            self.1 = accounts.iter().filter_map(number).collect();
        } else if let Some((account, seq)) = number(&frame["data"]) {
            let last = self.1.insert(account, seq).unwrap_or(0);
            let is_newer = if frame["event"] == "whatsapp-status" { last < seq } else { last <= seq };
            assert!(is_newer, "{frame} after {last}");
        }
    }

    /// The next frame of this event.
    pub(crate) async fn event(&mut self, event: &str) -> Value {
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("closed before {event}"));
            if frame["event"] == event {
                return frame;
            }
        }
    }

    /// The next status of an account that is as wanted.
    async fn status(&mut self, name: &str, status: &str) -> Value {
        loop {
            let data = self.event("whatsapp-status").await["data"].take();
            if data["name"] == name && data["status"] == status {
                return data;
            }
        }
    }

    async fn say(&mut self, text: &str) {
        if text.contains("resume") {
            self.1.clear();
        }
        self.0.send(Message::text(text)).await.unwrap();
    }

    async fn close_code(&mut self) -> CloseCode {
        loop {
            match soon("a close", self.0.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code,
                Some(Ok(_)) => {}
                other => panic!("no close: {other:?}"),
            }
        }
    }
}

/// R079, R087, R111-R117, R141, R158, R174, R180: everything at the beginning, each change after it, in order, with what is needed to
/// show it.
#[tokio::test]
async fn a_socket_tells_all_and_then_each_change() {
    let server = Server::sandbox().await;
    server.create("idle").await;
    let mut socket = Socket::open(&server, &server.key).await;
    let all = socket.event("whatsapp-all-statuses").await;
    assert_eq!(all["data"]["accounts"][0]["name"], "idle");
    assert_eq!(all["seq"], all["data"]["seq"]);

    server.post("/whatsapp/session", json!({ "name": "shop", "mode": "qr" })).await.expect(201);
    socket.status("shop", "loading").await;
    let qr = socket.status("shop", "qr").await;
    assert!(qr["qrCode"].is_string() && qr["qrExpiresAt"].is_u64(), "{qr}");
    server.post("/sandbox/scan", json!({ "name": "shop", "phone": "anna" })).await.expect(204);
    let mut last = 0;
    let ready = loop {
        let frame = socket.event("whatsapp-status").await;
        assert!(frame["seq"].as_u64().unwrap() > last, "in order");
        last = frame["seq"].as_u64().unwrap();
        if frame["data"]["status"] == "ready" {
            break frame["data"].clone();
        }
    };
    for field in ["accountId", "phoneNumber", "trustLevel", "dailyLimit", "messagesSentToday", "accountSeq"] {
        assert!(!ready[field].is_null(), "{field}: {ready}");
    }
    assert!(ready.get("battery").is_some() && ready["qrCode"].is_null());
    // What is told is what is stored.
    let stored = server.get("/whatsapp/session/shop").await.expect(200);
    assert_eq!((&stored["seq"], &stored["status"]), (&ready["accountSeq"], &ready["status"]));

    let phones = server.get("/sandbox").await.expect(200);
    let number = phones["phones"][1]["number"].as_str().unwrap();
    let body = json!({ "name": "typed", "mode": "pairing", "phoneNumber": number });
    server.post("/whatsapp/session", body).await.expect(201);
    let code = socket.event("whatsapp-pairing-code").await;
    assert_eq!(code["data"]["code"].as_str().unwrap().len(), 9);
    assert!(code["data"]["expiresAt"].is_u64());
    server.call(Method::DELETE, "/whatsapp/session/idle", Value::Null).await.expect(204);
    assert_eq!(
        socket.event("whatsapp-deleted").await["data"]["accountId"],
        all["data"]["accounts"][0]["accountId"]
    );
    socket.say(r#"{"type":"ping"}"#).await;
    socket.event("pong").await;
}

/// Messages and figures, to those who ask for them.
#[tokio::test]
async fn messages_are_told_to_those_who_ask() {
    let test_server = TestServer::start().await;
    let server = test_server.server().await;
    test_server.linked(&server, "shop", "anna").await;
    test_server.linked(&server, "desk", "budi").await;
    let mut socket = Socket::open(&server, &server.key).await;
    socket.event("whatsapp-all-statuses").await;
    socket.say(r#"{"type":"subscribe","messages":true,"accounts":["shop"]}"#).await;
    let all = socket.event("whatsapp-all-statuses").await;
    assert_eq!(all["data"]["accounts"].as_array().unwrap().len(), 1);

    let citra = test_server.server.phone("citra");
    for name in ["anna", "budi"] {
        citra.send_text(test_server.server.phone(name).pn(), "hello").await.unwrap();
    }
    let message = socket.event("whatsapp-message").await;
    assert_eq!(message["data"]["type"], "message.received");
    assert_eq!(message["data"]["accountId"], all["data"]["accounts"][0]["accountId"]);
    let answer = json!({ "to": citra.pn().user(), "content": { "text": "hello yourself" } });
    server.post("/whatsapp/session/shop/messages", answer).await.expect(200);
    while socket.event("whatsapp-usage").await["data"]["messagesSentToday"] != 1 {}
}

/// Whoever did not ask for messages is told none, and figures once a second at most, however much happens.
#[tokio::test]
async fn figures_are_told_once_a_second_at_most_and_messages_to_nobody_else() {
    const MESSAGES: usize = 40;
    let test_server = TestServer::start().await;
    let server = test_server.server().await;
    test_server.linked(&server, "shop", "anna").await;
    let mut quiet = Socket::open(&server, &server.key).await;
    quiet.event("whatsapp-all-statuses").await;
    let mut eager = Socket::open(&server, &server.key).await;
    eager.event("whatsapp-all-statuses").await;
    eager.say(r#"{"type":"subscribe","messages":true}"#).await;
    eager.event("whatsapp-all-statuses").await;

    let start = Instant::now();
    let (citra, anna) = (test_server.server.phone("citra"), test_server.server.phone("anna"));
    for number in 0..MESSAGES {
        citra.send_text(anna.pn(), &format!("message {number}")).await.unwrap();
    }
    let mut heard = 0;
    while heard < MESSAGES {
        let message = eager.event("whatsapp-message").await;
        heard += usize::from(message["data"]["type"] == "message.received");
    }
    let last = server.get("/whatsapp/session/shop").await.expect(200)["seq"].as_u64();
    let mut figures = 0;
    loop {
        let frame = quiet.next().await.unwrap();
        assert_ne!(frame["event"], "whatsapp-message", "{frame}");
        figures += u64::from(frame["event"] == "whatsapp-usage");
        if frame["data"]["accountSeq"].as_u64() >= last {
            break;
        }
    }
    assert!(figures <= start.elapsed().as_secs() + 1, "{figures} times in {:?}", start.elapsed());
}

/// Why an account does not work, until when, and what somebody can do: as the server and REST say it.
#[tokio::test]
async fn an_error_is_told_with_what_and_when_and_what_to_do() {
    let test_server = TestServer::start().await;
    let server = test_server.server().await;
    test_server.linked(&server, "shop", "anna").await;
    let shop = server.get("/whatsapp/session/shop").await.expect(200);
    let device = shop["device"]["deviceId"].as_str().unwrap().parse().unwrap();
    let mut socket = Socket::open(&server, &server.key).await;
    let before = socket.event("whatsapp-all-statuses").await["ts"].as_u64().unwrap();
    let faults = test_server.server.faults();
    faults.ban(104, Duration::from_secs(7200), 1);
    assert!(test_server.server.disconnect(&device));
    let told = socket.status("shop", "error").await;
    let stored = server.get("/whatsapp/session/shop").await.expect(200)["reason"].take();
    assert_eq!((&told["reason"]["kind"], &told["userAction"]), (&json!("temporary_ban"), &json!("wait")));
    assert_eq!((&told["reason"], &told["retryAt"]), (&stored, &stored["retryAt"]));
    // Two hours, and ten minutes of caution; the server speaks of whole seconds.
    assert!(told["retryAt"].as_u64().unwrap() >= before + 7_799_000, "{told}");
    assert!(told["message"].as_str().is_some_and(|text| !text.is_empty()), "{told}");
    assert_eq!(told["message"], stored["detail"]);

    // Where nothing is wrong there is nothing to say.
    server.post("/whatsapp/session", json!({ "name": "desk" })).await.expect(201);
    let desk = socket.status("desk", "idle").await;
    for field in ["message", "reason", "retryAt", "userAction"] {
        assert_eq!(desk[field], Value::Null, "{field}");
    }
}

/// What the service forbids is told as such, and with how the account stands.
#[tokio::test]
async fn a_restriction_is_told_with_its_kind_and_its_end() {
    let test_server = TestServer::start().await;
    let server = test_server.server().await;
    test_server.linked(&server, "shop", "anna").await;
    let mut socket = Socket::open(&server, &server.key).await;
    let all = socket.event("whatsapp-all-statuses").await;
    test_server.server.phone("anna").set_timelock(Some(4_000_000_000));
    let told = socket.event("whatsapp-restriction").await["data"].take();
    assert_eq!(told["accountId"], all["data"]["accounts"][0]["accountId"]);
    assert!(told["restriction"].is_object(), "{told}");
    let update = socket.event("whatsapp-status").await["data"].take();
    assert_eq!(update["restriction"], update["restrictions"][0]);
    assert!(update["restriction"]["until"].as_u64() >= Some(4_000_000_000_000), "{update}");
    assert_eq!(update["status"], "ready");
}

/// A client that was away asks for what it missed.
#[tokio::test]
async fn what_was_missed_is_told_again() {
    let server = Server::sandbox().await;
    let mut socket = Socket::open(&server, &server.key).await;
    let start = socket.event("whatsapp-all-statuses").await["seq"].as_u64().unwrap();
    for name in ["a", "b", "c"] {
        server.create(name).await;
    }
    drop(socket);
    let mut socket = Socket::open(&server, &server.key).await;
    socket.event("whatsapp-all-statuses").await;
    socket.say(&json!({ "type": "resume", "seq": start }).to_string()).await;
    // What was on its way before we asked may come, too.
    let events = server.get(&format!("/whatsapp/events?since={start}")).await.expect(200);
    let mut missed: Vec<u64> =
        events["events"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(missed.len() >= 3);
    while !missed.is_empty() {
        let seq = socket.event("whatsapp-status").await["seq"].as_u64().unwrap();
        missed.retain(|missed| *missed != seq);
    }
}

/// R182, R053: other tenants' accounts are not told, nor codes to keys that may not link.
#[tokio::test]
async fn a_socket_tells_what_its_key_may_know() {
    let server = Server::sandbox().await;
    let reader = server.new_key("default", &["read"]).await;
    let other = server.new_key("other", &["read", "control"]).await;
    let mut reads = Socket::open(&server, &reader).await;
    let mut others = Socket::open(&server, &other).await;
    assert_eq!(others.event("whatsapp-all-statuses").await["data"]["accounts"], json!([]));
    server.post("/whatsapp/session", json!({ "name": "shop", "mode": "qr" })).await.expect(201);
    let qr = reads.status("shop", "qr").await;
    assert!(qr.get("qrCode").is_none_or(Value::is_null), "{qr}");
    let phones = server.get("/sandbox").await.expect(200);
    let number = &phones["phones"][1]["number"];
    let body = json!({ "name": "typed", "mode": "pairing", "phoneNumber": number });
    server.post("/whatsapp/session", body).await.expect(201);
    loop {
        let frame = reads.next().await.unwrap();
        assert_ne!(frame["event"], "whatsapp-pairing-code", "{frame}");
        let data = &frame["data"];
        assert!(data.get("pairingCode").is_none_or(Value::is_null), "{frame}");
        // It is told after its code.
        if data["name"] == "typed" && data["status"] == "pairing" {
            break;
        }
    }
    server
        .call_with(&other, Method::POST, "/whatsapp/session", json!({ "name": "theirs" }))
        .await
        .expect(201);
    assert_eq!(others.event("whatsapp-status").await["data"]["name"], "theirs", "the first that they hear");
}

#[tokio::test]
async fn a_ticket_opens_one_socket_and_a_key_none() {
    let server = Server::sandbox().await;
    let ticket = server.post("/ws/ticket", Value::Null).await.expect(200);
    let ticket = ticket["ticket"].as_str().unwrap();
    Socket::with(&server, ticket).await.unwrap();
    for wrong in [ticket, "made-up", "", &server.key] {
        assert!(Socket::with(&server, wrong).await.is_err_and(|error| error.contains("401")));
    }
}

/// RFC 9110, 15.5.22: whoever asks for no WebSocket is told what to ask for, and keeps the ticket.
#[tokio::test]
async fn a_request_that_is_no_upgrade_is_told_what_to_upgrade_to() {
    let server = Server::sandbox().await;
    let ticket = server.post("/ws/ticket", Value::Null).await.expect(200);
    let ticket = ticket["ticket"].as_str().unwrap();
    let answer = server.get(&format!("/ws?ticket={ticket}")).await;
    assert_eq!((answer.header("upgrade"), answer.header("connection")), (Some("websocket"), Some("upgrade")));
    answer.problem(426, "upgrade");
    Socket::with(&server, ticket).await.unwrap();
}

/// A server that ends says so to each of its sockets. That it waits for those that are slow to hear it: `ws/tests.rs`, where a
/// connection holds no more than a test wants.
#[cfg(unix)]
#[tokio::test]
async fn a_server_that_ends_says_goodbye_to_every_socket() {
    let mut server = Server::sandbox().await;
    let mut sockets = Vec::new();
    for _ in 0..60 {
        let mut socket = Socket::open(&server, &server.key).await;
        socket.event("whatsapp-all-statuses").await;
        sockets.push(socket);
    }
    let goodbyes = join_all(sockets.into_iter().map(async |mut socket| socket.close_code().await));
    let (codes, ()) = tokio::join!(goodbyes, server.stop());
    assert_eq!(codes, [CloseCode::Away; 60]);
}

/// A key that is changed is told at once what it may know now; one that may know nothing any more is closed.
#[tokio::test]
async fn a_changed_key_hears_what_it_may_know_now() {
    let server = Server::sandbox().await;
    server.create("one").await;
    server.post("/whatsapp/session", json!({ "name": "two", "mode": "qr" })).await.expect(201);
    server.status("two", "qr").await;
    let body = json!({ "scopes": ["read"], "accounts": ["one"] });
    let made = server.post("/keys", body).await.expect(201);
    let path = format!("/keys/{}", made["id"].as_str().unwrap());
    let mut socket = Socket::open(&server, made["key"].as_str().unwrap()).await;
    let names = |frame: &Value| -> Vec<String> {
        let accounts = frame["data"]["accounts"].as_array().unwrap();
        accounts.iter().map(|account| account["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&socket.event("whatsapp-all-statuses").await), ["one"]);
    let change = async |body: Value| server.call(Method::PUT, &path, body).await.expect(200);

    change(json!({ "accounts": ["two"] })).await;
    let all = socket.event("whatsapp-all-statuses").await;
    assert_eq!(names(&all), ["two"]);
    assert!(all["data"]["accounts"][0].get("qrCode").is_none(), "{all}");
    change(json!({ "scopes": ["read", "control"] })).await;
    let all = socket.event("whatsapp-all-statuses").await;
    assert!(all["data"]["accounts"][0]["qrCode"].is_string(), "{all}");
    let rename = async |name: &str| {
        let body = json!({ "displayName": format!("{name} renamed") });
        server.call(Method::PUT, &format!("/whatsapp/session/{name}"), body).await.expect(200);
    };
    rename("one").await;
    rename("two").await;
    assert_eq!(socket.event("whatsapp-status").await["data"]["name"], "two", "the first that it hears");
    // Another key's change is none of its business.
    server.new_key("default", &["read"]).await;
    rename("two").await;
    assert_eq!(socket.next().await.unwrap()["event"], "whatsapp-status");

    for body in
        [json!({ "scopes": ["send"] }), json!({ "addresses": ["192.0.2.1"] }), json!({ "expiresAt": 1 })]
    {
        let made = server.post("/keys", json!({ "scopes": ["read"] })).await.expect(201);
        let mut socket = Socket::open(&server, made["key"].as_str().unwrap()).await;
        socket.event("whatsapp-all-statuses").await;
        let path = format!("/keys/{}", made["id"].as_str().unwrap());
        server.call(Method::PUT, &path, body).await.expect(200);
        assert_eq!(socket.close_code().await, CloseCode::Policy, "though nothing happens");
    }
}

/// A key that is removed hears nothing more.
#[tokio::test]
async fn a_removed_key_hears_nothing_more() {
    let server = Server::sandbox().await;
    let made = server.post("/keys", json!({ "scopes": ["read"] })).await.expect(201);
    let mut socket = Socket::open(&server, made["key"].as_str().unwrap()).await;
    socket.event("whatsapp-all-statuses").await;
    let path = format!("/keys/{}", made["id"].as_str().unwrap());
    server.call(Method::DELETE, &path, Value::Null).await.expect(204);
    server.create("shop").await;
    assert_eq!(socket.close_code().await, CloseCode::Policy);
}

/// Nor does a ticket that was taken before: not even the first frame.
#[tokio::test]
async fn a_ticket_of_a_removed_key_opens_nothing() {
    let server = Server::sandbox().await;
    let made = server.post("/keys", json!({ "scopes": ["read"] })).await.expect(201);
    let key = made["key"].as_str().unwrap();
    let ticket = server.call_with(key, Method::POST, "/ws/ticket", Value::Null).await.expect(200);
    server
        .call(Method::DELETE, &format!("/keys/{}", made["id"].as_str().unwrap()), Value::Null)
        .await
        .expect(204);
    let opened = Socket::with(&server, ticket["ticket"].as_str().unwrap()).await;
    assert!(opened.is_err_and(|error| error.contains("401")));
}

/// Whoever says too much is closed, and a key has so many sockets.
#[tokio::test]
async fn what_a_client_says_is_counted() {
    let server = Server::start(&["--sandbox"]).await;
    let mut socket = Socket::open(&server, &server.key).await;
    for _ in 0..70 {
        // It may be closed by then.
        let _ = socket.0.send(Message::text(r#"{"type":"ping"}"#)).await;
    }
    assert_eq!(socket.close_code().await, CloseCode::Policy);
}

/// A page asks whether the server is there; many pages of one key do not close each other by it.
#[tokio::test]
async fn clients_that_only_show_that_they_are_there_are_not_counted_together() {
    let server = Server::start(&["--sandbox"]).await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(Socket::open(&server, &server.key).await);
    }
    for socket in &mut sockets {
        for _ in 0..30 {
            socket.0.send(Message::text(r#"{"type":"ping"}"#)).await.unwrap();
        }
        for _ in 0..30 {
            socket.event("pong").await;
        }
    }
}

/// What is none of the protocol ends the socket, with a reason.
#[tokio::test]
async fn nonsense_ends_a_socket_cleanly() {
    let server = Server::sandbox().await;
    let frame =
        |kind, payload: &[u8]| Message::Frame(Frame::message(payload.to_vec(), OpCode::Data(kind), true));
    for (message, code) in [
        (Message::text("{"), CloseCode::Invalid),
        (Message::text(r#"{"type":"dance"}"#), CloseCode::Invalid),
        (Message::text(r#"{"type":"resume","seq":"x"}"#), CloseCode::Invalid),
        (Message::text(r#"{"type":"ping","more":1}"#), CloseCode::Invalid),
        (Message::binary(vec![1, 2, 3]), CloseCode::Unsupported),
        (Message::text("x".repeat(4096)), CloseCode::Invalid),
        (Message::text("x".repeat(4097)), CloseCode::Size),
        (Message::text("x".repeat(1 << 20)), CloseCode::Size),
        (frame(OpData::Text, &[b'{', 0xff]), CloseCode::Invalid),
        (frame(OpData::Continue, b"{}"), CloseCode::Protocol),
        (frame(OpData::Reserved(3), b"{}"), CloseCode::Protocol),
        (Message::Frame(Frame::ping(vec![0; 126])), CloseCode::Protocol),
    ] {
        let what = format!("{message:.40}");
        let (mut write, mut read) = Socket::open(&server, &server.key).await.0.split();
        // All of it is taken: whoever is cut off while it writes may never read why.
        let (sent, told) = tokio::join!(write.send(message), last_word(&mut read));
        assert_eq!((sent.is_ok(), told.map(|frame| frame.code)), (true, Some(code)), "{what}");
    }
    // A frame that is none, and one that announces more than there is memory.
    for (bytes, code) in [
        ([0x81, 0x02, b'{', b'}', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], CloseCode::Protocol),
        ([0x81, 0xff, 0x40, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], CloseCode::Size),
    ] {
        let mut socket = Socket::open(&server, &server.key).await;
        soon("room", socket.0.get_mut().write_all(&bytes)).await.unwrap();
        assert_eq!(last_word(&mut socket.0).await.map(|frame| frame.code), Some(code), "{bytes:?}");
    }
    server.get("/livez").await.expect(200);
}

/// A client that closes is answered, as the protocol wants it.
#[tokio::test]
async fn a_goodbye_is_answered() {
    let server = Server::sandbox().await;
    let mut socket = Socket::open(&server, &server.key).await;
    let goodbye = CloseFrame { code: CloseCode::Normal, reason: "done".into() };
    socket.0.send(Message::Close(Some(goodbye.clone()))).await.unwrap();
    assert_eq!(last_word(&mut socket.0).await, Some(goodbye));
}

/// Why the server closed, once it did.
async fn last_word(
    frames: &mut (impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin),
) -> Option<CloseFrame> {
    let mut last = None;
    while let Some(Ok(message)) = soon("the end", frames.next()).await {
        if let Message::Close(frame) = message {
            last = frame;
        }
    }
    last
}

/// A reader that takes nothing holds nobody up; whoever is far behind is told how everything is now, and what was missed.
#[tokio::test]
async fn a_slow_reader_holds_nobody_up() {
    const ACCOUNTS: usize = 8;
    const CHANGES: usize = 70;
    let server = Server::sandbox().await;
    let mut slow = Socket::open(&server, &server.key).await;
    let mut quick = Socket::open(&server, &server.key).await;
    quick.event("whatsapp-all-statuses").await;
    let rename = async |account: usize| {
        server.create(&format!("shop-{account}")).await;
        for number in 0..CHANGES {
            let name = json!({ "displayName": format!("name {number}") });
            let path = format!("/whatsapp/session/shop-{account}");
            server.call(Method::PUT, &path, name).await.expect(200);
        }
    };
    let all_heard = async {
        let last = format!("name {}", CHANGES - 1);
        let mut done = std::collections::BTreeSet::new();
        while done.len() < ACCOUNTS {
            let data = quick.event("whatsapp-status").await["data"].take();
            if data["displayName"] == last {
                done.insert(data["name"].as_str().unwrap().to_owned());
            }
        }
    };
    tokio::join!(join_all((0..ACCOUNTS).map(rename)), all_heard);

    slow.event("whatsapp-all-statuses").await;
    slow.say(r#"{"type":"resume","seq":0}"#).await;
    let missed = loop {
        let frame = slow.event("whatsapp-all-statuses").await;
        if !frame["data"]["missed"].is_null() {
            break frame["data"].clone();
        }
    };
    assert_eq!(missed["missed"], json!({ "after": 0, "upTo": missed["seq"] }));
    for account in missed["accounts"].as_array().unwrap() {
        assert_eq!(account["displayName"], format!("name {}", CHANGES - 1));
    }
}
