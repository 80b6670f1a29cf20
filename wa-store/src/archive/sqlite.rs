//! An archive in an SQLite file of its own, with a full-text index.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, Row, params};
use tokio::task::spawn_blocking;
use wa_types::{Jid, MessageId, UnixSeconds};

use super::{
    Archive, ArchiveEntry, ArchiveLimits, ArchivedChat, ArchivedContact, ArchivedMessage, Page, words,
};
use crate::error::StoreError;
use crate::jid_text;
use crate::records::MessageKey;
use crate::store::StoreFuture;

/// An archive in one SQLite file, made if it is not there. Calls need a tokio runtime, and run on its blocking threads.
pub struct SqliteArchive {
    connection: Arc<Mutex<Connection>>,
    limits: ArchiveLimits,
}

impl fmt::Debug for SqliteArchive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteArchive")
    }
}

impl SqliteArchive {
    /// Opens the archive at `path`, whose directory must exist, to keep this much.
    ///
    /// # Errors
    /// Any [`StoreError`].
    pub async fn open(path: impl AsRef<Path>, limits: ArchiveLimits) -> Result<Self, StoreError> {
        let path = path.as_ref().to_path_buf();
        let opened = spawn_blocking(move || {
            let connection = Connection::open(path)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.execute_batch(SCHEMA)?;
            Ok(connection)
        });
        let connection = opened.await.map_err(|_| StoreError::Interrupted)?.map_err(failed)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), limits })
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let connection = Arc::clone(&self.connection);
        Box::pin(async move {
            let done =
                spawn_blocking(move || work(&mut connection.lock().unwrap_or_else(PoisonError::into_inner)));
            done.await.map_err(|_| StoreError::Interrupted)?.map_err(failed)
        })
    }
}

fn failed(cause: rusqlite::Error) -> StoreError {
    crate::sqlite::error_of(cause)
}

fn text(jid: &Jid) -> String {
    jid_text::write(jid)
}

fn seconds(at: UnixSeconds) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

fn take(connection: &Connection, entry: &ArchiveEntry, limits: &ArchiveLimits) -> rusqlite::Result<()> {
    let run = |sql: &str, params: &[&dyn rusqlite::ToSql]| -> rusqlite::Result<usize> {
        connection.prepare_cached(sql)?.execute(params)
    };
    match entry {
        ArchiveEntry::Message(message) => {
            if limits.not_before.is_some_and(|oldest| message.at < oldest)
                || limits.message_bytes.is_some_and(|most| message.encoded.len() > most)
            {
                return Ok(());
            }
            let chat = text(&message.key.chat);
            let is_new = run(
                "INSERT OR IGNORE INTO message (chat, sender, id, from_me, at, text, encoded, edited, revoked) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    chat,
                    text(&message.key.sender),
                    message.key.id.as_str(),
                    message.from_me,
                    seconds(message.at),
                    message.text,
                    message.encoded,
                    message.edited.map(seconds),
                    message.is_revoked
                ],
            )?;
            if is_new == 0 {
                return Ok(());
            }
            run(CHAT, params![chat, None::<String>, seconds(message.at)])?;
            if let Some(most) = limits.messages_per_chat {
                run(
                    "DELETE FROM message WHERE chat = ?1 AND number IN (SELECT number FROM message \
                     WHERE chat = ?1 ORDER BY at DESC, id DESC LIMIT -1 OFFSET ?2)",
                    params![chat, most],
                )?;
            }
        }
        ArchiveEntry::Chat(chat) => {
            run(CHAT, params![text(&chat.jid), chat.name, seconds(chat.at)])?;
        }
        ArchiveEntry::Contact(contact) => {
            run(
                "INSERT INTO contact (user_jid, name, push_name) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (user_jid) DO UPDATE SET name = coalesce(excluded.name, name), \
                 push_name = coalesce(excluded.push_name, push_name)",
                params![text(&contact.user), contact.name, contact.push_name],
            )?;
        }
        ArchiveEntry::Edited { chat, sender, id, at, text: said, encoded } => {
            run(
                "UPDATE message SET text = ?4, encoded = ?5, edited = ?6 WHERE chat = ?1 AND sender = ?2 \
                 AND id = ?3 AND revoked = 0 AND coalesce(edited, 0) <= ?6",
                params![text(chat), text(sender), id.as_str(), said, encoded, seconds(*at)],
            )?;
        }
        ArchiveEntry::Revoked { chat, sender, id } => {
            run(
                "UPDATE message SET text = NULL, encoded = x'', revoked = 1 \
                 WHERE chat = ?1 AND sender = ?2 AND id = ?3",
                params![text(chat), text(sender), id.as_str()],
            )?;
        }
        ArchiveEntry::Merged { kept, gone } => {
            let (kept, gone) = (text(kept), text(gone));
            run("UPDATE OR IGNORE message SET chat = ?1 WHERE chat = ?2", params![kept, gone])?;
            run("DELETE FROM message WHERE chat = ?1", params![gone])?;
            run(
                "INSERT INTO chat (jid, name, at) SELECT ?1, name, at FROM chat WHERE jid = ?2 \
                 ON CONFLICT (jid) DO UPDATE SET name = coalesce(name, excluded.name), at = max(at, excluded.at)",
                params![kept, gone],
            )?;
            run("DELETE FROM chat WHERE jid = ?1", params![gone])?;
        }
    }
    Ok(())
}

