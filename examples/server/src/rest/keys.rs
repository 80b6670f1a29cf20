//! Who may do what.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use wa_core::crypto::{Random as _, SystemRandom};
use wa_manager::{AccountName, TenantId};

use crate::app::App;
use crate::auth::Caller;
use crate::body::Json;
use crate::keys::{Key, KeyError, Scope, generate};
use crate::problem::Problem;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Create {
    #[serde(default)]
    label: String,
    tenant: Option<TenantId>,
    #[serde(default)]
    accounts: BTreeSet<AccountName>,
    scopes: BTreeSet<Scope>,
    #[serde(default)]
    addresses: BTreeSet<IpAddr>,
    expires_at: Option<u64>,
}

/// Whether a key looks after those of this tenant.
fn keeps(caller: &Caller, tenant: &TenantId) -> bool {
    caller.key.tenant == *tenant || caller.key.tenant == TenantId::default()
}

/// `GET /keys`
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<Answer<Value>, Problem> {
    caller.looks_after()?;
    let mut keys = app.keys.list();
    keys.retain(|key| keeps(&caller, &key.tenant));
    Ok(Answer(json!({ "keys": keys.iter().map(|key| &**key).collect::<Vec<_>>() })))
}

/// `POST /keys`: the only answer that ever has the key itself.
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(body): Json<Create>,
) -> Result<Response, Problem> {
    caller.looks_after()?;
    let tenant = body.tenant.unwrap_or_else(|| caller.key.tenant.clone());
    if !keeps(&caller, &tenant) {
        return Err(Problem::forbidden("this key looks after its own tenant"));
    }
    if body.scopes.is_empty() || body.label.len() > 200 {
        return Err(Problem::bad_request("a key has a scope, and a label of at most 200 characters"));
    }
    let text = generate();
    let key = Key {
        id: id(),
        label: body.label,
        tenant,
        accounts: body.accounts,
        scopes: body.scopes,
        addresses: body.addresses,
        expires_at: body.expires_at,
        created_at: app.now(),
    };
    let key = app.keys.add(&text, key).await?;
    let mut answer = serde_json::to_value(&*key).unwrap_or_default();
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("key".to_owned(), json!(text.as_str()));
    }
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok((StatusCode::CREATED, no_store, Answer(answer)).into_response())
}

/// `DELETE /keys/{id}`
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.looks_after()?;
    if !app.keys.list().iter().any(|key| key.id == id && keeps(&caller, &key.tenant)) {
        return Err(Problem::not_found());
    }
    if id == caller.key.id {
        return Err(Problem::new(StatusCode::CONFLICT, "own_key", "a key does not remove itself"));
    }
    if app.keys.remove(&id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found()) }
}

/// A new key's name.
pub(crate) fn id() -> String {
    let random: [u8; 8] = SystemRandom.array();
    format!("key_{:016x}", u64::from_be_bytes(random))
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        Self::store(&error)
    }
}
