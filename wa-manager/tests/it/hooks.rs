//! What the host is asked about what comes in, and an account that goes on meanwhile.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use wa_manager::account::ReasonKind;
use wa_manager::clock::Clock as _;
use wa_manager::event::EventKind;
use wa_manager::inbound::{InboundContext, Provider, ProviderFuture, ProviderSelector};
use wa_manager::manager::TenantQuota;
use wa_manager::sending::SendRequest;
use wa_manager::store::MemoryManagerStore;
use wa_manager::{Account, AccountPatch, AccountStatus, ManagerError, TenantId, Unlink};

use crate::paused::Paused;
use crate::scene::{Scene, link_to, linked_with, next, soon, stands};

/// Answers when it may, and panics when it shall.
#[derive(Debug)]
struct Patient {
    times: AtomicU32,
    asked: Notify,
    may: Semaphore,
    panics: AtomicU32,
}

impl Default for Patient {
    fn default() -> Self {
        let (times, panics) = (AtomicU32::new(0), AtomicU32::new(0));
        Self { times, asked: Notify::new(), may: Semaphore::new(0), panics }
    }
}

impl ProviderSelector for Patient {
    fn select<'a>(&'a self, _: &'a InboundContext) -> ProviderFuture<'a> {
        Box::pin(async {
            self.times.fetch_add(1, Ordering::SeqCst);
            self.asked.notify_one();
            let _may = self.may.acquire().await;
            let one_less = |left: u32| left.checked_sub(1);
            assert!(
                self.panics.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_err(),
                "on purpose"
            );
            Ok(Provider::new("shop"))
        })
    }
}

async fn scene(may: usize, panics: u32) -> (Scene, Account, Arc<Patient>) {
    let (may, panics) = (Semaphore::new(may), AtomicU32::new(panics));
    let patient = Arc::new(Patient { may, panics, ..Patient::default() });
    let selector = Arc::clone(&patient) as Arc<dyn ProviderSelector>;
    let scene = linked_with(&["anna"], |builder| builder.provider_selector(selector)).await;
    let anna = scene.account("anna");
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    (scene, anna, patient)
}

fn told(events: &[wa_manager::event::EventRecord]) -> Vec<(&str, Option<&str>)> {
    let received = events.iter().filter(|event| event.kind == EventKind::MessageReceived);
    received.map(|event| (event.data["text"].as_str().unwrap(), event.data["provider"].as_str())).collect()
}

// R159: a hook holds nobody up.
#[tokio::test]
async fn an_account_is_stopped_while_the_host_is_asked() {
    let (scene, anna, patient) = scene(0, 0).await;
    for text in ["one", "two"] {
        scene.phone("berta").send_text(scene.phone("anna").pn(), text).await.unwrap();
    }
    soon("the host to be asked", patient.asked.notified()).await;
    soon("an answer", anna.update(wa_manager::AccountPatch::default())).await.unwrap();
    soon("the stop", anna.stop()).await.unwrap();
    let events = scene.events(&anna).await;
    assert!(told(&events).is_empty() && events.iter().all(|event| event.kind != EventKind::InboundFailed));
    // What was not taken in comes again, once, in its order.
    patient.may.add_permits(100);
    let mut events = scene.subscribe(&anna);
    anna.start().await.unwrap();
    next(&mut events, EventKind::MessageReceived).await;
    next(&mut events, EventKind::MessageReceived).await;
    assert_eq!(told(&scene.events(&anna).await), [("one", Some("shop")), ("two", Some("shop"))]);
}

#[tokio::test]
async fn a_lost_connection_is_told_while_the_host_is_asked() {
    let (scene, anna, patient) = scene(0, 0).await;
    scene.phone("berta").send_text(scene.phone("anna").pn(), "one").await.unwrap();
    soon("the host to be asked", patient.asked.notified()).await;
    scene.server.faults().refuse_connections(1000);
    scene.server.disconnect(&anna.snapshot().device.unwrap().device_id.parse().unwrap());
    stands(&anna, AccountStatus::Disconnected).await;
}

