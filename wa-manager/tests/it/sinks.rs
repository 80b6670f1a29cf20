//! Events to sinks of the host's.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use wa_manager::event::{EventKind, EventRecord};
use wa_manager::hub::EventFilter;
use wa_manager::sink::{DeliveryPolicy, EventSink, Outcome, SinkFuture, SinkOptions};
use wa_manager::store::{DeadLetterQuery, ManagerStore as _};
use wa_manager::webhook::{WebhookSecret, WebhookSpec};
use wa_manager::{ManagerError, TenantId};

use crate::paused::Paused;
use crate::scene::{Scene, builder, soon};

/// Takes each event at its second try.
#[derive(Debug)]
struct Queue {
    tries: Mutex<Vec<(u64, u32)>>,
    taken: watch::Sender<Vec<EventRecord>>,
}

impl Queue {
    fn new() -> Arc<Self> {
        Arc::new(Self { tries: Mutex::default(), taken: watch::Sender::default() })
    }

    /// The names of the accounts that were made, once there are so many.
    async fn made(&self, count: usize) -> Vec<String> {
        let mut taken = self.taken.subscribe();
        let taken = soon("events", taken.wait_for(|taken| taken.len() >= count)).await.unwrap();
        let name = |event: &EventRecord| event.data["name"].as_str().unwrap().to_owned();
        let mut names: Vec<_> = taken.iter().map(name).collect();
        // Those of different accounts have no order.
        names.sort();
        names
    }
}

impl EventSink for Queue {
    fn deliver<'a>(&'a self, event: &'a EventRecord, attempt: u32) -> SinkFuture<'a> {
        self.tries.lock().unwrap().push((event.seq, attempt));
        if attempt > 1 {
            self.taken.send_modify(|taken| taken.push(event.clone()));
            return Box::pin(std::future::ready(Outcome::Taken));
        }
        let failed = Outcome::Failed { retry_after: None, reason: "busy".to_owned() };
        Box::pin(std::future::ready(failed))
    }
}

fn options() -> SinkOptions {
    SinkOptions {
        filter: EventFilter { kinds: vec![EventKind::AccountCreated], ..EventFilter::default() },
        policy: DeliveryPolicy { first_wait: Duration::from_millis(1), ..DeliveryPolicy::default() },
        ..SinkOptions::default()
    }
}

/// 4.4: from its first start on it gets each event, also those of a life that had no sink; failures are tried again.
#[tokio::test]
async fn a_sink_of_the_hosts_gets_each_event_from_its_first_start_on() {
    let scene = Scene::new().await;
    scene.create("before").await;
    let queue = Queue::new();
    let sink = Arc::clone(&queue) as Arc<dyn EventSink>;
    let scene = scene.restart_with(|builder| builder.sink_with("queue", sink, options())).await;
    scene.create("anna").await;
    assert_eq!(queue.made(1).await, ["anna"]);
    let scene = scene.restart().await;
    scene.create("berta").await;
    let later = Queue::new();
    let sink = Arc::clone(&later) as Arc<dyn EventSink>;
    let scene = scene.restart_with(|builder| builder.sink_with("queue", sink, options())).await;
    scene.create("clara").await;
    assert_eq!(later.made(2).await, ["berta", "clara"]);
    let mut tries = later.tries.lock().unwrap().clone();
    tries.sort_unstable();
    let attempts: Vec<_> = tries.iter().map(|(_, attempt)| *attempt).collect();
    assert_eq!(attempts, [1, 2, 1, 2]);
    // Without a word on which events it takes, it gets all.
    let all = Queue::new();
    let sink = Arc::clone(&all) as Arc<dyn EventSink>;
    let scene = scene.restart_with(|builder| builder.sink("all", sink)).await;
    scene.create("dora").await;
    let asked = async {
        while all.tries.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    soon("an event", asked).await;
}

/// 4.8: whoever takes nothing for as long as events are kept finds them among the dead letters.
#[tokio::test(start_paused = true)]
async fn what_was_not_taken_is_a_dead_letter_before_it_is_forgotten() {
    const HOUR: Duration = Duration::from_secs(3600);
    let policy =
        DeliveryPolicy { failures_in_a_row: 1, probe_every: HOUR * 10_000, ..DeliveryPolicy::default() };
    let sink = Queue::new() as Arc<dyn EventSink>;
    let paused = Paused::with(|builder, _| {
        let options = SinkOptions { policy, ..options() };
        let builder = builder.keep_events(HOUR * 48).sink_with("queue", sink, options);
        builder.webhooks(move |webhooks| webhooks.policy(policy))
    });
    let paused = paused.await;
    let spec = WebhookSpec::new("https://nowhere.invalid/", WebhookSecret::new([1; 32]).unwrap());
    let hook = paused.scene.manager.webhooks().create(TenantId::default(), spec).await.unwrap();
    for name in ["anna", "berta", "clara"] {
        paused.scene.create(name).await;
    }
    let last = paused.store.last_seq().await.unwrap();
    for _ in 0..60 {
        tokio::time::sleep(HOUR).await;
    }
    assert!(paused.store.first_seq().await.unwrap() > last, "they are forgotten");
    for endpoint in ["sink:queue", hook.id.as_str()] {
        let all = DeadLetterQuery { limit: 99, ..DeadLetterQuery::default() };
        let letters = paused.store.dead_letters(endpoint, all).await.unwrap();
        let made = letters.iter().filter(|letter| letter.event.kind == EventKind::AccountCreated);
        let names: Vec<_> = made.map(|letter| letter.event.data["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["anna", "berta", "clara"], "{endpoint}");
    }
}

#[tokio::test]
async fn two_sinks_of_one_name_are_refused() {
    let (server, directory) = (wa_test_server::TestServer::start().await, tempfile::TempDir::new().unwrap());
    let sink = || Queue::new() as Arc<dyn EventSink>;
    let built = builder(&server, &directory).sink("one", sink()).sink("other", sink()).sink("one", sink());
    let refused = built.build().await.unwrap_err();
    assert!(matches!(&refused, ManagerError::SameName { name } if name == "one"), "{refused:?}");
}
