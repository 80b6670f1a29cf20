//! One exchange with the server about some collections: what is sent is made of the store, what comes is checked and
//! turned into changes. It runs beside the account's actor, which commits what came of it; so a large snapshot keeps no
//! message waiting. Protocol: app state, "Sync IQ", "Uploading".

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use wa_store::{AppStateChange, AppStateEntry, Changes, Store, StoreError};

use super::blob::{self, BlobError};
use super::keys::StoredKey;
use super::view::{self, Said};
use crate::app_state::action::{Action, DeviceAction, read_index, time_of};
use crate::app_state::{
    AppStateError, BlobReference, Collection, CollectionState, Draft, Entries, IndexMac, KeyId, KeyRing,
    Operation, Patch, Record, Snapshot, Upload, active_key, read_mutations,
};
use crate::connection::{REQUEST_LIMIT, RequestError};
use crate::crypto::SystemRandom;
use crate::driver::media::Fetcher;
use crate::driver::requester::Requester;
use crate::event::{AppStateEvent, ChangeOrigin, StateChanged};
use crate::stanza::iq::app_state::{CollectionAnswer, CollectionRequest, SyncCollections};

/// How many entries one patch of ours has.
const PATCH: usize = 500;

/// How many records are opened before others get their turn.
const TURN: usize = 128;

/// How many entries are read from the store at once.
const PAGE: usize = 1000;

/// What is to be done about one collection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) collection: Collection,
    /// The whole collection is wanted, whatever is known of it.
    pub(super) whole: bool,
    /// It was fetched on this connection: changes may go out.
    pub(super) may_write: bool,
}

/// What became of one collection.
#[derive(Debug)]
pub(super) enum Outcome {
    /// All that the server has is here; whether changes are still to be written.
    Current { has_changes: bool },
    /// There is more to ask for, or to write.
    More,
    /// Somebody else wrote first; what they wrote is applied.
    Conflict,
    /// Keys are missing.
    Missing(Vec<KeyId>),
    /// What came cannot be applied; worth a fetch of the whole.
    Bad(AppStateError),
    /// The whole of it cannot be read.
    BadSnapshot(AppStateError),
    /// The server refuses for good.
    Refused(u16),
    /// Worth another try later.
    Later,
}

/// What came of an exchange.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) outcomes: Vec<(Collection, Outcome)>,
    pub(super) changes: Changes,
    pub(super) events: Vec<AppStateEvent>,
}

/// What an exchange needs.
pub(super) struct Round {
    pub(super) store: Arc<dyn Store>,
    pub(super) requester: Requester,
    pub(super) fetcher: Fetcher,
}

/// What one collection's part of a request was made of.
struct Prepared {
    plan: Plan,
    state: CollectionState,
    upload: Option<Upload>,
    /// The changes in the upload.
    sent: Vec<AppStateChange>,
    /// Changes wait that are not in the upload.
    has_rest: bool,
}

impl Round {
    /// Asks, checks, and tells what is to be stored.
    pub(super) async fn run(self, plans: Vec<Plan>) -> Result<Answer, StoreError> {
        let keys = load_keys(&*self.store).await?;
        let mut answer = Answer::default();
        let mut prepared = Vec::with_capacity(plans.len());
        for plan in plans {
            prepared.push(self.prepare(plan, &keys, &mut answer).await?);
        }
        let request = SyncCollections { collections: prepared.iter().map(Prepared::request).collect() };
        let mut answered: HashMap<String, CollectionAnswer> =
            match self.requester.ask(request, REQUEST_LIMIT).await {
                Ok(answered) => {
                    let mut by_name = HashMap::new();
                    for one in answered {
                        // The first of a name counts.
                        by_name.entry(one.name.clone()).or_insert(one);
                    }
                    by_name
                }
                Err(error) => {
                    let code = match &error {
                        RequestError::Refused(refusal) => Some(refusal.code),
                        _ => None,
                    };
                    tracing::debug!(%error, "the shared state was not synced");
                    for one in prepared {
                        let outcome = match code.filter(|code| is_final(*code)) {
                            Some(code) => self.refuse(&one, code, &mut answer),
                            None => Outcome::Later,
                        };
                        answer.outcomes.push((one.plan.collection, outcome));
                    }
                    return Ok(answer);
                }
            };
        for one in prepared {
            let outcome = match answered.remove(one.plan.collection.name()) {
                Some(given) => self.take(&one, given, &keys, &mut answer).await?,
                None => Outcome::Later,
            };
            answer.outcomes.push((one.plan.collection, outcome));
        }
        Ok(answer)
    }

