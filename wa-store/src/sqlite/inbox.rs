//! The SQL of the inbox and of seen messages.

use rusqlite::{Connection, Row};
use wa_types::{MessageId, UnixMillis};

use super::SqliteStore;
use super::query::{all, column, each, limit, run, saturated, unsigned};
use crate::error::StoreError;
use crate::jid_text;
use crate::records::{InboxEntry, InboxReader, MessageKey};
use crate::store::StoreFuture;

impl InboxReader for SqliteStore {
    fn inbox(&self, after: u64, count: usize) -> StoreFuture<'_, Vec<InboxEntry>> {
        self.read(move |connection| {
            let sql = "SELECT seq, chat, sender, message_id, received_ms, payload FROM inbox \
                       WHERE seq > ?1 ORDER BY seq LIMIT ?2";
            all(connection, WHAT, sql, [saturated(after), limit(count)], read)
        })
    }

    fn last_inbox_seq(&self) -> StoreFuture<'_, u64> {
        self.read(last)
    }

    fn seen(&self, keys: &[MessageKey]) -> StoreFuture<'_, Vec<bool>> {
        let keys = keys.to_vec();
        self.read(move |connection| {
            let sql = "SELECT 1 FROM seen WHERE chat = ?1 AND sender = ?2 AND message_id = ?3";
            let found = each(connection, "seen messages", sql, &keys, key, |_| Ok(()))?;
            Ok(found.iter().map(Option::is_some).collect())
        })
    }
}

pub(super) fn push(connection: &Connection, entry: &InboxEntry) -> Result<(), StoreError> {
    let seq = i64::try_from(entry.seq).map_err(|_| StoreError::OutOfRange { what: "inbox number" })?;
    if run(connection, "UPDATE inbox_last SET seq = ?1 WHERE seq < ?1", [seq])? == 0 {
        return Err(StoreError::InboxOrder { seq: entry.seq, last: last(connection)? });
    }
    let sql = "INSERT INTO inbox (seq, chat, sender, message_id, received_ms, payload) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let [chat, sender, id] = key(&entry.message);
    run(connection, sql, (seq, &chat, &sender, &id, saturated(entry.received.0), &entry.payload))?;
    insert_seen(connection, [chat, sender, id], entry.received)
}

/// A number that was never used, 0 or beyond SQLite's, names no entry.
pub(super) fn confirm(connection: &Connection, seq: u64) -> Result<(), StoreError> {
    let Ok(seq) = i64::try_from(seq) else { return Ok(()) };
    run(connection, "DELETE FROM inbox WHERE seq = ?1", [seq]).map(drop)
}

pub(super) fn mark_seen(
    connection: &Connection,
    message: &MessageKey,
    at: UnixMillis,
) -> Result<(), StoreError> {
    insert_seen(connection, key(message), at)
}

pub(super) fn forget_seen_before(connection: &Connection, time: UnixMillis) -> Result<(), StoreError> {
    run(connection, "DELETE FROM seen WHERE at_ms < ?1", [saturated(time.0)]).map(drop)
}

fn insert_seen(
    connection: &Connection,
    [chat, sender, id]: [String; 3],
    at: UnixMillis,
) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO seen (chat, sender, message_id, at_ms) VALUES (?1, ?2, ?3, ?4)";
    run(connection, sql, (chat, sender, id, saturated(at.0))).map(drop)
}

fn last(connection: &Connection) -> Result<u64, StoreError> {
    let found = all(connection, WHAT, "SELECT seq FROM inbox_last", [], |row| unsigned(row, 0, WHAT))?;
    found.first().copied().ok_or(StoreError::Corrupt { what: WHAT, source: None })
}

fn read(row: &Row<'_>) -> Result<InboxEntry, StoreError> {
    let text = |at| column::<String>(row, at, WHAT);
    let jid = |at| jid_text::read(&text(at)?, WHAT);
    Ok(InboxEntry {
        seq: unsigned(row, 0, WHAT)?,
        message: MessageKey { chat: jid(1)?, sender: jid(2)?, id: MessageId::new(text(3)?) },
        received: UnixMillis(unsigned(row, 4, WHAT)?),
        payload: column(row, 5, WHAT)?,
    })
}

fn key(message: &MessageKey) -> [String; 3] {
    [jid_text::write(&message.chat), jid_text::write(&message.sender), message.id.to_string()]
}

const WHAT: &str = "inbox";
