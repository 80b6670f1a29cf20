//! Each record: read, replaced, deleted, in slices with misses and repeats.

use wa_types::{Domain, Jid, PreKeyId, Server, SignalAddress};

use super::snapshot::Snapshot;
use super::{Bench, Outcome, checks, commit, reads, same, sample};
use crate::memory::MemoryStore;
use crate::records::DeviceList;

checks! {
    "a new store is empty" => a_new_store_is_empty,
    "no question gets no answer: an empty slice is answered with an empty list" => empty_slices,
    "the account is read as it was written, and replaced as a whole" => account,
    "sessions are read in the order asked" => sessions,
    "sessions of any size are read as they were written" => session_sizes,
    "the same user part in two domains is two addresses" => domains,
    "identity keys are read in the order asked" => identities,
    "one-time pre-keys are read in the order asked, and counted" => pre_keys,
    "pre-keys that are not uploaded are listed by id" => unuploaded_pre_keys,
    "signed pre-keys are read in the order asked" => signed_pre_keys,
    "sender keys are kept per group and sender" => sender_keys,
    "device lists are read as they were written" => device_lists,
    "groups are read as they were written" => groups,
    "key holders are kept per group" => key_holders,
    "a LID leads to the phone number written last" => pns_of,
    "a phone number leads to its newest LID" => lids_of,
    "an address leads to the chat written last" => chat_keys,
    "the known devices of a user are those with a session or an identity key" => known_devices,
}

async fn a_new_store_is_empty(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    same("everything", &Snapshot::of(&*store).await?, &Snapshot::of(&MemoryStore::new()).await?)
}

async fn empty_slices(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    reads("sessions(&[])", store.sessions(&[]), vec![]).await?;
    reads("identities(&[])", store.identities(&[]), vec![]).await?;
    reads("pre_keys(&[])", store.pre_keys(&[]), vec![]).await?;
    reads("signed_pre_keys(&[])", store.signed_pre_keys(&[]), vec![]).await?;
    reads("sender_keys(&[])", store.sender_keys(&[]), vec![]).await?;
    reads("device_lists(&[])", store.device_lists(&[]), vec![]).await?;
    reads("groups(&[])", store.groups(&[]), vec![]).await?;
    reads("key_holders(&[])", store.key_holders(&[]), vec![]).await?;
    reads("lids_of(&[])", store.lids_of(&[]), vec![]).await?;
    reads("pns_of(&[])", store.pns_of(&[]), vec![]).await?;
    reads("chat_keys(&[])", store.chat_keys(&[]), vec![]).await?;
    reads("known_devices(&[])", store.known_devices(&[]), vec![]).await?;
    reads("seen(&[])", store.seen(&[]), vec![]).await
}

async fn account(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    for account in [sample::bare_account(1), sample::account(2), sample::bare_account(3)] {
        commit(&*store, |changes| {
            changes.put_account(account.clone());
        })
        .await?;
        reads("account", store.account(), Some(account)).await?;
    }
    Ok(())
}

async fn sessions(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let [a, b, c] = [sample::address(1, 0), sample::address(1, 7), sample::address(2, 0)];
    let asked = [c.clone(), sample::address(9, 9), a.clone(), c.clone(), b.clone()];
    commit(&*store, |changes| {
        changes
            .put_session(a.clone(), vec![1])
            .put_session(b.clone(), vec![2])
            .put_session(c.clone(), vec![3]);
    })
    .await?;
    let expected = vec![Some(vec![3]), None, Some(vec![1]), Some(vec![3]), Some(vec![2])];
    reads("sessions with a miss and a repeat", store.sessions(&asked), expected).await?;
    commit(&*store, |changes| {
        changes.put_session(a, vec![4]).delete_session(c.clone()).delete_session(c);
    })
    .await?;
    let expected = vec![None, None, Some(vec![4]), None, Some(vec![2])];
    reads("sessions after one was replaced and one deleted", store.sessions(&asked), expected).await
}

