//! A look at what was counted, and what is counted with it: one commit, and nobody else meanwhile.

use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::sync::MutexGuard;
use wa_core::crypto::{Random as _, SystemRandom};
use wa_types::{PhoneNumber, UnixMillis};
use zeroize::Zeroizing;

use super::circuit::Circuit;
use super::ledger::{Ledger, longest};
use super::{Cap, Key, LimitedBy, PairError, PairLimiter, PairSubject, PairingCaps};
use crate::store::{Change, Changes, ManagerStoreError, PairLimitRecord};

/// The row of how pairings ended.
pub(super) const CIRCUIT: &str = "circuit";

/// The row of the key that phones are hashed with.
const KEY: &str = "key";

/// A look at what was counted, and what is counted with it: one commit, and nobody else meanwhile.
pub(super) struct Turn<'a> {
    limiter: &'a PairLimiter,
    key: MutexGuard<'a, Option<Key>>,
    pub(super) now: UnixMillis,
    pub(super) changes: Changes,
    /// What was changed in this turn is read again as it is now.
    rows: Vec<LedgerRow>,
}

/// What is remembered under a key.
#[derive(Debug, Clone)]
pub(super) struct LedgerRow {
    key: String,
    pub(super) ledger: Ledger,
}

impl<'a> Turn<'a> {
    pub(super) async fn begin(limiter: &'a PairLimiter) -> Result<Self, PairError> {
        let key = limiter.turn.lock().await;
        let now = limiter.clock.wall();
        Ok(Self { limiter, key, now, changes: Changes::new(), rows: Vec::new() })
    }

    /// The row of the subject's phone, if it has one.
    pub(super) async fn phone(&mut self, subject: &PairSubject) -> Result<Option<LedgerRow>, PairError> {
        let Some(phone) = &subject.phone else { return Ok(None) };
        let hash = self.hash(phone).await?;
        self.row(format!("phone:{hash}")).await.map(Some)
    }

    pub(super) async fn hash(&mut self, phone: &PhoneNumber) -> Result<String, PairError> {
        if self.key.is_none() {
            *self.key = Some(self.load_key().await?);
        }
        let key = self.key.as_deref().map_or(&[][..], |key| key.as_slice());
        // An HMAC takes keys of any length.
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(key) else {
            return Err(PairError::StoreUnavailable);
        };
        hmac.update(phone.as_str().as_bytes());
        let tag = hmac.finalize().into_bytes();
        Ok(tag.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    async fn load_key(&self) -> Result<Key, PairError> {
        let store = &self.limiter.store;
        if let Some(kept) = store.pair_limit(KEY).await.map_err(failed)? {
            let kept = Zeroizing::new(kept.state);
            let key = <[u8; 32]>::try_from(kept.as_slice()).map_err(|_| PairError::StoreUnavailable)?;
            return Ok(Zeroizing::new(key));
        }
        let key: Key = Zeroizing::new(SystemRandom.array());
        let row = PairLimitRecord { key: KEY.to_owned(), state: key.to_vec(), until: UnixMillis(u64::MAX) };
        let mut changes = Changes::new();
        changes.push(Change::PutPairLimit(Box::new(row)));
        store.commit(changes).await.map_err(failed)?;
        Ok(key)
    }

    pub(super) async fn row(&self, key: String) -> Result<LedgerRow, PairError> {
        if let Some(row) = self.rows.iter().rev().find(|row| row.key == key) {
            return Ok(row.clone());
        }
        let ledger = match self.limiter.store.pair_limit(&key).await.map_err(failed)? {
            Some(kept) => {
                Ledger::load(&kept.state, self.now, self.limiter.caps()).ok_or(PairError::StoreUnavailable)?
            }
            None => Ledger::default(),
        };
        Ok(LedgerRow { key, ledger })
    }

    pub(super) fn put(&mut self, row: LedgerRow) {
        self.rows.retain(|other| other.key != row.key);
        self.rows.push(row);
    }

    pub(super) async fn circuit(&self) -> Result<Circuit, PairError> {
        let pause = self.limiter.caps().circuit_pause;
        match self.limiter.store.pair_limit(CIRCUIT).await.map_err(failed)? {
            Some(kept) => Circuit::load(&kept.state, self.now, pause).ok_or(PairError::StoreUnavailable),
            None => Ok(Circuit::default()),
        }
    }

    /// Counts a code in every scope, or says which one does not allow it for longest.
    pub(super) async fn count_code(&mut self, subject: &PairSubject) -> Result<(), PairError> {
        let mut longest_wait: Option<(Duration, LimitedBy)> = None;
        for (key, caps, source) in scopes(self.limiter.caps(), subject) {
            let wait = self.row(key).await?.ledger.wait(caps, self.now);
            longest_wait = longest_wait.max(wait.map(|wait| (wait, source)));
        }
        match longest_wait {
            Some((retry_after, source)) => Err(PairError::RateLimited { retry_after, by: source }),
            None => self.add_code(subject).await,
        }
    }

    /// Counts a code in every scope.
    pub(super) async fn add_code(&mut self, subject: &PairSubject) -> Result<(), PairError> {
        let caps = self.limiter.caps();
        for (key, caps, _) in scopes(caps, subject) {
            let mut row = self.row(key).await?;
            row.ledger.count(caps, self.now);
            self.put(row);
        }
        if let Some(mut phone) = self.phone(subject).await? {
            phone.ledger.count(&caps.phone, self.now);
            self.put(phone);
        }
        Ok(())
    }

    pub(super) async fn count_round(mut self, subject: &PairSubject) -> Result<(), PairError> {
        let caps = &self.limiter.caps().rounds;
        let mut row = self.row(format!("account:{}", subject.account)).await?;
        if let Some(retry_after) = row.ledger.wait(caps, self.now) {
            return Err(PairError::RateLimited { retry_after, by: LimitedBy::Account });
        }
        row.ledger.count(caps, self.now);
        self.put(row);
        self.commit().await
    }

    pub(super) async fn commit(mut self) -> Result<(), PairError> {
        let caps = self.limiter.caps();
        let all = [&caps.phone, &caps.tenant, &caps.process, &caps.egress, &caps.rounds];
        let spans = all.into_iter().map(|caps| longest(caps));
        let spans = spans.chain([caps.unstable.span, caps.device_numbers.span]);
        let longest = spans.max().unwrap_or_default();
        for row in std::mem::take(&mut self.rows) {
            let (state, until) = (row.ledger.to_bytes(), row.ledger.until(longest));
            let record = PairLimitRecord { key: row.key, state, until };
            self.changes.push(Change::PutPairLimit(Box::new(record)));
        }
        let changes = std::mem::take(&mut self.changes);
        self.limiter.store.commit(changes).await.map(drop).map_err(failed)
    }
}

/// The rows in which a code counts besides that of its phone, and their caps.
pub(super) fn scopes<'c>(
    caps: &'c PairingCaps,
    subject: &PairSubject,
) -> Vec<(String, &'c [Cap], LimitedBy)> {
    let mut scopes = vec![
        (format!("tenant:{}", subject.tenant), caps.tenant.as_slice(), LimitedBy::Tenant),
        ("process".to_owned(), caps.process.as_slice(), LimitedBy::Process),
    ];
    if let Some(egress) = &subject.egress {
        scopes.push((format!("egress:{egress}"), caps.egress.as_slice(), LimitedBy::Egress));
    }
    scopes
}

fn failed(error: ManagerStoreError) -> PairError {
    tracing::warn!(%error, "the limits of pairing cannot be read or written");
    PairError::StoreUnavailable
}
