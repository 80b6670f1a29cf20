//! The identity of a device: what the phone signs about a companion, and the companion's own signature on it.
//! Protocol: pairing, "pair-success", "Primary side" and "Key index lists".
//!
//! ```text
//! container   HMAC(secret of the QR code)
//! └─ signed   account key, account signature, device signature
//!    └─ details   DeviceIdentity: key index, account epoch, time
//! ```
//!
//! Signatures run over the received `details` bytes; they are never encoded again.

use prost::Message as _;
use subtle::ConstantTimeEq as _;
use wa_proto::adv::{
    AdvDeviceIdentity, AdvEncryptionType, AdvKeyIndexList, AdvSignedDeviceIdentity,
    AdvSignedDeviceIdentityHmac,
};
use wa_types::{KeyPair, PublicKey, Signature, UnixSeconds};

use super::key_index::SignedKeyIndexList;
use crate::crypto::{Random, kdf, xeddsa};

pub use wa_store::AdvSecret;

/// Who runs an account's devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum AccountType {
    /// Its user.
    #[default]
    Personal,
    /// Meta, for a business.
    Hosted,
}

impl AccountType {
    /// Anything but "hosted" counts as personal, what is absent too.
    pub(super) fn from_number(number: Option<i32>) -> Self {
        if number == Some(AdvEncryptionType::Hosted.into()) { Self::Hosted } else { Self::Personal }
    }

    /// Left out for personal accounts.
    const fn to_number(self) -> Option<i32> {
        match self {
            Self::Personal => None,
            Self::Hosted => Some(AdvEncryptionType::Hosted as i32),
        }
    }

    const fn account_prefix(self) -> [u8; 2] {
        match self {
            Self::Personal => [6, 0],
            Self::Hosted => [6, 5],
        }
    }

    const fn hmac_prefix(self) -> &'static [u8] {
        match self {
            Self::Personal => &[],
            Self::Hosted => &[6, 5],
        }
    }

    pub(super) const fn list_prefix(self) -> [u8; 2] {
        match self {
            Self::Personal => [6, 2],
            Self::Hosted => [6, 7],
        }
    }
}

/// What the phone says about a companion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceIdentity {
    /// The epoch of the account: another one after it was registered again.
    pub raw_id: u32,
    /// When the companion was linked.
    pub timestamp: UnixSeconds,
    /// Its place in the list of devices; never used twice in an epoch.
    pub key_index: u32,
    /// Who runs the account.
    pub account_type: AccountType,
    /// Who runs the device.
    pub device_type: AccountType,
}

impl DeviceIdentity {
    fn decode(details: &[u8]) -> Result<Self, prost::DecodeError> {
        let identity = AdvDeviceIdentity::decode(details)?;
        Ok(Self {
            raw_id: identity.raw_id(),
            timestamp: UnixSeconds(identity.timestamp()),
            key_index: identity.key_index(),
            account_type: AccountType::from_number(identity.account_type),
            device_type: AccountType::from_number(identity.device_type),
        })
    }

    fn encode(&self) -> Vec<u8> {
        AdvDeviceIdentity {
            raw_id: Some(self.raw_id),
            timestamp: Some(self.timestamp.0),
            key_index: Some(self.key_index),
            account_type: self.account_type.to_number(),
            device_type: self.device_type.to_number(),
        }
        .encode_to_vec()
    }
}

/// A device identity with the signatures on it.
///
/// The account key is absent where the reader knows it: in the reply to the server, and in what it hands to others.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedDeviceIdentity {
    /// The encoded [`DeviceIdentity`], as it was signed.
    pub details: Vec<u8>,
    /// The account's identity key: the key of the phone.
    pub account_key: Option<PublicKey>,
    /// By the account key, over details and the device's identity key.
    pub account_signature: Signature,
    /// By the device, over details and both keys; absent until the device signed.
    pub device_signature: Option<Signature>,
}

