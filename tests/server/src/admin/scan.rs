//! A phone that scans.

use std::sync::Arc;

use hyper::StatusCode;
use serde_json::{Value, json};
use wa_core::pairing::qr::QrCode;

use super::query_value;
use crate::hub::Hub;
use crate::pairing::ScanError;
use crate::phone::Phone;

/// `POST /admin/mock-phone/scan-qr`: the body is the raw QR text, or JSON `{"qr": …, "phone": …}`. Answers when the
/// companion is linked.
///
/// Which phone scans: the one of `?phone=NAME` or of the JSON; else the one of the push name that the client gave when
/// it connected; else a new one.
pub(super) async fn scan_qr(hub: &Arc<Hub>, query: &str, body: &[u8]) -> (StatusCode, Value) {
    let body = String::from_utf8_lossy(body);
    let parsed = serde_json::from_str::<Value>(&body).ok().filter(Value::is_object);
    let field = |name: &str| parsed.as_ref().and_then(|value| value.get(name)).and_then(Value::as_str);
    let text = field("qr").or_else(|| field("qrCode")).unwrap_or(&body).trim().trim_matches('"').to_owned();
    let named = query_value(query, "phone").or_else(|| field("phone").map(str::to_owned));

    let Ok(code) = QrCode::parse(&text) else { return refused(&ScanError::Qr) };
    let behind = hub.state().push_name_behind(&code.reference);
    let Some(push_name) = behind else { return refused(&ScanError::UnknownRef) };
    let phone = match named.or(push_name) {
        Some(name) => Phone::of(hub, &name),
        None => Phone::new_unnamed(hub),
    };
    match phone.scan(&text).await {
        Ok(jid) => {
            let answer =
                json!({ "device": jid.to_string(), "phone": phone.name(), "lid": phone.lid().to_string() });
            (StatusCode::OK, answer)
        }
        Err(error) => refused(&error),
    }
}

fn refused(error: &ScanError) -> (StatusCode, Value) {
    tracing::info!(%error, "scan failed");
    (status_of(error), json!({ "error": error.to_string() }))
}

/// The status of a refusal.
pub(super) const fn status_of(error: &ScanError) -> StatusCode {
    match error {
        ScanError::Qr => StatusCode::BAD_REQUEST,
        ScanError::UnknownRef | ScanError::OtherKeys => StatusCode::NOT_FOUND,
        ScanError::TooMany => StatusCode::CONFLICT,
        ScanError::Refused { .. } | ScanError::DeviceSignature => StatusCode::UNPROCESSABLE_ENTITY,
        ScanError::NoAnswer => StatusCode::GATEWAY_TIMEOUT,
    }
}
