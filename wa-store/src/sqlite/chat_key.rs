//! The SQL of [`ChatKey`].

use rusqlite::{Connection, Row};
use wa_types::{Jid, UnixSeconds};

use super::SqliteStore;
use super::query::{column, each, run, saturated, unsigned};
use crate::error::StoreError;
use crate::jid_text;
use crate::records::{ChatKey, ChatKeyReader, Expiration};
use crate::store::StoreFuture;

impl ChatKeyReader for SqliteStore {
    fn chat_keys(&self, addresses: &[Jid]) -> StoreFuture<'_, Vec<Option<ChatKey>>> {
        let addresses = addresses.to_vec();
        self.read(move |connection| {
            let sql = "SELECT address, chat_key, lid, expiration_s, expiration_since FROM chat_key \
                       WHERE address = ?1";
            each(connection, WHAT, sql, &addresses, |address| [jid_text::write(address)], read)
        })
    }
}

pub(super) fn put(connection: &Connection, known: &ChatKey) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO chat_key (address, chat_key, lid, expiration_s, expiration_since) \
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let lid = known.lid.as_ref().map(jid_text::write);
    let (address, key) = (jid_text::write(&known.address), jid_text::write(&known.key));
    let Expiration { seconds, since } = known.expiration;
    run(connection, sql, (address, key, lid, seconds, saturated(since.0))).map(drop)
}

fn read(row: &Row<'_>) -> Result<ChatKey, StoreError> {
    let jid = |at| jid_text::read(&column::<String>(row, at, WHAT)?, WHAT);
    let lid = column::<Option<String>>(row, 2, WHAT)?;
    let lid = lid.map(|lid| jid_text::read(&lid, WHAT)).transpose()?;
    let since = UnixSeconds(unsigned(row, 4, WHAT)?);
    Ok(ChatKey {
        address: jid(0)?,
        key: jid(1)?,
        lid,
        expiration: Expiration { seconds: column(row, 3, WHAT)?, since },
    })
}

const WHAT: &str = "chat key";
