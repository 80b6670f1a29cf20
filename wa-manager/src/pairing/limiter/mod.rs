//! How often linking is tried: by phone, tenant, process, way out and account, with waits that get longer after what
//! the server refused. Kept in the manager's store, under a keyed hash of the phone, so that a restart forgets nothing.
//! Requirements: manager.md, 3.6, R017-R020.
//!
//! What may be tried is counted before it is tried, in the commit that looked whether it may be.
//!
//! | File | Subject |
//! |---|---|
//! | `ledger` | what is remembered of one phone, tenant, account; pure |
//! | `circuit` | whether most pairings fail alike; pure |

mod circuit;
mod ledger;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::sync::Mutex;
use wa_core::crypto::{Random as _, SystemRandom};
use wa_core::error::PairCodeError;
use wa_core::event::PairingCodeShown;
use wa_types::{PhoneNumber, UnixMillis};
use zeroize::Zeroizing;

use self::circuit::Circuit;
use self::ledger::{Ledger, longest};
use super::attempt::{CodeFailure, MadeCode};
use super::error::{LimitedBy, PairError};
use super::policy::{Cap, PairRequest, PairingCaps, PairingPolicy};
use super::update::LimitNote;
use crate::clock::Clock;
use crate::ids::{AccountId, TenantId};
use crate::store::{Change, Changes, ManagerStore, PairLimitRecord};

/// Who tries to link.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "names of who it is, made by the actor")]
pub struct PairSubject {
    /// The account.
    pub account: AccountId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The phone, as far as it is known.
    pub phone: Option<PhoneNumber>,
    /// The way out to the network, where there are several: as the proxy's name.
    pub egress: Option<String>,
}

/// Says how often linking may be tried, for all accounts of a manager. One for each store: two would not see what the
/// other one counts at that moment.
pub struct PairLimiter {
    store: Arc<dyn ManagerStore>,
    clock: Arc<dyn Clock>,
    policy: PairingPolicy,
    /// Held from the look at what was counted to the commit: of many attempts at once, none passes a cap together.
    /// Holds the key of the phones' hashes once it was loaded.
    turn: Mutex<Option<Key>>,
    under_way: Arc<StdMutex<UnderWay>>,
}

type Key = Zeroizing<[u8; 32]>;

/// The attempts that are under way, by account and phone.
#[derive(Debug, Default)]
struct UnderWay {
    accounts: HashSet<AccountId>,
    phones: HashSet<PhoneNumber>,
}

/// The account, and its phone, are taken by an attempt until this is dropped. It never blocks the next one after its
/// actor is gone.
#[derive(Debug)]
#[must_use = "another attempt may begin when this is dropped"]
pub struct PairingSlot {
    under_way: Arc<StdMutex<UnderWay>>,
    account: AccountId,
    phone: Option<PhoneNumber>,
}

impl Drop for PairingSlot {
    fn drop(&mut self) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.accounts.remove(&self.account);
        if let Some(phone) = &self.phone {
            under_way.phones.remove(phone);
        }
    }
}

impl PairLimiter {
    /// The limits of this policy, over what this store remembers.
    pub fn new(store: Arc<dyn ManagerStore>, clock: Arc<dyn Clock>, policy: PairingPolicy) -> Self {
        Self { store, clock, policy, turn: Mutex::new(None), under_way: Arc::default() }
    }

    /// Whether an attempt may begin. It takes the account and the phone until the answer is dropped, and counts the
    /// first QR codes where it shows some.
    ///
    /// # Errors
    /// [`PairError::AlreadyPairing`], [`PairError::RateLimited`], [`PairError::UnstableLink`],
    /// [`PairError::CodeOutstanding`], [`PairError::PhoneMissing`], [`PairError::StoreUnavailable`].
    pub async fn begin(
        &self,
        subject: &PairSubject,
        request: &PairRequest,
    ) -> Result<PairingSlot, PairError> {
        if request.method.makes_codes() && request.phone.is_none() {
            return Err(PairError::PhoneMissing);
        }
        let slot = self.take(subject)?;
        let mut turn = Turn::begin(self).await?;
        let circuit = turn.circuit().await?;
        if let Some(retry_after) = circuit.wait(turn.now) {
            return Err(PairError::RateLimited { retry_after, by: LimitedBy::Circuit });
        }
        if let Some(phone) = turn.phone(subject).await? {
            phone.ledger.may_pair(turn.now)?;
            // With QR codes beside it, an attempt without a code is better than none.
            if !request.method.shows_qr() {
                phone.ledger.may_ask_code(self.caps(), turn.now)?;
            }
        }
        if request.method.shows_qr() {
            turn.count_round(subject).await?;
        }
        Ok(slot)
    }

