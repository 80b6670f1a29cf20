//! A conversation over a network that reorders, loses and repeats: what is not lost is read exactly once.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use wa_core::crypto::{Random, curve25519};
use wa_core::signal::*;
use wa_types::{KeyPair, PreKeyId, PublicKey, RegistrationId};

/// Seeded randomness.
pub(super) struct Seeded(ChaCha8Rng);

impl Seeded {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }
}

impl Random for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

/// A device with one other device to talk to.
pub(super) struct Device {
    pub(super) identity: KeyPair,
    pub(super) signed: SignedPreKey,
    pub(super) one_time: Vec<PreKey>,
    pub(super) record: SessionRecord,
    offered: u32,
}

impl Device {
    pub(super) fn new(random: &mut Seeded) -> Self {
        let identity = curve25519::generate(random);
        let signed = SignedPreKey::generate(PreKeyId::new(77).unwrap(), &identity, random);
        Self { identity, signed, one_time: Vec::new(), record: SessionRecord::new(), offered: 0 }
    }

    pub(super) fn ours(identity: &KeyPair) -> LocalIdentity<'_> {
        LocalIdentity { key_pair: identity, registration_id: RegistrationId(7) }
    }

    /// What the server hands out about us; every third bundle has no one-time pre-key left.
    pub(super) fn bundle(&mut self, random: &mut Seeded) -> PreKeyBundle {
        self.offered += 1;
        let pre_key = (!self.offered.is_multiple_of(3)).then(|| {
            let key = PreKey::generate(PreKeyId::new(self.offered).unwrap(), random);
            self.one_time.push(key.clone());
            (key.id, key.key_pair.public)
        });
        PreKeyBundle {
            registration_id: RegistrationId(7),
            identity: self.identity.public,
            signed_pre_key_id: self.signed.id,
            signed_pre_key: self.signed.key_pair.public,
            signature: self.signed.signature,
            pre_key,
        }
    }

    pub(super) fn establish(&mut self, bundle: &PreKeyBundle, random: &mut Seeded) {
        self.record.initiate(Self::ours(&self.identity), bundle, random).unwrap();
    }

    /// Reads a message as an application does: parse, load what it names, decrypt, delete what it used up.
    pub(super) fn receive(
        &mut self,
        kind: CiphertextKind,
        bytes: &[u8],
        random: &mut Seeded,
    ) -> Result<Vec<u8>, SignalError> {
        match kind {
            CiphertextKind::Message => {
                self.record.decrypt(&SignalMessage::parse(bytes)?, Peer::Contact, random)
            }
            CiphertextKind::PreKey => {
                let message = PreKeySignalMessage::parse(bytes)?;
                let mut keys = PreKeys::default();
                if !self.record.knows(&message) {
                    keys.signed =
                        Some(&self.signed).filter(|key| Some(key.id) == message.signed_pre_key_id());
                    keys.one_time = self.one_time.iter().find(|key| Some(key.id) == message.pre_key_id());
                }
                let ours = Self::ours(&self.identity);
                let got = self.record.decrypt_pre_key(ours, &message, keys, Peer::Contact, random)?;
                self.one_time.retain(|key| Some(key.id) != got.used_pre_key);
                Ok(got.plaintext)
            }
        }
    }
}

/// Two devices: [alice, bob].
pub(super) fn devices(random: &mut Seeded) -> [Device; 2] {
    [Device::new(random), Device::new(random)]
}

/// Two devices in a running session that Alice began.
pub(super) fn talking(random: &mut Seeded) -> [Device; 2] {
    let [mut alice, mut bob] = devices(random);
    let bundle = bob.bundle(random);
    alice.establish(&bundle, random);
    let hello = alice.record.encrypt(b"hello").unwrap();
    assert_eq!(bob.receive(hello.kind, &hello.bytes, random).unwrap(), b"hello");
    let answer = bob.record.encrypt(b"answer").unwrap();
    assert_eq!(alice.receive(answer.kind, &answer.bytes, random).unwrap(), b"answer");
    [alice, bob]
}

struct InFlight {
    to: usize,
    message: Ciphertext,
    plaintext: Vec<u8>,
    session: PublicKey,
    ratchet_key: PublicKey,
    read: bool,
}

