//! What the server says about an account or a release, and what follows.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use wa_core::noise::client_payload::ClientVersion;
use wa_manager::account::{DesiredState, ReasonKind};
use wa_manager::clock::Clock as _;
use wa_manager::event::EventKind;
use wa_manager::inbound::{ContactProvisioner, HookError, InboundContext, ProvisionFuture};
use wa_manager::pairing::{PairError, PairRequest, PairingUpdate};
use wa_manager::{AccountStatus, ManagerError, Unlink};
use wa_test_server::{Config, TestServer};

use crate::scene::{HandClock, Scene, builder, link_to, linked, linked_with, next, settled, soon, stands};

/// 3.1, acceptance: after 403 nothing connects by itself, and nobody may try before the time.
#[tokio::test]
async fn a_locked_account_is_not_tried_before_its_time() {
    let clock = Arc::new(HandClock::default());
    let scene = linked_with(&["anna"], |builder| builder.clock(clock.clone())).await;
    let anna = scene.account("anna");
    scene.server.faults().refuse_login(403, 1);
    anna.start().await.unwrap();
    let after = stands(&anna, AccountStatus::Error).await;
    assert_eq!(after.reason.unwrap().kind, ReasonKind::AccountLocked);
    let too_soon = async |minutes: u64| {
        let Err(ManagerError::NotYet { until }) = anna.start().await else { panic!("started") };
        let retry_after = until.since(clock.wall());
        assert!(retry_after <= Duration::from_secs(minutes * 60));
        assert!(retry_after > Duration::from_secs((minutes - 1) * 60));
    };
    too_soon(5).await;
    clock.pass(Duration::from_secs(3 * 60));
    too_soon(2).await;
    clock.pass(Duration::from_secs(2 * 60));
    anna.start().await.unwrap();
}

/// A process may be killed between what the account's own store says (logged out) and what the manager makes of it: the
/// server is asked again, and only its word unlinks.
#[tokio::test]
async fn what_only_the_accounts_own_store_says_unlinks_nobody() {
    let scene = linked(&["anna", "berta", "clara"]).await;
    for name in ["anna", "berta", "clara"] {
        let store: Box<dyn wa_store::Store> =
            Box::new(wa_store::SqliteStore::open(scene.key_file(name)).await.unwrap());
        let mut account = store.account().await.unwrap().unwrap();
        account.logged_out = true;
        let mut changes = wa_store::Changes::new();
        changes.put_account(account);
        store.commit(changes).await.unwrap();
        store.close().await.unwrap();
    }
    let scene = scene.restart().await;
    let anna = scene.account("anna");
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let berta = scene.account("berta");
    scene.server.faults().refuse_login(403, 1);
    berta.start().await.unwrap();
    let after = stands(&berta, AccountStatus::Error).await;
    assert_eq!((after.reason.unwrap().kind, after.is_logged_in), (ReasonKind::AccountLocked, true));
    let clara = scene.account("clara");
    let device = clara.snapshot().device.unwrap().device_id.parse().unwrap();
    assert!(scene.phone("clara").remove_device(&device));
    clara.start().await.unwrap();
    let after = stands(&clara, AccountStatus::Error).await;
    assert_eq!((after.reason.unwrap().kind, after.is_logged_in), (ReasonKind::LoggedOut, false));
}

/// What the server says of an account is kept before what follows from it, and a row that tells it counts as well.
#[tokio::test]
async fn a_lock_is_known_before_it_is_told() {
    let scene = linked(&["anna", "berta"]).await;
    let anna = scene.account("anna");
    scene.server.faults().refuse_login(406, 1);
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Error).await;
    let events = scene.events(&anna).await;
    let place =
        |wanted: &dyn Fn(&wa_manager::event::EventRecord) -> bool| events.iter().position(wanted).unwrap();
    let known = place(&|event| event.kind == EventKind::TrustChanged && event.data["signal"] == "locked");
    let told = place(&|event| event.kind == EventKind::AccountStatus && event.data["status"] == "error");
    assert!(known < told, "{events:?}");
    // A row alone, as of a session that came locked.
    let scene = {
        let Scene { server, directory, manager } = scene;
        manager.shutdown(Duration::from_secs(30)).await;
        drop(manager);
        let path = directory.path().join("manager.db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        let sql = "UPDATE account SET status = 'error', reason = '{\"kind\":\"account_banned\"}' WHERE name = 'berta'";
        assert_eq!(connection.execute(sql, []).unwrap(), 1);
        connection.close().unwrap();
        let manager = builder(&server, &directory).build().await.unwrap();
        Scene { server, directory, manager }
    };
    let barred = scene.account("berta").start().await;
    assert!(matches!(barred, Err(ManagerError::NotYet { .. })), "{barred:?}");
}

