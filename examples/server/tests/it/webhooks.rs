//! Where events go.

use hyper::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::receiver::{NEXT_SECRET, Receiver, SECRET, is_signed};
use crate::server::{Server, TestServer, soon};

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
    server.post(&format!("{path}/replay"), json!({ "from": 2, "to": 1 })).await.problem(400, "bad_request");
}

/// What a webhook is made with goes with each delivery: headers, mode and secrets, as they were changed last. A call is an
/// event like any other.
#[tokio::test]
async fn deliveries_have_the_headers_the_mode_and_the_secrets_that_were_set() {
    let (test_server, receiver) = (TestServer::start().await, Receiver::start().await);
    let server = test_server.server().await;
    test_server.linked(&server, "shop", "anna").await;
    let body = json!({
        "url": receiver.url, "events": ["call.offer"], "secret": SECRET, "mode": "hub",
        "headers": { "authorization": "Bearer of ours", "x-shop": "1" },
    });
    let hook = server.post("/whatsapp/webhooks", body).await.expect(201);
    assert_eq!((&hook["mode"], &hook["secrets"]), (&json!("hub"), &json!(1)));
    assert_eq!(hook["headers"], json!(["authorization", "x-shop"]), "their names only");
    let path = format!("/whatsapp/webhooks/{}", hook["id"].as_str().unwrap());
    let (anna, citra) = (test_server.server.phone("anna"), test_server.server.phone("citra"));
    let mut count = receiver.count.subscribe();
    let mut called = async |id: &str| {
        let before = receiver.all().len();
        citra.call(anna.pn(), id, false);
        soon("a call", count.wait_for(|_| receiver.all().len() > before)).await.unwrap();
        citra.hang_up(anna.pn(), id, "timeout");
        let (headers, body) = receiver.all().pop().unwrap();
        let event: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&event["type"], &event["data"]["callId"]), (&json!("call.offer"), &json!(id)));
        assert!(event["data"]["from"].is_string() && event["account"]["name"] == "shop", "{event}");
        let signed = [SECRET, NEXT_SECRET].map(|secret| is_signed(&headers, &body, secret));
        (headers, signed)
    };
    let has =
        |headers: &HeaderMap, name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());

    let (headers, signed) = called("FIRST").await;
    assert_eq!(signed, [true, false]);
    assert_eq!(has(&headers, "authorization").as_deref(), Some("Bearer of ours"));
    assert_eq!(has(&headers, "x-shop").as_deref(), Some("1"));
    assert!(has(&headers, "x-hub-signature-256").is_some_and(|value| value.starts_with("sha256=")));
    assert_eq!(has(&headers, "webhook-attempt").as_deref(), Some("1"));

    // While a secret is being changed a receiver may know the old or the new one.
    let change = async |body: Value| server.call(Method::PUT, &path, body).await.expect(200);
    let both = json!({ "secrets": [NEXT_SECRET, SECRET], "mode": "waha", "headers": { "x-shop": "2" } });
    let changed = change(both).await;
    assert_eq!((&changed["secrets"], &changed["mode"]), (&json!(2), &json!("waha")));
    assert_eq!(changed["headers"], json!(["x-shop"]));
    let (headers, signed) = called("SECOND").await;
    assert_eq!(signed, [true, true]);
    assert_eq!((has(&headers, "authorization"), has(&headers, "x-shop").as_deref()), (None, Some("2")));
    assert_eq!(has(&headers, "x-hub-signature-256"), None);
    assert_eq!(has(&headers, "x-webhook-hmac-algorithm").as_deref(), Some("sha512"));
    assert_eq!(has(&headers, "x-webhook-hmac").map(|mac| mac.len()), Some(128));

    change(json!({ "secrets": [NEXT_SECRET], "mode": "standard", "headers": {} })).await;
    let (headers, signed) = called("THIRD").await;
    assert_eq!(signed, [false, true]);
    assert!(
        ["x-webhook-hmac", "x-hub-signature-256", "x-shop"].iter().all(|name| !headers.contains_key(*name))
    );

    for (body, code) in [
        (json!({ "secrets": [] }), "webhook_secrets"),
        (json!({ "secrets": vec![SECRET; 5] }), "webhook_secrets"),
        (json!({ "secrets": ["short"] }), "bad_request"),
        (json!({ "headers": { "webhook-id": "mine" } }), "webhook_headers"),
        (json!({ "headers": { "x-shop": "1\r\nx-more: 2" } }), "webhook_headers"),
        (json!({ "mode": "loud" }), "bad_request"),
    ] {
        let refused = server.call(Method::PUT, &path, body.clone()).await;
        assert_eq!((refused.status, &refused.json()["code"]), (400, &json!(code)), "{body}");
    }
    // Unless somebody says otherwise: 5 s, up to a quarter of an hour, for a day.
    let retry = json!({ "firstWaitSeconds": 5, "longestWaitSeconds": 900, "giveUpAfterSeconds": 86400 });
    assert_eq!(change(json!({ "retry": {} })).await["retry"], retry);
}

