//! What is to be uploaded, encrypted first: its name on the hosts is its hash. Small files wait in memory, others in a
//! temporary file, from which a broken upload goes on.

use std::fmt;
use std::io::{self, Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncSeekExt as _};

use super::piece::{off_thread, read_piece};
use crate::error::MediaError;
use crate::media::cipher::{BLOCK, EncryptedFile, Encryptor, Proving, Sealing};
use crate::media::plain::PlainHash;
use crate::media::{MediaKey, MediaKind};
use crate::transport::HttpBody;

/// What is longer goes to a file.
const IN_MEMORY: usize = 1 << 20;

/// Where a file to be uploaded comes from: a path, bytes, or any reader.
pub struct MediaSource(Source);

enum Source {
    Path(PathBuf),
    Bytes(Vec<u8>),
    Reader(Box<dyn AsyncRead + Send + Unpin>),
}

impl MediaSource {
    /// Reads this to its end.
    #[must_use]
    pub fn reader(reader: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self(Source::Reader(Box::new(reader)))
    }

    async fn open(self) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
        Ok(match self.0 {
            Source::Path(path) => Box::new(File::open(path).await?),
            Source::Bytes(bytes) => Box::new(Cursor::new(bytes)),
            Source::Reader(reader) => reader,
        })
    }
}

impl From<Vec<u8>> for MediaSource {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Source::Bytes(bytes))
    }
}

impl From<&[u8]> for MediaSource {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl From<PathBuf> for MediaSource {
    fn from(path: PathBuf) -> Self {
        Self(Source::Path(path))
    }
}

impl From<&Path> for MediaSource {
    fn from(path: &Path) -> Self {
        path.to_path_buf().into()
    }
}

impl fmt::Debug for MediaSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::Path(_) => "MediaSource(path)",
            Source::Bytes(_) => "MediaSource(bytes)",
            Source::Reader(_) => "MediaSource(reader)",
        })
    }
}

/// A file as it is uploaded.
pub(super) struct Spool {
    stored: Stored,
    pub(super) length: u64,
}

enum Stored {
    Memory(Arc<[u8]>),
    File(NamedTempFile),
}

impl Spool {
    /// Reads the source to its end, and encrypts it.
    pub(super) async fn encrypted(
        source: MediaSource,
        key: &MediaKey,
        kind: MediaKind,
    ) -> Result<(Self, EncryptedFile), MediaError> {
        let mut source = source.open().await.map_err(MediaError::Source)?;
        let Encryptor { sealing, proving } = Encryptor::new(key, kind);
        let (mut sealing, mut back) = (sealing, Back { proving: Some(proving), filling: Filling::default() });
        let (mut ahead, mut plain, mut ciphertext) = (Vec::new(), Vec::new(), Vec::new());
        let mut is_over = false;
        while !is_over {
            // Three pieces at once: one is read, one encrypted, one hashed and stored.
            let (came, sealed, stored) = tokio::join!(
                read_piece(&mut source, &mut ahead),
                seal(sealing, plain),
                back.push(ciphertext)
            );
            is_over = !came.map_err(MediaError::Source)?;
            (sealing, ciphertext) = sealed?;
            // What fills no block comes again before the next bytes, in the buffer that was stored.
            let mut rest;
            (back, rest) = stored?;
            let count = ahead.len() - ahead.len() % BLOCK;
            rest.clear();
            rest.extend_from_slice(ahead.get(count..).unwrap_or_default());
            plain = std::mem::replace(&mut ahead, rest);
            plain.truncate(count);
        }
        (back, _) = back.push(ciphertext).await?;
        (sealing, ciphertext) = seal(sealing, plain).await?;
        (back, _) = back.push(ciphertext).await?;
        let mut rest = ahead;
        let sealed = sealing.finish(&mut rest);
        let Back { proving, mut filling } = back;
        let mut proving = proving.expect("there from the beginning");
        proving.update(&rest);
        let file = proving.finish(sealed, &mut rest);
        filling.write(&rest).map_err(MediaError::Source)?;
        Ok((filling.finish().map_err(MediaError::Source)?, file))
    }

    /// Reads the source to its end, and hashes it.
    pub(super) async fn plain(source: MediaSource) -> Result<(Self, [u8; 32]), MediaError> {
        let mut source = source.open().await.map_err(MediaError::Source)?;
        let mut back = Back { proving: None, filling: Filling::default() };
        let mut hash = PlainHash::default();
        let (mut ahead, mut is_over) = (Vec::new(), false);
        while !is_over {
            is_over = !read_piece(&mut source, &mut ahead).await.map_err(MediaError::Source)?;
            let piece = std::mem::take(&mut ahead);
            let hashed = off_thread(piece.len(), move || {
                hash.update(&piece);
                (hash, piece)
            });
            let (hashed, piece) = hashed.await?;
            hash = hashed;
            (back, ahead) = back.push(piece).await?;
            ahead.clear();
        }
        Ok((back.filling.finish().map_err(MediaError::Source)?, hash.finish().file_sha256))
    }

    /// The bytes from here on.
    pub(super) async fn body(&self, from: u64) -> io::Result<HttpBody> {
        Ok(match &self.stored {
            Stored::Memory(bytes) => {
                let mut cursor = Cursor::new(Arc::clone(bytes));
                cursor.set_position(from);
                Box::new(cursor)
            }
            Stored::File(file) => {
                let mut file = File::from_std(file.reopen()?);
                file.seek(io::SeekFrom::Start(from)).await?;
                Box::new(file)
            }
        })
    }
}

/// Encrypts a piece of whole blocks.
async fn seal(mut sealing: Sealing, mut piece: Vec<u8>) -> Result<(Sealing, Vec<u8>), MediaError> {
    off_thread(piece.len(), move || {
        sealing.update(&mut piece);
        (sealing, piece)
    })
    .await
}

/// What happens to the pieces that are ready: they are hashed and stored.
struct Back {
    proving: Option<Proving>,
    filling: Filling,
}

impl Back {
    /// Gives the piece back: another one may come in its place.
    async fn push(mut self, piece: Vec<u8>) -> Result<(Self, Vec<u8>), MediaError> {
        let stored = off_thread(piece.len(), move || {
            if let Some(proving) = &mut self.proving {
                proving.update(&piece);
            }
            self.filling.write(&piece)?;
            Ok((self, piece))
        });
        stored.await?.map_err(MediaError::Source)
    }
}

#[derive(Default)]
struct Filling {
    memory: Vec<u8>,
    file: Option<NamedTempFile>,
    length: u64,
}

impl Filling {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.length += bytes.len() as u64;
        match &mut self.file {
            None if self.memory.len() + bytes.len() <= IN_MEMORY => self.memory.extend_from_slice(bytes),
            None => {
                let mut file = NamedTempFile::new()?;
                file.write_all(&std::mem::take(&mut self.memory))?;
                file.write_all(bytes)?;
                self.file = Some(file);
            }
            Some(file) => file.write_all(bytes)?,
        }
        Ok(())
    }

    fn finish(self) -> io::Result<Spool> {
        let stored = match self.file {
            None => Stored::Memory(self.memory.into()),
            Some(mut file) => {
                file.flush()?;
                Stored::File(file)
            }
        };
        Ok(Spool { stored, length: self.length })
    }
}
