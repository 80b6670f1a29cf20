//! MACs of the parts of a file, with which a player can begin in the middle. Protocol: media, "Sidecars".

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::cipher::{BLOCK, MAC};

/// A part begins every so many bytes of IV, ciphertext and MAC.
const STEP: usize = 64 << 10;

/// Makes the sidecar while the ciphertext streams by. Each part overlaps the next by one block.
pub(super) struct Sidecar {
    key: Hmac<Sha256>,
    entries: Vec<u8>,
    /// The part that is being read, and how much of it was.
    part: Hmac<Sha256>,
    position: usize,
    /// The next one, while both are being read.
    next: Option<Hmac<Sha256>>,
}

impl Sidecar {
    pub(super) fn new(mac_key: &[u8; 32], iv: &[u8; 16]) -> Self {
        let key = Hmac::<Sha256>::new_from_slice(mac_key).expect("HMAC takes keys of any length");
        let mut sidecar = Self { part: key.clone(), key, entries: Vec::new(), position: 0, next: None };
        sidecar.update(iv);
        sidecar
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let end = if self.position < STEP { STEP } else { STEP + BLOCK };
            let (now, later) = bytes.split_at(bytes.len().min(end - self.position));
            self.part.update(now);
            if self.position >= STEP {
                self.next.get_or_insert_with(|| self.key.clone()).update(now);
            }
            self.position += now.len();
            if self.position == STEP + BLOCK {
                let next = self.next.take().unwrap_or_else(|| self.key.clone());
                self.end_part(next);
                self.position = BLOCK;
            }
            bytes = later;
        }
    }

    /// Takes the MAC of the file, which belongs to the last part.
    pub(super) fn finish(mut self, mac: &[u8; MAC]) -> Vec<u8> {
        self.update(mac);
        // What is left of one block or less was in the part before.
        if self.position > BLOCK || self.entries.is_empty() {
            let key = self.key.clone();
            self.end_part(key);
        }
        self.entries
    }

    fn end_part(&mut self, next: Hmac<Sha256>) {
        let mac = std::mem::replace(&mut self.part, next).finalize().into_bytes();
        self.entries.extend(mac.iter().take(MAC));
    }
}
