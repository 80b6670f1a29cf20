//! Commits of received messages in SQLite, with the default durability: each waits for the disk.

use std::time::{Duration, Instant};

use criterion::Criterion;
use wa_store::{Changes, InboxEntry, MessageKey, SqliteStore, Store as _};
use wa_types::{Jid, MessageId, SignalAddress, UnixMillis};

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sqlite");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    for size in [1, 64] {
        let directory = tempfile::tempdir().expect("a directory for the store");
        let path = directory.path().join("bench.db");
        let store = runtime.block_on(SqliteStore::open(path)).expect("the store opens");
        let mut seq = 0;
        group.bench_function(format!("commit_{size}_received"), |bencher| {
            bencher.iter_custom(|count| {
                let mut took = Duration::ZERO;
                for _ in 0..count {
                    let changes = received(&mut seq, size);
                    let start = Instant::now();
                    runtime.block_on(store.commit(changes)).expect("the store writes");
                    took += start.elapsed();
                }
                took
            });
        });
        runtime.block_on(store.close()).expect("the store closes");
    }
    group.finish();
}

/// What a step writes that received so many messages of one sender: the session once, and per message its inbox
/// entry, and the confirmation of an earlier one.
fn received(seq: &mut u64, size: u64) -> Changes {
    let mut changes = Changes::new();
    let user = Jid::lid("100000000000001");
    let address = SignalAddress::from_jid(&user.clone().with_device(1)).expect("a user's device");
    changes.put_session(address, vec![1; 400]);
    for _ in 0..size {
        *seq += 1;
        let id = MessageId::new(format!("3EB0{seq:016X}"));
        let message = MessageKey { chat: user.clone(), sender: user.clone(), id };
        changes.confirm_inbox(seq.saturating_sub(size));
        changes.push_inbox(InboxEntry {
            seq: *seq,
            message,
            received: UnixMillis(1_794_300_000_000),
            payload: vec![2; 120],
        });
    }
    changes
}
