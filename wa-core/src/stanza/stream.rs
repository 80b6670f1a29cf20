//! `<success>`, `<failure>`, `<stream:error>`: how a login ends, and a connection.
//! Protocol: transport, "success", "failure", "stream:error".

use std::borrow::Cow;
use std::collections::BTreeMap;
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

/// The login was refused. `Debug` shows no text of the server's: it may speak of the user.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// Why.
    pub reason: Refusal,
    /// What a temporary ban is for.
    pub ban: Option<BanCause>,
    /// How long a temporary ban lasts, from now.
    pub expires_in: Option<Duration>,
    /// What the server wants the user to read.
    pub message: Option<String>,
    /// Every attribute as it came. What is in them about locks and bans is told only once.
    pub details: BTreeMap<String, String>,
}

impl std::fmt::Debug for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Failure")
            .field("reason", &self.reason)
            .field("ban", &self.ban)
            .field("expires_in", &self.expires_in)
            .field("details", &self.details.keys())
            .finish_non_exhaustive()
    }
}

impl Failure {
    /// Reads a `<failure>`; a malformed part counts as absent.
    #[must_use]
    pub fn read(stanza: Reader<'_>) -> Self {
        let text = |name| stanza.text_opt(name).map(Cow::into_owned);
        let code: Option<u16> = stanza.number_opt("code").ok().flatten();
        let attrs = stanza.node().attrs();
        Self {
            reason: Refusal::from_code(stanza.number_opt("reason").ok().flatten().unwrap_or(0)),
            ban: code.map(BanCause::from_code),
            expires_in: stanza.number_opt("expire").ok().flatten().map(Duration::from_secs),
            message: text("message").or_else(|| text("logout_message_header")),
            details: attrs
                .map(|(name, value)| (name.as_str().into_owned(), value.to_text().into_owned()))
                .collect(),
        }
    }
}

/// Why a login was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// 400: no cause given.
    Generic,
    /// 401: this device is not of the account, or not any more. Pair again.
    LoggedOut,
    /// 402: the account is banned for a while.
    TemporaryBan,
    /// 403: the account is locked. The user finds out more on the phone.
    Locked,
    /// 405: our release is too old.
    ClientTooOld,
    /// 406: the account is banned.
    Banned,
    /// 409: what we say that we are is not accepted.
    BadUserAgent,
    /// 413: a token that WhatsApp accounts do not have has expired.
    TokenExpired,
    /// 414: a token that WhatsApp accounts do not have is invalid.
    TokenInvalid,
    /// 415: no such account.
    NotFound,
    /// 418: our kind of client is not known.
    ClientUnknown,
    /// 429: too many connections.
    RateLimited,
    /// 500: the server has trouble.
    ServerTrouble,
    /// 501: an experiment of the server's.
    Experimental,
    /// 503: the server is down.
    Unavailable,
    /// Another one; 0 when there is none.
    Other(u16),
}

impl Refusal {
    const fn from_code(code: u16) -> Self {
        match code {
            400 => Self::Generic,
            401 => Self::LoggedOut,
            402 => Self::TemporaryBan,
            403 => Self::Locked,
            405 => Self::ClientTooOld,
            406 => Self::Banned,
            409 => Self::BadUserAgent,
            413 => Self::TokenExpired,
            414 => Self::TokenInvalid,
            415 => Self::NotFound,
            418 => Self::ClientUnknown,
            429 => Self::RateLimited,
            500 => Self::ServerTrouble,
            501 => Self::Experimental,
            503 => Self::Unavailable,
            code => Self::Other(code),
        }
    }
}

/// What a temporary ban is for. Protocol: transport, "failure".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BanCause {
    /// 101: messages to too many people who do not know the sender.
    TooManyStrangers,
    /// 102: blocked by too many people.
    BlockedByTooMany,
    /// 103: groups with too many people who do not know their creator.
    GroupsOfStrangers,
    /// 104: the same message to too many people.
    SameMessageToTooMany,
    /// 106: too many messages to broadcast lists.
    TooManyBroadcasts,
    /// Another one.
    Other(u16),
}

impl BanCause {
    const fn from_code(code: u16) -> Self {
        match code {
            101 => Self::TooManyStrangers,
            102 => Self::BlockedByTooMany,
            103 => Self::GroupsOfStrangers,
            104 => Self::SameMessageToTooMany,
            106 => Self::TooManyBroadcasts,
            code => Self::Other(code),
        }
    }
}

/// The server ends the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamError {
    /// 515: come back at once.
    RestartRequired,
    /// 401 with `device_removed`, 401 alone, or 516: this device was unlinked.
    LoggedOut,
    /// `replaced`, or 409: another connection of this device took over.
    Replaced,
    /// Another conflict, that we do not know: coming back would meet it again.
    UnknownConflict,
    /// A stanza of ours, or our answer to one of the server's, was missing in its view.
    Unacknowledged,
    /// A stanza of ours was not well-formed.
    NotWellFormed,
    /// 429: too many connections.
    RateLimited,
    /// 5xx: the server has trouble.
    ServerTrouble(u16),
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
            _ if conflict.is_some() => Self::UnknownConflict,
            Some(429) => Self::RateLimited,
            Some(code @ 500..=599) => Self::ServerTrouble(code),
            Some(code) => Self::Code(code),
            None if stanza.child_opt("ack").is_some() => Self::Unacknowledged,
            None if stanza.child_opt("xml-not-well-formed").is_some() => Self::NotWellFormed,
            None => Self::Unknown,
        }
    }
}
