use proptest::prelude::*;
use serde_json::json;
use tokio::task::JoinSet;
use wa_types::UnixMillis;

use super::*;
use crate::event::NewEvent;
use crate::ids::EventId;
use crate::store::{Change, Changes, MemoryManagerStore, SqliteManagerStore};

fn event(number: u64, of: Option<u8>, kind: EventKind) -> NewEvent {
    NewEvent {
        id: EventId::of(u128::from(number).to_be_bytes()),
        tenant: TenantId::new(if of.is_some() { "shop" } else { "default" }),
        account: of.map(account),
        kind,
        at: UnixMillis(number),
        data: json!({ "number": number }),
    }
}

fn account(number: u8) -> AccountId {
    AccountId::of([number; 16])
}

/// A hub whose tail runs.
struct Running {
    store: Arc<dyn ManagerStore>,
    hub: Hub,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Running {
    async fn start(store: Arc<dyn ManagerStore>, capacity: usize) -> Self {
        let (hub, tail) = Hub::new(Arc::clone(&store), capacity).await.unwrap();
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(tail.run(stop.clone()));
        Self { store, hub, stop, tasks }
    }

    async fn in_memory(capacity: usize) -> Self {
        Self::start(Arc::new(MemoryManagerStore::new()), capacity).await
    }

    async fn push(&self, events: impl IntoIterator<Item = NewEvent>) {
        let mut changes = Changes::new();
        for event in events {
            changes.push_event(event);
        }
        self.store.commit(changes).await.unwrap();
        self.hub.notify();
    }

    async fn trim(&self, seq: u64) {
        let mut changes = Changes::new();
        changes.push(Change::TrimEvents { seq });
        self.store.commit(changes).await.unwrap();
    }

    async fn end(mut self) {
        self.stop.cancel();
        self.tasks.join_next().await.unwrap().unwrap();
    }
}

async fn seqs(stream: &mut EventStream, count: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    for _ in 0..count {
        seqs.push(stream.next().await.unwrap().seq);
    }
    seqs
}

fn plain(numbers: std::ops::RangeInclusive<u64>) -> impl Iterator<Item = NewEvent> {
    numbers.map(|number| event(number, None, EventKind::AccountStatus))
}

// R116, R169
#[tokio::test]
async fn subscribers_hear_what_they_asked_for() {
    let running = Running::in_memory(16).await;
    running.push(plain(1..=2)).await;
    let filter = |kinds: &[EventKind], of: Option<u8>| EventFilter {
        account: of.map(account),
        kinds: kinds.to_vec(),
        ..EventFilter::default()
    };
    let mut all = running.hub.subscribe(EventFilter::default(), Some(0));
    let mut of_one = running.hub.subscribe(filter(&[], Some(1)), Some(0));
    let mut sent = running.hub.subscribe(filter(&[EventKind::MessageSent], None), Some(0));
    let shop = EventFilter { tenant: Some(TenantId::new("shop")), ..EventFilter::default() };
    let mut of_shop = running.hub.subscribe(shop, Some(0));
    running
        .push([event(3, Some(1), EventKind::MessageSent), event(4, Some(2), EventKind::MessageSent)])
        .await;
    running.push([event(5, Some(1), EventKind::AccountStatus)]).await;
    assert_eq!(seqs(&mut all, 5).await, [1, 2, 3, 4, 5]);
    assert_eq!(seqs(&mut of_one, 2).await, [3, 5]);
    assert_eq!(seqs(&mut sent, 2).await, [3, 4]);
    assert_eq!(seqs(&mut of_shop, 3).await, [3, 4, 5]);
    let mut rest = running.hub.subscribe(EventFilter::default(), Some(3));
    assert_eq!(seqs(&mut rest, 2).await, [4, 5]);
    running.end().await;
    assert_eq!(all.next().await, Err(StreamError::Closed));
}

#[tokio::test]
async fn without_a_cursor_only_what_comes_is_heard() {
    let running = Running::in_memory(4).await;
    let mut first = running.hub.subscribe(EventFilter::default(), None);
    running.push(plain(1..=3)).await;
    seqs(&mut first, 3).await;
    let mut stream = running.hub.subscribe(EventFilter::default(), None);
    // More than are held for it, before it looks.
    running.push(plain(4..=20)).await;
    assert_eq!(seqs(&mut first, 17).await, (4..=20).collect::<Vec<_>>());
    assert_eq!(seqs(&mut stream, 17).await, (4..=20).collect::<Vec<_>>());
    assert_eq!(stream.cursor(), 20);
    running.end().await;
}

#[tokio::test]
async fn what_was_committed_before_the_end_is_heard() {
    let running = Running::in_memory(4).await;
    let mut stream = running.hub.subscribe(EventFilter::default(), None);
    let hub = running.hub.clone();
    let many = PAGE as u64 * 2;
    running.push(plain(1..=many)).await;
    running.end().await;
    assert_eq!(seqs(&mut stream, PAGE * 2).await, (1..=many).collect::<Vec<_>>());
    assert_eq!(stream.next().await, Err(StreamError::Closed));
    // Whoever comes later can still read what there is.
    let mut late = hub.subscribe(EventFilter::default(), Some(many - 1));
    assert_eq!(late.next().await.unwrap().seq, many);
    assert_eq!(late.next().await, Err(StreamError::Closed));
}

#[tokio::test]
async fn whoever_missed_events_that_are_gone_is_told() {
    let running = Running::in_memory(2).await;
    let mut stream = running.hub.subscribe(EventFilter::default(), None);
    let mut other = running.hub.subscribe(EventFilter::default(), Some(0));
    running.push(plain(1..=9)).await;
    assert_eq!(seqs(&mut other, 3).await, [1, 2, 3]);
    // What was taken from the store before is not lost.
    assert_eq!(other.cursor(), 3);
    running.trim(5).await;
    assert_eq!(seqs(&mut other, 6).await, (4..=9).collect::<Vec<_>>());
    assert_eq!(stream.next().await, Err(StreamError::Lagged { resume_cursor: 5 }));
    assert_eq!(seqs(&mut stream, 4).await, [6, 7, 8, 9]);
    // All of them gone, and one new.
    running.trim(9).await;
    let mut late = running.hub.subscribe(EventFilter::default(), Some(7));
    assert_eq!(late.next().await, Err(StreamError::Lagged { resume_cursor: 9 }));
    running.push(plain(10..=10)).await;
    assert_eq!(late.next().await.unwrap().seq, 10);
    running.end().await;
}

#[tokio::test]
async fn a_dropped_wait_loses_nothing() {
    let running = Running::in_memory(4).await;
    let mut stream = running.hub.subscribe(EventFilter::default(), Some(0));
    for number in 1..=50 {
        {
            let waiting = stream.next();
            tokio::pin!(waiting);
            assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        }
        running.push(plain(number..=number)).await;
        assert_eq!(stream.next().await.unwrap().seq, number);
    }
    running.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_asked_again() {
    let store = Arc::new(MemoryManagerStore::new());
    let running = Running::start(Arc::<MemoryManagerStore>::clone(&store), 4).await;
    let mut stream = running.hub.subscribe(EventFilter::default(), Some(0));
    running.push(plain(1..=3)).await;
    store.fail_next(8);
    assert_eq!(seqs(&mut stream, 3).await, [1, 2, 3]);
    assert_eq!(store.failures(), 0);
    running.end().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    // R180
    #[test]
    fn every_subscriber_hears_all_events_after_its_cursor_once_and_in_order(
        capacity in 1usize..20,
        commits in proptest::collection::vec(proptest::collection::vec(0u8..3, 1..4), 1..120),
        // Which commit a subscriber waits for, how far back it begins, whose events it wants.
        subscribers in proptest::collection::vec((0usize..120, 0u64..200, proptest::option::of(0u8..3)), 1..12),
        is_sqlite in proptest::bool::weighted(0.2),
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
        runtime.unwrap().block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let store: Arc<dyn ManagerStore> = if is_sqlite {
                Arc::new(SqliteManagerStore::open(directory.path().join("manager")).unwrap())
            } else {
                Arc::new(MemoryManagerStore::new())
            };
            let running = Running::start(store, capacity).await;
            let total = commits.iter().map(Vec::len).sum::<usize>() as u64;
            let mut listening = JoinSet::new();
            for (wait, back, of) in subscribers {
                let (hub, mut first) = (running.hub.clone(), running.hub.subscribe(EventFilter::default(), Some(0)));
                listening.spawn(async move {
                    for _ in 0..wait.min(usize::try_from(total).unwrap()) {
                        first.next().await.unwrap();
                    }
                    let after = first.cursor().saturating_sub(back);
                    let filter = EventFilter { account: of.map(account), ..EventFilter::default() };
                    let mut stream = hub.subscribe(filter, Some(after));
                    let mut heard = Vec::new();
                    loop {
                        match stream.next().await {
                            Ok(event) => heard.push(event),
                            Err(error) => {
                                assert_eq!(error, StreamError::Closed);
                                return (of, after, heard);
                            }
                        }
                    }
                });
            }
            let mut committing = JoinSet::new();
            for (number, commit) in commits.into_iter().enumerate() {
                let (store, hub) = (Arc::clone(&running.store), running.hub.clone());
                committing.spawn(async move {
                    let mut changes = Changes::new();
                    for (part, of) in (0..).zip(commit) {
                        let number = number as u64 * 10 + part;
                        changes.push_event(event(number, Some(of), EventKind::AccountStatus));
                    }
                    store.commit(changes).await.unwrap();
                    hub.notify();
                });
            }
            while let Some(done) = committing.join_next().await {
                done.unwrap();
            }
            let store = Arc::clone(&running.store);
            running.end().await;
            let all = EventQuery { limit: usize::MAX, ..EventQuery::default() };
            let all = store.events(all).await.unwrap();
            assert_eq!(all.len() as u64, total);
            while let Some(heard) = listening.join_next().await {
                let (of, after, heard) = heard.unwrap();
                let is_wanted = |event: &&EventRecord| {
                    event.seq > after && of.is_none_or(|of| event.account == Some(account(of)))
                };
                let expected: Vec<_> = all.iter().filter(is_wanted).collect();
                assert_eq!(heard.iter().map(|event| &**event).collect::<Vec<_>>(), expected);
            }
        });
    }
}
