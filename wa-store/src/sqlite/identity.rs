//! The SQL of identity keys.

use rusqlite::Connection;
use wa_types::{PublicKey, SignalAddress};

use super::SqliteStore;
use super::query::{blob, each, run};
use crate::error::StoreError;
use crate::records::IdentityReader;
use crate::store::StoreFuture;

impl IdentityReader for SqliteStore {
    fn identities(&self, addresses: &[SignalAddress]) -> StoreFuture<'_, Vec<Option<PublicKey>>> {
        let addresses = addresses.to_vec();
        self.read(move |connection| {
            let sql = "SELECT public_key FROM identity WHERE address = ?1";
            each(
                connection,
                WHAT,
                sql,
                &addresses,
                |address| [address.to_string()],
                |row| blob(row, 0, WHAT, |bytes| PublicKey::from_raw(bytes).ok()),
            )
        })
    }
}

pub(super) fn put(
    connection: &Connection,
    address: &SignalAddress,
    key: &PublicKey,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO identity (address, public_key) VALUES (?1, ?2) \
               ON CONFLICT (address) DO UPDATE SET public_key = excluded.public_key";
    run(connection, sql, (address.to_string(), key.as_bytes())).map(drop)
}

pub(super) fn delete(connection: &Connection, address: &SignalAddress) -> Result<(), StoreError> {
    run(connection, "DELETE FROM identity WHERE address = ?1", [address.to_string()]).map(drop)
}

const WHAT: &str = "identity";
