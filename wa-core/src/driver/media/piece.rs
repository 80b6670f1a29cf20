//! Files in pieces: read from the network or from a disk, and worked on beside the tasks of the runtime.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::spawn_blocking;

use crate::error::MediaError;

/// How many bytes are read, encrypted or decrypted at once.
pub(super) const PIECE: usize = 256 << 10;

/// What is shorter is worked on where it is: a thread would take longer to wake up.
const INLINE: usize = 16 << 10;

/// Appends up to [`PIECE`] bytes; `false` when there are no more. What came before an error was appended.
pub(super) async fn read_piece(
    from: &mut (impl AsyncRead + Unpin + ?Sized),
    piece: &mut Vec<u8>,
) -> io::Result<bool> {
    piece.reserve_exact(PIECE);
    let end = piece.len() + PIECE;
    while piece.len() < end {
        if from.take((end - piece.len()) as u64).read_buf(piece).await? == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Does work on so many bytes on a thread of its own, if that is worth it.
pub(super) async fn off_thread<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, MediaError> {
    if bytes <= INLINE {
        return Ok(work());
    }
    match spawn_blocking(work).await {
        Ok(done) => Ok(done),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends.
            Err(_) => Err(MediaError::Network(io::ErrorKind::Interrupted.into())),
        },
    }
}