async fn session_sizes(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(300_000).collect();
    for size in [300_000, 0, 5000, 1, 4096] {
        let record: Vec<u8> = bytes.iter().copied().take(size).collect();
        commit(&*store, |changes| {
            changes.put_session(sample::address(1, 0), record.clone());
        })
        .await?;
        let what = format!("a session of {size} bytes");
        reads(&what, store.sessions(&[sample::address(1, 0)]), vec![Some(record)]).await?;
    }
    Ok(())
}

async fn domains(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let domains = [Domain::Pn, Domain::Lid, Domain::Hosted, Domain::HostedLid, Domain::Bot];
    let addresses = domains.map(|domain| SignalAddress::new("15550001111", domain, 0));
    commit(&*store, |changes| {
        for address in &addresses {
            changes.put_session(address.clone(), address.to_string().into_bytes());
            changes.put_identity(address.clone(), sample::public_key(address.domain().number()));
        }
    })
    .await?;
    let sessions = addresses.iter().map(|address| Some(address.to_string().into_bytes())).collect();
    reads("sessions", store.sessions(&addresses), sessions).await?;
    let keys = addresses.iter().map(|address| Some(sample::public_key(address.domain().number()))).collect();
    reads("identities", store.identities(&addresses), keys).await
}

async fn identities(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let [a, b, c] = [sample::address(1, 0), sample::address(1, 7), sample::address(2, 0)];
    let asked = [c.clone(), sample::address(9, 9), a.clone(), c.clone(), b.clone()];
    let key = |seed| Some(sample::public_key(seed));
    commit(&*store, |changes| {
        changes.put_identity(a.clone(), sample::public_key(1));
        changes.put_identity(b.clone(), sample::public_key(2));
        changes.put_identity(c.clone(), sample::public_key(3));
    })
    .await?;
    let expected = vec![key(3), None, key(1), key(3), key(2)];
    reads("identities with a miss and a repeat", store.identities(&asked), expected).await?;
    commit(&*store, |changes| {
        changes.put_identity(a, sample::public_key(4)).delete_identity(c.clone()).delete_identity(c);
    })
    .await?;
    let expected = vec![None, None, key(4), None, key(2)];
    reads("identities after one was replaced and one deleted", store.identities(&asked), expected).await
}

async fn pre_keys(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let last = PreKeyId::MAX.get();
    commit(&*store, |changes| {
        for number in [last, 1, 300] {
            changes.put_pre_key(sample::pre_key(number, false));
        }
    })
    .await?;
    reads("pre_key_count", store.pre_key_count(), 3).await?;
    let asked = [300, 2, last, 300, 1].map(sample::pre_key_id);
    let expected = [300, last, 300, 1].map(|number| Some(sample::pre_key(number, false)));
    let [first, rest @ ..] = expected;
    let expected: Vec<_> = [first, None].into_iter().chain(rest).collect();
    reads("pre_keys with a miss and a repeat", store.pre_keys(&asked), expected).await?;
    commit(&*store, |changes| {
        changes.put_pre_key(sample::pre_key(300, true)).delete_pre_key(PreKeyId::FIRST);
        changes.delete_pre_key(sample::pre_key_id(77));
    })
    .await?;
    reads("pre_key_count after one was replaced and one deleted", store.pre_key_count(), 2).await?;
    let expected = vec![Some(sample::pre_key(300, true)), None];
    let asked = [300, 1].map(sample::pre_key_id);
    reads("pre_keys after one was replaced and one deleted", store.pre_keys(&asked), expected).await
}

