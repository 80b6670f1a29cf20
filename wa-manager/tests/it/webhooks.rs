//! Events to a real HTTP server on this machine.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wa_core::transport::TlsRoots;
use wa_manager::account::{AccountRecord, DesiredState};
use wa_manager::clock::{Clock as _, SystemClock};
use wa_manager::event::{EventKind, NewEvent};
use wa_manager::hub::{EventFilter, Hub};
use wa_manager::sink::DeliveryPolicy;
use wa_manager::store::{
    Change, Changes, ChatKind, DeadLetterRecord, ManagerStore, MemoryManagerStore, SqliteManagerStore,
};
use wa_manager::webhook::{
    Reach, SigningMode, VerifyError, Webhook, WebhookError, WebhookPatch, WebhookRetry, WebhookSecret,
    WebhookSpec, WebhookState, Webhooks, WebhooksBuilder, verify,
};
use wa_manager::{AccountId, AccountName, AccountSettings, AccountStatus, Epoch, EventId, TenantId};
use wa_types::UnixMillis;

use crate::receiver::{Received, Receiver};

const TOLERANCE: Duration = Duration::from_secs(300);

/// Patient for milliseconds.
fn quick() -> DeliveryPolicy {
    let milli = Duration::from_millis(1);
    let probe_every = milli * 5;
    DeliveryPolicy { first_wait: milli, longest_wait: milli * 5, probe_every, ..DeliveryPolicy::default() }
}

/// Patient for an hour with whoever failed once.
fn once() -> DeliveryPolicy {
    DeliveryPolicy { failures_in_a_row: 1, probe_every: Duration::from_secs(3600), ..quick() }
}

/// What is told of webhooks that do badly.
fn degraded() -> EventFilter {
    EventFilter { kinds: vec![EventKind::WebhookDegraded], ..EventFilter::default() }
}

const LOCAL: Reach = Reach { private: true, plain: false };

/// A hub and webhooks that run.
struct Scene {
    store: Arc<dyn ManagerStore>,
    hub: Hub,
    webhooks: Webhooks,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Scene {
    async fn start(
        store: Arc<dyn ManagerStore>,
        reach: Reach,
        limit: Duration,
        policy: DeliveryPolicy,
    ) -> Self {
        Self::built(store, |webhooks| webhooks.reach(reach).policy(policy).time_limit(limit)).await
    }

    async fn built(
        store: Arc<dyn ManagerStore>,
        set: impl FnOnce(WebhooksBuilder) -> WebhooksBuilder,
    ) -> Self {
        let (hub, tail) = Hub::new(Arc::clone(&store), Hub::CAPACITY).await.unwrap();
        let clock = Arc::new(SystemClock::new());
        let webhooks = Webhooks::builder(Arc::clone(&store), hub.clone(), clock).roots(TlsRoots::none());
        let (webhooks, task) = set(webhooks).build();
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(tail.run(stop.clone()));
        tasks.spawn(task.run(stop.clone()));
        Self { store, hub, webhooks, stop, tasks }
    }

    async fn in_memory() -> Self {
        Self::with(quick()).await
    }

    async fn with(policy: DeliveryPolicy) -> Self {
        Self::start(Arc::new(MemoryManagerStore::new()), LOCAL, Duration::from_secs(10), policy).await
    }

    /// Makes an account of this number.
    async fn account(&self, number: u8) {
        let mut changes = Changes::new();
        changes.put_account(AccountRecord {
            id: AccountId::of([number; 16]),
            tenant: tenant(),
            owner: None,
            name: AccountName::new(format!("account-{number}")).unwrap(),
            display_name: String::new(),
            phone: None,
            jid: None,
            lid: None,
            desired: DesiredState::Stopped,
            status: AccountStatus::Idle,
            reason: None,
            seq: 0,
            version: 1,
            settings: AccountSettings::default(),
            metadata: BTreeMap::new(),
            location: None,
            created_at: UnixMillis(0),
            updated_at: UnixMillis(0),
            last_active_at: None,
            probation: None,
            accepted: None,
            exported: false,
            hand_overs: 0,
            epoch: Epoch(1),
        });
        self.store.commit(changes).await.unwrap();
    }

    async fn hook(&self, url: &str) -> Webhook {
        self.webhooks.create(tenant(), WebhookSpec::new(url, secret(1))).await.unwrap()
    }

    /// Commits messages of these numbers, of account `number % 5`.
    async fn push(&self, numbers: impl IntoIterator<Item = u64>) {
        self.push_of("direct", numbers).await;
    }

    /// The same, of chats of this sort.
    async fn push_of(&self, chat_kind: &str, numbers: impl IntoIterator<Item = u64>) {
        let mut changes = Changes::new();
        for number in numbers {
            let account = u8::try_from(number % 5).unwrap();
            if self.store.account(&AccountId::of([account; 16])).await.unwrap().is_none() {
                self.account(account).await;
            }
            changes.push_event(NewEvent {
                id: event_id(number),
                tenant: tenant(),
                account: Some(AccountId::of([account; 16])),
                kind: EventKind::MessageReceived,
                at: SystemClock::new().wall(),
                data: json!({ "number": number, "chatKind": chat_kind }),
            });
        }
        self.store.commit(changes).await.unwrap();
        self.hub.notify();
    }

    async fn dead_letters(&self, hook: &Webhook) -> Vec<DeadLetterRecord> {
        self.webhooks.dead_letters(&tenant(), &hook.id, 0, None).await.unwrap()
    }

    /// Ends as a manager does: all that is known is written.
    async fn end(mut self) -> (Arc<dyn ManagerStore>, Webhooks) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        (self.store, self.webhooks)
    }
}

