//! What goes wrong with single stanzas and with connections, and what the client makes of it.

use std::collections::BTreeSet;
use std::time::Duration;

use wa_core::Event;
use wa_core::stanza::receipt::ReceiptKind;
use wa_core::wire::Node;
use wa_it::{Companion, next_within};
use wa_test_server::{Act, Config, Direction, Fault, FaultPlan, Filter, Phone, StreamEnd, TestServer};

/// A server, Alice's phone, Bob's phone, and Alice's companion, which has heard from Bob.
async fn scene() -> (TestServer, Phone, Phone, Companion) {
    scene_with(Config::default()).await
}

async fn scene_with(config: Config) -> (TestServer, Phone, Phone, Companion) {
    let server = TestServer::with(config).await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let mut alice = Companion::link(&server, &phone).await;
    bob.send_text(phone.pn(), "before").await.unwrap();
    assert_eq!(alice.texts(1).await, ["before"]);
    server.wait_drained(&alice.jid).await;
    (server, phone, bob, alice)
}

fn messages() -> Filter {
    Filter::deliveries().tag("message")
}

/// Longer than a client waits before it connects again, when many connections ended one after the other.
const PATIENCE: Duration = Duration::from_secs(7200);

/// The next text, where the client has to find out first that its connection is dead. For paused clocks.
async fn patient_text(alice: &mut Companion) -> String {
    loop {
        if let Event::Message(message) = next_within(&mut alice.events, PATIENCE).await {
            return message.message.as_text().unwrap_or("no text").to_owned();
        }
    }
}

