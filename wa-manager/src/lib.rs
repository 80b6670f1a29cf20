//! Many accounts in one process.
#![deny(clippy::disallowed_methods)]

pub mod trust;
