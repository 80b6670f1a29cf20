//! XEdDSA: signatures with Curve25519 keys, the sign of the Edwards key in the top bit of the signature.
//! Protocol: signal, "XEdDSA".

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::montgomery::MontgomeryPoint;
use curve25519_dalek::scalar::Scalar;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;
use wa_types::{PrivateKey, PublicKey, Signature};
use zeroize::Zeroize;

use super::Random;

/// Signs the concatenation of `parts`. Draws 64 random bytes.
pub fn sign(private: &PrivateKey, parts: &[&[u8]], random: &mut impl Random) -> Signature {
    let mut nonce_seed = random.array::<64>();
    let mut a = Scalar::from_bytes_mod_order(*private.as_bytes());
    let public = EdwardsPoint::mul_base(&a).compress();
    let sign_bit = public.as_bytes()[31] & 0x80;

    let mut prefix = [0xFF; 32];
    prefix[0] = 0xFE;
    let mut hash = Sha512::new().chain_update(prefix).chain_update(private.as_bytes());
    parts.iter().for_each(|part| hash.update(part));
    let mut r = Scalar::from_bytes_mod_order_wide(&hash.chain_update(nonce_seed).finalize().into());

    let big_r = EdwardsPoint::mul_base(&r).compress();
    let h = challenge(big_r.as_bytes(), public.as_bytes(), parts);
    let s = r + h * a;
    nonce_seed.zeroize();
    a.zeroize();
    r.zeroize();

    let mut signature = [0; 64];
    let (left, right) = signature.split_at_mut(32);
    left.copy_from_slice(big_r.as_bytes());
    right.copy_from_slice(s.as_bytes());
    signature[63] = (signature[63] & 0x7F) | sign_bit;
    Signature::new(signature)
}

/// Whether `signature` is by `public` over the concatenation of `parts`.
#[must_use]
pub fn verify(public: &PublicKey, parts: &[&[u8]], signature: &Signature) -> bool {
    let bytes = signature.as_bytes();
    let sign = bytes[63] >> 7;
    let (big_r, s) = bytes.split_at(32);
    let (Ok(big_r), Ok(mut s)) = (<[u8; 32]>::try_from(big_r), <[u8; 32]>::try_from(s)) else { return false };
    s[31] &= 0x7F;
    let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(s)) else { return false };
    let Some(point) = MontgomeryPoint(*public.as_bytes()).to_edwards(sign) else { return false };
    let h = challenge(&big_r, point.compress().as_bytes(), parts);
    let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&h, &-point, &s);
    expected.compress().as_bytes().ct_eq(&big_r).into()
}

fn challenge(big_r: &[u8; 32], public: &[u8; 32], parts: &[&[u8]]) -> Scalar {
    let mut hash = Sha512::new().chain_update(big_r).chain_update(public);
    parts.iter().for_each(|part| hash.update(part));
    Scalar::from_bytes_mod_order_wide(&hash.finalize().into())
}
