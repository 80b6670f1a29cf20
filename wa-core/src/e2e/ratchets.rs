//! The Signal records of one account, as far as they are loaded: what a step reads and changes in memory before it
//! is committed in one piece.
//!
//! The records of recent peers stay here between steps, so that a running conversation reads nothing from the store.
//! When a commit fails, memory is ahead of the store: [`Ratchets::forget_all`] brings both together again.

use std::collections::HashMap;

use wa_store::{Changes, SenderKeyName};
use wa_types::{PreKeyId, PublicKey, SignalAddress};

use super::retry;
use crate::crypto::Random;
use crate::signal::{
    Ciphertext, LocalIdentity, Peer, PreKey, PreKeyBundle, PreKeySignalMessage, PreKeys,
    SenderKeyDistribution, SenderKeyMessage, SenderKeyRecord, SessionRecord, SignalError, SignalMessage,
    SignedPreKey,
};
use crate::stanza::message::{Enc, EncKind};

/// How many sessions, and how many sender keys, stay in memory between steps.
const KEPT: usize = 128;

/// The loaded Signal records of one account.
#[derive(Debug, Default)]
pub struct Ratchets {
    sessions: HashMap<SignalAddress, SessionSlot>,
    sender_keys: HashMap<SenderKeyName, SenderKeySlot>,
    pre_keys: HashMap<PreKeyId, PreKey>,
    signed_pre_keys: HashMap<PreKeyId, SignedPreKey>,
}

#[derive(Debug, Default)]
struct SessionSlot {
    record: SessionRecord,
    identity: Option<PublicKey>,
    is_changed: bool,
}

#[derive(Debug, Default)]
struct SenderKeySlot {
    record: SenderKeyRecord,
    is_changed: bool,
}

/// What a step did besides its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effects {
    /// The device has another identity key than the one that we knew.
    pub is_new_identity: bool,
}

impl Ratchets {
    /// Whether the session with this device, or the absence of one, is loaded.
    #[must_use]
    pub fn has_loaded(&self, address: &SignalAddress) -> bool {
        self.sessions.contains_key(address)
    }

    /// Whether this sender key, or its absence, is loaded.
    #[must_use]
    pub fn has_loaded_sender_key(&self, name: &SenderKeyName) -> bool {
        self.sender_keys.contains_key(name)
    }

    /// Takes in what the store has for this device. A damaged record counts as none: the next message from there asks
    /// for a new session.
    pub fn load(&mut self, address: SignalAddress, record: Option<Vec<u8>>, identity: Option<PublicKey>) {
        let record = record.map_or_else(SessionRecord::new, |bytes| {
            SessionRecord::decode(&bytes).unwrap_or_else(|error| {
                tracing::error!(%error, ?address, "a stored session is damaged");
                SessionRecord::new()
            })
        });
        self.sessions.insert(address, SessionSlot { record, identity, is_changed: false });
    }

    /// Takes in what the store has for this sender key; damaged counts as none.
    pub fn load_sender_key(&mut self, name: SenderKeyName, record: Option<Vec<u8>>) {
        let record = record.map_or_else(SenderKeyRecord::new, |bytes| {
            SenderKeyRecord::decode(&bytes).unwrap_or_else(|error| {
                tracing::error!(%error, ?name, "a stored sender key is damaged");
                SenderKeyRecord::new()
            })
        });
        self.sender_keys.insert(name, SenderKeySlot { record, is_changed: false });
    }

    /// Takes in a one-time pre-key that a message of this step names.
    pub fn load_pre_key(&mut self, key: PreKey) {
        self.pre_keys.insert(key.id, key);
    }

    /// Takes in a signed pre-key that a message of this step names.
    pub fn load_signed_pre_key(&mut self, key: SignedPreKey) {
        self.signed_pre_keys.insert(key.id, key);
    }

    /// Whether there is a session to send on. The record must be loaded.
    #[must_use]
    pub fn can_send_to(&self, address: &SignalAddress) -> bool {
        self.sessions.get(address).is_some_and(|slot| slot.record.has_current())
    }

    /// Whether there is any session at all with this device. The record must be loaded.
    #[must_use]
    pub fn knows(&self, address: &SignalAddress) -> bool {
        self.sessions.get(address).is_some_and(|slot| !slot.record.is_empty())
    }

    /// The identity key that we know of this device.
    #[must_use]
    pub fn identity(&self, address: &SignalAddress) -> Option<PublicKey> {
        self.sessions.get(address)?.identity
    }

