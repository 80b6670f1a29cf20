//! The SQL of [`ChatKey`].

use rusqlite::{Connection, Row};
use wa_types::Jid;

use super::SqliteStore;
use super::query::{column, each, run};
use crate::error::StoreError;
use crate::jid_text;
use crate::records::{ChatKey, ChatKeyReader};
use crate::store::StoreFuture;

impl ChatKeyReader for SqliteStore {
    fn chat_keys(&self, addresses: &[Jid]) -> StoreFuture<'_, Vec<Option<ChatKey>>> {
        let addresses = addresses.to_vec();
        self.read(move |connection| {
            let sql = "SELECT address, chat_key, lid FROM chat_key WHERE address = ?1";
            each(connection, WHAT, sql, &addresses, |address| [jid_text::write(address)], read)
        })
    }
}

pub(super) fn put(connection: &Connection, known: &ChatKey) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO chat_key (address, chat_key, lid) VALUES (?1, ?2, ?3)";
    let lid = known.lid.as_ref().map(jid_text::write);
    run(connection, sql, (jid_text::write(&known.address), jid_text::write(&known.key), lid)).map(drop)
}

fn read(row: &Row<'_>) -> Result<ChatKey, StoreError> {
    let jid = |at| jid_text::read(&column::<String>(row, at, WHAT)?, WHAT);
    let lid = column::<Option<String>>(row, 2, WHAT)?;
    let lid = lid.map(|lid| jid_text::read(&lid, WHAT)).transpose()?;
    Ok(ChatKey { address: jid(0)?, key: jid(1)?, lid })
}

const WHAT: &str = "chat key";
