//! The same request twice.

use hyper::Method;
use serde_json::{Value, json};

use crate::server::{Answer, Server};

async fn post(server: &Server, key: &str, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {}", server.key);
    let headers = [("authorization", bearer.as_str()), ("idempotency-key", key)];
    server.send(Method::POST, path, &headers, body.to_string()).await
}

#[tokio::test]
async fn a_request_that_comes_twice_is_done_once_also_after_a_restart() {
    let mut server = Server::sandbox().await;
    let body = json!({ "displayName": "The shop" });
    let first = post(&server, "k1", "/whatsapp/session", &body).await;
    assert_eq!(first.header("idempotency-replayed"), None);
    let first = first.expect(201);
    let second = post(&server, "k1", "/whatsapp/session", &body).await;
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    assert_eq!(second.header("content-type"), Some("application/json"));
    assert_eq!(second.expect(201), first);
    server.kill().await;
    server.start_again().await;
    assert_eq!(post(&server, "k1", "/whatsapp/session", &body).await.expect(201), first);
    let accounts = server.get("/whatsapp/sessions").await.expect(200);
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 1);

    let other = json!({ "displayName": "Another" });
    post(&server, "k1", "/whatsapp/session", &other).await.problem(422, "idempotency_mismatch");
    assert_ne!(post(&server, "k2", "/whatsapp/session", &body).await.expect(201)["id"], first["id"]);
    post(&server, "", "/whatsapp/session", &body).await.problem(400, "bad_request");
    post(&server, &"x".repeat(257), "/whatsapp/session", &body).await.problem(400, "bad_request");
}

/// A day later the same request is another one.
#[tokio::test]
async fn an_answer_is_given_again_for_a_day() {
    let server = Server::sandbox().await;
    let body = json!({ "displayName": "The shop" });
    let first = post(&server, "k", "/whatsapp/session", &body).await.expect(201);
    let file = rusqlite::Connection::open(server.directory().join("answers.db")).unwrap();
    let age = |hours: i64| file.execute("UPDATE answer SET at = at - ?1", [hours * 3_600_000]).unwrap();
    assert_eq!(age(23), 1);
    assert_eq!(post(&server, "k", "/whatsapp/session", &body).await.expect(201), first);
    age(1);
    let second = post(&server, "k", "/whatsapp/session", &body).await;
    assert_eq!(second.header("idempotency-replayed"), None);
    assert_ne!(second.expect(201)["id"], first["id"]);
    let kept: u32 = file.query_row("SELECT count(*) FROM answer", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 1, "what is too old is forgotten");
}

/// Requests at the same time: one is done.
#[tokio::test]
async fn of_many_at_once_one_is_done() {
    let server = Server::sandbox().await;
    let body = json!({ "displayName": "The shop" });
    let answers =
        futures_util::future::join_all((0..8).map(|_| post(&server, "k", "/whatsapp/session", &body))).await;
    for answer in answers {
        if answer.status != 201 {
            answer.problem(409, "in_progress");
        }
    }
    let accounts = server.get("/whatsapp/sessions").await.expect(200);
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 1);
}

/// Another client's key of the same name is another one; also for messages, which the manager recognises.
#[tokio::test]
async fn keys_of_two_clients_are_not_one() {
    let server = Server::sandbox().await;
    let other = format!("Bearer {}", server.new_key("default", &["control"]).await);
    let body = json!({ "displayName": "The shop" });
    let first = post(&server, "1", "/whatsapp/session", &body).await.expect(201);
    let headers = [("authorization", other.as_str()), ("idempotency-key", "1")];
    let second = server.send(Method::POST, "/whatsapp/session", &headers, body.to_string()).await;
    assert_ne!(second.expect(201)["id"], first["id"]);
}

/// A failure is not kept, and neither is a secret.
#[tokio::test]
async fn failures_and_secrets_are_not_kept() {
    let server = Server::sandbox().await;
    let path = "/whatsapp/session/shop/stop";
    post(&server, "k", path, &Value::Null).await.problem(404, "not_found");
    server.create("shop").await;
    post(&server, "k", path, &Value::Null).await.expect(200);
    let key = json!({ "scopes": ["read"] });
    let (one, two) = (post(&server, "k", "/keys", &key).await, post(&server, "k", "/keys", &key).await);
    assert_ne!(one.expect(201)["key"], two.expect(201)["key"]);
}
