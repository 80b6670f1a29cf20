//! Invented values.

use wa_types::{
    Domain, Jid, KeyPair, MessageId, PreKeyId, PrivateKey, PublicKey, RegistrationId, Server, SignalAddress,
    Signature, UnixMillis, UnixSeconds,
};

use crate::records::{
    Account, AddressingMode, AdvSecret, AppStateChange, AppStateEntry, ChatKey, Device, DeviceList,
    Expiration, Group, GroupDescription, GroupFlag, GroupMember, GroupRole, GrowthLock, InboxEntry,
    LidMapping, MemberDetails, MessageKey, MessageSecret, NctSalt, OutboxEntry, OutboxState, PreKeyRecord,
    PrivacyToken, RepairRecord, SealedMessage, SenderKeyName, SignedPreKeyRecord, WhoMay,
};

pub(super) fn key_pair(seed: u8) -> KeyPair {
    KeyPair { private: PrivateKey::new([seed; 32]), public: public_key(seed) }
}

pub(super) const fn public_key(seed: u8) -> PublicKey {
    PublicKey::new([seed ^ 0x5a; 32])
}

/// Every field set.
pub(super) fn account(seed: u8) -> Account {
    let number = u32::from(seed);
    let mut account = Account::new(
        RegistrationId(u32::MAX - number),
        key_pair(seed),
        key_pair(seed ^ 0xff),
        AdvSecret::new([seed; 32]),
        pre_key_id(number + 1),
    );
    account.next_pre_key_id = pre_key_id(813 + number);
    account.server_has_pre_keys = true;
    account.login_counter = 7 + number;
    account.jid = Some(user(number).with_device(12));
    account.lid = Some(lid(number).with_device(12));
    account.push_name = Some(format!("Ana {seed} ☕"));
    account.platform = Some("android".to_owned());
    account.business_name = Some("Ana's".to_owned());
    account.signed_device_identity = Some(vec![seed; 150]);
    account.key_index = Some(number);
    account.lid_migrated = true;
    account.routing_info = Some(vec![0, seed]);
    account.server_certificate = Some(vec![seed; 300]);
    account.logged_out = true;
    account.banned_until = Some(UnixSeconds(1_754_003_600));
    account.keys_checked = Some(UnixSeconds(1_754_003_601));
    account.nct_salt = Some(NctSalt::new(vec![seed; 32]));
    account.history_nonce = Some("nonce".to_owned());
    account
}

/// No field set that need not be.
pub(super) fn bare_account(seed: u8) -> Account {
    Account::new(
        RegistrationId(1),
        key_pair(seed),
        key_pair(seed ^ 0xff),
        AdvSecret::new([0; 32]),
        PreKeyId::FIRST,
    )
}

pub(super) fn user(number: u32) -> Jid {
    Jid::pn(format!("1555000{number:04}"))
}

pub(super) fn lid(number: u32) -> Jid {
    Jid::lid(format!("9876500{number:04}"))
}

pub(super) fn group(number: u32) -> Jid {
    Jid::new(format!("12036300000{number:04}"), Server::Group)
}

pub(super) fn address(number: u32, device: u16) -> SignalAddress {
    SignalAddress::new(user(number).user(), Domain::Pn, device)
}

pub(super) fn pre_key_id(number: u32) -> PreKeyId {
    PreKeyId::new(number).unwrap_or(PreKeyId::MAX)
}

pub(super) fn pre_key(number: u32, uploaded: bool) -> PreKeyRecord {
    PreKeyRecord { id: pre_key_id(number), key_pair: key_pair(number.to_be_bytes()[3]), uploaded }
}

pub(super) fn signed_pre_key(number: u32, seed: u8) -> SignedPreKeyRecord {
    SignedPreKeyRecord {
        id: pre_key_id(number),
        key_pair: key_pair(seed),
        signature: Signature::new([seed; 64]),
        created: UnixSeconds(1_754_500_000 + u64::from(seed)),
    }
}

pub(super) fn sender_key_name(number: u32, device: u16) -> SenderKeyName {
    SenderKeyName { group: group(number), sender: address(number, device) }
}

pub(super) fn device_list(seed: u8) -> DeviceList {
    DeviceList {
        devices: vec![
            Device { id: 0, key_index: None, hosted: false },
            Device { id: u16::MAX, key_index: Some(0), hosted: false },
            Device { id: 99, key_index: Some(u32::MAX), hosted: true },
        ],
        raw_id: Some(u32::from(seed)),
        timestamp: UnixSeconds(1_754_500_000),
        hash: Some("2:A1b2C3d4".to_owned()),
        fetched: UnixMillis(1_754_500_000_123),
    }
}

