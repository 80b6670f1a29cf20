//! The shared state of an account as the server has it: patches that it cannot read, and the snapshot that they come to.
//! Protocol: app state, "Test-server duties".

use std::collections::BTreeMap;

use prost::Message as _;
use wa_proto::server_sync::syncd_mutation::SyncdOperation;
use wa_proto::server_sync::{SyncdMutations, SyncdPatch, SyncdRecord, SyncdSnapshot, SyncdVersion};

/// The names of all collections.
pub(crate) const NAMES: [&str; 5] =
    ["critical_block", "critical_unblock_low", "regular_high", "regular", "regular_low"];

/// What is to go wrong with the shared state of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppStateFaults {
    /// So many of the next answers leave a collection out.
    pub dropped: u32,
    /// The next answers have a collection that does not exist.
    pub has_stranger: bool,
    /// So many of the next collections that are answered have a wrong byte in each patch.
    pub spoiled_patches: u32,
    /// So many of the next snapshots have a wrong MAC; the file that they are in is whole.
    pub spoiled_snapshots: u32,
    /// So many of the next collections that are answered lack their first patch.
    pub gaps: u32,
    /// So many of the next uploads are refused with this code.
    pub refused_uploads: (u16, u32),
    /// So many of the next collections are answered with this code.
    pub refused: (u16, u32),
    /// Answers say that there is more, whatever there is.
    pub endless: bool,
}

/// One account's collections.
#[derive(Debug, Default)]
pub(crate) struct AppStates {
    collections: BTreeMap<String, Stored>,
    pub(crate) faults: AppStateFaults,
    /// A collection that was never fetched is given as a snapshot when it has at least so many versions.
    pub(crate) snapshot_from: Option<u64>,
}

/// One collection.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    pub(crate) version: u64,
    /// How many patches were not on top of it.
    pub(crate) conflicts: u64,
    /// From version 1 on.
    pub(crate) patches: Vec<Vec<u8>>,
    records: BTreeMap<Vec<u8>, SyncdRecord>,
    mac: Option<Vec<u8>>,
    key_id: Option<wa_proto::server_sync::KeyId>,
}

impl AppStates {
    pub(crate) fn of(&mut self, name: &str) -> &mut Stored {
        self.collections.entry(name.to_owned()).or_default()
    }

    /// How far each collection is.
    pub(crate) fn version(&self, name: &str) -> u64 {
        self.collections.get(name).map_or(0, |stored| stored.version)
    }
}

impl Stored {
    /// Takes a patch on top of the newest version. `external` are its mutations when they are in a file.
    pub(crate) fn append(&mut self, mut patch: SyncdPatch, external: Option<SyncdMutations>) -> u64 {
        self.version += 1;
        patch.version = Some(SyncdVersion { version: Some(self.version) });
        self.patches.push(patch.encode_to_vec());
        let mutations = external.map_or(patch.mutations, |external| external.mutations);
        let index = |record: &SyncdRecord| record.index.as_ref().and_then(|index| index.blob.clone());
        let is_removal = |operation: Option<i32>| operation == Some(SyncdOperation::Remove.into());
        // Removals first, as everybody reads them.
        for mutation in mutations.iter().filter(|mutation| is_removal(mutation.operation)) {
            if let Some(index) = mutation.record.as_ref().and_then(index) {
                self.records.remove(&index);
            }
        }
        for mutation in mutations.into_iter().filter(|mutation| !is_removal(mutation.operation)) {
            if let Some(record) = mutation.record
                && let Some(index) = index(&record)
            {
                self.records.insert(index, record);
            }
        }
        (self.mac, self.key_id) = (patch.snapshot_mac, patch.key_id);
        self.version
    }

    /// All entries at the newest version, with the MAC that the last writer made over them.
    pub(crate) fn snapshot(&self, is_spoiled: bool) -> Vec<u8> {
        let mut mac = self.mac.clone();
        if is_spoiled && let Some(byte) = mac.as_mut().and_then(|mac| mac.first_mut()) {
            *byte ^= 1;
        }
        let snapshot = SyncdSnapshot {
            version: Some(SyncdVersion { version: Some(self.version) }),
            records: self.records.values().cloned().collect(),
            mac,
            key_id: self.key_id.clone(),
        };
        snapshot.encode_to_vec()
    }
}
