//! Why a connection ended, and what that means for the next one.
//! Protocol: transport, "failure", "stream:error", "Reconnecting".

use wa_types::UnixSeconds;

use crate::noise::HandshakeError;
use crate::noise::client_payload::ClientVersion;
use crate::stanza::stream::{Failure, Refusal, StreamError};

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
    /// The account's phone has another identity key: the account moved to another phone, and this link with it. Pair
    /// again.
    #[error("the account moved to another phone")]
    AccountMoved,
    /// Another connection of this device took over.
    #[error("another connection of this device took over")]
    Replaced,
    /// Another connection of this device took over again, soon after we came back: somebody else runs with the same
    /// keys, and the two would take turns for ever. End the other one, or this one.
    #[error("another connection of this device takes over again and again")]
    Conflict,
    /// The server refused the login.
    #[error("the server refused the login: {:?}", .0.reason)]
    Refused(Box<Failure>),
    /// The account is banned for a while.
    #[error("the account is banned until {} seconds after 1970", until.0)]
    Banned {
        /// When the ban ends.
        until: UnixSeconds,
        /// What the server said; `None` when it said so before the last restart.
        failure: Option<Box<Failure>>,
    },
    /// The server does not serve this release of the client any more.
    #[error("the server does not serve version {version} any more")]
    VersionRefused {
        /// What we said we are.
        version: ClientVersion,
    },
    /// The server does not speak, or is not whom our trust root vouches for.
    #[error("the handshake failed")]
    Handshake(#[source] HandshakeError),
    /// The network failed, or the peer closed the socket.
    #[error("the network failed: {0}")]
    Network(std::io::ErrorKind),
    /// The proxy does not accept the credentials: others are needed.
    #[error("the proxy does not accept the credentials")]
    ProxyRefused,
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

/// What to do after a connection ended. [`crate::Client`] does it by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NextStep {
    /// Come back at once.
    Now,
    /// Come back after the usual back-off.
    Backoff,
    /// Come back much later: the server asked for fewer connections.
    SlowBackoff,
    /// Come back once, after a pause.
    Once,
    /// Come back then, and not before, also when asked.
    NotBefore(UnixSeconds),
    /// Come back with another version of the client.
    OtherVersion,
    /// Do not come back until the application asks for it.
    Stop,
    /// Never come back with these keys.
    LoggedOut,
}

impl CloseReason {
    /// Its name among the counters.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::RestartRequired => "restart_required",
            Self::LoggedOut => "logged_out",
            Self::AccountMoved => "account_moved",
            Self::Replaced => "replaced",
            Self::Conflict => "conflict",
            Self::Refused(_) => "refused",
            Self::Banned { .. } => "banned",
            Self::VersionRefused { .. } => "version_refused",
            Self::Handshake(_) => "handshake",
            Self::Network(_) => "network",
            Self::ProxyRefused => "proxy_refused",
            Self::DeadSocket => "dead_socket",
            Self::StreamEnd => "stream_end",
            Self::StreamError(_) => "stream_error",
            Self::BadFrame => "bad_frame",
            Self::PairingTimeout => "pairing_timeout",
            Self::Overflow => "overflow",
            Self::StoreFailed => "store_failed",
        }
    }

    /// What to do next.
    #[must_use]
    pub fn next_step(&self) -> NextStep {
        match self {
            Self::RestartRequired => NextStep::Now,
            Self::LoggedOut | Self::AccountMoved => NextStep::LoggedOut,
            Self::Replaced => NextStep::Once,
            Self::Banned { until, .. } => NextStep::NotBefore(*until),
            Self::VersionRefused { .. } => NextStep::OtherVersion,
            Self::Requested | Self::Conflict | Self::PairingTimeout | Self::ProxyRefused => NextStep::Stop,
            Self::Refused(failure) => after_refusal(failure.reason),
            // A wrong root key or a tampered certificate does not mend itself.
            Self::Handshake(HandshakeError::Certificate(error)) if !error.may_be_our_clock() => {
                NextStep::Stop
            }
            Self::StreamError(error) => after_stream_error(*error),
            Self::Handshake(_)
            | Self::Network(_)
            | Self::DeadSocket
            | Self::StreamEnd
            | Self::BadFrame
            | Self::Overflow
            | Self::StoreFailed => NextStep::Backoff,
        }
    }
}

const fn after_refusal(reason: Refusal) -> NextStep {
    match reason {
        Refusal::LoggedOut | Refusal::Locked | Refusal::Banned => NextStep::LoggedOut,
        Refusal::ServerTrouble | Refusal::Unavailable => NextStep::Backoff,
        Refusal::RateLimited => NextStep::SlowBackoff,
        Refusal::ClientTooOld => NextStep::OtherVersion,
        // A ban without an end in sight.
        Refusal::TemporaryBan
        | Refusal::Generic
        | Refusal::BadUserAgent
        | Refusal::TokenExpired
        | Refusal::TokenInvalid
        | Refusal::NotFound
        | Refusal::ClientUnknown
        | Refusal::Experimental
        | Refusal::Other(_) => NextStep::Stop,
    }
}

const fn after_stream_error(error: StreamError) -> NextStep {
    match error {
        StreamError::RestartRequired => NextStep::Now,
        StreamError::LoggedOut => NextStep::LoggedOut,
        StreamError::Replaced => NextStep::Once,
        StreamError::UnknownConflict => NextStep::Stop,
        StreamError::RateLimited => NextStep::SlowBackoff,
        StreamError::Unacknowledged
        | StreamError::NotWellFormed
        | StreamError::ServerTrouble(_)
        | StreamError::Code(_)
        | StreamError::Unknown => NextStep::Backoff,
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
