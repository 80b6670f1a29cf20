//! Linking with a code that the user types on the phone.

use std::sync::Arc;
use std::time::Duration;

use wa_core::client::{PairCodeOptions, PairingLimits};
use wa_core::connection::CloseReason;
use wa_core::error::{CodeRefusal, PairCodeError};
use wa_core::event::{CodeVoid, PairingCodeShown};
use wa_core::pairing::PairingCode;
use wa_core::{Client, Event, Events, Status};
use wa_it::{Companion, builder, next_within};
use wa_store::MemoryStore;
use wa_test_server::{CodeError, Config, Phone, ScanOptions, TestServer};
use wa_types::PhoneNumber;

/// Longer than any step of pairing.
const LONG: Duration = Duration::from_secs(400);

fn number(phone: &Phone) -> PhoneNumber {
    phone.pn().user().parse().unwrap()
}

async fn start(server: &TestServer) -> (Client, Events) {
    builder(server, Arc::new(MemoryStore::new())).connect().await.unwrap()
}

async fn show(client: &Client, phone: &Phone) -> PairingCodeShown {
    client.pair_with_code(&number(phone), PairCodeOptions::new()).await.unwrap()
}

/// The next event of this kind; those before it are dropped.
async fn wait<T>(events: &mut Events, wanted: impl Fn(Event) -> Option<T>) -> T {
    loop {
        if let Some(found) = wanted(next_within(events, LONG).await) {
            return found;
        }
    }
}

async fn next_code(events: &mut Events) -> PairingCodeShown {
    wait(events, |event| if let Event::PairingCode(shown) = event { Some(shown) } else { None }).await
}

async fn next_void(events: &mut Events) -> CodeVoid {
    wait(events, |event| if let Event::PairingCodeVoid { reason } = event { Some(reason) } else { None })
        .await
}

async fn next_qr(events: &mut Events) -> String {
    wait(events, |event| if let Event::PairingQr(qr) = event { Some(qr.text) } else { None }).await
}

/// A code that is not this one.
fn other_than(code: &PairingCode) -> String {
    let first = if code.as_str().starts_with('1') { "2" } else { "1" };
    format!("{first}{}", &code.as_str()[1..])
}

#[tokio::test]
async fn a_code_shown_here_and_typed_on_the_phone_links() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let (client, mut events) = start(&server).await;
    let shown = show(&client, &phone).await;
    assert_eq!(shown.expires_in, Duration::from_secs(180));
    let text = shown.code.to_string();
    assert_eq!((text.len(), text.find('-')), (9, Some(4)), "XXXX-XXXX");
    assert_eq!(next_code(&mut events).await, shown, "the event tells the same");
    assert_eq!(phone.code_request().await.unwrap(), "Chrome (Linux)");

    let jid = phone.enter_code(&text.to_lowercase()).await.unwrap();
    let paired =
        wait(&mut events, |event| if let Event::Paired(paired) = event { Some(paired) } else { None }).await;
    assert_eq!(paired.jid, jid);
    assert!(client.ready().await);
    assert_eq!(phone.linked_devices(), [jid]);
    let again = client.pair_with_code(&number(&phone), PairCodeOptions::new()).await;
    assert!(matches!(again, Err(PairCodeError::AlreadyPaired)), "{again:?}");
}

#[tokio::test]
async fn a_chosen_code_is_shown_as_it_was_chosen() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let (client, _events) = start(&server).await;
    let chosen: PairingCode = "WXYZ-1234".parse().unwrap();
    let options = PairCodeOptions::new().code(chosen.clone());
    let shown = client.pair_with_code(&number(&phone), options).await.unwrap();
    assert_eq!(shown.code, chosen);
    assert!(phone.enter_code("wxyz1234").await.is_ok());
    assert!(client.ready().await);
}

#[tokio::test]
async fn a_wrong_code_links_nothing_and_the_right_one_still_does() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let (client, _events) = start(&server).await;
    let code = show(&client, &phone).await.code;
    assert_eq!(phone.enter_code("ABC").await, Err(CodeError::NotACode));
    for _ in 0..2 {
        assert_eq!(phone.enter_code(&other_than(&code)).await, Err(CodeError::WrongCode));
        assert!(phone.linked_devices().is_empty());
        assert_eq!(client.status(), Status::Pairing);
    }
    assert!(phone.enter_code(code.as_str()).await.is_ok(), "the third and last try");
    assert!(client.ready().await);
}

