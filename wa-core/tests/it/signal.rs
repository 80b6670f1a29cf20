//! Known answers: signal. Every state is read from the record's own bytes, so these also pin down how records are kept.

mod conversation;
mod limits;
mod record;
mod tampering;

use std::collections::HashMap;

use serde_json::Value;
use wa_core::crypto::{curve25519, kdf, xeddsa};
use wa_core::signal::*;
use wa_types::{KeyPair, PreKeyId, PrivateKey, PublicKey, RegistrationId, Signature};

use self::record::State;
use crate::vectors::{Scripted, array, bytes, load, text};

#[test]
fn xeddsa_vectors() {
    for case in load("xeddsa").cases {
        let name = text(&case, "name");
        let message = bytes(&case, "message");
        let public = public(&case, "public");
        let valid = case["valid"].as_bool().unwrap();
        let signature = Signature::from_slice(&bytes(&case, "signature"));
        let verified = signature.is_some_and(|signature| xeddsa::verify(&public, &[&message], &signature));
        assert_eq!(verified, valid, "{name}");
        let (left, right) = message.split_at(message.len() / 2);
        let in_parts = signature.is_some_and(|signature| xeddsa::verify(&public, &[left, right], &signature));
        assert_eq!(in_parts, valid, "{name} in parts");

        if !case["private"].is_null() {
            let private = PrivateKey::new(array(&case, "private"));
            assert_eq!(curve25519::key_pair(private.clone()).public, public, "{name}");
            if !case["random"].is_null() {
                let random = bytes(&case, "random");
                let made = xeddsa::sign(&private, &[left, right], &mut Scripted::new([random.as_slice()]));
                assert_eq!(Some(made), signature, "{name}");
                let key = xeddsa::SigningKey::new(private.clone());
                let kept = xeddsa::SigningKey::from_parts(private, *key.edwards());
                let made = kept.sign(&[&message], &mut Scripted::new([random.as_slice()]));
                assert_eq!(Some(made), signature, "{name} with a kept key");
            }
        }
    }
}

#[test]
fn message_padding_vectors() {
    for case in load("message-padding").cases {
        let name = text(&case, "name");
        let padded = bytes(&case, "padded");
        match text(&case, "result") {
            "ok" => {
                let message = bytes(&case, "message");
                assert_eq!(unpad(&padded).unwrap(), message, "{name}");
                let n = u8::try_from(case["pad_length"].as_u64().unwrap()).unwrap();
                let mut made = message;
                // Only four bits of the random byte count.
                pad(&mut made, &mut Scripted::new([[(n - 1) | 0xA0].as_slice()]));
                assert_eq!(made, padded, "{name}");
            }
            "error" => assert_eq!(unpad(&padded), Err(PaddingError), "{name}"),
            other => panic!("{name}: unknown result {other}"),
        }
    }
}

