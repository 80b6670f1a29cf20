//! Commits: all or nothing, order, wipe, many at once, dropped futures, a full disk.

use std::future::poll_fn;
use std::task::Poll;

use super::snapshot::{BREADTH, Snapshot, outbox_state, put_one_of_each};
use super::{Bench, Outcome, Unfit, checks, commit, ok, reads, same, sample};
use crate::changes::Changes;
use crate::memory::MemoryStore;
use crate::records::OutboxState;
use crate::store::{Store, StoreFuture};
use wa_types::UnixMillis;

checks! {
    "an empty commit changes nothing" => empty_commit,
    "changes are applied in their order" => in_order,
    "a refused commit leaves nothing, whatever it held" => refused_commit,
    "a commit without room leaves nothing, and the store goes on" => full,
    "a thousand changes are one commit" => large_commit,
    "a wipe leaves nothing, and what follows it stays" => wipe,
    "commits made at the same time all happen" => concurrent_commits,
    "a read never sees half a commit" => reads_see_whole_commits,
    "calls take effect in the order of their first poll" => order_of_calls,
    "a future that was never polled does nothing" => unpolled,
    "a commit whose future was dropped happens in full or not at all, before what follows" => dropped,
    "any series of commits leads where the reference store gets" => like_the_reference,
}

async fn empty_commit(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    commit(&*store, |changes| put_one_of_each(changes, 1, 1, 1)).await?;
    let before = Snapshot::of(&*store).await?;
    commit(&*store, |_| {}).await?;
    same("everything", &Snapshot::of(&*store).await?, &before)
}

async fn in_order(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let [a, b] = [sample::address(1, 0), sample::address(2, 0)];
    commit(&*store, |changes| {
        changes.put_session(a.clone(), vec![1]).delete_session(a.clone());
        changes.delete_session(b.clone()).put_session(b.clone(), vec![1]).put_session(b.clone(), vec![2]);
        changes.put_account(sample::account(1)).put_account(sample::account(2));
        changes.put_pre_key(sample::pre_key(1, true)).put_pre_key(sample::pre_key(1, false));
        changes.mark_seen(sample::message(1), UnixMillis(5)).forget_seen_before(UnixMillis(6));
        changes.forget_seen_before(UnixMillis(6)).mark_seen(sample::message(2), UnixMillis(5));
        changes.put_lid_mapping(sample::lid_mapping(1, 1, 9)).put_lid_mapping(sample::lid_mapping(2, 1, 9));
    })
    .await?;
    reads("sessions", store.sessions(&[a, b]), vec![None, Some(vec![2])]).await?;
    reads("account", store.account(), Some(sample::account(2))).await?;
    reads("unuploaded_pre_keys", store.unuploaded_pre_keys(9), vec![sample::pre_key(1, false)]).await?;
    reads("seen", store.seen(&[sample::message(1), sample::message(2)]), vec![false, true]).await?;
    let newest = vec![Some(sample::lid_mapping(2, 1, 9))];
    reads("lids_of", store.lids_of(&[sample::user(1)]), newest).await
}

async fn refused_commit(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    commit(&*store, |changes| {
        put_one_of_each(changes, 1, 1, 1);
        put_one_of_each(changes, 2, 2, 2);
    })
    .await?;
    let before = Snapshot::of(&*store).await?;
    for wipe_first in [false, true] {
        let mut changes = Changes::new();
        if wipe_first {
            changes.wipe();
        }
        put_one_of_each(&mut changes, 1, 11, 3);
        put_one_of_each(&mut changes, 3, 13, 4);
        changes.delete_session(sample::address(2, 0)).delete_identity(sample::address(2, 0));
        changes.delete_pre_key(sample::pre_key_id(3)).delete_signed_pre_key(sample::pre_key_id(3));
        changes.delete_sender_key(sample::sender_key_name(2, 0)).delete_device_list(sample::user(2));
        changes.confirm_inbox(1).forget_seen_before(UnixMillis(u64::MAX));
        changes.set_outbox_state(1, OutboxState::Read, UnixMillis(1)).trim_outbox(UnixMillis(u64::MAX), 0);
        changes.push_inbox(sample::entry(4, 5)); // 4 was used a few lines above
        if store.commit(changes).await.is_ok() {
            return Err(Unfit::Broken("a commit that uses an inbox number twice succeeded".to_owned()));
        }
        same("everything after the refusal", &Snapshot::of(&*store).await?, &before)?;
    }
    commit(&*store, |changes| put_one_of_each(changes, 4, 4, 3)).await?;
    reads("last_inbox_seq after the next commit", store.last_inbox_seq(), 3).await
}

