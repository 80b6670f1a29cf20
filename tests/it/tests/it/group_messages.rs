//! Messages to groups: who reads them, who gets our key when, and what mends what we knew wrongly.

use std::sync::Arc;

use wa_core::event::ChatKind;
use wa_core::wire::Node;
use wa_core::{Event, Message, SendError};
use wa_it::{Companion, builder};
use wa_store::MemoryStore;
use wa_test_server::{Act, Config, Direction, Filter, GroupMode, Phone, TestServer};
use wa_types::Jid;

/// Three accounts, each a phone and a companion, in one group of Alice's.
struct Crew {
    server: TestServer,
    phones: [Phone; 3],
    alice: Companion,
    bob: Companion,
    carol: Companion,
    group: Jid,
}

impl Crew {
    async fn of(config: Config) -> Self {
        let server = TestServer::with(config).await;
        let phones = ["alice", "bob", "carol"].map(|name| server.phone(name));
        let alice = Companion::link(&server, &phones[0]).await;
        let bob = Companion::link(&server, &phones[1]).await;
        let carol = Companion::link(&server, &phones[2]).await;
        let members = [phones[1].pn().clone(), phones[2].pn().clone()];
        let group = alice.client.groups().create("Crew", &members).await.unwrap().group.jid.clone();
        Self { server, phones, alice, bob, carol, group }
    }

    async fn new() -> Self {
        Self::of(Config::default()).await
    }

    /// Everybody but Alice has read this.
    async fn read_by_all(&mut self, text: &str) {
        for companion in [&mut self.bob, &mut self.carol] {
            let received = companion.message().await;
            assert_eq!((received.message.as_text(), &received.chat), (Some(text), &self.group));
        }
        for phone in &self.phones {
            let received = phone.next_message().await;
            assert_eq!((received.text(), &received.chat), (Some(text), &self.group));
        }
    }

    /// The messages to the group that Alice's companion put on the wire, in order.
    fn sent(&self) -> Vec<Node> {
        let nodes = self.server.nodes_of(&self.alice.jid).into_iter();
        let sent =
            nodes.filter(|(direction, node)| *direction == Direction::FromClient && node.tag == "message");
        sent.map(|(_, node)| node).filter(|node| jid(node, "to") == self.group.to_string()).collect()
    }
}

fn jid(node: &Node, name: &str) -> String {
    node.get(name).map(|value| value.to_text().into_owned()).unwrap_or_default()
}

/// The devices that a message carries our key for.
fn keyed(message: &Node) -> Vec<String> {
    let participants = message.find("participants");
    let mut jids: Vec<String> = participants
        .into_iter()
        .flat_map(|participants| participants.find_all("to"))
        .map(|to| jid(to, "jid"))
        .collect();
    jids.sort_unstable();
    jids
}

#[tokio::test]
async fn three_members_write_and_read_in_both_name_spaces() {
    for mode in [GroupMode::Lid, GroupMode::Pn] {
        let mut crew = Crew::of(Config { new_groups: mode, ..Config::default() }).await;
        let group = crew.group.clone();
        let sent = crew.alice.send_text(&group, "hello").await;
        assert_eq!(sent.chat, group);
        crew.read_by_all("hello").await;
        let message = &crew.sent()[0];
        assert_eq!(jid(message, "addressing_mode"), if mode == GroupMode::Lid { "lid" } else { "pn" });
        assert_eq!(keyed(message).len(), 5, "three phones, and the companions of two: {mode:?}");

        for (companion, text) in [(&crew.bob, "from bob"), (&crew.carol, "from carol")] {
            companion.send_text(&group, text).await;
            let received = crew.alice.message().await;
            assert_eq!((received.message.as_text(), received.from_me), (Some(text), false));
            assert_eq!(received.chat, group);
            assert_eq!(received.sender.device(), companion.jid.device());
        }
        assert_eq!(crew.bob.message().await.message.as_text(), Some("from carol"));
        assert_eq!(crew.carol.message().await.message.as_text(), Some("from bob"));
    }
}