fn tenant() -> TenantId {
    TenantId::new("shop")
}

fn event_id(number: u64) -> EventId {
    EventId::of(u128::from(number).to_be_bytes())
}

fn secret(number: u8) -> WebhookSecret {
    WebhookSecret::new([number; 32]).unwrap()
}

fn check(received: &Received, secrets: &[WebhookSecret]) -> Result<(), VerifyError> {
    let headers = received.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    verify(headers, &received.body, secrets, SystemClock::new().wall(), TOLERANCE)
}

fn numbers(received: &[Received]) -> Vec<u64> {
    received.iter().map(Received::number).collect()
}

// R030, R036, R063
#[tokio::test]
async fn events_are_posted_signed_and_only_those_that_are_wanted() {
    let receiver = Receiver::start(|_| (204, None)).await;
    let scene = Scene::in_memory().await;
    scene.push([1]).await;
    let of = |id: u8| WebhookSpec {
        account: Some(AccountId::of([id; 16])),
        ..WebhookSpec::new(receiver.url(), secret(1))
    };
    let refused = scene.webhooks.create(tenant(), of(9)).await.unwrap_err();
    assert!(matches!(refused, WebhookError::NoAccount), "{refused:?}");
    scene.account(2).await;
    let spec = WebhookSpec {
        events: vec![EventKind::MessageReceived],
        headers: BTreeMap::from([("Authorization".into(), "Bearer b".into())]),
        mode: SigningMode::Hub,
        ..of(2)
    };
    let hook = scene.webhooks.create(tenant(), spec).await.unwrap();
    scene.push([2, 3, 7]).await;
    let received = receiver.wait_for(2).await;
    assert_eq!(numbers(&received), [2, 7]);
    let first = &received[0];
    assert_eq!(check(first, &[secret(1)]), Ok(()));
    assert_eq!(check(first, &[secret(2)]), Err(VerifyError::Signature));
    assert_eq!(first.header("webhook-id"), event_id(2).as_str());
    assert_eq!(first.header("webhook-attempt"), "1");
    assert_eq!(first.header("content-type"), "application/json");
    assert_eq!(first.header("authorization"), "Bearer b");
    assert!(first.header("x-hub-signature-256").starts_with("sha256="));
    let body = first.json();
    assert_eq!((&body["id"], &body["type"]), (&json!(event_id(2)), &json!("message.received")));
    assert_eq!(body["account"]["id"], json!(AccountId::of([2; 16])));
    // Neither what signs it nor what is sent beside it is in it, or in what is said of the webhook.
    let said = format!("{body} {} {hook:?}", serde_json::to_string(&hook).unwrap());
    for hidden in ["Bearer", &secret(1).to_text(), "AQEBAQEB"] {
        assert!(!said.contains(hidden), "{hidden} in {said}");
    }
    scene.end().await;
}

