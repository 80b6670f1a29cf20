//! How soon an account comes back, by what ended its connection: the table of manager.md, 4.2.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wa_core::transport::proxy::ProxyRefusal;
use wa_core::transport::{Connector, Socket, TransportFuture};
use wa_core::wire::Node;
use wa_manager::account::{ConnectionPolicy, ReasonKind, ReconnectPolicy, UserAction};
use wa_manager::clock::Clock as _;
use wa_manager::event::{EventKind, EventRecord};
use wa_manager::hub::EventStream;
use wa_manager::{Account, AccountStatus, ManagerBuilder};
use wa_test_server::{Act, Filter};
use wa_types::Jid;

use crate::paused::Paused;
use crate::scene::{client, link_to, stands};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// An account that is connected, and what is told of it from now on, each time.
struct Lost {
    paused: Paused,
    account: Account,
    device: Jid,
    events: EventStream,
}

impl Lost {
    async fn new(set: impl FnOnce(ManagerBuilder) -> ManagerBuilder) -> Self {
        let told = ConnectionPolicy { flap_window: Duration::ZERO, ..ConnectionPolicy::default() };
        let paused = Paused::with(|builder, _| set(builder.connection(told))).await;
        let account = paused.scene.create("anna").await;
        link_to(&paused.scene, &account, "anna").await;
        let device = stands(&account, AccountStatus::Ready).await.device.unwrap().device_id.parse().unwrap();
        let events = paused.scene.subscribe(&account);
        Self { paused, account, device, events }
    }

    /// The next status that is told, however long it takes.
    async fn told(&mut self) -> Arc<EventRecord> {
        loop {
            let event = tokio::time::timeout(HOUR, self.events.next()).await.unwrap().unwrap();
            if event.kind == EventKind::AccountStatus {
                return event;
            }
        }
    }

    async fn told_as(&mut self, status: &str) -> Arc<EventRecord> {
        loop {
            let event = self.told().await;
            if event.data["status"] == status {
                return event;
            }
        }
    }

    /// How long it is to wait after the connection that is lost next.
    async fn wait(&mut self) -> Duration {
        let event = self.told_as("disconnected").await;
        let retry_at = event.data["reason"]["retryAt"].as_u64().unwrap();
        Duration::from_millis(retry_at.saturating_sub(event.at.0))
    }

    /// The same, of one that the server ends so; then it is back.
    async fn after(&mut self, end: Node) -> Duration {
        self.paused.scene.server.close_with(&self.device, end);
        let wait = self.wait().await;
        self.told_as("ready").await;
        wait
    }

    /// What was before is forgotten.
    async fn rest(&self) {
        tokio::time::sleep(MINUTE * 6).await;
    }
}

fn code(code: u16) -> Node {
    Node::new("stream:error").attr("code", code.to_string())
}

fn replaced() -> Node {
    Node::new("stream:error").child(Node::new("conflict").attr("type", "replaced"))
}

fn within(wait: Duration, about: Duration) {
    assert!(wait >= about * 8 / 10 && wait <= about * 12 / 10, "{wait:?} for {about:?}");
}

// R051, R057
#[tokio::test(start_paused = true)]
async fn each_end_of_a_connection_has_its_wait() {
    let mut lost = Lost::new(|builder| builder).await;
    lost.rest().await;
    // The network: longer each time.
    lost.paused.scene.server.faults().refuse_connections(5);
    lost.paused.scene.server.disconnect(&lost.device);
    for seconds in [1, 2, 3, 5, 8, 13] {
        within(lost.wait().await, SECOND * seconds);
    }
    lost.told_as("ready").await;
    for end in [code(500), code(503), Node::new("xmlstreamend")] {
        lost.rest().await;
        within(lost.after(end).await, SECOND);
    }
    // The server's plea for fewer connections: never sooner than it takes.
    lost.rest().await;
    for minutes in [1, 2, 4] {
        let wait = lost.after(code(429)).await;
        assert!(wait >= MINUTE * minutes && wait <= MINUTE * minutes * 12 / 10, "{wait:?}");
    }
    // Silence: at once, and as for the network if it goes on.
    lost.rest().await;
    for about in [Duration::ZERO, SECOND, SECOND * 2] {
        assert!(lost.paused.scene.server.half_open(&lost.device));
        within(lost.wait().await, about);
        lost.told_as("ready").await;
    }
    // A wish for a new connection: nothing is lost.
    lost.rest().await;
    let since = lost.paused.clock.boot();
    lost.paused.scene.server.stream_error(&lost.device, 515);
    assert_eq!(lost.told().await.data["status"], "authenticated");
    assert!(lost.paused.clock.boot() - since < SECOND);
    lost.told_as("ready").await;
    // Somebody else: once.
    lost.rest().await;
    assert_eq!(lost.after(replaced()).await, MINUTE / 2);
    lost.paused.scene.server.close_with(&lost.device, replaced());
    let told = lost.told().await;
    assert_eq!(
        (told.data["status"].as_str(), told.data["reason"]["kind"].as_str()),
        (Some("error"), Some("conflict"))
    );
}