#[tokio::test]
async fn our_key_goes_to_each_device_once() {
    let mut crew = Crew::new().await;
    let group = crew.group.clone();
    for text in ["one", "two", "three"] {
        crew.alice.send_text(&group, text).await;
        crew.read_by_all(text).await;
    }
    let counts: Vec<usize> = crew.sent().iter().map(|message| keyed(message).len()).collect();
    assert_eq!(counts, [5, 0, 0]);

    // A new device of a member gets it with the next message, and nobody else. Contacts are told of new devices.
    crew.alice.send_text(crew.phones[1].pn(), "just you").await;
    assert_eq!(crew.bob.message().await.message.as_text(), Some("just you"));
    for phone in &crew.phones[..2] {
        assert_eq!(phone.next_message().await.text(), Some("just you"));
    }
    let mut second = Companion::link(&crew.server, &crew.phones[1]).await;
    let is_told = |node: &Node| node.tag == "ack" && jid(node, "type") == "devices";
    crew.server.wait_for(&crew.alice.jid, Direction::FromClient, is_told).await;
    crew.alice.send_text(&group, "four").await;
    assert_eq!(second.message().await.message.as_text(), Some("four"));
    crew.read_by_all("four").await;
    let lid = crew.phones[1].lid().clone().with_device(second.jid.device());
    assert_eq!(keyed(&crew.sent()[3]), [lid.to_string()]);

    // After a restart it is known still.
    let Crew { server, phones, alice, mut bob, carol: _carol, .. } = crew;
    let alice = Companion::start(&server, alice.stop().await).await;
    alice.send_text(&group, "five").await;
    assert_eq!(bob.message().await.message.as_text(), Some("five"));
    let nodes = server.nodes_of(&alice.jid);
    let last = nodes
        .iter()
        .rev()
        .find(|(direction, node)| *direction == Direction::FromClient && node.tag == "message");
    assert_eq!(keyed(&last.unwrap().1), Vec::<String>::new());
    let _ = phones;
}

#[tokio::test]
async fn a_device_that_we_did_not_know_of_gets_the_message_by_the_servers_hash() {
    let mut crew = Crew::new().await;
    let group = crew.group.clone();
    crew.alice.send_text(&group, "one").await;
    crew.read_by_all("one").await;
    // Nobody tells Alice: they are no contacts.
    let mut second = Companion::link(&crew.server, &crew.phones[1]).await;
    let sent = crew.alice.send_text(&group, "two").await;
    crew.read_by_all("two").await;
    assert_eq!(second.message().await.message.as_text(), Some("two"));
    let attempts = crew.sent();
    let counts: Vec<usize> = attempts.iter().map(|message| keyed(message).len()).collect();
    assert_eq!(counts, [5, 0, 6], "once as known, once as it is");
    assert!(attempts[1..].iter().all(|message| jid(message, "id") == sent.id.as_str()), "under one id");
    assert_ne!(jid(&attempts[1], "phash"), jid(&attempts[2], "phash"));
    crew.alice.send_text(&group, "three").await;
    assert_eq!(second.message().await.message.as_text(), Some("three"));
    assert_eq!(keyed(&crew.sent()[3]).len(), 0);
}

