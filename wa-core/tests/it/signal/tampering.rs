//! What arrives changed, forged or random: never read as genuine, never a panic, never a trace in the record.

use proptest::prelude::*;
use wa_core::signal::*;

use super::conversation::{Device, Seeded, devices, talking};

/// Every bit of the message flipped, every shorter length, and one byte more.
fn alterations(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let flips = (0..bytes.len() * 8).map(|bit| {
        let mut altered = bytes.to_vec();
        altered[bit / 8] ^= 1 << (bit % 8);
        altered
    });
    flips.chain((0..bytes.len()).map(|len| bytes[..len].to_vec())).chain([[bytes, &[0]].concat()])
}

#[test]
fn an_altered_message_is_refused() {
    let random = &mut Seeded::new(1);
    let [mut alice, mut bob] = talking(random);
    // One on a known chain, one that brings a new ratchet key.
    let known = bob.record.encrypt(b"on the known chain").unwrap();
    refuse_alterations(&mut alice, &known, random);
    let turn = alice.record.encrypt(b"with a new ratchet key").unwrap();
    refuse_alterations(&mut bob, &turn, random);
    // And with sessions in the archive to try.
    let bundle = bob.bundle(random);
    alice.establish(&bundle, random);
    refuse_alterations(&mut alice, &known, random);
    assert_eq!(alice.receive(known.kind, &known.bytes, random).unwrap(), b"on the known chain");
    assert_eq!(bob.receive(turn.kind, &turn.bytes, random).unwrap(), b"with a new ratchet key");
}

fn refuse_alterations(device: &mut Device, message: &Ciphertext, random: &mut Seeded) {
    let before = device.record.encode();
    for altered in alterations(&message.bytes) {
        assert!(device.receive(message.kind, &altered, random).is_err());
    }
    assert_eq!(device.record.encode(), before);
}

/// Only the inner message of a `pkmsg` is authenticated. What stands around it may be changed without notice only where
/// it does not matter: the message is then the same, from the same sender, in the same session.
#[test]
fn an_altered_first_message_is_refused_or_the_same() {
    let random = &mut Seeded::new(2);
    let [mut alice, mut bob] = devices(random);
    let bundle = bob.bundle(random);
    alice.establish(&bundle, random);
    let first = alice.record.encrypt(b"first").unwrap();
    let second = alice.record.encrypt(b"second").unwrap();
    for (message, plaintext) in [(&first, b"first".as_slice()), (&second, b"second")] {
        let genuine = PreKeySignalMessage::parse(&message.bytes).unwrap();
        let before = bob.record.encode();
        let keys = bob.one_time.clone();
        let mut accepted = 0;
        for altered in alterations(&message.bytes) {
            if let Ok(read) = bob.receive(message.kind, &altered, random) {
                accepted += 1;
                assert_eq!(read, plaintext);
                let parsed = PreKeySignalMessage::parse(&altered).unwrap();
                assert_eq!(parsed.identity_key(), genuine.identity_key());
                assert_eq!(bob.record.base_key(), Some(genuine.base_key()));
                assert_eq!(parsed.message().ratchet_key(), genuine.message().ratchet_key());
                bob.record = SessionRecord::decode(&before).unwrap();
                bob.one_time.clone_from(&keys);
            }
            assert_eq!(bob.record.encode(), before);
            assert_eq!(bob.one_time, keys);
        }
        // Version nibble, pre-key ids of a known session, registration id: few of some thousand.
        assert!(accepted < 100, "{accepted} alterations went unnoticed");
        assert_eq!(bob.receive(message.kind, &message.bytes, random).unwrap(), plaintext);
    }
}

#[test]
fn an_altered_group_message_is_refused() {
    let random = &mut Seeded::new(3);
    let mut own = OwnSenderKey::generate(random);
    let mut record = SenderKeyRecord::new();
    record.process(&own.distribution()).unwrap();
    own.encrypt(b"lost", random).unwrap();
    let message = own.encrypt(b"to the group", random).unwrap();
    let before = record.encode();
    for altered in alterations(&message) {
        assert!(SenderKeyMessage::parse(&altered).and_then(|altered| record.decrypt(&altered)).is_err());
    }
    assert_eq!(record.encode(), before);
    assert_eq!(record.decrypt(&SenderKeyMessage::parse(&message).unwrap()).unwrap(), b"to the group");
}

#[test]
fn damaged_records_are_typed_errors() {
    let random = &mut Seeded::new(4);
    let [mut alice, mut bob] = talking(random);
    let bundle = bob.bundle(random);
    alice.establish(&bundle, random);
    for _ in 0..3 {
        bob.record.encrypt(b"skipped").unwrap();
    }
    let late = bob.record.encrypt(b"late").unwrap();
    alice.receive(late.kind, &late.bytes, random).unwrap();
    let record = alice.record.encode();
    for altered in alterations(&record) {
        if let Ok(mut decoded) = SessionRecord::decode(&altered) {
            // Keys and counters can be any: using them must not panic either.
            let _ = decoded.encrypt(b"message");
            let _ = decoded.decrypt(&SignalMessage::parse(&late.bytes).unwrap(), Peer::Contact, random);
        }
    }
    for len in 0..record.len() {
        assert!(SessionRecord::decode(&record[..len]).is_err());
    }
    assert_eq!(SessionRecord::decode(b"S\x02").err(), Some(RecordError::Version(2)));
    assert_eq!(SessionRecord::decode(b"").err(), Some(RecordError::Kind));
    assert_eq!(SenderKeyRecord::decode(&record).err(), Some(RecordError::Kind));
    assert_eq!(SessionRecord::decode(&[&record[..], &[0]].concat()).err(), Some(RecordError::Length));

    let mut own = OwnSenderKey::generate(random);
    assert_eq!(SenderKeyRecord::decode(&own.encode()).err(), Some(RecordError::Kind));
    let mut group = SenderKeyRecord::new();
    group.process(&own.distribution()).unwrap();
    own.encrypt(b"skipped", random).unwrap();
    let message = own.encrypt(b"read", random).unwrap();
    group.decrypt(&SenderKeyMessage::parse(&message).unwrap()).unwrap();
    for altered in alterations(&group.encode()) {
        if let Ok(mut decoded) = SenderKeyRecord::decode(&altered) {
            let _ = decoded.decrypt(&SenderKeyMessage::parse(&message).unwrap());
        }
    }
    for altered in alterations(&own.encode()) {
        if let Ok(mut decoded) = OwnSenderKey::decode(&altered) {
            let _ = decoded.encrypt(b"message", random);
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_are_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), keep in any::<bool>()) {
        let mut bytes = bytes;
        if let (false, Some(version)) = (keep, bytes.first_mut()) {
            *version = 0x33;
        }
        prop_assert!(SignalMessage::parse(&bytes).is_err());
        prop_assert!(PreKeySignalMessage::parse(&bytes).is_err());
        let _ = SenderKeyMessage::parse(&bytes);
        let _ = SenderKeyDistribution::parse(&bytes);
        prop_assert!(OwnSenderKey::decode(&bytes).is_err());
        let _ = SessionRecord::decode(&bytes);
        let _ = SenderKeyRecord::decode(&bytes);
        let _ = unpad(&bytes);
    }
}
