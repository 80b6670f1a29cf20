//! The few shapes that all queries have.

use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::error;
use crate::error::StoreError;

/// One answer per key, in the order asked: the statement is prepared once and stepped once per key.
pub(super) fn each<K, P: Params, T>(
    connection: &Connection,
    what: &'static str,
    sql: &str,
    keys: &[K],
    params: impl Fn(&K) -> P,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<Option<T>>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let failed = |cause| error::in_record(cause, what);
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let one = |key| {
        let row = statement.query_row(params(key), |row| Ok(read(row))).optional().map_err(failed)?;
        row.transpose()
    };
    keys.iter().map(one).collect()
}

/// All rows.
pub(super) fn all<T>(
    connection: &Connection,
    what: &'static str,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let failed = |cause| error::in_record(cause, what);
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// Runs a statement and tells how many rows it changed.
pub(super) fn run(connection: &Connection, sql: &str, params: impl Params) -> Result<usize, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(error::of)?;
    statement.execute(params).map_err(error::of)
}

/// A column's bytes, handed to `read` without a copy.
pub(super) fn blob<T>(
    row: &Row<'_>,
    column: usize,
    what: &'static str,
    read: impl FnOnce(&[u8]) -> Option<T>,
) -> Result<T, StoreError> {
    let value = row.get_ref(column).map_err(|cause| error::in_record(cause, what))?;
    let bytes = value.as_blob().map_err(|cause| StoreError::corrupt(what, cause))?;
    read(bytes).ok_or(StoreError::Corrupt { what, source: None })
}

/// A column of any other type.
pub(super) fn column<T: rusqlite::types::FromSql>(
    row: &Row<'_>,
    column: usize,
    what: &'static str,
) -> Result<T, StoreError> {
    row.get(column).map_err(|cause| error::in_record(cause, what))
}

/// A number that is never negative.
pub(super) fn unsigned(row: &Row<'_>, at: usize, what: &'static str) -> Result<u64, StoreError> {
    u64::try_from(column::<i64>(row, at, what)?).map_err(|cause| StoreError::corrupt(what, cause))
}

/// A time or a limit as SQLite's integer; what is beyond stays at the largest.
pub(super) fn saturated(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A count as SQLite's integer.
pub(super) fn limit(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