#[tokio::test]
async fn who_was_removed_does_not_read_on() {
    let mut crew = Crew::new().await;
    let group = crew.group.clone();
    crew.alice.send_text(&group, "with carol").await;
    crew.read_by_all("with carol").await;
    let groups = crew.alice.client.groups();
    groups.remove(&group, std::slice::from_ref(crew.phones[2].pn())).await.unwrap();
    crew.alice.send_text(&group, "without carol").await;
    assert_eq!(crew.bob.message().await.message.as_text(), Some("without carol"));
    let sent = crew.sent();
    assert_eq!(keyed(&sent[1]).len(), 3, "a new key for those who stay");
    // Even with the bytes in hand, Carol's devices cannot read it.
    let content = sent[1].find("enc").unwrap().clone();
    let bytes = content.content_bytes().unwrap().to_vec();
    let stanza = Node::new("message")
        .attr("from", &group)
        .attr("id", jid(&sent[1], "id"))
        .attr("t", "1760000000")
        .attr("type", "text")
        .attr("participant", crew.phones[0].lid().clone().with_device(crew.alice.jid.device()))
        .attr("addressing_mode", "lid")
        .child(Node::new("enc").attr("v", "2").attr("type", "skmsg").bytes(bytes));
    assert!(crew.server.deliver(&crew.carol.jid, stanza));
    let failed = crew.carol.wait(|event| matches!(event, Event::Undecryptable(_) | Event::Message(_))).await;
    let failed = match failed {
        Event::Message(message) if message.message.as_text() == Some("with carol") => {
            crew.carol.wait(|event| matches!(event, Event::Undecryptable(_) | Event::Message(_))).await
        }
        other => other,
    };
    assert!(
        matches!(&failed, Event::Undecryptable(failed) if failed.id.as_str() == jid(&sent[1], "id")),
        "{failed:?}"
    );
}

#[tokio::test]
async fn who_may_not_send_to_a_group_is_told_why() {
    let crew = Crew::new().await;
    let (group, bob) = (crew.group.clone(), &crew.bob.client);
    bob.groups().info(&group).await.unwrap();
    crew.phones[0].set_group(&group, Node::new("announcement")).unwrap();
    assert_eq!(bob.send(&group, Message::text("x")).await, Err(SendError::AdminsOnly(group.clone())));
    crew.phones[0].set_group(&group, Node::new("not_announcement")).unwrap();
    // Removed, and not told: the refusal of the message says it, then that of the question about the group.
    assert!(crew.server.lose_group_news(&group, true));
    bob.groups().refresh(&group).await.unwrap();
    crew.phones[0].remove_member(&group, crew.phones[1].pn()).unwrap();
    for _ in 0..2 {
        assert_eq!(bob.send(&group, Message::text("x")).await, Err(SendError::NotMember(group.clone())));
    }
}

#[tokio::test]
async fn when_a_member_leaves_the_others_make_new_keys() {
    let mut crew = Crew::new().await;
    let group = crew.group.clone();
    crew.alice.send_text(&group, "all").await;
    crew.read_by_all("all").await;
    crew.carol.client.groups().leave(&group).await.unwrap();
    crew.alice
        .wait(|event| {
            use wa_core::event::GroupChange::Removed;
            matches!(event, Event::GroupChanged(changed) if matches!(changed.change, Removed { .. }))
        })
        .await;
    crew.alice.send_text(&group, "those who stayed").await;
    assert_eq!(crew.bob.message().await.message.as_text(), Some("those who stayed"));
    let counts: Vec<usize> = crew.sent().iter().map(|message| keyed(message).len()).collect();
    assert_eq!(counts, [5, 3]);
}

#[tokio::test]
async fn a_device_that_is_unlinked_does_not_read_on() {
    let mut crew = Crew::new().await;
    let group = crew.group.clone();
    crew.alice.send_text(&group, "all").await;
    crew.read_by_all("all").await;
    assert!(crew.phones[2].remove_device(&crew.carol.jid));
    crew.carol.wait(|event| matches!(event, Event::LoggedOut { .. })).await;
    crew.alice.send_text(&group, "rest").await;
    assert_eq!(crew.bob.message().await.message.as_text(), Some("rest"));
    assert_eq!(keyed(crew.sent().last().unwrap()).len(), 4, "a new key for those who are left");
}

