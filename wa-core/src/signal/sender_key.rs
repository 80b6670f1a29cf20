//! One sender's messages to a group: our own key, and the keys of others. Protocol: signal, "Sender keys".

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

use wa_types::PublicKey;
use zeroize::Zeroizing;

use super::ciphertext::{SenderKeyDistribution, SenderKeyMessage};
use super::codec::{Reader, RecordError, Writer};
use super::error::SignalError;
use super::ratchet::{Chain, ReceivingChain, Seed};
use crate::crypto::xeddsa::{SigningKey, VerifyingKey};
use crate::crypto::{Random, aes, curve25519, kdf};

/// How far ahead in a chain a message may be.
const FORWARD_LIMIT: u32 = 2000;
/// How many keys of one sender are kept; the oldest go first.
const MAX_STATES: usize = 5;
const OWN_KIND: u8 = b'O';
const KIND: u8 = b'K';
const FORMAT: u8 = 1;

/// The key with which we send to one group. Kept per group and own address; made anew when a member leaves.
pub struct OwnSenderKey {
    key_id: u32,
    chain: Chain,
    signing: SigningKey,
    signing_public: PublicKey,
}

impl OwnSenderKey {
    /// A new key. Draws its id (4 bytes), chain key (32) and signing key (32).
    pub fn generate(random: &mut impl Random) -> Self {
        let key_id = (u32::from_be_bytes(random.array()) & 0x7FFF_FFFF).max(1);
        let chain = Chain::new(Zeroizing::new(random.array()), 0);
        let pair = curve25519::generate(random);
        Self { key_id, chain, signing: SigningKey::new(pair.private), signing_public: pair.public }
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`RecordError`] when the bytes are damaged or of another kind.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes, OWN_KIND, FORMAT)?;
        let key = Self {
            key_id: reader.u32()?,
            chain: Chain::read(&mut reader)?,
            signing_public: reader.public()?,
            signing: SigningKey::from_parts(reader.private()?, *reader.array()?),
        };
        reader.finish()?;
        Ok(key)
    }

    /// The key's bytes: secrets.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new(OWN_KIND, FORMAT, 4 + Chain::SIZE + 3 * 32);
        writer.u32(self.key_id);
        self.chain.write(&mut writer);
        writer.bytes(self.signing_public.as_bytes());
        writer.bytes(self.signing.private().as_bytes());
        writer.bytes(self.signing.edwards());
        writer.finish()
    }

    /// What lets a member read from the next message on. Take it **before** encrypting the message that it goes out
    /// with.
    #[must_use]
    pub fn distribution(&self) -> SenderKeyDistribution {
        SenderKeyDistribution {
            key_id: self.key_id,
            iteration: self.chain.index(),
            chain_key: self.chain.key().clone(),
            signing_key: self.signing_public,
        }
    }

    /// Encrypts a padded message: the bytes of an `skmsg`. Draws 64 bytes for the signature. Store the key before the
    /// bytes leave the process.
    ///
    /// # Errors
    /// [`SignalError::InvalidSession`] after 2³² messages.
    pub fn encrypt(&mut self, plaintext: &[u8], random: &mut impl Random) -> Result<Vec<u8>, SignalError> {
        let iteration = self.chain.index();
        let seed = self.chain.step().ok_or(SignalError::InvalidSession)?;
        let keys = GroupKeys::new(&seed);
        let mut out = SenderKeyMessage::unsigned(self.key_id, iteration, keys.cipher(), keys.iv(), plaintext);
        let signature = self.signing.sign(&[&out], random);
        out.extend_from_slice(signature.as_bytes());
        Ok(out)
    }

    /// The key's id.
    #[must_use]
    pub const fn key_id(&self) -> u32 {
        self.key_id
    }

    /// The place of the next message.
    #[must_use]
    pub const fn iteration(&self) -> u32 {
        self.chain.index()
    }
}

impl fmt::Debug for OwnSenderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnSenderKey(key {}, iteration {})", self.key_id, self.chain.index())
    }
}

/// The keys with which another device sends to one group: at most 5, newest first, so that messages of an older key
/// can still be read. Kept per group and address; a new record holds none.
///
/// Every method that fails leaves the record as it was.
#[derive(Default)]
pub struct SenderKeyRecord {
    states: VecDeque<State>,
}

struct State {
    key_id: u32,
    /// What was sent before we were given the key, or before it moved ahead: never readable with it.
    missed: Range<u32>,
    signing: PublicKey,
    verifying: VerifyingKey,
    chain: ReceivingChain,
}

