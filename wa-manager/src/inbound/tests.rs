//! What comes in, on both stores.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use wa_core::Message;
use wa_core::event::LostReason;
use wa_core::message::MessageKey;
use wa_types::{Jid, MessageId, UnixMillis, UnixSeconds};

use super::*;
use crate::account::IgnoreRules;
use crate::event::EventKind;
use crate::sending::tests::scene::{DAY, MINUTE, Scene, T, id, on_each, pn};
use crate::sending::{Gate, GateConfig, Recipient, SendError};
use crate::store::{Changes, ChatKind, ChatRecord, ContactRecord, SqliteManagerStore};
use crate::trust::{Admission, Lane, Scope};

on_each! {
    /// R067, R069
    a_private_message_makes_a_contact_and_a_chat,
    /// R064, R065, R024
    status_posts_are_skipped_unless_they_are_wanted,
    /// R066
    messages_of_groups_are_told,
    /// R073
    our_own_messages_from_other_devices_are_marked,
    what_comes_again_is_told_once,
    who_writes_is_answered,
    reactions_are_told_as_such,
    what_could_not_be_read_is_told_and_counted,
    /// R074
    chats_that_are_one_become_one,
    the_past_makes_acquaintances,
    /// R070
    /// R070
    another_owners_account_is_unknown,
    what_the_owner_adds_is_in_the_same_commit,
}

pub(super) fn message(number: u64, chat: &str, sender: &str, text: &str) -> Received {
    Received {
        number,
        chat: chat.parse().unwrap(),
        sender: sender.parse().unwrap(),
        sender_alt: None,
        from_me: false,
        id: MessageId::new(format!("M{number}")),
        post: None,
        timestamp: T.to_seconds(),
        push_name: Some("Ana".into()),
        is_backlog: false,
        recovered: None,
        target: None,
        what: What::Message(Message::text(text)),
    }
}

fn direct(number: u64, from: &str) -> Received {
    message(number, &format!("{from}@s.whatsapp.net"), &format!("{from}:3@s.whatsapp.net"), "hi")
}

fn item(received: Received) -> Item {
    Item::Received(Box::new(received))
}

fn inbound() -> Inbound {
    Inbound::new(Arc::new(FixedProvider::default()))
}

/// Asks the host, and takes it in.
async fn handle(
    inbound: &Inbound,
    gate: &mut Gate,
    item: &Item,
    ignore: &IgnoreRules,
    extra: Changes,
) -> Result<Outcome, InboundError> {
    let answer = match inbound.ask(gate, item, ignore) {
        Some(asking) => Some(asking.await),
        None => None,
    };
    inbound.take(gate, item, ignore, answer.as_ref(), extra).await
}

async fn take(scene: &mut Scene, inbound: &Inbound, received: Received) -> Outcome {
    let ignore = IgnoreRules::default();
    handle(inbound, &mut scene.gate, &item(received), &ignore, Changes::new()).await.unwrap()
}

async fn kinds(scene: &Scene) -> Vec<EventKind> {
    let events = scene.events().await;
    events.iter().map(|event| event.kind).filter(|kind| *kind != EventKind::TrustChanged).collect()
}

async fn contact(scene: &Scene, address: &Jid) -> ContactRecord {
    scene.store.contact(&id(), address).await.unwrap().unwrap()
}

async fn chats(scene: &Scene) -> Vec<ChatRecord> {
    scene.store.chats(&id(), 100).await.unwrap()
}

