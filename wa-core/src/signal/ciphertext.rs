//! What stands in `enc` nodes, and what hands out sender keys. Protocol: signal, "Message layouts", "Sender keys".
//!
//! Parsing borrows from the received bytes and checks everything that can be checked without keys. Fields may come in
//! any order, unknown ones are skipped.

use std::fmt;

use subtle::ConstantTimeEq;
use wa_types::{PreKeyId, PublicKey, RegistrationId, Signature};
use zeroize::Zeroizing;

use super::VERSION;
use super::error::{MessageFault, SignalError};
use super::protobuf::{Fields, put_bytes, put_number, put_size, varint_len};
use super::ratchet::{MessageKeys, Secret};
use crate::crypto::{aes, kdf};

/// No message is larger: the length of a frame has three bytes.
const MAX_SIZE: usize = 1 << 24;
const MAC_SIZE: usize = 8;
const SIGNATURE_SIZE: usize = 64;

/// An encrypted message, ready for an `enc` node.
#[derive(Clone, PartialEq, Eq)]
pub struct Ciphertext {
    /// Its kind, the `type` of the node.
    pub kind: CiphertextKind,
    /// Its bytes, the content of the node.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Ciphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ciphertext({}, {} bytes)", self.kind.as_str(), self.bytes.len())
    }
}

/// The two kinds of message that a session makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CiphertextKind {
    /// A [`SignalMessage`]: both sides hold the session.
    Message,
    /// A [`PreKeySignalMessage`]: the other side has not answered yet, so the message carries what begins the session.
    PreKey,
}

impl CiphertextKind {
    /// The `type` of the `enc` node: `msg` or `pkmsg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Message => "msg",
            Self::PreKey => "pkmsg",
        }
    }
}

/// A parsed `msg`, borrowed from its bytes. [`SessionRecord::decrypt`](super::SessionRecord::decrypt) reads it.
#[derive(Clone, Copy)]
pub struct SignalMessage<'a> {
    /// Version byte and protobuf: what the MAC covers.
    covered: &'a [u8],
    mac: &'a [u8; MAC_SIZE],
    ratchet_key: PublicKey,
    counter: u32,
    ciphertext: &'a [u8],
}

impl<'a> SignalMessage<'a> {
    /// Reads version byte, protobuf and MAC.
    ///
    /// # Errors
    /// [`SignalError::InvalidMessage`], or [`SignalError::InvalidKey`] for the ratchet key.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SignalError> {
        let (covered, mac) =
            bytes.split_last_chunk().filter(|_| bytes.len() < MAX_SIZE).ok_or(MessageFault::Length)?;
        let mut fields = Fields::new(versioned(covered)?);
        let (mut ratchet_key, mut counter, mut ciphertext) = (None, None, None);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => ratchet_key = Some(value.bytes()?),
                2 => counter = Some(value.number()?),
                // 3, the length of the chain before, is ignored: some senders count it wrong.
                4 => ciphertext = Some(value.bytes()?),
                _ => {}
            }
        }
        Ok(Self {
            covered,
            mac,
            ratchet_key: public_key(ratchet_key.ok_or(MessageFault::Missing("ratchet key"))?)?,
            counter: counter.ok_or(MessageFault::Missing("counter"))?,
            ciphertext: ciphertext.ok_or(MessageFault::Missing("ciphertext"))?,
        })
    }

    /// The sender's ratchet key, which names the chain.
    #[must_use]
    pub const fn ratchet_key(&self) -> &PublicKey {
        &self.ratchet_key
    }

    /// The message's place in its chain, from 0.
    #[must_use]
    pub const fn counter(&self) -> u32 {
        self.counter
    }

    /// What the message key encrypted, as it is on the wire.
    #[must_use]
    pub const fn ciphertext(&self) -> &'a [u8] {
        self.ciphertext
    }

    /// Checks the MAC, then decrypts.
    pub(super) fn open(
        &self,
        keys: &MessageKeys,
        sender: &PublicKey,
        receiver: &PublicKey,
    ) -> Result<Vec<u8>, SignalError> {
        let mac = mac(keys, sender, receiver, self.covered);
        if !bool::from(mac.ct_eq(self.mac)) {
            return Err(SignalError::BadMac);
        }
        Ok(aes::cbc_decrypt(keys.cipher(), keys.iv(), self.ciphertext)?)
    }
}

