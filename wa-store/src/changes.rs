//! Everything that one protocol step writes, all or nothing.

use wa_types::{Jid, MessageId, PreKeyId, PublicKey, SignalAddress, UnixMillis};

use crate::records::{
    Account, AppStateChange, AppStateEntry, ChatKey, DeviceList, Group, InboxEntry, LidMapping, MessageKey,
    MessageSecret, OutboxEntry, OutboxState, PreKeyRecord, PrivacyToken, RepairRecord, SealedMessage,
    SenderKeyName, SignedPreKeyRecord,
};

/// What one protocol step writes: made by the step, handed to [`Store::commit`](crate::Store::commit).
///
/// The changes are applied in the order in which they were added; of two that concern the same key the later wins.
///
/// ```
/// use wa_store::Changes;
/// use wa_types::{Domain, SignalAddress};
/// let address = SignalAddress::new("15551234567", Domain::Pn, 3);
/// let mut changes = Changes::new();
/// changes.put_session(address.clone(), b"ratchet".to_vec()).delete_identity(address);
/// assert_eq!(changes.len(), 2);
/// ```
#[must_use = "changes do nothing until they are committed"]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    list: Vec<Change>,
}

impl Changes {
    /// No changes yet.
    pub const fn new() -> Self {
        Self { list: Vec::new() }
    }

    /// Replaces the account's own state.
    pub fn put_account(&mut self, account: Account) -> &mut Self {
        self.push(Change::PutAccount(Box::new(account)))
    }

    /// Writes the session with a device.
    pub fn put_session(&mut self, address: SignalAddress, record: Vec<u8>) -> &mut Self {
        self.push(Change::PutSession { address, record })
    }

    /// Removes the session with a device, if there is one.
    pub fn delete_session(&mut self, address: SignalAddress) -> &mut Self {
        self.push(Change::DeleteSession(address))
    }

    /// Writes a device's identity key.
    pub fn put_identity(&mut self, address: SignalAddress, key: PublicKey) -> &mut Self {
        self.push(Change::PutIdentity { address, key })
    }

    /// Removes a device's identity key, if there is one.
    pub fn delete_identity(&mut self, address: SignalAddress) -> &mut Self {
        self.push(Change::DeleteIdentity(address))
    }

    /// Writes a one-time pre-key; also how one is marked as uploaded.
    pub fn put_pre_key(&mut self, record: PreKeyRecord) -> &mut Self {
        self.push(Change::PutPreKey(record))
    }

    /// Removes a one-time pre-key, if there is one.
    pub fn delete_pre_key(&mut self, id: PreKeyId) -> &mut Self {
        self.push(Change::DeletePreKey(id))
    }

    /// Removes the oldest uploaded one-time pre-keys but this many. `next` is the id of the key that is made next: ids
    /// from there on are from before their wrap, and so the oldest.
    pub fn trim_pre_keys(&mut self, keep: usize, next: PreKeyId) -> &mut Self {
        self.push(Change::TrimPreKeys { keep, next })
    }

    /// Writes a signed pre-key. Which one is current is told by the account.
    pub fn put_signed_pre_key(&mut self, record: SignedPreKeyRecord) -> &mut Self {
        self.push(Change::PutSignedPreKey(Box::new(record)))
    }

    /// Removes a signed pre-key, if there is one.
    pub fn delete_signed_pre_key(&mut self, id: PreKeyId) -> &mut Self {
        self.push(Change::DeleteSignedPreKey(id))
    }

    /// Writes an open repair; replaces that of the same message.
    pub fn put_repair(&mut self, record: RepairRecord) -> &mut Self {
        self.push(Change::PutRepair(record))
    }

    /// Removes the open repair of a message, if there is one.
    pub fn delete_repair(&mut self, message: MessageKey) -> &mut Self {
        self.push(Change::DeleteRepair(message))
    }

    /// Holds a user: without a device number.
    pub fn hold(&mut self, user: Jid) -> &mut Self {
        self.push(Change::Hold(user))
    }

