//! One SQLite file per account.
//!
//! ```text
//! call ── first poll ──► queue ──► worker: a blocking thread, only while there is work
//!                        in order     reads one by one, waiting commits together in one transaction
//! ```
//!
//! A store is one connection and at most one blocking thread of the runtime. Each of a thousand idle accounts costs
//! three open files, no thread, and 110 to 160 KiB: 32 cache, 32 index of the write-ahead log, 48 SQLite's lookaside
//! buffers, whose size only a build of SQLite can change. No call runs SQL on the runtime's own threads: even a read
//! may wait for a disk.
//!
//! The file is in WAL mode, and locked for this handle alone; the lock goes with the process, however that ends.
//!
//! | File | Subject |
//! |---|---|
//! | `builder.rs` | [`SqliteStoreBuilder`]: cache, durability, size limit |
//! | `open.rs` | whose file it is, the lock, the settings |
//! | `migrations.rs` | the tables, version by version |
//! | `queue.rs` | calls in order, on a blocking thread |
//! | `commit.rs` | changes in one transaction |
//! | `error.rs` | what SQLite reports, as [`StoreError`] |
//! | `account.rs` … `inbox.rs` | one file per record: its SQL |

mod account;
mod app_state;
mod builder;
mod chat_key;
mod commit;
mod device_list;
mod error;
mod group;
mod held;
mod identity;
mod inbox;
mod lid_map;
mod message_secret;
mod migrations;
mod open;
mod outbox;
mod pre_key;
mod privacy_token;
mod query;
mod queue;
mod repair;
mod sender_key;
mod session;

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

pub use self::builder::{Durability, SqliteStoreBuilder};
pub(crate) use self::error::of as error_of;
use self::queue::Queue;
use crate::changes::Changes;
use crate::error::StoreError;
use crate::store::{Store, StoreFuture};

/// A store in one SQLite file.
///
/// Next to `path` SQLite keeps `path-wal`, which belongs to it: move or copy both, after [`Store::close`] only
/// `path` is left. On Unix the file is created for its owner alone: it holds the account's keys, unencrypted.
///
/// Calls need a tokio runtime. Dropping the store closes the file too: on the dropping thread, which may have to write
/// two megabytes, or, while a call whose future was dropped is still under way, when that is done. [`Store::close`]
/// does it on a blocking thread and reports errors.
pub struct SqliteStore {
    queue: Queue,
    path: PathBuf,
}

impl SqliteStore {
    /// Opens the store at `path` and creates it if there is no file; its directory must exist. For options see
    /// [`Self::builder`].
    ///
    /// # Errors
    /// - [`StoreError::Locked`]: another process or handle has it open; that one is not disturbed.
    /// - [`StoreError::NewerVersion`], [`StoreError::NotADatabase`], [`StoreError::OtherApplication`]: the file was
    ///   left untouched.
    /// - [`StoreError::Corrupt`], [`StoreError::Full`], [`StoreError::Io`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::builder(path).open().await
    }

    /// Opens a store with options.
    pub fn builder(path: impl AsRef<Path>) -> SqliteStoreBuilder {
        SqliteStoreBuilder::new(path.as_ref().to_path_buf())
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `read` on the connection, after all calls that were polled before.
    fn read<'a, T: Send + 'static>(
        &'a self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        Box::pin(self.queue.read(read))
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store for SqliteStore {
    fn commit(&self, changes: Changes) -> StoreFuture<'_, ()> {
        Box::pin(self.queue.commit(changes))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.queue.close())
    }
}
