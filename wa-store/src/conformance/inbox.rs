//! The inbox: order, numbers, confirmations, seen messages.

use wa_types::{MessageId, UnixMillis};

use super::{Bench, Outcome, Unfit, checks, commit, reads, sample};
use crate::changes::Changes;
use crate::error::StoreError;
use crate::records::MessageKey;
use crate::store::Store;

checks! {
    "inbox entries are read by number, after a number and up to a limit" => entries_in_order,
    "confirming removes exactly one entry" => confirmations,
    "a used inbox number stays used" => last_number,
    "an inbox number that does not follow is refused, with all of its commit" => numbers_must_follow,
    "a message is seen once it was pushed or marked, by chat, sender and id" => seen,
    "seen messages outlive their confirmation and are forgotten by time" => forgetting,
}

async fn entries_in_order(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    reads("last_inbox_seq of a new store", store.last_inbox_seq(), 0).await?;
    commit(&*store, |changes| {
        changes.push_inbox(sample::entry(2, 0)).push_inbox(sample::entry(9, 1));
    })
    .await?;
    let large = u64::from(u32::MAX) * 1000;
    commit(&*store, |changes| {
        changes.push_inbox(sample::entry(10, 2)).push_inbox(sample::entry(large, 3));
    })
    .await?;
    let entries = |numbers: &[(u64, u32)]| {
        numbers.iter().map(|(seq, number)| sample::entry(*seq, *number)).collect::<Vec<_>>()
    };
    let all = entries(&[(2, 0), (9, 1), (10, 2), (large, 3)]);
    reads("inbox(0, usize::MAX)", store.inbox(0, usize::MAX), all.clone()).await?;
    reads("inbox(1, 4)", store.inbox(1, 4), all).await?;
    reads("inbox(0, 0)", store.inbox(0, 0), vec![]).await?;
    reads("inbox(0, 1)", store.inbox(0, 1), entries(&[(2, 0)])).await?;
    reads("inbox(2, 2)", store.inbox(2, 2), entries(&[(9, 1), (10, 2)])).await?;
    reads("inbox(10, 9)", store.inbox(10, 9), entries(&[(large, 3)])).await?;
    reads("inbox(the last, 9)", store.inbox(large, 9), vec![]).await?;
    reads("inbox(u64::MAX, 9)", store.inbox(u64::MAX, 9), vec![]).await?;
    reads("last_inbox_seq", store.last_inbox_seq(), large).await
}

async fn confirmations(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    commit(&*store, |changes| {
        (1..=4).for_each(|seq| {
            changes.push_inbox(sample::entry(seq, 1));
        })
    })
    .await?;
    commit(&*store, |changes| {
        changes.confirm_inbox(3);
    })
    .await?;
    let left = vec![sample::entry(1, 1), sample::entry(2, 1), sample::entry(4, 1)];
    reads("the inbox after 3 of 4 was confirmed", store.inbox(0, 9), left.clone()).await?;
    commit(&*store, |changes| {
        changes.confirm_inbox(3).confirm_inbox(77).confirm_inbox(0);
    })
    .await?;
    reads("the inbox after numbers that are not there were confirmed", store.inbox(0, 9), left).await?;
    commit(&*store, |changes| {
        changes.push_inbox(sample::entry(5, 5)).confirm_inbox(5);
    })
    .await?;
    commit(&*store, |changes| {
        changes.confirm_inbox(1).confirm_inbox(4);
    })
    .await?;
    reads("the inbox after more were confirmed", store.inbox(0, 9), vec![sample::entry(2, 1)]).await
}

async fn last_number(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    commit(&*store, |changes| {
        changes.push_inbox(sample::entry(7, 1)).push_inbox(sample::entry(8, 2));
    })
    .await?;
    commit(&*store, |changes| {
        changes.confirm_inbox(8).confirm_inbox(7);
    })
    .await?;
    reads("last_inbox_seq after all were confirmed", store.last_inbox_seq(), 8).await?;
    commit(&*store, |changes| {
        changes.forget_seen_before(UnixMillis(u64::MAX));
    })
    .await?;
    reads("last_inbox_seq after all were forgotten", store.last_inbox_seq(), 8).await
}

