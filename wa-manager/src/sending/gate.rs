//! The gate of one account: its limits as they are stored, its clock, and how it commits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use wa_core::crypto::Random;
use wa_types::{Jid, UnixMillis};

use super::error::SendError;
use super::queue::Queue;
use crate::account::{AccountStatus, TrustSnapshot};
use crate::clock::Clock;
use crate::event::{EventKind, NewEvent};
use crate::figures::Restricted;
use crate::ids::{AccountId, Epoch, EventId, TenantId};
use crate::store::{Change, Changes, ManagerStore, ManagerStoreError, TrustRecord};
use crate::trust::{
    ClockSkew, Evidence, Moved, Reservation, ReservationState, Terms, TrustClock, TrustLevel, TrustState,
    TrustTable, Zone,
};

/// After the account is ready first, first contacts wait so long for the past, unless it ends before.
const HISTORY_WAIT: Duration = Duration::from_secs(30 * 60);

/// What was counted is remembered so long, for messages whose fate is told late.
const KEEP_RESERVATIONS: Duration = Duration::from_secs(35 * 24 * 60 * 60);

/// What the server said of phone numbers is believed so long.
pub(crate) const KEEP_NUMBERS: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// That a new day began is noted within so long.
const DAY_SPREAD: Duration = Duration::from_secs(10 * 60);

/// Of how long a link counts as an old one.
const OLD_LINK: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Whose gate it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by the account's owner")]
pub struct GateOwner {
    /// The account.
    pub account: AccountId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its owner's epoch: with another one nothing is written.
    pub epoch: Epoch,
}

/// By what an account is measured.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "made by the account's owner, with ..GateConfig::default()")]
pub struct GateConfig {
    /// The limits of all levels.
    pub table: TrustTable,
    /// The account's zone.
    pub zone: Zone,
    /// What the tenant allows an account a day.
    pub tenant_cap: Option<u32>,
    /// Whether the daily limit gates answers, too.
    pub is_strict: bool,
    /// Where a new account begins.
    pub start: Start,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            table: TrustTable::conservative(),
            zone: Zone::UTC,
            tenant_cap: None,
            is_strict: false,
            start: Start::default(),
        }
    }
}

impl GateConfig {
    /// What is remembered of an account that is new.
    pub(crate) fn first(&self, account: AccountId, now: UnixMillis, random: &mut dyn Random) -> TrustRecord {
        let mut state = TrustState::new(self.start.level(&self.table, now), now, &self.zone);
        state.await_history();
        if let Some(since) = self.start.established_since {
            state.claim(since);
        }
        let mut text_key = [0; 32];
        random.fill(&mut text_key);
        TrustRecord { account, state, text_key }
    }
}

/// What is told of the limits of a new account.
pub(crate) fn created_json(state: &TrustState) -> Value {
    json!({
        "from": null,
        "to": state.level().number(),
        "cause": "created",
        "establishedSince": state.claimed_since().map(|since| since.0),
    })
}

/// What is known of an account that is new to the manager.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by the account's owner, with ..Start::default()")]
pub struct Start {
    /// Since when its device is linked, for one that was imported with its history.
    pub linked_since: Option<UnixMillis>,
    /// Since when the account is used, as its owner says. It is kept as a claim.
    pub established_since: Option<UnixMillis>,
}

impl Start {
    /// The level to begin with: 2 for a device that was linked long ago, up to 3 by the owner's word, 1 otherwise.
    #[must_use]
    pub fn level(&self, table: &TrustTable, now: UnixMillis) -> TrustLevel {
        let (second, third) = (TrustLevel::NEW.up(), TrustLevel::NEW.up().up());
        let is_old = self.linked_since.is_some_and(|since| now.since(since) >= OLD_LINK);
        let age = self.established_since.map(|since| now.since(since));
        let claimed = [third, second]
            .into_iter()
            .find(|level| age.is_some_and(|age| age >= table.level(*level).min_age));
        let linked = if is_old { second } else { TrustLevel::NEW };
        claimed.map_or(linked, |claimed| claimed.max(linked))
    }
}

