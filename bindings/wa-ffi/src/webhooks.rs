//! For who receives webhooks: whether a delivery is from where it says.

use std::collections::HashMap;
use std::time::Duration;

use wa_manager::webhook::{VerifyError, WebhookSecret, verify};
use wa_types::UnixMillis;

use crate::error::{self, WaError};

const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Checks a delivery of a webhook, in constant time: its headers (names in any case), its body byte for byte, and the
/// secrets that may have signed it. It may have been signed so long ago; five minutes unless it is said.
///
/// An error (`webhook_header`, `webhook_signature`, `webhook_time`, `invalid_secret`) means: answer with status 401, and do
/// nothing. Whoever takes a delivery remembers its `webhook-id`: it stays the same when it is delivered once more.
#[uniffi::export(default(tolerance = None))]
pub fn verify_webhook(
    headers: HashMap<String, String>,
    body: Vec<u8>,
    secrets: Vec<String>,
    tolerance: Option<Duration>,
) -> Result<(), WaError> {
    let secrets = secrets.iter().map(|secret| WebhookSecret::parse(secret)).collect::<Result<Vec<_>, _>>();
    let secrets = secrets.map_err(|error| WaError::invalid("invalid_secret", error))?;
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let now = UnixMillis::from_system_time(error::now());
    verify(headers, &body, &secrets, now, tolerance.unwrap_or(TOLERANCE)).map_err(|error| {
        let code = match error {
            VerifyError::Header { .. } => "webhook_header",
            VerifyError::Time => "webhook_time",
            _ => "webhook_signature",
        };
        WaError::invalid(code, error)
    })
}
