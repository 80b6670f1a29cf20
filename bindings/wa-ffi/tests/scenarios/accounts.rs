//! Many accounts.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use wa_ffi::account::{Account, AccountStatus};
use wa_ffi::content::Content;
use wa_ffi::error::WaError;
use wa_ffi::event::{Event, ReceiptKind};
use wa_ffi::inbound::{InboundMessage, message_of_event};
use wa_ffi::limits::{AccountSendOptions, LimitChoice, Preview, SendResult};
use wa_ffi::manager::{AccountSpec, BatchItem, ManagerEvent};
use wa_ffi::media::{Attachment, MediaKind};
use wa_ffi::message::{DocumentOptions, Message};
use wa_ffi::pairing::{PairRequest, PairingUpdate};
use wa_ffi::settings::{AccountSettings, SettingsChange};
use wa_ffi::testing::TestServer;

use crate::support::{
    account, event as event_of, events, link, manager, message, patiently, phone, text, update,
};

fn text_of(event: &ManagerEvent) -> String {
    event.message.as_ref().and_then(|message| message.text.clone()).unwrap()
}

/// Waits until the account may: who is a stranger is known once the phone told of the past.
async fn may_write(account: &Account, to: &str) {
    patiently(async {
        while !matches!(account.preview(to.to_owned()).await.unwrap(), Preview::Allowed { .. }) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn limits() {
    let server = TestServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&server, folder.path()).await;
    let account = account(&manager, &phone(&server, "anna")).await;
    let trust = account.trust().await.unwrap();
    assert_eq!((trust.level, trust.daily_limit, trust.sent_today), (1, 50, 0));
    let strangers: Vec<_> =
        (0..3).map(|number| phone(&server, &format!("stranger {number}")).address()).collect();
    may_write(&account, &strangers[0]).await;
    let sent = account.send(strangers[0].clone(), text("hello"), None).await.unwrap();
    assert!(matches!(sent, SendResult::Sent { .. }));
    let limited = account.send(strangers[1].clone(), text("hello"), None).await.unwrap_err();
    assert!(limited.is_retryable());
    let WaError::Limited { code, retry_after: Some(wait), until: Some(until), .. } = limited else {
        panic!("{limited:?}")
    };
    assert_eq!(code, "limited");
    assert!(wait > Duration::from_secs(60) && until > SystemTime::UNIX_EPOCH);
    let Preview::Later { limit } = account.preview(strangers[2].clone()).await.unwrap() else { panic!() };
    assert!(limit.retry_at.is_some());
    assert_eq!(account.trust().await.unwrap().sent_today, 1);
    manager.shutdown(Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn ten_accounts() {
    let server = TestServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&server, folder.path()).await;
    let phones: Vec<_> = (0..10).map(|number| phone(&server, &format!("account-{number}"))).collect();
    let accounts = join_all(phones.iter().map(|phone| account(&manager, phone))).await;
    let health = manager.health();
    assert_eq!((health.connected, health.total), (10, 10));
    for (account, to) in accounts.iter().zip(phones.iter().cycle().skip(1)) {
        may_write(account, &to.address()).await;
        account.send(to.address(), text(&format!("for {}", to.name())), None).await.unwrap();
    }
    let heard: BTreeSet<_> = events(&manager, "message.received", 0, 10).await.iter().map(text_of).collect();
    let expected: BTreeSet<_> = phones.iter().map(|phone| format!("for {}", phone.name())).collect();
    assert_eq!(heard, expected);
    let mut names: Vec<_> = phones.iter().map(|phone| phone.name()).collect();
    names.push("nobody".to_owned());
    let results = manager.batch_stop(names).await.unwrap();
    let (failed, stopped): (Vec<_>, Vec<_>) = results.iter().partition(|result| result.error.is_some());
    assert_eq!((stopped.len(), failed[0].error.as_deref()), (10, Some("not_found")));
    assert_eq!(manager.health().connected, 0);
    // Again, and those of all tenants.
    let spec = AccountSpec { tenant: Some("another".to_owned()), ..AccountSpec::default() };
    manager.create(Some(spec)).await.unwrap();
    for (tenant, count) in [(Some("another"), 1), (None, 11)] {
        let stopped = manager.stop_all(tenant.map(str::to_owned)).await.unwrap();
        assert_eq!(stopped.iter().filter(|one| one.error.is_none()).count(), count);
    }
    manager.shutdown(Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn manager_restart() {
    let server = TestServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let anna = phone(&server, "anna");
    let first = manager(&server, folder.path()).await;
    let id = account(&first, &anna).await.id();
    let unlinked = first.create(None).await.unwrap().id();
    let cursor = first.last_event();
    first.shutdown(Duration::from_secs(10)).await.unwrap();

    let second = manager(&server, folder.path()).await;
    let report = second.restore().await.unwrap();
    assert_eq!((report.started, report.skipped), (vec![id], vec![unlinked]));
    assert!(report.failed.is_empty());
    let account = second.account("anna".to_owned()).unwrap();
    patiently(account.reached(AccountStatus::Ready)).await.unwrap();
    let bob = phone(&server, "bob");
    Arc::clone(&bob).send_text(anna.address(), "still there?".to_owned()).await.unwrap();
    let heard = events(&second, "message.received", cursor, 1).await;
    assert!(heard[0].seq > cursor);
    assert_eq!(text_of(&heard[0]), "still there?");
    second.shutdown(Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn manager_media() {
    let server = TestServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&server, folder.path()).await;
    let (anna, bob) = (phone(&server, "anna"), link(&server, "bob").await);
    let account = account(&manager, &anna).await;
    let content: Vec<u8> = (0..=u8::MAX).cycle().take(1 << 20).collect();
    let (out, copy) = (folder.path().join("out.bin"), folder.path().join("in.bin"));
    std::fs::write(&out, &content).unwrap();
    let document = |file: Arc<Attachment>| {
        Message::document(
            file,
            DocumentOptions {
                file_name: "out.bin".to_owned(),
                mimetype: "application/octet-stream".to_owned(),
                caption: Some("a file".to_owned()),
                title: None,
                pages: None,
                thumbnail: None,
            },
        )
    };

    // In: what an event tells of a message is enough for its file, for an answer, and to say that it was read.
    let cursor = manager.last_event();
    let file = bob.upload_file(out.display().to_string(), MediaKind::Document).await.unwrap();
    let sent = bob.send(anna.address(), document(file), None).await.unwrap();
    let event = events(&manager, "message.received", cursor, 1).await.remove(0);
    let received = event.message.unwrap();
    assert_eq!((received.id.as_str(), received.text.as_deref()), (sent.id.as_str(), Some("a file")));
    let Some(Content::Document { file_name, .. }) = &received.content else { panic!("{received:?}") };
    assert_eq!(file_name.as_deref(), Some("out.bin"));
    account.download_file(received.clone(), copy.display().to_string()).await.unwrap();
    assert!(std::fs::read(&copy).unwrap() == content);
    assert!(account.download_bytes(received.clone(), 1 << 21).await.unwrap() == content);
    let refused = account.download_bytes(received.clone(), 1000).await.unwrap_err();
    assert!(matches!(&refused, WaError::Invalid { code, .. } if code == "too_large"), "{refused:?}");
    let reader = account.download(received.clone()).unwrap();
    let mut whole = Vec::new();
    while reader.ready().await.unwrap() {
        whole.extend(reader.take());
    }
    assert!(whole == content);
    account.mark_read(vec![received.clone()]).await.unwrap();
    let read = event_of(&bob, |event| match event {
        Event::Receipt { ids, kind: ReceiptKind::Read, .. } => Some(ids),
        _ => None,
    });
    assert_eq!(read.await, std::slice::from_ref(&sent.id));

    // Out: by path, as bytes and in pieces; the answer is a file.
    let writer = account.upload(MediaKind::Document).unwrap();
    for mut piece in content.chunks(100_000) {
        while !piece.is_empty() {
            piece = &piece[usize::try_from(writer.write(piece).unwrap()).unwrap()..];
            if !piece.is_empty() {
                writer.ready().await.unwrap();
            }
        }
    }
    let files = [
        account.upload_file(out.display().to_string(), MediaKind::Document).await.unwrap(),
        account.upload_bytes(content.clone(), MediaKind::Document).await.unwrap(),
        writer.finish().await.unwrap(),
    ];
    for file in &files {
        assert!(bob.download_bytes(Arc::clone(file), 1 << 21).await.unwrap() == content);
    }
    // The host kept the event as JSON, and reads it again.
    let kept = message_of_event(event.data).unwrap();
    let [file, ..] = files;
    assert!(matches!(account.reply(kept, document(file)).await.unwrap(), SendResult::Sent { .. }));
    let answer = message(&bob).await;
    assert_eq!((answer.text.as_deref(), answer.quoted), (Some("a file"), Some(sent.id)));
    let Content::Document { file, .. } = answer.content else { panic!() };
    assert!(bob.download_bytes(file, 1 << 21).await.unwrap() == content);

    // What is kept is there without a connection; what is to be sent wants one.
    account.stop().await.unwrap();
    assert!(account.download_bytes(received.clone(), 1 << 21).await.unwrap() == content);
    let idle = account.upload_bytes(content, MediaKind::Document).await.unwrap_err();
    assert!(matches!(&idle, WaError::Unavailable { code, .. } if code == "not_ready"), "{idle:?}");
    let no_file = InboundMessage { message: None, ..received };
    let refused = account.download_bytes(no_file, 1000).await.unwrap_err();
    assert!(matches!(&refused, WaError::Invalid { code, .. } if code == "no_file"), "{refused:?}");
    assert!(matches!(message_of_event("{}".to_owned()), Err(WaError::Invalid { .. })));
    manager.shutdown(Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn settings_of_an_account() {
    let server = TestServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&server, folder.path()).await;
    let account = account(&manager, &phone(&server, "anna")).await;

    // One by one.
    let before = account.snapshot();
    let change = SettingsChange { sync_limit: Some(7), ..SettingsChange::default() };
    let after = account.update(None, Some(change), None, None).await.unwrap();
    assert_eq!(after.settings, AccountSettings { sync_limit: 7, ..before.settings });
    let change = SettingsChange { auto_start: Some(true), ..SettingsChange::default() };
    let old = account.update(None, Some(change.clone()), None, Some(before.version)).await.unwrap_err();
    assert!(matches!(&old, WaError::Conflict { code, .. } if code == "version_conflict"), "{old:?}");
    let (name, colour) =
        (Some("Anna".to_owned()), HashMap::from([("colour".to_owned(), "green".to_owned())]));
    let last = account.update(name, Some(change), Some(colour.clone()), Some(after.version)).await.unwrap();
    assert_eq!(last.settings, AccountSettings { auto_start: true, ..after.settings });
    assert_eq!((last.display_name.as_str(), &last.metadata), ("Anna", &colour));
    let wrong = SettingsChange { sync_limit: Some(501), ..SettingsChange::default() };
    let wrong = account.update(None, Some(wrong), None, None).await.unwrap_err();
    assert!(matches!(&wrong, WaError::Invalid { code, .. } if code == "invalid_settings"), "{wrong:?}");
    // Two that are made at once both hold.
    let both = (
        SettingsChange { ignores_groups: Some(true), ..SettingsChange::default() },
        SettingsChange { holds_for_new_identities: Some(true), ..SettingsChange::default() },
    );
    let (one, other) = tokio::join!(
        account.update(None, Some(both.0), None, None),
        account.update(None, Some(both.1), None, None)
    );
    let (one, other) = (one.unwrap(), other.unwrap());
    let last = if one.version > other.version { one } else { other };
    assert!(last.settings.ignores_groups && last.settings.holds_for_new_identities);
    assert!(last.settings.auto_start && last.settings.sync_limit == 7);
    assert_eq!(
        (account.snapshot().settings, account.snapshot().display_name),
        (last.settings, last.display_name)
    );

    // Trust: higher by one step, lower at will.
    let set =
        async |level: u8| account.set_trust_level(level, "a test".to_owned(), "a reason".to_owned()).await;
    set(2).await.unwrap();
    account.set_daily_limit(3, "a test".to_owned()).await.unwrap();
    let trust = account.trust().await.unwrap();
    assert_eq!((trust.level, trust.daily_limit, trust.sent_today), (2, 3, 0));
    for (level, expected) in [(4, "too_high"), (6, "invalid_level")] {
        let refused = set(level).await.unwrap_err();
        assert!(matches!(&refused, WaError::Invalid { code, .. } if code == expected), "{refused:?}");
    }
    set(1).await.unwrap();

    // One stranger a day at this level: what is for the next one waits, and is taken back.
    let strangers: Vec<_> =
        (0..2).map(|number| phone(&server, &format!("stranger {number}")).address()).collect();
    may_write(&account, &strangers[0]).await;
    account.send(strangers[0].clone(), text("hello"), None).await.unwrap();
    let later = AccountSendOptions {
        on_limit: Some(LimitChoice::Enqueue { deadline: Duration::from_secs(3 * 86_400) }),
        ..AccountSendOptions::default()
    };
    let queued = account.send(strangers[1].clone(), text("hello"), Some(later)).await.unwrap();
    let SendResult::Queued { id, position: 0, earliest_at } = queued else { panic!("{queued:?}") };
    assert!(earliest_at > SystemTime::UNIX_EPOCH);
    let outbox = account.outbox().await.unwrap();
    assert_eq!(outbox.iter().map(|one| (&one.id, &one.to)).collect::<Vec<_>>(), [(&id, &strangers[1])]);
    assert!(account.cancel_send(id.clone()).await.unwrap());
    assert!(!account.cancel_send(id).await.unwrap());
    assert!(account.outbox().await.unwrap().is_empty());
    let forgive = async || account.reset_usage("a test".to_owned(), "a reason".to_owned()).await;
    forgive().await.unwrap();
    let twice = forgive().await.unwrap_err();
    assert!(
        matches!(&twice, WaError::Limited { code, until: Some(_), .. } if code == "already_reset"),
        "{twice:?}"
    );

    // Several at once, each with its own answer.
    let spec = AccountSpec { name: Some("unlinked".to_owned()), ..AccountSpec::default() };
    manager.create(Some(spec)).await.unwrap();
    let names = || ["anna", "unlinked", "no name"].map(str::to_owned).to_vec();
    let errors = |items: Vec<BatchItem>| items.into_iter().map(|item| item.error).collect::<Vec<_>>();
    let not_found = Some("not_found".to_owned());
    assert_eq!(errors(manager.batch_stop(names()).await.unwrap()), [None, None, not_found.clone()]);
    let not_linked = Some("not_linked".to_owned());
    assert_eq!(errors(manager.batch_start(names()).await.unwrap()), [None, not_linked, not_found.clone()]);
    patiently(account.reached(AccountStatus::Ready)).await.unwrap();
    assert_eq!(errors(manager.batch_delete(names(), false).await.unwrap()), [None, None, not_found]);
    assert_eq!(manager.health().total, 0);
    manager.shutdown(Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn an_attempt_goes_on_without_its_ticket_until_it_is_called_off() {
    let server = TestServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (manager, anna) = (manager(&server, folder.path()).await, phone(&server, "anna"));
    let account = manager.create(None).await.unwrap();
    drop(account.pair(PairRequest::default()).await.unwrap());
    let twice = account.pair(PairRequest::default()).await.unwrap_err();
    assert!(matches!(&twice, WaError::Conflict { code, .. } if code == "already_pairing"), "{twice:?}");
    account.refresh_pairing().await.unwrap();
    account.cancel_pairing().await.unwrap();
    let none = account.cancel_pairing().await.unwrap_err();
    assert!(matches!(none, WaError::Conflict { .. }), "{none:?}");
    let ticket = account.pair(PairRequest::default()).await.unwrap();
    let qr = update(&ticket, |update| match update {
        PairingUpdate::Qr { text, .. } => Some(text.0),
        _ => None,
    });
    anna.scan(qr.await).await.unwrap();
    patiently(account.reached(AccountStatus::Ready)).await.unwrap();
    manager.shutdown(Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn an_account_is_made_and_linked_at_once() {
    let server = TestServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (manager, anna) = (manager(&server, folder.path()).await, phone(&server, "anna"));
    let spec = AccountSpec {
        tenant: Some("shop".to_owned()),
        name: Some("anna".to_owned()),
        ..AccountSpec::default()
    };
    let request = PairRequest { phone_number: Some(anna.number()), ..PairRequest::default() };
    let ticket = manager.create_and_pair(request, Some(spec)).await.unwrap();
    let code = update(&ticket, |update| match update {
        PairingUpdate::Code { code, .. } => Some(code.0),
        _ => None,
    });
    let code = code.await;
    let live = ticket.refresh().await.unwrap_err();
    assert!(matches!(&live, WaError::Conflict { code, .. } if code == "code_outstanding"), "{live:?}");
    Arc::clone(&anna).enter_code(code).await.unwrap();
    assert!(manager.account("anna".to_owned()).is_err(), "it is another tenant's");
    let account = manager.account_of("shop".to_owned(), "anna".to_owned()).unwrap();
    patiently(account.reached(AccountStatus::Ready)).await.unwrap();
    let unknown = account.sync_history(None, Some(vec![phone(&server, "bob").address()])).await.unwrap_err();
    assert!(matches!(unknown, WaError::NotFound { .. }), "{unknown:?}");

    let told = manager.events_since(0, 1000).await.unwrap();
    assert!(told.iter().any(|event| event.account == Some(account.id())));
    let last = told.last().unwrap().seq;
    assert!(manager.events_since(last, 1000).await.unwrap().iter().all(|event| event.seq > last));
    assert_eq!(manager.events_since(0, 1).await.unwrap().len(), 1);
    manager.shutdown(Duration::from_secs(10)).await.unwrap();
}

/// The holder of a ticket signs, and compares the codes.
#[tokio::test]
async fn pair_an_account_by_passkey() {
    let server = TestServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&server, folder.path()).await;
    let (account, anna) = (manager.create(None).await.unwrap(), phone(&server, "anna"));
    let ticket = account.pair(PairRequest::default()).await.unwrap();
    let qr = update(&ticket, |update| match update {
        PairingUpdate::Qr { text, .. } => Some(text.0),
        _ => None,
    });
    let asked = anna.ask_passkey(qr.await, true).unwrap();
    let options = update(&ticket, |update| match update {
        PairingUpdate::PasskeyChallenge { options } => Some(options.0),
        _ => None,
    });
    let signed = anna.sign_with_passkey(options.await).unwrap();
    ticket.respond_passkey(Some(signed.credential_id), Some(signed.assertion)).await.unwrap();
    let shown = update(&ticket, |update| match update {
        PairingUpdate::PasskeyConfirm { code, is_asked: true } => Some(code.0),
        _ => None,
    });
    assert_eq!(shown.await, Arc::clone(&asked).code().await.unwrap());
    ticket.confirm_passkey(true).await.unwrap();
    asked.confirm().await.unwrap();
    patiently(account.reached(AccountStatus::Ready)).await.unwrap();
    manager.shutdown(Duration::from_secs(10)).await.unwrap();
}
