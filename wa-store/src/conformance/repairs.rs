//! Open repairs, held users, tokens, and old pre-keys.

use super::{Bench, Outcome, checks, commit, reads, sample};
use crate::records::RepairRecord;
use wa_types::UnixMillis;

checks! {
    "open repairs are listed by age, replaced and deleted by message" => repairs,
    "users are held until they are released" => held,
    "the tokens of a user are replaced whole" => tokens,
    "trimming drops the oldest uploaded pre-keys only, across the wrap of their ids" => trimming,
}

async fn repairs(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let [one, two, three] = [(1, 500), (2, 300), (3, 400)].map(|(number, at)| sample::repair(number, at));
    commit(&*store, |changes| {
        changes.put_repair(one.clone()).put_repair(two.clone()).put_repair(three.clone());
    })
    .await?;
    reads("all repairs", store.repairs(9), vec![two.clone(), three.clone(), one.clone()]).await?;
    reads("the two oldest repairs", store.repairs(2), vec![two.clone(), three.clone()]).await?;
    reads("no repairs", store.repairs(0), vec![]).await?;
    let newer = RepairRecord { since: UnixMillis(900), state: Vec::new(), ..two };
    commit(&*store, |changes| {
        changes.put_repair(newer.clone()).delete_repair(three.message.clone()).delete_repair(three.message);
    })
    .await?;
    reads("one replaced, one deleted", store.repairs(9), vec![one, newer]).await
}

async fn held(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let asked = [sample::user(2), sample::lid(1), sample::user(1), sample::user(2)];
    commit(&*store, |changes| {
        changes.hold(sample::user(2)).hold(sample::user(1)).hold(sample::user(2));
    })
    .await?;
    reads("held", store.held(&asked), vec![true, false, true, true]).await?;
    commit(&*store, |changes| {
        changes.release(sample::user(2)).release(sample::lid(1));
    })
    .await?;
    reads("held after a release", store.held(&asked), vec![false, false, true, false]).await?;
    reads("held(&[])", store.held(&[]), vec![]).await
}

async fn tokens(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let asked = [sample::lid(1), sample::lid(2), sample::lid(1)];
    reads("no tokens", store.privacy_tokens(&asked), vec![None, None, None]).await?;
    for seed in [1, 2, 3, 4, 6] {
        let record = sample::privacy_token(1, seed);
        commit(&*store, |changes| {
            changes.put_privacy_token(record.clone());
        })
        .await?;
        let expected = vec![Some(record.clone()), None, Some(record)];
        reads("tokens", store.privacy_tokens(&asked), expected).await?;
    }
    Ok(())
}

async fn trimming(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    // The next id is 4: those above are from before the wrap.
    let numbers = [0xFF_FFFE, 0xFF_FFFF, 1, 2, 3];
    let keys = numbers.map(|number| sample::pre_key(number, number != 0xFF_FFFE));
    commit(&*store, |changes| {
        keys.iter().for_each(|key| {
            changes.put_pre_key(key.clone());
        });
        changes.trim_pre_keys(4, sample::pre_key_id(4));
    })
    .await?;
    reads("pre_key_count with room for all", store.pre_key_count(), 5).await?;
    commit(&*store, |changes| {
        changes.trim_pre_keys(2, sample::pre_key_id(4));
    })
    .await?;
    let expected = [0, 3, 4].map(|at: usize| keys.get(at).cloned());
    let [made, two, three] = expected;
    let ids = numbers.map(sample::pre_key_id);
    reads("pre_keys after trimming", store.pre_keys(&ids), vec![made, None, None, two, three]).await
}