#[tokio::test]
async fn nothing_is_posted_of_chats_that_a_webhook_ignores() {
    let receiver = Receiver::start(|_| (200, None)).await;
    let scene = Scene::in_memory().await;
    let ignore = vec![ChatKind::Group, ChatKind::Status, ChatKind::Group];
    let spec = WebhookSpec { ignore, ..WebhookSpec::new(receiver.url(), secret(1)) };
    let hook = scene.webhooks.create(tenant(), spec).await.unwrap();
    assert_eq!(hook.ignore, [ChatKind::Group, ChatKind::Status]);
    for (kind, number) in [("group", 1), ("direct", 2), ("status", 3), ("newsletter", 4)] {
        scene.push_of(kind, [number]).await;
    }
    assert_eq!(numbers(&receiver.wait_for_number(4).await), [2, 4]);
    let patch = WebhookPatch { ignore: Some(vec![ChatKind::Direct]), ..WebhookPatch::default() };
    scene.webhooks.update(&tenant(), &hook.id, patch).await.unwrap();
    for (kind, number) in [("direct", 5), ("group", 6)] {
        scene.push_of(kind, [number]).await;
    }
    let after = |number: &u64| *number > 4;
    let received = numbers(&receiver.wait_for_number(6).await);
    assert_eq!(received.into_iter().filter(after).collect::<Vec<_>>(), [6]);
    scene.end().await;
}

/// One that is to be given up after a second is; with the usual waits that takes a day.
#[tokio::test]
async fn a_webhook_may_have_waits_of_its_own() {
    let receiver = Receiver::start(|received| (if received.number() == 1 { 500 } else { 200 }, None)).await;
    let store = Arc::new(MemoryManagerStore::new());
    let scene = Scene::start(store, LOCAL, Duration::from_secs(10), DeliveryPolicy::default()).await;
    let retry = WebhookRetry { first_wait_seconds: 1, longest_wait_seconds: 1, give_up_after_seconds: 1 };
    let spec = WebhookSpec { retry: Some(retry), ..WebhookSpec::new(receiver.url(), secret(1)) };
    let hook = scene.webhooks.create(tenant(), spec.clone()).await.unwrap();
    assert_eq!(hook.retry, Some(retry));
    // The later one of the same account comes when the first one was given up.
    scene.push([1, 6]).await;
    receiver.wait_for_number(6).await;
    for unfit in [
        WebhookRetry { first_wait_seconds: 0, ..retry },
        WebhookRetry { first_wait_seconds: 2, ..retry },
        WebhookRetry { longest_wait_seconds: 2, ..retry },
        WebhookRetry { longest_wait_seconds: 3601, ..WebhookRetry::default() },
        WebhookRetry { give_up_after_seconds: 24 * 3600 + 1, ..WebhookRetry::default() },
    ] {
        let patch = WebhookPatch { retry: Some(unfit), ..WebhookPatch::default() };
        let refused = scene.webhooks.update(&tenant(), &hook.id, patch).await;
        assert!(matches!(refused, Err(WebhookError::Retry)), "{unfit:?}");
    }
    let (_, webhooks) = scene.end().await;
    let letters = webhooks.dead_letters(&tenant(), &hook.id, 0, Some(false)).await.unwrap();
    assert_eq!(letters.iter().map(|one| one.event.seq).collect::<Vec<_>>(), [1]);
    assert_eq!(webhooks.dead_letters(&tenant(), &hook.id, 0, Some(true)).await.unwrap(), []);
}

#[tokio::test]
async fn secrets_are_changed_without_losing_an_event() {
    let receiver = Receiver::start(|_| (200, None)).await;
    let scene = Scene::in_memory().await;
    let hook = scene.hook(&receiver.url()).await;
    let set = async |secrets: Vec<WebhookSecret>| {
        let patch = WebhookPatch { secrets: Some(secrets), ..WebhookPatch::default() };
        scene.webhooks.update(&tenant(), &hook.id, patch).await.unwrap().secrets
    };
    scene.push([1]).await;
    receiver.wait_for_number(1).await;
    assert_eq!(set(vec![secret(2), secret(1)]).await, 2);
    scene.push([2]).await;
    receiver.wait_for_number(2).await;
    assert_eq!(set(vec![secret(2)]).await, 1);
    scene.push([3]).await;
    let received = receiver.wait_for_number(3).await;
    let first = |number| received.iter().find(|one| one.number() == number).unwrap();
    let known = |secret| [1, 2, 3].map(|number| check(first(number), std::slice::from_ref(&secret)).is_ok());
    assert_eq!(known(secret(1)), [true, true, false]);
    assert_eq!(known(secret(2)), [false, true, true]);
    scene.end().await;
}

