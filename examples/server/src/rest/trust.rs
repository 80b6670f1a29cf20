//! Limits of an account.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};
use wa_manager::account::TrustView;
use wa_manager::sending::{Actor, ControlError};
use wa_manager::trust::TrustLevel;
use wa_manager::{Account, ManagerError};

use crate::app::App;
use crate::auth::Caller;
use crate::body::Json;
use crate::keys::Scope;
use crate::problem::Problem;

fn answer(view: &TrustView) -> Value {
    let limits = &view.limits;
    json!({
        "trustLevel": view.summary.trust_level,
        "dailyLimit": view.summary.daily_limit,
        "messagesSentToday": view.summary.messages_sent_today,
        "restrictions": view.summary.restrictions,
        "resetsAt": view.summary.resets_at,
        "limits": {
            "daily": limits.daily,
            "firstContactsDay": limits.first_contacts_day,
            "firstContactsMonth": limits.first_contacts_month,
            "perMinute": limits.per_minute,
            "perHour": limits.per_hour,
            "lookups": limits.lookups,
            "posts": limits.posts,
        },
        "usage": {
            "sentToday": view.usage.sent_today,
            "gatedToday": view.usage.gated_today,
            "firstContactsDay": view.usage.first_contacts_day,
            "firstContactsMonth": view.usage.first_contacts_month,
        },
    })
}

/// `GET /whatsapp/session/{name}/trust`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Answer<Value>, Problem> {
    caller.may(Scope::Read)?;
    let view = caller.account(&app, &name)?.trust().view().await?;
    Ok(Answer(answer(&view)))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Update {
    level: Option<u8>,
    daily_limit: Option<u32>,
    #[serde(default)]
    reason: String,
}

/// `PUT /whatsapp/session/{name}/trust`
pub(crate) async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(body): Json<Update>,
) -> Result<Answer<Value>, Problem> {
    caller.may(Scope::Admin)?;
    let account = caller.account(&app, &name)?;
    let level = body
        .level
        .map(|level| TrustLevel::new(level).ok_or_else(|| Problem::bad_request("levels are 0 to 5")));
    let actor = Actor::new(format!("key {}", caller.key.id));
    let adjusted = account.trust().adjust(level.transpose()?, body.daily_limit, actor, body.reason).await;
    done(&account, adjusted).await?;
    Ok(Answer(answer(&account.trust().view().await?)))
}

/// Why something was not done: of an account that did not answer, why it does not.
async fn done(account: &Account, result: Result<(), ControlError>) -> Result<(), Problem> {
    match result {
        Err(ControlError::Gone) => {
            Err(account.trust().view().await.err().unwrap_or(ManagerError::Crashed).into())
        }
        result => Ok(result?),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reset {
    reason: String,
}

/// `POST /whatsapp/session/{name}/usage/reset`
pub(crate) async fn reset(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(body): Json<Reset>,
) -> Result<Answer<Value>, Problem> {
    caller.may(Scope::Admin)?;
    let account = caller.account(&app, &name)?;
    let actor = Actor::new(format!("key {}", caller.key.id));
    let reset = account.trust().reset_usage(actor, body.reason).await;
    done(&account, reset).await?;
    Ok(Answer(answer(&account.trust().view().await?)))
}
