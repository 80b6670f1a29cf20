//! The SQL of sessions.

use rusqlite::Connection;
use wa_types::SignalAddress;

use super::SqliteStore;
use super::query::{column, each, run};
use crate::error::StoreError;
use crate::records::SessionReader;
use crate::store::StoreFuture;

impl SessionReader for SqliteStore {
    fn sessions(&self, addresses: &[SignalAddress]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>> {
        let addresses = addresses.to_vec();
        self.read(move |connection| {
            let sql = "SELECT record FROM session WHERE address = ?1";
            each(
                connection,
                WHAT,
                sql,
                &addresses,
                |address| [address.to_string()],
                |row| column(row, 0, WHAT),
            )
        })
    }
}

pub(super) fn put(connection: &Connection, address: &SignalAddress, record: &[u8]) -> Result<(), StoreError> {
    let sql = "INSERT INTO session (address, record) VALUES (?1, ?2) \
               ON CONFLICT (address) DO UPDATE SET record = excluded.record";
    run(connection, sql, (address.to_string(), record)).map(drop)
}

pub(super) fn delete(connection: &Connection, address: &SignalAddress) -> Result<(), StoreError> {
    run(connection, "DELETE FROM session WHERE address = ?1", [address.to_string()]).map(drop)
}

const WHAT: &str = "session";
