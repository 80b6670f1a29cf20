//! One SQLite file for all accounts of a manager.
//!
//! The file is in WAL mode, and locked for this process alone. What is committed survives the loss of power.
//!
//! | File | Subject |
//! |---|---|
//! | `schema.sql` | the tables |
//! | `worker` | one thread; commits that wait together are one transaction |
//! | `write` | changes as SQL |
//! | `read` | rows as records |

mod read;
mod worker;
mod write;

use std::fmt;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{FromSqlError, ValueRef};
use rusqlite::{Connection, Error, ErrorCode, OptionalExtension as _, Row, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wa_types::{Jid, MessageId, PhoneNumber, UnixMillis};

use self::worker::Worker;
use super::changes::Changes;
use super::error::ManagerStoreError;
use super::records::{
    ChatRecord, ContactRecord, CursorRecord, DeadLetterQuery, DeadLetterRecord, IdempotencyRecord,
    LeftoverRecord, NumberRecord, PairLimitRecord, ReservationRecord, SendRecord, TrustRecord,
};
use super::{EventQuery, ManagerStore, StoreFuture};
use crate::account::AccountRecord;
use crate::event::EventRecord;
use crate::ids::{AccountId, EventId, TenantId};
use crate::webhook::WebhookRecord;

/// The manager's store in one SQLite file.
pub struct SqliteManagerStore {
    worker: Worker,
    path: PathBuf,
}

impl SqliteManagerStore {
    /// The version of the tables: one more for each change of theirs.
    pub(in crate::store) const VERSION: u32 = 3;

    /// Opens the store at `path`, and creates it if there is no file; its directory must exist. Blocks for a moment.
    ///
    /// # Errors
    /// [`ManagerStoreError::Locked`] when another process has it open, [`ManagerStoreError::NewerVersion`],
    /// [`ManagerStoreError::OlderVersion`], [`ManagerStoreError::NotAStore`], [`ManagerStoreError::Corrupt`],
    /// [`ManagerStoreError::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ManagerStoreError> {
        let path = path.as_ref().to_path_buf();
        create_private(&path).map_err(ManagerStoreError::io)?;
        let connection = Connection::open(&path).map_err(failed)?;
        prepare(&connection)?;
        Ok(Self { worker: Worker::start(connection)?, path })
    }

    fn query<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, ManagerStoreError> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        Box::pin(self.worker.read(read))
    }
}

/// Makes the file for its owner alone, if there is none: it holds secrets. SQLite gives its side files the same rights.
pub(crate) fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn prepare(connection: &Connection) -> Result<(), ManagerStoreError> {
    // Whoever holds the lock holds it for long.
    connection.busy_timeout(Duration::ZERO).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Ours names no application. First: nothing of another's is changed.
    match connection.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0)) {
        Ok(0) => {}
        Ok(_) => return Err(ManagerStoreError::NotAStore),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            return Err(ManagerStoreError::NotAStore);
        }
        Err(error) => return Err(failed(error)),
    }
    let set = |name: &str, value: &str| connection.pragma_update(None, name, value).map_err(failed);
    set("locking_mode", "EXCLUSIVE")?;
    set("journal_mode", "WAL")?;
    set("synchronous", "FULL")?;
    set("trusted_schema", "OFF")?;
    // What is deleted is gone from the file, too.
    set("secure_delete", "ON")?;
    connection.execute_batch("BEGIN IMMEDIATE").map_err(failed)?;
    let version: u32 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    match version {
        0 => {
            connection.execute_batch(include_str!("schema.sql")).map_err(failed)?;
            connection.pragma_update(None, "user_version", SqliteManagerStore::VERSION).map_err(failed)?;
        }
        SqliteManagerStore::VERSION => {}
        found if found < SqliteManagerStore::VERSION => {
            return Err(ManagerStoreError::OlderVersion { found });
        }
        found => return Err(ManagerStoreError::NewerVersion { found }),
    }
    connection.execute_batch("COMMIT").map_err(failed)
}

