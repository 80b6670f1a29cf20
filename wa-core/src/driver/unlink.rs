//! Unlinking this device: by our own wish, or because the account moved to another phone; and beginning anew.
//! Protocol: pairing, "Logout and removal".

use std::time::Duration;

use tokio::sync::oneshot;
use wa_store::StoreError;
use wa_types::Jid;

use super::upkeep::Fetched;
use super::{Actor, Status, Step};
use crate::connection::{CloseReason, RequestError};
use crate::error::{CallError, SendError};
use crate::stanza::iq::md::{RemovalReason, RemoveCompanion};

/// How long the server may take to carry out a logout.
const LOGOUT_LIMIT: Duration = Duration::from_secs(3);

/// A logout that the server was asked for.
#[derive(Debug)]
pub(super) struct Unlinking {
    reason: CloseReason,
    /// Nobody waits when the account moved to another phone.
    reply: Option<oneshot::Sender<Result<(), CallError>>>,
}

impl Unlinking {
    /// The connection was given up for another reason: the device is still linked, as far as we know.
    pub(super) fn lose(self) {
        if let Some(reply) = self.reply {
            let _ = reply.send(Err(RequestError::ConnectionLost.into()));
        }
    }
}

impl Actor {
    /// Unlinks this device, because its user wants it.
    pub(super) fn logout(&mut self, reply: oneshot::Sender<Result<(), CallError>>, step: &mut Step) {
        let refusal = match &self.account.jid {
            None => Some(CallError::NotPaired),
            Some(_) if self.unlinking.is_some() || *self.status.borrow() != Status::Ready => {
                Some(RequestError::NotConnected.into())
            }
            Some(_) => None,
        };
        if let Some(refusal) = refusal {
            let _ = reply.send(Err(refusal));
            return;
        }
        self.unlinking = Some(Unlinking { reason: CloseReason::LoggedOut, reply: Some(reply) });
        self.ask_for_removal(RemovalReason::UserInitiated, step);
    }

    /// The account's own phone has another identity key: the account was registered anew, and this link is worth
    /// nothing.
    pub(super) fn leave_moved_account(&mut self, step: &mut Step) {
        if self.unlinking.is_none() {
            self.unlinking = Some(Unlinking { reason: CloseReason::AccountMoved, reply: None });
            self.ask_for_removal(RemovalReason::PrimaryIdentityChange, step);
        }
    }

    fn ask_for_removal(&self, reason: RemovalReason, step: &mut Step) {
        let (Some(jid), Some(requester)) = (self.account.jid.clone(), self.requester().cloned()) else {
            return;
        };
        step.questions.push(Box::pin(async move {
            let request = RemoveCompanion { jid, reason };
            Fetched::Removed(requester.ask(request, LOGOUT_LIMIT).await)
        }));
    }

    /// The server removed us, or did not say so in time: either way the keys are done with. Only a server that refuses
    /// keeps the link, if our user asked.
    pub(super) async fn handle_removed(&mut self, result: Result<(), RequestError>) {
        let Some(unlinking) = self.unlinking.take() else { return };
        match (result, unlinking.reply) {
            (Err(error @ (RequestError::Refused(_) | RequestError::NotConnected)), Some(reply)) => {
                let _ = reply.send(Err(error.into()));
            }
            (_, reply) => self.end_link(&unlinking.reason, reply).await,
        }
    }

    /// A connection that ends while the server is asked to remove us: it did.
    pub(super) async fn finish_unlinking(&mut self) -> bool {
        let Some(unlinking) = self.unlinking.take() else { return false };
        self.end_link(&unlinking.reason, unlinking.reply).await;
        true
    }

    /// Remembers that this device is not linked any more, then ends the connection.
    async fn end_link(
        &mut self,
        reason: &CloseReason,
        reply: Option<oneshot::Sender<Result<(), CallError>>>,
    ) {
        let stored = self.set_logged_out().await;
        if let Err(error) = &stored {
            // The next login learns it from the server.
            tracing::error!(%error, "the store failed");
        }
        self.disconnect(reason).await;
        if let Some(reply) = reply {
            let _ = reply.send(stored.map_err(CallError::from));
        }
    }

    /// The account is not ours any more. What was still to be sent fails.
    pub(super) async fn set_logged_out(&mut self) -> Result<(), StoreError> {
        self.account.logged_out = true;
        let mut step = Step::default();
        step.changes.put_account(self.account.clone());
        let failed = self.fail_all_sends(&SendError::LoggedOut, &mut step).await;
        let stored = match failed {
            Ok(()) => self.store.commit(step.changes).await,
            failed => failed,
        };
        self.outbox.refuse_all(&SendError::LoggedOut);
        stored?;
        self.undelivered.extend(step.events);
        Ok(())
    }

    /// Whether this is our own account's phone.
    pub(super) fn is_own_phone(&self, user: &Jid, lid: Option<&Jid>) -> bool {
        let is_own = |jid: &Jid| self.own().is_some_and(|own| own.is_account(jid));
        user.device() == 0 && (is_own(user) || lid.is_some_and(is_own))
    }

    /// Wipes the store and begins as a new device.
    pub(super) async fn forget(&mut self) -> Result<(), CallError> {
        self.disconnect(&CloseReason::Requested).await;
        self.make_anew().await?;
        self.status.send_replace(Status::Closed);
        Ok(())
    }
}
