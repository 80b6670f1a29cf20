//! A patch: read, checked as a whole and record by record, and combined with the local state. Protocol: app state,
//! "Combining a patch with local state".

use std::collections::{HashMap, HashSet};

use prost::Message as _;
use wa_proto::server_sync::{ExternalBlobReference, SyncdMutations, SyncdPatch};

use super::record::{self, Sealed};
use super::{
    AppStateError, Collection, CollectionState, IndexMac, KeyId, KeyRing, Operation, Record, ValueMac,
};

/// How many records a patch or a snapshot may have. Larger ones are not read: memory is bounded.
pub(super) const RECORDS: usize = 500_000;

/// The live entries of a collection, or those of them that are looked at.
pub type Entries = HashMap<IndexMac, ValueMac>;

/// Where a part that is too large for a stanza can be fetched.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlobReference {
    /// The path on the media servers.
    pub direct_path: String,
    /// The key of the file.
    pub media_key: [u8; 32],
    /// SHA-256 of the file.
    pub file_sha256: [u8; 32],
    /// SHA-256 of the encrypted file.
    pub file_enc_sha256: [u8; 32],
    /// How long the file is, as far as it was told.
    pub size: Option<u64>,
}

impl std::fmt::Debug for BlobReference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlobReference").field("size", &self.size).finish_non_exhaustive()
    }
}

impl BlobReference {
    /// Reads an encoded `ExternalBlobReference`.
    ///
    /// # Errors
    /// [`AppStateError::Malformed`].
    pub fn read(bytes: &[u8]) -> Result<Self, AppStateError> {
        let reference = ExternalBlobReference::decode(bytes)
            .map_err(|_| AppStateError::Malformed("a reference that is none"))?;
        Self::of(reference)
    }

    fn of(reference: ExternalBlobReference) -> Result<Self, AppStateError> {
        let array = |bytes: Option<Vec<u8>>| {
            let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            bytes.ok_or(AppStateError::Malformed("a reference without key or hash"))
        };
        Ok(Self {
            direct_path: reference.direct_path.ok_or(AppStateError::Malformed("a reference without path"))?,
            media_key: array(reference.media_key)?,
            file_sha256: array(reference.file_sha256)?,
            file_enc_sha256: array(reference.file_enc_sha256)?,
            size: reference.file_size_bytes,
        })
    }
}

/// A patch as it came, with nothing checked yet.
#[derive(Debug, Clone)]
pub struct Patch {
    version: Option<u64>,
    records: Vec<Sealed>,
    external: Option<BlobReference>,
    snapshot_mac: Option<Vec<u8>>,
    patch_mac: Option<Vec<u8>>,
    key_id: KeyId,
    exit_code: u64,
}

/// What a patch came to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Applied {
    /// The state after it.
    pub state: CollectionState,
    /// Its records, in order.
    pub records: Vec<Record>,
    /// How many removals were of entries that are not there: harmless, and a reason to diverge.
    pub missing_removes: usize,
}

/// The mutations of a file that a patch refers to, for [`Patch::attach`].
///
/// # Errors
/// [`AppStateError::Malformed`].
pub fn read_mutations(bytes: &[u8]) -> Result<SyncdMutations, AppStateError> {
    SyncdMutations::decode(bytes).map_err(|_| AppStateError::Malformed("mutations that are none"))
}

impl Patch {
    /// Reads an encoded `SyncdPatch`.
    ///
    /// # Errors
    /// [`AppStateError`] when it is malformed.
    pub fn read(bytes: &[u8]) -> Result<Self, AppStateError> {
        let patch =
            SyncdPatch::decode(bytes).map_err(|_| AppStateError::Malformed("a patch that is none"))?;
        if patch.external_mutations.is_some() && !patch.mutations.is_empty() {
            return Err(AppStateError::Malformed("a patch both inline and external"));
        }
        let external = patch.external_mutations.map(BlobReference::of).transpose()?;
        Ok(Self {
            version: patch.version.and_then(|version| version.version),
            records: sealed(SyncdMutations { mutations: patch.mutations })?,
            external,
            snapshot_mac: patch.snapshot_mac,
            patch_mac: patch.patch_mac,
            key_id: record::read_key_id(patch.key_id.as_ref())?,
            exit_code: patch.exit_code.and_then(|exit| exit.code).unwrap_or(0),
        })
    }

    /// Its version, where it says one.
    #[must_use]
    pub const fn version(&self) -> Option<u64> {
        self.version
    }

