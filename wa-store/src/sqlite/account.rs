//! The SQL of [`Account`].

use rusqlite::Connection;
use zeroize::Zeroizing;

use super::SqliteStore;
use super::query::{each, run};
use crate::error::StoreError;
use crate::records::{Account, AccountReader};
use crate::store::StoreFuture;

impl AccountReader for SqliteStore {
    fn account(&self) -> StoreFuture<'_, Option<Account>> {
        self.read(|connection| {
            let sql = "SELECT record FROM account WHERE id = ?1";
            let read = |row: &rusqlite::Row<'_>| {
                let bytes: Zeroizing<Vec<u8>> = Zeroizing::new(super::query::column(row, 0, "account")?);
                Account::decode(&bytes)
            };
            Ok(each(connection, "account", sql, &[1], |id| [*id], read)?.pop().flatten())
        })
    }
}

pub(super) fn put(connection: &Connection, account: &Account) -> Result<(), StoreError> {
    let record = Zeroizing::new(account.encode());
    run(connection, "INSERT OR REPLACE INTO account (id, record) VALUES (1, ?1)", [record.as_slice()])
        .map(drop)
}
