//! The WhatsApp multi-device protocol: what a linked companion device says, and one account's client on top of it.

pub mod connection;
pub mod crypto;
pub mod e2e;
pub mod message;
pub mod noise;
pub mod pairing;
pub mod signal;
pub mod stanza;
pub mod transport;
pub mod wire;
