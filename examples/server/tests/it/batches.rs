//! Many accounts at once.

use hyper::Method;
use serde_json::{Value, json};

use crate::server::Server;

fn item<'a>(answer: &'a Value, name: &str) -> &'a Value {
    answer["items"].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap()
}

/// R082, R092, R103, R104, R150, R177, R181: each with its own result.
#[tokio::test]
async fn each_of_many_has_its_own_result() {
    let server = Server::sandbox().await;
    server.linked("one", "anna").await;
    server.linked("two", "budi").await;
    server.create("bare").await;
    let names = json!({ "names": ["one", "two", "bare", "nobody", "../etc"] });
    let stopped = server.post("/whatsapp/sessions/stop", names.clone()).await.expect(207);
    assert_eq!(item(&stopped, "one")["outcome"]["after"], "idle");
    assert_eq!(item(&stopped, "nobody")["error"]["status"], 404);
    assert_eq!(item(&stopped, "../etc")["error"]["status"], 400);
    let started = server.post("/whatsapp/sessions/start", names).await.expect(207);
    assert_eq!(item(&started, "two")["ok"], true);
    assert_eq!(item(&started, "bare")["error"]["code"], "not_linked");
    server.status("one", "ready").await;
    server.status("two", "ready").await;

    let delete = json!({ "names": ["one", "bare"] });
    server.post("/whatsapp/sessions/delete", delete).await.problem(400, "bad_request");
    let delete = json!({ "names": ["one", "bare"], "confirm": true });
    let deleted = server.post("/whatsapp/sessions/delete", delete).await.expect(207);
    assert_eq!((&item(&deleted, "one")["ok"], &item(&deleted, "bare")["ok"]), (&json!(true), &json!(true)));
    let left = server.get("/whatsapp/sessions").await.expect(200);
    assert_eq!(left["accounts"].as_array().unwrap().len(), 1);
}

/// R105, R184: everything stops, of the caller's tenant only.
#[tokio::test]
async fn stop_all_is_the_callers_tenant() {
    let server = Server::sandbox().await;
    server.linked("ours", "anna").await;
    let theirs = server.new_key("other", &["read", "control"]).await;
    server
        .call_with(&theirs, Method::POST, "/whatsapp/session", json!({ "name": "theirs" }))
        .await
        .expect(201);
    let stopped = server.call_with(&theirs, Method::POST, "/whatsapp/sessions/stop-all", Value::Null).await;
    assert_eq!(stopped.expect(207)["items"].as_array().unwrap().len(), 1);
    assert_eq!(server.get("/whatsapp/session/ours").await.expect(200)["status"], "ready");
    let stopped = server.post("/whatsapp/sessions/stop-all", Value::Null).await.expect(207);
    assert_eq!(item(&stopped, "ours")["ok"], true);
    assert_eq!(server.get("/whatsapp/session/ours").await.expect(200)["status"], "idle");
}
