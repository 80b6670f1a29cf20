//! Where events go.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use wa_manager::event::EventKind;
use wa_manager::store::ChatKind;
use wa_manager::webhook::{
    SigningMode, Webhook, WebhookId, WebhookPatch, WebhookRetry, WebhookSecret, WebhookSpec,
};

use wa_manager::{Account, AccountKey};

use crate::app::App;
use crate::auth::Caller;
use crate::body::Json;
use crate::keys::Scope;
use crate::problem::Problem;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Create {
    /// The name of the account whose events it gets; of all unless given.
    account: Option<String>,
    url: String,
    #[serde(default)]
    events: Vec<EventKind>,
    secret: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    mode: SigningMode,
    #[serde(default)]
    parallel: bool,
    #[serde(default)]
    ignore: Vec<ChatKind>,
    retry: Option<WebhookRetry>,
}

fn secret(text: &str) -> Result<WebhookSecret, Problem> {
    WebhookSecret::parse(text).map_err(|error| Problem::bad_request(error.to_string()))
}

/// Webhooks of all accounts need a key for all.
fn for_all(caller: &Caller) -> Result<(), Problem> {
    caller.may(Scope::Setting)?;
    if caller.key.accounts.is_empty() {
        Ok(())
    } else {
        Err(Problem::forbidden("this needs a key for all accounts"))
    }
}

/// `GET /whatsapp/webhooks`
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<Answer<Value>, Problem> {
    for_all(&caller)?;
    Ok(Answer(json!({ "webhooks": app.manager.webhooks().list(&caller.key.tenant).await? })))
}

/// `POST /whatsapp/webhooks`
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(body): Json<Create>,
) -> Result<(StatusCode, Answer<Webhook>), Problem> {
    for_all(&caller)?;
    let account = body.account.as_deref().map(|name| caller.account(&app, name)).transpose()?;
    make(&app, &caller, body, account).await
}

async fn make(
    app: &App,
    caller: &Caller,
    body: Create,
    account: Option<Account>,
) -> Result<(StatusCode, Answer<Webhook>), Problem> {
    let mut spec = WebhookSpec::new(body.url, secret(&body.secret)?);
    spec.account = account.map(|account| account.id().clone());
    spec.events = body.events;
    spec.headers = body.headers;
    spec.mode = body.mode;
    spec.is_parallel = body.parallel;
    spec.ignore = body.ignore;
    spec.retry = body.retry;
    let webhook = app.manager.webhooks().create(caller.key.tenant.clone(), spec).await?;
    Ok((StatusCode::CREATED, Answer(webhook)))
}

/// `GET /whatsapp/session/{name}/webhooks`: those of one account alone.
pub(crate) async fn list_of(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Answer<Value>, Problem> {
    caller.may(Scope::Setting)?;
    let account = caller.account(&app, &name)?;
    let mut webhooks = app.manager.webhooks().list(&caller.key.tenant).await?;
    webhooks.retain(|webhook| webhook.account.as_ref() == Some(account.id()));
    Ok(Answer(json!({ "webhooks": webhooks })))
}

/// `POST /whatsapp/session/{name}/webhooks`: for this account alone.
pub(crate) async fn create_for(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(body): Json<Create>,
) -> Result<(StatusCode, Answer<Webhook>), Problem> {
    caller.may(Scope::Setting)?;
    let account = caller.account(&app, &name)?;
    if body.account.is_some() {
        return Err(Problem::bad_request("the path names the account"));
    }
    make(&app, &caller, body, Some(account)).await
}

/// The id of a webhook that the key reaches: one of all accounts needs a key for all.
async fn reached(app: &App, caller: &Caller, id: String) -> Result<WebhookId, Problem> {
    caller.may(Scope::Setting)?;
    let id = WebhookId::stored(id);
    let webhook = app.manager.webhooks().get(&caller.key.tenant, &id).await?;
    let account = webhook.account.and_then(|id| app.manager.get(&AccountKey::Id(id)));
    let is_reached =
        caller.key.accounts.is_empty() || account.is_some_and(|account| caller.key.reaches(account.name()));
    if is_reached { Ok(id) } else { Err(Problem::not_found()) }
}

/// `GET /whatsapp/webhooks/{id}`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Answer<Webhook>, Problem> {
    let id = reached(&app, &caller, id).await?;
    Ok(Answer(app.manager.webhooks().get(&caller.key.tenant, &id).await?))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Update {
    url: Option<String>,
    events: Option<Vec<EventKind>>,
    secrets: Option<Vec<String>>,
    headers: Option<BTreeMap<String, String>>,
    mode: Option<SigningMode>,
    parallel: Option<bool>,
    ignore: Option<Vec<ChatKind>>,
    retry: Option<WebhookRetry>,
    enabled: Option<bool>,
}

/// `PUT /whatsapp/webhooks/{id}`
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<Update>,
) -> Result<Answer<Webhook>, Problem> {
    let id = reached(&app, &caller, id).await?;
    let secrets =
        body.secrets.map(|secrets| secrets.iter().map(|text| secret(text)).collect()).transpose()?;
    let patch = WebhookPatch {
        url: body.url,
        events: body.events,
        secrets,
        headers: body.headers,
        mode: body.mode,
        is_parallel: body.parallel,
        ignore: body.ignore,
        retry: body.retry,
        is_enabled: body.enabled,
    };
    Ok(Answer(app.manager.webhooks().update(&caller.key.tenant, &id, patch).await?))
}

/// `DELETE /whatsapp/webhooks/{id}`
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id = reached(&app, &caller, id).await?;
    app.manager.webhooks().delete(&caller.key.tenant, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Page {
    /// The `seq` of the last event of the page before.
    after: u64,
    /// Those of events from this one on.
    from: u64,
    /// Those of events up to this one.
    to: Option<u64>,
    state: Option<DeliveryState>,
}

/// How it stands with an event that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeliveryState {
    Dead,
    Replayed,
}

/// `GET /whatsapp/webhooks/{id}/deliveries`: those that were given up.
pub(crate) async fn dead_letters(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Answer<Value>, Problem> {
    let id = reached(&app, &caller, id).await?;
    let Query(Page { after, from, to, state }) =
        page.map_err(|error| Problem::bad_request(error.body_text()))?;
    if to.is_some_and(|to| from > to) {
        return Err(Problem::bad_request("`from` is after `to`"));
    }
    let is_replayed = state.map(|state| state == DeliveryState::Replayed);
    let after = after.max(from.saturating_sub(1));
    let letters = app.manager.webhooks().dead_letters(&caller.key.tenant, &id, after, is_replayed).await?;
    let letters: Vec<Value> = letters
        .iter()
        .take_while(|letter| to.is_none_or(|to| letter.event.seq <= to))
        .map(|letter| {
            json!({
                "event": letter.event,
                "tries": letter.tries,
                "reason": letter.reason,
                "at": letter.at.0,
                "replayed": letter.is_replayed,
            })
        })
        .collect();
    Ok(Answer(json!({ "deliveries": letters })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Range {
    from: u64,
    to: u64,
}

/// `POST /whatsapp/webhooks/{id}/replay`
pub(crate) async fn replay(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<Range>,
) -> Result<(StatusCode, Answer<Value>), Problem> {
    let id = reached(&app, &caller, id).await?;
    if body.from > body.to {
        return Err(Problem::bad_request("`from` is after `to`"));
    }
    let replayed = app.manager.webhooks().replay(&caller.key.tenant, &id, body.from..=body.to).await?;
    Ok((StatusCode::ACCEPTED, Answer(json!({ "events": replayed.events, "upTo": replayed.up_to }))))
}