impl SenderKeyRecord {
    /// A record without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads what [`Self::encode`] wrote.
    ///
    /// # Errors
    /// [`RecordError`] when the bytes are damaged or of another kind.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut reader = Reader::new(bytes, KIND, FORMAT)?;
        let count = usize::from(reader.u8()?);
        if count > MAX_STATES {
            return Err(RecordError::Invalid("number of sender keys"));
        }
        let states = (0..count).map(|_| State::read(&mut reader)).collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self { states })
    }

    /// The record's bytes: secrets, and the same for the same record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let size = self.states.iter().map(State::size).sum::<usize>() + 1;
        let mut writer = Writer::new(KIND, FORMAT, size);
        writer.count(self.states.len());
        self.states.iter().for_each(|state| state.write(&mut writer));
        writer.finish()
    }

    /// Takes in a key that arrived in a message from that device itself. A key that is here already stays as it is,
    /// with what it skipped; only when it is too far behind to follow does it move ahead.
    ///
    /// # Errors
    /// [`SignalError::InvalidKey`] when no signature can be by its signing key.
    pub fn process(&mut self, distribution: &SenderKeyDistribution) -> Result<(), SignalError> {
        let SenderKeyDistribution { key_id, iteration, signing_key, .. } = *distribution;
        let chain = Chain::new(distribution.chain_key.clone(), iteration);
        let known = self.states.iter_mut().find(|state| state.key_id == key_id);
        if let Some(state) = known.filter(|state| state.signing == signing_key) {
            if iteration.saturating_sub(state.chain.index()) > FORWARD_LIMIT {
                state.missed = state.chain.index()..iteration;
                state.chain.jump(chain);
            }
            return Ok(());
        }
        let verifying = VerifyingKey::new(&signing_key).ok_or(SignalError::InvalidKey)?;
        self.states.retain(|state| state.key_id != key_id);
        self.states.truncate(MAX_STATES - 1);
        let chain = ReceivingChain::new(chain);
        self.states.push_front(State {
            key_id,
            missed: 0..iteration,
            signing: signing_key,
            verifying,
            chain,
        });
        Ok(())
    }

    /// Decrypts an `skmsg`. The message is still in its padding.
    ///
    /// # Errors
    /// In this order: [`SignalError::NoSenderKey`], [`SignalError::InvalidSignature`], [`SignalError::Duplicate`],
    /// [`SignalError::BeforeSenderKey`] or [`SignalError::TooFarInFuture`], [`SignalError::InvalidMessage`].
    pub fn decrypt(&mut self, message: &SenderKeyMessage<'_>) -> Result<Vec<u8>, SignalError> {
        let key_id = message.key_id();
        let state = self
            .states
            .iter_mut()
            .find(|state| state.key_id == key_id)
            .ok_or(SignalError::NoSenderKey { key_id })?;
        if !state.verifying.verify(&[message.covered], &message.signature) {
            return Err(SignalError::InvalidSignature);
        }
        let (seed, step) = match state.chain.seed(message.iteration(), FORWARD_LIMIT) {
            Err(SignalError::Duplicate { counter }) if state.missed.contains(&counter) => {
                return Err(SignalError::BeforeSenderKey { counter });
            }
            found => found?,
        };
        let keys = GroupKeys::new(&seed);
        let plaintext = aes::cbc_decrypt(keys.cipher(), keys.iv(), message.ciphertext)?;
        state.chain.apply(step);
        Ok(plaintext)
    }

    /// Whether there is no key: the same as no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }
}

impl fmt::Debug for SenderKeyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.states.iter().map(|state| state.key_id)).finish()
    }
}

impl State {
    fn size(&self) -> usize {
        3 * 4 + 2 * 32 + self.chain.size()
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            key_id: reader.u32()?,
            missed: reader.u32()?..reader.u32()?,
            signing: reader.public()?,
            verifying: VerifyingKey::from_edwards(*reader.array()?),
            chain: ReceivingChain::read(reader)?,
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.u32(self.key_id);
        writer.u32(self.missed.start);
        writer.u32(self.missed.end);
        writer.bytes(self.signing.as_bytes());
        writer.bytes(self.verifying.edwards());
        self.chain.write(writer);
    }
}

/// Iv and cipher key of one message to a group.
struct GroupKeys(Zeroizing<[u8; 48]>);

impl GroupKeys {
    fn new(seed: &Seed) -> Self {
        Self(kdf::hkdf_array(seed.as_bytes(), &[], b"WhisperGroup"))
    }

    fn iv(&self) -> &[u8; 16] {
        self.0.first_chunk().expect("48 bytes begin with 16")
    }

    fn cipher(&self) -> &[u8; 32] {
        self.0.last_chunk().expect("48 bytes end in 32")
    }
}
