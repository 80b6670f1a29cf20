//! Where events go.

use hyper::Method;
use serde_json::{Value, json};

use crate::receiver::{Receiver, SECRET};
use crate::server::{Server, soon};

/// R030, R063: what happens to an account is delivered, signed, in order; and again when it is asked for.
#[tokio::test]
async fn events_are_delivered_and_replayed() {
    let server = Server::sandbox().await;
    let receiver = Receiver::start().await;
    let hook =
        server.post("/whatsapp/webhooks", json!({ "url": receiver.url, "secret": SECRET })).await.expect(201);
    let path = format!("/whatsapp/webhooks/{}", hook["id"].as_str().unwrap());
    let shop = server.linked("shop", "anna").await;
    let id = shop["id"].as_str().unwrap();
    let last = shop["seq"].as_u64().unwrap();
    let mut count = receiver.count.subscribe();
    soon("all events", count.wait_for(|_| receiver.of(id).contains(&last))).await.unwrap();
    let before = receiver.of(id).len();
    let until = server.get("/whatsapp/events?limit=1000").await.expect(200)["next"].clone();
    let again = server.post(&format!("{path}/replay"), json!({ "from": 1, "to": until })).await.expect(202);
    assert!(again["events"].as_u64() >= Some(last), "{again}");
    soon("all events again", count.wait_for(|_| receiver.of(id).len() >= 2 * before)).await.unwrap();
    for query in ["", "?state=dead", "?state=replayed&after=7"] {
        server.get(&format!("{path}/deliveries{query}")).await.expect(200);
    }
    server.get(&format!("{path}/deliveries?state=lost")).await.problem(400, "bad_request");
    server.post(&format!("{path}/replay"), json!({ "from": 2, "to": 1 })).await.problem(400, "bad_request");
}

/// What was made is changed and removed, its secret is never shown again, and nobody else reaches it.
#[tokio::test]
async fn webhooks_are_made_changed_and_removed() {
    let server = Server::sandbox().await;
    server.create("shop").await;
    server.create("desk").await;
    let url = "https://hooks.example/x";
    let body = json!({ "url": url, "secret": SECRET, "events": ["message.received"] });
    let one = server.post("/whatsapp/session/shop/webhooks", body.clone()).await.expect(201);
    let all = server.post("/whatsapp/webhooks", body).await.expect(201);
    assert_eq!((one["accountId"].is_string(), &all["accountId"]), (true, &Value::Null));
    let list = server.get("/whatsapp/webhooks").await.expect(200);
    assert_eq!(list["webhooks"].as_array().unwrap().len(), 2);
    assert!(!list.to_string().contains("whsec_"), "{list}");
    let list = server.get("/whatsapp/session/shop/webhooks").await.expect(200);
    assert_eq!(list["webhooks"].as_array().unwrap().len(), 1);

    let path = |hook: &Value| format!("/whatsapp/webhooks/{}", hook["id"].as_str().unwrap());
    let changed = server.call(Method::PUT, &path(&one), json!({ "enabled": false })).await.expect(200);
    assert_eq!(changed["state"], "disabled", "{changed}");
    let body = json!({ "ignore": ["status"], "retry": { "firstWaitSeconds": 1 } });
    let changed = server.call(Method::PUT, &path(&one), body).await.expect(200);
    let retry = json!({ "firstWaitSeconds": 1, "longestWaitSeconds": 900, "giveUpAfterSeconds": 86400 });
    assert_eq!((&changed["ignore"], &changed["retry"]), (&json!(["status"]), &retry));
    let body = json!({ "retry": { "firstWaitSeconds": 0 } });
    server.call(Method::PUT, &path(&one), body).await.problem(400, "webhook_retry");
    let other = server.new_key("other", &["setting"]).await;
    let bound = json!({ "accounts": ["desk"], "scopes": ["setting"] });
    let bound = server.post("/keys", bound).await.expect(201)["key"].as_str().unwrap().to_owned();
    for (key, hook) in [(&other, &one), (&other, &all), (&bound, &one), (&bound, &all)] {
        for method in [Method::GET, Method::DELETE] {
            server.call_with(key, method, &path(hook), Value::Null).await.problem(404, "not_found");
        }
    }
    server.call(Method::DELETE, &path(&one), Value::Null).await.expect(204);
    server.get(&path(&one)).await.problem(404, "not_found");
}
