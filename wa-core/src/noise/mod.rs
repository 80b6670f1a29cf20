//! The handshake that opens every connection, and the encryption of all that follows. Protocol: transport.
//!
//! Pure values: messages in, messages out, as encoded bytes without their frame ([`crate::wire::frame`]). Each step
//! consumes the state that it leaves, so that a step out of order does not compile, and any error ends the handshake.
//!
//! ```text
//! client   xx::start ──hello──> AwaitingServerHello ──finish──────────────> Established
//!          ik::start ──hello──> AwaitingAnswer ─┬─ resumed ───────────────> Established
//!                                               └─ fallback, as xx ──finish─> Established
//! server   server::accept ─┬─ Accepted::Resumed
//!                          └─ Accepted::Full ──hello──> AwaitingClientFinish ──> LoggedIn
//! ```
//!
//! | Module | Subject |
//! |---|---|
//! | [`header`] | the connection's first bytes, and routing information |
//! | [`xx`] | the full handshake, client |
//! | [`ik`] | resuming with a server that we know, client |
//! | [`server`] | both, seen from the other side: for test servers and tools |
//! | [`certificate`] | who the server is: verifying and issuing |
//! | [`client_payload`] | what the client says about itself |
//! | [`cipher`] | the transport phase: sealing and opening frames |
//! | [`symmetric`] | the state that the handshakes share |

pub mod certificate;
pub mod cipher;
pub mod client_payload;
pub mod header;
pub mod ik;
mod message;
pub mod server;
pub mod symmetric;
pub mod xx;

pub use certificate::{CertificateError, KnownServer, TrustRoot};
pub use cipher::{Receiver, Sender, Transport, TransportError};
pub use client_payload::{ClientPayload, ClientPayloadError};
pub use header::{Header, HeaderError, PROLOGUE, RoutingInfo};

/// What a client has after a handshake.
#[derive(Debug)]
#[non_exhaustive]
pub struct Established {
    /// Seals and opens the frames that follow.
    pub transport: Transport,
    /// The server that we talk to. Persist it when paired: it makes the next handshake shorter.
    pub server: KnownServer,
}

/// Why a handshake failed. Any of these ends the connection.
///
/// After a failed resumption ([`ik`]), forget the [`KnownServer`] and use the full handshake next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The bytes are no handshake message.
    #[error("the handshake message is malformed")]
    Malformed,
    /// Another message than the one whose turn it is.
    #[error("this is not the message that the handshake waits for")]
    UnexpectedMessage,
    /// The message lacks a part that its step needs.
    #[error("the handshake message has no {part:?}")]
    Missing {
        /// Which one.
        part: Part,
    },
    /// A key is not 32 bytes long.
    #[error("the {part:?} key of the handshake has a wrong length")]
    KeySize {
        /// Which one.
        part: Part,
    },
    /// A key of the peer leads to no secret: no honest peer has such a key.
    #[error("the {part:?} key of the handshake is of low order")]
    WeakKey {
        /// Which one.
        part: Part,
    },
    /// A part does not decrypt: the peer has other keys, or bytes changed on their way.
    #[error("the {part:?} of the handshake does not decrypt")]
    Tampered {
        /// Which one.
        part: Part,
    },
    /// The server is not who it should be.
    #[error("the server's certificates are not accepted")]
    Certificate(#[from] CertificateError),
    /// The certificates of the known server do not hold now: use the full handshake.
    #[error("what is known of the server is out of date")]
    StaleServer,
}

/// A part of a handshake message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The sender's key for this connection only.
    Ephemeral,
    /// The sender's lasting key.
    Static,
    /// The certificates of a server, the payload of a client.
    Payload,
}
