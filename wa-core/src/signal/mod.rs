//! The Signal protocol, version 3, as WhatsApp speaks it: sessions between two devices, sender keys in groups.
//! Protocol: signal.
//!
//! | Module | Subject |
//! |---|---|
//! | [`session`] | [`SessionRecord`]: all that we know of the conversation with one device |
//! | [`sender_key`] | [`OwnSenderKey`] and [`SenderKeyRecord`]: one sender's messages to a group |
//! | [`ciphertext`] | what stands in `enc` nodes: parsed without copies, written in one buffer |
//! | [`pre_key`] | pre-keys that we offer, and bundles that we fetch |
//! | [`padding`] | what stands between a message and its ciphertext |
//! | [`error`] | [`SignalError`]: what a receiver must tell apart |
//!
//! Everything here is a value: a record and bytes go in, the record and bytes come out. A step that fails leaves the
//! record as it was. The caller stores the record **before** any bytes of an encryption leave the process: a message
//! key must never be used twice, also after a crash.

pub mod ciphertext;
mod codec;
pub mod error;
pub mod padding;
pub mod pre_key;
mod protobuf;
mod ratchet;
pub mod sender_key;
pub mod session;
mod x3dh;

pub use ciphertext::{
    Ciphertext, CiphertextKind, PreKeySignalMessage, SenderKeyDistribution, SenderKeyMessage, SignalMessage,
};
pub use codec::RecordError;
pub use error::{MessageFault, SignalError};
pub use padding::{PaddingError, pad, unpad};
pub use pre_key::{PreKey, PreKeyBundle, SignedPreKey};
pub use sender_key::{OwnSenderKey, SenderKeyRecord};
pub use session::{LocalIdentity, Peer, PreKeyDecrypted, PreKeys, SessionRecord};

/// The version byte: version 3 of the message, and 3 the newest that we speak.
const VERSION: u8 = 0x33;