async fn a_private_message_makes_a_contact_and_a_chat(mut scene: Scene) {
    let inbound = inbound();
    let mut received = direct(7, "1");
    received.sender_alt = Some("77:3@lid".parse().unwrap());
    assert_eq!(take(&mut scene, &inbound, received).await, Outcome::Processed);
    let made = [EventKind::ContactCreated, EventKind::ChatCreated, EventKind::MessageReceived];
    assert_eq!(kinds(&scene).await, made);
    let contact = contact(&scene, &pn("1")).await;
    assert_eq!((contact.lid.clone(), contact.push_name.as_deref()), (Some(Jid::lid("77")), Some("Ana")));
    assert_eq!((contact.last_inbound, contact.unanswered), (Some(T), 0));
    let [chat] = &chats(&scene).await[..] else { panic!() };
    assert_eq!(
        (chat.kind, chat.contact, chat.last_message_at),
        (ChatKind::Direct, Some(contact.id), Some(T))
    );
    let data = scene.last(EventKind::MessageReceived).await.data;
    let expected = json!({
        "messageId": "M7", "chat": "1@s.whatsapp.net", "chatKind": "direct", "contactId": contact.id,
        "provider": "default", "sender": "1:3@s.whatsapp.net", "senderAlt": "77:3@lid", "fromMe": false,
        "timestamp": T.0, "pushName": "Ana", "isBacklog": false, "kind": "text", "text": "hi",
        "raw": "CgJoaQ==", "rawSize": 4,
    });
    assert_eq!(data, expected);
}

async fn status_posts_are_skipped_unless_they_are_wanted(mut scene: Scene) {
    let inbound = inbound();
    let post = || message(1, "status@broadcast", "1:3@s.whatsapp.net", "look");
    assert_eq!(take(&mut scene, &inbound, post()).await, Outcome::Skipped(Skip::Status));
    assert_eq!((kinds(&scene).await.len(), scene.contacts().await, chats(&scene).await.len()), (0, 0, 0));
    let wanted = IgnoreRules { status: false, groups: true, ..IgnoreRules::default() };
    let told = handle(&inbound, &mut scene.gate, &item(post()), &wanted, Changes::new()).await.unwrap();
    assert_eq!(told, Outcome::Processed);
    assert_eq!(scene.last(EventKind::MessageReceived).await.data["chatKind"], "status");
    let group = item(message(2, "5-1@g.us", "1:3@s.whatsapp.net", "x"));
    let skipped = handle(&inbound, &mut scene.gate, &group, &wanted, Changes::new()).await.unwrap();
    assert_eq!(skipped, Outcome::Skipped(Skip::Group));
}

async fn messages_of_groups_are_told(mut scene: Scene) {
    let inbound = inbound();
    let received = message(1, "5-1@g.us", "77:3@lid", "all");
    assert_eq!(take(&mut scene, &inbound, received).await, Outcome::Processed);
    let [chat] = &chats(&scene).await[..] else { panic!() };
    assert_eq!((chat.kind, chat.contact), (ChatKind::Group, None));
    let writer = contact(&scene, &Jid::lid("77")).await;
    // Who writes to a group did not write to us.
    assert_eq!(writer.last_inbound, None);
    assert_eq!(scene.last(EventKind::MessageReceived).await.data["contactId"], writer.id);
}

async fn our_own_messages_from_other_devices_are_marked(mut scene: Scene) {
    let inbound = inbound();
    let mut copy = message(1, "1@s.whatsapp.net", "99:0@s.whatsapp.net", "from the phone");
    (copy.from_me, copy.push_name) = (true, Some("Me".into()));
    assert_eq!(take(&mut scene, &inbound, copy).await, Outcome::Processed);
    assert_eq!(scene.last(EventKind::MessageReceived).await.data["fromMe"], true);
    let peer = contact(&scene, &pn("1")).await;
    assert_eq!((peer.last_inbound, peer.unanswered, peer.push_name), (None, 1, None));
    assert!(scene.store.contact(&id(), &pn("99")).await.unwrap().is_none());
    // It comes again, and later another one.
    let ours = |number| {
        let mut copy = message(number, "1@s.whatsapp.net", "99:0@s.whatsapp.net", "from the phone");
        copy.from_me = true;
        copy
    };
    take(&mut scene, &inbound, ours(1)).await;
    assert_eq!(contact(&scene, &pn("1")).await.unanswered, 1);
    take(&mut scene, &inbound, ours(2)).await;
    assert_eq!(contact(&scene, &pn("1")).await.unanswered, 2);
}

