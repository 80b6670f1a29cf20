//! Chains and the keys that come from them. Protocol: signal, "Double Ratchet".

use std::collections::VecDeque;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::codec::{Reader, RecordError, Writer};
use super::error::SignalError;
use crate::crypto::kdf::{self, HmacKey};

/// 32 bytes to be wiped: a root key, a chain key.
pub(super) type Secret = Zeroizing<[u8; 32]>;

/// How many seeds of skipped messages one chain keeps; the oldest go first.
pub(super) const MAX_SKIPPED: u32 = 2000;

/// The 32 bytes from which the keys of one message come.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Seed([u8; 32]);

impl Seed {
    pub(super) const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Cipher key, MAC key and iv of one message between two devices.
pub(super) struct MessageKeys(Zeroizing<[u8; 80]>);

impl MessageKeys {
    pub(super) fn new(seed: &Seed) -> Self {
        Self(kdf::hkdf_array(seed.as_bytes(), &[], b"WhisperMessageKeys"))
    }

    pub(super) fn cipher(&self) -> &[u8; 32] {
        self.0.first_chunk().expect("80 bytes begin with 32")
    }

    pub(super) fn mac(&self) -> &[u8] {
        self.0.split_at(32).1.split_at(32).0
    }

    pub(super) fn iv(&self) -> &[u8; 16] {
        self.0.last_chunk().expect("80 bytes end in 16")
    }
}

/// A root key's turn with a new shared secret: the next root key, and the key of a new chain.
pub(super) fn turn(root: &Secret, shared: &Secret) -> (Secret, Chain) {
    let (root, chain) = halves(&kdf::hkdf_array(shared.as_slice(), root.as_slice(), b"WhisperRatchet"));
    (root, Chain::new(chain, 0))
}

/// The two secrets that one derivation gives.
pub(super) fn halves(bytes: &Zeroizing<[u8; 64]>) -> (Secret, Secret) {
    let first = bytes.first_chunk().expect("64 bytes begin with 32");
    let second = bytes.last_chunk().expect("64 bytes end in 32");
    (Zeroizing::new(*first), Zeroizing::new(*second))
}

/// A chain key and the index of the message that comes next.
#[derive(Clone)]
pub(super) struct Chain {
    key: Secret,
    index: u32,
}

impl Chain {
    /// How many bytes [`Self::write`] writes.
    pub(super) const SIZE: usize = 36;

    pub(super) const fn new(key: Secret, index: u32) -> Self {
        Self { key, index }
    }

    pub(super) const fn key(&self) -> &Secret {
        &self.key
    }

    pub(super) const fn index(&self) -> u32 {
        self.index
    }

    /// The seed of the next message, and one step on; `None` when no index is left.
    pub(super) fn step(&mut self) -> Option<Seed> {
        let next = self.index.checked_add(1)?;
        let key = HmacKey::new(self.key.as_slice());
        let seed = Seed(key.sign(&[&[1]]));
        *self.key = key.sign(&[&[2]]);
        self.index = next;
        Some(seed)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        Ok(Self { key: reader.secret()?, index: reader.u32()? })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.bytes(self.key.as_slice());
        writer.u32(self.index);
    }
}

/// A chain that we receive on, with the seeds of the messages that we have not seen yet.
pub(super) struct ReceivingChain {
    chain: Chain,
    /// Ascending by counter, all below the chain's index.
    skipped: VecDeque<(u32, Seed)>,
}

/// What taking one seed changes in a [`ReceivingChain`]; applied when the message proves genuine.
pub(super) enum Step {
    /// The skipped seed at this place is used up.
    Take(usize),
    /// The chain moves on, past these.
    Advance(Chain, Vec<(u32, Seed)>),
}

impl ReceivingChain {
    pub(super) const fn new(chain: Chain) -> Self {
        Self { chain, skipped: VecDeque::new() }
    }

    /// The index of the message that comes next.
    pub(super) const fn index(&self) -> u32 {
        self.chain.index
    }

    /// Finds the seed of message `counter`, at most `limit` messages ahead. Nothing changes before [`Self::apply`].
    pub(super) fn seed(&self, counter: u32, limit: u32) -> Result<(Seed, Step), SignalError> {
        let Some(ahead) = counter.checked_sub(self.chain.index) else {
            let place = self.skipped.binary_search_by_key(&counter, |(kept, _)| *kept).ok();
            let (place, (_, seed)) = place
                .and_then(|place| Some((place, self.skipped.get(place)?)))
                .ok_or(SignalError::Duplicate { counter })?;
            return Ok((seed.clone(), Step::Take(place)));
        };
        let too_far = SignalError::TooFarInFuture { counter, expected: self.chain.index };
        if ahead > limit {
            return Err(too_far);
        }
        let kept = ahead.min(MAX_SKIPPED);
        let mut skipped = Vec::with_capacity(kept as usize);
        let mut chain = self.chain.clone();
        while chain.index < counter {
            let index = chain.index;
            let seed = chain.step().ok_or(too_far)?;
            if index >= counter - kept {
                skipped.push((index, seed));
            }
        }
        // Only the very last counter of all has no step after it.
        let seed = chain.step().ok_or(too_far)?;
        Ok((seed, Step::Advance(chain, skipped)))
    }

    pub(super) fn apply(&mut self, step: Step) {
        match step {
            Step::Take(place) => _ = self.skipped.remove(place),
            Step::Advance(chain, skipped) => {
                self.chain = chain;
                let surplus = (self.skipped.len() + skipped.len()).saturating_sub(MAX_SKIPPED as usize);
                self.skipped.drain(..surplus);
                self.skipped.extend(skipped);
            }
        }
    }

    /// Goes on from a later chain; what was skipped before stays readable.
    pub(super) fn jump(&mut self, chain: Chain) {
        self.chain = chain;
    }

    /// How many bytes [`Self::write`] writes.
    pub(super) fn size(&self) -> usize {
        Chain::SIZE + 2 + self.skipped.len() * 36
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        let chain = Chain::read(reader)?;
        let count = reader.u16()?;
        if u32::from(count) > MAX_SKIPPED {
            return Err(RecordError::Invalid("number of skipped messages"));
        }
        let mut skipped = VecDeque::with_capacity(count.into());
        let mut least = 0;
        for _ in 0..count {
            let counter = reader.u32()?;
            if counter < least || counter >= chain.index {
                return Err(RecordError::Invalid("skipped message"));
            }
            least = counter + 1;
            skipped.push_back((counter, Seed(*reader.array()?)));
        }
        Ok(Self { chain, skipped })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        self.chain.write(writer);
        writer.u16(u16::try_from(self.skipped.len()).expect("a chain keeps at most 2000 seeds"));
        for (counter, seed) in &self.skipped {
            writer.u32(*counter);
            writer.bytes(seed.as_bytes());
        }
    }
}