/// Columns of a message, in the order in which [`message`] reads them.
const COLUMNS: &str = "chat, sender, id, from_me, at, text, encoded, edited, revoked";

const CHAT: &str = "INSERT INTO chat (jid, name, at) VALUES (?1, ?2, ?3) ON CONFLICT (jid) DO UPDATE \
                    SET name = coalesce(excluded.name, name), at = max(at, excluded.at)";

fn jid(row: &Row<'_>, at: usize) -> rusqlite::Result<Jid> {
    let text: String = row.get(at)?;
    jid_text::read(&text, "archive").map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn time(row: &Row<'_>, at: usize) -> rusqlite::Result<UnixSeconds> {
    Ok(UnixSeconds(u64::try_from(row.get::<_, i64>(at)?).unwrap_or_default()))
}

fn message(row: &Row<'_>) -> rusqlite::Result<ArchivedMessage> {
    let id: String = row.get(2)?;
    let edited: Option<i64> = row.get(7)?;
    Ok(ArchivedMessage {
        key: MessageKey { chat: jid(row, 0)?, sender: jid(row, 1)?, id: MessageId::new(id) },
        from_me: row.get(3)?,
        at: time(row, 4)?,
        text: row.get(5)?,
        encoded: row.get(6)?,
        edited: edited.map(|at| UnixSeconds(u64::try_from(at).unwrap_or_default())),
        is_revoked: row.get(8)?,
    })
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    connection.prepare_cached(sql)?.query_map(params, read)?.collect()
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl Archive for SqliteArchive {
    fn put(&self, entries: Vec<ArchiveEntry>) -> StoreFuture<'_, ()> {
        let limits = self.limits;
        self.run(move |connection| {
            let transaction = connection.transaction()?;
            for entry in &entries {
                take(&transaction, entry, &limits)?;
            }
            transaction.commit()
        })
    }

    fn chats(&self, after: Option<&ArchivedChat>, limit: usize) -> StoreFuture<'_, Vec<ArchivedChat>> {
        let (at, last) =
            after.map_or((i64::MAX, String::new()), |after| (seconds(after.at), text(&after.jid)));
        self.run(move |connection| {
            let sql = "SELECT jid, name, at FROM chat WHERE at < ?1 OR (at = ?1 AND jid > ?2) \
                       ORDER BY at DESC, jid LIMIT ?3";
            all(connection, sql, params![at, last, count(limit)], |row| {
                Ok(ArchivedChat { jid: jid(row, 0)?, name: row.get(1)?, at: time(row, 2)? })
            })
        })
    }

    fn messages(&self, chat: &Jid, page: Page, limit: usize) -> StoreFuture<'_, Vec<ArchivedMessage>> {
        let chat = text(chat);
        self.run(move |connection| {
            let (is_on, at, id) = match page {
                Page::Newest => (false, i64::MAX, String::new()),
                Page::Before(at, id) => (false, seconds(at), id.to_string()),
                Page::After(at, id) => (true, seconds(at), id.to_string()),
            };
            let (than, order) = if is_on { (">", "at, id") } else { ("<", "at DESC, id DESC") };
            let sql = format!(
                "SELECT {COLUMNS} FROM message WHERE chat = ?1 AND (at, id) {than} (?2, ?3) \
                 ORDER BY {order} LIMIT ?4"
            );
            all(connection, &sql, params![chat, at, id, count(limit)], message)
        })
    }

    fn search(
        &self,
        text_of: &str,
        chat: Option<&Jid>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<ArchivedMessage>> {
        // Only letters and digits are left: nothing of the query's own language.
        let wanted: Vec<String> = words(text_of).map(|word| format!("\"{word}\"*")).collect();
        if wanted.is_empty() {
            return Box::pin(std::future::ready(Ok(Vec::new())));
        }
        let (wanted, chat) = (wanted.join(" "), chat.map(text));
        self.run(move |connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM message WHERE number IN (SELECT rowid FROM message_text \
                 WHERE message_text MATCH ?1) AND (?2 IS NULL OR chat = ?2) ORDER BY at DESC, id DESC LIMIT ?3"
            );
            all(connection, &sql, params![wanted, chat, count(limit)], message)
        })
    }

    fn message(&self, key: &MessageKey) -> StoreFuture<'_, Option<ArchivedMessage>> {
        let key = key.clone();
        self.run(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM message WHERE chat = ?1 AND sender = ?2 AND id = ?3");
            let params = params![text(&key.chat), text(&key.sender), key.id.as_str()];
            Ok(all(connection, &sql, params, message)?.pop())
        })
    }

    fn contacts(&self, users: &[Jid]) -> StoreFuture<'_, Vec<Option<ArchivedContact>>> {
        let users = users.to_vec();
        self.run(move |connection| {
            let sql = "SELECT name, push_name FROM contact WHERE user_jid = ?1";
            let one = |user: &Jid| {
                let found = all(connection, sql, params![text(user)], |row| {
                    Ok(ArchivedContact { user: user.clone(), name: row.get(0)?, push_name: row.get(1)? })
                });
                found.map(|mut found| found.pop())
            };
            users.iter().map(one).collect()
        })
    }
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS chat (
    jid TEXT PRIMARY KEY,
    name TEXT,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS chat_at ON chat (at DESC, jid);
CREATE TABLE IF NOT EXISTS contact (
    user_jid TEXT PRIMARY KEY,
    name TEXT,
    push_name TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
    number INTEGER PRIMARY KEY,
    chat TEXT NOT NULL,
    sender TEXT NOT NULL,
    id TEXT NOT NULL,
    from_me INTEGER NOT NULL,
    at INTEGER NOT NULL,
    text TEXT,
    encoded BLOB NOT NULL,
    edited INTEGER,
    revoked INTEGER NOT NULL,
    UNIQUE (chat, sender, id)
) STRICT;
CREATE INDEX IF NOT EXISTS message_at ON message (chat, at, id);
CREATE VIRTUAL TABLE IF NOT EXISTS message_text USING fts5 (text, content = message, content_rowid = number);
CREATE TRIGGER IF NOT EXISTS message_added AFTER INSERT ON message BEGIN
    INSERT INTO message_text (rowid, text) VALUES (new.number, new.text);
END;
CREATE TRIGGER IF NOT EXISTS message_gone AFTER DELETE ON message BEGIN
    INSERT INTO message_text (message_text, rowid, text) VALUES ('delete', old.number, old.text);
END;
CREATE TRIGGER IF NOT EXISTS message_edited AFTER UPDATE OF text ON message BEGIN
    INSERT INTO message_text (message_text, rowid, text) VALUES ('delete', old.number, old.text);
    INSERT INTO message_text (rowid, text) VALUES (new.number, new.text);
END;
";
