//! The headers that say who a delivery is from, and how receivers check them. The plain form is that of Standard Webhooks.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};
use wa_types::UnixMillis;

use super::record::SigningMode;
use super::secret::WebhookSecret;

pub(super) const ID: &str = "webhook-id";
pub(super) const TIMESTAMP: &str = "webhook-timestamp";
pub(super) const SIGNATURE: &str = "webhook-signature";
pub(super) const ATTEMPT: &str = "webhook-attempt";

/// More signatures in one header are not looked at.
const MAX_SIGNATURES: usize = 16;

/// The headers of a delivery. All secrets sign it, so that a receiver may know the old or the new one; where the mode
/// knows one signature only it is that of the first.
pub(super) fn headers(
    mode: SigningMode,
    secrets: &[WebhookSecret],
    id: &str,
    at: UnixMillis,
    attempt: u32,
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let timestamp = (at.0 / 1000).to_string();
    let signatures: Vec<String> = secrets
        .iter()
        .map(|secret| sign(secret, id, &timestamp, body).finalize().into_bytes())
        .map(v1)
        .collect();
    let mut headers = vec![
        (ID, id.to_owned()),
        (TIMESTAMP, timestamp),
        (SIGNATURE, signatures.join(" ")),
        (ATTEMPT, attempt.to_string()),
    ];
    if let Some(secret) = secrets.first() {
        match mode {
            SigningMode::Standard => {}
            SigningMode::Hub => {
                let mac = keyed::<Hmac<Sha256>>(secret).chain_update(body).finalize().into_bytes();
                headers.push(("x-hub-signature-256", format!("sha256={}", hex::encode(mac))));
            }
            SigningMode::Waha => {
                let mac = keyed::<Hmac<Sha512>>(secret).chain_update(body).finalize().into_bytes();
                headers.push(("x-webhook-hmac", hex::encode(mac)));
                headers.push(("x-webhook-hmac-algorithm", "sha512".to_owned()));
            }
        }
    }
    headers
}

fn v1(mac: impl AsRef<[u8]>) -> String {
    format!("v1,{}", STANDARD.encode(mac))
}

fn sign(secret: &WebhookSecret, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
    let mac = keyed::<Hmac<Sha256>>(secret);
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].into_iter().fold(mac, Mac::chain_update)
}

fn keyed<M: Mac + KeyInit>(secret: &WebhookSecret) -> M {
    <M as KeyInit>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length")
}

/// Why a delivery is not to be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A header is not there, or not as it should be: the delivery is not from here.
    #[error("the header {name} is missing or malformed")]
    Header {
        /// Which one.
        name: &'static str,
    },
    /// It was signed too long ago, or in the future: a repetition by somebody else, or clocks that differ.
    #[error("the delivery was signed at another time")]
    Time,
    /// None of the secrets made any of its signatures.
    #[error("the signature is another one")]
    Signature,
}

/// Checks a delivery, in constant time: its headers (names in any case), its body byte for byte, the secrets that may
/// have signed it. `now` may differ from when it was signed by `tolerance`; five minutes are usual.
///
/// Whoever takes the delivery remembers its `webhook-id`: it stays the same when it is delivered once more.
///
/// # Errors
/// Any [`VerifyError`]: answer with status 401, and do nothing.
pub fn verify<'a>(
    headers: impl IntoIterator<Item = (&'a str, &'a str)>,
    body: &[u8],
    secrets: &[WebhookSecret],
    now: UnixMillis,
    tolerance: Duration,
) -> Result<(), VerifyError> {
    let (mut id, mut timestamp, mut signatures) = (None, None, None);
    for (name, value) in headers {
        for (wanted, place) in [(ID, &mut id), (TIMESTAMP, &mut timestamp), (SIGNATURE, &mut signatures)] {
            if name.eq_ignore_ascii_case(wanted) {
                *place = Some(value);
            }
        }
    }
    let id = id.filter(|id| !id.is_empty()).ok_or(VerifyError::Header { name: ID })?;
    let timestamp = timestamp.ok_or(VerifyError::Header { name: TIMESTAMP })?;
    let signed: u64 = timestamp.parse().map_err(|_| VerifyError::Header { name: TIMESTAMP })?;
    let signatures = signatures.ok_or(VerifyError::Header { name: SIGNATURE })?;
    let mut is_signed = false;
    let macs =
        signatures.split(' ').take(MAX_SIGNATURES).filter_map(|signature| signature.strip_prefix("v1,"));
    for mac in macs.filter_map(|mac| STANDARD.decode(mac).ok()) {
        for secret in secrets {
            // All of them, whichever it is.
            is_signed |= sign(secret, id, timestamp, body).verify_slice(&mac).is_ok();
        }
    }
    if !is_signed {
        return Err(VerifyError::Signature);
    }
    let difference = Duration::from_millis(now.0.abs_diff(signed.saturating_mul(1000)));
    if difference > tolerance { Err(VerifyError::Time) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
