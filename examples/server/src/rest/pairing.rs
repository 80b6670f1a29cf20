//! Links an account to a phone.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wa_manager::pairing::{PairError, PairingTicket, PairingView, Shown};
use wa_types::PhoneNumber;

use super::sessions::Mode;
use crate::app::App;
use crate::auth::Caller;
use crate::body::Json;
use crate::keys::Scope;
use crate::problem::Problem;
use crate::qr::Picture;

/// A number as it must be written: digits with the country's code.
pub(super) fn phone(text: &str) -> Result<PhoneNumber, Problem> {
    PhoneNumber::new(text).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "invalid_phone", format!("Invalid phone: {error}"))
    })
}

/// A ticket, as it is answered: what it shows comes by `whatsapp-status`, or is asked for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TicketView {
    id: String,
    method: wa_manager::pairing::PairingMethod,
    expires_at: u64,
}

impl TicketView {
    pub(super) fn of(ticket: &PairingTicket) -> Self {
        Self { id: ticket.id().to_string(), method: ticket.method(), expires_at: ticket.expires_at().0 }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Begin {
    method: Mode,
    phone_number: Option<String>,
    #[serde(default)]
    allow_relink: bool,
    #[serde(default)]
    show_push_notification: bool,
    /// Whether a passkey that the phone wants is signed over `/passkey`.
    #[serde(default)]
    passkey: bool,
}

/// `POST /whatsapp/session/{name}/pairing`
pub(crate) async fn begin(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(body): Json<Begin>,
) -> Result<(StatusCode, Answer<TicketView>), Problem> {
    caller.may(Scope::Control)?;
    let account = caller.account(&app, &name)?;
    let phone = body.phone_number.as_deref().map(phone).transpose()?;
    let mut request = body.method.request(phone)?;
    if body.allow_relink {
        request = request.allow_relink();
    }
    if body.show_push_notification {
        request = request.show_push_notification();
    }
    let ticket = account.pair(request).await?;
    let view = TicketView::of(&ticket);
    if body.passkey {
        app.passkeys.hold(account.id().clone(), ticket);
    }
    Ok((StatusCode::CREATED, Answer(view)))
}

/// What is shown now, as JSON.
pub(crate) fn shown(view: &PairingView) -> Value {
    let qr = view.qr.as_ref().and_then(|qr| Picture::of(qr.text.expose()).map(|picture| (qr, picture)));
    json!({
        "method": view.method,
        "qrCode": qr.as_ref().map(|(_, picture)| STANDARD.encode(picture.png())),
        "qrExpiresAt": view.qr.as_ref().map(|qr| qr.expires_at.0),
        "pairingCode": view.code.as_ref().map(|code| code.text.expose()),
        "codeExpiresAt": view.code.as_ref().map(|code| code.expires_at.0),
        "codesLeft": view.codes_left,
        "expiresAt": view.expires_at.0,
    })
}

async fn view(app: &App, caller: &Caller, name: &str) -> Result<PairingView, Problem> {
    caller.may(Scope::Control)?;
    let key = caller.key_of(name)?;
    let gone = || Problem::new(StatusCode::GONE, "gone", "nothing is shown any more, or not yet");
    app.manager.pairing(&key).await?.ok_or_else(gone)
}

fn secret(response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

/// `GET /whatsapp/session/{name}/pairing`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let view = view(&app, &caller, &name).await?;
    Ok(secret(Answer(shown(&view))))
}

/// `GET /whatsapp/session/{name}/qr`: a picture, or the text, as the caller accepts.
pub(crate) async fn qr(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let view = view(&app, &caller, &name).await?;
    let gone = || Problem::new(StatusCode::GONE, "gone", "there is no QR code now");
    let Shown { text, expires_at, .. } = view.qr.ok_or_else(gone)?;
    let picture = Picture::of(text.expose()).ok_or_else(gone)?;
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    Ok(match accepted {
        accepted if accepted.contains("image/svg+xml") => {
            secret(([(header::CONTENT_TYPE, "image/svg+xml")], picture.svg()))
        }
        accepted if accepted.contains("application/json") => {
            secret(Answer(json!({ "qrCode": STANDARD.encode(picture.png()), "qrExpiresAt": expires_at.0 })))
        }
        accepted if accepted.contains("text/plain") => secret(text.expose().to_owned()),
        _ => secret(([(header::CONTENT_TYPE, "image/png")], picture.png())),
    })
}

/// `POST /whatsapp/session/{name}/pairing/refresh`
pub(crate) async fn refresh(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Control)?;
    caller.account(&app, &name)?.refresh_pairing().await.map_err(Problem::from)?;
    Ok(StatusCode::ACCEPTED)
}

/// `POST /whatsapp/session/{name}/pairing/cancel`
pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Control)?;
    match caller.account(&app, &name)?.cancel_pairing().await {
        Ok(()) | Err(PairError::NotPairing) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(error.into()),
    }
}
