//! The outbox: pending ones in order, ids and keys, states that never go back, trimming.

use wa_types::UnixMillis;

use super::{Bench, Outcome, checks, commit, reads, sample};
use crate::records::{OutboxEntry, OutboxState};

checks! {
    "pending outbox entries are read by number, after a number and up to a limit" => pending_in_order,
    "outbox entries are read by id and by key, in whatever state" => by_id_and_by_key,
    "an outbox entry replaces those of its number, of its id and of its key" => replacing,
    "the state of an outbox entry never goes back" => states,
    "a receipt raises an outbox entry by its id" => states_by_id,
    "finished outbox entries are trimmed by age and by size, pending ones stay" => trimming,
    "the last outbox number is that of an entry that is there" => last_number,
}

async fn pending_in_order(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    reads("last_outbox_seq of a new store", store.last_outbox_seq(), 0).await?;
    let large = u64::from(u32::MAX) * 1000;
    let entry = |seq, number, state| sample::outbox_entry(seq, number, state);
    let all = [
        entry(2, 0, OutboxState::Queued),
        entry(9, 1, OutboxState::Written),
        entry(10, 2, OutboxState::Queued),
        entry(large, 3, OutboxState::Written),
    ];
    commit(&*store, |changes| {
        // The order of the numbers counts, not that of writing.
        let [a, b, c, d] = all.clone();
        changes.put_outbox(d).put_outbox(a).put_outbox(c).put_outbox(b);
        for (seq, state) in [(3, OutboxState::Acked), (4, OutboxState::Failed(7)), (5, OutboxState::Played)] {
            changes.put_outbox(sample::outbox_entry(seq, 10 + u32::from(state.rank()), state));
        }
    })
    .await?;
    reads("outbox_pending(0, usize::MAX)", store.outbox_pending(0, usize::MAX), all.to_vec()).await?;
    reads("outbox_pending(1, 4)", store.outbox_pending(1, 4), all.to_vec()).await?;
    reads("outbox_pending(0, 0)", store.outbox_pending(0, 0), vec![]).await?;
    reads("outbox_pending(0, 1)", store.outbox_pending(0, 1), all[..1].to_vec()).await?;
    reads("outbox_pending(2, 2)", store.outbox_pending(2, 2), all[1..3].to_vec()).await?;
    reads("outbox_pending(the last, 9)", store.outbox_pending(large, 9), vec![]).await?;
    reads("outbox_pending(u64::MAX, 9)", store.outbox_pending(u64::MAX, 9), vec![]).await?;
    reads("last_outbox_seq", store.last_outbox_seq(), large).await?;
    commit(&*store, |changes| {
        changes.set_outbox_state(9, OutboxState::Acked, UnixMillis(1));
        changes.set_outbox_state(2, OutboxState::Written, UnixMillis(1));
        changes.set_outbox_state(10, OutboxState::Failed(1), UnixMillis(1));
    })
    .await?;
    let first = OutboxEntry { state: OutboxState::Written, at: UnixMillis(1), ..all[0].clone() };
    let left = vec![first, all[3].clone()];
    reads("outbox_pending after two were finished", store.outbox_pending(0, 9), left).await
}

async fn by_id_and_by_key(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let [a, b] = [(1, 1, OutboxState::Queued), (2, 2, OutboxState::Failed(u16::MAX))]
        .map(|(seq, number, state)| sample::outbox_entry(seq, number, state));
    let bare = OutboxEntry {
        idempotency_key: None,
        deadline: None,
        acked: None,
        payload: vec![],
        delivery: vec![],
        ..sample::outbox_entry(3, 3, OutboxState::Read)
    };
    commit(&*store, |changes| {
        changes.put_outbox(a.clone()).put_outbox(b.clone()).put_outbox(bare.clone());
    })
    .await?;
    let asked = [bare.id.clone(), "nobody's".into(), a.id.clone(), bare.id.clone()];
    let expected = vec![Some(bare.clone()), None, Some(a.clone()), Some(bare)];
    reads("outbox_by_ids with a miss and a repeat", store.outbox_by_ids(&asked), expected).await?;
    reads("outbox_by_ids(&[])", store.outbox_by_ids(&[]), vec![]).await?;
    let key = |entry: &OutboxEntry| entry.idempotency_key.clone().unwrap_or_default();
    reads("outbox_by_key", store.outbox_by_key(&key(&b)), Some(b)).await?;
    reads("outbox_by_key of an unknown key", store.outbox_by_key("nobody's"), None).await?;
    reads("outbox_by_key of an empty key", store.outbox_by_key(""), None).await
}

async fn replacing(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let entry = |seq, number| sample::outbox_entry(seq, number, OutboxState::Queued);
    commit(&*store, |changes| {
        (1..=4).for_each(|number| {
            changes.put_outbox(entry(u64::from(number), number));
        });
    })
    .await?;
    // The number of 1, the id of 2, the key of 3.
    let heir =
        OutboxEntry { id: entry(2, 2).id, idempotency_key: entry(3, 3).idempotency_key, ..entry(1, 9) };
    commit(&*store, |changes| {
        changes.put_outbox(heir.clone());
    })
    .await?;
    reads("what is left", store.outbox_pending(0, 9), vec![heir.clone(), entry(4, 4)]).await?;
    let asked = [entry(1, 1).id, heir.id.clone()];
    reads("their ids", store.outbox_by_ids(&asked), vec![None, Some(heir)]).await?;
    let key = entry(1, 1).idempotency_key.unwrap_or_default();
    reads("the key of the replaced number", store.outbox_by_key(&key), None).await?;
    // Two without a key are two.
    let [a, b] = [entry(5, 5), entry(6, 6)].map(|entry| OutboxEntry { idempotency_key: None, ..entry });
    commit(&*store, |changes| {
        changes.put_outbox(a.clone()).put_outbox(b.clone());
    })
    .await?;
    reads("entries without a key", store.outbox_pending(4, 9), vec![a, b]).await
}