impl SignedDeviceIdentity {
    /// Reads a signed identity; nothing is verified.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`], also for keys and signatures of a wrong length.
    pub fn decode(bytes: &[u8]) -> Result<Self, IdentityError> {
        let signed = AdvSignedDeviceIdentity::decode(bytes).map_err(|_| IdentityError::Malformed)?;
        let signature = |bytes: &[u8]| Signature::from_slice(bytes).ok_or(IdentityError::Malformed);
        // The server blanks the key in some places where it trims it in others.
        let account_key = match signed.account_signature_key() {
            [] => None,
            key => Some(PublicKey::from_raw(key).map_err(|_| IdentityError::Malformed)?),
        };
        let device_signature = match signed.device_signature() {
            [] => None,
            bytes => Some(signature(bytes)?),
        };
        Ok(Self {
            account_key,
            account_signature: signature(signed.account_signature())?,
            device_signature,
            details: signed.details.ok_or(IdentityError::Malformed)?,
        })
    }

    /// The encoded identity, with the account key when it is here.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        AdvSignedDeviceIdentity {
            details: Some(self.details.clone()),
            account_signature_key: self.account_key.map(|key| key.as_bytes().to_vec()),
            account_signature: Some(self.account_signature.as_bytes().to_vec()),
            device_signature: self.device_signature.map(|signature| signature.as_bytes().to_vec()),
        }
        .encode_to_vec()
    }

    /// The same identity without the account key.
    #[must_use]
    pub fn without_account_key(&self) -> Self {
        Self { account_key: None, ..self.clone() }
    }

    /// What was signed.
    ///
    /// # Errors
    /// [`IdentityError::Malformed`].
    pub fn read_details(&self) -> Result<DeviceIdentity, IdentityError> {
        DeviceIdentity::decode(&self.details).map_err(|_| IdentityError::Malformed)
    }

    /// Whether `account` vouched for the device with this identity key, as an account of this type does.
    #[must_use]
    pub fn is_signed_by_account(
        &self,
        account: &PublicKey,
        device: &PublicKey,
        account_type: AccountType,
    ) -> bool {
        let message: [&[u8]; 3] = [&account_type.account_prefix(), &self.details, device.as_bytes()];
        xeddsa::verify(account, &message, &self.account_signature)
    }

    /// Whether the device with this identity key accepted that it belongs to `account`. Both prefixes count: clients
    /// disagree about hosted accounts.
    #[must_use]
    pub fn is_signed_by_device(&self, account: &PublicKey, device: &PublicKey) -> bool {
        self.device_signature.is_some_and(|signature| {
            DEVICE_PREFIXES.iter().any(|prefix| {
                xeddsa::verify(device, &self.device_message(prefix, account, device), &signature)
            })
        })
    }

    /// Signs as the device. Draws 64 random bytes.
    fn sign_as_device(&mut self, account: &PublicKey, device: &KeyPair, random: &mut impl Random) {
        // Hosted accounts too: most clients do so, and verifiers accept both.
        let [prefix, _] = &DEVICE_PREFIXES;
        let message = self.device_message(prefix, account, &device.public);
        self.device_signature = Some(xeddsa::sign(&device.private, &message, random));
    }

    fn device_message<'m>(
        &'m self,
        prefix: &'m [u8; 2],
        account: &'m PublicKey,
        device: &'m PublicKey,
    ) -> [&'m [u8]; 4] {
        [prefix, &self.details, device.as_bytes(), account.as_bytes()]
    }
}

/// A device that a phone linked: what the companion keeps, and what it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Linked {
    /// What the phone said about us.
    pub details: DeviceIdentity,
    /// The account's identity key: trust it as the identity of the own user's device 0.
    pub account_key: PublicKey,
    /// To store; its [`SignedDeviceIdentity::encode`] goes, account key included, into messages that open a session.
    pub identity: SignedDeviceIdentity,
}

impl Linked {
    /// The content of the reply's `device-identity`; its attribute `key-index` is the details' key index. Store
    /// [`Self::identity`] before it is sent: from then on the device exists.
    #[must_use]
    pub fn reply(&self) -> Vec<u8> {
        self.identity.without_account_key().encode()
    }
}