async fn unuploaded_pre_keys(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let keys =
        |numbers: &[u32]| numbers.iter().map(|number| sample::pre_key(*number, false)).collect::<Vec<_>>();
    commit(&*store, |changes| {
        for number in [10, 9, 1000, 2, 255, 256] {
            changes.put_pre_key(sample::pre_key(number, false));
        }
        changes.put_pre_key(sample::pre_key(5, true));
    })
    .await?;
    let all = keys(&[2, 9, 10, 255, 256, 1000]);
    reads("unuploaded_pre_keys(100)", store.unuploaded_pre_keys(100), all.clone()).await?;
    reads("unuploaded_pre_keys(usize::MAX)", store.unuploaded_pre_keys(usize::MAX), all).await?;
    reads("unuploaded_pre_keys(0)", store.unuploaded_pre_keys(0), vec![]).await?;
    reads("unuploaded_pre_keys(2)", store.unuploaded_pre_keys(2), keys(&[2, 9])).await?;
    commit(&*store, |changes| {
        changes.put_pre_key(sample::pre_key(2, true)).delete_pre_key(sample::pre_key_id(10));
    })
    .await?;
    let left = keys(&[9, 255, 256, 1000]);
    reads("unuploaded_pre_keys after one was uploaded and one deleted", store.unuploaded_pre_keys(100), left)
        .await
}

async fn signed_pre_keys(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let key = |number, seed| Some(sample::signed_pre_key(number, seed));
    commit(&*store, |changes| {
        changes.put_signed_pre_key(sample::signed_pre_key(1, 1));
        changes.put_signed_pre_key(sample::signed_pre_key(2, 2));
        // The ids of signed and one-time pre-keys are two series.
        changes.put_pre_key(sample::pre_key(1, false)).put_pre_key(sample::pre_key(3, false));
    })
    .await?;
    let asked = [2, 3, 1, 2].map(sample::pre_key_id);
    let expected = vec![key(2, 2), None, key(1, 1), key(2, 2)];
    reads("signed_pre_keys with a miss and a repeat", store.signed_pre_keys(&asked), expected).await?;
    commit(&*store, |changes| {
        changes.put_signed_pre_key(sample::signed_pre_key(2, 9)).delete_signed_pre_key(PreKeyId::FIRST);
    })
    .await?;
    let expected = vec![key(2, 9), None, None, key(2, 9)];
    reads("signed_pre_keys after a change", store.signed_pre_keys(&asked), expected).await?;
    let expected = vec![Some(sample::pre_key(1, false))];
    reads("a one-time pre-key of the same id", store.pre_keys(&[PreKeyId::FIRST]), expected).await
}

async fn sender_keys(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let [a, b] = [sample::sender_key_name(1, 0), sample::sender_key_name(1, 7)];
    let mut elsewhere = a.clone();
    elsewhere.group = Jid::STATUS;
    let mut unknown = b.clone();
    unknown.group = sample::group(2);
    commit(&*store, |changes| {
        changes.put_sender_key(a.clone(), vec![1]).put_sender_key(b.clone(), vec![2]);
        changes.put_sender_key(elsewhere.clone(), vec![3]);
    })
    .await?;
    let asked = [elsewhere, unknown, b.clone(), a.clone(), b.clone()];
    let expected = vec![Some(vec![3]), None, Some(vec![2]), Some(vec![1]), Some(vec![2])];
    reads("sender_keys with a miss and a repeat", store.sender_keys(&asked), expected).await?;
    commit(&*store, |changes| {
        changes.put_sender_key(b, vec![4]).delete_sender_key(a);
    })
    .await?;
    let expected = vec![Some(vec![3]), None, Some(vec![4]), None, Some(vec![4])];
    reads("sender_keys after one was replaced and one deleted", store.sender_keys(&asked), expected).await
}

