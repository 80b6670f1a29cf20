//! Old messages that the phone is asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wa_manager::account::{AccountSettings, HistoryError, HistoryJob, HistoryRequest, SyncLimit};
use wa_manager::event::EventKind;
use wa_manager::hub::EventStream;
use wa_manager::manager::TenantQuota;
use wa_manager::{Account, AccountPatch, AccountStatus, ManagerError, TenantId};
use wa_proto::common::MessageKey;
use wa_proto::e2e::Message;
use wa_proto::history_sync::{Conversation, HistorySyncMsg};
use wa_proto::web::WebMessageInfo;
use wa_test_server::{Past, Phone};
use wa_types::Jid;

use crate::scene::{Scene, linked, linked_with, next, soon, stands};

fn old(chat: &Jid, id: &str, at: u64) -> HistorySyncMsg {
    let key = MessageKey {
        remote_jid: Some(chat.to_string()),
        from_me: Some(false),
        id: Some(id.to_owned()),
        participant: None,
    };
    let message = Message { conversation: Some(format!("text of {id}")), ..Message::default() };
    let info = WebMessageInfo {
        key,
        message: Some(Box::new(message)),
        message_timestamp: Some(at),
        ..WebMessageInfo::default()
    };
    HistorySyncMsg { message: Some(info), msg_order_id: None }
}

/// A phone with a past of so many messages before the one of this id.
fn with_past(phone: &Phone, chat: &Jid, newest: &str, count: u64) {
    let ids = (0..count).map(|number| format!("OLD{number}"));
    let mut messages = vec![old(chat, newest, 1_700_000_000)];
    messages.extend(ids.zip(1..).map(|(id, number)| old(chat, &id, 1_600_000_000 - number)));
    let chat = Conversation { id: chat.to_string(), messages, ..Conversation::default() };
    phone.set_past(Past::new(vec![chat]));
}

async fn ready(limit: u16) -> (Scene, Account, String, EventStream) {
    ready_in(linked(&["anna"]).await, limit).await
}

async fn ready_in(scene: Scene, limit: u16) -> (Scene, Account, String, EventStream) {
    let anna = scene.account("anna");
    let settings =
        AccountSettings { sync_limit: SyncLimit::new(limit).unwrap(), ..AccountSettings::default() };
    anna.update(AccountPatch { settings: Some(settings), ..AccountPatch::default() }).await.unwrap();
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let mut events = scene.subscribe(&anna);
    let own = scene.phone("anna").pn().clone();
    scene.phone("berta").send_text(&own, "hello").await.unwrap();
    let newest =
        next(&mut events, EventKind::MessageReceived).await.data["messageId"].as_str().unwrap().into();
    (scene, anna, newest, events)
}

/// The chat of the first message, as events name it.
async fn chat_of(scene: &Scene, account: &Account) -> Jid {
    let events = scene.events(account).await;
    let received = events.iter().find(|event| event.kind == EventKind::MessageReceived).unwrap();
    received.data["chat"].as_str().unwrap().parse().unwrap()
}

/// A request that waits for an hour.
fn patient() -> HistoryRequest {
    HistoryRequest { within: Duration::from_secs(3600), ..HistoryRequest::default() }
}

/// A job that is under way: the phone has five older messages, and is silent.
async fn silent_job(scene: &Scene, anna: &Account, newest: &str) -> HistoryJob {
    let (phone, berta) = (scene.phone("anna"), scene.phone("berta").pn().clone());
    with_past(&phone, &berta, newest, 5);
    phone.silence_history();
    anna.sync_history(patient()).await.unwrap()
}

/// The texts of a job's messages, and how it ended.
async fn of_job(events: &mut EventStream, job: &HistoryJob) -> (Vec<String>, serde_json::Value) {
    let mut texts = Vec::new();
    loop {
        let event = next(events, EventKind::HistoryProgress).await;
        assert_eq!(event.data["jobId"], job.id.as_str());
        if event.data["state"] != "running" {
            assert_eq!(event.data["messages"], texts.len());
            return (texts, event.data.clone());
        }
        let items = event.data["items"].as_array().unwrap();
        texts.extend(items.iter().map(|item| item["text"].as_str().unwrap().to_owned()));
    }
}

