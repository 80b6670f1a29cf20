//! What an account does besides sending: it asks for the past, looks numbers up, reads, types, fetches files.

use std::sync::Arc;

use axum::Json as Answer;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;
use wa_core::event::Typing;
use wa_manager::account::{CheckError, ErrandError, HistoryError, HistoryJob, HistoryRequest, SyncLimit};
use wa_manager::inbound::InboundMessage;
use wa_manager::media::DownloadError;
use wa_types::{Jid, PhoneNumber};

use super::pairing::phone;
use crate::app::App;
use crate::auth::Caller;
use crate::body::Json;
use crate::keys::Scope;
use crate::problem::Problem;

/// An address of a chat.
fn chat(text: &str) -> Result<Jid, Problem> {
    text.parse().map_err(|_| Problem::bad_request(format!("{text:?} is no address of a chat")))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Past {
    limit: Option<SyncLimit>,
    #[serde(default)]
    chats: Vec<String>,
}

/// `POST /whatsapp/session/{name}/sync-history`
pub(crate) async fn sync_history(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(body): Json<Past>,
) -> Result<(StatusCode, Answer<HistoryJob>), Problem> {
    caller.may(Scope::Control)?;
    let account = caller.account(&app, &name)?;
    let chats = body.chats.iter().map(|text| chat(text)).collect::<Result<_, _>>()?;
    let request = HistoryRequest { limit: body.limit, chats, ..HistoryRequest::default() };
    Ok((StatusCode::ACCEPTED, Answer(account.sync_history(request).await?)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Numbers {
    numbers: Vec<String>,
}

/// `POST /whatsapp/session/{name}/numbers/check`
pub(crate) async fn check_numbers(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(body): Json<Numbers>,
) -> Result<Answer<Value>, Problem> {
    caller.may(Scope::Send)?;
    let account = caller.account(&app, &name)?;
    if !(1..=20).contains(&body.numbers.len()) {
        return Err(Problem::bad_request("1 to 20 numbers at once"));
    }
    let numbers: Vec<PhoneNumber> = body.numbers.iter().map(|text| phone(text)).collect::<Result<_, _>>()?;
    match account.check_numbers(&numbers).await {
        Ok(found) => Ok(Answer(json!({ "numbers": found }))),
        Err(CheckError::Limit(error)) => Err(Problem::of_send(error, app.clock.wall())),
        Err(CheckError::Manager(error)) => Err(error.into()),
        Err(error) => Err(unreachable(error.code(), &error)),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Types {
    chat: String,
    state: Writing,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Writing {
    Composing,
    Recording,
    Paused,
}

/// `POST /whatsapp/session/{name}/typing`
pub(crate) async fn typing(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(body): Json<Types>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Send)?;
    let state = match body.state {
        Writing::Composing => Typing::Composing,
        Writing::Recording => Typing::Recording,
        Writing::Paused => Typing::Paused,
    };
    caller.account(&app, &name)?.set_typing(&chat(&body.chat)?, state).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reads {
    /// The `data` of their events.
    messages: Vec<InboundMessage>,
}

/// `POST /whatsapp/session/{name}/read`
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(body): Json<Reads>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Send)?;
    caller.account(&app, &name)?.mark_read(&body.messages).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /whatsapp/session/{name}/media`: the file of a message, whose event's `data` is the body. It is never shown in a
/// browser as what its sender says that it is.
pub(crate) async fn media(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(message): Json<InboundMessage>,
) -> Result<Response, Problem> {
    caller.may(Scope::Read)?;
    let file = caller.account(&app, &name)?.download_media(&message).await?;
    let (length, kind) = (file.length, HeaderValue::from_str(&file.mimetype).ok());
    let mut response = Response::new(Body::from_stream(ReaderStream::new(file)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let bytes = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, kind.unwrap_or(bytes));
    Ok(response)
}

/// The service, or the phone, did not do it.
fn unreachable(code: &'static str, error: &dyn std::error::Error) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, code, error.to_string())
}

fn conflict(code: &'static str, error: &dyn std::error::Error) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, error.to_string())
}

impl From<ErrandError> for Problem {
    fn from(error: ErrandError) -> Self {
        match error {
            ErrandError::NotReady { .. } => conflict(error.code(), &error),
            ErrandError::Manager(error) => error.into(),
            error => unreachable(error.code(), &error),
        }
    }
}

impl From<HistoryError> for Problem {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Store(error) => Self::of_store(&error),
            HistoryError::Manager(error) => error.into(),
            HistoryError::UnknownChat { .. } => {
                Self::new(StatusCode::NOT_FOUND, error.code(), error.to_string())
            }
            error => conflict(error.code(), &error),
        }
    }
}

impl From<DownloadError> for Problem {
    fn from(error: DownloadError) -> Self {
        let code = error.code();
        match error {
            DownloadError::NoFile => Self::new(StatusCode::BAD_REQUEST, code, error.to_string()),
            DownloadError::Store(error) => Self::store(&error),
            DownloadError::Manager(error) => error.into(),
            _ if code == "media_gone" => Self::new(StatusCode::GONE, code, error.to_string()),
            DownloadError::Media(_) => unreachable(code, &error),
            error => conflict(code, &error),
        }
    }
}
