//! Whom we want to hear nothing of.

use wa_core::Event;
use wa_core::client::{SpamFlow, SpamMessage};
use wa_core::event::{AccountChange, Blocklist};
use wa_core::types::UnixSeconds;
use wa_core::wire::Node;
use wa_it::Companion;
use wa_test_server::{Direction, TestServer};

async fn told(companion: &mut Companion) -> Blocklist {
    let wanted = |event: &Event| matches!(event, Event::Account(change) if matches!(**change, AccountChange::Blocklist(_)));
    match companion.wait(wanted).await {
        Event::Account(change) => match *change {
            AccountChange::Blocklist(list) => list,
            other => unreachable!("{other:?}"),
        },
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn a_user_is_blocked_by_lid_whichever_address_is_given() {
    let server = TestServer::start().await;
    let (phone, bob, carol) = (server.phone("alice"), server.phone("bob"), server.phone("carol"));
    let alice = Companion::link(&server, &phone).await;
    let mut other = Companion::link(&server, &phone).await;
    alice.client.users().info(&[bob.pn().clone(), carol.lid().clone()]).await.unwrap();
    let blocklist = alice.client.blocklist();
    assert!(blocklist.list().await.unwrap().users.is_empty());
    blocklist.block(bob.pn()).await.unwrap();
    assert!(told(&mut other).await.contains(bob.lid()), "asked for, since nothing was known");
    blocklist.block(carol.lid()).await.unwrap();
    assert!(told(&mut other).await.contains(carol.lid()));
    assert!(blocklist.is_blocked(bob.pn()).await.unwrap());
    assert!(blocklist.is_blocked(bob.lid()).await.unwrap());
    blocklist.unblock(bob.pn()).await.unwrap();
    let left = told(&mut other).await;
    assert!(!left.contains(bob.lid()) && left.contains(carol.lid()));
    assert_eq!(other.client.blocklist().refresh().await.unwrap(), left);
}

#[tokio::test]
async fn what_is_known_is_not_asked_for_and_kept_true() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &phone).await;
    alice.client.blocklist().list().await.unwrap();
    phone.set_blocked(bob.lid(), true).unwrap();
    told(&mut alice).await;
    assert!(alice.client.blocklist().list().await.unwrap().contains(bob.lid()));
    let asks = |node: &Node| node.get("xmlns").is_some_and(|xmlns| xmlns.to_text() == "blocklist");
    let sent = server.nodes_of(&alice.jid);
    let count =
        sent.iter().filter(|(direction, node)| *direction == Direction::FromClient && asks(node)).count();
    assert_eq!(count, 1);
}

#[tokio::test]
async fn messages_are_reported_with_the_token_of_their_author() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &phone).await;
    bob.give_token(phone.lid(), wa_it::now_seconds()).unwrap();
    bob.send_text(phone.pn(), "win a prize").await.unwrap();
    let message = alice.message().await;
    let reported = SpamMessage {
        id: message.id,
        timestamp: UnixSeconds(message.timestamp.0),
        from: bob.lid().clone(),
        participant: None,
        content: None,
    };
    let report = alice.client.blocklist().report(SpamFlow::Message, bob.lid(), vec![reported]).await.unwrap();
    assert!(report.is_some());
    let has_token = |node: &Node| node.find("spam_list").is_some() && node.find("tctoken").is_some();
    server.wait_for(&alice.jid, Direction::FromClient, has_token).await;
}
