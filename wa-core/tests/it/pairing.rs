//! The QR code and the device identity, companion's and phone's side: known answers and laws.

use std::collections::BTreeMap;

use proptest::prelude::*;
use prost::Message as _;
use serde_json::Value;
use wa_core::crypto::{Random as _, SystemRandom, curve25519, xeddsa};
use wa_core::noise::client_payload::Platform;
use wa_core::pairing::adv::{
    AccountSigner, AccountType, AdvSecret, IdentityError, LinkError, SignedDeviceIdentity, Vouched,
    accept_link, check_companion, seal_identity,
};
use wa_core::pairing::key_index::{KeyIndexError, SignedKeyIndexList};
use wa_core::pairing::qr::{ClientType, PREFIX, QrCode, QrError, QrForm};
use wa_proto::adv::{AdvSignedDeviceIdentity, AdvSignedDeviceIdentityHmac};
use wa_types::{KeyPair, PrivateKey, PublicKey, Signature, UnixSeconds};

use crate::vectors::{self, Scripted, array, bytes, text};

const NOW: UnixSeconds = UnixSeconds(1_755_000_000);

#[test]
fn every_case_of_the_qr_pairing_vectors_holds() {
    let mut kinds = BTreeMap::<String, usize>::new();
    for case in &vectors::load("qr-pairing").cases {
        let kind = text(case, "kind");
        *kinds.entry(kind.to_owned()).or_default() += 1;
        match kind {
            "qr" => qr(case),
            "pair_success" => pair_success(case),
            "key_index_list" => key_index_list(case),
            "xeddsa" => signature(case),
            other => panic!("unknown kind {other}"),
        }
    }
    assert_eq!(kinds.len(), 4, "{kinds:?}");
}

fn qr(case: &Value) {
    let name = text(case, "name");
    let code = QrCode::new(
        text(case, "ref"),
        PublicKey::new(array(case, "noise_public")),
        PublicKey::new(array(case, "identity_public")),
        AdvSecret::new(array(case, "adv_secret")),
        ClientType::from_code(text(case, "client_type")).unwrap(),
    );
    let form = match text(case, "prefix") {
        PREFIX => QrForm::Link,
        "" => QrForm::Plain,
        other => panic!("{name}: {other}"),
    };
    assert_eq!(code.to_text(form), text(case, "qr"), "{name}");
    assert_eq!(QrCode::parse(text(case, "qr")), Ok(code), "{name}");
}

fn pair(case: &Value, key: &str) -> KeyPair {
    let pair = curve25519::key_pair(PrivateKey::new(array(&case[key], "private")));
    assert_eq!(pair.public.as_bytes(), &array(&case[key], "public"), "{}: {key}", case["name"]);
    pair
}

fn account_type(case: &Value) -> AccountType {
    if case["hosted"].as_bool().unwrap() { AccountType::Hosted } else { AccountType::Personal }
}

fn number(case: &Value, key: &str) -> u32 {
    u32::try_from(case[key].as_u64().unwrap()).unwrap()
}

fn pair_success(case: &Value) {
    let name = text(case, "name");
    let (companion, account) = (pair(case, "companion_identity"), pair(case, "account_identity"));
    let secret = AdvSecret::new(array(case, "adv_secret"));
    let now = UnixSeconds(case["timestamp"].as_u64().unwrap());
    let container = bytes(case, "pair_success_content");
    let linked = accept_link(&container, &secret, &companion, &mut SystemRandom);
    if !case["accept"].as_bool().unwrap() {
        let (expected, refusal) = match text(case, "error") {
            "hmac mismatch" | "hmac mismatch (different adv_secret)" => {
                (LinkError::Hmac, (401, "hmac-mismatch"))
            }
            "account signature does not verify" => (LinkError::AccountSignature, (401, "signature-mismatch")),
            other => panic!("{name}: {other}"),
        };
        assert_eq!(linked, Err(expected), "{name}");
        assert_eq!(expected.refusal(), refusal);
        return;
    }
    let linked = linked.unwrap();
    assert_eq!(linked.details.key_index.to_string(), text(case, "key_index_attribute"), "{name}");
    assert_eq!((linked.details.raw_id, linked.details.timestamp), (number(case, "raw_id"), now), "{name}");
    assert_eq!(
        (linked.details.account_type, linked.details.device_type),
        (account_type(case), account_type(case)),
        "{name}"
    );
    assert_eq!(linked.account_key, account.public, "{name}");
    assert_eq!(linked.identity.details, bytes(case, "device_identity"), "{name}");

    // Ours and theirs are over the same message, and all but that signature is the same.
    let message = bytes(case, "device_signature_message");
    let ours = linked.identity.device_signature.unwrap();
    let theirs = Signature::new(array(case, "device_signature"));
    for signature in [&ours, &theirs] {
        assert!(xeddsa::verify(&companion.public, &[&message], signature), "{name}");
    }
    for (encoded, expected) in
        [(linked.reply(), "pair_device_sign_content"), (linked.identity.encode(), "stored_identity")]
    {
        let mut encoded = AdvSignedDeviceIdentity::decode(encoded.as_slice()).unwrap();
        encoded.device_signature = Some(theirs.as_bytes().to_vec());
        assert_eq!(encoded.encode_to_vec(), bytes(case, expected), "{name}: {expected}");
        let read = SignedDeviceIdentity::decode(&bytes(case, expected)).unwrap();
        assert!(read.is_signed_by_device(&account.public, &companion.public), "{name}");
        assert_eq!(read.encode(), bytes(case, expected), "{name}");
    }
    let account_message = bytes(case, "account_signature_message");
    let account_signature = Signature::new(array(case, "account_signature"));
    assert!(xeddsa::verify(&account.public, &[&account_message], &account_signature), "{name}");

    primary(case, &account, &companion, &secret);
    other_companions(case, &linked.identity, &account, &companion);
}

