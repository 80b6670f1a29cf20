//! The hash over all entries of a collection: a sum, so that the order does not matter and entries can be taken out
//! again. Protocol: app state, "LTHash".

use std::fmt;

use super::ValueMac;
use crate::crypto::kdf::hkdf_sha256;

const LANES: usize = 64;

/// 64 lanes of 16 bits, each a sum for itself.
#[derive(Clone, PartialEq, Eq)]
pub struct LtHash([u16; LANES]);

impl Default for LtHash {
    /// Of no entries.
    fn default() -> Self {
        Self([0; LANES])
    }
}

impl LtHash {
    /// From its bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 128]) -> Self {
        let mut lanes = [0; LANES];
        let (pairs, _) = bytes.as_chunks::<2>();
        lanes.iter_mut().zip(pairs).for_each(|(lane, pair)| *lane = u16::from_le_bytes(*pair));
        Self(lanes)
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 128] {
        let mut bytes = [0; 128];
        let (pairs, _) = bytes.as_chunks_mut::<2>();
        pairs.iter_mut().zip(self.0).for_each(|(pair, lane)| *pair = lane.to_le_bytes());
        bytes
    }

    /// Puts an entry in, by the MAC of its value.
    pub fn add(&mut self, value: &ValueMac) {
        self.0.iter_mut().zip(point(value).0).for_each(|(lane, other)| *lane = lane.wrapping_add(other));
    }

    /// Takes an entry out.
    pub fn subtract(&mut self, value: &ValueMac) {
        self.0.iter_mut().zip(point(value).0).for_each(|(lane, other)| *lane = lane.wrapping_sub(other));
    }
}

/// What one entry adds.
fn point(value: &ValueMac) -> LtHash {
    let mut bytes = [0; 128];
    hkdf_sha256(value, &[], b"WhatsApp Patch Integrity", &mut bytes);
    LtHash::from_bytes(&bytes)
}

impl fmt::Debug for LtHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LtHash(..)")
    }
}
