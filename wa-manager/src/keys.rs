//! Where the protocol keeps the keys of accounts: a store for each, opened while the account runs.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};
use wa_store::{Store, StoreError};
use zeroize::Zeroizing;

/// What the calls of [`KeyStores`] return.
pub type KeyStoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Opens and removes the protocol stores of accounts. Yours to implement.
///
/// What takes long is given up: its future is dropped. A store that is worked on all the same, by a thread, is
/// [`StoreError::Locked`] until that is done.
pub trait KeyStores: Send + Sync + Debug {
    /// Opens the store at `path`, and makes it if there is none.
    ///
    /// # Errors
    /// Any [`StoreError`]; [`StoreError::Locked`] while it is open elsewhere.
    fn open<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, Arc<dyn Store>>;

    /// All of the store at `path`, which is closed: for an export. Stores that say nothing else cannot be exported.
    ///
    /// # Errors
    /// Any [`StoreError`].
    fn read<'a>(&'a self, _path: &'a Path) -> KeyStoreFuture<'a, Zeroizing<Vec<u8>>> {
        Box::pin(std::future::ready(Err(io(std::io::ErrorKind::Unsupported.into()))))
    }

    /// Makes the store at `path` of what [`Self::read`] gave, in place of what is there.
    ///
    /// # Errors
    /// [`StoreError::Io`]; what was there stays.
    fn write<'a>(&'a self, _path: &'a Path, _store: Zeroizing<Vec<u8>>) -> KeyStoreFuture<'a, ()> {
        Box::pin(std::future::ready(Err(io(std::io::ErrorKind::Unsupported.into()))))
    }

    /// Removes the store at `path`, which is closed. One that is not there is removed.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn remove<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, ()>;
}

/// An SQLite file for each account, in directories that are made as they are needed.
#[derive(Debug, Clone, Default)]
pub struct SqliteKeyStores {
    at_work: Paths,
}

/// The stores on which somebody is at work.
type Paths = Arc<Mutex<BTreeSet<PathBuf>>>;

impl SqliteKeyStores {
    /// Such stores.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl KeyStores for SqliteKeyStores {
    fn open<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, Arc<dyn Store>> {
        Box::pin(async move {
            let at_work = AtWork::begin(&self.at_work, path)?;
            // Goes on when nobody waits for it any more, and closes what nobody takes before others may have it.
            #[expect(
                clippy::disallowed_methods,
                reason = "its owner may be gone: the thread below it goes on all the same"
            )]
            let opening = tokio::spawn(async move {
                let store = opened(&at_work.path).await;
                (store, at_work)
            });
            let (store, _at_work) = opening.await.map_err(|_| StoreError::Interrupted)?;
            store
        })
    }

    fn read<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, Zeroizing<Vec<u8>>> {
        Box::pin(at_work(&self.at_work, path, move |path| {
            let failed = |error: rusqlite::Error| io(std::io::Error::other(error));
            // What is only in the log goes into the file.
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
            let is_busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0));
            if is_busy.map_err(failed)? {
                // Somebody has it open: some of it may be in the log only.
                return Err(StoreError::Locked);
            }
            connection.close().map_err(|(_, error)| failed(error))?;
            std::fs::read(path).map(Zeroizing::new).map_err(io)
        }))
    }

    fn write<'a>(&'a self, path: &'a Path, store: Zeroizing<Vec<u8>>) -> KeyStoreFuture<'a, ()> {
        Box::pin(at_work(&self.at_work, path, move |path| {
            let directory = path.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(directory).map_err(io)?;
            let mut file = tempfile::NamedTempFile::new_in(directory).map_err(io)?;
            file.write_all(&store).and_then(|()| file.as_file().sync_all()).map_err(io)?;
            // The log of another file says nothing about this one.
            for ending in ["-wal", "-shm", "-journal"] {
                match std::fs::remove_file(with_ending(path, ending)) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
                    _ => {}
                }
            }
            file.persist(path).map(drop).map_err(|error| io(error.error))
        }))
    }

    fn remove<'a>(&'a self, path: &'a Path) -> KeyStoreFuture<'a, ()> {
        Box::pin(at_work(&self.at_work, path, move |path| {
            // The file itself goes first: what is left of it without it is nothing.
            for ending in ["", "-wal", "-shm", "-journal"] {
                match std::fs::remove_file(with_ending(path, ending)) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
                    _ => {}
                }
            }
            Ok(())
        }))
    }
}

