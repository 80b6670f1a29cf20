//! The handle of an attempt, for whoever asked for it, and the actor's side of it.

use std::collections::VecDeque;
use std::mem::discriminant;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot};
use wa_core::client::{AuthenticatorError, PasskeyAssertion, PasskeyAuthenticator};
use wa_types::UnixMillis;

use super::error::PairError;
use super::passkey::HolderPasskey;
use super::policy::PairingMethod;
use super::update::PairingUpdate;
use crate::ids::TicketId;

/// Commands that wait for the actor; more of them wait with their callers.
const COMMANDS: usize = 4;

/// An attempt to link an account, as whoever asked for it sees it. Dropping it ends nothing: [`Self::cancel`] does.
#[derive(Debug)]
pub struct PairingTicket {
    id: TicketId,
    method: PairingMethod,
    expires_at: UnixMillis,
    updates: Arc<Updates>,
    passkey: Arc<HolderPasskey>,
    commands: mpsc::Sender<TicketCommand>,
}

/// The actor's side. Dropping it ends the ticket: after the updates that wait comes `None`.
#[derive(Debug)]
pub struct TicketSide {
    updates: Arc<Updates>,
    passkey: Arc<HolderPasskey>,
    commands: mpsc::Receiver<TicketCommand>,
    has_ticket: bool,
}

/// What the holder of a ticket wants. The answer that is not given is [`PairError::NotPairing`].
#[derive(Debug)]
#[non_exhaustive]
pub enum TicketCommand {
    /// A new code: [`super::Attempt::refresh`].
    Refresh {
        /// The answer.
        reply: oneshot::Sender<Result<(), PairError>>,
    },
    /// An end: [`super::Attempt::cancel`].
    Cancel {
        /// The answer.
        reply: oneshot::Sender<Result<(), PairError>>,
    },
}

/// What the holder has not taken yet: the newest of each kind, so that nobody has to wait for slow readers.
#[derive(Debug, Default)]
pub(super) struct Updates {
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<PairingUpdate>,
    has_ended: bool,
}

impl PairingTicket {
    /// A ticket, and the actor's side of it.
    #[must_use]
    pub fn new(id: TicketId, method: PairingMethod, expires_at: UnixMillis) -> (Self, TicketSide) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let updates = Arc::<Updates>::default();
        let passkey = Arc::new(HolderPasskey::new(Arc::clone(&updates)));
        let side = TicketSide {
            updates: Arc::clone(&updates),
            passkey: Arc::clone(&passkey),
            commands,
            has_ticket: true,
        };
        (Self { id, method, expires_at, updates, passkey, commands: sender }, side)
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> &TicketId {
        &self.id
    }

    /// How a phone may link.
    #[must_use]
    pub const fn method(&self) -> PairingMethod {
        self.method
    }

    /// When no phone may link any more.
    #[must_use]
    pub const fn expires_at(&self) -> UnixMillis {
        self.expires_at
    }

    /// What happened next; `None` after the last. A reader that is late gets the newest of each kind.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> Option<PairingUpdate> {
        loop {
            if let Some(next) = self.updates.take() {
                return next;
            }
            // One that came since is remembered by the notification.
            self.updates.wake.notified().await;
        }
    }

    /// Asks for a new code. It comes as [`PairingUpdate::Code`].
    ///
    /// # Errors
    /// [`PairError::CodeOutstanding`] while a code is live, [`PairError::Exhausted`] and others as
    /// [`super::Attempt::refresh`]; [`PairError::NotPairing`] once the attempt is over.
    ///
    /// Not cancel safe: it may be carried out all the same.
    pub async fn refresh(&self) -> Result<(), PairError> {
        self.command(|reply| TicketCommand::Refresh { reply }).await
    }

    /// Calls the attempt off.
    ///
    /// # Errors
    /// [`PairError::AlreadyLinked`] once the phone accepted; [`PairError::NotPairing`] once the attempt is over.
    ///
    /// Not cancel safe: it may be carried out all the same.
    pub async fn cancel(&self) -> Result<(), PairError> {
        self.command(|reply| TicketCommand::Cancel { reply }).await
    }

    /// Answers [`PairingUpdate::PasskeyChallenge`]: what the passkey signed, or why it did not.
    ///
    /// # Errors
    /// [`PairError::NotPairing`] when nothing is to be signed, or not any more.
    pub fn respond_passkey(
        &self,
        answer: Result<PasskeyAssertion, AuthenticatorError>,
    ) -> Result<(), PairError> {
        self.passkey.respond(answer)
    }

    /// Answers [`PairingUpdate::PasskeyConfirm`]: whether both screens show the same code.
    ///
    /// # Errors
    /// [`PairError::NotPairing`] when nothing is to be compared, or not any more.
    pub fn confirm_passkey(&self, is_same: bool) -> Result<(), PairError> {
        self.passkey.confirm(is_same)
    }

    async fn command(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<(), PairError>>) -> TicketCommand,
    ) -> Result<(), PairError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| PairError::NotPairing)?;
        answer.await.unwrap_or(Err(PairError::NotPairing))
    }
}

