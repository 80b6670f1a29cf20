//! The patch that we write. Protocol: app state, "Uploading".

use wa_proto::server_sync::{SyncdMutation, SyncdPatch};

use prost::Message as _;

use super::record;
use super::{
    AppStateError, Collection, CollectionState, Entries, KeyId, KeyRing, Operation, Record, ValueMac,
};
use crate::crypto::Random;

/// An entry to be written or removed, in the clear.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Draft {
    /// Written or removed.
    pub operation: Operation,
    /// What it is about: the JSON array.
    pub index: Vec<u8>,
    /// The encoded `SyncActionValue`.
    pub value: Vec<u8>,
    /// The version of the action's schema.
    pub version: i32,
}

impl Draft {
    /// An entry to be written or removed.
    #[must_use]
    pub const fn new(operation: Operation, index: Vec<u8>, value: Vec<u8>, version: i32) -> Self {
        Self { operation, index, value, version }
    }
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft")
            .field("operation", &self.operation)
            .field("value_size", &self.value.len())
            .finish_non_exhaustive()
    }
}

/// A patch to upload, and the state once the server took it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Upload {
    /// The encoded `SyncdPatch`.
    pub patch: Vec<u8>,
    /// The state after it.
    pub state: CollectionState,
    /// Its records.
    pub records: Vec<Record>,
}

impl Upload {
    /// The index MAC of an entry under a key: what to know of the local entries before [`Self::seal`].
    #[must_use]
    pub fn index_mac(keys: &KeyRing, key: KeyId, index: &[u8]) -> Option<super::IndexMac> {
        keys.get(key).map(|key| record::index_mac(key, index))
    }

    /// Seals these entries, each index once, on top of the local state, of which `entries` has at least those that are
    /// written. `outdated` are entries of the same indexes that an older key sealed; they are removed along.
    ///
    /// # Errors
    /// [`AppStateError::MissingKeys`], [`AppStateError::DuplicateIndex`].
    pub fn seal(
        collection: Collection,
        (state, entries): (&CollectionState, &Entries),
        (keys, key_id): (&KeyRing, KeyId),
        drafts: Vec<Draft>,
        outdated: Vec<(KeyId, Draft)>,
        random: &mut impl Random,
    ) -> Result<Self, AppStateError> {
        let key = |id| keys.get(id).ok_or_else(|| AppStateError::MissingKeys(vec![id]));
        let (mut records, mut mutations): (Vec<Record>, Vec<SyncdMutation>) = (Vec::new(), Vec::new());
        let all = outdated.into_iter().chain(drafts.into_iter().map(|draft| (key_id, draft)));
        for (id, draft) in all {
            let plain = (draft.index, draft.value, draft.version);
            let (record, mutation) = Record::seal(draft.operation, (id, key(id)?), plain, &random.array());
            records.push(record);
            mutations.push(mutation);
        }
        let (hash, _) = super::patch::combine(&state.hash, &records, entries)?;
        let version = state.version + 1;
        let state = CollectionState { version, hash, is_diverged: state.is_diverged };
        let writer = key(key_id)?;
        let snapshot_mac = record::snapshot_mac(writer, &state.hash, version, collection);
        let macs: Vec<ValueMac> = records.iter().map(|record| record.value_mac).collect();
        let patch_mac = record::patch_mac(writer, &snapshot_mac, &macs, version, collection);
        let patch = SyncdPatch {
            mutations,
            snapshot_mac: Some(snapshot_mac.to_vec()),
            patch_mac: Some(patch_mac.to_vec()),
            key_id: Some(record::write_key_id(key_id)),
            ..SyncdPatch::default()
        };
        Ok(Self { patch: patch.encode_to_vec(), state, records })
    }
}
