//! The WhatsApp multi-device protocol: what a linked companion device says, and one account's client on top of it.
//!
//! [`Client`] is the face for applications. Below it every layer is plain values, usable on its own:
//!
//! ```text
//! crypto, wire ← noise, signal, stanza ← connection, pairing ← message ← e2e ← driver ← client
//! ```
//!
//! Only `transport`, `driver` and `client` know the tokio runtime. The others take bytes, times and randomness, and
//! give back bytes, records and values.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod client;
pub mod connection;
pub mod crypto;
mod driver;
pub mod e2e;
pub mod error;
pub mod event;
pub mod message;
pub mod noise;
pub mod pairing;
pub mod signal;
pub mod stanza;
pub mod transport;
pub mod wire;

pub use client::{Client, ClientBuilder, Events, IdentityPolicy, RepairTimes, SendOptions, Status};
pub use error::{CallError, GroupError, SendError, Sent, StartError};
pub use event::{Cancellation, Event, LostReason, MessageLost, MessageReceived, SendState};
pub use message::Message;
pub use wa_store as store;
pub use wa_types as types;
pub use wa_types::{Jid, MessageId};
