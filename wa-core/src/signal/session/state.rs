//! One session: a root key, a chain to send on, and the chains to receive on. Protocol: signal, "Double Ratchet",
//! "Session record".

use wa_types::{KeyPair, PreKeyId, PublicKey, RegistrationId};

use super::super::ciphertext::{
    Ciphertext, CiphertextKind, MessageParts, PreKeyParts, PreKeySignalMessage, SignalMessage,
};
use super::super::codec::{Reader, RecordError, Writer};
use super::super::error::SignalError;
use super::super::pre_key::{PreKey, PreKeyBundle, SignedPreKey};
use super::super::ratchet::{self, Chain, MessageKeys, ReceivingChain, Secret, Step};
use super::super::x3dh::{Initiator, Responder};
use super::LocalIdentity;
use crate::crypto::Random;
use crate::crypto::curve25519::AgreementKey;

/// How many receiving chains are kept; the oldest go first.
const MAX_CHAINS: usize = 5;

pub(super) struct Session {
    local_identity: PublicKey,
    pub(super) remote_identity: PublicKey,
    local_registration_id: RegistrationId,
    pub(super) remote_registration_id: RegistrationId,
    /// The initiator's base key: the session's name on both sides.
    pub(super) base_key: PublicKey,
    root: Secret,
    ratchet_pair: KeyPair,
    sending: Chain,
    previous_counter: u32,
    /// Oldest first, each with the other side's ratchet key.
    receiving: Vec<(PublicKey, ReceivingChain)>,
    /// While the other side has not answered, every message tells it how to begin the session.
    pending: Option<Pending>,
}

#[derive(Clone, Copy)]
struct Pending {
    pre_key_id: Option<PreKeyId>,
    signed_pre_key_id: PreKeyId,
}

/// A message that decrypted, and what that changes in its session.
pub(super) struct Opened {
    pub(super) plaintext: Vec<u8>,
    place: Place,
    step: Step,
}

enum Place {
    /// On the receiving chain of this index.
    Known(usize),
    /// On a chain that begins with it; the root key after its turn.
    New(PublicKey, ReceivingChain, Secret),
}

impl Session {
    /// Begins a session from a bundle, whose signature the caller checked. Draws the base key, then the ratchet key.
    pub(super) fn initiate(
        ours: LocalIdentity<'_>,
        bundle: &PreKeyBundle,
        random: &mut impl Random,
    ) -> Result<Self, SignalError> {
        let (base_pair, base) = AgreementKey::generate(random);
        let initiator = Initiator {
            identity: &AgreementKey::new(&ours.key_pair.private),
            base: &base,
            their_identity: &bundle.identity,
            their_signed_pre_key: &bundle.signed_pre_key,
            their_pre_key: bundle.pre_key.as_ref().map(|(_, key)| key),
        };
        let (root, chain) = initiator.secrets()?;
        let (ratchet_pair, ratchet) = AgreementKey::generate(random);
        let (root, sending) = ratchet::turn(&root, &ratchet.agree(&bundle.signed_pre_key)?);
        let receiving = ReceivingChain::new(Chain::new(chain, 0));
        Ok(Self {
            local_identity: ours.key_pair.public,
            remote_identity: bundle.identity,
            local_registration_id: ours.registration_id,
            remote_registration_id: bundle.registration_id,
            base_key: base_pair.public,
            root,
            ratchet_pair,
            sending,
            previous_counter: 0,
            receiving: vec![(bundle.signed_pre_key, receiving)],
            pending: Some(Pending {
                pre_key_id: bundle.pre_key.map(|(id, _)| id),
                signed_pre_key_id: bundle.signed_pre_key_id,
            }),
        })
    }

