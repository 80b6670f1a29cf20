//! Blobs of the past on the media hosts.

use std::io::{Cursor, Read, Seek as _};

use crate::driver::media::{Fetcher, Settings, Sink};
use crate::error::{ChunkError, MediaError};
use crate::history::HistoryError;
use crate::media::Attachment;

/// A larger one, compressed, waits in a file without a name. It is gone with the process.
const IN_MEMORY: u64 = 4 << 20;

/// The compressed stream of a blob: complete, and proven to be the one that the phone left there.
pub(super) async fn fetch(
    fetcher: &Fetcher,
    file: &Attachment,
    limit: u64,
) -> Result<Box<dyn Read + Send>, ChunkError> {
    if file.file_length.is_some_and(|length| length <= IN_MEMORY) {
        let settings = Settings { max_length: IN_MEMORY.min(limit), ..Settings::default() };
        let bytes = fetcher.bytes(file, &settings).await.map_err(of)?;
        return Ok(Box::new(Cursor::new(bytes)));
    }
    let spool = tempfile::tempfile().map_err(|error| ChunkError::Store(error.to_string()))?;
    let mut spool = tokio::fs::File::from_std(spool);
    let settings = Settings { max_length: limit, ..Settings::default() };
    fetcher.download(file, &mut Sink::File(&mut spool), &settings).await.map_err(of)?;
    let mut spool = spool.into_std().await;
    spool.rewind().map_err(|error| ChunkError::Store(error.to_string()))?;
    Ok(Box::new(spool))
}

fn of(error: MediaError) -> ChunkError {
    tracing::warn!(%error, "a blob of history could not be fetched");
    match error {
        // The network, or a busy host: the same blob is tried again.
        MediaError::Network(_) | MediaError::Unavailable { .. } => ChunkError::Network(error.to_string()),
        MediaError::Sink(_) => ChunkError::Store(error.to_string()),
        MediaError::TooLarge { limit, .. } => ChunkError::Unreadable(HistoryError::TooLarge { limit }),
        _ => ChunkError::Unavailable,
    }
}
