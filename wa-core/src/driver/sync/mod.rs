//! The state that the devices of an account share, kept the same here as on the server. Protocol: app state.
//!
//! ```text
//! login, news, keys, changes ──> due ──> Round (beside the actor) ──> Answer ──> one commit ──> due, or current
//! ```
//!
//! One exchange is under way at a time, about all collections that are due; so no two are ever about the same one. What
//! cannot be applied climbs the ladder of [`Rung`]; nothing of it touches the link or keeps messages waiting.

mod blob;
mod change;
mod keys;
mod recovery;
mod round;
pub(crate) mod view;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use wa_store::StoreError;
use wa_types::{MessageId, SignalAddress, UnixMillis};

use self::keys::{Asked, Wanted};
use self::round::{Answer, Outcome, Plan, Round};
use super::upkeep::Fetched;
use super::{Actor, Status, Step, clock};
use crate::app_state::action::{Action, ContactAction, SettingAction, write_index};
use crate::app_state::{AppStateError, Collection, KeyId};
use crate::connection::REQUEST_LIMIT;
use crate::driver::directory::Evidence;
use crate::e2e::addressing::{AddressPair, OwnAddress};
use crate::event::{AppStateEvent, Event};
use crate::stanza::iq::md::CleanDirty;

pub(crate) use self::change::ChangeJob;

/// So long the phone's keys are waited for before a device without any looks for what it lacks; and so long for the
/// phone's answer before other devices are asked.
const KEY_WAIT: Duration = Duration::from_secs(10);

/// The same key is asked for again after so long.
const ASK_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// How often the server is asked for more of one collection in a row.
const ROUNDS: u32 = 500;

/// How often a change is put on top of what others wrote in between, in a row.
const CONFLICTS: u32 = 5;

/// How long after a failure it is tried again: doubled each time, up to the longest.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60 * 60);

/// What is tried, one after the other, when a collection cannot be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Rung {
    /// Nothing is wrong.
    #[default]
    Normal,
    /// The same is fetched once more.
    Refetch,
    /// The whole is fetched.
    Snapshot,
    /// The phone is asked for what it has.
    Recovery,
    /// Given up, on this connection.
    Broken,
}

/// A collection that cannot be applied.
#[derive(Debug)]
struct Trouble {
    rung: Rung,
    /// What was wrong last with what the server has.
    error: AppStateError,
    /// The whole is being fetched; the rest of it follows.
    is_under_way: bool,
}

/// How far this device is with one collection, beside what the store knows.
#[derive(Debug, Default)]
struct Care {
    /// It is to be fetched, or written to.
    is_due: bool,
    /// It was fetched on this connection.
    is_fresh: bool,
    trouble: Option<Trouble>,
    /// Keys that it waits for.
    blocked: Vec<KeyId>,
    retry_at: Option<Instant>,
    failures: u32,
    rounds: u32,
    conflicts: u32,
    /// The phone was asked for it, with this message, and may answer until then.
    recovery: Option<(MessageId, Instant)>,
}

impl Care {
    /// What is to be done now, if anything is.
    fn plan(&self, collection: Collection, now: Instant) -> Option<Plan> {
        let is_waiting = self.retry_at.is_some_and(|at| now < at);
        let can = !is_waiting && self.blocked.is_empty() && self.rung() < Rung::Recovery;
        let is_under_way = self.trouble.as_ref().is_some_and(|trouble| trouble.is_under_way);
        (self.is_due && can).then_some(Plan {
            collection,
            whole: self.rung() == Rung::Snapshot && !is_under_way,
            may_write: self.is_fresh && self.rung() == Rung::Normal,
        })
    }

    fn rung(&self) -> Rung {
        self.trouble.as_ref().map_or(Rung::Normal, |trouble| trouble.rung)
    }

    fn climb(&mut self, rung: Rung, error: AppStateError) {
        self.is_due = true;
        self.trouble = Some(Trouble { rung, error, is_under_way: false });
    }

    /// Whether the phone is to be asked for it, and was not yet.
    fn wants_phone(&self) -> bool {
        self.rung() == Rung::Recovery && self.blocked.is_empty() && self.recovery.is_none()
    }

    fn current(&mut self) {
        *self = Self { is_fresh: true, ..Self::default() };
    }

    fn later(&mut self, now: Instant) {
        self.is_due = true;
        let wait = FIRST_RETRY.saturating_mul(1 << self.failures.min(20)).min(LONGEST_RETRY);
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(now + wait);
    }
}

/// Whether a device without any key fetches what it cannot read, to see which keys that needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Look {
    /// Nobody said that there is anything.
    #[default]
    No,
    /// When the phone has not shared its keys until then.
    At(Instant),
    Now,
}

impl Look {
    fn is_over(self, now: Instant) -> bool {
        matches!(self, Self::At(at) if now >= at)
    }
}

