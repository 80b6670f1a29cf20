//! The SQL of the outbox.

use rusqlite::{Connection, Row};
use wa_types::{MessageId, UnixMillis};

use super::SqliteStore;
use super::query::{all, column, each, limit, run, saturated, unsigned};
use crate::error::StoreError;
use crate::jid_text;
use crate::records::{OutboxEntry, OutboxReader, OutboxState};
use crate::store::StoreFuture;

/// All columns, in the order of [`read`].
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT seq, chat, message_id, idempotency_key, created_ms, deadline_ms, state, reason, at_ms, \
             acked_ms, payload, delivery FROM outbox ",
            $rest
        )
    };
}

impl OutboxReader for SqliteStore {
    fn outbox_pending(&self, after: u64, count: usize) -> StoreFuture<'_, Vec<OutboxEntry>> {
        self.read(move |connection| {
            let sql = select!("INDEXED BY outbox_pending WHERE state < 2 AND seq > ?1 ORDER BY seq LIMIT ?2");
            all(connection, WHAT, sql, [saturated(after), limit(count)], read)
        })
    }

    fn outbox_by_ids(&self, ids: &[MessageId]) -> StoreFuture<'_, Vec<Option<OutboxEntry>>> {
        let ids = ids.to_vec();
        self.read(move |connection| {
            let sql = select!("WHERE message_id = ?1");
            each(connection, WHAT, sql, &ids, |id| [id.to_string()], read)
        })
    }

    fn outbox_by_key(&self, key: &str) -> StoreFuture<'_, Option<OutboxEntry>> {
        let key = key.to_owned();
        self.read(move |connection| {
            let sql = select!("WHERE idempotency_key = ?1");
            Ok(all(connection, WHAT, sql, [key], read)?.pop())
        })
    }

    fn last_outbox_seq(&self) -> StoreFuture<'_, u64> {
        self.read(|connection| {
            let sql = "SELECT coalesce(max(seq), 0) FROM outbox";
            let found = all(connection, WHAT, sql, [], |row| unsigned(row, 0, WHAT))?;
            found.first().copied().ok_or(StoreError::Corrupt { what: WHAT, source: None })
        })
    }
}

pub(super) fn put(connection: &Connection, entry: &OutboxEntry) -> Result<(), StoreError> {
    let seq = i64::try_from(entry.seq).map_err(|_| StoreError::OutOfRange { what: "outbox number" })?;
    // `REPLACE` removes the entries of the same number, the same id and the same key.
    let sql = "INSERT OR REPLACE INTO outbox (seq, chat, message_id, idempotency_key, created_ms, deadline_ms, \
               state, reason, at_ms, acked_ms, payload, delivery) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let time = |time: UnixMillis| saturated(time.0);
    run(
        connection,
        sql,
        (
            seq,
            jid_text::write(&entry.chat),
            entry.id.as_str(),
            &entry.idempotency_key,
            time(entry.created),
            entry.deadline.map(time),
            entry.state.rank(),
            entry.state.reason(),
            time(entry.at),
            entry.acked.map(time),
            &entry.payload,
            &entry.delivery,
        ),
    )
    .map(drop)
}

/// A number that no entry has, or beyond SQLite's, names none.
pub(super) fn set_state(
    connection: &Connection,
    seq: u64,
    state: OutboxState,
    at: UnixMillis,
) -> Result<(), StoreError> {
    let Ok(seq) = i64::try_from(seq) else { return Ok(()) };
    let sql = "UPDATE outbox SET acked_ms = iif(?2 = 3, ?4, acked_ms), reason = iif(state < ?2, ?3, reason), \
               at_ms = iif(state < ?2, ?4, at_ms), state = max(state, ?2) WHERE seq = ?1";
    run(connection, sql, (seq, state.rank(), state.reason(), saturated(at.0))).map(drop)
}

pub(super) fn set_state_of(
    connection: &Connection,
    id: &MessageId,
    state: OutboxState,
    at: UnixMillis,
) -> Result<(), StoreError> {
    // A receipt of a second device changes nothing, and writes nothing.
    let sql = "UPDATE outbox SET acked_ms = iif(?2 = 3, ?4, acked_ms), reason = ?3, at_ms = ?4, state = ?2 \
               WHERE message_id = ?1 AND state < ?2";
    run(connection, sql, (id.as_str(), state.rank(), state.reason(), saturated(at.0))).map(drop)
}

pub(super) fn trim(connection: &Connection, before: UnixMillis, keep_bytes: u64) -> Result<(), StoreError> {
    // The sum over the newest ones grows with age: all from the first that goes beyond the limit are too many.
    let sql = "DELETE FROM outbox WHERE state >= 2 AND (created_ms < ?1 OR seq <= ( \
                   SELECT seq FROM ( \
                       SELECT seq, sum(length(payload) + length(delivery)) OVER (ORDER BY seq DESC) AS bytes FROM outbox \
                       WHERE state >= 2 AND created_ms >= ?1 \
                   ) WHERE bytes > ?2 ORDER BY seq DESC LIMIT 1))";
    run(connection, sql, [saturated(before.0), saturated(keep_bytes)]).map(drop)
}

fn read(row: &Row<'_>) -> Result<OutboxEntry, StoreError> {
    let time = |at| Ok::<_, StoreError>(UnixMillis(unsigned(row, at, WHAT)?));
    let time_opt = |at| match column::<Option<i64>>(row, at, WHAT)? {
        Some(_) => time(at).map(Some),
        None => Ok(None),
    };
    Ok(OutboxEntry {
        seq: unsigned(row, 0, WHAT)?,
        chat: jid_text::read(&column::<String>(row, 1, WHAT)?, WHAT)?,
        id: MessageId::new(column::<String>(row, 2, WHAT)?),
        idempotency_key: column(row, 3, WHAT)?,
        created: time(4)?,
        deadline: time_opt(5)?,
        state: OutboxState::new(column(row, 6, WHAT)?, column(row, 7, WHAT)?)
            .ok_or(StoreError::Corrupt { what: WHAT, source: None })?,
        at: time(8)?,
        acked: time_opt(9)?,
        payload: column(row, 10, WHAT)?,
        delivery: column(row, 11, WHAT)?,
    })
}

const WHAT: &str = "outbox";