    /// Holds a user no longer, if it was held.
    pub fn release(&mut self, user: Jid) -> &mut Self {
        self.push(Change::Release(user))
    }

    /// Writes a sender's key in a group.
    pub fn put_sender_key(&mut self, name: SenderKeyName, record: Vec<u8>) -> &mut Self {
        self.push(Change::PutSenderKey { name, record })
    }

    /// Removes a sender's key in a group, if there is one.
    pub fn delete_sender_key(&mut self, name: SenderKeyName) -> &mut Self {
        self.push(Change::DeleteSenderKey(name))
    }

    /// Replaces the list of a user's devices. `user` is a user JID, without a device number.
    pub fn put_device_list(&mut self, user: Jid, list: DeviceList) -> &mut Self {
        self.push(Change::PutDeviceList { user, list })
    }

    /// Removes the list of a user's devices, if there is one.
    pub fn delete_device_list(&mut self, user: Jid) -> &mut Self {
        self.push(Change::DeleteDeviceList(user))
    }

    /// Replaces what is known of a group.
    pub fn put_group(&mut self, group: Group) -> &mut Self {
        self.push(Change::PutGroup(Box::new(group)))
    }

    /// Forgets a group, if it is known. The devices that have our key of it stay.
    pub fn delete_group(&mut self, group: Jid) -> &mut Self {
        self.push(Change::DeleteGroup(group))
    }

    /// Replaces which devices have our own key of a group.
    pub fn put_key_holders(&mut self, group: Jid, record: Vec<u8>) -> &mut Self {
        self.push(Change::PutKeyHolders { group, record })
    }

    /// Forgets which devices have our own key of a group.
    pub fn delete_key_holders(&mut self, group: Jid) -> &mut Self {
        self.push(Change::DeleteKeyHolders(group))
    }

    /// Writes which phone number a LID stands for; replaces what was known about that LID.
    pub fn put_lid_mapping(&mut self, mapping: LidMapping) -> &mut Self {
        self.push(Change::PutLidMapping(mapping))
    }

    /// Replaces what is known of the tokens between a user and us.
    pub fn put_privacy_token(&mut self, record: PrivacyToken) -> &mut Self {
        self.push(Change::PutPrivacyToken(record))
    }

    /// Writes to which chat an address leads; replaces what was known about that address.
    pub fn put_chat_key(&mut self, known: ChatKey) -> &mut Self {
        self.push(Change::PutChatKey(known))
    }

    /// Keeps a decrypted message until the application confirms it, and marks it as seen at its `received` time.
    /// Its number must be above every number used before.
    pub fn push_inbox(&mut self, entry: InboxEntry) -> &mut Self {
        self.push(Change::PushInbox(entry))
    }

    /// Removes the inbox entry of exactly this number, if it is still there. Its key stays seen.
    pub fn confirm_inbox(&mut self, seq: u64) -> &mut Self {
        self.push(Change::ConfirmInbox { seq })
    }

    /// Remembers that a message came, so that a second copy is known as one; of two times the later call's stays.
    pub fn mark_seen(&mut self, key: MessageKey, at: UnixMillis) -> &mut Self {
        self.push(Change::MarkSeen { key, at })
    }

    /// Forgets the messages that were seen before this time; inbox entries stay.
    pub fn forget_seen_before(&mut self, time: UnixMillis) -> &mut Self {
        self.push(Change::ForgetSeenBefore(time))
    }

    /// Writes a message that is to be sent. It replaces the entries of the same number, the same id and the same
    /// idempotency key.
    pub fn put_outbox(&mut self, entry: OutboxEntry) -> &mut Self {
        self.push(Change::PutOutbox(Box::new(entry)))
    }

    /// Takes the entry of this number, if it is there, to a state; one that is further stays. With
    /// [`OutboxState::Acked`], `at` is kept as the time of the ack, whatever the state. Of two failures the first stays.
    pub fn set_outbox_state(&mut self, seq: u64, state: OutboxState, at: UnixMillis) -> &mut Self {
        self.push(Change::SetOutboxState { seq, state, at })
    }

