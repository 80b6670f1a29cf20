//! Accounts, their devices, and the keys that a device left with the server.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sha1::{Digest, Sha1};
use wa_core::crypto::kdf::sha256;
use wa_types::{Jid, PublicKey, Signature};

use crate::app_state::AppStates;
use crate::dedupe::Recent;
use crate::people::People;
use crate::queue::Queue;
use crate::session::Session;

/// Which device of which account. Copied freely; says nothing about whether the device still exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DeviceKey {
    pub(crate) account: usize,
    pub(crate) number: u16,
}

/// A user: one phone and its companions.
#[derive(Debug)]
pub(crate) struct Account {
    /// The push name; a phone is found again by it.
    pub(crate) name: String,
    pub(crate) pn: Jid,
    pub(crate) lid: Jid,
    pub(crate) devices: BTreeMap<u16, Device>,
    /// Numbers are never given twice, so that a removed device's messages cannot reach its successor.
    pub(crate) next_device: u16,
    pub(crate) key_index_list: Option<KeyIndexList>,
    /// Accounts that exchanged a message with this one; they hear of device changes.
    pub(crate) contacts: BTreeSet<usize>,
    pub(crate) about: Option<(String, u64)>,
    pub(crate) blocked: BTreeSet<Jid>,
    pub(crate) privacy: BTreeMap<String, String>,
    /// Since when nobody of the account is available, unix seconds.
    pub(crate) last_seen: Option<u64>,
    pub(crate) people: People,
    pub(crate) app_states: AppStates,
}

/// The phone's signed list of valid key indexes.
#[derive(Debug, Clone)]
pub(crate) struct KeyIndexList {
    pub(crate) timestamp: u64,
    pub(crate) signed: Vec<u8>,
}

/// One device of an account; 0 is the phone.
#[derive(Debug)]
pub(crate) struct Device {
    pub(crate) noise_key: Option<PublicKey>,
    pub(crate) keys: DeviceKeys,
    pub(crate) key_index: Option<u32>,
    /// The signed device identity without the account's key, as bundles carry it.
    pub(crate) device_identity: Option<Vec<u8>>,
    pub(crate) queue: Queue,
    pub(crate) recent: Recent,
    pub(crate) session: Option<Session>,
    /// Nobody reads what it is sent: nothing is kept.
    pub(crate) is_silent: bool,
}

impl Device {
    pub(crate) fn new(keys: DeviceKeys, queue_limit: usize) -> Self {
        Self {
            noise_key: None,
            keys,
            key_index: None,
            device_identity: None,
            queue: Queue::new(queue_limit),
            recent: Recent::default(),
            session: None,
            is_silent: false,
        }
    }
}

/// What other devices need to write to this one first.
#[derive(Debug, Clone)]
pub(crate) struct DeviceKeys {
    pub(crate) registration: [u8; 4],
    pub(crate) identity: PublicKey,
    pub(crate) signed: SignedPreKey,
    pub(crate) one_time: VecDeque<([u8; 3], PublicKey)>,
    /// Whether the device ever uploaded keys; before that a digest is 404.
    pub(crate) uploaded: bool,
    /// Whether the device was told that its keys run low and did not upload since.
    pub(crate) told_low: bool,
    /// How it introduced itself: an encoded `DeviceProps`.
    pub(crate) props: Vec<u8>,
}

/// A signed pre-key as stanzas carry it.
#[derive(Debug, Clone)]
pub(crate) struct SignedPreKey {
    pub(crate) id: [u8; 3],
    pub(crate) key: PublicKey,
    pub(crate) signature: Signature,
}

impl SignedPreKey {
    /// Whether the identity really signed it.
    pub(crate) fn is_signed_by(&self, identity: &PublicKey) -> bool {
        wa_core::crypto::xeddsa::verify(identity, &[&self.key.serialize()], &self.signature)
    }
}

impl DeviceKeys {
    /// Takes one one-time key away; each is given out once.
    pub(crate) fn take_one_time(&mut self) -> Option<([u8; 3], PublicKey)> {
        self.one_time.pop_front()
    }

    /// Adds uploaded keys; a known id takes the new value.
    pub(crate) fn add_one_time(&mut self, keys: Vec<([u8; 3], PublicKey)>) {
        let new: BTreeSet<[u8; 3]> = keys.iter().map(|(id, _)| *id).collect();
        self.one_time.retain(|(id, _)| !new.contains(id));
        self.one_time.extend(keys);
        while self.one_time.len() > MAX_ONE_TIME {
            self.one_time.pop_front();
        }
        self.uploaded = true;
        self.told_low = false;
    }

    /// The digest over all that is stored. Protocol: prekeys and devices, "Low notification and digest".
    pub(crate) fn digest(&self) -> [u8; 20] {
        let mut hash = Sha1::new();
        hash.update(self.identity.as_bytes());
        hash.update(self.signed.key.as_bytes());
        hash.update(self.signed.signature.as_bytes());
        self.one_time.iter().for_each(|(_, key)| hash.update(key.as_bytes()));
        hash.finalize().into()
    }
}

/// More than any client uploads.
const MAX_ONE_TIME: usize = 10_000;

impl Account {
    /// The user's address in the namespace of `like`: LID for LIDs, else phone number.
    pub(crate) fn jid_like(&self, like: &Jid) -> &Jid {
        if like.is_lid() { &self.lid } else { &self.pn }
    }

    /// The same user's address in the other namespace.
    pub(crate) fn other_jid(&self, like: &Jid) -> &Jid {
        if like.is_lid() { &self.pn } else { &self.lid }
    }

    /// The participant hash over the devices, in the namespace of `like`.
    pub(crate) fn devices_hash(&self, like: &Jid) -> String {
        let user = self.jid_like(like);
        phash(self.devices.keys().map(|number| user.clone().with_device(*number)))
    }
}

/// The participant hash of a set of devices. Protocol: prekeys and devices, "Participant hash".
pub(crate) fn phash(devices: impl IntoIterator<Item = Jid>) -> String {
    use base64::Engine;
    let mut forms: Vec<String> = devices.into_iter().map(|jid| jid.phash_form()).collect();
    forms.sort_unstable();
    let parts: Vec<&[u8]> = forms.iter().map(String::as_bytes).collect();
    let hash = sha256(&parts);
    let (head, _) = hash.split_at(6);
    format!("2:{}", base64::engine::general_purpose::STANDARD.encode(head))
}
