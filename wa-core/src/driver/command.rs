//! What a handle may ask of the account's actor.

use tokio::sync::oneshot;
use wa_types::{Jid, MessageId};

pub(crate) use super::groups::GroupJob;
use super::pairing::code::PairCodeJob;
use crate::error::{CallError, PairCodeError, ReconnectError, SendError, Sent};
use crate::event::{InboxNumber, Peer};
use crate::message::Message;
use crate::noise::client_payload::ClientVersion;

/// One request of a handle. Each is answered, also when the actor ends: then the reply is dropped.
pub(crate) enum Job {
    Send(Box<SendJob>),
    /// These messages, all by one author, were read.
    MarkRead {
        chat: Jid,
        sender: Jid,
        ids: Vec<MessageId>,
        reply: oneshot::Sender<Result<(), CallError>>,
    },
    /// Whether others see us as online, and we see their receipts as active.
    SetPresence {
        is_available: bool,
        reply: oneshot::Sender<()>,
    },
    /// Who this is.
    Peer {
        jid: Jid,
        reply: oneshot::Sender<Result<Peer, CallError>>,
    },
    /// The application has this inbox entry.
    Confirm {
        number: InboxNumber,
    },
    /// A code that links this device.
    PairWithCode(Box<PairCodeJob>),
    /// Come back now, whatever the back-off says.
    Reconnect {
        reply: oneshot::Sender<Result<(), ReconnectError>>,
    },
    /// Present as this release from the next connection on.
    SetVersion {
        version: ClientVersion,
    },
    /// End the connection, and stay away.
    Disconnect {
        reply: oneshot::Sender<()>,
    },
    /// Unlink this device.
    Logout {
        reply: oneshot::Sender<Result<(), CallError>>,
    },
    /// Ask about groups, or change one.
    Group(Box<GroupJob>),
    /// Wipe the store.
    Forget {
        reply: oneshot::Sender<Result<(), CallError>>,
    },
}

/// A message to be sent.
pub(crate) struct SendJob {
    pub(crate) chat: Jid,
    pub(crate) id: MessageId,
    pub(crate) message: Message,
    pub(crate) reply: oneshot::Sender<Result<Sent, SendError>>,
}

impl Job {
    /// Answers a request that came too late.
    pub(crate) fn refuse(self) {
        match self {
            Self::Send(job) => {
                let _ = job.reply.send(Err(SendError::Shutdown));
            }
            Self::PairWithCode(job) => {
                let _ = job.reply.send(Err(PairCodeError::Shutdown));
            }
            Self::MarkRead { reply, .. } | Self::Logout { reply } | Self::Forget { reply } => {
                let _ = reply.send(Err(CallError::Shutdown));
            }
            Self::Reconnect { reply } => {
                let _ = reply.send(Err(ReconnectError::Shutdown));
            }
            Self::Group(job) => job.refuse(CallError::Shutdown),
            Self::Peer { reply, .. } => {
                let _ = reply.send(Err(CallError::Shutdown));
            }
            // A dropped reply says enough.
            Self::Confirm { .. }
            | Self::SetPresence { .. }
            | Self::SetVersion { .. }
            | Self::Disconnect { .. } => {}
        }
    }
}