/// Decides what one account may send, and counts it. Owned by the account's one task: no call of it is made while
/// another is under way.
///
/// Calls that write are not cancel safe in what they return, but in what they do: when one is dropped half-way, the
/// gate reads again what is stored.
pub struct Gate {
    pub(crate) store: Arc<dyn ManagerStore>,
    pub(crate) owner: GateOwner,
    pub(super) config: GateConfig,
    clock: Arc<dyn Clock>,
    pub(crate) random: Box<dyn Random + Send + Sync>,
    pub(super) trust: TrustRecord,
    time: TrustClock,
    /// Whether the time is known: by a login. Before, the wall clock may say what it likes.
    has_time: bool,
    pub(super) own: Vec<Jid>,
    pub(super) status: AccountStatus,
    pub(super) ready_since: UnixMillis,
    pub(super) queue: Queue,
    /// What is stored may be newer than what is known here.
    is_stale: bool,
    /// Another owner writes by now.
    is_lost: bool,
    /// The number of the account's last event, until somebody asks.
    news: Option<u64>,
    restricted: Restricted,
}

/// What one call computes, before it is committed.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) now: UnixMillis,
    pub(crate) state: TrustState,
    pub(crate) changes: Changes,
}

impl Gate {
    /// Opens the gate of an account, with what is stored of it; what is stored nowhere begins as `config` says.
    ///
    /// # Errors
    /// [`ManagerStoreError`]; with [`FenceLost`](ManagerStoreError::FenceLost) the account has another owner.
    pub async fn open(
        store: Arc<dyn ManagerStore>,
        owner: GateOwner,
        config: GateConfig,
        clock: Arc<dyn Clock>,
        mut random: Box<dyn Random + Send + Sync>,
    ) -> Result<Self, ManagerStoreError> {
        let known = store.trust(&owner.account).await?;
        let queue = Queue::of(store.sends(&owner.account).await?);
        let is_new = known.is_none();
        let trust = known.unwrap_or_else(|| config.first(owner.account.clone(), clock.wall(), &mut *random));
        let time = TrustClock::new(trust.state.last());
        let mut gate = Self {
            store,
            owner,
            config,
            clock,
            random,
            trust,
            time,
            has_time: false,
            own: Vec::new(),
            status: AccountStatus::Idle,
            ready_since: UnixMillis(0),
            queue,
            is_stale: false,
            is_lost: false,
            news: None,
            restricted: Restricted::default(),
        };
        let mut step = gate.begin().await?;
        step.state.set_strict(gate.config.is_strict);
        if is_new {
            let data = created_json(&step.state);
            gate.push(&mut step, EventKind::TrustChanged, data);
            gate.put_trust(&mut step);
        }
        gate.commit(step).await?;
        let now = gate.now();
        gate.count_restrictions(now);
        Ok(gate)
    }

    /// The time that limits are counted by; before the first login what the wall clock says, which nothing is counted by.
    pub fn now(&mut self) -> UnixMillis {
        let (wall, boot) = (self.clock.wall(), self.clock.boot());
        if self.has_time { self.time.now(wall, boot) } else { wall.max(self.trust.state.last()) }
    }

    /// The account's own addresses: what goes there disturbs nobody.
    pub fn set_own(&mut self, own: impl IntoIterator<Item = Jid>) {
        self.own = own.into_iter().map(|own| own.to_user()).collect();
    }

    /// Other settings, from now on; another zone from the next boundary on.
    ///
    /// # Errors
    /// [`ManagerStoreError`].
    pub async fn configure(&mut self, config: GateConfig) -> Result<(), ManagerStoreError> {
        self.config = config;
        let mut step = self.begin().await?;
        step.state.set_strict(self.config.is_strict);
        self.commit(step).await
    }