    /// Whether the account may show the QR codes of another connection; they are counted.
    ///
    /// # Errors
    /// [`PairError::RateLimited`], [`PairError::StoreUnavailable`].
    pub async fn round(&self, subject: &PairSubject) -> Result<(), PairError> {
        Turn::begin(self).await?.count_round(subject).await
    }

    /// Makes a code with `ask`, if the limits allow it, and notes what came of it. `ask` is the client's
    /// `pair_with_code`.
    ///
    /// # Errors
    /// [`CodeFailure`].
    ///
    /// Cancel safe: a code whose future was dropped stays counted.
    pub async fn make_code(
        &self,
        subject: &PairSubject,
        ask: impl Future<Output = Result<PairingCodeShown, PairCodeError>>,
    ) -> Result<MadeCode, CodeFailure> {
        self.counted(subject, async { ask.await.map(MadeCode::from) }).await
    }

    async fn counted(
        &self,
        subject: &PairSubject,
        ask: impl Future<Output = Result<MadeCode, PairCodeError>>,
    ) -> Result<MadeCode, CodeFailure> {
        let at = self.reserve_code(subject).await.map_err(CodeFailure::Limited)?;
        let error = match ask.await {
            Ok(made) => {
                // The reservation holds the phone for the usual life of a code, if this fails.
                let _kept = self.code_lives(subject, at, self.clock.wall().after(made.expires_in)).await;
                return Ok(made);
            }
            Err(error) => error,
        };
        let wait = match &error {
            PairCodeError::Refused { why, retry_after } => {
                let (code, retry_after) = (refusal_code(*why), *retry_after);
                self.note_refusal(subject, code, retry_after).await.unwrap_or(retry_after)
            }
            PairCodeError::Request(request) if !is_unsent(request) => None,
            // Nothing of it left.
            _ => {
                let _stays_counted = self.give_back(subject, at).await;
                None
            }
        };
        Err(CodeFailure::Client { error, wait })
    }

    /// A link was gone within its probation. How long its phone has to wait now, if at all; unknown while the store
    /// fails.
    pub async fn unstable(&self, subject: &PairSubject) -> Option<Duration> {
        let caps = self.caps();
        let done = self.change_phone(subject, |phone, now| phone.unstable(caps, now)).await;
        let _ = self.ended(Some(&PairError::UnstableLink { retry_after: None })).await;
        done.ok().flatten().flatten()
    }

    /// Takes a note. Whether most pairings fail alike, as of this one: somebody should look.
    ///
    /// # Errors
    /// [`PairError::StoreUnavailable`]: it is lost, and what it would have forbidden is not forbidden.
    pub async fn note(&self, subject: &PairSubject, note: &LimitNote) -> Result<bool, PairError> {
        let caps = self.caps();
        match note {
            LimitNote::CodeMade { expires_in } => {
                let mut turn = Turn::begin(self).await?;
                turn.add_code(subject).await?;
                if let Some(mut phone) = turn.phone(subject).await? {
                    phone.ledger.code_lives(turn.now.after(*expires_in));
                    turn.put(phone);
                }
                turn.commit().await?;
            }
            LimitNote::CodeGone => {
                self.change_phone(subject, |phone, _| phone.code_gone()).await?;
            }
            LimitNote::Refused { code, retry_after } => {
                self.note_refusal(subject, *code, *retry_after).await?;
            }
            LimitNote::Linked { device } => {
                self.change_phone(subject, |phone, now| phone.linked(*device, caps, now)).await?;
                return self.ended(None).await;
            }
            LimitNote::Confirmed => {
                self.change_phone(subject, |phone, _| phone.confirmed()).await?;
            }
            // Unstable links are noted when they are asked about.
            LimitNote::Failed(PairError::UnstableLink { .. }) => {}
            LimitNote::Failed(error) => return self.ended(Some(error)).await,
        }
        Ok(false)
    }

