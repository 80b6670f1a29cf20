//! A store in memory: for tests, and for accounts that end with the process.

mod app_state;
mod message_secret;
mod outbox;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use wa_types::{Jid, MessageId, PreKeyId, PublicKey, SignalAddress, UnixMillis};

use crate::changes::{Change, Changes};
use crate::error::StoreError;
use crate::records::{
    Account, AccountReader, ChatKey, ChatKeyReader, DeviceList, DeviceListReader, Group, GroupReader,
    HeldReader, IdentityReader, InboxEntry, InboxReader, LidMapReader, LidMapping, MessageKey, MessageSecret,
    MessageSecretReader, OutboxEntry, OutboxReader, PreKeyReader, PreKeyRecord, PrivacyToken,
    PrivacyTokenReader, RepairReader, RepairRecord, SealedMessage, SenderKeyName, SenderKeyReader,
    SessionReader, SignedPreKeyRecord,
};
use crate::store::{Store, StoreFuture};
use message_secret::MessageSecrets;
use outbox::Outbox;

/// A store that keeps everything in memory and nothing beyond its own life. Every call is ready at once.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `act` on the state at the first poll. No lock is held beyond that.
    fn with<'a, T: 'a>(
        &'a self,
        act: impl FnOnce(&mut State) -> Result<T, StoreError> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        Box::pin(async move { act(&mut self.lock()) })
    }

    /// One answer per key, in the order asked.
    fn each<'a, K: Clone + Send + 'a, T: 'a>(
        &'a self,
        keys: &[K],
        find: impl Fn(&State, &K) -> T + Send + 'a,
    ) -> StoreFuture<'a, Vec<T>> {
        let keys = keys.to_vec();
        self.with(move |state| Ok(keys.iter().map(|key| find(state, key)).collect()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in `State::apply` can panic half way; a poisoned lock guards a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl Store for MemoryStore {
    fn commit(&self, changes: Changes) -> StoreFuture<'_, ()> {
        self.with(move |state| {
            state.check(&changes)?;
            changes.into_iter().for_each(|change| state.apply(change));
            Ok(())
        })
    }
}

impl AccountReader for MemoryStore {
    fn account(&self) -> StoreFuture<'_, Option<Account>> {
        self.with(|state| Ok(state.account.clone()))
    }
}

impl SessionReader for MemoryStore {
    fn sessions(&self, addresses: &[SignalAddress]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>> {
        self.each(addresses, |state, address| state.sessions.get(address).cloned())
    }

    fn known_devices(&self, users: &[SignalAddress]) -> StoreFuture<'_, Vec<Vec<u16>>> {
        self.each(users, |state, user| {
            let device = |number| SignalAddress::new(user.user(), user.domain(), number);
            let range = device(0)..=device(u16::MAX);
            let sessions = state.sessions.range(range.clone()).map(|(address, _)| address.device());
            let identities = state.identities.range(range).map(|(address, _)| address.device());
            sessions.chain(identities).collect::<BTreeSet<u16>>().into_iter().collect()
        })
    }
}

impl IdentityReader for MemoryStore {
    fn identities(&self, addresses: &[SignalAddress]) -> StoreFuture<'_, Vec<Option<PublicKey>>> {
        self.each(addresses, |state, address| state.identities.get(address).copied())
    }
}

impl PreKeyReader for MemoryStore {
    fn pre_keys(&self, ids: &[PreKeyId]) -> StoreFuture<'_, Vec<Option<PreKeyRecord>>> {
        self.each(ids, |state, id| state.pre_keys.get(id).cloned())
    }

    fn unuploaded_pre_keys(&self, limit: usize) -> StoreFuture<'_, Vec<PreKeyRecord>> {
        self.with(move |state| {
            Ok(state.pre_keys.values().filter(|record| !record.uploaded).take(limit).cloned().collect())
        })
    }

    fn pre_key_count(&self) -> StoreFuture<'_, usize> {
        self.with(|state| Ok(state.pre_keys.len()))
    }

    fn signed_pre_keys(&self, ids: &[PreKeyId]) -> StoreFuture<'_, Vec<Option<SignedPreKeyRecord>>> {
        self.each(ids, |state, id| state.signed_pre_keys.get(id).cloned())
    }
}