    /// A login succeeded. With the server's time, where it is known: from then on the wall clock says nothing. A jump is
    /// told as an event. What is remembered for too long is forgotten.
    ///
    /// # Errors
    /// [`ManagerStoreError`].
    pub async fn logged_in(&mut self, server: Option<UnixMillis>) -> Result<(), ManagerStoreError> {
        let (wall, boot) = (self.clock.wall(), self.clock.boot());
        let first = server.filter(|server| !self.has_time && *server < self.trust.state.last());
        if let Some(server) = first {
            self.begin_earlier(server).await?;
        }
        let skew = self.time.set(server.unwrap_or(wall), boot);
        self.has_time = true;
        let mut step = self.begin().await?;
        step.state.let_in();
        step.state.set_holder(&self.own);
        let told = skew.map(|skew| match skew {
            ClockSkew::Back(by) => ("back", by),
            ClockSkew::Forward(by) => ("forward", by),
        });
        if let Some((direction, by)) = told {
            self.push(&mut step, EventKind::ClockSkew, json!({ "direction": direction, "byMs": millis(by) }));
        }
        let before = step.now.0.saturating_sub(millis(KEEP_RESERVATIONS));
        let account = self.owner.account.clone();
        step.changes.push(Change::TrimReservations { account: account.clone(), before });
        let before = step.now.0.saturating_sub(millis(KEEP_NUMBERS));
        step.changes.push(Change::TrimNumbers { account, before });
        step.changes.push(Change::TrimExpired { now: step.now.0 });
        self.commit(step).await
    }

    /// The clock was ahead when the account was made. Where nothing was counted since, it begins now; otherwise what was
    /// counted stays counted, and time goes on when it has caught up.
    async fn begin_earlier(&mut self, server: UnixMillis) -> Result<(), ManagerStoreError> {
        let mut step = self.begin().await?;
        step.state.begin_earlier(server, &self.config.zone);
        self.commit(step).await?;
        self.time = TrustClock::new(self.trust.state.last());
        Ok(())
    }

    /// The server wants to hear nothing of the account before this: it is banned for a while, or locked. No client of it
    /// connects before.
    pub fn barred_until(&mut self) -> Option<UnixMillis> {
        let now = self.now();
        self.trust.state.barred_until(now)
    }

    /// Whether the server refused the account as locked or banned since its last login.
    #[must_use]
    pub const fn is_locked(&self) -> bool {
        self.trust.state.is_locked()
    }

    /// The account is linked to the number with these addresses. When its limits are those of another number, `changes`
    /// puts them away, with the contacts, the chats, what waited and what was counted; after its commit, [`Self::reread`]
    /// is to be called. Whether it is so.
    ///
    /// # Errors
    /// [`ManagerStoreError`]: nothing was added.
    pub async fn link(&mut self, own: &[Jid], changes: &mut Changes) -> Result<bool, ManagerStoreError> {
        // What is stored decides.
        let before = self.begin().await?;
        if !before.state.is_of_another(own) {
            return Ok(false);
        }
        let account = self.owner.account.clone();
        let state = before.state.of_another(own, before.now, &self.config.zone);
        let mut text_key = [0; 32];
        self.random.fill(&mut text_key);
        let mut anew = Step { now: before.now, state, changes: Changes::new() };
        let waited: Vec<_> = self.queue.iter().map(|record| (record.id.clone(), record.lane)).collect();
        for (id, lane) in waited {
            let code = SendError::Cancelled.code();
            let data = json!({ "messageId": id.as_str(), "lane": lane.as_str(), "code": code, "mayHaveArrived": false });
            self.push(&mut anew, EventKind::MessageFailed, data);
        }
        let (from, to) = (before.state.level().number(), anew.state.level().number());
        let data = json!({ "from": from, "to": to, "cause": "another_number" });
        self.push(&mut anew, EventKind::TrustChanged, data);
        anew.changes.push(Change::ForgetNumber(account.clone()));
        anew.changes.put_trust(TrustRecord { account, state: anew.state, text_key });
        for change in anew.changes {
            changes.push(change);
        }
        Ok(true)
    }

