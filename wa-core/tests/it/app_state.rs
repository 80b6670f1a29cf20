//! The state that devices share, against the vectors: keys, hash, records, patches, snapshots, uploads, recoveries.

use std::collections::{BTreeMap, HashMap};

use prost::Message as _;
use serde_json::Value;
use wa_core::app_state::action::{Action, write_index};
use wa_core::app_state::{
    AppStateError, Collection, CollectionState, Draft, Entries, ExpandedKey, KeyId, KeyRing, LtHash,
    Operation, Patch, Record, Snapshot, Upload, active_key, read_mutations, read_recovery,
};
use wa_proto::server_sync::{SyncdIndex, SyncdMutation, SyncdRecord, SyncdValue};

use crate::vectors::{self, Scripted, array, bytes, text};

fn key_id(hex_text: &str) -> KeyId {
    KeyId::from_bytes(&hex::decode(hex_text).unwrap()).unwrap()
}

fn ring(case: &Value) -> KeyRing {
    let keys: Vec<(KeyId, [u8; 32])> = case["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| (key_id(text(key, "key_id")), array(key, "key_data")))
        .collect();
    KeyRing::new(keys.iter().map(|(id, data)| (*id, data)))
}

fn collection(case: &Value) -> Collection {
    Collection::from_name(text(case, "collection")).unwrap()
}

fn entries(of: &Value) -> Entries {
    let of = of["entries"].as_object().unwrap();
    of.iter()
        .map(|(index, value)| {
            let value = hex::decode(value.as_str().unwrap()).unwrap();
            (hex::decode(index).unwrap().try_into().unwrap(), value.try_into().unwrap())
        })
        .collect()
}

fn hash(of: &Value) -> LtHash {
    LtHash::from_bytes(&array(of, "lt_hash"))
}

fn operation(of: &Value) -> Operation {
    if text(of, "operation") == "SET" { Operation::Set } else { Operation::Remove }
}

fn error_name(error: &AppStateError) -> &'static str {
    match error {
        AppStateError::MissingKeys(_) => "missing_key",
        AppStateError::VersionGap { .. } => "version_gap",
        AppStateError::ValueMac => "value_mac",
        AppStateError::IndexMac => "index_mac",
        AppStateError::PatchMac => "patch_mac",
        AppStateError::SnapshotMac => "snapshot_mac",
        AppStateError::DuplicateIndex => "duplicate_index",
        AppStateError::TooShort => "too_short",
        _ => "other",
    }
}

/// What a record says, beside what the vector says.
fn assert_record(name: &Value, record: &Record, expected: &Value) {
    assert_eq!(record.operation, operation(expected), "{name}");
    assert_eq!(record.key_id, key_id(text(expected, "key_id")), "{name}");
    assert_eq!(record.index, text(expected, "index").as_bytes(), "{name}");
    assert_eq!(i64::from(record.version), expected["version"].as_i64().unwrap(), "{name}");
    let value = expected["value_proto"].as_str().unwrap_or_default();
    assert_eq!(hex::encode(&record.value), value, "{name}");
    assert_eq!(record.index_mac, array(expected, "index_mac"), "{name}");
    assert_eq!(record.value_mac, array(expected, "value_mac"), "{name}");
}

