//! An account with a gate, a clock that is set by hand, and a store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use wa_core::Message;
use wa_core::crypto::Random;
use wa_types::{Jid, MessageId, UnixMillis};

use super::stubborn::Stubborn;
use crate::account::{AccountName, AccountRecord, AccountSettings, AccountStatus, DesiredState};
use crate::clock::Clock;
use crate::event::{EventKind, EventRecord};
use crate::ids::{AccountId, Epoch, TenantId};
use crate::sending::{
    Decision, Fate, Gate, GateConfig, GateOwner, Recipient, Reserved, SendError, SendRequest,
};
use crate::store::{Changes, EventQuery, ManagerStore, MemoryManagerStore, SqliteManagerStore};

pub(crate) const T: UnixMillis = UnixMillis(1_800_000_000_000);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A clock that stands until it is moved.
#[derive(Debug)]
pub(crate) struct HandClock {
    wall: AtomicU64,
    boot: AtomicU64,
}

impl Clock for HandClock {
    fn wall(&self) -> UnixMillis {
        UnixMillis(self.wall.load(Ordering::SeqCst))
    }

    fn boot(&self) -> Duration {
        Duration::from_millis(self.boot.load(Ordering::SeqCst))
    }
}

/// Numbers that look random, the same in each run.
#[derive(Debug)]
pub(crate) struct Counted(pub(crate) u64);

impl Random for Counted {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = self.0.to_be_bytes()[0];
        }
    }
}

pub(crate) struct Scene {
    pub(crate) store: Arc<dyn ManagerStore>,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) config: GateConfig,
    pub(crate) gate: Gate,
    seed: u64,
    _directory: Option<TempDir>,
}

pub(crate) fn id() -> AccountId {
    AccountId::of([1; 16])
}

fn account() -> AccountRecord {
    AccountRecord {
        id: id(),
        tenant: TenantId::default(),
        owner: None,
        name: AccountName::new("a").unwrap(),
        display_name: "A".into(),
        phone: None,
        jid: None,
        lid: None,
        desired: DesiredState::Running,
        status: AccountStatus::Ready,
        reason: None,
        seq: 0,
        version: 1,
        settings: AccountSettings::default(),
        metadata: BTreeMap::new(),
        location: None,
        created_at: T,
        updated_at: T,
        last_active_at: None,
        probation: None,
        accepted: None,
        exported: false,
        hand_overs: 0,
        epoch: Epoch(1),
    }
}

fn owner(epoch: u64) -> GateOwner {
    GateOwner { account: id(), tenant: TenantId::default(), epoch: Epoch(epoch) }
}

