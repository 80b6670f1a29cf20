//! How stores behave.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a helper that fails is a test that fails")]
#![cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "most of this is about files"))]

mod archive;
mod conformance;
mod records;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlite")]
mod sqlite_crash;
#[cfg(feature = "sqlite")]
mod sqlite_files;
