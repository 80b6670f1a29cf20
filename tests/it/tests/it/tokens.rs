//! Tokens of trust: kept, attached to messages, given to those to whom we write.

use wa_core::wire::Node;
use wa_it::Companion;
use wa_test_server::{Direction, TestServer};
use wa_types::Jid;

fn is_message(node: &Node) -> bool {
    node.tag == "message"
}

fn issues(node: &Node) -> bool {
    node.find("tokens").is_some()
}

/// How often a device gave tokens.
fn issued(server: &TestServer, device: &Jid) -> usize {
    let sent = server.nodes_of(device);
    sent.iter().filter(|(direction, node)| *direction == Direction::FromClient && issues(node)).count()
}

#[tokio::test]
async fn who_is_written_to_gets_one_token_in_each_span() {
    let server = TestServer::start().await;
    let bob = server.phone("bob");
    let alice = Companion::link(&server, &server.phone("alice")).await;
    alice.send_text(bob.pn(), "one").await;
    let given = server.wait_for(&alice.jid, Direction::FromClient, issues).await;
    let token = given.find("tokens").unwrap().find("token").unwrap();
    assert_eq!(token.get("jid").unwrap().to_jid().unwrap(), *bob.pn());
    let is_answer = |node: &Node| node.tag == "iq" && node.get("id") == given.get("id");
    server.wait_for(&alice.jid, Direction::ToClient, is_answer).await;
    for text in ["two", "three"] {
        alice.send_text(bob.pn(), text).await;
    }
    assert_eq!(issued(&server, &alice.jid), 1);
    let kept = alice.store.privacy_tokens(std::slice::from_ref(bob.lid())).await.unwrap();
    assert!(kept[0].as_ref().is_some_and(|kept| kept.issued.is_some()));
    // After a restart it is still known.
    let store = alice.stop().await;
    let alice = Companion::start(&server, store).await;
    alice.send_text(bob.pn(), "four").await;
    assert_eq!(issued(&server, &alice.jid), 1);
}

#[tokio::test]
async fn a_token_is_kept_and_goes_with_messages_while_it_is_good() {
    let server = TestServer::start().await;
    let (phone, bob, carol) = (server.phone("alice"), server.phone("bob"), server.phone("carol"));
    let alice = Companion::link(&server, &phone).await;
    let now = wa_it::now_seconds();
    bob.give_token(phone.pn(), now).unwrap();
    // An older one changes nothing; one of five weeks ago is worth nothing.
    bob.give_token(phone.lid(), now - 1).unwrap();
    carol.give_token(phone.lid(), now - 35 * 86_400).unwrap();
    server.wait_drained(&alice.jid).await;
    for (of, expected) in [(&bob, Some(now)), (&carol, None)] {
        let mark = server.mark();
        alice.send_text(of.pn(), "hello").await;
        let sent = server.wait_for_after(mark, &alice.jid, Direction::FromClient, is_message).await;
        let token = sent.find("tctoken").and_then(Node::content_bytes).map(<[u8]>::to_vec);
        let expected = expected.map(|time| format!("token:{}:{time}", of.lid().user()).into_bytes());
        assert_eq!(token, expected);
    }
}

#[tokio::test]
async fn no_token_goes_to_ourselves_or_to_groups() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let alice = Companion::link(&server, &phone).await;
    alice.send_text(phone.pn(), "note to self").await;
    let made = alice.client.groups().create("Crew", &[bob.pn().clone()]).await.unwrap();
    alice.send_text(&made.group.jid, "hello").await;
    assert_eq!(issued(&server, &alice.jid), 0);
    let sent = server.nodes_of(&alice.jid);
    let messages =
        sent.iter().filter(|(direction, node)| *direction == Direction::FromClient && is_message(node));
    assert!(messages.clone().count() >= 2);
    assert!(
        messages.clone().all(|(_, node)| node.find("tctoken").is_none() && node.find("cstoken").is_none())
    );
}
