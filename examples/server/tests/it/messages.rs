//! What is sent, what comes, and what limits it.

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};

use crate::server::{Server, TestServer};

const MESSAGES: &str = "/whatsapp/session/shop/messages";

/// R031, R173, R176, R064, R169: a receipt says that the server has it; it counts; what comes is told with the account's id.
#[tokio::test]
async fn a_message_goes_out_and_one_comes_in() {
    let test_server = TestServer::start().await;
    let server = test_server.server().await;
    let budi = test_server.server.phone("budi");
    let to = budi.pn().user().to_owned();
    server.create("shop").await;
    let hello = json!({ "to": to, "content": { "text": "hello" } });
    server.post(MESSAGES, hello.clone()).await.problem(409, "not_ready");
    server.call(Method::DELETE, "/whatsapp/session/shop", Value::Null).await.expect(204);
    test_server.linked(&server, "shop", "anna").await;

    let shop = server.get("/whatsapp/session/shop").await.expect(200);
    let phone: wa_types::PhoneNumber = shop["phoneNumber"].as_str().unwrap().parse().unwrap();
    budi.send_text(&phone.to_jid(), "anybody there?").await.unwrap();
    let events = server
        .until("/whatsapp/events?limit=1000", async |answer| {
            answer["events"].as_array().unwrap().iter().any(|event| event["type"] == "message.received")
        })
        .await;
    let events = events["events"].as_array().unwrap();
    let received = events.iter().find(|event| event["type"] == "message.received").unwrap();
    assert_eq!(received["accountId"], shop["id"]);
    assert_eq!(received["data"]["chatKind"], "direct", "{received}");

    let receipt = server.post(MESSAGES, hello).await.expect(200);
    assert_eq!((&receipt["success"], &receipt["whatsappSent"]), (&json!(true), &json!(true)));
    assert!(receipt["message"].is_string() && receipt["id"].is_string());
    assert_eq!(budi.next_message().await.text(), Some("hello"));
    let trust = server.get("/whatsapp/session/shop/trust").await.expect(200);
    assert_eq!(trust["messagesSentToday"], 1);
}

/// R109, R134, R135, R155, R167, R175: strangers are limited; the answer says by what, and until when.
#[tokio::test]
async fn limits_are_answered_with_what_and_when() {
    let test_server = TestServer::start().await;
    let server = test_server.server().await;
    test_server.linked(&server, "shop", "anna").await;
    let to = test_server.server.phone("budi").pn().user().to_owned();
    let level = json!({ "level": 0, "reason": "a test" });
    let trust = server.call(Method::PUT, "/whatsapp/session/shop/trust", level).await.expect(200);
    assert_eq!(trust["trustLevel"], 0);
    let answer = server.post(MESSAGES, json!({ "to": to, "content": { "text": "hello" } })).await;
    let body = answer.problem(429, "limited");
    assert!(body["lane"].is_string() && body["scope"].is_string() && body["limit"].is_u64(), "{body}");
    let no_reason = json!({ "level": 1 });
    server.call(Method::PUT, "/whatsapp/session/shop/trust", no_reason).await.problem(400, "no_reason");
    let too_high = json!({ "level": 4, "reason": "greed" });
    server.call(Method::PUT, "/whatsapp/session/shop/trust", too_high).await.problem(409, "too_high");
    let half = json!({ "level": 1, "dailyLimit": 100_000, "reason": "both or none" });
    server.call(Method::PUT, "/whatsapp/session/shop/trust", half).await.problem(409, "above_level");
    assert_eq!(server.get("/whatsapp/session/shop/trust").await.expect(200)["trustLevel"], 0);
    let limit = json!({ "dailyLimit": 100_000 });
    server.call(Method::PUT, "/whatsapp/session/shop/trust", limit).await.problem(409, "above_level");
}