    const fn caps(&self) -> &PairingCaps {
        &self.policy.caps
    }

    fn take(&self, subject: &PairSubject) -> Result<PairingSlot, PairError> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let is_taken = under_way.accounts.contains(&subject.account)
            || subject.phone.as_ref().is_some_and(|phone| under_way.phones.contains(phone));
        if is_taken {
            return Err(PairError::AlreadyPairing);
        }
        under_way.accounts.insert(subject.account.clone());
        under_way.phones.extend(subject.phone.clone());
        Ok(PairingSlot {
            under_way: Arc::clone(&self.under_way),
            account: subject.account.clone(),
            phone: subject.phone.clone(),
        })
    }

    /// Counts a code if all caps allow it. Its time names it.
    async fn reserve_code(&self, subject: &PairSubject) -> Result<UnixMillis, PairError> {
        let mut turn = Turn::begin(self).await?;
        let Some(phone) = turn.phone(subject).await? else { return Err(PairError::PhoneMissing) };
        phone.ledger.may_pair(turn.now)?;
        phone.ledger.may_ask_code(self.caps(), turn.now)?;
        turn.count_code(subject).await?;
        let mut phone = turn.phone(subject).await?.unwrap_or(phone);
        phone.ledger.code_lives(turn.now.after(self.policy.code_life));
        turn.put(phone);
        let at = turn.now;
        turn.commit().await?;
        Ok(at)
    }

    async fn give_back(&self, subject: &PairSubject, at: UnixMillis) -> Result<(), PairError> {
        let mut turn = Turn::begin(self).await?;
        for (key, _, _) in scopes(self.caps(), subject) {
            let mut row = turn.row(key).await?;
            row.ledger.give_back(at);
            turn.put(row);
        }
        if let Some(mut phone) = turn.phone(subject).await? {
            phone.ledger.give_back(at);
            phone.ledger.code_lives_after_all(at.after(self.policy.code_life), UnixMillis(0));
            turn.put(phone);
        }
        turn.commit().await
    }

    /// The code that was counted at this time lives until then.
    async fn code_lives(
        &self,
        subject: &PairSubject,
        at: UnixMillis,
        until: UnixMillis,
    ) -> Result<(), PairError> {
        let said = at.after(self.policy.code_life);
        self.change_phone(subject, |phone, _| phone.code_lives_after_all(said, until)).await.map(drop)
    }

    async fn note_refusal(
        &self,
        subject: &PairSubject,
        code: u16,
        retry_after: Option<Duration>,
    ) -> Result<Option<Duration>, PairError> {
        let caps = self.caps();
        let done =
            self.change_phone(subject, |phone, now| phone.refused(code, retry_after, caps, now)).await?;
        Ok(done.flatten())
    }

    async fn change_phone<T>(
        &self,
        subject: &PairSubject,
        change: impl FnOnce(&mut Ledger, UnixMillis) -> T,
    ) -> Result<Option<T>, PairError> {
        let mut turn = Turn::begin(self).await?;
        let Some(mut phone) = turn.phone(subject).await? else { return Ok(None) };
        let done = change(&mut phone.ledger, turn.now);
        turn.put(phone);
        turn.commit().await?;
        Ok(Some(done))
    }

    /// A pairing ended. Whether most fail alike, as of this one.
    async fn ended(&self, error: Option<&PairError>) -> Result<bool, PairError> {
        let name = match error {
            Some(error) => match circuit::name(error) {
                Some(name) => Some(name),
                None => return Ok(false),
            },
            None => None,
        };
        let (cap, pause) = (self.caps().circuit, self.caps().circuit_pause);
        let mut turn = Turn::begin(self).await?;
        let mut circuit = turn.circuit().await?;
        let is_open = circuit.ended(name.as_deref(), cap, pause, turn.now);
        turn.changes.push(Change::PutPairLimit(Box::new(PairLimitRecord {
            key: CIRCUIT.to_owned(),
            state: circuit.to_bytes(),
            until: circuit.until(cap.span),
        })));
        turn.commit().await?;
        if is_open {
            tracing::error!(failure = name, "most pairings fail alike; none begins for a while");
        }
        Ok(is_open)
    }
}

impl fmt::Debug for PairLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairLimiter").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// The row of how pairings ended.
const CIRCUIT: &str = "circuit";