async fn full(bench: &Bench<'_>) -> Outcome {
    let store = bench.open_small().await?;
    commit(&*store, |changes| put_one_of_each(changes, 1, 1, 1)).await?;
    let before = Snapshot::of(&*store).await?;
    let mut changes = Changes::new();
    put_one_of_each(&mut changes, 1, 11, 2);
    put_one_of_each(&mut changes, 2, 12, 3);
    for device in 0..100 {
        changes.put_session(sample::address(9, device), vec![7; 100_000]);
    }
    put_one_of_each(&mut changes, 3, 13, 4);
    if store.commit(changes).await.is_ok() {
        return Err(Unfit::Broken("a small store took 10 MB".to_owned()));
    }
    same("everything after the failure", &Snapshot::of(&*store).await?, &before)?;
    let lost = store.sessions(&[sample::address(9, 0), sample::address(9, 99)]);
    reads("the sessions of the failed commit", lost, vec![None, None]).await?;
    commit(&*store, |changes| put_one_of_each(changes, 2, 2, 2)).await?;
    reads(
        "a session after the next commit",
        store.sessions(&[sample::address(2, 0)]),
        vec![Some(vec![2; 700])],
    )
    .await
}

async fn large_commit(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let numbers = 1..=1000_u32;
    commit(&*store, |changes| {
        for number in numbers.clone() {
            changes.put_pre_key(sample::pre_key(number, false));
        }
    })
    .await?;
    reads("pre_key_count", store.pre_key_count(), 1000).await?;
    let ids: Vec<_> = numbers.clone().rev().map(sample::pre_key_id).collect();
    let expected = numbers.rev().map(|number| Some(sample::pre_key(number, false))).collect();
    reads("a thousand pre-keys in one read", store.pre_keys(&ids), expected).await
}

async fn wipe(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let empty = Snapshot::of(&MemoryStore::new()).await?;
    commit(&*store, |changes| {
        for number in 0..BREADTH {
            put_one_of_each(changes, number, 1, u64::from(number) + 1);
        }
    })
    .await?;
    commit(&*store, |changes| {
        changes.wipe();
    })
    .await?;
    same("everything after a wipe", &Snapshot::of(&*store).await?, &empty)?;
    commit(&*store, |changes| {
        put_one_of_each(changes, 1, 1, 1);
        changes.wipe();
    })
    .await?;
    same("everything after a wipe at a commit's end", &Snapshot::of(&*store).await?, &empty)?;
    // The wipe in the middle of a list, as a store that builds on `Change` gets it after a merge.
    let reference = MemoryStore::new();
    for store in [&*store, &reference as &dyn Store] {
        let mut changes = Changes::new();
        put_one_of_each(&mut changes, 1, 1, 1);
        let mut later = Changes::new();
        put_one_of_each(later.wipe(), 2, 2, 1);
        changes.merge(later);
        ok("a commit with a wipe in its middle", store.commit(changes).await)?;
    }
    let expected = Snapshot::of(&reference).await?;
    same("everything after a wipe in a commit's middle", &Snapshot::of(&*store).await?, &expected)
}