#[test]
fn keys_expand_are_named_and_chosen_as_they_should() {
    for case in vectors::load("appstate-keys").cases {
        let name = &case["name"];
        match text(&case, "kind") {
            "expand" => {
                let parts = ExpandedKey::parts(&array(&case, "key_data"));
                let names = [
                    "index_key",
                    "value_encryption_key",
                    "value_mac_key",
                    "snapshot_mac_key",
                    "patch_mac_key",
                ];
                for (part, field) in parts.iter().zip(names) {
                    assert_eq!(*part, array(&case, field), "{name}: {field}");
                }
                assert_eq!(parts.concat(), bytes(&case, "okm"), "{name}");
            }
            "key_id" => {
                let id = KeyId::from_bytes(&bytes(&case, "key_id"));
                assert_eq!(id.is_some(), case["valid"].as_bool().unwrap(), "{name}");
                let Some(id) = id else { continue };
                assert_eq!(id.to_bytes().to_vec(), bytes(&case, "key_id"), "{name}");
                assert_eq!(u64::from(id.device()), case["device"].as_u64().unwrap(), "{name}");
                assert_eq!(u64::from(id.epoch()), case["epoch"].as_u64().unwrap(), "{name}");
            }
            "active_key" => {
                let ids = case["key_ids"].as_array().unwrap().iter().map(|id| key_id(id.as_str().unwrap()));
                let expected = case["expected"].as_str().map(key_id);
                assert_eq!(active_key(ids.clone(), None), expected, "{name}");
                let expired = expected.map(KeyId::epoch);
                assert_eq!(active_key(ids, expired.or(Some(0))), None, "{name}: all expired");
            }
            kind => panic!("{name}: {kind}"),
        }
    }
}

#[test]
fn the_hash_is_the_sum_of_its_entries() {
    for case in vectors::load("lthash").cases {
        let name = &case["name"];
        let macs = |field: &str| -> Vec<[u8; 32]> {
            let list = case[field].as_array().unwrap();
            list.iter().map(|mac| hex::decode(mac.as_str().unwrap()).unwrap().try_into().unwrap()).collect()
        };
        match text(&case, "kind") {
            "expand" => {
                let mut hash = LtHash::default();
                hash.add(&array(&case, "value_mac"));
                assert_eq!(hash.to_bytes(), array(&case, "expanded"), "{name}");
            }
            "combine" => {
                let mut hash = LtHash::from_bytes(&array(&case, "base"));
                macs("subtract").iter().for_each(|mac| hash.subtract(mac));
                macs("add").iter().for_each(|mac| hash.add(mac));
                assert_eq!(hash.to_bytes(), array(&case, "expected"), "{name}");
            }
            kind => panic!("{name}: {kind}"),
        }
    }
}

#[test]
fn patches_snapshots_uploads_and_recoveries_come_out_as_everywhere() {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for case in vectors::load("appstate-patch").cases {
        let kind = text(&case, "kind");
        *kinds.entry(kind.to_owned()).or_default() += 1;
        match kind {
            "mutation" => check_mutation(&case),
            "sequence" => check_sequence(&case),
            "ambiguous" => check_ambiguous(&case),
            "upload" => check_upload(&case),
            "recovery" => check_recovery(&case),
            kind => panic!("{kind}"),
        }
    }
    let names: Vec<&str> = kinds.keys().map(String::as_str).collect();
    assert_eq!(names, ["ambiguous", "mutation", "recovery", "sequence", "upload"]);
}

fn check_mutation(case: &Value) {
    let name = &case["name"];
    let (id, data) = (key_id(text(case, "key_id")), array(case, "key_data"));
    let keys = KeyRing::new([(id, &data)]);
    let operation = operation(case);
    let mutation = SyncdMutation {
        operation: Some(if operation == Operation::Set { 0 } else { 1 }),
        record: Some(SyncdRecord {
            index: Some(SyncdIndex { blob: Some(bytes(case, "index_mac")) }),
            value: Some(SyncdValue { blob: Some(bytes(case, "value_blob")) }),
            key_id: Some(wa_proto::server_sync::KeyId { id: Some(id.to_bytes().to_vec()) }),
        }),
    };
    let opened = Record::open(mutation.clone(), &keys);
    if text(case, "expect") == "error" {
        assert_eq!(error_name(&opened.unwrap_err()), text(case, "error"), "{name}");
        return;
    }
    let record = opened.unwrap();
    assert_record(name, &record, case);
    // Sealed again, it is the same; a value that is absent is written as an empty one.
    if case["value_proto"].is_null() {
        return;
    }
    let plain = (record.index.clone(), record.value.clone(), record.version);
    let (again, sealed) = Record::seal(operation, (id, keys.get(id).unwrap()), plain, &array(case, "iv"));
    assert_eq!((again, sealed), (record, mutation), "{name}");
}

