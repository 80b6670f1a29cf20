//! The shared state in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{MemoryStore, State};
use crate::records::{AppStateChange, AppStateEntry, AppStateReader};
use crate::store::StoreFuture;

/// Where an entry is: in this order pages are read.
type Place = (Vec<u8>, String, [u8; 32]);

#[derive(Default)]
pub(super) struct AppState {
    collections: BTreeMap<String, Vec<u8>>,
    keys: BTreeMap<Vec<u8>, Vec<u8>>,
    /// By collection and index MAC.
    entries: BTreeMap<(String, [u8; 32]), AppStateEntry>,
    places: BTreeMap<Place, ()>,
    changes: BTreeMap<u64, AppStateChange>,
}

fn place(entry: &AppStateEntry) -> Place {
    (entry.index.clone(), entry.collection.clone(), entry.index_mac)
}

impl AppState {
    pub(super) fn put_collection(&mut self, name: String, record: Vec<u8>) {
        self.collections.insert(name, record);
    }

    pub(super) fn put_key(&mut self, id: Vec<u8>, record: Vec<u8>) {
        self.keys.insert(id, record);
    }

    pub(super) fn put(&mut self, entry: AppStateEntry) {
        self.delete(&entry.collection, entry.index_mac);
        self.places.insert(place(&entry), ());
        self.entries.insert((entry.collection.clone(), entry.index_mac), entry);
    }

    pub(super) fn delete(&mut self, collection: &str, index_mac: [u8; 32]) {
        if let Some(old) = self.entries.remove(&(collection.to_owned(), index_mac)) {
            self.places.remove(&place(&old));
        }
    }

    pub(super) fn clear(&mut self, collection: &str) {
        self.entries.retain(|(of, _), _| of != collection);
        self.places.retain(|(_, of, _), ()| of != collection);
    }

    pub(super) fn put_change(&mut self, change: AppStateChange) {
        self.changes.retain(|_, old| old.collection != change.collection || old.index != change.index);
        self.changes.insert(change.seq, change);
    }

    pub(super) fn delete_change(&mut self, seq: u64) {
        self.changes.remove(&seq);
    }

    fn page(&self, prefix: &[u8], after: Option<&Place>, limit: usize) -> Vec<AppStateEntry> {
        let start = match after {
            Some(after) if after.0.as_slice() >= prefix => Bound::Excluded(after.clone()),
            _ => Bound::Included((prefix.to_vec(), String::new(), [0; 32])),
        };
        let places = self.places.range((start, Bound::Unbounded)).map(|(place, ())| place);
        places
            .take_while(|(index, ..)| index.starts_with(prefix))
            .filter_map(|(_, collection, mac)| self.entries.get(&(collection.clone(), *mac)).cloned())
            .take(limit)
            .collect()
    }
}

impl AppStateReader for MemoryStore {
    fn app_state_collections(&self, names: &[String]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>> {
        self.each(names, |state, name| state.app_state.collections.get(name).cloned())
    }

    fn app_state_keys(&self) -> StoreFuture<'_, Vec<(Vec<u8>, Vec<u8>)>> {
        let pair = |(id, record): (&Vec<u8>, &Vec<u8>)| (id.clone(), record.clone());
        self.with(move |state| Ok(state.app_state.keys.iter().map(pair).collect()))
    }

    fn app_state_entries(
        &self,
        collection: &str,
        index_macs: &[[u8; 32]],
    ) -> StoreFuture<'_, Vec<Option<AppStateEntry>>> {
        let collection = collection.to_owned();
        self.each(index_macs, move |state, mac| {
            state.app_state.entries.get(&(collection.clone(), *mac)).cloned()
        })
    }

    fn app_state_by_index(&self, indexes: &[Vec<u8>]) -> StoreFuture<'_, Vec<Vec<AppStateEntry>>> {
        fn of(state: &State, index: &[u8]) -> Vec<AppStateEntry> {
            let start = (index.to_vec(), String::new(), [0; 32]);
            let places = state.app_state.places.range(start..).map(|(place, ())| place);
            places
                .take_while(|(other, ..)| other == index)
                .filter_map(|(_, name, mac)| state.app_state.entries.get(&(name.clone(), *mac)).cloned())
                .collect()
        }
        self.each(indexes, |state, index| of(state, index))
    }

    fn app_state_page(
        &self,
        prefix: &[u8],
        after: Option<&AppStateEntry>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<AppStateEntry>> {
        let (prefix, after) = (prefix.to_vec(), after.map(place));
        self.with(move |state| Ok(state.app_state.page(&prefix, after.as_ref(), limit)))
    }

    fn app_state_changes(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<AppStateChange>> {
        self.with(move |state| {
            let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
            Ok(state.app_state.changes.range(first..).map(|(_, change)| change.clone()).take(limit).collect())
        })
    }
}