async fn device_lists(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let asked = [sample::lid(1), sample::user(3), sample::user(1), sample::lid(1)];
    commit(&*store, |changes| {
        changes.put_device_list(sample::user(1), sample::device_list(1));
        changes.put_device_list(sample::lid(1), DeviceList::default());
    })
    .await?;
    let (empty, full) = (Some(DeviceList::default()), Some(sample::device_list(1)));
    let expected = vec![empty.clone(), None, full, empty];
    reads("device_lists with a miss and a repeat", store.device_lists(&asked), expected).await?;
    commit(&*store, |changes| {
        changes.put_device_list(sample::user(1), sample::device_list(2)).delete_device_list(sample::lid(1));
    })
    .await?;
    let expected = vec![None, None, Some(sample::device_list(2)), None];
    reads("device_lists after one was replaced and one deleted", store.device_lists(&asked), expected)
        .await?;
    reads("listed_users", store.listed_users(), vec![sample::user(1)]).await
}

async fn groups(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let asked = [sample::group(2), sample::group(3), sample::group(1), sample::group(2)];
    commit(&*store, |changes| {
        changes.put_group(sample::group_info(1, 1)).put_group(sample::bare_group_info(2));
    })
    .await?;
    let [bare, full] = [sample::bare_group_info(2), sample::group_info(1, 1)].map(Some);
    let expected = vec![bare.clone(), None, full, bare];
    reads("groups with a miss and a repeat", store.groups(&asked), expected).await?;
    commit(&*store, |changes| {
        changes.put_group(sample::group_info(1, 2)).delete_group(sample::group(2));
        changes.delete_group(sample::group(3));
    })
    .await?;
    let expected = vec![None, None, Some(sample::group_info(1, 2)), None];
    reads("groups after one was replaced and one deleted", store.groups(&asked), expected).await?;
    reads("known_groups", store.known_groups(), vec![sample::group(1)]).await
}

async fn key_holders(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let asked = [sample::group(2), sample::group(3), sample::group(1), sample::group(2)];
    commit(&*store, |changes| {
        changes.put_key_holders(sample::group(1), vec![1]).put_key_holders(sample::group(2), vec![2]);
    })
    .await?;
    let expected = vec![Some(vec![2]), None, Some(vec![1]), Some(vec![2])];
    reads("key_holders with a miss and a repeat", store.key_holders(&asked), expected).await?;
    commit(&*store, |changes| {
        changes.put_key_holders(sample::group(1), vec![3]).delete_key_holders(sample::group(2));
        changes.delete_group(sample::group(1)).delete_key_holders(sample::group(3));
    })
    .await?;
    let expected = vec![None, None, Some(vec![3]), None];
    reads("key_holders after one was replaced and one deleted", store.key_holders(&asked), expected).await?;
    reads("key_holder_groups", store.key_holder_groups(), vec![sample::group(1)]).await
}

async fn pns_of(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    commit(&*store, |changes| {
        changes
            .put_lid_mapping(sample::lid_mapping(1, 1, 500))
            .put_lid_mapping(sample::lid_mapping(2, 2, 500));
    })
    .await?;
    let asked = [sample::lid(2), sample::lid(9), sample::lid(1), sample::lid(2)];
    let [one, two] = [sample::lid_mapping(1, 1, 500), sample::lid_mapping(2, 2, 500)].map(Some);
    let expected = vec![two.clone(), None, one, two.clone()];
    reads("pns_of with a miss and a repeat", store.pns_of(&asked), expected).await?;
    // Written later, though learned earlier.
    commit(&*store, |changes| {
        changes.put_lid_mapping(sample::lid_mapping(1, 3, 0));
    })
    .await?;
    let expected = vec![two.clone(), None, Some(sample::lid_mapping(1, 3, 0)), two];
    reads("pns_of after a LID got another phone number", store.pns_of(&asked), expected).await?;
    reads("lids_of the phone number before", store.lids_of(&[sample::user(1)]), vec![None]).await?;
    // A JID that no text form spells: the integrator.
    let strange = crate::LidMapping {
        lid: Jid::new("7", Server::Interop).with_integrator(12),
        ..sample::lid_mapping(0, 4, 1)
    };
    commit(&*store, |changes| {
        changes.put_lid_mapping(strange.clone());
    })
    .await?;
    let asked = [Jid::new("7", Server::Interop).with_integrator(13), strange.lid.clone()];
    reads("pns_of an address of a third-party network", store.pns_of(&asked), vec![None, Some(strange)]).await
}