async fn concurrent_commits(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let commits = (0..64_u16).map(|device| {
        let mut changes = Changes::new();
        let address = sample::address(1, device);
        changes.put_session(address.clone(), vec![1; 900]).put_identity(address, sample::public_key(1));
        store.commit(changes)
    });
    for result in together(commits.collect()).await {
        ok("one of 64 commits made at the same time", result)?;
    }
    let addresses: Vec<_> = (0..64).map(|device| sample::address(1, device)).collect();
    reads("their sessions", store.sessions(&addresses), vec![Some(vec![1; 900]); 64]).await?;
    reads("their identities", store.identities(&addresses), vec![Some(sample::public_key(1)); 64]).await?;
    // One refused commit among good ones takes none of them along.
    let commits = (0..16_u16).map(|device| {
        let mut changes = Changes::new();
        changes.put_session(sample::address(2, device), vec![2]);
        if device == 7 {
            changes.push_inbox(sample::entry(0, 1));
        }
        store.commit(changes)
    });
    let results: Vec<bool> = together(commits.collect()).await.iter().map(Result::is_ok).collect();
    let expected: Vec<bool> = (0..16).map(|device| device != 7).collect();
    same("which of 16 commits succeeded, the eighth being wrong", &results, &expected)?;
    let addresses: Vec<_> = (0..16).map(|device| sample::address(2, device)).collect();
    let sessions = ok("sessions", store.sessions(&addresses).await)?;
    same("which of them left something", &sessions.iter().map(Option::is_some).collect(), &expected)
}

async fn reads_see_whole_commits(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let pair = [sample::address(1, 0), sample::address(1, 1)];
    let mut calls: Vec<StoreFuture<'_, Vec<Option<Vec<u8>>>>> = Vec::new();
    for seed in 0..50_u8 {
        let mut changes = Changes::new();
        changes.put_session(pair[0].clone(), vec![seed; 900]);
        for device in 2..6 {
            changes.put_session(sample::address(1, device), vec![seed; 900]);
        }
        changes.put_session(pair[1].clone(), vec![seed; 900]);
        let commit = store.commit(changes);
        calls.push(Box::pin(async move { commit.await.map(|()| Vec::new()) }));
        calls.push(store.sessions(&pair));
    }
    for result in together(calls).await {
        if let [first, second] = ok("a call among others", result)?.as_slice() {
            same("the two sessions that each commit writes", second, first)?;
        }
    }
    Ok(())
}

async fn order_of_calls(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let address = sample::address(1, 0);
    let mut calls: Vec<StoreFuture<'_, Vec<Option<Vec<u8>>>>> = Vec::new();
    for seed in 0..20_u8 {
        let mut changes = Changes::new();
        changes.put_session(address.clone(), vec![seed]);
        let commit = store.commit(changes);
        calls.push(Box::pin(async move { commit.await.map(|()| Vec::new()) }));
        calls.push(store.sessions(std::slice::from_ref(&address)));
    }
    // `together` polls the calls one after the other: every second one is a read.
    for (seed, result) in (0..20_u8).zip(together(calls).await.into_iter().skip(1).step_by(2)) {
        let found = ok("a read among other calls", result)?;
        same("a session read right after commit number n was started", &found, &vec![Some(vec![seed])])?;
    }
    reads("the session in the end", store.sessions(&[address]), vec![Some(vec![19])]).await
}

async fn unpolled(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let mut changes = Changes::new();
    put_one_of_each(&mut changes, 1, 1, 1);
    drop(store.commit(changes));
    same("everything", &Snapshot::of(&*store).await?, &Snapshot::of(&MemoryStore::new()).await?)
}

async fn dropped(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let pair = [sample::address(1, 0), sample::address(1, 1)];
    for seed in 0..30_u8 {
        let mut changes = Changes::new();
        changes.put_session(pair[0].clone(), vec![seed; 2000]).put_session(pair[1].clone(), vec![seed; 2000]);
        let mut call = store.commit(changes);
        poll_fn(|context| {
            let _ = call.as_mut().poll(context);
            Poll::Ready(())
        })
        .await;
        drop(call);
        if seed % 2 == 0 {
            if let [first, second] = ok("sessions", store.sessions(&pair).await)?.as_slice() {
                same("the two sessions of a dropped commit", second, first)?;
            }
        } else {
            commit(&*store, |changes| {
                changes.put_session(pair[0].clone(), vec![100]);
            })
            .await?;
            commit(&*store, |changes| {
                changes.put_session(pair[1].clone(), vec![100]);
            })
            .await?;
            let expected = vec![Some(vec![100]); 2];
            reads("sessions written after a dropped commit", store.sessions(&pair), expected).await?;
        }
    }
    Ok(())
}

