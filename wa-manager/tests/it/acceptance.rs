//! The acceptance tests of manager.md, section 2, that are about connections. Others are beside what they are about.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use wa_core::client::{Liveness, ReconnectPolicy};
use wa_core::{Client, Message};
use wa_manager::account::{ReasonKind, ReconnectPolicy as ManagerPolicy};
use wa_manager::clock::Clock as _;
use wa_manager::event::EventKind;
use wa_manager::pairing::{PairRequest, PairingTicket, PairingUpdate};
use wa_manager::sending::{SendError, SendRequest};
use wa_manager::store::{ManagerStore as _, ManagerStoreError, SqliteManagerStore};
use wa_manager::{Account, AccountSnapshot, AccountStatus, ManagerError, Unlink};
use wa_types::Jid;

use crate::one_socket::Counted;
use crate::paused::Paused;
use crate::scene::{key, link_to, soon, stands};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const FLAP: Duration = Duration::from_millis(600);

/// An account that is linked and connected.
async fn ready() -> (Paused, Account, Jid) {
    linked(Paused::new().await).await
}

async fn linked(paused: Paused) -> (Paused, Account, Jid) {
    let anna = paused.scene.create("anna").await;
    link_to(&paused.scene, &anna, "anna").await;
    let device = stands(&anna, AccountStatus::Ready).await.device.unwrap().device_id.parse().unwrap();
    (paused, anna, device)
}

/// Waits as long as a person would not.
async fn eventually(account: &Account, status: AccountStatus) -> AccountSnapshot {
    let reached = tokio::time::timeout(HOUR, account.reached(|snapshot| snapshot.status == status)).await;
    reached.unwrap_or_else(|_| panic!("{:?}", account.snapshot())).unwrap()
}

/// Acceptance: Half-open socket (server silent): `disconnected` within keepalive limit, no `ready` lie; send returns
/// `NotReady`.
#[tokio::test(start_paused = true)]
async fn a_server_that_falls_silent_is_noticed_and_nothing_is_sent() {
    let (paused, anna, device) = ready().await;
    let mut events = paused.scene.subscribe(&anna);
    paused.scene.server.faults().refuse_connections(1000);
    assert!(paused.scene.server.half_open(&device));
    let since = paused.clock.boot();
    let told = loop {
        let event = events.next().await.unwrap();
        if event.kind == EventKind::AccountStatus {
            break event;
        }
    };
    assert_eq!(told.data["status"], "disconnected");
    assert!(paused.clock.boot() - since <= MINUTE + MINUTE / 2, "{:?}", paused.clock.boot() - since);
    let request = SendRequest::new(paused.scene.phone("berta").pn().clone(), Message::text("hello"));
    let refused = anna.send(request).await.unwrap_err();
    assert!(matches!(refused, SendError::NotReady { .. }), "{refused:?}");
    assert_eq!(anna.snapshot().trust.messages_sent_today, 0);
    // How long it was silent is known, and that there is no connection any more.
    let silent = anna.liveness().await.unwrap();
    assert!(silent.socket_age.is_none() && silent.quiet_for.unwrap() >= MINUTE / 4, "{silent:?}");
    paused.scene.server.faults().refuse_connections(0);
    stands(&anna, AccountStatus::Ready).await;
    let alive = anna.liveness().await.unwrap();
    assert!(alive.quiet_for.unwrap() < MINUTE / 4 && alive.socket_age.is_some(), "{alive:?}");
    anna.stop().await.unwrap();
    assert_eq!(anna.liveness().await.unwrap(), Liveness::default());
}

