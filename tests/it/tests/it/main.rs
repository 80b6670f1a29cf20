//! How the client behaves, against the in-process server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod messages;
mod sockets;
