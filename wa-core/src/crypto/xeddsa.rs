//! XEdDSA: signatures with Curve25519 keys, the sign of the Edwards key in the top bit of the signature.
//! Protocol: signal, "XEdDSA".

use std::borrow::Cow;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::montgomery::MontgomeryPoint;
use curve25519_dalek::scalar::Scalar;
use sha2::{Digest, Sha512};
use wa_types::{PrivateKey, PublicKey, Signature};
use zeroize::Zeroize;

use super::Random;

/// Signs the concatenation of `parts`. Draws 64 random bytes. Who signs often with one key keeps a [`SigningKey`].
pub fn sign(private: &PrivateKey, parts: &[&[u8]], random: &mut impl Random) -> Signature {
    SigningKey::new(private.clone()).sign(parts, random)
}

/// Whether `signature` is by `public` over the concatenation of `parts`. Who verifies often with one key keeps a
/// [`VerifyingKey`].
#[must_use]
pub fn verify(public: &PublicKey, parts: &[&[u8]], signature: &Signature) -> bool {
    VerifyingKey::new(public).is_some_and(|key| key.verify(parts, signature))
}

/// A private key with its Edwards public key, which every signature needs: half the work of signing.
#[derive(Clone)]
pub struct SigningKey {
    private: PrivateKey,
    edwards: [u8; 32],
}

impl SigningKey {
    /// Computes the Edwards public key.
    #[must_use]
    pub fn new(private: PrivateKey) -> Self {
        let mut a = Scalar::from_bytes_mod_order(*private.as_bytes());
        let edwards = EdwardsPoint::mul_base(&a).compress().to_bytes();
        a.zeroize();
        Self { private, edwards }
    }

    /// A key as it was kept: its private key, and what [`Self::edwards`] gave for it.
    #[must_use]
    pub const fn from_parts(private: PrivateKey, edwards: [u8; 32]) -> Self {
        Self { private, edwards }
    }

    /// The private key.
    #[must_use]
    pub const fn private(&self) -> &PrivateKey {
        &self.private
    }

    /// The Edwards public key, with its sign. No secret.
    #[must_use]
    pub const fn edwards(&self) -> &[u8; 32] {
        &self.edwards
    }

    /// Signs the concatenation of `parts`. Draws 64 random bytes.
    pub fn sign(&self, parts: &[&[u8]], random: &mut impl Random) -> Signature {
        let mut nonce_seed = random.array::<64>();
        let mut prefix = [0xFF; 32];
        prefix[0] = 0xFE;
        let mut hash = Sha512::new().chain_update(prefix).chain_update(self.private.as_bytes());
        parts.iter().for_each(|part| hash.update(part));
        let mut r = Scalar::from_bytes_mod_order_wide(&hash.chain_update(nonce_seed).finalize().into());

        let big_r = EdwardsPoint::mul_base(&r).compress();
        let mut hash = Sha512::new().chain_update(big_r.as_bytes()).chain_update(self.edwards);
        parts.iter().for_each(|part| hash.update(part));
        let h = Scalar::from_bytes_mod_order_wide(&hash.finalize().into());
        let mut a = Scalar::from_bytes_mod_order(*self.private.as_bytes());
        let s = r + h * a;
        nonce_seed.zeroize();
        a.zeroize();
        r.zeroize();

        let mut signature = [0; 64];
        let (left, right) = signature.split_at_mut(32);
        left.copy_from_slice(big_r.as_bytes());
        right.copy_from_slice(s.as_bytes());
        signature[63] = (signature[63] & 0x7F) | (self.edwards[31] & 0x80);
        Signature::new(signature)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// A public key brought to the Edwards curve once, for many signatures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyingKey {
    /// The compressed point with sign 0; each signature says which sign holds.
    edwards: [u8; 32],
}

impl VerifyingKey {
    /// Maps a public key to the Edwards curve; `None` when it has no image there, so that no signature is valid.
    #[must_use]
    pub fn new(public: &PublicKey) -> Option<Self> {
        let point = MontgomeryPoint(*public.as_bytes()).to_edwards(0)?;
        Some(Self { edwards: point.compress().to_bytes() })
    }

    /// A key as it was kept: what [`Self::edwards`] gave.
    #[must_use]
    pub const fn from_edwards(edwards: [u8; 32]) -> Self {
        Self { edwards }
    }

    /// The compressed Edwards point with sign 0.
    #[must_use]
    pub const fn edwards(&self) -> &[u8; 32] {
        &self.edwards
    }

    /// Whether `signature` is by this key over the concatenation of `parts`.
    ///
    /// With the sign moved from the signature to the key this is Ed25519: `s` below the group's order, and `R` equal
    /// byte for byte to `s*B - h*A`.
    #[must_use]
    pub fn verify(&self, parts: &[&[u8]], signature: &Signature) -> bool {
        let mut signature = *signature.as_bytes();
        let mut edwards = self.edwards;
        edwards[31] |= signature[63] & 0x80;
        signature[63] &= 0x7F;
        let message: Cow<'_, [u8]> = match parts {
            [message] => Cow::Borrowed(message),
            parts => Cow::Owned(parts.concat()),
        };
        UnparsedPublicKey::new(&ED25519, edwards).verify(&message, &signature).is_ok()
    }
}
