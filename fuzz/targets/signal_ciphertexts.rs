//! What stands in an `enc` node, from a stranger, from a peer whose message changed on its way, and from a group
//! member that signs nonsense: no panic, no record that changed by a failure, no message that changed unnoticed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wa_core::crypto::{Random, curve25519, xeddsa};
use wa_core::signal::{
    LocalIdentity, OwnSenderKey, Peer, PreKey, PreKeyBundle, PreKeySignalMessage, PreKeys,
    SenderKeyDistribution, SenderKeyMessage, SenderKeyRecord, SessionRecord, SignalMessage, SignedPreKey,
    unpad,
};
use wa_types::{KeyPair, PreKeyId, RegistrationId};

fuzz_target!(|input: &[u8]| {
    from_a_stranger(input);
    changed_on_its_way(input);
    signed_by_a_group_member(input);
    stored(input);
    if let Ok(message) = unpad(input) {
        assert!(input.starts_with(message));
    }
});

fn from_a_stranger(input: &[u8]) {
    if let Ok(message) = SignalMessage::parse(input) {
        let mut record = session(&SCENE.running);
        assert!(record.decrypt(&message, Peer::OwnDevice, &mut Numbers(0)).is_err());
        assert_eq!(record.encode(), SCENE.running, "a failure changes nothing");
    }
    if let Ok(message) = PreKeySignalMessage::parse(input) {
        let mut record = session(&SCENE.running);
        let before = record.encode();
        if SCENE.open_first(&mut record, &message).is_err() {
            assert_eq!(record.encode(), before, "a failure changes nothing");
        }
    }
    if let Ok(message) = SenderKeyMessage::parse(input) {
        assert!(group().decrypt(&message).is_err());
    }
    if let Ok(distribution) = SenderKeyDistribution::parse(input) {
        let mut record = group();
        let _ = record.process(&distribution);
        let bytes = record.encode();
        assert_eq!(SenderKeyRecord::decode(&bytes).expect("our own record").encode(), bytes);
    }
}

/// The input says which bytes of genuine messages change, and how.
fn changed_on_its_way(input: &[u8]) {
    let patch = |genuine: &[u8]| {
        let mut bytes = genuine.to_vec();
        for change in input.chunks_exact(2).take(8) {
            let place = usize::from(change[0]) % bytes.len();
            bytes[place] ^= change[1];
        }
        bytes
    };
    let first = patch(&SCENE.first);
    if let Ok(message) = PreKeySignalMessage::parse(&first) {
        let mut record = SessionRecord::new();
        match SCENE.open_first(&mut record, &message) {
            Ok(plaintext) => assert_eq!(plaintext, FIRST),
            Err(_) => assert!(record.is_empty(), "a failure leaves no session"),
        }
    }
    let later = patch(&SCENE.later);
    if let Ok(message) = SignalMessage::parse(&later) {
        let mut record = session(&SCENE.running);
        match record.decrypt(&message, Peer::Contact, &mut Numbers(0)) {
            Ok(plaintext) => assert_eq!((plaintext.as_slice(), &later), (LATER, &SCENE.later)),
            Err(_) => assert_eq!(record.encode(), SCENE.running, "a failure changes nothing"),
        }
    }
}

/// The input is what a member of the group signed.
fn signed_by_a_group_member(input: &[u8]) {
    let mut message = vec![0x33];
    message.extend_from_slice(input);
    let signature = xeddsa::sign(&SCENE.member.private, &[&message], &mut Numbers(0));
    message.extend_from_slice(signature.as_bytes());
    let Ok(message) = SenderKeyMessage::parse(&message) else { return };
    let mut record = group();
    let before = record.encode();
    if record.decrypt(&message).is_err() {
        assert_eq!(record.encode(), before, "a failure changes nothing");
    }
}

/// A record from a damaged store.
fn stored(input: &[u8]) {
    if let Ok(mut record) = SessionRecord::decode(input) {
        let _ = record.encrypt(b"text");
        let message = SignalMessage::parse(&SCENE.later).expect("our own message");
        let _ = record.decrypt(&message, Peer::Contact, &mut Numbers(0));
    }
    if let Ok(record) = SenderKeyRecord::decode(input) {
        assert_eq!(record.encode(), input);
    }
    if let Ok(mut key) = OwnSenderKey::decode(input) {
        let _ = key.encrypt(b"text", &mut Numbers(0));
    }
}