/// The row of the key that phones are hashed with.
const KEY: &str = "key";

/// A look at what was counted, and what is counted with it: one commit, and nobody else meanwhile.
struct Turn<'a> {
    limiter: &'a PairLimiter,
    key: tokio::sync::MutexGuard<'a, Option<Key>>,
    now: UnixMillis,
    changes: Changes,
    /// What was changed in this turn is read again as it is now.
    rows: Vec<LedgerRow>,
}

/// What is remembered under a key.
#[derive(Debug, Clone)]
struct LedgerRow {
    key: String,
    ledger: Ledger,
}

impl<'a> Turn<'a> {
    async fn begin(limiter: &'a PairLimiter) -> Result<Self, PairError> {
        let key = limiter.turn.lock().await;
        let now = limiter.clock.wall();
        Ok(Self { limiter, key, now, changes: Changes::new(), rows: Vec::new() })
    }

    /// The row of the subject's phone, if it has one.
    async fn phone(&mut self, subject: &PairSubject) -> Result<Option<LedgerRow>, PairError> {
        let Some(phone) = &subject.phone else { return Ok(None) };
        let hash = self.hash(phone).await?;
        self.row(format!("phone:{hash}")).await.map(Some)
    }

    async fn hash(&mut self, phone: &PhoneNumber) -> Result<String, PairError> {
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

    async fn row(&self, key: String) -> Result<LedgerRow, PairError> {
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

    fn put(&mut self, row: LedgerRow) {
        self.rows.retain(|other| other.key != row.key);
        self.rows.push(row);
    }

    async fn circuit(&self) -> Result<Circuit, PairError> {
        let pause = self.limiter.caps().circuit_pause;
        match self.limiter.store.pair_limit(CIRCUIT).await.map_err(failed)? {
            Some(kept) => Circuit::load(&kept.state, self.now, pause).ok_or(PairError::StoreUnavailable),
            None => Ok(Circuit::default()),
        }
    }

    /// Counts a code in every scope, or says which one does not allow it for longest.
    async fn count_code(&mut self, subject: &PairSubject) -> Result<(), PairError> {
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
    async fn add_code(&mut self, subject: &PairSubject) -> Result<(), PairError> {
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

    async fn count_round(mut self, subject: &PairSubject) -> Result<(), PairError> {
        let caps = &self.limiter.caps().rounds;
        let mut row = self.row(format!("account:{}", subject.account)).await?;
        if let Some(retry_after) = row.ledger.wait(caps, self.now) {
            return Err(PairError::RateLimited { retry_after, by: LimitedBy::Account });
        }
        row.ledger.count(caps, self.now);
        self.put(row);
        self.commit().await
    }

    async fn commit(mut self) -> Result<(), PairError> {
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
fn scopes<'c>(caps: &'c PairingCaps, subject: &PairSubject) -> Vec<(String, &'c [Cap], LimitedBy)> {
    let mut scopes = vec![
        (format!("tenant:{}", subject.tenant), caps.tenant.as_slice(), LimitedBy::Tenant),
        ("process".to_owned(), caps.process.as_slice(), LimitedBy::Process),
    ];
    if let Some(egress) = &subject.egress {
        scopes.push((format!("egress:{egress}"), caps.egress.as_slice(), LimitedBy::Egress));
    }
    scopes
}

pub(super) const fn refusal_code(why: wa_core::error::CodeRefusal) -> u16 {
    use wa_core::error::CodeRefusal;
    match why {
        CodeRefusal::BadRequest => 400,
        CodeRefusal::Forbidden => 403,
        CodeRefusal::RateLimited => 429,
        CodeRefusal::NotAvailable => 452,
        CodeRefusal::Server => 500,
        CodeRefusal::Other(code) => code,
        _ => 0,
    }
}

/// Whether the server cannot have heard of a request.
const fn is_unsent(error: &wa_core::connection::RequestError) -> bool {
    use wa_core::connection::RequestError;
    matches!(error, RequestError::NotConnected | RequestError::TooLong | RequestError::Encode(_))
}

fn failed(error: crate::store::ManagerStoreError) -> PairError {
    tracing::warn!(%error, "the limits of pairing cannot be read or written");
    PairError::StoreUnavailable
}
