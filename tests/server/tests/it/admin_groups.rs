//! How groups are addressed, set over HTTP.

use serde_json::json;
use wa_core::wire::Node;
use wa_test_server::TestServer;
use wa_types::Jid;

use crate::admin::call;
use crate::companion::{Wire, attr};
use crate::groups::{ask, create};
use crate::pairing::linked;

async fn addressing(wire: &mut Wire, group: &Jid) -> String {
    let answer = ask(wire, group, "get", Node::new("query")).await;
    attr(answer.find("group").expect("a group"), "addressing_mode")
}

#[tokio::test]
async fn the_addressing_of_groups_is_set_from_another_process() {
    let server = TestServer::start().await;
    let endpoint = server.listen_with_admin("127.0.0.1:0", false).await.expect("listens");
    let (_alices, mut alice) = linked(&server, "alice").await;
    let bob = server.phone("bob");

    let by_default = create(&mut alice, "One", &[bob.pn()]).await;
    let set = async |body| call(&endpoint, "POST", "/admin/groups", &body).await;
    assert_eq!(set(json!({ "addressing": "pn" })).await.0, "200");
    let after = create(&mut alice, "Two", &[bob.pn()]).await;
    assert_eq!(addressing(&mut alice, &by_default).await, "lid");
    assert_eq!(addressing(&mut alice, &after).await, "pn");

    assert_eq!(set(json!({ "group": after.to_string(), "addressing": "lid" })).await.0, "200");
    assert_eq!(addressing(&mut alice, &after).await, "lid");
    assert_eq!(set(json!({ "group": "120363999999999999@g.us", "addressing": "lid" })).await.0, "404");
    assert_eq!(set(json!({ "addressing": "name" })).await.0, "400");
}
