//! One user, two addresses: chats keep their name, sessions move, and nothing is told twice.

use std::sync::Arc;

use wa_core::wire::Node;
use wa_core::{Event, Message, SendOptions};
use wa_it::{Companion, builder};
use wa_store::{MemoryStore, Store};
use wa_test_server::{Addressing, Config, Direction, GroupMode, Phone, TestServer};
use wa_types::Jid;

struct Scene {
    server: TestServer,
    phone: Phone,
    bob: Phone,
    alice: Companion,
}

impl Scene {
    async fn new() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(config: Config) -> Self {
        let server = TestServer::with(config).await;
        let (phone, bob) = (server.phone("alice"), server.phone("bob"));
        let alice = Companion::link(&server, &phone).await;
        Self { server, phone, bob, alice }
    }

    /// Bob writes under one of his addresses, which tells the other one or not; Alice reads it at the first try.
    async fn receive(&mut self, by: Addressing, is_other_told: bool) -> wa_core::MessageReceived {
        self.server.hide_addresses(!is_other_told);
        self.bob.set_addressing(by);
        let sent = self.bob.send_text(self.phone.pn(), "hello").await.unwrap();
        let is_telling = |event: &Event| {
            matches!(event, Event::Message(_) | Event::Undecryptable(_) | Event::ChatsMerged(_))
        };
        match self.alice.wait(is_telling).await {
            Event::Message(message) => {
                assert_eq!((&message.id, message.message.as_text()), (&sent.id, Some("hello")));
                *message
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_chat_keeps_its_name_when_the_lid_becomes_known() {
    let mut scene = Scene::new().await;
    let (pn, lid) = (scene.bob.pn().clone(), scene.bob.lid().clone());
    let first = scene.receive(Addressing::Pn, false).await;
    assert_eq!((&first.chat, &first.sender, &first.sender_alt), (&pn, &pn, &None));
    // The session that began under the number goes on under the LID: no word is asked for again.
    let second = scene.receive(Addressing::Lid, true).await;
    assert_eq!((&second.chat, &second.sender, &second.sender_alt), (&pn, &lid, &Some(pn.clone())));
    let third = scene.receive(Addressing::Pn, false).await;
    assert_eq!((&third.chat, &third.sender, &third.sender_alt), (&pn, &pn, &Some(lid.clone())));
    assert_eq!((second.recovered, third.recovered), (None, None));

    for jid in [&pn, &lid, &lid.clone().with_device(7)] {
        let peer = scene.alice.client.peer(jid).await.unwrap();
        assert_eq!((&peer.pn, &peer.lid, &peer.chat), (&Some(pn.clone()), &Some(lid.clone()), &pn));
    }
    // The answer goes where the server wants it, whichever address the application uses.
    for chat in [&second.chat, &lid] {
        let sent = scene.alice.send_text(chat, "and hello").await;
        assert_eq!(scene.bob.next_message().await.id, sent.id);
    }
    // It is so for ever.
    let store = scene.alice.stop().await;
    scene.alice = Companion::start(&scene.server, store).await;
    assert_eq!(scene.alice.message().await, third, "nobody confirmed it");
    let fourth = scene.receive(Addressing::Lid, false).await;
    assert_eq!((&fourth.chat, &fourth.sender_alt), (&pn, &Some(pn.clone())));
}

#[tokio::test]
async fn messages_under_both_addresses_stay_in_their_order() {
    let mut scene = Scene::new().await;
    scene.receive(Addressing::Pn, true).await;
    scene.alice.client.disconnect().await;
    for number in 0..20 {
        scene.bob.set_addressing(if number % 2 == 0 { Addressing::Pn } else { Addressing::Lid });
        scene.bob.send_text(scene.phone.pn(), &number.to_string()).await.unwrap();
    }
    scene.alice.client.reconnect().await.unwrap();
    for number in 0..20 {
        let message = scene.alice.message().await;
        assert_eq!(message.message.as_text(), Some(number.to_string().as_str()));
        assert_eq!(message.chat, *scene.bob.pn());
    }
}

#[tokio::test]
async fn two_chats_that_turn_out_to_be_one_are_merged_and_the_application_is_told() {
    let mut scene = Scene::new().await;
    let (pn, lid) = (scene.bob.pn().clone(), scene.bob.lid().clone());
    // The application knows a chat under each address.
    assert_eq!(scene.alice.client.peer(&lid).await.unwrap().chat, lid);
    assert_eq!(scene.receive(Addressing::Pn, false).await.chat, pn);

    scene.server.hide_addresses(false);
    scene.bob.set_addressing(Addressing::Pn);
    scene.bob.send_text(scene.phone.pn(), "it is me").await.unwrap();
    let is_news = |event: &Event| matches!(event, Event::ChatsMerged(_) | Event::Message(_));
    match scene.alice.wait(is_news).await {
        Event::ChatsMerged(merged) => assert_eq!((&merged.kept, &merged.gone), (&lid, &pn)),
        other => panic!("{other:?}"),
    }
    let message = scene.alice.message().await;
    assert_eq!((&message.chat, &message.sender), (&lid, &pn));
    // Neither was confirmed by asking for another event: both come again, in order, also by the old name.
    let store = scene.alice.stop().await;
    let (client, mut events) = builder(&scene.server, store).connect().await.unwrap();
    match wa_it::next(&mut events).await {
        Event::Message(again) => assert_eq!((&again.id, &again.chat), (&message.id, &lid)),
        other => panic!("{other:?}"),
    }
    assert_eq!(client.peer(&pn).await.unwrap().chat, lid);
    assert!(client.ready().await);
    let sent = client.send(&pn, Message::text("to the old name")).await.unwrap();
    assert_eq!(scene.bob.next_message().await.id, sent.id);
}

#[tokio::test]
async fn a_merge_that_was_not_confirmed_is_told_again() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let built = builder(&server, Arc::clone(&store)).confirm_by_hand();
    let mut alice = Companion::link_built(built, &phone, Arc::clone(&store)).await;
    server.hide_addresses(true);
    bob.set_addressing(Addressing::Pn);
    alice.client.peer(bob.lid()).await.unwrap();
    bob.send_text(phone.pn(), "under the number").await.unwrap();
    assert_eq!(alice.message().await.chat, *bob.pn());
    server.hide_addresses(false);
    bob.send_text(phone.pn(), "it is me").await.unwrap();
    alice.wait(|event| matches!(event, Event::ChatsMerged(_))).await;
    alice.message().await;
    let store = alice.stop().await;
    let (_client, mut events) = builder(&server, store).connect().await.unwrap();
    // What was received under the old name comes again under the new one.
    let (first, merged, last) =
        (wa_it::next(&mut events).await, wa_it::next(&mut events).await, wa_it::next(&mut events).await);
    assert!(matches!(first, Event::Message(message) if message.chat == *bob.lid()));
    assert!(matches!(merged, Event::ChatsMerged(merged) if merged.gone == *bob.pn()));
    assert!(matches!(last, Event::Message(message) if message.message.as_text() == Some("it is me")));
}

#[tokio::test]
async fn a_message_that_comes_again_under_the_other_address_is_not_told_again() {
    let mut scene = Scene::new().await;
    let first = scene.receive(Addressing::Pn, false).await;
    let is_first = |node: &Node| {
        node.tag == "message" && node.get("id").is_some_and(|id| id.to_text() == first.id.as_str())
    };
    let stanza = scene.server.wait_for(&scene.alice.jid, Direction::ToClient, is_first).await;
    scene.server.wait_drained(&scene.alice.jid).await;
    // The same, as the server names the sender once the account is migrated.
    let again = Node::new("message")
        .attr("from", scene.bob.lid())
        .attr("sender_pn", scene.bob.pn())
        .attr("id", &first.id)
        .attr("t", first.timestamp.0)
        .attr("type", "text")
        .children(stanza.nodes().iter().cloned());
    let mark = scene.server.mark();
    assert!(scene.server.deliver(&scene.alice.jid, again));
    let answer = scene
        .server
        .wait_for_after(mark, &scene.alice.jid, Direction::FromClient, |node| {
            node.get("id").is_some_and(|id| id.to_text() == first.id.as_str())
        })
        .await;
    assert_eq!(
        (answer.tag.as_ref(), answer.get("type").map(|kind| kind.to_text().into_owned())),
        ("receipt", Some("inactive".to_owned()))
    );
    // The next event is the next message.
    let next = scene.receive(Addressing::Lid, true).await;
    assert_eq!(next.chat, first.chat);
}

#[tokio::test]
async fn the_phones_list_of_addresses_is_learned_and_moves_the_account_to_lids() {
    let config = Config { lid_migrated: false, ..Config::default() };
    let mut scene = Scene::with(config).await;
    let (pn, lid) = (scene.bob.pn().clone(), scene.bob.lid().clone());
    scene.receive(Addressing::Pn, false).await;
    scene.alice.send_text(&pn, "by number").await;
    assert_eq!(sent_to(&scene, "by number").await, pn);
    assert!(!scene.alice.store.account().await.unwrap().unwrap().lid_migrated);

    let told = scene.phone.send_lid_mappings(&scene.alice.jid, &[(&pn, &lid)], Some(1_700_000_000)).unwrap();
    let is_answer =
        |node: &Node| node.tag == "receipt" && node.get("id").is_some_and(|id| id.to_text() == told.as_str());
    scene.server.wait_for(&scene.alice.jid, Direction::FromClient, is_answer).await;
    let peer = scene.alice.client.peer(&lid).await.unwrap();
    assert_eq!((peer.pn, peer.lid, peer.chat), (Some(pn.clone()), Some(lid.clone()), pn.clone()));
    assert!(scene.alice.store.account().await.unwrap().unwrap().lid_migrated);
    // The session moved, and messages go to the LID from now on.
    let message = scene.receive(Addressing::Lid, false).await;
    assert_eq!((&message.chat, message.recovered), (&pn, None));
    scene.alice.send_text(&pn, "by LID").await;
    assert_eq!(sent_to(&scene, "by LID").await, lid);
}

/// What tells of both addresses of one user.
type Source = (&'static str, fn(&Scene, &Jid, &Jid) -> Node);

#[tokio::test]
async fn every_stanza_that_tells_both_addresses_teaches_them() {
    let scene = Scene::new().await;
    let members = [scene.phone.pn(), scene.bob.pn()];
    let group = scene.bob.create_group("who is who", &members, GroupMode::Lid);
    let sources: [Source; 16] = [
        ("a sender by number", |_, pn, lid| noise().attr("from", pn).attr("sender_lid", lid)),
        ("a sender by LID", |_, pn, lid| noise().attr("from", lid).attr("sender_pn", pn)),
        ("a member by number", |_, pn, lid| {
            noise().attr("from", GROUP).attr("participant", pn).attr("participant_lid", lid)
        }),
        ("a member by LID", |_, pn, lid| {
            noise().attr("from", GROUP).attr("participant", lid).attr("participant_pn", pn)
        }),
        ("whom our phone wrote to by number", |scene, pn, lid| {
            noise().attr("from", scene.phone.pn()).attr("recipient", pn).attr("peer_recipient_lid", lid)
        }),
        ("whom our phone wrote to by LID", |scene, pn, lid| {
            noise().attr("from", scene.phone.lid()).attr("recipient", lid).attr("peer_recipient_pn", pn)
        }),
        ("who is on a list of ours", |scene, pn, lid| {
            let to = Node::new("to").attr("jid", lid).attr("peer_recipient_pn", pn);
            noise()
                .attr("from", "1700000000@broadcast")
                .attr("participant", scene.phone.pn())
                .child(Node::new("participants").child(to))
        }),
        ("devices", |_, pn, lid| notice("devices").attr("from", pn).attr("lid", lid)),
        ("an identity", |_, pn, lid| {
            notice("encrypt").attr("from", pn).attr("lid", lid).child(Node::new("identity"))
        }),
        ("a picture", |_, pn, lid| notice("picture").attr("from", pn).attr("lid", lid)),
        ("a status", |_, pn, lid| notice("status").attr("from", pn).attr("sender_lid", lid)),
        ("a token", |_, pn, lid| notice("privacy_token").attr("from", pn).attr("sender_lid", lid)),
        ("a contact", |_, pn, lid| notice("contacts").attr("from", pn).attr("lid", lid)),
        ("who was added to a group", |_, pn, lid| {
            let member = Node::new("participant").attr("jid", lid).attr("phone_number", pn);
            notice("w:gp2").attr("from", GROUP).child(Node::new("add").child(member))
        }),
        ("who changed a group", |_, pn, lid| {
            let subject = Node::new("subject").attr("subject", "new").attr("s_t", 1_u32);
            notice("w:gp2")
                .attr("from", GROUP)
                .attr("participant", lid)
                .attr("participant_pn", pn)
                .child(subject)
        }),
        ("who calls", |_, pn, lid| {
            let offer =
                Node::new("offer").attr("call-id", "C").attr("call-creator", lid).attr("caller_pn", pn);
            Node::new("call").attr("from", lid).child(offer)
        }),
    ];
    for (number, (name, stanza)) in (7_000_u32..).zip(sources) {
        let (pn, lid) = (Jid::pn(format!("1555000{number}")), Jid::lid(format!("9876000{number}")));
        let mut stanza = stanza(&scene, &pn, &lid).attr("id", format!("S{number}")).attr("t", number);
        if stanza.get("from").is_some_and(|from| from.to_text() == GROUP) {
            stanza = stanza.attr("from", &group);
        }
        assert!(scene.server.deliver(&scene.alice.jid, stanza));
        scene.server.wait_drained(&scene.alice.jid).await;
        let peer = scene.alice.client.peer(&lid).await.unwrap();
        assert_eq!((peer.pn, peer.lid), (Some(pn), Some(lid)), "{name}");
    }
}

/// Stands for the group.
const GROUP: &str = "group";

/// A message that cannot be read, which does not matter here.
fn noise() -> Node {
    let enc = Node::new("enc").attr("v", "2").attr("type", "msg").bytes(vec![0x33; 90]);
    Node::new("message").attr("type", "text").child(enc)
}

fn notice(kind: &str) -> Node {
    Node::new("notification").attr("type", kind)
}

/// To which address the client's last message went, once Bob has it.
async fn sent_to(scene: &Scene, text: &str) -> Jid {
    let message = scene.bob.next_message().await;
    assert_eq!(message.text(), Some(text));
    let is_this = |node: &Node| {
        node.tag == "message" && node.get("id").is_some_and(|id| id.to_text() == message.id.as_str())
    };
    let node = scene.server.wait_for(&scene.alice.jid, Direction::FromClient, is_this).await;
    node.get("to").unwrap().to_text().parse().unwrap()
}

#[tokio::test]
async fn nobody_but_the_phone_says_who_is_who() {
    let mut scene = Scene::new().await;
    scene.receive(Addressing::Pn, false).await;
    let carol = scene.server.phone("carol");
    // Carol claims Bob's number, first as a contact, then with a pair about Alice herself.
    let payload = mapping_of(scene.bob.pn(), carol.lid());
    let message = wa_proto::e2e::Message { protocol_message: Some(Box::new(payload)), ..Default::default() };
    carol.send(scene.phone.pn(), message).await.unwrap();
    let forged = Node::new("notification")
        .attr("from", scene.phone.pn())
        .attr("id", "forged")
        .attr("type", "picture")
        .attr("lid", carol.lid());
    assert!(scene.server.deliver(&scene.alice.jid, forged));
    scene.server.wait_drained(&scene.alice.jid).await;
    assert_eq!(scene.alice.client.peer(scene.bob.pn()).await.unwrap().lid, None);
    let own = scene.alice.client.peer(scene.phone.pn()).await.unwrap();
    assert_eq!(own.lid.as_ref(), Some(scene.phone.lid()));
}

fn mapping_of(pn: &Jid, lid: &Jid) -> wa_proto::e2e::ProtocolMessage {
    use prost::Message as _;
    use wa_proto::lid_migration_sync_payload::{LidMigrationMapping, LidMigrationMappingSyncPayload};
    let number = |jid: &Jid| jid.user().parse().unwrap();
    let mapping = LidMigrationMapping { pn: number(pn), assigned_lid: number(lid), latest_lid: None };
    let payload = LidMigrationMappingSyncPayload {
        pn_to_lid_mappings: vec![mapping],
        chat_db_migration_timestamp: Some(1),
    };
    wa_proto::e2e::ProtocolMessage {
        r#type: Some(wa_proto::e2e::protocol_message::Type::LidMigrationMappingSync.into()),
        lid_migration_mapping_sync_message: Some(Box::new(wa_proto::e2e::LidMigrationMappingSyncMessage {
            encoded_mapping_payload: Some(payload.encode_to_vec()),
        })),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_changed_number_keeps_the_chat() {
    let mut scene = Scene::new().await;
    let (old, lid, new) = (scene.bob.pn().clone(), scene.bob.lid().clone(), Jid::pn("15559990001"));
    assert_eq!(scene.receive(Addressing::Pn, true).await.chat, old);
    let modify =
        Node::new("modify").attr("old", &old).attr("new", &new).attr("old_lid", &lid).attr("new_lid", &lid);
    let notification = Node::new("notification")
        .attr("from", Jid::SERVER)
        .attr("id", "changed")
        .attr("type", "contacts")
        .child(modify);
    assert!(scene.server.deliver(&scene.alice.jid, notification));
    scene.server.wait_drained(&scene.alice.jid).await;
    for jid in [&old, &new, &lid] {
        let peer = scene.alice.client.peer(jid).await.unwrap();
        assert_eq!(
            (&peer.pn, &peer.lid, &peer.chat),
            (&Some(new.clone()), &Some(lid.clone()), &old),
            "{jid}"
        );
    }
    assert_eq!(scene.receive(Addressing::Lid, false).await.chat, old);
    // What is sent to the chat goes to its user, not to whoever gets the old number.
    scene.alice.send_text(&old, "still you?").await;
    assert_eq!(scene.bob.next_message().await.text(), Some("still you?"));
}

#[tokio::test]
async fn what_is_sent_to_both_addresses_leaves_in_one_order() {
    let mut scene = Scene::new().await;
    scene.receive(Addressing::Pn, true).await;
    scene.alice.client.disconnect().await;
    for number in 0..10 {
        let to = if number % 3 == 0 { scene.bob.lid() } else { scene.bob.pn() };
        scene.alice.client.enqueue(to, Message::text(number.to_string()), SendOptions::new()).await.unwrap();
    }
    scene.alice.client.reconnect().await.unwrap();
    for number in 0..10 {
        assert_eq!(scene.bob.next_message().await.text(), Some(number.to_string().as_str()));
    }
    let sent = scene.alice.send_text(scene.bob.lid(), "last").await;
    assert_eq!(sent.chat, *scene.bob.pn(), "as events name it");
}

#[tokio::test]
async fn what_waits_for_two_chats_that_are_merged_leaves_in_one_order() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &phone).await;
    server.hide_addresses(true);
    bob.set_addressing(Addressing::Pn);
    bob.send_text(phone.pn(), "under the number").await.unwrap();
    assert_eq!(alice.message().await.chat, *bob.pn());
    server.wait_drained(&alice.jid).await;
    alice.client.disconnect().await;
    for number in 0..10 {
        let to = if number % 3 == 0 { bob.lid() } else { bob.pn() };
        alice.client.enqueue(to, Message::text(number.to_string()), SendOptions::new()).await.unwrap();
    }
    // Nothing can leave before the keys of Bob's devices came, and with them who he is.
    let jid = alice.jid.clone();
    let store = alice.stop().await;
    server.hide_addresses(false);
    bob.send_text(phone.pn(), "it is me").await.unwrap();
    server.faults_of(&jid).swallow_requests(Some("usync"));
    let mut alice = Companion::start(&server, store).await;
    alice.wait(|event| matches!(event, Event::ChatsMerged(_))).await;
    server.faults_of(&jid).clear();
    alice.client.disconnect().await;
    alice.client.reconnect().await.unwrap();
    for number in 0..10 {
        assert_eq!(bob.next_message().await.text(), Some(number.to_string().as_str()));
    }
}
