//! Tokens of trust: kept, attached to messages, given to those to whom we write.

use std::sync::Arc;

use wa_core::e2e::trust;
use wa_core::wire::Node;
use wa_it::Companion;
use wa_proto::history_sync::{Conversation, Pushname};
use wa_store::{Changes, MemoryStore, NctSalt, PrivacyToken, Store};
use wa_test_server::{Direction, Past, TestServer};
use wa_types::{Jid, UnixSeconds};

/// As long as one token of ours is enough.
const SPAN: u64 = 7 * 86_400;

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

#[tokio::test]
async fn a_token_of_ours_is_renewed_in_the_next_span() {
    let server = TestServer::start().await;
    let (bob, carol) = (server.phone("bob"), server.phone("carol"));
    let alice = Companion::link(&server, &server.phone("alice")).await;
    let now = wa_it::now_seconds();
    let mut changes = Changes::new();
    for (user, issued) in [(bob.lid(), now - SPAN), (carol.lid(), now)] {
        let issued = Some(UnixSeconds(issued));
        changes.put_privacy_token(PrivacyToken { user: user.clone(), received: None, issued });
    }
    let store = alice.stop().await;
    store.commit(changes).await.unwrap();
    let alice = Companion::start(&server, store).await;
    alice.send_text(carol.pn(), "one").await;
    let mark = server.mark();
    alice.send_text(bob.pn(), "two").await;
    let given = server.wait_for_after(mark, &alice.jid, Direction::FromClient, issues).await;
    assert_eq!(
        given.find("tokens").unwrap().find("token").unwrap().get("jid").unwrap().to_text(),
        bob.pn().to_string()
    );
    assert_eq!(issued(&server, &alice.jid), 1);
}

#[tokio::test]
async fn a_refused_token_is_given_with_the_next_message() {
    let server = TestServer::start().await;
    let bob = server.phone("bob");
    let alice = Companion::link(&server, &server.phone("alice")).await;
    server.faults_of(&alice.jid).refuse_request("privacy", 500);
    for text in ["one", "two"] {
        let mark = server.mark();
        alice.send_text(bob.pn(), text).await;
        let given = server.wait_for_after(mark, &alice.jid, Direction::FromClient, issues).await;
        let is_answer = |node: &Node| node.tag == "iq" && node.get("id") == given.get("id");
        server.wait_for_after(mark, &alice.jid, Direction::ToClient, is_answer).await;
    }
    assert_eq!(issued(&server, &alice.jid), 2);
}

#[tokio::test]
async fn who_gave_a_token_can_be_added_to_groups() {
    let server = TestServer::start().await;
    let (phone, bob, carol) = (server.phone("alice"), server.phone("bob"), server.phone("carol"));
    let alice = Companion::link(&server, &phone).await;
    for user in [&bob, &carol] {
        user.set_privacy("groupadd", "contacts").unwrap();
    }
    bob.give_token(phone.lid(), wa_it::now_seconds()).unwrap();
    server.wait_drained(&alice.jid).await;
    let members = [bob.lid().clone(), carol.lid().clone()];
    let made = alice.client.groups().create("Crew", &members).await.unwrap();
    let is_in = |user: &Jid| made.group.members.iter().any(|member| member.is_user(user));
    assert_eq!((is_in(bob.lid()), is_in(carol.lid())), (true, false));
    carol.give_token(phone.lid(), wa_it::now_seconds()).unwrap();
    server.wait_drained(&alice.jid).await;
    let added = alice.client.groups().add(&made.group.jid, &members[1..]).await.unwrap();
    assert!(added.iter().all(|member| member.result.is_ok()), "{added:?}");
}

#[tokio::test]
async fn what_the_past_says_of_tokens_is_kept() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let (bob, carol, dave) = (server.phone("bob"), server.phone("carol"), server.phone("dave"));
    let now = wa_it::now_seconds();
    let chat = |user: &Jid, token: Option<&[u8]>, given: u64| Conversation {
        id: user.to_string(),
        tc_token: token.map(<[u8]>::to_vec),
        tc_token_timestamp: token.map(|_| now),
        tc_token_sender_timestamp: Some(given),
        ..Default::default()
    };
    let pair = |user: &wa_test_server::Phone| wa_proto::history_sync::PhoneNumberToLidMapping {
        pn_jid: Some(user.pn().to_string()),
        lid_jid: Some(user.lid().to_string()),
    };
    let mut past = Past::new(vec![
        chat(bob.pn(), Some(b"bob's"), now),
        chat(carol.lid(), None, now),
        chat(dave.pn(), Some(b"dave's"), now - SPAN),
    ]);
    past.addresses = [&bob, &carol, &dave].map(pair).to_vec();
    past.nct_salt = Some(vec![9; 32]);
    past.push_names = vec![Pushname { id: Some(phone.pn().to_string()), pushname: Some("Ana".to_owned()) }];
    phone.set_past(past);
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let built = wa_it::builder(&server, Arc::clone(&store));
    let alice = Companion::link_built(built, &phone, store).await;
    alice.client.history().initial().await.unwrap();

    let derived = trust::derived(&NctSalt::new(vec![9; 32]), carol.lid()).to_node();
    for (user, tag, bytes) in [
        (&bob, "tctoken", &b"bob's"[..]),
        (&carol, "cstoken", derived.content_bytes().unwrap()),
        (&dave, "tctoken", b"dave's"),
    ] {
        let mark = server.mark();
        alice.send_text(user.pn(), "hello").await;
        let sent = server.wait_for_after(mark, &alice.jid, Direction::FromClient, is_message).await;
        assert_eq!(sent.find(tag).and_then(Node::content_bytes), Some(bytes), "{sent:?}");
    }
    // One of ours is due for Dave only.
    let given = server.wait_for(&alice.jid, Direction::FromClient, issues).await;
    let to = given.find("tokens").unwrap().find("token").unwrap().get("jid").unwrap().to_jid().unwrap();
    assert_eq!((to, issued(&server, &alice.jid)), (dave.pn().clone(), 1));
    let account = alice.store.account().await.unwrap().unwrap();
    assert_eq!(account.nct_salt, Some(NctSalt::new(vec![9; 32])));
    assert_eq!(account.push_name.as_deref(), Some("Ana"));
    let kept = alice.store.privacy_tokens(std::slice::from_ref(bob.lid())).await.unwrap().remove(0).unwrap();
    assert_eq!(kept.received, Some((b"bob's".to_vec(), UnixSeconds(now))));
    assert_eq!(kept.issued, Some(UnixSeconds(now)));
}
