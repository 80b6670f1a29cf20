//! The past: from the phone to the application, whatever happens between.

use std::sync::Arc;
use std::time::Duration;

use wa_core::client::{Anchor, HistoryPart, HistoryReader, HistoryState, HistoryUse, InitialHistory};
use wa_core::error::{ChunkError, HistoryRequestError};
use wa_core::event::HistoryUpdate;
use wa_core::history::{
    EndOfHistory, HistoryError, HistoryItem, HistoryKind, HistoryMessage, ReadLimits, Selection,
};
use wa_core::wire::Node;
use wa_core::{ClientBuilder, Event, Jid, MessageId};
use wa_it::{Companion, builder};
use wa_proto::common::MessageKey;
use wa_proto::e2e;
use wa_proto::history_sync::{Conversation, HistorySyncMsg, PhoneNumberToLidMapping, Pushname};
use wa_proto::web::WebMessageInfo;
use wa_store::{MemoryStore, Store};
use wa_test_server::{BrokenHistory, Direction, MediaFault, Past, Phone, TestServer};
use wa_types::UnixMillis;

const MINUTE: Duration = Duration::from_secs(60);

fn message(chat: &Jid, number: u64) -> HistorySyncMsg {
    let context = e2e::MessageContextInfo { message_secret: Some(vec![7; 32]), ..Default::default() };
    let info = WebMessageInfo {
        key: MessageKey {
            remote_jid: Some(chat.to_string()),
            from_me: Some(number.is_multiple_of(2)),
            id: Some(id(chat, number).to_string()),
            participant: None,
        },
        message: Some(Box::new(e2e::Message {
            conversation: Some(format!("number {number}")),
            message_context_info: Some(Box::new(context)),
            ..Default::default()
        })),
        message_timestamp: Some(1_700_000_000 + number * 3600),
        ..Default::default()
    };
    HistorySyncMsg { message: Some(info), msg_order_id: Some(number) }
}

fn id(chat: &Jid, number: u64) -> MessageId {
    MessageId::new(format!("3EB0{number:08X}{}", chat.user()))
}

/// A chat with so many messages, one each hour.
fn chat(jid: &Jid, messages: u64) -> Conversation {
    Conversation {
        id: jid.to_string(),
        messages: (0..messages).rev().map(|number| message(jid, number)).collect(),
        name: Some("Bob".to_owned()),
        tc_token: Some(vec![1, 2, 3]),
        tc_token_timestamp: Some(1_700_000_000),
        ..Default::default()
    }
}

struct Scene {
    server: TestServer,
    phone: Phone,
    bob: Phone,
}

impl Scene {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let (phone, bob) = (server.phone("alice"), server.phone("bob"));
        Self { server, phone, bob }
    }

    fn builder(&self, store: &Arc<dyn Store>) -> ClientBuilder {
        builder(&self.server, Arc::clone(store)).history_use(HistoryUse::Deliver)
    }

    async fn link(&self) -> (Companion, HistoryReader) {
        self.link_built(|builder| builder).await
    }

    async fn link_built(
        &self,
        set: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> (Companion, HistoryReader) {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let built = set(self.builder(&store));
        let alice = Companion::link_built(built, &self.phone, store).await;
        let reader = alice.client.history().reader().expect("the first who asks");
        (alice, reader)
    }

    /// Waits until the phone heard that this part is through.
    async fn heard(&self, of: &MessageId) {
        self.phone.receipt(of, Some("hist_sync")).await;
    }
}

async fn next(reader: &mut HistoryReader) -> HistoryPart {
    tokio::time::timeout(MINUTE, reader.next()).await.expect("a batch in time").expect("the client lives")
}

fn messages(part: &HistoryPart) -> Vec<HistoryMessage> {
    let items = part.batch.items.iter();
    items
        .filter_map(|item| if let HistoryItem::Message(one) = item { Some(one.clone()) } else { None })
        .collect()
}

fn is_history(event: &Event) -> bool {
    matches!(event, Event::History(_))
}