async fn numbers_must_follow(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    commit(&*store, |changes| {
        changes.push_inbox(sample::entry(5, 1));
    })
    .await?;
    commit(&*store, |changes| {
        changes.confirm_inbox(5);
    })
    .await?;
    refused(&*store, &[5], 5, 5).await?;
    refused(&*store, &[4], 4, 5).await?;
    refused(&*store, &[0], 0, 5).await?;
    refused(&*store, &[6, 6], 6, 6).await?;
    refused(&*store, &[6, 8, 7], 7, 8).await?;
    reads("the inbox", store.inbox(0, 9), vec![]).await?;
    reads("last_inbox_seq", store.last_inbox_seq(), 5).await?;
    commit(&*store, |changes| {
        changes.push_inbox(sample::entry(6, 2));
    })
    .await?;
    reads("the inbox", store.inbox(0, 9), vec![sample::entry(6, 2)]).await
}

async fn refused(store: &dyn Store, numbers: &[u64], at: u64, after: u64) -> Outcome {
    let mut changes = Changes::new();
    changes.put_session(sample::address(1, 0), vec![1]);
    numbers.iter().for_each(|seq| {
        changes.push_inbox(sample::entry(*seq, 3));
    });
    match store.commit(changes).await {
        Err(StoreError::InboxOrder { seq, last }) if (seq, last) == (at, after) => {}
        other => {
            let text =
                format!("pushing {numbers:?}: expected InboxOrder {{ {at}, {after} }}, found {other:?}");
            return Err(Unfit::Broken(text));
        }
    }
    reads("a session of a refused commit", store.sessions(&[sample::address(1, 0)]), vec![None]).await?;
    reads("a message of a refused commit", store.seen(&[sample::message(3)]), vec![false]).await
}

async fn seen(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let key = sample::message(1);
    commit(&*store, |changes| {
        changes.push_inbox(sample::entry(1, 1)).mark_seen(sample::message(2), UnixMillis(5));
    })
    .await?;
    let asked = [
        sample::message(2),
        MessageKey { chat: sample::group(8), ..key.clone() },
        MessageKey { sender: key.sender.clone().with_device(4), ..key.clone() },
        MessageKey { id: MessageId::new("3EB0"), ..key.clone() },
        key,
        sample::message(2),
    ];
    let expected = vec![true, false, false, false, true, true];
    reads("seen with misses and a repeat", store.seen(&asked), expected).await?;
    // A message seen twice is no error.
    commit(&*store, |changes| {
        changes.mark_seen(sample::message(2), UnixMillis(9)).push_inbox(sample::entry(2, 2));
    })
    .await
}

async fn forgetting(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    commit(&*store, |changes| {
        changes.push_inbox(sample::entry(1, 1)).push_inbox(sample::entry(2, 2)).confirm_inbox(2);
        changes.mark_seen(sample::message(3), UnixMillis(1999)).mark_seen(sample::message(4), UnixMillis(50));
    })
    .await?;
    let asked = [1, 2, 3, 4].map(sample::message);
    reads("seen after a confirmation", store.seen(&asked), vec![true; 4]).await?;
    // Of two times the later call's counts: 4 becomes newer, 3 older.
    commit(&*store, |changes| {
        changes.mark_seen(sample::message(4), UnixMillis(3000)).mark_seen(sample::message(3), UnixMillis(1));
    })
    .await?;
    commit(&*store, |changes| {
        changes.forget_seen_before(UnixMillis(1000));
    })
    .await?;
    let expected = vec![true, true, false, true];
    reads("seen after forgetting what is before 1000", store.seen(&asked), expected).await?;
    commit(&*store, |changes| {
        changes.forget_seen_before(UnixMillis(2001));
    })
    .await?;
    let expected = vec![false, false, false, true];
    reads("seen after forgetting what is before 2001", store.seen(&asked), expected).await?;
    reads("the inbox after forgetting", store.inbox(0, 9), vec![sample::entry(1, 1)]).await
}
