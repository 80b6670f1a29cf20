//! What a receiver must tell apart. Protocol: signal, "Errors a receiver must distinguish".

use crate::crypto::CryptoError;

/// Why a message was not encrypted or decrypted. The record is as it was before, and no pre-key was used up.
///
/// [`Self::retry_code`] is what a retry receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// This message was decrypted before, or is older than the keys that we kept. Treat it as delivered: send the
    /// delivery receipt again, give nothing to the application.
    #[error("message {counter} of this chain was read before")]
    Duplicate {
        /// Its place in the chain.
        counter: u32,
    },
    /// There is no session with this device. A receiver asks for the message again; a sender fetches a bundle.
    #[error("no session")]
    NoSession,
    /// A public key is malformed, or of low order so that the shared secret would be zero. Ask again.
    #[error("a public key is unusable")]
    InvalidKey,
    /// The message names a one-time pre-key that we do not hold: used up, or never ours. Ask again, with fresh keys.
    #[error("no one-time pre-key {id}")]
    InvalidPreKeyId {
        /// As the message spells it; any 32-bit number.
        id: u32,
    },
    /// The message names a signed pre-key that we do not hold: rotated away, or never ours. Ask again, with fresh keys.
    #[error("no signed pre-key {id}")]
    InvalidSignedPreKeyId {
        /// As the message spells it; any 32-bit number.
        id: u32,
    },
    /// The message cannot be read. Ask again.
    #[error("the message cannot be read")]
    InvalidMessage(#[source] MessageFault),
    /// The signature of a sender-key message or of a bundle's signed pre-key is wrong. A message: ask again. A bundle:
    /// do not use it, the server or someone between altered it.
    #[error("the signature is wrong")]
    InvalidSignature,
    /// The message is further ahead of the chain than we follow: too many are lost, or it is forged. Ask again.
    #[error("message {counter} is too far ahead of {expected}")]
    TooFarInFuture {
        /// Its place in the chain.
        counter: u32,
        /// The place that comes next.
        expected: u32,
    },
    /// No session has the key of this message: the sender uses another session, or the bytes were changed. Ask again.
    #[error("the authentication code is wrong")]
    BadMac,
    /// The session cannot go on: its chain is at its end. Drop it; a receiver asks again, a sender fetches a bundle.
    #[error("the session is at its end")]
    InvalidSession,
    /// We hold no sender key of this id: its distribution did not arrive. Ask again, with keys from the second time on.
    #[error("no sender key {key_id}")]
    NoSenderKey {
        /// The id that the message names.
        key_id: u32,
    },
    /// The message was sent before the place from which we were given its sender key: a resend with the key overtook
    /// it. No duplicate, though as old as one. Ask again.
    #[error("message {counter} is from before its sender key was given")]
    BeforeSenderKey {
        /// Its place in the chain.
        counter: u32,
    },
    /// The other side shows our own identity key: a reflection of our keys, never an honest device. Drop it.
    #[error("another device shows our own identity key")]
    OwnIdentity,
}

impl SignalError {
    /// The `error` code of a retry receipt; `None` when no retry is to be asked for. Protocol: receiving, "Shape" of
    /// retry requests.
    #[must_use]
    pub const fn retry_code(&self) -> Option<u8> {
        match self {
            Self::Duplicate { .. } => None,
            Self::OwnIdentity => Some(0),
            Self::NoSession | Self::NoSenderKey { .. } | Self::BeforeSenderKey { .. } => Some(1),
            Self::InvalidKey => Some(2),
            Self::InvalidPreKeyId { .. } | Self::InvalidSignedPreKeyId { .. } => Some(3),
            Self::InvalidMessage(_) => Some(4),
            Self::InvalidSignature => Some(5),
            Self::TooFarInFuture { .. } => Some(6),
            Self::BadMac => Some(7),
            Self::InvalidSession => Some(8),
        }
    }

    /// Which error speaks for a message that no session decrypts: the largest.
    pub(super) const fn weight(&self) -> u8 {
        match self {
            Self::Duplicate { .. } => 5,
            Self::TooFarInFuture { .. } => 4,
            Self::BadMac => 3,
            Self::InvalidMessage(_) => 2,
            Self::InvalidKey
            | Self::InvalidPreKeyId { .. }
            | Self::InvalidSignedPreKeyId { .. }
            | Self::InvalidSignature
            | Self::InvalidSession
            | Self::NoSenderKey { .. }
            | Self::BeforeSenderKey { .. }
            | Self::OwnIdentity => 1,
            Self::NoSession => 0,
        }
    }
}

impl From<CryptoError> for SignalError {
    fn from(error: CryptoError) -> Self {
        match error {
            CryptoError::WeakKey => Self::InvalidKey,
            CryptoError::BadTag => Self::BadMac,
            CryptoError::BadPadding => Self::InvalidMessage(MessageFault::Padding),
        }
    }
}

impl From<MessageFault> for SignalError {
    fn from(fault: MessageFault) -> Self {
        Self::InvalidMessage(fault)
    }
}

/// What is wrong with a message that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageFault {
    /// Too few bytes, or more than any frame holds.
    #[error("its length is impossible")]
    Length,
    /// A version of the protocol before 3.
    #[error("it has the legacy version {0}")]
    LegacyVersion(u8),
    /// A version of the protocol after 3.
    #[error("it has the unknown version {0}")]
    UnknownVersion(u8),
    /// The bytes are no protobuf message, or a field has another type than it should.
    #[error("its protobuf is malformed")]
    Protobuf,
    /// A required field is absent.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// The ciphertext has an impossible length or wrong CBC padding, though its authentication holds: the sender's bug.
    #[error("its ciphertext is malformed")]
    Padding,
}
