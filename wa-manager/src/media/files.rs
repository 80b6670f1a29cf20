//! Files as files.

use std::io;
use std::path::{Path, PathBuf};

use super::{MediaFuture, MediaHome, MediaKey, MediaStore, StoredMedia, blocking, gone};

/// Keeps each file as a file, in its account's own directory.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct FileMediaStore;

impl FileMediaStore {
    /// Such a store.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

fn path_of(key: &MediaKey) -> PathBuf {
    key.home.directory.join(&key.name)
}

impl MediaStore for FileMediaStore {
    fn put<'a>(&'a self, key: &'a MediaKey, path: &'a Path) -> MediaFuture<'a, ()> {
        let (from, to) = (path.to_path_buf(), path_of(key));
        Box::pin(blocking(move || {
            std::fs::File::open(&from)?.sync_all()?;
            std::fs::rename(from, to)
        }))
    }

    fn get<'a>(&'a self, key: &'a MediaKey) -> MediaFuture<'a, Option<StoredMedia>> {
        Box::pin(async move {
            let file = match tokio::fs::File::open(path_of(key)).await {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => file?,
            };
            let length = file.metadata().await?.len();
            Ok(Some(StoredMedia::new(length, Box::new(file))))
        })
    }

    fn delete_all<'a>(&'a self, home: &'a MediaHome) -> MediaFuture<'a, ()> {
        let directory = home.directory.clone();
        Box::pin(blocking(move || gone(std::fs::remove_dir_all(directory))))
    }
}
