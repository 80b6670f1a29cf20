//! The secrets of messages, and what waits for them.

use super::{Bench, Outcome, checks, commit, reads, sample};
use crate::records::{MessageKey, MessageSecret, SealedMessage};
use wa_types::{MessageId, UnixMillis};

checks! {
    "the secrets of messages are read by id, and replaced by message" => secrets,
    "what waits for a secret is listed by age, replaced and deleted by message" => sealed,
    "trimming drops old secrets, then the oldest above the number" => trimming,
}

async fn secrets(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let one = sample::message_secret(1, 1);
    // The same id in another chat, and of another sender there.
    let elsewhere = |chat, sender| MessageSecret {
        message: MessageKey {
            chat: sample::group(chat),
            sender: sample::user(sender),
            id: one.message.id.clone(),
        },
        ..sample::message_secret(1, 9)
    };
    let (second, third) = (elsewhere(7, 1), elsewhere(7, 2));
    let ids = [2, 1, 3, 1].map(|number| sample::message(number).id);
    commit(&*store, |changes| {
        changes
            .put_message_secret(third.clone())
            .put_message_secret(one.clone())
            .put_message_secret(second.clone());
    })
    .await?;
    let all = vec![one.clone(), second.clone(), third.clone()];
    reads("message_secrets", store.message_secrets(&ids), vec![vec![], all.clone(), vec![], all]).await?;
    reads("message_secrets(&[])", store.message_secrets(&[]), vec![]).await?;
    let newer = MessageSecret { message: one.message, ..sample::message_secret(1, 5) };
    commit(&*store, |changes| {
        changes.put_message_secret(newer.clone());
    })
    .await?;
    let id = newer.message.id.clone();
    reads("a replaced secret", store.message_secrets(&[id]), vec![vec![newer, second, third]]).await?;
    commit(&*store, |changes| {
        for number in 0..20 {
            changes.put_message_secret(MessageSecret {
                message: MessageKey { sender: sample::user(number), ..sample::message(4) },
                ..sample::message_secret(4, 1)
            });
        }
    })
    .await?;
    let found = store.message_secrets(&[sample::message(4).id]).await;
    let count = super::ok("message_secrets", found)?.first().map(Vec::len);
    super::same("secrets of one id are at most 16", &count, &Some(16))
}

async fn sealed(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let [one, two, three] = [(1, 500), (2, 300), (3, 400)].map(|(number, at)| sample::sealed(number, at));
    let two = SealedMessage { target: one.target.clone(), ..two };
    commit(&*store, |changes| {
        changes.put_sealed(one.clone()).put_sealed(two.clone()).put_sealed(three.clone());
    })
    .await?;
    let targets: Vec<MessageId> = vec![one.target.clone(), three.target.clone()];
    reads("sealed_targets", store.sealed_targets(), targets.clone()).await?;
    let all = vec![two.clone(), three.clone(), one.clone()];
    reads("sealed_for all", store.sealed_for(&targets, 9), all).await?;
    reads("the two oldest", store.sealed_for(&targets, 2), vec![two.clone(), three.clone()]).await?;
    let of_one = [one.target.clone(), one.target.clone(), sample::message(9).id];
    reads("sealed_for one, asked twice", store.sealed_for(&of_one, 9), vec![two.clone(), one.clone()])
        .await?;
    reads("sealed_for(&[])", store.sealed_for(&[], 9), vec![]).await?;
    let newer = SealedMessage { received: UnixMillis(900), payload: Vec::new(), ..two };
    commit(&*store, |changes| {
        changes.put_sealed(newer.clone()).delete_sealed(three.message.clone()).delete_sealed(three.message);
    })
    .await?;
    reads("one replaced, one deleted", store.sealed_for(&targets, 9), vec![one.clone(), newer]).await?;
    reads("the targets left", store.sealed_targets(), vec![one.target]).await
}

async fn trimming(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    commit(&*store, |changes| {
        for number in 0..6 {
            let at = UnixMillis(1000 * u64::from(number));
            changes.put_message_secret(MessageSecret { at, ..sample::message_secret(number, 1) });
            changes.put_sealed(sample::sealed(number, at.0));
        }
    })
    .await?;
    let ids: Vec<MessageId> = (0..6).map(|number| sample::message(number).id).collect();
    for (before, keep, keep_sealed, left) in [(2000, 9, 9, 2..6), (2000, 3, 2, 3..6), (0, 1, 0, 5..6)] {
        commit(&*store, |changes| {
            changes.trim_message_secrets(UnixMillis(before), keep, keep_sealed);
        })
        .await?;
        let secret = |number: u32| {
            let at = UnixMillis(1000 * u64::from(number));
            let there = left.contains(&number);
            there.then(|| MessageSecret { at, ..sample::message_secret(number, 1) }).into_iter().collect()
        };
        let expected: Vec<Vec<MessageSecret>> = (0..6).map(secret).collect();
        reads("secrets after trimming", store.message_secrets(&ids), expected).await?;
        let waiting = super::ok("sealed_targets", store.sealed_targets().await)?.len();
        super::same("what waits after trimming", &waiting, &keep_sealed.min(4))?;
    }
    Ok(())
}
