//! X25519 key pairs and agreement.

use aws_lc_rs::agreement;
use wa_types::{KeyPair, PrivateKey, PublicKey};
use zeroize::{Zeroize, Zeroizing};

use super::{CryptoError, Random};

/// A new key pair from 32 random bytes.
pub fn generate(random: &mut impl Random) -> KeyPair {
    AgreementKey::generate(random).0
}

/// The key pair of a private key.
#[must_use]
pub fn key_pair(private: PrivateKey) -> KeyPair {
    let public = AgreementKey::new(&private).public();
    KeyPair { private, public }
}

/// The shared secret of our private and their public key, 32 bytes. For several agreements with one private key,
/// [`AgreementKey`] is quicker.
///
/// # Errors
/// [`CryptoError::WeakKey`] when their key is of low order.
pub fn agree(ours: &PrivateKey, theirs: &PublicKey) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
    AgreementKey::new(ours).agree(theirs)
}

/// A private key made ready once for several agreements: making it ready costs a third of an agreement.
/// Wiped on drop by the library underneath.
pub struct AgreementKey(agreement::PrivateKey);

impl AgreementKey {
    /// Makes a private key ready.
    #[must_use]
    pub fn new(private: &PrivateKey) -> Self {
        let key = agreement::PrivateKey::from_private_key(&agreement::X25519, private.as_bytes())
            .expect("32 bytes are an X25519 private key");
        Self(key)
    }

    /// A new key pair from 32 random bytes, and its private key made ready.
    pub fn generate(random: &mut impl Random) -> (KeyPair, Self) {
        let mut bytes = random.array::<32>();
        let private = PrivateKey::new(bytes);
        bytes.zeroize();
        let ready = Self::new(&private);
        (KeyPair { private, public: ready.public() }, ready)
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let public = self.0.compute_public_key().expect("every clamped scalar has a public key");
        PublicKey::from_raw(public.as_ref()).expect("an X25519 public key has 32 bytes")
    }

    /// The shared secret with their public key, 32 bytes.
    ///
    /// # Errors
    /// [`CryptoError::WeakKey`] when their key is of low order.
    pub fn agree(&self, theirs: &PublicKey) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
        let theirs = agreement::UnparsedPublicKey::new(&agreement::X25519, theirs.as_bytes());
        agreement::agree(&self.0, theirs, CryptoError::WeakKey, |secret| {
            secret.try_into().map(Zeroizing::new).map_err(|_| CryptoError::WeakKey)
        })
    }
}

impl std::fmt::Debug for AgreementKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AgreementKey(..)")
    }
}