impl RepairReader for MemoryStore {
    fn repairs(&self, limit: usize) -> StoreFuture<'_, Vec<RepairRecord>> {
        self.with(move |state| {
            let mut open: Vec<&RepairRecord> = state.repairs.values().collect();
            open.sort_unstable_by_key(|record| (record.since, &record.message));
            Ok(open.into_iter().take(limit).cloned().collect())
        })
    }
}

impl HeldReader for MemoryStore {
    fn held(&self, users: &[Jid]) -> StoreFuture<'_, Vec<bool>> {
        self.each(users, |state, user| state.held.contains(user))
    }
}

impl PrivacyTokenReader for MemoryStore {
    fn privacy_tokens(&self, users: &[Jid]) -> StoreFuture<'_, Vec<Option<PrivacyToken>>> {
        self.each(users, |state, user| state.privacy_tokens.get(user).cloned())
    }
}

impl SenderKeyReader for MemoryStore {
    fn sender_keys(&self, names: &[SenderKeyName]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>> {
        self.each(names, |state, name| state.sender_keys.get(name).cloned())
    }
}

impl DeviceListReader for MemoryStore {
    fn device_lists(&self, users: &[Jid]) -> StoreFuture<'_, Vec<Option<DeviceList>>> {
        self.each(users, |state, user| state.device_lists.get(user).cloned())
    }

    fn listed_users(&self) -> StoreFuture<'_, Vec<Jid>> {
        self.with(|state| Ok(state.device_lists.keys().cloned().collect()))
    }
}

impl GroupReader for MemoryStore {
    fn groups(&self, groups: &[Jid]) -> StoreFuture<'_, Vec<Option<Group>>> {
        self.each(groups, |state, group| state.groups.get(group).cloned())
    }

    fn known_groups(&self) -> StoreFuture<'_, Vec<Jid>> {
        self.with(|state| Ok(state.groups.keys().cloned().collect()))
    }

    fn key_holders(&self, groups: &[Jid]) -> StoreFuture<'_, Vec<Option<Vec<u8>>>> {
        self.each(groups, |state, group| state.key_holders.get(group).cloned())
    }

    fn key_holder_groups(&self) -> StoreFuture<'_, Vec<Jid>> {
        self.with(|state| Ok(state.key_holders.keys().cloned().collect()))
    }
}

impl LidMapReader for MemoryStore {
    fn lids_of(&self, pns: &[Jid]) -> StoreFuture<'_, Vec<Option<LidMapping>>> {
        self.each(pns, |state, pn| {
            let lids = state.lids.get(pn)?.iter().filter_map(|lid| state.pns.get(lid));
            lids.max_by_key(|known| (known.mapping.learned, known.written)).map(|known| known.mapping.clone())
        })
    }

    fn pns_of(&self, lids: &[Jid]) -> StoreFuture<'_, Vec<Option<LidMapping>>> {
        self.each(lids, |state, lid| state.pns.get(lid).map(|known| known.mapping.clone()))
    }
}

impl ChatKeyReader for MemoryStore {
    fn chat_keys(&self, addresses: &[Jid]) -> StoreFuture<'_, Vec<Option<ChatKey>>> {
        self.each(addresses, |state, address| state.chat_keys.get(address).cloned())
    }
}

impl InboxReader for MemoryStore {
    fn inbox(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<InboxEntry>> {
        self.with(move |state| {
            let Some(first) = after.checked_add(1) else { return Ok(Vec::new()) };
            Ok(state.inbox.range(first..).map(|(_, entry)| entry.clone()).take(limit).collect())
        })
    }

    fn last_inbox_seq(&self) -> StoreFuture<'_, u64> {
        self.with(|state| Ok(state.last_inbox_seq))
    }

    fn seen(&self, keys: &[MessageKey]) -> StoreFuture<'_, Vec<bool>> {
        self.each(keys, |state, key| state.seen.contains_key(key))
    }
}

