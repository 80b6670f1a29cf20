//! Everything that a call can return.

mod history;
mod media;
mod store;

use std::time::Duration;

use wa_store::StoreError;
use wa_types::{Jid, MessageId, UnixSeconds};

pub use history::{ChunkError, HistoryRequestError};
pub use media::{MediaError, MediaRemedy};
pub use store::StoreFailure;

use crate::connection::RequestError;
use crate::pairing::PairingCode;
use crate::stanza::iq::IqRefusal;
use crate::stanza::iq::groups::Invitation;

/// A client could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The store failed; see its own advice. Nothing was started.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// A message was not sent, or it is not known whether it was.
///
/// A second send with the same id or the same idempotency key sends again after a failure that [`Self::remedy`] says
/// to send again after, and returns the same failure after others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Messages cannot be sent to this address.
    #[error("nothing can be sent to {0:?}")]
    Unsupported(Jid),
    /// The account is not paired. Nothing was stored.
    #[error("not paired")]
    NotPaired,
    /// The device was unlinked; what was still to be sent failed with this, too. Pair again.
    #[error("the device was unlinked")]
    LoggedOut,
    /// The recipient is not on WhatsApp.
    #[error("{0:?} has no devices")]
    UnknownRecipient(Jid),
    /// We are not in this group, or there is none. Somebody in it has to add us first.
    #[error("not a member of {0:?}")]
    NotMember(Jid),
    /// Only admins send to this group, and we are none.
    #[error("only admins send to {0:?}")]
    AdminsOnly(Jid),
    /// None of the recipient's devices gave us keys. Try later.
    #[error("no device of {0:?} could be encrypted for")]
    NoDevices(Jid),
    /// The recipient's devices or keys could not be asked for, twice; or not who sees status posts, and then nothing was
    /// stored. Nothing left.
    #[error("the recipient's devices or keys could not be fetched")]
    Lookup,
    /// 463: the server wants a token of trust from the recipient that we do not have, or the account may write to its
    /// contacts only. Sending again makes it worse; wait until the recipient writes.
    #[error("the server wants a token of trust (463)")]
    PrivacyTokenMissing,
    /// 475: the account may not begin more chats for now. Known chats go on.
    #[error("the account may begin no more chats for now (475)")]
    NewChatsCapped,
    /// 479: the stanza is not as the server wants it. A mistake of this library: report it.
    #[error("the server does not like the stanza (479)")]
    SchemaRefused,
    /// 421: the group addresses its members otherwise, still so after its data was asked for again.
    #[error("the addressing of the group is stale (421)")]
    StaleAddressing,
    /// The server refused the message with another code, after one more try where that may help.
    /// Protocol: messages, "Server ack of a message".
    #[error("the server refused the message with code {code}")]
    Refused {
        /// The server's code.
        code: u16,
    },
    /// No ack in time, twice, while connected. The message may have arrived: send again with the same id only.
    #[error("no ack in time")]
    Timeout,
    /// It was not written before its deadline. Nothing left.
    #[error("the deadline has passed")]
    Expired,
    /// It was cancelled before it was written. Nothing left.
    #[error("cancelled")]
    Cancelled,
    /// Nobody said who is to get it: a message to a broadcast list goes with an
    /// [audience](crate::SendOptions::audience), as does the deletion of a status post that this device did not send or
    /// knows no more, and a status post while the account's setting is of a kind that this version does not know.
    /// Nothing was stored.
    #[error("nobody said who of {0:?} is to get it")]
    NoAudience(Jid),
    /// What is sent is sealed with the secret of this message, which is not known: it came before this device was linked,
    /// or is older than [`keep_secrets`](crate::ClientBuilder::keep_secrets) says, or its key names another author.
    /// Nothing was stored.
    #[error("the secret of message {0} is not known")]
    UnknownSecret(MessageId),
    /// The message does not fit into a stanza.
    #[error("the message is too large")]
    TooLarge,
    /// What the store has of the message is damaged. Nothing of it leaves any more; it may have before.
    #[error("the stored message is damaged")]
    Damaged,
    /// The store failed. The message is not stored, and nothing left.
    #[error(transparent)]
    Store(StoreFailure),
    /// The client was shut down before the ack. If the message was taken before, it is stored, and is sent at the next
    /// start.
    #[error("the client was shut down")]
    Shutdown,
}

impl From<StoreError> for SendError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.into())
    }
}

/// What to do about a [`SendError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendRemedy {
    /// Send again, later. Nothing arrived.
    SendAgain,
    /// Send again with the same id or idempotency key: it may have arrived, or may still leave by itself.
    SendAgainWithSameId,
    /// Do not send again as it is.
    GiveUp,
}

impl SendError {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> SendRemedy {
        match self {
            Self::NotPaired
            | Self::LoggedOut
            | Self::NoDevices(_)
            | Self::Lookup
            | Self::NewChatsCapped
            | Self::Expired => SendRemedy::SendAgain,
            Self::Timeout | Self::Store(_) | Self::Shutdown | Self::StaleAddressing => {
                SendRemedy::SendAgainWithSameId
            }
            Self::Refused { .. } if self.is_temporary() => SendRemedy::SendAgainWithSameId,
            Self::Refused { .. }
            | Self::Unsupported(_)
            | Self::UnknownRecipient(_)
            | Self::NotMember(_)
            | Self::AdminsOnly(_)
            | Self::PrivacyTokenMissing
            | Self::SchemaRefused
            | Self::Cancelled
            | Self::NoAudience(_)
            | Self::UnknownSecret(_)
            | Self::Damaged
            | Self::TooLarge => SendRemedy::GiveUp,
        }
    }

