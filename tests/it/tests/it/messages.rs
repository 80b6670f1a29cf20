//! Direct messages between companions and phones.

use std::sync::Arc;
use std::time::Duration;

use wa_core::stanza::receipt::ReceiptKind;
use wa_core::{Event, Message, SendError};
use wa_it::Companion;
use wa_store::MemoryStore;
use wa_test_server::{Addressing, Phone, TestServer};
use wa_types::Jid;

struct Two {
    server: TestServer,
    alice_phone: Phone,
    bob_phone: Phone,
    alice: Companion,
    bob: Companion,
}

impl Two {
    async fn linked() -> Self {
        let server = TestServer::start().await;
        let (alice_phone, bob_phone) = (server.phone("alice"), server.phone("bob"));
        let alice = Companion::link(&server, &alice_phone).await;
        let bob = Companion::link(&server, &bob_phone).await;
        Self { server, alice_phone, bob_phone, alice, bob }
    }
}

#[tokio::test]
async fn two_companions_exchange_messages_and_all_devices_see_them() {
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .try_init();
    let Two { server: _server, alice_phone, bob_phone, mut alice, mut bob } = Two::linked().await;

    let sent = alice.send_text(bob_phone.pn(), "hello bob").await;
    let received = bob.message().await;
    assert_eq!((&received.id, received.message.as_text()), (&sent.id, Some("hello bob")));
    assert_eq!(received.timestamp, sent.timestamp, "the server's time");
    assert_eq!(bob_phone.next_message().await.text(), Some("hello bob"));
    assert_eq!(alice_phone.next_message().await.text(), Some("hello bob"));
    alice.receipt(&sent.id, ReceiptKind::Delivered).await;

    bob.client.mark_read(&[&received]).await.unwrap();
    alice.receipt(&sent.id, ReceiptKind::Read).await;

    let reply = bob.send_text(&received.chat, "hello alice").await;
    let received = alice.message().await;
    assert_eq!((received.id, received.message.as_text()), (reply.id, Some("hello alice")));
}

#[tokio::test]
async fn ten_in_a_row_arrive_in_order_everywhere() {
    let Two { server: _server, alice_phone, bob_phone, mut alice, mut bob } = Two::linked().await;
    let texts: Vec<String> = (0..10).map(|number| format!("message {number}")).collect();
    let mut sends = tokio::task::JoinSet::new();
    for text in &texts {
        let (client, chat, text) = (alice.client.clone(), bob_phone.pn().clone(), text.clone());
        // Spawned in order, and polled in order by this single-threaded runtime.
        sends.spawn(async move { client.send(&chat, Message::text(text)).await });
    }
    for sent in sends.join_all().await {
        sent.unwrap();
    }
    assert_eq!(bob.texts(10).await, texts);
    for text in &texts {
        assert_eq!(bob_phone.next_message().await.text(), Some(text.as_str()));
        assert_eq!(alice_phone.next_message().await.text(), Some(text.as_str()));
    }
    for text in &texts {
        bob_phone.send_text(alice_phone.pn(), text).await.unwrap();
    }
    assert_eq!(alice.texts(10).await, texts);
}

#[tokio::test]
async fn a_user_is_reached_under_both_addresses() {
    let Two { server: _server, bob_phone, alice, mut bob, alice_phone: _alice_phone } = Two::linked().await;
    let by_pn = alice.send_text(bob_phone.pn(), "by number").await;
    let by_lid = alice.send_text(bob_phone.lid(), "by lid").await;
    assert_eq!(by_pn.chat, by_lid.chat, "one chat");
    assert_eq!(by_lid.chat, *bob_phone.pn(), "under the name that the application used first");
    let (first, second) = (bob.message().await, bob.message().await);
    assert_eq!((first.message.as_text(), second.message.as_text()), (Some("by number"), Some("by lid")));
    assert_eq!(first.chat, second.chat);
}

#[tokio::test]
async fn a_phone_that_writes_by_number_and_by_lid_is_one_chat_with_one_session() {
    let Two { server: _server, alice_phone, bob_phone, mut alice, bob: _bob } = Two::linked().await;
    bob_phone.set_addressing(Addressing::Lid);
    bob_phone.send_text(alice_phone.pn(), "by lid").await.unwrap();
    bob_phone.set_addressing(Addressing::Pn);
    bob_phone.send_text(alice_phone.pn(), "by number").await.unwrap();
    assert_eq!(alice.texts(2).await, ["by lid", "by number"]);
    alice.send_text(bob_phone.pn(), "got both").await;
    assert_eq!(bob_phone.next_message().await.text(), Some("got both"));
}

