//! A process that is killed: its runtime is gone from one moment to the next, and nobody ends anything in good order.

use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use wa_manager::account::{DesiredState, ReasonKind};
use wa_manager::event::EventKind;
use wa_manager::pairing::{PairRequest, PairingUpdate};
use wa_manager::store::{EventQuery, ManagerStoreError, SqliteManagerStore};
use wa_manager::{Account, AccountStatus, ClientManager};
use wa_test_server::TestServer;

use crate::scene::{Scene, builder_on, key, link_to, soon, stands};

/// A life of the manager that can be killed.
struct Life {
    runtime: Runtime,
    manager: ClientManager,
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

async fn begin(server: &TestServer, directory: &TempDir) -> ClientManager {
    // The thread of a store that nobody has any more is not gone at once.
    let opened = async {
        loop {
            match SqliteManagerStore::open(directory.path().join("manager.db")) {
                Err(ManagerStoreError::Locked) => tokio::task::yield_now().await,
                opened => return opened.unwrap(),
            }
        }
    };
    let store = soon("the file to be free", opened).await;
    builder_on(Arc::new(store), server, directory).build().await.unwrap()
}

/// Where an account stands when its process is killed, and where it stands when it is restored.
const STATES: [(AccountStatus, Option<AccountStatus>); 8] = [
    (AccountStatus::Idle, None),
    (AccountStatus::Loading, Some(AccountStatus::Ready)),
    (AccountStatus::Qr, None),
    (AccountStatus::Pairing, None),
    (AccountStatus::Authenticated, Some(AccountStatus::Ready)),
    (AccountStatus::Ready, Some(AccountStatus::Ready)),
    (AccountStatus::Disconnected, Some(AccountStatus::Ready)),
    (AccountStatus::Error, Some(AccountStatus::Error)),
];

async fn linked(scene: &Scene) -> Account {
    let anna = scene.create("anna").await;
    link_to(scene, &anna, "anna").await;
    stands(&anna, AccountStatus::Ready).await;
    anna
}

/// Brings the account of a new scene there.
async fn bring(scene: &Scene, status: AccountStatus) {
    let faults = scene.server.faults();
    match status {
        AccountStatus::Idle => drop(scene.create("anna").await),
        AccountStatus::Loading => {
            let anna = linked(scene).await;
            anna.stop().await.unwrap();
            faults.refuse_connections(1_000_000);
            anna.start().await.unwrap();
        }
        AccountStatus::Qr => {
            let anna = scene.create("anna").await;
            drop(anna.pair(PairRequest::qr()).await.unwrap());
        }
        AccountStatus::Pairing => {
            let anna = scene.create("anna").await;
            let number = scene.phone("anna").pn().user().parse().unwrap();
            drop(anna.pair(PairRequest::code(number)).await.unwrap());
        }
        AccountStatus::Authenticated => {
            let anna = scene.create("anna").await;
            let mut ticket = anna.pair(PairRequest::qr()).await.unwrap();
            let text = loop {
                if let PairingUpdate::Qr(shown) = soon("a code", ticket.next()).await.unwrap() {
                    break shown.text.expose().to_owned();
                }
            };
            faults.refuse_login(503, 1_000_000);
            scene.phone("anna").scan(&text).await.unwrap();
        }
        AccountStatus::Ready => drop(linked(scene).await),
        AccountStatus::Disconnected => {
            let anna = linked(scene).await;
            let device = anna.snapshot().device.unwrap().device_id.parse().unwrap();
            faults.refuse_connections(1_000_000);
            scene.server.disconnect(&device);
        }
        _ => {
            let anna = linked(scene).await;
            let device = anna.snapshot().device.unwrap().device_id.parse().unwrap();
            faults.ban(101, Duration::from_secs(3600), 1);
            scene.server.disconnect(&device);
        }
    }
    stands(&scene.account("anna"), status).await;
}

/// Acceptance: Kill -9 during each state, restart: account returns to desired state or a typed error within 60 s; status
/// row = event log tail.
#[test]
fn whichever_state_a_killed_process_left_the_next_one_goes_on_from_there() {
    for (status, after) in STATES {
        let ours = runtime();
        let (server, directory) =
            ours.block_on(async { (TestServer::start().await, TempDir::new().unwrap()) });
        let runtime = runtime();
        let manager = runtime.block_on(begin(&server, &directory));
        let life = Life { runtime, manager: manager.clone() };
        let scene = Scene { server, directory, manager };
        life.runtime.block_on(bring(&scene, status));
        life.runtime.shutdown_timeout(Duration::from_secs(10));
        let Scene { server, directory, manager } = scene;
        drop((manager, life.manager));
        server.faults().clear();
        ours.block_on(async {
            let manager = begin(&server, &directory).await;
            // What an account writes as it begins may come between the two.
            let (row, events) = soon("a row and events that agree", async {
                loop {
                    let row = manager.all_statuses(None).await.unwrap().accounts.remove(0);
                    let query = EventQuery { limit: 1000, ..EventQuery::default() };
                    let events = manager.events_since(query).await.unwrap();
                    if events.last().map(|event| event.account_seq) == Some(row.seq) {
                        break (row, events);
                    }
                }
            })
            .await;
            let last = events.iter().rfind(|event| event.kind == EventKind::AccountStatus);
            let told = last.map_or("idle", |last| last.data["status"].as_str().unwrap());
            assert_eq!(told, row.status.wire(), "{status:?}");
            assert_ne!(row.status, AccountStatus::Ready, "nobody is connected");
            manager.restore().await;
            let anna = manager.account(&key("anna")).unwrap();
            match after {
                Some(after) => {
                    assert_eq!(row.desired, DesiredState::Running, "{status:?}");
                    let shown = stands(&anna, after).await;
                    let reason = shown.reason.map(|reason| reason.kind);
                    let expected = (after == AccountStatus::Error).then_some(ReasonKind::TemporaryBan);
                    assert_eq!(reason, expected, "{status:?}");
                }
                None => assert_eq!(anna.status(), AccountStatus::Idle, "{status:?}"),
            }
            manager.shutdown(Duration::from_secs(30)).await;
        });
    }
}
