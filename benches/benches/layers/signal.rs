//! Sessions and sender keys, without a store.

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use wa_core::crypto::{SystemRandom, curve25519};
use wa_core::signal::{
    Ciphertext, LocalIdentity, OwnSenderKey, Peer, PreKey, PreKeyBundle, PreKeyDecrypted,
    PreKeySignalMessage, PreKeys, SenderKeyMessage, SenderKeyRecord, SessionRecord, SignalMessage,
    SignedPreKey,
};
use wa_types::{KeyPair, PreKeyId, RegistrationId};

/// A short text, padded.
const PLAINTEXT: [u8; 64] = [3; 64];

pub(crate) fn benches(criterion: &mut Criterion) {
    sessions(criterion);
    sender_keys(criterion);
}

fn sessions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("signal");
    let (alice, bob) = (curve25519::generate(&mut SystemRandom), Receiver::new());
    let bundle = bob.bundle();
    group.bench_function("session_from_bundle", |bencher| {
        bencher.iter(|| initiate(&alice, black_box(&bundle)));
    });

    let mut session = initiate(&alice, &bundle);
    let hello = encrypt(&mut session);
    group.bench_function("decrypt_first_message", |bencher| {
        bencher.iter(|| bob.open_first(&mut SessionRecord::new(), black_box(&hello.bytes)));
    });

    let mut theirs = SessionRecord::new();
    bob.open_first(&mut theirs, &hello.bytes);
    let answer = encrypt(&mut theirs);
    decrypt(&mut session, &answer.bytes);
    let first = encrypt(&mut session);
    decrypt(&mut theirs, &first.bytes);
    group.bench_function("encrypt", |bencher| bencher.iter(|| encrypt(&mut session)));

    // Both sides afresh: the benchmark above left the other side far behind.
    let mut session = initiate(&alice, &bundle);
    let mut theirs = SessionRecord::new();
    bob.open_first(&mut theirs, &encrypt(&mut session).bytes);
    let answer = encrypt(&mut theirs);
    decrypt(&mut session, &answer.bytes);
    group.bench_function("decrypt", |bencher| {
        bencher.iter_batched(
            || encrypt(&mut session).bytes,
            |bytes| decrypt(&mut theirs, &bytes),
            BatchSize::NumIterations(100),
        );
    });
    group.finish();
}

fn sender_keys(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sender_key");
    let mut ours = OwnSenderKey::generate(&mut SystemRandom);
    let mut theirs = SenderKeyRecord::new();
    theirs.process(&ours.distribution()).expect("a good distribution");
    group.bench_function("decrypt", |bencher| {
        bencher.iter_batched(
            || ours.encrypt(&PLAINTEXT, &mut SystemRandom).expect("a good key"),
            |bytes| {
                let message = SenderKeyMessage::parse(&bytes).expect("a good message");
                theirs.decrypt(&message).expect("the next message")
            },
            BatchSize::NumIterations(100),
        );
    });
    group.bench_function("encrypt", |bencher| {
        bencher.iter(|| ours.encrypt(black_box(&PLAINTEXT), &mut SystemRandom));
    });
    group.finish();
}

struct Receiver {
    identity: KeyPair,
    signed: SignedPreKey,
    one_time: PreKey,
}

impl Receiver {
    fn new() -> Self {
        let identity = curve25519::generate(&mut SystemRandom);
        let id = PreKeyId::new(1).expect("a good id");
        let signed = SignedPreKey::generate(id, &identity, &mut SystemRandom);
        Self { identity, signed, one_time: PreKey::generate(id, &mut SystemRandom) }
    }

    fn bundle(&self) -> PreKeyBundle {
        PreKeyBundle {
            registration_id: RegistrationId(7),
            identity: self.identity.public,
            signed_pre_key_id: self.signed.id,
            signed_pre_key: self.signed.key_pair.public,
            signature: self.signed.signature,
            pre_key: Some((self.one_time.id, self.one_time.key_pair.public)),
        }
    }

    fn open_first(&self, record: &mut SessionRecord, bytes: &[u8]) -> PreKeyDecrypted {
        let message = PreKeySignalMessage::parse(bytes).expect("a good message");
        let keys = PreKeys { signed: Some(&self.signed), one_time: Some(&self.one_time) };
        record
            .decrypt_pre_key(ours(&self.identity), &message, keys, Peer::Contact, &mut SystemRandom)
            .expect("the keys are there")
    }
}

const fn ours(identity: &KeyPair) -> LocalIdentity<'_> {
    LocalIdentity { key_pair: identity, registration_id: RegistrationId(7) }
}

fn initiate(identity: &KeyPair, bundle: &PreKeyBundle) -> SessionRecord {
    let mut record = SessionRecord::new();
    record.initiate(ours(identity), bundle, &mut SystemRandom).expect("a good bundle");
    record
}

fn encrypt(record: &mut SessionRecord) -> Ciphertext {
    record.encrypt(&PLAINTEXT).expect("a running session")
}

fn decrypt(record: &mut SessionRecord, bytes: &[u8]) -> Vec<u8> {
    let message = SignalMessage::parse(bytes).expect("a good message");
    record.decrypt(&message, Peer::Contact, &mut SystemRandom).expect("the next message")
}
