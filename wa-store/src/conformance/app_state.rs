//! The shared state: collections, keys, entries and their pages, changes to be uploaded.

use super::{Bench, Outcome, checks, commit, reads, sample};
use crate::records::AppStateEntry;

checks! {
    "collections and keys of the shared state are read, replaced, and kept apart" => collections_and_keys,
    "entries of the shared state are read by place and by index, in the order asked" => entries,
    "pages of the shared state are complete, in order, and end with their prefix" => pages,
    "a later change of the same index replaces the earlier" => changes,
}

async fn collections_and_keys(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let names = ["regular", "none", "regular_low", "regular"].map(str::to_owned);
    commit(&*store, |changes| {
        changes.put_app_state_collection("regular", vec![1]).put_app_state_collection("regular_low", vec![2]);
        changes.put_app_state_key(vec![2], vec![7]).put_app_state_key(vec![1, 9], vec![8]);
    })
    .await?;
    let expected = vec![Some(vec![1]), None, Some(vec![2]), Some(vec![1])];
    reads("app_state_collections", store.app_state_collections(&names), expected).await?;
    reads("app_state_keys", store.app_state_keys(), vec![(vec![1, 9], vec![8]), (vec![2], vec![7])]).await?;
    commit(&*store, |changes| {
        changes.put_app_state_collection("regular", vec![3]).put_app_state_key(vec![2], vec![9]);
    })
    .await?;
    let expected = vec![Some(vec![3]), None, Some(vec![2]), Some(vec![3])];
    reads("app_state_collections after a change", store.app_state_collections(&names), expected).await?;
    reads(
        "app_state_keys after a change",
        store.app_state_keys(),
        vec![(vec![1, 9], vec![8]), (vec![2], vec![9])],
    )
    .await
}

/// The same index in a second place, as after a change of keys.
fn elsewhere(entry: &AppStateEntry) -> AppStateEntry {
    AppStateEntry { index_mac: [0xFF; 32], ..entry.clone() }
}

async fn entries(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let one = |number, seed| sample::app_state_entry("regular_low", number, seed);
    let in_other = sample::app_state_entry("regular", 1, 5);
    let twice = elsewhere(&one(2, 2));
    commit(&*store, |changes| {
        changes.put_app_state_entry(one(1, 1)).put_app_state_entry(one(2, 2)).put_app_state_entry(one(3, 3));
        changes.put_app_state_entry(in_other.clone()).put_app_state_entry(twice.clone());
    })
    .await?;
    let macs = [3, 9, 1, 3].map(|number| one(number, 0).index_mac);
    let expected = vec![Some(one(3, 3)), None, Some(one(1, 1)), Some(one(3, 3))];
    reads("app_state_entries", store.app_state_entries("regular_low", &macs), expected).await?;
    let expected = vec![None, None, Some(in_other.clone()), None];
    reads("app_state_entries of another collection", store.app_state_entries("regular", &macs), expected)
        .await?;
    let indexes = [2, 9, 1, 2].map(sample::app_state_index);
    let (second, first) = (vec![one(2, 2), twice.clone()], vec![in_other.clone(), one(1, 1)]);
    let expected = vec![second.clone(), vec![], first.clone(), second];
    reads("app_state_by_index", store.app_state_by_index(&indexes), expected).await?;
    // One is replaced, with another index; one goes; one was never there.
    let moved = AppStateEntry { index: sample::app_state_index(9), ..one(1, 7) };
    commit(&*store, |changes| {
        changes.put_app_state_entry(moved.clone());
        changes.delete_app_state_entry("regular_low", one(2, 2).index_mac);
        changes.delete_app_state_entry("regular", one(3, 3).index_mac);
    })
    .await?;
    let expected = vec![vec![twice.clone()], vec![moved], vec![in_other.clone()], vec![twice]];
    reads("app_state_by_index after a change", store.app_state_by_index(&indexes), expected).await?;
    commit(&*store, |changes| {
        changes.clear_app_state("regular_low");
    })
    .await?;
    let expected = vec![vec![], vec![], vec![in_other], vec![]];
    reads("app_state_by_index after a collection was cleared", store.app_state_by_index(&indexes), expected)
        .await
}

async fn pages(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let mut all: Vec<AppStateEntry> =
        (0..25).map(|number| sample::app_state_entry("regular", number, 1)).collect();
    let with = |index: &[u8], number| AppStateEntry {
        index: index.to_vec(),
        ..sample::app_state_entry("regular", number, 1)
    };
    // What stands beside them in the order, and bytes at the end of their range.
    let beside =
        [with(b"[\"pin_v0\"]", 90), with(b"[\"pin_v2\"]", 91), with(&[0xFF, 0xFF], 92), with(b"", 93)];
    all.push(elsewhere(&sample::app_state_entry("regular", 7, 1)));
    all.sort_by_key(|entry| (entry.index.clone(), entry.index_mac));
    commit(&*store, |changes| {
        for entry in all.iter().rev().chain(&beside) {
            changes.put_app_state_entry(entry.clone());
        }
    })
    .await?;
    let prefix = b"[\"pin_v1\",\"";
    for size in [1, 4, 26, 100] {
        let mut found: Vec<AppStateEntry> = Vec::new();
        while found.len() < all.len() {
            let page = store.app_state_page(prefix, found.last(), size);
            let expected: Vec<_> = all.iter().skip(found.len()).take(size).cloned().collect();
            reads("app_state_page", page, expected.clone()).await?;
            found.extend(expected);
        }
        reads("app_state_page behind the last", store.app_state_page(prefix, found.last(), size), vec![])
            .await?;
    }
    reads("app_state_page of none", store.app_state_page(prefix, None, 0), vec![]).await?;
    let last = store.app_state_page(&[0xFF], None, 9);
    reads("app_state_page of the last bytes", last, beside.iter().skip(2).take(1).cloned().collect()).await?;
    let everything = beside.iter().skip(3).chain(beside.iter().take(1)).chain(&all);
    let everything = everything.chain(beside.iter().skip(1).take(2)).cloned().collect();
    reads("app_state_page of everything", store.app_state_page(b"", None, usize::MAX), everything).await
}

async fn changes(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let change = sample::app_state_change;
    let mut in_other = change(4, 1, 4);
    in_other.collection = "regular".to_owned();
    commit(&*store, |changes| {
        for one in [change(10, 2, 2), change(1, 1, 1), change(9, 3, 3), in_other.clone()] {
            changes.put_app_state_change(one);
        }
    })
    .await?;
    let all = vec![change(1, 1, 1), in_other.clone(), change(9, 3, 3), change(10, 2, 2)];
    reads("app_state_changes", store.app_state_changes(0, usize::MAX), all).await?;
    reads("app_state_changes behind one", store.app_state_changes(4, 1), vec![change(9, 3, 3)]).await?;
    commit(&*store, |changes| {
        changes.put_app_state_change(change(11, 1, 7)).put_app_state_change(change(9, 5, 8));
        changes.delete_app_state_change(10).delete_app_state_change(1);
    })
    .await?;
    let expected = vec![in_other, change(9, 5, 8), change(11, 1, 7)];
    reads("app_state_changes after changes", store.app_state_changes(0, usize::MAX), expected).await
}