/// R102, R107: up to the limit, page by page, and later on from there; to the end of what there is.
#[tokio::test]
async fn old_messages_come_up_to_the_limit_and_go_on_from_there() {
    let (scene, anna, newest, mut events) = ready(60).await;
    let berta = scene.phone("berta").pn().clone();
    with_past(&scene.phone("anna"), &berta, &newest, 75);
    // More than the setting allows is not asked for.
    let request = HistoryRequest { limit: Some(SyncLimit::new(500).unwrap()), ..HistoryRequest::default() };
    let job = anna.sync_history(request.clone()).await.unwrap();
    assert_eq!((job.chats, job.limit), (1, 60));
    let (texts, end) = of_job(&mut events, &job).await;
    assert_eq!((texts.len(), &end["state"], &end["chatsDone"]), (60, &"done".into(), &1.into()));
    assert_eq!((texts[0].as_str(), texts[59].as_str()), ("text of OLD0", "text of OLD59"));
    let job = anna.sync_history(request.clone()).await.unwrap();
    let (texts, _) = of_job(&mut events, &job).await;
    assert_eq!((texts.len(), texts[0].as_str()), (15, "text of OLD60"));
    // A chat that is named twice, by both of its addresses, is asked about once.
    let known = chat_of(&scene, &anna).await;
    assert_ne!(known, berta);
    let twice = HistoryRequest { chats: vec![berta.clone(), known], ..request.clone() };
    let job = anna.sync_history(twice).await.unwrap();
    assert_eq!(job.chats, 1);
    of_job(&mut events, &job).await;
    let unknown = HistoryRequest { chats: vec![Jid::pn("628999")], ..request };
    let refused = anna.sync_history(unknown).await.unwrap_err();
    assert!(matches!(refused, HistoryError::UnknownChat { .. }), "{refused:?}");
}

/// R102: one job at a time; without a phone it fails, and without a connection none begins.
#[tokio::test]
async fn a_phone_that_is_silent_ends_the_job() {
    let (scene, anna, newest, mut events) = ready(50).await;
    let job = silent_job(&scene, &anna, &newest).await;
    let busy = anna.sync_history(HistoryRequest::default()).await.unwrap_err();
    assert!(matches!(&busy, HistoryError::Busy { job: other } if *other == job.id), "{busy:?}");
    soon("the stop", anna.stop()).await.unwrap();
    let (texts, end) = of_job(&mut events, &job).await;
    assert!(texts.is_empty());
    assert_eq!((&end["state"], &end["error"]), (&"failed".into(), &"not_connected".into()));
    let refused = anna.sync_history(HistoryRequest::default()).await.unwrap_err();
    assert!(matches!(refused, HistoryError::NotReady { status: AccountStatus::Idle }), "{refused:?}");
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let soon_over = HistoryRequest { within: Duration::from_millis(10), ..HistoryRequest::default() };
    let job = anna.sync_history(soon_over).await.unwrap();
    let (_, end) = of_job(&mut events, &job).await;
    assert_eq!((&end["state"], &end["error"]), (&"failed".into(), &"phone_silent".into()));
}

/// A job that the end of the manager ends says so.
#[tokio::test]
async fn a_job_ends_with_the_manager() {
    let (scene, anna, newest, events) = ready(50).await;
    let job = silent_job(&scene, &anna, &newest).await;
    drop(events);
    let scene = scene.restart().await;
    let events = scene.events(&scene.account("anna")).await;
    let last = events.iter().rfind(|event| event.kind == EventKind::HistoryProgress).unwrap();
    assert_eq!(last.data["jobId"], job.id.as_str());
    assert_eq!((&last.data["state"], &last.data["error"]), (&"failed".into(), &"shutdown".into()));
}

/// The same for a crash of the account.
#[tokio::test]
async fn a_job_of_an_account_that_crashes_ends() {
    let panics = Arc::new(AtomicBool::new(false));
    let armed = Arc::clone(&panics);
    let quota = move |_: &TenantId| {
        assert!(!armed.swap(false, Ordering::SeqCst), "on purpose");
        TenantQuota::default()
    };
    let scene = linked_with(&["anna"], |builder| builder.tenant_quota(quota)).await;
    let (scene, anna, newest, mut events) = ready_in(scene, 50).await;
    let job = silent_job(&scene, &anna, &newest).await;
    panics.store(true, Ordering::SeqCst);
    let patch = AccountPatch { display_name: Some("Shop".to_owned()), ..AccountPatch::default() };
    assert!(matches!(anna.update(patch).await, Err(ManagerError::Crashed)));
    let (_, end) = of_job(&mut events, &job).await;
    assert_eq!((&end["state"], &end["error"]), (&"failed".into(), &"crashed".into()));
    // Another one may begin, and nothing is told twice.
    next(&mut events, EventKind::AccountStatus).await;
    stands(&anna, AccountStatus::Ready).await;
    let job = anna.sync_history(patient()).await.unwrap();
    anna.stop().await.unwrap();
    let (_, end) = of_job(&mut events, &job).await;
    assert_eq!(end["error"], "not_connected");
}
