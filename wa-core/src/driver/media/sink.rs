//! Where a downloaded file goes.

use std::io;

use tokio::fs::File;
use tokio::io::{AsyncSeekExt as _, AsyncWrite, AsyncWriteExt as _};

/// Where a downloaded file goes.
pub(crate) enum Sink<'a> {
    /// Into memory.
    Bytes(&'a mut Vec<u8>),
    /// Into a file that nobody else knows yet.
    File(&'a mut File),
    /// Anywhere; what was written stays written.
    Writer { writer: &'a mut (dyn AsyncWrite + Send + Unpin), is_begun: bool },
}

impl Sink<'_> {
    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Bytes(buffer) => {
                buffer.extend_from_slice(bytes);
                Ok(())
            }
            Self::File(file) => file.write_all(bytes).await,
            Self::Writer { writer, is_begun } => {
                *is_begun |= !bytes.is_empty();
                writer.write_all(bytes).await
            }
        }
    }

    /// Forgets what was written; `false` when that is not possible.
    pub(super) async fn restart(&mut self) -> io::Result<bool> {
        match self {
            Self::Bytes(buffer) => buffer.clear(),
            Self::File(file) => {
                file.rewind().await?;
                file.set_len(0).await?;
            }
            Self::Writer { is_begun, .. } => return Ok(!*is_begun),
        }
        Ok(true)
    }

    pub(super) async fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Bytes(_) => Ok(()),
            Self::File(file) => file.flush().await,
            Self::Writer { writer, .. } => writer.flush().await,
        }
    }
}
