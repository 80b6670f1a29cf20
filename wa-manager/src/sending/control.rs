//! Levels and limits as people see and set them. What is set leaves an event that says who did it, and why.
//! Requirements: manager.md, 3.4, 3.5, 3.8, R136, R155, R178.

use serde_json::{Value, json};
use wa_types::UnixMillis;

use super::gate::{Gate, Step};
use crate::event::{EventKind, EventRecord};
use crate::store::{EventQuery, ManagerStoreError};
use crate::trust::{Evidence, Level, Restriction, TrustLevel, Usage};

/// How many events are looked at for one page of history.
const PAGE: usize = 500;

/// Who does something by hand, as the host knows them: the name of a key, of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor(String);

impl Actor {
    /// The one of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Something was not set. Nothing changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Whoever sets this says why.
    #[error("a reason is needed")]
    NoReason,
    /// A level rises by one step only.
    #[error("the level may be {} at most", highest.number())]
    TooHigh {
        /// How high it may be set now.
        highest: TrustLevel,
    },
    /// The level allows no more a day.
    #[error("the level allows {ceiling} messages a day")]
    AboveLevel {
        /// What it allows.
        ceiling: u32,
    },
    /// What was used today was forgiven today.
    #[error("the usage was reset today")]
    AlreadyReset {
        /// When the next day begins.
        resets_at: UnixMillis,
    },
    /// The account is gone, or crashed over this.
    #[error("the account is gone")]
    Gone,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] ManagerStoreError),
}

impl Gate {
    /// How far the account is trusted.
    #[must_use]
    pub fn level(&self) -> TrustLevel {
        self.trust.state.level()
    }

    /// The limits of its level. The daily one may be set lower: [`Self::usage`] has it.
    #[must_use]
    pub fn limits(&self) -> &Level {
        self.config.table.level(self.level())
    }

    /// What was used, and what is left.
    pub fn usage(&mut self) -> Usage {
        let now = self.now();
        let usage = self.trust.state.usage(&self.config.table, &self.config.zone, now);
        Usage { daily_limit: self.capped(usage.daily_limit), ..usage }
    }

    /// What the server forbids now.
    pub fn restrictions(&mut self) -> Vec<Restriction> {
        let now = self.now();
        self.trust.state.restrictions(now)
    }

    /// What speaks for and against a higher level.
    pub fn evidence(&mut self) -> Evidence {
        let now = self.now();
        self.trust.state.evidence(now)
    }

    /// Sets level and daily limit, whichever are given, both or none: as [`Self::set_level`] and [`Self::set_daily_limit`].
    ///
    /// # Errors
    /// [`ControlError`]; nothing is changed then.
    pub async fn adjust(
        &mut self,
        level: Option<TrustLevel>,
        limit: Option<u32>,
        actor: &Actor,
        reason: &str,
    ) -> Result<(), ControlError> {
        let mut step = self.begin().await?;
        if let Some(level) = level {
            let reason = some(reason)?;
            let before = step.state.level();
            if !step.state.set_level(level, step.now) {
                return Err(ControlError::TooHigh { highest: before.up() });
            }
            let change = json!({ "from": before.number(), "to": level.number() });
            self.audit(&mut step, "set_level", actor, reason, change);
        }
        if let Some(limit) = limit {
            let before = step.state.daily_limit(&self.config.table);
            if !step.state.set_daily_limit(&self.config.table, limit) {
                let ceiling = self.config.table.level(step.state.level()).daily;
                return Err(ControlError::AboveLevel { ceiling });
            }
            let change = json!({ "before": before, "after": limit });
            self.audit(&mut step, "set_daily_limit", actor, reason, change);
        }
        Ok(self.commit(step).await?)
    }

    /// Sets the level: any lower one, or one higher.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn set_level(
        &mut self,
        level: TrustLevel,
        actor: &Actor,
        reason: &str,
    ) -> Result<(), ControlError> {
        self.adjust(Some(level), None, actor, reason).await
    }

    /// Sets how many messages a day may be sent besides answers. The level's own number follows the level from then on.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn set_daily_limit(&mut self, limit: u32, actor: &Actor) -> Result<(), ControlError> {
        self.adjust(None, Some(limit), actor, "").await
    }

    /// Forgives what was used today, once a day. What the server forbids, and what counts for longer than a day, stays.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn reset_usage(&mut self, actor: &Actor, reason: &str) -> Result<(), ControlError> {
        let reason = some(reason)?;
        let mut step = self.begin().await?;
        let usage = step.state.usage(&self.config.table, &self.config.zone, step.now);
        if !step.state.reset_usage() {
            return Err(ControlError::AlreadyReset { resets_at: usage.resets_at });
        }
        self.audit(&mut step, "reset_usage", actor, reason, json!({ "forgiven": usage.gated_today }));
        Ok(self.commit(step).await?)
    }

    /// An operator saw what happened: a held account begins anew, at level 1.
    ///
    /// # Errors
    /// [`ControlError`].
    pub async fn acknowledge(&mut self, actor: &Actor, reason: &str) -> Result<(), ControlError> {
        let reason = some(reason)?;
        let mut step = self.begin().await?;
        let before = step.state.level();
        step.state.acknowledge();
        let change = json!({ "from": before.number(), "to": step.state.level().number() });
        self.audit(&mut step, "acknowledge", actor, reason, change);
        Ok(self.commit(step).await?)
    }

    /// What happened to level and restrictions: the events of it with a higher number than `after`, the oldest first, and
    /// the number from which to go on. There are no more when that is `None`.
    ///
    /// # Errors
    /// [`ManagerStoreError`].
    pub async fn history(&self, after: u64) -> Result<(Vec<EventRecord>, Option<u64>), ManagerStoreError> {
        let account = Some(self.owner.account.clone());
        let query = EventQuery { after, account, limit: PAGE, ..EventQuery::default() };
        let events = self.store.events(query).await?;
        let next = events.last().filter(|_| events.len() == PAGE).map(|event| event.seq);
        let is_wanted = |event: &EventRecord| {
            matches!(event.kind, EventKind::TrustChanged | EventKind::AccountRestriction)
        };
        Ok((events.into_iter().filter(is_wanted).collect(), next))
    }

    fn audit(&mut self, step: &mut Step, cause: &str, actor: &Actor, reason: &str, change: Value) {
        let reason = Some(reason).filter(|reason| !reason.is_empty());
        let mut data = json!({ "cause": cause, "actor": actor.as_str(), "reason": reason });
        if let (Value::Object(data), Value::Object(change)) = (&mut data, change) {
            data.extend(change);
        }
        self.push(step, EventKind::TrustChanged, data);
    }
}

fn some(reason: &str) -> Result<&str, ControlError> {
    Some(reason.trim()).filter(|reason| !reason.is_empty()).ok_or(ControlError::NoReason)
}
