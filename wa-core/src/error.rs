//! Everything that a call can return.

use std::time::Duration;

use wa_store::StoreError;
use wa_types::{Jid, MessageId, UnixSeconds};

use crate::connection::RequestError;
use crate::pairing::PairingCode;
use crate::stanza::iq::IqRefusal;
use crate::stanza::iq::groups::Invitation;

/// A client could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The store failed; see its own advice.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// A message was not sent, or it is not known whether it was.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The chat's address takes no direct messages.
    #[error("{0:?} takes no direct messages")]
    Unsupported(Jid),
    /// There is no connection, or the account is not paired. Nothing was sent: send again after
    /// [`crate::Event::Connected`].
    #[error("not connected")]
    NotConnected,
    /// The recipient is not on WhatsApp.
    #[error("{0:?} has no devices")]
    UnknownRecipient(Jid),
    /// None of the recipient's devices gave us keys. Try later.
    #[error("no device of {0:?} could be encrypted for")]
    NoDevices(Jid),
    /// The recipient's devices or keys could not be asked for. Nothing was sent; send again.
    #[error("the recipient's devices or keys could not be fetched")]
    Lookup(#[source] RequestError),
    /// The server refused the message for good. Protocol: messages, "Server ack of a message".
    #[error("the server refused the message with code {code}")]
    Refused {
        /// The server's code.
        code: u16,
    },
    /// No ack in time. The message may have arrived: send again with the same id only.
    #[error("no ack in time")]
    Timeout,
    /// The connection was lost before the ack. The message may have arrived: send again with the same id only.
    #[error("the connection was lost before the ack")]
    ConnectionLost,
    /// The message does not fit into a stanza.
    #[error("the message is too large")]
    TooLarge,
    /// The store failed; nothing was sent.
    #[error("the store failed: {0}")]
    Store(String),
    /// The client was shut down. Nothing was sent if this is returned at once.
    #[error("the client was shut down")]
    Shutdown,
}

/// What to do about a [`SendError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendRemedy {
    /// Send again, once connected.
    SendAgain,
    /// Send again with the same id: it may have arrived.
    SendAgainWithSameId,
    /// Do not send again as it is.
    GiveUp,
}

impl SendError {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> SendRemedy {
        match self {
            Self::NotConnected | Self::NoDevices(_) | Self::Lookup(_) | Self::Store(_) | Self::Shutdown => {
                SendRemedy::SendAgain
            }
            Self::Timeout | Self::ConnectionLost => SendRemedy::SendAgainWithSameId,
            Self::Refused { code: 408 | 429 | 500 | 503 } => SendRemedy::SendAgainWithSameId,
            Self::Refused { .. } | Self::Unsupported(_) | Self::UnknownRecipient(_) | Self::TooLarge => {
                SendRemedy::GiveUp
            }
        }
    }
}

/// A message that the server took.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Its id; receipts name it.
    pub id: MessageId,
    /// The chat as it was addressed: the LID of a phone number, where that is known.
    pub chat: Jid,
    /// When the server took it.
    pub timestamp: UnixSeconds,
}

/// There will be no connection now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReconnectError {
    /// The account is banned for a while. The client comes back by itself when that is over, unless it was told to stay
    /// away.
    #[error("the account is banned until {until:?}")]
    Banned {
        /// When the ban ends.
        until: UnixSeconds,
    },
    /// The device was unlinked: [`crate::Client::forget`] it, and pair again.
    #[error("the device was unlinked")]
    LoggedOut,
    /// The client was shut down.
    #[error("the client was shut down")]
    Shutdown,
}

/// No pairing code to show.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PairCodeError {
    /// A code is live, and is never replaced: show this one, or wait for [`crate::Event::PairingCodeVoid`].
    #[error("a code is live")]
    Live {
        /// The live code.
        code: PairingCode,
        /// How long it is still good.
        expires_in: Duration,
    },
    /// Another call is making a code.
    #[error("another call is making a code")]
    InProgress,
    /// This device is linked.
    #[error("this device is linked already")]
    AlreadyPaired,
    /// This device was unlinked: [`crate::Client::forget`] makes new keys.
    #[error("this device was unlinked")]
    LoggedOut,
    /// The server refused.
    #[error("the server refused: {why}")]
    Refused {
        /// Why.
        why: CodeRefusal,
        /// How long the server wants us to wait before we ask again.
        retry_after: Option<Duration>,
    },
    /// The server did not answer as it must, or the connection was lost.
    #[error(transparent)]
    Request(RequestError),
    /// There is no connection, and none comes by itself.
    #[error("not connected")]
    NotConnected,
    /// The connection was not ready for pairing in time.
    #[error("no connection for pairing in time")]
    Timeout,
    /// The client was shut down.
    #[error("the client was shut down")]
    Shutdown,
}