impl fmt::Debug for SqliteManagerStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteManagerStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl ManagerStore for SqliteManagerStore {
    fn accounts(&self) -> StoreFuture<'_, Vec<AccountRecord>> {
        self.query(|connection| {
            let sql = format!("SELECT {} FROM account ORDER BY number", read::ACCOUNT);
            all(connection, &sql, params![], read::account_if_damaged)
        })
    }

    fn account(&self, id: &AccountId) -> StoreFuture<'_, Option<AccountRecord>> {
        let id = id.clone();
        self.query(move |connection| {
            let sql = format!("SELECT {} FROM account WHERE id = ?1", read::ACCOUNT);
            let read = one(connection, &sql, params![id.as_str()], read::account);
            let Err(ManagerStoreError::Corrupt { what }) = read else { return read };
            // With the names of what is damaged.
            let left = one(connection, &sql, params![id.as_str()], read::account_if_damaged)?;
            let named = left.and_then(|left| left.reason?.detail);
            Err(ManagerStoreError::Corrupt { what: named.unwrap_or(what) })
        })
    }

    fn events(&self, query: EventQuery) -> StoreFuture<'_, Vec<EventRecord>> {
        self.query(move |connection| {
            // Each form has its index.
            let (filter, name) = match (&query.account, &query.tenant) {
                (Some(account), _) => ("account = ?3", account.as_str()),
                (None, Some(tenant)) => ("tenant = ?3", tenant.as_str()),
                (None, None) => ("?3 = ''", ""),
            };
            let sql = format!(
                "SELECT {} FROM event WHERE seq > ?1 AND {filter} ORDER BY seq LIMIT ?2",
                read::EVENT
            );
            let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
            let mut events = all(connection, &sql, params![int(query.after), limit, name], read::event)?;
            if let Some(tenant) = query.tenant {
                events.retain(|event| event.tenant == tenant);
            }
            Ok(events)
        })
    }

    fn has_event(&self, id: &EventId) -> StoreFuture<'_, bool> {
        let id = id.clone();
        self.query(move |connection| {
            let sql = "SELECT 1 FROM event WHERE id = ?1";
            Ok(one(connection, sql, params![id.as_str()], |_| Ok(()))?.is_some())
        })
    }

    fn last_seq(&self) -> StoreFuture<'_, u64> {
        self.query(last_seq)
    }

    fn first_seq(&self) -> StoreFuture<'_, u64> {
        self.query(|connection| {
            let sql = "SELECT seq FROM event ORDER BY seq LIMIT 1";
            match one(connection, sql, params![], |row| read::number(row, 0))? {
                Some(first) => Ok(first),
                None => Ok(last_seq(connection)? + 1),
            }
        })
    }

    fn last_seq_before(&self, at: UnixMillis) -> StoreFuture<'_, u64> {
        self.query(move |connection| {
            let sql = "SELECT coalesce((SELECT max(seq) FROM event WHERE seq < \
                       coalesce((SELECT seq FROM event WHERE at >= ?1 ORDER BY seq LIMIT 1), 9223372036854775807)), 0)";
            let at = i64::try_from(at.0).unwrap_or(i64::MAX);
            one(connection, sql, params![at], |row| read::number(row, 0)).map(Option::unwrap_or_default)
        })
    }

    fn trust(&self, account: &AccountId) -> StoreFuture<'_, Option<TrustRecord>> {
        let account = account.clone();
        self.query(move |connection| {
            let sql = "SELECT state, text_key FROM trust WHERE account = ?1";
            one(connection, sql, params![account.as_str()], |row| {
                Ok(TrustRecord { account: account.clone(), state: parsed(row, 0)?, text_key: row.get(1)? })
            })
        })
    }

    fn reservation(&self, account: &AccountId, id: &str) -> StoreFuture<'_, Option<ReservationRecord>> {
        let (account, id) = (account.clone(), id.to_owned());
        self.query(move |connection| {
            let sql = "SELECT state FROM reservation WHERE account = ?1 AND id = ?2";
            one(connection, sql, params![account.as_str(), id], |row| {
                Ok(ReservationRecord { account: account.clone(), reservation: parsed(row, 0)? })
            })
        })
    }

    fn open_reservations(&self, account: &AccountId) -> StoreFuture<'_, Vec<ReservationRecord>> {
        let account = account.clone();
        self.query(move |connection| {
            let sql = "SELECT state FROM reservation WHERE account = ?1 AND \
                       CASE WHEN json_valid(state) THEN json_extract(state, '$.state') = 'Reserved' END";
            all(connection, sql, params![account.as_str()], |row| {
                Ok(ReservationRecord { account: account.clone(), reservation: parsed(row, 0)? })
            })
        })
    }

    fn sends(&self, account: &AccountId) -> StoreFuture<'_, Vec<SendRecord>> {
        let account = account.clone();
        self.query(move |connection| {
            let sql = format!("SELECT {} FROM send WHERE account = ?1 ORDER BY number", read::SEND);
            all(connection, &sql, params![account.as_str()], read::send)
        })
    }

    fn send(&self, account: &AccountId, id: &MessageId) -> StoreFuture<'_, Option<SendRecord>> {
        let (account, id) = (account.clone(), id.clone());
        self.query(move |connection| {
            let sql = format!("SELECT {} FROM send WHERE account = ?1 AND id = ?2", read::SEND);
            one(connection, &sql, params![account.as_str(), id.as_str()], read::send)
        })
    }

    fn contact(&self, account: &AccountId, address: &Jid) -> StoreFuture<'_, Option<ContactRecord>> {
        let (account, address) = (account.clone(), address.to_chat());
        self.query(move |connection| {
            let column = if address.is_lid() { "lid" } else { "pn" };
            let sql = format!("SELECT {} FROM contact WHERE account = ?1 AND {column} = ?2", read::CONTACT);
            one(connection, &sql, params![account.as_str(), address.to_string()], read::contact)
        })
    }

    fn contacts(&self, account: &AccountId, from: u64, limit: usize) -> StoreFuture<'_, Vec<ContactRecord>> {
        let account = account.clone();
        self.query(move |connection| {
            let sql = format!(
                "SELECT {} FROM contact WHERE account = ?1 AND id >= ?2 ORDER BY id LIMIT ?3",
                read::CONTACT
            );
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            all(connection, &sql, params![account.as_str(), int(from), limit], read::contact)
        })
    }

    fn chat(&self, account: &AccountId, chat: &Jid) -> StoreFuture<'_, Option<ChatRecord>> {
        let (account, chat) = (account.clone(), chat.clone());
        self.query(move |connection| {
            let sql = format!("SELECT {} FROM chat WHERE account = ?1 AND chat = ?2", read::CHAT);
            one(connection, &sql, params![account.as_str(), chat.to_string()], read::chat)
        })
    }

    fn chats(&self, account: &AccountId, limit: usize) -> StoreFuture<'_, Vec<ChatRecord>> {
        let account = account.clone();
        self.query(move |connection| {
            let sql = format!(
                "SELECT {} FROM chat WHERE account = ?1 ORDER BY last_message_at DESC, chat LIMIT ?2",
                read::CHAT
            );
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            all(connection, &sql, params![account.as_str(), limit], read::chat)
        })
    }

    fn numbers(&self, account: &AccountId, numbers: Vec<PhoneNumber>) -> StoreFuture<'_, Vec<NumberRecord>> {
        let account = account.clone();
        self.query(move |connection| {
            let sql = "SELECT at, found FROM number WHERE account = ?1 AND number = ?2";
            let mut known = Vec::new();
            for number in numbers {
                let found = one(connection, sql, params![account.as_str(), number.as_str()], |row| {
                    let found = match row.get_ref(1)? {
                        ValueRef::Null => None,
                        _ => Some(parsed(row, 1)?),
                    };
                    let (account, number) = (account.clone(), number.clone());
                    Ok(NumberRecord { account, number, found, at: read::time(row, 0)? })
                });
                known.extend(found?);
            }
            Ok(known)
        })
    }

    fn leftovers(&self) -> StoreFuture<'_, Vec<LeftoverRecord>> {
        self.query(|connection| {
            let sql = "SELECT account, location FROM leftover ORDER BY account, location";
            all(connection, sql, params![], |row| {
                let account: String = row.get(0)?;
                Ok(LeftoverRecord { account: AccountId::stored(account), location: row.get(1)? })
            })
        })
    }

    fn idempotency(&self, tenant: &TenantId, key: &str) -> StoreFuture<'_, Option<IdempotencyRecord>> {
        let (tenant, key) = (tenant.clone(), key.to_owned());
        self.query(move |connection| {
            let sql = "SELECT outcome, until FROM idempotency WHERE tenant = ?1 AND key = ?2";
            one(connection, sql, params![tenant.as_str(), key], |row| {
                let (tenant, key) = (tenant.clone(), key.clone());
                Ok(IdempotencyRecord { tenant, key, outcome: row.get(0)?, until: read::time(row, 1)? })
            })
        })
    }

    fn pair_limit(&self, key: &str) -> StoreFuture<'_, Option<PairLimitRecord>> {
        let key = key.to_owned();
        self.query(move |connection| {
            let sql = "SELECT state, until FROM pair_limit WHERE key = ?1";
            one(connection, sql, params![key], |row| {
                Ok(PairLimitRecord { key: key.clone(), state: row.get(0)?, until: read::time(row, 1)? })
            })
        })
    }

    fn cursors(&self, endpoint: &str) -> StoreFuture<'_, Vec<CursorRecord>> {
        let endpoint = endpoint.to_owned();
        self.query(move |connection| {
            let sql = "SELECT account, seq FROM cursor WHERE endpoint = ?1";
            all(connection, sql, params![endpoint], |row| {
                let account: String = row.get(0)?;
                let account = (!account.is_empty()).then(|| AccountId::stored(account));
                let seq = row.get::<_, i64>(1)?.unsigned_abs();
                Ok(CursorRecord { endpoint: endpoint.clone(), account, seq })
            })
        })
    }

    fn webhooks(&self) -> StoreFuture<'_, Vec<WebhookRecord>> {
        self.query(|connection| {
            let sql = format!("SELECT {} FROM webhook ORDER BY number", read::WEBHOOK);
            let webhook = |row: &Row<'_>| {
                // One damaged webhook keeps nobody from the others.
                Ok(read::webhook(row)
                    .inspect_err(|error| tracing::error!(%error, "a webhook is damaged"))
                    .ok())
            };
            Ok(all(connection, &sql, params![], webhook)?.into_iter().flatten().collect())
        })
    }

    fn dead_letters(&self, endpoint: &str, query: DeadLetterQuery) -> StoreFuture<'_, Vec<DeadLetterRecord>> {
        let endpoint = endpoint.to_owned();
        self.query(move |connection| {
            let sql = format!(
                "SELECT {} FROM dead_letter WHERE endpoint = ?1 AND seq > ?2 AND (?3 IS NULL OR replayed = ?3) \
                 ORDER BY seq LIMIT ?4",
                read::DEAD_LETTER
            );
            let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
            let values = params![endpoint, int(query.after), query.is_replayed, limit];
            all(connection, &sql, values, read::dead_letter)
        })
    }

    fn commit(&self, changes: Changes) -> StoreFuture<'_, Vec<EventRecord>> {
        Box::pin(self.worker.commit(changes))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.worker.close())
    }
}