async fn like_the_reference(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let reference = MemoryStore::new();
    let mut dice = Dice(1);
    let mut seq = 0;
    for round in 0..200 {
        let mut changes = Changes::new();
        for _ in 0..=dice.below(8) {
            random_change(&mut changes, &mut dice, &mut seq);
        }
        if dice.below(60) == 0 {
            changes.wipe();
            seq = 0;
        }
        ok("a commit", reference.commit(changes.clone()).await)?;
        let text = format!("round {round}, after {changes:?}");
        ok(&text, store.commit(changes).await)?;
        same(&text, &Snapshot::of(&*store).await?, &Snapshot::of(&reference).await?)?;
    }
    Ok(())
}

fn random_change(changes: &mut Changes, dice: &mut Dice, seq: &mut u64) {
    let (number, other) = (dice.below(BREADTH), dice.below(BREADTH));
    let [seed, ..] = dice.below(256).to_le_bytes();
    let time = u64::from(dice.below(8)) * 1000;
    let address = sample::address(number, 0);
    match dice.below(20) {
        0 => changes.put_account(sample::account(seed)),
        1 | 2 => changes.put_session(address, vec![seed; usize::from(seed) * 10]),
        3 => changes.delete_session(address),
        4 => changes.put_identity(address, sample::public_key(seed)),
        5 => changes.delete_identity(address),
        6 => changes.put_pre_key(sample::pre_key(number + 1, seed.is_multiple_of(2))),
        7 => changes.delete_pre_key(sample::pre_key_id(number + 1)),
        8 => changes.put_signed_pre_key(sample::signed_pre_key(number + 1, seed)),
        9 => changes.delete_signed_pre_key(sample::pre_key_id(number + 1)),
        10 => changes.put_sender_key(sample::sender_key_name(number, 0), vec![seed; 100]),
        11 => changes.delete_sender_key(sample::sender_key_name(number, 0)),
        12 => changes.put_device_list(sample::user(number), sample::device_list(seed)),
        13 => changes.put_lid_mapping(sample::lid_mapping(number, other, time)),
        14 => {
            *seq += 1 + u64::from(dice.below(3));
            changes.push_inbox(sample::entry(*seq, number))
        }
        15 => changes.confirm_inbox(seq.saturating_sub(u64::from(dice.below(4)))),
        16 => {
            let seq = u64::from(dice.below(12));
            changes.put_outbox(sample::outbox_entry(seq, number, outbox_state(seed)))
        }
        17 if seed < 128 => {
            let seq = u64::from(dice.below(12));
            changes.set_outbox_state(seq, outbox_state(seed), UnixMillis(time))
        }
        17 => {
            let id = sample::outbox_entry(0, number, outbox_state(seed)).id;
            changes.set_outbox_state_of(id, outbox_state(seed), UnixMillis(time))
        }
        18 if seed < 64 => changes.trim_outbox(UnixMillis(time), u64::from(seed)),
        _ if seed < 64 => changes.forget_seen_before(UnixMillis(time)),
        _ => changes.mark_seen(sample::message(number), UnixMillis(time)),
    };
}

/// Numbers that look random and are the same every time.
struct Dice(u32);

impl Dice {
    const fn below(&mut self, sides: u32) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) % sides
    }
}

/// Polls all calls in this task, one after the other, until each has its answer.
async fn together<T>(mut calls: Vec<StoreFuture<'_, T>>) -> Vec<Result<T, crate::StoreError>> {
    let mut answers: Vec<Option<Result<T, crate::StoreError>>> = calls.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (call, answer) in calls.iter_mut().zip(&mut answers) {
            if answer.is_none()
                && let Poll::Ready(result) = call.as_mut().poll(context)
            {
                *answer = Some(result);
            }
        }
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}