    async fn prepare(&self, plan: Plan, keys: &KeyRing, answer: &mut Answer) -> Result<Prepared, StoreError> {
        let name = plan.collection.name().to_owned();
        let record = self.store.app_state_collections(std::slice::from_ref(&name)).await?;
        let record = record.into_iter().next().flatten();
        let state = record.and_then(|record| CollectionState::decode(&record)).unwrap_or_default();
        let mut prepared = Prepared { plan, state, upload: None, sent: Vec::new(), has_rest: false };
        if plan.may_write && !plan.whole {
            self.prepare_upload(&mut prepared, keys, answer).await?;
        } else {
            let waiting = self.store.app_state_changes(0, view::CHANGES).await?;
            prepared.has_rest = waiting.iter().any(|change| change.collection == name);
        }
        Ok(prepared)
    }

    /// Seals the changes that wait, as far as they still change something.
    async fn prepare_upload(
        &self,
        prepared: &mut Prepared,
        keys: &KeyRing,
        answer: &mut Answer,
    ) -> Result<(), StoreError> {
        let collection = prepared.plan.collection;
        let all = self.store.app_state_changes(0, view::CHANGES).await?;
        let mut waiting = all.into_iter().filter(|change| change.collection == collection.name());
        let waiting_now: Vec<AppStateChange> = waiting.by_ref().take(PATCH).collect();
        if waiting_now.is_empty() {
            return Ok(());
        }
        // Without a key to write with they wait until one comes.
        let Some(writer) = active_key(keys.ids(), self.expired_epoch().await?) else { return Ok(()) };
        prepared.has_rest = waiting.next().is_some();
        let indexes: Vec<Vec<u8>> = waiting_now.iter().map(|change| change.index.clone()).collect();
        let stored = self.store.app_state_by_index(&indexes).await?;
        let (mut drafts, mut outdated, mut entries) = (Vec::new(), Vec::new(), Entries::new());
        for (change, stored) in waiting_now.into_iter().zip(stored) {
            let stored: Vec<AppStateEntry> =
                stored.into_iter().filter(|entry| entry.collection == collection.name()).collect();
            if is_superseded(&change, stored.iter()) {
                answer.changes.delete_app_state_change(change.seq);
                continue;
            }
            let draft =
                |operation| Draft::new(operation, change.index.clone(), change.value.clone(), change.version);
            let own_mac = Upload::index_mac(keys, writer, &change.index);
            for entry in &stored {
                entries.insert(entry.index_mac, entry.value_mac);
                let is_replaced = !change.is_removal && Some(entry.index_mac) == own_mac;
                let id = KeyId::from_bytes(&entry.key_id).filter(|id| keys.get(*id).is_some());
                if let Some(id) = id.filter(|_| !is_replaced) {
                    outdated.push((id, draft(Operation::Remove)));
                }
            }
            if !change.is_removal {
                drafts.push(draft(Operation::Set));
            }
            prepared.sent.push(change);
        }
        if prepared.sent.is_empty() {
            return Ok(());
        }
        let local = (&prepared.state, &entries);
        match Upload::seal(collection, local, (keys, writer), drafts, outdated, &mut SystemRandom) {
            Ok(upload) => prepared.upload = Some(upload),
            Err(error) => tracing::error!(%error, "a change of the shared state cannot be sealed"),
        }
        Ok(())
    }