    /// The same for the entry of this id, which is how receipts name it; one that is as far stays altogether as it is.
    pub fn set_outbox_state_of(&mut self, id: MessageId, state: OutboxState, at: UnixMillis) -> &mut Self {
        self.push(Change::SetOutboxStateOf { id, state, at })
    }

    /// Removes the entries that are neither queued nor written and were taken before this time; of those left, the
    /// newest stay whose payloads are no more than `keep_bytes` bytes together.
    pub fn trim_outbox(&mut self, before: UnixMillis, keep_bytes: u64) -> &mut Self {
        self.push(Change::TrimOutbox { before, keep_bytes })
    }

    /// Writes the secret of a message; replaces that of the same message.
    pub fn put_message_secret(&mut self, record: MessageSecret) -> &mut Self {
        self.push(Change::PutMessageSecret(Box::new(record)))
    }

    /// Keeps a message that waits for the secret of another one; replaces the entry of the same message.
    pub fn put_sealed(&mut self, record: SealedMessage) -> &mut Self {
        self.push(Change::PutSealed(Box::new(record)))
    }

    /// Removes a message that waits for a secret, if it is there.
    pub fn delete_sealed(&mut self, message: MessageKey) -> &mut Self {
        self.push(Change::DeleteSealed(message))
    }

    /// Removes the secrets and the messages that wait for one from before this time; and of those left, all but the
    /// newest `keep` secrets and the newest `keep_sealed` messages.
    pub fn trim_message_secrets(&mut self, before: UnixMillis, keep: usize, keep_sealed: usize) -> &mut Self {
        self.push(Change::TrimMessageSecrets { before, keep, keep_sealed })
    }

    /// Writes how far a collection of the shared state is; opaque.
    pub fn put_app_state_collection(&mut self, name: impl Into<String>, record: Vec<u8>) -> &mut Self {
        self.push(Change::PutAppStateCollection { name: name.into(), record })
    }

    /// Writes a key of the shared state; opaque and secret.
    pub fn put_app_state_key(&mut self, id: Vec<u8>, record: Vec<u8>) -> &mut Self {
        self.push(Change::PutAppStateKey { id, record })
    }

    /// Writes an entry of the shared state; replaces the one in its place.
    pub fn put_app_state_entry(&mut self, entry: AppStateEntry) -> &mut Self {
        self.push(Change::PutAppStateEntry(Box::new(entry)))
    }

    /// Removes an entry of the shared state, if it is there.
    pub fn delete_app_state_entry(
        &mut self,
        collection: impl Into<String>,
        index_mac: [u8; 32],
    ) -> &mut Self {
        self.push(Change::DeleteAppStateEntry { collection: collection.into(), index_mac })
    }

    /// Removes all entries of a collection of the shared state.
    pub fn clear_app_state(&mut self, collection: impl Into<String>) -> &mut Self {
        self.push(Change::ClearAppState(collection.into()))
    }

    /// Keeps a change of the shared state until it is uploaded. It replaces the one of the same number, and the one of
    /// the same index in the same collection.
    pub fn put_app_state_change(&mut self, change: AppStateChange) -> &mut Self {
        self.push(Change::PutAppStateChange(Box::new(change)))
    }

    /// Forgets the change of exactly this number, if it is still there.
    pub fn delete_app_state_change(&mut self, seq: u64) -> &mut Self {
        self.push(Change::DeleteAppStateChange { seq })
    }

    /// Removes everything: the account, all records, and what is known of used inbox numbers. The changes added
    /// before have no effect then; those added later are applied to the empty store.
    pub fn wipe(&mut self) -> &mut Self {
        self.list.clear();
        self.push(Change::Wipe)
    }

    /// Appends the changes of a later step.
    pub fn merge(&mut self, later: Self) -> &mut Self {
        self.list.extend(later.list);
        self
    }

