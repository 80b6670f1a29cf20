//! A phone's keys and sessions.

use std::collections::HashMap;

use wa_core::crypto::Random as _;
use wa_core::crypto::{SystemRandom, curve25519};
use wa_core::pairing::adv::{AccountSigner, AccountType};
use wa_core::signal::{
    Ciphertext, LocalIdentity, Peer, PreKey, PreKeyBundle, PreKeySignalMessage, PreKeys, SessionRecord,
    SignalError, SignalMessage, SignedPreKey, pad, unpad,
};
use wa_core::wire::Node;
use wa_types::{KeyPair, PreKeyId, PublicKey, RegistrationId, Signature};

use crate::account::{self, DeviceKey, DeviceKeys};
use crate::stanza::Read;

/// All secrets of a phone.
pub(super) struct PhoneKeys {
    pub(super) signer: AccountSigner,
    registration_id: RegistrationId,
    signed: SignedPreKey,
    one_time: HashMap<PreKeyId, PreKey>,
    next_pre_key: PreKeyId,
    sessions: HashMap<DeviceKey, SessionRecord>,
}

impl PhoneKeys {
    pub(super) fn generate(one_time: usize) -> Self {
        let random = &mut SystemRandom;
        let identity = curve25519::generate(random);
        let signed = SignedPreKey::generate(PreKeyId::FIRST, &identity, random);
        let registration_id = RegistrationId(u32::from(u16::from_be_bytes(random.array())) % 16_380 + 1);
        let raw_id = u32::from_be_bytes(random.array());
        let mut keys = Self {
            signer: AccountSigner::new(identity, raw_id, AccountType::Personal),
            registration_id,
            signed,
            one_time: HashMap::new(),
            next_pre_key: PreKeyId::FIRST,
            sessions: HashMap::new(),
        };
        keys.generate_one_time(one_time);
        keys
    }

    pub(super) fn identity(&self) -> &KeyPair {
        &self.signer.key
    }

    /// What the server stores of a new phone.
    pub(super) fn public(&self) -> DeviceKeys {
        DeviceKeys {
            registration: self.registration_id.to_bytes(),
            identity: self.identity().public,
            signed: account::SignedPreKey {
                id: self.signed.id.to_bytes(),
                key: self.signed.key_pair.public,
                signature: self.signed.signature,
            },
            one_time: self.one_time.values().map(|key| (key.id.to_bytes(), key.key_pair.public)).collect(),
            uploaded: true,
            told_low: false,
            props: Vec::new(),
        }
    }

    /// New one-time keys.
    pub(super) fn generate_one_time(&mut self, count: usize) -> Vec<PreKey> {
        let mut made = Vec::with_capacity(count);
        for _ in 0..count {
            let key = PreKey::generate(self.next_pre_key, &mut SystemRandom);
            self.next_pre_key = self.next_pre_key.next();
            self.one_time.insert(key.id, key.clone());
            made.push(key);
        }
        made
    }

    /// The children of an upload with new one-time keys.
    pub(super) fn upload(&mut self) -> Vec<Node> {
        let list = self.generate_one_time(UPLOAD).into_iter().map(|key| key_node(&key)).collect::<Vec<_>>();
        vec![
            Node::new("registration").bytes(self.registration_id.to_bytes()),
            Node::new("type").bytes([KEY_TYPE]),
            Node::new("identity").bytes(*self.identity().public.as_bytes()),
            Node::new("list").children(list),
            self.signed_node(),
        ]
    }

    /// `registration` and, if asked for, `keys` of a retry receipt.
    pub(super) fn retry_parts(&mut self, with_keys: bool) -> Vec<Node> {
        let mut parts = vec![Node::new("registration").bytes(self.registration_id.to_bytes())];
        if with_keys {
            let keys = Node::new("keys")
                .child(Node::new("type").bytes([KEY_TYPE]))
                .child(Node::new("identity").bytes(*self.identity().public.as_bytes()))
                .children(self.generate_one_time(1).iter().map(key_node))
                .child(self.signed_node());
            parts.push(keys);
        }
        parts
    }

    pub(super) fn has_session(&self, device: DeviceKey) -> bool {
        self.sessions.get(&device).is_some_and(SessionRecord::has_current)
    }

