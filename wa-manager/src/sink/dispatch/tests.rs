use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use proptest::prelude::*;
use serde_json::json;
use tokio::task::JoinSet;
use wa_types::UnixMillis;

use super::*;
use crate::event::{EventKind, NewEvent};
use crate::ids::{EventId, TenantId};
use crate::sink::SinkFuture;
use crate::store::tests::{account, id};
use crate::store::{MemoryManagerStore, SqliteManagerStore};

const ENDPOINT: &str = "broker";
/// When each clock begins, and all messages come.
const BEGAN: UnixMillis = UnixMillis(1_700_000_000_000);

/// The runtime's time, which tests can hold.
#[derive(Debug)]
struct RuntimeClock(tokio::time::Instant);

#[expect(clippy::disallowed_methods, reason = "the time of a test")]
impl RuntimeClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(tokio::time::Instant::now()))
    }
}

#[expect(clippy::disallowed_methods, reason = "the time of a test")]
impl Clock for RuntimeClock {
    fn wall(&self) -> UnixMillis {
        BEGAN.after(self.boot())
    }

    fn boot(&self) -> Duration {
        self.0.elapsed()
    }
}

type Answer = dyn Fn(&EventRecord, u32) -> Outcome + Send + Sync;

/// What a sink answers, and what it was sent.
struct Script {
    answer: Box<Answer>,
    sent: Mutex<Vec<(EventRecord, u32)>>,
    taken: Mutex<Vec<EventRecord>>,
    /// Something was taken.
    news: Notify,
}

impl Script {
    fn new(answer: impl Fn(&EventRecord, u32) -> Outcome + Send + Sync + 'static) -> Arc<Self> {
        let (sent, taken) = (Mutex::default(), Mutex::default());
        Arc::new(Self { answer: Box::new(answer), sent, taken, news: Notify::new() })
    }

    async fn wait_for(&self, count: usize) {
        while self.taken.lock().unwrap().len() < count {
            self.news.notified().await;
        }
    }

    /// The numbers of what was taken.
    fn taken(&self) -> Vec<u64> {
        self.taken.lock().unwrap().iter().map(|event| event.seq).collect()
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Script")
    }
}

impl EventSink for Script {
    fn deliver<'a>(&'a self, event: &'a EventRecord, attempt: u32) -> SinkFuture<'a> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            self.sent.lock().unwrap().push((event.clone(), attempt));
            let outcome = (self.answer)(event, attempt);
            if outcome == Outcome::Taken {
                self.taken.lock().unwrap().push(event.clone());
                self.news.notify_one();
            }
            outcome
        })
    }
}

fn failed() -> Outcome {
    Outcome::Failed { retry_after: None, reason: "down".into() }
}

/// A hub and a dispatcher that run.
struct Running {
    store: Arc<dyn ManagerStore>,
    hub: Hub,
    replay: Arc<Notify>,
    stop: CancellationToken,
    tails: JoinSet<()>,
    dispatchers: JoinSet<Ended>,
}

impl Running {
    async fn start(store: Arc<dyn ManagerStore>, sink: &Arc<Script>, policy: DeliveryPolicy) -> Self {
        Self::start_at(store, sink, policy, RuntimeClock::new()).await
    }

    async fn start_at(
        store: Arc<dyn ManagerStore>,
        sink: &Arc<Script>,
        policy: DeliveryPolicy,
        clock: Arc<RuntimeClock>,
    ) -> Self {
        let (hub, tail) = Hub::new(Arc::clone(&store), 8).await.unwrap();
        let dispatcher = Dispatcher::new(DispatcherParts {
            store: Arc::clone(&store),
            hub: hub.clone(),
            clock,
            sink: Arc::<Script>::clone(sink),
            endpoint: ENDPOINT.into(),
            filter: EventFilter { kinds: vec![EventKind::MessageReceived], ..EventFilter::default() },
            is_parallel: false,
            since: 0,
            policy,
            health: Health::Good,
            on_health: Box::new(|health| {
                let mut changes = Changes::new();
                let data = json!({ "health": format!("{health:?}") });
                let id = EventId::of(SystemRandom.array());
                let (tenant, kind, at) = (TenantId::default(), EventKind::WebhookDegraded, UnixMillis(0));
                changes.push_event(NewEvent { id, tenant, account: None, kind, at, data });
                changes
            }),
        });
        let replay = dispatcher.replay();
        let (stop, mut tails, mut dispatchers) = (CancellationToken::new(), JoinSet::new(), JoinSet::new());
        tails.spawn(tail.run(stop.clone()));
        dispatchers.spawn(dispatcher.run(stop.clone()));
        Self { store, hub, replay, stop, tails, dispatchers }
    }

