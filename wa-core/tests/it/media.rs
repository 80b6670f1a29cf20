//! Media files: the known answers, and laws.

use proptest::prelude::*;
use serde_json::Value;
use wa_core::crypto::kdf::sha256;
use wa_core::media::cipher::{
    CipherError, Decryptor, EncryptedFile, Encryptor, FileHashes, encrypted_length,
};
use wa_core::media::retry::{RetryAnswerError, RetrySecret};
use wa_core::media::{MediaKey, MediaKind, upload_token};

use crate::vectors;

fn kind_of(case: &Value) -> MediaKind {
    let name = vectors::text(case, "media_type");
    let found = MediaKind::ALL.iter().find(|kind| kind.as_str() == name);
    *found.unwrap_or_else(|| panic!("{}: no kind {name}", case["name"]))
}

fn plaintext_of(case: &Value) -> Vec<u8> {
    if case["plaintext"].is_string() {
        return vectors::bytes(case, "plaintext");
    }
    let rule = &case["plaintext_rule"];
    assert_eq!(rule["type"], "affine", "{}", case["name"]);
    let (multiplier, addend) = (rule["multiplier"].as_u64().unwrap(), rule["addend"].as_u64().unwrap());
    let length = case["plaintext_length"].as_u64().unwrap();
    (0..length).map(|i| ((i * multiplier + addend) % 256) as u8).collect()
}

/// Encrypts in pieces of this size.
fn encrypt(encryptor: Encryptor, plaintext: &[u8], piece: usize) -> (Vec<u8>, EncryptedFile) {
    let (mut encryptor, mut out, mut buffer) = (encryptor, Vec::new(), Vec::new());
    for piece in plaintext.chunks(piece) {
        buffer.extend_from_slice(piece);
        let count = encryptor.update(&mut buffer);
        out.extend(buffer.drain(..count));
    }
    let file = encryptor.finish(&mut buffer);
    out.extend(buffer);
    (out, file)
}

fn decrypt(
    key: &MediaKey,
    kind: MediaKind,
    hashes: &FileHashes,
    ciphertext: &[u8],
    piece: usize,
) -> Result<Vec<u8>, CipherError> {
    let (mut decryptor, mut out, mut buffer) = (Decryptor::new(key, kind), Vec::new(), Vec::new());
    for piece in ciphertext.chunks(piece) {
        buffer.extend_from_slice(piece);
        let count = decryptor.update(&mut buffer);
        out.extend(buffer.drain(..count));
    }
    let file = decryptor.finish(&mut buffer, hashes)?;
    out.extend(buffer);
    assert_eq!(file.length, out.len() as u64);
    assert_eq!(file.file_sha256, sha256(&[&out]));
    Ok(out)
}

#[test]
fn media_vectors() {
    for case in &vectors::load("media").cases {
        match vectors::text(case, "kind") {
            "encrypt" => encrypt_case(case),
            "decrypt" => decrypt_case(case),
            "plain" => {
                let hash = sha256(&[&vectors::bytes(case, "plaintext")]);
                assert_eq!(hash, vectors::array(case, "file_sha256"), "{}", case["name"]);
                assert_eq!(upload_token(&hash), vectors::text(case, "url_token_nopad"), "{}", case["name"]);
            }
            other => panic!("{}: unknown kind {other}", case["name"]),
        }
    }
}

fn encrypt_case(case: &Value) {
    let name = &case["name"];
    let (key, kind, plaintext) =
        (MediaKey::new(vectors::array(case, "media_key")), kind_of(case), plaintext_of(case));
    assert_eq!(kind.key_info(), vectors::text(case, "hkdf_info"), "{name}");
    for piece in [1 << 20, 65_536, 1000, 17] {
        let mut encryptor = Encryptor::new(&key, kind);
        if let Some(length) = case["first_frame_length"].as_u64() {
            encryptor = encryptor.with_first_frame(length);
        }
        let (out, file) = encrypt(encryptor, &plaintext, piece);
        assert_eq!(file.length, plaintext.len() as u64, "{name}");
        assert_eq!(Some(out.len() as u64), case["encrypted_length"].as_u64(), "{name}");
        assert_eq!(Some(out.len() as u64), encrypted_length(file.length), "{name}");
        assert_eq!(out[out.len() - 10..], vectors::bytes(case, "mac"), "{name}");
        if case["encrypted"].is_string() {
            assert_eq!(out, vectors::bytes(case, "encrypted"), "{name}");
        } else {
            assert_eq!(out[..32], vectors::bytes(case, "encrypted_first_32"), "{name}");
            assert_eq!(out[out.len() - 42..], vectors::bytes(case, "encrypted_last_42"), "{name}");
        }
        assert_eq!(file.file_sha256, vectors::array(case, "file_sha256"), "{name}");
        assert_eq!(file.file_enc_sha256, vectors::array(case, "file_enc_sha256"), "{name}");
        assert_eq!(upload_token(&file.file_enc_sha256), vectors::text(case, "url_token_nopad"), "{name}");
        match &file.sidecar {
            Some(sidecar) => assert_eq!(*sidecar, vectors::bytes(case, "streaming_sidecar"), "{name}"),
            None => assert!(!kind.has_sidecar(), "{name}"),
        }
        match file.first_frame_sidecar {
            Some(sidecar) => assert_eq!(sidecar, vectors::array(case, "first_frame_sidecar"), "{name}"),
            None => assert!(case["first_frame_length"].is_null(), "{name}"),
        }
        let hashes =
            FileHashes { file_sha256: Some(file.file_sha256), file_enc_sha256: Some(file.file_enc_sha256) };
        assert_eq!(decrypt(&key, kind, &hashes, &out, piece), Ok(plaintext.clone()), "{name}");
    }
}

