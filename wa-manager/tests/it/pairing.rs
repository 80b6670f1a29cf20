//! Linking accounts to phones.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use wa_manager::account::ReasonKind;
use wa_manager::event::EventKind;
use wa_manager::pairing::{
    PairError, PairRequest, PairingPolicy, PairingStore, PairingTicket, PairingUpdate, PairingView,
};
use wa_manager::sending::SendRequest;
use wa_manager::store::{ManagerStoreError, StoreFuture};
use wa_manager::webhook::{Reach, WebhookSecret, WebhookSpec};
use wa_manager::{Account, AccountId, AccountSpec, AccountStatus, ManagerError, TenantId, Unlink};
use wa_test_server::{Phone, TestServer};
use wa_types::UnixMillis;

use crate::one_socket::Counted;
use crate::paused::Paused;
use crate::receiver::Receiver;
use crate::scene::{Scene, builder, key, settled, soon, stands};

/// The next update of this kind.
async fn next<T>(ticket: &mut PairingTicket, wanted: impl Fn(PairingUpdate) -> Option<T>) -> T {
    loop {
        let update = soon("an update of the ticket", ticket.next()).await.expect("the ticket ended");
        assert!(!matches!(update, PairingUpdate::Failed(_)), "{update:?}");
        if let Some(found) = wanted(update) {
            return found;
        }
    }
}

async fn qr(ticket: &mut PairingTicket) -> String {
    next(ticket, |update| match update {
        PairingUpdate::Qr(shown) => Some(shown.text.expose().to_owned()),
        _ => None,
    })
    .await
}

async fn code(ticket: &mut PairingTicket) -> String {
    next(ticket, |update| match update {
        PairingUpdate::Code(shown) => Some(shown.text.expose().to_owned()),
        _ => None,
    })
    .await
}

async fn failure(ticket: &mut PairingTicket) -> PairError {
    loop {
        if let PairingUpdate::Failed(error) = soon("the failure", ticket.next()).await.expect("no failure") {
            return error;
        }
    }
}

async fn scan(scene: &Scene, account: &Account, phone: &str) {
    let mut ticket = account.pair(PairRequest::qr()).await.unwrap();
    let text = qr(&mut ticket).await;
    scene.phone(phone).scan(&text).await.unwrap();
    next(&mut ticket, |update| matches!(update, PairingUpdate::Linked(_)).then_some(())).await;
}

fn number(phone: &Phone) -> wa_types::PhoneNumber {
    phone.pn().user().parse().unwrap()
}

// R001, R010, R011, R022, R027, R048, R052: request, new client, code of that client, link, account.
// R002, R007, R012, R029, R081, R086, R140
#[tokio::test]
async fn an_account_is_linked_by_qr() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    let mut events = scene.subscribe(&anna);
    let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
    let text = qr(&mut ticket).await;
    stands(&anna, AccountStatus::Qr).await;
    assert!(scene.key_file("anna").exists(), "its store is at its final place");
    let view = scene.manager.pairing(&key("anna")).await.unwrap();
    assert_eq!(view.unwrap().qr.unwrap().text.expose(), text);
    scene.phone("anna").scan(&text).await.unwrap();
    next(&mut ticket, |update| matches!(update, PairingUpdate::Accepted).then_some(())).await;
    let device = next(&mut ticket, |update| match update {
        PairingUpdate::Linked(device) => Some(device),
        _ => None,
    });
    let device = device.await;
    let ready = stands(&anna, AccountStatus::Ready).await;
    assert_eq!(ready.device.unwrap().device_id, device.jid.to_string());
    assert_eq!(ready.phone_number.as_deref(), Some(scene.phone("anna").pn().user()));
    assert_eq!(scene.manager.pairing(&key("anna")).await.unwrap(), None, "nothing is shown any more");
    // In this order, and without secrets (R053).
    let mut told = Vec::new();
    while told.last().is_none_or(|last| last != "ready") {
        let event = soon("the link to be told", events.next()).await.unwrap();
        assert!(!event.data.to_string().contains(&text), "{event:?}");
        told.push(match event.kind {
            EventKind::AccountStatus => event.data["status"].as_str().unwrap().to_owned(),
            kind => kind.wire().to_owned(),
        });
    }
    told.retain(|told| !["account.created", "trust.changed"].contains(&told.as_str()));
    let expected =
        ["pairing.started", "loading", "pairing.qr", "qr", "authenticated", "account.linked", "ready"];
    assert_eq!(told, expected);
}