/// Checks the `device-identity` of a pair-success, and signs it as the device that it links. Draws 64 random bytes
/// when it is good.
///
/// # Errors
/// [`LinkError`]: answer with [`LinkError::refusal`] and keep nothing.
pub fn accept_link(
    container: &[u8],
    secret: &AdvSecret,
    device: &KeyPair,
    random: &mut impl Random,
) -> Result<Linked, LinkError> {
    if container.is_empty() || container.len() > MAX_CONTAINER_SIZE {
        return Err(LinkError::Size { size: container.len() });
    }
    let container = AdvSignedDeviceIdentityHmac::decode(container).map_err(|_| LinkError::Malformed)?;
    let account_type = AccountType::from_number(container.account_type);
    let expected = kdf::hmac_sha256(secret.as_bytes(), &[account_type.hmac_prefix(), container.details()]);
    if !bool::from(expected.ct_eq(container.hmac())) {
        return Err(LinkError::Hmac);
    }

    let malformed = |_: IdentityError| LinkError::Malformed;
    let mut identity = SignedDeviceIdentity::decode(container.details()).map_err(malformed)?;
    let details = identity.read_details().map_err(malformed)?;
    let account_key = identity.account_key.ok_or(LinkError::NoAccountKey)?;
    if !identity.is_signed_by_account(&account_key, &device.public, details.device_type) {
        return Err(LinkError::AccountSignature);
    }
    identity.sign_as_device(&account_key, device, random);
    Ok(Linked { details, account_key, identity })
}

/// Why a pair-success is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The device identity is empty or too long.
    #[error("a device identity of {size} bytes")]
    Size {
        /// Its size, bytes.
        size: usize,
    },
    /// The device identity is not what it should be.
    #[error("the device identity is malformed")]
    Malformed,
    /// Whoever made it did not know the secret: it was not made from our code.
    #[error("the device identity was not made with our secret")]
    Hmac,
    /// The device identity does not say which account it is of.
    #[error("the device identity has no account key")]
    NoAccountKey,
    /// The account did not sign it for our identity key.
    #[error("the account's signature does not verify")]
    AccountSignature,
}

impl LinkError {
    /// Code and text of the error to answer with.
    #[must_use]
    pub const fn refusal(self) -> (u16, &'static str) {
        match self {
            Self::Size { .. } | Self::Malformed => (500, "internal-error"),
            Self::Hmac => (401, "hmac-mismatch"),
            Self::NoAccountKey | Self::AccountSignature => (401, "signature-mismatch"),
        }
    }
}

/// By which key an account's signature was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Vouched {
    /// By the key that we know the account by.
    ByKnownKey,
    /// By the key that came along, which is not the one that we know, if we know any: it proves that all belongs
    /// together, not whose it is.
    ByEnclosedKey(PublicKey),
    /// Not at all: no key came along and we know none.
    Unchecked,
}

impl Vouched {
    /// Which key decides: the one that came along, else the one that we know.
    pub(super) fn choose(
        enclosed: Option<PublicKey>,
        known: Option<&PublicKey>,
    ) -> (Self, Option<PublicKey>) {
        match (enclosed, known) {
            (Some(enclosed), Some(known)) if enclosed == *known => (Self::ByKnownKey, Some(enclosed)),
            (Some(enclosed), _) => (Self::ByEnclosedKey(enclosed), Some(enclosed)),
            (None, Some(known)) => (Self::ByKnownKey, Some(*known)),
            (None, None) => (Self::Unchecked, None),
        }
    }
}

/// Checks the device identity that came with the keys of another user's companion. `known` is the stored identity of
/// that user's device 0. Not for device 0 itself, which has none.
///
/// # Errors
/// [`IdentityError`]: do not use the keys.
pub fn check_companion(
    identity: &SignedDeviceIdentity,
    device: &PublicKey,
    known: Option<&PublicKey>,
) -> Result<(DeviceIdentity, Vouched), IdentityError> {
    let details = identity.read_details()?;
    let (vouched, account) = Vouched::choose(identity.account_key, known);
    let Some(account) = account else { return Ok((details, vouched)) };
    let by_account = [AccountType::Personal, AccountType::Hosted]
        .into_iter()
        .any(|account_type| identity.is_signed_by_account(&account, device, account_type));
    if !by_account {
        return Err(IdentityError::AccountSignature);
    }
    if !identity.is_signed_by_device(&account, device) {
        return Err(IdentityError::DeviceSignature);
    }
    Ok((details, vouched))
}

