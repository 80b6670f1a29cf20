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
//! | `turn` | looks at the rows and counts, in one commit |

mod circuit;
mod ledger;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Mutex;
use wa_core::crypto::{Random as _, SystemRandom};
use wa_core::error::PairCodeError;
use wa_core::event::PairingCodeShown;
use wa_types::{PhoneNumber, UnixMillis};
use zeroize::Zeroizing;

use self::ledger::Ledger;
use self::turn::{CIRCUIT, Turn, scopes};
use super::attempt::{CodeFailure, MadeCode};
use super::error::{LimitedBy, PairError};
use super::policy::{Cap, PairRequest, PairingCaps, PairingPolicy};
use super::update::LimitNote;
use crate::clock::Clock;
use crate::event::{EventKind, NewEvent};
use crate::ids::{AccountId, EventId, TenantId};
use crate::store::{Change, ManagerStore, PairLimitRecord};

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
    /// fails. An event may be stored with it, as by [`Self::note`].
    pub async fn unstable(&self, subject: &PairSubject) -> Option<Duration> {
        let caps = self.caps();
        let done = self.change_phone(subject, |phone, now| phone.unstable(caps, now)).await;
        let _ = self.ended(Some(&PairError::UnstableLink { retry_after: None })).await;
        done.ok().flatten().flatten()
    }

    /// The server unlinked an account right after it restricted it: its phone waits a day.
    pub async fn restricted(&self, subject: &PairSubject) {
        let done = self.change_phone(subject, |phone, now| phone.restricted(now)).await;
        if let Err(error) = done {
            tracing::warn!(%error, "that a phone has to wait is not stored");
        }
    }

    /// Takes a note. Whether most pairings fail alike, as of this one: then [`EventKind::PairingPaused`] was stored with
    /// it, and is to be delivered.
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

    /// What a phone is called where its number is nobody's business; none while the store fails.
    pub(crate) async fn hash(&self, phone: &PhoneNumber) -> Option<String> {
        Turn::begin(self).await.ok()?.hash(phone).await.ok()
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
        if is_open {
            turn.changes.push_event(NewEvent {
                id: EventId::of(SystemRandom.array()),
                tenant: TenantId::default(),
                account: None,
                kind: EventKind::PairingPaused,
                at: turn.now,
                data: json!({ "failure": name, "until": turn.now.after(pause).0 }),
            });
        }
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
