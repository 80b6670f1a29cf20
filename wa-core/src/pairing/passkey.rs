//! Linking that a passkey vouches for, both sides. Protocol: pairing, "Passkey-gated linking".
//!
//! ```text
//! companion                                        primary (the phone)
//! Prologue::new
//!   └─ payload ── passkey_prologue, assertion ───> Challenge::new
//!                                                    └─ PrimaryEphemeral
//! Prologue::meet <── crsc_continuation ───────────┘
//!   └─ nonce ──── companion_nonce ────────────────> Challenge::meet
//!   └─ Meeting::code     shown on both, compared by the user     └─ Meeting::code
//! Meeting::seal ── encrypted_pairing_request ─────> Meeting::open
//! ```
//!
//! The nonce is committed to before the phone's half is known, and revealed after it: nobody in between can choose
//! halves that lead to the same code.

use std::fmt;

use prost::Message as _;
use wa_proto::companion_reg::{
    CompanionCommitment, CompanionEphemeralIdentity, EncryptedPairingRequest, PairingRequest,
    PrimaryEphemeralIdentity, ProloguePayload,
};
use wa_types::{KeyPair, PublicKey};
use zeroize::Zeroizing;

use super::adv::AdvSecret;
use super::code::PairingCode;
use crate::crypto::{CryptoError, Random, aes, curve25519, kdf};

const KEY_INFO: &[u8] = b"Pairing Information Encryption Key";
const HANDOFF_INFO: &[u8] = b"shortcake-passkey-handoff-v1";

/// The companion's first half.
pub struct Prologue {
    ephemeral: KeyPair,
    nonce: Zeroizing<[u8; 32]>,
    device_type: i32,
    reference: String,
    payload: Vec<u8>,
}

impl Prologue {
    /// A beginning for the server's `reference`; `device_type` is the number of the profile's platform. Draws 64
    /// random bytes.
    pub fn new(reference: impl Into<String>, device_type: i32, random: &mut impl Random) -> Self {
        let reference = reference.into();
        let ephemeral = curve25519::generate(random);
        let nonce = Zeroizing::new(random.array());
        let identity = CompanionEphemeralIdentity {
            public_key: Some(ephemeral.public.as_bytes().to_vec()),
            device_type: Some(device_type),
            r#ref: Some(reference.clone()),
        }
        .encode_to_vec();
        let hash = kdf::sha256(&[&identity, nonce.as_slice()]).to_vec();
        let payload = ProloguePayload {
            companion_ephemeral_identity: Some(identity),
            commitment: Some(CompanionCommitment { hash: Some(hash) }),
        }
        .encode_to_vec();
        Self { ephemeral, nonce, device_type, reference, payload }
    }

    /// The `prologue_payload`.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The `companion_nonce`: to be sent only once the phone's half has come.
    #[must_use]
    pub fn nonce(&self) -> &[u8; 32] {
        &self.nonce
    }

    /// Joins the phone's half.
    ///
    /// # Errors
    /// [`CryptoError::WeakKey`].
    pub fn meet(&self, primary: &PrimaryEphemeral) -> Result<Meeting, CryptoError> {
        let shared = curve25519::agree(&self.ephemeral.private, &primary.key)?;
        Ok(Meeting::new(&shared, &self.nonce, primary, self.device_type, &self.reference))
    }
}

impl fmt::Debug for Prologue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prologue(..)")
    }
}

/// The phone's half: its key and its nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrimaryEphemeral {
    key: PublicKey,
    nonce: [u8; 32],
}

impl PrimaryEphemeral {
    /// Reads a `primary_ephemeral_identity`.
    ///
    /// # Errors
    /// [`PasskeyError::Malformed`], also for a key or nonce of a wrong length.
    pub fn decode(bytes: &[u8]) -> Result<Self, PasskeyError> {
        let identity = PrimaryEphemeralIdentity::decode(bytes).map_err(|_| PasskeyError::Malformed)?;
        Ok(Self {
            key: PublicKey::from_raw(identity.public_key()).map_err(|_| PasskeyError::Malformed)?,
            nonce: identity.nonce().try_into().map_err(|_| PasskeyError::Malformed)?,
        })
    }