async fn what_comes_again_is_told_once(mut scene: Scene) {
    let first = inbound();
    take(&mut scene, &first, direct(1, "1")).await;
    scene.restart_ready().await;
    let second = inbound();
    assert_eq!(take(&mut scene, &second, direct(1, "1")).await, Outcome::Processed);
    assert_eq!(kinds(&scene).await.len(), 3);
    assert_eq!((scene.contacts().await, chats(&scene).await.len()), (1, 1));
    // Another message of the same id is another one.
    let mut other = direct(2, "1");
    other.id = MessageId::new("M1");
    take(&mut scene, &second, other).await;
    assert_eq!(kinds(&scene).await.len(), 4);
}

async fn who_writes_is_answered(mut scene: Scene) {
    let inbound = inbound();
    scene.deliver("1", "hello").await;
    scene.pass(MINUTE * 6);
    assert!(matches!(scene.refused("1").await, SendError::Limited(limit) if limit.scope == Scope::Person));
    let mut received = direct(1, "1");
    received.timestamp = scene.world().to_seconds();
    take(&mut scene, &inbound, received.clone()).await;
    assert_eq!(scene.send("1", "answer").await.lane, Lane::Reply);
    assert_eq!(contact(&scene, &pn("1")).await.unanswered, 1);
    // It comes again: it says nothing new.
    take(&mut scene, &inbound, received).await;
    assert_eq!(contact(&scene, &pn("1")).await.unanswered, 1);
    scene.pass(DAY * 2);
    assert_eq!(scene.send("1", "later").await.lane, Lane::Known);
}

async fn reactions_are_told_as_such(mut scene: Scene) {
    let target = MessageKey::own(&pn("1"), MessageId::new("OURS"));
    let mut received = direct(1, "1");
    received.what = What::Message(Message::reaction(target.clone(), "+"));
    received.target = Some(target);
    take(&mut scene, &inbound(), received).await;
    let data = scene.last(EventKind::Reaction).await.data;
    assert_eq!((&data["reaction"], &data["target"]["messageId"]), (&json!("+"), &json!("OURS")));
    assert_eq!(data["target"]["fromMe"], true);
    assert_eq!(scene.count(EventKind::MessageReceived).await, 0);
}

async fn what_could_not_be_read_is_told_and_counted(mut scene: Scene) {
    let inbound = inbound();
    let cases = [
        (What::Undecodable { bytes: 9 }, Outcome::Failed(Stage::Decode)),
        (What::Lost(LostReason::NotAnswered), Outcome::Failed(Stage::Decrypt)),
        (What::Lost(LostReason::OnlyKeys), Outcome::Skipped(Skip::OnlyKeys)),
        (What::OwnDevice, Outcome::Skipped(Skip::OwnDevice)),
    ];
    for (number, (what, outcome)) in (1..).zip(cases) {
        let received = Received { what, ..direct(number, "1") };
        assert_eq!(take(&mut scene, &inbound, received).await, outcome);
    }
    assert_eq!(kinds(&scene).await, [EventKind::MessageUndecryptable; 2]);
    assert_eq!(scene.last(EventKind::MessageUndecryptable).await.data["reason"], "not_answered");
}

async fn chats_that_are_one_become_one(mut scene: Scene) {
    let inbound = inbound();
    take(&mut scene, &inbound, direct(1, "1")).await;
    let of_lid =
        Received { timestamp: UnixSeconds(T.to_seconds().0 - 9), ..message(2, "77@lid", "77:3@lid", "hi") };
    take(&mut scene, &inbound, of_lid).await;
    assert_eq!((scene.contacts().await, chats(&scene).await.len()), (2, 2));
    let merged = Item::Merged { number: 3, kept: Jid::lid("77"), gone: pn("1") };
    let ignore = IgnoreRules::default();
    for _ in 0..2 {
        let done = handle(&inbound, &mut scene.gate, &merged, &ignore, Changes::new()).await;
        assert_eq!(done.unwrap(), Outcome::Processed);
    }
    let [chat] = &chats(&scene).await[..] else { panic!() };
    let person = contact(&scene, &pn("1")).await;
    assert_eq!((&chat.chat, chat.contact, chat.last_message_at), (&Jid::lid("77"), Some(person.id), Some(T)));
    assert_eq!((scene.contacts().await, contact(&scene, &Jid::lid("77")).await), (1, person));
    assert_eq!(scene.count(EventKind::ChatMerged).await, 1);
    // With new keys numbers begin anew: others that merge are others.
    let others = Item::Merged { number: 3, kept: Jid::lid("88"), gone: pn("8") };
    handle(&inbound, &mut scene.gate, &others, &ignore, Changes::new()).await.unwrap();
    assert_eq!(scene.count(EventKind::ChatMerged).await, 2);
}