#[tokio::test]
async fn a_target_that_fails_and_goes_away_gets_every_event_in_order_when_it_is_back() {
    // Every third request fails.
    let count = AtomicU16::new(0);
    let flaky = move |_: &Received| {
        let is_failing = count.fetch_add(1, Ordering::SeqCst) % 3 == 1;
        (if is_failing { 503 } else { 200 }, None)
    };
    let receiver = Receiver::start(flaky).await;
    let (address, url) = (receiver.address, receiver.url());
    let scene = Scene::in_memory().await;
    let hook = scene.hook(&url).await;
    scene.push(1..=50).await;
    receiver.wait_for(20).await;
    let mut all = receiver.end().await;
    scene.push(51..=100).await;
    // Nobody listens: in the end it is left alone.
    let told = scene.hub.subscribe(degraded(), Some(0)).next().await.unwrap();
    assert_eq!(told.data, json!({ "webhookId": hook.id, "state": "degraded" }));
    let receiver = Receiver::start_at(address, |_| (200, None)).await;
    let mut is_complete = false;
    let mut wanted = 1;
    while !is_complete {
        let after = receiver.wait_for(wanted).await;
        let mut seen: Vec<Received> = all.clone();
        seen.extend(after.clone());
        is_complete = (1..=100)
            .all(|number| seen.iter().any(|one| one.header("webhook-id") == event_id(number).as_str()));
        wanted = after.len() + 1;
        if is_complete {
            all = seen;
        }
    }
    // The first time of each, in order for each account.
    let mut last: HashMap<u64, u64> = HashMap::new();
    let mut known = Vec::new();
    let messages = all.iter().filter(|one| one.json()["type"] == "message.received");
    for number in messages.map(Received::number) {
        if !known.contains(&number) {
            known.push(number);
            let before = last.insert(number % 5, number).unwrap_or(0);
            assert!(number > before, "{number} after {before}");
        }
    }
    assert_eq!(known.len(), 100);
    assert!(all.iter().all(|one| check(one, &[secret(1)]) == Ok(())));
    let (_, webhooks) = scene.end().await;
    assert_eq!(webhooks.get(&tenant(), &hook.id).await.unwrap().state, WebhookState::Enabled);
}

#[tokio::test]
async fn a_target_that_does_not_answer_in_time_is_asked_again() {
    // The first that is heard is never answered: the very first may have been given up before that.
    let is_heard = AtomicBool::new(false);
    let slow = move |_: &Received| (if is_heard.swap(true, Ordering::SeqCst) { 200 } else { 0 }, None);
    let receiver = Receiver::start(slow).await;
    let store = Arc::new(MemoryManagerStore::new());
    let scene = Scene::start(store, LOCAL, Duration::from_millis(50), quick()).await;
    scene.hook(&receiver.url()).await;
    scene.push([5]).await;
    let received = receiver.wait_for(2).await;
    assert_eq!(numbers(&received)[..2], [5, 5]);
    let attempt = |place: usize| received[place].header("webhook-attempt").parse::<u32>().unwrap();
    assert!(attempt(1) > attempt(0));
    assert_eq!(received[0].header("webhook-id"), received[1].header("webhook-id"));
    scene.end().await;
}

/// 4.8: an answer may take ten seconds. Time is virtual: it passes when all wait. There is one attempt, whose limit is the only
/// time that is waited for, and however far the connection is by then, nobody answers.
#[tokio::test(start_paused = true)]
async fn a_target_has_ten_seconds_to_answer() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = Arc::new(MemoryManagerStore::new());
    let scene = Scene::built(store, |webhooks| webhooks.reach(LOCAL).policy(once())).await;
    scene.hook(&format!("http://{}/", silent.local_addr().unwrap())).await;
    let mut told = scene.hub.subscribe(degraded(), None);
    let start = tokio::time::Instant::now();
    scene.push([5]).await;
    told.next().await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 10);
    scene.end().await;
}

