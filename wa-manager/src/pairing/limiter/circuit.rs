//! When most pairings fail alike, for whomever, something is wrong that trying cannot mend: none begins for a while.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wa_types::UnixMillis;

use super::{Cap, PairError};

/// How the last pairings ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Circuit {
    /// The oldest first: when, and what the failure is called.
    ends: Vec<(u64, Option<String>)>,
    open_until: u64,
}

impl Circuit {
    pub(super) fn load(state: &[u8], now: UnixMillis, pause: Duration) -> Option<Self> {
        let mut circuit: Self = serde_json::from_slice(state).ok()?;
        circuit.open_until = circuit.open_until.min(now.after(pause).0);
        for (at, _) in &mut circuit.ends {
            *at = (*at).min(now.0);
        }
        Some(circuit)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// How long nothing begins; `None` for at once.
    pub(super) fn wait(&self, now: UnixMillis) -> Option<Duration> {
        (now.0 < self.open_until).then(|| UnixMillis(self.open_until).since(now))
    }

    /// A pairing ended: with a link, or with a failure of this name. Whether the circuit opened with it.
    pub(super) fn ended(
        &mut self,
        failure: Option<&str>,
        cap: Cap,
        pause: Duration,
        now: UnixMillis,
    ) -> bool {
        let tries = usize::try_from(cap.count).unwrap_or(usize::MAX).max(1);
        self.ends.push((now.0, failure.map(str::to_owned)));
        self.ends.retain(|(at, _)| now.since(UnixMillis(*at)) <= cap.span);
        self.ends.drain(..self.ends.len().saturating_sub(tries));
        if self.ends.len() < tries || self.wait(now).is_some() {
            return false;
        }
        let mut alike: HashMap<&str, usize> = HashMap::new();
        for failure in self.ends.iter().filter_map(|(_, failure)| failure.as_deref()) {
            *alike.entry(failure).or_default() += 1;
        }
        let is_open = alike.values().any(|count| count * 2 > tries);
        if is_open {
            self.open_until = now.after(pause).0;
            // After the pause it is judged by what happens then.
            self.ends.clear();
        }
        is_open
    }

    pub(super) fn until(&self, span: Duration) -> UnixMillis {
        let last = self.ends.last().map_or(0, |(at, _)| UnixMillis(*at).after(span).0);
        UnixMillis(last.max(self.open_until).saturating_add(1))
    }
}

/// What a failure that may be everybody's is called. What people do, or do not do, says nothing about others.
pub(super) fn name(error: &PairError) -> Option<String> {
    match error {
        PairError::Rejected { code, .. } => Some(format!("rejected {code}")),
        PairError::RateLimited { by: super::LimitedBy::Server, .. } => Some("rejected 429".to_owned()),
        PairError::Closed { kind, .. } => Some(format!("closed {kind:?}")),
        PairError::ConnectTimeout => Some("connect timeout".to_owned()),
        PairError::UnstableLink { .. } => Some("unstable".to_owned()),
        _ => None,
    }
}
