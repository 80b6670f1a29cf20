//! Which phone number a LID stands for. Protocol: prekeys and devices, "LID ↔ PN mapping".

use wa_types::{Jid, UnixMillis};

use crate::store::StoreFuture;

/// One LID and its phone number. Both are user JIDs, without a device number.
///
/// The store keeps one mapping per LID: the last one written. Several LIDs may name the same phone number; the one
/// with the latest `learned` is current, and of two with the same time the one written last. When to write and when
/// not is the caller's rule ("Write rules").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LidMapping {
    /// The LID.
    pub lid: Jid,
    /// The phone number.
    pub pn: Jid,
    /// When we learned it; 0 for one that any later mapping beats.
    pub learned: UnixMillis,
}

/// Reads LID mappings. Written by [`Changes::put_lid_mapping`](crate::Changes::put_lid_mapping).
pub trait LidMapReader {
    /// The newest mapping of each of these phone numbers, in the order asked; `None` where none is known.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn lids_of(&self, pns: &[Jid]) -> StoreFuture<'_, Vec<Option<LidMapping>>>;

    /// The last written mapping of each of these LIDs, in the order asked; `None` where none is known.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn pns_of(&self, lids: &[Jid]) -> StoreFuture<'_, Vec<Option<LidMapping>>>;
}