fn check_sequence(case: &Value) {
    let (collection, keys) = (collection(case), ring(case));
    let mut state = CollectionState::default();
    let mut live: HashMap<[u8; 32], [u8; 32]> = HashMap::new();
    for step in case["steps"].as_array().unwrap() {
        let name = Value::from(format!("{}: {}", text(case, "name"), step["label"].as_str().unwrap_or("")));
        let name = &name;
        let expected = &step["expect"];
        let proto = bytes(step, "proto");
        let was_diverged = state.is_diverged;
        let result = if text(step, "type") == "snapshot" {
            read_snapshot(&proto, collection, &keys)
        } else {
            let read = Patch::read(&proto).map(|mut patch| {
                if let Some(external) = step.get("external") {
                    let reference = patch.external().unwrap().clone();
                    assert_eq!(reference.direct_path, text(external, "direct_path"), "{name}");
                    assert_eq!(reference.media_key, array(external, "media_key"), "{name}");
                    assert_eq!(reference.file_sha256, array(external, "file_sha256"), "{name}");
                    assert_eq!(reference.file_enc_sha256, array(external, "file_enc_sha256"), "{name}");
                    patch.attach(read_mutations(&bytes(external, "decrypted_blob")).unwrap()).unwrap();
                }
                patch
            });
            read.and_then(|patch| patch.apply(collection, &state, &live, &keys)).map(|applied| {
                if let Some(missing) = expected["missing_removes"].as_u64() {
                    assert_eq!(applied.missing_removes as u64, missing, "{name}");
                }
                (applied.state, applied.records)
            })
        };
        match (text(expected, "result"), result) {
            ("error", Err(error)) => {
                assert_eq!(error_name(&error), text(expected, "error"), "{name}");
                if let AppStateError::MissingKeys(ids) = error {
                    let ids: Vec<String> = ids.iter().map(|id| hex::encode(id.to_bytes())).collect();
                    assert_eq!(Value::from(ids), expected["missing_key_ids"], "{name}");
                }
            }
            ("ok" | "diverged" | "diverged_or_ok", Ok((after, records))) => {
                match text(expected, "result") {
                    "ok" => assert!(!after.is_diverged, "{name}"),
                    "diverged" => assert!(after.is_diverged, "{name}"),
                    _ => assert_eq!(after.is_diverged, was_diverged, "{name}"),
                }
                assert_eq!(after.version, expected["version"].as_u64().unwrap(), "{name}");
                assert_eq!(after.hash, hash(expected), "{name}");
                let mutations = expected["mutations"].as_array().unwrap();
                assert_eq!(records.len(), mutations.len(), "{name}");
                if text(step, "type") == "snapshot" {
                    live.clear();
                }
                let of = |operation| records.iter().filter(move |record| record.operation == operation);
                for record in of(Operation::Remove) {
                    live.remove(&record.index_mac);
                }
                live.extend(of(Operation::Set).map(|record| (record.index_mac, record.value_mac)));
                for mutation in mutations {
                    let mac: [u8; 32] = array(mutation, "value_mac");
                    let record = records.iter().find(|record| record.value_mac == mac).unwrap();
                    assert_record(name, record, mutation);
                }
                assert_eq!(live, entries(expected), "{name}");
                let encoded = CollectionState::decode(&after.encode());
                assert_eq!(encoded.as_ref(), Some(&after), "{name}");
                state = after;
            }
            (expected, result) => panic!("{name}: expected {expected}, found {result:?}"),
        }
    }
}

fn read_snapshot(
    proto: &[u8],
    collection: Collection,
    keys: &KeyRing,
) -> Result<(CollectionState, Vec<Record>), AppStateError> {
    let mut snapshot = Snapshot::read(proto)?;
    while snapshot.open_some(keys, 1)? {}
    snapshot.finish(collection, keys)
}

