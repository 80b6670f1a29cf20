//! Our own keys of groups, as far as they are loaded: what a step changes in memory before it is committed.
//!
//! They are kept in the store as other devices' keys are, under our own device's name.

use std::collections::HashMap;

use wa_store::{Changes, SenderKeyName};

use crate::crypto::Random;
use crate::signal::{OwnSenderKey, SignalError};

/// How many keys stay in memory between steps.
const KEPT: usize = 256;

/// The loaded keys of one account.
#[derive(Debug, Default)]
pub struct OwnKeys {
    keys: HashMap<SenderKeyName, Slot>,
}

#[derive(Debug)]
struct Slot {
    key: Option<OwnSenderKey>,
    is_changed: bool,
}

impl OwnKeys {
    /// Whether this key, or its absence, is loaded.
    #[must_use]
    pub fn has_loaded(&self, name: &SenderKeyName) -> bool {
        self.keys.contains_key(name)
    }

    /// Takes in what the store has under this name. A damaged record counts as none: a new key is made.
    pub fn load(&mut self, name: SenderKeyName, record: Option<Vec<u8>>) {
        let key = record.and_then(|bytes| {
            OwnSenderKey::decode(&bytes)
                .inspect_err(|error| tracing::error!(%error, group = ?name.group, "our own key is damaged"))
                .ok()
        });
        self.keys.insert(name, Slot { key, is_changed: false });
    }

    /// The key, if there is one and it is loaded.
    #[must_use]
    pub fn get(&self, name: &SenderKeyName) -> Option<&OwnSenderKey> {
        self.keys.get(name)?.key.as_ref()
    }

    /// Makes a new key: what was given out of the old one reads nothing from now on.
    pub fn rotate(&mut self, name: &SenderKeyName, random: &mut impl Random) -> &OwnSenderKey {
        let slot = Slot { key: None, is_changed: true };
        let slot = self.keys.entry(name.clone()).or_insert(slot);
        slot.is_changed = true;
        slot.key.insert(OwnSenderKey::generate(random))
    }

    /// Takes a key away, for good.
    pub fn forget(&mut self, name: SenderKeyName, changes: &mut Changes) {
        self.keys.insert(name.clone(), Slot { key: None, is_changed: false });
        changes.delete_sender_key(name);
    }

    /// Seals a padded message. The bytes may leave only after the changes are committed.
    ///
    /// # Errors
    /// [`SignalError::InvalidSession`] when there is no key, or it is worn out: make a new one.
    pub fn seal(
        &mut self,
        name: &SenderKeyName,
        padded: &[u8],
        random: &mut impl Random,
    ) -> Result<Vec<u8>, SignalError> {
        let slot = self.keys.get_mut(name).ok_or(SignalError::InvalidSession)?;
        let sealed = slot.key.as_mut().ok_or(SignalError::InvalidSession)?.encrypt(padded, random)?;
        slot.is_changed = true;
        Ok(sealed)
    }

    /// Adds what changed since the last step to `changes`, and lets go of what memory should not hold.
    pub fn stage(&mut self, changes: &mut Changes) {
        for (name, slot) in self.keys.iter_mut().filter(|(_, slot)| slot.is_changed) {
            slot.is_changed = false;
            if let Some(key) = &slot.key {
                changes.put_sender_key(name.clone(), key.encode());
            }
        }
        if self.keys.len() > KEPT {
            self.keys = HashMap::new();
        }
    }

    /// Forgets all: they are read from the store again.
    pub fn forget_all(&mut self) {
        self.keys = HashMap::new();
    }
}