    /// The session that a first message begins, before that message is decrypted.
    pub(super) fn accept(
        ours: LocalIdentity<'_>,
        message: &PreKeySignalMessage<'_>,
        signed_pre_key: &SignedPreKey,
        pre_key: Option<&PreKey>,
    ) -> Result<Self, SignalError> {
        let pre_key = pre_key.map(|key| AgreementKey::new(&key.key_pair.private));
        let responder = Responder {
            identity: &AgreementKey::new(&ours.key_pair.private),
            signed_pre_key: &AgreementKey::new(&signed_pre_key.key_pair.private),
            pre_key: pre_key.as_ref(),
            their_identity: message.identity_key(),
            their_base: message.base_key(),
        };
        let (root, chain) = responder.secrets()?;
        Ok(Self {
            local_identity: ours.key_pair.public,
            remote_identity: *message.identity_key(),
            local_registration_id: ours.registration_id,
            remote_registration_id: message.registration_id(),
            base_key: *message.base_key(),
            root,
            ratchet_pair: signed_pre_key.key_pair.clone(),
            sending: Chain::new(chain, 0),
            previous_counter: 0,
            receiving: Vec::with_capacity(1),
            pending: None,
        })
    }

    /// Encrypts the next message.
    pub(super) fn encrypt(&mut self, plaintext: &[u8]) -> Result<Ciphertext, SignalError> {
        let counter = self.sending.index();
        let seed = self.sending.step().ok_or(SignalError::InvalidSession)?;
        let message = MessageParts {
            ratchet_key: &self.ratchet_pair.public,
            counter,
            previous_counter: self.previous_counter,
            keys: &MessageKeys::new(&seed),
            sender: &self.local_identity,
            receiver: &self.remote_identity,
            plaintext,
        };
        Ok(match self.pending {
            None => {
                let mut bytes = Vec::with_capacity(message.size());
                message.write(&mut bytes);
                Ciphertext { kind: CiphertextKind::Message, bytes }
            }
            Some(Pending { pre_key_id, signed_pre_key_id }) => {
                let registration_id = self.local_registration_id;
                let base_key = &self.base_key;
                let parts = PreKeyParts { pre_key_id, signed_pre_key_id, base_key, registration_id, message };
                Ciphertext { kind: CiphertextKind::PreKey, bytes: parts.to_bytes() }
            }
        })
    }

    /// Whether the message's ratchet key has a chain here.
    pub(super) fn knows(&self, ratchet_key: &PublicKey) -> bool {
        self.receiving.iter().any(|(key, _)| key == ratchet_key)
    }

    /// Decrypts without changing anything; [`Self::commit`] makes it count.
    ///
    /// Our next ratchet key is not drawn yet: a forged message costs one agreement and no randomness.
    pub(super) fn open(&self, message: &SignalMessage<'_>, limit: u32) -> Result<Opened, SignalError> {
        let ratchet_key = message.ratchet_key();
        let known = self.receiving.iter().enumerate().rev().find(|(_, (key, _))| key == ratchet_key);
        if let Some((index, (_, chain))) = known {
            let (seed, step) = chain.seed(message.counter(), limit)?;
            let plaintext = self.read(message, &seed)?;
            return Ok(Opened { plaintext, place: Place::Known(index), step });
        }
        // The chain would begin at 0: what is too far ahead is so without an agreement.
        let counter = message.counter();
        if counter > limit {
            return Err(SignalError::TooFarInFuture { counter, expected: 0 });
        }
        let shared = AgreementKey::new(&self.ratchet_pair.private).agree(ratchet_key)?;
        let (root, chain) = ratchet::turn(&self.root, &shared);
        let chain = ReceivingChain::new(chain);
        let (seed, step) = chain.seed(counter, limit)?;
        let plaintext = self.read(message, &seed)?;
        Ok(Opened { plaintext, place: Place::New(*ratchet_key, chain, root), step })
    }

    fn read(&self, message: &SignalMessage<'_>, seed: &ratchet::Seed) -> Result<Vec<u8>, SignalError> {
        message.open(&MessageKeys::new(seed), &self.remote_identity, &self.local_identity)
    }

