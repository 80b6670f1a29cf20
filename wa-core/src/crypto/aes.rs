//! AES-256 in the modes that the protocol uses.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{self, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};

use super::CryptoError;

/// The length of a GCM tag.
pub const TAG_SIZE: usize = 16;

/// An AES-256-GCM key, expanded once for many messages. Wiped on drop by the library underneath.
pub struct GcmKey(LessSafeKey);

impl GcmKey {
    /// A key from its 32 bytes.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&aead::AES_256_GCM, key).expect("32 bytes are an AES-256 key");
        Self(LessSafeKey::new(key))
    }

    /// Encrypts `buffer[start..]` in place and appends the tag. A nonce must never serve twice under one key.
    pub fn seal(&self, nonce: [u8; 12], aad: &[u8], buffer: &mut Vec<u8>, start: usize) {
        let (_, plain) = buffer.split_at_mut(start);
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), plain)
            .expect("the message is far shorter than the limit of GCM");
        buffer.extend_from_slice(tag.as_ref());
    }

    /// Checks the tag and decrypts in place; returns the plaintext's part of `buffer`.
    ///
    /// # Errors
    /// [`CryptoError::BadTag`]; `buffer` then holds nothing of use.
    pub fn open<'b>(
        &self,
        nonce: [u8; 12],
        aad: &[u8],
        buffer: &'b mut [u8],
    ) -> Result<&'b mut [u8], CryptoError> {
        self.0
            .open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), buffer)
            .map_err(|_| CryptoError::BadTag)
    }
}

impl std::fmt::Debug for GcmKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GcmKey(..)")
    }
}

/// AES-256-CBC with PKCS#7 padding.
#[must_use]
pub fn cbc_encrypt(key: &[u8; 32], iv: &[u8; 16], plaintext: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(cbc_encrypted_len(plaintext.len()));
    cbc_encrypt_append(key, iv, plaintext, &mut out);
    out
}

/// How long [`cbc_encrypt`] makes a plaintext of `len` bytes.
#[must_use]
pub const fn cbc_encrypted_len(len: usize) -> usize {
    (len / 16 + 1) * 16
}

/// [`cbc_encrypt`] at the end of `out`, without a buffer of its own.
pub fn cbc_encrypt_append(key: &[u8; 32], iv: &[u8; 16], plaintext: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    // Reserved first: no reallocation leaves a copy of the plaintext behind.
    out.reserve(cbc_encrypted_len(plaintext.len()));
    out.extend_from_slice(plaintext);
    out.resize(start + cbc_encrypted_len(plaintext.len()), 0);
    let (_, buffer) = out.split_at_mut(start);
    cbc::Encryptor::<aes::Aes256Enc>::new(key.into(), iv.into())
        .encrypt_padded::<Pkcs7>(buffer, plaintext.len())
        .expect("the buffer was sized for the padding above");
}

/// Undoes [`cbc_encrypt`].
///
/// # Errors
/// [`CryptoError::BadPadding`] for a length that is no positive multiple of 16, or wrong padding.
pub fn cbc_decrypt(key: &[u8; 32], iv: &[u8; 16], ciphertext: &[u8]) -> Result<Vec<u8>, CryptoError> {
    if ciphertext.is_empty() || !ciphertext.len().is_multiple_of(16) {
        return Err(CryptoError::BadPadding);
    }
    let mut buffer = ciphertext.to_vec();
    let size = cbc::Decryptor::<aes::Aes256Dec>::new(key.into(), iv.into())
        .decrypt_padded::<Pkcs7>(&mut buffer)
        .map_err(|_| CryptoError::BadPadding)?
        .len();
    buffer.truncate(size);
    Ok(buffer)
}

/// AES-256-CTR in place, with a 128-bit big-endian counter that starts at `iv`. Encrypts, and decrypts what it
/// encrypted; nothing is authenticated.
pub fn ctr_apply(key: &[u8; 32], iv: [u8; 16], buffer: &mut [u8]) {
    let key = UnboundCipherKey::new(&cipher::AES_256, key).expect("32 bytes are an AES-256 key");
    EncryptingKey::ctr(key)
        .and_then(|key| key.less_safe_encrypt(buffer, EncryptionContext::Iv128(FixedLength::from(iv))))
        .expect("AES-256 in counter mode takes any buffer");
}