    pub(super) fn remote_registration(&self, device: DeviceKey) -> Option<RegistrationId> {
        self.sessions.get(&device).and_then(SessionRecord::remote_registration_id)
    }

    pub(super) fn archive(&mut self, device: DeviceKey) {
        if let Some(session) = self.sessions.get_mut(&device) {
            session.archive_current();
        }
    }

    pub(super) fn initiate(&mut self, device: DeviceKey, bundle: &PreKeyBundle) -> Result<(), SignalError> {
        let ours = LocalIdentity { key_pair: &self.signer.key, registration_id: self.registration_id };
        self.sessions.entry(device).or_default().initiate(ours, bundle, &mut SystemRandom)
    }

    /// Pads and encrypts.
    pub(super) fn encrypt(&mut self, device: DeviceKey, plaintext: &[u8]) -> Result<Ciphertext, SignalError> {
        let mut padded = plaintext.to_vec();
        pad(&mut padded, &mut SystemRandom);
        self.sessions.get_mut(&device).ok_or(SignalError::NoSession)?.encrypt(&padded)
    }

    /// Decrypts and takes the padding off.
    pub(super) fn decrypt(
        &mut self,
        device: DeviceKey,
        peer: Peer,
        kind: &str,
        bytes: &[u8],
    ) -> Result<Vec<u8>, Unreadable> {
        let random = &mut SystemRandom;
        let session = self.sessions.entry(device).or_default();
        let padded = if kind == "pkmsg" {
            let message = PreKeySignalMessage::parse(bytes)?;
            let ours = LocalIdentity { key_pair: &self.signer.key, registration_id: self.registration_id };
            let one_time = message.pre_key_id().and_then(|id| self.one_time.get(&id));
            let keys = PreKeys { signed: Some(&self.signed), one_time };
            let decrypted = session.decrypt_pre_key(ours, &message, keys, peer, random)?;
            if let Some(used) = decrypted.used_pre_key {
                self.one_time.remove(&used);
            }
            decrypted.plaintext
        } else {
            session.decrypt(&SignalMessage::parse(bytes)?, peer, random)?
        };
        unpad(&padded).map(<[u8]>::to_vec).map_err(|_| Unreadable::Padding)
    }

    fn signed_node(&self) -> Node {
        Node::new("skey")
            .child(Node::new("id").bytes(self.signed.id.to_bytes()))
            .child(Node::new("value").bytes(*self.signed.key_pair.public.as_bytes()))
            .child(Node::new("signature").bytes(*self.signed.signature.as_bytes()))
    }
}

/// Why a message is not read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unreadable {
    Signal(SignalError),
    Padding,
    Protobuf,
}

impl From<SignalError> for Unreadable {
    fn from(error: SignalError) -> Self {
        Self::Signal(error)
    }
}

/// Reads a bundle: of an answer's `user`, or of a retry receipt's `keys`.
pub(super) fn bundle_of(node: &Node, registration: Option<[u8; 4]>) -> Option<PreKeyBundle> {
    let signed = node.find("skey")?;
    let registration = registration.or_else(|| node.child_array("registration"))?;
    let one_time = node.find("key").and_then(|key| {
        Some((PreKeyId::from_bytes(key.child_array("id")?)?, PublicKey::new(key.child_array("value")?)))
    });
    Some(PreKeyBundle {
        registration_id: RegistrationId(u32::from_be_bytes(registration)),
        identity: PublicKey::new(node.child_array("identity")?),
        signed_pre_key_id: PreKeyId::from_bytes(signed.child_array("id")?)?,
        signed_pre_key: PublicKey::new(signed.child_array("value")?),
        signature: Signature::new(signed.child_array("signature")?),
        pre_key: one_time,
    })
}

fn key_node(key: &PreKey) -> Node {
    Node::new("key")
        .child(Node::new("id").bytes(key.id.to_bytes()))
        .child(Node::new("value").bytes(*key.key_pair.public.as_bytes()))
}

/// Curve25519.
const KEY_TYPE: u8 = 5;
/// How many one-time keys a phone offers at once.
pub(super) const UPLOAD: usize = 40;