// R027, R039, R055: whoever hears of a code finds it, and finds none once it is told that there is none.
#[tokio::test]
async fn what_is_told_of_a_pairing_is_shown_by_then() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    let mut events = scene.subscribe(&anna);
    let phone = scene.phone("anna");
    let _ticket = anna.pair(PairRequest::both(number(&phone))).await.unwrap();
    let mut seen = Vec::new();
    while seen.last() != Some(&AccountStatus::Ready) {
        let event = soon("the link to be told", events.next()).await.unwrap();
        let view = scene.manager.pairing(&key("anna")).await.unwrap();
        match event.kind {
            EventKind::PairingQr => assert!(view.unwrap().qr.is_some()),
            EventKind::PairingCode => {
                let code = view.unwrap().code.unwrap();
                phone.enter_code(code.text.expose()).await.unwrap();
            }
            EventKind::AccountStatus => {
                let status = AccountStatus::from_wire(event.data["status"].as_str().unwrap()).unwrap();
                seen.push(status);
                assert!(
                    status != AccountStatus::Authenticated || view.is_none_or(|view| view.code.is_none())
                );
            }
            _ => {}
        }
    }
    assert!(seen.contains(&AccountStatus::Pairing), "{seen:?}");
}

// R039, R043, R048, R050, R141: by code, beside the QR code on one connection.
// R023, R049, R081
#[tokio::test]
async fn an_account_is_linked_by_a_code_that_is_typed() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    let phone = scene.phone("anna");
    let mut ticket = anna.pair(PairRequest::both(number(&phone))).await.unwrap();
    let shown = code(&mut ticket).await;
    let letters: String = shown.chars().filter(|letter| *letter != '-').collect();
    assert_eq!((letters.len(), shown.len()), (8, 9), "XXXX-XXXX");
    stands(&anna, AccountStatus::Pairing).await;
    let view = scene.manager.pairing(&key("anna")).await.unwrap().unwrap();
    assert!(view.qr.is_some() && view.code.is_some());
    phone.enter_code(&shown).await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
}

// R034: the link is called stable when it held.
#[tokio::test]
async fn a_link_that_held_is_confirmed() {
    let policy = PairingPolicy { probation: Duration::from_millis(300), ..PairingPolicy::default() };
    let scene = Scene::with(|builder| builder.pairing(policy)).await;
    let anna = scene.create("anna").await;
    let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
    let text = qr(&mut ticket).await;
    scene.phone("anna").scan(&text).await.unwrap();
    next(&mut ticket, |update| matches!(update, PairingUpdate::Confirmed).then_some(())).await;
    assert_eq!(ticket.next().await, None, "the ticket ended");
    let events = scene.events(&anna).await;
    assert!(events.iter().any(|event| event.kind == EventKind::AccountLinkConfirmed));
}

// R034: also when the process ended meanwhile.
#[tokio::test]
async fn a_link_is_confirmed_after_a_restart() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    scan(&scene, &anna, "anna").await;
    stands(&anna, AccountStatus::Ready).await;
    let policy = PairingPolicy { probation: Duration::from_millis(300), ..PairingPolicy::default() };
    let scene = scene.restart_with(|builder| builder.pairing(policy)).await;
    let anna = scene.account("anna");
    let mut events = scene.subscribe(&anna);
    assert_eq!(scene.manager.restore().await.started.len(), 1);
    loop {
        let event = soon("the confirmation", events.next()).await.unwrap();
        if event.kind == EventKind::AccountLinkConfirmed {
            break;
        }
    }
}