impl fmt::Debug for SignalMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignalMessage({:?}, counter {})", self.ratchet_key, self.counter)
    }
}

/// What a session writes into a [`SignalMessage`].
pub(super) struct MessageParts<'a> {
    pub(super) ratchet_key: &'a PublicKey,
    pub(super) counter: u32,
    pub(super) previous_counter: u32,
    pub(super) keys: &'a MessageKeys,
    pub(super) sender: &'a PublicKey,
    pub(super) receiver: &'a PublicKey,
    pub(super) plaintext: &'a [u8],
}

impl MessageParts<'_> {
    /// How many bytes [`Self::write`] appends.
    pub(super) fn size(&self) -> usize {
        let ciphertext = aes::cbc_encrypted_len(self.plaintext.len());
        let ciphertext_len = varint_len(u32::try_from(ciphertext).unwrap_or(u32::MAX));
        let numbers = varint_len(self.counter) + varint_len(self.previous_counter);
        1 + 35 + 2 + numbers + 1 + ciphertext_len + ciphertext + MAC_SIZE
    }

    /// Appends the whole message.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.push(VERSION);
        put_bytes(out, 1, &self.ratchet_key.serialize());
        put_number(out, 2, self.counter);
        put_number(out, 3, self.previous_counter);
        put_size(out, 4, aes::cbc_encrypted_len(self.plaintext.len()));
        aes::cbc_encrypt_append(self.keys.cipher(), self.keys.iv(), self.plaintext, out);
        let mac = mac(self.keys, self.sender, self.receiver, out.split_at(start).1);
        out.extend_from_slice(&mac);
    }
}

fn mac(keys: &MessageKeys, sender: &PublicKey, receiver: &PublicKey, covered: &[u8]) -> [u8; MAC_SIZE] {
    let mac = kdf::hmac_sha256(keys.mac(), &[&sender.serialize(), &receiver.serialize(), covered]);
    *mac.first_chunk().expect("a SHA-256 MAC begins with 8 bytes")
}

/// A parsed `pkmsg`, borrowed from its bytes: a [`SignalMessage`], and what begins its session.
/// [`SessionRecord::decrypt_pre_key`](super::SessionRecord::decrypt_pre_key) reads it.
///
/// Nothing but the inner message is authenticated: who changes registration id or pre-key ids on the way may make it
/// fail, and the registration id of a new session is the sender's word.
#[derive(Clone, Copy)]
pub struct PreKeySignalMessage<'a> {
    pub(super) pre_key_number: Option<u32>,
    pub(super) signed_pre_key_number: u32,
    base_key: PublicKey,
    identity_key: PublicKey,
    registration_id: RegistrationId,
    message: SignalMessage<'a>,
}

impl<'a> PreKeySignalMessage<'a> {
    /// Reads version byte and protobuf, with the message inside.
    ///
    /// # Errors
    /// [`SignalError::InvalidMessage`], or [`SignalError::InvalidKey`] for one of the three keys.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SignalError> {
        if bytes.len() >= MAX_SIZE {
            return Err(MessageFault::Length.into());
        }
        let mut fields = Fields::new(versioned(bytes)?);
        let (mut pre_key_number, mut signed_pre_key_number, mut registration_id) = (None, None, 0);
        let (mut base_key, mut identity_key, mut message) = (None, None, None);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => pre_key_number = Some(value.number()?),
                2 => base_key = Some(value.bytes()?),
                3 => identity_key = Some(value.bytes()?),
                4 => message = Some(value.bytes()?),
                5 => registration_id = value.number()?,
                6 => signed_pre_key_number = Some(value.number()?),
                _ => {}
            }
        }
        Ok(Self {
            pre_key_number,
            signed_pre_key_number: signed_pre_key_number.ok_or(MessageFault::Missing("signed pre-key id"))?,
            base_key: canonical(public_key(base_key.ok_or(MessageFault::Missing("base key"))?)?),
            identity_key: public_key(identity_key.ok_or(MessageFault::Missing("identity key"))?)?,
            registration_id: RegistrationId(registration_id),
            message: SignalMessage::parse(message.ok_or(MessageFault::Missing("message"))?)?,
        })
    }

    /// The one-time pre-key to load for it. `None` when it uses none, or names a number that is no id of ours: then
    /// decryption fails with [`SignalError::InvalidPreKeyId`].
    #[must_use]
    pub fn pre_key_id(&self) -> Option<PreKeyId> {
        self.pre_key_number.and_then(PreKeyId::new)
    }

    /// The signed pre-key to load for it. `None` for a number that is no id of ours: then decryption fails with
    /// [`SignalError::InvalidSignedPreKeyId`].
    #[must_use]
    pub const fn signed_pre_key_id(&self) -> Option<PreKeyId> {
        PreKeyId::new(self.signed_pre_key_number)
    }

    /// The initiator's base key, which names the session; without the top bit that no computation reads.
    #[must_use]
    pub const fn base_key(&self) -> &PublicKey {
        &self.base_key
    }

    /// The sender's identity key. Proven once the message decrypts.
    #[must_use]
    pub const fn identity_key(&self) -> &PublicKey {
        &self.identity_key
    }

    /// The sender's registration id, 0 when absent.
    #[must_use]
    pub const fn registration_id(&self) -> RegistrationId {
        self.registration_id
    }

    /// The message inside.
    #[must_use]
    pub const fn message(&self) -> &SignalMessage<'a> {
        &self.message
    }
}