impl OutboxReader for MemoryStore {
    fn outbox_pending(&self, after: u64, limit: usize) -> StoreFuture<'_, Vec<OutboxEntry>> {
        self.with(move |state| Ok(state.outbox.pending(after, limit)))
    }

    fn outbox_by_ids(&self, ids: &[MessageId]) -> StoreFuture<'_, Vec<Option<OutboxEntry>>> {
        self.each(ids, |state, id| state.outbox.by_id(id).cloned())
    }

    fn outbox_by_key(&self, key: &str) -> StoreFuture<'_, Option<OutboxEntry>> {
        let key = key.to_owned();
        self.with(move |state| Ok(state.outbox.by_key(&key).cloned()))
    }

    fn last_outbox_seq(&self) -> StoreFuture<'_, u64> {
        self.with(|state| Ok(state.outbox.last_seq()))
    }
}

impl MessageSecretReader for MemoryStore {
    fn message_secrets(&self, ids: &[MessageId]) -> StoreFuture<'_, Vec<Vec<MessageSecret>>> {
        self.each(ids, |state, id| state.message_secrets.of(id))
    }

    fn sealed_for(&self, targets: &[MessageId], limit: usize) -> StoreFuture<'_, Vec<SealedMessage>> {
        let targets = targets.to_vec();
        self.with(move |state| Ok(state.message_secrets.sealed_for(&targets, limit)))
    }

    fn sealed_targets(&self) -> StoreFuture<'_, Vec<MessageId>> {
        self.with(|state| Ok(state.message_secrets.targets()))
    }
}

#[derive(Default)]
struct State {
    account: Option<Account>,
    sessions: BTreeMap<SignalAddress, Vec<u8>>,
    identities: BTreeMap<SignalAddress, PublicKey>,
    pre_keys: BTreeMap<PreKeyId, PreKeyRecord>,
    signed_pre_keys: BTreeMap<PreKeyId, SignedPreKeyRecord>,
    repairs: HashMap<MessageKey, RepairRecord>,
    held: HashSet<Jid>,
    privacy_tokens: HashMap<Jid, PrivacyToken>,
    sender_keys: HashMap<SenderKeyName, Vec<u8>>,
    device_lists: HashMap<Jid, DeviceList>,
    groups: HashMap<Jid, Group>,
    key_holders: HashMap<Jid, Vec<u8>>,
    /// By LID.
    pns: HashMap<Jid, KnownLid>,
    /// The LIDs in `pns` of each phone number.
    lids: HashMap<Jid, Vec<Jid>>,
    /// How many mappings were written.
    lids_written: u64,
    chat_keys: HashMap<Jid, ChatKey>,
    inbox: BTreeMap<u64, InboxEntry>,
    last_inbox_seq: u64,
    seen: HashMap<MessageKey, UnixMillis>,
    outbox: Outbox,
    message_secrets: MessageSecrets,
    app_state: app_state::AppState,
}

struct KnownLid {
    mapping: LidMapping,
    written: u64,
}

