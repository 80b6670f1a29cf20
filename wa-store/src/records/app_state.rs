//! The state that the devices of an account share: how far each collection is, its entries, the keys that seal them, and
//! changes of our own that the server does not have yet. Protocol: app state.

use std::fmt;

use crate::store::StoreFuture;

/// One live entry. Its place is its collection and index MAC; one index may have several, sealed by different keys.
///
/// `Debug` shows no content.
#[derive(Clone, PartialEq, Eq)]
pub struct AppStateEntry {
    /// The collection's name.
    pub collection: String,
    /// Under what the server knows it.
    pub index_mac: [u8; 32],
    /// What of it enters the hash of the collection.
    pub value_mac: [u8; 32],
    /// The key that sealed it.
    pub key_id: Vec<u8>,
    /// What it is about.
    pub index: Vec<u8>,
    /// What it says.
    pub value: Vec<u8>,
    /// The version of its schema.
    pub version: i32,
}

/// A change that is to be uploaded.
///
/// `Debug` shows no content.
#[derive(Clone, PartialEq, Eq)]
pub struct AppStateChange {
    /// Its place among the changes.
    pub seq: u64,
    /// The collection's name.
    pub collection: String,
    /// What it is about.
    pub index: Vec<u8>,
    /// Whether the entry goes.
    pub is_removal: bool,
    /// What the entry says.
    pub value: Vec<u8>,
    /// The version of its schema.
    pub version: i32,
}

impl fmt::Debug for AppStateEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppStateEntry")
            .field("collection", &self.collection)
            .field("value_size", &self.value.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AppStateChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppStateChange")
            .field("seq", &self.seq)
            .field("collection", &self.collection)
            .field("is_removal", &self.is_removal)
            .field("value_size", &self.value.len())
            .finish_non_exhaustive()
    }
}

/// Reads the shared state. Written by the methods of [`Changes`](crate::Changes) that name it.
pub trait AppStateReader {
    /// How far these collections are, in the order asked; `None` where nothing is known. Opaque here; `wa-core`'s
    /// `app_state` reads it.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn app_state_collections(&self, names: &[String]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>>;

    /// All keys, by id: their ids and their records, opaque and secret.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn app_state_keys(&self) -> StoreFuture<'_, Vec<(Vec<u8>, Vec<u8>)>>;

    /// The entries of a collection with these index MACs, in the order asked; `None` where there is none.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn app_state_entries(
        &self,
        collection: &str,
        index_macs: &[[u8; 32]],
    ) -> StoreFuture<'_, Vec<Option<AppStateEntry>>>;

    /// The entries of each of these indexes, in the order asked; those of one index by collection and index MAC.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn app_state_by_index(&self, indexes: &[Vec<u8>]) -> StoreFuture<'_, Vec<Vec<AppStateEntry>>>;

    /// Up to `limit` entries whose index begins with `prefix`, by index, collection and index MAC, all compared as
    /// bytes; with `after` only those behind that one.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn app_state_page(
        &self,
        prefix: &[u8],
        after: Option<&AppStateEntry>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<AppStateEntry>>;

    /// Up to `limit` changes to be uploaded with numbers above `after`, in order.
    ///
    /// # Errors
    /// Any [`StoreError`](crate::StoreError).
    fn app_state_changes(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<AppStateChange>>;
}