#[test]
fn x3dh_vectors() {
    for case in load("x3dh").cases {
        let name = text(&case, "name");
        let (alice, bob) = (&case["alice"], &case["bob"]);
        let (alice_identity, bob_identity) = (pair(&alice["identity"]), pair(&bob["identity"]));
        let (base, ratchet) = (pair(&alice["base_key"]), pair(&alice["first_ratchet_key"]));
        let signed = signed_pre_key(&bob["signed_pre_key"]);
        let one_time = (!bob["one_time_pre_key"].is_null()).then(|| pre_key(&bob["one_time_pre_key"]));

        // The agreements as the chapter lists them, from both sides.
        let dh = &case["dh"];
        let both = |key: &str, a: &KeyPair, b: &KeyPair| {
            assert_eq!(curve25519::agree(&a.private, &b.public).unwrap()[..], array::<32>(dh, key), "{name}");
            assert_eq!(curve25519::agree(&b.private, &a.public).unwrap()[..], array::<32>(dh, key), "{name}");
        };
        both("identity_a_signed_b", &alice_identity, &signed.key_pair);
        both("base_a_identity_b", &base, &bob_identity);
        both("base_a_signed_b", &base, &signed.key_pair);
        if let Some(one_time) = &one_time {
            both("base_a_one_time_b", &base, &one_time.key_pair);
        }
        let secrets = kdf::hkdf_array::<64>(&bytes(&case, "shared_secret_input"), &[], b"WhisperText");
        assert_eq!(secrets[..32], bytes(&case, "root_key"), "{name}");
        assert_eq!(secrets[32..], bytes(&case, "chain_key"), "{name}");

        let ours = LocalIdentity { key_pair: &alice_identity, registration_id: registration_id(alice) };
        let bundle = PreKeyBundle {
            registration_id: registration_id(bob),
            identity: bob_identity.public,
            signed_pre_key_id: signed.id,
            signed_pre_key: signed.key_pair.public,
            signature: signed.signature,
            pre_key: one_time.as_ref().map(|key| (key.id, key.key_pair.public)),
        };
        let mut sender = SessionRecord::new();
        sender.initiate(ours, &bundle, &mut draws([&base, &ratchet])).unwrap();
        let setup = &case["alice_after_setup"];
        let state = State::current(&sender);
        assert_eq!(state.root, array(setup, "root_key"), "{name}");
        assert_eq!(state.chain_key, array(setup, "sending_chain_key"), "{name}");
        assert_eq!(state.chain_index, 0, "{name}");
        let [chain] = state.receiving.as_slice() else { panic!("{name}: one receiving chain") };
        assert_eq!(chain.ratchet_key, public(&setup["receiving_chain"], "ratchet_public"), "{name}");
        assert_eq!(chain.chain_key, array(&setup["receiving_chain"], "chain_key"), "{name}");

        let mut receiver = SessionRecord::new();
        let mut chain_key = state.chain_key;
        for (index, message) in case["messages"].as_array().unwrap().iter().enumerate() {
            let (seed, next) = step(&chain_key);
            chain_key = next;
            check_message_keys(message, &seed);
            let sent = sender.encrypt(&bytes(message, "plaintext")).unwrap();
            assert_eq!(sent.kind.as_str(), text(message, "type"), "{name}");
            assert_eq!(hex::encode(&sent.bytes), text(message, "bytes"), "{name}");

            let parsed = PreKeySignalMessage::parse(&sent.bytes).unwrap();
            assert_eq!(u64::from(parsed.message().counter()), message["counter"].as_u64().unwrap());
            assert_eq!(parsed.pre_key_id(), one_time.as_ref().map(|key| key.id));
            assert_eq!(parsed.signed_pre_key_id(), Some(signed.id));
            assert_eq!(receiver.knows(&parsed), index > 0);
            let ours = LocalIdentity { key_pair: &bob_identity, registration_id: registration_id(bob) };
            let after = &case["bob_after_first_message"];
            let drawn = pair(&after["generated_ratchet_key"]);
            let (keys, mut random) = if index == 0 {
                (PreKeys { signed: Some(&signed), one_time: one_time.as_ref() }, draws([&drawn]))
            } else {
                (PreKeys::default(), draws([]))
            };
            let got = receiver.decrypt_pre_key(ours, &parsed, keys, Peer::Contact, &mut random).unwrap();
            assert_eq!(got.plaintext, bytes(message, "plaintext"), "{name}");
            assert_eq!(got.is_new_session, index == 0, "{name}");
            if index == 0 {
                check_state(name, &receiver, &after["state"]);
                let used = got.used_pre_key.map(|id| u64::from(id.get()));
                assert_eq!(used, after["consumed_one_time_pre_key_id"].as_u64(), "{name}");
                assert_eq!(receiver.remote_registration_id(), Some(registration_id(alice)), "{name}");
                assert_eq!(receiver.remote_identity(), Some(&alice_identity.public), "{name}");
                assert_eq!(receiver.base_key(), Some(&base.public), "{name}");
            } else {
                assert_eq!(got.used_pre_key, None, "{name}");
            }
        }
    }
}

