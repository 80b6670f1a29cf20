//! The passkey that a phone may want while it links.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};
use wa_core::client::{AuthenticatorError, PasskeyAssertion};

use crate::app::App;
use crate::auth::Caller;
use crate::body::Json;
use crate::keys::Scope;
use crate::problem::Problem;

/// `GET /whatsapp/session/{name}/passkey`: what is to be signed, or the code to be compared.
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    caller.may(Scope::Control)?;
    let account = caller.account(&app, &name)?;
    let gone = || Problem::new(StatusCode::GONE, "gone", "no passkey is wanted now");
    let wanted = app.passkeys.wanted(account.id()).ok_or_else(gone)?;
    if wanted.challenge.is_none() && wanted.code.is_none() {
        return Err(gone());
    }
    let challenge = wanted.challenge.as_ref();
    let options: Option<Value> = challenge.and_then(|text| serde_json::from_str(text.expose()).ok());
    let body = json!({ "challenge": options, "code": wanted.code.as_ref().map(|code| code.expose()) });
    Ok(([(header::CACHE_CONTROL, "no-store")], Answer(body)).into_response())
}

/// What the passkey signed; without an assertion the user declined.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Assertion {
    /// The credential's id, in base64url.
    credential_id: Option<String>,
    /// WebAuthn's answer, as JSON.
    assertion: Option<Value>,
}

/// `POST /whatsapp/session/{name}/passkey`
pub(crate) async fn respond(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(body): Json<Assertion>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Control)?;
    let account = caller.account(&app, &name)?;
    let signed = match (body.credential_id, body.assertion) {
        (Some(id), Some(assertion)) => {
            let id = URL_SAFE_NO_PAD.decode(id.trim_end_matches('='));
            let id = id.map_err(|_| Problem::bad_request("credentialId is no base64url"))?;
            Ok(PasskeyAssertion::new(id, assertion.to_string()))
        }
        (None, None) => Err(AuthenticatorError::Declined),
        _ => return Err(Problem::bad_request("credentialId and assertion come together")),
    };
    app.passkeys.respond(account.id(), signed).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Confirmation {
    same: bool,
}

/// `POST /whatsapp/session/{name}/passkey/confirm`: whether both screens show the same code.
pub(crate) async fn confirm(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(body): Json<Confirmation>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Control)?;
    app.passkeys.confirm(caller.account(&app, &name)?.id(), body.same).await?;
    Ok(StatusCode::NO_CONTENT)
}
