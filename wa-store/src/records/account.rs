//! The account: all that one linked device is. Protocol: pairing, "Persist"; prekeys and devices, "Ids".

use std::fmt;

use prost::Message;
use wa_types::{Jid, KeyPair, PreKeyId, PrivateKey, PublicKey, RegistrationId, UnixSeconds};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::NctSalt;
use crate::error::StoreError;
use crate::jid_text;
use crate::store::StoreFuture;

/// All that one linked device is. Made before pairing with [`Account::new`], completed by it.
///
/// `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// The registration id that we announce with our keys.
    pub registration_id: RegistrationId,
    /// The static key of the connection's handshake.
    pub noise: KeyPair,
    /// Our Signal identity.
    pub identity: KeyPair,
    /// The secret in the QR code; the phone's signature is checked with it.
    pub adv_secret: AdvSecret,
    /// The current signed pre-key.
    pub signed_pre_key_id: PreKeyId,
    /// The id of the one-time pre-key that is made next.
    pub next_pre_key_id: PreKeyId,
    /// Whether the server has enough one-time pre-keys; false after pairing and when it says that they run low.
    pub server_has_pre_keys: bool,
    /// How often this device logged in.
    pub login_counter: u32,
    /// Our own device's phone number JID; `None` until paired.
    pub jid: Option<Jid>,
    /// Our own device's LID.
    pub lid: Option<Jid>,
    /// The name that others see.
    pub push_name: Option<String>,
    /// The platform of the phone.
    pub platform: Option<String>,
    /// The verified name of a business account.
    pub business_name: Option<String>,
    /// `ADVSignedDeviceIdentity` with the account key, as protobuf bytes; sent along with first messages.
    pub signed_device_identity: Option<Vec<u8>>,
    /// Our index in the phone's signed key index list.
    pub key_index: Option<u32>,
    /// Whether the account's chats are keyed by LID.
    pub lid_migrated: bool,
    /// Where the server wants the next connection to go; opaque.
    pub routing_info: Option<Vec<u8>>,
    /// What a resumed handshake needs to know of the server; opaque.
    pub server_certificate: Option<Vec<u8>>,
    /// The link was ended, here or on the phone: nothing but a new pairing helps.
    pub logged_out: bool,
    /// The server wants to hear nothing of this account before then.
    pub banned_until: Option<UnixSeconds>,
    /// When our keys were last compared with what the server has.
    pub keys_checked: Option<UnixSeconds>,
    /// From what tokens for users are made that gave us none; the phone gives it.
    pub nct_salt: Option<NctSalt>,
    /// Asked for when a blob of history is deleted.
    pub history_nonce: Option<String>,
}

impl Account {
    /// An account before pairing. The first one-time pre-key gets the id 1.
    #[must_use]
    pub const fn new(
        registration_id: RegistrationId,
        noise: KeyPair,
        identity: KeyPair,
        adv_secret: AdvSecret,
        signed_pre_key_id: PreKeyId,
    ) -> Self {
        Self {
            registration_id,
            noise,
            identity,
            adv_secret,
            signed_pre_key_id,
            next_pre_key_id: PreKeyId::FIRST,
            server_has_pre_keys: false,
            login_counter: 0,
            jid: None,
            lid: None,
            push_name: None,
            platform: None,
            business_name: None,
            signed_device_identity: None,
            key_index: None,
            lid_migrated: false,
            routing_info: None,
            server_certificate: None,
            logged_out: false,
            banned_until: None,
            keys_checked: None,
            nct_salt: None,
            history_nonce: None,
        }
    }

    /// Whether pairing completed.
    #[must_use]
    pub const fn is_paired(&self) -> bool {
        self.jid.is_some()
    }

    /// As bytes that [`Self::decode`] reads, in this version of the library and in later ones. They hold every
    /// secret of the account: wipe them after use.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let raw = RawAccount {
            registration_id: self.registration_id.0,
            noise_private: self.noise.private.as_bytes().to_vec(),
            noise_public: self.noise.public.as_bytes().to_vec(),
            identity_private: self.identity.private.as_bytes().to_vec(),
            identity_public: self.identity.public.as_bytes().to_vec(),
            adv_secret: self.adv_secret.0.to_vec(),
            signed_pre_key_id: self.signed_pre_key_id.get(),
            next_pre_key_id: self.next_pre_key_id.get(),
            server_has_pre_keys: self.server_has_pre_keys,
            login_counter: self.login_counter,
            jid: self.jid.as_ref().map(jid_text::write),
            lid: self.lid.as_ref().map(jid_text::write),
            push_name: self.push_name.clone(),
            platform: self.platform.clone(),
            business_name: self.business_name.clone(),
            signed_device_identity: self.signed_device_identity.clone(),
            key_index: self.key_index,
            lid_migrated: self.lid_migrated,
            routing_info: self.routing_info.clone(),
            server_certificate: self.server_certificate.clone(),
            logged_out: self.logged_out,
            banned_until: self.banned_until.map(|until| until.0),
            keys_checked: self.keys_checked.map(|at| at.0),
            nct_salt: self.nct_salt.as_ref().map(|salt| salt.as_bytes().to_vec()),
            history_nonce: self.history_nonce.clone(),
        };
        let raw = Wiped(raw);
        // One allocation of the final size: a growing one would leave copies of the secrets behind.
        let mut bytes = Vec::with_capacity(1 + raw.0.encoded_len());
        bytes.push(VERSION);
        raw.0.encode_raw(&mut bytes);
        bytes
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`StoreError::NewerVersion`] for bytes of a later version, [`StoreError::Corrupt`] for anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let raw = match bytes.split_first() {
            Some((&VERSION, rest)) => {
                Wiped(RawAccount::decode(rest).map_err(|error| StoreError::corrupt(WHAT, error))?)
            }
            Some((&found, _)) if found > VERSION => {
                return Err(StoreError::NewerVersion { found: found.into(), supported: VERSION.into() });
            }
            _ => return Err(bad()),
        };
        let raw = &raw.0;
        let pre_key_id = |id| PreKeyId::new(id).ok_or_else(bad);
        let jid = |text: &Option<String>| text.as_deref().map(|text| jid_text::read(text, WHAT)).transpose();
        Ok(Self {
            registration_id: RegistrationId(raw.registration_id),
            noise: key_pair(&raw.noise_private, &raw.noise_public)?,
            identity: key_pair(&raw.identity_private, &raw.identity_public)?,
            adv_secret: AdvSecret::new(*secret(&raw.adv_secret)?),
            signed_pre_key_id: pre_key_id(raw.signed_pre_key_id)?,
            next_pre_key_id: pre_key_id(raw.next_pre_key_id)?,
            server_has_pre_keys: raw.server_has_pre_keys,
            login_counter: raw.login_counter,
            jid: jid(&raw.jid)?,
            lid: jid(&raw.lid)?,
            push_name: raw.push_name.clone(),
            platform: raw.platform.clone(),
            business_name: raw.business_name.clone(),
            signed_device_identity: raw.signed_device_identity.clone(),
            key_index: raw.key_index,
            lid_migrated: raw.lid_migrated,
            routing_info: raw.routing_info.clone(),
            server_certificate: raw.server_certificate.clone(),
            logged_out: raw.logged_out,
            banned_until: raw.banned_until.map(UnixSeconds),
            keys_checked: raw.keys_checked.map(UnixSeconds),
            nct_salt: raw.nct_salt.clone().map(NctSalt::new),
            history_nonce: raw.history_nonce.clone(),
        })
    }
}