/// Acceptance: 1,000 flaps in 10 minutes: <= 1 published transition per debounce window; broker load bounded. As many as
/// there can be: the client waits a second each time; those in `flaps` are a thousand.
#[tokio::test(start_paused = true)]
async fn a_connection_that_flaps_for_ten_minutes_is_told_once_a_window() {
    let base = ReconnectPolicy::default();
    let paused = Paused::with(move |builder, server| {
        let client = crate::scene::client(server);
        let mut reconnect = base;
        // Each time it comes back as soon as it ever does, after a second.
        reconnect.stable_after = Duration::ZERO;
        let builder = builder.client(move |builder, row| client(builder, row).reconnect(reconnect));
        builder.reconnect_policy(ManagerPolicy { tries: 10_000, ..ManagerPolicy::default() })
    });
    let (paused, anna, device) = linked(paused.await).await;
    let mut flaps = 0;
    let begin = paused.clock.boot();
    while paused.clock.boot() - begin < MINUTE * 10 {
        flaps += u32::from(paused.scene.server.disconnect(&device));
        tokio::time::sleep(FLAP).await;
    }
    // The waits between tries have grown.
    eventually(&anna, AccountStatus::Ready).await;
    let events = paused.scene.events(&anna).await;
    let told: Vec<_> = events.iter().filter(|event| event.kind == EventKind::AccountStatus).collect();
    let first = told.iter().position(|event| event.data["status"] == "disconnected").unwrap();
    let told = &told[first..];
    assert!(flaps >= 300, "{flaps}");
    assert!(told.len() <= 302, "{} of {flaps}", told.len());
    let windows = told.windows(2).filter(|pair| pair[1].at.since(pair[0].at) < Duration::from_secs(2));
    // After the last flap a login is told step by step.
    assert!(windows.count() <= 1, "{told:?}");
}

/// Acceptance: `replaced` twice in 10 min: status error `conflict`, no third connect.
#[tokio::test(start_paused = true)]
async fn who_is_replaced_twice_leaves_it_to_the_other() {
    let (paused, anna, _) = ready().await;
    // A second deployment with a copy of the keys, which is as stubborn.
    let server = &paused.scene.server;
    let builder = Client::builder(paused.keys.only()).connector(server.connector());
    let (other, mut news) = builder.trust_root(server.trust_root()).connect().await.unwrap();
    let reading = async { while news.next().await.is_some() {} };
    let conflict = async {
        let shown = eventually(&anna, AccountStatus::Error).await;
        assert_eq!(shown.reason.unwrap().kind, ReasonKind::Conflict);
        let logins = paused.logins();
        tokio::time::sleep(HOUR * 24).await;
        assert_eq!(paused.logins(), logins, "nobody connects again");
        assert_eq!(anna.status(), AccountStatus::Error);
        assert_eq!(paused.scene.manager.restore().await.started.len(), 0);
    };
    tokio::select! {
        () = conflict => {}
        () = reading => panic!("the other one ended"),
    }
    let losses = paused.scene.events(&anna).await.into_iter();
    let losses = losses.filter(|event| event.data["status"] == "disconnected").count();
    assert_eq!(losses, 1, "it came back once");
    other.shutdown().await;
}

/// Acceptance: 402/403/406: zero connects before the server-given or table time.
#[tokio::test(start_paused = true)]
async fn a_banned_or_locked_account_connects_to_nobody_before_its_time() {
    for (code, kind) in
        [(402, ReasonKind::TemporaryBan), (403, ReasonKind::AccountLocked), (406, ReasonKind::AccountBanned)]
    {
        let (paused, anna, device) = ready().await;
        let faults = paused.scene.server.faults();
        match code {
            402 => faults.ban(101, HOUR, 1),
            code => faults.refuse_login(code, 1),
        }
        paused.scene.server.disconnect(&device);
        let shown = stands(&anna, AccountStatus::Error).await;
        let reason = shown.reason.unwrap();
        assert_eq!((reason.kind, reason.code.is_some()), (kind, true), "{code}");
        // Whoever connects from now on fails at once, which is told.
        faults.refuse_connections(1000);
        let seq = anna.snapshot().seq;
        let wait = refused_for(anna.start().await, &paused);
        // Time runs on by itself while files and sockets are waited for.
        let (least, most) = if code == 402 { (HOUR / 2, HOUR * 2) } else { (MINUTE, MINUTE * 6) };
        assert!(wait >= least && wait <= most, "{code}: {wait:?}");
        assert!(refused_for(anna.restart().await, &paused).abs_diff(wait) < MINUTE / 2);
        let refused = anna.logout(Unlink::AtServer).await.unwrap_err();
        assert_eq!(refused.code(), "not_yet");
        assert_eq!(anna.snapshot().seq, seq, "nothing happened");
        // A stop, and a life of the manager later it is the same.
        let paused = paused.restart().await;
        let anna = paused.scene.account("anna");
        assert_eq!(paused.scene.manager.restore().await.started.len(), 0);
        tokio::time::sleep(wait - MINUTE).await;
        assert_eq!((anna.status(), anna.snapshot().seq), (AccountStatus::Error, seq));
        assert!(refused_for(anna.start().await, &paused).abs_diff(MINUTE) < MINUTE / 2);
        faults.refuse_connections(0);
        tokio::time::sleep(MINUTE * 3).await;
        // The ban's end is the client's to see, whose wall clock is the machine's.
        if code != 402 {
            assert_eq!(anna.status(), AccountStatus::Error, "never by itself");
            anna.start().await.unwrap();
            eventually(&anna, AccountStatus::Ready).await;
        }
    }
}

