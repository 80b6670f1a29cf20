//! All that a store says about the sample values: to compare two stores, or one at two times.

use super::{Unfit, ok, sample};
use crate::changes::Changes;
use crate::records::{
    Account, AppStateChange, AppStateEntry, ChatKey, DeviceList, Group, InboxEntry, LidMapping,
    MessageSecret, OutboxEntry, OutboxState, PreKeyRecord, PrivacyToken, RepairRecord, SealedMessage,
    SignedPreKeyRecord,
};
use crate::store::Store;
use wa_types::{MessageId, PublicKey, UnixMillis};

/// How many values of each record are looked at.
pub(super) const BREADTH: u32 = 6;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    account: Option<Account>,
    sessions: Vec<Option<Vec<u8>>>,
    identities: Vec<Option<PublicKey>>,
    pre_keys: Vec<Option<PreKeyRecord>>,
    unuploaded: Vec<PreKeyRecord>,
    pre_key_count: usize,
    signed_pre_keys: Vec<Option<SignedPreKeyRecord>>,
    repairs: Vec<RepairRecord>,
    held: Vec<bool>,
    privacy_tokens: Vec<Option<PrivacyToken>>,
    sender_keys: Vec<Option<Vec<u8>>>,
    device_lists: Vec<Option<DeviceList>>,
    groups: Vec<Option<Group>>,
    key_holders: Vec<Option<Vec<u8>>>,
    lids: Vec<Option<LidMapping>>,
    pns: Vec<Option<LidMapping>>,
    chat_keys: Vec<Option<ChatKey>>,
    known_devices: Vec<Vec<u16>>,
    inbox: Vec<InboxEntry>,
    last_inbox_seq: u64,
    seen: Vec<bool>,
    outbox: Vec<Option<OutboxEntry>>,
    outbox_pending: Vec<OutboxEntry>,
    last_outbox_seq: u64,
    message_secrets: Vec<Vec<MessageSecret>>,
    sealed: Vec<SealedMessage>,
    sealed_targets: Vec<MessageId>,
    app_state_collections: Vec<Option<Vec<u8>>>,
    app_state_keys: Vec<(Vec<u8>, Vec<u8>)>,
    app_state: Vec<AppStateEntry>,
    app_state_changes: Vec<AppStateChange>,
}

impl Snapshot {
    pub(super) async fn of(store: &dyn Store) -> Result<Self, Unfit> {
        fn keys<K>(key: impl Fn(u32) -> K) -> Vec<K> {
            (0..BREADTH).map(key).collect()
        }
        let addresses = keys(|number| sample::address(number, 0));
        let pre_key_ids = keys(|number| sample::pre_key_id(number + 1));
        Ok(Self {
            account: ok("account", store.account().await)?,
            sessions: ok("sessions", store.sessions(&addresses).await)?,
            identities: ok("identities", store.identities(&addresses).await)?,
            pre_keys: ok("pre_keys", store.pre_keys(&pre_key_ids).await)?,
            unuploaded: ok("unuploaded_pre_keys", store.unuploaded_pre_keys(usize::MAX).await)?,
            pre_key_count: ok("pre_key_count", store.pre_key_count().await)?,
            signed_pre_keys: ok("signed_pre_keys", store.signed_pre_keys(&pre_key_ids).await)?,
            repairs: ok("repairs", store.repairs(usize::MAX).await)?,
            held: ok("held", store.held(&keys(sample::user)).await)?,
            privacy_tokens: ok("privacy_tokens", store.privacy_tokens(&keys(sample::lid)).await)?,
            sender_keys: ok(
                "sender_keys",
                store.sender_keys(&keys(|number| sample::sender_key_name(number, 0))).await,
            )?,
            device_lists: ok("device_lists", store.device_lists(&keys(sample::user)).await)?,
            groups: ok("groups", store.groups(&keys(sample::group)).await)?,
            key_holders: ok("key_holders", store.key_holders(&keys(sample::group)).await)?,
            lids: ok("lids_of", store.lids_of(&keys(sample::user)).await)?,
            pns: ok("pns_of", store.pns_of(&keys(sample::lid)).await)?,
            chat_keys: ok("chat_keys", store.chat_keys(&keys(sample::lid)).await)?,
            known_devices: ok("known_devices", store.known_devices(&addresses).await)?,
            inbox: ok("inbox", store.inbox(0, usize::MAX).await)?,
            last_inbox_seq: ok("last_inbox_seq", store.last_inbox_seq().await)?,
            seen: ok("seen", store.seen(&keys(sample::message)).await)?,
            outbox: ok("outbox_by_ids", store.outbox_by_ids(&keys(outbox_id)).await)?,
            outbox_pending: ok("outbox_pending", store.outbox_pending(0, usize::MAX).await)?,
            last_outbox_seq: ok("last_outbox_seq", store.last_outbox_seq().await)?,
            message_secrets: ok("message_secrets", store.message_secrets(&keys(message_id)).await)?,
            sealed: ok(
                "sealed_for",
                store.sealed_for(&keys(|number| message_id(number + 1)), usize::MAX).await,
            )?,
            sealed_targets: ok("sealed_targets", store.sealed_targets().await)?,
            app_state_collections: ok(
                "app_state_collections",
                store.app_state_collections(&keys(|number| format!("collection {number}"))).await,
            )?,
            app_state_keys: ok("app_state_keys", store.app_state_keys().await)?,
            app_state: ok("app_state_page", store.app_state_page(b"", None, usize::MAX).await)?,
            app_state_changes: ok("app_state_changes", store.app_state_changes(0, usize::MAX).await)?,
        })
    }
}