    /// The encoded `primary_ephemeral_identity`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        PrimaryEphemeralIdentity {
            public_key: Some(self.key.as_bytes().to_vec()),
            nonce: Some(self.nonce.to_vec()),
        }
        .encode_to_vec()
    }
}

/// Both halves: a code to compare, and a key for what the companion tells the phone.
pub struct Meeting {
    code: PairingCode,
    key: Zeroizing<[u8; 32]>,
}

/// What the companion tells the phone, so that it can link it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompanionKeys {
    /// The companion's Noise static key.
    pub noise_key: PublicKey,
    /// The companion's identity key.
    pub identity_key: PublicKey,
    /// The pair-success is made with it.
    pub secret: AdvSecret,
}

impl CompanionKeys {
    /// These keys.
    #[must_use]
    pub const fn new(noise_key: PublicKey, identity_key: PublicKey, secret: AdvSecret) -> Self {
        Self { noise_key, identity_key, secret }
    }
}

impl Meeting {
    fn new(
        shared: &[u8; 32],
        nonce: &[u8; 32],
        primary: &PrimaryEphemeral,
        device_type: i32,
        reference: &str,
    ) -> Self {
        let salt = format!("Companion Pairing {device_type} with ref {reference}");
        let hash = kdf::sha256(&[nonce, primary.key.as_bytes()]);
        let mut bits = [0; 5];
        for (bit, (a, b)) in bits.iter_mut().zip(primary.nonce.iter().zip(hash)) {
            *bit = a ^ b;
        }
        Self { code: PairingCode::from_bits(bits), key: kdf::hkdf_array(shared, salt.as_bytes(), KEY_INFO) }
    }

    /// The code that both screens show.
    #[must_use]
    pub const fn code(&self) -> &PairingCode {
        &self.code
    }

    /// The `encrypted_pairing_request`. Draws 12 random bytes.
    #[must_use]
    pub fn seal(&self, keys: &CompanionKeys, random: &mut impl Random) -> Vec<u8> {
        let request = PairingRequest {
            companion_public_key: Some(keys.noise_key.as_bytes().to_vec()),
            companion_identity_key: Some(keys.identity_key.as_bytes().to_vec()),
            adv_secret: Some(keys.secret.as_bytes().to_vec()),
        };
        let iv: [u8; 12] = random.array();
        // Sized for the tag: growing would leave a copy of the secret behind.
        let mut sealed = Vec::with_capacity(request.encoded_len() + aes::TAG_SIZE);
        request.encode_raw(&mut sealed);
        if let Some(secret) = request.adv_secret {
            drop(Zeroizing::new(secret));
        }
        aes::GcmKey::new(&self.key).seal(iv, &[], &mut sealed, 0);
        EncryptedPairingRequest { encrypted_payload: Some(sealed), iv: Some(iv.to_vec()) }.encode_to_vec()
    }

    /// Opens an `encrypted_pairing_request`, as the phone does.
    ///
    /// # Errors
    /// [`PasskeyError`].
    pub fn open(&self, request: &[u8]) -> Result<CompanionKeys, PasskeyError> {
        let request = EncryptedPairingRequest::decode(request).map_err(|_| PasskeyError::Malformed)?;
        let iv: [u8; 12] = request.iv().try_into().map_err(|_| PasskeyError::Malformed)?;
        let mut sealed = Zeroizing::new(request.encrypted_payload.unwrap_or_default());
        let plain = aes::GcmKey::new(&self.key).open(iv, &[], &mut sealed);
        let request = PairingRequest::decode(&*plain.map_err(|_| PasskeyError::OtherKey)?);
        let request = request.map_err(|_| PasskeyError::Malformed)?;
        let key = |bytes: &[u8]| PublicKey::from_raw(bytes).map_err(|_| PasskeyError::Malformed);
        let keys = (key(request.companion_public_key())?, key(request.companion_identity_key())?);
        let secret = Zeroizing::new(request.adv_secret.unwrap_or_default());
        let secret: [u8; 32] = secret.as_slice().try_into().map_err(|_| PasskeyError::Malformed)?;
        Ok(CompanionKeys::new(keys.0, keys.1, AdvSecret::new(secret)))
    }
}

