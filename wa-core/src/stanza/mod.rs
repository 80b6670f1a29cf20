//! Nodes ↔ typed stanzas. A stanza is parsed once, here, into a type that cannot be wrong; what the server adds
//! tomorrow is ignored, what it must not leave out is an error with its place.
//!
//! One file per tag, one per namespace of [`iq`].

pub mod ack;
pub mod call;
pub mod community;
pub mod group;
pub mod group_setting;
pub mod ib;
pub mod iq;
pub mod media_retry;
pub mod message;
pub mod newsletter;
pub mod notification;
pub mod pairing;
pub mod presence;
pub mod reader;
pub mod receipt;
pub mod retry;
pub mod stream;

pub use reader::{Reader, StanzaError};