/// The shared state, as far as memory knows of it.
#[derive(Debug, Default)]
pub(super) struct Sync {
    cares: HashMap<Collection, Care>,
    is_running: bool,
    /// Whether there is any key, once that was looked up.
    has_keys: Option<bool>,
    look: Look,
    asked: HashMap<KeyId, Asked>,
    /// The server wants to hear when everything was fetched.
    dirty: Option<(String, String)>,
    /// The number of the last change that was stored; `None` before it was looked up.
    last_change: Option<u64>,
}

impl Sync {
    fn care(&mut self, collection: Collection) -> &mut Care {
        self.cares.entry(collection).or_default()
    }

    fn set_due(&mut self, collection: Collection) {
        let care = self.care(collection);
        care.is_due = true;
        // News: what could not be read may be readable now.
        if care.rung() == Rung::Broken {
            care.trouble = None;
        }
    }

    /// Logged in: all that changed meanwhile is fetched.
    pub(super) fn connected(&mut self) {
        for collection in Collection::ALL {
            self.set_due(collection);
        }
    }

    /// There is something in the shared state, or shall be: without any key, it is fetched to see which ones it needs.
    fn want_keys(&mut self) {
        if self.look == Look::No {
            self.look = Look::At(clock::now() + KEY_WAIT);
        }
    }

    /// The connection is gone, and with it what was asked on it.
    pub(super) fn disconnected(&mut self) {
        self.is_running = false;
        self.look = Look::No;
        self.cares.clear();
        self.dirty = None;
    }

    /// Memory may be ahead of the store.
    pub(super) fn forget_all(&mut self) {
        *self = Self::default();
    }

    fn keys_came(&mut self, ids: &[KeyId]) {
        self.has_keys = Some(true);
        for id in ids {
            self.asked.remove(id);
        }
        for care in self.cares.values_mut() {
            care.blocked.retain(|id| !ids.contains(id));
            // A recovery may have waited for them, too.
            care.is_due |= care.blocked.is_empty();
        }
    }

    /// Which keys to ask for.
    fn keys_to_ask(&self, now: Instant, time: UnixMillis) -> Wanted {
        let blocked: HashSet<KeyId> =
            self.cares.values().flat_map(|care| care.blocked.iter().copied()).collect();
        let mut wanted = Wanted::default();
        for id in blocked {
            match self.asked.get(&id) {
                None => wanted.from_phone.push(id),
                Some(asked) if time.since(asked.time) >= ASK_AGAIN => wanted.from_phone.push(id),
                Some(asked) if !asked.all && now >= asked.at + KEY_WAIT => wanted.from_all.push(id),
                Some(_) => {}
            }
        }
        wanted.from_phone.sort_unstable();
        wanted.from_all.sort_unstable();
        wanted
    }

    fn keys_asked(&mut self, ids: &[KeyId], at: Instant, time: UnixMillis) {
        self.asked.extend(ids.iter().map(|id| (*id, Asked { at, time, all: false })));
    }

    fn all_asked(&mut self, ids: &[KeyId]) {
        for id in ids {
            if let Some(asked) = self.asked.get_mut(id) {
                asked.all = true;
            }
        }
    }

    /// When there is something to do that nothing else announces. `line` says when the phone can be written to again;
    /// `None` is at once.
    pub(super) fn next_at(&self, line: Option<Instant>) -> Option<Instant> {
        let waiting = self.cares.values().filter(|care| care.is_due);
        // What is under way comes back by itself.
        let retries = waiting.filter_map(|care| care.retry_at).filter(|_| !self.is_running);
        let asked = self.cares.values().filter(|care| care.rung() == Rung::Recovery);
        let recoveries = asked.filter_map(|care| care.recovery.as_ref().map(|(_, until)| *until));
        let is_unasked = |care: &Care| care.blocked.iter().any(|id| !self.asked.contains_key(id));
        let wants_phone = self.cares.values().any(|care| care.wants_phone() || is_unasked(care));
        let phone = line.filter(|_| wants_phone);
        let asked = self.cares.values().flat_map(|care| &care.blocked).filter_map(|id| self.asked.get(id));
        let all = asked.filter(|asked| !asked.all).map(|asked| asked.at + KEY_WAIT);
        let look = match self.look {
            Look::At(at) if self.has_keys != Some(true) => Some(at),
            _ => None,
        };
        retries.chain(recoveries).chain(phone).chain(all).chain(look).min()
    }
}