async fn lids_of(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let newest = async |what: &str, expected: u32, learned| {
        let expected = vec![Some(sample::lid_mapping(expected, 1, learned))];
        reads(what, store.lids_of(&[sample::user(1)]), expected).await
    };
    let put = async |lid, pn, learned| {
        commit(&*store, |changes| {
            changes.put_lid_mapping(sample::lid_mapping(lid, pn, learned));
        })
        .await
    };
    put(1, 1, 500).await?;
    put(2, 1, 400).await?;
    newest("the later learned of two LIDs", 1, 500).await?;
    put(3, 1, 500).await?;
    newest("the later written of two LIDs learned at the same time", 3, 500).await?;
    put(1, 1, 500).await?;
    newest("the same after the first was written again", 1, 500).await?;
    put(1, 2, 900).await?;
    newest("the next one when the newest LID went to another phone number", 3, 500).await?;
    put(3, 1, 0).await?;
    newest("the next one when the newest was written again as stale", 2, 400).await?;
    let asked = [sample::user(2), sample::user(9), sample::user(1), sample::user(2)];
    let [one, two] = [sample::lid_mapping(2, 1, 400), sample::lid_mapping(1, 2, 900)].map(Some);
    reads("lids_of with a miss and a repeat", store.lids_of(&asked), vec![two.clone(), None, one, two]).await
}

async fn chat_keys(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    for seed in [1, 2, 4] {
        commit(&*store, |changes| {
            changes.put_chat_key(sample::chat_key(1, seed)).put_chat_key(sample::chat_key(2, seed));
        })
        .await?;
        let asked = [sample::lid(2), sample::user(1), sample::lid(1), sample::lid(2)];
        let [one, two] = [1, 2].map(|number| Some(sample::chat_key(number, seed)));
        let expected = vec![two.clone(), None, one, two];
        reads("chat_keys with a miss and a repeat", store.chat_keys(&asked), expected).await?;
    }
    Ok(())
}

async fn known_devices(bench: &Bench<'_>) -> Outcome {
    let store = bench.open().await?;
    let of = |user: &str, domain, device| SignalAddress::new(user, domain, device);
    // Users whose names begin with another's, and the same name in another domain, are others.
    commit(&*store, |changes| {
        changes
            .put_session(of("1555", Domain::Pn, 10), vec![1])
            .put_session(of("1555", Domain::Pn, 9), vec![1])
            .put_identity(of("1555", Domain::Pn, 9), sample::public_key(1))
            .put_identity(of("1555", Domain::Pn, 0), sample::public_key(1))
            .put_session(of("1555", Domain::Lid, 4), vec![1])
            .put_session(of("15550", Domain::Pn, 5), vec![1])
            .put_session(of("155", Domain::Pn, 6), vec![1])
            .put_session(of("1000", Domain::Pn, u16::MAX), vec![1]);
    })
    .await?;
    let asked = [
        of("1000", Domain::Pn, 0),
        of("1555", Domain::Pn, 77),
        of("7", Domain::Pn, 0),
        of("1555", Domain::Lid, 0),
    ];
    let expected = vec![vec![u16::MAX], vec![0, 9, 10], vec![], vec![4]];
    reads("known_devices", store.known_devices(&asked), expected).await?;
    commit(&*store, |changes| {
        changes.delete_session(of("1555", Domain::Pn, 9)).delete_session(of("1555", Domain::Pn, 10));
    })
    .await?;
    let expected = vec![vec![0, 9]];
    reads("known_devices after a deletion", store.known_devices(&asked[1..2]), expected).await
}