const FIRST: &[u8] = b"the first message";
const LATER: &[u8] = b"a later message";
const KEY_ID: u8 = 5;

/// Alice writes to Bob; all that arrives here, arrives at Bob.
struct Scene {
    bob: KeyPair,
    signed_pre_key: SignedPreKey,
    pre_key: PreKey,
    /// Alice's first message, which begins the session.
    first: Vec<u8>,
    /// Bob's record after that message and his answer.
    running: Vec<u8>,
    /// Alice's next message.
    later: Vec<u8>,
    /// Who signs as a member of the group.
    member: KeyPair,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let random = &mut Numbers(1);
    let id = |number| PreKeyId::new(number).expect("a pre-key id");
    let (alice, bob) = (curve25519::generate(random), curve25519::generate(random));
    let mut scene = Scene {
        signed_pre_key: SignedPreKey::generate(id(1), &bob, random),
        pre_key: PreKey::generate(id(2), random),
        bob,
        first: Vec::new(),
        running: Vec::new(),
        later: Vec::new(),
        member: curve25519::generate(random),
    };
    let bundle = PreKeyBundle {
        registration_id: RegistrationId(2),
        identity: scene.bob.public,
        signed_pre_key_id: id(1),
        signed_pre_key: scene.signed_pre_key.key_pair.public,
        signature: scene.signed_pre_key.signature,
        pre_key: Some((id(2), scene.pre_key.key_pair.public)),
    };
    let alice_id = LocalIdentity { key_pair: &alice, registration_id: RegistrationId(1) };
    let (mut of_alice, mut of_bob) = (SessionRecord::new(), SessionRecord::new());
    of_alice.initiate(alice_id, &bundle, random).expect("a good bundle");
    scene.first = of_alice.encrypt(FIRST).expect("a session").bytes;
    let message = PreKeySignalMessage::parse(&scene.first).expect("a first message");
    scene.open_first(&mut of_bob, &message).expect("the first message is genuine");
    let answer = of_bob.encrypt(b"an answer").expect("a session").bytes;
    let answer = SignalMessage::parse(&answer).expect("an answer");
    of_alice.decrypt(&answer, Peer::Contact, random).expect("the answer is genuine");
    scene.running = of_bob.encode();
    scene.later = of_alice.encrypt(LATER).expect("a session").bytes;
    scene
});

impl Scene {
    fn open_first(
        &self,
        record: &mut SessionRecord,
        message: &PreKeySignalMessage<'_>,
    ) -> Result<Vec<u8>, wa_core::signal::SignalError> {
        let bob = LocalIdentity { key_pair: &self.bob, registration_id: RegistrationId(2) };
        let keys = PreKeys { signed: Some(&self.signed_pre_key), one_time: Some(&self.pre_key) };
        let opened = record.decrypt_pre_key(bob, message, keys, Peer::Contact, &mut Numbers(77))?;
        Ok(opened.plaintext)
    }
}

fn session(bytes: &[u8]) -> SessionRecord {
    SessionRecord::decode(bytes).expect("our own record")
}

/// A record that holds the member's key.
fn group() -> SenderKeyRecord {
    let mut bytes = vec![0x33, 0x08, KEY_ID, 0x10, 0, 0x1A, 32];
    bytes.extend_from_slice(&[9; 32]);
    bytes.extend_from_slice(&[0x22, 33]);
    bytes.extend_from_slice(&SCENE.member.public.serialize());
    let mut record = SenderKeyRecord::new();
    let distribution = SenderKeyDistribution::parse(&bytes).expect("a distribution");
    record.process(&distribution).expect("a signing key");
    record
}

/// Numbers in a row: a run can be repeated.
struct Numbers(u8);

impl Random for Numbers {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.0;
            self.0 = self.0.wrapping_add(1);
        }
    }
}
