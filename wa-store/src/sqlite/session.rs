//! The SQL of sessions.

use rusqlite::Connection;
use wa_types::SignalAddress;

use super::SqliteStore;
use super::query::{all, column, each, run};
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

    fn known_devices(&self, users: &[SignalAddress]) -> StoreFuture<'_, Vec<Vec<u16>>> {
        let users = users.to_vec();
        self.read(move |connection| {
            // All devices of a user have one prefix, up to the full stop; what comes after that character is a slash.
            let sql = "SELECT address FROM session WHERE address > ?1 AND address < ?2 \
                       UNION SELECT address FROM identity WHERE address > ?1 AND address < ?2";
            let one = |user: &SignalAddress| {
                let text = SignalAddress::new(user.user(), user.domain(), 0).to_string();
                let prefix = text.trim_end_matches('0').trim_end_matches('.');
                let range = [format!("{prefix}."), format!("{prefix}/")];
                let mut devices = all(connection, WHAT, sql, range, |row| {
                    let address = column::<String>(row, 0, WHAT)?;
                    let device = address.rsplit_once('.').and_then(|(_, device)| device.parse().ok());
                    device.ok_or(StoreError::Corrupt { what: WHAT, source: None })
                })?;
                devices.sort_unstable();
                Ok(devices)
            };
            users.iter().map(one).collect()
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
