//! Pre-keys: what lets others begin a session while we are away. Protocol: signal, "X3DH"; prekeys and devices.

use wa_types::{KeyPair, PreKeyId, PublicKey, RegistrationId, Signature};

use crate::crypto::{Random, curve25519, xeddsa};

/// A one-time pre-key of ours. Serves one session, then it is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreKey {
    /// The id by which messages name it.
    pub id: PreKeyId,
    /// The key pair.
    pub key_pair: KeyPair,
}

impl PreKey {
    /// A new key. Draws 32 random bytes.
    pub fn generate(id: PreKeyId, random: &mut impl Random) -> Self {
        Self { id, key_pair: curve25519::generate(random) }
    }
}

/// A signed pre-key of ours. Serves many sessions until it is rotated; the one before stays for messages in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPreKey {
    /// The id by which messages name it.
    pub id: PreKeyId,
    /// The key pair.
    pub key_pair: KeyPair,
    /// By our identity key, over the public key with its type byte.
    pub signature: Signature,
}

impl SignedPreKey {
    /// A new key, signed by our identity. Draws 32 random bytes for the key, then 64 for the signature.
    pub fn generate(id: PreKeyId, identity: &KeyPair, random: &mut impl Random) -> Self {
        let key_pair = curve25519::generate(random);
        let signature = xeddsa::sign(&identity.private, &[&key_pair.public.serialize()], random);
        Self { id, key_pair, signature }
    }
}

/// The public keys of a device, from which a session with it is begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreKeyBundle {
    /// Its registration id.
    pub registration_id: RegistrationId,
    /// Its identity key.
    pub identity: PublicKey,
    /// The id of its signed pre-key.
    pub signed_pre_key_id: PreKeyId,
    /// Its signed pre-key.
    pub signed_pre_key: PublicKey,
    /// By its identity key, over the signed pre-key.
    pub signature: Signature,
    /// A one-time pre-key; absent when the server ran out of them.
    pub pre_key: Option<(PreKeyId, PublicKey)>,
}

impl PreKeyBundle {
    /// Whether the identity key signed the signed pre-key.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        xeddsa::verify(&self.identity, &[&self.signed_pre_key.serialize()], &self.signature)
    }
}