/// One party of a transcript.
struct Party {
    identity: KeyPair,
    registration_id: RegistrationId,
    signed: Vec<SignedPreKey>,
    one_time: Vec<PreKey>,
    record: SessionRecord,
}

#[test]
fn double_ratchet_vectors() {
    for case in load("double-ratchet").cases {
        let mut parties: HashMap<String, Party> = case["parties"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, party)| {
                let keys = |key: &str| party[key].as_array().unwrap().clone();
                let party = Party {
                    identity: pair(&party["identity"]),
                    registration_id: registration_id(party),
                    signed: keys("signed_pre_keys").iter().map(signed_pre_key).collect(),
                    one_time: keys("one_time_pre_keys").iter().map(pre_key).collect(),
                    record: SessionRecord::new(),
                };
                (name.clone(), party)
            })
            .collect();
        let mut sent: HashMap<String, (String, Vec<u8>, Vec<u8>)> = HashMap::new();
        let foreign = case["encrypt_output_differs_for"].as_array().unwrap();
        for (index, step) in case["steps"].as_array().unwrap().iter().enumerate() {
            let at = format!("{}, step {index}", text(&case, "name"));
            let party = parties.get_mut(text(step, "by")).unwrap();
            match text(step, "op") {
                "establish" => establish(party, step),
                "encrypt" => {
                    let (plaintext, expected) = (bytes(step, "plaintext"), bytes(step, "bytes"));
                    // A foreign message is of another session than ours would be; ours is made, and lost.
                    let made = party.record.encrypt(&plaintext).unwrap();
                    if !foreign.contains(&step["message_id"]) {
                        assert_eq!(made.kind.as_str(), text(step, "type"), "{at}");
                        assert_eq!(hex::encode(made.bytes), hex::encode(&expected), "{at}");
                    }
                    let id = text(step, "message_id").to_owned();
                    sent.insert(id, (text(step, "type").to_owned(), expected, plaintext));
                }
                "encrypt_discarded" => {
                    for _ in 0..step["count"].as_u64().unwrap() {
                        party.record.encrypt(b"discarded").unwrap();
                    }
                }
                "decrypt" => {
                    let (kind, genuine, plaintext) = &sent[text(step, "message_id")];
                    let altered = (!step["bytes"].is_null()).then(|| bytes(step, "bytes"));
                    decrypt(&at, party, step, kind, altered.as_ref().unwrap_or(genuine), plaintext);
                }
                "lose_sessions" => party.record = SessionRecord::new(),
                "reinstall" => {
                    party.record = SessionRecord::new();
                    party.identity = pair(&step["identity"]);
                    party.registration_id = registration_id(step);
                }
                other => panic!("{at}: unknown step {other}"),
            }
            if !step["state_after"].is_null() {
                check_state(&at, &parties[text(step, "by")].record, &step["state_after"]);
            }
            for party in parties.values_mut() {
                let kept = party.record.encode();
                party.record = SessionRecord::decode(&kept).unwrap();
                assert_eq!(party.record.encode(), kept, "{at}: the record survives being kept");
            }
        }
    }
}

fn establish(party: &mut Party, step: &Value) {
    let bundle = &step["bundle"];
    let id = |key: &str| PreKeyId::new(u32::try_from(bundle[key].as_u64().unwrap()).unwrap()).unwrap();
    let bundle = PreKeyBundle {
        registration_id: registration_id(bundle),
        identity: public(bundle, "identity"),
        signed_pre_key_id: id("signed_pre_key_id"),
        signed_pre_key: public(bundle, "signed_pre_key_public"),
        signature: Signature::new(array(bundle, "signed_pre_key_signature")),
        pre_key: (!bundle["one_time_pre_key_id"].is_null())
            .then(|| (id("one_time_pre_key_id"), public(bundle, "one_time_pre_key_public"))),
    };
    let generated = &step["generated"];
    let (base, ratchet) = (pair(&generated["base_key"]), pair(&generated["ratchet_key"]));
    let ours = LocalIdentity { key_pair: &party.identity, registration_id: party.registration_id };
    party.record.initiate(ours, &bundle, &mut draws([&base, &ratchet])).unwrap();
}