// R018, R021: dropped right after it was made.
#[tokio::test]
async fn a_link_that_is_dropped_at_once_is_unstable() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    let phone = scene.phone("anna");
    let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
    let text = qr(&mut ticket).await;
    let device = phone.scan(&text).await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    assert!(phone.remove_device(&device));
    assert!(matches!(failure(&mut ticket).await, PairError::UnstableLink { .. }));
    let after = stands(&anna, AccountStatus::Error).await;
    assert_eq!(after.reason.unwrap().kind, ReasonKind::UnstableLink);
    soon("the link to be gone", anna.reached(|snapshot| !snapshot.is_logged_in)).await.unwrap();
    settled(&anna).await;
    assert!(!scene.key_file("anna").exists());
}

// R014: called off, nothing is left behind.
#[tokio::test]
async fn an_attempt_that_is_called_off_leaves_nothing() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
    qr(&mut ticket).await;
    ticket.cancel().await.unwrap();
    assert_eq!(failure(&mut ticket).await, PairError::Cancelled);
    stands(&anna, AccountStatus::Idle).await;
    assert!(!scene.key_file("anna").exists());
    assert_eq!(scene.manager.pairing(&key("anna")).await.unwrap(), None);
    // A stop does the same.
    let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
    qr(&mut ticket).await;
    anna.stop().await.unwrap();
    assert_eq!(failure(&mut ticket).await, PairError::Cancelled);
    assert_eq!(anna.status(), AccountStatus::Idle);
    assert!(!scene.key_file("anna").exists());
}

// R014: nor a socket, whoever calls it off, and however often it connected.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_ends_leaves_no_socket() {
    let mut counted = None;
    let paused =
        Paused::with(|builder, server| counted.insert(Counted::new(server)).for_all(builder, server)).await;
    let (scene, counted) = (&paused.scene, counted.unwrap());
    for (name, how) in [("anna", 0), ("anna", 1), ("berta", 2)] {
        let account = match scene.manager.get(&key(name)) {
            Some(account) => account,
            None => scene.create(name).await,
        };
        let mut ticket = account.pair(PairRequest::qr()).await.unwrap();
        qr(&mut ticket).await;
        assert_eq!(counted.now(), 1);
        match how {
            0 => ticket.cancel().await.unwrap(),
            1 => drop(account.stop().await.unwrap()),
            _ => scene.manager.delete(&key(name), Unlink::AtServer).await.unwrap(),
        }
        if how != 2 {
            stands(&account, AccountStatus::Idle).await;
            settled(&account).await;
        }
        assert_eq!((counted.now(), counted.most()), (0, 1));
    }
}

// R001, R002: each attempt has keys that nobody had before, and a client that nobody can use before a phone accepts it.
#[tokio::test]
async fn each_attempt_is_a_device_of_its_own_and_nobodys_client() {
    let scene = Scene::new().await;
    let (anna, berta) = (scene.create("anna").await, scene.create("berta").await);
    let mut shown = Vec::new();
    for account in [&anna, &anna, &berta] {
        let mut ticket = account.pair(PairRequest::qr()).await.unwrap();
        shown.push(qr(&mut ticket).await);
        let snapshot = account.snapshot();
        assert_eq!((snapshot.is_logged_in, snapshot.device), (false, None));
        assert_eq!(scene.manager.health().connected, 0);
        let request = SendRequest::new(scene.phone("clara").pn().clone(), wa_core::Message::text("hello"));
        assert_eq!(account.send(request).await.unwrap_err().code(), "not_ready");
        ticket.cancel().await.unwrap();
        stands(account, AccountStatus::Idle).await;
    }
    // Behind the server's reference: the keys of noise and of the identity, and the secret of the device list.
    let keys: Vec<&str> = shown.iter().flat_map(|text| text.split(',').skip(1).take(3)).collect();
    let different: HashSet<&str> = keys.iter().copied().collect();
    assert_eq!((keys.len(), different.len()), (9, 9));
}

