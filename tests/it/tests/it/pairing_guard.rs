//! Whom a client may be linked to: its guard decides, before anything is stored or confirmed.

use std::sync::{Arc, Mutex};

use wa_core::client::{HookFuture, LinkGuard};
use wa_core::connection::CloseReason;
use wa_core::event::Paired;
use wa_core::{Event, Status};
use wa_it::{builder, next, next_qr};
use wa_store::{AccountReader as _, MemoryStore};
use wa_test_server::{ScanError, ScanOptions, TestServer};
use wa_types::Jid;

/// Admits this user alone; never answers about this business.
#[derive(Debug)]
struct Guard {
    admitted: Jid,
    seen: Mutex<Vec<Paired>>,
}

impl LinkGuard for Guard {
    fn admit<'a>(&'a self, account: &'a Paired) -> HookFuture<'a, bool> {
        self.seen.lock().unwrap().push(account.clone());
        Box::pin(async move {
            if account.business_name.as_deref() == Some("Slow") {
                std::future::pending::<()>().await;
            }
            account.jid.is_same_user(&self.admitted)
        })
    }
}

#[tokio::test]
async fn an_account_that_the_guard_refuses_is_not_linked_and_leaves_nothing() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.phone("alice"), server.phone("bob"));
    let guard = Arc::new(Guard { admitted: alice.pn().clone(), seen: Mutex::default() });
    let store = Arc::new(MemoryStore::new());
    let builder = builder(&server, Arc::clone(&store) as _).link_guard(Arc::clone(&guard) as _);
    let (client, mut events) = builder.connect().await.unwrap();
    let before = store.account().await.unwrap().unwrap();

    let qr = next_qr(&mut events).await;
    let business = ScanOptions { business: Some("Bakery".to_owned()), ..ScanOptions::default() };
    let refused = bob.scan_with(&qr, &business).await;
    assert!(matches!(refused, Err(ScanError::Refused { code: 401, .. })), "{refused:?}");
    match next(&mut events).await {
        Event::PairingVetoed(account) => {
            assert!(account.jid.is_same_user(bob.pn()));
            assert!(account.lid.is_some_and(|lid| lid.is_same_user(bob.lid())));
            let words = (account.platform.as_deref(), account.business_name.as_deref());
            assert_eq!(words, (Some("android"), Some("Bakery")));
        }
        other => panic!("{other:?}"),
    }
    match next(&mut events).await {
        Event::Closed { reason: CloseReason::Requested } => {}
        other => panic!("{other:?}"),
    }
    assert!(bob.linked_devices().is_empty());
    client.reconnect().await.unwrap();
    let after = store.account().await.unwrap().unwrap();
    assert_eq!((after.jid, after.lid, after.signed_device_identity), (None, None, None));
    assert_ne!(before.identity.public, after.identity.public, "bob signed a key that nobody has any more");
    assert_ne!(before.noise.public, after.noise.public);
    assert_ne!(before.adv_secret, after.adv_secret);

    let qr = next_qr(&mut events).await;
    let jid = alice.scan(&qr).await.unwrap();
    assert!(client.ready().await);
    assert_eq!(alice.linked_devices(), [jid]);
    assert_eq!(guard.seen.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_does_not_answer_refuses_and_is_asked_once() {
    let server = TestServer::start().await;
    let alice = server.phone("alice");
    let guard = Arc::new(Guard { admitted: alice.pn().clone(), seen: Mutex::default() });
    let builder = builder(&server, Arc::new(MemoryStore::new())).link_guard(Arc::clone(&guard) as _);
    let (client, mut events) = builder.connect().await.unwrap();
    let qr = next_qr(&mut events).await;
    let slow = ScanOptions { business: Some("Slow".to_owned()), repeat: true, ..ScanOptions::default() };
    assert!(matches!(alice.scan_with(&qr, &slow).await, Err(ScanError::Refused { code: 401, .. })));
    assert!(matches!(next(&mut events).await, Event::PairingVetoed(_)));
    assert!(matches!(next(&mut events).await, Event::Closed { .. }));
    assert_eq!(client.status(), Status::Closed);
    assert_eq!(guard.seen.lock().unwrap().len(), 1, "the repetition said nothing new");
}
