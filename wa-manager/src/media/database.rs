//! Files in an SQLite file of the account's own, a piece to a row: never a whole file in memory.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::{MediaFuture, MediaHome, MediaKey, MediaStore, StoredMedia, blocking, gone};
use crate::store::create_private;

/// How large a piece is.
const PIECE: usize = 256 * 1024;

/// Keeps the files of an account in one SQLite file beside its keys, `.media.db` behind the name.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct DatabaseMediaStore;

impl DatabaseMediaStore {
    /// Such a store.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }
}

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS file (
    name TEXT NOT NULL,
    piece INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (name, piece)
) STRICT;";

fn place(home: &MediaHome) -> PathBuf {
    let mut path = home.directory.clone().into_os_string();
    path.push(".db");
    PathBuf::from(path)
}

fn open(path: &Path) -> io::Result<Connection> {
    create_private(path)?;
    let connection = Connection::open(path).map_err(io::Error::other)?;
    connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(io::Error::other)?;
    connection.pragma_update(None, "trusted_schema", "OFF").map_err(io::Error::other)?;
    connection.execute_batch(SCHEMA).map_err(io::Error::other)?;
    Ok(connection)
}

fn put(database: &Path, name: &str, mut file: File) -> io::Result<()> {
    let mut connection = open(database)?;
    let step = connection.transaction().map_err(io::Error::other)?;
    step.execute("DELETE FROM file WHERE name = ?1", params![name]).map_err(io::Error::other)?;
    let mut bytes = vec![0; PIECE];
    for number in 0_i64.. {
        let mut length = 0;
        while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match file.read(rest)? {
                0 => break,
                count => length += count,
            }
        }
        // An empty file has one empty piece.
        if length == 0 && number > 0 {
            break;
        }
        let piece = bytes.get(..length).unwrap_or_default();
        step.execute(
            "INSERT INTO file (name, piece, bytes) VALUES (?1, ?2, ?3)",
            params![name, number, piece],
        )
        .map_err(io::Error::other)?;
        if length < PIECE {
            break;
        }
    }
    step.commit().map_err(io::Error::other)
}

/// Copies a file out of the database into one without a name, from which it is read at leisure.
fn get(database: &Path, name: &str) -> io::Result<Option<(u64, File)>> {
    let Some(directory) = database.parent().filter(|_| database.exists()) else { return Ok(None) };
    let connection = open(database)?;
    let sql = "SELECT bytes FROM file WHERE name = ?1 ORDER BY piece";
    let mut statement = connection.prepare(sql).map_err(io::Error::other)?;
    let mut pieces = statement.query(params![name]).map_err(io::Error::other)?;
    let mut file = None;
    while let Some(row) = pieces.next().map_err(io::Error::other)? {
        let file = match &mut file {
            Some(file) => file,
            None => file.insert(tempfile::tempfile_in(directory)?),
        };
        let piece = row.get_ref(0).and_then(|piece| Ok(piece.as_blob()?)).map_err(io::Error::other)?;
        file.write_all(piece)?;
    }
    let Some(mut file) = file else { return Ok(None) };
    let length = file.stream_position()?;
    file.rewind()?;
    Ok(Some((length, file)))
}

impl MediaStore for DatabaseMediaStore {
    fn put<'a>(&'a self, key: &'a MediaKey, path: &'a Path) -> MediaFuture<'a, ()> {
        let (database, name, path) = (place(&key.home), key.name.clone(), path.to_path_buf());
        Box::pin(blocking(move || {
            // First: of an account that is gone there is no file any more, and no database shall be made.
            let file = File::open(path)?;
            put(&database, &name, file)
        }))
    }

    fn get<'a>(&'a self, key: &'a MediaKey) -> MediaFuture<'a, Option<StoredMedia>> {
        let (database, name) = (place(&key.home), key.name.clone());
        Box::pin(async move {
            let found = blocking(move || get(&database, &name)).await?;
            Ok(found
                .map(|(length, file)| StoredMedia::new(length, Box::new(tokio::fs::File::from_std(file)))))
        })
    }

    fn delete_all<'a>(&'a self, home: &'a MediaHome) -> MediaFuture<'a, ()> {
        let database = place(home);
        Box::pin(blocking(move || {
            for ending in ["", "-journal", "-wal", "-shm"] {
                let mut path = database.clone().into_os_string();
                path.push(ending);
                gone(std::fs::remove_file(PathBuf::from(path)))?;
            }
            Ok(())
        }))
    }
}
