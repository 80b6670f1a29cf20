//! Who may do what.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Deserializer};
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

/// What is to be changed of a key; the rest stays.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Update {
    label: Option<String>,
    accounts: Option<BTreeSet<AccountName>>,
    scopes: Option<BTreeSet<Scope>>,
    addresses: Option<BTreeSet<IpAddr>>,
    /// `null` is for ever, which is not the same as nothing.
    #[serde(default, deserialize_with = "some")]
    expires_at: Option<Option<u64>>,
}

impl Update {
    /// What becomes of a key.
    fn of(self, before: &Key) -> Key {
        Key {
            id: before.id.clone(),
            label: self.label.unwrap_or_else(|| before.label.clone()),
            tenant: before.tenant.clone(),
            accounts: self.accounts.unwrap_or_else(|| before.accounts.clone()),
            scopes: self.scopes.unwrap_or_else(|| before.scopes.clone()),
            addresses: self.addresses.unwrap_or_else(|| before.addresses.clone()),
            expires_at: self.expires_at.unwrap_or(before.expires_at),
            created_at: before.created_at,
        }
    }
}

fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The last millisecond that JSON's numbers tell from the next: later than any key needs.
const LATEST: u64 = (1 << 53) - 1;

/// Whether a key can be so: of what is changed.
fn check(
    label: Option<&str>,
    scopes: Option<&BTreeSet<Scope>>,
    expires_at: Option<u64>,
) -> Result<(), Problem> {
    if expires_at.is_some_and(|at| at > LATEST) {
        return Err(Problem::bad_request(format!("expiresAt is at most {LATEST}; null is for ever")));
    }
    if scopes.is_some_and(BTreeSet::is_empty) || label.is_some_and(|label| label.len() > 200) {
        return Err(Problem::bad_request("a key has a scope, and a label of at most 200 characters"));
    }
    Ok(())
}

/// A key that the caller looks after; another one is not there.
fn kept(app: &App, caller: &Caller, id: &str) -> Result<Arc<Key>, Problem> {
    caller.looks_after()?;
    app.keys.get(id).filter(|key| keeps(caller, &key.tenant)).ok_or_else(Problem::not_found)
}

/// The same, and not the one with which the caller asks: it would lock itself out.
fn other(app: &App, caller: &Caller, id: &str) -> Result<Arc<Key>, Problem> {
    let key = kept(app, caller, id)?;
    if key.id == caller.key.id {
        return Err(Problem::new(StatusCode::CONFLICT, "own_key", "a key does not change or remove itself"));
    }
    Ok(key)
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
    check(Some(&body.label), Some(&body.scopes), body.expires_at)?;
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

/// `GET /keys/{id}`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Answer<Key>, Problem> {
    Ok(Answer(Key::clone(&*kept(&app, &caller, &id)?)))
}

/// `PUT /keys/{id}`: whoever uses it is bound by the change from then on, also over sockets that are open.
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<Update>,
) -> Result<Answer<Key>, Problem> {
    other(&app, &caller, &id)?;
    check(body.label.as_deref(), body.scopes.as_ref(), body.expires_at.flatten())?;
    let changed = app.keys.change(&id, |before| body.of(before)).await?;
    changed.map(|key| Answer(Key::clone(&key))).ok_or_else(Problem::not_found)
}

/// `DELETE /keys/{id}`
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    other(&app, &caller, &id)?;
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
