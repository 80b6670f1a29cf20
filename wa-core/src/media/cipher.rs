//! Encrypts and decrypts media files as they stream by, in place and in constant memory. Protocol: media, "Encryption".
//!
//! Both directions are two passes over each piece, which may run on two threads with one piece between them:
//!
//! ```text
//! Encryptor:  plaintext  ── Sealing (hash, AES) ──> ciphertext ── Proving (MAC, hash, sidecar) ──> out
//! Decryptor:  ciphertext ── Proving (MAC, hash) ──> ciphertext ── Opening (AES, hash) ──────────> plaintext
//! ```
//!
//! What a [`Decryptor`] gives out is proven at the end only: discard it when [`Decryptor::finish`] fails.

use aes::{Aes256Dec, Aes256Enc};
use cbc::cipher::array::Array;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::sidecar::Sidecar;
use super::{MediaKey, MediaKind};

/// The length of an AES block.
pub const BLOCK: usize = 16;

/// The length of the MAC at the end of an encrypted file.
pub const MAC: usize = 10;

/// The last block and the MAC: what a [`Decryptor`] must be given last, with what does not fill a block before them.
pub const TRAILER: usize = BLOCK + MAC;

/// How long a file of `length` bytes is when encrypted; `None` for one that no number holds.
#[must_use]
pub const fn encrypted_length(length: u64) -> Option<u64> {
    match (length / BLOCK as u64 + 1).checked_mul(BLOCK as u64) {
        Some(blocks) => blocks.checked_add(MAC as u64),
        None => None,
    }
}

/// What an encryption found out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncryptedFile {
    /// The length of the plaintext.
    pub length: u64,
    /// SHA-256 of the plaintext.
    pub file_sha256: [u8; 32],
    /// SHA-256 of the ciphertext with its MAC.
    pub file_enc_sha256: [u8; 32],
    /// MACs of the parts, for the kinds that have them.
    pub sidecar: Option<Vec<u8>>,
    /// The MAC up to the end of the first frame, if its length was given.
    pub first_frame_sidecar: Option<[u8; MAC]>,
}

/// Encrypts one file.
#[derive(Debug)]
pub struct Encryptor {
    /// Hashes and encrypts.
    pub sealing: Sealing,
    /// Hashes what is encrypted.
    pub proving: Proving,
}

impl Encryptor {
    /// For a file of this kind.
    #[must_use]
    pub fn new(key: &MediaKey, kind: MediaKind) -> Self {
        let keys = key.expand(kind);
        let cipher = cbc::Encryptor::new(keys.cipher_key().into(), keys.iv().into());
        let sidecar = kind.has_sidecar().then(|| Sidecar::new(keys.mac_key(), keys.iv()));
        Self {
            sealing: Sealing { cipher, hash: Sha256::new(), length: 0 },
            proving: Proving { sidecar, ..Proving::new(keys.mac_key(), keys.iv()) },
        }
    }

    /// Also makes the sidecar of an animated sticker's first frame, which ends after this many bytes.
    #[must_use]
    pub const fn with_first_frame(mut self, length: u64) -> Self {
        self.proving.first_frame = Some((length.div_ceil(BLOCK as u64) * BLOCK as u64, None));
        self
    }

    /// Encrypts the whole blocks at the beginning of `buffer` in place, and says how many bytes that were. The rest
    /// comes again at the beginning of the next piece.
    pub fn update(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.sealing.update(buffer);
        self.proving.update(buffer.get(..count).unwrap_or_default());
        count
    }

    /// Appends the last block and the MAC to `rest`, encrypted; `rest` is what no whole block was made of.
    pub fn finish(self, rest: &mut Vec<u8>) -> EncryptedFile {
        let Self { sealing, mut proving } = self;
        let sealed = sealing.finish(rest);
        proving.update(rest);
        proving.finish(sealed, rest)
    }
}

/// The first pass of an encryption: hashes the plaintext and encrypts it.
pub struct Sealing {
    cipher: cbc::Encryptor<Aes256Enc>,
    hash: Sha256,
    length: u64,
}

impl Sealing {
    /// Encrypts the whole blocks at the beginning of `buffer` in place, and says how many bytes that were.
    pub fn update(&mut self, buffer: &mut [u8]) -> usize {
        let count = buffer.len() - buffer.len() % BLOCK;
        let (whole, _) = buffer.split_at_mut(count);
        self.length += count as u64;
        // In pieces that stay in the cache between the two.
        for piece in whole.chunks_mut(CACHED) {
            self.hash.update(&*piece);
            let (blocks, _) = Array::slice_as_chunks_mut(piece);
            self.cipher.encrypt_blocks(blocks);
        }
        count
    }

