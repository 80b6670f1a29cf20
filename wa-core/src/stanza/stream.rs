//! `<success>`, `<failure>`, `<stream:error>`: how a login ends, and a connection.
//! Protocol: transport, "success", "failure", "stream:error".

use std::time::Duration;

use wa_types::{Jid, UnixSeconds};

use super::Reader;

/// The login succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Success {
    /// The server's clock.
    pub timestamp: Option<UnixSeconds>,
    /// Our own LID, with the device.
    pub lid: Option<Jid>,
}

impl Success {
    /// Reads a `<success>`; a malformed part counts as absent.
    #[must_use]
    pub fn read(stanza: Reader<'_>) -> Self {
        Self { timestamp: stanza.time_opt("t"), lid: stanza.jid_opt("lid").ok().flatten() }
    }
}

/// The login was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The reason, 400 to 599; 0 when it is missing.
    pub reason: u16,
    /// The detail of a temporary ban.
    pub code: Option<u16>,
    /// How long a temporary ban lasts.
    pub expires_in: Option<Duration>,
    /// What the server wants the user to read.
    pub message: Option<String>,
}

impl Failure {
    /// Reads a `<failure>`; a malformed part counts as absent.
    #[must_use]
    pub fn read(stanza: Reader<'_>) -> Self {
        let text = |name| stanza.text_opt(name).map(std::borrow::Cow::into_owned);
        Self {
            reason: stanza.number_opt("reason").ok().flatten().unwrap_or(0),
            code: stanza.number_opt("code").ok().flatten(),
            expires_in: stanza.number_opt("expire").ok().flatten().map(Duration::from_secs),
            message: text("message").or_else(|| text("logout_message_header")),
        }
    }
}

/// The server ends the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamError {
    /// 515: come back at once.
    RestartRequired,
    /// 401 with `device_removed`, 401 alone, or 516: this device was unlinked.
    LoggedOut,
    /// Another connection of this device took over.
    Replaced,
    /// Another conflict, that we do not know: coming back would meet it again.
    Conflict,
    /// A stanza of ours was never acknowledged, in the server's view, or was not well-formed.
    ProtocolFault,
    /// Any other code.
    Code(u16),
    /// Nothing that we know.
    Unknown,
}

impl StreamError {
    /// Reads a `<stream:error>`.
    #[must_use]
    pub fn read(stanza: Reader<'_>) -> Self {
        let conflict = stanza.child_opt("conflict");
        if conflict.is_some_and(|conflict| conflict.attr_is("type", "replaced")) {
            return Self::Replaced;
        }
        if conflict.is_some_and(|conflict| conflict.attr_is("type", "device_removed")) {
            return Self::LoggedOut;
        }
        match stanza.number_opt::<u16>("code").ok().flatten() {
            Some(515) => Self::RestartRequired,
            Some(401 | 516) => Self::LoggedOut,
            Some(409) => Self::Replaced,
            _ if conflict.is_some() => Self::Conflict,
            Some(code) => Self::Code(code),
            None if stanza.child_opt("ack").is_some() => Self::ProtocolFault,
            None if stanza.child_opt("xml-not-well-formed").is_some() => Self::ProtocolFault,
            None => Self::Unknown,
        }
    }
}
