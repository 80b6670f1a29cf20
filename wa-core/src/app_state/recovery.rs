//! A collection as the phone has it, when the server's cannot be read. Protocol: app state, "Recovery".

use std::io::Read as _;

use flate2::read::GzDecoder;
use prost::Message as _;
use wa_proto::syncd_snapshot_recovery::SyncdVersion;

use super::patch::RECORDS;
use super::record::{self, ActionData};
use super::{AppStateError, Collection, CollectionState, KeyId, KeyRing, LtHash, Operation, Record};

/// How large a recovery may be, unpacked.
pub const RECOVERY_LIMIT: usize = 64 << 20;

/// A collection as the phone has it.
pub type Recovered = (CollectionState, Vec<Record>);

/// `SyncdSnapshotRecovery`, with the values as their bytes.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
struct RawRecovery {
    #[prost(message, optional, tag = "1")]
    version: Option<SyncdVersion>,
    #[prost(string, optional, tag = "2")]
    collection_name: Option<String>,
    #[prost(message, repeated, tag = "3")]
    mutation_records: Vec<RawRecord>,
    #[prost(bytes = "vec", optional, tag = "4")]
    collection_lthash: Option<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
struct RawRecord {
    #[prost(message, optional, tag = "1")]
    value: Option<ActionData>,
    #[prost(bytes = "vec", optional, tag = "2")]
    key_id: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "3")]
    mac: Option<Vec<u8>>,
}

impl std::fmt::Debug for RawRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawRecord(..)")
    }
}

/// Reads the phone's answer. That it came from the phone is the caller's to check: there is no MAC over it.
///
/// # Errors
/// [`AppStateError`].
pub fn read_recovery(
    bytes: &[u8],
    is_compressed: bool,
    collection: Collection,
    keys: &KeyRing,
) -> Result<Recovered, AppStateError> {
    let mut unpacked = Vec::new();
    let bytes = if is_compressed {
        let mut limited = GzDecoder::new(bytes).take(RECOVERY_LIMIT as u64 + 1);
        limited
            .read_to_end(&mut unpacked)
            .map_err(|_| AppStateError::Malformed("a recovery that does not unpack"))?;
        unpacked.as_slice()
    } else {
        bytes
    };
    if bytes.len() > RECOVERY_LIMIT {
        return Err(AppStateError::Malformed("a recovery that is too large"));
    }
    let recovery =
        RawRecovery::decode(bytes).map_err(|_| AppStateError::Malformed("a recovery that is none"))?;
    if recovery.collection_name.as_deref() != Some(collection.name()) {
        return Err(AppStateError::Malformed("a recovery of another collection"));
    }
    if recovery.mutation_records.len() > RECORDS {
        return Err(AppStateError::Malformed("too many records"));
    }
    let hash: [u8; 128] = recovery
        .collection_lthash
        .and_then(|hash| hash.try_into().ok())
        .ok_or(AppStateError::Malformed("a recovery without hash"))?;
    let version = recovery
        .version
        .and_then(|version| version.version)
        .ok_or(AppStateError::Malformed("a recovery without version"))?;
    let mut records = Vec::with_capacity(recovery.mutation_records.len());
    let mut missing = Vec::new();
    for plain in recovery.mutation_records {
        let id = plain.key_id.as_deref().and_then(KeyId::from_bytes);
        let id = id.ok_or(AppStateError::Malformed("a key id of a wrong length"))?;
        let value_mac = plain.mac.and_then(|mac| mac.try_into().ok());
        let value_mac = value_mac.ok_or(AppStateError::Malformed("a record without MAC"))?;
        let data = plain.value.ok_or(AppStateError::Malformed("a record without value"))?;
        let index = data.index.unwrap_or_default();
        let Some(key) = keys.get(id) else {
            missing.push(id);
            continue;
        };
        records.push(Record {
            operation: Operation::Set,
            key_id: id,
            index_mac: record::index_mac(key, &index),
            value_mac,
            index,
            value: data.value.unwrap_or_default(),
            version: data.version.unwrap_or_default(),
        });
    }
    if !missing.is_empty() {
        return Err(AppStateError::MissingKeys(keys.missing(missing)));
    }
    Ok((CollectionState { version, hash: LtHash::from_bytes(&hash), is_diverged: false }, records))
}
