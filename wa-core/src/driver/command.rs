//! What a handle may ask of the account's actor.

use std::time::Duration;

use tokio::sync::oneshot;
use wa_types::{Jid, MessageId};

use super::delivery::Delivery;
pub(crate) use super::groups::{GroupJob, NewGroup};
pub(crate) use super::history::HistoryJob;
use super::pairing::code::PairCodeJob;
pub(crate) use super::people::PeopleJob;
pub(crate) use super::reuploads::ReuploadJob;
pub(crate) use super::sync::ChangeJob;
use crate::error::{CallError, PairCodeError, ReconnectError, SendError, Sent};
use crate::event::{Cancellation, InboxNumber, Peer, SendState, TrailEntry};
use crate::message::Message;
use crate::noise::client_payload::ClientVersion;

/// One request of a handle. Each is answered, also when the actor ends: then the reply is dropped.
pub(crate) enum Job {
    Send(Box<SendJob>),
    /// Do not send this message.
    CancelSend {
        id: MessageId,
        reply: CancelReply,
    },
    /// How far is this message?
    SendState {
        id: MessageId,
        reply: oneshot::Sender<Result<Option<SendState>, CallError>>,
    },
    /// What happened to this message?
    Explain {
        id: MessageId,
        reply: oneshot::Sender<Vec<TrailEntry>>,
    },
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
    /// Who we are: phone number and LID; none before pairing.
    OwnAddresses {
        reply: oneshot::Sender<Option<(Jid, Option<Jid>)>>,
    },
    /// React to a post of a channel, or take the reaction back.
    React {
        newsletter: Jid,
        post: u64,
        emoji: Option<String>,
        reply: oneshot::Sender<Result<(), CallError>>,
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
    /// A user's new identity key is trusted.
    TrustIdentity {
        user: Jid,
        reply: oneshot::Sender<Result<(), CallError>>,
    },
    /// Ask about groups, or change one.
    Group(Box<GroupJob>),
    /// Change the state that the account's devices share.
    AppState(Box<ChangeJob>),
    /// Ask about people, or tell them something.
    People(Box<PeopleJob>),
    /// Ask the phone to upload a file again.
    Reupload(Box<ReuploadJob>),
    /// Ask about the past, or keep what it told.
    History(Box<HistoryJob>),
    /// Wipe the store.
    Forget {
        reply: oneshot::Sender<Result<(), CallError>>,
    },
}

/// A message to be sent.
pub(crate) struct SendJob {
    pub(crate) chat: Jid,
    /// The caller's own id.
    pub(crate) id: Option<MessageId>,
    pub(crate) idempotency_key: Option<String>,
    /// How long it may wait to be written.
    pub(crate) deadline: Option<Duration>,
    pub(crate) message: Message,
    pub(crate) delivery: Delivery,
    pub(crate) reply: SendReply,
}

/// What the caller of a send waits for.
pub(crate) enum SendReply {
    /// The server's ack.
    Sent(SentReply),
    /// The store.
    Stored(StoredReply),
}

pub(crate) type SentReply = oneshot::Sender<Result<Sent, SendError>>;
pub(crate) type StoredReply = oneshot::Sender<Result<MessageId, SendError>>;
pub(crate) type CancelReply = oneshot::Sender<Result<Cancellation, CallError>>;

impl SendReply {
    /// Nothing was stored or sent.
    pub(crate) fn refuse(self, error: SendError) {
        match self {
            Self::Sent(reply) => drop(reply.send(Err(error))),
            Self::Stored(reply) => drop(reply.send(Err(error))),
        }
    }
}

impl Job {
    /// Answers a request that came too late.
    pub(crate) fn refuse(self) {
        match self {
            Self::Send(job) => job.reply.refuse(SendError::Shutdown),
            Self::CancelSend { reply, .. } => drop(reply.send(Err(CallError::Shutdown))),
            Self::SendState { reply, .. } => drop(reply.send(Err(CallError::Shutdown))),
            Self::PairWithCode(job) => {
                let _ = job.reply.send(Err(PairCodeError::Shutdown));
            }
            Self::MarkRead { reply, .. }
            | Self::React { reply, .. }
            | Self::TrustIdentity { reply, .. }
            | Self::Logout { reply }
            | Self::Forget { reply } => {
                let _ = reply.send(Err(CallError::Shutdown));
            }
            Self::Reconnect { reply } => {
                let _ = reply.send(Err(ReconnectError::Shutdown));
            }
            Self::People(job) => job.refuse(CallError::Shutdown),
            Self::Group(job) => job.refuse(CallError::Shutdown),
            Self::AppState(job) => {
                let _ = job.reply.send(Err(CallError::Shutdown));
            }
            Self::Reupload(job) => drop(job.reply.send(Err(CallError::Shutdown))),
            Self::History(job) => job.refuse(),
            Self::Peer { reply, .. } => {
                let _ = reply.send(Err(CallError::Shutdown));
            }
            // A dropped reply says enough.
            Self::Confirm { .. }
            | Self::Explain { .. }
            | Self::OwnAddresses { .. }
            | Self::SetPresence { .. }
            | Self::SetVersion { .. }
            | Self::Disconnect { .. } => {}
        }
    }
}
