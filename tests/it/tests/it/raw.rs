//! What has no typed call.

use wa_core::CallError;
use wa_core::client::RawCallError;
use wa_core::connection::RequestError;
use wa_core::types::Jid;
use wa_core::wire::Node;
use wa_it::Companion;
use wa_test_server::{Direction, TestServer};

/// The code with which the server refused.
fn code(error: &CallError) -> Option<u16> {
    match error {
        CallError::Request(RequestError::Refused(refusal)) => Some(refusal.code),
        _ => None,
    }
}

#[tokio::test]
async fn any_stanza_leaves_as_it_is() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let alice = Companion::link(&server, &phone).await;
    let stanza = Node::new("ib").child(Node::new("unified_session").attr("id", "1"));
    alice.client.raw().send(stanza.clone()).await.unwrap();
    server.wait_for(&alice.jid, Direction::FromClient, |node| *node == stanza).await;
    alice.client.disconnect().await;
    let away = alice.client.raw().send(stanza).await.unwrap_err();
    assert!(matches!(away, CallError::Request(RequestError::NotConnected)), "{away:?}");
}

#[tokio::test]
async fn any_request_brings_its_answer_whole() {
    let server = TestServer::start().await;
    let alice = Companion::link(&server, &server.phone("alice")).await;
    let raw = alice.client.raw();
    let asked = Node::new("iq").attr("type", "get").attr("xmlns", "w").child(Node::new("props"));
    let answer = raw.iq(asked).await.unwrap();
    assert_eq!(answer.get("from").unwrap().to_jid().unwrap(), Jid::SERVER);
    assert!(answer.find("props").is_some(), "{answer:?}");
    let unknown = Node::new("iq").attr("type", "set").attr("xmlns", "teleport");
    assert_eq!(code(&raw.iq(unknown).await.unwrap_err()), Some(501));
}

#[tokio::test]
async fn any_graphql_call_brings_its_data() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let alice = Companion::link(&server, &phone).await;
    let raw = alice.client.raw();
    let data = raw.graphql("23983697327930364", "{}").await.unwrap();
    assert!(data.contains(r#""is_active":false"#), "{data}");
    let refused = raw.graphql("1", "{}").await.unwrap_err();
    assert!(matches!(&refused, RawCallError::Call(error) if code(error) == Some(400)), "{refused:?}");
    let unserved = raw.graphql("9835", "{}").await.unwrap_err();
    assert!(matches!(&unserved, RawCallError::Call(error) if code(error) == Some(400)), "{unserved:?}");
    let nonsense = raw.graphql("23983697327930364", "{").await.unwrap_err();
    assert!(matches!(nonsense, RawCallError::Variables));
    server.faults().refuse_request("w:mex", 429);
    let refused = raw.graphql("23983697327930364", "{}").await.unwrap_err();
    assert!(matches!(&refused, RawCallError::Call(error) if code(error) == Some(429)), "{refused:?}");
}