// R036: webhooks that fail, and that never answer, change nothing of a pairing.
#[tokio::test]
async fn a_link_comes_about_whatever_its_webhooks_do() {
    let (failing, silent) = (Receiver::start(|_| (500, None)).await, Receiver::start(|_| (0, None)).await);
    let reach = Reach { private: true, plain: false };
    let scene = Scene::with(|builder| builder.webhooks(move |webhooks| webhooks.reach(reach))).await;
    for receiver in [&failing, &silent] {
        let spec = WebhookSpec::new(receiver.url(), WebhookSecret::new([7; 32]).unwrap());
        scene.manager.webhooks().create(TenantId::default(), spec).await.unwrap();
    }
    let anna = scene.create("anna").await;
    for receiver in [&failing, &silent] {
        soon("the first event to be posted", receiver.wait_for(1)).await;
    }
    scan(&scene, &anna, "anna").await;
    stands(&anna, AccountStatus::Ready).await;
    assert_eq!(scene.statuses(&anna).await, ["loading", "qr", "authenticated", "ready"]);
}

// R015: the account, and the phone, are linked once at a time.
#[tokio::test]
async fn one_attempt_at_a_time() {
    let scene = Scene::new().await;
    let (anna, berta) = (scene.create("anna").await, scene.create("berta").await);
    let phone = number(&scene.phone("anna"));
    let mut ticket = anna.pair(PairRequest::code(phone.clone())).await.unwrap();
    let again = anna.pair(PairRequest::qr()).await.unwrap_err();
    assert!(matches!(again, ManagerError::Pair(PairError::AlreadyPairing)), "{again:?}");
    let other = berta.pair(PairRequest::code(phone)).await.unwrap_err();
    assert_eq!(other.code(), "already_pairing");
    code(&mut ticket).await;
    ticket.cancel().await.unwrap();
    berta.pair(PairRequest::qr()).await.unwrap();
}

// 3.6: a number that is linked here is refused, also when it turns out at the scan, unless that is allowed.
#[tokio::test]
async fn a_number_that_is_linked_here_is_refused() {
    let scene = Scene::new().await;
    let (anna, berta) = (scene.create("anna").await, scene.create("berta").await);
    scan(&scene, &anna, "anna").await;
    stands(&anna, AccountStatus::Ready).await;
    let phone = scene.phone("anna");
    let refused = berta.pair(PairRequest::code(number(&phone))).await.unwrap_err();
    let ManagerError::Pair(PairError::AlreadyLinked { account }) = refused else { panic!("{refused:?}") };
    assert_eq!(account.as_ref(), Some(anna.id()));
    assert!(matches!(
        anna.pair(PairRequest::qr()).await,
        Err(ManagerError::Pair(PairError::AlreadyLinked { .. }))
    ));
    let mut ticket = berta.pair(PairRequest::qr()).await.unwrap();
    let text = qr(&mut ticket).await;
    let _refused = phone.scan(&text).await;
    assert!(matches!(failure(&mut ticket).await, PairError::AlreadyLinked { .. }));
    assert!(!berta.snapshot().is_logged_in);
    // Allowed.
    let mut ticket = berta.pair(PairRequest::qr().allow_relink()).await.unwrap();
    let text = qr(&mut ticket).await;
    phone.scan(&text).await.unwrap();
    stands(&berta, AccountStatus::Ready).await;
    assert_eq!(anna.status(), AccountStatus::Ready);
}

// R003, R004, R026: fifty numbers at once, none disturbs another.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_accounts_are_linked_at_once() {
    const COUNT: usize = 50;
    let scene = Scene::new().await;
    let server: &TestServer = &scene.server;
    let linked = (0..COUNT).map(|number| {
        let manager = scene.manager.clone();
        async move {
            let account = manager.create(AccountSpec::default()).await.unwrap();
            let mut ticket = account.pair(PairRequest::qr()).await.unwrap();
            let text = qr(&mut ticket).await;
            server.phone(&format!("phone {number}")).scan(&text).await.unwrap();
            stands(&account, AccountStatus::Ready).await;
            account.snapshot().phone_number.unwrap()
        }
    });
    let mut numbers = futures_util::future::join_all(linked).await;
    numbers.sort();
    numbers.dedup();
    assert_eq!((numbers.len(), scene.manager.health().connected), (COUNT, COUNT));
}