#[derive(Debug, Clone)]
enum Action {
    Send(usize),
    /// Delivers one of those under way; a pick beyond the youngest few delivers late.
    Deliver(prop::sample::Index),
    Lose(prop::sample::Index),
    Establish(usize),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        8 => (0..2usize).prop_map(Action::Send),
        10 => any::<prop::sample::Index>().prop_map(Action::Deliver),
        1 => any::<prop::sample::Index>().prop_map(Action::Lose),
        1 => (0..2usize).prop_map(Action::Establish),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_message_is_read_exactly_once(
        seed in any::<u64>(),
        both_begin in any::<bool>(),
        actions in prop::collection::vec(action(), 1..120),
    ) {
        let random = &mut Seeded::new(seed);
        let mut devices = devices(random);
        let mut under_way: Vec<InFlight> = Vec::new();
        // Which chains each side has begun to receive on, per session: only the last five can be read.
        let mut chains: HashMap<(usize, PublicKey), Vec<PublicKey>> = HashMap::new();
        let mut established = 0;

        let mut opening = vec![Action::Establish(0)];
        if both_begin {
            opening.extend([Action::Establish(1), Action::Send(0), Action::Send(1)]);
        }
        for action in opening.into_iter().chain(actions) {
            match action {
                Action::Establish(by) => {
                    // The archive holds 40; older sessions are lost, which is not what this law is about.
                    if established < 35 {
                        established += 1;
                        let bundle = devices[1 - by].bundle(random);
                        devices[by].establish(&bundle, random);
                        let session = *devices[by].record.base_key().unwrap();
                        chains.insert((by, session), vec![bundle.signed_pre_key]);
                    }
                }
                Action::Send(by) => {
                    if devices[by].record.has_current() {
                        let plaintext = format!("message {}", under_way.len()).into_bytes();
                        let message = devices[by].record.encrypt(&plaintext).unwrap();
                        let ratchet_key = match message.kind {
                            CiphertextKind::Message => {
                                *SignalMessage::parse(&message.bytes).unwrap().ratchet_key()
                            }
                            CiphertextKind::PreKey => {
                                *PreKeySignalMessage::parse(&message.bytes).unwrap().message().ratchet_key()
                            }
                        };
                        let session = *devices[by].record.base_key().unwrap();
                        let to = 1 - by;
                        under_way.push(InFlight { to, message, plaintext, session, ratchet_key, read: false });
                    }
                }
                Action::Lose(pick) => {
                    if !under_way.is_empty() {
                        under_way.swap_remove(pick.index(under_way.len()));
                    }
                }
                Action::Deliver(pick) => {
                    if under_way.is_empty() {
                        continue;
                    }
                    let pick = pick.index(under_way.len());
                    let sent = &mut under_way[pick];
                    let before = devices[sent.to].record.encode();
                    let result = devices[sent.to].receive(sent.message.kind, &sent.message.bytes, random);
                    let begun = chains.entry((sent.to, sent.session)).or_default();
                    let age = begun.iter().rev().position(|key| *key == sent.ratchet_key);
                    match age {
                        Some(5..) => prop_assert!(result.is_err()),
                        _ if sent.read => {
                            prop_assert!(matches!(result, Err(SignalError::Duplicate { .. })), "{result:?}");
                        }
                        _ => {
                            prop_assert_eq!(result.as_ref(), Ok(&sent.plaintext));
                            sent.read = true;
                            if age.is_none() {
                                begun.push(sent.ratchet_key);
                            }
                            prop_assert_eq!(devices[sent.to].record.base_key(), Some(&sent.session));
                        }
                    }
                    if result.is_err() {
                        prop_assert_eq!(devices[sent.to].record.encode(), before);
                    }
                }
            }
            for device in &mut devices {
                let kept = device.record.encode();
                device.record = SessionRecord::decode(&kept).unwrap();
                prop_assert_eq!(device.record.encode(), kept);
            }
        }
    }

    #[test]
    fn a_group_reads_every_message_once(
        seed in any::<u64>(),
        order in Just((0..60usize).collect::<Vec<_>>()).prop_shuffle(),
        rotations in prop::collection::hash_set(0..60usize, 0..4),
    ) {
        let random = &mut Seeded::new(seed);
        let mut record = SenderKeyRecord::new();
        let mut own = OwnSenderKey::generate(random);
        record.process(&own.distribution()).unwrap();
        let mut sent = Vec::new();
        for index in 0..60 {
            if rotations.contains(&index) {
                own = OwnSenderKey::generate(random);
                record.process(&SenderKeyDistribution::parse(&own.distribution().to_bytes()).unwrap()).unwrap();
            }
            sent.push(own.encrypt(format!("message {index}").as_bytes(), random).unwrap());
            own = OwnSenderKey::decode(&own.encode()).unwrap();
        }
        let mut read = HashSet::new();
        for index in order.iter().chain(&order).copied() {
            let before = record.encode();
            let result = record.decrypt(&SenderKeyMessage::parse(&sent[index]).unwrap());
            if read.insert(index) {
                prop_assert_eq!(result, Ok(format!("message {index}").into_bytes()));
            } else {
                prop_assert!(matches!(result, Err(SignalError::Duplicate { .. })), "{result:?}");
                prop_assert_eq!(record.encode(), before);
            }
            record = SenderKeyRecord::decode(&record.encode()).unwrap();
        }
    }

    #[test]
    fn padding_comes_off_again(message in prop::collection::vec(any::<u8>(), 0..100), seed in any::<u64>()) {
        let mut padded = message.clone();
        pad(&mut padded, &mut Seeded::new(seed));
        prop_assert!((1..=16).contains(&(padded.len() - message.len())));
        prop_assert_eq!(unpad(&padded), Ok(message.as_slice()));
    }
}
