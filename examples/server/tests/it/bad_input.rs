//! What is refused, and how: an error that says what is wrong, never one of the server's own.

use hyper::Method;
use serde_json::{Value, json};

use crate::server::Server;

/// R182, R183: unknown fields, wrong types, what is no JSON, and what is too large.
#[tokio::test]
async fn bodies_that_are_not_understood_are_refused() {
    let server = Server::sandbox().await;
    server.create("shop").await;
    let bearer = format!("Bearer {}", server.key);
    let headers = [("authorization", bearer.as_str())];
    for (path, body) in [
        ("/whatsapp/session", r#"{"name":"x","nonsense":1}"#),
        ("/whatsapp/session", r#"{"name":7}"#),
        ("/whatsapp/session", r#"{"name":"x","settings":{"syncLimit":-1}}"#),
        ("/whatsapp/session", r#"{"name":"x","settings":{"sync_limit":1}}"#),
        ("/whatsapp/session", r#"{"name":"x","settings":{"timeZone":"Mars/Olympus"}}"#),
        ("/whatsapp/session", r#"{"name":"x","mode":"telepathy"}"#),
        ("/whatsapp/session", "{"),
        ("/whatsapp/session", "[]"),
        ("/whatsapp/session", "\u{feff}{}x"),
        ("/whatsapp/session/shop/messages", r#"{"to":"x","content":{"text":"x"}}"#),
        ("/whatsapp/session/shop/messages", r#"{"to":"1@evil.example","content":{"text":"x"}}"#),
        ("/whatsapp/session/shop/messages", r#"{"to":"15550000002","content":{}}"#),
        (
            "/whatsapp/session/shop/messages",
            r#"{"to":"15550000002","content":{"text":"x"},"onLimit":"never"}"#,
        ),
        ("/whatsapp/sessions/start", r#"{"names":"shop"}"#),
        ("/whatsapp/sessions/delete", r#"{"names":["shop"],"confirm":"yes"}"#),
        ("/whatsapp/webhooks", r#"{"url":"not a url","secret":"x"}"#),
        ("/whatsapp/webhooks", r#"{"url":"https://h.example/","secret":"x","events":["everything"]}"#),
        ("/keys", r#"{"scopes":["everything"]}"#),
        ("/keys", r#"{"scopes":[]}"#),
        ("/keys", r#"{"scopes":["read"],"addresses":["everywhere"]}"#),
    ] {
        let answer = server.send(Method::POST, path, &headers, body).await;
        assert!((400..500).contains(&answer.status), "{path} {body}: {answer:?}");
        let status = answer.status;
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        answer.problem(status, &code);
    }
    let deep = format!(r#"{{"name":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    server.send(Method::POST, "/whatsapp/session", &headers, deep).await.problem(400, "bad_request");
    let huge = format!(r#"{{"displayName":"{}"}}"#, "x".repeat(1 << 20));
    server.send(Method::POST, "/whatsapp/session", &headers, huge).await.problem(413, "too_large");
    server
        .send(Method::POST, "/whatsapp/session", &headers, vec![0xff, 0xfe])
        .await
        .problem(400, "bad_request");
}

/// R183: a name is a word for addresses; nothing in it leads out of the folder of the accounts.
#[tokio::test]
async fn names_lead_nowhere_else() {
    let server = Server::sandbox().await;
    for name in ["../etc", "a/b", "a\\b", "..", ".", "", "a b", "ä", "%2e%2e", "a\u{0}b", &"x".repeat(200)] {
        let answer = server.post("/whatsapp/session", json!({ "name": name })).await;
        assert!((400..500).contains(&answer.status), "{name}: {answer:?}");
    }
    for path in ["..%2f..%2fetc%2fpasswd", "%2e%2e", "a%00b", "%ff", "a%2fb"] {
        for (method, more) in [(Method::GET, ""), (Method::DELETE, ""), (Method::POST, "/start")] {
            let answer = server.call(method, &format!("/whatsapp/session/{path}{more}"), Value::Null).await;
            assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
            let (status, code) = (answer.status, answer.json()["code"].as_str().unwrap().to_owned());
            answer.problem(status, &code);
        }
    }
    let accounts = server.directory().join("accounts");
    assert!(!accounts.exists() || std::fs::read_dir(accounts).unwrap().next().is_none(), "nothing was made");
}

#[tokio::test]
async fn what_is_not_there_and_what_is_asked_wrongly_is_told_in_the_same_way() {
    let server = Server::sandbox().await;
    server.get("/nothing").await.problem(404, "not_found");
    server.get("/whatsapp/session/x/nothing").await.problem(404, "not_found");
    server.call(Method::PATCH, "/whatsapp/sessions", Value::Null).await.problem(405, "method");
    for path in [
        "/whatsapp/sessions?limit=many",
        "/whatsapp/sessions?unknown=1",
        "/whatsapp/events?since=-1",
        "/whatsapp/session/x?force=perhaps",
    ] {
        let method = if path.contains("force") { Method::DELETE } else { Method::GET };
        server.call(method, path, Value::Null).await.problem(400, "bad_request");
    }
    let bearer = format!("Bearer {}", server.key);
    let headers = [("authorization", bearer.as_str()), ("if-match", "old")];
    server.create("shop").await;
    server.send(Method::PUT, "/whatsapp/session/shop", &headers, "{}").await.problem(400, "bad_request");
    let id = [("authorization", bearer.as_str()), ("x-request-id", "7f")];
    let answer = server.send(Method::GET, "/whatsapp/sessions", &id, "").await;
    assert_eq!(answer.header("x-request-id"), Some("7f"));
}

/// Webhooks to this machine and its networks are refused, unless the one who runs the server allows them.
#[tokio::test]
async fn webhooks_to_private_addresses_are_refused() {
    let server = Server::start(&["--sandbox"]).await;
    let secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    for (url, code) in [
        ("https://127.0.0.1/x", "webhook_private"),
        ("https://[::1]/x", "webhook_private"),
        ("https://10.0.0.1/x", "webhook_private"),
        ("https://169.254.169.254/latest", "webhook_private"),
        ("http://hooks.example/x", "webhook_plain"),
        ("ftp://hooks.example/x", "webhook_url"),
    ] {
        let body = json!({ "url": url, "secret": secret });
        server.post("/whatsapp/webhooks", body).await.problem(400, code);
    }
}