fn last_seq(connection: &Connection) -> Result<u64, ManagerStoreError> {
    // Also when the last ones were trimmed.
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'event'";
    Ok(one(connection, sql, params![], |row| read::number(row, 0))?.unwrap_or(0))
}

fn one<T>(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, ManagerStoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    statement.query_row(values, read).optional().map_err(failed)
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, ManagerStoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let rows = statement.query_map(values, read).map_err(failed)?;
    rows.collect::<Result<_, _>>().map_err(failed)
}

/// A number as SQLite has it; none of ours is larger.
fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn json(value: &impl Serialize) -> Result<String, ManagerStoreError> {
    serde_json::to_string(value).map_err(ManagerStoreError::io)
}

/// A value without fields as its name.
fn word(value: &impl Serialize) -> Result<String, ManagerStoreError> {
    Ok(json(value)?.trim_matches('"').to_owned())
}

/// A column that holds JSON.
fn parsed<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| FromSqlError::Other(error.into()).into())
}

/// A column that holds the name of a value.
fn named<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    let value = serde_json::Value::String(text.to_owned());
    serde_json::from_value(value).map_err(|error| FromSqlError::Other(error.into()).into())
}

fn failed(error: Error) -> ManagerStoreError {
    match &error {
        Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => ManagerStoreError::Locked,
            ErrorCode::DiskFull => ManagerStoreError::Full,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
                ManagerStoreError::Corrupt { what: error.to_string() }
            }
            _ => ManagerStoreError::io(error),
        },
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..) => ManagerStoreError::Corrupt { what: error.to_string() },
        _ => ManagerStoreError::io(error),
    }
}
