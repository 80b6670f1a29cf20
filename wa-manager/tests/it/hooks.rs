//! What the host is asked about what comes in, and an account that goes on meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{Notify, Semaphore};
use wa_manager::account::ReasonKind;
use wa_manager::event::EventKind;
use wa_manager::inbound::{InboundContext, Provider, ProviderFuture, ProviderSelector};
use wa_manager::{Account, AccountStatus, Unlink};

use crate::scene::{Scene, linked_with, next, soon, stands};

/// Answers when it may, and panics when it shall.
#[derive(Debug)]
struct Patient {
    asked: Notify,
    may: Semaphore,
    panics: AtomicU32,
}

impl ProviderSelector for Patient {
    fn select<'a>(&'a self, _: &'a InboundContext) -> ProviderFuture<'a> {
        Box::pin(async {
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
    let (asked, may) = (Notify::new(), Semaphore::new(may));
    let patient = Arc::new(Patient { asked, may, panics: AtomicU32::new(panics) });
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

// A crash leaves a client that has the store open: it ends before the next one begins.
#[tokio::test]
async fn a_crash_with_a_connection_is_recovered_from() {
    let (scene, anna, _patient) = scene(100, 1).await;
    let mut events = scene.subscribe(&anna);
    scene.phone("berta").send_text(scene.phone("anna").pn(), "one").await.unwrap();
    next(&mut events, EventKind::MessageReceived).await;
    stands(&anna, AccountStatus::Ready).await;
    let events = scene.events(&anna).await;
    assert_eq!(told(&events), [("one", Some("shop"))]);
    let kinds: Vec<_> = events.iter().filter_map(|event| event.data["reason"]["kind"].as_str()).collect();
    assert!(!kinds.contains(&"store_locked"), "{kinds:?}");
    assert_eq!(anna.snapshot().reason.map(|reason| reason.kind), None::<ReasonKind>);
}
