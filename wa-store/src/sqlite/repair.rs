//! The SQL of [`RepairRecord`].

use rusqlite::{Connection, Row};
use wa_types::{MessageId, UnixMillis};

use super::SqliteStore;
use super::query::{all, column, limit, run, saturated, unsigned};
use crate::error::StoreError;
use crate::jid_text;
use crate::records::{MessageKey, RepairReader, RepairRecord};
use crate::store::StoreFuture;

impl RepairReader for SqliteStore {
    fn repairs(&self, count: usize) -> StoreFuture<'_, Vec<RepairRecord>> {
        self.read(move |connection| {
            // They are few: read through and sorted.
            let sql = "SELECT chat, sender, message_id, since_ms, state FROM repair \
                       ORDER BY since_ms, chat, sender, message_id LIMIT ?1";
            all(connection, WHAT, sql, [limit(count)], read)
        })
    }
}

pub(super) fn put(connection: &Connection, record: &RepairRecord) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO repair (chat, sender, message_id, since_ms, state) \
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let [chat, sender, id] = key(&record.message);
    run(connection, sql, (chat, sender, id, saturated(record.since.0), &record.state)).map(drop)
}

pub(super) fn delete(connection: &Connection, message: &MessageKey) -> Result<(), StoreError> {
    let sql = "DELETE FROM repair WHERE chat = ?1 AND sender = ?2 AND message_id = ?3";
    run(connection, sql, key(message)).map(drop)
}

fn read(row: &Row<'_>) -> Result<RepairRecord, StoreError> {
    let text = |at| column::<String>(row, at, WHAT);
    let jid = |at| jid_text::read(&text(at)?, WHAT);
    Ok(RepairRecord {
        message: MessageKey { chat: jid(0)?, sender: jid(1)?, id: MessageId::new(text(2)?) },
        since: UnixMillis(unsigned(row, 3, WHAT)?),
        state: column(row, 4, WHAT)?,
    })
}

fn key(message: &MessageKey) -> [String; 3] {
    [jid_text::write(&message.chat), jid_text::write(&message.sender), message.id.to_string()]
}

const WHAT: &str = "repair";
