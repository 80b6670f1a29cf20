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
//!
//! # What is promised
//!
//! | | Durable when | How often | What it means |
//! |---|---|---|---|
//! | a message in | before the server gets its receipt: plaintext, ratchet step and the mark "seen" are one commit | delivered at least once, in order, until it is confirmed; never again after that | [`Event::Message`] has a message that a crash cannot take away |
//! | a message that cannot be read | its repair is stored with the request for it | one last word: [`Event::Message`] or [`Event::MessageLost`] | nothing vanishes without a word |
//! | a message out | before anything of it leaves | the server has it once: it is sent again under the same id until the server answers | [`Client::send`] returns when the server has it; [`Client::enqueue`] when it is stored |
//! | a message key | its use is committed before the message leaves | used once, whatever crashes | |
//! | all other events | not | told once | [`Event`] says which are which |
//!
//! A store that fails acknowledges nothing: the connection ends and comes back, and both sides go on from what is stored.
//! How much a commit survives is the store's: see `wa_store::sqlite::Durability`.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod app_state;
pub mod client;
pub mod connection;
pub mod crypto;
mod driver;
pub mod e2e;
pub mod error;
pub mod event;
pub mod history;
pub mod media;
pub mod message;
pub mod noise;
pub mod pairing;
pub mod signal;
pub mod stanza;
pub mod transport;
pub mod wire;

pub use client::{Client, ClientBuilder, Events, IdentityPolicy, RepairTimes, SendOptions, Status};
pub use error::{CallError, GroupError, MediaError, MediaRemedy, SendError, Sent, StartError, StoreFailure};
pub use event::{Cancellation, Event, LostReason, MessageLost, MessageReceived, SendState};
pub use message::Message;
pub use wa_store as store;
pub use wa_types as types;
pub use wa_types::{Jid, MessageId};