/// A store that cannot be reached.
#[derive(Debug)]
struct Gone;

impl PairingStore for Gone {
    fn put(&self, _: &AccountId, _: &PairingView, _: UnixMillis) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Err(ManagerStoreError::Closed)))
    }

    fn get(&self, _: &AccountId, _: UnixMillis) -> StoreFuture<'_, Option<PairingView>> {
        Box::pin(std::future::ready(Err(ManagerStoreError::Closed)))
    }

    fn delete(&self, _: &AccountId) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Err(ManagerStoreError::Closed)))
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Err(ManagerStoreError::Closed)))
    }
}

// R038: nobody would see the codes.
#[tokio::test]
async fn a_pairing_store_that_fails_is_told_before_anything_begins() {
    let (server, directory) = (TestServer::start().await, tempfile::TempDir::new().unwrap());
    let builder = crate::scene::builder(&server, &directory).pairing_store(Arc::new(Gone));
    let error = builder.build().await.unwrap_err();
    assert_eq!(error.code(), "pairing_store");
}

// R014, R055: nor does one that the end of the manager cuts off.
#[tokio::test]
async fn the_end_of_the_manager_ends_what_is_shown() {
    let store = Arc::new(wa_manager::pairing::MemoryPairingStore::default());
    let shown = Arc::clone(&store);
    let scene = Scene::with(move |builder| builder.pairing_store(shown)).await;
    let anna = scene.create("anna").await;
    let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
    qr(&mut ticket).await;
    let id = anna.id().clone();
    let scene = scene.restart().await;
    assert_eq!(store.get(&id, UnixMillis(0)).await.unwrap(), None);
    assert_eq!(scene.account("anna").status(), AccountStatus::Idle);
    assert!(!scene.key_file("anna").exists());
    assert_eq!(failure(&mut ticket).await, PairError::Cancelled);
}

// The phone lists the device, and the process ends before the first login: the next one makes it a link.
#[tokio::test]
async fn a_link_that_was_accepted_outlives_the_process() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
    let text = qr(&mut ticket).await;
    scene.server.faults().refuse_login(503, 1000);
    scene.phone("anna").scan(&text).await.unwrap();
    next(&mut ticket, |update| matches!(update, PairingUpdate::Accepted).then_some(())).await;
    stands(&anna, AccountStatus::Authenticated).await;
    assert!(!anna.snapshot().is_logged_in, "no login, no link");
    let refused = anna.pair(PairRequest::qr()).await.unwrap_err();
    assert_eq!(refused.code(), "already_linked", "its keys are not thrown away");

    let scene = scene.restart().await;
    scene.server.faults().refuse_login(503, 0);
    let anna = scene.account("anna");
    let mut events = scene.subscribe(&anna);
    assert_eq!(soon("the account to be restored", scene.manager.restore()).await.started.len(), 1);
    stands(&anna, AccountStatus::Ready).await;
    loop {
        let event = soon("the link to be told", events.next()).await.unwrap();
        if event.kind == EventKind::AccountLinked {
            break;
        }
    }
    assert!(anna.snapshot().is_logged_in);
}

