//! Opening a store file: whose it is, the lock, the settings.
//!
//! The first bytes are read before SQLite may write anything, so a file that is not ours stays as it is. They can be
//! trusted because the application's id and the version only ever change outside of WAL mode (see `migrations.rs`).

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::builder::{Durability, SqliteStoreBuilder};
use super::{error, migrations};
use crate::error::StoreError;

/// The size of a page in new files.
pub(super) const PAGE_BYTES: u32 = 4096;

/// In the header of every file of ours: "waSt".
pub(super) const APPLICATION_ID: u32 = u32::from_be_bytes(*b"waSt");

/// An open file. The connection closes before the claim is given up.
pub(super) struct Opened {
    pub(super) connection: Connection,
    claim: Claim,
}

impl Opened {
    /// Closes the file, with the last checkpoint.
    pub(super) fn close(self) -> Result<(), StoreError> {
        let Self { connection, claim } = self;
        let result = connection.close().map_err(|(connection, cause)| {
            drop(connection);
            error::of(cause)
        });
        drop(claim);
        result
    }
}

/// Opens or creates the file.
pub(super) fn open(options: &SqliteStoreBuilder) -> Result<Opened, StoreError> {
    let claim = Claim::new(&options.path)?;
    let version = check_header(&options.path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&options.path, flags).map_err(error::of)?;
    // Whoever holds the lock holds it for long.
    connection.busy_timeout(Duration::ZERO).map_err(error::of)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    before_lock(&connection, options).map_err(error::of)?;
    migrations::run(&connection, version)?;
    after_migrations(&connection, options).map_err(error::of)?;
    Ok(Opened { connection, claim })
}

/// Refuses what is not ours or too new, without writing, and tells the version; 0 for an empty file.
fn check_header(path: &Path) -> Result<u32, StoreError> {
    let mut header = Vec::with_capacity(100);
    let file = File::open(path).map_err(io_error)?;
    file.take(100).read_to_end(&mut header).map_err(io_error)?;
    if header.is_empty() {
        return Ok(0); // just created, or created by somebody for us
    }
    let number = |at: usize| {
        let bytes = header.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*bytes))
    };
    // Offsets: SQLite, "The Database Header".
    let (true, Some(version), Some(application_id)) =
        (header.starts_with(b"SQLite format 3\0"), number(60), number(68))
    else {
        return Err(StoreError::NotADatabase);
    };
    if application_id != APPLICATION_ID {
        return Err(StoreError::OtherApplication { application_id });
    }
    migrations::check(version)?;
    Ok(version)
}

/// What must be set before the file is first read. Only these: any other setting would read it, and hold a shared lock
/// that two who open the same file would keep from each other.
fn before_lock(connection: &Connection, options: &SqliteStoreBuilder) -> rusqlite::Result<()> {
    // The lock of the whole file, kept; WAL then needs no shared memory file.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    // On Apple systems only this reaches the disk itself.
    connection.pragma_update(None, "fullfsync", options.durability == Durability::PowerLoss)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)
}

fn after_migrations(connection: &Connection, options: &SqliteStoreBuilder) -> rusqlite::Result<()> {
    connection.pragma_update(None, "cache_size", -i64::from((options.cache_bytes / 1024).max(1)))?;
    // A commit larger than the cache stays in memory until its end: written early, pages would be written twice.
    connection.pragma_update(None, "cache_spill", false)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // Overwrites deleted keys where that costs no extra write.
    connection.pragma_update(None, "secure_delete", "FAST")?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    let synchronous = match options.durability {
        Durability::PowerLoss => "FULL",
        Durability::ProcessEnd => "NORMAL",
    };
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", CHECKPOINT_PAGES * PAGE_BYTES)?;
    if let Some(pages) = options.max_pages() {
        connection.pragma_update(None, "max_page_count", pages)?;
    }
    // Takes the lock now, and shows now whether the file can be written.
    connection.execute_batch("BEGIN IMMEDIATE; SELECT count(*) FROM account; COMMIT")?;
    // The cache as it was before its size was set: SQLite keeps that until it is asked not to.
    connection.release_memory()
}

/// This process has the file open, once.
///
/// SQLite's lock already keeps out other processes. Within one process POSIX drops it as soon as *any* descriptor of
/// the file is closed, such as the one that reads the header; so the header may be read only while nobody here has
/// the file open.
struct Claim(Identity);

impl Claim {
    /// Claims the file at `path`, which is created empty if there is none.
    fn new(path: &Path) -> Result<Self, StoreError> {
        let identity = match identity(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create(path).map_err(io_error)?;
                identity(path).map_err(io_error)?
            }
            other => other.map_err(io_error)?,
        };
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_or_insert_default().entry(identity.clone()) {
            Entry::Occupied(_) => return Err(StoreError::Locked),
            Entry::Vacant(entry) => entry.insert(File::open(path).map_err(io_error)?),
        };
        Ok(Self(identity))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(open) = &mut *OPEN.lock().unwrap_or_else(PoisonError::into_inner) {
            open.remove(&self.0);
        }
    }
}

/// Each is held open for as long: the system gives the number of a removed file to the next one once nobody has it open,
/// and that one would be taken for it. They are closed after the connection, and in this lock.
static OPEN: Mutex<Option<HashMap<Identity, File>>> = Mutex::new(None);

/// What a file is, however its path is spelled.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Identity(#[cfg(unix)] [u64; 2], #[cfg(not(unix))] std::path::PathBuf);

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path)?;
    Ok(Identity([metadata.dev(), metadata.ino()]))
}

#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    std::fs::canonicalize(path).map(Identity)
}

/// Creates the file, readable by its owner only. Never opens one that exists: see [`Claim`].
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map(drop),
    }
}

fn io_error(error: io::Error) -> StoreError {
    StoreError::Io { source: error.into() }
}

/// Prepared statements kept per store.
const STATEMENTS: usize = 24;

/// The write-ahead log is moved into the file when it has so many pages: 2 MiB.
const CHECKPOINT_PAGES: u32 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that was removed while it was open, or is about to be closed, is no other one.
    #[test]
    fn a_new_file_is_not_taken_for_a_removed_one() {
        let directory = tempfile::tempdir().unwrap();
        let claims: Vec<Claim> = (0..100)
            .map(|number| {
                let path = directory.path().join(format!("{number}.db"));
                let claim = Claim::new(&path).unwrap();
                std::fs::remove_file(&path).unwrap();
                claim
            })
            .collect();
        drop(claims);
    }
}