    /// Whether this first message belongs to a session that is there already, with an identity that was checked then:
    /// a peer that was not answered yet says hello with every message.
    #[must_use]
    pub fn continues(&self, address: &SignalAddress, message: &PreKeySignalMessage<'_>) -> bool {
        let slot = self.sessions.get(address).filter(|slot| slot.identity == Some(*message.identity_key()));
        slot.is_some_and(|slot| slot.record.knows(message))
    }

    /// Sets the identity key of a device.
    pub fn set_identity(
        &mut self,
        address: &SignalAddress,
        key: PublicKey,
        changes: &mut Changes,
    ) -> Effects {
        let slot = self.sessions.entry(address.clone()).or_default();
        if slot.identity == Some(key) {
            return Effects::default();
        }
        let is_new_identity = slot.identity.replace(key).is_some();
        changes.put_identity(address.clone(), key);
        Effects { is_new_identity }
    }

    /// The devices of this user that are loaded and known; the device number of `user` does not matter.
    #[must_use]
    pub fn devices_of(&self, user: &SignalAddress) -> Vec<u16> {
        let known = self.sessions.iter().filter(|(address, slot)| {
            (address.user(), address.domain()) == (user.user(), user.domain())
                && (!slot.record.is_empty() || slot.identity.is_some())
        });
        known.map(|(address, _)| address.device()).collect()
    }

    /// Moves what is known under one address to the other address of the same device. Both must be loaded.
    ///
    /// The session that we send on moves along and stays it, unless it is with another identity than the one known
    /// under the new address: that one came later. All other sessions are archived there. Nothing readable is lost.
    pub fn migrate(&mut self, from: &SignalAddress, to: &SignalAddress, changes: &mut Changes) {
        if from == to {
            return;
        }
        let Some(moved) = self.sessions.get_mut(from).map(std::mem::take) else { return };
        if moved.record.is_empty() && moved.identity.is_none() {
            return;
        }
        changes.delete_session(from.clone()).delete_identity(from.clone());
        let slot = self.sessions.entry(to.clone()).or_default();
        if let Some(identity) = moved.identity.filter(|_| slot.identity.is_none()) {
            slot.identity = Some(identity);
            changes.put_identity(to.clone(), identity);
        }
        let there = std::mem::take(&mut slot.record);
        let is_of_known_identity = moved.record.remote_identity().copied() == slot.identity;
        let (mut first, second) = match (is_of_known_identity, there.has_current()) {
            (false, true) => (there, moved.record),
            _ => (moved.record, there),
        };
        first.absorb(second);
        slot.record = first;
        slot.is_changed = true;
    }

    /// Moves a sender's key of a group to the sender's other address, unless there is one already. Both must be loaded.
    pub fn migrate_sender_key(&mut self, from: &SenderKeyName, to: &SenderKeyName, changes: &mut Changes) {
        let is_free = self.sender_keys.get(to).is_none_or(|slot| slot.record.is_empty());
        let moved = self.sender_keys.get_mut(from).filter(|slot| is_free && !slot.record.is_empty());
        if let Some(moved) = moved.map(std::mem::take) {
            changes.delete_sender_key(from.clone());
            self.sender_keys.insert(to.clone(), SenderKeySlot { record: moved.record, is_changed: true });
        }
    }

    /// Stops sending on the session with this device; late messages on it can still be read. It must be loaded.
    pub fn archive(&mut self, address: &SignalAddress) {
        if let Some(slot) = self.sessions.get_mut(address).filter(|slot| slot.record.has_current()) {
            slot.record.archive_current();
            slot.is_changed = true;
        }
    }

    /// Forgets the identity key of a device: whatever key it shows next is no change.
    pub fn forget_identity(&mut self, address: &SignalAddress, changes: &mut Changes) {
        if let Some(slot) = self.sessions.get_mut(address)
            && slot.identity.take().is_some()
        {
            changes.delete_identity(address.clone());
        }
    }

    /// What matters of the session that we send on to this device. The record must be loaded.
    #[must_use]
    pub fn current_session(&self, address: &SignalAddress) -> Option<retry::Session> {
        let record = &self.sessions.get(address)?.record;
        Some(retry::Session {
            registration_id: record.remote_registration_id()?,
            base_key: *record.base_key()?,
        })
    }

    /// Opens one part of a message. The session or the sender key, and the pre-keys that it names, must be loaded.
    ///
    /// # Errors
    /// [`SignalError`]; nothing changed then.
    pub fn open(
        &mut self,
        ours: LocalIdentity<'_>,
        sender: &SignalAddress,
        enc: &Enc,
        peer: Peer,
        changes: &mut Changes,
        random: &mut impl Random,
    ) -> Result<(Vec<u8>, Effects), SignalError> {
        if enc.kind == EncKind::PreKey {
            return self.open_first(ours, sender, &enc.bytes, peer, changes, random);
        }
        let message = SignalMessage::parse(&enc.bytes)?;
        let slot = self.sessions.get_mut(sender).ok_or(SignalError::NoSession)?;
        let plaintext = slot.record.decrypt(&message, peer, random)?;
        slot.is_changed = true;
        Ok((plaintext, Effects::default()))
    }