fn decrypt(at: &str, party: &mut Party, step: &Value, kind: &str, received: &[u8], plaintext: &[u8]) {
    let before = party.record.encode();
    // Without a key to draw the script is empty, and drawing would panic.
    let drawn = (!step["generated"].is_null()).then(|| pair(&step["generated"]["ratchet_key"]));
    let mut random = draws(drawn.iter());
    let ours = LocalIdentity { key_pair: &party.identity, registration_id: party.registration_id };
    let result = if kind == "pkmsg" {
        PreKeySignalMessage::parse(received).and_then(|message| {
            let signed = party.signed.iter().find(|key| Some(key.id) == message.signed_pre_key_id());
            let one_time = party.one_time.iter().find(|key| Some(key.id) == message.pre_key_id());
            let keys = PreKeys { signed, one_time };
            party.record.decrypt_pre_key(ours, &message, keys, Peer::Contact, &mut random)
        })
    } else {
        SignalMessage::parse(received)
            .and_then(|message| party.record.decrypt(&message, Peer::Contact, &mut random))
            .map(|plaintext| PreKeyDecrypted {
                plaintext,
                used_pre_key: None,
                is_new_session: false,
                replaced_identity: None,
            })
    };
    match text(step, "result") {
        "ok" => {
            let got = result.unwrap_or_else(|error| panic!("{at}: {error}"));
            assert_eq!(got.plaintext, plaintext, "{at}");
            assert!(random.0.is_empty(), "{at}: the ratchet key was drawn");
            let used = got.used_pre_key.map(|id| u64::from(id.get()));
            assert_eq!(used, step["consumed_one_time_pre_key_id"].as_u64(), "{at}");
            assert_eq!(got.replaced_identity.is_some(), step["identity_changed"] == true, "{at}");
            party.one_time.retain(|key| Some(key.id) != got.used_pre_key);
            if !step["derived"].is_null() {
                let seed = array(&step["derived"], "message_key_seed");
                check_message_keys(&step["derived"], &seed);
            }
        }
        "error" => {
            let error = result.err().unwrap_or_else(|| panic!("{at}: decrypted"));
            let name = match error {
                SignalError::Duplicate { .. } => "duplicate",
                SignalError::BadMac => "bad_mac",
                SignalError::TooFarInFuture { .. } => "too_far_in_future",
                SignalError::NoSession => "no_session",
                SignalError::InvalidPreKeyId { .. } => "invalid_pre_key_id",
                SignalError::InvalidSignedPreKeyId { .. } => "invalid_signed_pre_key_id",
                other => panic!("{at}: {other:?}"),
            };
            assert_eq!(name, text(step, "error"), "{at}");
            assert_eq!(party.record.encode(), before, "{at}: nothing changes");
        }
        other => panic!("{at}: unknown result {other}"),
    }
}