#[tokio::test(start_paused = true)]
async fn an_account_that_never_comes_back_gives_up_after_fifty_tries() {
    let mut lost = Lost::new(|builder| builder).await;
    lost.paused.scene.server.faults().refuse_connections(1_000_000);
    lost.paused.scene.server.disconnect(&lost.device);
    let mut waits = Vec::new();
    let told = loop {
        let told = lost.told().await;
        match told.data["status"].as_str() {
            Some("disconnected") => {
                waits.push(told.data["reason"]["retryAt"].as_u64().unwrap().saturating_sub(told.at.0));
            }
            _ => break told,
        }
    };
    assert_eq!((told.data["status"].as_str(), waits.len()), (Some("error"), 50), "{told:?}");
    assert_eq!(told.data["reason"]["kind"], "retry_budget");
    within(Duration::from_millis(waits[49]), MINUTE * 5);
    // Somebody may try again.
    lost.paused.scene.server.faults().clear();
    lost.account.start().await.unwrap();
    lost.told_as("ready").await;
}

#[tokio::test(start_paused = true)]
async fn a_host_may_be_less_patient() {
    let policy = ReconnectPolicy {
        tries: 1,
        first_pauses: [SECOND * 9; 2],
        jitter_percent: 0,
        ..ReconnectPolicy::default()
    };
    let mut lost = Lost::new(|builder| builder.reconnect_policy(policy)).await;
    lost.paused.scene.server.faults().refuse_connections(1);
    lost.paused.scene.server.disconnect(&lost.device);
    assert_eq!(lost.wait().await, SECOND * 9);
    let told = stands(&lost.account, AccountStatus::Error).await;
    assert_eq!(told.reason.unwrap().kind, ReasonKind::RetryBudget);
}

/// R035: 515 within ten seconds after the phone accepted, or the account comes back by itself.
#[tokio::test(start_paused = true)]
async fn an_account_whose_pairing_is_not_followed_by_a_restart_logs_in_all_the_same() {
    let paused = Paused::new().await;
    let account = paused.scene.create("anna").await;
    let restart = Filter::to_client().tag("stream:error");
    paused.scene.server.faults().script(restart, Act::HalfOpen, 1);
    link_to(&paused.scene, &account, "anna").await;
    stands(&account, AccountStatus::Ready).await;
}

/// A proxy that wants other credentials.
#[derive(Debug)]
struct NoProxy;

impl Connector for NoProxy {
    fn connect<'a>(&'a self, _routing: Option<&'a [u8]>) -> TransportFuture<'a, Box<dyn Socket>> {
        Box::pin(std::future::ready(Err(ProxyRefusal::Credentials.into())))
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_whose_proxy_wants_other_credentials_waits_for_somebody() {
    let is_refused = Arc::new(AtomicBool::new(false));
    let paused = Paused::with(|builder, server| {
        let (client, is_refused) = (client(server), Arc::clone(&is_refused));
        builder.client(move |builder, row| {
            let builder = client(builder, row);
            if is_refused.load(Ordering::SeqCst) { builder.connector(Arc::new(NoProxy)) } else { builder }
        })
    });
    let paused = paused.await;
    let account = paused.scene.create("anna").await;
    link_to(&paused.scene, &account, "anna").await;
    stands(&account, AccountStatus::Ready).await;
    is_refused.store(true, Ordering::SeqCst);
    account.restart().await.unwrap();
    let reason = stands(&account, AccountStatus::Error).await.reason.unwrap();
    assert_eq!((reason.kind, reason.retry_at), (ReasonKind::ProxyFailed, None));
    assert_eq!(reason.kind.user_action(), UserAction::ContactOperator);
    is_refused.store(false, Ordering::SeqCst);
    let report = paused.scene.manager.restore().await;
    assert_eq!(report.started, [account.id().clone()]);
    stands(&account, AccountStatus::Ready).await;
}
