//! Who may do what.

use hyper::Method;
use serde_json::{Value, json};

use crate::server::Server;
use crate::socket::Socket;

/// Whoever looks after all tenants sees what they have; nobody else does.
#[tokio::test]
async fn who_looks_after_all_tenants_sees_their_accounts() {
    let server = Server::sandbox().await;
    let theirs = server.new_key("other", &["admin"]).await;
    server.call_with(&theirs, Method::POST, "/whatsapp/session", json!({ "name": "shop" })).await.expect(201);
    let list = server.get("/whatsapp/sessions?tenant=other").await.expect(200);
    assert_eq!(list["accounts"][0]["name"], "shop", "{list}");
    let reader = server.new_key("default", &["read"]).await;
    for (key, tenant) in [(&theirs, "default"), (&reader, "other")] {
        let path = format!("/whatsapp/sessions?tenant={tenant}");
        server.call_with(key, Method::GET, &path, Value::Null).await.problem(403, "forbidden");
    }
    let own = server.call_with(&theirs, Method::GET, "/whatsapp/sessions?tenant=other", Value::Null).await;
    assert_eq!(own.expect(200)["accounts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_reaches_the_accounts_that_it_names() {
    let server = Server::sandbox().await;
    server.create("one").await;
    server.create("two").await;
    let body = json!({ "accounts": ["one"], "scopes": ["read", "control", "setting"] });
    let key = server.post("/keys", body).await.expect(201)["key"].as_str().unwrap().to_owned();
    let ask = async |path: &str| server.call_with(&key, Method::GET, path, Value::Null).await;
    ask("/whatsapp/session/one").await.expect(200);
    ask("/whatsapp/session/two").await.problem(404, "not_found");
    let list = ask("/whatsapp/sessions").await.expect(200);
    assert_eq!(list["accounts"].as_array().unwrap().len(), 1);
    ask("/whatsapp/webhooks").await.problem(403, "forbidden");
    server
        .call_with(&key, Method::POST, "/whatsapp/session", json!({ "name": "two" }))
        .await
        .problem(403, "forbidden");
}

/// A key that is bound to accounts reads their events, page by page, and waits for them; it hears nothing of the others, nor of
/// accounts that are gone.
#[tokio::test]
async fn a_key_reads_the_events_of_the_accounts_that_it_names() {
    let server = Server::sandbox().await;
    let (one, two) = (server.settled("one").await, server.settled("two").await);
    server.settled("three").await;
    let body = json!({ "accounts": ["one", "two", "none"], "scopes": ["read"] });
    let key = server.post("/keys", body).await.expect(201)["key"].as_str().unwrap().to_owned();
    let rename = async |name: &str, display_name: &str| {
        let body = json!({ "displayName": display_name });
        server.call(Method::PUT, &format!("/whatsapp/session/{name}"), body).await.expect(200);
    };
    for name in ["two", "three", "one"] {
        rename(name, "another").await;
    }
    let ask = async |query: &str| {
        let path = format!("/whatsapp/events?{query}");
        server.call_with(&key, Method::GET, &path, Value::Null).await.expect(200)
    };
    let heard = |answer: &Value| -> Vec<(Value, Value)> {
        let events = answer["events"].as_array().unwrap().iter();
        events.map(|event| (event["accountId"].clone(), event["type"].clone())).collect()
    };
    let is = |account: &Value, kind: &str| (account["id"].clone(), json!(kind));
    let all = [
        is(&one, "account.created"),
        is(&one, "trust.changed"),
        is(&two, "account.created"),
        is(&two, "trust.changed"),
        is(&two, "account.updated"),
        is(&one, "account.updated"),
    ];
    assert_eq!(heard(&ask("").await), all, "in the order in which they happened");
    let (mut paged, mut next) = (Vec::new(), json!(0));
    loop {
        let page = ask(&format!("since={next}&limit=1")).await;
        next = page["next"].clone();
        match heard(&page).pop() {
            Some(event) => paged.push(event),
            None => break,
        }
    }
    assert_eq!(paged, all);
    let happens = async {
        rename("three", "a third").await;
        rename("one", "a third").await;
    };
    let query = format!("since={next}&wait=30");
    let (waited, ()) = tokio::join!(ask(&query), happens);
    assert_eq!(heard(&waited), [is(&one, "account.updated")]);
    server.call(Method::DELETE, "/whatsapp/session/one", Value::Null).await.expect(204);
    assert_eq!(heard(&ask("").await), all[2..5]);
}

/// Where nothing happens for a key, the number from which it goes on moves all the same: what was forgotten by then would
/// hold it up otherwise.
#[tokio::test]
async fn a_key_for_which_nothing_happens_goes_on_from_later_numbers() {
    let server = Server::sandbox().await;
    server.settled("one").await;
    let body = json!({ "accounts": ["one"], "scopes": ["read"] });
    let bound = server.post("/keys", body).await.expect(201)["key"].as_str().unwrap().to_owned();
    let other = server.new_key("other", &["read"]).await;
    let mut socket = Socket::open(&server, &server.key).await;
    socket.event("whatsapp-all-statuses").await;
    server.create("two").await;
    // From now on it was told to everybody.
    let last = socket.event("whatsapp-status").await["seq"].as_u64().unwrap();
    for (key, since) in [(&bound, 2), (&other, 0)] {
        let path = format!("/whatsapp/events?since={since}");
        let quiet = server.call_with(key, Method::GET, &path, Value::Null).await.expect(200);
        assert_eq!(quiet["events"], json!([]));
        assert!(quiet["next"].as_u64().unwrap() >= last, "{quiet}");
    }
    // Whoever has not read all of it goes on from what was read.
    let path = "/whatsapp/events?limit=1";
    let page = server.call_with(&bound, Method::GET, path, Value::Null).await.expect(200);
    assert_eq!(page["next"], page["events"][0]["seq"]);
}

/// Who looks after keys makes none that may do more than its own; a tenant's keys are its own business.
#[tokio::test]
async fn keys_are_looked_after_within_bounds() {
    let server = Server::sandbox().await;
    let all = json!({ "scopes": ["admin"] });
    for bound in [
        json!({ "scopes": ["admin"], "accounts": ["one"] }),
        json!({ "scopes": ["admin"], "addresses": ["127.0.0.1"] }),
        json!({ "scopes": ["admin"], "expiresAt": 9_000_000_000_000_u64 }),
    ] {
        let key = server.post("/keys", bound).await.expect(201)["key"].as_str().unwrap().to_owned();
        server.call_with(&key, Method::POST, "/keys", all.clone()).await.problem(403, "forbidden");
        server.call_with(&key, Method::GET, "/keys", Value::Null).await.problem(403, "forbidden");
    }
    let theirs = server.new_key("other", &["admin"]).await;
    let ours = json!({ "scopes": ["admin"], "tenant": "default" });
    server.call_with(&theirs, Method::POST, "/keys", ours).await.problem(403, "forbidden");
    server.call_with(&theirs, Method::POST, "/keys", all).await.expect(201);
    let keys = server.call_with(&theirs, Method::GET, "/keys", Value::Null).await.expect(200);
    let keys = keys["keys"].as_array().unwrap();
    assert!(keys.len() == 2 && keys.iter().all(|key| key["tenant"] == "other"), "{keys:?}");
    let bound = json!({ "scopes": ["control"], "accounts": ["one"] });
    let bound = server.post("/keys", bound).await.expect(201)["key"].as_str().unwrap().to_owned();
    server.call_with(&bound, Method::POST, "/whatsapp/session", json!({})).await.problem(403, "forbidden");
}

/// A key is shown and changed; whoever uses it is bound by the change with the next request.
#[tokio::test]
async fn a_changed_key_does_what_it_says_from_then_on() {
    let server = Server::sandbox().await;
    server.create("one").await;
    server.create("two").await;
    let made =
        server.post("/keys", json!({ "label": "till", "scopes": ["read", "control"] })).await.expect(201);
    let key = made["key"].as_str().unwrap();
    let path = format!("/keys/{}", made["id"].as_str().unwrap());
    let mut shown = made.clone();
    shown.as_object_mut().unwrap().remove("key");
    assert_eq!(server.get(&path).await.expect(200), shown, "all of it but the key itself");

    let change = async |body: Value| server.call(Method::PUT, &path, body).await;
    let ask = async |method: Method, path: &str| server.call_with(key, method, path, Value::Null).await;
    let stop = "/whatsapp/session/one/stop";
    ask(Method::POST, stop).await.expect(200);
    let changed = change(json!({ "scopes": ["read"], "accounts": ["one"] })).await.expect(200);
    shown["scopes"] = json!(["read"]);
    shown["accounts"] = json!(["one"]);
    assert_eq!((&changed, server.get(&path).await.expect(200)), (&shown, shown.clone()), "the rest stays");
    ask(Method::POST, stop).await.problem(403, "forbidden");
    ask(Method::GET, "/whatsapp/session/one").await.expect(200);
    ask(Method::GET, "/whatsapp/session/two").await.problem(404, "not_found");
    change(json!({ "accounts": [] })).await.expect(200);
    ask(Method::GET, "/whatsapp/session/two").await.expect(200);
    for (body, undone) in [
        (json!({ "addresses": ["192.0.2.1"] }), json!({ "addresses": [] })),
        (json!({ "expiresAt": 1 }), json!({ "expiresAt": null })),
    ] {
        change(body).await.expect(200);
        ask(Method::GET, "/whatsapp/sessions").await.problem(401, "unauthorized");
        change(json!({ "label": "still bound" })).await.expect(200);
        ask(Method::GET, "/whatsapp/sessions").await.problem(401, "unauthorized");
        change(undone).await.expect(200);
        ask(Method::GET, "/whatsapp/sessions").await.expect(200);
    }
    for wrong in [
        json!({ "scopes": [] }),
        json!({ "tenant": "other" }),
        json!({ "label": "x".repeat(201) }),
        json!({ "expiresAt": 9_007_199_254_740_992_u64 }),
    ] {
        change(wrong).await.problem(400, "bad_request");
    }
}

/// Nor does who waited for an event while its key was changed hear of it.
#[tokio::test]
async fn who_waits_is_bound_by_a_change_of_its_key() {
    let server = Server::sandbox().await;
    let made = server.post("/keys", json!({ "scopes": ["read"] })).await.expect(201);
    let key = made["key"].as_str().unwrap();
    let waits = server.call_with(key, Method::GET, "/whatsapp/events?wait=30", Value::Null);
    let changes = async {
        let path = format!("/keys/{}", made["id"].as_str().unwrap());
        server.call(Method::PUT, &path, json!({ "scopes": ["send"] })).await.expect(200);
        server.create("shop").await;
    };
    tokio::join!(waits, changes).0.problem(403, "forbidden");
}

/// A change outlives the program.
#[tokio::test]
async fn a_changed_key_stays_changed() {
    let mut server = Server::sandbox().await;
    let made = server.post("/keys", json!({ "scopes": ["read"] })).await.expect(201);
    let path = format!("/keys/{}", made["id"].as_str().unwrap());
    server.call(Method::PUT, &path, json!({ "scopes": ["send"] })).await.expect(200);
    server.kill().await;
    server.start_again().await;
    assert_eq!(server.get(&path).await.expect(200)["scopes"], json!(["send"]));
    let key = made["key"].as_str().unwrap();
    server.call_with(key, Method::GET, "/whatsapp/sessions", Value::Null).await.problem(403, "forbidden");
}

/// Nobody gives more than they have: keys are changed by those who look after them, and none changes itself.
#[tokio::test]
async fn keys_are_changed_within_bounds() {
    let server = Server::sandbox().await;
    let path = |key: &Value| format!("/keys/{}", key["id"].as_str().unwrap());
    let text = |key: &Value| key["key"].as_str().unwrap().to_owned();
    let ours = server.post("/keys", json!({ "scopes": ["read"] })).await.expect(201);
    let theirs = server.post("/keys", json!({ "tenant": "other", "scopes": ["admin"] })).await.expect(201);
    let bound = server.post("/keys", json!({ "scopes": ["admin"], "accounts": ["one"] })).await.expect(201);
    let all = json!({ "scopes": ["admin"], "accounts": [] });
    for (key, changed, status, code) in [
        (&ours, &ours, 403, "forbidden"),
        (&bound, &bound, 403, "forbidden"),
        (&bound, &ours, 403, "forbidden"),
        (&theirs, &ours, 404, "not_found"),
        (&theirs, &theirs, 409, "own_key"),
    ] {
        server.call_with(&text(key), Method::PUT, &path(changed), all.clone()).await.problem(status, code);
    }
    for key in [&ours, &bound] {
        server.call_with(&text(key), Method::GET, &path(key), Value::Null).await.problem(403, "forbidden");
    }
    server.call_with(&text(&theirs), Method::GET, &path(&ours), Value::Null).await.problem(404, "not_found");
    // Who looks after all changes what others look after, too; what was taken is gone for what it looked after.
    server.call(Method::PUT, &path(&theirs), json!({ "scopes": ["read"] })).await.expect(200);
    server.call_with(&text(&theirs), Method::GET, "/keys", Value::Null).await.problem(403, "forbidden");
    server.call(Method::PUT, "/keys/key_0", all).await.problem(404, "not_found");
}

#[tokio::test]
async fn expired_removed_foreign_and_made_up_keys_are_refused() {
    let server = Server::sandbox().await;
    let refuse = async |key: &str| {
        let answer = server.call_with(key, Method::GET, "/whatsapp/sessions", Value::Null).await;
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        answer.problem(401, "unauthorized");
    };
    let make = async |body: Value| server.post("/keys", body).await.expect(201);
    let expired = make(json!({ "scopes": ["read"], "expiresAt": 1 })).await;
    refuse(expired["key"].as_str().unwrap()).await;
    let elsewhere = make(json!({ "scopes": ["read"], "addresses": ["192.0.2.1"] })).await;
    refuse(elsewhere["key"].as_str().unwrap()).await;
    let removed = make(json!({ "scopes": ["read"] })).await;
    let path = format!("/keys/{}", removed["id"].as_str().unwrap());
    server.call(Method::DELETE, &path, Value::Null).await.expect(204);
    refuse(removed["key"].as_str().unwrap()).await;
    server.call(Method::DELETE, &path, Value::Null).await.problem(404, "not_found");
    refuse("wa_made-up").await;
    refuse("").await;
    server.send(Method::GET, "/whatsapp/sessions", &[], "").await.problem(401, "unauthorized");
    server
        .send(Method::GET, "/whatsapp/sessions", &[("authorization", "Basic eDp5")], "")
        .await
        .problem(401, "unauthorized");

    let keys = server.get("/keys").await.expect(200);
    let text = keys.to_string();
    assert!(!text.contains("wa_") && !text.contains("hash"), "{text}");
    let own = keys["keys"].as_array().unwrap().iter().find(|key| key["scopes"] == json!(["admin"])).unwrap();
    let path = format!("/keys/{}", own["id"].as_str().unwrap());
    server.call(Method::DELETE, &path, Value::Null).await.problem(409, "own_key");
}

/// A key may make so many requests a minute; others are not slowed.
#[tokio::test]
async fn a_key_that_asks_too_often_waits() {
    let server = Server::start(&["--sandbox"]).await;
    let other = server.new_key("default", &["read"]).await;
    let mut last = server.get("/whatsapp/sessions").await;
    for _ in 0..60 {
        last = server.get("/whatsapp/sessions").await;
    }
    assert!(last.header("retry-after").is_some());
    last.problem(429, "too_many_requests");
    server.call_with(&other, Method::GET, "/whatsapp/sessions", Value::Null).await.expect(200);
}

/// Making an account that is linked at once counts as any other attempt to link: half as many as other requests.
#[tokio::test]
async fn attempts_to_link_have_a_rate_of_their_own_wherever_they_begin() {
    let server = Server::start(&["--sandbox", "--rate", "6"]).await;
    let make = async |name: &str| {
        let body = json!({ "name": name, "mode": "qr" });
        server.post("/whatsapp/session", body).await
    };
    make("one").await.expect(201);
    make("two").await.expect(201);
    // What is not understood, and what is not linked, is none.
    server.post("/whatsapp/session", json!({ "mode": "both" })).await.problem(400, "phone_missing");
    server.post("/whatsapp/session/one/pairing/cancel", Value::Null).await.expect(204);
    let refused = make("three").await;
    assert!(refused.header("retry-after").is_some(), "{refused:?}");
    refused.problem(429, "too_many_requests");
    let reader = server.new_key("default", &["read"]).await;
    let list = server.call_with(&reader, Method::GET, "/whatsapp/sessions", Value::Null).await.expect(200);
    assert_eq!(list["accounts"].as_array().unwrap().len(), 2, "nothing was made: {list}");
}

/// The files of the server have no key in them.
#[tokio::test]
async fn a_key_is_not_kept() {
    let server = Server::sandbox().await;
    let key = server.new_key("default", &["read"]).await;
    for file in ["keys.db", "keys.db-wal", "answers.db", "manager.db", "manager.db-wal"] {
        let Ok(bytes) = std::fs::read(server.directory().join(file)) else { continue };
        for secret in [&key, &server.key] {
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{file}");
        }
    }
}

/// Two people who change one key at the same time both have their way.
#[tokio::test]
async fn two_changes_of_a_key_at_once_both_hold() {
    let server = Server::sandbox().await;
    let made = server.post("/keys", json!({ "scopes": ["read"] })).await.expect(201);
    let path = format!("/keys/{}", made["id"].as_str().unwrap());
    for round in 0..20 {
        let change = async |body| server.call(Method::PUT, &path, body).await.expect(200);
        let label = format!("label {round}");
        let scopes = if round % 2 == 0 { json!(["control"]) } else { json!(["read"]) };
        tokio::join!(change(json!({ "label": label })), change(json!({ "scopes": scopes })));
        let key = server.call(Method::GET, &path, Value::Null).await.expect(200);
        assert_eq!((&key["label"], &key["scopes"]), (&json!(label), &scopes));
    }
}
