//! Faults set over HTTP, as clients in other processes do.

use prost::Message as _;
use serde_json::{Value, json};
use wa_test_server::{Endpoint, TestServer};

use crate::companion::{Companion, Wire, attr};
use crate::sockets::{http, post, socket};

/// The status and the body of an answer.
pub(crate) async fn call(endpoint: &Endpoint, method: &str, path: &str, body: &Value) -> (String, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = http(endpoint, post(path, &body).replacen("POST", method, 1)).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    let status = head.split(' ').nth(1).expect("a status").to_owned();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

async fn log_in(endpoint: &Endpoint, companion: &Companion) -> Wire {
    let payload = companion.payload().encode_to_vec();
    let socket = socket(endpoint).await;
    companion.shake_hands(socket, &endpoint.root, &payload).await.expect("shakes hands")
}

/// A companion of Alice over a socket.
async fn linked(server: &TestServer, endpoint: &Endpoint) -> (Companion, Wire) {
    let mut companion = Companion::new();
    let mut wire = log_in(endpoint, &companion).await;
    let qr = companion.show_qr(&mut wire).await;
    let alice = server.phone("alice");
    let (scanned, ()) = tokio::join!(alice.scan(&qr), companion.confirm(&mut wire));
    scanned.expect("linked");
    let mut wire = log_in(endpoint, &companion).await;
    wire.expect("success").await;
    let keys = companion.upload(30);
    wire.request("set", "encrypt", keys).await;
    (companion, wire)
}

#[tokio::test]
async fn faults_are_set_and_ended_from_another_process() {
    let server = TestServer::start().await;
    let endpoint = server.listen_with_admin("127.0.0.1:0", false).await.expect("listens");
    let (mut companion, mut wire) = linked(&server, &endpoint).await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    let device = companion.jid().to_string();

    let setting = json!({
        "device": device,
        "scripts": [{ "deliveries": true, "tag": "message", "act": { "after": 1 } }],
        "shift_clock_s": 7200,
    });
    assert_eq!(call(&endpoint, "POST", "/admin/faults", &setting).await, ("200".to_owned(), json!({})));
    let sent = bob.send_text(alice.lid(), "one").await.expect("sent");
    bob.send_text(alice.lid(), "two").await.expect("sent");
    for expected in ["two", "one"] {
        let stanza = wire.expect("message").await;
        assert_eq!(companion.decrypt(&stanza).conversation(), expected);
        assert!(attr(&stanza, "t").parse::<u64>().expect("a time") >= sent.timestamp.0 + 7200);
        wire.confirm(&stanza).await;
    }
    let path = format!("/admin/faults?device={}", device.replace('@', "%40"));
    call(&endpoint, "DELETE", &path, &Value::Null).await;
    let sent = bob.send_text(alice.lid(), "on time").await.expect("sent");
    let stanza = wire.expect("message").await;
    assert_eq!(attr(&stanza, "t"), sent.timestamp.0.to_string());
    wire.confirm(&stanza).await;

    let ban = json!({ "account": alice.pn().to_string(), "ban": { "code": 101, "expire_s": 60 } });
    call(&endpoint, "POST", "/admin/faults", &ban).await;
    let end = json!({ "device": device, "do": { "end": { "code": 503 } } });
    let answer = call(&endpoint, "POST", "/admin/connection", &end).await;
    assert_eq!(answer, ("200".to_owned(), json!({ "was_online": true })));
    assert_eq!(attr(&wire.expect("stream:error").await, "code"), "503");
    let mut wire = log_in(&endpoint, &companion).await;
    assert_eq!(attr(&wire.expect("failure").await, "expire"), "60");
    let mut wire = log_in(&endpoint, &companion).await;
    wire.expect("success").await;

    let (status, metrics) = call(&endpoint, "GET", "/admin/metrics", &Value::Null).await;
    assert_eq!((status.as_str(), metrics["logins"].as_u64()), ("200", Some(2)), "{metrics}");
    let left = metrics["pre_keys"][&device].as_u64();
    assert_eq!(left, Some(server.pre_keys_of(&companion.jid()) as u64));
}

#[tokio::test]
async fn chaos_is_begun_read_and_ended_from_another_process() {
    let server = TestServer::start().await;
    let endpoint = server.listen_with_admin("127.0.0.1:0", false).await.expect("listens");
    let (_companion, mut wire) = linked(&server, &endpoint).await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    assert_eq!(call(&endpoint, "GET", "/admin/chaos", &Value::Null).await.1, Value::Null);
    let plan = json!({ "seed": 99, "rates": { "duplicate-delivery": 10_000 }, "accounts": [alice.pn().to_string()] });
    assert_eq!(
        call(&endpoint, "POST", "/admin/chaos", &plan).await,
        ("200".to_owned(), json!({ "seed": 99 }))
    );
    bob.send_text(alice.lid(), "twice").await.expect("sent");
    let first = wire.expect("message").await;
    assert_eq!(first, wire.expect("message").await);
    let (_, chaos) = call(&endpoint, "DELETE", "/admin/chaos", &Value::Null).await;
    assert_eq!(chaos["seed"], 99);
    let log = chaos["log"].as_array().expect("a log");
    assert!(log.contains(&json!("alice/1 ← message 0: DuplicateDelivery")), "{chaos}");
    assert_eq!(chaos["counts"]["duplicate-delivery"].as_u64(), Some(log.len() as u64));
    assert_eq!(call(&endpoint, "GET", "/admin/chaos", &Value::Null).await.1, Value::Null);
    let all = call(&endpoint, "POST", "/admin/chaos", &json!({ "seed": 1, "times": 2 })).await;
    assert_eq!(all.0, "200");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_cause() {
    let server = TestServer::start().await;
    let endpoint = server.listen_with_admin("127.0.0.1:0", false).await.expect("listens");
    let nobody = "19999999999@s.whatsapp.net";
    let alice = server.phone("alice").pn().to_string();
    let cases = [
        ("POST", "/admin/faults", json!({ "no_such_fault": true }), "400"),
        ("POST", "/admin/faults", json!({ "scripts": [{ "act": "explode" }] }), "400"),
        ("POST", "/admin/faults", json!({ "device": alice, "account": alice }), "400"),
        ("POST", "/admin/faults", json!({ "device": "not an address@" }), "400"),
        ("POST", "/admin/faults", json!({ "device": nobody }), "404"),
        ("POST", "/admin/connection", json!({ "device": alice, "do": "dance" }), "400"),
        ("POST", "/admin/connection", json!({ "device": nobody, "do": "disconnect" }), "404"),
        ("POST", "/admin/chaos", json!({ "rates": {} }), "400"),
        ("POST", "/admin/chaos", json!({ "seed": 1, "rates": { "rain": 1 } }), "400"),
        ("POST", "/admin/chaos", json!({ "seed": 1, "accounts": [nobody] }), "404"),
        ("POST", "/admin/mock-phone/reinstall", json!({}), "400"),
        ("POST", "/admin/mock-phone/reinstall", json!({ "phone": "nobody's" }), "404"),
        ("POST", "/admin/mock-phone/reinstall", json!({ "phone": "alice" }), "200"),
        ("GET", "/admin/faults", Value::Null, "405"),
        ("POST", "/admin/metrics", Value::Null, "405"),
        ("GET", "/admin/nothing", Value::Null, "404"),
    ];
    for (method, path, body, status) in cases {
        let (answered, answer) = call(&endpoint, method, path, &body).await;
        assert_eq!(answered, status, "{method} {path} {body}: {answer}");
    }
}

/// Every act that the documentation names can be said.
#[tokio::test]
async fn every_fault_has_a_name() {
    let server = TestServer::start().await;
    let endpoint = server.listen_with_admin("127.0.0.1:0", false).await.expect("listens");
    let acts = [
        json!("drop"),
        json!({ "after": 2 }),
        json!({ "delay_ms": 5 }),
        json!("duplicate"),
        json!("garble"),
        json!({ "inflate": 10 }),
        json!("cut"),
        json!("cut-after"),
        json!("half-open"),
        json!({ "end": { "conflict": "replaced" } }),
        json!({ "end": "not-well-formed" }),
        json!({ "end": "orderly" }),
        json!("wrong-phash"),
        json!({ "nack": 463 }),
    ];
    let scripts: Vec<Value> =
        acts.into_iter().map(|act| json!({ "direction": "from-client", "id": "3EB0", "act": act })).collect();
    let setting = json!({
        "account": server.phone("alice").pn().to_string(),
        "scripts": scripts, "refuse_decrypt": 1, "exhaust_pre_keys": 1,
        "refuse_login": { "reason": 503, "count": 2 }, "ban": { "code": 104, "expire_s": 90 },
        "stream_error_at_login": 515, "dead_socket": true, "slow_reader_ms": 200, "shift_clock_s": null,
        "delay_acks_ms": 500, "interleave_backlog": true, "swallow_pings": true, "swallow_requests": "usync",
        "refuse_request": { "namespace": "encrypt", "code": 503 }, "compress": true, "split_frames": true,
        "refuse_resume": true, "refuse_connections": 1,
    });
    assert_eq!(call(&endpoint, "POST", "/admin/faults", &setting).await, ("200".to_owned(), json!({})));
    assert_eq!(call(&endpoint, "DELETE", "/admin/faults", &Value::Null).await.0, "200");
}
