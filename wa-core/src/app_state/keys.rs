//! The keys that seal the state. The phone makes them and shares them with its companions. Protocol: app state, "Keys".

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::kdf::{HmacKey, HmacSha512Key, hkdf_array};

/// Names a key: who made it, and when in the order of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId {
    epoch: u32,
    device: u16,
}

impl KeyId {
    /// The key that this device made in this epoch.
    #[must_use]
    pub const fn new(device: u16, epoch: u32) -> Self {
        Self { epoch, device }
    }

    /// Reads the six bytes of an id; `None` for any other number of bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [device @ .., a, b, c, d]: [u8; 6] = bytes.try_into().ok()?;
        Some(Self { epoch: u32::from_be_bytes([a, b, c, d]), device: u16::from_be_bytes(device) })
    }

    /// Its six bytes.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 6] {
        let [a, b] = self.device.to_be_bytes();
        let [c, d, e, f] = self.epoch.to_be_bytes();
        [a, b, c, d, e, f]
    }

    /// The device that made the key.
    #[must_use]
    pub const fn device(self) -> u16 {
        self.device
    }

    /// The later of two keys has the higher epoch.
    #[must_use]
    pub const fn epoch(self) -> u32 {
        self.epoch
    }
}

/// Which of these keys writes: that of the highest epoch, of several the one of the lowest device. Keys up to the epoch
/// `expired` write no more.
#[must_use]
pub fn active_key(ids: impl IntoIterator<Item = KeyId>, expired: Option<u32>) -> Option<KeyId> {
    let is_good = |id: &KeyId| expired.is_none_or(|expired| id.epoch > expired);
    ids.into_iter().filter(is_good).max_by_key(|id| (id.epoch, std::cmp::Reverse(id.device)))
}

/// The five keys that are made of a shared one.
pub struct ExpandedKey {
    pub(super) index: HmacKey,
    pub(super) encryption: Zeroizing<[u8; 32]>,
    pub(super) value_mac: HmacSha512Key,
    pub(super) snapshot_mac: HmacKey,
    pub(super) patch_mac: HmacKey,
}

impl ExpandedKey {
    /// Expands the 32 bytes of a shared key.
    #[must_use]
    pub fn new(data: &[u8; 32]) -> Self {
        let parts = Self::parts(data);
        let [index, encryption, value_mac, snapshot_mac, patch_mac] = &*parts;
        Self {
            index: HmacKey::new(index),
            encryption: Zeroizing::new(*encryption),
            value_mac: HmacSha512Key::new(value_mac),
            snapshot_mac: HmacKey::new(snapshot_mac),
            patch_mac: HmacKey::new(patch_mac),
        }
    }

    /// The bytes of the keys: of the index, of the value's encryption and its MAC, of snapshots, of patches. Secrets.
    #[must_use]
    pub fn parts(data: &[u8; 32]) -> Zeroizing<[[u8; 32]; 5]> {
        let okm = hkdf_array::<160>(data, &[], b"WhatsApp Mutation Keys");
        let mut parts = Zeroizing::new([[0; 32]; 5]);
        let (chunks, _) = okm.as_chunks::<32>();
        parts.iter_mut().zip(chunks).for_each(|(part, chunk)| *part = *chunk);
        parts
    }
}

impl fmt::Debug for ExpandedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExpandedKey(..)")
    }
}

/// The keys that a device has. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct KeyRing {
    keys: Arc<HashMap<KeyId, ExpandedKey>>,
}

impl KeyRing {
    /// Expands these keys.
    #[must_use]
    pub fn new<'k>(keys: impl IntoIterator<Item = (KeyId, &'k [u8; 32])>) -> Self {
        let keys = keys.into_iter().map(|(id, data)| (id, ExpandedKey::new(data)));
        Self { keys: Arc::new(keys.collect()) }
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: KeyId) -> Option<&ExpandedKey> {
        self.keys.get(&id)
    }

    /// Their ids, in no order.
    pub fn ids(&self) -> impl Iterator<Item = KeyId> + '_ {
        self.keys.keys().copied()
    }

    /// Those of `ids` that are not here, each once.
    #[must_use]
    pub(super) fn missing(&self, ids: impl IntoIterator<Item = KeyId>) -> Vec<KeyId> {
        let mut missing: Vec<KeyId> = ids.into_iter().filter(|id| !self.keys.contains_key(id)).collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }
}