    /// Gives it a version where it says none: the server's servants are that lenient.
    pub const fn set_default_version(&mut self, version: u64) {
        if self.version.is_none() {
            self.version = Some(version);
        }
    }

    /// Where its mutations are to be fetched first, if they are not in it.
    #[must_use]
    pub const fn external(&self) -> Option<&BlobReference> {
        self.external.as_ref()
    }

    /// Puts in the mutations that were fetched.
    ///
    /// # Errors
    /// [`AppStateError`] when they are malformed.
    pub fn attach(&mut self, mutations: SyncdMutations) -> Result<(), AppStateError> {
        self.records = sealed(mutations)?;
        self.external = None;
        Ok(())
    }

    /// Which entries it is about: what [`Self::apply`] has to know of the local ones.
    pub fn index_macs(&self) -> impl Iterator<Item = IndexMac> + '_ {
        self.records.iter().map(|record| record.index_mac)
    }

    /// Checks it and combines it with the local state, of which `entries` has at least those of
    /// [`Self::index_macs`]. A snapshot MAC that is not ours is tolerated and marked: the patch MAC proves that an own
    /// device wrote it.
    ///
    /// # Errors
    /// [`AppStateError`]; nothing of it is to be applied then.
    pub fn apply(
        &self,
        collection: Collection,
        state: &CollectionState,
        entries: &Entries,
        keys: &KeyRing,
    ) -> Result<Applied, AppStateError> {
        let version = self.version.unwrap_or(0);
        if state.version.checked_add(1) != Some(version) {
            return Err(AppStateError::VersionGap { local: state.version, patch: version });
        }
        if self.exit_code != 0 {
            return Err(AppStateError::ExitCode(self.exit_code));
        }
        if self.external.is_some() {
            return Err(AppStateError::Malformed("mutations that were not fetched"));
        }
        let used = self.records.iter().map(|record| record.key_id).chain([self.key_id]);
        let missing = keys.missing(used);
        if !missing.is_empty() {
            return Err(AppStateError::MissingKeys(missing));
        }
        let key = keys.get(self.key_id).ok_or_else(|| AppStateError::MissingKeys(vec![self.key_id]))?;
        let snapshot_mac = self.snapshot_mac.as_deref().ok_or(AppStateError::SnapshotMac)?;
        let macs: Vec<ValueMac> = self.records.iter().map(Sealed::value_mac).collect();
        let expected = record::patch_mac(key, snapshot_mac, &macs, version, collection);
        if !record::is_same(self.patch_mac.as_deref(), &expected) {
            return Err(AppStateError::PatchMac);
        }
        let records =
            self.records.iter().map(|record| record.open(keys)).collect::<Result<Vec<Record>, _>>()?;
        let (hash, missing_removes) = combine(&state.hash, &records, entries)?;
        let mut state = CollectionState { version, hash, is_diverged: state.is_diverged };
        let ours = record::snapshot_mac(key, &state.hash, version, collection);
        state.is_diverged |= !record::is_same(Some(snapshot_mac), &ours);
        Ok(Applied { state, records, missing_removes })
    }
}

/// The hash after these records, and how many removals missed. A removal takes out what was there before the patch, in
/// whatever order the records come.
pub(super) fn combine(
    before: &super::LtHash,
    records: &[Record],
    entries: &Entries,
) -> Result<(super::LtHash, usize), AppStateError> {
    let of = |operation| records.iter().filter(move |record| record.operation == operation);
    let mut removed = HashSet::new();
    let mut hash = before.clone();
    let mut missing = 0;
    for record in of(Operation::Remove) {
        if !removed.insert(record.index_mac) {
            return Err(AppStateError::DuplicateIndex);
        }
        match entries.get(&record.index_mac) {
            Some(old) => hash.subtract(old),
            None => missing += 1,
        }
    }
    let mut set = HashSet::new();
    for record in of(Operation::Set) {
        if !set.insert(record.index_mac) {
            return Err(AppStateError::DuplicateIndex);
        }
        if let Some(old) = entries.get(&record.index_mac).filter(|_| !removed.contains(&record.index_mac)) {
            hash.subtract(old);
        }
        hash.add(&record.value_mac);
    }
    Ok((hash, missing))
}

fn sealed(mutations: SyncdMutations) -> Result<Vec<Sealed>, AppStateError> {
    if mutations.mutations.len() > RECORDS {
        return Err(AppStateError::Malformed("too many mutations"));
    }
    mutations.mutations.into_iter().map(Sealed::of_mutation).collect()
}
