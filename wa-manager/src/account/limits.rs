//! An account's limits and its outbox, as a host sees and sets them. Requirements: manager.md, 4.4.

use wa_types::{Jid, MessageId};

use super::{Account, TrustSnapshot};
use crate::event::EventRecord;
use crate::manager::ManagerError;
use crate::sending::{Actor, ControlError, QueuedSend, SendError};
use crate::trust::{Admission, Evidence, Level, TrustLevel, Usage};

/// How far an account is trusted. Everything asked here is answered by the account's task.
#[derive(Debug, Clone, Copy)]
pub struct TrustHandle<'a> {
    account: &'a Account,
}

/// An account's limits at one moment.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TrustView {
    /// In short, as snapshots have it.
    pub summary: TrustSnapshot,
    /// The limits of its level.
    pub limits: Level,
    /// What was used, and what is left.
    pub usage: Usage,
    /// What speaks for and against a higher level.
    pub evidence: Evidence,
}

impl<'a> TrustHandle<'a> {
    pub(super) const fn new(account: &'a Account) -> Self {
        Self { account }
    }

    /// Level, limits, use and restrictions.
    ///
    /// # Errors
    /// [`ManagerError`], of the manager itself.
    pub async fn view(&self) -> Result<TrustView, ManagerError> {
        self.account
            .with_gate(|gate| {
                Box::pin(async move {
                    TrustView {
                        summary: gate.snapshot(),
                        limits: gate.limits().clone(),
                        usage: gate.usage(),
                        evidence: gate.evidence(),
                    }
                })
            })
            .await
    }

    /// Whether a message to this chat would be let through now. Nothing is spent.
    ///
    /// # Errors
    /// [`SendError::InvalidRecipient`]; [`SendError::Manager`] when the account is gone.
    pub async fn preview(&self, to: &Jid) -> Result<Admission, SendError> {
        self.account.preview(to.clone()).await
    }

    /// Sets level and daily limit, whichever are given, both or none: as [`Self::set_level`] and [`Self::set_daily_limit`].
    ///
    /// # Errors
    /// [`ControlError`]; nothing is changed then.
    pub async fn adjust(
        &self,
        level: Option<TrustLevel>,
        limit: Option<u32>,
        actor: Actor,
        reason: String,
    ) -> Result<(), ControlError> {
        let call = self
            .account
            .with_gate(move |gate| Box::pin(async move { gate.adjust(level, limit, &actor, &reason).await }));
        call.await.map_err(|_| ControlError::Gone)?
    }

    /// Sets the level: any lower one, or one higher. `reason` is kept with who did it.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn set_level(
        &self,
        level: TrustLevel,
        actor: Actor,
        reason: String,
    ) -> Result<(), ControlError> {
        self.adjust(Some(level), None, actor, reason).await
    }

    /// Sets the daily limit, up to that of the level.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn set_daily_limit(&self, limit: u32, actor: Actor) -> Result<(), ControlError> {
        self.adjust(None, Some(limit), actor, String::new()).await
    }

    /// Forgives what was sent today, once a day. What the server forbids stays.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn reset_usage(&self, actor: Actor, reason: String) -> Result<(), ControlError> {
        let call = self
            .account
            .with_gate(move |gate| Box::pin(async move { gate.reset_usage(&actor, &reason).await }));
        call.await.map_err(|_| ControlError::Gone)?
    }

    /// What happened to level and restrictions: the events of it with a higher number than `after`, the oldest first, and
    /// the number from which to go on. There are no more when that is `None`.
    ///
    /// # Errors
    /// [`ManagerError`].
    pub async fn history(&self, after: u64) -> Result<(Vec<EventRecord>, Option<u64>), ManagerError> {
        let call = self.account.with_gate(move |gate| Box::pin(async move { gate.history(after).await }));
        Ok(call.await??)
    }

    /// Somebody saw why the account is held: it begins anew.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn acknowledge(&self, actor: Actor, reason: String) -> Result<(), ControlError> {
        let call = self
            .account
            .with_gate(move |gate| Box::pin(async move { gate.acknowledge(&actor, &reason).await }));
        call.await.map_err(|_| ControlError::Gone)?
    }
}

/// What waits until it may be sent.
#[derive(Debug, Clone, Copy)]
pub struct OutboxHandle<'a> {
    account: &'a Account,
}

impl<'a> OutboxHandle<'a> {
    pub(super) const fn new(account: &'a Account) -> Self {
        Self { account }
    }

    /// What waits, in its order.
    ///
    /// # Errors
    /// [`ManagerError`], of the manager itself.
    pub async fn list(&self) -> Result<Vec<QueuedSend>, ManagerError> {
        self.account.with_gate(|gate| Box::pin(async move { gate.outbox() })).await
    }

    /// Takes back a message that waits. `false` when it does not wait, or is being sent.
    ///
    /// # Errors
    /// [`ManagerError::Store`]: it may still be sent.
    pub async fn cancel(&self, id: MessageId) -> Result<bool, ManagerError> {
        Ok(self.account.with_gate(move |gate| Box::pin(async move { gate.cancel(&id).await })).await??)
    }

    /// Lets everything wait, restarts included, until [`Self::resume`]. Deadlines go on.
    ///
    /// # Errors
    /// [`ManagerError::Store`].
    pub async fn pause(&self) -> Result<(), ManagerError> {
        Ok(self.account.with_gate(|gate| Box::pin(async move { gate.pause().await })).await??)
    }

    /// What waits may be sent again.
    ///
    /// # Errors
    /// [`ManagerError::Store`].
    pub async fn resume(&self) -> Result<(), ManagerError> {
        Ok(self.account.with_gate(|gate| Box::pin(async move { gate.resume().await })).await??)
    }
}
