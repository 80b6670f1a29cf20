//! Who is there, and who writes.

use wa_core::event::{LastSeen, PresenceState, Typing};
use wa_core::wire::Node;
use wa_core::{Event, Jid};
use wa_it::Companion;
use wa_test_server::{Direction, Phone, TestServer};

async fn two() -> (TestServer, Phone, Companion, Phone) {
    let server = TestServer::start().await;
    let (alice_phone, bob) = (server.phone("alice"), server.phone("bob"));
    let alice = Companion::link(&server, &alice_phone).await;
    (server, alice_phone, alice, bob)
}

async fn presence(companion: &mut Companion) -> (Jid, PresenceState) {
    match companion.wait(|event| matches!(event, Event::Presence(_))).await {
        Event::Presence(changed) => (changed.chat, changed.state),
        other => unreachable!("{other:?} is no presence"),
    }
}

fn subscribes(node: &Node) -> bool {
    node.tag == "presence" && node.get("type").is_some_and(|kind| kind.to_text() == "subscribe")
}

#[tokio::test]
async fn who_is_watched_is_seen_coming_and_going() {
    let (server, _phone, mut alice, bob) = two().await;
    alice.client.presence().subscribe(bob.lid()).await.unwrap();
    assert_eq!(presence(&mut alice).await, (bob.lid().clone(), PresenceState::Unavailable(LastSeen::Hidden)));
    bob.presence(true);
    assert_eq!(presence(&mut alice).await.1, PresenceState::Available);
    bob.presence(false);
    let gone = presence(&mut alice).await.1;
    assert!(matches!(gone, PresenceState::Unavailable(LastSeen::At(at)) if at.0 > 0), "{gone:?}");
    alice.client.presence().unsubscribe(bob.lid()).await.unwrap();
    let ends = |node: &Node| {
        node.tag == "presence" && node.get("type").is_some_and(|kind| kind.to_text() == "unsubscribe")
    };
    server.wait_for(&alice.jid, Direction::FromClient, ends).await;
}

#[tokio::test]
async fn who_is_watched_is_watched_on_the_next_connection_too() {
    let (server, _phone, mut alice, bob) = two().await;
    alice.client.presence().subscribe(bob.lid()).await.unwrap();
    presence(&mut alice).await;
    let mark = server.mark();
    server.disconnect(&alice.jid);
    server.wait_for_after(mark, &alice.jid, Direction::FromClient, subscribes).await;
    presence(&mut alice).await;
    bob.presence(true);
    assert_eq!(presence(&mut alice).await.1, PresenceState::Available);
}

#[tokio::test]
async fn a_token_of_trust_goes_with_a_subscription() {
    let (server, phone, alice, bob) = two().await;
    bob.give_token(phone.lid(), wa_it::now_seconds()).unwrap();
    server.wait_drained(&alice.jid).await;
    alice.client.presence().subscribe(bob.lid()).await.unwrap();
    let asked = server.wait_for(&alice.jid, Direction::FromClient, subscribes).await;
    assert!(asked.find("tctoken").is_some(), "{asked:?}");
}

#[tokio::test]
async fn typing_is_told_and_heard_in_direct_chats_and_groups() {
    let (server, phone, mut alice, bob_phone) = two().await;
    let mut bob = Companion::link(&server, &bob_phone).await;
    for (state, expected) in [
        (Typing::Composing, Typing::Composing),
        (Typing::Recording, Typing::Recording),
        (Typing::Paused, Typing::Paused),
    ] {
        alice.client.presence().typing(bob_phone.lid(), state).await.unwrap();
        match bob.wait(|event| matches!(event, Event::ChatState(_))).await {
            Event::ChatState(heard) => {
                assert_eq!((heard.state, heard.user.is_same_user(phone.lid())), (expected, true));
                assert!(heard.chat.is_same_user(phone.lid()));
            }
            other => unreachable!("{other:?}"),
        }
    }
    let made = bob.client.groups().create("Crew", &[phone.pn().clone()]).await.unwrap();
    bob.client.presence().typing(&made.group.jid, Typing::Composing).await.unwrap();
    match alice.wait(|event| matches!(event, Event::ChatState(_))).await {
        Event::ChatState(heard) => {
            assert_eq!((&heard.chat, heard.state), (&made.group.jid, Typing::Composing));
            assert!(heard.user.is_same_user(bob_phone.lid()));
        }
        other => unreachable!("{other:?}"),
    }
    bob.client.disconnect().await;
    assert!(bob.client.presence().typing(phone.lid(), Typing::Paused).await.is_err());
}