    /// Up to which epoch keys write no more.
    async fn expired_epoch(&self) -> Result<Option<u32>, StoreError> {
        let said = view::read(&*self.store, &[br#"["sentinel"]"#.to_vec()]).await?;
        let action = said.into_iter().next().flatten().map(|said| said.action());
        Ok(match action {
            Some(Action::Device(DeviceAction::KeyExpiration { expired, .. })) => {
                expired.and_then(|epoch| u32::try_from(epoch).ok())
            }
            _ => None,
        })
    }

    async fn take(
        &self,
        prepared: &Prepared,
        given: CollectionAnswer,
        keys: &KeyRing,
        answer: &mut Answer,
    ) -> Result<Outcome, StoreError> {
        match given.error {
            None if prepared.upload.is_some() && given.patches.is_empty() && given.snapshot.is_none() => {
                self.adopt(prepared, answer);
                return Ok(Outcome::Current { has_changes: prepared.has_rest });
            }
            None | Some(409) => {}
            Some(code) if is_final(code) => return Ok(self.refuse(prepared, code, answer)),
            Some(_) => return Ok(Outcome::Later),
        }
        let was_conflict = given.error.is_some();
        let mut has_more = given.has_more;
        let mut work = Work::new(prepared, keys);
        let mut outcome = work.read(self, given).await?;
        // What is known is not taken away before there is as much again.
        while outcome.is_none() && has_more && work.is_replaced && work.is_behind() {
            let version = work.current().version;
            match self.more_of(work.collection, version).await {
                Some(given) => {
                    has_more = given.has_more;
                    outcome = work.read(self, given).await?;
                    has_more &= work.current().version > version;
                }
                None => outcome = Some(Outcome::Later),
            }
        }
        let has_advanced = work.state.is_some();
        if outcome.is_none() || !work.is_replaced || !work.is_behind() {
            work.settle(&*self.store, answer).await?;
        }
        Ok(match outcome {
            Some(outcome) => outcome,
            None if was_conflict => Outcome::Conflict,
            // Who says that there is more and gives nothing has nothing.
            None if has_more && has_advanced => Outcome::More,
            None => Outcome::Current { has_changes: prepared.has_rest },
        })
    }

    /// The patches of one collection after a version; `None` when they are not to be had now.
    async fn more_of(&self, collection: Collection, version: u64) -> Option<CollectionAnswer> {
        let name = collection.name();
        let request = CollectionRequest { name, version: Some(version), wants_snapshot: false, patch: None };
        let answered =
            self.requester.ask(SyncCollections { collections: vec![request] }, REQUEST_LIMIT).await.ok()?;
        answered.into_iter().find(|one| one.name == name).filter(|one| one.error.is_none())
    }

    /// The server took our patch: its state is ours.
    fn adopt(&self, prepared: &Prepared, answer: &mut Answer) {
        let Some(upload) = &prepared.upload else { return };
        let collection = prepared.plan.collection;
        let changes = &mut answer.changes;
        changes.put_app_state_collection(collection.name(), upload.state.encode());
        store_records(collection, &upload.records, changes);
        for change in &prepared.sent {
            changes.delete_app_state_change(change.seq);
        }
    }

    /// The server does not want our changes: they are undone.
    fn refuse(&self, prepared: &Prepared, code: u16, answer: &mut Answer) -> Outcome {
        let collection = prepared.plan.collection;
        tracing::warn!(collection = collection.name(), code, "the server refuses a part of the shared state");
        for change in &prepared.sent {
            answer.changes.delete_app_state_change(change.seq);
            let action = Action::read(collection, &change.index, &change.value, change.version);
            answer.events.push(AppStateEvent::Refused { action: Box::new(action), code });
        }
        Outcome::Refused(code)
    }
}

impl Prepared {
    fn request(&self) -> CollectionRequest {
        let is_whole = self.plan.whole || (self.state.version == 0 && self.upload.is_none());
        CollectionRequest {
            name: self.plan.collection.name(),
            version: (!is_whole).then_some(self.state.version),
            wants_snapshot: is_whole,
            patch: self.upload.as_ref().map(|upload| upload.patch.clone()),
        }
    }
}

/// Refusals that no second try changes.
const fn is_final(code: u16) -> bool {
    matches!(code, 400 | 404 | 405 | 406)
}

/// Whether the state says this already, or something that was said later.
fn is_superseded<'e>(change: &AppStateChange, stored: impl Iterator<Item = &'e AppStateEntry>) -> bool {
    let Some(said) = view::effective(stored) else { return change.is_removal };
    let is_same = !change.is_removal && said.value == change.value && said.version == change.version;
    is_same || said.time() > time_of(&change.value)
}

async fn load_keys(store: &dyn Store) -> Result<KeyRing, StoreError> {
    let stored = store.app_state_keys().await?;
    let keys: Vec<(KeyId, StoredKey)> = stored
        .iter()
        .filter_map(|(id, record)| Some((KeyId::from_bytes(id)?, StoredKey::decode(record)?)))
        .collect();
    Ok(KeyRing::new(keys.iter().map(|(id, key)| (*id, key.data()))))
}

fn entry_of(collection: Collection, record: &Record) -> AppStateEntry {
    AppStateEntry {
        collection: collection.name().to_owned(),
        index_mac: record.index_mac,
        value_mac: record.value_mac,
        key_id: record.key_id.to_bytes().to_vec(),
        index: record.index.clone(),
        value: record.value.clone(),
        version: record.version,
    }
}

fn of(records: &[Record], operation: Operation) -> impl Iterator<Item = &Record> {
    records.iter().filter(move |record| record.operation == operation)
}

/// Removals first: what is written stays.
fn store_records(collection: Collection, records: &[Record], changes: &mut Changes) {
    for record in of(records, Operation::Remove) {
        changes.delete_app_state_entry(collection.name(), record.index_mac);
    }
    for record in of(records, Operation::Set) {
        changes.put_app_state_entry(entry_of(collection, record));
    }
}

/// The state of one collection while an answer is read.
pub(super) struct Work<'r> {
    collection: Collection,
    keys: &'r KeyRing,
    before: CollectionState,
    /// `None` while nothing was applied.
    state: Option<CollectionState>,
    /// What was applied: what is in each place now. Over the store's entries, unless the whole was replaced.
    places: HashMap<IndexMac, Option<AppStateEntry>>,
    is_replaced: bool,
    whole: bool,
    touched: BTreeSet<Vec<u8>>,
}