// R091: what was decrypted is told before the keys go.
#[tokio::test]
async fn a_logout_takes_in_what_waits() {
    let (scene, anna, patient) = scene(0, 0).await;
    for text in ["one", "two", "three"] {
        scene.phone("berta").send_text(scene.phone("anna").pn(), text).await.unwrap();
    }
    let device = anna.snapshot().device.unwrap().device_id.parse().unwrap();
    soon("the messages to be taken", scene.server.wait_drained(&device)).await;
    soon("the host to be asked", patient.asked.notified()).await;
    let logout = tokio::spawn({
        let anna = anna.clone();
        async move { anna.logout(Unlink::AtServer).await }
    });
    soon("the end of the link", scene.server.wait_offline(&device)).await;
    patient.may.add_permits(100);
    soon("the logout", logout).await.unwrap().unwrap();
    let expected = ["one", "two", "three"].map(|text| (text, Some("shop")));
    assert_eq!(told(&scene.events(&anna).await), expected);
    assert!(!scene.key_file("anna").exists());
}

/// A hook that panics costs one message its contact and its chat, and the account nothing.
#[tokio::test]
async fn a_hook_that_panics_is_no_crash() {
    let (scene, anna, _patient) = scene(100, 1).await;
    let before = scene.statuses(&anna).await;
    let mut events = scene.subscribe(&anna);
    for text in ["one", "two"] {
        scene.phone("berta").send_text(scene.phone("anna").pn(), text).await.unwrap();
        next(&mut events, EventKind::MessageReceived).await;
    }
    let events = scene.events(&anna).await;
    assert_eq!(told(&events), [("one", None), ("two", Some("shop"))]);
    let failed: Vec<_> = events.iter().filter(|event| event.kind == EventKind::InboundFailed).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].data["stage"], "provider");
    assert_eq!(scene.statuses(&anna).await, before);
}

/// What comes meanwhile waits half a minute at most; then the host is left alone for a while.
#[tokio::test(start_paused = true)]
async fn a_hook_that_never_answers_holds_nothing_for_long() {
    let patient = Arc::new(Patient::default());
    let selector = Arc::clone(&patient) as Arc<dyn ProviderSelector>;
    let paused = Paused::with(|builder, _| builder.provider_selector(selector)).await;
    let (scene, clock) = (&paused.scene, &paused.clock);
    let anna = scene.create("anna").await;
    link_to(scene, &anna, "anna").await;
    stands(&anna, AccountStatus::Ready).await;
    let mut events = scene.subscribe(&anna);
    let begin = clock.boot();
    for text in ["1", "2", "3", "4", "5", "6"] {
        scene.phone("berta").send_text(scene.phone("anna").pn(), text).await.unwrap();
    }
    for _ in 0..6 {
        next(&mut events, EventKind::MessageReceived).await;
    }
    let took = clock.boot() - begin;
    assert!(took <= Duration::from_secs(31), "{took:?}");
    assert_eq!(patient.times.load(Ordering::SeqCst), 3, "the host is not asked again and again");
    // After a minute it is tried again.
    tokio::time::sleep(Duration::from_secs(61)).await;
    patient.may.add_permits(100);
    scene.phone("berta").send_text(scene.phone("anna").pn(), "7").await.unwrap();
    let event = next(&mut events, EventKind::MessageReceived).await;
    assert_eq!(event.data["provider"], "shop");
    let events = scene.events(&anna).await;
    let failed = events.iter().filter(|event| event.kind == EventKind::InboundFailed);
    assert_eq!(failed.count(), 6);
}

