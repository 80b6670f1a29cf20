//! The SQL of sender keys.

use rusqlite::Connection;

use super::SqliteStore;
use super::query::{column, each, run};
use crate::error::StoreError;
use crate::jid_text;
use crate::records::{SenderKeyName, SenderKeyReader};
use crate::store::StoreFuture;

impl SenderKeyReader for SqliteStore {
    fn sender_keys(&self, names: &[SenderKeyName]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>> {
        let names = names.to_vec();
        self.read(move |connection| {
            let sql = "SELECT record FROM sender_key WHERE group_jid = ?1 AND sender = ?2";
            each(connection, WHAT, sql, &names, key, |row| column(row, 0, WHAT))
        })
    }
}

pub(super) fn put(connection: &Connection, name: &SenderKeyName, record: &[u8]) -> Result<(), StoreError> {
    let [group, sender] = key(name);
    let sql = "INSERT INTO sender_key (group_jid, sender, record) VALUES (?1, ?2, ?3) \
               ON CONFLICT (group_jid, sender) DO UPDATE SET record = excluded.record";
    run(connection, sql, (group, sender, record)).map(drop)
}

pub(super) fn delete(connection: &Connection, name: &SenderKeyName) -> Result<(), StoreError> {
    run(connection, "DELETE FROM sender_key WHERE group_jid = ?1 AND sender = ?2", key(name)).map(drop)
}

fn key(name: &SenderKeyName) -> [String; 2] {
    [jid_text::write(&name.group), name.sender.to_string()]
}

const WHAT: &str = "sender key";