impl<'r> Work<'r> {
    fn new(prepared: &Prepared, keys: &'r KeyRing) -> Self {
        Self {
            collection: prepared.plan.collection,
            keys,
            before: prepared.state.clone(),
            state: None,
            places: HashMap::new(),
            is_replaced: false,
            whole: prepared.plan.whole,
            touched: BTreeSet::new(),
        }
    }

    /// For a collection that the phone gave.
    pub(super) fn recovered(
        collection: Collection,
        keys: &'r KeyRing,
        before: CollectionState,
        (state, records): (CollectionState, Vec<Record>),
    ) -> Self {
        let mut work = Self {
            collection,
            keys,
            before,
            state: None,
            places: HashMap::new(),
            is_replaced: false,
            whole: true,
            touched: BTreeSet::new(),
        };
        work.replace(state, &records);
        work
    }

    fn current(&self) -> &CollectionState {
        self.state.as_ref().unwrap_or(&self.before)
    }

    /// Whether it is older than what is known.
    fn is_behind(&self) -> bool {
        self.current().version < self.before.version
    }

    /// Applies what came, up to the first part that does not hold; tells what is wrong with that.
    async fn read(&mut self, round: &Round, given: CollectionAnswer) -> Result<Option<Outcome>, StoreError> {
        let has_snapshot = given.snapshot.is_some();
        if let Some(reference) = given.snapshot
            && let Err(outcome) = self.read_snapshot(round, &reference).await
        {
            return Ok(Some(outcome));
        }
        if self.whole && !has_snapshot && !self.is_replaced {
            // From the first patch on.
            self.replace(CollectionState::default(), &[]);
        }
        let mut patches = Vec::with_capacity(given.patches.len());
        for (bytes, place) in given.patches.iter().zip(1..) {
            match Patch::read(bytes) {
                Ok(mut patch) => {
                    patch.set_default_version(given.version.unwrap_or(0) + place);
                    patches.push(patch);
                }
                Err(error) => return Ok(Some(Outcome::Bad(error))),
            }
        }
        patches.sort_by_key(Patch::version);
        for mut patch in patches {
            if patch.version() <= Some(self.current().version) {
                continue;
            }
            if let Some(reference) = patch.external().cloned() {
                let read = match blob::fetch(&round.fetcher, &reference).await {
                    Ok(bytes) => read_mutations(&bytes).and_then(|mutations| patch.attach(mutations)),
                    Err(BlobError::Later) => return Ok(Some(Outcome::Later)),
                    Err(BlobError::Bad(error)) => Err(error),
                };
                if let Err(error) = read {
                    return Ok(Some(Outcome::Bad(error)));
                }
            }
            let entries = self.entries(round, &patch).await?;
            match patch.apply(self.collection, self.current(), &entries, self.keys) {
                Ok(applied) => {
                    if applied.missing_removes > 0 {
                        tracing::debug!(count = applied.missing_removes, "removed what was not there");
                    }
                    self.put(&applied.records);
                    self.state = Some(applied.state);
                }
                Err(AppStateError::MissingKeys(missing)) => return Ok(Some(Outcome::Missing(missing))),
                Err(error) => return Ok(Some(Outcome::Bad(error))),
            }
            tokio::task::yield_now().await;
        }
        Ok(None)
    }