    async fn in_memory(sink: &Arc<Script>) -> (Arc<MemoryManagerStore>, Self) {
        let store = Arc::new(MemoryManagerStore::new());
        put_accounts(&*store).await;
        let running =
            Self::start(Arc::<MemoryManagerStore>::clone(&store), sink, DeliveryPolicy::default()).await;
        (store, running)
    }

    /// Commits messages for these accounts.
    async fn push(&self, of: impl IntoIterator<Item = u8>) {
        push(&*self.store, of).await;
        self.hub.notify();
    }

    async fn end(mut self) -> Ended {
        self.stop.cancel();
        let ended = self.dispatchers.join_next().await.unwrap().unwrap();
        self.tails.join_next().await.unwrap().unwrap();
        ended
    }
}

async fn put_accounts(store: &dyn ManagerStore) {
    let mut changes = Changes::new();
    for number in 0..5 {
        changes.put_account(account(number, &format!("a{number}")));
    }
    store.commit(changes).await.unwrap();
}

async fn push(store: &dyn ManagerStore, of: impl IntoIterator<Item = u8>) {
    let mut changes = Changes::new();
    for of in of {
        changes.push_event(NewEvent {
            id: EventId::of(SystemRandom.array()),
            tenant: TenantId::default(),
            account: Some(id(of)),
            kind: EventKind::MessageReceived,
            at: BEGAN,
            data: json!({}),
        });
    }
    store.commit(changes).await.unwrap();
}

async fn health(store: &dyn ManagerStore) -> Vec<String> {
    let events = store.events(EventQuery { limit: 9999, ..EventQuery::default() }).await.unwrap();
    let told = events.iter().filter(|event| event.kind == EventKind::WebhookDegraded);
    told.map(|event| event.data["health"].as_str().unwrap().to_owned()).collect()
}

fn in_order(events: &[EventRecord]) {
    let mut last: HashMap<_, u64> = HashMap::new();
    for event in events {
        let before = last.insert(event.account.clone(), event.account_seq).unwrap_or(0);
        assert_eq!(event.account_seq, before + 1, "of {:?}", event.account);
    }
}