#[tokio::test(start_paused = true)]
async fn a_fourth_answer_to_one_code_ends_it() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let (client, mut events) = start(&server).await;
    let code = show(&client, &phone).await.code;
    for _ in 0..3 {
        assert_eq!(phone.enter_code(&other_than(&code)).await, Err(CodeError::WrongCode));
    }
    let (entered, void) = tokio::join!(phone.enter_code(code.as_str()), next_void(&mut events));
    assert_eq!(entered, Err(CodeError::NoAnswer), "also for the right one");
    assert!(matches!(void, CodeVoid::TooManyAnswers), "{void:?}");
    let code = show(&client, &phone).await.code;
    assert!(phone.enter_code(code.as_str()).await.is_ok(), "a new code links");
}

#[tokio::test(start_paused = true)]
async fn after_a_wrong_code_that_nobody_corrects_a_new_one_can_be_made() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let (client, mut events) = start(&server).await;
    let code = show(&client, &phone).await.code;
    assert_eq!(phone.enter_code(&other_than(&code)).await, Err(CodeError::WrongCode));
    let void = next_void(&mut events).await;
    assert!(matches!(void, CodeVoid::NotConfirmed), "{void:?}");
    let code = show(&client, &phone).await.code;
    assert!(phone.enter_code(code.as_str()).await.is_ok());
    assert!(client.ready().await);
}

#[tokio::test(start_paused = true)]
async fn a_code_that_nobody_types_expires_and_is_good_for_nothing_then() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let (client, mut events) = start(&server).await;
    let code = show(&client, &phone).await.code;
    let shown_at = tokio::time::Instant::now();
    let void = next_void(&mut events).await;
    assert!(matches!(void, CodeVoid::Expired), "{void:?}");
    assert_eq!(
        shown_at.elapsed().as_secs(),
        180,
        "the QR codes ran out before, and did not end the connection"
    );
    assert_eq!(phone.enter_code(code.as_str()).await, Err(CodeError::Expired));
    match wait(&mut events, |event| if let Event::Closed { reason } = event { Some(reason) } else { None })
        .await
    {
        CloseReason::PairingTimeout => {}
        other => panic!("{other:?}"),
    }

    // A call connects by itself.
    assert_eq!(client.status(), Status::Closed);
    let code = show(&client, &phone).await.code;
    assert!(phone.enter_code(code.as_str()).await.is_ok());
    assert!(client.ready().await);
}

#[tokio::test(start_paused = true)]
async fn a_code_that_the_server_forgot_is_refused_to_the_phone() {
    let config = Config { code_life: Duration::from_secs(30), ..Config::default() };
    let server = TestServer::with(config).await;
    let phone = server.phone("alice");
    let (client, mut events) = start(&server).await;
    let code = show(&client, &phone).await.code;
    // The first QR code is shown for a minute.
    let first = next_qr(&mut events).await;
    assert_ne!(next_qr(&mut events).await, first);
    assert_eq!(phone.enter_code(code.as_str()).await, Err(CodeError::Expired));
    // It closes the connection when the QR codes ran out.
    assert!(matches!(next_void(&mut events).await, CodeVoid::ConnectionLost));
}

#[tokio::test(start_paused = true)]
async fn an_expired_code_is_renewed_by_itself_if_that_is_wanted() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let mut limits = PairingLimits::default();
    limits.code = Duration::from_secs(20);
    let store = Arc::new(MemoryStore::new());
    let (client, mut events) = builder(&server, store).pairing_limits(limits).connect().await.unwrap();
    let options = PairCodeOptions::new().renew_when_expired();
    let first = client.pair_with_code(&number(&phone), options).await.unwrap();
    assert_eq!(next_code(&mut events).await, first);
    assert!(matches!(next_void(&mut events).await, CodeVoid::Expired));
    let second = next_code(&mut events).await;
    assert_ne!(first.code, second.code);
    assert_eq!(phone.enter_code(first.code.as_str()).await, Err(CodeError::WrongCode));
    assert!(phone.enter_code(second.code.as_str()).await.is_ok());
    assert!(client.ready().await);
}

