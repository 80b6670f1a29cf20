//! SHA-1 where the protocol has it, SHA-256, HMAC-SHA256, HKDF-SHA256 and PBKDF2 over it; HMAC-SHA512.

use std::num::NonZeroU32;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

/// SHA-1 of the concatenation of `parts`. For comparing what both sides know, nothing that must not be forged.
#[must_use]
pub fn sha1(parts: &[&[u8]]) -> [u8; 20] {
    let mut hash = sha1::Sha1::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// SHA-256 of the concatenation of `parts`.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// HMAC-SHA256 of the concatenation of `parts`.
#[must_use]
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// An HMAC-SHA256 key, prepared once for several messages. Wiped on drop by the library underneath.
#[derive(Clone)]
pub struct HmacKey(Hmac<Sha256>);

impl HmacKey {
    /// A key from bytes of any length.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// HMAC-SHA256 of the concatenation of `parts`.
    #[must_use]
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HmacKey(..)")
    }
}

/// An HMAC-SHA512 key, prepared once for several messages. Wiped on drop by the library underneath.
#[derive(Clone)]
pub struct HmacSha512Key(Hmac<Sha512>);

impl HmacSha512Key {
    /// A key from bytes of any length.
    #[must_use]
    pub fn new(key: &[u8]) -> Self {
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// HMAC-SHA512 of the concatenation of `parts`.
    #[must_use]
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; 64] {
        let mut mac = self.0.clone();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for HmacSha512Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HmacSha512Key(..)")
    }
}

/// HKDF-SHA256: fills `out` (at most 8160 bytes). An empty salt is 32 zero bytes.
///
/// # Panics
/// When `out` is longer than 8160 bytes, which no caller's fixed sizes are.
pub fn hkdf_sha256(ikm: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) {
    hkdf::Hkdf::<Sha256>::new(Some(salt), ikm)
        .expand(info, out)
        .expect("the output is shorter than 255 blocks");
}

/// HKDF-SHA256 with a fixed output size.
#[must_use]
pub fn hkdf_array<const N: usize>(ikm: &[u8], salt: &[u8], info: &[u8]) -> zeroize::Zeroizing<[u8; N]> {
    let mut out = zeroize::Zeroizing::new([0; N]);
    hkdf_sha256(ikm, salt, info, out.as_mut_slice());
    out
}

/// PBKDF2-HMAC-SHA256, 32 bytes. Slow on purpose: about a millisecond per 8,000 rounds.
#[must_use]
pub fn pbkdf2_sha256(password: &[u8], salt: &[u8], rounds: NonZeroU32) -> zeroize::Zeroizing<[u8; 32]> {
    let mut out = zeroize::Zeroizing::new([0; 32]);
    aws_lc_rs::pbkdf2::derive(
        aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA256,
        rounds,
        salt,
        password,
        out.as_mut_slice(),
    );
    out
}