/// One that did badly before a restart, or before it was changed, is tried at once, and does well as soon as it takes something.
#[tokio::test]
async fn a_degraded_webhook_is_enabled_by_what_it_takes_after_a_restart_or_a_change() {
    for is_changed in [false, true] {
        let status = Arc::new(AtomicU16::new(503));
        let answered = Arc::clone(&status);
        let receiver = Receiver::start(move |_| (answered.load(Ordering::SeqCst), None)).await;
        let mut scene = Scene::with(once()).await;
        let hook = scene.hook(&receiver.url()).await;
        scene.push([5]).await;
        scene.hub.subscribe(degraded(), Some(0)).next().await.unwrap();
        status.store(200, Ordering::SeqCst);
        if is_changed {
            let patch = WebhookPatch { is_parallel: Some(true), ..WebhookPatch::default() };
            let changed = scene.webhooks.update(&tenant(), &hook.id, patch).await.unwrap();
            assert_eq!(changed.state, WebhookState::Degraded, "nobody knows yet");
        } else {
            let (store, _) = scene.end().await;
            scene = Scene::start(store, LOCAL, Duration::from_secs(10), once()).await;
        }
        // It takes the one that it had not taken.
        let of_it = |received: &Received| received.header("webhook-id") == event_id(5).as_str();
        receiver.wait_until(|received| received.iter().filter(|one| of_it(one)).count() == 2).await;
        let (_, webhooks) = scene.end().await;
        let state = webhooks.get(&tenant(), &hook.id).await.unwrap().state;
        assert_eq!(state, WebhookState::Enabled, "changed: {is_changed}");
    }
}

/// A target that says when to come back is not asked before, however short our own waits are.
#[tokio::test]
async fn a_target_says_how_long_it_wants_to_be_left_alone() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let times = Arc::clone(&asked);
    let receiver = Receiver::start(move |received| {
        times.lock().unwrap().push(Instant::now());
        match received.header("webhook-attempt") {
            "1" => (503, Some(("retry-after", "1".to_owned()))),
            "2" => (429, Some(("retry-after", "soon".to_owned()))),
            _ => (200, None),
        }
    });
    let receiver = receiver.await;
    let scene = Scene::in_memory().await;
    scene.hook(&receiver.url()).await;
    scene.push([5]).await;
    assert_eq!(numbers(&receiver.wait_for(3).await), [5, 5, 5]);
    let asked = asked.lock().unwrap().clone();
    assert!(asked[1] - asked[0] >= Duration::from_secs(1), "as it wanted, not after our milliseconds");
    scene.end().await;
}