/// Writes one value of every record, which depend on `number` (below [`BREADTH`]) and `seed`; pushes `seq`.
pub(super) fn put_one_of_each(changes: &mut Changes, number: u32, seed: u8, seq: u64) {
    let address = || sample::address(number, 0);
    changes
        .put_account(sample::account(seed))
        .put_session(address(), vec![seed; 700])
        .put_identity(address(), sample::public_key(seed))
        .put_pre_key(sample::pre_key(number + 1, seed.is_multiple_of(2)))
        .put_signed_pre_key(sample::signed_pre_key(number + 1, seed))
        .put_repair(sample::repair(number, u64::from(seed)))
        .hold(sample::user(number))
        .put_privacy_token(sample::privacy_token(number, seed))
        .put_sender_key(sample::sender_key_name(number, 0), vec![seed; 400])
        .put_device_list(sample::user(number), sample::device_list(seed))
        .put_group(sample::group_info(number, seed))
        .put_key_holders(sample::group(number), vec![seed; 300])
        .put_lid_mapping(sample::lid_mapping(number, number, u64::from(seed)))
        .put_chat_key(sample::chat_key(number, seed))
        .push_inbox(sample::entry(seq, number))
        .mark_seen(sample::message((number + 1) % BREADTH), UnixMillis(u64::from(seed)))
        .put_outbox(sample::outbox_entry(seq, number, outbox_state(seed)))
        .put_message_secret(sample::message_secret(number, seed))
        .put_sealed(sample::sealed(number, u64::from(seed)))
        .put_app_state_collection(format!("collection {number}"), vec![seed; 200])
        .put_app_state_key(vec![0, 0, 0, 0, 0, seed], vec![seed; 40])
        .put_app_state_entry(sample::app_state_entry("regular_low", number, seed))
        .put_app_state_change(sample::app_state_change(seq, number, seed));
}

/// A state; every rank has its seeds.
pub(super) const fn outbox_state(seed: u8) -> OutboxState {
    match OutboxState::new(seed % 7, 9) {
        Some(state) => state,
        None => OutboxState::Queued,
    }
}

fn message_id(number: u32) -> MessageId {
    sample::message(number).id
}

fn outbox_id(number: u32) -> MessageId {
    sample::outbox_entry(0, number, OutboxState::Queued).id
}