impl fmt::Debug for PreKeySignalMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PreKeySignalMessage({:?}, {:?})", self.base_key, self.message)
    }
}

/// What a session writes around a message while the other side has not answered.
pub(super) struct PreKeyParts<'a> {
    pub(super) pre_key_id: Option<PreKeyId>,
    pub(super) signed_pre_key_id: PreKeyId,
    pub(super) base_key: &'a PublicKey,
    pub(super) registration_id: RegistrationId,
    pub(super) message: MessageParts<'a>,
}

impl PreKeyParts<'_> {
    /// The whole `pkmsg`.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let size = self.message.size();
        // The head: at most three numbers of 6 bytes, two keys of 35, the length of the message.
        let mut out = Vec::with_capacity(size + 1 + 3 * 6 + 2 * 35 + 6);
        out.push(VERSION);
        if let Some(id) = self.pre_key_id {
            put_number(&mut out, 1, id.get());
        }
        put_bytes(&mut out, 2, &self.base_key.serialize());
        put_bytes(&mut out, 3, &self.message.sender.serialize());
        put_size(&mut out, 4, size);
        self.message.write(&mut out);
        put_number(&mut out, 5, self.registration_id.0);
        put_number(&mut out, 6, self.signed_pre_key_id.get());
        out
    }
}

/// A parsed `skmsg`, borrowed from its bytes. [`SenderKeyRecord::decrypt`](super::SenderKeyRecord::decrypt) reads it.
#[derive(Clone, Copy)]
pub struct SenderKeyMessage<'a> {
    /// Version byte and protobuf: what the signature covers.
    pub(super) covered: &'a [u8],
    pub(super) signature: Signature,
    pub(super) ciphertext: &'a [u8],
    key_id: u32,
    iteration: u32,
}

impl<'a> SenderKeyMessage<'a> {
    /// Reads version byte, protobuf and signature.
    ///
    /// # Errors
    /// [`SignalError::InvalidMessage`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, SignalError> {
        let (covered, signature) = bytes
            .split_last_chunk::<SIGNATURE_SIZE>()
            .filter(|_| bytes.len() < MAX_SIZE)
            .ok_or(MessageFault::Length)?;
        let mut fields = Fields::new(versioned(covered)?);
        let (mut key_id, mut iteration, mut ciphertext) = (None, None, None);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => key_id = Some(value.number()?),
                2 => iteration = Some(value.number()?),
                3 => ciphertext = Some(value.bytes()?),
                _ => {}
            }
        }
        Ok(Self {
            covered,
            signature: Signature::new(*signature),
            key_id: key_id.ok_or(MessageFault::Missing("key id"))?,
            iteration: iteration.ok_or(MessageFault::Missing("iteration"))?,
            ciphertext: ciphertext.ok_or(MessageFault::Missing("ciphertext"))?,
        })
    }

    /// Which of the sender's keys it uses.
    #[must_use]
    pub const fn key_id(&self) -> u32 {
        self.key_id
    }

    /// The message's place in the key's chain.
    #[must_use]
    pub const fn iteration(&self) -> u32 {
        self.iteration
    }

    /// Version byte and protobuf of a message, with room for the signature.
    pub(super) fn unsigned(
        key_id: u32,
        iteration: u32,
        cipher: &[u8; 32],
        iv: &[u8; 16],
        plaintext: &[u8],
    ) -> Vec<u8> {
        let size = aes::cbc_encrypted_len(plaintext.len());
        let mut out = Vec::with_capacity(1 + 3 * 6 + size + SIGNATURE_SIZE);
        out.push(VERSION);
        put_number(&mut out, 1, key_id);
        put_number(&mut out, 2, iteration);
        put_size(&mut out, 3, size);
        aes::cbc_encrypt_append(cipher, iv, plaintext, &mut out);
        out
    }
}

