//! Events to somebody who receives webhooks.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wa_benches::child::Child;
use wa_benches::usage::{Mark, Usage};
use wa_benches::{Fallible, say};
use wa_core::transport::TlsRoots;
use wa_manager::clock::{Clock, SystemClock};
use wa_manager::event::{EventKind, NewEvent};
use wa_manager::hub::Hub;
use wa_manager::store::{Changes, ManagerStore, SqliteManagerStore};
use wa_manager::webhook::{Reach, WebhookSecret, WebhookSpec, Webhooks};
use wa_manager::{AccountId, EventId, TenantId};

/// The events are of so many accounts; those of one account follow each other.
const ACCOUNTS: u8 = 50;

/// So many are stored in one commit.
const COMMIT: u64 = 50;

/// R063: messages of 50 accounts, from their commit in SQLite to a receiver that takes each at once, signed, in the order
/// of each account.
pub(crate) fn throughput(count: u64) -> Fallible<()> {
    let mut receiver = Child::start(&["--role", "receiver"])?;
    let url = format!("http://{}/hook", receiver.answer()?);
    let (runtime, directory) = (Runtime::new()?, TempDir::new()?);
    let _guard = runtime.enter();
    let store: Arc<dyn ManagerStore> =
        Arc::new(SqliteManagerStore::open(directory.path().join("manager.db"))?);
    let clock = Arc::new(SystemClock::new());
    let (hub, tail) = runtime.block_on(Hub::new(Arc::clone(&store), Hub::CAPACITY))?;
    let webhooks = Webhooks::builder(Arc::clone(&store), hub.clone(), clock.clone());
    let reach = Reach { private: true, ..Reach::default() };
    let (webhooks, delivery) = webhooks.reach(reach).roots(TlsRoots::none()).build();
    let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
    tasks.spawn(tail.run(stop.clone()));
    tasks.spawn(delivery.run(stop.clone()));
    let secret = WebhookSecret::new([7; 32])?;
    runtime.block_on(webhooks.create(TenantId::default(), WebhookSpec::new(url, secret)))?;

    receiver.tell(&format!("await {count}"))?;
    let mark = Mark::now();
    for first in (0..count).step_by(usize::try_from(COMMIT)?) {
        let mut changes = Changes::new();
        for number in first..count.min(first + COMMIT) {
            changes.push_event(NewEvent {
                id: EventId::of(u128::from(number).to_be_bytes()),
                tenant: TenantId::default(),
                account: Some(AccountId::of([u8::try_from(number % u64::from(ACCOUNTS))?; 16])),
                kind: EventKind::MessageReceived,
                at: clock.wall(),
                data: json!({ "text": format!("message {number} of this run"), "fromMe": false }),
            });
        }
        runtime.block_on(store.commit(changes))?;
        hub.notify();
    }
    let committed = mark.wall();
    let received: Usage = receiver.answer()?.parse()?;
    let sent = mark.used(mark.wall());
    stop.cancel();
    runtime.block_on(async { while tasks.join_next().await.is_some() {} });
    let per_second = |wall: Duration| count as f64 / wall.as_secs_f64();
    let items = usize::try_from(count)?;
    say(&format!(
        "webhooks   {count} in {:.2} s, {:.0} per second (committed in {:.2} s); {:.0} µs CPU and {} each, the receiver {:.0} µs; {} KiB resident",
        sent.wall.as_secs_f64(),
        per_second(sent.wall),
        committed.as_secs_f64(),
        sent.cpu_us_per(items),
        sent.allocations_per(items),
        received.cpu_us_per(items),
        sent.resident_kib,
    ))
}