/// The 32 secret bytes in the QR code. Wiped on drop, compared without an early end, never shown.
#[derive(Clone, ZeroizeOnDrop)]
pub struct AdvSecret([u8; 32]);

impl AdvSecret {
    /// A secret from its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes. A secret: keep them out of logs and wipe copies.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for AdvSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).fold(0, |differences, (a, b)| differences | (a ^ b)) == 0
    }
}

impl Eq for AdvSecret {}

impl fmt::Debug for AdvSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdvSecret(..)")
    }
}

/// Reads the account. Written by [`Changes::put_account`](crate::Changes::put_account).
pub trait AccountReader {
    /// The account; `None` in a new or wiped store.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn account(&self) -> StoreFuture<'_, Option<Account>>;
}

const WHAT: &str = "account";

/// The format of [`Account::encode`]. Fields are added without a new version; a new one means that what older
/// versions would read is wrong.
const VERSION: u8 = 1;

const fn bad() -> StoreError {
    StoreError::Corrupt { what: WHAT, source: None }
}

fn key_pair(private: &[u8], public: &[u8]) -> Result<KeyPair, StoreError> {
    let public = PublicKey::from_raw(public).map_err(|error| StoreError::corrupt(WHAT, error))?;
    Ok(KeyPair { private: PrivateKey::new(*secret(private)?), public })
}

fn secret(bytes: &[u8]) -> Result<Zeroizing<[u8; 32]>, StoreError> {
    bytes.try_into().map(Zeroizing::new).map_err(|_| bad())
}

/// Wipes the secret parts when it goes. Not a `Drop` of the message itself, whose fields prost moves out.
struct Wiped(RawAccount);

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.noise_private.zeroize();
        self.0.identity_private.zeroize();
        self.0.adv_secret.zeroize();
        self.0.nct_salt.zeroize();
    }
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct RawAccount {
    #[prost(uint32, tag = "1")]
    registration_id: u32,
    #[prost(bytes = "vec", tag = "2")]
    noise_private: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    noise_public: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    identity_private: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    identity_public: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    adv_secret: Vec<u8>,
    #[prost(uint32, tag = "7")]
    signed_pre_key_id: u32,
    #[prost(uint32, tag = "8")]
    next_pre_key_id: u32,
    #[prost(bool, tag = "9")]
    server_has_pre_keys: bool,
    #[prost(uint32, tag = "10")]
    login_counter: u32,
    #[prost(string, optional, tag = "11")]
    jid: Option<String>,
    #[prost(string, optional, tag = "12")]
    lid: Option<String>,
    #[prost(string, optional, tag = "13")]
    push_name: Option<String>,
    #[prost(string, optional, tag = "14")]
    platform: Option<String>,
    #[prost(string, optional, tag = "15")]
    business_name: Option<String>,
    #[prost(bytes = "vec", optional, tag = "16")]
    signed_device_identity: Option<Vec<u8>>,
    #[prost(uint32, optional, tag = "17")]
    key_index: Option<u32>,
    #[prost(bool, tag = "18")]
    lid_migrated: bool,
    #[prost(bytes = "vec", optional, tag = "19")]
    routing_info: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "20")]
    server_certificate: Option<Vec<u8>>,
    #[prost(bool, tag = "21")]
    logged_out: bool,
    #[prost(uint64, optional, tag = "22")]
    banned_until: Option<u64>,
    #[prost(uint64, optional, tag = "23")]
    keys_checked: Option<u64>,
    #[prost(bytes = "vec", optional, tag = "25")]
    nct_salt: Option<Vec<u8>>,
    #[prost(string, optional, tag = "40")]
    history_nonce: Option<String>,
}

impl fmt::Debug for RawAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawAccount(..)")
    }
}