fn check_ambiguous(case: &Value) {
    let keys = ring(case);
    let collection = collection(case);
    let start = &case["start"];
    let state = CollectionState {
        version: start["version"].as_u64().unwrap(),
        hash: hash(start),
        is_diverged: false,
    };
    let drafts: Vec<(KeyId, Draft)> = case["mutations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mutation| {
            let draft = Draft::new(
                operation(mutation),
                text(mutation, "index").as_bytes().to_vec(),
                bytes(mutation, "value_proto"),
                i32::try_from(mutation["version"].as_i64().unwrap()).unwrap(),
            );
            (key_id(text(mutation, "key_id")), draft)
        })
        .collect();
    let ivs: Vec<Vec<u8>> = case["mutations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mutation| bytes(mutation, "value_blob")[..16].to_vec())
        .collect();
    let mut random = Scripted::new(ivs.iter().map(Vec::as_slice));
    let (writer, entries) = (drafts[0].0, entries(start));
    let upload =
        Upload::seal(collection, (&state, &entries), (&keys, writer), Vec::new(), drafts, &mut random);
    let upload = upload.unwrap();
    assert_eq!(upload.state.hash.to_bytes(), array(case, "lt_hash_order_free"), "{}", case["name"]);
    // A patch that another writer ordered the other way is read the same way.
    let mut patch = Patch::read(&upload.patch).unwrap();
    patch.set_default_version(state.version + 1);
    let applied = patch.apply(collection, &state, &entries, &keys).unwrap();
    assert_eq!(applied.state, upload.state);
    assert!(!applied.state.is_diverged);
}

fn check_upload(case: &Value) {
    let name = &case["name"];
    let (collection, keys) = (collection(case), ring(case));
    let base = &case["base"];
    let state =
        CollectionState { version: base["version"].as_u64().unwrap(), hash: hash(base), is_diverged: false };
    let mutations = case["mutations"].as_array().unwrap();
    let drafts = mutations.iter().map(|mutation| {
        Draft::new(
            operation(mutation),
            text(mutation, "index").as_bytes().to_vec(),
            bytes(mutation, "value_proto"),
            i32::try_from(mutation["version"].as_i64().unwrap()).unwrap(),
        )
    });
    let ivs: Vec<Vec<u8>> = mutations.iter().map(|mutation| bytes(mutation, "iv")).collect();
    let mut random = Scripted::new(ivs.iter().map(Vec::as_slice));
    let writer = key_id(text(case, "active_key_id"));
    assert_eq!(active_key(keys.ids(), None), Some(writer), "{name}");
    let mut live = entries(base);
    let upload =
        Upload::seal(collection, (&state, &live), (&keys, writer), drafts.collect(), Vec::new(), &mut random)
            .unwrap();
    let expected = &case["expect"];
    assert_eq!(hex::encode(&upload.patch), text(expected, "patch_proto"), "{name}");
    for (record, expected) in upload.records.iter().zip(expected["records"].as_array().unwrap()) {
        assert_eq!(record.index_mac, array(expected, "index_mac"), "{name}");
        assert_eq!(
            Upload::index_mac(&keys, writer, &record.index),
            Some(array(expected, "index_mac")),
            "{name}"
        );
    }
    let after = &expected["after"];
    assert_eq!(upload.state.version, after["version"].as_u64().unwrap(), "{name}");
    assert_eq!(upload.state.hash, hash(after), "{name}");
    for record in &upload.records {
        live.remove(&record.index_mac);
        if record.operation == Operation::Set {
            live.insert(record.index_mac, record.value_mac);
        }
    }
    assert_eq!(live, entries(after), "{name}");
}

