//! Encrypted files: put onto the hosts, and read back by who knows their keys.

use wa_core::crypto::SystemRandom;
use wa_core::media::cipher::{CipherError, Decryptor, Encryptor, FileHashes};
use wa_core::media::{Attachment, MediaKey, MediaKind};

use crate::state::State;

/// Encrypts a file with a new key and puts it onto the hosts.
pub(crate) fn upload(state: &mut State, kind: MediaKind, bytes: &[u8]) -> Attachment {
    let key = MediaKey::generate(&mut SystemRandom);
    let mut encryptor = Encryptor::new(&key, kind);
    let mut ciphertext = bytes.to_vec();
    let count = encryptor.update(&mut ciphertext);
    let mut rest = ciphertext.split_off(count);
    let file = encryptor.finish(&mut rest);
    ciphertext.append(&mut rest);
    let direct_path = state.media.put(ciphertext);
    let host = state.media.hosts.first().cloned().unwrap_or_default();
    let mut attachment = Attachment::new(kind);
    attachment.url = Some(format!("https://{host}{direct_path}"));
    attachment.direct_path = Some(direct_path);
    attachment.key = Some(key);
    attachment.key_timestamp = Some(wa_types::UnixSeconds(state.now_seconds()));
    attachment.file_sha256 = Some(file.file_sha256);
    attachment.file_enc_sha256 = Some(file.file_enc_sha256);
    attachment.file_length = Some(file.length);
    attachment.sidecar = file.sidecar;
    attachment
}

/// Takes a file from the hosts, verifies and decrypts it.
pub(crate) fn download(state: &State, file: &Attachment) -> Result<Vec<u8>, CipherError> {
    let path = file.direct_path.as_deref().unwrap_or_default();
    let mut bytes = state.media.read(path).ok_or(CipherError::TooShort)?;
    let key = file.key.as_ref().ok_or(CipherError::Mac)?;
    let mut decryptor = Decryptor::new(key, file.kind);
    let count = decryptor.update(&mut bytes);
    let mut rest = bytes.split_off(count);
    let hashes = FileHashes { file_sha256: file.file_sha256, file_enc_sha256: file.file_enc_sha256 };
    decryptor.finish(&mut rest, &hashes)?;
    bytes.append(&mut rest);
    Ok(bytes)
}
