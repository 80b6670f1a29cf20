//! A phone that types a code, or wants a passkey.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use serde_json::{Value, json};
use wa_types::PhoneNumber;

use super::Refused;
use crate::hub::Hub;
use crate::phone::{CodeError, PasskeyLinkError, Phone};

type Answer = Result<Value, Refused>;

/// `POST /admin/mock-phone`: makes a phone of this name, or finds it. Answers its number, which a client needs to ask for
/// a code.
pub(super) fn phone(hub: &Arc<Hub>, body: &[u8]) -> Answer {
    let phone = Phone::of(hub, text(&serde_json::from_slice(body)?, "phone")?);
    Ok(json!({
        "phone": phone.name(),
        "number": phone.pn().user(),
        "jid": phone.pn().to_string(),
        "lid": phone.lid().to_string(),
    }))
}

/// `POST /admin/mock-phone/enter-code`: the phone's user types what a companion shows. Answers when it is linked.
pub(super) async fn enter_code(hub: &Arc<Hub>, body: &[u8]) -> Answer {
    let request: Value = serde_json::from_slice(body)?;
    let jid = find(hub, &request)?.enter_code(text(&request, "code")?).await?;
    Ok(json!({ "device": jid.to_string() }))
}

/// `POST /admin/mock-phone/write`: the phone writes a text to a number.
pub(super) async fn write(hub: &Arc<Hub>, body: &[u8]) -> Answer {
    let request: Value = serde_json::from_slice(body)?;
    let bad = |error: &dyn std::fmt::Display| Refused(StatusCode::BAD_REQUEST, error.to_string());
    let to: PhoneNumber = text(&request, "to")?.parse().map_err(|error| bad(&error))?;
    let phone = Phone::of(hub, text(&request, "phone")?);
    phone.send_text(&to.to_jid(), text(&request, "text")?).await.map_err(|error| bad(&error))?;
    Ok(json!({}))
}

/// `POST /admin/mock-phone/refresh-code`: takes back the code that a companion shows for this phone.
pub(super) fn refresh_code(hub: &Arc<Hub>, body: &[u8]) -> Answer {
    let request: Value = serde_json::from_slice(body)?;
    let by_user = request.get("by_user").and_then(Value::as_bool).unwrap_or(false);
    Ok(json!({ "was_live": find(hub, &request)?.refresh_code(by_user) }))
}

/// `POST /admin/mock-phone/passkey`: the phone wants a passkey of the companion behind a QR code, and its user confirms
/// the code that both show. Answers when it is linked.
pub(super) async fn passkey(hub: &Arc<Hub>, body: &[u8]) -> Answer {
    let request: Value = serde_json::from_slice(body)?;
    let inline = request.get("inline").and_then(Value::as_bool).unwrap_or(true);
    let asked = find(hub, &request)?.ask_passkey(text(&request, "qr")?, inline);
    let mut link = asked.map_err(PasskeyLinkError::from)?;
    let code = link.code().await?.to_string();
    let is_handed_off = link.is_handed_off();
    let jid = link.confirm().await?;
    Ok(json!({ "device": jid.to_string(), "code": code, "handed_off": is_handed_off }))
}

/// `POST /admin/mock-phone/sign`: signs WebAuthn request options with the account's passkey.
pub(super) fn sign(hub: &Arc<Hub>, body: &[u8]) -> Answer {
    let request: Value = serde_json::from_slice(body)?;
    let signed = find(hub, &request)?.sign_with_passkey(text(&request, "options")?);
    let (id, assertion) = signed.ok_or_else(|| bad("the options are no JSON"))?;
    Ok(json!({ "credential_id": URL_SAFE_NO_PAD.encode(id), "assertion": assertion }))
}

/// The phone that `phone` names, or the one that has `number`.
fn find(hub: &Arc<Hub>, request: &Value) -> Result<Phone, Refused> {
    if let Ok(name) = text(request, "phone") {
        return Ok(Phone::of(hub, name));
    }
    let number = text(request, "number")?;
    let phone = hub.phones().values().find(|phone| phone.pn().user() == number).cloned();
    phone.ok_or_else(|| Refused(StatusCode::NOT_FOUND, format!("no phone has the number {number}")))
}

fn text<'a>(request: &'a Value, name: &str) -> Result<&'a str, Refused> {
    request.get(name).and_then(Value::as_str).ok_or_else(|| bad(&format!("{name} is missing")))
}

fn bad(what: &str) -> Refused {
    Refused(StatusCode::BAD_REQUEST, what.to_owned())
}

impl From<CodeError> for Refused {
    fn from(error: CodeError) -> Self {
        let status = match &error {
            CodeError::NotACode => StatusCode::BAD_REQUEST,
            CodeError::NoRequest => StatusCode::NOT_FOUND,
            CodeError::Expired => StatusCode::GONE,
            CodeError::WrongCode => StatusCode::UNPROCESSABLE_ENTITY,
            CodeError::NoAnswer => StatusCode::GATEWAY_TIMEOUT,
            CodeError::Link(error) => super::scan::status_of(error),
        };
        Self(status, error.to_string())
    }
}

impl From<PasskeyLinkError> for Refused {
    fn from(error: PasskeyLinkError) -> Self {
        let status = match &error {
            PasskeyLinkError::NoAnswer => StatusCode::GATEWAY_TIMEOUT,
            PasskeyLinkError::Companion(_) | PasskeyLinkError::Proof => StatusCode::UNPROCESSABLE_ENTITY,
            PasskeyLinkError::Link(error) => super::scan::status_of(error),
        };
        Self(status, error.to_string())
    }
}
