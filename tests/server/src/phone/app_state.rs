//! The phone and the shared state: it makes the keys, shares them with its companions, reads and writes collections, and
//! helps a companion that cannot read one. Protocol: app state, "Test-server duties".

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::time::SystemTime;

use prost::Message as _;
use wa_core::app_state::{
    Action, Collection, CollectionState, Draft, Entries, KeyId, KeyRing, Operation, Patch, Record, Upload,
    active_key,
};
use wa_core::crypto::{Random as _, SystemRandom};
use wa_core::media::{MediaKind, MediaMessage as _};
use wa_core::wire::Node;
use wa_proto::e2e::peer_data_operation_request_response_message::PeerDataOperationResult;
use wa_proto::e2e::peer_data_operation_request_response_message::peer_data_operation_result::SyncDSnapshotFatalRecoveryResponse;
use wa_proto::e2e::protocol_message::Type;
use wa_proto::e2e::{
    AppStateSyncKey, AppStateSyncKeyData, AppStateSyncKeyFingerprint, AppStateSyncKeyId,
    AppStateSyncKeyShare, Message, PeerDataOperationRequestMessage, PeerDataOperationRequestResponseMessage,
    PeerDataOperationRequestType, ProtocolMessage,
};
use wa_proto::server_sync::{ExternalBlobReference, SyncdMutations, SyncdPatch};
use wa_proto::sync_action::SyncActionData;
use wa_proto::syncd_snapshot_recovery::{SyncdPlainTextRecord, SyncdSnapshotRecovery, SyncdVersion};
use wa_types::{Jid, UnixMillis};

use super::{Phone, PhoneState};
use crate::account::DeviceKey;
use crate::app_state::AppStateFaults;
use crate::media::sealed;
use crate::stanza::Read;
use crate::state::State;

/// What the phone has of the shared state.
#[derive(Default)]
pub(super) struct PhoneStates {
    keys: Vec<(KeyId, [u8; 32])>,
    collections: BTreeMap<Collection, Held>,
    /// It shares its keys with nobody by itself, and gives no answers.
    is_silent: bool,
    /// It answers requests for keys, and does not share by itself.
    withholds: bool,
    /// How often companions asked for a collection that they cannot read.
    recoveries: u64,
    /// It has no answer when a companion cannot read a collection.
    recovers_nothing: bool,
    /// What it writes is in files.
    writes_files: bool,
}

#[derive(Default)]
struct Held {
    state: CollectionState,
    /// By index MAC.
    records: HashMap<[u8; 32], Record>,
}

impl Held {
    fn entries(&self) -> Entries {
        self.records.iter().map(|(mac, record)| (*mac, record.value_mac)).collect()
    }

    fn put(&mut self, state: CollectionState, records: Vec<Record>) {
        self.state = state;
        let (removed, set): (Vec<Record>, Vec<Record>) =
            records.into_iter().partition(|record| record.operation == Operation::Remove);
        for record in removed {
            self.records.remove(&record.index_mac);
        }
        self.records.extend(set.into_iter().map(|record| (record.index_mac, record)));
    }
}

impl PhoneStates {
    fn ring(&self) -> KeyRing {
        KeyRing::new(self.keys.iter().map(|(id, data)| (*id, data)))
    }
}

impl Phone {
    /// Makes the account's first key of the shared state. From now on the phone shares it with new companions.
    pub fn start_app_state(&self) {
        if self.lock().app_state.keys.is_empty() {
            self.new_app_state_key();
        }
    }

    /// Makes another key, with which it writes from now on. Nobody is told.
    pub fn new_app_state_key(&self) {
        let mut phone = self.lock();
        let first = u32::from(u16::from_be_bytes(SystemRandom.array())).max(1);
        let last = phone.app_state.keys.iter().map(|(id, _)| id.epoch()).max();
        let id = KeyId::new(0, last.map_or(first, |last| last + 1));
        phone.app_state.keys.push((id, SystemRandom.array()));
    }

    /// Whether it neither shares keys by itself nor answers about the shared state.
    pub fn set_app_state_silent(&self, is_silent: bool) {
        self.lock().app_state.is_silent = is_silent;
    }

    /// Whether it gives its keys only to who asks.
    pub fn set_withholds_app_state_keys(&self, withholds: bool) {
        self.lock().app_state.withholds = withholds;
    }

