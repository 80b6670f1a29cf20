//! The SQL of [`MessageSecret`] and [`SealedMessage`].

use rusqlite::{Connection, Row};
use wa_types::{MessageId, UnixMillis};
use zeroize::Zeroizing;

use super::SqliteStore;
use super::query::{all, blob, column, limit, run, saturated, unsigned};
use crate::error::StoreError;
use crate::jid_text;
use crate::records::message_secret::SECRETS_PER_ID;
use crate::records::{MessageKey, MessageSecret, MessageSecretReader, SealedMessage};
use crate::store::StoreFuture;

impl MessageSecretReader for SqliteStore {
    fn message_secrets(&self, ids: &[MessageId]) -> StoreFuture<'_, Vec<Vec<MessageSecret>>> {
        let ids = ids.to_vec();
        self.read(move |connection| {
            let sql = "SELECT chat, sender, message_id, at_ms, secret FROM message_secret \
                       WHERE message_id = ?1 LIMIT ?2";
            let of = |id: &MessageId| {
                let mut found = all(connection, WHAT, sql, (id.as_str(), limit(SECRETS_PER_ID)), read)?;
                found.sort_unstable_by(|one, other| one.message.cmp(&other.message));
                Ok(found)
            };
            ids.iter().map(of).collect()
        })
    }

    fn sealed_for(&self, targets: &[MessageId], count: usize) -> StoreFuture<'_, Vec<SealedMessage>> {
        let targets = targets.to_vec();
        self.read(move |connection| {
            let sql = "SELECT chat, sender, message_id, target, received_ms, payload FROM sealed WHERE target = ?1 \
                       ORDER BY received_ms, chat, sender, message_id LIMIT ?2";
            let mut found = Vec::new();
            for target in &targets {
                found.extend(all(connection, SEALED, sql, (target.as_str(), limit(count)), read_sealed)?);
            }
            found.sort_unstable_by(|one, other| (one.received, &one.message).cmp(&(other.received, &other.message)));
            found.dedup_by(|one, other| one.message == other.message);
            found.truncate(count);
            Ok(found)
        })
    }

    fn sealed_targets(&self) -> StoreFuture<'_, Vec<MessageId>> {
        self.read(|connection| {
            let sql = "SELECT DISTINCT target FROM sealed ORDER BY target";
            all(connection, SEALED, sql, [], |row| column::<String>(row, 0, SEALED).map(MessageId::new))
        })
    }
}

pub(super) fn put(connection: &Connection, record: &MessageSecret) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO message_secret (message_id, chat, sender, at_ms, secret) \
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let [chat, sender, id] = key(&record.message);
    run(connection, sql, (id, chat, sender, saturated(record.at.0), record.secret.as_slice())).map(drop)
}

pub(super) fn put_sealed(connection: &Connection, record: &SealedMessage) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO sealed (chat, sender, message_id, target, received_ms, payload) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let [chat, sender, id] = key(&record.message);
    let received = saturated(record.received.0);
    run(connection, sql, (chat, sender, id, record.target.as_str(), received, &record.payload)).map(drop)
}

pub(super) fn delete_sealed(connection: &Connection, message: &MessageKey) -> Result<(), StoreError> {
    let sql = "DELETE FROM sealed WHERE chat = ?1 AND sender = ?2 AND message_id = ?3";
    run(connection, sql, key(message)).map(drop)
}

pub(super) fn trim(
    connection: &Connection,
    before: UnixMillis,
    keep: usize,
    keep_sealed: usize,
) -> Result<(), StoreError> {
    let before = saturated(before.0);
    run(connection, "DELETE FROM message_secret WHERE at_ms < ?1", [before])?;
    run(connection, "DELETE FROM sealed WHERE received_ms < ?1", [before])?;
    let sql = "DELETE FROM message_secret WHERE (message_id, chat, sender) IN (SELECT message_id, chat, sender \
               FROM message_secret ORDER BY at_ms DESC, message_id, chat, sender LIMIT -1 OFFSET ?1)";
    run(connection, sql, [limit(keep)])?;
    let sql = "DELETE FROM sealed WHERE (chat, sender, message_id) IN (SELECT chat, sender, message_id \
               FROM sealed ORDER BY received_ms DESC, chat, sender, message_id LIMIT -1 OFFSET ?1)";
    run(connection, sql, [limit(keep_sealed)]).map(drop)
}

fn message(row: &Row<'_>, what: &'static str) -> Result<MessageKey, StoreError> {
    let text = |at| column::<String>(row, at, what);
    let jid = |at| jid_text::read(&text(at)?, what);
    Ok(MessageKey { chat: jid(0)?, sender: jid(1)?, id: MessageId::new(text(2)?) })
}

fn read(row: &Row<'_>) -> Result<MessageSecret, StoreError> {
    let secret = |bytes: &[u8]| bytes.try_into().ok().map(Zeroizing::new);
    Ok(MessageSecret {
        message: message(row, WHAT)?,
        at: UnixMillis(unsigned(row, 3, WHAT)?),
        secret: blob(row, 4, WHAT, secret)?,
    })
}

fn read_sealed(row: &Row<'_>) -> Result<SealedMessage, StoreError> {
    Ok(SealedMessage {
        message: message(row, SEALED)?,
        target: MessageId::new(column::<String>(row, 3, SEALED)?),
        received: UnixMillis(unsigned(row, 4, SEALED)?),
        payload: column(row, 5, SEALED)?,
    })
}

fn key(message: &MessageKey) -> [String; 3] {
    [jid_text::write(&message.chat), jid_text::write(&message.sender), message.id.to_string()]
}

const WHAT: &str = "message secret";
const SEALED: &str = "sealed message";