    async fn read_snapshot(&mut self, round: &Round, reference: &[u8]) -> Result<(), Outcome> {
        let of = |error| match error {
            AppStateError::MissingKeys(missing) => Outcome::Missing(missing),
            error => Outcome::BadSnapshot(error),
        };
        let reference = BlobReference::read(reference).map_err(of)?;
        let bytes = match blob::fetch(&round.fetcher, &reference).await {
            Ok(bytes) => bytes,
            Err(BlobError::Later) => return Err(Outcome::Later),
            Err(BlobError::Bad(error)) => return Err(Outcome::BadSnapshot(error)),
        };
        let mut snapshot = Snapshot::read(&bytes).map_err(of)?;
        drop(bytes);
        if !self.whole && snapshot.version() <= self.before.version {
            return Ok(());
        }
        snapshot.check_keys(self.keys).map_err(of)?;
        while snapshot.open_some(self.keys, TURN).map_err(of)? {
            tokio::task::yield_now().await;
        }
        let (state, records) = snapshot.finish(self.collection, self.keys).map_err(of)?;
        self.replace(state, &records);
        Ok(())
    }

    fn replace(&mut self, state: CollectionState, records: &[Record]) {
        self.is_replaced = true;
        self.places.clear();
        self.put(records);
        self.state = Some(state);
    }

    fn put(&mut self, records: &[Record]) {
        self.touched.extend(records.iter().map(|record| record.index.clone()));
        for record in of(records, Operation::Remove) {
            self.places.insert(record.index_mac, None);
        }
        for record in of(records, Operation::Set) {
            self.places.insert(record.index_mac, Some(entry_of(self.collection, record)));
        }
    }

    /// What is in the places that a patch is about.
    async fn entries(&self, round: &Round, patch: &Patch) -> Result<Entries, StoreError> {
        let mut entries = Entries::new();
        let mut unknown = Vec::new();
        for mac in patch.index_macs() {
            match self.places.get(&mac) {
                Some(Some(entry)) => drop(entries.insert(mac, entry.value_mac)),
                Some(None) => {}
                None if self.is_replaced => {}
                None => unknown.push(mac),
            }
        }
        let stored = round.store.app_state_entries(self.collection.name(), &unknown).await?;
        entries.extend(stored.into_iter().flatten().map(|entry| (entry.index_mac, entry.value_mac)));
        Ok(entries)
    }