#[tokio::test]
async fn a_group_that_moved_to_lids_is_written_to_by_lid() {
    let mut crew = Crew::of(Config { new_groups: GroupMode::Pn, ..Config::default() }).await;
    let group = crew.group.clone();
    crew.alice.send_text(&group, "by number").await;
    crew.read_by_all("by number").await;
    assert!(crew.server.set_group_mode(&group, GroupMode::Lid));
    let sent = crew.alice.send_text(&group, "by lid").await;
    crew.read_by_all("by lid").await;
    let attempts = crew.sent();
    let modes: Vec<String> = attempts.iter().map(|message| jid(message, "addressing_mode")).collect();
    assert_eq!(modes, ["pn", "pn", "lid"], "refused once, and sent again in the other name space");
    assert_eq!(jid(&attempts[1], "id"), sent.id.as_str());
    assert_eq!(jid(&attempts[2], "id"), sent.id.as_str(), "under the same id");
    assert_eq!(keyed(&attempts[2]).len(), 5, "a new key for a new name");
}

#[tokio::test]
async fn messages_while_away_arrive_in_order() {
    let crew = Crew::new().await;
    let Crew { server, phones: _phones, alice, bob, carol: _carol, group } = crew;
    let store = bob.stop().await;
    let texts: Vec<String> = (0..20).map(|number| format!("message {number}")).collect();
    for text in &texts {
        alice.send_text(&group, text).await;
    }
    let mut bob = Companion::start(&server, store).await;
    assert_eq!(bob.texts(20).await, texts);
}

#[tokio::test]
async fn many_at_once_arrive_in_order_and_the_key_leaves_once() {
    let mut crew = Crew::new().await;
    let texts: Vec<String> = (0..30).map(|number| format!("message {number}")).collect();
    let mut sends = tokio::task::JoinSet::new();
    for text in &texts {
        let (client, group, text) = (crew.alice.client.clone(), crew.group.clone(), text.clone());
        // Spawned in order, and polled in order by this single-threaded runtime.
        sends.spawn(async move { client.send(&group, Message::text(text)).await });
    }
    for sent in sends.join_all().await {
        sent.unwrap();
    }
    assert_eq!(crew.bob.texts(30).await, texts);
    let counts: Vec<usize> = crew.sent().iter().map(|message| keyed(message).len()).collect();
    assert_eq!((counts[0], counts[1..].iter().sum::<usize>()), (5, 0));
}

#[tokio::test]
async fn a_message_before_its_key_is_asked_for_again_and_arrives() {
    let mut crew = Crew::new().await;
    let [_, bob_phone, _] = &crew.phones;
    bob_phone.withhold_sender_key(&[crew.phones[0].lid()]);
    let sent = bob_phone.send_text(&crew.group, "who has no key?").await.unwrap();
    let failed = crew.alice.wait(|event| matches!(event, Event::Undecryptable(_))).await;
    assert!(
        matches!(failed, Event::Undecryptable(failed) if failed.id == sent.id && failed.chat == crew.group)
    );
    let received = crew.alice.message().await;
    assert_eq!((received.message.as_text(), &received.id), (Some("who has no key?"), &sent.id));
    assert!(received.recovered.is_some());
    assert_eq!((&received.chat, &received.sender), (&crew.group, bob_phone.lid()));
    // The key came with it.
    bob_phone.send_text(&crew.group, "and now?").await.unwrap();
    let received = crew.alice.message().await;
    assert_eq!((received.message.as_text(), received.recovered), (Some("and now?"), None));
}