/// Every field set.
pub(super) fn group_info(number: u32, seed: u8) -> Group {
    let member = |pn, lid, role| GroupMember { role, ..GroupMember::new(pn, lid) };
    let details = MemberDetails {
        label: Some("Goalkeeper".to_owned()),
        labelled: UnixSeconds(1_754_500_001),
        username: Some("rui".to_owned()),
        display_name: Some("+351 ∙∙∙ 03".to_owned()),
    };
    Group {
        subject: format!("Friends {seed} ☕"),
        subject_by: Some(lid(1)),
        subject_at: UnixSeconds(1_754_500_002),
        description: Some(GroupDescription {
            id: format!("{seed:08X}"),
            text: "No\nspoilers".to_owned(),
            by: Some(lid(2)),
            at: UnixSeconds(1_754_500_003),
        }),
        addressing: AddressingMode::Lid,
        members: vec![
            GroupMember {
                joined: UnixSeconds(1_754_500_000),
                ..member(Some(user(1)), Some(lid(1)), GroupRole::SuperAdmin)
            },
            member(None, Some(lid(2)), GroupRole::Admin),
            GroupMember {
                is_unreachable: true,
                details: Some(Box::new(details)),
                ..member(Some(user(3)), None, GroupRole::Member)
            },
        ],
        size: u32::MAX,
        is_announcement: true,
        is_locked: true,
        expiration_s: 604_800,
        expiration_trigger: Some(4),
        adding: Some(WhoMay::Admins),
        link: Some(WhoMay::Members),
        history: Some(WhoMay::Members),
        flags: GroupFlag::ALL.into_iter().collect(),
        growth_lock: Some(GrowthLock { kind: "spam".to_owned(), until: UnixSeconds(1_754_500_004) }),
        appeal: Some("in_review".to_owned()),
        is_community: true,
        parent: Some(group(number + 1)),
        is_default_subgroup: true,
        creator: Some(lid(1)),
        creator_pn: Some(user(1)),
        created: UnixSeconds(1_754_500_000),
        member_version: Some("17".to_owned()),
        fetched: UnixMillis(1_754_500_000_123 + u64::from(seed)),
        jid: group(number),
    }
}

/// No field set that need not be.
pub(super) fn bare_group_info(number: u32) -> Group {
    Group::new(group(number))
}

pub(super) fn lid_mapping(lid_number: u32, pn_number: u32, learned: u64) -> LidMapping {
    LidMapping { lid: lid(lid_number), pn: user(pn_number), learned: UnixMillis(learned) }
}

/// LID `number` leads to the phone number of the same user.
pub(super) fn chat_key(number: u32, seed: u8) -> ChatKey {
    ChatKey {
        address: lid(number),
        key: user(number + u32::from(seed)),
        lid: seed.is_multiple_of(2).then(|| lid(number)),
        expiration: Expiration { seconds: 86_400 * u32::from(seed), since: UnixSeconds(number.into()) },
    }
}

pub(super) fn privacy_token(number: u32, seed: u8) -> PrivacyToken {
    PrivacyToken {
        user: lid(number),
        received: (!seed.is_multiple_of(3)).then(|| (vec![seed; 90], UnixSeconds(1_754_500_000))),
        issued: seed.is_multiple_of(2).then(|| UnixSeconds(1_754_500_000 + u64::from(seed))),
    }
}

pub(super) fn message(number: u32) -> MessageKey {
    MessageKey {
        chat: group(number % 3),
        sender: user(number % 5).with_device(3),
        id: MessageId::new(format!("3EB0{number:016X}")),
    }
}

pub(super) fn repair(number: u32, since: u64) -> RepairRecord {
    let state = format!("asked {number}").into_bytes();
    RepairRecord { message: message(number), since: UnixMillis(since), state }
}

pub(super) fn message_secret(number: u32, seed: u8) -> MessageSecret {
    MessageSecret {
        message: message(number),
        secret: [seed; 32].into(),
        at: UnixMillis(1_754_500_000_000 + u64::from(seed)),
    }
}

/// Waits for the message of the next number.
pub(super) fn sealed(number: u32, received: u64) -> SealedMessage {
    SealedMessage {
        target: message(number + 1).id,
        message: message(number),
        received: UnixMillis(received),
        payload: format!("sealed {number}").into_bytes(),
    }
}

/// Received at `1000 * seq` ms.
pub(super) fn entry(seq: u64, number: u32) -> InboxEntry {
    let received = UnixMillis(seq.saturating_mul(1000));
    InboxEntry { seq, message: message(number), received, payload: format!("message {number}").into_bytes() }
}

/// Every field set. Entries of the same number have the same id and the same key.
pub(super) fn outbox_entry(seq: u64, number: u32, state: OutboxState) -> OutboxEntry {
    OutboxEntry {
        seq,
        chat: group(number % 3),
        id: MessageId::new(format!("3EB0{number:018X}")),
        idempotency_key: Some(format!("order {number} ☕")),
        created: UnixMillis(seq.saturating_mul(1000)),
        deadline: Some(UnixMillis(seq.saturating_mul(1000).saturating_add(60_000))),
        state,
        at: UnixMillis(1_754_500_000_123),
        acked: Some(UnixMillis(1_754_500_000_000)),
        payload: format!("outgoing {number}").into_bytes(),
        delivery: format!("to {number}").into_bytes(),
    }
}

/// An entry in a collection; `number` tells its place, `seed` what it says.
pub(super) fn app_state_entry(collection: &str, number: u32, seed: u8) -> AppStateEntry {
    let mut index_mac = [0xA5; 32];
    index_mac.iter_mut().zip(number.to_be_bytes()).for_each(|(mac, byte)| *mac = byte);
    AppStateEntry {
        collection: collection.to_owned(),
        index_mac,
        value_mac: [seed; 32],
        key_id: vec![0, 0, 0, 0, 0, seed],
        index: app_state_index(number),
        value: format!("says {seed} ☕").into_bytes(),
        version: i32::from(seed) - 3,
    }
}

pub(super) fn app_state_index(number: u32) -> Vec<u8> {
    format!(r#"["pin_v1","1555000{number:04}@s.whatsapp.net"]"#).into_bytes()
}

pub(super) fn app_state_change(seq: u64, number: u32, seed: u8) -> AppStateChange {
    AppStateChange {
        seq,
        collection: "regular_low".to_owned(),
        index: app_state_index(number),
        is_removal: seed.is_multiple_of(2),
        value: format!("will say {seed}").into_bytes(),
        version: i32::from(seed),
    }
}
