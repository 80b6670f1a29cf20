//! What SQLite reports, as [`StoreError`].

use rusqlite::{Error, ErrorCode};

use crate::error::StoreError;

/// An error of opening or writing.
pub(crate) fn of(error: Error) -> StoreError {
    in_record(error, "database")
}

/// An error of reading or writing the record `what`.
pub(super) fn in_record(error: Error, what: &'static str) -> StoreError {
    let code = match &error {
        Error::SqliteFailure(failure, _) => failure.code,
        // A column holds another type or size than the tables say.
        Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..) => {
            return StoreError::corrupt(what, error);
        }
        _ => return StoreError::backend(error),
    };
    match code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Locked,
        ErrorCode::DiskFull => StoreError::Full { source: Some(error.into()) },
        // The header told that the file is ours, so what is wrong behind it is damage.
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::corrupt("database", error),
        ErrorCode::SystemIoFailure
        | ErrorCode::CannotOpen
        | ErrorCode::ReadOnly
        | ErrorCode::PermissionDenied
        | ErrorCode::FileLockingProtocolFailed
        | ErrorCode::NoLargeFileSupport => StoreError::Io { source: error.into() },
        _ => StoreError::backend(error),
    }
}
