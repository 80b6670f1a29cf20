//! What keeps a patch or a snapshot from being applied.

use super::KeyId;

/// A patch, snapshot or recovery that cannot be applied. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AppStateError {
    /// Records are sealed with keys that this device does not have: ask the account's other devices for them.
    #[error("{} keys are missing", .0.len())]
    MissingKeys(Vec<KeyId>),
    /// The patch does not follow the local version: fetch again, with a snapshot if need be.
    #[error("the patch has version {patch}, the local version is {local}")]
    VersionGap {
        /// The last version applied here.
        local: u64,
        /// The version of the patch.
        patch: u64,
    },
    /// A value was changed, or sealed with another key: fetch a snapshot.
    #[error("the MAC of a value does not match")]
    ValueMac,
    /// An index was changed: fetch a snapshot.
    #[error("the MAC of an index does not match")]
    IndexMac,
    /// The patch as a whole was changed, or has no MAC: fetch a snapshot.
    #[error("the MAC of the patch does not match")]
    PatchMac,
    /// The snapshot as a whole was changed, or has no MAC: ask the phone for a recovery.
    #[error("the MAC of the snapshot does not match")]
    SnapshotMac,
    /// The file that the snapshot or the patch is in is not what was put there: fetch again, for another file.
    #[error("the file was changed")]
    FileTampered,
    /// The media hosts do not give the file that the snapshot or the patch is in: fetch again, for another file.
    #[error("the file is not there")]
    FileGone,
    /// The same entry is written, or removed, twice.
    #[error("an index comes twice")]
    DuplicateIndex,
    /// A value is too short to be one.
    #[error("a value is too short")]
    TooShort,
    /// The writer marked the patch as failed: fetch a snapshot.
    #[error("the patch says that it failed, with code {0}")]
    ExitCode(u64),
    /// The bytes are not what they should be, or more than may be.
    #[error("malformed: {0}")]
    Malformed(&'static str),
}