#[tokio::test]
async fn what_own_devices_wrote_is_from_me_and_in_the_right_chat() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut first = Companion::link(&server, &phone).await;
    let mut second = Companion::link(&server, &phone).await;

    phone.send_text(bob.pn(), "from the phone").await.unwrap();
    for companion in [&mut first, &mut second] {
        let copy = companion.message().await;
        assert_eq!(copy.message.as_text(), Some("from the phone"));
        assert!(copy.from_me);
        assert_eq!((&copy.chat, &copy.sender.to_user()), (bob.lid(), phone.lid()));
    }
    let sent = first.send_text(bob.pn(), "from a companion").await;
    let copy = second.message().await;
    assert_eq!((&copy.id, copy.from_me, &copy.chat), (&sent.id, true, bob.lid()));
    assert_eq!(copy.message.as_text(), Some("from a companion"));
    assert_eq!(phone.next_message().await.chat, *bob.lid());
}

#[tokio::test]
async fn a_note_to_self_reaches_the_other_own_devices() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let first = Companion::link(&server, &phone).await;
    let mut second = Companion::link(&server, &phone).await;
    first.send_text(phone.pn(), "milk").await;
    let note = second.message().await;
    assert_eq!((note.message.as_text(), note.from_me), (Some("milk"), true));
    assert_eq!(note.chat, *phone.lid());
    assert_eq!(phone.next_message().await.text(), Some("milk"));
}

#[tokio::test]
async fn all_kinds_of_text_survive() {
    let Two { server: _server, bob_phone, alice, mut bob, alice_phone: _alice_phone } = Two::linked().await;
    let texts =
        ["👩‍👩‍👧‍👦 🇵🇹 e\u{301}".to_owned(), String::new(), "x".repeat(60 * 1024), "\0\n\u{202e}".to_owned()];
    for text in &texts {
        alice.send_text(bob_phone.pn(), text).await;
        assert_eq!(bob.message().await.message.as_text(), Some(text.as_str()));
        assert_eq!(bob_phone.next_message().await.text(), Some(text.as_str()));
    }
}

#[tokio::test]
async fn a_message_that_no_frame_holds_is_refused_by_us() {
    let Two { server: _server, bob_phone, alice, mut bob, alice_phone: _alice_phone } = Two::linked().await;
    let sent = alice.client.send(bob_phone.pn(), Message::text("x".repeat(17 << 20))).await;
    assert!(matches!(sent, Err(SendError::TooLarge)), "{sent:?}");
    alice.send_text(bob_phone.pn(), "shorter").await;
    assert_eq!(bob.texts(1).await, ["shorter"]);
}

#[tokio::test]
async fn many_chats_at_once_each_keep_their_order() {
    let server = TestServer::start().await;
    let alice = Companion::link(&server, &server.phone("alice")).await;
    let phones: Vec<Phone> = (0..20).map(|number| server.phone(&format!("friend {number}"))).collect();
    let mut sends = tokio::task::JoinSet::new();
    for number in 0..5 {
        for phone in &phones {
            let (client, chat) = (alice.client.clone(), phone.pn().clone());
            sends.spawn(async move { client.send(&chat, Message::text(number.to_string())).await });
        }
    }
    for sent in sends.join_all().await {
        sent.unwrap();
    }
    for phone in &phones {
        for number in 0..5 {
            assert_eq!(phone.next_message().await.text(), Some(number.to_string().as_str()));
        }
    }
}

#[tokio::test]
async fn strangers_unknown_groups_and_channels_are_refused_with_their_reason() {
    let server = TestServer::start().await;
    let alice = Companion::link(&server, &server.phone("alice")).await;
    let nobody = Jid::pn("15559999999");
    let sent = alice.client.send(&nobody, Message::text("x")).await;
    assert!(matches!(&sent, Err(SendError::UnknownRecipient(jid)) if *jid == nobody), "{sent:?}");
    let group: Jid = "120363000000000001@g.us".parse().unwrap();
    let sent = alice.client.send(&group, Message::text("x")).await;
    assert_eq!(sent, Err(SendError::NotMember(group)), "there is no such group");
    let channel: Jid = "120363000000000001@newsletter".parse().unwrap();
    let sent = alice.client.send(&channel, Message::text("x")).await;
    assert!(matches!(&sent, Err(SendError::Refused { code: 404 })), "there is no such channel: {sent:?}");
}

#[tokio::test]
async fn a_refused_message_says_with_which_code() {
    let Two { server, bob_phone, alice, mut bob, alice_phone: _alice_phone } = Two::linked().await;
    server.faults_of(&alice.jid).nack_next(479);
    let sent = alice.client.send(bob_phone.pn(), Message::text("refused")).await;
    assert_eq!(sent, Err(SendError::SchemaRefused));
    alice.send_text(bob_phone.pn(), "taken").await;
    assert_eq!(bob.texts(1).await, ["taken"]);
}

