//! The files that snapshots and large patches are in. Protocol: app state, "External blobs".

use crate::app_state::{AppStateError, BlobReference};
use crate::driver::media::{Fetcher, Settings};
use crate::error::{MediaError, MediaRemedy};
use crate::media::{Attachment, MediaKey, MediaKind};

/// How long a file may be, decrypted: a snapshot of some 300,000 entries. Memory is bounded.
const LIMIT: u64 = 64 << 20;

/// A file that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BlobError {
    /// Worth another try later.
    Later,
    /// It will not be there: another one is to be asked for.
    Bad(AppStateError),
}

/// Downloads a file, verifies and decrypts it.
pub(super) async fn fetch(fetcher: &Fetcher, reference: &BlobReference) -> Result<Vec<u8>, BlobError> {
    let file = Attachment {
        direct_path: Some(reference.direct_path.clone()),
        key: Some(MediaKey::new(reference.media_key)),
        file_sha256: Some(reference.file_sha256),
        file_enc_sha256: Some(reference.file_enc_sha256),
        // The size that is told counts for nothing.
        ..Attachment::new(MediaKind::AppState)
    };
    let settings = Settings { max_length: LIMIT, ..Settings::default() };
    fetcher.bytes(&file, &settings).await.map_err(|error| {
        tracing::warn!(%error, "a file of the shared state was not fetched");
        match (error.remedy(), error) {
            (MediaRemedy::TryLater | MediaRemedy::CheckLocalFile, _) => BlobError::Later,
            (_, MediaError::TooLarge { .. }) => {
                BlobError::Bad(AppStateError::Malformed("a file that is too large"))
            }
            (_, MediaError::Tampered(_) | MediaError::Truncated { .. }) => {
                BlobError::Bad(AppStateError::FileTampered)
            }
            (MediaRemedy::RequestReupload | MediaRemedy::GiveUp, _) => {
                BlobError::Bad(AppStateError::FileGone)
            }
        }
    })
}