// A crash leaves a client that has the store open: it ends before the next one begins.
#[tokio::test]
async fn a_crash_with_a_connection_is_recovered_from() {
    let panics = Arc::new(AtomicU32::new(0));
    let left = Arc::clone(&panics);
    let quota = move |_: &TenantId| {
        let one_less = |left: u32| left.checked_sub(1);
        assert!(left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_err(), "on purpose");
        TenantQuota::default()
    };
    let scene = linked_with(&["anna"], |builder| builder.tenant_quota(quota)).await;
    let anna = scene.account("anna");
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let mut events = scene.subscribe(&anna);
    // The second one when it is to begin again.
    panics.store(2, Ordering::SeqCst);
    let patch = AccountPatch { display_name: Some("Shop".to_owned()), ..AccountPatch::default() };
    assert!(matches!(anna.update(patch).await, Err(ManagerError::Crashed)));
    scene.phone("berta").send_text(scene.phone("anna").pn(), "one").await.unwrap();
    next(&mut events, EventKind::MessageReceived).await;
    stands(&anna, AccountStatus::Ready).await;
    assert_eq!(panics.load(Ordering::SeqCst), 0);
    let events = scene.events(&anna).await;
    assert_eq!(told(&events), [("one", Some("default"))]);
    let kinds: Vec<_> = events.iter().filter_map(|event| event.data["reason"]["kind"].as_str()).collect();
    assert!(!kinds.contains(&"store_locked"), "{kinds:?}");
    assert_eq!(anna.snapshot().reason.map(|reason| reason.kind), None::<ReasonKind>);
}

/// A host that panics whenever the account is read leaves it no way to begin; who asks for it is told so, and the others
/// run on.
#[tokio::test]
async fn a_hook_that_panics_each_time_leaves_one_account_alone() {
    let panics = Arc::new(AtomicU32::new(0));
    let left = Arc::clone(&panics);
    let zone = move |_: &TenantId| {
        assert_eq!(left.load(Ordering::SeqCst), 0, "on purpose");
        None
    };
    let scene = linked_with(&["anna", "berta"], |builder| builder.tenant_zone(zone)).await;
    let (anna, berta) = (scene.account("anna"), scene.account("berta"));
    for account in [&anna, &berta] {
        account.start().await.unwrap();
        stands(account, AccountStatus::Ready).await;
    }
    panics.store(1, Ordering::SeqCst);
    let patch = AccountPatch { display_name: Some("Shop".to_owned()), ..AccountPatch::default() };
    assert!(matches!(anna.update(patch).await, Err(ManagerError::Crashed)));
    let reason = stands(&anna, AccountStatus::Error).await.reason.unwrap();
    assert_eq!(reason.kind, ReasonKind::Quarantined);
    assert!(reason.detail.unwrap().contains("on purpose"));
    let board = scene.manager.all_statuses(None).await.unwrap();
    assert_eq!(board.accounts[0].status, AccountStatus::Error, "it is stored, too");
    assert!(matches!(soon("an answer", anna.start()).await, Err(ManagerError::Crashed)));
    let request = SendRequest::new(scene.phone("clara").pn().clone(), wa_core::Message::text("hello"));
    let refused = soon("an answer", anna.send(request)).await.unwrap_err();
    assert_eq!(refused.code(), "crashed");
    assert_eq!(berta.status(), AccountStatus::Ready);
}

/// So is one that the store does not give; it goes on once the store does.
#[tokio::test(start_paused = true)]
async fn an_account_that_the_store_does_not_give_says_so_and_goes_on_after_that() {
    let fails: Arc<Mutex<Option<Arc<MemoryManagerStore>>>> = Arc::default();
    let armed = Arc::clone(&fails);
    let zone = move |_: &TenantId| {
        let taken = armed.lock().unwrap().take();
        if let Some(store) = taken {
            store.fail_next(1_000_000);
            std::panic::resume_unwind(Box::new("on purpose"));
        }
        None
    };
    let paused = Paused::with(|builder, _| builder.tenant_zone(zone)).await;
    let anna = paused.scene.create("anna").await;
    link_to(&paused.scene, &anna, "anna").await;
    stands(&anna, AccountStatus::Ready).await;
    let logins = paused.logins();
    *fails.lock().unwrap() = Some(Arc::clone(&paused.store));
    let patch = AccountPatch { display_name: Some("Shop".to_owned()), ..AccountPatch::default() };
    assert!(matches!(anna.update(patch).await, Err(ManagerError::Crashed)));
    let shown = stands(&anna, AccountStatus::Error).await;
    assert_eq!(shown.reason.unwrap().kind, ReasonKind::StoreFailed);
    assert!(matches!(soon("an answer", anna.start()).await, Err(ManagerError::Crashed)));
    paused.store.fail_next(0);
    stands(&anna, AccountStatus::Ready).await;
    assert!(anna.start().await.is_ok(), "it listens");
    assert_eq!(paused.logins(), logins + 1);
}
