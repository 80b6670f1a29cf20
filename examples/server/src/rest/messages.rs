//! What is sent, and what waits.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use wa_core::Message;
use wa_manager::account::SendOutcome;
use wa_manager::inbound::InboundMessage;
use wa_manager::sending::SendRequest;
use wa_manager::trust::OnLimit;
use wa_types::{Jid, MessageId};

use crate::app::{App, LONGEST};
use crate::auth::Caller;
use crate::body::Json;
use crate::idempotency;
use crate::keys::Scope;
use crate::problem::Problem;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Send {
    /// A number, or an address.
    to: Option<String>,
    content: Content,
    #[serde(default)]
    on_limit: Choice,
    /// The message that it answers: the `data` of its event.
    reply_to: Option<InboundMessage>,
    /// For what waits: how long it is worth sending, in seconds.
    deadline: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    text: String,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Choice {
    #[default]
    Reject,
    Wait,
    Enqueue,
}

/// A day, for what waits without a deadline.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `POST /whatsapp/session/{name}/messages`
pub(crate) async fn send(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Send>,
) -> Result<Response, Problem> {
    caller.may(Scope::Send)?;
    let account = caller.account(&app, &name)?;
    let deadline = body.deadline.map_or(DAY, |seconds| Duration::from_secs(seconds.clamp(1, 30 * 86_400)));
    let on_limit = match body.on_limit {
        Choice::Reject => OnLimit::Reject,
        Choice::Wait => OnLimit::WaitUpTo(deadline.min(LONGEST / 2)),
        Choice::Enqueue => OnLimit::Enqueue { deadline },
    };
    let message = Message::text(body.content.text);
    let request = match (body.to, body.reply_to) {
        (Some(to), None) => SendRequest::new(address(&to)?, message),
        (None, Some(received)) => received.answer(message),
        _ => return Err(Problem::bad_request("either `to` or `replyTo`")),
    };
    let mut request = request.on_limit(on_limit).deadline(deadline);
    if let Some(key) = idempotency::key(&headers)? {
        request = request.idempotency_key(format!("{}/{name}/{key}", caller.key.id));
    }
    match account.send(request).await {
        Ok(SendOutcome::Sent(receipt)) => Ok(Answer(receipt).into_response()),
        Ok(SendOutcome::Queued(queued)) => Ok((StatusCode::ACCEPTED, Answer(queued)).into_response()),
        Ok(_) => Ok(StatusCode::ACCEPTED.into_response()),
        Err(error) => Err(Problem::of_send(error, app.clock.wall())),
    }
}

/// A chat's address, or a number's.
fn address(text: &str) -> Result<Jid, Problem> {
    if text.contains('@') {
        return text.parse().map_err(|_| Problem::bad_request("`to` is no address of a chat"));
    }
    Ok(super::pairing::phone(text)?.to_jid())
}

/// `GET /whatsapp/session/{name}/outbox`
pub(crate) async fn outbox(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Answer<Value>, Problem> {
    caller.may(Scope::Send)?;
    let waiting = caller.account(&app, &name)?.outbox().list().await?;
    let items: Vec<Value> = waiting
        .iter()
        .map(|send| {
            json!({
                "id": send.id.as_str(),
                "to": send.to.to_string(),
                "lane": send.lane.as_str(),
                "at": send.at.0,
                "deadline": send.deadline.0,
                "position": send.position,
                "leaving": send.is_leaving,
            })
        })
        .collect();
    Ok(Answer(json!({ "items": items })))
}

/// `DELETE /whatsapp/session/{name}/outbox/{id}`
pub(crate) async fn cancel(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((name, id)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Send)?;
    let is_cancelled = caller.account(&app, &name)?.outbox().cancel(MessageId::new(id)).await?;
    if is_cancelled { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found()) }
}