/// The phone's side of the same case.
fn primary(case: &Value, account: &KeyPair, companion: &KeyPair, secret: &AdvSecret) {
    let name = text(case, "name");
    let now = UnixSeconds(case["timestamp"].as_u64().unwrap());
    let signer = AccountSigner::new(account.clone(), number(case, "raw_id"), account_type(case));
    let mut signed = signer.sign_device(&companion.public, number(case, "key_index"), now, &mut SystemRandom);
    if name != "account 2, explicit zero enums" {
        assert_eq!(signed.details, bytes(case, "device_identity"), "{name}");
    }
    signed.details = bytes(case, "device_identity");
    signed.account_signature = Signature::new(array(case, "account_signature"));
    assert!(signed.is_signed_by_account(&account.public, &companion.public, account_type(case)), "{name}");
    assert_eq!(signed.encode(), bytes(case, "signed_device_identity"), "{name}");
    let container = seal_identity(&signed, secret, account_type(case));
    let ours = AdvSignedDeviceIdentityHmac::decode(container.as_slice()).unwrap();
    assert_eq!(ours.hmac(), bytes(case, "hmac"), "{name}");
    if name != "account 2, explicit zero enums" {
        assert_eq!(container, bytes(case, "pair_success_content"), "{name}");
    }

    let container = signer.link(&companion.public, secret, number(case, "key_index"), now, &mut SystemRandom);
    let linked = accept_link(&container, secret, companion, &mut SystemRandom).unwrap();
    assert_eq!(linked.details.key_index, number(case, "key_index"), "{name}");
}

/// The same identity as another user sees it, beside our companion's keys.
fn other_companions(case: &Value, identity: &SignedDeviceIdentity, account: &KeyPair, companion: &KeyPair) {
    let name = text(case, "name");
    let trimmed = identity.without_account_key();
    let known = Some(&account.public);
    let vouched = |identity: &SignedDeviceIdentity, known| {
        check_companion(identity, &companion.public, known).map(|(_, vouched)| vouched)
    };
    assert_eq!(vouched(identity, known), Ok(Vouched::ByKnownKey), "{name}");
    assert_eq!(vouched(&trimmed, known), Ok(Vouched::ByKnownKey), "{name}");
    assert_eq!(vouched(identity, None), Ok(Vouched::ByEnclosedKey(account.public)), "{name}");
    assert_eq!(vouched(&trimmed, None), Ok(Vouched::Unchecked), "{name}");

    let stranger = curve25519::generate(&mut SystemRandom);
    assert_eq!(
        vouched(identity, Some(&stranger.public)),
        Ok(Vouched::ByEnclosedKey(account.public)),
        "{name}"
    );
    assert_eq!(vouched(&trimmed, Some(&stranger.public)), Err(IdentityError::AccountSignature), "{name}");
    assert_eq!(
        check_companion(identity, &stranger.public, known).map(|_| ()),
        Err(IdentityError::AccountSignature),
        "{name}"
    );
    let mut unsigned = identity.clone();
    unsigned.device_signature = None;
    assert_eq!(vouched(&unsigned, known), Err(IdentityError::DeviceSignature), "{name}");
    if let Some(message) = case["device_signature_message_prefix_0606"].as_str() {
        let message = hex::decode(message).unwrap();
        let mut other = identity.clone();
        other.device_signature = Some(xeddsa::sign(&companion.private, &[&message], &mut SystemRandom));
        assert_eq!(vouched(&other, known), Ok(Vouched::ByKnownKey), "{name}: prefix 06 06");
    }
}

