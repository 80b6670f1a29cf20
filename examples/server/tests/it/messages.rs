//! What is sent, what comes, and what limits it.

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