/// Why the server gives no pairing code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeRefusal {
    /// 400: this number has no account, or it was asked for too often.
    #[error("the number has no account, or was tried too often (400)")]
    BadRequest,
    /// 403: this account may not be linked so.
    #[error("forbidden (403)")]
    Forbidden,
    /// 429: too many codes.
    #[error("too many codes (429)")]
    RateLimited,
    /// 452: the account cannot be linked by code; the QR code links.
    #[error("not available for this account (452)")]
    NotAvailable,
    /// 500: the server failed; try later.
    #[error("the server failed (500)")]
    Server,
    /// Another code.
    #[error("code {0}")]
    Other(u16),
}

impl From<RequestError> for PairCodeError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Refused(refusal) => Self::Refused {
                why: match refusal.code {
                    400 => CodeRefusal::BadRequest,
                    403 => CodeRefusal::Forbidden,
                    429 => CodeRefusal::RateLimited,
                    452 => CodeRefusal::NotAvailable,
                    500 => CodeRefusal::Server,
                    code => CodeRefusal::Other(code),
                },
                retry_after: refusal.backoff,
            },
            error => Self::Request(error),
        }
    }
}

/// Any other call failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The server did not answer, or refused.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The store failed; nothing was done.
    #[error("the store failed: {0}")]
    Store(String),
    /// The account is not paired.
    #[error("not paired")]
    NotPaired,
    /// The client was shut down.
    #[error("the client was shut down")]
    Shutdown,
}

/// A question about groups, or a change of one, failed.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// It did not get through, or no answer came.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The server refused it; nothing was done.
    #[error("the server refused it with code {code}: {reason}")]
    Refused {
        /// Why.
        reason: GroupRefusal,
        /// The server's code.
        code: u16,
        /// How long to wait before trying again, where the server says so.
        retry_after: Option<Duration>,
    },
}

impl GroupError {
    pub(crate) const fn refused(refusal: &IqRefusal) -> Self {
        let code = refusal.code;
        Self::Refused { reason: GroupRefusal::from_code(code), code, retry_after: refusal.backoff }
    }
}

/// Why the server refuses a question about a group, or a change of one. Protocol: groups and communities, "Errors on
/// group queries".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum GroupRefusal {
    /// It makes no sense to the server: our fault.
    #[error("malformed")]
    Malformed,
    /// Only admins may.
    #[error("only admins may")]
    NotAdmin,
    /// We are no member, or may not.
    #[error("not a member, or not permitted")]
    NotPermitted,
    /// There is no such group.
    #[error("no such group")]
    NotFound,
    /// Too long, or otherwise not to the server's liking.
    #[error("not acceptable, such as too long a name")]
    NotAcceptable,
    /// What is known here is not what the server has: refresh first.
    #[error("what is known of the group is out of date")]
    OutOfDate,
    /// No room for more members.
    #[error("the group is full")]
    Full,
    /// Too many requests: wait.
    #[error("too many requests")]
    TooMany,
    /// For a reason that this version does not know.
    #[error("another reason")]
    Other,
}

impl GroupRefusal {
    const fn from_code(code: u16) -> Self {
        match code {
            400 => Self::Malformed,
            401 => Self::NotAdmin,
            403 | 405 => Self::NotPermitted,
            404 => Self::NotFound,
            406 => Self::NotAcceptable,
            409 => Self::OutOfDate,
            412 | 419 => Self::Full,
            429 => Self::TooMany,
            _ => Self::Other,
        }
    }
}

/// Why the server refuses one of several members. Protocol: IQ catalogue, "Groups and communities".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemberRefusal {
    /// The user blocked us, or we may not do this to this member.
    #[error("not permitted")]
    NotPermitted,
    /// The user's privacy forbids it.
    #[error("the user's privacy forbids it")]
    Privacy {
        /// With this in a message to them, the user can join.
        invitation: Option<Invitation>,
    },
    /// No such user, or no member.
    #[error("no such user, or no member")]
    NotFound,
    /// The user left a short while ago.
    #[error("the user left recently")]
    LeftRecently,
    /// The user is a member already.
    #[error("a member already")]
    AlreadyMember,
    /// No room for more members.
    #[error("the group is full")]
    Full,
    /// For a reason that this version does not know.
    #[error("code {code}")]
    Other {
        /// The server's code; 0 for one that is no number.
        code: u16,
    },
}

impl MemberRefusal {
    pub(crate) fn new(code: u16, invitation: Option<Invitation>) -> Self {
        match code {
            401 => Self::NotPermitted,
            403 => Self::Privacy { invitation },
            404 => Self::NotFound,
            408 => Self::LeftRecently,
            409 => Self::AlreadyMember,
            419 => Self::Full,
            code => Self::Other { code },
        }
    }
}