/// The texts that come before `last`, which is sent now and comes too.
async fn texts_until(alice: &mut Companion, phone: &Phone, bob: &Phone, last: &str) -> Vec<String> {
    bob.send_text(phone.pn(), last).await.unwrap();
    let mut texts = Vec::new();
    loop {
        let text = alice.texts(1).await.remove(0);
        if text == last {
            return texts;
        }
        texts.push(text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_lost_comes_with_the_next_connection() {
    let (server, phone, bob, mut alice) = scene().await;
    server.faults_of(&alice.jid).script(messages(), Act::Drop, 1);
    bob.send_text(phone.pn(), "lost").await.unwrap();
    assert!(texts_until(&mut alice, &phone, &bob, "not lost").await.is_empty());
    server.disconnect(&alice.jid);
    assert_eq!(alice.texts(1).await, ["lost"]);
    server.wait_drained(&alice.jid).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_receipt_was_lost_is_told_once_and_confirmed_again() {
    let (server, phone, bob, mut alice) = scene().await;
    server.faults_of(&alice.jid).script(Filter::from_client().tag("receipt"), Act::Drop, 1);
    let sent = bob.send_text(phone.pn(), "told once").await.unwrap();
    assert_eq!(alice.texts(1).await, ["told once"]);
    let lost = |node: &Node| {
        node.tag == "receipt" && node.get("id").is_some_and(|id| id.to_text() == sent.id.as_str())
    };
    server.wait_for(&alice.jid, Direction::FromClient, lost).await;
    assert_eq!(server.queued_for(&alice.jid), 1);
    server.disconnect(&alice.jid);
    server.wait_drained(&alice.jid).await;
    assert!(texts_until(&mut alice, &phone, &bob, "next").await.is_empty(), "told twice");
    bob.receipt(&sent.id, None).await;
    assert!(server.metrics().redelivered > 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_cut_short_is_read_after_the_reconnect() {
    let (server, phone, bob, mut alice) = scene().await;
    for act in [Act::Cut, Act::CutAfter, Act::End(StreamEnd::Code(503)), Act::End(StreamEnd::Orderly)] {
        server.faults_of(&alice.jid).script(messages(), act.clone(), 1);
        let text = format!("{act:?}");
        bob.send_text(phone.pn(), &text).await.unwrap();
        assert_eq!(alice.texts(1).await, [text]);
        server.wait_drained(&alice.jid).await;
        assert!(texts_until(&mut alice, &phone, &bob, "and no second time").await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_noticed_and_nothing_is_lost() {
    let (server, phone, bob, mut alice) = scene().await;
    assert!(server.half_open(&alice.jid));
    bob.send_text(phone.pn(), "into the void").await.unwrap();
    let event = next_within(&mut alice.events, Duration::from_secs(120)).await;
    assert!(matches!(event, Event::Disconnected { .. }), "{event:?}");
    assert_eq!(patient_text(&mut alice).await, "into the void");
    server.wait_drained(&alice.jid).await;
}

#[tokio::test(start_paused = true)]
async fn messages_held_back_or_late_are_all_read() {
    let (server, phone, bob, mut alice) = scene().await;
    let faults = server.faults_of(&alice.jid);
    faults.script(messages(), Act::After(3), 1);
    faults.script(messages(), Act::Delay(Duration::from_millis(30)), 1);
    let mut expected = BTreeSet::new();
    for number in 0..6 {
        let text = format!("message {number}");
        bob.send_text(phone.pn(), &text).await.unwrap();
        expected.insert(text);
    }
    let texts: BTreeSet<String> = alice.texts(6).await.into_iter().collect();
    assert_eq!(texts, expected);
    server.wait_drained(&alice.jid).await;
}

#[tokio::test(start_paused = true)]
async fn new_messages_among_the_backlog_are_read_with_it() {
    let (server, phone, bob, mut alice) = scene_with(Config { primer: 2, ..Config::default() }).await;
    server.faults_of(&alice.jid).interleave_backlog(true);
    alice.client.disconnect().await;
    server.wait_offline(&alice.jid).await;
    for number in 0..30 {
        bob.send_text(phone.pn(), &format!("old {number}")).await.unwrap();
    }
    // The backlog does not begin to drain before the first of it is confirmed.
    let mark = server.mark();
    let (reconnected, ()) = tokio::join!(alice.client.reconnect(), async {
        server.wait_for_after(mark, &alice.jid, Direction::ToClient, |node| node.tag == "message").await;
        bob.send_text(phone.pn(), "new").await.unwrap();
    });
    reconnected.unwrap();
    let texts: Vec<String> = alice.texts(31).await;
    let old: Vec<&String> = texts.iter().filter(|text| *text != "new").collect();
    assert_eq!(old.len(), 30, "{texts:?}");
    assert!(old.iter().enumerate().all(|(number, text)| **text == format!("old {number}")), "{texts:?}");
    server.wait_drained(&alice.jid).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_reads_slowly_gets_everything() {
    let (server, _, bob, alice) = scene().await;
    server.faults_of(&alice.jid).slow_reader(Some(Duration::from_secs(1)));
    for number in 0..5 {
        alice.send_text(bob.pn(), &format!("message {number}")).await;
    }
    for number in 0..5 {
        assert_eq!(bob.next_message().await.text(), Some(format!("message {number}").as_str()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_taken_twice_by_the_server_is_delivered_once() {
    let (server, _, bob, mut alice) = scene().await;
    server.faults_of(&alice.jid).script(Filter::from_client().tag("message"), Act::Duplicate, 1);
    server.faults_of(&alice.jid).script(Filter::message_acks(), Act::Duplicate, 1);
    let sent = alice.send_text(bob.pn(), "once").await;
    assert_eq!(bob.next_message().await.text(), Some("once"));
    alice.receipt(&sent.id, ReceiptKind::Delivered).await;
    alice.send_text(bob.pn(), "next").await;
    assert_eq!(bob.next_message().await.text(), Some("next"));
    assert_eq!(server.metrics().deduped, 1);
}

#[tokio::test(start_paused = true)]
async fn a_device_without_one_time_keys_can_be_written_to() {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    let alice = Companion::link(&server, &phone).await;
    let before = server.pre_keys_of(bob.pn());
    server.faults_of_account(bob.pn()).exhaust_pre_keys(1);
    alice.send_text(bob.pn(), "without").await;
    assert_eq!(bob.next_message().await.text(), Some("without"));
    assert_eq!(server.pre_keys_of(bob.pn()), before);
}

#[tokio::test(start_paused = true)]
async fn pre_keys_are_refilled_when_the_server_says_that_they_run_low() {
    let (server, _, _, alice) = scene().await;
    server.drain_pre_keys(&alice.jid, 3);
    let mark = server.mark();
    server.tell_low_pre_keys(&alice.jid);
    let is_upload = |node: &Node| {
        node.tag == "iq"
            && node.get("xmlns").is_some_and(|name| name.to_text() == "encrypt")
            && node.find("list").is_some()
    };
    server.wait_for_after(mark, &alice.jid, Direction::FromClient, is_upload).await;
    let answered = |node: &Node| node.tag == "iq";
    server.wait_for_after(mark, &alice.jid, Direction::ToClient, answered).await;
    assert!(server.pre_keys_of(&alice.jid) > 100, "{}", server.pre_keys_of(&alice.jid));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_off_by_hours_changes_nothing_but_the_times() {
    let (server, phone, bob, mut alice) = scene().await;
    for hours in [-26_i64, 26] {
        server.faults_of(&alice.jid).shift_clock(Some(hours * 3600));
        server.disconnect(&alice.jid);
        let sent = bob.send_text(phone.pn(), "when?").await.unwrap();
        let message = alice.message().await;
        assert_eq!(message.message.as_text(), Some("when?"));
        assert_eq!(message.timestamp.0, sent.timestamp.0.saturating_add_signed(hours * 3600));
        alice.send_text(bob.pn(), "then").await;
        assert_eq!(bob.next_message().await.text(), Some("then"));
    }
}

/// All that may happen on the way to a client at random, many times over: each message is told once.
#[tokio::test(start_paused = true)]
async fn under_chaos_every_message_is_told_once() {
    let (server, phone, bob, mut alice) = scene().await;
    let faults = [
        (Fault::DropDelivery, 300),
        (Fault::DelayDelivery, 1000),
        (Fault::DuplicateDelivery, 1000),
        (Fault::ReorderDelivery, 1000),
        (Fault::CutMidFrame, 300),
        (Fault::EndStream, 100),
        (Fault::HalfOpen, 50),
        (Fault::DropSent, 300),
        (Fault::DuplicateSent, 300),
        (Fault::CutBefore, 100),
        (Fault::CutAfter, 100),
        (Fault::RefuseLogin, 2000),
    ];
    let plan =
        faults.into_iter().fold(FaultPlan::quiet(20_261), |plan, (fault, rate)| plan.rate(fault, rate));
    let chaos = server.chaos(plan.accounts([phone.pn()]));
    let mut told = BTreeSet::new();
    for batch in 0..30 {
        let mut expected = BTreeSet::new();
        for number in 0..10 {
            let text = format!("message {batch}.{number}");
            bob.send_text(phone.pn(), &text).await.unwrap();
            expected.insert(text);
        }
        for _ in 0..10 {
            let text = patient_text(&mut alice).await;
            assert!(expected.remove(&text), "{text} is not expected (any more)");
            told.insert(text);
        }
    }
    chaos.calm();
    assert_eq!(told.len(), 300);
    assert!(texts_until(&mut alice, &phone, &bob, "the last").await.is_empty(), "told twice");
    server.wait_drained(&alice.jid).await;
    let counts = chaos.counts();
    assert!(faults.iter().filter(|(fault, _)| counts.contains_key(fault)).count() >= 10, "{counts:?}");
}