/// The client knows that the phone accepted, and the process ends before its manager does: the next one finds out. What a
/// logout left is no link.
#[tokio::test]
async fn a_link_that_only_the_client_knows_of_outlives_the_process() {
    let scene = Scene::new().await;
    let (anna, berta) = (scene.create("anna").await, scene.create("berta").await);
    let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
    let text = qr(&mut ticket).await;
    scene.server.faults().refuse_login(503, 1000);
    scene.phone("anna").scan(&text).await.unwrap();
    stands(&anna, AccountStatus::Authenticated).await;
    drop((anna, berta));
    let Scene { server, directory, manager } = scene;
    manager.shutdown(std::time::Duration::from_secs(30)).await;
    drop(manager);
    let connection = rusqlite::Connection::open(directory.path().join("manager.db")).unwrap();
    let sql = "UPDATE account SET status = 'qr', desired = 'stopped', accepted = NULL WHERE name = 'anna'";
    assert_eq!(connection.execute(sql, []).unwrap(), 1);
    connection.close().unwrap();
    let keys = |name: &str| directory.path().join("default").join(format!("{name}.db"));
    std::fs::copy(keys("anna"), keys("berta")).unwrap();
    server.faults().clear();
    let manager = builder(&server, &directory).build().await.unwrap();
    let scene = Scene { server, directory, manager };
    let anna = scene.account("anna");
    assert_eq!(anna.status(), AccountStatus::Disconnected);
    let restored = soon("the accounts to be restored", scene.manager.restore()).await;
    assert_eq!((restored.started.len(), restored.skipped.len()), (1, 1));
    stands(&anna, AccountStatus::Ready).await;
    assert!(anna.snapshot().is_logged_in);
    settled(&scene.account("berta")).await;
    assert_eq!(scene.account("berta").status(), AccountStatus::Idle);
    assert!(!scene.key_file("berta").exists());
}

/// Its keys could not be read at first. Nobody has to start what went on without them.
#[tokio::test]
async fn a_link_that_is_found_late_is_made_all_the_same() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
    let text = qr(&mut ticket).await;
    scene.server.faults().refuse_login(503, 1000);
    scene.phone("anna").scan(&text).await.unwrap();
    stands(&anna, AccountStatus::Authenticated).await;
    let Scene { server, directory, manager } = scene;
    manager.shutdown(Duration::from_secs(30)).await;
    drop(manager);
    let connection = rusqlite::Connection::open(directory.path().join("manager.db")).unwrap();
    let sql = "UPDATE account SET status = 'qr', desired = 'stopped', accepted = NULL WHERE name = 'anna'";
    assert_eq!(connection.execute(sql, []).unwrap(), 1);
    connection.close().unwrap();
    server.faults().clear();
    let keys = directory.path().join("default").join("anna.db");
    let used = wa_store::SqliteStore::open(&keys).await.unwrap();
    let manager = builder(&server, &directory).build().await.unwrap();
    let scene = Scene { server, directory, manager };
    settled(&scene.account("anna")).await;
    let shown = scene.account("anna").snapshot();
    assert_eq!((shown.status, shown.reason.unwrap().kind), (AccountStatus::Error, ReasonKind::StoreLocked));
    wa_store::Store::close(&used).await.unwrap();
    let scene = scene.restart().await;
    assert!(stands(&scene.account("anna"), AccountStatus::Ready).await.is_logged_in);
}

// One ticket, two phones: the first one is linked, and the second one is told no.
#[tokio::test]
async fn a_code_that_two_phones_scan_links_one_of_them() {
    let scene = Scene::new().await;
    let anna = scene.create("anna").await;
    let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
    let text = qr(&mut ticket).await;
    let (first, second) = (scene.phone("anna"), scene.phone("berta"));
    let (one, other) = tokio::join!(first.scan(&text), second.scan(&text));
    let linked = [one.is_ok(), other.is_ok()].into_iter().filter(|is| *is).count();
    assert_eq!(linked, 1, "{one:?} {other:?}");
    let device = next(&mut ticket, |update| match update {
        PairingUpdate::Linked(device) => Some(device),
        _ => None,
    });
    let device = device.await;
    let ready = stands(&anna, AccountStatus::Ready).await;
    assert_eq!(ready.device.unwrap().device_id, device.jid.to_string());
    let phone = if one.is_ok() { first } else { second };
    assert_eq!(ready.phone_number.as_deref(), Some(phone.pn().user()));
    let events = scene.events(&anna).await;
    assert_eq!(events.iter().filter(|event| event.kind == EventKind::AccountLinked).count(), 1);
}
