//! Why a connection ended, and what that means for the next one.
//! Protocol: transport, "failure", "stream:error", "Reconnecting".

use std::time::Duration;

use crate::noise::HandshakeError;
use crate::stanza::stream::{Failure, StreamError};

/// Why a connection ended.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// We ended it.
    #[error("closed by us")]
    Requested,
    /// The server asks to come back at once; always after pairing.
    #[error("the server asks for a new connection")]
    RestartRequired,
    /// This device was unlinked. The keys are worthless: pair again.
    #[error("this device was unlinked")]
    LoggedOut,
    /// Another connection of this device took over. Coming back would take turns for ever.
    #[error("another connection of this device took over")]
    Replaced,
    /// The server refused the login.
    #[error("the server refused the login with reason {}", .0.reason)]
    Refused(Failure),
    /// The server does not speak, or is not whom our trust root vouches for.
    #[error("the handshake failed")]
    Handshake(#[source] HandshakeError),
    /// The network failed, or the peer closed the socket.
    #[error("the network failed: {0}")]
    Network(std::io::ErrorKind),
    /// No sign of life after a send that wants an answer.
    #[error("the server does not answer any more")]
    DeadSocket,
    /// An orderly end by the server.
    #[error("the server ended the stream")]
    StreamEnd,
    /// The server ended the stream with a code.
    #[error("the server ended the stream: {0:?}")]
    StreamError(StreamError),
    /// A frame does not decrypt: the stream is of no more use.
    #[error("a frame does not decrypt")]
    BadFrame,
    /// The QR codes ran out without a scan.
    #[error("nobody scanned the QR codes in time")]
    PairingTimeout,
    /// More stanzas came than were taken; the server delivers them again.
    #[error("too many unread stanzas")]
    Overflow,
    /// Our own store failed; nothing was acknowledged, and the server delivers it again.
    #[error("the store failed")]
    StoreFailed,
}

/// What to do after a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextStep {
    /// Come back at once.
    Now,
    /// Come back after the usual back-off.
    Backoff,
    /// Come back much later: the server asked for fewer connections.
    SlowBackoff,
    /// Do not come back before this much time has passed, and not unasked.
    StopFor(Duration),
    /// Do not come back until the application asks for it.
    Stop,
    /// Never come back with these keys.
    LoggedOut,
}

impl CloseReason {
    /// What to do next.
    #[must_use]
    pub fn next_step(&self) -> NextStep {
        match self {
            Self::RestartRequired => NextStep::Now,
            Self::LoggedOut => NextStep::LoggedOut,
            Self::Requested | Self::Replaced | Self::PairingTimeout => NextStep::Stop,
            Self::Refused(failure) => match failure.reason {
                401 | 403 | 406 => NextStep::LoggedOut,
                402 => failure.expires_in.map_or(NextStep::Stop, NextStep::StopFor),
                500 | 503 => NextStep::Backoff,
                429 => NextStep::SlowBackoff,
                _ => NextStep::Stop,
            },
            // A wrong root key or a tampered certificate does not mend itself.
            Self::Handshake(HandshakeError::Certificate(error)) if !error.may_be_our_clock() => {
                NextStep::Stop
            }
            Self::StreamError(StreamError::Conflict) => NextStep::Stop,
            Self::StreamError(StreamError::Code(429)) => NextStep::SlowBackoff,
            Self::Handshake(_)
            | Self::Network(_)
            | Self::DeadSocket
            | Self::StreamEnd
            | Self::StreamError(_)
            | Self::BadFrame
            | Self::Overflow
            | Self::StoreFailed => NextStep::Backoff,
        }
    }
}

impl From<StreamError> for CloseReason {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::RestartRequired => Self::RestartRequired,
            StreamError::LoggedOut => Self::LoggedOut,
            StreamError::Replaced => Self::Replaced,
            other => Self::StreamError(other),
        }
    }
}
