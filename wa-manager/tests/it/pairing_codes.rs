//! Codes, their limits, and what is kept of them elsewhere.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wa_core::client::PasskeyAssertion;
use wa_manager::account::{AccountRecord, ReasonKind};
use wa_manager::event::EventKind;
use wa_manager::hub::EventFilter;
use wa_manager::pairing::{
    Cap, LimitedBy, PairError, PairRequest, PairingPolicy, PairingStore, PairingTicket, PairingUpdate,
    PairingView, SqlitePairingStore,
};
use wa_manager::store::{ManagerStoreError, StoreFuture};
use wa_manager::{AccountId, AccountSpec, AccountStatus, ManagerError, TenantId};
use wa_test_server::Phone;
use wa_types::{PhoneNumber, UnixMillis};

use crate::scene::{self, Scene, key, soon, stands};

/// The next update of this kind; others before it are passed over.
async fn next<T>(ticket: &mut PairingTicket, wanted: impl Fn(&PairingUpdate) -> Option<T>) -> T {
    let mut others = Vec::new();
    loop {
        let update = soon("an update of the ticket", ticket.next()).await;
        let update = update.unwrap_or_else(|| panic!("the ticket ended after {others:?}"));
        if let Some(found) = wanted(&update) {
            return found;
        }
        others.push(update);
    }
}

async fn code(ticket: &mut PairingTicket) -> String {
    let shown = |update: &PairingUpdate| match update {
        PairingUpdate::Code(shown) => Some(shown.text.expose().to_owned()),
        _ => None,
    };
    next(ticket, shown).await
}

async fn qr(ticket: &mut PairingTicket) -> String {
    let shown = |update: &PairingUpdate| match update {
        PairingUpdate::Qr(shown) => Some(shown.text.expose().to_owned()),
        _ => None,
    };
    next(ticket, shown).await
}

async fn failure(ticket: &mut PairingTicket) -> PairError {
    let failed = |update: &PairingUpdate| match update {
        PairingUpdate::Failed(error) => Some(error.clone()),
        _ => None,
    };
    next(ticket, failed).await
}

/// Whether somebody has to ask for the next code.
fn expired(update: &PairingUpdate) -> Option<bool> {
    match update {
        PairingUpdate::CodeExpired { needs_refresh } => Some(*needs_refresh),
        _ => None,
    }
}

fn number(phone: &Phone) -> PhoneNumber {
    phone.pn().user().parse().unwrap()
}

fn now() -> UnixMillis {
    UnixMillis::from_system_time(SystemTime::now())
}

// R017, R020, R051: one number is throttled, for every account, and also after a restart; another one works.
#[tokio::test]
async fn a_number_that_the_server_throttles_rests() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    scene.create("berta").await;
    let throttled = number(&scene.phone("anna"));
    scene.server.refuse_pairing_code(429, None);
    let mut ticket = anna.pair(PairRequest::code(throttled.clone())).await.unwrap();
    let hour = Duration::from_secs(3600);
    assert_eq!(
        failure(&mut ticket).await,
        PairError::RateLimited { retry_after: hour, by: LimitedBy::Server }
    );
    let reason = stands(&anna, AccountStatus::Error).await.reason.unwrap();
    assert_eq!((reason.kind, reason.code), (ReasonKind::PairingRejected, Some(429)));
    assert!(reason.retry_at.unwrap() > now().0);

    let scene = scene.restart().await;
    for name in ["anna", "berta"] {
        for request in [PairRequest::code(throttled.clone()), PairRequest::both(throttled.clone())] {
            let refused = scene.account(name).pair(request).await.unwrap_err();
            let ManagerError::Pair(PairError::RateLimited { retry_after, by }) = refused else {
                panic!("{refused:?}")
            };
            assert!(by == LimitedBy::Server && retry_after <= hour);
        }
    }
    let berta = scene.account("berta");
    let fresh = scene.phone("berta");
    let mut ticket = berta.pair(PairRequest::code(number(&fresh))).await.unwrap();
    let shown = code(&mut ticket).await;
    fresh.enter_code(&shown).await.unwrap();
    stands(&berta, AccountStatus::Ready).await;
}

// R048: an account that cannot be linked by code is linked by QR code, on the same ticket.
#[tokio::test]
async fn a_qr_code_takes_the_place_of_a_code_that_is_not_available() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    let phone = scene.phone("anna");
    scene.server.refuse_pairing_code(452, None);
    let mut ticket = anna.pair(PairRequest::code(number(&phone))).await.unwrap();
    let refused = |update: &PairingUpdate| match update {
        PairingUpdate::CodeRefused(error) => Some(error.clone()),
        PairingUpdate::Qr(_) => panic!("a QR code that nobody asked for"),
        _ => None,
    };
    assert_eq!(next(&mut ticket, refused).await, PairError::Rejected { code: 452, retry_after: None });
    let text = qr(&mut ticket).await;
    phone.scan(&text).await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
}