/// What was given up is listed by its state and by the numbers of its events, and delivered once more on wish.
#[tokio::test]
async fn deliveries_that_were_given_up_are_listed_and_replayed() {
    let server = Server::sandbox().await;
    let receiver = Receiver::start().await;
    receiver.answer(StatusCode::NOT_FOUND);
    let retry = json!({ "firstWaitSeconds": 1, "longestWaitSeconds": 1, "giveUpAfterSeconds": 1 });
    let body = json!({ "url": receiver.url, "secret": SECRET, "retry": retry, "parallel": true });
    let hook = server.post("/whatsapp/webhooks", body).await.expect(201);
    let path = format!("/whatsapp/webhooks/{}", hook["id"].as_str().unwrap());
    let start = server.get("/whatsapp/events?limit=1000").await.expect(200)["next"].as_u64().unwrap();
    server.create("shop").await;
    for name in ["a", "b", "c"] {
        server.call(Method::PUT, "/whatsapp/session/shop", json!({ "displayName": name })).await.expect(200);
    }
    let events = server.get(&format!("/whatsapp/events?since={start}")).await.expect(200);
    let events = events["events"].as_array().unwrap();
    let wanted: Vec<u64> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(wanted.len() >= 4, "{events:?}");
    let listed = async |query: &str| -> Vec<u64> {
        let answer = server.get(&format!("{path}/deliveries?{query}")).await.expect(200);
        let letters = answer["deliveries"].as_array().unwrap();
        letters.iter().map(|letter| letter["event"]["seq"].as_u64().unwrap()).collect()
    };
    // Nothing tells that a delivery was given up, or that it was taken in the end.
    let until = async |wanted: &[u64]| {
        soon("the deliveries", async {
            while listed("").await != wanted {
                server.get("/whatsapp/events?since=9007199254740991&wait=1").await.expect(200);
            }
        })
        .await;
    };
    until(&wanted).await;
    let (second, third) = (wanted[1], wanted[2]);
    assert_eq!(listed(&format!("from={second}")).await, wanted[1..]);
    assert_eq!(listed(&format!("to={third}")).await, wanted[..3]);
    assert_eq!(listed(&format!("from={second}&to={third}&state=dead")).await, wanted[1..3]);
    assert_eq!(listed(&format!("after={second}&from=1&to={third}")).await, [third]);
    assert_eq!(listed(&format!("from={}", wanted.last().unwrap() + 1)).await, [0; 0]);
    assert_eq!(listed("state=replayed").await, [0; 0]);
    for wrong in ["state=lost", "from=x", "from=2&to=1"] {
        server.get(&format!("{path}/deliveries?{wrong}")).await.problem(400, "bad_request");
    }
    receiver.answer(StatusCode::NO_CONTENT);
    let body = json!({ "from": second, "to": third });
    assert_eq!(server.post(&format!("{path}/replay"), body).await.expect(202)["events"], 2);
    let rest: Vec<u64> = wanted.iter().copied().filter(|seq| !(second..=third).contains(seq)).collect();
    until(&rest).await;
}

/// 4.6: who a webhook is must be proved; what a company's own authority signed is trusted when it is named.
#[tokio::test]
async fn webhooks_are_reached_over_tls_by_certificates_that_are_trusted() {
    let (receiver, pem, mut refused) = Receiver::start_with_tls().await;
    let (stranger, _, mut refused_stranger) = Receiver::start_with_tls().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    let ca = file.path().to_str().unwrap();
    let server = Server::start(&["--sandbox", "--private-webhooks", "--ca", ca]).await;
    for url in [&receiver.url, &stranger.url] {
        server.post("/whatsapp/webhooks", json!({ "url": url, "secret": SECRET })).await.expect(201);
    }
    let made = server.create("shop").await;
    let mut count = receiver.count.subscribe();
    soon("a delivery", count.wait_for(|count| *count > 0)).await.unwrap();
    assert_eq!(receiver.of(made["id"].as_str().unwrap()), [1]);
    soon("a refusal", refused_stranger.wait_for(|count| *count > 0)).await.unwrap();
    assert_eq!((*refused.borrow_and_update(), *stranger.count.borrow()), (0, 0));
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