    /// How often companions asked it for a collection that they cannot read.
    #[must_use]
    pub fn app_state_recoveries(&self) -> u64 {
        self.lock().app_state.recoveries
    }

    /// Whether it has nothing to give to a companion that cannot read a collection.
    pub fn set_recovers_nothing(&self, recovers_nothing: bool) {
        self.lock().app_state.recovers_nothing = recovers_nothing;
    }

    /// Whether the mutations of its patches are in files on the media hosts, as those of large ones are.
    pub fn set_app_state_in_files(&self, writes_files: bool) {
        self.lock().app_state.writes_files = writes_files;
    }

    /// What is to go wrong with the account's shared state.
    pub fn set_app_state_faults(&self, faults: AppStateFaults) {
        let mut state = self.hub.state();
        if let Some(account) = state.accounts.get_mut(self.inner.key.account) {
            account.app_states.faults = faults;
        }
    }

    /// From which version on the server gives a collection as a snapshot to who has nothing of it.
    pub fn set_app_state_snapshots(&self, from: Option<u64>) {
        let mut state = self.hub.state();
        if let Some(account) = state.accounts.get_mut(self.inner.key.account) {
            account.app_states.snapshot_from = from;
        }
    }

    /// The version that the server has of a collection.
    #[must_use]
    pub fn app_state_version(&self, collection: Collection) -> u64 {
        let state = self.hub.state();
        state
            .account(self.inner.key.account)
            .map_or(0, |account| account.app_states.version(collection.name()))
    }

    /// How many patches of this collection the server refused because they were not on top of its version.
    #[must_use]
    pub fn app_state_conflicts(&self, collection: Collection) -> u64 {
        let mut state = self.hub.state();
        let account = state.accounts.get_mut(self.inner.key.account);
        account.map_or(0, |account| account.app_states.of(collection.name()).conflicts)
    }

    /// Waits until the server has this version of a collection, or a later one.
    pub async fn wait_app_state(&self, collection: Collection, version: u64) {
        let account = self.inner.key.account;
        self.hub
            .wait(|state| {
                let found = state.account(account)?.app_states.version(collection.name());
                (found >= version).then_some(())
            })
            .await;
    }

    /// Waits until the phone reads this entry.
    pub async fn wait_app_state_action(&self, wanted: &Action) {
        let account = self.inner.key.account;
        loop {
            let versions = |state: &mut State| {
                let states = state.account(account).map(|account| &account.app_states);
                states.map(|states| Collection::ALL.map(|one| states.version(one.name())))
            };
            let seen = self.hub.wait(versions).await;
            if self.app_state().contains(wanted) {
                return;
            }
            self.hub.wait(|state| (versions(state)? != seen).then_some(())).await;
        }
    }

    /// Writes entries, as its user does: each collection's in one patch.
    ///
    /// # Panics
    /// When the server does not take them.
    pub fn set_app_state(&self, actions: &[Action]) {
        self.set_app_state_at(actions, UnixMillis::from_system_time(SystemTime::now()));
    }

    /// [`Self::set_app_state`], by a clock that shows this time.
    ///
    /// # Panics
    /// As that.
    pub fn set_app_state_at(&self, actions: &[Action], at: UnixMillis) {
        self.write_app_state(actions, Operation::Set, at);
    }

    /// Removes entries.
    ///
    /// # Panics
    /// When the server does not take it.
    pub fn remove_app_state(&self, actions: &[Action]) {
        let now = UnixMillis::from_system_time(SystemTime::now());
        self.write_app_state(actions, Operation::Remove, now);
    }

    /// All entries that it knows.
    #[must_use]
    pub fn app_state(&self) -> Vec<Action> {
        self.read_app_state();
        let phone = self.lock();
        let of = |(collection, held): (&Collection, &Held)| {
            held.records.values().map(|record| Action::of(*collection, record)).collect::<Vec<_>>()
        };
        phone.app_state.collections.iter().flat_map(of).collect()
    }

