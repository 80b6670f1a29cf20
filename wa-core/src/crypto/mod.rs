//! Primitives behind our types: Curve25519, XEdDSA, AES, HKDF, HMAC. Nothing here knows the protocol, and no
//! arithmetic here is ours.
//!
//! Randomness is handed in ([`Random`]), so that every step can be repeated in a test.

pub mod aes;
pub mod curve25519;
pub mod kdf;
pub mod random;
pub mod xeddsa;

pub use random::{Random, SystemRandom};

/// What a primitive refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// The peer's public key leads to an all-zero secret: no honest peer has such a key.
    #[error("a public key of low order")]
    WeakKey,
    /// An authentication tag does not match: another key, or changed bytes.
    #[error("the authentication tag does not match")]
    BadTag,
    /// A CBC ciphertext of a wrong length, or with wrong padding.
    #[error("the ciphertext or its padding is malformed")]
    BadPadding,
}