fn check_recovery(case: &Value) {
    let name = &case["name"];
    let (collection, keys) = (collection(case), ring(case));
    let snapshot = bytes(case, "collection_snapshot");
    let is_compressed = case["is_compressed"].as_bool().unwrap();
    let (state, records) = read_recovery(&snapshot, is_compressed, collection, &keys).unwrap();
    let expected = &case["expect"];
    assert_eq!(state.version, expected["version"].as_u64().unwrap(), "{name}");
    assert_eq!(state.hash, hash(expected), "{name}");
    let mutations = expected["mutations"].as_array().unwrap();
    assert_eq!(records.len(), mutations.len(), "{name}");
    for (record, mutation) in records.iter().zip(mutations) {
        assert_record(name, record, mutation);
    }
    let live: Entries = records.iter().map(|record| (record.index_mac, record.value_mac)).collect();
    assert_eq!(live, entries(expected), "{name}");
    // Another collection's, and one that does not unpack, are refused.
    let other = Collection::ALL.into_iter().find(|other| *other != collection).unwrap();
    assert!(read_recovery(&snapshot, is_compressed, other, &keys).is_err(), "{name}");
    assert!(read_recovery(&snapshot, !is_compressed, collection, &keys).is_err(), "{name}");
    let none = read_recovery(&snapshot, is_compressed, collection, &KeyRing::default());
    assert_eq!(error_name(&none.unwrap_err()), "missing_key", "{name}");
}

#[test]
fn what_a_patch_must_have_is_asked_for() {
    let case = &vectors::load("appstate-patch").cases;
    let case = case.iter().find(|case| case["name"] == "collection whose first data is patch 1").unwrap();
    let (collection, keys) = (collection(case), ring(case));
    let whole =
        wa_proto::server_sync::SyncdPatch::decode(bytes(&case["steps"][0], "proto").as_slice()).unwrap();
    let apply = |patch: &wa_proto::server_sync::SyncdPatch| {
        Patch::read(&patch.encode_to_vec())?
            .apply(collection, &CollectionState::default(), &Entries::new(), &keys)
            .map(|applied| applied.records.len())
    };
    assert_eq!(apply(&whole), Ok(1));
    let mut without = whole.clone();
    without.patch_mac = None;
    assert_eq!(apply(&without), Err(AppStateError::PatchMac));
    let mut without = whole.clone();
    without.snapshot_mac = None;
    assert_eq!(apply(&without), Err(AppStateError::SnapshotMac));
    let mut failed = whole.clone();
    failed.exit_code = Some(wa_proto::server_sync::ExitCode { code: Some(7), text: None });
    assert_eq!(apply(&failed), Err(AppStateError::ExitCode(7)));
    let mut without = whole.clone();
    without.version = None;
    assert_eq!(apply(&without), Err(AppStateError::VersionGap { local: 0, patch: 0 }));
    let mut with_bad_id = whole;
    with_bad_id.key_id = Some(wa_proto::server_sync::KeyId { id: Some(vec![1; 5]) });
    assert!(matches!(apply(&with_bad_id), Err(AppStateError::Malformed(_))));
    assert!(matches!(Patch::read(&[0xff; 9]), Err(AppStateError::Malformed(_))));
}

const PN: &str = "15550001111@s.whatsapp.net";

#[test]
fn a_mute_ends_or_does_not() {
    let read = |value: &str| {
        let index = write_index(&["mute".to_owned(), PN.to_owned()]);
        Action::read(Collection::RegularHigh, &index, &hex::decode(value).unwrap(), 2)
    };
    // For ever as -1, as 0, and as nothing.
    let forever = read("22020801");
    assert_eq!(read("220d080110ffffffffffffffffff01"), forever);
    assert_eq!(read("220408011000"), forever);
    let (_, draft) = forever.to_draft(wa_types::UnixMillis(1));
    assert_eq!(hex::encode(&draft.value), "0801220d080110ffffffffffffffffff01");
    let timed = read("220908011080adf180bd31");
    assert_ne!(timed, forever);
    let (_, draft) = timed.to_draft(wa_types::UnixMillis(1));
    assert_eq!(hex::encode(&draft.value), "0801220908011080adf180bd31");
}
