//! The known answers of `tests/vectors/` and the laws that hold for every input.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, missing_docs)]

mod app_state;
mod app_state_catalogue;
mod connection;
mod e2e;
mod group_requests;
mod groups;
mod history;
mod media;
mod noise;
mod pairing;
mod pairing_code;
mod pairing_passkey;
mod secrets;
mod signal;
mod stanza;
mod stanza_pairing;
#[allow(dead_code, unreachable_pub, reason = "not every domain needs all of it")]
mod vectors;
mod wire;
