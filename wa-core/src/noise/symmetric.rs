//! The symmetric state of a Noise handshake. Protocol: transport, "State and operations".

use wa_types::{KeyPair, PublicKey};
use zeroize::{Zeroize, Zeroizing};

use super::cipher::{Transport, nonce};
use super::{HandshakeError, Part};
use crate::crypto::aes::{GcmKey, TAG_SIZE};
use crate::crypto::{CryptoError, curve25519, kdf};

/// The handshake patterns, by the name that the state starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pattern {
    /// Neither side knows the other.
    Xx,
    /// The client knows the server's static key from an earlier connection.
    Ik,
    /// What becomes of [`Self::Ik`] when the server has another key.
    XxFallback,
}

impl Pattern {
    /// The protocol name, padded to 32 bytes where it is shorter.
    #[must_use]
    pub const fn name(self) -> &'static [u8] {
        match self {
            Self::Xx => b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0",
            Self::Ik => b"Noise_IK_25519_AESGCM_SHA256\0\0\0\0",
            Self::XxFallback => b"Noise_XXfallback_25519_AESGCM_SHA256",
        }
    }
}

/// Hash, chaining key, cipher key and counter, and the operations on them. Both roles go through the same states.
///
/// The handshakes of this module drive it; it is public for known-answer tests and tools.
pub struct Symmetric {
    hash: [u8; 32],
    chaining_key: Zeroizing<[u8; 32]>,
    key: Zeroizing<[u8; 32]>,
    counter: u32,
}

impl Symmetric {
    /// The state at the start, with the connection's header mixed in.
    #[must_use]
    pub fn new(pattern: Pattern, prologue: &[u8]) -> Self {
        let mut state = Self::unmixed(pattern);
        state.mix_hash(prologue);
        state
    }

    /// The state of the protocol name alone.
    #[must_use]
    pub fn unmixed(pattern: Pattern) -> Self {
        let name = pattern.name();
        let hash = <[u8; 32]>::try_from(name).unwrap_or_else(|_| kdf::sha256(&[name]));
        Self { hash, chaining_key: Zeroizing::new(hash), key: Zeroizing::new(hash), counter: 0 }
    }

    /// Binds `data` into everything that follows.
    pub fn mix_hash(&mut self, data: &[u8]) {
        self.hash = kdf::sha256(&[&self.hash, data]);
    }

    /// Takes a shared secret into the keys.
    pub fn mix_key(&mut self, secret: &[u8; 32]) {
        let (chaining_key, key) = self.derive(secret);
        self.chaining_key = chaining_key;
        self.key = key;
        self.counter = 0;
    }

    /// Encrypts; returns the ciphertext with its tag.
    pub fn encrypt(&mut self, plaintext: &[u8]) -> Vec<u8> {
        let mut buffer = Vec::with_capacity(plaintext.len() + TAG_SIZE);
        buffer.extend_from_slice(plaintext);
        GcmKey::new(&self.key).seal(nonce(self.counter), &self.hash, &mut buffer, 0);
        self.counter += 1;
        self.mix_hash(&buffer);
        buffer
    }

    /// Undoes [`Self::encrypt`].
    ///
    /// # Errors
    /// [`CryptoError::BadTag`]; the handshake cannot go on.
    pub fn decrypt(&mut self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let mut buffer = Zeroizing::new(ciphertext.to_vec());
        let size = GcmKey::new(&self.key).open(nonce(self.counter), &self.hash, &mut buffer)?.len();
        buffer.truncate(size);
        self.counter += 1;
        self.mix_hash(ciphertext);
        Ok(buffer)
    }

    /// The keys of the transport phase: client to server, server to client.
    #[must_use]
    pub fn split(self) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>) {
        self.derive(&[])
    }

    /// The hash of all that happened: both sides have the same.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Chaining key, cipher key and counter, for comparison with known answers. The keys are secrets.
    #[must_use]
    pub fn danger_keys(&self) -> (&[u8; 32], &[u8; 32], u32) {
        (&self.chaining_key, &self.key, self.counter)
    }

    fn derive(&self, secret: &[u8]) -> (Zeroizing<[u8; 32]>, Zeroizing<[u8; 32]>) {
        let derived = kdf::hkdf_array::<64>(secret, self.chaining_key.as_slice(), &[]);
        let (mut first, mut second) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 32]));
        let (left, right) = derived.split_at(32);
        first.copy_from_slice(left);
        second.copy_from_slice(right);
        (first, second)
    }
}

/// The steps that the handshakes share, with the part of the message that a failure is about.
impl Symmetric {
    pub(super) fn mix_agreement(
        &mut self,
        ours: &KeyPair,
        theirs: &PublicKey,
        part: Part,
    ) -> Result<(), HandshakeError> {
        let secret =
            curve25519::agree(&ours.private, theirs).map_err(|_| HandshakeError::WeakKey { part })?;
        self.mix_key(&secret);
        Ok(())
    }

    pub(super) fn open(&mut self, sealed: &[u8], part: Part) -> Result<Zeroizing<Vec<u8>>, HandshakeError> {
        self.decrypt(sealed).map_err(|_| HandshakeError::Tampered { part })
    }

    pub(super) fn open_key(&mut self, sealed: &[u8]) -> Result<PublicKey, HandshakeError> {
        let key = self.open(sealed, Part::Static)?;
        PublicKey::from_raw(&key).map_err(|_| HandshakeError::KeySize { part: Part::Static })
    }

    pub(super) fn into_client_transport(self) -> Transport {
        let (to_server, to_client) = self.split();
        Transport::new(&to_server, &to_client)
    }

    pub(super) fn into_server_transport(self) -> Transport {
        let (to_server, to_client) = self.split();
        Transport::new(&to_client, &to_server)
    }
}

impl Drop for Symmetric {
    fn drop(&mut self) {
        self.hash.zeroize();
    }
}

impl std::fmt::Debug for Symmetric {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Symmetric(..)")
    }
}