fn key_index_list(case: &Value) {
    let name = text(case, "name");
    let account = pair(case, "account_identity");
    let encoded = bytes(case, "signed_key_index_list");
    let signed = SignedKeyIndexList::decode(&encoded).unwrap();
    assert_eq!(signed.encode(), encoded, "{name}");
    assert_eq!(signed.details, bytes(case, "details"), "{name}");
    assert_eq!(signed.signature.as_bytes(), &array(case, "account_signature"), "{name}");
    let message = bytes(case, "signature_message");
    assert!(xeddsa::verify(&account.public, &[&message], &signed.signature), "{name}");

    let (list, vouched) = signed.verify(Some(&account.public)).unwrap();
    assert_eq!(vouched, Vouched::ByKnownKey, "{name}");
    let valid: Vec<u32> = case["valid_indexes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| u32::try_from(n.as_u64().unwrap()).unwrap())
        .collect();
    assert_eq!(list.valid_indexes, valid, "{name}");
    assert_eq!(
        (list.raw_id, list.current_index),
        (number(case, "raw_id"), number(case, "current_index")),
        "{name}"
    );
    assert_eq!(
        (list.timestamp.0, list.account_type),
        (case["timestamp"].as_u64().unwrap(), account_type(case)),
        "{name}"
    );

    let signer = AccountSigner::new(account.clone(), list.raw_id, list.account_type);
    let ours = signer.sign_key_indexes(list.current_index, &valid, list.timestamp, &mut SystemRandom);
    assert_eq!(ours.details, signed.details, "{name}");
    assert_eq!(ours.verify(Some(&account.public)), Ok((list.clone(), Vouched::ByKnownKey)), "{name}");
    assert_eq!(ours.verify(None), Ok((list, Vouched::Unchecked)), "{name}");

    let stranger = curve25519::generate(&mut SystemRandom).public;
    assert_eq!(ours.verify(Some(&stranger)), Err(KeyIndexError::Signature), "{name}");
    assert_eq!(ours.with_account_key(stranger).verify(None), Err(KeyIndexError::Signature), "{name}");
    for place in 0..encoded.len() {
        let mut changed = encoded.clone();
        changed[place] ^= 1;
        let outcome =
            SignedKeyIndexList::decode(&changed).and_then(|list| list.verify(Some(&account.public)));
        assert!(!matches!(outcome, Ok((_, Vouched::ByKnownKey))), "{name}: byte {place}");
    }
}

fn signature(case: &Value) {
    let name = text(case, "name");
    let pair = curve25519::key_pair(PrivateKey::new(array(case, "private")));
    assert_eq!(pair.public.as_bytes(), &array(case, "public"), "{name}");
    let message = bytes(case, "message");
    let signature = Signature::new(array(case, "signature"));
    let valid = case["valid"].as_bool().unwrap();
    assert_eq!(xeddsa::verify(&pair.public, &[&message], &signature), valid, "{name}");
    let random = bytes(case, "random");
    let ours = xeddsa::sign(&pair.private, &[&message], &mut Scripted::new([random.as_slice()]));
    assert_eq!(ours == signature, valid, "{name}");
}

fn code() -> QrCode {
    let random = &mut SystemRandom;
    let (noise, identity) = (curve25519::generate(random).public, curve25519::generate(random).public);
    QrCode::new("2@a,b", noise, identity, AdvSecret::new(random.array()), ClientType::Firefox)
}

#[test]
fn a_text_that_is_no_code_is_refused_with_its_cause() {
    let good = code().to_text(QrForm::Plain);
    let fields: Vec<&str> = good.rsplitn(5, ',').collect();
    let [kind, secret, identity, noise, reference] = fields[..] else { panic!("{good}") };
    for (text, expected) in [
        (String::new(), QrError::Fields),
        (format!("{noise},{identity},{secret},{kind}"), QrError::Fields),
        (format!(",{noise},{identity},{secret},{kind}"), QrError::Fields),
        (format!("{reference},{noise},{identity},{secret},0"), QrError::ClientType),
        (format!("{reference},{noise},{identity},{secret},a"), QrError::ClientType),
        (format!("{reference},{noise},{identity},{secret},"), QrError::ClientType),
        (format!("{reference},{noise},AAAA,{secret},{kind}"), QrError::Key),
        (format!("{reference},!!!,{identity},{secret},{kind}"), QrError::Key),
        (format!("{reference},{noise},{identity},{},{kind}", secret.trim_end_matches('=')), QrError::Key),
    ] {
        assert_eq!(QrCode::parse(&text), Err(expected), "{text}");
    }
}

#[test]
fn every_kind_of_client_has_its_character() {
    for code in "123456789cdef".split("").filter(|code| !code.is_empty()) {
        assert_eq!(ClientType::from_code(code).unwrap().code(), code);
    }
    assert_eq!(ClientType::from(Platform::Desktop), ClientType::Electron);
    assert_eq!(ClientType::from(Platform::Other(99)), ClientType::OtherWeb);
}

#[test]
fn a_code_does_not_show_its_secret() {
    let code = code();
    let shown = format!("{code:?}");
    assert!(
        shown.contains("AdvSecret(..)") && !shown.contains(&hex::encode(code.secret.as_bytes())[..8]),
        "{shown}"
    );
}

#[test]
fn a_container_of_a_wrong_size_or_shape_is_refused() {
    let random = &mut SystemRandom;
    let (secret, device) = (AdvSecret::new(random.array()), curve25519::generate(random));
    let accept = |container: &[u8]| accept_link(container, &secret, &device, &mut SystemRandom).map(|_| ());
    assert_eq!(accept(&[]), Err(LinkError::Size { size: 0 }));
    assert_eq!(accept(&[0; 501]), Err(LinkError::Size { size: 501 }));
    assert_eq!(accept(&[0xFF]), Err(LinkError::Malformed));
    assert_eq!(LinkError::Malformed.refusal(), (500, "internal-error"));

    let signer = AccountSigner::new(curve25519::generate(random), 1, AccountType::Personal);
    let mut signed = signer.sign_device(&device.public, 1, NOW, random);
    assert_eq!(accept(&seal_identity(&signed, &secret, AccountType::Personal)), Ok(()));
    assert_eq!(
        accept(&seal_identity(&signed, &secret, AccountType::Hosted)),
        Ok(()),
        "each prefix by its own field"
    );
    signed.account_key = None;
    assert_eq!(accept(&seal_identity(&signed, &secret, AccountType::Personal)), Err(LinkError::NoAccountKey));
}

#[test]
fn changing_any_byte_of_a_container_fails() {
    let random = &mut SystemRandom;
    for account_type in [AccountType::Personal, AccountType::Hosted] {
        let (secret, device) = (AdvSecret::new(random.array()), curve25519::generate(random));
        let signer = AccountSigner::new(curve25519::generate(random), 77, account_type);
        let container = signer.link(&device.public, &secret, 3, NOW, random);
        assert!(accept_link(&container, &secret, &device, random).is_ok());
        for place in 0..container.len() {
            for flip in [0x01, 0x10, 0x80] {
                let mut changed = container.clone();
                changed[place] ^= flip;
                let outcome = accept_link(&changed, &secret, &device, random);
                assert!(outcome.is_err(), "{account_type:?}, byte {place} ^ {flip:#x}");
            }
        }
    }
}

#[test]
fn a_device_list_keeps_the_phone_the_listed_and_the_newer() {
    let signer = AccountSigner::new(curve25519::generate(&mut SystemRandom), 5, AccountType::Personal);
    let signed = signer.sign_key_indexes(9, &[0, 3, 7, 9], NOW, &mut SystemRandom);
    let (list, _) = signed.verify(Some(&signer.key.public)).unwrap();
    let devices = [(0, None), (1, Some(3)), (2, Some(4)), (3, None), (4, Some(10)), (5, Some(9))];
    let valid = devices.into_iter().filter(|(device, index)| list.admits(*device, *index));
    assert_eq!(valid.map(|(device, _)| device).collect::<Vec<u16>>(), [0, 1, 4, 5]);
}

proptest! {
    #[test]
    fn parsing_undoes_writing_a_code(reference in "[ -\"$-~]{1,80}", keys in any::<[[u8; 32]; 3]>(), link in any::<bool>()) {
        let code = QrCode::new(
            reference,
            PublicKey::new(keys[0]),
            PublicKey::new(keys[1]),
            AdvSecret::new(keys[2]),
            ClientType::Electron,
        );
        let form = if link { QrForm::Link } else { QrForm::Plain };
        prop_assert_eq!(QrCode::parse(&code.to_text(form)), Ok(code));
    }

    #[test]
    fn garbage_never_panics(garbage in proptest::collection::vec(any::<u8>(), 0..520), text in ".{0,200}") {
        let device = curve25519::key_pair(PrivateKey::new([7; 32]));
        prop_assert!(accept_link(&garbage, &AdvSecret::new([1; 32]), &device, &mut SystemRandom).is_err());
        let _ = SignedKeyIndexList::decode(&garbage).and_then(|list| list.verify(Some(&device.public)));
        let _ = SignedDeviceIdentity::decode(&garbage)
            .and_then(|identity| check_companion(&identity, &device.public, Some(&device.public)));
        let _ = QrCode::parse(&text);
    }
}