async fn the_past_makes_acquaintances(mut scene: Scene) {
    let ago = UnixMillis(T.0 - 40 * 24 * 3_600_000);
    let wrote = Past { pn: Some(pn("1")), last_inbound: Some(ago), ..Past::default() };
    let never = Past { pn: Some(pn("2")), was_written_to: true, ..Past::default() };
    let empty = Past { pn: Some(pn("3")), ..Past::default() };
    for _ in 0..2 {
        scene.gate.note_past(&[wrote.clone(), never.clone(), empty.clone()]).await.unwrap();
    }
    assert_eq!(scene.contacts().await, 2);
    assert_eq!(scene.count(EventKind::ContactCreated).await, 0);
    let preview = scene.gate.preview(&Recipient::of(&pn("1"))).await.unwrap();
    assert_eq!(preview, Admission::Allow { lane: Lane::Known });
    assert!(matches!(scene.refused("2").await, SendError::Limited(limit) if limit.lane == Lane::Unanswered));
}

async fn another_owners_account_is_unknown(mut scene: Scene) {
    let inbound = inbound();
    scene.take_over().await;
    let ignore = IgnoreRules::default();
    let failed = handle(&inbound, &mut scene.gate, &item(direct(1, "1")), &ignore, Changes::new()).await;
    assert!(matches!(failed, Err(InboundError::UnknownAccount)), "{failed:?}");
    assert!(kinds(&scene).await.is_empty());
}

async fn what_the_owner_adds_is_in_the_same_commit(mut scene: Scene) {
    let mut account = scene.store.account(&id()).await.unwrap().unwrap();
    account.last_active_at = Some(UnixMillis(5));
    for received in [direct(1, "1"), message(2, "status@broadcast", "1@s.whatsapp.net", "x")] {
        account.last_active_at = account.last_active_at.map(|at| UnixMillis(at.0 + 1));
        let mut extra = Changes::new();
        extra.put_account(account.clone());
        let ignore = IgnoreRules::default();
        handle(&inbound(), &mut scene.gate, &item(received), &ignore, extra).await.unwrap();
        let stored = scene.store.account(&id()).await.unwrap().unwrap();
        assert_eq!(stored.last_active_at, account.last_active_at);
    }
}

/// Does what it is told for each chat.
#[derive(Debug)]
struct Moody;

impl ProviderSelector for Moody {
    fn select<'a>(&'a self, context: &'a InboundContext) -> ProviderFuture<'a> {
        match context.chat.user() {
            "13" => Box::pin(std::future::ready(Err(HookError::new("no workspace")))),
            "14" => Box::pin(std::future::pending()),
            _ => {
                let name = format!("{}/{}", context.tenant, context.phone.as_ref().map_or("", Jid::user));
                Box::pin(std::future::ready(Ok(Provider::new(name))))
            }
        }
    }
}