/// A process may be killed between what the limits know of a ban and what the row says: the account waits for the ban's end,
/// and is tried again then by itself.
#[tokio::test]
async fn a_ban_that_only_the_limits_know_is_waited_for() {
    let clock = Arc::new(HandClock::default());
    let scene = linked_with(&["anna"], |builder| builder.clock(clock.clone())).await;
    let anna = scene.account("anna");
    scene.server.faults().ban(101, Duration::from_secs(3600), 1);
    anna.start().await.unwrap();
    let before = stands(&anna, AccountStatus::Error).await.reason.unwrap();
    let Scene { server, directory, manager } = scene;
    manager.shutdown(Duration::from_secs(30)).await;
    drop((anna, manager));
    let connection = rusqlite::Connection::open(directory.path().join("manager.db")).unwrap();
    let sql = "UPDATE account SET status = 'disconnected', reason = NULL";
    assert_eq!(connection.execute(sql, []).unwrap(), 1);
    connection.close().unwrap();
    let manager = builder(&server, &directory).clock(clock.clone()).build().await.unwrap();
    let scene = Scene { server, directory, manager };
    let anna = scene.account("anna");
    let told = stands(&anna, AccountStatus::Error).await;
    let reason = told.reason.unwrap();
    assert_eq!((reason.kind, told.desired), (ReasonKind::TemporaryBan, DesiredState::Running));
    assert_eq!(reason.retry_at, before.retry_at);
    let report = soon("the accounts to be restored", scene.manager.restore()).await;
    assert_eq!((report.skipped.len(), report.failed.len()), (1, 0));
    clock.pass(Duration::from_secs(3600 + 11 * 60));
    settled(&anna).await;
    settled(&anna).await;
    let statuses = scene.statuses(&anna).await;
    // The client goes by a clock of its own, on which the ban lasts.
    assert_eq!(statuses.get(..4).unwrap(), ["loading", "error", "error", "loading"]);
}

/// 405: what one account hears holds for all of the manager; those that were to run come back by themselves.
#[tokio::test]
async fn a_release_that_is_refused_to_one_account_is_not_tried_by_all() {
    let clock = Arc::new(HandClock::default());
    let scene = linked_with(&["anna", "berta"], |builder| builder.clock(clock.clone())).await;
    let (anna, berta) = (scene.account("anna"), scene.account("berta"));
    scene.server.faults().refuse_login(405, 1);
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Error).await;
    berta.start().await.unwrap();
    for account in [&anna, &berta] {
        let told = account.snapshot();
        let reason = told.reason.unwrap();
        assert_eq!((told.status, reason.kind), (AccountStatus::Error, ReasonKind::ClientOutdated));
        assert_eq!(told.desired, DesiredState::Running);
        assert!(reason.retry_at.unwrap() >= clock.wall().0 + 50_000, "{:?}", reason.retry_at);
    }
    let device = berta.snapshot().device.unwrap().device_id.parse().unwrap();
    assert!(!scene.server.is_online(&device));
    clock.pass(Duration::from_secs(130));
    // One tries; it is served, and so are the others.
    for account in [&berta, &anna] {
        settled(account).await;
        stands(account, AccountStatus::Ready).await;
    }
}

/// 405: what the service is at is asked for before the first connection, and again when that is refused.
#[tokio::test]
async fn accounts_present_as_the_release_that_the_service_is_at() {
    const AT: u32 = 2_000_000_000;
    let clock = Arc::new(HandClock::default());
    let server = TestServer::with(Config { minimum_revision: AT, ..Config::default() }).await;
    let directory = TempDir::new().unwrap();
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let builder = builder(&server, &directory).clock(clock.clone()).version_source(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok(ClientVersion::web(AT)))
    });
    let scene = Scene { manager: builder.build().await.unwrap(), server, directory };
    let anna = scene.create("anna").await;
    link_to(&scene, &anna, "anna").await;
    stands(&anna, AccountStatus::Ready).await;
    anna.stop().await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    scene.server.faults().refuse_login(405, 1);
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Error).await;
    clock.pass(Duration::from_secs(130));
    settled(&anna).await;
    stands(&anna, AccountStatus::Ready).await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

