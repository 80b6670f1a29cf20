//! Secrets at rest: sealed before they are stored, opened after they were read. Requirements: manager.md, 4.4.

use std::fmt;

use sha2::{Digest as _, Sha256};
use wa_core::crypto::aes::GcmKey;
use wa_core::crypto::{Random as _, SystemRandom};
use zeroize::Zeroizing;

/// Seals secrets for the manager's store: those of webhooks, and their headers. Yours to implement, for keys that are kept
/// elsewhere; [`KeyVault`] has them in memory. Calls may block: they are made beside the runtime's threads.
///
/// Without a vault what the store has is as safe as its file. The keys of the protocol are not sealed by it: they change
/// with each message, and their files are only their owner's to read.
pub trait SecretVault: Send + Sync + fmt::Debug {
    /// Seals a secret for what `purpose` says: only for that it opens again.
    ///
    /// # Errors
    /// [`VaultError`]; what was to be stored is not.
    fn seal(&self, purpose: &str, secret: &[u8]) -> Result<Vec<u8>, VaultError>;

    /// Opens what was sealed for this purpose.
    ///
    /// # Errors
    /// [`VaultError`].
    fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError>;
}

/// Why a secret was not sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// It was sealed with a key that this vault does not have, or there is no vault.
    #[error("the key of a secret is not there")]
    NoKey,
    /// It is not what was sealed, or was sealed for something else.
    #[error("a sealed secret was changed")]
    Changed,
    /// The vault cannot be reached.
    #[error("the vault cannot be reached: {0}")]
    Away(String),
}

/// The key of a vault, or of an exported session: 32 random bytes. Wiped on drop.
#[derive(Clone)]
pub struct SessionKey(Zeroizing<[u8; 32]>);

impl SessionKey {
    /// The key of these bytes. They must be random: no password.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// What tells it from others, and nothing else about it.
    fn name(&self) -> [u8; 8] {
        let mut hash = Sha256::new();
        hash.update(b"wa-manager key name");
        hash.update(*self.0);
        let [a, b, c, d, e, f, g, h, ..]: [u8; 32] = hash.finalize().into();
        [a, b, c, d, e, f, g, h]
    }

    pub(crate) fn seal(&self, purpose: &str, secret: &[u8]) -> Vec<u8> {
        let nonce: [u8; 12] = SystemRandom.array();
        let mut sealed = Vec::with_capacity(HEAD + secret.len() + 16);
        sealed.push(FORM);
        sealed.extend_from_slice(&self.name());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(secret);
        GcmKey::new(&self.0).seal(nonce, purpose.as_bytes(), &mut sealed, HEAD);
        sealed
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(..)")
    }
}

/// What is before the encrypted secret: the form, the key's name, the nonce.
const HEAD: usize = 1 + 8 + 12;

/// The only form that there is.
const FORM: u8 = 1;

/// A vault with its keys in memory: AES-256-GCM. It seals with the first key, and opens with any.
#[derive(Debug, Clone)]
pub struct KeyVault {
    keys: Vec<SessionKey>,
}

impl KeyVault {
    /// With one key.
    #[must_use]
    pub fn new(key: SessionKey) -> Self {
        Self { keys: vec![key] }
    }

    /// And with an older one, for what was sealed before. What is written anew is sealed with the first.
    #[must_use]
    pub fn with_old(mut self, key: SessionKey) -> Self {
        self.keys.push(key);
        self
    }
}

impl SecretVault for KeyVault {
    fn seal(&self, purpose: &str, secret: &[u8]) -> Result<Vec<u8>, VaultError> {
        Ok(self.keys.first().ok_or(VaultError::NoKey)?.seal(purpose, secret))
    }

    fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, VaultError> {
        let (&form, rest) = sealed.split_first().ok_or(VaultError::Changed)?;
        let (name, rest) = rest.split_first_chunk::<8>().ok_or(VaultError::Changed)?;
        let (nonce, secret) = rest.split_first_chunk::<12>().ok_or(VaultError::Changed)?;
        if form != FORM {
            return Err(VaultError::Changed);
        }
        let key = self.keys.iter().find(|key| key.name() == *name).ok_or(VaultError::NoKey)?;
        let mut secret = Zeroizing::new(secret.to_vec());
        let opened = GcmKey::new(&key.0).open(*nonce, purpose.as_bytes(), &mut secret);
        let length = opened.map_err(|_| VaultError::Changed)?.len();
        secret.truncate(length);
        Ok(secret)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> SessionKey {
        SessionKey::new([byte; 32])
    }

    #[test]
    fn a_secret_opens_with_its_key_and_for_its_purpose_only() {
        let vault = KeyVault::new(key(1));
        let sealed = vault.seal("webhook", b"a secret").unwrap();
        assert!(!sealed.windows(8).any(|part| part == b"a secret"));
        assert_ne!(sealed, vault.seal("webhook", b"a secret").unwrap(), "each time anew");
        assert_eq!(vault.open("webhook", &sealed).unwrap().as_slice(), b"a secret");
        assert_eq!(vault.open("header", &sealed), Err(VaultError::Changed));
        let other = KeyVault::new(key(2));
        assert_eq!(other.open("webhook", &sealed), Err(VaultError::NoKey));
        assert_eq!(other.with_old(key(1)).open("webhook", &sealed).unwrap().as_slice(), b"a secret");
        assert_eq!(format!("{:?}", key(1)), "SessionKey(..)");
    }

    proptest! {
        #[test]
        fn what_was_changed_does_not_open(place in 0..64_usize, bit in 0..8_u8, cut in 0..64_usize) {
            let vault = KeyVault::new(key(1));
            let sealed = vault.seal("webhook", b"a secret").unwrap();
            let mut changed = sealed.clone();
            let place = place % changed.len();
            changed[place] ^= 1 << bit;
            prop_assert!(vault.open("webhook", &changed).is_err());
            prop_assert!(vault.open("webhook", &sealed[..cut.min(sealed.len() - 1)]).is_err());
        }
    }
}