#[test]
fn sender_key_vectors() {
    for case in load("sender-key").cases {
        let name = text(&case, "name");
        let mut own: HashMap<u64, OwnSenderKey> = HashMap::new();
        for key in case["sender_keys"].as_array().unwrap() {
            let id = key["key_id"].as_u64().unwrap();
            let id_bytes = u32::try_from(id).unwrap().to_be_bytes();
            let (chain_key, private) = (bytes(key, "initial_chain_key"), bytes(key, "signing_private"));
            let made =
                OwnSenderKey::generate(&mut Scripted::new([&id_bytes[..], &chain_key[..], &private[..]]));
            assert_eq!(u64::from(made.key_id()), id, "{name}");
            own.insert(id, made);
        }
        let mut record = SenderKeyRecord::new();
        for (index, step) in case["steps"].as_array().unwrap().iter().enumerate() {
            let at = format!("{name}, step {index}");
            let received = bytes(step, "bytes");
            let sender_key =
                case["sender_keys"].as_array().unwrap().iter().find(|key| key["key_id"] == step["key_id"]);
            let before = record.encode();
            match text(step, "op") {
                "process_distribution" => {
                    let distribution = SenderKeyDistribution::parse(&received).unwrap();
                    assert_eq!(distribution.to_bytes(), received, "{at}");
                    assert_eq!(
                        u64::from(distribution.iteration()),
                        step["iteration"].as_u64().unwrap(),
                        "{at}"
                    );
                    // Our own sender at that iteration hands out the very same bytes.
                    let sender = own.get_mut(&step["key_id"].as_u64().unwrap()).unwrap();
                    advance(sender, distribution.iteration());
                    assert_eq!(sender.distribution().to_bytes(), received, "{at}");
                    record.process(&distribution).unwrap();
                }
                "decrypt" => {
                    let message = SenderKeyMessage::parse(&received).unwrap();
                    assert_eq!(u64::from(message.key_id()), step["key_id"].as_u64().unwrap(), "{at}");
                    assert_eq!(u64::from(message.iteration()), step["iteration"].as_u64().unwrap(), "{at}");
                    match (text(step, "result"), record.decrypt(&message)) {
                        ("ok", Ok(plaintext)) => {
                            assert_eq!(plaintext, bytes(step, "plaintext"), "{at}");
                            check_group_keys(step, &array(sender_key.unwrap(), "initial_chain_key"));
                            let sender = own.get_mut(&step["key_id"].as_u64().unwrap()).unwrap();
                            if sender.iteration() <= message.iteration() {
                                advance(sender, message.iteration());
                                let random = [0; 64];
                                let mut random = Scripted::new([random.as_slice()]);
                                let made = sender.encrypt(&plaintext, &mut random).unwrap();
                                let unsigned = received.len() - 64;
                                assert_eq!(made[..unsigned], received[..unsigned], "{at}");
                                let made = SenderKeyMessage::parse(&made).unwrap();
                                let duplicate = record.decrypt(&made);
                                assert!(matches!(duplicate, Err(SignalError::Duplicate { .. })), "{at}");
                            }
                        }
                        ("error", Err(error)) => {
                            let error = match error {
                                SignalError::NoSenderKey { .. } => "no_sender_key",
                                SignalError::InvalidSignature => "bad_signature",
                                // Who made the vectors did not tell them apart.
                                SignalError::Duplicate { .. } | SignalError::BeforeSenderKey { .. } => {
                                    "duplicate"
                                }
                                SignalError::TooFarInFuture { .. } => "too_far_in_future",
                                other => panic!("{at}: {other:?}"),
                            };
                            assert_eq!(error, text(step, "error"), "{at}");
                            assert_eq!(record.encode(), before, "{at}: nothing changes");
                        }
                        (expected, got) => panic!("{at}: {expected}, but {got:?}"),
                    }
                }
                other => panic!("{at}: unknown step {other}"),
            }
            let kept = record.encode();
            record = SenderKeyRecord::decode(&kept).unwrap();
            assert_eq!(record.encode(), kept, "{at}: the record survives being kept");
        }
    }
}

/// Lets a sender lose messages until its next one has this iteration.
fn advance(sender: &mut OwnSenderKey, iteration: u32) {
    while sender.iteration() < iteration {
        sender.encrypt(b"lost", &mut Scripted::new([[0; 64].as_slice()])).unwrap();
    }
    *sender = OwnSenderKey::decode(&sender.encode()).unwrap();
}

