//! Linking that a passkey vouches for, both sides: known answers and laws.

use proptest::prelude::*;
use serde_json::Value;
use wa_core::crypto::{Random as _, SystemRandom, curve25519};
use wa_core::pairing::AdvSecret;
use wa_core::pairing::passkey::{
    Challenge, CompanionKeys, PasskeyError, PrimaryEphemeral, Prologue, handoff_proof,
};
use wa_types::PublicKey;

use crate::vectors::{self, Scripted, array, bytes, text};

#[test]
fn every_case_of_the_passkey_vectors_holds() {
    for case in &vectors::load("passkey-pairing").cases {
        flow(case);
    }
}

fn flow(case: &Value) {
    let name = text(case, "name");
    let device_type = i32::try_from(case["device_type"].as_i64().unwrap()).unwrap();
    let companion = [bytes(&case["companion_ephemeral"], "private"), bytes(case, "companion_nonce")];
    let mut random = Scripted::new(companion.iter().map(Vec::as_slice));
    let prologue = Prologue::new(text(case, "ref"), device_type, &mut random);
    assert_eq!(prologue.payload(), bytes(case, "prologue_payload"), "{name}");
    assert_eq!(prologue.nonce(), &array(case, "companion_nonce"), "{name}");

    let primary = [bytes(&case["primary_ephemeral"], "private"), bytes(case, "primary_nonce")];
    let mut random = Scripted::new(primary.iter().map(Vec::as_slice));
    let challenge = Challenge::new(prologue.payload(), &mut random).unwrap();
    assert_eq!(challenge.reference(), text(case, "ref"), "{name}");
    assert_eq!(challenge.primary().encode(), bytes(case, "primary_ephemeral_identity"), "{name}");

    let half = PrimaryEphemeral::decode(&bytes(case, "primary_ephemeral_identity")).unwrap();
    let meeting = prologue.meet(&half).unwrap();
    assert_eq!(meeting.code().as_str(), text(case, "code"), "{name}");
    assert_eq!(meeting.code().to_string(), text(case, "display"), "{name}");
    let keys = CompanionKeys::new(
        PublicKey::new(array(case, "noise_public")),
        PublicKey::new(array(case, "identity_public")),
        AdvSecret::new(array(case, "adv_secret")),
    );
    let sealed = meeting.seal(&keys, &mut Scripted::new([bytes(case, "iv").as_slice()]));
    assert_eq!(sealed, bytes(case, "encrypted_pairing_request"), "{name}");
    let theirs = challenge.meet(prologue.nonce()).unwrap();
    assert_eq!((theirs.code(), theirs.open(&sealed)), (meeting.code(), Ok(keys)), "{name}");

    if !case["previous_adv_secret"].is_null() {
        let previous = AdvSecret::new(array(case, "previous_adv_secret"));
        assert_eq!(handoff_proof(&previous, prologue.payload()), array(case, "handoff_proof"), "{name}");
    }
}

#[test]
fn another_nonce_and_another_meeting_are_refused() {
    let random = &mut SystemRandom;
    let prologue = Prologue::new("ref", 1, random);
    let challenge = Challenge::new(prologue.payload(), random).unwrap();
    assert!(matches!(challenge.meet(&random.array()), Err(PasskeyError::OtherNonce)));
    let meeting = prologue.meet(challenge.primary()).unwrap();

    let other = Challenge::new(prologue.payload(), random).unwrap();
    let keys = CompanionKeys::new(
        curve25519::generate(random).public,
        curve25519::generate(random).public,
        AdvSecret::new(random.array()),
    );
    let sealed = meeting.seal(&keys, random);
    assert_eq!(other.meet(prologue.nonce()).unwrap().open(&sealed), Err(PasskeyError::OtherKey));
    assert_eq!(challenge.meet(prologue.nonce()).unwrap().open(&sealed), Ok(keys));
    // A half of a wrong length.
    let mut short = challenge.primary().encode();
    short.truncate(short.len() - 1);
    assert_eq!(PrimaryEphemeral::decode(&short), Err(PasskeyError::Malformed));
}

proptest! {
    #[test]
    fn garbage_never_panics(garbage in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = PrimaryEphemeral::decode(&garbage);
        let prologue = Prologue::new("ref", 1, &mut SystemRandom);
        let challenge = Challenge::new(prologue.payload(), &mut SystemRandom).unwrap();
        prop_assert!(challenge.meet(prologue.nonce()).unwrap().open(&garbage).is_err());
        let _ = Challenge::new(&garbage, &mut SystemRandom);
    }
}
