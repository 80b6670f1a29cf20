//! Identity keys of other people's devices. Protocol: prekeys and devices, "Identity change".

use wa_types::{PublicKey, SignalAddress};

use crate::store::StoreFuture;

/// Reads identity keys. Written by [`Changes::put_identity`](crate::Changes::put_identity).
pub trait IdentityReader {
    /// The identity keys of these devices, in the order asked; `None` where none is known.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn identities(&self, addresses: &[SignalAddress]) -> StoreFuture<'_, Vec<Option<PublicKey>>>;
}