impl Drop for PairingTicket {
    fn drop(&mut self) {
        self.passkey.holder_gone();
    }
}

impl TicketSide {
    /// Tells the holder. Never waits, and takes the place of an update of the same kind that was not taken.
    pub fn tell(&self, update: PairingUpdate) {
        self.updates.tell(update);
    }

    /// Has passkeys signed by the holder: for the client of the attempt.
    #[must_use]
    pub fn authenticator(&self) -> Arc<dyn PasskeyAuthenticator> {
        Arc::<HolderPasskey>::clone(&self.passkey)
    }

    /// What the holder wants. Never returns once there is no holder any more: an attempt goes on without.
    ///
    /// Cancel safe.
    pub async fn next_command(&mut self) -> TicketCommand {
        if self.has_ticket {
            if let Some(command) = self.commands.recv().await {
                return command;
            }
            self.has_ticket = false;
        }
        std::future::pending().await
    }
}

impl Drop for TicketSide {
    fn drop(&mut self) {
        self.updates.queue.lock().unwrap_or_else(PoisonError::into_inner).has_ended = true;
        self.updates.wake.notify_one();
    }
}

impl Updates {
    pub(super) fn tell(&self, update: PairingUpdate) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.waiting.retain(|other| discriminant(other) != discriminant(&update));
        queue.waiting.push_back(update);
        drop(queue);
        self.wake.notify_one();
    }

    /// The next one; `Some(None)` at the end, and `None` as long as there is nothing.
    fn take(&self) -> Option<Option<PairingUpdate>> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let next = queue.waiting.pop_front();
        (next.is_some() || queue.has_ended).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::pairing::view::Shown;

    fn ticket() -> (PairingTicket, TicketSide) {
        PairingTicket::new(TicketId::of([1; 16]), PairingMethod::Both, UnixMillis(600_000))
    }

    fn qr(number: u64) -> PairingUpdate {
        PairingUpdate::Qr(Shown::new(format!("qr {number}"), UnixMillis(number)))
    }

    // R016
    #[tokio::test]
    async fn a_reader_that_is_late_gets_the_newest_of_each_kind() {
        let (mut ticket, side) = ticket();
        for number in 0..10_000 {
            side.tell(qr(number));
        }
        side.tell(PairingUpdate::Accepted);
        assert_eq!(ticket.next().await, Some(qr(9_999)));
        assert_eq!(ticket.next().await, Some(PairingUpdate::Accepted));
        assert_eq!(ticket.next().now_or_never(), None);
        side.tell(PairingUpdate::Confirmed);
        drop(side);
        assert_eq!(ticket.next().await, Some(PairingUpdate::Confirmed));
        assert_eq!(ticket.next().await, None);
        assert_eq!(ticket.refresh().await, Err(PairError::NotPairing));
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let (mut ticket, side) = ticket();
        let told = async {
            tokio::task::yield_now().await;
            side.tell(qr(1));
        };
        let (next, ()) = tokio::join!(ticket.next(), told);
        assert_eq!(next, Some(qr(1)));
    }

    // R042
    #[tokio::test]
    async fn the_actor_answers_what_the_holder_wants() {
        let (ticket, mut side) = ticket();
        let actor = async {
            let TicketCommand::Refresh { reply } = side.next_command().await else { panic!() };
            reply.send(Err(PairError::Exhausted)).unwrap();
            let TicketCommand::Cancel { reply } = side.next_command().await else { panic!() };
            drop(reply);
        };
        let holder = async { (ticket.refresh().await, ticket.cancel().await) };
        let ((refreshed, cancelled), ()) = tokio::join!(holder, actor);
        assert_eq!(refreshed, Err(PairError::Exhausted));
        assert_eq!(cancelled, Err(PairError::NotPairing));
    }

    #[tokio::test]
    async fn an_attempt_goes_on_without_its_ticket() {
        let (ticket, mut side) = ticket();
        drop(ticket);
        side.tell(qr(1));
        assert!(side.next_command().now_or_never().is_none());
        assert!(side.next_command().now_or_never().is_none());
    }
}