    /// Whether the server may take the same message a moment later.
    pub(crate) const fn is_temporary(&self) -> bool {
        matches!(self, Self::Refused { code: 408 | 429 | 500 | 503 })
    }

    /// What the code of a refusal means.
    pub(crate) const fn from_code(code: u16) -> Self {
        match code {
            421 => Self::StaleAddressing,
            463 => Self::PrivacyTokenMissing,
            475 => Self::NewChatsCapped,
            479 => Self::SchemaRefused,
            code => Self::Refused { code },
        }
    }

    /// As the outbox keeps it: codes of the server above [`CODES`], our own reasons below.
    pub(crate) const fn to_reason(&self) -> u16 {
        match self {
            Self::NotPaired => 1,
            Self::LoggedOut => 2,
            Self::UnknownRecipient(_) => 3,
            Self::NoDevices(_) => 4,
            Self::Lookup => 5,
            Self::Timeout => 6,
            Self::Expired => 7,
            Self::Cancelled => 8,
            Self::TooLarge => 9,
            Self::Damaged => 10,
            Self::Store(_) => 11,
            Self::Shutdown => 12,
            Self::Unsupported(_) => 13,
            Self::NotMember(_) => 14,
            Self::AdminsOnly(_) => 15,
            Self::UnknownSecret(_) => 20,
            Self::NoAudience(_) => 21,
            Self::StaleAddressing => CODES + 421,
            Self::PrivacyTokenMissing => CODES + 463,
            Self::NewChatsCapped => CODES + 475,
            Self::SchemaRefused => CODES + 479,
            Self::Refused { code } => CODES.saturating_add(*code),
        }
    }

    /// What [`Self::to_reason`] made a number of; a number of a later version is a damaged one here.
    pub(crate) fn from_reason(reason: u16, chat: &Jid) -> Self {
        match reason {
            1 => Self::NotPaired,
            2 => Self::LoggedOut,
            3 => Self::UnknownRecipient(chat.clone()),
            4 => Self::NoDevices(chat.clone()),
            5 => Self::Lookup,
            6 => Self::Timeout,
            7 => Self::Expired,
            8 => Self::Cancelled,
            9 => Self::TooLarge,
            11 => Self::Store(StoreFailure::earlier()),
            12 => Self::Shutdown,
            13 => Self::Unsupported(chat.clone()),
            14 => Self::NotMember(chat.clone()),
            15 => Self::AdminsOnly(chat.clone()),
            20 => Self::UnknownSecret(MessageId::new("")),
            21 => Self::NoAudience(chat.clone()),
            CODES.. => Self::from_code(reason - CODES),
            _ => Self::Damaged,
        }
    }
}

/// See [`SendError::to_reason`].
const CODES: u16 = 1000;

/// A message that the server took.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Its id; receipts name it.
    pub id: MessageId,
    /// The chat, under the name that its messages and receipts come with.
    pub chat: Jid,
    /// When the server took it.
    pub timestamp: UnixSeconds,
    /// The number of a post in its channel; not told when the post was taken before.
    pub server_id: Option<u64>,
}

/// There will be no connection now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReconnectError {
    /// The account is banned for a while. The client comes back by itself when that is over, unless it was told to stay
    /// away.
    #[error("the account is banned until {} seconds after 1970", until.0)]
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
    #[error(transparent)]
    Store(StoreFailure),
    /// The account is not paired.
    #[error("not paired")]
    NotPaired,
    /// A message of a group was named without its author; nothing was done.
    #[error("the author of a message in a group is missing")]
    AuthorMissing,
    /// The client was shut down.
    #[error("the client was shut down")]
    Shutdown,
}

impl From<StoreError> for CallError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.into())
    }
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
    /// The server's refusal of all that was asked is one of ours.
    pub(crate) fn of(error: CallError) -> Self {
        match error {
            CallError::Request(RequestError::Refused(refusal)) => Self::refused(&refusal),
            error => error.into(),
        }
    }

    /// A refusal to let us in; 409 says that we are in.
    pub(crate) fn of_join(error: CallError) -> Self {
        match Self::of(error) {
            Self::Refused { code: 409, retry_after, .. } => {
                Self::Refused { reason: GroupRefusal::AlreadyMember, code: 409, retry_after }
            }
            error => error,
        }
    }

    /// The refusal of the one part that a request had.
    pub(crate) const fn of_part(code: u16) -> Self {
        Self::Refused { reason: GroupRefusal::from_code(code), code, retry_after: None }
    }

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
    /// We are a member already.
    #[error("a member already")]
    AlreadyMember,
    /// The link or the invitation was good once.
    #[error("the link was reset, or the invitation ran out")]
    LinkReset,
    /// No room for more members, or for more groups.
    #[error("the group is full")]
    Full,
    /// The server lets nobody in: the group, or its community, is suspended or locked.
    #[error("suspended or locked")]
    Locked,
    /// Too many requests: wait.
    #[error("too many requests")]
    TooMany,
    /// For a reason that this version does not know.
    #[error("another reason")]
    Other,
}

impl GroupRefusal {
    pub(crate) const fn from_code(code: u16) -> Self {
        match code {
            304 => Self::AlreadyMember,
            400 => Self::Malformed,
            401 => Self::NotAdmin,
            403 | 405 => Self::NotPermitted,
            404 => Self::NotFound,
            406 => Self::NotAcceptable,
            409 => Self::OutOfDate,
            410 => Self::LinkReset,
            412 | 419 => Self::Full,
            416 | 423 | 436 => Self::Locked,
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