/// For how long nobody connects.
fn refused_for<T: std::fmt::Debug>(refused: Result<T, ManagerError>, paused: &Paused) -> Duration {
    match refused {
        Err(ManagerError::NotYet { until }) => until.since(paused.clock.wall()),
        other => panic!("{other:?}"),
    }
}

/// Acceptance: Two processes on one SQLite file: second fails to open with `StoreLocked`.
///
/// The second process is this test again, which finds the file in its environment.
#[test]
fn a_second_process_finds_the_files_locked() {
    const FILES: &str = "WA_ACCEPTANCE_FILES";
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(directory) = std::env::var_os(FILES) {
        let directory = std::path::PathBuf::from(directory);
        let manager = SqliteManagerStore::open(directory.join("manager.db"));
        assert!(matches!(manager, Err(ManagerStoreError::Locked)), "{manager:?}");
        let keys = runtime.block_on(wa_store::SqliteStore::open(directory.join("keys.db")));
        assert!(matches!(keys, Err(wa_store::StoreError::Locked)));
        return;
    }
    let directory = tempfile::TempDir::new().unwrap();
    let manager = SqliteManagerStore::open(directory.path().join("manager.db")).unwrap();
    let keys = runtime.block_on(wa_store::SqliteStore::open(directory.path().join("keys.db"))).unwrap();
    let second = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "acceptance::a_second_process_finds_the_files_locked", "--nocapture"])
        .env(FILES, directory.path())
        .output()
        .unwrap();
    assert!(second.status.success(), "{second:?}");
    assert!(String::from_utf8_lossy(&second.stdout).contains("1 passed"), "{second:?}");
    drop((manager, keys));
}

/// Acceptance: Store write failure mid-receive: no ack sent; redelivery handled once.
///
/// Nothing is confirmed to the client, so that a life of the manager that never could write leaves the message to the
/// next one.
#[tokio::test(start_paused = true)]
async fn what_could_not_be_stored_is_told_once_by_the_next_life() {
    let (paused, anna, _) = ready().await;
    let before = paused.scene.events(&anna).await.len();
    paused.store.fail_next(1_000_000);
    paused.scene.phone("berta").send_text(paused.scene.phone("anna").pn(), "hello").await.unwrap();
    let tried = async {
        while paused.store.failures() > 999_990 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    soon("some tries to store it", tried).await;
    let paused = paused.restart_failing().await;
    let anna = paused.scene.account("anna");
    let told = paused.scene.events(&anna).await;
    assert!(told.iter().all(|event| event.kind != EventKind::MessageReceived));
    assert_eq!(paused.scene.manager.restore().await.started.len(), 1);
    let mut events = paused.scene.manager.subscribe(Default::default(), Some(u64::try_from(before).unwrap()));
    while soon("the message", events.next()).await.unwrap().kind != EventKind::MessageReceived {}
    let paused = paused.restart().await;
    assert_eq!(paused.scene.manager.restore().await.started.len(), 1);
    stands(&paused.scene.account("anna"), AccountStatus::Ready).await;
    let told = paused.scene.events(&anna).await;
    for kind in [EventKind::MessageReceived, EventKind::ContactCreated, EventKind::ChatCreated] {
        assert_eq!(told.iter().filter(|event| event.kind == kind).count(), 1, "{kind:?}");
    }
}

// R034: a restart is no reason to forget that a link is not sure yet.
#[tokio::test(start_paused = true)]
async fn an_account_in_its_probation_can_be_restarted() {
    let (paused, anna, _) = ready().await;
    // No connection comes about: whether the link holds is not known.
    paused.scene.server.faults().refuse_connections(1_000_000);
    let restarted = anna.restart().await.unwrap();
    assert_eq!((restarted.before, restarted.after), (AccountStatus::Ready, AccountStatus::Loading));
    tokio::time::sleep(MINUTE * 10).await;
    let of = |events: &[wa_manager::event::EventRecord], kind| {
        events.iter().filter(|event| event.kind == kind).count()
    };
    let events = paused.scene.events(&anna).await;
    assert_eq!(of(&events, EventKind::AccountLinkConfirmed), 0, "nobody knows whether it holds");
    paused.scene.server.faults().refuse_connections(0);
    eventually(&anna, AccountStatus::Ready).await;
    tokio::time::sleep(MINUTE * 3).await;
    let events = paused.scene.events(&anna).await;
    assert_eq!(of(&events, EventKind::AccountLinkConfirmed), 1);
    assert_eq!(of(&events, EventKind::AccountLinked), 1);
}

/// What somebody does to an account, whatever it does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Start,
    Stop,
    Restart,
    Drop,
}

