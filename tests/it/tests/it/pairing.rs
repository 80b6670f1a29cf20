//! Linking by QR code, and logging in after it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wa_core::connection::CloseReason;
use wa_core::pairing::adv::LinkError;
use wa_core::{Event, Status};
use wa_it::{Companion, FaultyStore, builder, next, next_qr, next_within};
use wa_store::{AccountReader as _, MemoryStore, Store};
use wa_test_server::{ScanError, ScanOptions, TestServer};

#[tokio::test(start_paused = true)]
async fn qr_codes_rotate_until_they_run_out() {
    let server = TestServer::start().await;
    let (client, mut events) = builder(&server, Arc::new(MemoryStore::new())).connect().await.unwrap();
    let (mut shown_since, mut texts) = (None::<Instant>, Vec::new());
    for expected in [60, 20, 20, 20, 20, 20] {
        let Event::PairingQr(qr) = next_within(&mut events, Duration::from_secs(100)).await else {
            panic!("no QR code")
        };
        assert_eq!(qr.expires_in, Duration::from_secs(expected));
        assert!(qr.text.starts_with("https://"), "a code that phones read");
        let before = if texts.len() == 1 { 60 } else { 20 };
        if let Some(since) = shown_since.replace(Instant::now()) {
            let shown = since.elapsed();
            assert!(
                shown >= Duration::from_secs(before) && shown < Duration::from_secs(before + 1),
                "{shown:?}"
            );
        }
        assert!(!texts.contains(&qr.text), "each code is another one");
        texts.push(qr.text);
    }
    match next_within(&mut events, Duration::from_secs(100)).await {
        Event::Closed { reason: CloseReason::PairingTimeout } => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(client.status(), Status::Closed);

    client.reconnect().await.unwrap();
    let text = next_qr(&mut events).await;
    assert!(server.phone("alice").scan(&text).await.is_ok(), "a new code links");
}

#[tokio::test]
async fn a_garbled_code_is_refused_by_the_phone_and_the_good_one_still_links() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let (client, mut events) = builder(&server, Arc::new(MemoryStore::new())).connect().await.unwrap();
    let text = next_qr(&mut events).await;
    assert_eq!(phone.scan("garbled").await, Err(ScanError::Qr));
    assert_eq!(phone.scan(&text[..text.len() / 2]).await, Err(ScanError::Qr));
    let place = text.find("2@").unwrap() + 10;
    let other = if text.as_bytes()[place] == b'A' { "B" } else { "A" };
    let other_ref = format!("{}{other}{}", &text[..place], &text[place + 1..]);
    assert_eq!(phone.scan(&other_ref).await, Err(ScanError::UnknownRef));
    assert!(phone.linked_devices().is_empty());

    let jid = phone.scan(&text).await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Paired(paired) if paired.jid == jid));
    assert!(client.ready().await);
}