async fn update(alice: &mut Companion) -> HistoryUpdate {
    match alice.wait(is_history).await {
        Event::History(update) => *update,
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn a_new_companion_gets_the_past_in_all_its_parts() {
    let scene = Scene::new().await;
    let mut past = Past::new(vec![chat(scene.bob.pn(), 450)]);
    past.push_names = vec![Pushname { id: Some(scene.bob.pn().to_string()), pushname: Some("Bobby".into()) }];
    past.addresses = vec![PhoneNumberToLidMapping {
        pn_jid: Some(scene.bob.pn().to_string()),
        lid_jid: Some(scene.bob.lid().to_string()),
    }];
    past.nonce = Some("nonce".to_owned());
    scene.phone.set_past(past);
    let (mut alice, mut reader) = scene.link().await;
    let (mut kinds, mut recent, mut names) = (Vec::new(), Vec::new(), 0);
    while recent.len() < 450 {
        let part = next(&mut reader).await;
        if kinds.last() != Some(&(part.kind, part.chunk_order)) {
            kinds.push((part.kind, part.chunk_order));
        }
        if part.kind == HistoryKind::Recent {
            recent.extend(messages(&part));
        }
        names += part.batch.items.iter().filter(|item| matches!(item, HistoryItem::PushName { .. })).count();
    }
    let reading = tokio::spawn(async move { while reader.next().await.is_some() {} });
    assert_eq!(alice.client.history().initial().await.unwrap(), InitialHistory::Complete);
    use HistoryKind::{Initial, PushNames, Recent};
    assert_eq!(kinds, [(Initial, 0), (PushNames, 0), (Recent, 1), (Recent, 2), (Recent, 3)]);
    assert_eq!(names, 1);
    let ids: Vec<_> = recent.iter().map(|message| message.id.clone()).collect();
    let expected: Vec<_> = (0..450).rev().map(|number| id(scene.bob.pn(), number)).collect();
    assert_eq!(ids, expected);
    assert_eq!(recent[0].message().unwrap().as_text(), Some("number 449"));
    // The chat has the name that its messages will have, and the two addresses are known.
    let peer = alice.client.peer(scene.bob.pn()).await.unwrap();
    assert_eq!((peer.pn.as_ref(), peer.lid.as_ref()), (Some(scene.bob.pn()), Some(scene.bob.lid())));
    assert!(recent.iter().all(|message| message.chat == peer.chat));
    let progress = alice.client.history().progress();
    assert_eq!((progress.state, progress.percent, progress.failed), (HistoryState::Complete, 100, 0));
    let mut done = 0;
    while done < 6 {
        if let HistoryUpdate::ChunkDone { .. } = update(&mut alice).await {
            done += 1;
        }
    }
    // Each part was answered twice: it was read, and it is kept.
    let receipts = |kind: &str| {
        scene
            .phone
            .receipts()
            .iter()
            .filter(|receipt| receipt.kind.as_deref() == Some(kind))
            .map(|one| one.ids.len())
            .sum::<usize>()
    };
    scene.server.wait_drained(&alice.jid).await;
    assert_eq!((receipts("hist_sync"), receipts("peer_msg")), (6, 6));
    let account = alice.store.account().await.unwrap().unwrap();
    assert_eq!(account.history_nonce.as_deref(), Some("nonce"));
    let secrets = alice.store.message_secrets(&[id(scene.bob.pn(), 448)]).await.unwrap();
    let [secret] = secrets[0].as_slice() else { panic!("{secrets:?}") };
    assert_eq!((&secret.message.chat, secret.secret.to_vec()), (&peer.chat, vec![7; 32]));
    alice.stop().await;
    reading.await.unwrap();
}

/// Text that does not become shorter when it is compressed.
fn noise(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut sign = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(u8::try_from(state % 94).unwrap() + b'!')
    };
    (0..length).map(|_| sign()).collect()
}

#[tokio::test]
async fn blobs_are_fetched_from_the_hosts_and_deleted_when_they_are_kept() {
    let scene = Scene::new().await;
    let mut long = chat(scene.bob.pn(), 60);
    for (number, message) in long.messages.iter_mut().enumerate() {
        let info = message.message.as_mut().unwrap();
        info.message.as_mut().unwrap().conversation = Some(noise(number as u64, 120_000));
    }
    let expected: Vec<_> = long.messages.iter().map(|it| it.message.clone().unwrap()).collect();
    let mut past = Past::new(vec![long, chat(scene.bob.lid(), 400)]);
    past.nonce = Some("nonce".to_owned());
    scene.phone.set_past(past);
    let (alice, mut reader) = scene.link().await;
    let mut read = Vec::new();
    while read.len() < 460 {
        let part = next(&mut reader).await;
        if part.kind == HistoryKind::Recent {
            read.extend(messages(&part));
        }
    }
    for (message, expected) in read.iter().zip(&expected) {
        let text = expected.message.as_ref().unwrap().conversation.as_deref();
        assert!(message.message().unwrap().as_text() == text, "a message of {} bytes", text.unwrap().len());
    }
    let reading = tokio::spawn(async move { while reader.next().await.is_some() {} });
    assert_eq!(alice.client.history().initial().await.unwrap(), InitialHistory::Complete);
    // One of the first messages, three of the recent ones; the first of these is larger than what is read in memory.
    let media = scene.server.media();
    media.wait_for("DELETE", 4).await;
    let requests = media.requests();
    let of = |method: &str| -> Vec<&String> { requests.iter().filter(|it| it.starts_with(method)).collect() };
    assert_eq!((of("GET ").len(), of("DELETE ").len()), (4, 4));
    for request in of("GET ") {
        let path = &request[request.find("/v/").unwrap()..];
        assert_eq!(media.file(path), None, "{path}");
    }
    assert!(of("DELETE ").iter().all(|request| request.contains("/mms/md-msg-hist/")));
    alice.stop().await;
    reading.await.unwrap();
}

#[tokio::test]
async fn messages_among_parts_of_the_past_are_received() {
    let scene = Scene::new().await;
    scene.phone.set_past(Past::new(vec![chat(scene.bob.pn(), 20)]));
    let (alice, _reader) = scene.link().await;
    let parts = scene.phone.parts_of(&alice.jid);
    let device = alice.jid.clone();
    let store = alice.stop().await;
    scene.server.wait_offline(&device).await;
    // In one step of the client: a part, a text, and so on.
    for (number, part) in (0..).zip(&parts) {
        scene.phone.send_history(&device, part).unwrap();
        scene.bob.send_text(scene.phone.pn(), &format!("text {number}")).await.unwrap();
    }
    let (client, mut events) = scene.builder(&store).connect().await.unwrap();
    let mut reader = client.history().reader().expect("the first who asks");
    let reading = tokio::spawn(async move { while reader.next().await.is_some() {} });
    let (mut texts, mut done) = (Vec::new(), 0);
    while texts.len() < parts.len() || done < parts.len() {
        match wa_it::next(&mut events).await {
            Event::Message(message) => texts.push(message.message.as_text().unwrap().to_owned()),
            Event::History(update) => {
                done += usize::from(matches!(*update, HistoryUpdate::ChunkDone { .. }));
            }
            Event::StoreFailed { error } => panic!("{error}"),
            _ => {}
        }
    }
    assert_eq!(texts, (0..parts.len()).map(|number| format!("text {number}")).collect::<Vec<_>>());
    client.shutdown().await;
    reading.await.unwrap();
}

#[tokio::test]
async fn a_blob_that_is_lost_is_uploaded_again() {
    let scene = Scene::new().await;
    scene.phone.set_past(Past::new(vec![chat(scene.bob.pn(), 20)]));
    let (mut alice, mut reader) = scene.link().await;
    let reading = tokio::spawn(async move { while reader.next().await.is_some() {} });
    assert_eq!(alice.client.history().initial().await.unwrap(), InitialHistory::Complete);
    let before = alice.client.history().progress();
    scene.phone.break_history(&[BrokenHistory::Lost]);
    let recent = scene.phone.parts_of(&alice.jid).pop().unwrap();
    let lost = scene.phone.send_history(&alice.jid, &recent).unwrap();
    scene.phone.receipt(&lost, Some("server-error")).await;
    // Both are done with: the lost one, and the one in its place.
    scene.heard(&lost).await;
    let mut done = 0;
    while done <= before.chunks {
        done += u64::from(matches!(update(&mut alice).await, HistoryUpdate::ChunkDone { .. }));
    }
    let progress = alice.client.history().progress();
    assert_eq!((progress.chunks, progress.messages), (before.chunks + 1, before.messages + 20));
    assert_eq!(progress.failed, 0);
    alice.stop().await;
    reading.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn hosts_that_are_down_are_tried_again_later() {
    let scene = Scene::new().await;
    scene.phone.set_past(Past::new(vec![chat(scene.bob.pn(), 20)]));
    scene.server.media().fail(MediaFault::Down, 40);
    let (alice, mut reader) = scene.link().await;
    tokio::spawn(async move { while reader.next().await.is_some() {} });
    while alice.client.history().initial().await.unwrap() != InitialHistory::Complete {}
    let progress = alice.client.history().progress();
    assert_eq!((progress.messages, progress.failed), (23, 0));
    assert!(scene.server.media().requests().len() > 40);
}

#[tokio::test]
async fn disappearing_times_of_the_past_hold_for_what_is_sent() {
    let scene = Scene::new().await;
    let mut disappearing = chat(scene.bob.lid(), 1);
    disappearing.ephemeral_expiration = Some(86_400);
    disappearing.ephemeral_setting_timestamp = Some(1_700_000_000);
    scene.phone.set_past(Past::new(vec![disappearing]));
    let (alice, mut reader) = scene.link().await;
    let reading = tokio::spawn(async move { while reader.next().await.is_some() {} });
    assert_eq!(alice.client.history().initial().await.unwrap(), InitialHistory::Complete);
    alice.send_text(scene.bob.pn(), "gone tomorrow").await;
    let context = scene.bob.next_message().await.message.extended_text_message.unwrap().context_info.unwrap();
    assert_eq!(
        (context.expiration, context.ephemeral_setting_timestamp),
        (Some(86_400), Some(1_700_000_000))
    );
    alice.stop().await;
    reading.await.unwrap();
}

#[tokio::test]
async fn nothing_waits_for_who_does_not_read_the_past() {
    let scene = Scene::new().await;
    scene.phone.set_past(Past::new(vec![chat(scene.bob.pn(), 600)]));
    let (mut alice, mut reader) = scene.link().await;
    scene.bob.send_text(scene.phone.pn(), "live").await.unwrap();
    assert_eq!(alice.texts(1).await, ["live"]);
    assert_eq!(alice.client.history().progress().messages, 0);
    let mut read = 0;
    while read < 603 {
        read += messages(&next(&mut reader).await).len();
    }
}

#[tokio::test]
async fn what_was_not_read_comes_again_after_a_restart() {
    let scene = Scene::new().await;
    scene.phone.set_past(Past::new(vec![chat(scene.bob.pn(), 300)]));
    let (alice, mut reader) = scene.link().await;
    let first = next(&mut reader).await;
    assert_eq!(first.kind, HistoryKind::Initial);
    scene.server.wait_drained(&alice.jid).await;
    let store = alice.stop().await;
    assert!(!scene.phone.receipts().iter().any(|receipt| receipt.kind.as_deref() == Some("hist_sync")));
    let (client, _events) = scene.builder(&store).connect().await.unwrap();
    let mut reader = client.history().reader().unwrap();
    let mut read = 0;
    let again = next(&mut reader).await;
    assert_eq!(again.kind, HistoryKind::Initial);
    assert_eq!(messages(&again), messages(&first));
    while read < 300 {
        read += messages(&next(&mut reader).await).len();
    }
    let reading = tokio::spawn(async move { while reader.next().await.is_some() {} });
    assert_eq!(client.history().initial().await.unwrap(), InitialHistory::Complete);
    client.shutdown().await;
    reading.await.unwrap();
}

#[tokio::test]
async fn a_broken_part_is_asked_for_again_and_comes_whole() {
    use BrokenHistory::{Damaged, NoHistory, NoPayload, Truncated};
    for broken in [vec![Truncated], vec![Damaged], vec![NoHistory], vec![NoPayload, Truncated, Truncated]] {
        let scene = Scene::new().await;
        scene.phone.set_past(Past::new(vec![chat(scene.bob.pn(), 20)]));
        scene.phone.break_history(&broken);
        let (alice, mut reader) = scene.link().await;
        let mut seen = Vec::new();
        while !seen.contains(&HistoryKind::Initial) || !seen.contains(&HistoryKind::Recent) {
            seen.push(next(&mut reader).await.kind);
        }
        tokio::spawn(async move { while reader.next().await.is_some() {} });
        assert_eq!(alice.client.history().initial().await.unwrap(), InitialHistory::Complete, "{broken:?}");
        let asked = scene.server.wait_for(&alice.jid, Direction::FromClient, |node: &Node| {
            node.tag == "message" && node.get("category").is_some_and(|it| it.to_text() == "peer")
        });
        assert!(asked.await.get("push_priority").is_some());
        alice.stop().await;
    }
}

#[tokio::test]
async fn a_part_that_stays_broken_is_given_up() {
    let scene = Scene::new().await;
    scene.phone.set_past(Past::new(vec![chat(scene.bob.pn(), 20)]));
    let mut limits = ReadLimits::default();
    limits.total_bytes = 1 << 20;
    let (mut alice, mut reader) = scene.link_built(|builder| builder.history_limits(limits)).await;
    let reading = tokio::spawn(async move { while reader.next().await.is_some() {} });
    let failed = |update: HistoryUpdate| match update {
        HistoryUpdate::ChunkFailed { error, .. } => Some(error),
        _ => None,
    };
    // Asked for three times more, in vain.
    scene.phone.break_history(&[BrokenHistory::Truncated; 50]);
    let parts = scene.phone.parts_of(&alice.jid);
    let recent = parts.last().unwrap();
    scene.phone.send_history(&alice.jid, recent).unwrap();
    let error = loop {
        if let Some(error) = failed(update(&mut alice).await) {
            break error;
        }
    };
    assert_eq!(error, ChunkError::Unreadable(HistoryError::Damaged));
    // The phone says at once that it has no other.
    scene.phone.exhaust_history();
    let lost = scene.phone.send_history(&alice.jid, recent).unwrap();
    while failed(update(&mut alice).await).is_none() {}
    scene.heard(&lost).await;
    // More than the limits allow is not asked for again.
    scene.phone.break_history(&[BrokenHistory::Bomb]);
    let bomb = scene.phone.send_history(&alice.jid, recent).unwrap();
    scene.heard(&bomb).await;
    assert_eq!(alice.client.history().progress().failed, 3);
    alice.stop().await;
    reading.await.unwrap();
}

#[tokio::test]
async fn older_messages_come_when_they_are_asked_for() {
    let scene = Scene::new().await;
    scene.phone.set_past(Past::new(vec![chat(scene.bob.lid(), 120)]));
    // Nobody reads: the answer comes all the same.
    let (alice, _reader) = scene.link().await;
    let history = alice.client.history();
    let anchor = Anchor::new(scene.bob.lid().clone(), id(scene.bob.lid(), 100), true, UnixMillis(0));
    let page = history.on_demand(anchor, 50, MINUTE).await.unwrap();
    let ids: Vec<_> = page.messages.iter().map(|message| message.id.clone()).collect();
    assert_eq!(ids, (50..100).rev().map(|number| id(scene.bob.lid(), number)).collect::<Vec<_>>());
    assert_eq!(page.end, Some(EndOfHistory::More));
    let page = history.on_demand(page.messages.last().unwrap(), 50, MINUTE).await.unwrap();
    let page = history.on_demand(page.messages.last().unwrap(), 50, MINUTE).await.unwrap();
    assert_eq!((page.messages.len(), page.end), (0, Some(EndOfHistory::Complete)));
}

#[tokio::test(start_paused = true)]
async fn a_phone_that_does_not_answer_is_waited_for_until_the_deadline() {
    let scene = Scene::new().await;
    scene.phone.silence_history();
    let (alice, _reader) = scene.link().await;
    let history = alice.client.history();
    let anchor = Anchor::new(scene.bob.lid().clone(), MessageId::new("X"), true, UnixMillis(0));
    let answer = history.on_demand(anchor, 50, MINUTE).await;
    assert!(matches!(answer, Err(HistoryRequestError::NoAnswer)), "{answer:?}");
    assert_eq!(history.initial().await.unwrap(), InitialHistory::Stalled);
}

#[tokio::test]
async fn all_of_the_past_comes_when_the_phone_agrees() {
    let scene = Scene::new().await;
    let mut past = Past::new(vec![chat(scene.bob.lid(), 20)]);
    past.full_code = 4;
    scene.phone.set_past(past.clone());
    let (alice, mut reader) = scene.link().await;
    let history = alice.client.history();
    let refused = history.full(None, MINUTE).await;
    assert!(matches!(refused, Err(HistoryRequestError::Refused { code: 4 })), "{refused:?}");
    past.full_code = 0;
    scene.phone.set_past(past);
    history.full(Some(30), MINUTE).await.unwrap();
    while next(&mut reader).await.kind != HistoryKind::Full {}
}

#[tokio::test]
async fn a_user_who_shares_nothing_is_known_as_such() {
    let scene = Scene::new().await;
    let mut past = Past::default();
    past.is_refused = true;
    scene.phone.set_past(past);
    let (mut alice, _reader) = scene.link().await;
    assert_eq!(update(&mut alice).await, HistoryUpdate::Refused);
    assert_eq!(alice.client.history().initial().await.unwrap(), InitialHistory::Refused);
}

#[tokio::test]
async fn the_past_is_as_long_as_the_client_wants_it() {
    let scene = Scene::new().await;
    scene.phone.set_past(Past::new(vec![chat(scene.bob.lid(), 100)]));
    // What the phone is told at pairing, and what is left out here.
    let mut request = wa_core::noise::client_payload::HistoryRequest::RECENT;
    request.recent_days = Some(1);
    request.messages_per_chat = Some(5);
    let mut selection = Selection::default();
    selection.messages_per_chat = Some(10);
    let (_alice, mut reader) =
        scene.link_built(|builder| builder.history(request).history_selection(selection)).await;
    let first = next(&mut reader).await;
    assert_eq!((first.kind, messages(&first).len()), (HistoryKind::Initial, 5));
    let recent = next(&mut reader).await;
    assert_eq!((recent.kind, messages(&recent).len()), (HistoryKind::Recent, 10));
    assert_eq!(messages(&recent)[0].id, id(scene.bob.lid(), 99));
    assert_eq!(scene.phone.parts_of(&_alice.jid).last().unwrap().conversations[0].messages.len(), 25);
}

#[tokio::test]
async fn who_wants_no_past_acknowledges_it_and_reads_none() {
    let scene = Scene::new().await;
    scene.phone.set_past(Past::new(vec![chat(scene.bob.lid(), 20)]));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let built = builder(&scene.server, Arc::clone(&store)).history_use(HistoryUse::Ignore);
    let alice = Companion::link_built(built, &scene.phone, store).await;
    assert!(alice.client.history().reader().is_none());
    let recent = scene.phone.parts_of(&alice.jid).pop().unwrap();
    let sent = scene.phone.send_history(&alice.jid, &recent).unwrap();
    scene.heard(&sent).await;
    assert_eq!(alice.client.history().progress().messages, 0);
}
