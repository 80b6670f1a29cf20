//! What a host holds of one account.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use wa_types::Jid;

use super::SessionError;
use super::actor::{AccountPatch, Command, CommandOutcome, GateCall, Reply, SendOutcome, Unlink};
use super::{AccountName, AccountSnapshot, AccountStatus, OutboxHandle, TrustHandle};
use crate::ids::{AccountId, TenantId};
use crate::manager::{Entry, ManagerError};
use crate::pairing::{PairError, PairRequest, PairingTicket, TicketCommand};
use crate::sending::{Gate, SendError, SendRequest};
use crate::trust::Admission;

/// One account of a manager. Cheap to clone. Dropping it does nothing to the account.
#[derive(Debug, Clone)]
pub struct Account {
    entry: Arc<Entry>,
}

impl Account {
    pub(crate) const fn new(entry: Arc<Entry>) -> Self {
        Self { entry }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &AccountId {
        &self.entry.id
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &AccountName {
        &self.entry.name
    }

    /// Whose it is.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.entry.tenant
    }

    /// The account at this moment.
    #[must_use]
    pub fn snapshot(&self) -> AccountSnapshot {
        self.entry.snapshot.borrow().clone()
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> AccountStatus {
        self.entry.snapshot.borrow().status
    }

    /// The account as it changes. What comes between two looks is passed over: events tell each change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<AccountSnapshot> {
        self.entry.snapshot.clone()
    }

    /// Waits until it stands so, and gives back how it was then. `None` when the account is gone, or the manager ended.
    ///
    /// Cancel safe.
    pub async fn reached(&self, is_so: impl FnMut(&AccountSnapshot) -> bool) -> Option<AccountSnapshot> {
        let mut snapshot = self.entry.snapshot.clone();
        let reached = snapshot.wait_for(is_so).await;
        reached.ok().map(|snapshot| snapshot.clone())
    }

    /// Starts it, and returns once it connects; [`Self::reached`] waits for more. One that runs stays as it is.
    ///
    /// # Errors
    /// [`ManagerError::NotLinked`], [`ManagerError::NotYet`], [`ManagerError::Store`]. That its own store cannot be opened is told as its status.
    pub async fn start(&self) -> Result<CommandOutcome, ManagerError> {
        self.ask(Command::Start).await
    }

    /// Stops it; it stays linked. Comes after what it was told before, and gives the connection the time of
    /// [`ConnectionPolicy::stop`](super::ConnectionPolicy::stop) to end; what takes longer ends by itself, and nothing
    /// starts before. An attempt to link it is called off, and its keys are removed: that may take ten seconds more.
    ///
    /// # Errors
    /// [`ManagerError`], of the manager itself.
    pub async fn stop(&self) -> Result<CommandOutcome, ManagerError> {
        self.ask(Command::Stop).await
    }

    /// Ends its connection, and connects anew.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn restart(&self) -> Result<CommandOutcome, ManagerError> {
        self.ask(Command::Restart).await
    }

    /// Unlinks it and wipes its keys. Its row, settings, contacts, chats and events stay; it can be paired again.
    ///
    /// # Errors
    /// [`ManagerError::NotUnlinked`], [`ManagerError::NotYet`]: the server was not reached, and nothing was done.
    pub async fn logout(&self, how: Unlink) -> Result<CommandOutcome, ManagerError> {
        self.ask(|reply| Command::Logout(how, reply)).await
    }

    /// Links it to a phone, with new keys. The ticket tells how that goes; without it, it goes on all the same.
    ///
    /// # Errors
    /// [`ManagerError::Pair`] with the reason why no attempt may begin now; [`ManagerError::Location`].
    pub async fn pair(&self, request: PairRequest) -> Result<PairingTicket, ManagerError> {
        self.ask(|reply| Command::Pair(request, reply)).await
    }

