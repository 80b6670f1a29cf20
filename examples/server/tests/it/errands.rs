//! What an account does besides sending.

use hyper::Method;
use serde_json::{Value, json};
use wa_test_server::Phone;

use crate::server::{Server, TestServer, soon};

const SHOP: &str = "/whatsapp/session/shop";

/// A friend writes to the account; the data of the event.
async fn received(server: &Server, friend: &Phone, text: &str) -> Value {
    let shop = server.get(SHOP).await.expect(200);
    let phone: wa_types::PhoneNumber = shop["phoneNumber"].as_str().unwrap().parse().unwrap();
    friend.send_text(&phone.to_jid(), text).await.unwrap();
    let find = |answer: &Value| {
        let events = answer["events"].as_array().unwrap();
        events.iter().find(|event| event["data"]["text"] == text).map(|event| event["data"].clone())
    };
    let events = server.until("/whatsapp/events?limit=1000", async |answer| find(answer).is_some()).await;
    find(&events).unwrap()
}

/// R033: a message is answered, and read, by what its event says of it.
#[tokio::test]
async fn a_message_is_answered_and_read() {
    let test_server = TestServer::start().await;
    let server = test_server.server().await;
    test_server.linked(&server, "shop", "anna").await;
    let friend = test_server.server.phone("friend");
    let message = received(&server, &friend, "anybody there?").await;
    let typing = json!({ "chat": message["chat"], "state": "composing" });
    server.post(&format!("{SHOP}/typing"), typing).await.expect(204);
    server.post(&format!("{SHOP}/read"), json!({ "messages": [message] })).await.expect(204);
    let answer = json!({ "replyTo": message, "content": { "text": "we are" } });
    server.post(&format!("{SHOP}/messages"), answer).await.expect(200);
    assert_eq!(soon("the answer", friend.next_message()).await.text(), Some("we are"));
    let both = json!({ "to": "15550000009", "replyTo": message, "content": { "text": "x" } });
    server.post(&format!("{SHOP}/messages"), both).await.problem(400, "bad_request");
    server.post(&format!("{SHOP}/media"), message).await.problem(400, "no_file");
}

/// R102, R107: older messages are asked for, of the chats that are known, no more than the settings allow.
#[tokio::test]
async fn the_past_is_asked_for() {
    let test_server = TestServer::start().await;
    let server = test_server.server().await;
    server.create("shop").await;
    server.post(&format!("{SHOP}/sync-history"), json!({ "limit": 10 })).await.problem(409, "not_ready");
    server.call(Method::DELETE, SHOP, Value::Null).await.expect(204);
    test_server.linked(&server, "shop", "anna").await;
    let friend = test_server.server.phone("friend");
    let message = received(&server, &friend, "long ago").await;
    let job = json!({ "limit": 500, "chats": [message["chat"]] });
    let job = server.post(&format!("{SHOP}/sync-history"), job).await.expect(202);
    assert_eq!((&job["limit"], &job["chats"]), (&json!(50), &json!(1)), "syncLimit is 50");
    let ended = |answer: &Value| {
        let events = answer["events"].as_array().unwrap();
        events.iter().any(|event| event["type"] == "history.progress" && event["data"]["jobId"] == job["id"])
    };
    server.until("/whatsapp/events?limit=1000", async |answer| ended(answer)).await;
    let unknown = json!({ "chats": ["15550009999@s.whatsapp.net"] });
    let refused = server.post(&format!("{SHOP}/sync-history"), unknown).await;
    assert!([404, 409].contains(&refused.status), "{refused:?}");
    server.post(&format!("{SHOP}/sync-history"), json!({ "limit": 501 })).await.problem(400, "bad_request");
}

/// R170: numbers are looked up within a budget of their own.
#[tokio::test]
async fn numbers_are_looked_up_within_a_budget() {
    let test_server = TestServer::start().await;
    let server = test_server.server().await;
    test_server.linked(&server, "shop", "anna").await;
    let friend = test_server.server.phone("friend");
    let numbers = json!({ "numbers": [friend.pn().user(), "15559999999"] });
    let path = format!("{SHOP}/numbers/check");
    let found = server.post(&path, numbers.clone()).await.expect(200);
    assert_eq!(found["numbers"][0]["isRegistered"], true, "{found}");
    assert_eq!(found["numbers"][1]["isRegistered"], false);
    assert_eq!(server.post(&path, numbers).await.expect(200), found, "known for a week");
    let others: Vec<String> = (0..20).map(|number| format!("155588800{number:02}")).collect();
    let limited = server.post(&path, json!({ "numbers": others })).await;
    assert_eq!(limited.status, 429);
    assert!(limited.header("retry-after").is_some());
    server.post(&path, json!({ "numbers": [] })).await.problem(400, "bad_request");
    let too_many: Vec<String> = (0..21).map(|number| format!("155588800{number:02}")).collect();
    server.post(&path, json!({ "numbers": too_many })).await.problem(400, "bad_request");
    server.post(&path, json!({ "numbers": ["+1 555"] })).await.problem(400, "invalid_phone");
}