#[tokio::test]
async fn a_false_answer_of_the_phone_is_refused_and_nothing_of_it_kept() {
    let cases = [
        (ScanOptions { bad_hmac: true, ..ScanOptions::default() }, LinkError::Hmac),
        (ScanOptions { bad_account_signature: true, ..ScanOptions::default() }, LinkError::AccountSignature),
    ];
    for (options, expected) in cases {
        let server = TestServer::start().await;
        let phone = server.phone("alice");
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let (client, mut events) = builder(&server, Arc::clone(&store)).connect().await.unwrap();
        let text = next_qr(&mut events).await;
        let refused = phone.scan_with(&text, &options).await;
        assert!(matches!(refused, Err(ScanError::Refused { code: 401, .. })), "{refused:?}");
        match next(&mut events).await {
            Event::PairingFailed { error } => assert_eq!(error, expected),
            other => panic!("{other:?}"),
        }
        let account = store.account().await.unwrap().unwrap();
        assert_eq!((account.jid, account.lid, account.signed_device_identity), (None, None, None));
        assert!(phone.linked_devices().is_empty());
        assert_eq!(client.status(), Status::Pairing, "a code is still shown");

        // The code on show still links.
        phone.scan(&text).await.unwrap();
        assert!(client.ready().await);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_false_answer_the_codes_go_on_rotating() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let (_client, mut events) = builder(&server, Arc::new(MemoryStore::new())).connect().await.unwrap();
    let text = next_qr(&mut events).await;
    let options = ScanOptions { bad_hmac: true, ..ScanOptions::default() };
    assert!(phone.scan_with(&text, &options).await.is_err());
    assert!(matches!(next(&mut events).await, Event::PairingFailed { .. }));
    match next_within(&mut events, Duration::from_secs(61)).await {
        Event::PairingQr(qr) => assert_eq!(qr.expires_in, Duration::from_secs(20)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_server_may_want_another_secret_in_the_code_on_show() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (client, mut events) = builder(&server, Arc::clone(&store)).connect().await.unwrap();
    let first = next_qr(&mut events).await;
    assert!(server.rotate_qr(&first));
    let Event::PairingQr(second) = next(&mut events).await else { panic!("the code was not told anew") };
    assert_ne!(first, second.text);
    assert!(second.expires_in <= Duration::from_secs(60), "the same code, with another secret");
    let refused = phone.scan(&first).await;
    assert!(matches!(refused, Err(ScanError::Refused { code: 401, .. })), "{refused:?}");
    phone.scan(&second.text).await.unwrap();
    assert!(client.ready().await);
}

#[tokio::test]
async fn a_linked_companion_comes_back_at_once_and_counts_its_logins() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (client, mut events) = builder(&server, Arc::clone(&store)).connect().await.unwrap();
    let text = next_qr(&mut events).await;
    let jid = phone.scan(&text).await.unwrap();
    let paired = next(&mut events).await;
    assert!(
        matches!(&paired, Event::Paired(paired) if paired.jid == jid && paired.lid.is_some()),
        "{paired:?}"
    );
    match next(&mut events).await {
        Event::Disconnected { reason: CloseReason::RestartRequired, retry_in } => {
            assert_eq!(retry_in, Duration::ZERO);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert_eq!(client.status(), Status::Ready);
    assert_eq!(store.account().await.unwrap().unwrap().login_counter, 1);
    assert!(server.pre_keys_of(&jid) > 100, "the server has keys to give away");
    client.shutdown().await;

    let (client, mut events) = builder(&server, Arc::clone(&store)).connect().await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Connected), "no pairing the second time");
    assert_eq!(store.account().await.unwrap().unwrap().login_counter, 2);
    assert_eq!(phone.linked_devices(), [jid]);
    client.shutdown().await;
}

#[tokio::test]
async fn a_repeated_pair_success_and_one_without_a_lid_are_taken() {
    let cases = [
        ScanOptions { repeat: true, ..ScanOptions::default() },
        ScanOptions { without_lid: true, ..ScanOptions::default() },
        ScanOptions { business: Some("Bakery".to_owned()), ..ScanOptions::default() },
    ];
    for options in cases {
        let server = TestServer::start().await;
        let phone = server.phone("alice");
        let (client, mut events) = builder(&server, Arc::new(MemoryStore::new())).connect().await.unwrap();
        let text = next_qr(&mut events).await;
        phone.scan_with(&text, &options).await.unwrap();
        let Event::Paired(paired) = next(&mut events).await else { panic!("not paired") };
        assert_eq!(paired.business_name, options.business);
        assert!(client.ready().await);
    }
}

#[tokio::test]
async fn a_pairing_that_could_not_be_stored_did_not_happen() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let (client, mut events) = builder(&server, Arc::clone(&store) as _).connect().await.unwrap();
    let text = next_qr(&mut events).await;
    store.set_full(true);
    assert!(phone.scan(&text).await.is_err(), "the companion does not confirm what it could not keep");
    assert!(matches!(next(&mut events).await, Event::StoreFailed { .. }));
    assert!(matches!(next(&mut events).await, Event::Disconnected { reason: CloseReason::StoreFailed, .. }));
    assert_eq!(store.account().await.unwrap().unwrap().jid, None);
    store.set_full(false);

    client.reconnect().await.unwrap();
    let text = next_qr(&mut events).await;
    phone.scan(&text).await.unwrap();
    assert!(client.ready().await);
}

#[tokio::test]
async fn a_companion_that_logged_out_vanishes_and_can_be_linked_anew() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let mut alice = Companion::link(&server, &phone).await;
    alice.client.logout().await.unwrap();
    assert!(phone.linked_devices().is_empty());
    let event = alice.next().await;
    let event = if matches!(event, Event::BacklogDone { .. }) { alice.next().await } else { event };
    assert!(matches!(event, Event::LoggedOut { .. }), "{event:?}");
    assert_eq!(alice.client.status(), Status::LoggedOut);
    assert!(alice.store.account().await.unwrap().unwrap().logged_out);

    alice.client.forget().await.unwrap();
    assert_eq!(alice.client.status(), Status::Closed);
    alice.client.reconnect().await.unwrap();
    let text = next_qr(&mut alice.events).await;
    let again = phone.scan(&text).await.unwrap();
    assert_ne!(again, alice.jid);
    assert!(alice.client.ready().await);
    assert_eq!(phone.linked_devices(), [again]);
}

#[tokio::test]
async fn a_device_that_the_phone_removes_is_logged_out_and_stays_so() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let mut alice = Companion::link(&server, &phone).await;
    assert!(phone.remove_device(&alice.jid));
    match alice.wait(|event| !matches!(event, Event::BacklogDone { .. })).await {
        Event::LoggedOut { reason: CloseReason::LoggedOut } => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(alice.client.status(), Status::LoggedOut);
    assert!(!alice.client.ready().await);
    let store = alice.stop().await;

    let (client, _events) = builder(&server, store).connect().await.unwrap();
    assert!(!client.ready().await);
    assert_eq!(client.status(), Status::LoggedOut, "also after a restart");
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_tasks() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let Companion { client, mut events, jid, .. } = Companion::link(&server, &phone).await;
    let other = client.clone();
    drop(client);
    assert_eq!(other.status(), Status::Ready);
    drop(other);
    while events.next().await.is_some() {}
    server.wait_offline(&jid).await;
}