// R068, R071
#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_or_hangs_costs_contact_and_chat_only() {
    let mut scene = Scene::in_memory().await;
    let inbound = Inbound::new(Arc::new(Moody));
    assert_eq!(take(&mut scene, &inbound, direct(1, "12")).await, Outcome::Processed);
    assert_eq!(scene.last(EventKind::MessageReceived).await.data["provider"], "default/12");
    for (number, from, error) in [
        (2, "13", "the provider was not selected: no workspace"),
        (3, "14", "the host did not answer in time"),
    ] {
        let outcome = take(&mut scene, &inbound, direct(number, from)).await;
        assert_eq!(outcome, Outcome::Failed(Stage::Provider));
        let failed = scene.last(EventKind::InboundFailed).await.data;
        assert_eq!((&failed["stage"], &failed["error"]), (&json!("provider"), &json!(error)));
        let told = scene.last(EventKind::MessageReceived).await.data;
        assert_eq!((&told["text"], told.get("contactId")), (&json!("hi"), None));
    }
    assert_eq!((scene.contacts().await, chats(&scene).await.len()), (1, 1));
}

// R076, R071
#[tokio::test]
async fn a_contact_that_is_refused_takes_nobody_along() {
    let (mut scene, store) = Scene::on_a_stubborn_store().await;
    let inbound = inbound();
    for (number, from) in [(1, "12"), (2, "15"), (3, "16")] {
        take(&mut scene, &inbound, direct(number, from)).await;
    }
    assert_eq!(scene.count(EventKind::MessageReceived).await, 3);
    assert_eq!(scene.last(EventKind::InboundFailed).await.data["stage"], "provision");
    assert_eq!((scene.contacts().await, chats(&scene).await.len()), (2, 2));
    // The contact cannot even be read.
    store.inner.fail_next(1);
    let outcome = take(&mut scene, &inbound, direct(4, "17")).await;
    assert_eq!(outcome, Outcome::Failed(Stage::Contact));
    assert_eq!(scene.count(EventKind::MessageReceived).await, 4);
    // Nothing can be stored: it is not confirmed, and comes again.
    store.inner.fail_next(100);
    let ignore = IgnoreRules::default();
    let failed = handle(&inbound, &mut scene.gate, &item(direct(5, "18")), &ignore, Changes::new()).await;
    assert!(matches!(failed, Err(InboundError::Store(_))), "{failed:?}");
    store.inner.fail_next(0);
    assert_eq!(take(&mut scene, &inbound, direct(5, "18")).await, Outcome::Processed);
}

fn any_received() -> impl Strategy<Value = (u8, u8, u8)> {
    (0..5_u8, 10..19_u8, 0..5_u8)
}

fn made((chat, from, what): (u8, u8, u8), number: u64) -> Received {
    let sender = format!("{from}:3@s.whatsapp.net");
    let chat = match chat {
        0 => "5-1@g.us".to_owned(),
        1 => "status@broadcast".to_owned(),
        2 => "8@newsletter".to_owned(),
        _ => format!("{from}@s.whatsapp.net"),
    };
    let what = match what {
        0 => What::Undecodable { bytes: 1 },
        1 => What::Lost(LostReason::TooMany),
        2 => What::OwnDevice,
        _ => What::Message(Message::text("x")),
    };
    Received { what, ..message(number, &chat, &sender, "x") }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(future)
}

/// The sum of a counter, whatever its labels.
fn sum(figures: &str, name: &str) -> u64 {
    let values = figures.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with(['{', ' ']).then(|| rest.rsplit_once(' ')?.1.parse::<u64>().ok())?
    });
    values.sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    // R075
    /// Whatever comes, and whatever fails: each item has one outcome, and what could be read is told.
    #[test]
    fn nothing_is_lost_in_silence(
        items in proptest::collection::vec((any_received(), 0..12_usize), 1..40),
    ) {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let figures = recorder.handle();
        let _guard = metrics::set_default_local_recorder(&recorder);
        block_on(async {
            let (mut scene, store) = Scene::on_a_stubborn_store().await;
            let inbound = Inbound::new(Arc::new(Moody));
            let mut told = 0;
            let mut calls = 0_u64;
            for (number, (kind, failures)) in (1..).zip(items) {
                let received = item(made(kind, number));
                let mut last = None;
                // Until it may be confirmed.
                while last.is_none() {
                    store.inner.fail_next(if calls.is_multiple_of(3) { failures.saturating_sub(6) } else { 0 });
                    calls += 1;
                    let ignore = IgnoreRules::default();
                    last = handle(&inbound, &mut scene.gate, &received, &ignore, Changes::new()).await.ok();
                    store.inner.fail_next(0);
                }
                told += usize::from(!matches!(last, Some(Outcome::Skipped(_))));
            }
            // Of this thread: the test's runtime has no other.
            let text = figures.render();
            prop_assert_eq!(sum(&text, "wa_inbound_received_total"), calls);
            prop_assert_eq!(sum(&text, "wa_inbound_total"), calls);
            let (read, unread) = (EventKind::MessageReceived, EventKind::MessageUndecryptable);
            prop_assert_eq!(scene.count(read).await + scene.count(unread).await, told);
            Ok(())
        })?;
    }
}

