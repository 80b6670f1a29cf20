//! Linking with an eight-character code, both sides: known answers and laws.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::Value;
use wa_core::crypto::{SystemRandom, curve25519};
use wa_core::noise::client_payload::{DeviceProfile, Platform};
use wa_core::pairing::code::{
    CodeAnswer, CodeLink, CodeLinkError, PairingCode, PairingCodeError, platform_display,
};
use wa_types::{KeyPair, PrivateKey, PublicKey};

use crate::vectors::{self, Scripted, array, text};

#[test]
fn every_case_of_the_pairing_code_vectors_holds() {
    let mut kinds = BTreeMap::<String, usize>::new();
    for case in &vectors::load("pairing-code").cases {
        let kind = text(case, "kind");
        *kinds.entry(kind.to_owned()).or_default() += 1;
        match kind {
            "code" => code(case),
            "custom" => custom(case),
            "wrap" => wrap(case),
            "flow" => flow(case),
            other => panic!("unknown kind {other}"),
        }
    }
    assert_eq!(kinds.len(), 4, "{kinds:?}");
}

fn code(case: &Value) {
    let code = PairingCode::from_bits(array(case, "bytes"));
    assert_eq!((code.as_str(), code.to_string().as_str()), (text(case, "code"), text(case, "display")));
    assert_eq!(PairingCode::generate(&mut Scripted::new([array::<5>(case, "bytes").as_slice()])), code);
}

fn custom(case: &Value) {
    let parsed = text(case, "input").parse::<PairingCode>();
    if case["accept"].as_bool().unwrap() {
        assert_eq!(parsed.unwrap().as_str(), text(case, "code"), "{}", case["name"]);
    } else {
        assert!(parsed.is_err(), "{}", case["name"]);
    }
}

/// A companion's link whose key is the given one.
fn link(code: &str, private: [u8; 32]) -> CodeLink {
    CodeLink::new(code.parse().unwrap(), &mut Scripted::new([private.as_slice()]))
}

fn wrap(case: &Value) {
    // The key is given without its private half; what is wrapped is the phone's view of it.
    let wrapped = array(case, "wrapped");
    let answer = CodeAnswer::new(text(case, "code").parse().unwrap(), &wrapped, &mut SystemRandom);
    assert_eq!(answer.companion_key(), &PublicKey::new(array(case, "public")), "{}", case["name"]);
}

fn pair(case: &Value, key: &str) -> KeyPair {
    let pair = curve25519::key_pair(PrivateKey::new(array(&case[key], "private")));
    assert_eq!(pair.public.as_bytes(), &array(&case[key], "public"), "{}: {key}", case["name"]);
    pair
}

fn flow(case: &Value) {
    let name = text(case, "name");
    let (companion, primary) = (pair(case, "companion_identity"), pair(case, "primary_identity"));
    let link = link(text(case, "code"), array(&case["companion_ephemeral"], "private"));
    let salts = |salt: &str, iv: &str| {
        Scripted::new([vectors::bytes(case, salt), vectors::bytes(case, iv)].iter().map(Vec::as_slice))
    };
    let hello = link.wrapped_key(&mut salts("companion_salt", "companion_iv"));
    assert_eq!(hello, array(case, "wrapped_companion_ephemeral"), "{name}");

    let key = array::<32>(&case["primary_ephemeral"], "private");
    let answer =
        CodeAnswer::new(text(case, "code").parse().unwrap(), &hello, &mut Scripted::new([key.as_slice()]));
    let wrapped = answer.wrapped_key(&mut salts("primary_salt", "primary_iv"));
    assert_eq!(wrapped, array(case, "wrapped_primary_ephemeral"), "{name}");

    let parts = ["bundle_random", "bundle_salt", "bundle_iv"].map(|part| vectors::bytes(case, part));
    let mut random = Scripted::new(parts.iter().map(Vec::as_slice));
    let finish = link.finish(&companion, &wrapped, &primary.public, &mut random).unwrap();
    assert_eq!(finish.bundle, array(case, "wrapped_key_bundle"), "{name}");
    assert_eq!(finish.secret.as_bytes(), &array(case, "adv_secret"), "{name}");
    assert_eq!(answer.open(&primary, &companion.public, &finish.bundle), Ok(finish.secret), "{name}");
}

#[test]
fn a_wrong_code_another_identity_and_a_changed_bundle_open_nothing() {
    let random = &mut SystemRandom;
    let (companion, primary) = (curve25519::generate(random), curve25519::generate(random));
    let link = CodeLink::new(PairingCode::generate(random), random);
    let hello = link.wrapped_key(random);

    let wrong = CodeAnswer::new("WRNGCDE1".parse().unwrap(), &hello, random);
    let finish = link.finish(&companion, &wrong.wrapped_key(random), &primary.public, random).unwrap();
    assert_eq!(wrong.open(&primary, &companion.public, &finish.bundle), Err(CodeLinkError::WrongCode));

    let right = CodeAnswer::new(link.code().clone(), &hello, random);
    let finish = link.finish(&companion, &right.wrapped_key(random), &primary.public, random).unwrap();
    let other = curve25519::generate(random);
    assert_eq!(right.open(&primary, &other.public, &finish.bundle), Err(CodeLinkError::OtherIdentity));
    assert_eq!(right.open(&other, &companion.public, &finish.bundle), Err(CodeLinkError::OtherIdentity));
    for place in [0, 31, 32, 43, 44, 155] {
        let mut changed = finish.bundle;
        changed[place] ^= 1;
        assert_eq!(
            right.open(&primary, &companion.public, &changed),
            Err(CodeLinkError::WrongCode),
            "byte {place}"
        );
    }
    assert_eq!(right.open(&primary, &companion.public, &finish.bundle), Ok(finish.secret));
}

#[test]
fn a_code_is_not_in_logs_and_a_refused_one_says_why() {
    let code: PairingCode = "abcd-1234".parse().unwrap();
    assert_eq!((format!("{code:?}"), code.to_string()), ("PairingCode(..)".into(), "ABCD-1234".into()));
    assert_eq!("ABCD-123".parse::<PairingCode>(), Err(PairingCodeError::Length));
    assert_eq!("ABCD-12345".parse::<PairingCode>(), Err(PairingCodeError::Length));
    assert_eq!("ABCO-1234".parse::<PairingCode>(), Err(PairingCodeError::Character { character: 'O' }));
}

#[test]
fn the_server_knows_the_system_that_a_companion_is_shown_as() {
    for (name, platform, expected) in [
        ("Linux", Platform::Chrome, "Chrome (Linux)"),
        ("windows", Platform::Edge, "Edge (Windows)"),
        ("Mac OS", Platform::Safari, "Safari (Mac OS)"),
        ("Front desk", Platform::Desktop, "Chrome (Linux)"),
    ] {
        assert_eq!(platform_display(&DeviceProfile::new(name, platform)), expected);
    }
}

proptest! {
    #[test]
    fn reading_undoes_showing_a_code(bits in any::<[u8; 5]>()) {
        let code = PairingCode::from_bits(bits);
        prop_assert_eq!(code.to_string().parse::<PairingCode>(), Ok(code));
    }

    #[test]
    fn garbage_never_panics(text in ".{0,40}") {
        let _ = text.parse::<PairingCode>();
    }
}
