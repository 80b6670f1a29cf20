//! What the server's signals lead to: restrictions and levels, with their events. Requirements: manager.md, 3.1, 3.5.

use std::time::Duration;

use serde_json::json;
use wa_core::client::ReachoutTimelock;
use wa_types::UnixMillis;

use super::gate::{Gate, Step};
use super::signals::time_lock;
use crate::event::EventKind;
use crate::store::ManagerStoreError;
use crate::trust::{Restriction, Signal};

impl Gate {
    /// Takes note of something that the server said or did, in one commit with what it changes.
    ///
    /// # Errors
    /// [`ManagerStoreError`]: say it again.
    pub async fn heed(&mut self, signal: Signal) -> Result<(), ManagerStoreError> {
        let mut step = self.begin().await?;
        self.heed_in(&mut step, signal);
        self.commit(step).await
    }

    /// Takes note of the server's time lock, as it was asked for. `refused` is who did not get a message for it, as
    /// [`Settled`](super::Settled) names them: with a lock they are not to blame, without one they get nothing until they
    /// write.
    ///
    /// # Errors
    /// [`ManagerStoreError`]: say it again.
    pub async fn heed_time_lock(
        &mut self,
        lock: &ReachoutTimelock,
        refused: Option<u64>,
    ) -> Result<(), ManagerStoreError> {
        let mut step = self.begin().await?;
        self.heed_in(&mut step, time_lock(lock));
        if let Some(person) = refused {
            if lock.is_active {
                step.state.allow_person(person);
            } else {
                self.heed_in(&mut step, Signal::NoToken);
            }
        }
        self.commit(step).await
    }

    /// Whether the server restricted the account within this time: an unlinking so soon after is no accident.
    pub fn was_restricted_within(&mut self, span: Duration) -> bool {
        let now = self.now();
        self.trust.state.last_restricted().is_some_and(|at| now.since(at) <= span)
    }

    /// The same within a step. Restrictions that are new, changed or lifted are told, and so is another level.
    pub(super) fn heed_in(&mut self, step: &mut Step, signal: Signal) {
        let random = self.draw();
        let (level, before) = (step.state.level(), step.state.restrictions(step.now));
        let name = name(&signal);
        step.state.heed(signal, step.now, random);
        let after = step.state.restrictions(step.now);
        for restriction in after.iter().filter(|restriction| !before.contains(restriction)) {
            self.push(step, EventKind::AccountRestriction, restriction_json(restriction, true));
        }
        let is_gone = |restriction: &&Restriction| !after.iter().any(|other| other.kind == restriction.kind);
        for restriction in before.iter().filter(is_gone) {
            self.push(step, EventKind::AccountRestriction, restriction_json(restriction, false));
        }
        if step.state.level() != level {
            let data = json!({
                "from": level.number(),
                "to": step.state.level().number(),
                "cause": "signal",
                "signal": name,
            });
            self.push(step, EventKind::TrustChanged, data);
        }
    }
}

fn restriction_json(restriction: &Restriction, is_active: bool) -> serde_json::Value {
    json!({
        "kind": restriction.kind.as_str(),
        "active": is_active,
        "until": restriction.until,
        "serverCode": restriction.code,
        "enforcement": restriction.enforcement,
    })
}

/// A signal's name in events.
const fn name(signal: &Signal) -> &'static str {
    match signal {
        Signal::TimeLocked { .. } => "time_locked",
        Signal::TimeLockOver => "time_lock_over",
        Signal::Quota { .. } => "quota",
        Signal::NoToken => "no_token",
        Signal::Capped => "capped",
        Signal::StreamOverlimit => "stream_overlimit",
        Signal::Banned { .. } => "banned",
        Signal::Locked => "locked",
    }
}

/// The end of a span from now.
pub(super) fn in_future(now: UnixMillis, at: Option<UnixMillis>) -> Option<UnixMillis> {
    at.filter(|at| *at > now)
}
