//! What people see who look for the reason: the trail of a message, counters, and the spans of the log.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use tracing_subscriber::fmt::MakeWriter;
use wa_core::event::{TrailEntry, TrailStep};
use wa_core::stanza::receipt::ReceiptKind;
use wa_core::{Event, MessageId, SendState};
use wa_it::{Companion, FaultyStore, builder};
use wa_store::{MemoryStore, Store};
use wa_test_server::{Act, Filter, Phone, TestServer};

async fn scene() -> (TestServer, Phone, Phone) {
    let server = TestServer::start().await;
    let (phone, bob) = (server.phone("alice"), server.phone("bob"));
    (server, phone, bob)
}

async fn steps(alice: &Companion, id: &MessageId) -> Vec<TrailStep> {
    let trail = alice.client.explain(id).await.unwrap();
    assert!(trail.iter().all(|entry| entry.is_committed), "{trail:?}");
    trail.into_iter().map(|entry| entry.step).collect()
}

#[tokio::test]
async fn the_trail_of_a_message_tells_how_it_was_read_in_the_end() {
    let (server, phone, bob) = scene().await;
    let mut alice = Companion::link(&server, &phone).await;
    bob.send_text(phone.pn(), "hello").await.unwrap();
    assert_eq!(alice.texts(1).await, ["hello"]);

    server.faults_of(&alice.jid).script(Filter::deliveries().tag("message"), Act::Garble, 1);
    let sent = bob.send_text(phone.pn(), "spoiled").await.unwrap();
    let read = alice.message().await;

    let steps = steps(&alice, &sent.id).await;
    assert!(
        matches!(
            steps.as_slice(),
            [
                TrailStep::Arrived { ciphertexts: 1, resend: 0, is_backlog: false },
                TrailStep::Unreadable { .. },
                TrailStep::SenderAsked { count: 1 },
                TrailStep::Arrived { resend: 1, .. },
                TrailStep::Stored { number },
            ] if *number == read.number
        ),
        "{steps:?}"
    );
    assert!(alice.client.explain(&MessageId::new("unheard of")).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_trail_of_a_message_tells_how_far_it_came_and_who_asked_again() {
    let (server, phone, bob) = scene().await;
    let mut alice = Companion::link(&server, &phone).await;
    server.faults_of(bob.pn()).refuse_decrypt(1);
    let sent = alice.send_text(bob.pn(), "hello").await;
    alice.receipt(&sent.id, ReceiptKind::Delivered).await;

    let steps = steps(&alice, &sent.id).await;
    let place = |wanted: &dyn Fn(&TrailStep) -> bool| {
        steps.iter().position(wanted).unwrap_or_else(|| panic!("{steps:?}"))
    };
    let places = [
        place(&|step| matches!(step, TrailStep::Sending(SendState::Written))),
        place(&|step| matches!(step, TrailStep::AskedAgain { device: 0, count: 1 })),
        place(&|step| matches!(step, TrailStep::GivenAgain { device: 0 })),
        place(&|step| matches!(step, TrailStep::Receipt { kind: ReceiptKind::Delivered, device: 0 })),
    ];
    assert!(places.is_sorted(), "{steps:?}");
    place(&|step| matches!(step, TrailStep::Sending(SendState::Acked { .. })));
}

#[tokio::test]
async fn a_commit_that_failed_is_in_the_trail() {
    let (server, phone, bob) = scene().await;
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
    let mut alice = Companion::link_with(&server, &phone, Arc::clone(&store) as Arc<dyn Store>).await;
    store.set_full(true);
    let sent = bob.send_text(phone.pn(), "hello").await.unwrap();
    alice.wait(|event| matches!(event, Event::StoreFailed { .. })).await;
    store.set_full(false);
    alice.client.reconnect().await.unwrap();
    let read = alice.message().await;

    let trail: Vec<TrailEntry> = alice.client.explain(&sent.id).await.unwrap();
    let stored = |entry: &TrailEntry| matches!(entry.step, TrailStep::Stored { .. });
    let stored: Vec<bool> =
        trail.iter().filter(|entry| stored(entry)).map(|entry| entry.is_committed).collect();
    assert_eq!(stored, [false, true], "{trail:?}");
    assert_eq!(read.id, sent.id);
}

#[tokio::test]
async fn without_a_trail_nothing_is_kept() {
    let (server, phone, bob) = scene().await;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let built = builder(&server, Arc::clone(&store)).trail(0);
    let mut alice = Companion::link_built(built, &phone, store).await;
    let sent = bob.send_text(phone.pn(), "hello").await.unwrap();
    alice.message().await;
    assert!(alice.client.explain(&sent.id).await.unwrap().is_empty());
}

/// What was counted: the sums of counters and the numbers of values in histograms, by name and labels.
#[derive(Default)]
struct Counts(Mutex<Vec<(Key, Arc<Count>)>>);

#[derive(Debug, Default)]
struct Count(AtomicU64);

impl CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl HistogramFn for Count {
    fn record(&self, _: f64) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counts {
    fn count_of(&self, key: &Key) -> Arc<Count> {
        let mut counts = self.0.lock().unwrap();
        if let Some((_, count)) = counts.iter().find(|(known, _)| known == key) {
            return Arc::clone(count);
        }
        let count = Arc::new(Count::default());
        counts.push((key.clone(), Arc::clone(&count)));
        count
    }

    /// Fails when nothing is counted under this name and value of a label.
    fn of(&self, name: &str, label: Option<&str>) -> u64 {
        let counts = self.0.lock().unwrap();
        let is_wanted = |key: &Key| {
            key.name() == name && label.is_none_or(|label| key.labels().any(|other| other.value() == label))
        };
        let found = counts.iter().find(|(key, _)| is_wanted(key));
        found.unwrap_or_else(|| panic!("no {name} {label:?} in {counts:?}")).1.0.load(Ordering::Relaxed)
    }

    fn labels(&self) -> BTreeSet<String> {
        let counts = self.0.lock().unwrap();
        counts.iter().flat_map(|(key, _)| key.labels().map(|label| label.key().to_owned())).collect()
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.count_of(key))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.count_of(key))
    }
}

// The recorder is this thread's: all of the test runs on it.
#[tokio::test(flavor = "current_thread")]
async fn messages_commits_and_connections_are_counted_without_naming_anybody() {
    let counts = Counts::default();
    let _local = metrics::set_default_local_recorder(&counts);
    let (server, phone, bob) = scene().await;
    let mut alice = Companion::link(&server, &phone).await;
    bob.send_text(phone.pn(), "hello").await.unwrap();
    alice.message().await;
    alice.send_text(bob.pn(), "and you?").await;
    alice.client.disconnect().await;

    for (step, count) in [("arrived", 1), ("stored", 1), ("written", 1), ("acked", 1)] {
        assert!(counts.of("wa_message_steps_total", Some(step)) >= count, "{step}");
    }
    assert!(counts.of("wa_logins_total", None) >= 1);
    assert_eq!(counts.of("wa_connections_ended_total", Some("requested")), 1);
    assert!(counts.of("wa_commit_seconds", None) > 1);
    assert_eq!(counts.of("wa_send_ack_seconds", None), 1);
    let labels = counts.labels();
    assert!(labels.iter().all(|label| ["step", "reason"].contains(&label.as_str())), "{labels:?}");
}

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test(flavor = "current_thread")]
async fn the_log_says_which_account_which_stanza_and_no_content() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .with_env_filter("wa_core=trace")
        .finish();
    // With one subscriber alone, a place that another test reaches first would be silent for all: `tracing` asks only the
    // thread that it is reached by. With two it asks both.
    let _other = tracing::Dispatch::new(tracing_subscriber::fmt().with_writer(io::sink).finish());
    let _local = tracing::subscriber::set_default(subscriber);
    let (server, phone, bob) = scene().await;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let built = builder(&server, Arc::clone(&store)).alias("front desk");
    let mut alice = Companion::link_built(built, &phone, store).await;
    let sent = bob.send_text(phone.pn(), "a secret word").await.unwrap();
    alice.message().await;
    alice.client.shutdown().await;

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let received =
        text.lines().find(|line| line.contains("a message was read")).unwrap_or_else(|| panic!("{text}"));
    for part in ["account{alias=\"front desk\"}", "stanza{tag=\"message\"", sent.id.as_str()] {
        assert!(received.contains(part), "no {part} in {received}");
    }
    for secret in ["a secret word", bob.pn().user(), phone.pn().user()] {
        assert!(!text.contains(secret), "{secret} is in the log:\n{text}");
    }
}