    /// Takes over what is stored, after somebody else than this gate wrote it; time is not known until the next login.
    ///
    /// # Errors
    /// [`ManagerStoreError`]: say it again.
    pub async fn reread(&mut self) -> Result<(), ManagerStoreError> {
        (self.is_stale, self.has_time) = (true, false);
        let step = self.begin().await?;
        self.time = TrustClock::new(step.state.last());
        self.commit(step).await
    }

    /// Where the account stands: it sends when it is ready, slowly at first. A login without [`Self::logged_in`] goes by
    /// the wall clock.
    ///
    /// # Errors
    /// [`ManagerStoreError`]; the status is taken note of all the same.
    pub async fn note_status(&mut self, status: AccountStatus) -> Result<(), ManagerStoreError> {
        let was_ready = std::mem::replace(&mut self.status, status) == AccountStatus::Ready;
        if status != AccountStatus::Ready {
            if was_ready {
                let mut step = self.begin().await?;
                step.state.note_connected(step.now);
                self.commit(step).await?;
            }
            return Ok(());
        }
        if !self.has_time {
            self.logged_in(None).await?;
        }
        if !was_ready {
            self.ready_since = self.now();
        }
        let mut step = self.begin().await?;
        step.state.begin_history(step.now, HISTORY_WAIT);
        self.commit(step).await
    }

    /// It may be another day: it is begun, and the account was connected on it if it is ready. What is quiet takes no other
    /// step, and a day that nobody noted is one on which it was not connected.
    ///
    /// # Errors
    /// [`ManagerStoreError`].
    pub async fn note_day(&mut self) -> Result<(), ManagerStoreError> {
        let step = self.begin().await?;
        self.commit(step).await
    }

    /// When [`Self::note_day`] is to be called next: when the next day began, a little later for some accounts, so that
    /// not all of them write at midnight.
    pub(crate) fn next_day(&mut self) -> UnixMillis {
        let now = self.now();
        let next = self.trust.state.next_day(&self.config.zone, now);
        next.after(Duration::from_millis(self.draw() % millis(DAY_SPREAD)))
    }

    /// The past that the phone sends has come, or will not: strangers are strangers from now on.
    ///
    /// # Errors
    /// [`ManagerStoreError`].
    pub async fn history_done(&mut self) -> Result<(), ManagerStoreError> {
        let mut step = self.begin().await?;
        step.state.end_history();
        self.commit(step).await
    }

    /// The number of the account's last event, if some were stored since this was asked last: whoever delivers them is
    /// to be told, and the account's row has this number now.
    pub const fn take_news(&mut self) -> Option<u64> {
        self.news.take()
    }

    /// Whether another owner writes by now: nothing can be done with this gate any more.
    #[must_use]
    pub const fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// How far the account is trusted, and what was used, as others see it.
    pub fn snapshot(&mut self) -> TrustSnapshot {
        let now = self.now();
        self.count_restrictions(now);
        let shown = TrustSnapshot::new(&self.trust.state, &self.config.table, &self.config.zone, now);
        TrustSnapshot { daily_limit: self.capped(shown.daily_limit), ..shown }
    }

    /// The least of a daily limit and what the tenant allows.
    pub(super) fn capped(&self, limit: u32) -> u32 {
        self.config.tenant_cap.map_or(limit, |cap| cap.min(limit))
    }