#[tokio::test]
async fn a_message_that_a_later_key_overtook_is_no_duplicate() {
    let mut crew = Crew::new().await;
    let [_, bob_phone, _] = &crew.phones;
    crew.alice.client.disconnect().await;
    crew.server.wait_offline(&crew.alice.jid).await;
    let first = bob_phone.send_text(&crew.group, "with the key").await.unwrap();
    let second = bob_phone.send_text(&crew.group, "after it").await.unwrap();
    // The first cannot be read; when it is sent again, the key has gone on past the second.
    let faults = crew.server.faults_of(&crew.alice.jid);
    faults.script(Filter::deliveries().id(&first.id), Act::Garble, 1);
    faults.script(Filter::deliveries().id(&second.id), Act::Drop, 1);
    crew.alice.client.reconnect().await.unwrap();
    assert_eq!(crew.alice.texts(1).await, ["with the key"]);
    crew.server.disconnect(&crew.alice.jid);
    assert_eq!(crew.alice.texts(1).await, ["after it"]);
}

#[tokio::test]
async fn a_member_with_new_keys_makes_us_make_new_ones() {
    let mut crew = Crew::new().await;
    let group = crew.group.clone();
    // Contacts are told of a new installation.
    crew.alice.send_text(crew.phones[1].pn(), "hello").await;
    crew.alice.send_text(&group, "before").await;
    crew.phones[1].reinstall();
    crew.alice.wait(|event| matches!(event, Event::IdentityChanged { .. })).await;
    crew.alice.send_text(&group, "after").await;
    let sent = crew.sent();
    let last = sent.last().unwrap();
    assert!(keyed(last).contains(&crew.phones[2].lid().to_string()), "for those who had the old one, too");
    loop {
        if crew.phones[1].next_message().await.text() == Some("after") {
            break;
        }
    }
}

#[tokio::test]
async fn a_group_of_a_thousand_is_written_to_and_others_do_not_wait_for_it() {
    let server = TestServer::start().await;
    let [alice_phone, bob_phone] = ["alice", "bob"].map(|name| server.phone(name));
    let alice = Companion::link(&server, &alice_phone).await;
    let mut bob = Companion::link(&server, &bob_phone).await;
    let crowd = server.add_crowd(1022, 2);
    let members: Vec<&Jid> = crowd.iter().chain([bob_phone.lid()]).collect();
    let group = alice_phone.create_group("Everybody", &members, GroupMode::Lid);
    let keys_sent = || {
        let nodes = server.nodes_of(&alice.jid).into_iter().map(|(_, node)| node);
        let sent = nodes.filter(|node| node.tag == "message" && jid(node, "to") == group.to_string());
        sent.map(|node| keyed(&node).len()).collect::<Vec<_>>()
    };

    let to_all = alice.client.send(&group, Message::text("to all of you"));
    tokio::pin!(to_all);
    let to_bob = alice.client.send(bob_phone.pn(), Message::text("just you"));
    tokio::select! {
        biased;
        sent = to_bob => drop(sent.unwrap()),
        _ = &mut to_all => panic!("a direct message waits for a thousand keys"),
    }
    to_all.await.unwrap();
    assert_eq!(bob.texts(2).await, ["just you", "to all of you"]);
    assert_eq!(keys_sent(), [2 * 1022 + 3], "each device, and ours no more than once");
    alice.send_text(&group, "again").await;
    assert_eq!(bob.texts(1).await, ["again"]);
    assert_eq!(keys_sent(), [2 * 1022 + 3, 0]);
    let asked = server.nodes_of(&alice.jid).into_iter();
    let asked = asked.filter(|(direction, _)| *direction == Direction::FromClient).map(|(_, node)| node);
    let lists = asked.filter(|node| node.tag == "iq" && node.find("usync").is_some()).count();
    assert!(lists <= 12, "{lists} questions about devices");
}

#[tokio::test]
async fn a_status_is_received_as_one() {
    let crew = Crew::new().await;
    let mut alice = crew.alice;
    crew.phones[1].send_status(&[crew.phones[0].lid()], "on holiday").await.unwrap();
    let received = alice.message().await;
    assert_eq!((received.message.as_text(), received.kind()), (Some("on holiday"), ChatKind::Status));
    assert!(received.chat.is_status());
    assert_eq!(received.sender, *crew.phones[1].lid());
    crew.phones[1].send_text(&crew.group, "to the crew").await.unwrap();
    assert_eq!(alice.message().await.kind(), ChatKind::Group);
    crew.phones[1].send_text(crew.phones[0].pn(), "to you").await.unwrap();
    assert_eq!(alice.message().await.kind(), ChatKind::Direct);
}

