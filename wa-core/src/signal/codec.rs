//! How records are kept: little-endian numbers and fixed-size keys, one after the other. The first byte names the
//! record, the second its version; what a version means never changes.

use wa_types::{KeyPair, PrivateKey, PublicKey, RegistrationId};
use zeroize::Zeroizing;

/// Why stored bytes are no record. The session or key is lost: treat it as absent, after logging it as our own fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The bytes begin a record of another kind, or none.
    #[error("bytes of another kind of record")]
    Kind,
    /// A version that this library does not know: written by a newer one.
    #[error("a record of the unknown version {0}")]
    Version(u8),
    /// The bytes end too early, or go on after the record.
    #[error("a record of the wrong length")]
    Length,
    /// A part says what cannot be.
    #[error("a record with an impossible {0}")]
    Invalid(&'static str),
}

/// Takes a record's bytes apart.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Checks kind and version.
    pub(super) fn new(bytes: &'a [u8], kind: u8, version: u8) -> Result<Self, RecordError> {
        match bytes {
            [k, v, rest @ ..] if *k == kind && *v == version => Ok(Self(rest)),
            [k, v, ..] if *k == kind => Err(RecordError::Version(*v)),
            _ => Err(RecordError::Kind),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], RecordError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(RecordError::Length)?;
        self.0 = rest;
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, RecordError> {
        self.array::<1>().map(|[byte]| *byte)
    }

    pub(super) fn u16(&mut self) -> Result<u16, RecordError> {
        self.array().map(|bytes| u16::from_le_bytes(*bytes))
    }

    pub(super) fn u32(&mut self) -> Result<u32, RecordError> {
        self.array().map(|bytes| u32::from_le_bytes(*bytes))
    }

    pub(super) fn secret(&mut self) -> Result<Zeroizing<[u8; 32]>, RecordError> {
        self.array().map(|bytes| Zeroizing::new(*bytes))
    }

    pub(super) fn public(&mut self) -> Result<PublicKey, RecordError> {
        self.array().map(|bytes| PublicKey::new(*bytes))
    }

    pub(super) fn private(&mut self) -> Result<PrivateKey, RecordError> {
        self.array().map(|bytes| PrivateKey::new(*bytes))
    }

    pub(super) fn key_pair(&mut self) -> Result<KeyPair, RecordError> {
        Ok(KeyPair { private: self.private()?, public: self.public()? })
    }

    pub(super) fn registration_id(&mut self) -> Result<RegistrationId, RecordError> {
        self.u32().map(RegistrationId)
    }

    /// Nothing may follow.
    pub(super) const fn finish(self) -> Result<(), RecordError> {
        if self.0.is_empty() { Ok(()) } else { Err(RecordError::Length) }
    }
}

/// Puts a record's bytes together.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// `size` is what follows; reserved at once, so that no reallocation leaves secrets behind.
    pub(super) fn new(kind: u8, version: u8, size: usize) -> Self {
        let mut bytes = Vec::with_capacity(size + 2);
        bytes.extend([kind, version]);
        Self(bytes)
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, number: u8) {
        self.0.push(number);
    }

    pub(super) fn u16(&mut self, number: u16) {
        self.bytes(&number.to_le_bytes());
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.bytes(&number.to_le_bytes());
    }

    /// The length of a list that has a bound.
    pub(super) fn count(&mut self, len: usize) {
        self.u8(u8::try_from(len).expect("lists of this record are shorter than 256"));
    }

    pub(super) fn key_pair(&mut self, pair: &KeyPair) {
        self.bytes(pair.private.as_bytes());
        self.bytes(pair.public.as_bytes());
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.0
    }
}