impl fmt::Debug for Meeting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Meeting(..)")
    }
}

/// The phone's side after the companion's prologue: it knows the commitment, not the nonce.
pub struct Challenge {
    ephemeral: KeyPair,
    primary: PrimaryEphemeral,
    companion: PublicKey,
    device_type: i32,
    reference: String,
    identity: Vec<u8>,
    commitment: Vec<u8>,
}

impl Challenge {
    /// Reads a `prologue_payload` and makes the phone's half. Draws 64 random bytes.
    ///
    /// # Errors
    /// [`PasskeyError::Malformed`].
    pub fn new(payload: &[u8], random: &mut impl Random) -> Result<Self, PasskeyError> {
        let payload = ProloguePayload::decode(payload).map_err(|_| PasskeyError::Malformed)?;
        let bytes = payload.companion_ephemeral_identity.unwrap_or_default();
        let identity =
            CompanionEphemeralIdentity::decode(bytes.as_slice()).map_err(|_| PasskeyError::Malformed)?;
        let companion = PublicKey::from_raw(identity.public_key()).map_err(|_| PasskeyError::Malformed)?;
        let ephemeral = curve25519::generate(random);
        let primary = PrimaryEphemeral { key: ephemeral.public, nonce: random.array() };
        Ok(Self {
            ephemeral,
            primary,
            companion,
            device_type: identity.device_type.unwrap_or_default(),
            reference: identity.r#ref.unwrap_or_default(),
            identity: bytes,
            commitment: payload.commitment.and_then(|commitment| commitment.hash).unwrap_or_default(),
        })
    }

    /// The phone's half, for the companion.
    #[must_use]
    pub const fn primary(&self) -> &PrimaryEphemeral {
        &self.primary
    }

    /// The server's reference that the companion named.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// Joins the companion's nonce, if it is the one that it committed to.
    ///
    /// # Errors
    /// [`PasskeyError::OtherNonce`], [`PasskeyError::OtherKey`].
    pub fn meet(&self, nonce: &[u8; 32]) -> Result<Meeting, PasskeyError> {
        if kdf::sha256(&[&self.identity, nonce]).as_slice() != self.commitment.as_slice() {
            return Err(PasskeyError::OtherNonce);
        }
        let shared = curve25519::agree(&self.ephemeral.private, &self.companion)
            .map_err(|_| PasskeyError::OtherKey)?;
        Ok(Meeting::new(&shared, nonce, &self.primary, self.device_type, &self.reference))
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenge(..)")
    }
}

/// Proves that this installation was linked before, with the secret of that link: the user need not compare codes then.
/// Good for five minutes after the secret was replaced.
#[must_use]
pub fn handoff_proof(previous: &AdvSecret, payload: &[u8]) -> [u8; 32] {
    let key = kdf::hkdf_array::<32>(previous.as_bytes(), &[], HANDOFF_INFO);
    kdf::hmac_sha256(key.as_slice(), &[payload])
}

/// What is wrong with the other side's part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasskeyError {
    /// Not what it must be, or a part of a wrong length.
    #[error("the other side's part is malformed")]
    Malformed,
    /// The nonce is not the one that was committed to.
    #[error("the nonce is not the one that was committed to")]
    OtherNonce,
    /// It was made for another key.
    #[error("it was made for another key")]
    OtherKey,
}