#[tokio::test]
async fn a_key_that_may_not_have_arrived_goes_out_again() {
    let mut crew = Crew::new().await;
    let group = crew.group.clone();
    let never_read = Filter::from_client().tag("message");
    crew.server.faults_of(&crew.alice.jid).script(never_read, Act::Cut, 1);
    let sent = crew.alice.send_text(&group, "one").await;
    crew.read_by_all("one").await;
    let attempts = crew.sent();
    assert!(attempts.iter().all(|message| jid(message, "id") == sent.id.as_str()));
    assert_eq!(keyed(attempts.last().unwrap()).len(), 5, "who was not reached lacks the key still");
    crew.alice.send_text(&group, "two").await;
    crew.read_by_all("two").await;
    assert_eq!(keyed(crew.sent().last().unwrap()).len(), 0);
    for companion in [&crew.bob, &crew.carol] {
        assert_eq!(
            crew.server
                .nodes_of(&companion.jid)
                .iter()
                .filter(|(_, node)| jid(node, "type") == "retry")
                .count(),
            0
        );
    }
}

#[tokio::test]
async fn a_server_that_never_agrees_is_heeded_once() {
    let mut crew = Crew::new().await;
    let group = crew.group.clone();
    crew.server.faults_of(&crew.alice.jid).script(Filter::message_acks(), Act::WrongPhash, 100);
    for text in ["one", "two", "three"] {
        crew.alice.send_text(&group, text).await;
        crew.read_by_all(text).await;
    }
    let ids: Vec<String> = crew.sent().iter().map(|message| jid(message, "id")).collect();
    let distinct: std::collections::BTreeSet<&String> = ids.iter().collect();
    assert_eq!((ids.len(), distinct.len()), (4, 3), "the first one twice, under one id");
}

#[tokio::test]
async fn a_members_device_without_keys_is_left_out_and_gets_the_message_once_it_has_some() {
    let mut crew = Crew::new().await;
    let group = crew.group.clone();
    crew.alice.send_text(&group, "before").await;
    crew.read_by_all("before").await;
    // Carol links another device, whose keys do not reach the server.
    let faults = crew.server.faults_of_account(crew.phones[2].pn());
    faults.swallow_requests(Some("encrypt"));
    let store = Arc::new(MemoryStore::new());
    let (client, mut events) = builder(&crew.server, store).connect().await.unwrap();
    let qr = wa_it::next_qr(&mut events).await;
    let keyless = crew.phones[2].scan(&qr).await.unwrap();
    let sent = crew.alice.send_text(&group, "for all with keys").await;
    crew.read_by_all("for all with keys").await;
    let device = crew.phones[2].lid().clone().with_device(keyless.device()).to_string();
    let message = crew.sent().into_iter().find(|message| jid(message, "id") == sent.id.as_str()).unwrap();
    assert!(!keyed(&message).contains(&device), "{device} gave no keys");
    // It has keys now, and asks for what it cannot read.
    faults.clear();
    client.disconnect().await;
    client.reconnect().await.unwrap();
    let got = loop {
        if let Event::Message(message) = wa_it::next(&mut events).await {
            break message;
        }
    };
    assert_eq!((&got.id, got.message.as_text(), &got.chat), (&sent.id, Some("for all with keys"), &group));
    assert!(got.recovered.is_some());
    crew.alice.send_text(&group, "for all").await;
    let got = loop {
        if let Event::Message(message) = wa_it::next(&mut events).await {
            break message;
        }
    };
    assert_eq!((got.message.as_text(), got.recovered), (Some("for all"), None));
}