/// 3.10: what the service forbids is 423 and says until when; so is a start that it forbids.
#[tokio::test]
async fn what_the_service_forbids_is_answered_with_its_end() {
    let test_server = TestServer::start().await;
    let server = test_server.server().await;
    test_server.linked(&server, "shop", "anna").await;
    test_server.server.phone("anna").set_timelock(Some(4_000_000_000));
    server
        .until("/whatsapp/events?limit=1000", async |answer| {
            answer["events"].as_array().unwrap().iter().any(|event| event["type"] == "account.restriction")
        })
        .await;
    let to = test_server.server.phone("stranger").pn().user().to_owned();
    let body = json!({ "to": to, "content": { "text": "hello" } });
    let answer = server.post(MESSAGES, body).await;
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    let body = answer.problem(423, "restricted");
    assert_eq!(body["kind"], "time_lock", "{body}");
    assert!(body["until"].as_u64() > Some(4_000_000_000_000), "{body}");

    let shop = server.get("/whatsapp/session/shop").await.expect(200);
    test_server.server.faults().ban(101, Duration::from_secs(3600), 1);
    test_server.server.disconnect(&shop["device"]["deviceId"].as_str().unwrap().parse().unwrap());
    server.status("shop", "error").await;
    let body = server.post("/whatsapp/session/shop/start", Value::Null).await.problem(423, "not_yet");
    assert!(body["until"].as_u64() > shop["updatedAt"].as_u64(), "{body}");
}

/// 3.10: whoever wants to wait waits, and the message leaves; whoever does not is told when to come back.
#[tokio::test]
async fn a_message_waits_for_its_turn_where_that_is_wanted() {
    let test_server = TestServer::start().await;
    let server = test_server.server().await;
    test_server.linked(&server, "shop", "anna").await;
    // Just after a login answers leave at a quarter of their pace: one in 20 seconds at this level.
    let level = json!({ "level": 2, "reason": "a test" });
    server.call(Method::PUT, "/whatsapp/session/shop/trust", level).await.expect(200);
    let budi = test_server.server.phone("budi");
    budi.send_text(test_server.server.phone("anna").pn(), "anybody there?").await.unwrap();
    server
        .until("/whatsapp/events?limit=1000", async |answer| {
            answer["events"].as_array().unwrap().iter().any(|event| event["type"] == "message.received")
        })
        .await;
    let body = |text: &str| json!({ "to": budi.pn().user(), "content": { "text": text } });
    let mut sent = 0;
    let refused = loop {
        let answer = server.post(MESSAGES, body("at once")).await;
        if answer.status != 200 {
            break answer;
        }
        sent += 1;
    };
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait), "{refused:?}");
    refused.problem(429, "limited");
    let mut waits = body("in its turn");
    waits["onLimit"] = json!("wait");
    let mut impatient = waits.clone();
    impatient["deadline"] = json!(1);
    server.post(MESSAGES, impatient).await.problem(429, "limited");
    server.post(MESSAGES, waits).await.expect(200);
    for _ in 0..sent {
        assert_eq!(budi.next_message().await.text(), Some("at once"));
    }
    assert_eq!(budi.next_message().await.text(), Some("in its turn"));
}