impl State {
    /// Finds what would have to be refused, before anything is applied.
    fn check(&self, changes: &Changes) -> Result<(), StoreError> {
        let mut last = self.last_inbox_seq;
        for change in changes {
            match change {
                Change::Wipe => last = 0,
                Change::PushInbox(entry) if entry.seq <= last => {
                    return Err(StoreError::InboxOrder { seq: entry.seq, last });
                }
                Change::PushInbox(entry) => last = entry.seq,
                _ => {}
            }
        }
        Ok(())
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::PutAccount(account) => self.account = Some(*account),
            Change::PutSession { address, record } => drop(self.sessions.insert(address, record)),
            Change::DeleteSession(address) => drop(self.sessions.remove(&address)),
            Change::PutIdentity { address, key } => drop(self.identities.insert(address, key)),
            Change::DeleteIdentity(address) => drop(self.identities.remove(&address)),
            Change::PutPreKey(record) => drop(self.pre_keys.insert(record.id, record)),
            Change::DeletePreKey(id) => drop(self.pre_keys.remove(&id)),
            Change::TrimPreKeys { keep, next } => self.trim_pre_keys(keep, next),
            Change::PutSignedPreKey(record) => drop(self.signed_pre_keys.insert(record.id, *record)),
            Change::DeleteSignedPreKey(id) => drop(self.signed_pre_keys.remove(&id)),
            Change::PutRepair(record) => drop(self.repairs.insert(record.message.clone(), record)),
            Change::DeleteRepair(message) => drop(self.repairs.remove(&message)),
            Change::Hold(user) => drop(self.held.insert(user)),
            Change::Release(user) => drop(self.held.remove(&user)),
            Change::PutPrivacyToken(record) => {
                drop(self.privacy_tokens.insert(record.user.clone(), record));
            }
            Change::PutSenderKey { name, record } => drop(self.sender_keys.insert(name, record)),
            Change::DeleteSenderKey(name) => drop(self.sender_keys.remove(&name)),
            Change::PutDeviceList { user, list } => drop(self.device_lists.insert(user, list)),
            Change::DeleteDeviceList(user) => drop(self.device_lists.remove(&user)),
            Change::PutGroup(group) => drop(self.groups.insert(group.jid.clone(), *group)),
            Change::DeleteGroup(group) => drop(self.groups.remove(&group)),
            Change::PutKeyHolders { group, record } => drop(self.key_holders.insert(group, record)),
            Change::DeleteKeyHolders(group) => drop(self.key_holders.remove(&group)),
            Change::PutLidMapping(mapping) => self.put_lid_mapping(mapping),
            Change::PutChatKey(known) => drop(self.chat_keys.insert(known.address.clone(), known)),
            Change::PushInbox(entry) => {
                self.last_inbox_seq = entry.seq;
                self.seen.insert(entry.message.clone(), entry.received);
                self.inbox.insert(entry.seq, entry);
            }
            Change::ConfirmInbox { seq } => drop(self.inbox.remove(&seq)),
            Change::MarkSeen { key, at } => drop(self.seen.insert(key, at)),
            Change::ForgetSeenBefore(time) => self.seen.retain(|_, at| *at >= time),
            Change::PutOutbox(entry) => self.outbox.put(*entry),
            Change::SetOutboxState { seq, state, at } => self.outbox.set_state(seq, state, at),
            Change::SetOutboxStateOf { id, state, at } => self.outbox.set_state_of(&id, state, at),
            Change::TrimOutbox { before, keep_bytes } => self.outbox.trim(before, keep_bytes),
            Change::PutMessageSecret(record) => self.message_secrets.put(*record),
            Change::PutSealed(record) => self.message_secrets.put_sealed(*record),
            Change::DeleteSealed(message) => self.message_secrets.delete_sealed(&message),
            Change::TrimMessageSecrets { before, keep, keep_sealed } => {
                self.message_secrets.trim(before, keep, keep_sealed);
            }
            Change::PutAppStateCollection { name, record } => self.app_state.put_collection(name, record),
            Change::PutAppStateKey { id, record } => self.app_state.put_key(id, record),
            Change::PutAppStateEntry(entry) => self.app_state.put(*entry),
            Change::DeleteAppStateEntry { collection, index_mac } => {
                self.app_state.delete(&collection, index_mac);
            }
            Change::ClearAppState(collection) => self.app_state.clear(&collection),
            Change::PutAppStateChange(change) => self.app_state.put_change(*change),
            Change::DeleteAppStateChange { seq } => self.app_state.delete_change(seq),
            Change::Wipe => *self = Self::default(),
        }
    }

    fn trim_pre_keys(&mut self, keep: usize, next: PreKeyId) {
        let mut uploaded: Vec<PreKeyId> =
            self.pre_keys.values().filter(|key| key.uploaded).map(|key| key.id).collect();
        // The newest first.
        uploaded.sort_unstable_by_key(|id| (*id >= next, std::cmp::Reverse(*id)));
        for id in uploaded.into_iter().skip(keep) {
            self.pre_keys.remove(&id);
        }
    }

    fn put_lid_mapping(&mut self, mapping: LidMapping) {
        self.lids_written += 1;
        let known = KnownLid { mapping: mapping.clone(), written: self.lids_written };
        if let Some(old) = self.pns.insert(mapping.lid.clone(), known)
            && let Entry::Occupied(mut lids) = self.lids.entry(old.mapping.pn)
        {
            lids.get_mut().retain(|lid| *lid != mapping.lid);
            if lids.get().is_empty() {
                lids.remove();
            }
        }
        self.lids.entry(mapping.pn).or_default().push(mapping.lid);
    }
}