impl Actor {
    /// Begins an exchange when something is due; asks for keys, and for what only the phone can give.
    pub(super) async fn sync_if_due(&mut self, step: &mut Step) -> Result<(), StoreError> {
        if *self.status.borrow() != Status::Ready {
            return Ok(());
        }
        let now = clock::now();
        self.mind_recoveries(now, step).await?;
        self.ask_for_keys(step).await?;
        if self.sync.is_running {
            return Ok(());
        }
        if !self.may_fetch(now).await? {
            return Ok(());
        }
        let plan = |collection| self.sync.cares.get(&collection)?.plan(collection, now);
        let mut plans: Vec<Plan> = Collection::ALL.into_iter().filter_map(plan).collect();
        if plans.iter().any(|plan| plan.collection.is_critical()) {
            plans.retain(|plan| plan.collection.is_critical());
        }
        let Some(requester) = self.requester().cloned().filter(|_| !plans.is_empty()) else {
            return Ok(());
        };
        for plan in &plans {
            let care = self.sync.care(plan.collection);
            (care.is_due, care.retry_at) = (false, None);
        }
        self.sync.is_running = true;
        let round = Round { store: Arc::clone(&self.store), requester, fetcher: self.fetcher.clone() };
        let collections = plans.iter().map(|plan| plan.collection).collect();
        // Once what this step says is committed: the round reads the store.
        step.questions.push(Box::pin(async move {
            Fetched::Synced(Box::new(Synced { collections, result: round.run(plans).await }))
        }));
        Ok(())
    }

    /// Nothing can be read without any key, so nothing is fetched; but for learning which keys are needed.
    async fn may_fetch(&mut self, now: Instant) -> Result<bool, StoreError> {
        let has_keys = match self.sync.has_keys {
            Some(has_keys) => has_keys,
            None => !self.store.app_state_keys().await?.is_empty(),
        };
        self.sync.has_keys = Some(has_keys);
        if self.sync.look.is_over(now) {
            self.sync.look = Look::Now;
        }
        Ok(has_keys || self.sync.look == Look::Now)
    }