fn decrypt_case(case: &Value) {
    let hash = |field: &str| case[field].is_string().then(|| vectors::array(case, field));
    let hashes = FileHashes { file_sha256: hash("file_sha256"), file_enc_sha256: hash("file_enc_sha256") };
    let key = MediaKey::new(vectors::array(case, "media_key"));
    let expected = match (vectors::text(case, "expect"), case["error"].as_str()) {
        ("ok", _) => Ok(vectors::bytes(case, "plaintext")),
        (_, Some("file_enc_sha256")) => Err(CipherError::EncryptedHash),
        (_, Some("mac")) => Err(CipherError::Mac),
        (_, Some("file_sha256")) => Err(CipherError::Hash),
        (_, Some("too_short")) => Err(CipherError::TooShort),
        (_, Some("padding")) => Err(CipherError::Padding),
        (_, Some("length")) => Err(CipherError::Length),
        other => panic!("{}: {other:?}", case["name"]),
    };
    for piece in [1 << 20, 16, 7] {
        let opened = decrypt(&key, kind_of(case), &hashes, &vectors::bytes(case, "encrypted"), piece);
        assert_eq!(opened, expected, "{}, in pieces of {piece}", case["name"]);
    }
}

#[test]
fn media_retry_vectors() {
    for case in &vectors::load("media-retry").cases {
        let key = MediaKey::new(vectors::array(case, "media_key"));
        let (id, nonce) = (vectors::text(case, "stanza_id"), vectors::array(case, "enc_iv"));
        let ciphertext = vectors::bytes(case, "enc_p");
        let secret = RetrySecret::new(ciphertext, nonce);
        match vectors::text(case, "kind") {
            "request" => {
                assert_eq!(RetrySecret::request(&key, id, nonce), secret, "{}", case["name"]);
                assert_eq!(secret.open_request(&key, id), Ok(()), "{}", case["name"]);
            }
            "response" => {
                let expect = &case["expect"];
                let expected = match (expect["result"].as_str(), case["error"].as_str()) {
                    (None, Some("gcm")) => Err(RetryAnswerError::Tampered),
                    _ if expect["stanza_id"] != id => Err(RetryAnswerError::OtherMessage),
                    (Some("SUCCESS"), _) => Ok(vectors::text(expect, "direct_path").to_owned()),
                    (Some("NOT_FOUND"), _) => Err(RetryAnswerError::NotFound),
                    (Some("GENERAL_ERROR"), _) => Err(RetryAnswerError::Failed),
                    (Some("DECRYPTION_ERROR"), _) => Err(RetryAnswerError::PhoneCouldNotDecrypt),
                    other => panic!("{}: {other:?}", case["name"]),
                };
                assert_eq!(secret.open_answer(&key, id), expected, "{}", case["name"]);
            }
            other => panic!("{}: unknown kind {other}", case["name"]),
        }
    }
}

proptest! {
    #[test]
    fn decryption_undoes_encryption_whatever_the_pieces(
        plaintext in prop::collection::vec(any::<u8>(), 0..200_000),
        (write, read) in (1_usize..70_000, 1_usize..70_000),
    ) {
        let key = MediaKey::new([7; 32]);
        let (out, file) = encrypt(Encryptor::new(&key, MediaKind::Video), &plaintext, write);
        let hashes = FileHashes { file_sha256: Some(file.file_sha256), file_enc_sha256: Some(file.file_enc_sha256) };
        prop_assert_eq!(decrypt(&key, MediaKind::Video, &hashes, &out, read), Ok(plaintext));
    }

    #[test]
    fn a_changed_file_is_never_accepted(
        plaintext in prop::collection::vec(any::<u8>(), 0..400), position in any::<prop::sample::Index>(), bit in 0_u8..8,
    ) {
        let key = MediaKey::new([7; 32]);
        let (mut out, _) = encrypt(Encryptor::new(&key, MediaKind::Image), &plaintext, 64);
        let position = position.index(out.len());
        out[position] ^= 1_u8 << bit;
        let opened = decrypt(&key, MediaKind::Image, &FileHashes::default(), &out, 64);
        prop_assert_eq!(opened, Err(CipherError::Mac));
    }
}
