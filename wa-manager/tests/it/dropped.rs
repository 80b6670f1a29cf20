//! Whoever asked goes away, as an HTTP client that disconnects: what was begun is carried out, or nothing of it.

use std::pin::pin;
use std::task::Poll;

use wa_core::transport::TlsRoots;
use wa_manager::pairing::PairRequest;
use wa_manager::vault::SessionKey;
use wa_manager::webhook::{Reach, WebhookSecret, WebhookSpec};
use wa_manager::{AccountKey, AccountName, AccountPatch, AccountSpec, ManagerError, TenantId, Unlink};

use crate::receiver::Receiver;
use crate::scene::{Scene, key, linked_with, soon};

/// So many polls a call gets at most before it is dropped.
const POLLS: usize = 24;

/// Polls it so many times, and drops it.
async fn dropped_after(polls: usize, future: impl Future) {
    let mut future = pin!(future);
    for _ in 0..polls {
        if std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await.is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

fn spec(name: &str) -> AccountSpec {
    AccountSpec { name: Some(AccountName::new(name).unwrap()), ..AccountSpec::default() }
}

/// Whether it is there, which all ways to ask agree about.
async fn is_there(scene: &Scene, name: &str) -> bool {
    let board = scene.manager.all_statuses(None).await.unwrap();
    let is_listed = board.accounts.iter().any(|account| account.name.as_str() == name);
    assert_eq!(scene.manager.get(&key(name)).is_some(), is_listed, "{name}");
    is_listed
}

#[tokio::test]
async fn an_account_is_made_whole_or_not_at_all() {
    let scene = Scene::new().await;
    for polls in 0..POLLS {
        let name = format!("anna-{polls}");
        dropped_after(polls, scene.manager.create(spec(&name))).await;
        // Accounts are made one after the other: this one waits for the one before.
        let again = scene.manager.create(spec(&name)).await;
        let was_made = matches!(again, Err(ManagerError::AlreadyExists { .. }));
        assert!(was_made || again.is_ok());
        assert_eq!(was_made, polls > 0);
        assert!(is_there(&scene, &name).await);
        scene.manager.delete(&key(&name), Unlink::AtServer).await.unwrap();
        assert!(!is_there(&scene, &name).await);
        scene.manager.create(spec(&name)).await.unwrap();
    }
}

#[tokio::test]
async fn an_account_that_cannot_be_linked_is_not_left() {
    let scene = Scene::new().await;
    for polls in 0..POLLS {
        let name = format!("anna-{polls}");
        // No phone can be told a code without its number.
        let mut request = PairRequest::code("15550100".parse().unwrap());
        request.phone = None;
        dropped_after(polls, scene.manager.create_and_pair(spec(&name), request)).await;
        scene.manager.create(spec(&format!("next-{polls}"))).await.unwrap();
        // It is taken away again as soon as it is known that it cannot be linked.
        if let Some(account) = scene.manager.get(&key(&name)) {
            assert!(soon("the end of the account", account.reached(|_| false)).await.is_none());
        }
        // One that is gone is deleted, and one that could not be found is as if it had never been.
        scene.manager.delete(&key(&name), Unlink::AtServer).await.unwrap();
        assert!(!is_there(&scene, &name).await);
    }
}

#[tokio::test]
async fn a_deletion_that_nobody_waits_for_is_carried_out() {
    let scene = Scene::new().await;
    for polls in 1..POLLS {
        let name = format!("anna-{polls}");
        let account = scene.create(&name).await;
        dropped_after(polls, scene.manager.delete(&key(&name), Unlink::AtServer)).await;
        // Its channel closes when it is gone.
        assert!(soon("the end of the account", account.reached(|_| false)).await.is_none());
        scene.manager.delete(&key(&name), Unlink::AtServer).await.unwrap();
        assert!(!is_there(&scene, &name).await);
    }
}

#[tokio::test]
async fn webhooks_go_on_after_a_deletion_that_failed_with_nobody_waiting() {
    let receiver = Receiver::start(|_| (200, None)).await;
    let scene = linked_with(&["anna"], |builder| {
        let reach = Reach { private: true, plain: false };
        builder.allow_session_export().webhooks(move |hooks| hooks.reach(reach).roots(TlsRoots::none()))
    })
    .await;
    let anna = scene.account("anna");
    let mut hook = WebhookSpec::new(receiver.url(), WebhookSecret::new([1; 32]).unwrap());
    hook.account = Some(anna.id().clone());
    scene.manager.webhooks().create(TenantId::default(), hook).await.unwrap();
    // Whoever has the session now unlinks it: that it cannot be deleted is known at once.
    scene.manager.export_session(&key("anna"), &SessionKey::new([7; 32])).await.unwrap();
    for polls in 1..POLLS {
        dropped_after(polls, scene.manager.delete(&key("anna"), Unlink::AtServer)).await;
        let name = format!("Anna {polls}");
        let patch = AccountPatch { display_name: Some(name.clone()), ..AccountPatch::default() };
        anna.update(patch).await.unwrap();
        let is_told = |json: &serde_json::Value| json["data"]["displayName"] == name.as_str();
        let told = receiver.wait_until(|received| received.iter().any(|one| is_told(&one.json())));
        soon("a webhook of an account that is there", told).await;
    }
    assert!(is_there(&scene, "anna").await);
}

#[tokio::test]
async fn a_batch_that_nobody_waits_for_is_carried_out() {
    let scene = Scene::new().await;
    let mut accounts = Vec::new();
    for number in 0..40 {
        accounts.push(scene.create(&format!("anna-{number}")).await);
    }
    let keys: Vec<_> = accounts.iter().map(|account| AccountKey::Id(account.id().clone())).collect();
    dropped_after(1, scene.manager.batch_delete(&keys, Unlink::AtServer)).await;
    for account in &accounts {
        assert!(soon("the end of the account", account.reached(|_| false)).await.is_none());
    }
    assert!(scene.manager.all_statuses(Some(&TenantId::default())).await.unwrap().accounts.is_empty());
}
