//! A whole collection at one version. Protocol: app state, "Snapshot".

use std::collections::HashSet;

use prost::Message as _;
use wa_proto::server_sync::SyncdSnapshot;

use super::patch::RECORDS;
use super::record::{self, Sealed};
use super::{AppStateError, Collection, CollectionState, KeyId, KeyRing, LtHash, Operation, Record};

/// A snapshot as it came; opened piece by piece, so that a large one does not keep others from running.
#[derive(Debug)]
pub struct Snapshot {
    version: u64,
    sealed: Vec<Sealed>,
    opened: Vec<Record>,
    seen: HashSet<super::IndexMac>,
    hash: LtHash,
    mac: Option<Vec<u8>>,
    key_id: KeyId,
}

impl Snapshot {
    /// Reads an encoded `SyncdSnapshot`.
    ///
    /// # Errors
    /// [`AppStateError`] when it is malformed.
    pub fn read(bytes: &[u8]) -> Result<Self, AppStateError> {
        let snapshot =
            SyncdSnapshot::decode(bytes).map_err(|_| AppStateError::Malformed("a snapshot that is none"))?;
        if snapshot.records.len() > RECORDS {
            return Err(AppStateError::Malformed("too many records"));
        }
        let sealed = snapshot.records.into_iter().rev().map(|record| Sealed::new(Operation::Set, record));
        Ok(Self {
            version: snapshot.version.and_then(|version| version.version).unwrap_or(0),
            sealed: sealed.collect::<Result<_, _>>()?,
            opened: Vec::new(),
            seen: HashSet::new(),
            hash: LtHash::default(),
            mac: snapshot.mac,
            key_id: record::read_key_id(snapshot.key_id.as_ref())?,
        })
    }

    /// Its version.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Whether all keys are here.
    ///
    /// # Errors
    /// [`AppStateError::MissingKeys`] with those that are not.
    pub fn check_keys(&self, keys: &KeyRing) -> Result<(), AppStateError> {
        let missing = keys.missing(self.sealed.iter().map(|record| record.key_id).chain([self.key_id]));
        if missing.is_empty() { Ok(()) } else { Err(AppStateError::MissingKeys(missing)) }
    }

    /// Opens up to `limit` more records; `true` while there are more.
    ///
    /// # Errors
    /// [`AppStateError`]; nothing of the snapshot is to be applied then.
    pub fn open_some(&mut self, keys: &KeyRing, limit: usize) -> Result<bool, AppStateError> {
        for _ in 0..limit {
            let Some(sealed) = self.sealed.pop() else { return Ok(false) };
            let record = sealed.open(keys)?;
            if !self.seen.insert(record.index_mac) {
                return Err(AppStateError::DuplicateIndex);
            }
            self.hash.add(&record.value_mac);
            self.opened.push(record);
        }
        Ok(!self.sealed.is_empty())
    }

    /// The state and the records, once all are opened and the MAC over all of them is right.
    ///
    /// # Errors
    /// [`AppStateError`]; nothing of the snapshot is to be applied then.
    pub fn finish(
        mut self,
        collection: Collection,
        keys: &KeyRing,
    ) -> Result<(CollectionState, Vec<Record>), AppStateError> {
        self.check_keys(keys)?;
        self.open_some(keys, usize::MAX)?;
        let key = keys.get(self.key_id).ok_or_else(|| AppStateError::MissingKeys(vec![self.key_id]))?;
        let expected = record::snapshot_mac(key, &self.hash, self.version, collection);
        if !record::is_same(self.mac.as_deref(), &expected) {
            return Err(AppStateError::SnapshotMac);
        }
        let state = CollectionState { version: self.version, hash: self.hash, is_diverged: false };
        Ok((state, self.opened))
    }
}