    /// Takes what came of an exchange; it is committed with this step.
    pub(super) async fn handle_synced(&mut self, synced: Synced, step: &mut Step) -> Result<(), StoreError> {
        self.sync.is_running = false;
        let answer = match synced.result {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "the shared state could not be read from the store");
                let now = clock::now();
                for collection in synced.collections {
                    self.sync.care(collection).later(now);
                }
                return Ok(());
            }
        };
        step.changes.merge(answer.changes);
        let now = clock::now();
        for (collection, outcome) in answer.outcomes {
            self.take_outcome(collection, outcome, now, step);
        }
        self.tell_news(answer.events, step).await?;
        self.clean_dirty();
        Ok(())
    }

    fn take_outcome(&mut self, collection: Collection, outcome: Outcome, now: Instant, step: &mut Step) {
        let name = collection.name();
        let care = self.sync.care(collection);
        let was_due = care.is_due;
        match outcome {
            Outcome::Current { has_changes } => {
                care.current();
                // What waits to be written goes out once the collection is known to be current.
                care.is_due = was_due || has_changes;
            }
            Outcome::More => {
                care.rounds += 1;
                care.is_due = true;
                if let Some(trouble) = &mut care.trouble {
                    trouble.is_under_way = true;
                }
                if care.rounds > ROUNDS {
                    tracing::warn!(name, "the server has ever more of a collection");
                    care.rounds = 0;
                    care.later(now);
                }
            }
            Outcome::Conflict => {
                care.conflicts += 1;
                care.is_due = true;
                care.is_fresh = true;
                if care.conflicts > CONFLICTS {
                    care.conflicts = 0;
                    care.later(now);
                }
            }
            Outcome::Missing(missing) => {
                tracing::info!(name, keys = missing.len(), "a collection waits for keys");
                care.is_due = true;
                care.blocked = missing;
                step.events.push(app_state(AppStateEvent::KeysMissing { collection }));
            }
            Outcome::Bad(error) => {
                tracing::warn!(name, %error, "a patch cannot be applied");
                let rung = match care.rung() {
                    Rung::Normal => Rung::Refetch,
                    Rung::Refetch => Rung::Snapshot,
                    _ => Rung::Recovery,
                };
                care.climb(rung, error);
            }
            Outcome::BadSnapshot(error) => {
                tracing::warn!(name, %error, "a snapshot cannot be read");
                let rung = if care.rung() < Rung::Snapshot { Rung::Snapshot } else { Rung::Recovery };
                care.climb(rung, error);
            }
            Outcome::Refused(code) => {
                tracing::warn!(name, code, "the server refuses a collection");
                care.is_fresh = true;
                care.is_due = was_due;
            }
            Outcome::Later => care.later(now),
        }
    }

    /// Tells the application, and heeds what concerns this device itself.
    async fn tell_news(&mut self, news: Vec<AppStateEvent>, step: &mut Step) -> Result<(), StoreError> {
        let mut pairs = Vec::new();
        for event in &news {
            let changed = match event {
                AppStateEvent::Changed(changed) => changed,
                AppStateEvent::Refused { action, .. }
                    if matches!(**action, Action::Setting(SettingAction::PushName { .. })) =>
                {
                    self.restore_push_name(step).await?;
                    continue;
                }
                _ => continue,
            };
            match &changed.action {
                Some(Action::Setting(SettingAction::PushName { name, .. })) => {
                    self.take_push_name(name, step);
                }
                Some(Action::Setting(SettingAction::TokenSalt { salt: Some(salt) })) => {
                    self.keep_nct_salt(wa_store::NctSalt::new(salt.clone()), step);
                }
                None if matches!(
                    changed.previous,
                    Some(Action::Setting(SettingAction::TokenSalt { .. }))
                ) =>
                {
                    self.account.nct_salt = None;
                    step.changes.put_account(self.account.clone());
                }
                Some(Action::Contact(ContactAction::Contact { pn, lid: Some(lid), .. })) => {
                    pairs.extend(AddressPair::new(pn, lid));
                }
                Some(Action::Contact(ContactAction::PhoneNumber { lid, pn: Some(pn), .. })) => {
                    pairs.extend(AddressPair::new(pn, lid));
                }
                _ => {}
            }
        }
        if !pairs.is_empty() {
            self.learn(pairs, Evidence::Stale, step).await?;
        }
        step.events.extend(news.into_iter().map(app_state));
        Ok(())
    }

    /// The name that others see is another one.
    pub(super) fn take_push_name(&mut self, name: &str, step: &mut Step) {
        if name.is_empty() || self.account.push_name.as_deref() == Some(name) {
            return;
        }
        self.account.push_name = Some(name.to_owned());
        step.changes.put_account(self.account.clone());
        self.send_presence(step);
    }

    /// The server refused another name: the one before is the one that others see.
    async fn restore_push_name(&mut self, step: &mut Step) -> Result<(), StoreError> {
        let index = write_index(&["setting_pushName".to_owned()]);
        let stored = self.store.app_state_by_index(&[index]).await?;
        let said = stored.first().and_then(|entries| view::effective(entries.iter()));
        if let Some(Action::Setting(SettingAction::PushName { name })) = said.map(|said| said.action()) {
            self.take_push_name(&name, step);
        }
        Ok(())
    }

    /// The server has news of collections.
    pub(super) async fn handle_app_state_news(
        &mut self,
        news: Vec<(String, Option<u64>)>,
    ) -> Result<(), StoreError> {
        for (name, version) in news {
            let Some(collection) = Collection::from_name(&name) else { continue };
            if let Some(version) = version
                && self.stored_version(collection).await? >= version
            {
                continue;
            }
            self.sync.set_due(collection);
            self.sync.want_keys();
        }
        Ok(())
    }

    pub(super) async fn stored_version(&self, collection: Collection) -> Result<u64, StoreError> {
        let record = self.store.app_state_collections(&[collection.name().to_owned()]).await?;
        let state = record.into_iter().flatten().next();
        let state = state.and_then(|record| crate::app_state::CollectionState::decode(&record));
        Ok(state.map_or(0, |state| state.version))
    }

    /// All collections changed while we were away; the server hears when they are fetched.
    pub(super) fn handle_dirty_app_state(&mut self, kind: String, timestamp: String) {
        for collection in Collection::ALL {
            self.sync.set_due(collection);
        }
        self.sync.want_keys();
        self.sync.dirty = Some((kind, timestamp));
    }

    fn clean_dirty(&mut self) {
        if self.sync.cares.values().any(|care| care.is_due) {
            return;
        }
        let Some(requester) = self.requester().cloned() else { return };
        let Some((kind, timestamp)) = self.sync.dirty.take() else { return };
        self.fetch(async move {
            if let Err(error) = requester.ask(CleanDirty { kind, timestamp }, REQUEST_LIMIT).await {
                tracing::debug!(%error, "a dirty mark was not cleaned");
            }
            Fetched::Devices { users: Vec::new(), result: Ok(Vec::new()) }
        });
    }

    /// Our other companions with which there is a session.
    async fn own_companions(&self, own: &OwnAddress) -> Result<Vec<u16>, StoreError> {
        let user = own.lid.as_ref().unwrap_or(&own.pn);
        let Some(address) = SignalAddress::from_jid(user) else { return Ok(Vec::new()) };
        let devices = self.store.known_devices(&[address]).await?.into_iter().flatten();
        Ok(devices.filter(|device| *device != 0 && *device != own.pn.device()).collect())
    }
}

/// What came of an exchange.
pub(super) struct Synced {
    /// What it was about.
    collections: Vec<Collection>,
    result: Result<Answer, StoreError>,
}

fn app_state(event: AppStateEvent) -> Event {
    Event::AppState(Box::new(event))
}
