//! The process as one of many.

use hyper::Method;
use serde_json::Value;

use crate::server::TestServer;

/// A process that is drained ends in good order, and its accounts go on in its next life.
#[tokio::test]
async fn a_node_is_drained() {
    let test_server = TestServer::start().await;
    let mut server = test_server.server().await;
    test_server.linked(&server, "shop", "anna").await;
    let nodes = server.get("/nodes").await.expect(200)["nodes"].take();
    let node = &nodes[0];
    let seen = (nodes.as_array().unwrap().len(), &node["accounts"], &node["connected"], &node["draining"]);
    assert_eq!(seen, (1, &1.into(), &1.into(), &false.into()), "{nodes}");
    let drain = format!("/nodes/{}/drain", node["id"].as_str().unwrap());

    server.post("/nodes/node_0/drain", Value::Null).await.problem(404, "not_found");
    let theirs = server.new_key("other", &["admin"]).await;
    let send = server.new_key("default", &["send", "control"]).await;
    for key in [&theirs, &send] {
        server.call_with(key, Method::GET, "/nodes", Value::Null).await.problem(403, "forbidden");
        server.call_with(key, Method::POST, &drain, Value::Null).await.problem(403, "forbidden");
    }
    assert_eq!(server.post(&drain, Value::Null).await.expect(202)["draining"], true);
    server.ended().await;

    server.start_again().await;
    server.status("shop", "ready").await;
    assert_ne!(server.get("/nodes").await.expect(200)["nodes"][0]["id"], node["id"], "another life");
}
