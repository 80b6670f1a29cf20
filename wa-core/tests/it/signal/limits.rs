//! The bounds of the protocol, exactly, and what is refused by name.

use wa_core::crypto::curve25519;
use wa_core::signal::*;
use wa_types::{PreKeyId, PublicKey};

use super::conversation::{Device, Seeded, devices, talking};
use super::record::State;

/// Protobuf with numbers and byte strings, in the order given.
enum Field<'a> {
    Number(u8, u64),
    Bytes(u8, &'a [u8]),
}

fn message(fields: &[Field<'_>], tail: usize) -> Vec<u8> {
    let mut out = vec![0x33];
    for field in fields {
        match *field {
            Field::Number(number, value) => {
                out.push(number << 3);
                varint(&mut out, value);
            }
            Field::Bytes(number, bytes) => {
                out.push(number << 3 | 2);
                varint(&mut out, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
        }
    }
    out.resize(out.len() + tail, 0);
    out
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A `msg` with any ratchet key and counter, and no valid MAC.
fn forged(ratchet_key: &[u8], counter: u32) -> Vec<u8> {
    message(&[Field::Bytes(1, ratchet_key), Field::Number(2, counter.into()), Field::Bytes(4, &[7; 16])], 8)
}

/// Decrypts, and holds the record to its word that a failure changes nothing.
fn read(device: &mut Device, bytes: &[u8], peer: Peer) -> Result<Vec<u8>, SignalError> {
    let before = device.record.encode();
    let result = SignalMessage::parse(bytes)
        .and_then(|message| device.record.decrypt(&message, peer, &mut Seeded::new(99)));
    assert!(result.is_ok() || device.record.encode() == before);
    result
}

#[test]
fn the_forward_limit_is_exact() {
    for (peer, limit) in [(Peer::Contact, 2000), (Peer::OwnDevice, 25_000)] {
        let [mut alice, mut bob] = talking(&mut Seeded::new(1));
        // Message 0 was read by `talking`, so 1 comes next.
        let sent: Vec<_> = (1..=limit + 2).map(|_| bob.record.encrypt(b"x").unwrap().bytes).collect();
        let counter = limit + 2;
        let refused = read(&mut alice, sent.last().unwrap(), peer);
        assert_eq!(refused, Err(SignalError::TooFarInFuture { counter, expected: 1 }));
        assert_eq!(read(&mut alice, &sent[limit as usize], peer), Ok(b"x".to_vec()));

        let state = State::current(&alice.record);
        let skipped: Vec<u32> = state.receiving[1].skipped.iter().map(|(counter, _)| *counter).collect();
        assert_eq!(skipped, (limit - 1999..=limit).collect::<Vec<_>>(), "the newest 2000 are kept");
        // One more that is skipped pushes the oldest out.
        bob.record.encrypt(b"skipped").unwrap();
        let next = bob.record.encrypt(b"next").unwrap();
        assert_eq!(read(&mut alice, &next.bytes, peer), Ok(b"next".to_vec()));
        let oldest = limit - 1998;
        let skipped = &State::current(&alice.record).receiving[1].skipped;
        assert_eq!((skipped.len(), skipped[0].0), (2000, oldest + 1));
        for counter in [oldest - 1, oldest] {
            let lost = read(&mut alice, &sent[counter as usize - 1], peer);
            assert_eq!(lost, Err(SignalError::Duplicate { counter }));
        }
        assert_eq!(read(&mut alice, &sent[oldest as usize], peer), Ok(b"x".to_vec()));
    }
}

#[test]
fn a_forged_counter_costs_nothing() {
    let random = &mut Seeded::new(2);
    let [mut alice, mut bob] = talking(random);
    let known = *SignalMessage::parse(&bob.record.encrypt(b"x").unwrap().bytes).unwrap().ratchet_key();
    let unknown = curve25519::generate(random).public;
    for counter in [2002, 30_000, u32::MAX - 1, u32::MAX] {
        for (key, expected) in [(known, 1), (unknown, 0)] {
            let refused = read(&mut alice, &forged(&key.serialize(), counter), Peer::Contact);
            assert_eq!(refused, Err(SignalError::TooFarInFuture { counter, expected }));
        }
    }
    assert_eq!(read(&mut alice, &forged(&unknown.serialize(), 5), Peer::Contact), Err(SignalError::BadMac));
    // The longest run of counters that a chain allows before its end.
    let mut own = SenderKeyRecord::new();
    let pair = curve25519::generate(random);
    let fields = |iteration: u32| {
        [
            Field::Number(1, 9),
            Field::Number(2, iteration.into()),
            Field::Bytes(3, &[1; 32]),
            Field::Bytes(4, pair.public.as_bytes()),
        ]
    };
    own.process(&SenderKeyDistribution::parse(&message(&fields(u32::MAX - 10), 0)).unwrap()).unwrap();
    let sign = |iteration: u32| {
        let mut bytes =
            message(&[Field::Number(1, 9), Field::Number(2, iteration.into()), Field::Bytes(3, &[1; 16])], 0);
        let signature = wa_core::crypto::xeddsa::sign(&pair.private, &[&bytes], &mut Seeded::new(3));
        bytes.extend_from_slice(signature.as_bytes());
        bytes
    };
    let last = sign(u32::MAX);
    let refused = own.decrypt(&SenderKeyMessage::parse(&last).unwrap());
    assert_eq!(refused, Err(SignalError::TooFarInFuture { counter: u32::MAX, expected: u32::MAX - 10 }));
}

#[test]
fn five_receiving_chains_are_kept() {
    let random = &mut Seeded::new(4);
    let [mut alice, mut bob] = talking(random);
    let mut late = Vec::new();
    for turn in 0..6 {
        late.push(bob.record.encrypt(b"late").unwrap());
        let ping = bob.record.encrypt(b"ping").unwrap();
        alice.receive(ping.kind, &ping.bytes, random).unwrap();
        let pong = alice.record.encrypt(b"pong").unwrap();
        bob.receive(pong.kind, &pong.bytes, random).unwrap();
        assert_eq!(State::current(&alice.record).receiving.len(), (2 + turn).min(5));
    }
    assert_eq!(read(&mut alice, &late[0].bytes, Peer::Contact), Err(SignalError::BadMac));
    for late in &late[1..] {
        assert_eq!(read(&mut alice, &late.bytes, Peer::Contact), Ok(b"late".to_vec()));
    }
}

#[test]
fn forty_archived_sessions_are_kept() {
    let random = &mut Seeded::new(5);
    let [mut alice, mut bob] = talking(random);
    let oldest = bob.record.encrypt(b"oldest").unwrap();
    let second = {
        let bundle = bob.bundle(random);
        alice.establish(&bundle, random);
        let first = alice.record.encrypt(b"first").unwrap();
        bob.receive(first.kind, &first.bytes, random).unwrap();
        bob.record.encrypt(b"second oldest").unwrap()
    };
    for archived in 2..=41 {
        let bundle = bob.bundle(random);
        alice.establish(&bundle, random);
        assert_eq!(alice.record.archived_len(), archived.min(40));
    }
    assert_eq!(read(&mut alice, &oldest.bytes, Peer::Contact), Err(SignalError::BadMac));
    assert_eq!(read(&mut alice, &second.bytes, Peer::Contact), Ok(b"second oldest".to_vec()));
    assert_eq!(alice.record.archived_len(), 40, "the former current session took the promoted one's place");
    let kept = alice.record.encode();
    assert_eq!(SessionRecord::decode(&kept).unwrap().encode(), kept);
}

#[test]
fn five_sender_keys_are_kept() {
    let random = &mut Seeded::new(6);
    let mut record = SenderKeyRecord::new();
    let messages: Vec<_> = (0..6)
        .map(|_| {
            let mut own = OwnSenderKey::generate(random);
            record.process(&own.distribution()).unwrap();
            (own.key_id(), own.encrypt(b"x", random).unwrap())
        })
        .collect();
    let mut decrypt = |bytes: &[u8]| record.decrypt(&SenderKeyMessage::parse(bytes).unwrap());
    assert_eq!(decrypt(&messages[0].1), Err(SignalError::NoSenderKey { key_id: messages[0].0 }));
    for (_, message) in &messages[1..] {
        assert_eq!(decrypt(message), Ok(b"x".to_vec()));
    }
}

#[test]
fn a_sender_key_that_fell_too_far_behind_moves_ahead() {
    let random = &mut Seeded::new(7);
    let mut record = SenderKeyRecord::new();
    let mut own = OwnSenderKey::generate(random);
    record.process(&own.distribution()).unwrap();
    let skipped = own.encrypt(b"skipped", random).unwrap();
    let early = own.encrypt(b"early", random).unwrap();
    let decrypt =
        |record: &mut SenderKeyRecord, bytes: &[u8]| record.decrypt(&SenderKeyMessage::parse(bytes).unwrap());
    assert_eq!(decrypt(&mut record, &early), Ok(b"early".to_vec()));
    let missed = own.encrypt(b"missed", random).unwrap();
    for _ in 0..2001 {
        own.encrypt(b"lost", random).unwrap();
    }
    let distribution = own.distribution();
    let late = own.encrypt(b"late", random).unwrap();
    let refused = decrypt(&mut record, &late);
    assert_eq!(refused, Err(SignalError::TooFarInFuture { counter: 2004, expected: 2 }));
    record.process(&distribution).unwrap();
    assert_eq!(decrypt(&mut record, &late), Ok(b"late".to_vec()));
    assert_eq!(decrypt(&mut record, &skipped), Ok(b"skipped".to_vec()));
    assert_eq!(decrypt(&mut record, &early), Err(SignalError::Duplicate { counter: 1 }));
    // What was never readable is no duplicate, also not after the record was stored.
    let mut record = SenderKeyRecord::decode(&record.encode()).unwrap();
    assert_eq!(decrypt(&mut record, &missed), Err(SignalError::BeforeSenderKey { counter: 2 }));
    let mut begun = SenderKeyRecord::new();
    begun.process(&distribution).unwrap();
    assert_eq!(decrypt(&mut begun, &early), Err(SignalError::BeforeSenderKey { counter: 1 }));
}

#[test]
fn the_same_key_id_with_another_signing_key_replaces_the_key() {
    let random = &mut Seeded::new(8);
    let (mut first, second) = (OwnSenderKey::generate(random), OwnSenderKey::generate(random));
    // The second key under the first one's id.
    let mut bytes = second.encode();
    bytes[2..6].copy_from_slice(&first.key_id().to_le_bytes());
    let mut second = OwnSenderKey::decode(&bytes).unwrap();
    let mut record = SenderKeyRecord::new();
    record.process(&first.distribution()).unwrap();
    record.process(&second.distribution()).unwrap();
    let old = first.encrypt(b"x", random).unwrap();
    let new = second.encrypt(b"x", random).unwrap();
    let refused = record.decrypt(&SenderKeyMessage::parse(&old).unwrap());
    assert_eq!(refused, Err(SignalError::InvalidSignature));
    assert_eq!(record.decrypt(&SenderKeyMessage::parse(&new).unwrap()), Ok(b"x".to_vec()));
}

#[test]
fn our_own_identity_is_refused() {
    let random = &mut Seeded::new(9);
    let [mut alice, mut bob] = devices(random);
    let own = alice.bundle(random);
    let ours = LocalIdentity { key_pair: &alice.identity, registration_id: own.registration_id };
    assert_eq!(alice.record.initiate(ours, &own, random), Err(SignalError::OwnIdentity));
    let mut disguised = own.clone();
    let mut identity = *own.identity.as_bytes();
    identity[31] |= 0x80;
    disguised.identity = PublicKey::new(identity);
    assert_eq!(alice.record.initiate(ours, &disguised, random), Err(SignalError::OwnIdentity));

    // Our own first message, sent back to us.
    let bundle = bob.bundle(random);
    alice.establish(&bundle, random);
    let message = alice.record.encrypt(b"x").unwrap();
    alice.record = SessionRecord::new();
    let refused = alice.receive(message.kind, &message.bytes, random);
    assert_eq!(refused, Err(SignalError::OwnIdentity));
    assert!(alice.record.is_empty());
}

#[test]
fn bad_bundles_are_refused() {
    let random = &mut Seeded::new(10);
    let [mut alice, mut bob] = devices(random);
    let genuine = bob.bundle(random);
    let mut try_bundle = |bundle: &PreKeyBundle| {
        let ours = Device::ours(&alice.identity);
        let result = alice.record.initiate(ours, bundle, &mut Seeded::new(1));
        assert!(alice.record.is_empty());
        result
    };
    let mut bundle = genuine.clone();
    bundle.signed_pre_key = curve25519::generate(random).public;
    assert_eq!(try_bundle(&bundle), Err(SignalError::InvalidSignature));
    let mut bundle = genuine.clone();
    bundle.identity = curve25519::generate(random).public;
    assert_eq!(try_bundle(&bundle), Err(SignalError::InvalidSignature));
    // Points of low order: u = 0, 1, p - 1, and one of order 8.
    for low in low_order() {
        let mut bundle = genuine.clone();
        bundle.pre_key = Some((PreKeyId::FIRST, low));
        assert_eq!(try_bundle(&bundle), Err(SignalError::InvalidKey));
        let signed = wa_core::crypto::xeddsa::sign(&bob.identity.private, &[&low.serialize()], random);
        let mut bundle = genuine.clone();
        (bundle.signed_pre_key, bundle.signature) = (low, signed);
        assert_eq!(try_bundle(&bundle), Err(SignalError::InvalidKey));
        let mut bundle = genuine.clone();
        bundle.identity = low;
        assert!(try_bundle(&bundle).is_err());
    }
}

fn low_order() -> Vec<PublicKey> {
    let hex = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    ];
    hex.map(|key| PublicKey::from_raw(&hex::decode(key).unwrap()).unwrap()).to_vec()
}

#[test]
fn bad_keys_in_messages_are_refused() {
    let random = &mut Seeded::new(11);
    let [mut alice, mut bob] = talking(random);
    for key in low_order() {
        let refused = read(&mut alice, &forged(&key.serialize(), 0), Peer::Contact);
        assert_eq!(refused, Err(SignalError::InvalidKey));
    }
    let mut other_type = alice.identity.public.serialize();
    other_type[0] = 6;
    for key in [&other_type[..], &other_type[1..], &[5; 34], &[]] {
        assert_eq!(SignalMessage::parse(&forged(key, 0)).err(), Some(SignalError::InvalidKey));
    }
    let good = alice.identity.public.serialize();
    let inner = forged(&good, 0);
    for (base, identity) in [(&other_type, &good), (&good, &other_type)] {
        let fields =
            [Field::Bytes(2, base), Field::Bytes(3, identity), Field::Bytes(4, &inner), Field::Number(6, 77)];
        let bytes = message(&fields, 0);
        assert_eq!(PreKeySignalMessage::parse(&bytes).err(), Some(SignalError::InvalidKey));
    }
    // A first message with keys of low order, for keys that we hold.
    let weak = low_order()[0].serialize();
    for (base, identity) in [(&weak, &good), (&good, &weak)] {
        let fields =
            [Field::Number(6, 77), Field::Bytes(4, &inner), Field::Bytes(3, identity), Field::Bytes(2, base)];
        let before = bob.record.encode();
        let refused = bob.receive(CiphertextKind::PreKey, &message(&fields, 0), random);
        assert_eq!(refused, Err(SignalError::InvalidKey));
        assert_eq!(bob.record.encode(), before);
    }
    let no_image = [0xEC].into_iter().chain([0xFF; 30]).chain([0x7F]).collect::<Vec<_>>();
    let fields =
        [Field::Number(1, 9), Field::Number(2, 0), Field::Bytes(3, &[1; 32]), Field::Bytes(4, &no_image)];
    let distribution = SenderKeyDistribution::parse(&message(&fields, 0)).unwrap();
    assert_eq!(SenderKeyRecord::new().process(&distribution), Err(SignalError::InvalidKey));
}

#[test]
fn fields_come_in_any_order_and_unknown_ones_are_skipped() {
    let key = curve25519::generate(&mut Seeded::new(12)).public;
    let serialized = key.serialize();
    let mut body = message(
        &[
            Field::Bytes(4, b"0123456789abcdef"),
            Field::Number(3, u64::MAX),
            Field::Bytes(15, b"what the server adds tomorrow"),
            Field::Number(2, 3),
            Field::Number(9, 1),
            Field::Number(2, 70_000),
            Field::Bytes(1, &serialized),
        ],
        0,
    );
    // Fixed-size fields 10 (8 bytes) and 11 (4 bytes).
    body.extend([10 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0, 11 << 3 | 5, 0, 0, 0, 0]);
    body.extend([0; 8]);
    let parsed = SignalMessage::parse(&body).unwrap();
    assert_eq!(
        (parsed.ratchet_key(), parsed.counter()),
        (&key, 70_000),
        "the last of a repeated field counts"
    );

    for missing in 0..3 {
        let mut fields =
            vec![Field::Bytes(1, &serialized), Field::Number(2, 0), Field::Bytes(4, b"0123456789abcdef")];
        fields.remove(missing);
        let refused = SignalMessage::parse(&message(&fields, 8)).err();
        assert!(matches!(refused, Some(SignalError::InvalidMessage(MessageFault::Missing(_)))));
    }
    // A number where bytes belong, groups, an endless varint, a length beyond the end.
    for bad in [
        &[0x08, 1][..],
        &[0x0B],
        &[0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2],
        &[0x22, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
    ] {
        let bytes = [&[0x33], bad, &[0; 8]].concat();
        let refused = SignalMessage::parse(&bytes).err();
        assert_eq!(refused, Some(SignalError::InvalidMessage(MessageFault::Protobuf)), "{bad:?}");
    }
}

#[test]
fn other_versions_are_refused_by_name() {
    let key = curve25519::generate(&mut Seeded::new(13)).public.serialize();
    for (byte, fault) in [
        (0x23, MessageFault::LegacyVersion(2)),
        (0x03, MessageFault::LegacyVersion(0)),
        (0x44, MessageFault::UnknownVersion(4)),
        (0xF3, MessageFault::UnknownVersion(15)),
    ] {
        let mut bytes = forged(&key, 0);
        bytes[0] = byte;
        bytes.resize(100, 0);
        let fault = Some(SignalError::InvalidMessage(fault));
        assert_eq!(SignalMessage::parse(&bytes).err(), fault);
        assert_eq!(PreKeySignalMessage::parse(&bytes).err(), fault);
        assert_eq!(SenderKeyMessage::parse(&bytes).err(), fault);
        assert_eq!(SenderKeyDistribution::parse(&bytes).err(), fault);
    }
    let mut newer_sender = forged(&key, 0);
    newer_sender[0] = 0x34;
    assert!(SignalMessage::parse(&newer_sender).is_ok(), "the low nibble is only the newest it speaks");
    let huge = vec![0x33; 1 << 24];
    let too_long = Some(SignalError::InvalidMessage(MessageFault::Length));
    assert_eq!(SignalMessage::parse(&huge).err(), too_long);
    assert_eq!(PreKeySignalMessage::parse(&huge).err(), too_long);
    assert_eq!(SenderKeyMessage::parse(&huge).err(), too_long);
}

#[test]
fn a_changed_identity_reads_late_messages_and_sends_to_the_new_one() {
    let random = &mut Seeded::new(14);
    let [mut alice, mut bob] = talking(random);
    let late = alice.record.encrypt(b"late").unwrap();
    let mut reinstalled = Device::new(random);
    let bundle = bob.bundle(random);
    reinstalled.establish(&bundle, random);
    let first = reinstalled.record.encrypt(b"new phone").unwrap();
    let parsed = PreKeySignalMessage::parse(&first.bytes).unwrap();
    let keys = PreKeys { signed: Some(&bob.signed), one_time: bob.one_time.last() };
    let ours = Device::ours(&bob.identity);
    let got = bob.record.decrypt_pre_key(ours, &parsed, keys, Peer::Contact, random).unwrap();
    assert_eq!(got.replaced_identity, Some(alice.identity.public));
    assert_eq!(bob.record.remote_identity(), Some(&reinstalled.identity.public));
    assert_eq!(read(&mut bob, &late.bytes, Peer::Contact), Ok(b"late".to_vec()));
    assert_eq!(bob.record.remote_identity(), Some(&reinstalled.identity.public));
    assert_eq!(read(&mut bob, &late.bytes, Peer::Contact), Err(SignalError::Duplicate { counter: 0 }));
}

#[test]
fn an_archived_session_is_not_sent_on() {
    let random = &mut Seeded::new(15);
    let [mut alice, mut bob] = talking(random);
    alice.record.archive_current();
    assert!(!alice.record.has_current() && !alice.record.is_empty());
    assert_eq!(alice.record.encrypt(b"x"), Err(SignalError::NoSession));
    let late = bob.record.encrypt(b"late").unwrap();
    assert_eq!(read(&mut alice, &late.bytes, Peer::Contact), Ok(b"late".to_vec()));
    assert!(alice.record.has_current(), "the other side uses it: it is current again");
    assert_eq!(alice.record.archived_len(), 0);
    let mut empty = SessionRecord::new();
    assert_eq!(empty.encrypt(b"x"), Err(SignalError::NoSession));
    assert_eq!(SessionRecord::decode(&empty.encode()).unwrap().encode(), empty.encode());
}

#[test]
fn a_chain_at_its_end_says_so() {
    let random = &mut Seeded::new(16);
    let mut bytes = OwnSenderKey::generate(random).encode();
    // The iteration stands behind the mark, the id and the chain key.
    bytes[2 + 4 + 32..][..4].copy_from_slice(&(u32::MAX - 1).to_le_bytes());
    let mut own = OwnSenderKey::decode(&bytes).unwrap();
    assert!(own.encrypt(b"the last", random).is_ok());
    assert_eq!(own.encrypt(b"x", random), Err(SignalError::InvalidSession));
}

#[test]
fn every_error_has_its_retry_code() {
    let id = 1;
    for (error, code) in [
        (SignalError::Duplicate { counter: 1 }, None),
        (SignalError::OwnIdentity, Some(0)),
        (SignalError::NoSession, Some(1)),
        (SignalError::NoSenderKey { key_id: 1 }, Some(1)),
        (SignalError::BeforeSenderKey { counter: 1 }, Some(1)),
        (SignalError::InvalidKey, Some(2)),
        (SignalError::InvalidPreKeyId { id }, Some(3)),
        (SignalError::InvalidSignedPreKeyId { id }, Some(3)),
        (SignalError::InvalidMessage(MessageFault::Padding), Some(4)),
        (SignalError::InvalidSignature, Some(5)),
        (SignalError::TooFarInFuture { counter: 9, expected: 1 }, Some(6)),
        (SignalError::BadMac, Some(7)),
        (SignalError::InvalidSession, Some(8)),
    ] {
        assert_eq!(error.retry_code(), code, "{error}");
    }
}

#[test]
fn debug_shows_no_secrets() {
    let random = &mut Seeded::new(17);
    let [alice, mut bob] = talking(random);
    let own = OwnSenderKey::generate(random);
    let shown = format!(
        "{:?} {:?} {:?} {:?} {:?} {:?}",
        alice.record,
        own,
        own.distribution(),
        bob.signed,
        bob.one_time,
        bob.record.encrypt(b"a secret text").unwrap()
    );
    let state = State::current(&alice.record);
    let secrets = [state.root, state.chain_key, *state.ratchet_pair.private.as_bytes()];
    for secret in secrets.iter().chain([bob.signed.key_pair.private.as_bytes()]) {
        assert!(!shown.contains(&hex::encode(&secret[..4])), "{shown}");
        assert!(!shown.contains(&format!("{}, {}, {}", secret[0], secret[1], secret[2])), "{shown}");
    }
    assert!(!shown.contains("a secret"));
}
