//! Users whose identity changed and who get nothing until the application trusts them again.

use wa_types::Jid;

use crate::store::StoreFuture;

/// Reads who is held. Written by [`Changes::hold`](crate::Changes::hold).
pub trait HeldReader {
    /// Whether each of these users is held, in the order asked. Users are without a device number.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn held(&self, users: &[Jid]) -> StoreFuture<'_, Vec<bool>>;
}