impl fmt::Debug for SenderKeyMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SenderKeyMessage(key {}, iteration {})", self.key_id, self.iteration)
    }
}

/// A sender key on its way to a member of the group. Only believed when it came in a message of a session with the
/// device whose key it is.
#[derive(Clone)]
pub struct SenderKeyDistribution {
    pub(super) key_id: u32,
    pub(super) iteration: u32,
    pub(super) chain_key: Secret,
    pub(super) signing_key: PublicKey,
}

impl SenderKeyDistribution {
    /// Reads the bytes of `axolotlSenderKeyDistributionMessage`.
    ///
    /// # Errors
    /// [`SignalError::InvalidMessage`], or [`SignalError::InvalidKey`] for the signing key.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignalError> {
        let mut fields = Fields::new(versioned(bytes)?);
        let (mut key_id, mut iteration, mut chain_key, mut signing_key) = (None, None, None, None);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => key_id = Some(value.number()?),
                2 => iteration = Some(value.number()?),
                3 => chain_key = Some(value.bytes()?),
                4 => signing_key = Some(value.bytes()?),
                _ => {}
            }
        }
        let chain_key = chain_key.ok_or(MessageFault::Missing("chain key"))?;
        let signing_key = signing_key.ok_or(MessageFault::Missing("signing key"))?;
        Ok(Self {
            key_id: key_id.ok_or(MessageFault::Missing("key id"))?,
            iteration: iteration.ok_or(MessageFault::Missing("iteration"))?,
            chain_key: chain_key.try_into().map(Zeroizing::new).map_err(|_| SignalError::InvalidKey)?,
            // Some senders leave the type byte out.
            signing_key: PublicKey::from_raw(signing_key).or_else(|_| public_key(signing_key))?,
        })
    }

    /// The bytes for `axolotlSenderKeyDistributionMessage`. A secret.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1 + 2 * 6 + 34 + 35);
        out.push(VERSION);
        put_number(&mut out, 1, self.key_id);
        put_number(&mut out, 2, self.iteration);
        put_bytes(&mut out, 3, self.chain_key.as_slice());
        put_bytes(&mut out, 4, &self.signing_key.serialize());
        out
    }

    /// The id of the key.
    #[must_use]
    pub const fn key_id(&self) -> u32 {
        self.key_id
    }

    /// The first message that it can read.
    #[must_use]
    pub const fn iteration(&self) -> u32 {
        self.iteration
    }
}

impl fmt::Debug for SenderKeyDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SenderKeyDistribution(key {}, iteration {})", self.key_id, self.iteration)
    }
}

/// Checks the version byte and returns what follows.
fn versioned(bytes: &[u8]) -> Result<&[u8], MessageFault> {
    let (&byte, rest) = bytes.split_first().ok_or(MessageFault::Length)?;
    match byte >> 4 {
        3 => Ok(rest),
        version @ ..3 => Err(MessageFault::LegacyVersion(version)),
        version => Err(MessageFault::UnknownVersion(version)),
    }
}

fn public_key(bytes: &[u8]) -> Result<PublicKey, SignalError> {
    PublicKey::from_serialized(bytes).map_err(|_| SignalError::InvalidKey)
}

/// Two spellings of one key must not be two names of one session.
fn canonical(key: PublicKey) -> PublicKey {
    let mut bytes = *key.as_bytes();
    bytes[31] &= 0x7F;
    PublicKey::new(bytes)
}