/// Why a signed device identity is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The bytes are no signed device identity, or a part of it has a wrong length.
    #[error("the device identity is malformed")]
    Malformed,
    /// The account did not sign it for this device.
    #[error("the account's signature does not verify")]
    AccountSignature,
    /// The device did not sign it, or not for this account.
    #[error("the device's signature does not verify")]
    DeviceSignature,
}

/// The phone's side: signs companions and the list of them. For test servers and tools.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AccountSigner {
    /// The account's identity.
    pub key: KeyPair,
    /// The epoch of the account: a random number, another one after it was registered again.
    pub raw_id: u32,
    /// Who runs the account.
    pub account_type: AccountType,
}

impl AccountSigner {
    /// The signer of an account.
    #[must_use]
    pub const fn new(key: KeyPair, raw_id: u32, account_type: AccountType) -> Self {
        Self { key, raw_id, account_type }
    }

    /// Makes what the phone uploads to link the companion with this identity key: the content of `device-identity`.
    /// Draws 64 random bytes.
    #[must_use]
    pub fn link(
        &self,
        companion: &PublicKey,
        secret: &AdvSecret,
        key_index: u32,
        now: UnixSeconds,
        random: &mut impl Random,
    ) -> Vec<u8> {
        seal_identity(&self.sign_device(companion, key_index, now, random), secret, self.account_type)
    }

    /// Signs a companion's identity. Draws 64 random bytes.
    #[must_use]
    pub fn sign_device(
        &self,
        companion: &PublicKey,
        key_index: u32,
        now: UnixSeconds,
        random: &mut impl Random,
    ) -> SignedDeviceIdentity {
        let details = DeviceIdentity {
            raw_id: self.raw_id,
            timestamp: now,
            key_index,
            account_type: self.account_type,
            device_type: self.account_type,
        }
        .encode();
        let message: [&[u8]; 3] = [&self.account_type.account_prefix(), &details, companion.as_bytes()];
        let account_signature = xeddsa::sign(&self.key.private, &message, random);
        SignedDeviceIdentity {
            details,
            account_key: Some(self.key.public),
            account_signature,
            device_signature: None,
        }
    }

    /// Signs the list of devices: the content of `key-index-list`; its attribute `ts` is `now`. `valid` are the key
    /// indexes of the devices that live, 0 for the phone among them. Draws 64 random bytes.
    #[must_use]
    pub fn sign_key_indexes(
        &self,
        current: u32,
        valid: &[u32],
        now: UnixSeconds,
        random: &mut impl Random,
    ) -> SignedKeyIndexList {
        let details = AdvKeyIndexList {
            raw_id: Some(self.raw_id),
            timestamp: Some(now.0),
            current_index: Some(current),
            valid_indexes: valid.to_vec(),
            account_type: self.account_type.to_number(),
        }
        .encode_to_vec();
        let message: [&[u8]; 2] = [&self.account_type.list_prefix(), &details];
        let signature = xeddsa::sign(&self.key.private, &message, random);
        SignedKeyIndexList { details, account_key: None, signature }
    }
}

/// Encloses a signed identity with the HMAC of the secret: the content of `device-identity`.
#[must_use]
pub fn seal_identity(
    identity: &SignedDeviceIdentity,
    secret: &AdvSecret,
    account_type: AccountType,
) -> Vec<u8> {
    let details = identity.encode();
    let hmac = kdf::hmac_sha256(secret.as_bytes(), &[account_type.hmac_prefix(), &details]);
    AdvSignedDeviceIdentityHmac {
        details: Some(details),
        hmac: Some(hmac.to_vec()),
        account_type: account_type.to_number(),
    }
    .encode_to_vec()
}

/// The longest device identity of a pair-success.
const MAX_CONTAINER_SIZE: usize = 500;

/// In front of what a device signs; we sign with the first.
const DEVICE_PREFIXES: [[u8; 2]; 2] = [[6, 1], [6, 6]];
