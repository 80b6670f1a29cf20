//! What a scrape shows.

use serde_json::{Value, json};

use crate::receiver::{Receiver, SECRET};
use crate::server::{Server, TestServer, soon};

/// The figures of manager.md, 4.10, with their types and labels.
const FIGURES: [(&str, &str, &[&str]); 14] = [
    ("wa_accounts", "gauge", &["status"]),
    ("wa_transition_seconds", "histogram", &["from", "to"]),
    ("wa_status_publish_seconds", "histogram", &[]),
    ("wa_reconnects_total", "counter", &["reason"]),
    ("wa_pair_total", "counter", &["method", "result"]),
    ("wa_send_total", "counter", &["lane", "result"]),
    ("wa_limit_denied_total", "counter", &["lane", "scope"]),
    ("wa_restriction_active", "gauge", &["kind"]),
    ("wa_inbound_received_total", "counter", &[]),
    ("wa_inbound_total", "counter", &["outcome", "reason"]),
    ("wa_outbox_lag_seconds", "histogram", &[]),
    ("wa_webhook_attempts_total", "counter", &["result"]),
    ("wa_socket_frame_age_seconds", "histogram", &[]),
    // Nobody takes this one's accounts away.
    ("wa_fence_lost_total", "counter", &[]),
];

async fn scrape(server: &Server) -> String {
    let answer = server.get("/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4"));
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// 4.10: after a life with all that can happen, each figure is there, says what it means, and names no account.
#[tokio::test]
async fn a_scrape_shows_each_figure_and_what_it_means() {
    let (test_server, receiver) = (TestServer::start().await, Receiver::start().await);
    let server = test_server.server().await;
    server.post("/whatsapp/webhooks", json!({ "url": receiver.url, "secret": SECRET })).await.expect(201);
    test_server.linked(&server, "shop", "anna").await;
    let shop = server.get("/whatsapp/session/shop").await.expect(200);
    let (anna, budi) = (test_server.server.phone("anna"), test_server.server.phone("budi"));
    let messages = "/whatsapp/session/shop/messages";
    let to = |number: &str, more: Value| {
        let mut body = json!({ "to": number, "content": { "text": "hello" } });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let stranger = test_server.server.phone("stranger").pn().user().to_owned();
    server.post(messages, to(&stranger, json!({}))).await.problem(429, "limited");
    let has = async |kind: &str| {
        let is_there = async |answer: &Value| {
            answer["events"].as_array().unwrap().iter().any(|event| event["type"] == kind)
        };
        server.until("/whatsapp/events?limit=1000", is_there).await;
    };
    budi.send_text(anna.pn(), "anybody there?").await.unwrap();
    has("message.received").await;

    // What is answered while the connection is away waits, and leaves when it is back.
    test_server.server.faults().refuse_connections(1_000_000);
    test_server.server.disconnect(&shop["device"]["deviceId"].as_str().unwrap().parse().unwrap());
    server.status("shop", "disconnected").await;
    let waits = json!({ "onLimit": "enqueue", "deadline": 3600 });
    server.post(messages, to(budi.pn().user(), waits)).await.expect(202);
    test_server.server.faults().clear();
    server.status("shop", "ready").await;
    assert_eq!(soon("the answer", budi.next_message()).await.text(), Some("hello"));
    has("message.sent").await;
    anna.set_timelock(Some(4_000_000_000));
    has("account.restriction").await;
    let mut count = receiver.count.subscribe();
    soon("a delivery", count.wait_for(|count| *count > 0)).await.unwrap();

    let text = scrape(&server).await;
    for (name, kind, labels) in FIGURES {
        let meaning = text.lines().find_map(|line| line.strip_prefix(&format!("# HELP {name} ")));
        assert!(meaning.is_some_and(|meaning| !meaning.is_empty()), "what {name} means: {text}");
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name} is a {kind}: {text}");
        let sample = if kind == "histogram" { format!("{name}_count") } else { name.to_owned() };
        let is_sample = |line: &&str| {
            line.strip_prefix(&sample).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(&format!("{label}=\"")))
        };
        let values = text.lines().filter(is_sample).map(|line| line.rsplit_once(' ').unwrap().1.to_owned());
        let sum: f64 = values.map(|value| value.parse::<f64>().unwrap()).sum();
        let expected = name != "wa_fence_lost_total";
        assert_eq!(sum > 0.0, expected, "{name}: {text}");
    }
    // Everything else has a meaning, too.
    for line in text.lines() {
        let Some(name) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()) else {
            continue;
        };
        assert!(text.contains(&format!("# HELP {name} ")), "{name} is not described");
    }
    for secret in [shop["id"].as_str().unwrap(), "shop", anna.pn().user()] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}