/// Every state, lowest first.
const STATES: [OutboxState; 7] = [
    OutboxState::Queued,
    OutboxState::Written,
    OutboxState::Failed(3),
    OutboxState::Acked,
    OutboxState::Delivered,
    OutboxState::Read,
    OutboxState::Played,
];

async fn states(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    for (seq, from) in (1_u64..).zip(STATES) {
        for (step, to) in (1_u64..).zip(STATES) {
            let mut entry = sample::outbox_entry(seq, 1, from);
            commit(&*store, |changes| {
                changes.put_outbox(entry.clone()).set_outbox_state(seq, to, UnixMillis(step));
            })
            .await?;
            entry.raise(to, UnixMillis(step));
            let what = format!("an entry that was {from:?} after {to:?}");
            reads(&what, store.outbox_by_ids(&[entry.id.clone()]), vec![Some(entry)]).await?;
        }
    }
    // The first reason stays; what a receipt tells later takes it away.
    let mut entry = sample::outbox_entry(20, 20, OutboxState::Failed(3));
    commit(&*store, |changes| {
        changes.put_outbox(entry.clone()).set_outbox_state(20, OutboxState::Failed(500), UnixMillis(1));
        changes.set_outbox_state(99, OutboxState::Acked, UnixMillis(1)).set_outbox_state(
            u64::MAX,
            OutboxState::Acked,
            UnixMillis(1),
        );
    })
    .await?;
    reads("a second failure", store.outbox_by_ids(&[entry.id.clone()]), vec![Some(entry.clone())]).await?;
    commit(&*store, |changes| {
        changes.set_outbox_state(20, OutboxState::Delivered, UnixMillis(8));
    })
    .await?;
    (entry.state, entry.at) = (OutboxState::Delivered, UnixMillis(8));
    reads("a delivery after all", store.outbox_by_ids(&[entry.id.clone()]), vec![Some(entry)]).await
}

async fn states_by_id(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let mut entry = sample::outbox_entry(1, 1, OutboxState::Written);
    let other = sample::outbox_entry(2, 2, OutboxState::Written);
    commit(&*store, |changes| {
        changes.put_outbox(entry.clone()).put_outbox(other.clone());
        changes.set_outbox_state_of(entry.id.clone(), OutboxState::Read, UnixMillis(5));
        changes.set_outbox_state_of(entry.id.clone(), OutboxState::Delivered, UnixMillis(6));
        changes.set_outbox_state_of("nobody's".into(), OutboxState::Read, UnixMillis(6));
    })
    .await?;
    (entry.state, entry.at) = (OutboxState::Read, UnixMillis(5));
    let asked = [entry.id.clone(), other.id.clone()];
    reads("the entries", store.outbox_by_ids(&asked), vec![Some(entry), Some(other)]).await
}

async fn trimming(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let sized = |seq: u64, state, bytes: usize| OutboxEntry {
        payload: vec![1; bytes / 3],
        delivery: vec![2; bytes - bytes / 3],
        created: UnixMillis(seq * 10),
        ..sample::outbox_entry(seq, u32::try_from(seq).unwrap_or(0), state)
    };
    let all = [
        sized(1, OutboxState::Queued, 900),
        sized(2, OutboxState::Acked, 300),
        sized(3, OutboxState::Failed(1), 300),
        sized(4, OutboxState::Written, 900),
        sized(5, OutboxState::Played, 300),
        sized(6, OutboxState::Delivered, 0),
        sized(7, OutboxState::Acked, 300),
    ];
    commit(&*store, |changes| {
        all.iter().cloned().for_each(|entry| {
            changes.put_outbox(entry);
        });
    })
    .await?;
    let ids = all.clone().map(|entry| entry.id);
    let trims = [
        // Nothing to do; the age of 2; the size of 3, which 900 bytes hold and 899 do not; all.
        ((0, 9999), vec![1, 2, 3, 4, 5, 6, 7]),
        ((30, 9999), vec![1, 3, 4, 5, 6, 7]),
        ((0, 900), vec![1, 3, 4, 5, 6, 7]),
        ((0, 899), vec![1, 4, 5, 6, 7]),
        ((0, 300), vec![1, 4, 6, 7]),
        ((u64::MAX, u64::MAX), vec![1, 4]),
    ];
    for ((before, keep_bytes), left) in trims {
        commit(&*store, |changes| {
            changes.trim_outbox(UnixMillis(before), keep_bytes);
        })
        .await?;
        let expected: Vec<_> =
            all.iter().map(|entry| left.contains(&entry.seq).then(|| entry.clone())).collect();
        let what = format!("the entries after trimming to {before} ms and {keep_bytes} bytes");
        reads(&what, store.outbox_by_ids(&ids), expected).await?;
    }
    // A trimmed key is free again.
    let key = all[1].idempotency_key.clone().unwrap_or_default();
    reads("the key of a trimmed entry", store.outbox_by_key(&key), None).await
}

async fn last_number(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    commit(&*store, |changes| {
        changes.put_outbox(sample::outbox_entry(8, 1, OutboxState::Queued));
        changes.put_outbox(sample::outbox_entry(7, 2, OutboxState::Queued));
    })
    .await?;
    reads("last_outbox_seq", store.last_outbox_seq(), 8).await?;
    commit(&*store, |changes| {
        changes.set_outbox_state(8, OutboxState::Acked, UnixMillis(1)).trim_outbox(UnixMillis(u64::MAX), 0);
    })
    .await?;
    reads("last_outbox_seq after the last was trimmed", store.last_outbox_seq(), 7).await
}
