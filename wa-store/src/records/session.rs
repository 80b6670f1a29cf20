//! Sessions: the ratchet with one device of somebody. Opaque here; `wa-core`'s `signal` reads them.

use wa_types::SignalAddress;

use crate::store::StoreFuture;

/// Reads sessions. Written by [`Changes::put_session`](crate::Changes::put_session).
pub trait SessionReader {
    /// The sessions with these devices, in the order asked; `None` where there is none. The bytes are secret.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn sessions(&self, addresses: &[SignalAddress]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>>;

    /// The numbers of the devices of each of these users with which we have a session or whose identity key we know,
    /// in the order asked, lowest first. The device numbers of the addresses asked for do not matter.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn known_devices(&self, users: &[SignalAddress]) -> StoreFuture<'_, Vec<Vec<u16>>>;
}