    /// Tells what is to be stored, and what changed by it.
    pub(super) async fn settle(self, store: &dyn Store, answer: &mut Answer) -> Result<(), StoreError> {
        let Some(state) = &self.state else { return Ok(()) };
        let name = self.collection.name();
        let old = self.load_old(store).await?;
        let mut new: BTreeMap<&[u8], Vec<&AppStateEntry>> = BTreeMap::new();
        for entry in old.values().flatten() {
            if !self.is_replaced && !self.places.contains_key(&entry.index_mac) {
                new.entry(&entry.index).or_default().push(entry);
            }
        }
        for entry in self.places.values().flatten() {
            new.entry(&entry.index).or_default().push(entry);
        }
        let is_full = self.is_replaced || self.before.version == 0;
        let origin = if is_full { ChangeOrigin::FullSync } else { ChangeOrigin::Device };
        let indexes: BTreeSet<&Vec<u8>> = self.touched.iter().chain(old.keys()).collect();
        for (number, index) in indexes.into_iter().enumerate() {
            let before = old.get(index).and_then(|entries| view::effective(entries.iter()));
            let after = new.get(index.as_slice());
            let after = after.and_then(|entries| view::effective(entries.iter().copied()));
            if before != after {
                answer.events.push(changed(index, before, after, origin));
            }
            if number % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
        }
        // What waits to be written and is said already, or was said later elsewhere, waits no longer.
        for change in store.app_state_changes(0, view::CHANGES).await? {
            let said = new.get(change.index.as_slice()).filter(|_| change.collection == name);
            if said.is_some_and(|said| is_superseded(&change, said.iter().copied())) {
                answer.changes.delete_app_state_change(change.seq);
            }
        }
        let changes = &mut answer.changes;
        if self.is_replaced {
            changes.clear_app_state(name);
        }
        for (mac, entry) in &self.places {
            match entry {
                Some(entry) => changes.put_app_state_entry(entry.clone()),
                None => changes.delete_app_state_entry(name, *mac),
            };
        }
        changes.put_app_state_collection(name, state.encode());
        if is_full {
            answer.events.push(AppStateEvent::Synced { collection: self.collection });
        }
        Ok(())
    }

    /// The entries of the indexes that were touched, before they were; all of the collection when it is replaced.
    async fn load_old(&self, store: &dyn Store) -> Result<HashMap<Vec<u8>, Vec<AppStateEntry>>, StoreError> {
        let name = self.collection.name();
        let mut old: HashMap<Vec<u8>, Vec<AppStateEntry>> = HashMap::new();
        if self.is_replaced {
            let mut last = None;
            loop {
                let page = store.app_state_page(b"", last.as_ref(), PAGE).await?;
                let Some(end) = page.last().cloned() else { break };
                last = Some(end);
                for entry in page.into_iter().filter(|entry| entry.collection == name) {
                    old.entry(entry.index.clone()).or_default().push(entry);
                }
            }
            return Ok(old);
        }
        let indexes: Vec<Vec<u8>> = self.touched.iter().cloned().collect();
        for entries in store.app_state_by_index(&indexes).await? {
            for entry in entries.into_iter().filter(|entry| entry.collection == name) {
                old.entry(entry.index.clone()).or_default().push(entry);
            }
        }
        Ok(old)
    }
}

fn changed(index: &[u8], before: Option<Said>, after: Option<Said>, origin: ChangeOrigin) -> AppStateEvent {
    let at = after.as_ref().and_then(Said::time);
    AppStateEvent::Changed(Box::new(StateChanged {
        index: read_index(index),
        action: after.map(|said| said.action()),
        previous: before.map(|said| said.action()),
        at,
        origin,
    }))
}
