//! One SQLite file per account.
