//! What an account is told to do.

use serde::Serialize;
use std::collections::BTreeMap;
use std::pin::Pin;
use tokio::sync::oneshot;

use super::gatekeeping::SendReply;
use super::numbers::CheckReply;
use super::past::{HistoryError, HistoryJob, HistoryRequest};
use super::session::SessionError;
use crate::vault::SessionKey;
use wa_core::client::Liveness;
use wa_types::{Jid, PhoneNumber};

use crate::account::{AccountSettings, AccountSnapshot, AccountStatus, Errand};
use crate::manager::ManagerError;
use crate::pairing::{PairRequest, PairingTicket, TicketCommand};
use crate::sending::{Gate, SendError, SendRequest};
use crate::trust::Admission;

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, ManagerError>>;

/// Something that is done with an account's limits, in its task. What it gives answers whoever asked, once the account
/// shows what was done.
pub(crate) type GateCall = Box<
    dyn for<'g> FnOnce(&'g mut Gate) -> Pin<Box<dyn Future<Output = Box<dyn FnOnce() + Send>> + Send + 'g>>
        + Send,
>;

/// What an account is told to do.
pub(crate) enum Command {
    /// It shall run.
    Start(Reply<CommandOutcome>),
    /// It shall run, if it is one that runs after a start of the process. Whether it is.
    Restore(Reply<bool>),
    /// It shall not run; it stays linked.
    Stop(Reply<CommandOutcome>),
    /// It shall run anew.
    Restart(Reply<CommandOutcome>),
    /// It shall not be linked any more; what is not keys stays.
    Logout(Unlink, Reply<CommandOutcome>),
    /// Nothing of it shall be left.
    Delete(Unlink, Reply<()>),
    /// It shall be linked to a phone.
    Pair(PairRequest, Reply<PairingTicket>),
    /// Something is wanted of the attempt to link it that is under way.
    Ticket(TicketCommand),
    /// It shall send a message.
    Send(Box<SendRequest>, SendReply),
    /// Its session shall run elsewhere.
    Export(SessionKey, oneshot::Sender<Result<Vec<u8>, SessionError>>),
    /// It shall run with this session.
    Import(Vec<u8>, SessionKey, oneshot::Sender<Result<(), SessionError>>),
    /// It shall ask its phone for old messages.
    History(HistoryRequest, oneshot::Sender<Result<HistoryJob, HistoryError>>),
    /// It shall find out which numbers have an account.
    Numbers(Vec<PhoneNumber>, CheckReply),
    /// Something is wanted that its task need not do itself.
    Errand(oneshot::Sender<Errand>),
    /// Somebody wants to know how its connection does.
    Liveness(oneshot::Sender<Liveness>),
    /// Would a message to this chat be let through now?
    Preview(Jid, oneshot::Sender<Result<Admission, SendError>>),
    /// Something is asked of its limits or its outbox.
    Gate(GateCall),
    /// It is set otherwise.
    Update(AccountPatch, Reply<AccountSnapshot>),
}

/// What became of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CommandOutcome {
    /// Where the account stood.
    pub before: AccountStatus,
    /// Where it stands.
    pub after: AccountStatus,
    /// Whether the command did anything.
    pub changed: bool,
}

impl CommandOutcome {
    pub(super) const fn new(before: AccountStatus, after: AccountStatus, changed: bool) -> Self {
        Self { before, after, changed }
    }
}

/// How a link is ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unlink {
    /// The server is told; if that fails, nothing is done.
    #[default]
    AtServer,
    /// The server is told if it can be reached; otherwise the device stays in the phone's list until the phone removes it.
    IfReachable,
}

/// What is to be changed of an account; the rest stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by hosts with ..Default::default()")]
pub struct AccountPatch {
    /// Nothing is changed unless the account has this version.
    pub version: Option<u64>,
    /// What people call it.
    pub display_name: Option<String>,
    /// What is set.
    pub settings: Option<AccountSettings>,
    /// What the caller keeps with it.
    pub metadata: Option<BTreeMap<String, String>>,
}