// R042, R179: refresh, and when not.
#[tokio::test]
async fn a_new_code_is_made_when_somebody_wants_one_and_none_is_live() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    let phone = scene.phone("anna");
    let mut ticket = anna.pair(PairRequest::code(number(&phone))).await.unwrap();
    let first = code(&mut ticket).await;
    assert!(matches!(ticket.refresh().await, Err(PairError::CodeOutstanding { .. })));
    // The server takes it back, and wants the user's word for the next one.
    phone.code_request().await.unwrap();
    assert!(phone.refresh_code(true));
    assert!(next(&mut ticket, expired).await);
    ticket.refresh().await.unwrap();
    let second = code(&mut ticket).await;
    // Or it wants one without.
    phone.code_request().await.unwrap();
    assert!(phone.refresh_code(false));
    let third = code(&mut ticket).await;
    assert!(first != second && second != third);
    phone.enter_code(&third).await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let events = scene.events(&anna).await;
    let count = |kind| events.iter().filter(|event| event.kind == kind).count();
    assert_eq!((count(EventKind::PairingCode), count(EventKind::PairingCodeExpired)), (3, 2));
    // R053
    for secret in [&first, &second, &third] {
        assert!(events.iter().all(|event| !event.data.to_string().contains(secret.as_str())));
    }
}

#[tokio::test]
async fn a_ticket_without_codes_is_exhausted() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    let phone = scene.phone("anna");
    let mut ticket = anna.pair(PairRequest::code(number(&phone))).await.unwrap();
    for number in 1..=3 {
        code(&mut ticket).await;
        phone.code_request().await.unwrap();
        assert!(phone.refresh_code(true));
        assert_eq!(next(&mut ticket, expired).await, number < 3);
        if number < 3 {
            ticket.refresh().await.unwrap();
        }
    }
    assert_eq!(failure(&mut ticket).await, PairError::Exhausted);
    assert_eq!(soon("the end of the ticket", ticket.next()).await, None);
    assert_eq!(ticket.refresh().await, Err(PairError::NotPairing));
    // Three codes are what the phone gets for now.
    let refused = anna.pair(PairRequest::code(number(&phone))).await.unwrap_err();
    assert!(matches!(refused, ManagerError::Pair(PairError::RateLimited { by: LimitedBy::Phone, .. })));
}

// 4.4: a passkey is signed, and the codes are compared, by whoever holds the ticket.
#[tokio::test]
async fn the_holder_of_the_ticket_signs_with_a_passkey() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    let phone = scene.phone("anna");
    let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
    let text = qr(&mut ticket).await;
    let mut link = phone.ask_passkey(&text, true).unwrap();
    let challenge = |update: &PairingUpdate| match update {
        PairingUpdate::PasskeyChallenge { options } => Some(options.expose().to_owned()),
        _ => None,
    };
    let options = next(&mut ticket, challenge).await;
    stands(&anna, AccountStatus::Pairing).await;
    let (id, json) = phone.sign_with_passkey(&options).unwrap();
    ticket.respond_passkey(Ok(PasskeyAssertion::new(id, json))).unwrap();
    let on_phone = soon("the phone's code", link.code()).await.unwrap();
    let compare = |update: &PairingUpdate| match update {
        PairingUpdate::PasskeyConfirm { code, is_asked: true } => Some(code.expose().to_owned()),
        _ => None,
    };
    assert_eq!(next(&mut ticket, compare).await, on_phone.to_string());
    ticket.confirm_passkey(true).unwrap();
    soon("the link", link.confirm()).await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
}

// R037, R039, R055: another process shows the code, as long as it is good for something.
#[tokio::test]
async fn another_process_shows_the_code() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pairing");
    let store = Arc::new(SqlitePairingStore::open(&path).unwrap());
    let scene = Scene::with(|builder| builder.pairing_store(store)).await;
    let other = SqlitePairingStore::open(&path).unwrap();
    let anna = scene.create("anna").await;
    let phone = scene.phone("anna");
    let mut ticket = anna.pair(PairRequest::both(number(&phone))).await.unwrap();
    let shown = code(&mut ticket).await;
    let seen = soon("the code elsewhere", async {
        loop {
            let view = other.get(anna.id(), now()).await.unwrap();
            if let Some(code) = view.and_then(|view| view.code) {
                return code.text.expose().to_owned();
            }
        }
    });
    assert_eq!(seen.await, shown);
    phone.enter_code(&shown).await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    soon("nothing to be left", async { while other.get(anna.id(), now()).await.unwrap().is_some() {} }).await;
}