    /// Pads and encrypts the rest of the file in place.
    ///
    /// # Panics
    /// When the rest is a whole block or more: those are for [`Self::update`].
    #[must_use]
    pub fn finish(mut self, rest: &mut Vec<u8>) -> Sealed {
        assert!(rest.len() < BLOCK, "whole blocks were left");
        self.hash.update(&*rest);
        self.length += rest.len() as u64;
        let padding = BLOCK - rest.len();
        rest.resize(BLOCK, u8::try_from(padding).expect("at most a block"));
        let (blocks, _) = Array::slice_as_chunks_mut(rest);
        self.cipher.encrypt_blocks(blocks);
        Sealed { length: self.length, file_sha256: self.hash.finalize().into() }
    }
}

impl std::fmt::Debug for Sealing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealing(..)")
    }
}

/// What the first pass of an encryption found out.
#[derive(Debug)]
pub struct Sealed {
    length: u64,
    file_sha256: [u8; 32],
}

/// The pass over the ciphertext: MAC, hash and sidecar.
pub struct Proving {
    mac: Hmac<Sha256>,
    hash: Sha256,
    length: u64,
    sidecar: Option<Sidecar>,
    /// Where the first frame ends, and the MAC up to there.
    first_frame: Option<(u64, Option<[u8; MAC]>)>,
}

impl Proving {
    fn new(mac_key: &[u8; 32], iv: &[u8; 16]) -> Self {
        let mut mac = Hmac::new_from_slice(mac_key).expect("HMAC takes keys of any length");
        mac.update(iv);
        Self { mac, hash: Sha256::new(), length: 0, sidecar: None, first_frame: None }
    }

    /// Takes the next piece of the ciphertext.
    pub fn update(&mut self, ciphertext: &[u8]) {
        for piece in ciphertext.chunks(CACHED) {
            self.hash.update(piece);
            self.authenticate(piece);
            if let Some(sidecar) = &mut self.sidecar {
                sidecar.update(piece);
            }
        }
    }

    fn authenticate(&mut self, piece: &[u8]) {
        let begin = self.length;
        self.length += piece.len() as u64;
        let end = match self.first_frame {
            Some((end, None)) if self.length >= end => end,
            _ => return self.mac.update(piece),
        };
        let (frame, rest) = piece.split_at(usize::try_from(end - begin).expect("inside this piece"));
        self.mac.update(frame);
        self.first_frame = Some((end, Some(truncated(self.mac.clone()))));
        self.mac.update(rest);
    }

    /// Appends the MAC to the last piece of the ciphertext.
    #[must_use]
    pub fn finish(mut self, sealed: Sealed, ciphertext: &mut Vec<u8>) -> EncryptedFile {
        let mac = truncated(self.mac);
        self.hash.update(mac);
        ciphertext.extend(mac);
        EncryptedFile {
            length: sealed.length,
            file_sha256: sealed.file_sha256,
            file_enc_sha256: self.hash.finalize().into(),
            sidecar: self.sidecar.map(|sidecar| sidecar.finish(&mac)),
            first_frame_sidecar: self.first_frame.and_then(|(_, mac)| mac),
        }
    }
}

impl std::fmt::Debug for Proving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proving(..)")
    }
}

/// Checks and decrypts one file.
#[derive(Debug)]
pub struct Decryptor {
    /// Hashes what is encrypted.
    pub proving: Proving,
    /// Decrypts and hashes.
    pub opening: Opening,
}

impl Decryptor {
    /// For a file of this kind.
    #[must_use]
    pub fn new(key: &MediaKey, kind: MediaKind) -> Self {
        let keys = key.expand(kind);
        let cipher = cbc::Decryptor::new(keys.cipher_key().into(), keys.iv().into());
        Self {
            proving: Proving::new(keys.mac_key(), keys.iv()),
            opening: Opening { cipher, hash: Sha256::new(), length: 0 },
        }
    }

    /// How many bytes at the beginning of a piece of this length can be decrypted while more may come: whole blocks,
    /// and never what may be the [`TRAILER`].
    #[must_use]
    pub const fn whole(length: usize) -> usize {
        let before = length.saturating_sub(TRAILER);
        before - before % BLOCK
    }

    /// Decrypts [`Self::whole`] bytes of `buffer` in place, and says how many. The rest comes again at the beginning of
    /// the next piece.
    pub fn update(&mut self, buffer: &mut [u8]) -> usize {
        let (whole, _) = buffer.split_at_mut(Self::whole(buffer.len()));
        self.proving.update(whole);
        self.opening.update(whole);
        whole.len()
    }

    /// Proves the whole file, and decrypts what is left of it, down to the plaintext.
    ///
    /// # Errors
    /// [`CipherError`]: nothing of the file is to be believed.
    pub fn finish(self, rest: &mut Vec<u8>, expected: &FileHashes) -> Result<OpenedFile, CipherError> {
        let Self { proving, opening } = self;
        proving.check(rest, expected)?;
        opening.finish(rest, expected)
    }
}

