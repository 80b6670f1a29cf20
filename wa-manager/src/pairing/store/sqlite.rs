//! Codes on show in a SQLite file of their own, which several processes of one machine open.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::task::spawn_blocking;
use wa_types::UnixMillis;

use super::PairingStore;
use crate::ids::AccountId;
use crate::pairing::view::PairingView;
use crate::store::{ManagerStoreError, StoreFuture, create_private};

/// How long a call waits for another process that writes.
const BUSY: Duration = Duration::from_secs(2);

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS pairing (
    account TEXT PRIMARY KEY,
    view BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;";

/// Keeps what is on show in a file that several processes of one machine may open at once. Only its owner can read it.
pub struct SqlitePairingStore {
    connection: Arc<Mutex<Connection>>,
    path: PathBuf,
}

impl SqlitePairingStore {
    /// Opens the file at `path`, and creates it if there is none; its directory must exist. Blocks for a moment.
    ///
    /// # Errors
    /// [`ManagerStoreError::Io`], [`ManagerStoreError::Corrupt`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ManagerStoreError> {
        let path = path.as_ref().to_path_buf();
        create_private(&path).map_err(ManagerStoreError::io)?;
        let connection = Connection::open(&path).map_err(failed)?;
        connection.busy_timeout(BUSY).map_err(failed)?;
        let set = |name: &str, value: &str| connection.pragma_update(None, name, value).map_err(failed);
        set("journal_mode", "WAL")?;
        // What is lost with the power has expired when it is back.
        set("synchronous", "NORMAL")?;
        set("secure_delete", "ON")?;
        set("trusted_schema", "OFF")?;
        connection.execute_batch(SCHEMA).map_err(failed)?;
        Ok(Self { connection: Arc::new(Mutex::new(connection)), path })
    }

    fn run<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> StoreFuture<'_, T> {
        let connection = Arc::clone(&self.connection);
        let done = async move {
            let done = spawn_blocking(move || {
                run(&connection.lock().unwrap_or_else(PoisonError::into_inner)).map_err(failed)
            });
            // It ends without an answer only when the runtime ends.
            done.await.unwrap_or(Err(ManagerStoreError::Closed))
        };
        Box::pin(done)
    }
}

fn failed(error: rusqlite::Error) -> ManagerStoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            ManagerStoreError::Locked
        }
        Some(rusqlite::ErrorCode::DiskFull) => ManagerStoreError::Full,
        Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            ManagerStoreError::Corrupt { what: error.to_string() }
        }
        _ => ManagerStoreError::io(error),
    }
}

fn int(at: UnixMillis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

impl fmt::Debug for SqlitePairingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlitePairingStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl PairingStore for SqlitePairingStore {
    fn put(&self, account: &AccountId, view: &PairingView, now: UnixMillis) -> StoreFuture<'_, ()> {
        let (account, bytes, expires_at) = (account.clone(), view.to_bytes(), view.expires_at);
        self.run(move |connection| {
            let sql = "DELETE FROM pairing WHERE expires_at <= ?1";
            connection.prepare_cached(sql)?.execute(params![int(now)])?;
            let sql = "INSERT OR REPLACE INTO pairing (account, view, expires_at) VALUES (?1, ?2, ?3)";
            let values = params![account.as_str(), bytes.as_slice(), int(expires_at)];
            connection.prepare_cached(sql)?.execute(values).map(drop)
        })
    }

    fn get(&self, account: &AccountId, now: UnixMillis) -> StoreFuture<'_, Option<PairingView>> {
        let account = account.clone();
        let kept = self.run(move |connection| {
            let sql = "SELECT view FROM pairing WHERE account = ?1 AND expires_at > ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let values = params![account.as_str(), int(now)];
            statement.query_row(values, |row| row.get::<_, Vec<u8>>(0)).optional()
        });
        Box::pin(async move { read(kept.await?, now) })
    }

    fn delete(&self, account: &AccountId) -> StoreFuture<'_, ()> {
        let account = account.clone();
        self.run(move |connection| {
            let sql = "DELETE FROM pairing WHERE account = ?1";
            connection.prepare_cached(sql)?.execute(params![account.as_str()]).map(drop)
        })
    }

    fn check(&self) -> StoreFuture<'_, ()> {
        self.run(|connection| connection.query_row("SELECT count(*) FROM pairing", [], |_| Ok(())))
    }
}

/// What is left of stored bytes.
pub(super) fn read(kept: Option<Vec<u8>>, now: UnixMillis) -> Result<Option<PairingView>, ManagerStoreError> {
    let Some(bytes) = kept.map(zeroize::Zeroizing::new) else { return Ok(None) };
    let what = || ManagerStoreError::Corrupt { what: "a view of a pairing".to_owned() };
    Ok(PairingView::from_bytes(&bytes).ok_or_else(what)?.at(now))
}
