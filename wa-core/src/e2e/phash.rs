//! Hashes over addresses: participants of a send, and the contact whose device list changed.
//! Protocol: prekeys and devices, "Participant hash", "devices notification".

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use md5::{Digest as _, Md5};
use wa_types::Jid;

use crate::crypto::kdf::sha256;

/// The participant hash of these devices; their order does not matter, duplicates do.
#[must_use]
pub fn participant_hash<'j>(devices: impl IntoIterator<Item = &'j Jid>) -> String {
    let mut forms: Vec<String> = devices.into_iter().map(Jid::phash_form).collect();
    forms.sort_unstable();
    let [a, b, c, d, e, f, ..] = sha256(&[forms.concat().as_bytes()]);
    format!("2:{}", STANDARD.encode([a, b, c, d, e, f]))
}

/// How a devices notification names the contact whose list changed: a hash of the address's user part.
#[must_use]
pub fn contact_hash(user: &str) -> String {
    let digest = Md5::new().chain_update(user).chain_update("WA_ADD_NOTIF").finalize();
    let [a, b, c, ..]: [u8; 16] = digest.into();
    STANDARD_NO_PAD.encode([a, b, c])
}