/// How somebody shows themselves.
#[derive(Debug, Clone, Copy)]
enum Shown {
    Number,
    Lid,
    Both,
    Merged,
    WrittenTo,
}

fn shown() -> impl Strategy<Value = (u8, Shown)> {
    let how = prop_oneof![
        Just(Shown::Number),
        Just(Shown::Lid),
        Just(Shown::Both),
        Just(Shown::Merged),
        Just(Shown::WrittenTo),
    ];
    (1..4_u8, how)
}

async fn one_person_each(mut scene: Scene, order: Vec<(u8, Shown)>) -> Result<(), TestCaseError> {
    let inbound = inbound();
    let everyone = (1..4).map(|person| (person, Shown::Both));
    for (number, (person, how)) in (1..).zip(order.into_iter().chain(everyone)) {
        let (by_pn, by_lid) = (pn(&person.to_string()), Jid::lid(format!("90{person}")));
        let from = |chat: &Jid, alt: Option<&Jid>| {
            let received = message(number, &chat.to_string(), &chat.to_string(), "x");
            item(Received { sender_alt: alt.cloned(), ..received })
        };
        let item = match how {
            Shown::Number => from(&by_pn, None),
            Shown::Lid => from(&by_lid, None),
            Shown::Both if number % 2 == 0 => from(&by_pn, Some(&by_lid)),
            Shown::Both => from(&by_lid, Some(&by_pn)),
            Shown::Merged => Item::Merged { number, kept: by_lid, gone: by_pn },
            Shown::WrittenTo => {
                scene.pass(Duration::from_secs(3_600));
                let request = crate::sending::SendRequest::new(by_pn.clone(), Message::text("x"));
                drop(scene.gate.ask(&request, &Recipient::with_addresses(&by_pn, None, Some(&by_lid))).await);
                continue;
            }
        };
        let done = handle(&inbound, &mut scene.gate, &item, &IgnoreRules::default(), Changes::new()).await;
        prop_assert_eq!(done.unwrap(), Outcome::Processed);
    }
    prop_assert_eq!(scene.contacts().await, 3);
    for person in 1..4 {
        let (by_pn, by_lid) = (pn(&person.to_string()), Jid::lid(format!("90{person}")));
        let found = contact(&scene, &by_pn).await;
        prop_assert_eq!(&found, &contact(&scene, &by_lid).await);
        prop_assert!(found.last_inbound.is_some());
        for chat in chats(&scene).await.iter().filter(|chat| chat.chat == by_pn || chat.chat == by_lid) {
            prop_assert_eq!(chat.contact, Some(found.id));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    // R074
    #[test]
    fn everybody_is_one_contact_in_whichever_order_they_show_themselves_in_memory(
        order in proptest::collection::vec(shown(), 0..16),
    ) {
        block_on(async { one_person_each(Scene::in_memory().await, order).await })?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    // R074
    #[test]
    fn everybody_is_one_contact_in_whichever_order_they_show_themselves_on_disk(
        order in proptest::collection::vec(shown(), 0..16),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteManagerStore::open(directory.path().join("manager")).unwrap();
        runtime.block_on(async {
            let scene = Scene::ready(Arc::new(store), None, GateConfig::default()).await;
            one_person_each(scene, order).await
        })?;
    }
}
