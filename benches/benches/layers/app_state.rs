//! Patches and snapshots of the shared state: read, every MAC checked, combined; and the primitives alone.

use std::hint::black_box;

use aes::Aes256Dec;
use cbc::cipher::array::Array;
use cbc::cipher::{BlockModeDecrypt as _, InnerIvInit as _};
use criterion::{Criterion, Throughput};
use hmac::{Hmac, KeyInit as _, Mac as _};
use prost::Message as _;
use sha2::{Sha256, Sha512};
use wa_core::app_state::{
    Action, Collection, CollectionState, Draft, Entries, KeyId, KeyRing, Operation, Patch, Snapshot, Upload,
};
use wa_core::crypto::SystemRandom;
use wa_proto::server_sync::{SyncdMutation, SyncdPatch, SyncdSnapshot, SyncdVersion};
use wa_proto::sync_action::{ContactAction, SyncActionValue};

const COLLECTION: Collection = Collection::CriticalUnblockLow;
const PATCH: usize = 1000;
const SNAPSHOT: usize = 50_000;

pub(crate) fn benches(criterion: &mut Criterion) {
    let (id, data) = (KeyId::new(0, 1), [9; 32]);
    let keys = KeyRing::new([(id, &data)]);
    let start = (CollectionState::default(), Entries::new());
    let upload = contacts(&keys, id, PATCH);
    let read = || {
        let mut patch = Patch::read(black_box(&upload.patch)).expect("a good patch");
        patch.set_default_version(1);
        patch
    };
    let mut group = criterion.benchmark_group("app_state");
    group.throughput(Throughput::Elements(PATCH as u64)).sample_size(20);
    group.bench_function("patch_of_1000", |bencher| {
        bencher.iter(|| read().apply(COLLECTION, &start.0, &start.1, &keys).expect("a good patch"));
    });
    group.bench_function("patch_of_1000_with_its_actions", |bencher| {
        bencher.iter(|| {
            let applied = read().apply(COLLECTION, &start.0, &start.1, &keys).expect("a good patch");
            applied.records.iter().map(|record| Action::of(COLLECTION, record)).collect::<Vec<_>>()
        });
    });
    // Each entry is there already: it is taken out of the hash before it is put in.
    let old: Entries = upload.records.iter().map(|record| (record.index_mac, record.value_mac)).collect();
    let mut again = Patch::read(&contacts_again(&keys, id, &upload, &old).patch).expect("a good patch");
    again.set_default_version(2);
    group.bench_function("patch_of_1000_replacing", |bencher| {
        bencher.iter(|| again.apply(COLLECTION, &upload.state, &old, &keys).expect("a good patch"));
    });
    group.bench_function("seal_1000", |bencher| bencher.iter(|| contacts(&keys, id, PATCH)));

    let patch = SyncdPatch::decode(&*upload.patch).expect("a good patch");
    let blobs: Vec<Vec<u8>> = patch.mutations.into_iter().map(blob).collect();
    group.bench_function("limit_primitives_of_1000", |bencher| {
        let value = Hmac::<Sha512>::new_from_slice(&[1; 32]).expect("any length");
        let index = Hmac::<Sha256>::new_from_slice(&[1; 32]).expect("any length");
        let cipher = Aes256Dec::new(&[1; 32].into());
        bencher.iter(|| {
            for blob in &blobs {
                black_box(value.clone().chain_update(black_box(blob)).finalize());
                let mut plain = blob.clone();
                let mut chain = cbc::Decryptor::inner_iv_init(cipher.clone(), &[2; 16].into());
                chain.decrypt_blocks(Array::slice_as_chunks_mut(&mut plain).0);
                black_box(index.clone().chain_update(plain.first_chunk::<48>().expect("longer")).finalize());
                let mut point = [0; 128];
                let hash = hkdf::Hkdf::<Sha256>::new(None, plain.first_chunk::<32>().expect("longer"));
                hash.expand(b"WhatsApp Patch Integrity", &mut point).expect("short enough");
                black_box(point);
            }
        });
    });

    let upload = contacts(&keys, id, SNAPSHOT);
    let patch = SyncdPatch::decode(&*upload.patch).expect("a good patch");
    let snapshot = SyncdSnapshot {
        version: Some(SyncdVersion { version: Some(1) }),
        records: patch.mutations.into_iter().filter_map(|mutation| mutation.record).collect(),
        mac: patch.snapshot_mac,
        key_id: patch.key_id,
    };
    let snapshot = snapshot.encode_to_vec();
    group.throughput(Throughput::Elements(SNAPSHOT as u64)).sample_size(10);
    group.bench_function("snapshot_of_50000", |bencher| {
        bencher.iter(|| {
            let snapshot = Snapshot::read(black_box(&snapshot)).expect("a good snapshot");
            snapshot.finish(COLLECTION, &keys).expect("a good snapshot")
        });
    });
    group.bench_function("limit_decode_snapshot_protobuf", |bencher| {
        bencher.iter(|| SyncdSnapshot::decode(black_box(&*snapshot)).expect("a snapshot"));
    });
    group.finish();
}

/// The first patch of a collection: so many contacts.
fn contacts(keys: &KeyRing, id: KeyId, count: usize) -> Upload {
    let drafts = (0..count).map(contact).collect();
    let start = (&CollectionState::default(), &Entries::new());
    Upload::seal(COLLECTION, start, (keys, id), drafts, Vec::new(), &mut SystemRandom)
        .expect("the key is here")
}

/// The next patch: the same contacts, written anew.
fn contacts_again(keys: &KeyRing, id: KeyId, before: &Upload, entries: &Entries) -> Upload {
    let drafts = (0..before.records.len()).map(contact).collect();
    let start = (&before.state, entries);
    Upload::seal(COLLECTION, start, (keys, id), drafts, Vec::new(), &mut SystemRandom)
        .expect("the key is here")
}

fn contact(number: usize) -> Draft {
    let index = format!("[\"contact\",\"{}@s.whatsapp.net\"]", 15_550_000_000 + number as u64);
    let value = SyncActionValue {
        timestamp: Some(1_794_300_000_000),
        contact_action: Some(Box::new(ContactAction {
            full_name: Some(format!("Person Number {number}")),
            first_name: Some("Person".to_owned()),
            lid_jid: Some(format!("{}@lid", 100_000_000_000_000 + number * 7919)),
            save_on_primary_addressbook: Some(true),
            ..ContactAction::default()
        })),
        ..SyncActionValue::default()
    };
    Draft::new(Operation::Set, index.into_bytes(), value.encode_to_vec(), 2)
}

fn blob(mutation: SyncdMutation) -> Vec<u8> {
    let value = mutation.record.and_then(|record| record.value);
    value.and_then(|value| value.blob).expect("sealed with a value")
}