    fn write_app_state(&self, actions: &[Action], operation: Operation, now: UnixMillis) {
        self.start_app_state();
        self.read_app_state();
        let mut by_collection: BTreeMap<Collection, Vec<Draft>> = BTreeMap::new();
        for action in actions {
            let (collection, draft) = match operation {
                Operation::Set => action.to_draft(now),
                Operation::Remove => action.to_removal(now),
            };
            by_collection.entry(collection).or_default().push(draft);
        }
        for (collection, drafts) in by_collection {
            let (version, upload) = {
                let mut phone = self.lock();
                let states = &mut phone.app_state;
                let ring = states.ring();
                let writer = active_key(ring.ids(), None).expect("a key was made above");
                let held = states.collections.entry(collection).or_default();
                let local = (&held.state, &held.entries());
                let upload =
                    Upload::seal(collection, local, (&ring, writer), drafts, Vec::new(), &mut SystemRandom);
                (held.state.version, upload.expect("the phone has its own keys"))
            };
            let patch = if self.lock().app_state.writes_files {
                put_into_file(&mut self.hub.state(), &upload.patch)
            } else {
                upload.patch
            };
            let node = Node::new("collection")
                .attr("name", collection.name())
                .attr("version", version)
                .child(Node::new("patch").bytes(patch));
            let iq = self.new_request("set", "w:sync:app:state").child(Node::new("sync").child(node));
            let answer = self.request(&iq).expect("the server takes a patch of the phone");
            let answered = answer.find("sync").and_then(|sync| sync.find("collection"));
            let is_taken = answered.is_some_and(|collection| collection.attr_text("type").is_none());
            assert!(is_taken, "a patch of the phone is not taken: {}", answer.to_xml());
            let mut phone = self.lock();
            phone.app_state.collections.entry(collection).or_default().put(upload.state, upload.records);
        }
    }

    /// Takes in what its companions wrote.
    fn read_app_state(&self) {
        for collection in Collection::ALL {
            let patches = {
                let phone = self.lock();
                let version =
                    phone.app_state.collections.get(&collection).map_or(0, |held| held.state.version);
                drop(phone);
                let mut state = self.hub.state();
                let Some(account) = state.accounts.get_mut(self.inner.key.account) else { return };
                let stored = account.app_states.of(collection.name());
                stored.patches.iter().skip(usize::try_from(version).unwrap_or(0)).cloned().collect::<Vec<_>>()
            };
            let mut phone = self.lock();
            let ring = phone.app_state.ring();
            let held = phone.app_state.collections.entry(collection).or_default();
            for patch in patches {
                // The phone alone writes into files, and knows what it wrote.
                let read = Patch::read(&patch)
                    .and_then(|patch| patch.apply(collection, &held.state, &held.entries(), &ring));
                match read {
                    Ok(applied) => held.put(applied.state, applied.records),
                    Err(error) => {
                        tracing::warn!(%error, "a companion's patch cannot be read");
                        break;
                    }
                }
            }
        }
    }

    /// Gives its keys to a companion.
    ///
    /// # Panics
    /// When the companion cannot be written to.
    pub fn share_app_state_keys(&self, companion: &Jid) {
        let mut phone = self.lock();
        let device = DeviceKey { account: self.inner.key.account, number: companion.device() };
        let ids: Vec<Vec<u8>> = phone.app_state.keys.iter().map(|(id, _)| id.to_bytes().to_vec()).collect();
        let share = share(&phone, ids);
        self.send_peer(&mut phone, device, share).expect("the companion can be written to");
    }

    /// A companion was linked: it gets the keys once it has some of its own.
    pub(super) fn share_later(&self, companion: &Jid) {
        let is_quiet = {
            let phone = self.lock();
            let states = &phone.app_state;
            states.keys.is_empty() || states.is_silent || states.withholds
        };
        if is_quiet {
            return;
        }
        let (phone, companion) = (self.clone(), companion.clone());
        let device = DeviceKey { account: self.inner.key.account, number: companion.device() };
        tokio::spawn(async move {
            let has_keys = |state: &mut State| {
                state.device(device).is_none_or(|device| device.keys.uploaded).then_some(())
            };
            phone.hub.wait(has_keys).await;
            if phone.hub.state().device(device).is_some() && phone.is_online() {
                phone.share_app_state_keys(&companion);
            }
        });
    }

    /// Answers what a companion asks about the shared state; `false` when it asks something else.
    pub(super) fn answer_app_state(
        &self,
        phone: &mut PhoneState,
        from: DeviceKey,
        id: &str,
        message: &Message,
    ) -> bool {
        let Some(protocol) = message.protocol_message.as_ref() else { return false };
        let answer = if let Some(request) = &protocol.app_state_sync_key_request {
            let ids = request.key_i_ds.iter().filter_map(|id| id.key_id.clone());
            share(phone, ids.collect())
        } else if let Some(request) = protocol.peer_data_operation_request_message.as_deref()
            && request.peer_data_operation_request_type()
                == PeerDataOperationRequestType::CompanionSyncdSnapshotFatalRecovery
        {
            phone.app_state.recoveries += 1;
            recovery(phone, id, request)
        } else {
            return false;
        };
        if phone.app_state.is_silent {
            return true;
        }
        if let Err(error) = self.send_peer(phone, from, answer) {
            tracing::warn!(%error, "companion not answered");
        }
        true
    }
}

