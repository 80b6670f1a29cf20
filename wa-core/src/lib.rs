//! The WhatsApp multi-device protocol: what a linked companion device says, and one account's client on top of it.

pub mod crypto;
pub mod noise;
pub mod pairing;
pub mod signal;
pub mod transport;
pub mod wire;