#[tokio::test]
async fn what_is_refused_becomes_a_dead_letter_and_can_be_replayed() {
    let elsewhere = Receiver::start(|_| (200, None)).await;
    let status = Arc::new(AtomicU16::new(400));
    let (answered, location) = (Arc::clone(&status), elsewhere.url());
    // The second event is refused, the third sent elsewhere.
    let receiver = Receiver::start(move |received| match received.number() {
        5 => (answered.load(Ordering::SeqCst), None),
        10 if answered.load(Ordering::SeqCst) == 400 => (302, Some(("location", location.clone()))),
        _ => (200, None),
    });
    let receiver = receiver.await;
    let scene = Scene::in_memory().await;
    let hook = scene.hook(&receiver.url()).await;
    scene.push([0, 5, 10, 15]).await;
    let received = receiver.wait_for(8).await;
    assert_eq!(numbers(&received), [0, 5, 5, 5, 10, 10, 10, 15]);
    let attempts: Vec<_> = received.iter().map(|one| one.header("webhook-attempt").to_owned()).collect();
    assert_eq!(attempts, ["1", "1", "2", "3", "1", "2", "3", "1"]);
    // At its end it writes all it knows.
    let (store, _) = scene.end().await;
    let scene = Scene::start(store, LOCAL, Duration::from_secs(10), quick()).await;
    let letters = scene.dead_letters(&hook).await;
    let why: Vec<_> = letters.iter().map(|one| (one.event.seq, one.tries, one.reason.as_str())).collect();
    assert_eq!(why, [(2, 3, "status 400"), (3, 3, "status 302")]);
    status.store(200, Ordering::SeqCst);
    // One that was taken is replayed as well.
    let other = TenantId::new("other");
    let refused = scene.webhooks.replay(&other, &hook.id, 1..=9).await;
    assert!(matches!(refused, Err(WebhookError::NotFound)));
    let replayed = scene.webhooks.replay(&tenant(), &hook.id, 1..=2).await.unwrap();
    assert_eq!((replayed.events, replayed.up_to), (2, 2));
    let again = |received: &[Received]| {
        // The last one may have come once more.
        numbers(received.get(8..).unwrap_or_default())
            .into_iter()
            .filter(|number| *number != 15)
            .collect::<Vec<_>>()
    };
    let received = receiver.wait_until(|received| again(received).len() == 2).await;
    assert_eq!(again(&received), [0, 5]);
    let ids: Vec<_> =
        received.iter().filter(|one| one.number() == 0).map(|one| one.header("webhook-id")).collect();
    assert_eq!(ids, [event_id(0).as_str(); 2]);
    let (_, webhooks) = scene.end().await;
    let letters = webhooks.dead_letters(&tenant(), &hook.id, 0, None).await.unwrap();
    assert_eq!(letters.iter().map(|one| one.event.seq).collect::<Vec<_>>(), [3]);
    webhooks.discard(&tenant(), &hook.id, 1..=9).await.unwrap();
    assert_eq!(webhooks.dead_letters(&tenant(), &hook.id, 0, None).await.unwrap(), []);
    assert_eq!(elsewhere.received().len(), 0, "redirects are not followed");
}

#[tokio::test]
async fn a_target_that_is_gone_is_disabled_until_somebody_enables_it() {
    let status = Arc::new(AtomicU16::new(410));
    let answered = Arc::clone(&status);
    let receiver = Receiver::start(move |_| (answered.load(Ordering::SeqCst), None)).await;
    let scene = Scene::in_memory().await;
    let hook = scene.hook(&receiver.url()).await;
    scene.push([0]).await;
    let told = scene.hub.subscribe(degraded(), Some(0)).next().await.unwrap();
    assert_eq!(told.data, json!({ "webhookId": hook.id, "state": "disabled" }));
    scene.push([5]).await;
    assert_eq!(scene.webhooks.get(&tenant(), &hook.id).await.unwrap().state, WebhookState::Disabled);
    assert_eq!(receiver.received().len(), 1);
    status.store(200, Ordering::SeqCst);
    let patch = |is_enabled| WebhookPatch { is_enabled: Some(is_enabled), ..WebhookPatch::default() };
    let changed = scene.webhooks.update(&tenant(), &hook.id, patch(true)).await.unwrap();
    assert_eq!(changed.state, WebhookState::Enabled);
    // The one that was not taken comes first; then that it was disabled, and the next one.
    let received = receiver.wait_for(4).await;
    let mut kinds: Vec<_> = received[1..].iter().map(|one| one.json()["type"].to_string()).collect();
    kinds.sort();
    assert_eq!(kinds, ["\"message.received\"", "\"message.received\"", "\"webhook.degraded\""]);
    let messages = received.iter().filter(|one| one.json()["type"] == "message.received");
    assert_eq!(messages.map(Received::number).collect::<Vec<_>>(), [0, 0, 5]);
    scene.webhooks.update(&tenant(), &hook.id, patch(false)).await.unwrap();
    scene.push([10]).await;
    scene.end().await;
    assert_eq!(receiver.received().len(), 4);
}

