//! Whether all is well, and figures.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use wa_manager::account::ReasonKind;
use wa_manager::{AccountSnapshot, AccountStatus, ManagerError};

use crate::app::App;
use crate::auth::Caller;
use crate::keys::Scope;
use crate::problem::Problem;

/// For how long it is taken for granted that the stores answer.
const FRESH: Duration = Duration::from_secs(1);

/// `GET /health`: whether somebody should look, and at what.
pub(crate) async fn health(State(app): State<Arc<App>>) -> Answer<Value> {
    let health = app.manager.health();
    let mut warnings = health.warnings;
    match looked(&app).await {
        Ok(Found { is_some_left_alone: true }) => warnings.push("quarantined"),
        Ok(_) => {}
        Err(error) => {
            tracing::error!(%error, "the stores do not answer");
            warnings.push("store");
        }
    }
    Answer(json!({
        "status": if warnings.is_empty() { "ok" } else { "degraded" },
        "connected": health.connected,
        "total": health.total,
        "byStatus": health.by_status,
        "clockOffsetMs": health.clock_offset_ms,
        "warnings": warnings,
    }))
}

/// `GET /livez`
pub(crate) async fn live() -> &'static str {
    "ok"
}

/// When the stores answered last, and what. They are asked by one at a time, however many want to know.
#[derive(Debug, Default)]
pub(crate) struct Answered(Mutex<Option<(Duration, Found)>>);

/// What the stores said.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// An account crashed too often, or its rows or its store are damaged: it is left alone until somebody comes.
    is_some_left_alone: bool,
}

/// Asks the stores, unless they answered a moment ago.
async fn looked(app: &App) -> Result<Found, ManagerError> {
    let mut answered = app.answered.0.lock().await;
    let now = app.clock.boot();
    if let Some((at, found)) = *answered
        && now.saturating_sub(at) < FRESH
    {
        return Ok(found);
    }
    app.manager.check().await?;
    let is_left_alone = |account: &AccountSnapshot| {
        let kind = account.reason.as_ref().map(|reason| reason.kind);
        matches!(kind, Some(ReasonKind::Quarantined | ReasonKind::StoreCorrupt))
    };
    let is_some_in_error = app.manager.health().by_status.contains_key(AccountStatus::Error.wire());
    let is_some_left_alone =
        is_some_in_error && app.manager.all_statuses(None).await?.accounts.iter().any(is_left_alone);
    let found = Found { is_some_left_alone };
    *answered = Some((now, found));
    Ok(found)
}

/// `GET /readyz`: whether the stores answer.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    looked(&app).await?;
    Ok("ok")
}

/// `GET /metrics`
pub(crate) async fn metrics(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Problem> {
    caller.may(Scope::Metrics)?;
    let text = app.metrics.render();
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