impl Proving {
    /// Takes the rest of the ciphertext, and the MAC behind it, which is cut off.
    ///
    /// # Errors
    /// [`CipherError::TooShort`], [`CipherError::Length`], [`CipherError::EncryptedHash`], [`CipherError::Mac`].
    pub fn check(mut self, rest: &mut Vec<u8>, expected: &FileHashes) -> Result<(), CipherError> {
        let Some(length) = rest.len().checked_sub(MAC).filter(|length| *length >= BLOCK) else {
            return Err(CipherError::TooShort);
        };
        let (ciphertext, mac) = rest.split_at(length);
        self.update(ciphertext);
        self.hash.update(mac);
        // The hash first: with a wrong one the hosts gave us another file.
        let hash: [u8; 32] = self.hash.finalize().into();
        if expected.file_enc_sha256.is_some_and(|expected| expected != hash) {
            return Err(CipherError::EncryptedHash);
        }
        if !bool::from(truncated(self.mac).ct_eq(mac)) {
            return Err(CipherError::Mac);
        }
        if !length.is_multiple_of(BLOCK) {
            return Err(CipherError::Length);
        }
        rest.truncate(length);
        Ok(())
    }
}

/// The second pass of a decryption: decrypts and hashes the plaintext.
pub struct Opening {
    cipher: cbc::Decryptor<Aes256Dec>,
    hash: Sha256,
    length: u64,
}

impl Opening {
    /// Decrypts whole blocks in place.
    ///
    /// # Panics
    /// When `blocks` are no whole blocks.
    pub fn update(&mut self, blocks: &mut [u8]) {
        assert!(blocks.len().is_multiple_of(BLOCK), "whole blocks are decrypted");
        self.length += blocks.len() as u64;
        for piece in blocks.chunks_mut(CACHED) {
            let (blocks, _) = Array::slice_as_chunks_mut(piece);
            self.cipher.decrypt_blocks(blocks);
            self.hash.update(&*piece);
        }
    }

    /// Decrypts the last blocks in place, and takes the padding off. They were checked before.
    ///
    /// # Errors
    /// [`CipherError::Length`], [`CipherError::Padding`], [`CipherError::Hash`].
    pub fn finish(mut self, rest: &mut Vec<u8>, expected: &FileHashes) -> Result<OpenedFile, CipherError> {
        if rest.is_empty() || !rest.len().is_multiple_of(BLOCK) {
            return Err(CipherError::Length);
        }
        let (blocks, _) = Array::slice_as_chunks_mut(rest);
        self.cipher.decrypt_blocks(blocks);
        let padding = rest.last().copied().unwrap_or_default();
        let length = rest.len().checked_sub(usize::from(padding)).ok_or(CipherError::Padding)?;
        let is_padding = rest.get(length..).is_some_and(|bytes| bytes.iter().all(|byte| *byte == padding));
        if padding == 0 || usize::from(padding) > BLOCK || !is_padding {
            return Err(CipherError::Padding);
        }
        rest.truncate(length);
        self.hash.update(&*rest);
        let file_sha256: [u8; 32] = self.hash.finalize().into();
        if expected.file_sha256.is_some_and(|expected| expected != file_sha256) {
            return Err(CipherError::Hash);
        }
        Ok(OpenedFile { length: self.length + length as u64, file_sha256 })
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opening(..)")
    }
}

/// What a file must hash to, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileHashes {
    /// SHA-256 of the plaintext.
    pub file_sha256: Option<[u8; 32]>,
    /// SHA-256 of the ciphertext with its MAC.
    pub file_enc_sha256: Option<[u8; 32]>,
}

/// A file that was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenedFile {
    /// The length of the plaintext.
    pub length: u64,
    /// SHA-256 of the plaintext.
    pub file_sha256: [u8; 32],
}

/// Why a file is not what its sender encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CipherError {
    /// Shorter than one block and the MAC.
    #[error("the file is too short")]
    TooShort,
    /// The ciphertext is no number of whole blocks.
    #[error("the file has no whole blocks")]
    Length,
    /// The encrypted file hashes to something else: the hosts gave another file, or half of it.
    #[error("the encrypted file has another hash")]
    EncryptedHash,
    /// The MAC does not match: another key or kind, or changed bytes.
    #[error("the MAC does not match")]
    Mac,
    /// What was encrypted is not padded.
    #[error("the padding is malformed")]
    Padding,
    /// The file hashes to something else.
    #[error("the file has another hash")]
    Hash,
}

fn truncated(mac: Hmac<Sha256>) -> [u8; MAC] {
    *mac.finalize().into_bytes().first_chunk().expect("10 of 32 bytes")
}

/// So much stays in the first cache while it is encrypted and hashed.
const CACHED: usize = 16 << 10;