/// 405: nobody gives up what works for a connection that would be refused.
#[tokio::test]
async fn a_refused_release_ends_nothing_that_works() {
    let scene = linked(&["anna", "berta", "clara"]).await;
    let [anna, berta, clara] = ["anna", "berta", "clara"].map(|name| scene.account(name));
    berta.start().await.unwrap();
    let device = stands(&berta, AccountStatus::Ready).await.device.unwrap().device_id.parse().unwrap();
    scene.server.faults().refuse_login(405, 1);
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Error).await;
    assert_eq!(berta.restart().await.unwrap_err().code(), "client_outdated");
    assert_eq!(berta.status(), AccountStatus::Ready);
    assert!(scene.server.is_online(&device));
    assert_eq!(clara.logout(Unlink::AtServer).await.unwrap_err().code(), "client_outdated");
    assert!(clara.snapshot().is_logged_in);
    clara.logout(Unlink::IfReachable).await.unwrap();
    let refused = clara.pair(PairRequest::qr()).await.unwrap_err();
    let ManagerError::Pair(PairError::Closed { kind, code }) = refused else { panic!("{refused:?}") };
    assert_eq!((kind, code), (ReasonKind::ClientOutdated, Some(405)));
}

/// 405: who is refused for another reason does not take the trial from those that could make it.
#[tokio::test]
async fn a_pairing_that_is_refused_uses_no_trial_up() {
    let clock = Arc::new(HandClock::default());
    let scene = linked_with(&["anna", "berta"], |builder| builder.clock(clock.clone())).await;
    let (clara, dora) = (scene.create("clara").await, scene.create("dora").await);
    let phone: wa_types::PhoneNumber = scene.phone("clara").pn().user().parse().unwrap();
    let mut ticket = clara.pair(PairRequest::code(phone.clone())).await.unwrap();
    while !matches!(soon("a code", ticket.next()).await.unwrap(), PairingUpdate::Code(_)) {}
    scene.server.faults().refuse_login(405, 1);
    scene.account("anna").start().await.unwrap();
    stands(&scene.account("anna"), AccountStatus::Error).await;
    clock.pass(Duration::from_secs(60));
    let refused = dora.pair(PairRequest::code(phone)).await.unwrap_err();
    assert_eq!(refused.code(), "already_pairing");
    let berta = scene.account("berta");
    berta.start().await.unwrap();
    stands(&berta, AccountStatus::Ready).await;
}

/// R056, R106: after a restart, with a newer release perhaps, what was to run runs.
#[tokio::test]
async fn a_newer_release_is_tried_at_the_next_start() {
    let scene = linked(&["anna", "berta", "clara"]).await;
    scene.server.faults().refuse_login(405, 1);
    scene.account("anna").start().await.unwrap();
    stands(&scene.account("anna"), AccountStatus::Error).await;
    for name in ["berta", "clara"] {
        scene.account(name).start().await.unwrap();
    }
    scene.account("clara").stop().await.unwrap();
    let scene = scene.restart().await;
    let report = soon("the accounts to be restored", scene.manager.restore()).await;
    assert_eq!((report.started.len(), report.skipped.len(), report.failed.len()), (2, 1, 0));
    for name in ["anna", "berta"] {
        stands(&scene.account(name), AccountStatus::Ready).await;
    }
}

