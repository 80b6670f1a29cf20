//! Files that are not encrypted, as those of newsletters. Protocol: media, "Plain (channel) media".

use sha2::{Digest as _, Sha256};

use super::cipher::{CipherError, OpenedFile};

/// Hashes a file as it streams by.
#[derive(Clone, Default)]
pub struct PlainHash {
    hash: Sha256,
    length: u64,
}

impl PlainHash {
    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.hash.update(piece);
        self.length += piece.len() as u64;
    }

    /// The whole file.
    #[must_use]
    pub fn finish(self) -> OpenedFile {
        OpenedFile { length: self.length, file_sha256: self.hash.finalize().into() }
    }

    /// The whole file, which must have this hash.
    ///
    /// # Errors
    /// [`CipherError::Hash`].
    pub fn check(self, expected: &[u8; 32]) -> Result<OpenedFile, CipherError> {
        Some(self.finish()).filter(|file| file.file_sha256 == *expected).ok_or(CipherError::Hash)
    }
}

impl std::fmt::Debug for PlainHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PlainHash(..)")
    }
}