/// A scene on each store, by a macro that makes a test of each function for each.
macro_rules! on_each {
    ($($(#[doc = $doc:literal])* $test:ident,)*) => {
        mod memory {
            $($(#[doc = $doc])* #[tokio::test]
            async fn $test() {
                super::$test($crate::sending::tests::scene::Scene::in_memory().await).await;
            })*
        }

        mod sqlite {
            $($(#[doc = $doc])* #[tokio::test]
            async fn $test() {
                super::$test($crate::sending::tests::scene::Scene::on_disk().await).await;
            })*
        }
    };
}
pub(crate) use on_each;

impl Scene {
    pub(crate) async fn in_memory() -> Self {
        Self::ready(Arc::new(MemoryManagerStore::new()), None, GateConfig::default()).await
    }

    pub(crate) async fn on_disk() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteManagerStore::open(directory.path().join("manager")).unwrap();
        Self::ready(Arc::new(store), Some(directory), GateConfig::default()).await
    }

    pub(crate) async fn on_a_stubborn_store() -> (Self, Arc<Stubborn>) {
        let store = Arc::new(Stubborn::default());
        let shared = Arc::clone(&store) as Arc<dyn ManagerStore>;
        (Self::ready(shared, None, GateConfig::default()).await, store)
    }

    /// An account whose past has come, ready, a minute and more after its login.
    pub(crate) async fn ready(
        store: Arc<dyn ManagerStore>,
        directory: Option<TempDir>,
        config: GateConfig,
    ) -> Self {
        let mut scene = Self::new(store, directory, config).await;
        scene.login().await;
        scene.gate.history_done().await.unwrap();
        scene.pass(MINUTE * 2);
        scene
    }

    /// An account that is not ready.
    pub(crate) async fn new(
        store: Arc<dyn ManagerStore>,
        directory: Option<TempDir>,
        config: GateConfig,
    ) -> Self {
        let mut changes = Changes::new();
        changes.put_account(account());
        store.commit(changes).await.unwrap();
        let clock = Arc::new(HandClock { wall: AtomicU64::new(T.0), boot: AtomicU64::new(5_000) });
        let gate = open(&store, &clock, &config, 1, 1).await.unwrap();
        Self { store, clock, config, gate, seed: 1, _directory: directory }
    }

    /// The process ends, and begins anew with what is stored.
    pub(crate) async fn restart(&mut self) {
        self.seed += 1;
        self.gate = open(&self.store, &self.clock, &self.config, 1, self.seed).await.unwrap();
    }

    /// The same, up to being ready.
    pub(crate) async fn restart_ready(&mut self) {
        self.restart().await;
        self.login().await;
        self.pass(MINUTE * 2);
    }

    pub(crate) async fn login(&mut self) {
        let now = self.world();
        self.gate.logged_in(Some(now)).await.unwrap();
        self.gate.note_status(AccountStatus::Ready).await.unwrap();
    }

    /// Another owner takes the account over.
    pub(crate) async fn take_over(&self) {
        let mut changes = Changes::new();
        changes.put_account(AccountRecord { epoch: Epoch(2), ..account() });
        self.store.commit(changes).await.unwrap();
    }

    /// The time of the world, as the server knows it.
    pub(crate) fn world(&self) -> UnixMillis {
        T.after(self.clock.boot() - Duration::from_secs(5))
    }

    /// Something that changes nothing, on the day that it is.
    pub(crate) async fn tick(&mut self) {
        let config = self.gate.config.clone();
        self.gate.configure(config).await.unwrap();
    }

    pub(crate) fn pass(&self, span: Duration) {
        let millis = u64::try_from(span.as_millis()).unwrap();
        self.clock.boot.fetch_add(millis, Ordering::SeqCst);
        self.clock.wall.fetch_add(millis, Ordering::SeqCst);
    }

    pub(crate) fn set_wall(&self, wall: UnixMillis) {
        self.clock.wall.store(wall.0, Ordering::SeqCst);
    }

    pub(crate) async fn ask(&mut self, request: &SendRequest) -> Result<Decision, SendError> {
        let recipient = Recipient::of(request.to());
        self.gate.ask(request, &recipient).await
    }

    /// A text to this number, that is let through.
    pub(crate) async fn send(&mut self, to: &str, text: &str) -> Reserved {
        match self.ask(&text_to(to, text)).await {
            Ok(Decision::Send(reserved)) => *reserved,
            other => panic!("{other:?}"),
        }
    }

    /// The same, and the server takes it.
    pub(crate) async fn deliver(&mut self, to: &str, text: &str) -> MessageId {
        let id = self.send(to, text).await.id;
        self.gate.settle(&id, Fate::Sent { at: None, chat: None }).await.unwrap().unwrap();
        id
    }

    /// Why a text to this number is not let through.
    pub(crate) async fn refused(&mut self, to: &str) -> SendError {
        match self.ask(&text_to(to, "hello")).await {
            Err(error) => error,
            Ok(decision) => panic!("{decision:?}"),
        }
    }

    pub(crate) async fn events(&self) -> Vec<EventRecord> {
        self.store.events(EventQuery { limit: 1_000, ..EventQuery::default() }).await.unwrap()
    }

    /// The last event of this kind.
    pub(crate) async fn last(&self, kind: EventKind) -> EventRecord {
        let of_kind = |event: &EventRecord| event.kind == kind;
        self.events().await.into_iter().rfind(of_kind).unwrap_or_else(|| panic!("no {kind:?}"))
    }

    pub(crate) async fn count(&self, kind: EventKind) -> usize {
        self.events().await.iter().filter(|event| event.kind == kind).count()
    }

    pub(crate) async fn contacts(&self) -> usize {
        self.store.contacts(&id(), 0, 1_000).await.unwrap().len()
    }

    pub(crate) fn sent_today(&mut self) -> u32 {
        self.gate.usage().sent_today
    }
}

pub(crate) fn pn(number: &str) -> Jid {
    Jid::pn(number)
}

pub(crate) fn text_to(to: &str, text: &str) -> SendRequest {
    SendRequest::new(pn(to), Message::text(text))
}

async fn open(
    store: &Arc<dyn ManagerStore>,
    clock: &Arc<HandClock>,
    config: &GateConfig,
    epoch: u64,
    seed: u64,
) -> Result<Gate, crate::store::ManagerStoreError> {
    let (store, clock) = (Arc::clone(store), Arc::clone(clock) as Arc<dyn Clock>);
    Gate::open(store, owner(epoch), config.clone(), clock, Box::new(Counted(seed))).await
}
