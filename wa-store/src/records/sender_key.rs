//! Sender keys: one sender's key in one group. Opaque here; `wa-core`'s `signal` reads them.

use wa_types::{Jid, SignalAddress};

use crate::store::StoreFuture;

/// Whose key, and in which group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SenderKeyName {
    /// The group, or `status@broadcast`.
    pub group: Jid,
    /// The sending device; our own included.
    pub sender: SignalAddress,
}

/// Reads sender keys. Written by [`Changes::put_sender_key`](crate::Changes::put_sender_key).
pub trait SenderKeyReader {
    /// These senders' keys, in the order asked; `None` where there is none. The bytes are secret.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn sender_keys(&self, names: &[SenderKeyName]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>>;
}
