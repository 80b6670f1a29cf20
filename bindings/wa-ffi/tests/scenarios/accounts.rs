//! Many accounts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use wa_ffi::account::{Account, AccountStatus};
use wa_ffi::error::WaError;
use wa_ffi::limits::{Preview, SendResult};
use wa_ffi::manager::{ClientManager, EventSelection, ManagerEvent, ManagerUpdate};
use wa_ffi::testing::TestServer;

use crate::support::{account, manager, patiently, phone, text};

/// The events of this kind after a cursor, until there are so many.
async fn events(manager: &ClientManager, kind: &str, after: u64, count: usize) -> Vec<ManagerEvent> {
    let selection = EventSelection {
        kinds: Some(vec![kind.to_owned()]),
        after: Some(after),
        ..EventSelection::default()
    };
    let stream = manager.events(Some(selection)).unwrap();
    let mut all = Vec::new();
    patiently(async {
        while all.len() < count && stream.ready().await {
            all.extend(stream.drain(64).into_iter().map(|update| match update {
                ManagerUpdate::Event { event } => event,
                ManagerUpdate::Lagged { .. } => panic!("too slow"),
            }));
        }
    })
    .await;
    all
}

fn text_of(event: &ManagerEvent) -> String {
    let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
    data.get("text").and_then(serde_json::Value::as_str).unwrap().to_owned()
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
    manager.shutdown(Duration::from_secs(10)).await.unwrap();
}

#[tokio::test]
async fn manager_restart() {
    let server = TestServer::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let anna = phone(&server, "anna");
    let first = manager(&server, folder.path()).await;
    account(&first, &anna).await;
    let cursor = first.last_event();
    first.shutdown(Duration::from_secs(10)).await.unwrap();

    let second = manager(&server, folder.path()).await;
    assert_eq!(second.restore().await.unwrap().started, 1);
    let account = second.account("anna".to_owned()).unwrap();
    patiently(account.reached(AccountStatus::Ready)).await.unwrap();
    let bob = phone(&server, "bob");
    Arc::clone(&bob).send_text(anna.address(), "still there?".to_owned()).await.unwrap();
    let heard = events(&second, "message.received", cursor, 1).await;
    assert!(heard[0].seq > cursor);
    assert_eq!(text_of(&heard[0]), "still there?");
    second.shutdown(Duration::from_secs(10)).await.unwrap();
}