#[tokio::test]
async fn what_a_name_leads_to_is_checked_where_the_connection_is_made() {
    let receiver = Receiver::start(|_| (200, None)).await;
    let policy = DeliveryPolicy { give_up_after: Duration::ZERO, ..quick() };
    let store = Arc::new(MemoryManagerStore::new());
    let scene = Scene::start(store, Reach::default(), Duration::from_secs(10), policy).await;
    let port = receiver.address.port();
    for (url, expected) in [
        (format!("http://localhost:{port}/"), "Plain"),
        (format!("https://127.0.0.1:{port}/"), "Private"),
        ("https://user@shop.example/".into(), "Url"),
    ] {
        let refused = scene.webhooks.create(tenant(), WebhookSpec::new(url, secret(1))).await;
        assert_eq!(format!("{:?}", refused.unwrap_err()), expected);
    }
    let hook = scene.hook(&format!("https://localhost:{port}/")).await;
    scene.push([0]).await;
    let degraded = async || {
        loop {
            let letters = scene.dead_letters(&hook).await;
            if let Some(letter) = letters.into_iter().next() {
                return letter;
            }
            tokio::task::yield_now().await;
        }
    };
    assert_eq!(degraded().await.reason, "the host has no address that may be reached");
    scene.end().await;
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn webhooks_are_set_up_seen_and_removed_by_their_tenant_only() {
    let receiver = Receiver::start(|_| (200, None)).await;
    let scene = Scene::in_memory().await;
    let hook = scene.hook(&receiver.url()).await;
    let other = TenantId::new("other");
    let theirs =
        scene.webhooks.create(other.clone(), WebhookSpec::new(receiver.url(), secret(2))).await.unwrap();
    assert_eq!(scene.webhooks.list(&tenant()).await.unwrap(), std::slice::from_ref(&hook));
    assert_eq!(scene.webhooks.list(&other).await.unwrap(), std::slice::from_ref(&theirs));
    assert!(matches!(scene.webhooks.get(&other, &hook.id).await, Err(WebhookError::NotFound)));
    assert!(matches!(scene.webhooks.delete(&other, &hook.id).await, Err(WebhookError::NotFound)));
    let patch = WebhookPatch { url: Some("https://shop.example/".into()), ..WebhookPatch::default() };
    let refused = scene.webhooks.update(&other, &hook.id, patch).await;
    assert!(matches!(refused, Err(WebhookError::NotFound)));
    // What is not valid changes nothing.
    let header = |name: &str, value: &str| WebhookPatch {
        headers: Some(BTreeMap::from([(name.into(), value.into())])),
        ..WebhookPatch::default()
    };
    for patch in [
        header("Webhook-Id", "x"),
        header("content-length", "1"),
        header("x y", "1"),
        header("x-a", "1\r\nx-b: 2"),
        header("", "1"),
    ] {
        let refused = scene.webhooks.update(&tenant(), &hook.id, patch).await;
        assert!(matches!(refused, Err(WebhookError::Headers)));
    }
    for secrets in [vec![], vec![secret(1); 5]] {
        let patch = WebhookPatch { secrets: Some(secrets), ..WebhookPatch::default() };
        let refused = scene.webhooks.update(&tenant(), &hook.id, patch).await;
        assert!(matches!(refused, Err(WebhookError::Secrets)));
    }
    // Only the tenant's own events come.
    scene.push([1]).await;
    let received = receiver.wait_for(1).await;
    assert_eq!(check(&received[0], &[secret(1)]), Ok(()));
    scene.webhooks.delete(&tenant(), &hook.id).await.unwrap();
    assert_eq!(scene.webhooks.list(&tenant()).await.unwrap(), []);
    scene.push([2]).await;
    let (_, webhooks) = scene.end().await;
    assert_eq!(receiver.received().len(), 1);
    let spec = WebhookSpec::new(receiver.url(), secret(1));
    assert!(matches!(webhooks.create(tenant(), spec).await, Err(WebhookError::Stopped)));
}

/// Whatever is done with its webhooks while an account is deleted: nothing of them stays, and nothing is delivered.
#[tokio::test]
async fn webhooks_of_an_account_that_is_deleted_leave_nothing() {
    let receiver = Receiver::start(|_| (200, None)).await;
    let scene = Scene::in_memory().await;
    let account = AccountId::of([1; 16]);
    let hook = async || {
        let mut spec = WebhookSpec::new(receiver.url(), secret(1));
        spec.account = Some(account.clone());
        scene.webhooks.create(tenant(), spec).await.unwrap()
    };
    scene.account(1).await;
    let before = hook().await;
    scene.push([1]).await;
    receiver.wait_for(1).await;
    // Two want to delete it at once; one of them cannot.
    scene.webhooks.stop_account(&account).await.unwrap();
    scene.webhooks.stop_account(&account).await.unwrap();
    let meanwhile = hook().await;
    let patch = WebhookPatch { is_enabled: Some(true), ..WebhookPatch::default() };
    scene.webhooks.update(&tenant(), &before.id, patch).await.unwrap();
    scene.webhooks.start_account(&account).await.unwrap();
    scene.push([6]).await;
    let mut changes = Changes::new();
    changes.push(Change::DeleteAccount(account.clone()));
    scene.store.commit(changes).await.unwrap();
    scene.webhooks.start_account(&account).await.unwrap();
    let mut spec = WebhookSpec::new(receiver.url(), secret(1));
    spec.account = Some(account.clone());
    let refused = scene.webhooks.create(tenant(), spec).await;
    assert!(matches!(refused, Err(WebhookError::NoAccount)), "{refused:?}");

    let (store, _) = scene.end().await;
    assert_eq!(numbers(&receiver.received()), [1]);
    assert_eq!(store.webhooks().await.unwrap(), []);
    for hook in [before, meanwhile] {
        assert_eq!(store.cursors(hook.id.as_str()).await.unwrap(), []);
    }
}

/// What is under way to several webhooks has one second to end, and not one after the other.
#[tokio::test(start_paused = true)]
async fn all_webhooks_of_an_account_end_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scene = Scene::in_memory().await;
    let account = AccountId::of([1; 16]);
    scene.account(1).await;
    for _ in 0..5 {
        let url = format!("http://{}/", silent.local_addr().unwrap());
        let spec = WebhookSpec { account: Some(account.clone()), ..WebhookSpec::new(url, secret(1)) };
        scene.webhooks.create(tenant(), spec).await.unwrap();
    }
    scene.push([1]).await;
    // Virtual time: it passes when all wait, those that deliver for their answers.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let start = tokio::time::Instant::now();
    scene.webhooks.stop_account(&account).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 1);
    scene.end().await;
}

