//! The files that snapshots and large patches are in. Protocol: app state, "External blobs".

use crate::app_state::BlobReference;

/// Fetches files.
#[derive(Debug, Clone)]
pub(super) struct Blobs;

/// A file that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlobError {
    /// Worth another try later.
    Later,
    /// It is another one than it should be.
    Bad,
}

impl Blobs {
    /// Fetches a file, and checks it.
    pub(super) async fn fetch(&self, reference: &BlobReference) -> Result<Vec<u8>, BlobError> {
        let _ = reference;
        Err(BlobError::Later)
    }
}