    /// Takes over what [`Self::open`] found. Draws a ratchet key when the message began a chain.
    pub(super) fn commit(
        &mut self,
        opened: Opened,
        random: &mut impl Random,
    ) -> Result<Vec<u8>, SignalError> {
        match opened.place {
            Place::Known(index) => {
                let (_, chain) =
                    self.receiving.get_mut(index).expect("the session has not changed since open");
                chain.apply(opened.step);
            }
            Place::New(ratchet_key, mut chain, root) => {
                let (pair, key) = AgreementKey::generate(random);
                let (root, sending) = ratchet::turn(&root, &key.agree(&ratchet_key)?);
                chain.apply(opened.step);
                if self.receiving.len() >= MAX_CHAINS {
                    self.receiving.remove(0);
                }
                self.receiving.push((ratchet_key, chain));
                self.previous_counter = self.sending.index().saturating_sub(1);
                self.root = root;
                self.ratchet_pair = pair;
                self.sending = sending;
            }
        }
        self.pending = None;
        Ok(opened.plaintext)
    }

    /// An archived session never sends, so it has nothing to tell.
    pub(super) const fn retire(&mut self) {
        self.pending = None;
    }

    /// How many bytes [`Self::write`] writes, at most.
    pub(super) fn size(&self) -> usize {
        let chains: usize = self.receiving.iter().map(|(_, chain)| 32 + chain.size()).sum();
        3 * 32 + 2 * 4 + 32 + 64 + Chain::SIZE + 4 + 9 + 1 + chains
    }

    pub(super) fn read_from(reader: &mut Reader<'_>) -> Result<Self, RecordError> {
        Ok(Self {
            local_identity: reader.public()?,
            remote_identity: reader.public()?,
            local_registration_id: reader.registration_id()?,
            remote_registration_id: reader.registration_id()?,
            base_key: reader.public()?,
            root: reader.secret()?,
            ratchet_pair: reader.key_pair()?,
            sending: Chain::read(reader)?,
            previous_counter: reader.u32()?,
            pending: match reader.u8()? {
                0 => None,
                1 => Some(Pending { pre_key_id: None, signed_pre_key_id: pre_key_id(reader)? }),
                2 => Some(Pending {
                    pre_key_id: Some(pre_key_id(reader)?),
                    signed_pre_key_id: pre_key_id(reader)?,
                }),
                _ => return Err(RecordError::Invalid("pending pre-key")),
            },
            receiving: {
                let count = usize::from(reader.u8()?);
                if count > MAX_CHAINS {
                    return Err(RecordError::Invalid("number of receiving chains"));
                }
                (0..count)
                    .map(|_| Ok((reader.public()?, ReceivingChain::read(reader)?)))
                    .collect::<Result<_, _>>()?
            },
        })
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.bytes(self.local_identity.as_bytes());
        writer.bytes(self.remote_identity.as_bytes());
        writer.u32(self.local_registration_id.0);
        writer.u32(self.remote_registration_id.0);
        writer.bytes(self.base_key.as_bytes());
        writer.bytes(self.root.as_slice());
        writer.key_pair(&self.ratchet_pair);
        self.sending.write(writer);
        writer.u32(self.previous_counter);
        match self.pending {
            None => writer.u8(0),
            Some(Pending { pre_key_id: None, signed_pre_key_id }) => {
                writer.u8(1);
                writer.u32(signed_pre_key_id.get());
            }
            Some(Pending { pre_key_id: Some(id), signed_pre_key_id }) => {
                writer.u8(2);
                writer.u32(id.get());
                writer.u32(signed_pre_key_id.get());
            }
        }
        writer.count(self.receiving.len());
        for (ratchet_key, chain) in &self.receiving {
            writer.bytes(ratchet_key.as_bytes());
            chain.write(writer);
        }
    }
}

fn pre_key_id(reader: &mut Reader<'_>) -> Result<PreKeyId, RecordError> {
    PreKeyId::new(reader.u32()?).ok_or(RecordError::Invalid("pre-key id"))
}
