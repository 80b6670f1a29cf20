//! The key of one media file. Protocol: media, "Encryption".

use std::fmt;

use zeroize::{Zeroize as _, ZeroizeOnDrop};

use super::MediaKind;
use crate::crypto::kdf::hkdf_array;
use crate::crypto::{Random, kdf};

/// The key of one media file, from which those of its cipher are made. Wiped on drop.
#[derive(Clone, PartialEq, Eq, ZeroizeOnDrop)]
pub struct MediaKey([u8; 32]);

impl MediaKey {
    /// A key from its bytes.
    #[must_use]
    pub fn new(mut bytes: [u8; 32]) -> Self {
        let key = Self(bytes);
        bytes.zeroize();
        key
    }

    /// A key from a slice; `None` unless it has 32 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// A new key. Every file has its own.
    #[must_use]
    pub fn generate(random: &mut impl Random) -> Self {
        Self(random.array())
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The keys of the cipher.
    #[must_use]
    pub(crate) fn expand(&self, kind: MediaKind) -> FileKeys {
        FileKeys(hkdf_array(&self.0, &[], kind.key_info().as_bytes()))
    }

    /// The key of a request to upload the file again, and of its answer. Protocol: media, "Media retry".
    #[must_use]
    pub(crate) fn retry_key(&self) -> zeroize::Zeroizing<[u8; 32]> {
        kdf::hkdf_array(&self.0, &[], b"WhatsApp Media Retry Notification")
    }
}

impl fmt::Debug for MediaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MediaKey(..)")
    }
}

/// What a [`MediaKey`] expands to for one kind of media; the rest of the 112 bytes is unused.
pub(crate) struct FileKeys(zeroize::Zeroizing<[u8; 80]>);

impl FileKeys {
    pub(crate) fn iv(&self) -> &[u8; 16] {
        self.0.first_chunk().expect("16 of 80 bytes")
    }

    pub(crate) fn cipher_key(&self) -> &[u8; 32] {
        self.part(16)
    }

    pub(crate) fn mac_key(&self) -> &[u8; 32] {
        self.part(48)
    }

    fn part(&self, start: usize) -> &[u8; 32] {
        self.0.get(start..).and_then(<[u8]>::first_chunk).expect("32 of 80 bytes")
    }
}