/// R134, R135: every limit of a level is shown, what was used of it, and when it begins anew.
#[tokio::test]
async fn limits_and_what_was_used_of_them_are_shown() {
    let test_server = TestServer::start().await;
    let server = test_server.server().await;
    server.create("shop").await;
    let path = "/whatsapp/session/shop/trust";
    let mut trust = server.get(path).await.expect(200);
    let resets_at = trust["resetsAt"].take().as_u64().unwrap();
    assert_eq!(resets_at % 86_400_000, 0, "days end at midnight");
    let fresh = json!({
        "trustLevel": 1,
        "dailyLimit": 50,
        "messagesSentToday": 0,
        "restrictions": [],
        "resetsAt": null,
        "limits": {
            "daily": 50, "firstContactsDay": 3, "firstContactsMonth": 40,
            "perMinute": 4, "perHour": 30, "lookups": 20, "posts": 3,
        },
        "usage": { "sentToday": 0, "gatedToday": 0, "firstContactsDay": 0, "firstContactsMonth": 0 },
    });
    assert_eq!(trust, fresh);
    let body = json!({ "level": 0, "dailyLimit": 0, "reason": "a holiday" });
    let held = server.call(Method::PUT, path, body).await.expect(200);
    assert_eq!(
        (&held["trustLevel"], &held["dailyLimit"], &held["limits"]["daily"]),
        (&json!(0), &json!(0), &json!(0))
    );
    assert_eq!(held["limits"]["perHour"], 0, "{held}");

    server.call(Method::DELETE, "/whatsapp/session/shop", Value::Null).await.expect(204);
    test_server.linked(&server, "shop", "anna").await;
    let budi = test_server.server.phone("budi");
    budi.send_text(test_server.server.phone("anna").pn(), "anybody there?").await.unwrap();
    server
        .until("/whatsapp/events?limit=1000", async |answer| {
            answer["events"].as_array().unwrap().iter().any(|event| event["type"] == "message.received")
        })
        .await;
    let answer = json!({ "to": budi.pn().user(), "content": { "text": "we are" } });
    server.post(MESSAGES, answer).await.expect(200);
    let trust = server.get(path).await.expect(200);
    let used = json!({ "sentToday": 1, "gatedToday": 0, "firstContactsDay": 0, "firstContactsMonth": 0 });
    assert_eq!((&trust["messagesSentToday"], &trust["usage"]), (&json!(1), &used), "answers are not gated");
    test_server.server.phone("anna").set_timelock(Some(4_000_000_000));
    let restricted = server.until(path, async |trust| trust["restrictions"] != json!([])).await;
    let restriction = &restricted["restrictions"][0];
    assert_eq!(restriction["kind"], "time_lock", "{restriction}");
    assert!(restriction["until"].as_u64() > Some(4_000_000_000_000), "{restriction}");
}

/// R136, R178: the count is reset once a day, with a reason.
#[tokio::test]
async fn usage_is_reset_once_a_day() {
    let server = Server::sandbox().await;
    server.create("shop").await;
    let path = "/whatsapp/session/shop/usage/reset";
    server.post(path, json!({ "reason": "" })).await.problem(400, "no_reason");
    server.post(path, json!({ "reason": "moved house" })).await.expect(200);
    let again = server.post(path, json!({ "reason": "again" })).await.problem(409, "already_reset");
    assert!(again["resetsAt"].is_u64());
}

/// What waits is listed, and taken back.
#[tokio::test]
async fn what_waits_is_listed_and_taken_back() {
    let test_server = TestServer::start().await;
    let server = test_server.server().await;
    test_server.linked(&server, "shop", "anna").await;
    let mut queued = None;
    for name in ["b", "c", "d", "e", "f"] {
        let to = test_server.server.phone(name).pn().user().to_owned();
        let body =
            json!({ "to": to, "content": { "text": "hello" }, "onLimit": "enqueue", "deadline": 3600 });
        let answer = server.post(MESSAGES, body).await;
        if answer.status == 202 {
            queued = Some(answer.json());
        }
    }
    let queued = queued.expect("nothing waits");
    assert!(queued["position"].is_u64() && queued["earliestAt"].is_u64(), "{queued}");
    let id = queued["id"].as_str().unwrap();
    let items = server.get("/whatsapp/session/shop/outbox").await.expect(200);
    assert!(items["items"].as_array().unwrap().iter().any(|item| item["id"] == id), "{items}");
    let item = format!("/whatsapp/session/shop/outbox/{id}");
    server.call(Method::DELETE, &item, Value::Null).await.expect(204);
    server.call(Method::DELETE, &item, Value::Null).await.problem(404, "not_found");
}
