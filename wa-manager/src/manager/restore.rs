//! After a start of the process: what ran before runs again. Requirements: manager.md, R056, R077, R106.

use futures_util::stream::{self, StreamExt as _};
use tokio::time::timeout;

use super::{ClientManager, ManagerError};
use crate::account::actor::Command;
use crate::account::{Account, AccountSnapshot, AccountStatus, DesiredState, ReasonKind};
use crate::ids::AccountId;

/// What [`ClientManager::restore`] did.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct RestoreReport {
    /// Started, or told to start and not heard of yet; where they stand is told by themselves.
    pub started: Vec<AccountId>,
    /// Not started: stopped by somebody, not linked, or in a state that somebody has to look at.
    pub skipped: Vec<AccountId>,
    /// Could not be started.
    pub failed: Vec<(AccountId, ManagerError)>,
}

impl ClientManager {
    /// Starts what ran when the process ended, and what is set to start with it; not what somebody stopped, and nothing
    /// that needs somebody first. A few at a time: the next one begins when one is connected, or takes long.
    ///
    /// Dropping the future leaves the rest as it is.
    pub async fn restore(&self) -> RestoreReport {
        let starts = self.inner.starts;
        let (wanted, skipped): (Vec<_>, Vec<_>) = self
            .inner
            .registry
            .all(None)
            .into_iter()
            .map(Account::new)
            .partition(|account| is_restored(&account.snapshot()));
        let mut report = RestoreReport {
            skipped: skipped.iter().map(|account| account.id().clone()).collect(),
            ..RestoreReport::default()
        };
        let mut results = stream::iter(wanted)
            .map(|account| async move {
                let (told, mut result) = (account.clone(), Ok(true));
                let settled = async {
                    result = told.ask(Command::Restore).await;
                    told.reached(|snapshot| snapshot.status != AccountStatus::Loading).await
                };
                let _too_slow = timeout(starts.patience, settled).await;
                (account.id().clone(), result)
            })
            .buffer_unordered(starts.at_once.max(1));
        while let Some((id, result)) = results.next().await {
            match result {
                Ok(true) => report.started.push(id),
                Ok(false) => report.skipped.push(id),
                Err(error) => report.failed.push((id, error)),
            }
        }
        report
    }
}

/// Whether an account runs after a start of the process.
pub(crate) fn is_restored(snapshot: &AccountSnapshot) -> bool {
    let shall_run = snapshot.settings.auto_start || snapshot.desired == DesiredState::Running;
    let reason = snapshot.reason.as_ref().filter(|_| snapshot.status == AccountStatus::Error);
    let may_run = reason.is_none_or(|reason| match reason.kind {
        // This may be another release.
        ReasonKind::ClientOutdated => true,
        // A date is waited for by the account itself; a person is to be waited for.
        ReasonKind::StoreLocked
        | ReasonKind::StoreFailed
        | ReasonKind::RetryBudget
        | ReasonKind::Quarantined
        | ReasonKind::Internal
        | ReasonKind::ProxyFailed => reason.retry_at.is_none(),
        _ => false,
    });
    // A link that a phone accepted is made one by the next login.
    let is_accepted = snapshot.status == AccountStatus::Disconnected
        || snapshot.desired == DesiredState::Running && reason.is_some();
    let is_linked = snapshot.is_logged_in || is_accepted;
    shall_run && is_linked && may_run && !snapshot.is_exported
}
