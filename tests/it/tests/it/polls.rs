//! Polls: votes are sealed and opened by the library, and counted.

use wa_core::event::MessageReceived;
use wa_core::message::content::{Poll, PollVote};
use wa_core::message::{Content, MessageKey, OptionHash, Tally};
use wa_core::{Event, Message, SendError};
use wa_it::Companion;
use wa_test_server::{Act, Config, Filter, GroupMode, Phone, TestServer};
use wa_types::Jid;

struct Crew {
    server: TestServer,
    phones: [Phone; 2],
    alice: Companion,
    bob: Companion,
    group: Jid,
}

impl Crew {
    async fn new(mode: GroupMode) -> Self {
        let server = TestServer::with(Config { new_groups: mode, ..Config::default() }).await;
        let phones = ["alice", "bob"].map(|name| server.phone(name));
        let alice = Companion::link(&server, &phones[0]).await;
        let bob = Companion::link(&server, &phones[1]).await;
        let group = phones[0].create_group("Crew", &[phones[1].pn()], mode);
        Self { server, phones, alice, bob, group }
    }
}

fn vote(received: &MessageReceived) -> PollVote {
    match received.message.content() {
        Content::PollVote(vote) => vote,
        other => panic!("no vote, but {}", other.name()),
    }
}

fn counts(tally: &Tally) -> Vec<(String, usize)> {
    tally.options().iter().map(|option| (option.name.to_owned(), option.voters.len())).collect()
}

fn lunch() -> Message {
    Poll::new("Lunch?", ["Soup", "Salad"]).selectable(0).into()
}

#[tokio::test]
async fn votes_are_sealed_opened_and_counted_in_groups_and_direct_chats() {
    for mode in [GroupMode::Lid, GroupMode::Pn] {
        let mut crew = Crew::new(mode).await;
        for chat in [crew.group.clone(), crew.phones[1].pn().clone()] {
            let sent = crew.alice.client.send(&chat, lunch()).await.unwrap();
            let poll = crew.bob.message().await;
            let Content::Poll(content) = poll.message.content() else { panic!("no poll") };
            assert_eq!(content.options, ["Soup", "Salad"]);
            let mut tally = Tally::new(sent.id.clone(), &poll.message).unwrap();

            // Bob's companion votes: Alice's opens it, and so does Bob's phone.
            let of_phone = crew.phones[1].next_message().await;
            crew.bob.client.send(&poll.chat, Message::poll_vote(&poll, ["Soup", "Salad"])).await.unwrap();
            let received = crew.alice.message().await;
            assert_eq!(vote(&received).poll.id, sent.id);
            assert_eq!(received.target().map(|key| key.id), Some(sent.id.clone()));
            assert!(tally.add(&received));
            assert_eq!(counts(&tally), [("Soup".into(), 1), ("Salad".into(), 1)]);
            let copy = crew.phones[1].next_message().await;
            assert!(crew.phones[1].open_sealed(&of_phone, &copy).is_some(), "{mode:?}");

            // His phone votes anew: it is the same voter.
            crew.phones[1].vote(&of_phone, &["Salad"], i64::MAX).await.unwrap();
            assert!(tally.add(&crew.alice.message().await));
            assert_eq!(counts(&tally), [("Soup".into(), 0), ("Salad".into(), 1)]);
            // His companion reads the copy of it.
            assert_eq!(vote(&crew.bob.message().await).selected.len(), 1);

            // Alice votes in her own poll.
            crew.alice.client.send(&chat, Message::poll_vote(&sent, ["Soup"])).await.unwrap();
            let received = crew.bob.message().await;
            assert!(tally.add(&received));
            assert_eq!(counts(&tally), [("Soup".into(), 1), ("Salad".into(), 1)]);
            assert_eq!(received.target().map(|key| key.id), Some(poll.id.clone()));
            crew.phones[1].next_message().await;
        }
    }
}

#[tokio::test]
async fn a_vote_that_comes_before_its_poll_is_told_again_when_the_poll_is_there() {
    let mut crew = Crew::new(GroupMode::Lid).await;
    // What the group's first message needs is there.
    crew.alice.send_text(&crew.group, "hello").await;
    assert_eq!(crew.bob.texts(1).await, ["hello"]);
    crew.phones[0].next_message().await;

    crew.server.faults_of(&crew.bob.jid).script(Filter::deliveries().tag("message"), Act::After(2), 1);
    let poll = crew.alice.client.send(&crew.group, lunch()).await.unwrap();
    let of_phone = crew.phones[0].next_message().await;
    crew.phones[0].vote(&of_phone, &["Soup"], 1).await.unwrap();
    let sealed = crew.bob.message().await;
    assert!(matches!(sealed.message.content(), Content::Sealed(sealed) if sealed.target.id == poll.id));
    crew.alice.send_text(&crew.group, "now").await;
    assert_eq!(crew.bob.texts(1).await, ["now"]);
    assert!(matches!(crew.bob.message().await.message.content(), Content::Poll(_)));
    let Event::Opened(opened) = crew.bob.wait(|event| matches!(event, Event::Opened(_))).await else {
        panic!()
    };
    assert_eq!((&opened.id, &opened.chat), (&sealed.id, &crew.group));
    assert_eq!(vote(&opened).selected, [OptionHash::of("Soup")]);
    assert!(opened.number > sealed.number);
}

#[tokio::test]
async fn a_vote_in_an_unknown_poll_is_refused() {
    let crew = Crew::new(GroupMode::Lid).await;
    let unknown = MessageKey::by(crew.phones[1].lid(), &crew.group, "3EB0NOBODY".into());
    let refused = crew.alice.client.send(&crew.group, Message::poll_vote(unknown, ["A"])).await;
    assert_eq!(refused, Err(SendError::UnknownSecret("3EB0NOBODY".into())));
}
