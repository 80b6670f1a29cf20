//! How two devices come to their first shared secret. Protocol: signal, "X3DH".

use wa_types::PublicKey;
use zeroize::Zeroizing;

use super::ratchet::{Secret, halves};
use crate::crypto::curve25519::AgreementKey;
use crate::crypto::{CryptoError, kdf};

/// The initiator's part: her keys, and the public keys of the bundle.
pub(super) struct Initiator<'a> {
    pub(super) identity: &'a AgreementKey,
    pub(super) base: &'a AgreementKey,
    pub(super) their_identity: &'a PublicKey,
    pub(super) their_signed_pre_key: &'a PublicKey,
    pub(super) their_pre_key: Option<&'a PublicKey>,
}

impl Initiator<'_> {
    /// The first root key and chain key.
    pub(super) fn secrets(&self) -> Result<(Secret, Secret), CryptoError> {
        Ok(derive(
            &self.identity.agree(self.their_signed_pre_key)?,
            &self.base.agree(self.their_identity)?,
            &self.base.agree(self.their_signed_pre_key)?,
            self.their_pre_key.map(|key| self.base.agree(key)).transpose()?.as_ref(),
        ))
    }
}

/// The part of the bundle's owner: his keys, and the public keys of the first message.
pub(super) struct Responder<'a> {
    pub(super) identity: &'a AgreementKey,
    pub(super) signed_pre_key: &'a AgreementKey,
    pub(super) pre_key: Option<&'a AgreementKey>,
    pub(super) their_identity: &'a PublicKey,
    pub(super) their_base: &'a PublicKey,
}

impl Responder<'_> {
    /// The first root key and chain key, the same as the initiator's.
    pub(super) fn secrets(&self) -> Result<(Secret, Secret), CryptoError> {
        Ok(derive(
            &self.signed_pre_key.agree(self.their_identity)?,
            &self.identity.agree(self.their_base)?,
            &self.signed_pre_key.agree(self.their_base)?,
            self.pre_key.map(|key| key.agree(self.their_base)).transpose()?.as_ref(),
        ))
    }
}

fn derive(
    identity_signed: &Secret,
    base_identity: &Secret,
    base_signed: &Secret,
    base_pre_key: Option<&Secret>,
) -> (Secret, Secret) {
    let mut input = Zeroizing::new([0xFF; 160]);
    let secrets = [Some(identity_signed), Some(base_identity), Some(base_signed), base_pre_key];
    let mut size = 32;
    for (slot, secret) in input.chunks_exact_mut(32).skip(1).zip(secrets.into_iter().flatten()) {
        slot.copy_from_slice(secret.as_slice());
        size += 32;
    }
    halves(&kdf::hkdf_array(input.split_at(size).0, &[], b"WhisperText"))
}
