//! Accounts, one at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, Query, State};
use axum::http::header::IF_MATCH;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use wa_manager::account::AccountSettings;
use wa_manager::manager::ListFilter;
use wa_manager::pairing::{PairError, PairRequest};
use wa_manager::{
    AccountName, AccountPatch, AccountSnapshot, AccountSpec, AccountStatus, CommandOutcome, ManagerError,
    TenantId, Unlink,
};
use wa_types::PhoneNumber;

use super::pairing::{TicketView, phone};
use crate::app::App;
use crate::auth::Caller;
use crate::body::Json;
use crate::keys::Scope;
use crate::problem::Problem;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Create {
    name: Option<AccountName>,
    display_name: Option<String>,
    mode: Option<Mode>,
    phone_number: Option<String>,
    owner: Option<String>,
    settings: Option<Map<String, Value>>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    start: Option<bool>,
    /// Whether a passkey that the phone wants is signed over `/passkey`.
    #[serde(default)]
    passkey: bool,
}

/// How an account is to be linked.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    Qr,
    Pairing,
    Both,
}

impl Mode {
    /// A request to link so.
    pub(super) fn request(self, phone: Option<PhoneNumber>) -> Result<PairRequest, PairError> {
        Ok(match self {
            Self::Qr => PairRequest::qr(),
            Self::Pairing => PairRequest::code(phone.ok_or(PairError::PhoneMissing)?),
            Self::Both => PairRequest::both(phone.ok_or(PairError::PhoneMissing)?),
        })
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Created {
    #[serde(flatten)]
    account: AccountSnapshot,
    #[serde(skip_serializing_if = "Option::is_none")]
    pairing: Option<TicketView>,
}

/// What everybody who lists accounts reads is short.
fn bounded(
    display_name: Option<&str>,
    owner: Option<&str>,
    metadata: Option<&BTreeMap<String, String>>,
) -> Result<(), Problem> {
    let names = [display_name, owner].into_iter().flatten();
    if names.into_iter().any(|name| name.chars().count() > 100) {
        return Err(Problem::bad_request("names of people have at most 100 characters"));
    }
    let is_large = |data: &BTreeMap<String, String>| {
        data.len() > 50 || data.iter().any(|(name, value)| name.len() > 100 || value.len() > 1000)
    };
    if metadata.is_some_and(is_large) {
        return Err(Problem::bad_request("metadata: at most 50 names of 100 bytes, with 1000 bytes each"));
    }
    Ok(())
}

/// Settings of which some are given; the others are as in `base`.
fn filled(given: Map<String, Value>, base: &AccountSettings) -> Result<AccountSettings, Problem> {
    let mut settings = json!(base);
    for (name, value) in given {
        match (settings.get_mut(&name), value) {
            (Some(Value::Object(rules)), Value::Object(given)) => rules.extend(given),
            (Some(place), value) => *place = value,
            (None, _) => return Err(Problem::bad_request(format!("there is no setting {name}"))),
        }
    }
    serde_json::from_value(settings).map_err(|error| Problem::bad_request(format!("settings: {error}")))
}

/// `POST /whatsapp/session`
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(body): Json<Create>,
) -> Result<(StatusCode, Answer<Created>), Problem> {
    caller.may(Scope::Control)?;
    let is_reached = match &body.name {
        Some(name) => caller.key.reaches(name),
        None => caller.key.accounts.is_empty(),
    };
    if !is_reached {
        return Err(Problem::forbidden("this key reaches accounts of certain names only"));
    }
    bounded(body.display_name.as_deref(), body.owner.as_deref(), Some(&body.metadata))?;
    let phone = body.phone_number.as_deref().map(phone).transpose()?;
    let begins = body.start.unwrap_or(body.mode.is_some());
    if begins && body.mode.is_none() {
        let detail = "an account that is not linked does not start: `mode` says how to link it";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "mode_missing", detail));
    }
    let settings = body.settings.map(|given| filled(given, &app.defaults)).transpose()?;
    // Before anything is made.
    let request = body.mode.filter(|_| begins).map(|mode| mode.request(phone.clone())).transpose()?;
    if request.is_some() {
        app.rates.take_pairing(&caller.key.id, app.clock.boot()).map_err(Problem::too_many)?;
    }
    let spec = AccountSpec {
        tenant: caller.key.tenant.clone(),
        name: body.name,
        display_name: body.display_name,
        owner: body.owner,
        phone,
        settings,
        metadata: body.metadata,
        ..AccountSpec::default()
    };
    let (account, pairing) = match request {
        Some(request) => {
            let (account, ticket) = app.manager.create_and_pair(spec, request).await?;
            let view = TicketView::of(&ticket);
            if body.passkey {
                app.passkeys.hold(account.id().clone(), ticket);
            }
            (account, Some(view))
        }
        None => (app.manager.create(spec).await?, None),
    };
    Ok((StatusCode::CREATED, Answer(Created { account: account.snapshot(), pairing })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    status: Option<String>,
    tenant: Option<TenantId>,
    q: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET /whatsapp/sessions`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    filter: Result<Query<Filter>, axum::extract::rejection::QueryRejection>,
) -> Result<Answer<Value>, Problem> {
    caller.may(Scope::Read)?;
    let Query(filter) = filter.map_err(|error| Problem::bad_request(error.body_text()))?;
    let status = match &filter.status {
        Some(name) => {
            let unknown = || Problem::bad_request(format!("there is no status {name}"));
            Some(AccountStatus::from_wire(name).ok_or_else(unknown)?)
        }
        None => None,
    };
    let tenant = filter.tenant.unwrap_or_else(|| caller.key.tenant.clone());
    if tenant != caller.key.tenant {
        caller.looks_after_all()?;
    }
    let filter = ListFilter {
        tenant: Some(tenant),
        names: caller.key.accounts.clone(),
        status,
        q: filter.q,
        cursor: filter.cursor,
        limit: filter.limit,
    };
    let page = app.manager.list(filter).await?;
    Ok(Answer(json!({ "seq": page.seq, "accounts": page.items, "cursor": page.next })))
}

/// `GET /whatsapp/session/{name}`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Answer<AccountSnapshot>, Problem> {
    caller.may(Scope::Read)?;
    Ok(Answer(caller.account(&app, &name)?.snapshot()))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Update {
    display_name: Option<String>,
    settings: Option<Map<String, Value>>,
    metadata: Option<BTreeMap<String, String>>,
}

/// `PUT /whatsapp/session/{name}`
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Update>,
) -> Result<Answer<AccountSnapshot>, Problem> {
    caller.may(Scope::Setting)?;
    let account = caller.account(&app, &name)?;
    bounded(body.display_name.as_deref(), None, body.metadata.as_ref())?;
    let version: Option<u64> = match headers.get(IF_MATCH) {
        Some(value) => {
            let text = value.to_str().unwrap_or_default().trim_matches('"');
            Some(text.parse().map_err(|_| Problem::bad_request("If-Match wants a version"))?)
        }
        None => None,
    };
    let is_asked = version.is_some();
    let Update { display_name, settings: given, metadata } = body;
    loop {
        let shown = account.snapshot();
        let settings = given.clone().map(|given| filled(given, &shown.settings)).transpose()?;
        // What others change in between is no part of these settings, and stays.
        let version = version.or_else(|| settings.is_some().then_some(shown.version));
        let (display_name, metadata) = (display_name.clone(), metadata.clone());
        match account.update(AccountPatch { version, display_name, settings, metadata }).await {
            Err(ManagerError::VersionConflict { .. }) if !is_asked => {}
            updated => return Ok(Answer(updated?)),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Force {
    force: bool,
}

/// `DELETE /whatsapp/session/{name}`
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    force: Result<Query<Force>, axum::extract::rejection::QueryRejection>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Delete)?;
    let Query(Force { force }) = force.map_err(|error| Problem::bad_request(error.body_text()))?;
    let key = caller.key_of(&name)?;
    match app.manager.delete(&key, unlink(force)).await {
        Ok(()) | Err(ManagerError::NotFound) => Ok(StatusCode::NO_CONTENT), // the second time, too
        Err(error) => Err(error.into()),
    }
}

pub(super) const fn unlink(force: bool) -> Unlink {
    if force { Unlink::IfReachable } else { Unlink::AtServer }
}

/// `POST /whatsapp/session/{name}/start`
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Answer<CommandOutcome>, Problem> {
    caller.may(Scope::Control)?;
    Ok(Answer(caller.account(&app, &name)?.start().await?))
}

/// `POST /whatsapp/session/{name}/stop`
pub(crate) async fn stop(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Answer<CommandOutcome>, Problem> {
    caller.may(Scope::Control)?;
    Ok(Answer(caller.account(&app, &name)?.stop().await?))
}

/// `POST /whatsapp/session/{name}/restart`
pub(crate) async fn restart(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Answer<CommandOutcome>, Problem> {
    caller.may(Scope::Control)?;
    Ok(Answer(caller.account(&app, &name)?.restart().await?))
}

/// `POST /whatsapp/session/{name}/logout`
pub(crate) async fn logout(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    force: Result<Query<Force>, axum::extract::rejection::QueryRejection>,
) -> Result<Answer<CommandOutcome>, Problem> {
    caller.may(Scope::Control)?;
    let Query(Force { force }) = force.map_err(|error| Problem::bad_request(error.body_text()))?;
    Ok(Answer(caller.account(&app, &name)?.logout(unlink(force)).await?))
}
