//! How the client behaves, against the in-process server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod acks;
mod addresses;
mod backlog;
mod connection;
mod durability;
mod failures;
mod faults;
mod group_messages;
mod groups;
mod inbox_classes;
mod messages;
mod outbox;
mod overload;
mod pairing;
mod pairing_code;
mod pairing_guard;
mod pairing_passkey;
mod peers;
mod pre_keys;
mod receipts;
mod reconnect;
mod repair;
mod requests;
mod sockets;
mod unlinking;
