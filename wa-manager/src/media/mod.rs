//! Files that accounts downloaded, kept where their settings say (R108): in files, in a database of their own, in an
//! object store of the host's, or not at all.
//!
//! | File | Subject |
//! |---|---|
//! | `files` | [`FileMediaStore`]: a directory for each account |
//! | `database` | [`DatabaseMediaStore`]: an SQLite file for each account |
//! | `fetch` | from a message to its file, wherever that is |

mod database;
mod fetch;
mod files;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use tokio::io::AsyncRead;

pub use self::database::DatabaseMediaStore;
pub use self::fetch::{DownloadError, MediaFile};
pub(crate) use self::fetch::{fetch, remove_abandoned};
pub use self::files::FileMediaStore;
use crate::account::StorageMode;
use crate::ids::AccountId;

/// What the calls of [`MediaStore`] return.
pub type MediaFuture<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// Keeps files of accounts. Yours to implement, for object stores.
pub trait MediaStore: Send + Sync + fmt::Debug {
    /// Keeps the file at `path` under this key, in place of what is there. It may take the file away.
    ///
    /// # Errors
    /// Any, after which nothing is kept, or what was there before.
    fn put<'a>(&'a self, key: &'a MediaKey, path: &'a Path) -> MediaFuture<'a, ()>;

    /// What is kept under this key.
    ///
    /// # Errors
    /// Any but that there is nothing.
    fn get<'a>(&'a self, key: &'a MediaKey) -> MediaFuture<'a, Option<StoredMedia>>;

    /// Forgets all files of an account; none is fine. What takes longer than half a minute is dropped, and tried again
    /// later.
    ///
    /// # Errors
    /// Any: some may still be there.
    fn delete_all<'a>(&'a self, home: &'a MediaHome) -> MediaFuture<'a, ()>;
}

/// Whose files, and where its own ones are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MediaHome {
    /// The account.
    pub account: AccountId,
    /// A directory of the account's own: beside its keys, with `.media` behind the name.
    pub directory: PathBuf,
}

/// Names a file of an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MediaKey {
    /// Whose.
    pub home: MediaHome,
    /// The file: letters and digits. Equal files have equal names.
    pub name: String,
}

impl MediaKey {
    pub(crate) const fn new(home: MediaHome, name: String) -> Self {
        Self { home, name }
    }
}

/// A file that is kept.
#[non_exhaustive]
pub struct StoredMedia {
    /// How many bytes it has.
    pub length: u64,
    /// The bytes.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
}

impl StoredMedia {
    /// A file of so many bytes.
    #[must_use]
    pub fn new(length: u64, reader: Box<dyn AsyncRead + Send + Unpin>) -> Self {
        Self { length, reader }
    }
}

impl fmt::Debug for StoredMedia {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredMedia").field("length", &self.length).finish_non_exhaustive()
    }
}

/// The stores that there are, by what accounts can set.
#[derive(Debug, Clone)]
pub(crate) struct MediaStores {
    files: Arc<dyn MediaStore>,
    database: Arc<dyn MediaStore>,
    objects: Option<Arc<dyn MediaStore>>,
}

impl MediaStores {
    pub(crate) fn new(objects: Option<Arc<dyn MediaStore>>) -> Self {
        Self {
            files: Arc::new(FileMediaStore::new()),
            database: Arc::new(DatabaseMediaStore::new()),
            objects,
        }
    }

    /// The one for this mode; `None` when nothing is kept.
    fn of(&self, mode: StorageMode) -> Result<Option<&Arc<dyn MediaStore>>, DownloadError> {
        match mode {
            StorageMode::Filesystem => Ok(Some(&self.files)),
            StorageMode::Database => Ok(Some(&self.database)),
            StorageMode::S3 => self.objects.as_ref().map(Some).ok_or(DownloadError::NoObjectStore),
            StorageMode::None => Ok(None),
        }
    }

    /// Forgets all files of an account, wherever its settings let them be kept.
    pub(crate) async fn delete_all(&self, home: &MediaHome) -> io::Result<()> {
        let in_place = self.delete_in_place(home).await;
        match &self.objects {
            Some(objects) => in_place.and(objects.delete_all(home).await),
            None => in_place,
        }
    }

    /// Forgets the files in this directory only: what an object store has is the account's, wherever that is now.
    pub(crate) async fn delete_in_place(&self, home: &MediaHome) -> io::Result<()> {
        let files = self.files.delete_all(home).await;
        files.and(self.database.delete_all(home).await)
    }
}

/// Runs what blocks elsewhere.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// That there is nothing to remove is fine.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
