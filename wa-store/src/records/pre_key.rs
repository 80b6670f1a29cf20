//! Our own pre-keys, one-time and signed. Protocol: prekeys and devices, "Ids and key material" and "Upload".

use wa_types::{KeyPair, PreKeyId, Signature, UnixSeconds};

use crate::store::StoreFuture;

/// A one-time pre-key: made, offered to the server, used by one session, deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreKeyRecord {
    /// Its id.
    pub id: PreKeyId,
    /// The key.
    pub key_pair: KeyPair,
    /// Whether the server has it.
    pub uploaded: bool,
}

/// A signed pre-key. The account says which one is current; older ones stay for messages under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPreKeyRecord {
    /// Its id.
    pub id: PreKeyId,
    /// The key.
    pub key_pair: KeyPair,
    /// The identity key's signature over it.
    pub signature: Signature,
    /// When it was made: it is replaced after some days.
    pub created: UnixSeconds,
}

/// Reads our pre-keys. Written by [`Changes::put_pre_key`](crate::Changes::put_pre_key) and
/// [`Changes::put_signed_pre_key`](crate::Changes::put_signed_pre_key).
pub trait PreKeyReader {
    /// These one-time pre-keys, in the order asked; `None` where there is none.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn pre_keys(&self, ids: &[PreKeyId]) -> StoreFuture<'_, Vec<Option<PreKeyRecord>>>;

    /// The one-time pre-keys that the server does not have yet, lowest id first, at most `limit`.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn unuploaded_pre_keys(&self, limit: usize) -> StoreFuture<'_, Vec<PreKeyRecord>>;

    /// How many one-time pre-keys there are, uploaded or not.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn pre_key_count(&self) -> StoreFuture<'_, usize>;

    /// These signed pre-keys, in the order asked; `None` where there is none.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn signed_pre_keys(&self, ids: &[PreKeyId]) -> StoreFuture<'_, Vec<Option<SignedPreKeyRecord>>>;
}