    fn open_first(
        &mut self,
        ours: LocalIdentity<'_>,
        sender: &SignalAddress,
        bytes: &[u8],
        peer: Peer,
        changes: &mut Changes,
        random: &mut impl Random,
    ) -> Result<(Vec<u8>, Effects), SignalError> {
        let message = PreKeySignalMessage::parse(bytes)?;
        let keys = PreKeys {
            signed: message.signed_pre_key_id().and_then(|id| self.signed_pre_keys.get(&id)),
            one_time: message.pre_key_id().and_then(|id| self.pre_keys.get(&id)),
        };
        let slot = self.sessions.entry(sender.clone()).or_default();
        let decrypted = slot.record.decrypt_pre_key(ours, &message, keys, peer, random)?;
        slot.is_changed = true;
        if let Some(id) = decrypted.used_pre_key {
            self.pre_keys.remove(&id);
            changes.delete_pre_key(id);
        }
        let effects = self.set_identity(sender, *message.identity_key(), changes);
        Ok((decrypted.plaintext, effects))
    }

    /// Opens a group message. The sender key must be loaded.
    ///
    /// # Errors
    /// [`SignalError`]; nothing changed then.
    pub fn open_group(&mut self, name: &SenderKeyName, bytes: &[u8]) -> Result<Vec<u8>, SignalError> {
        let message = SenderKeyMessage::parse(bytes)?;
        let missing = SignalError::NoSenderKey { key_id: message.key_id() };
        let slot = self.sender_keys.get_mut(name).ok_or(missing)?;
        let plaintext = slot.record.decrypt(&message)?;
        slot.is_changed = true;
        Ok(plaintext)
    }

    /// Takes in a sender's group key. It must have come in a pairwise message of that very device.
    ///
    /// # Errors
    /// [`SignalError`]; nothing changed then.
    pub fn process_distribution(&mut self, name: SenderKeyName, bytes: &[u8]) -> Result<(), SignalError> {
        let distribution = SenderKeyDistribution::parse(bytes)?;
        let slot = self.sender_keys.entry(name).or_default();
        slot.record.process(&distribution)?;
        slot.is_changed = true;
        Ok(())
    }

    /// Begins a session from a bundle. The record must be loaded.
    ///
    /// # Errors
    /// [`SignalError`]: the bundle is worth nothing; nothing changed.
    pub fn initiate(
        &mut self,
        ours: LocalIdentity<'_>,
        address: &SignalAddress,
        bundle: &PreKeyBundle,
        changes: &mut Changes,
        random: &mut impl Random,
    ) -> Result<Effects, SignalError> {
        let slot = self.sessions.entry(address.clone()).or_default();
        slot.record.initiate(ours, bundle, random)?;
        slot.is_changed = true;
        Ok(self.set_identity(address, bundle.identity, changes))
    }

    /// Encrypts a padded message. The bytes may leave only after the changes are committed.
    ///
    /// # Errors
    /// [`SignalError::NoSession`], [`SignalError::InvalidSession`].
    pub fn seal(&mut self, address: &SignalAddress, padded: &[u8]) -> Result<Ciphertext, SignalError> {
        let slot = self.sessions.get_mut(address).ok_or(SignalError::NoSession)?;
        let ciphertext = slot.record.encrypt(padded)?;
        slot.is_changed = true;
        Ok(ciphertext)
    }

    /// Adds what changed since the last step to `changes`, and lets go of what has not been used lately.
    pub fn stage(&mut self, changes: &mut Changes) {
        for (address, slot) in self.sessions.iter_mut().filter(|(_, slot)| slot.is_changed) {
            slot.is_changed = false;
            changes.put_session(address.clone(), slot.record.encode());
        }
        for (name, slot) in self.sender_keys.iter_mut().filter(|(_, slot)| slot.is_changed) {
            slot.is_changed = false;
            changes.put_sender_key(name.clone(), slot.record.encode());
        }
        self.pre_keys.clear();
        self.signed_pre_keys.clear();
        if self.sessions.len() > KEPT {
            self.sessions = HashMap::new();
        }
        if self.sender_keys.len() > KEPT {
            self.sender_keys = HashMap::new();
        }
    }

    /// Forgets all records: they are read from the store again.
    pub fn forget_all(&mut self) {
        *self = Self::default();
    }
}