/// 405, 403: a link that the phone accepted is not lost over it.
#[tokio::test]
async fn an_accepted_link_outlives_a_refusal() {
    for code in [405, 403] {
        let clock = Arc::new(HandClock::default());
        let scene = Scene::with(|builder| builder.clock(clock.clone())).await;
        let anna = scene.create("anna").await;
        let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
        loop {
            match soon("what becomes of it", ticket.next()).await.unwrap() {
                PairingUpdate::Qr(shown) => {
                    scene.server.faults().refuse_login(code, 1);
                    scene.phone("anna").scan(shown.text.expose()).await.unwrap();
                }
                PairingUpdate::Failed(PairError::Closed { code: told, .. }) => {
                    assert_eq!(told, Some(code));
                    break;
                }
                _ => {}
            }
        }
        settled(&anna).await;
        assert_eq!(anna.status(), AccountStatus::Error);
        clock.pass(Duration::from_secs(5 * 60));
        if code == 403 {
            anna.start().await.unwrap();
        }
        // The other one comes back by itself.
        settled(&anna).await;
        stands(&anna, AccountStatus::Ready).await;
    }
}

/// 3.1: unlinked right after a restriction is told so, and the phone waits a day.
#[tokio::test]
async fn an_unlinking_after_a_restriction_is_no_accident() {
    let scene = linked(&["anna", "berta"]).await;
    for (name, cause) in [("anna", "after_restriction"), ("berta", "unknown")] {
        let (account, phone) = (scene.account(name), scene.phone(name));
        account.start().await.unwrap();
        stands(&account, AccountStatus::Ready).await;
        let mut events = scene.subscribe(&account);
        if cause == "after_restriction" {
            phone.set_timelock(Some(4_000_000_000));
            next(&mut events, EventKind::AccountRestriction).await;
        }
        let device = account.snapshot().device.unwrap().device_id.parse().unwrap();
        assert!(phone.remove_device(&device));
        let unlinked = next(&mut events, EventKind::AccountUnlinked).await;
        assert_eq!(unlinked.data["cause"], cause);
        let number = phone.pn().user().parse().unwrap();
        match account.pair(PairRequest::code(number)).await {
            Err(ManagerError::Pair(PairError::RateLimited { retry_after, .. })) => {
                assert_eq!(cause, "after_restriction");
                assert!(retry_after > Duration::from_secs(23 * 60 * 60));
            }
            Ok(_) => assert_eq!(cause, "unknown"),
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// A host that keeps contacts, and has no chats for strangers.
#[derive(Debug, Default)]
struct Host {
    asked: Mutex<Vec<InboundContext>>,
}

impl ContactProvisioner for Host {
    fn get_or_create_contact<'a>(&'a self, context: &'a InboundContext) -> ProvisionFuture<'a> {
        self.asked.lock().unwrap().push(context.clone());
        Box::pin(std::future::ready(Ok(Some("lead 7".to_owned()))))
    }

    fn get_or_create_chat<'a>(&'a self, context: &'a InboundContext) -> ProvisionFuture<'a> {
        let is_known = context.name.as_deref() != Some("clara");
        let chat = if is_known { Ok(None) } else { Err(HookError::new("the database is away")) };
        Box::pin(std::future::ready(chat))
    }
}

/// R067, R069, R071: the host's own contacts are asked for; what fails there is told with its stage, and loses no text.
#[tokio::test]
async fn the_hosts_contacts_come_with_the_message() {
    let host = Arc::new(Host::default());
    let scene = linked_with(&["anna"], |builder| builder.provisioner(host.clone())).await;
    let anna = scene.account("anna");
    anna.start().await.unwrap();
    stands(&anna, AccountStatus::Ready).await;
    let mut events = scene.subscribe(&anna);
    let own = scene.phone("anna").pn().clone();
    scene.phone("berta").send_text(&own, "hello").await.unwrap();
    let told = next(&mut events, EventKind::MessageReceived).await;
    assert_eq!((&told.data["hostContact"], &told.data["text"]), (&"lead 7".into(), &"hello".into()));
    assert!(told.data["contactId"].is_u64());
    let asked = host.asked.lock().unwrap().first().cloned().unwrap();
    assert_eq!((&asked.account, asked.from_me), (anna.id(), false));
    assert!(asked.phone.is_some());
    scene.phone("clara").send_text(&own, "kept").await.unwrap();
    let told = next(&mut events, EventKind::MessageReceived).await;
    assert_eq!((&told.data["text"], &told.data["contactId"]), (&"kept".into(), &serde_json::Value::Null));
    let failed = next(&mut events, EventKind::InboundFailed).await;
    assert_eq!(failed.data["stage"], "chat");
    assert!(failed.data["error"].as_str().unwrap().contains("the database is away"));
}
