//! Curve25519 keys and XEdDSA signatures as values. The arithmetic is in `wa-core`'s `crypto`.
//! Protocol: signal, "Keys and encodings".

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// The type byte in front of a serialized public key: Curve25519.
pub const KEY_TYPE: u8 = 0x05;

/// A Curve25519 public key: 32 bytes, or 33 with its type byte where a format asks for it.
///
/// `Debug` shows the first four bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// A key from its 32 raw bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 32 raw bytes, as stanzas carry them.
    ///
    /// # Errors
    /// [`PublicKeyError::Length`] for any other length.
    pub fn from_raw(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        bytes.try_into().map(Self).map_err(|_| PublicKeyError::Length)
    }

    /// Reads 33 bytes, type byte first, as Signal messages carry them.
    ///
    /// # Errors
    /// [`PublicKeyError`] for another length or type.
    pub fn from_serialized(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        match bytes.split_first() {
            Some((&KEY_TYPE, raw)) => Self::from_raw(raw),
            Some(_) if bytes.len() == 33 => Err(PublicKeyError::Type),
            _ => Err(PublicKeyError::Length),
        }
    }

    /// The 32 raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 33 bytes with the type byte in front.
    #[must_use]
    pub fn serialize(&self) -> [u8; 33] {
        let mut out = [KEY_TYPE; 33];
        if let Some(raw) = out.last_chunk_mut() {
            *raw = self.0;
        }
        out
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "PublicKey({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

/// Why bytes are no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// Not 32 raw or 33 serialized bytes.
    #[error("a public key of the wrong length")]
    Length,
    /// A type byte other than 5.
    #[error("a public key of an unknown type")]
    Type,
}

/// A Curve25519 private key, clamped. Wiped on drop, compared in constant time, never shown.
#[derive(Clone)]
pub struct PrivateKey([u8; 32]);

impl PrivateKey {
    /// Takes 32 bytes and clamps them.
    #[must_use]
    pub fn new(mut bytes: [u8; 32]) -> Self {
        bytes[0] &= 248;
        bytes[31] &= 127;
        bytes[31] |= 64;
        Self(bytes)
    }

    /// The 32 clamped bytes. A secret: keep it out of logs and wipe copies.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for PrivateKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl PartialEq for PrivateKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for PrivateKey {}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

/// A private key with its public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPair {
    /// The secret half.
    pub private: PrivateKey,
    /// The public half; made from the private one, never checked against it again.
    pub public: PublicKey,
}

/// A 64-byte XEdDSA signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// A signature from its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Reads 64 bytes; `None` for any other length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().map(Self).ok()
    }

    /// The 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signature(..)")
    }
}
