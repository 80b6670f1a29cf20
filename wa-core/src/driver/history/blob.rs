//! Blobs of the past on the media hosts.
use std::io::Read;

use crate::error::ChunkError;
use crate::media::Attachment;

/// Fetches blobs; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Blobs {}

impl Blobs {
    /// The compressed stream of a blob, checked.
    pub(super) async fn fetch(&self, _file: &Attachment) -> Result<Box<dyn Read + Send>, ChunkError> {
        Err(ChunkError::Unavailable)
    }
}