async fn act(account: &Account, act: Act, server: &wa_test_server::TestServer, device: &Jid) {
    match act {
        Act::Start => drop(account.start().await.unwrap()),
        Act::Stop => drop(account.stop().await.unwrap()),
        Act::Restart => drop(account.restart().await.unwrap()),
        // The connection is gone.
        Act::Drop => drop(server.disconnect(device)),
    }
}

/// Acceptance: Stop during start, delete during start, double start, start during stop: one actor, no leaked socket,
/// final state = last command. In any order, all at once or one after the other.
/// R023, R035
#[test]
fn whatever_is_commanded_the_last_command_decides_and_no_socket_is_left() {
    let acts = prop_oneof![Just(Act::Start), Just(Act::Stop), Just(Act::Restart), Just(Act::Drop)];
    let rounds = prop::collection::vec((prop::collection::vec(acts, 1..6), any::<bool>()), 1..5);
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    runner
        .run(&rounds, |rounds| {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let mut counted = None;
                let paused = Paused::with(|builder, server| {
                    counted.insert(Counted::new(server)).for_all(builder, server)
                });
                let (paused, anna, device) = linked(paused.await).await;
                let (server, counted) = (&paused.scene.server, counted.unwrap());
                let mut runs = true;
                for (acts, at_once) in &rounds {
                    let doing: Vec<BoxFuture<'_, ()>> =
                        acts.iter().map(|one| act(&anna, *one, server, &device).boxed()).collect();
                    if *at_once {
                        join_all(doing).await;
                    } else {
                        for one in doing {
                            one.await;
                        }
                    }
                    runs = acts
                        .iter()
                        .rev()
                        .find(|act| **act != Act::Drop)
                        .map_or(runs, |act| *act != Act::Stop);
                }
                if runs {
                    stands(&anna, AccountStatus::Ready).await;
                    soon("one socket", server.wait_online(&device)).await;
                } else {
                    assert_eq!(anna.status(), AccountStatus::Idle);
                    soon("no socket", server.wait_offline(&device)).await;
                }
                let name = key("anna");
                let deleting = paused.scene.manager.delete(&name, Unlink::IfReachable);
                let (_, deleted) = tokio::join!(anna.start(), deleting);
                deleted.unwrap();
                soon("no socket", server.wait_offline(&device)).await;
                assert!(paused.scene.manager.get(&key("anna")).is_none());
                assert_eq!((counted.now(), counted.most()), (0, 1), "never two at once, and none is left");
            });
            Ok(())
        })
        .unwrap();
}