/// Acceptance: Webhook target down 1 h then up: every event once per idempotency key, in order per chat, none lost.
#[tokio::test(start_paused = true)]
async fn a_target_that_is_down_for_an_hour_gets_every_event_once_and_in_order() {
    let clock = RuntimeClock::new();
    let hour = Duration::from_secs(3600);
    let sink = Script::new(move |_, _| if clock.boot() < hour { failed() } else { Outcome::Taken });
    let (store, running) = Running::in_memory(&sink).await;
    for minute in 0..120u32 {
        running.push([0, 1, 1, 2, 3, 4].map(|of| (of + u8::try_from(minute % 2).unwrap()) % 5)).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    sink.wait_for(720).await;
    let taken = sink.taken.lock().unwrap().clone();
    assert_eq!(taken.len(), 720);
    in_order(&taken);
    // It was left alone while it was down.
    let tries = sink.sent.lock().unwrap().len() - 720;
    assert!((20..60).contains(&tries), "{tries}");
    assert_eq!(running.end().await, Ended::Stopped);
    assert_eq!(health(&*store).await, ["Bad", "Good"]);
    let cursors = store.cursors(ENDPOINT).await.unwrap();
    let all = cursors.iter().find(|cursor| cursor.account.is_none()).unwrap();
    assert_eq!(all.seq, store.last_seq().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn one_account_that_is_held_up_holds_up_no_other() {
    // The first event of the first account is not taken for ten hours.
    let clock = RuntimeClock::new();
    let until = Duration::from_secs(36_000);
    let sink = Script::new(move |event, _| {
        let is_first = event.account == Some(id(0)) && event.account_seq == 1;
        if is_first && clock.boot() < until { failed() } else { Outcome::Taken }
    });
    let (store, running) = Running::in_memory(&sink).await;
    running.push((0..2000).map(|number| number % 5).map(|of| u8::try_from(of).unwrap())).await;
    sink.wait_for(1600).await;
    assert_eq!(running.end().await, Ended::Stopped);
    // It goes on from there: nothing that was taken comes again.
    let running =
        Running::start(Arc::<MemoryManagerStore>::clone(&store), &sink, DeliveryPolicy::default()).await;
    sink.wait_for(2000).await;
    in_order(&sink.taken.lock().unwrap());
    assert_eq!(sink.taken.lock().unwrap().len(), 2000);
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn of_too_many_dead_letters_the_oldest_are_forgotten() {
    let sink = Script::new(|event, _| match event.account_seq {
        8 => Outcome::Taken,
        _ => Outcome::Refused { reason: "status 400".into() },
    });
    let store = Arc::new(MemoryManagerStore::new());
    put_accounts(&*store).await;
    let policy = DeliveryPolicy { dead_letters: 5, failures_in_a_row: 1000, ..DeliveryPolicy::default() };
    let running = Running::start(Arc::<MemoryManagerStore>::clone(&store), &sink, policy).await;
    running.push([1; 8]).await;
    sink.wait_for(1).await;
    running.end().await;
    let all = DeadLetterQuery { limit: 99, ..DeadLetterQuery::default() };
    let letters = store.dead_letters(ENDPOINT, all).await.unwrap();
    assert_eq!(letters.iter().map(|letter| letter.event.seq).collect::<Vec<_>>(), [3, 4, 5, 6, 7]);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_are_kept_and_tried_once_more_when_somebody_says_so() {
    let wanted = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_wanted = Arc::clone(&wanted);
    let sink = Script::new(move |event, _| match event.account_seq {
        2 if !is_wanted.load(std::sync::atomic::Ordering::SeqCst) => {
            Outcome::Refused { reason: "status 400".into() }
        }
        _ => Outcome::Taken,
    });
    let (store, running) = Running::in_memory(&sink).await;
    running.push([1, 1, 1]).await;
    sink.wait_for(2).await;
    assert_eq!(sink.taken(), [1, 3]);
    let attempts: Vec<_> =
        sink.sent.lock().unwrap().iter().map(|(event, attempt)| (event.seq, *attempt)).collect();
    assert_eq!(attempts, [(1, 1), (2, 1), (2, 2), (2, 3), (3, 1)]);
    running.end().await;
    let all = DeadLetterQuery { limit: 9, ..DeadLetterQuery::default() };
    let letters = store.dead_letters(ENDPOINT, all).await.unwrap();
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!((letter.event.seq, letter.tries, letter.reason.as_str()), (2, 3, "status 400"));
    // The events themselves are gone.
    let mut changes = Changes::new();
    changes.push(Change::TrimEvents { seq: 3 });
    let letter = DeadLetterRecord { is_replayed: true, ..letter.clone() };
    changes.push(Change::PutDeadLetter(Box::new(letter.clone())));
    store.commit(changes).await.unwrap();
    let running =
        Running::start(Arc::<MemoryManagerStore>::clone(&store), &sink, DeliveryPolicy::default()).await;
    running.push([1]).await;
    sink.wait_for(3).await;
    wanted.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut changes = Changes::new();
    changes.push(Change::PutDeadLetter(Box::new(letter)));
    store.commit(changes).await.unwrap();
    running.replay.notify_one();
    sink.wait_for(4).await;
    assert_eq!(sink.taken(), [1, 3, 4, 2]);
    running.end().await;
    assert_eq!(store.dead_letters(ENDPOINT, all).await.unwrap(), []);
}

/// The store knew of each before the next was read.
#[tokio::test(start_paused = true)]
async fn dead_letters_come_once_whenever_somebody_says_so() {
    let replay = Arc::new(OnceLock::<Arc<Notify>>::new());
    let again = Arc::clone(&replay);
    let sink = Script::new(move |_, _| {
        // Somebody says so just as one is taken, too.
        again.get().unwrap().notify_one();
        Outcome::Taken
    });
    let (store, running) = Running::in_memory(&sink).await;
    replay.set(Arc::clone(&running.replay)).unwrap();
    running.push([1, 1, 1]).await;
    sink.wait_for(3).await;
    let events = sink.taken.lock().unwrap().clone();
    for (number, event) in events.into_iter().enumerate() {
        let (endpoint, reason, at) = (ENDPOINT.into(), "down".into(), BEGAN);
        let letter = DeadLetterRecord { endpoint, event, tries: 3, reason, at, is_replayed: true };
        let mut changes = Changes::new();
        changes.push(Change::PutDeadLetter(Box::new(letter)));
        store.commit(changes).await.unwrap();
        running.replay.notify_one();
        tokio::time::timeout(Duration::from_secs(60), sink.wait_for(4 + number))
            .await
            .expect("it never comes");
    }
    running.end().await;
    assert_eq!(sink.taken(), [1, 2, 3, 1, 2, 3]);
    let all = DeadLetterQuery { limit: 9, ..DeadLetterQuery::default() };
    assert_eq!(store.dead_letters(ENDPOINT, all).await.unwrap(), []);
}

/// The day counts from when it happened.
#[tokio::test(start_paused = true)]
async fn a_restart_does_not_begin_the_day_of_an_event_anew() {
    let clock = RuntimeClock::new();
    let hour = Duration::from_secs(3600);
    // The first one is never taken; the one behind it is at its third try.
    let sink = Script::new(|event, attempt| match (event.seq, attempt) {
        (2, 3) => Outcome::Taken,
        _ => failed(),
    });
    let store = Arc::new(MemoryManagerStore::new());
    put_accounts(&*store).await;
    let start = || {
        let store = Arc::<MemoryManagerStore>::clone(&store);
        Running::start_at(store, &sink, DeliveryPolicy::default(), Arc::clone(&clock))
    };
    let running = start().await;
    running.push([1, 1]).await;
    tokio::time::sleep(hour * 20).await;
    running.end().await;
    assert!(sink.taken().is_empty());
    let running = start().await;
    sink.wait_for(1).await;
    running.end().await;
    let all = DeadLetterQuery { limit: 9, ..DeadLetterQuery::default() };
    let letters = store.dead_letters(ENDPOINT, all).await.unwrap();
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    let age = letter.at.since(BEGAN);
    assert!((hour * 24..hour * 25).contains(&age), "{age:?}");
    assert_eq!((letter.event.seq, sink.taken()), (1, vec![2]));
}

/// R090: what an endpoint did not take of an account goes with it.
#[tokio::test(start_paused = true)]
async fn of_a_deleted_account_nothing_is_delivered_and_no_letter_is_kept() {
    let is_down = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let sink = Script::new(move |event, _| {
        let fails = event.account == Some(id(1)) && down.load(std::sync::atomic::Ordering::SeqCst);
        if fails { failed() } else { Outcome::Taken }
    });
    let (store, running) = Running::in_memory(&sink).await;
    running.push([1, 1, 1, 2]).await;
    sink.wait_for(1).await;
    let mut changes = Changes::new();
    let (tenant, kind, at) = (TenantId::default(), EventKind::AccountDeleted, UnixMillis(0));
    let event =
        NewEvent { id: EventId::of([9; 16]), tenant, account: Some(id(1)), kind, at, data: json!({}) };
    changes.push_event(event);
    changes.push(Change::DeleteAccount(id(1)));
    store.commit(changes).await.unwrap();
    running.push([2]).await;
    sink.wait_for(2).await;
    is_down.store(false, std::sync::atomic::Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(86_400 * 2)).await;
    running.push([2]).await;
    sink.wait_for(3).await;
    assert_eq!(sink.taken(), [4, 6, 7]);
    running.end().await;
    let all = DeadLetterQuery { limit: 9, ..DeadLetterQuery::default() };
    assert_eq!(store.dead_letters(ENDPOINT, all).await.unwrap(), []);
    let cursors = store.cursors(ENDPOINT).await.unwrap();
    assert_eq!(cursors.iter().find(|cursor| cursor.account.is_none()).unwrap().seq, 7);
    assert!(cursors.iter().all(|cursor| cursor.account != Some(id(1))));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_gone_is_sent_nothing_and_loses_nothing() {
    let sink = Script::new(|event, attempt| match (event.seq, attempt) {
        (2, 1) => Outcome::Gone,
        _ => Outcome::Taken,
    });
    let (store, mut running) = Running::in_memory(&sink).await;
    running.push([1, 1, 1]).await;
    assert_eq!(running.dispatchers.join_next().await.unwrap().unwrap(), Ended::Gone);
    assert_eq!(sink.taken(), [1]);
    assert_eq!(health(&*store).await, ["Gone"]);
    let cursors = store.cursors(ENDPOINT).await.unwrap();
    assert_eq!(cursors, [CursorRecord { endpoint: ENDPOINT.into(), account: None, seq: 1 }]);
    running.stop.cancel();
    running.tails.join_next().await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_panics_has_failed() {
    let sink = Script::new(|_, attempt| {
        assert!(attempt > 1, "a bug in a sink");
        Outcome::Taken
    });
    let (_store, running) = Running::in_memory(&sink).await;
    running.push([1, 2]).await;
    sink.wait_for(2).await;
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_delivered_while_nothing_of_it_can_be_kept() {
    let store = Arc::new(MemoryManagerStore::new());
    put_accounts(&*store).await;
    let failing = Arc::clone(&store);
    let sink = Script::new(move |event, _| {
        if event.seq == 1 {
            // The commit of this, and some after it.
            failing.fail_next(5);
        }
        Outcome::Taken
    });
    let running =
        Running::start(Arc::<MemoryManagerStore>::clone(&store), &sink, DeliveryPolicy::default()).await;
    running.push([1]).await;
    sink.wait_for(1).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(store.failures(), 0);
    let cursors = store.cursors(ENDPOINT).await.unwrap();
    assert_eq!(cursors, [CursorRecord { endpoint: ENDPOINT.into(), account: None, seq: 1 }]);
    running.push([1]).await;
    sink.wait_for(2).await;
    assert_eq!(sink.taken(), [1, 2]);
    running.end().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    // Killed at any point and started anew on the same file: at least once, and in order.
    #[test]
    fn a_kill_loses_nothing_and_turns_nothing_around(
        lives in proptest::collection::vec((proptest::collection::vec(0u8..5, 0..30), 0usize..30), 1..6),
        failing in 2u64..9,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.unwrap().block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("manager");
            let milli = Duration::from_millis(1);
            let policy = DeliveryPolicy { first_wait: milli, longest_wait: milli, probe_every: milli, ..DeliveryPolicy::default() };
            let sink = Script::new(move |event, attempt| {
                if attempt == 1 && event.seq % failing == 0 { failed() } else { Outcome::Taken }
            });
            let mut total = 0;
            let store = SqliteManagerStore::open(&path).unwrap();
            put_accounts(&store).await;
            store.close().await.unwrap();
            for (of, after) in lives {
                let store: Arc<dyn ManagerStore> = Arc::new(SqliteManagerStore::open(&path).unwrap());
                let mut running = Running::start(Arc::clone(&store), &sink, policy).await;
                let before = sink.taken.lock().unwrap().len();
                total += of.len();
                running.push(of.iter().copied()).await;
                sink.wait_for(before + after.min(of.len())).await;
                // Killed: nothing is finished.
                running.dispatchers.shutdown().await;
                running.tails.shutdown().await;
                store.close().await.unwrap();
            }
            let store: Arc<dyn ManagerStore> = Arc::new(SqliteManagerStore::open(&path).unwrap());
            let running = Running::start(Arc::clone(&store), &sink, policy).await;
            let all = EventQuery { limit: 9999, ..EventQuery::default() };
            let all = store.events(all).await.unwrap();
            assert_eq!(all.len(), total);
            loop {
                let taken = sink.taken();
                if all.iter().all(|event| taken.contains(&event.seq)) {
                    break;
                }
                sink.news.notified().await;
            }
            running.end().await;
            store.close().await.unwrap();
            // Each for the first time after those before it.
            let mut first = Vec::new();
            for event in sink.taken.lock().unwrap().iter() {
                if !first.contains(event) {
                    first.push(event.clone());
                }
            }
            assert_eq!(first.len(), total);
            in_order(&first);
        });
    }
}
