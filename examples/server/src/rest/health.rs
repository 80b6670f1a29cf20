//! Whether all is well, and figures.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::app::App;
use crate::auth::Caller;
use crate::keys::Scope;
use crate::problem::Problem;

/// For how long it is taken for granted that the stores answer.
const FRESH: Duration = Duration::from_secs(1);

/// `GET /health`
pub(crate) async fn health(State(app): State<Arc<App>>) -> Answer<Value> {
    let health = app.manager.health();
    Answer(json!({
        "status": "ok",
        "connected": health.connected,
        "total": health.total,
        "byStatus": health.by_status,
        "clockOffsetMs": health.clock_offset_ms,
        "warnings": health.warnings,
    }))
}

/// `GET /livez`
pub(crate) async fn live() -> &'static str {
    "ok"
}

/// When the stores answered last. They are asked by one at a time, however many want to know.
#[derive(Debug, Default)]
pub(crate) struct Answered(Mutex<Option<Duration>>);

/// `GET /readyz`: whether the stores answer.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    let mut answered = app.answered.0.lock().await;
    let now = app.clock.boot();
    if answered.is_none_or(|at| now.saturating_sub(at) >= FRESH) {
        app.manager.check().await?;
        *answered = Some(now);
    }
    Ok("ok")
}

/// `GET /metrics`
pub(crate) async fn metrics(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Problem> {
    caller.may(Scope::Metrics)?;
    let text = app.metrics.render();
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
