//! What every language's suite shows, without generated code between: the table is in `bindings/README.md`. And what files and streams do
//! beside that.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod accounts;
mod client;
mod faults;
mod files;
mod kinds;
mod people;
mod process;
mod streams;
mod support;
