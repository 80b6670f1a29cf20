//! Names that every layer of `wa` shares: addresses, ids, keys and times. No I/O and no protobuf.
//!
//! | Module | Subject |
//! |---|---|
//! | [`jid`] | who or what a stanza concerns: [`Jid`], [`Server`] |
//! | [`address`] | where a Signal session leads: [`SignalAddress`] |
//! | [`ids`] | [`MessageId`], [`PreKeyId`], [`RegistrationId`] |
//! | [`keys`] | [`PublicKey`], [`PrivateKey`], [`KeyPair`], [`Signature`] |
//! | [`phone`] | [`PhoneNumber`], as users type it |
//! | [`time`] | [`UnixSeconds`] and [`UnixMillis`]: the wire has both |

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod address;
pub mod ids;
pub mod jid;
pub mod keys;
pub mod phone;
pub mod time;

pub use address::{Domain, SignalAddress};
pub use ids::{MessageId, PreKeyId, RegistrationId};
pub use jid::{Jid, JidError, Server};
pub use keys::{KeyPair, PrivateKey, PublicKey, PublicKeyError, Signature};
pub use phone::{PhoneNumber, PhoneNumberError};
pub use time::{UnixMillis, UnixSeconds};
