//! The tables, version by version. The version is SQLite's `user_version`; a new file has version 0.
//!
//! A migration, once released, is never changed: a later one corrects it. All that a file lacks run in one
//! transaction, outside of WAL mode, so that the header of the file itself always tells its version and whose it is:
//! `open.rs` reads it there before anything is written. A new file gets its very first page in that transaction too;
//! whoever is killed on the way leaves an empty file, or one that SQLite rolls back.

use rusqlite::Connection;

use super::error;
use super::open::APPLICATION_ID;
use crate::error::StoreError;

/// Takes the file's lock and brings it from the version in its header to the newest.
pub(super) fn run(connection: &Connection, header_version: u32) -> Result<(), StoreError> {
    if header_version < LATEST {
        connection.pragma_update(None, "journal_mode", "DELETE").map_err(error::of)?;
    }
    // The lock before the look: two processes that create the same file must not both find version 0.
    connection.execute_batch("BEGIN EXCLUSIVE").map_err(error::of)?;
    let version = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(error::of)?;
    check(version)?;
    if version < LATEST {
        migrate(connection, version).map_err(error::of)?;
    }
    // After an error the caller closes the connection, which rolls back.
    connection.execute_batch("COMMIT").map_err(error::of)
}

/// Refuses a version that this code does not know.
pub(super) const fn check(version: u32) -> Result<(), StoreError> {
    if version > LATEST {
        Err(StoreError::NewerVersion { found: version, supported: LATEST })
    } else {
        Ok(())
    }
}

fn migrate(connection: &Connection, version: u32) -> rusqlite::Result<()> {
    for (_, sql) in MIGRATIONS.iter().filter(|(number, _)| *number > version) {
        connection.execute_batch(sql)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", LATEST)
}

/// The newest version.
const LATEST: u32 = 1;

const MIGRATIONS: &[(u32, &str)] = &[(1, include_str!("schema/1.sql"))];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_without_gaps() {
        let numbers: Vec<u32> = MIGRATIONS.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (1..=LATEST).collect::<Vec<_>>());
    }
}