    pub(super) const fn terms(&self) -> Terms<'_> {
        Terms {
            table: &self.config.table,
            zone: &self.config.zone,
            tenant_cap: self.config.tenant_cap,
            ready_since: self.ready_since,
        }
    }

    /// A step from what is stored, on the day that it is.
    pub(crate) async fn begin(&mut self) -> Result<Step, ManagerStoreError> {
        if self.is_stale {
            if let Some(trust) = self.store.trust(&self.owner.account).await? {
                self.trust = trust;
            }
            self.queue.replace(self.store.sends(&self.owner.account).await?);
            self.is_stale = false;
        }
        let now = self.now();
        let mut changes = Changes::new();
        let GateOwner { account, epoch, .. } = self.owner.clone();
        changes.push(Change::Fence { account, epoch });
        let mut step = Step { now, state: self.trust.state.clone(), changes };
        let moved = if self.has_time { step.state.roll(&self.terms(), now) } else { None };
        if self.status == AccountStatus::Ready {
            step.state.note_connected(now);
        }
        if let Some(Moved { from, to, evidence }) = moved {
            let data = json!({
                "from": from.number(),
                "to": to.number(),
                "cause": "day",
                "evidence": evidence_json(&evidence),
            });
            self.push(&mut step, EventKind::TrustChanged, data);
        }
        Ok(step)
    }

    /// Adds an event of this account.
    pub(crate) fn push(&mut self, step: &mut Step, kind: EventKind, data: Value) {
        let mut id = [0; 16];
        self.random.fill(&mut id);
        step.changes.push_event(NewEvent {
            id: EventId::of(id),
            tenant: self.owner.tenant.clone(),
            account: Some(self.owner.account.clone()),
            kind,
            at: step.now,
            data,
        });
    }

    /// The changes of a step with its limits, for a commit.
    fn put_trust(&self, step: &mut Step) {
        step.changes.put_trust(TrustRecord { state: step.state.clone(), ..self.trust.clone() });
    }

    /// Stores a step, and takes it over.
    pub(crate) async fn commit(&mut self, mut step: Step) -> Result<(), ManagerStoreError> {
        if step.state != self.trust.state {
            self.put_trust(&mut step);
        }
        // The fence alone is no reason to write.
        if step.changes.iter().nth(1).is_none() {
            return Ok(());
        }
        let Step { state, changes, now } = step;
        // Until the store has answered nobody knows which is true.
        self.is_stale = true;
        let events = self.store.commit(changes).await;
        self.is_lost |= matches!(events, Err(ManagerStoreError::FenceLost { .. }));
        let events = events?;
        self.is_stale = false;
        self.news = events.last().map(|event| event.account_seq).or(self.news);
        self.trust.state = state;
        self.count_restrictions(now);
        Ok(())
    }

    /// What is over is not counted any more, whether or not anything happened.
    fn count_restrictions(&mut self, now: UnixMillis) {
        let restrictions = self.trust.state.restrictions(now);
        self.restricted.by(restrictions.iter().map(|restriction| restriction.kind.as_str()));
    }

    /// A number of the gate's own random bytes.
    pub(super) fn draw(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.random.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }

    /// A wait, up to a tenth longer: what waits in many accounts for the same moment does not leave all at once.
    pub(crate) fn spread(&mut self, wait: Duration) -> Duration {
        let most = millis(wait / 10);
        wait + Duration::from_millis(self.draw() % (most + 1))
    }

    /// What was counted for a message, as long as nobody knows what became of it.
    pub(super) fn is_open(reservation: &Reservation) -> bool {
        reservation.state == ReservationState::Reserved
    }
}

pub(super) fn evidence_json(evidence: &Evidence) -> Value {
    json!({
        "ageDays": evidence.age.as_secs() / 86_400,
        "connectedPercent": evidence.connected_percent,
        "answeredPercent": evidence.answered_percent,
        "failedPercent": evidence.failed_percent,
        "restrictedAt": evidence.restricted.map(|at| at.0),
        "idleDays": evidence.idle.as_secs() / 86_400,
    })
}

pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("owner", &self.owner)
            .field("level", &self.trust.state.level())
            .field("status", &self.status)
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}