    /// Whether there is nothing to commit.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many changes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.list.len()
    }

    /// The changes in the order in which a store applies them.
    pub fn iter(&self) -> std::slice::Iter<'_, Change> {
        self.list.iter()
    }

    fn push(&mut self, change: Change) -> &mut Self {
        self.list.push(change);
        self
    }
}

impl IntoIterator for Changes {
    type Item = Change;
    type IntoIter = std::vec::IntoIter<Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl<'a> IntoIterator for &'a Changes {
    type Item = &'a Change;
    type IntoIter = std::slice::Iter<'a, Change>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Extend<Change> for Changes {
    fn extend<T: IntoIterator<Item = Change>>(&mut self, changes: T) {
        self.list.extend(changes);
    }
}

impl FromIterator<Change> for Changes {
    fn from_iter<T: IntoIterator<Item = Change>>(changes: T) -> Self {
        Self { list: changes.into_iter().collect() }
    }
}

/// One change, for those who implement a store. The constructors' docs on [`Changes`] say what each must do.
///
/// Not `#[non_exhaustive]`, on purpose: a store that ignores a change loses data. Match without a wildcard arm, and
/// a new version's new change becomes a compile error instead.
#[derive(Clone, PartialEq, Eq)]
pub enum Change {
    /// [`Changes::put_account`].
    PutAccount(Box<Account>),
    /// [`Changes::put_session`].
    PutSession {
        /// Whose.
        address: SignalAddress,
        /// The session, opaque and secret.
        record: Vec<u8>,
    },
    /// [`Changes::delete_session`].
    DeleteSession(SignalAddress),
    /// [`Changes::put_identity`].
    PutIdentity {
        /// Whose.
        address: SignalAddress,
        /// The identity key.
        key: PublicKey,
    },
    /// [`Changes::delete_identity`].
    DeleteIdentity(SignalAddress),
    /// [`Changes::put_pre_key`].
    PutPreKey(PreKeyRecord),
    /// [`Changes::delete_pre_key`].
    DeletePreKey(PreKeyId),
    /// [`Changes::trim_pre_keys`].
    TrimPreKeys {
        /// How many of the uploaded ones stay.
        keep: usize,
        /// The id that is given out next.
        next: PreKeyId,
    },
    /// [`Changes::put_signed_pre_key`].
    PutSignedPreKey(Box<SignedPreKeyRecord>),
    /// [`Changes::delete_signed_pre_key`].
    DeleteSignedPreKey(PreKeyId),
    /// [`Changes::put_repair`].
    PutRepair(RepairRecord),
    /// [`Changes::delete_repair`].
    DeleteRepair(MessageKey),
    /// [`Changes::hold`].
    Hold(Jid),
    /// [`Changes::release`].
    Release(Jid),
    /// [`Changes::put_sender_key`].
    PutSenderKey {
        /// Whose, and where.
        name: SenderKeyName,
        /// The sender key, opaque and secret.
        record: Vec<u8>,
    },
    /// [`Changes::delete_sender_key`].
    DeleteSenderKey(SenderKeyName),
    /// [`Changes::put_device_list`].
    PutDeviceList {
        /// Whose.
        user: Jid,
        /// The devices.
        list: DeviceList,
    },
    /// [`Changes::delete_device_list`].
    DeleteDeviceList(Jid),
    /// [`Changes::put_group`]: kept under its own address.
    PutGroup(Box<Group>),
    /// [`Changes::delete_group`].
    DeleteGroup(Jid),
    /// [`Changes::put_key_holders`].
    PutKeyHolders {
        /// Of which group.
        group: Jid,
        /// The devices, opaque.
        record: Vec<u8>,
    },
    /// [`Changes::delete_key_holders`].
    DeleteKeyHolders(Jid),
    /// [`Changes::put_lid_mapping`].
    PutLidMapping(LidMapping),
    /// [`Changes::put_privacy_token`].
    PutPrivacyToken(PrivacyToken),
    /// [`Changes::put_chat_key`].
    PutChatKey(ChatKey),
    /// [`Changes::push_inbox`]: adds the entry and marks its key as seen.
    PushInbox(InboxEntry),
    /// [`Changes::confirm_inbox`].
    ConfirmInbox {
        /// The entry's number.
        seq: u64,
    },
    /// [`Changes::mark_seen`].
    MarkSeen {
        /// The message.
        key: MessageKey,
        /// When.
        at: UnixMillis,
    },
    /// [`Changes::forget_seen_before`].
    ForgetSeenBefore(UnixMillis),
    /// [`Changes::put_outbox`].
    PutOutbox(Box<OutboxEntry>),
    /// [`Changes::set_outbox_state`].
    SetOutboxState {
        /// The entry's number.
        seq: u64,
        /// How far it is.
        state: OutboxState,
        /// Since when.
        at: UnixMillis,
    },
    /// [`Changes::set_outbox_state_of`].
    SetOutboxStateOf {
        /// The entry's id.
        id: MessageId,
        /// How far it is.
        state: OutboxState,
        /// Since when.
        at: UnixMillis,
    },
    /// [`Changes::trim_outbox`].
    TrimOutbox {
        /// Older ones go.
        before: UnixMillis,
        /// How much stays.
        keep_bytes: u64,
    },
    /// [`Changes::put_message_secret`].
    PutMessageSecret(Box<MessageSecret>),
    /// [`Changes::put_sealed`].
    PutSealed(Box<SealedMessage>),
    /// [`Changes::delete_sealed`].
    DeleteSealed(MessageKey),
    /// [`Changes::trim_message_secrets`].
    TrimMessageSecrets {
        /// Older ones go.
        before: UnixMillis,
        /// How many secrets stay.
        keep: usize,
        /// How many waiting messages stay.
        keep_sealed: usize,
    },
    /// [`Changes::put_app_state_collection`].
    PutAppStateCollection {
        /// Which.
        name: String,
        /// How far it is, opaque.
        record: Vec<u8>,
    },
    /// [`Changes::put_app_state_key`].
    PutAppStateKey {
        /// Which.
        id: Vec<u8>,
        /// The key, opaque and secret.
        record: Vec<u8>,
    },
    /// [`Changes::put_app_state_entry`].
    PutAppStateEntry(Box<AppStateEntry>),
    /// [`Changes::delete_app_state_entry`].
    DeleteAppStateEntry {
        /// In which collection.
        collection: String,
        /// Which.
        index_mac: [u8; 32],
    },
    /// [`Changes::clear_app_state`].
    ClearAppState(String),
    /// [`Changes::put_app_state_change`].
    PutAppStateChange(Box<AppStateChange>),
    /// [`Changes::delete_app_state_change`].
    DeleteAppStateChange {
        /// Which.
        seq: u64,
    },
    /// [`Changes::wipe`].
    Wipe,
}

impl std::fmt::Debug for Change {
    /// What and whose; opaque records by their length.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PutAccount(_) => f.write_str("PutAccount"),
            Self::PutSession { address, record } => {
                write!(f, "PutSession({address:?}, {} bytes)", record.len())
            }
            Self::DeleteSession(address) => write!(f, "DeleteSession({address:?})"),
            Self::PutIdentity { address, .. } => write!(f, "PutIdentity({address:?})"),
            Self::DeleteIdentity(address) => write!(f, "DeleteIdentity({address:?})"),
            Self::PutPreKey(record) => write!(f, "PutPreKey({}, uploaded: {})", record.id, record.uploaded),
            Self::DeletePreKey(id) => write!(f, "DeletePreKey({id})"),
            Self::TrimPreKeys { keep, next } => write!(f, "TrimPreKeys({keep}, {next})"),
            Self::PutSignedPreKey(record) => write!(f, "PutSignedPreKey({})", record.id),
            Self::DeleteSignedPreKey(id) => write!(f, "DeleteSignedPreKey({id})"),
            Self::PutRepair(record) => write!(f, "PutRepair({:?})", record.message),
            Self::DeleteRepair(message) => write!(f, "DeleteRepair({message:?})"),
            Self::Hold(user) => write!(f, "Hold({user:?})"),
            Self::Release(user) => write!(f, "Release({user:?})"),
            Self::PutSenderKey { name, record } => {
                write!(f, "PutSenderKey({name:?}, {} bytes)", record.len())
            }
            Self::DeleteSenderKey(name) => write!(f, "DeleteSenderKey({name:?})"),
            Self::PutDeviceList { user, list } => {
                write!(f, "PutDeviceList({user:?}, {} devices)", list.devices.len())
            }
            Self::DeleteDeviceList(user) => write!(f, "DeleteDeviceList({user:?})"),
            Self::PutGroup(group) => write!(f, "PutGroup({:?}, {} members)", group.jid, group.members.len()),
            Self::DeleteGroup(group) => write!(f, "DeleteGroup({group:?})"),
            Self::PutKeyHolders { group, record } => {
                write!(f, "PutKeyHolders({group:?}, {} bytes)", record.len())
            }
            Self::DeleteKeyHolders(group) => write!(f, "DeleteKeyHolders({group:?})"),
            Self::PutLidMapping(mapping) => write!(f, "PutLidMapping({:?}, {:?})", mapping.lid, mapping.pn),
            Self::PutPrivacyToken(record) => write!(f, "PutPrivacyToken({record:?})"),
            Self::PutChatKey(known) => write!(f, "PutChatKey({:?}, {:?})", known.address, known.key),
            Self::PushInbox(entry) => write!(f, "PushInbox({}, {:?})", entry.seq, entry.message),
            Self::ConfirmInbox { seq } => write!(f, "ConfirmInbox({seq})"),
            Self::MarkSeen { key, .. } => write!(f, "MarkSeen({key:?})"),
            Self::ForgetSeenBefore(time) => write!(f, "ForgetSeenBefore({})", time.0),
            Self::PutOutbox(entry) => {
                write!(f, "PutOutbox({}, {:?}, {:?})", entry.seq, entry.id, entry.state)
            }
            Self::SetOutboxState { seq, state, .. } => write!(f, "SetOutboxState({seq}, {state:?})"),
            Self::SetOutboxStateOf { id, state, .. } => write!(f, "SetOutboxStateOf({id:?}, {state:?})"),
            Self::TrimOutbox { before, keep_bytes } => {
                write!(f, "TrimOutbox({}, {keep_bytes} bytes)", before.0)
            }
            Self::PutMessageSecret(record) => write!(f, "PutMessageSecret({:?})", record.message),
            Self::PutSealed(record) => write!(f, "PutSealed({:?}, for {:?})", record.message, record.target),
            Self::DeleteSealed(message) => write!(f, "DeleteSealed({message:?})"),
            Self::TrimMessageSecrets { before, keep, keep_sealed } => {
                write!(f, "TrimMessageSecrets({}, {keep}, {keep_sealed})", before.0)
            }
            Self::PutAppStateCollection { name, record } => f
                .debug_struct("PutAppStateCollection")
                .field("name", name)
                .field("record_size", &record.len())
                .finish(),
            Self::PutAppStateKey { id, .. } => {
                f.debug_struct("PutAppStateKey").field("id", id).finish_non_exhaustive()
            }
            Self::PutAppStateEntry(entry) => f.debug_tuple("PutAppStateEntry").field(entry).finish(),
            Self::DeleteAppStateEntry { collection, .. } => {
                f.debug_struct("DeleteAppStateEntry").field("collection", collection).finish_non_exhaustive()
            }
            Self::ClearAppState(collection) => f.debug_tuple("ClearAppState").field(collection).finish(),
            Self::PutAppStateChange(change) => f.debug_tuple("PutAppStateChange").field(change).finish(),
            Self::DeleteAppStateChange { seq } => {
                f.debug_struct("DeleteAppStateChange").field("seq", seq).finish()
            }
            Self::Wipe => f.write_str("Wipe"),
        }
    }
}