#[tokio::test]
async fn a_live_code_is_never_replaced() {
    let server = TestServer::start().await;
    let (phone, other) = (server.phone("alice"), server.phone("bob"));
    let (client, _events) = start(&server).await;
    let shown = show(&client, &phone).await;
    for asked in [&phone, &other] {
        match client.pair_with_code(&number(asked), PairCodeOptions::new()).await {
            Err(PairCodeError::Live { code, expires_in }) => {
                assert_eq!(code, shown.code);
                assert!(expires_in <= shown.expires_in);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(other.enter_code(shown.code.as_str()).await, Err(CodeError::NoRequest));
    assert!(phone.enter_code(shown.code.as_str()).await.is_ok());
}

#[tokio::test]
async fn the_server_may_want_a_new_code_from_the_user_or_by_itself() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let (client, mut events) = start(&server).await;
    let first = show(&client, &phone).await;
    assert_eq!(next_code(&mut events).await, first);
    assert!(phone.refresh_code(true));
    assert!(matches!(next_void(&mut events).await, CodeVoid::RefreshByUser));
    assert_eq!(client.status(), Status::Pairing, "the QR codes go on");

    let second = show(&client, &phone).await;
    assert_ne!(first.code, second.code);
    assert_eq!(next_code(&mut events).await, second);
    assert!(phone.refresh_code(false));
    assert!(matches!(next_void(&mut events).await, CodeVoid::Refreshed));
    let third = next_code(&mut events).await;
    assert_ne!(second.code, third.code);
    assert!(phone.refresh_code(true));
    assert!(matches!(next_void(&mut events).await, CodeVoid::RefreshByUser));

    // One that somebody chose is not replaced by one of the library's.
    let chosen = PairCodeOptions::new().code("WXYZ-1234".parse().unwrap());
    client.pair_with_code(&number(&phone), chosen).await.unwrap();
    assert!(phone.refresh_code(false));
    assert!(matches!(next_void(&mut events).await, CodeVoid::Refreshed));
    let fourth = show(&client, &phone).await;
    assert!(phone.enter_code(fourth.code.as_str()).await.is_ok());
    assert!(client.ready().await);
}

#[tokio::test]
async fn each_refusal_of_the_server_has_its_reason() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let (client, mut events) = start(&server).await;
    let cases = [
        (400, None, CodeRefusal::BadRequest),
        (403, None, CodeRefusal::Forbidden),
        (429, Some(90), CodeRefusal::RateLimited),
        (429, None, CodeRefusal::RateLimited),
        (452, None, CodeRefusal::NotAvailable),
        (500, None, CodeRefusal::Server),
        (418, None, CodeRefusal::Other(418)),
    ];
    for (code, backoff, expected) in cases {
        server.refuse_pairing_code(code, backoff);
        match client.pair_with_code(&number(&phone), PairCodeOptions::new()).await {
            Err(PairCodeError::Refused { why, retry_after }) => {
                let backoff = backoff.map(|seconds| Duration::from_secs(seconds.into()));
                assert_eq!((why, retry_after), (expected, backoff));
            }
            other => panic!("{code}: {other:?}"),
        }
    }
    let nobody = "19999999999".parse().unwrap();
    match client.pair_with_code(&nobody, PairCodeOptions::new()).await {
        Err(PairCodeError::Refused { why: CodeRefusal::BadRequest, .. }) => {}
        other => panic!("{other:?}"),
    }

    // A code that is made by itself may be refused as well.
    let shown = show(&client, &phone).await;
    assert_eq!(next_code(&mut events).await, shown);
    server.refuse_pairing_code(429, None);
    assert!(phone.refresh_code(false));
    assert!(matches!(next_void(&mut events).await, CodeVoid::Refreshed));
    match next_void(&mut events).await {
        CodeVoid::NotRenewed(PairCodeError::Refused { why: CodeRefusal::RateLimited, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn while_a_code_is_live_the_qr_code_links_too_also_after_a_wrong_code() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let (client, mut events) = start(&server).await;
    let qr = next_qr(&mut events).await;
    let code = show(&client, &phone).await.code;
    assert_eq!(phone.enter_code(&other_than(&code)).await, Err(CodeError::WrongCode));
    let jid = phone.scan(&qr).await.unwrap();
    wait(&mut events, |event| match event {
        Event::Connected => Some(()),
        Event::PairingCodeVoid { reason } => panic!("told although the device is linked: {reason:?}"),
        _ => None,
    })
    .await;
    assert_eq!(phone.linked_devices(), [jid]);
}

#[tokio::test(start_paused = true)]
async fn qr_codes_rotate_while_a_code_is_live_and_either_links() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let (client, mut events) = start(&server).await;
    let mut shown = vec![next_qr(&mut events).await];
    let code = show(&client, &phone).await.code;
    for _ in 0..3 {
        let qr = next_qr(&mut events).await;
        assert!(!shown.contains(&qr));
        shown.push(qr);
    }
    assert!(phone.enter_code(code.as_str()).await.is_ok());
    assert!(client.ready().await);
}

#[tokio::test]
async fn an_answer_with_a_wrong_secret_is_refused_and_the_code_stays() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let (client, mut events) = start(&server).await;
    let code = show(&client, &phone).await.code;
    let options = ScanOptions { bad_hmac: true, ..ScanOptions::default() };
    let refused = phone.enter_code_with(code.as_str(), &options).await;
    assert!(matches!(refused, Err(CodeError::Link(_))), "{refused:?}");
    wait(&mut events, |event| matches!(event, Event::PairingFailed { .. }).then_some(())).await;
    assert!(phone.enter_code(code.as_str()).await.is_ok());
    assert!(client.ready().await);
}

#[tokio::test]
async fn a_call_before_the_connection_is_up_waits_for_it() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    server.faults().refuse_connections(1);
    let (client, mut events) = start(&server).await;
    let number = number(&phone);
    let first = client.pair_with_code(&number, PairCodeOptions::new());
    let second = client.pair_with_code(&number, PairCodeOptions::new());
    let (first, second) = tokio::join!(first, second);
    assert!(matches!(second, Err(PairCodeError::InProgress)), "{second:?}");
    let lost = wait(&mut events, |event| matches!(event, Event::Disconnected { .. }).then_some(()));
    lost.await;
    assert!(phone.enter_code(first.unwrap().code.as_str()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_gets_no_connection_fails() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    server.faults().refuse_connections(u32::MAX);
    let (client, _events) = start(&server).await;
    let waits = client.pair_with_code(&number(&phone), PairCodeOptions::new()).await;
    assert!(matches!(waits, Err(PairCodeError::Timeout)), "{waits:?}");
    let number = number(&phone);
    let waits = client.pair_with_code(&number, PairCodeOptions::new());
    let (waits, ()) = tokio::join!(waits, client.disconnect());
    assert!(matches!(waits, Err(PairCodeError::NotConnected)), "{waits:?}");
    let waits = client.pair_with_code(&number, PairCodeOptions::new());
    let (waits, ()) = tokio::join!(waits, client.clone().shutdown());
    assert!(matches!(waits, Err(PairCodeError::Shutdown)), "{waits:?}");
}

#[tokio::test]
async fn a_code_ends_with_its_connection() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let (client, mut events) = start(&server).await;
    let code = show(&client, &phone).await.code;
    client.disconnect().await;
    assert!(matches!(next_void(&mut events).await, CodeVoid::ConnectionLost));
    assert_eq!(phone.enter_code(code.as_str()).await, Err(CodeError::Expired));
    let code = show(&client, &phone).await.code;
    assert!(phone.enter_code(code.as_str()).await.is_ok(), "a call connects by itself");
}

#[tokio::test]
async fn a_logged_out_device_gets_no_code_before_it_is_forgotten() {
    let server = TestServer::start().await;
    let phone = server.phone("alice");
    let alice = Companion::link(&server, &phone).await;
    alice.client.logout().await.unwrap();
    let refused = alice.client.pair_with_code(&number(&phone), PairCodeOptions::new()).await;
    assert!(matches!(refused, Err(PairCodeError::LoggedOut)), "{refused:?}");
    alice.client.forget().await.unwrap();
    let code = show(&alice.client, &phone).await.code;
    assert!(phone.enter_code(code.as_str()).await.is_ok());
    assert!(alice.client.ready().await);
    assert!(alice.store.account().await.unwrap().unwrap().is_paired());
}