fn check_state(at: &str, record: &SessionRecord, expected: &Value) {
    let state = State::current(record);
    assert_eq!(hex::encode(state.root), text(expected, "root_key"), "{at}");
    assert_eq!(state.ratchet_pair.public, public(expected, "sending_ratchet_public"), "{at}");
    assert_eq!(hex::encode(state.chain_key), text(expected, "sending_chain_key"), "{at}");
    assert_eq!(u64::from(state.chain_index), expected["sending_chain_index"].as_u64().unwrap(), "{at}");
    assert_eq!(u64::from(state.previous_counter), expected["previous_counter"].as_u64().unwrap(), "{at}");
    assert_eq!(record.archived_len() as u64, expected["archived_sessions"].as_u64().unwrap(), "{at}");
    assert_eq!(state.pending.is_some(), expected["pending_pre_key"] == true, "{at}");
    let chains = expected["receiving_chains"].as_array().unwrap();
    assert_eq!(state.receiving.len(), chains.len(), "{at}");
    for (chain, expected) in state.receiving.iter().zip(chains) {
        assert_eq!(chain.ratchet_key, public(expected, "ratchet_public"), "{at}");
        assert_eq!(hex::encode(chain.chain_key), text(expected, "chain_key"), "{at}");
        assert_eq!(u64::from(chain.index), expected["chain_index"].as_u64().unwrap(), "{at}");
        assert_eq!(chain.skipped.len() as u64, expected["skipped_count"].as_u64().unwrap(), "{at}");
        if let Some(counters) = expected["skipped_counters"].as_array() {
            let counters: Vec<_> = counters.iter().map(|counter| counter.as_u64().unwrap()).collect();
            let kept: Vec<_> = chain.skipped.iter().map(|(counter, _)| u64::from(*counter)).collect();
            assert_eq!(kept, counters, "{at}");
        }
    }
}

fn check_message_keys(expected: &Value, seed: &[u8; 32]) {
    assert_eq!(hex::encode(seed), text(expected, "message_key_seed"));
    let keys = kdf::hkdf_array::<80>(seed, &[], b"WhisperMessageKeys");
    assert_eq!(hex::encode(&keys[..32]), text(expected, "cipher_key"));
    assert_eq!(hex::encode(&keys[32..64]), text(expected, "mac_key"));
    assert_eq!(hex::encode(&keys[64..]), text(expected, "iv"));
}

fn check_group_keys(expected: &Value, initial: &[u8; 32]) {
    let mut chain_key = *initial;
    for _ in 0..expected["iteration"].as_u64().unwrap() {
        chain_key = step(&chain_key).1;
    }
    let (seed, _) = step(&chain_key);
    let derived = &expected["derived"];
    assert_eq!(hex::encode(seed), text(derived, "message_seed"));
    let keys = kdf::hkdf_array::<48>(&seed, &[], b"WhisperGroup");
    assert_eq!(hex::encode(&keys[..16]), text(derived, "iv"));
    assert_eq!(hex::encode(&keys[16..]), text(derived, "cipher_key"));
}

/// The seed of a chain key's message, and the next chain key.
fn step(chain_key: &[u8; 32]) -> ([u8; 32], [u8; 32]) {
    (kdf::hmac_sha256(chain_key, &[&[1]]), kdf::hmac_sha256(chain_key, &[&[2]]))
}

/// Draws the private keys of these pairs, in order.
fn draws<'a>(pairs: impl IntoIterator<Item = &'a KeyPair>) -> Scripted {
    Scripted::new(pairs.into_iter().map(|pair| pair.private.as_bytes().as_slice()))
}

fn pair(value: &Value) -> KeyPair {
    let pair = curve25519::key_pair(PrivateKey::new(array(value, "private")));
    assert_eq!(pair.public, public(value, "public"));
    pair
}

fn public(value: &Value, key: &str) -> PublicKey {
    PublicKey::from_serialized(&bytes(value, key)).unwrap()
}

fn pre_key(value: &Value) -> PreKey {
    PreKey { id: id(value), key_pair: pair(value) }
}

fn signed_pre_key(value: &Value) -> SignedPreKey {
    let signature = Signature::new(array(value, "signature"));
    SignedPreKey { id: id(value), key_pair: pair(value), signature }
}

fn id(value: &Value) -> PreKeyId {
    PreKeyId::new(u32::try_from(value["id"].as_u64().unwrap()).unwrap()).unwrap()
}

fn registration_id(value: &Value) -> RegistrationId {
    RegistrationId(u32::try_from(value["registration_id"].as_u64().unwrap()).unwrap())
}