/// The same patch, with its mutations in a file on the media hosts.
fn put_into_file(state: &mut State, patch: &[u8]) -> Vec<u8> {
    let mut patch = SyncdPatch::decode(patch).expect("the phone's own patch");
    let mutations = SyncdMutations { mutations: std::mem::take(&mut patch.mutations) };
    let mut reference = ExternalBlobReference::default();
    reference.set_attachment(&sealed::upload(state, MediaKind::AppState, &mutations.encode_to_vec()));
    patch.external_mutations = Some(reference);
    patch.encode_to_vec()
}

/// These keys; without data where the phone does not have one.
fn share(phone: &PhoneState, ids: Vec<Vec<u8>>) -> ProtocolMessage {
    let now = UnixMillis::from_system_time(SystemTime::now()).0;
    let keys = ids.into_iter().map(|id| {
        let found = phone.app_state.keys.iter().find(|(known, _)| known.to_bytes().as_slice() == id);
        let fingerprint =
            AppStateSyncKeyFingerprint { raw_id: Some(7), current_index: Some(0), device_indexes: vec![0] };
        AppStateSyncKey {
            key_id: Some(AppStateSyncKeyId { key_id: Some(id) }),
            key_data: found.map(|(_, data)| AppStateSyncKeyData {
                key_data: Some(data.to_vec()),
                fingerprint: Some(fingerprint),
                timestamp: i64::try_from(now).ok(),
            }),
        }
    });
    ProtocolMessage {
        r#type: Some(Type::AppStateSyncKeyShare.into()),
        app_state_sync_key_share: Some(AppStateSyncKeyShare { keys: keys.collect() }.into()),
        ..ProtocolMessage::default()
    }
}

/// What the phone has of a collection.
fn recovery(phone: &PhoneState, id: &str, request: &PeerDataOperationRequestMessage) -> ProtocolMessage {
    let name = request
        .syncd_collection_fatal_recovery_request
        .as_ref()
        .map(|request| request.collection_name().to_owned())
        .unwrap_or_default();
    let held = Collection::from_name(&name).and_then(|name| phone.app_state.collections.get(&name));
    let given = held.filter(|_| !phone.app_state.recovers_nothing).map(|held| {
        let records = held.records.values().map(|record| SyncdPlainTextRecord {
            value: Some(SyncActionData {
                index: Some(record.index.clone()),
                value: wa_proto::sync_action::SyncActionValue::decode(record.value.as_slice()).ok(),
                padding: Some(Vec::new()),
                version: Some(record.version),
            }),
            key_id: Some(record.key_id.to_bytes().to_vec()),
            mac: Some(record.value_mac.to_vec()),
        });
        SyncdSnapshotRecovery {
            version: Some(SyncdVersion { version: Some(held.state.version) }),
            collection_name: Some(name.clone()),
            mutation_records: records.collect(),
            collection_lthash: Some(held.state.hash.to_bytes().to_vec()),
        }
    });
    let results = given.map(|given| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        let packed = packed.write_all(&given.encode_to_vec()).and_then(|()| packed.finish());
        PeerDataOperationResult {
            syncd_snapshot_fatal_recovery_response: Some(SyncDSnapshotFatalRecoveryResponse {
                collection_snapshot: packed.ok(),
                is_compressed: Some(true),
            }),
            ..PeerDataOperationResult::default()
        }
    });
    ProtocolMessage {
        r#type: Some(Type::PeerDataOperationRequestResponseMessage.into()),
        peer_data_operation_request_response_message: Some(
            PeerDataOperationRequestResponseMessage {
                peer_data_operation_request_type: Some(
                    PeerDataOperationRequestType::CompanionSyncdSnapshotFatalRecovery.into(),
                ),
                stanza_id: Some(id.to_owned()),
                peer_data_operation_result: results.into_iter().collect(),
            }
            .into(),
        ),
        ..ProtocolMessage::default()
    }
}