/// A store that is read, written or removed by a thread, which goes on when nobody waits for it any more.
struct AtWork {
    path: PathBuf,
    paths: Paths,
}

impl AtWork {
    fn begin(paths: &Paths, path: &Path) -> Result<Self, StoreError> {
        let is_first = paths.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_path_buf());
        if !is_first {
            return Err(StoreError::Locked);
        }
        Ok(Self { path: path.to_path_buf(), paths: Arc::clone(paths) })
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
    }
}

/// Does this with the store at `path`, which nobody else has until it is done.
async fn at_work<T: Send + 'static>(
    paths: &Paths,
    path: &Path,
    work: impl FnOnce(&Path) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let at_work = AtWork::begin(paths, path)?;
    blocking(move || work(&at_work.path)).await
}

/// The store at `path`, open.
async fn opened(path: &Path) -> Result<Arc<dyn Store>, StoreError> {
    let directory = path.parent().map(Path::to_path_buf);
    blocking(move || directory.map_or(Ok(()), std::fs::create_dir_all).map_err(io)).await?;
    let store = wa_store::SqliteStore::builder(path).open().await?;
    Ok(Arc::new(store))
}

/// `path` with `ending` behind its name.
fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(StoreError::Interrupted))
}

fn io(source: std::io::Error) -> StoreError {
    StoreError::Io { source: source.into() }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_store_that_somebody_has_open_is_not_read_in_part() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.db");
        let writer = Connection::open(&path).unwrap();
        writer.pragma_update(None, "journal_mode", "WAL").unwrap();
        writer.execute_batch("CREATE TABLE one (a)").unwrap();
        let reader = Connection::open(&path).unwrap();
        reader.execute_batch("BEGIN; SELECT * FROM one").unwrap();
        writer.execute_batch("INSERT INTO one VALUES (1)").unwrap();
        let stores = SqliteKeyStores::new();
        assert!(matches!(stores.read(&path).await, Err(StoreError::Locked)));
        reader.execute_batch("COMMIT").unwrap();
        drop((reader, writer));
        assert!(!stores.read(&path).await.unwrap().is_empty());
    }

    /// Who waited for it has given up; the thread has not.
    #[tokio::test]
    async fn nobody_has_a_store_on_which_a_thread_is_still_at_work() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.db");
        let stores = SqliteKeyStores::new();
        let (go_on, may) = std::sync::mpsc::channel::<()>();
        let late = at_work(&stores.at_work, &path, move |path| {
            may.recv().unwrap();
            std::fs::write(path, "late").map_err(io)
        });
        assert!(tokio::time::timeout(std::time::Duration::ZERO, late).await.is_err());
        assert!(matches!(stores.open(&path).await, Err(StoreError::Locked)));
        assert!(matches!(stores.write(&path, Zeroizing::default()).await, Err(StoreError::Locked)));
        assert!(matches!(stores.remove(&path).await, Err(StoreError::Locked)));
        assert!(!path.exists());
        go_on.send(()).unwrap();
        while let Err(error) = stores.remove(&path).await {
            assert!(matches!(error, StoreError::Locked), "{error:?}");
            tokio::task::yield_now().await;
        }
        stores.open(&path).await.unwrap();
    }

    #[tokio::test]
    async fn nobody_has_a_store_that_is_still_being_opened_for_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.db");
        let stores = SqliteKeyStores::new();
        assert!(stores.open(&path).now_or_never().is_none());
        assert!(matches!(stores.open(&path).await, Err(StoreError::Locked)));
        assert!(matches!(stores.write(&path, Zeroizing::default()).await, Err(StoreError::Locked)));
        while let Err(error) = stores.remove(&path).await {
            assert!(matches!(error, StoreError::Locked), "{error:?}");
            tokio::task::yield_now().await;
        }
        assert!(!path.exists());
        stores.open(&path).await.unwrap();
    }
}