/// An account that was not deleted after all: what was set up meanwhile is delivered to, too.
#[tokio::test]
async fn webhooks_of_an_account_that_is_not_deleted_after_all_go_on() {
    let receiver = Receiver::start(|_| (200, None)).await;
    let scene = Scene::in_memory().await;
    let account = AccountId::of([1; 16]);
    scene.account(1).await;
    scene.webhooks.stop_account(&account).await.unwrap();
    let mut spec = WebhookSpec::new(receiver.url(), secret(1));
    spec.account = Some(account.clone());
    scene.webhooks.create(tenant(), spec).await.unwrap();
    scene.push([1]).await;
    scene.webhooks.start_account(&account).await.unwrap();
    assert_eq!(receiver.wait_for(1).await[0].number(), 1);
    scene.end().await;
}

#[tokio::test]
async fn what_was_not_delivered_is_delivered_by_the_next_life() {
    let receiver = Receiver::start(|_| (200, None)).await;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("manager");
    let open = || Arc::new(SqliteManagerStore::open(&path).unwrap());
    let limit = Duration::from_secs(10);
    let mut wanted = 0;
    for life in 0..6u64 {
        let scene = Scene::start(open(), LOCAL, limit, quick()).await;
        if life == 0 {
            scene.hook(&receiver.url()).await;
        }
        scene.push(life * 20..life * 20 + 20).await;
        // Killed in the middle, but for the last.
        wanted += if life == 5 { 0 } else { 7 };
        receiver.wait_for(wanted).await;
        let Scene { store, mut tasks, stop, .. } = scene;
        if life == 5 {
            while receiver
                .received()
                .iter()
                .map(Received::number)
                .collect::<std::collections::HashSet<_>>()
                .len()
                < 120
            {
                receiver.wait_for(receiver.received().len() + 1).await;
            }
            stop.cancel();
            while tasks.join_next().await.is_some() {}
        } else {
            tasks.shutdown().await;
        }
        store.close().await.unwrap();
    }
    let mut known: HashMap<u64, Vec<u64>> = HashMap::new();
    for number in numbers(&receiver.received()) {
        let of = known.entry(number % 5).or_default();
        if !of.contains(&number) {
            of.push(number);
        }
    }
    for (of, numbers) in known {
        assert_eq!(numbers, (0..120).filter(|number| number % 5 == of).collect::<Vec<_>>());
    }
}
