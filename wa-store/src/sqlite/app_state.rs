//! The SQL of the shared state.

use rusqlite::{Connection, Row};

use super::SqliteStore;
use super::query::{all, blob, column, each, run, saturated, unsigned};
use crate::error::StoreError;
use crate::records::{AppStateChange, AppStateEntry, AppStateReader};
use crate::store::StoreFuture;

impl AppStateReader for SqliteStore {
    fn app_state_collections(&self, names: &[String]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>> {
        let names = names.to_vec();
        self.read(move |connection| {
            let sql = "SELECT record FROM app_state_collection WHERE name = ?1";
            each(connection, WHAT, sql, &names, |name| [name.clone()], |row| column(row, 0, WHAT))
        })
    }

    fn app_state_keys(&self) -> StoreFuture<'_, Vec<(Vec<u8>, Vec<u8>)>> {
        self.read(move |connection| {
            let sql = "SELECT id, record FROM app_state_key ORDER BY id";
            all(connection, WHAT, sql, [], |row| Ok((column(row, 0, WHAT)?, column(row, 1, WHAT)?)))
        })
    }

    fn app_state_entries(
        &self,
        collection: &str,
        index_macs: &[[u8; 32]],
    ) -> StoreFuture<'_, Vec<Option<AppStateEntry>>> {
        let (collection, index_macs) = (collection.to_owned(), index_macs.to_vec());
        self.read(move |connection| {
            let sql = "SELECT collection, index_mac, value_mac, key_id, version, action, value \
                       FROM app_state_entry WHERE collection = ?1 AND index_mac = ?2";
            each(connection, WHAT, sql, &index_macs, |mac| (collection.clone(), *mac), read)
        })
    }

    fn app_state_by_index(&self, indexes: &[Vec<u8>]) -> StoreFuture<'_, Vec<Vec<AppStateEntry>>> {
        let indexes = indexes.to_vec();
        self.read(move |connection| {
            let sql = "SELECT collection, index_mac, value_mac, key_id, version, action, value \
                       FROM app_state_entry WHERE action = ?1 ORDER BY collection, index_mac";
            indexes.iter().map(|index| all(connection, WHAT, sql, [index], read)).collect()
        })
    }

    fn app_state_page(
        &self,
        prefix: &[u8],
        after: Option<&AppStateEntry>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<AppStateEntry>> {
        let prefix = prefix.to_vec();
        let (index, collection, mac) = match after.filter(|after| after.index >= prefix) {
            Some(after) => (after.index.clone(), after.collection.clone(), after.index_mac.to_vec()),
            // Before any place: an index MAC is never empty.
            None => (prefix.clone(), String::new(), Vec::new()),
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(move |connection| {
            // What is not before a prefix and before its end begins with it.
            let columns = "SELECT collection, index_mac, value_mac, key_id, version, action, value \
                           FROM app_state_entry WHERE (action, collection, index_mac) > (?1, ?2, ?3)";
            let order = "ORDER BY action, collection, index_mac LIMIT ?4";
            match end_of(&prefix) {
                Some(end) => {
                    let sql = format!("{columns} AND action < ?5 {order}");
                    all(connection, WHAT, &sql, (index, collection, mac, limit, end), read)
                }
                None => {
                    let sql = format!("{columns} {order}");
                    all(connection, WHAT, &sql, (index, collection, mac, limit), read)
                }
            }
        })
    }

    fn app_state_changes(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<AppStateChange>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(move |connection| {
            let sql = "SELECT seq, collection, action, is_removal, version, value FROM app_state_change \
                       WHERE seq > ?1 ORDER BY seq LIMIT ?2";
            all(connection, WHAT, sql, (saturated(after), limit), |row| {
                Ok(AppStateChange {
                    seq: unsigned(row, 0, WHAT)?,
                    collection: column(row, 1, WHAT)?,
                    index: column(row, 2, WHAT)?,
                    is_removal: column(row, 3, WHAT)?,
                    version: column(row, 4, WHAT)?,
                    value: column(row, 5, WHAT)?,
                })
            })
        })
    }
}

/// The first bytes behind all that begin with `prefix`; `None` when nothing is behind them.
fn end_of(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte < u8::MAX)?;
    let mut end = prefix.get(..=kept)?.to_vec();
    *end.last_mut()? += 1;
    Some(end)
}

fn read(row: &Row<'_>) -> Result<AppStateEntry, StoreError> {
    let mac = |at| blob(row, at, WHAT, |bytes| bytes.try_into().ok());
    Ok(AppStateEntry {
        collection: column(row, 0, WHAT)?,
        index_mac: mac(1)?,
        value_mac: mac(2)?,
        key_id: column(row, 3, WHAT)?,
        version: column(row, 4, WHAT)?,
        index: column(row, 5, WHAT)?,
        value: column(row, 6, WHAT)?,
    })
}

pub(super) fn put_collection(connection: &Connection, name: &str, record: &[u8]) -> Result<(), StoreError> {
    let sql = "INSERT INTO app_state_collection (name, record) VALUES (?1, ?2) \
               ON CONFLICT (name) DO UPDATE SET record = excluded.record";
    run(connection, sql, (name, record)).map(drop)
}

pub(super) fn put_key(connection: &Connection, id: &[u8], record: &[u8]) -> Result<(), StoreError> {
    let sql = "INSERT INTO app_state_key (id, record) VALUES (?1, ?2) \
               ON CONFLICT (id) DO UPDATE SET record = excluded.record";
    run(connection, sql, (id, record)).map(drop)
}

pub(super) fn put(connection: &Connection, entry: &AppStateEntry) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO app_state_entry \
               (collection, index_mac, value_mac, key_id, version, action, value) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let entry = (
        &entry.collection,
        entry.index_mac,
        entry.value_mac,
        &entry.key_id,
        entry.version,
        &entry.index,
        &entry.value,
    );
    run(connection, sql, entry).map(drop)
}

pub(super) fn delete(connection: &Connection, collection: &str, mac: &[u8; 32]) -> Result<(), StoreError> {
    let sql = "DELETE FROM app_state_entry WHERE collection = ?1 AND index_mac = ?2";
    run(connection, sql, (collection, mac)).map(drop)
}

pub(super) fn clear(connection: &Connection, collection: &str) -> Result<(), StoreError> {
    run(connection, "DELETE FROM app_state_entry WHERE collection = ?1", [collection]).map(drop)
}

pub(super) fn put_change(connection: &Connection, change: &AppStateChange) -> Result<(), StoreError> {
    // One change of an index: the later replaces the earlier.
    let sql = "INSERT OR REPLACE INTO app_state_change \
               (seq, collection, action, is_removal, version, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let change = (
        saturated(change.seq),
        &change.collection,
        &change.index,
        change.is_removal,
        change.version,
        &change.value,
    );
    run(connection, sql, change).map(drop)
}

pub(super) fn delete_change(connection: &Connection, seq: u64) -> Result<(), StoreError> {
    run(connection, "DELETE FROM app_state_change WHERE seq = ?1", [saturated(seq)]).map(drop)
}

const WHAT: &str = "app state";
