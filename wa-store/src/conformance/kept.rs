//! What a reopened store still knows.

use super::snapshot::{BREADTH, Snapshot, put_one_of_each};
use super::{Bench, Outcome, checks, commit, ok, reads, same, sample};
use crate::memory::MemoryStore;
use crate::store::Store;

checks! {
    "a store may be closed twice" => closed_twice,
    "a reopened store knows all that was committed" => everything_is_kept,
    "used inbox numbers stay used and seen messages stay seen when a store is reopened" => inbox_is_kept,
    "the order in which mappings were written is kept" => order_is_kept,
    "a wiped store stays empty when it is reopened" => wipe_is_kept,
}

async fn closed_twice(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    ok("closing", store.close().await)?;
    ok("closing again", store.close().await)
}

async fn everything_is_kept(bench: &Bench<'_>) -> Outcome {
    let (number, mut store) = bench.open_numbered().await?;
    for round in 0..3_u8 {
        commit(&*store, |changes| {
            for number in 0..BREADTH {
                let seq = u64::from(round) * 100 + u64::from(number) + 1;
                put_one_of_each(changes, number, round + 1, seq);
            }
            changes.delete_session(sample::address(u32::from(round), 0));
            changes.confirm_inbox(u64::from(round) * 100 + 2);
        })
        .await?;
        let before = Snapshot::of(&*store).await?;
        store = bench.reopen(number, store).await?;
        same("everything", &Snapshot::of(&*store).await?, &before)?;
    }
    Ok(())
}

async fn inbox_is_kept(bench: &Bench<'_>) -> Outcome {
    let (number, store) = bench.open_numbered().await?;
    commit(&*store, |changes| {
        changes.push_inbox(sample::entry(41, 1));
    })
    .await?;
    commit(&*store, |changes| {
        changes.confirm_inbox(41);
    })
    .await?;
    let store = bench.reopen(number, store).await?;
    reads("last_inbox_seq", store.last_inbox_seq(), 41).await?;
    reads("seen", store.seen(&[sample::message(1)]), vec![true]).await
}

async fn order_is_kept(bench: &Bench<'_>) -> Outcome {
    let (number, store) = bench.open_numbered().await?;
    for lid in [1, 2, 1] {
        commit(&*store, |changes| {
            changes.put_lid_mapping(sample::lid_mapping(lid, 1, 9));
        })
        .await?;
    }
    let store = bench.reopen(number, store).await?;
    let newest = |lid| vec![Some(sample::lid_mapping(lid, 1, 9))];
    reads("the LID written last", store.lids_of(&[sample::user(1)]), newest(1)).await?;
    commit(&*store, |changes| {
        changes.put_lid_mapping(sample::lid_mapping(2, 1, 9));
    })
    .await?;
    reads("the LID written after that", store.lids_of(&[sample::user(1)]), newest(2)).await
}

async fn wipe_is_kept(bench: &Bench<'_>) -> Outcome {
    let (number, store) = bench.open_numbered().await?;
    commit(&*store, |changes| put_one_of_each(changes, 1, 1, 1)).await?;
    commit(&*store, |changes| {
        changes.wipe();
    })
    .await?;
    let store = bench.reopen(number, store).await?;
    same("everything", &Snapshot::of(&*store).await?, &Snapshot::of(&MemoryStore::new() as &dyn Store).await?)
}
