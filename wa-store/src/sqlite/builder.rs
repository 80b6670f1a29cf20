//! The options of a store file.

use std::path::PathBuf;

use tokio::task::spawn_blocking;

use super::SqliteStore;
use super::open::{self, PAGE_BYTES};
use super::queue::Queue;
use crate::error::StoreError;

/// Opens a [`SqliteStore`] with options; made by [`SqliteStore::builder`].
#[must_use = "a builder opens nothing until `open`"]
#[derive(Debug, Clone)]
pub struct SqliteStoreBuilder {
    pub(super) path: PathBuf,
    pub(super) durability: Durability,
    pub(super) cache_bytes: u32,
    pub(super) max_size_bytes: Option<u64>,
}

impl SqliteStoreBuilder {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            durability: Durability::PowerLoss,
            cache_bytes: DEFAULT_CACHE_BYTES,
            max_size_bytes: None,
        }
    }

    /// What a commit survives; [`Durability::PowerLoss`] unless set.
    pub const fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How much of the file is kept in memory, 32 KiB unless set; the system keeps more of it. More saves copies when
    /// many sessions are read at once; at a thousand accounts in one process it counts a thousand times.
    pub const fn cache_bytes(mut self, bytes: u32) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// The size that the file may reach, in steps of 4 KiB; no limit unless set. A commit that needs more fails
    /// with [`StoreError::Full`], and the store goes on working. The write-ahead log next to the file, usually
    /// about 2 MiB, does not count. A limit below the file's present size keeps it from growing further.
    pub const fn max_size_bytes(mut self, bytes: u64) -> Self {
        self.max_size_bytes = Some(bytes);
        self
    }

    /// Opens the store, or creates it.
    ///
    /// Runs on a blocking thread; dropping the future does not stop it, and the file is closed again then.
    ///
    /// # Errors
    /// See [`SqliteStore::open`].
    pub async fn open(self) -> Result<SqliteStore, StoreError> {
        let path = self.path.clone();
        let opened =
            spawn_blocking(move || open::open(&self)).await.map_err(|_| StoreError::Interrupted)??;
        Ok(SqliteStore { queue: Queue::new(opened), path })
    }

    pub(super) fn max_pages(&self) -> Option<u32> {
        let pages = self.max_size_bytes? / u64::from(PAGE_BYTES);
        Some(u32::try_from(pages).unwrap_or(u32::MAX - 1).max(1))
    }
}

/// What a finished commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Durability {
    /// The loss of power: every commit waits for the disk. What was acknowledged to the server stays.
    #[default]
    PowerLoss,
    /// The end of the process, however it ends. A loss of power may take the last commits; the file stays whole.
    /// A message acknowledged and lost so does not come again, and a session that falls back must be built anew.
    ProcessEnd,
}

const DEFAULT_CACHE_BYTES: u32 = 32 * 1024;