#[tokio::test]
async fn a_late_ack_is_waited_for() {
    let Two { server, bob_phone, alice, alice_phone: _alice_phone, bob: _bob } = Two::linked().await;
    server.faults_of(&alice.jid).delay_acks(Some(Duration::from_millis(50)));
    let sent = alice.send_text(bob_phone.pn(), "slowly").await;
    assert!(sent.timestamp.0 > 1_600_000_000);
}

#[tokio::test]
async fn devices_without_one_time_keys_are_reached() {
    let Two { server, bob_phone, alice, mut bob, alice_phone: _alice_phone } = Two::linked().await;
    server.drain_pre_keys(&bob.jid, 0);
    server.drain_pre_keys(bob_phone.pn(), 0);
    alice.send_text(bob_phone.pn(), "without a one-time key").await;
    assert_eq!(bob.texts(1).await, ["without a one-time key"]);
    assert_eq!(bob_phone.next_message().await.text(), Some("without a one-time key"));
}

#[tokio::test]
async fn a_device_that_vanished_is_left_out_and_a_new_one_is_included() {
    let Two { alice_phone: _alice_phone, bob_phone, server, alice, bob } = Two::linked().await;
    alice.send_text(bob_phone.pn(), "to both").await;
    assert!(bob_phone.remove_device(&bob.jid));
    alice.send_text(bob_phone.pn(), "to the phone").await;
    assert_eq!(bob_phone.next_message().await.text(), Some("to both"));
    assert_eq!(bob_phone.next_message().await.text(), Some("to the phone"));

    let mut again = Companion::link(&server, &bob_phone).await;
    alice.send_text(bob_phone.pn(), "to both again").await;
    assert_eq!(again.texts(1).await, ["to both again"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_look_up_is_tried_again_and_fails_only_the_chat_that_needed_it() {
    let server = TestServer::start().await;
    let (bob, carol) = (server.phone("bob"), server.phone("carol"));
    let alice = Companion::link(&server, &server.phone("alice")).await;
    // Once: nobody notices.
    server.faults_of(&alice.jid).refuse_request("encrypt", 503);
    alice.send_text(bob.pn(), "x").await;
    // Twice, while Bob's devices and keys are known.
    server.faults_of(&alice.jid).refuse_request("usync", 503);
    server.faults_of(&alice.jid).refuse_request("usync", 503);
    let (to_carol, to_bob) =
        (alice.client.send(carol.pn(), Message::text("x")), alice.client.send(bob.pn(), Message::text("y")));
    let (to_carol, to_bob) = tokio::join!(to_carol, to_bob);
    assert_eq!(to_carol, Err(SendError::Lookup));
    to_bob.unwrap();
    for text in ["x", "y"] {
        assert_eq!(bob.next_message().await.text(), Some(text));
    }
    alice.send_text(carol.pn(), "again").await;
    assert_eq!(carol.next_message().await.text(), Some("again"));
}

#[tokio::test]
async fn an_account_that_is_not_migrated_writes_by_number() {
    let config = wa_test_server::Config { lid_migrated: false, ..wa_test_server::Config::default() };
    let server = TestServer::with(config).await;
    let (alice_phone, bob_phone) = (server.phone("alice"), server.phone("bob"));
    let alice = Companion::link(&server, &alice_phone).await;
    let mut bob = Companion::link(&server, &bob_phone).await;
    let sent = alice.send_text(bob_phone.pn(), "by number").await;
    assert_eq!(sent.chat, *bob_phone.pn());
    let received = bob.message().await;
    assert_eq!(received.chat, *alice_phone.pn());
    bob.send_text(&received.chat, "back").await;
    let mut alice = alice;
    assert_eq!(alice.texts(1).await, ["back"]);
}

#[tokio::test]
async fn sends_of_an_account_that_is_not_paired_fail_at_once() {
    let server = TestServer::start().await;
    let bob = server.phone("bob");
    let (client, mut events) = wa_it::builder(&server, Arc::new(MemoryStore::new())).connect().await.unwrap();
    let sent = client.send(bob.pn(), Message::text("x")).await;
    assert_eq!(sent, Err(SendError::NotPaired));
    assert!(matches!(wa_it::next(&mut events).await, Event::PairingQr(_)));
    client.clone().shutdown().await;
    let sent = client.send(bob.pn(), Message::text("x")).await;
    assert!(matches!(sent, Err(SendError::Shutdown)), "{sent:?}");
}
