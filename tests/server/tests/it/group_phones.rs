//! Phones as members of groups, and what a phone does for its companions.

use prost::Message as _;
use wa_core::wire::Node;
use wa_proto::common::MessageKey;
use wa_proto::e2e::peer_data_operation_request_message::PlaceholderMessageResendRequest;
use wa_proto::e2e::{
    Message, PeerDataOperationRequestMessage, PeerDataOperationRequestType, ProtocolMessage, protocol_message,
};
use wa_proto::lid_migration_sync_payload::LidMigrationMappingSyncPayload;
use wa_proto::web::WebMessageInfo;
use wa_test_server::{GroupMode, Resends, SendError, TestServer};
use wa_types::{Jid, MessageId};

use crate::companion::{Companion, Wire, attr, text};
use crate::pairing::linked;

/// Waits for the message of this text.
async fn group_message(companion: &mut Companion, wire: &mut Wire, id: &MessageId) -> Message {
    let id = id.to_string();
    let stanza = wire.expect_where(|node| node.tag == "message" && attr(node, "id") == id).await;
    let message = companion.decrypt(&stanza);
    wire.confirm(&stanza).await;
    message
}

#[tokio::test(start_paused = true)]
async fn phones_talk_in_a_group_of_either_kind() {
    for mode in [GroupMode::Pn, GroupMode::Lid] {
        let server = TestServer::start().await;
        let (alice, bob, carol) = (server.phone("alice"), server.phone("bob"), server.phone("carol"));
        let group = alice.create_group("Crew", &[bob.lid(), carol.pn()], mode);
        for number in 0..3 {
            let sent = alice.send_text(&group, &format!("hello {number}")).await.expect("sent");
            for phone in [&bob, &carol] {
                let message = phone.next_message().await;
                assert_eq!(message.text(), Some(format!("hello {number}").as_str()));
                assert_eq!(message.chat, group);
                assert_eq!(message.sender, *if mode == GroupMode::Pn { alice.pn() } else { alice.lid() });
                alice.receipt(&sent.id, None).await;
                phone.read(&message);
            }
            alice.receipt(&sent.id, Some("read")).await;
            let readers = alice
                .receipts()
                .into_iter()
                .filter(|receipt| receipt.kind.as_deref() == Some("read") && receipt.ids.contains(&sent.id));
            let readers: Vec<Jid> = readers.map(|receipt| receipt.from).collect();
            let expected = match mode {
                GroupMode::Pn => [bob.pn(), carol.pn()],
                _ => [bob.lid(), carol.lid()],
            };
            assert_eq!(readers, expected.map(Clone::clone));
        }
        bob.send_text(&group, "and hello back").await.expect("sent");
        assert_eq!(alice.next_message().await.text(), Some("and hello back"));
        assert_eq!(carol.next_message().await.text(), Some("and hello back"));
        server.wait_drained(alice.pn()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_leaves_reads_no_more_and_who_comes_reads_from_then_on() {
    let server = TestServer::start().await;
    let (alice, bob, carol) = (server.phone("alice"), server.phone("bob"), server.phone("carol"));
    let group = alice.create_group("Crew", &[bob.lid()], GroupMode::Lid);
    alice.send_text(&group, "two").await.expect("sent");
    assert_eq!(bob.next_message().await.text(), Some("two"));
    assert_eq!(alice.add_member(&group, carol.pn()), Ok(()));
    assert_eq!(alice.add_member(&group, carol.pn()), Err(409));
    alice.send_text(&group, "three").await.expect("sent");
    assert_eq!(bob.next_message().await.text(), Some("three"));
    assert_eq!(carol.next_message().await.text(), Some("three"));

    assert_eq!(bob.remove_member(&group, carol.lid()), Err(401));
    assert_eq!(alice.remove_member(&group, bob.lid()), Ok(()));
    alice.send_text(&group, "again two").await.expect("sent");
    assert_eq!(carol.next_message().await.text(), Some("again two"));
    server.wait_drained(bob.pn()).await;
    assert!(bob.try_next_message().is_none());
    assert_eq!(bob.send_text(&group, "too late").await, Err(SendError::Refused(403)));

    assert!(server.set_group_mode(&group, GroupMode::Pn));
    carol.send_text(&group, "by number").await.expect("sent");
    assert_eq!(alice.next_message().await.sender, *carol.pn());
    assert_eq!(carol.leave(&group), Ok(()));
    assert_eq!(carol.leave(&group), Err(403));
    assert_eq!(alice.set_subject(&group, "Alone"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_phone_without_the_key_asks_for_the_message_again() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    let group = alice.create_group("Crew", &[bob.lid()], GroupMode::Lid);
    alice.withhold_sender_key(&[bob.lid()]);
    let sent = alice.send_text(&group, "sealed").await.expect("sent");
    assert_eq!(bob.next_message().await.text(), Some("sealed"));
    let retry = alice.receipt(&sent.id, Some("retry")).await;
    assert_eq!(retry.from, *bob.lid());
    // The resend brought the key along.
    alice.send_text(&group, "open").await.expect("sent");
    assert_eq!(bob.next_message().await.text(), Some("open"));

    alice.withhold_sender_key(&[]);
    alice.rotate_sender_key(&group);
    let sent = alice.send_text(&group, "with a new key").await.expect("sent");
    assert_eq!(bob.next_message().await.text(), Some("with a new key"));
    bob.forget_sender_keys(&group);
    let lost = alice.send_text(&group, "lost").await.expect("sent");
    assert_eq!(bob.next_message().await.id, lost.id);
    assert!(alice.receipts().iter().all(|receipt| receipt.kind.is_none() || !receipt.ids.contains(&sent.id)));

    server.faults_of(bob.pn()).garble_next(1);
    let garbled = alice.send_text(&group, "garbled").await.expect("sent");
    let message = bob.next_message().await;
    assert_eq!((message.id, message.message.conversation()), (garbled.id, "garbled"));
}

#[tokio::test(start_paused = true)]
async fn a_companion_and_phones_talk_in_a_group() {
    let server = TestServer::start().await;
    let (mut alices, mut wire) = linked(&server, "alice").await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    let group = bob.create_group("Crew", &[alice.lid()], GroupMode::Lid);
    for body in ["first", "second"] {
        let sent = bob.send_text(&group, body).await.expect("sent");
        assert_eq!(group_message(&mut alices, &mut wire, &sent.id).await.conversation(), body);
        assert_eq!(alice.next_message().await.text(), Some(body));
    }
    let own = alice.send_text(&group, "from the own phone").await.expect("sent");
    assert_eq!(group_message(&mut alices, &mut wire, &own.id).await.conversation(), "from the own phone");
    assert_eq!(bob.next_message().await.text(), Some("from the own phone"));

    alices.fetch(&mut wire, &[bob.lid().clone(), alice.lid().clone()]).await;
    let distribution = alices.distribution(&group);
    let copies = [bob.lid(), alice.lid()].map(|device| alices.copy_for(device, &distribution));
    let stanza = Node::new("message")
        .attr("to", &group)
        .attr("id", "3EB0C1")
        .attr("type", "text")
        .attr("addressing_mode", "lid")
        .child(Node::new("participants").children(copies))
        .child(alices.group_enc(&group, &text("from the companion")))
        .child(alices.device_identity());
    wire.send(&stanza).await;
    let message = bob.next_message().await;
    assert_eq!((message.text(), message.from_me), (Some("from the companion"), false));
    let message = alice.next_message().await;
    assert_eq!((message.text(), message.from_me), (Some("from the companion"), true));
    let receipt = wire.expect_where(|node| attr(node, "type") == "sender").await;
    assert_eq!(attr(&receipt, "participant"), alice.lid().to_string());

    // What bob cannot read he asks for, and the answer is for him alone.
    bob.forget_sender_keys(&group);
    let stanza = Node::new("message")
        .attr("to", &group)
        .attr("id", "3EB0C2")
        .attr("type", "text")
        .attr("addressing_mode", "lid")
        .child(alices.group_enc(&group, &text("unread")));
    wire.send(&stanza).await;
    let retry = wire.expect_where(|node| attr(node, "type") == "retry").await;
    assert_eq!(
        (attr(&retry, "from"), attr(&retry, "participant")),
        (group.to_string(), bob.lid().to_string())
    );
    let mut again = alices.distribution(&group);
    again.conversation = Some("read now".to_owned());
    let enc = alices.enc_for(bob.lid(), &again).attr("count", "1");
    let stanza = Node::new("message")
        .attr("to", &group)
        .attr("id", "3EB0C2")
        .attr("type", "text")
        .attr("participant", bob.lid())
        .attr("addressing_mode", "lid")
        .child(enc)
        .child(alices.device_identity());
    wire.send(&stanza).await;
    assert_eq!(bob.next_message().await.text(), Some("read now"));
}

#[tokio::test(start_paused = true)]
async fn a_status_post_reaches_its_viewers() {
    let server = TestServer::start().await;
    let (mut alices, mut wire) = linked(&server, "alice").await;
    let (alice, bob, carol) = (server.phone("alice"), server.phone("bob"), server.phone("carol"));
    for body in ["good morning", "good night"] {
        let sent = bob.send_status(&[alice.lid()], body).await.expect("sent");
        let id = sent.id.to_string();
        let stanza = wire.expect_where(|node| node.tag == "message" && attr(node, "id") == id).await;
        assert_eq!(attr(&stanza, "from"), Jid::STATUS.to_string());
        assert_eq!(attr(&stanza, "participant"), bob.lid().to_string());
        assert_eq!(attr(&stanza, "addressing_mode"), "");
        assert_eq!(alices.decrypt(&stanza).conversation(), body);
        wire.confirm(&stanza).await;
        let message = alice.next_message().await;
        assert_eq!((message.text(), &message.chat), (Some(body), &Jid::STATUS));
        bob.receipt(&sent.id, None).await;
    }
    assert!(carol.try_next_message().is_none());
    server.wait_drained(&alices.jid()).await;

    bob.withhold_sender_key(&[alice.lid()]);
    bob.rotate_sender_key(&Jid::STATUS);
    bob.send_status(&[alice.lid()], "sealed").await.expect("sent");
    assert_eq!(alice.next_message().await.text(), Some("sealed"));
}

/// Asks the phone for messages again.
async fn ask_phone(companion: &mut Companion, wire: &mut Wire, phone: &Jid, keys: Vec<MessageKey>) {
    let request = PeerDataOperationRequestMessage {
        peer_data_operation_request_type: Some(PeerDataOperationRequestType::PlaceholderMessageResend.into()),
        placeholder_message_resend_request: keys
            .into_iter()
            .map(|key| PlaceholderMessageResendRequest { message_key: Some(key) })
            .collect(),
        ..PeerDataOperationRequestMessage::default()
    };
    let protocol = ProtocolMessage {
        r#type: Some(protocol_message::Type::PeerDataOperationRequestMessage.into()),
        peer_data_operation_request_message: Some(request.into()),
        ..ProtocolMessage::default()
    };
    let message = Message { protocol_message: Some(protocol.into()), ..Message::default() };
    if !companion.sessions.contains_key(phone) {
        companion.fetch(wire, std::slice::from_ref(phone)).await;
    }
    let stanza = Node::new("message")
        .attr("to", phone)
        .attr("id", "3EB0FE")
        .attr("type", "text")
        .attr("category", "peer")
        .attr("push_priority", "high_force")
        .child(Node::new("meta").attr("appdata", "default"))
        .child(companion.enc_for(phone, &message))
        .child(companion.device_identity());
    wire.send(&stanza).await;
}

#[tokio::test(start_paused = true)]
async fn the_phone_sends_a_companion_what_it_missed() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    let direct = bob.send_text(alice.lid(), "before you came").await.expect("sent");
    let group = bob.create_group("Crew", &[alice.lid()], GroupMode::Lid);
    let grouped = bob.send_text(&group, "in the group").await.expect("sent");
    let own = alice.send_text(bob.lid(), "my own").await.expect("sent");
    for _ in 0..2 {
        alice.next_message().await;
    }
    let (mut alices, mut wire) = linked(&server, "alice").await;
    let key = |chat: &Jid, id: &MessageId, from_me: bool, participant: Option<&Jid>| MessageKey {
        remote_jid: Some(chat.to_string()),
        from_me: Some(from_me),
        id: Some(id.to_string()),
        participant: participant.map(ToString::to_string),
    };
    let keys = vec![
        key(bob.pn(), &direct.id, false, None),
        key(&group, &grouped.id, false, Some(bob.lid())),
        key(bob.lid(), &own.id, true, None),
        key(bob.lid(), &MessageId::new("never"), false, None),
    ];
    ask_phone(&mut alices, &mut wire, alice.lid(), keys).await;
    let stanza = wire.expect_where(|node| node.tag == "message" && attr(node, "category") == "peer").await;
    assert_eq!(attr(&stanza, "from"), alice.lid().to_string());
    let answer = alices.decrypt(&stanza).protocol_message.expect("protocol message");
    assert_eq!(answer.r#type(), protocol_message::Type::PeerDataOperationRequestResponseMessage);
    let answer = answer.peer_data_operation_request_response_message.expect("an answer");
    assert_eq!(answer.stanza_id(), "3EB0FE");
    let found = answer.peer_data_operation_result.iter().map(|result| {
        let bytes = result.placeholder_message_resend_response.as_ref()?.web_message_info_bytes.as_ref()?;
        Some(WebMessageInfo::decode(bytes.as_slice()).expect("a message"))
    });
    let found: Vec<Option<WebMessageInfo>> = found.collect();
    let texts: Vec<Option<&str>> = found
        .iter()
        .map(|info| info.as_ref().map(|info| info.message.as_ref().expect("content").conversation()))
        .collect();
    assert_eq!(texts, [Some("before you came"), Some("in the group"), Some("my own"), None]);
    let in_group = found.get(1).and_then(Option::as_ref).expect("found");
    assert_eq!(in_group.key.participant(), bob.lid().to_string());
    assert_eq!(in_group.push_name(), "bob");

    alice.set_resends(Resends::Silent);
    ask_phone(&mut alices, &mut wire, alice.lid(), vec![key(&group, &grouped.id, false, None)]).await;
    wire.expect_where(|node| attr(node, "type") == "peer_msg").await;
    alice.send_lid_mappings(&alices.jid(), &[(bob.pn(), bob.lid())], Some(1_700_000_000)).expect("sent");
    let stanza = wire.expect_where(|node| node.tag == "message").await;
    let sync = alices.decrypt(&stanza).protocol_message.expect("protocol message");
    let sync = sync.lid_migration_mapping_sync_message.expect("mappings");
    let payload = LidMigrationMappingSyncPayload::decode(sync.encoded_mapping_payload()).expect("a payload");
    assert_eq!(payload.chat_db_migration_timestamp(), 1_700_000_000);
    let pairs: Vec<(String, String)> = payload
        .pn_to_lid_mappings
        .iter()
        .map(|mapping| (mapping.pn.to_string(), mapping.assigned_lid.to_string()))
        .collect();
    assert_eq!(pairs, [(bob.pn().user().to_owned(), bob.lid().user().to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_is_set_up_anew_has_another_identity_and_no_companions() {
    let server = TestServer::start().await;
    let (mut alices, mut wire) = linked(&server, "alice").await;
    let (bobs_before, mut bobs_wire) = linked(&server, "bob").await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    let group = bob.create_group("Crew", &[alice.lid()], GroupMode::Lid);
    bob.send_text(alice.lid(), "before").await.expect("sent");
    alices.decrypt(&wire.expect("message").await);
    alice.next_message().await;

    bob.reinstall();
    let end = bobs_wire.expect("stream:error").await;
    assert_eq!(end.find("conflict").map(|conflict| attr(conflict, "type")), Some("device_removed".into()));
    assert!(bob.linked_devices().is_empty());
    let changed = wire.expect_where(|node| node.find("identity").is_some()).await;
    assert_eq!((attr(&changed, "type"), attr(&changed, "from")), ("encrypt".into(), bob.pn().to_string()));

    // Alice's phone writes with the old session; bob asks again with his new keys.
    alice.send_text(bob.lid(), "do you read me?").await.expect("sent");
    assert_eq!(bob.next_message().await.text(), Some("do you read me?"));
    bob.send_text(&group, "with another key").await.expect("sent");
    assert_eq!(alice.next_message().await.text(), Some("with another key"));
    let (bobs, _wire) = linked(&server, "bob").await;
    assert_eq!(bob.linked_devices(), [bobs.jid()]);
    let raw_id = |companion: &Companion| companion.linked.as_ref().expect("linked").details.raw_id;
    assert_ne!(raw_id(&bobs), raw_id(&bobs_before));
}