    /// Asks for a new code of the attempt to link it that is under way, as its ticket would.
    ///
    /// # Errors
    /// As [`PairingTicket::refresh`].
    pub async fn refresh_pairing(&self) -> Result<(), PairError> {
        self.ticket(|reply| TicketCommand::Refresh { reply }).await
    }

    /// Calls the attempt to link it off, as its ticket would.
    ///
    /// # Errors
    /// As [`PairingTicket::cancel`].
    pub async fn cancel_pairing(&self) -> Result<(), PairError> {
        self.ticket(|reply| TicketCommand::Cancel { reply }).await
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    async fn ticket(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<(), PairError>>) -> TicketCommand,
    ) -> Result<(), PairError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.entry.commands.send(Command::Ticket(command(reply))).await;
        sent.map_err(|_| PairError::NotPairing)?;
        answer.await.unwrap_or(Err(PairError::NotPairing))
    }

    /// Changes what is set.
    ///
    /// # Errors
    /// [`ManagerError::VersionConflict`], [`ManagerError::Store`].
    pub async fn update(&self, patch: AccountPatch) -> Result<AccountSnapshot, ManagerError> {
        self.ask(|reply| Command::Update(patch, reply)).await
    }

    /// Sends a message, within the account's limits.
    ///
    /// # Errors
    /// [`SendError`]. Dropping the future takes a message back only while it waits for its limit.
    pub async fn send(&self, mut request: SendRequest) -> Result<SendOutcome, SendError> {
        let (reply, answer) = oneshot::channel();
        let message_id = request.settle_id();
        let command = Command::Send(Box::new(request), reply);
        self.entry.commands.send(command).await.map_err(|_| self.entry.gone())?;
        // Without an answer the actor ended over it, and the message may be on its way.
        answer.await.unwrap_or(Err(SendError::Unknown { message_id }))
    }

    /// How far it is trusted, and what it may send.
    #[must_use]
    pub const fn trust(&self) -> TrustHandle<'_> {
        TrustHandle::new(self)
    }

    /// What waits until it may be sent.
    #[must_use]
    pub const fn outbox(&self) -> OutboxHandle<'_> {
        OutboxHandle::new(self)
    }

    pub(super) async fn preview(&self, to: Jid) -> Result<Admission, SendError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.entry.commands.send(Command::Preview(to, reply)).await;
        sent.map_err(|_| self.entry.gone())?;
        answer.await.unwrap_or_else(|_| Err(self.entry.gone().into()))
    }

    /// Does something with its limits, in its task.
    pub(super) async fn with_gate<T: Send + 'static>(
        &self,
        call: impl for<'g> FnOnce(&'g mut Gate) -> Pin<Box<dyn Future<Output = T> + Send + 'g>> + Send + 'static,
    ) -> Result<T, ManagerError> {
        let (reply, answer) = oneshot::channel();
        let call: GateCall = Box::new(move |gate| {
            Box::pin(async move {
                let done = call(gate).await;
                let answer: Box<dyn FnOnce() + Send> = Box::new(|| {
                    let _gone = reply.send(done);
                });
                answer
            })
        });
        if self.entry.commands.send(Command::Gate(call)).await.is_err() {
            return Err(self.entry.gone());
        }
        answer.await.map_err(|_| self.entry.gone())
    }

    pub(crate) async fn delete(&self, how: Unlink) -> Result<(), ManagerError> {
        self.ask(|reply| Command::Delete(how, reply)).await
    }

    pub(crate) async fn ask_session<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, SessionError>>) -> Command,
    ) -> Result<T, SessionError> {
        let (reply, answer) = oneshot::channel();
        if self.entry.commands.send(command(reply)).await.is_err() {
            return Err(self.entry.gone().into());
        }
        answer.await.unwrap_or_else(|_| Err(self.entry.gone().into()))
    }

    pub(crate) async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, ManagerError> {
        let (reply, answer) = oneshot::channel();
        if self.entry.commands.send(command(reply)).await.is_err() {
            return Err(self.entry.gone());
        }
        answer.await.unwrap_or_else(|_| Err(self.entry.gone()))
    }
}