/// A store that was there when the manager was built, and is gone since.
#[derive(Debug)]
struct Lost;

fn lost<'a, T: Send + 'a>() -> StoreFuture<'a, T> {
    Box::pin(std::future::ready(Err(ManagerStoreError::Closed)))
}

impl PairingStore for Lost {
    fn put(&self, _: &AccountId, _: &PairingView, _: UnixMillis) -> StoreFuture<'_, ()> {
        lost()
    }

    fn get(&self, _: &AccountId, _: UnixMillis) -> StoreFuture<'_, Option<PairingView>> {
        lost()
    }

    fn delete(&self, _: &AccountId) -> StoreFuture<'_, ()> {
        lost()
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

// R054: the code is told all the same, and so is the outage.
#[tokio::test]
async fn an_outage_of_the_pairing_store_stops_no_pairing() {
    let scene = Scene::with(|builder| builder.pairing_store(Arc::new(Lost))).await;
    let anna = scene.create("anna").await;
    let mut events = scene.subscribe(&anna);
    let phone = scene.phone("anna");
    let mut ticket = anna.pair(PairRequest::code(number(&phone))).await.unwrap();
    let shown = code(&mut ticket).await;
    let view = scene.manager.pairing(&key("anna")).await.unwrap().unwrap();
    assert_eq!(view.code.unwrap().text.expose(), shown, "the process that shows it needs no store");
    loop {
        let event = soon("the outage to be told", events.next()).await.unwrap();
        if event.kind == EventKind::PairingDegraded {
            assert_eq!(event.data["store"], "degraded");
            break;
        }
    }
    phone.enter_code(&shown).await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
}

/// 3.6: when most pairings fail alike somebody who runs this is told, and not only whoever tried.
#[tokio::test]
async fn the_host_hears_that_no_pairing_begins() {
    let mut policy = PairingPolicy::default();
    policy.caps.circuit.count = 2;
    let pause = policy.caps.circuit_pause;
    let scene = Scene::with(|builder| builder.pairing(policy)).await;
    let mut events = scene.manager.subscribe(EventFilter::default(), None);
    for name in ["anna", "berta"] {
        let account = scene.create(name).await;
        scene.server.refuse_pairing_code(429, None);
        let request = PairRequest::code(number(&scene.phone(name)));
        failure(&mut account.pair(request).await.unwrap()).await;
    }
    let told = scene::next(&mut events, EventKind::PairingPaused).await;
    assert_eq!((&told.account, &told.tenant), (&None, &TenantId::default()));
    assert_eq!(told.data["failure"], "rejected 429");
    assert_eq!(told.data["until"], told.at.after(pause).0);
    let refused = scene.create("clara").await.pair(PairRequest::qr()).await.unwrap_err();
    let ManagerError::Pair(PairError::RateLimited { by, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(by, LimitedBy::Circuit);
}

/// 3.6: codes are counted for each way out to the network, whoever asks for them.
#[tokio::test]
async fn each_way_out_has_codes_of_its_own() {
    let mut policy = PairingPolicy::default();
    policy.caps.egress = vec![Cap { count: 1, span: Duration::from_secs(60 * 60) }];
    let scene = Scene::with(|builder| {
        let way_of = |record: &AccountRecord| record.display_name.split(' ').nth(1).map(str::to_owned);
        builder.pairing(policy).egress(way_of)
    })
    .await;
    let pair = async |name: &str, tenant: &str, phone: &str| {
        let spec = AccountSpec {
            tenant: TenantId::new(tenant),
            display_name: Some(name.to_owned()),
            ..AccountSpec::default()
        };
        let account = scene.manager.create(spec).await.unwrap();
        let mut ticket = account.pair(PairRequest::code(number(&scene.phone(phone)))).await.unwrap();
        let told = |update: &PairingUpdate| match update {
            PairingUpdate::Code(_) => Some(Ok(())),
            PairingUpdate::Failed(error) => Some(Err(error.clone())),
            _ => None,
        };
        next(&mut ticket, told).await
    };
    pair("anna proxy-1", "one", "anna").await.unwrap();
    let refused = pair("berta proxy-1", "other", "berta").await.unwrap_err();
    assert!(matches!(refused, PairError::RateLimited { by: LimitedBy::Egress, .. }), "{refused:?}");
    pair("clara proxy-2", "one", "clara").await.unwrap();
    // Without a name, it is the process that is counted for.
    pair("dora", "one", "dora").await.unwrap();
    pair("emma", "one", "emma").await.unwrap();
}