/// A logout that the server does not hear of leaves an account whose phone accepted as it was: its login still links it.
#[tokio::test(start_paused = true)]
async fn an_account_that_waits_for_its_first_login_outlives_a_logout_that_fails() {
    let paused = Paused::new().await;
    let (scene, faults) = (&paused.scene, paused.scene.server.faults());
    let anna = scene.create("anna").await;
    let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
    loop {
        match soon("the phone to accept", ticket.next()).await.unwrap() {
            PairingUpdate::Qr(shown) => {
                faults.refuse_login(503, 1_000_000);
                scene.phone("anna").scan(shown.text.expose()).await.unwrap();
            }
            PairingUpdate::Accepted => break,
            _ => {}
        }
    }
    stands(&anna, AccountStatus::Authenticated).await;
    let failed = anna.logout(Unlink::AtServer).await.unwrap_err();
    assert_eq!(failed.code(), "not_unlinked");
    assert_eq!(anna.status(), AccountStatus::Authenticated);
    faults.clear();
    while !matches!(eventually_told(&mut ticket).await, PairingUpdate::Linked(_)) {}
    eventually(&anna, AccountStatus::Ready).await;
    assert!(anna.snapshot().is_logged_in);
    // In its probation as well.
    let device = anna.snapshot().device.unwrap().device_id.parse().unwrap();
    faults.refuse_connections(1_000_000);
    scene.server.disconnect(&device);
    eventually(&anna, AccountStatus::Disconnected).await;
    let failed = scene.manager.delete(&key("anna"), Unlink::AtServer).await.unwrap_err();
    assert_eq!(failed.code(), "not_unlinked");
    faults.clear();
    while !matches!(eventually_told(&mut ticket).await, PairingUpdate::Confirmed) {}
}

/// And one whose first login never comes does not stand at `authenticated` for ever; it runs as soon as it can.
#[tokio::test(start_paused = true)]
async fn an_account_that_was_logged_out_in_vain_gives_its_first_login_up() {
    let paused = Paused::new().await;
    let (scene, faults) = (&paused.scene, paused.scene.server.faults());
    let anna = scene.create("anna").await;
    let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
    loop {
        match soon("the phone to accept", ticket.next()).await.unwrap() {
            PairingUpdate::Qr(shown) => {
                faults.refuse_login(503, 1_000_000);
                scene.phone("anna").scan(shown.text.expose()).await.unwrap();
            }
            PairingUpdate::Accepted => break,
            _ => {}
        }
    }
    assert_eq!(anna.logout(Unlink::AtServer).await.unwrap_err().code(), "not_unlinked");
    assert_eq!(
        eventually(&anna, AccountStatus::Error).await.reason.unwrap().kind,
        ReasonKind::ConnectTimeout
    );
    // In a life that has not started it, it is the same.
    let paused = paused.restart().await;
    let anna = paused.scene.account("anna");
    for _ in 0..2 {
        assert_eq!(anna.logout(Unlink::AtServer).await.unwrap_err().code(), "not_unlinked");
        assert_eq!(anna.status(), AccountStatus::Error);
    }
    anna.start().await.unwrap();
    assert_eq!(anna.logout(Unlink::AtServer).await.unwrap_err().code(), "not_unlinked");
    assert_eq!(
        eventually(&anna, AccountStatus::Error).await.reason.unwrap().kind,
        ReasonKind::ConnectTimeout
    );
    paused.scene.server.faults().clear();
    anna.start().await.unwrap();
    eventually(&anna, AccountStatus::Ready).await;
    anna.logout(Unlink::AtServer).await.unwrap();
    assert_eq!((anna.status(), anna.snapshot().is_logged_in), (AccountStatus::Idle, false));
}

/// What a phone accepted and the server never linked is forgotten: the account is free for another phone.
#[tokio::test(start_paused = true)]
async fn a_link_that_the_server_does_not_know_is_forgotten() {
    let paused = Paused::new().await;
    let (scene, faults) = (&paused.scene, paused.scene.server.faults());
    let anna = scene.create("anna").await;
    let accepted = async || paused.store.account(anna.id()).await.unwrap().unwrap().accepted;
    let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
    let device = loop {
        if let PairingUpdate::Qr(shown) = eventually_told(&mut ticket).await {
            faults.refuse_login(503, 1_000_000);
            break scene.phone("anna").scan(shown.text.expose()).await.unwrap();
        }
    };
    stands(&anna, AccountStatus::Authenticated).await;
    assert_eq!(accepted().await.map(|link| link.jid).as_ref(), Some(&device));
    assert!(scene.phone("anna").remove_device(&device));
    faults.clear();
    eventually(&anna, AccountStatus::Qr).await;
    assert_eq!(accepted().await, None);
    // The number is nobody's.
    link_to(scene, &scene.create("berta").await, "anna").await;
    ticket.cancel().await.unwrap();
    link_to(scene, &anna, "clara").await;
}

/// What the holder of a ticket hears next, however long it takes.
async fn eventually_told(ticket: &mut PairingTicket) -> PairingUpdate {
    tokio::time::timeout(HOUR, ticket.next()).await.unwrap().unwrap()
}
