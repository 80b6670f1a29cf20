//! X25519 key pairs and agreement.

use aws_lc_rs::agreement;
use wa_types::{KeyPair, PrivateKey, PublicKey};
use zeroize::{Zeroize, Zeroizing};

use super::{CryptoError, Random};

/// A new key pair from 32 random bytes.
pub fn generate(random: &mut impl Random) -> KeyPair {
    let mut bytes = random.array::<32>();
    let pair = key_pair(PrivateKey::new(bytes));
    bytes.zeroize();
    pair
}

/// The key pair of a private key.
#[must_use]
pub fn key_pair(private: PrivateKey) -> KeyPair {
    let public = agreement_key(&private).compute_public_key().expect("every clamped scalar has a public key");
    let public = PublicKey::from_raw(public.as_ref()).expect("an X25519 public key has 32 bytes");
    KeyPair { private, public }
}

/// The shared secret of our private and their public key, 32 bytes.
///
/// # Errors
/// [`CryptoError::WeakKey`] when their key is of low order.
pub fn agree(ours: &PrivateKey, theirs: &PublicKey) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
    let theirs = agreement::UnparsedPublicKey::new(&agreement::X25519, theirs.as_bytes());
    agreement::agree(&agreement_key(ours), theirs, CryptoError::WeakKey, |secret| {
        secret.try_into().map(Zeroizing::new).map_err(|_| CryptoError::WeakKey)
    })
}

fn agreement_key(private: &PrivateKey) -> agreement::PrivateKey {
    agreement::PrivateKey::from_private_key(&agreement::X25519, private.as_bytes())
        .expect("32 bytes are an X25519 private key")
}
