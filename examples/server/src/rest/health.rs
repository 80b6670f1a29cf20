//! Whether all is well, and figures.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::Caller;
use crate::keys::Scope;
use crate::problem::Problem;

/// `GET /health`
pub(crate) async fn health(State(app): State<Arc<App>>) -> Answer<Value> {
    let health = app.manager.health();
    Answer(json!({
        "status": "ok",
        "connected": health.connected,
        "total": health.total,
        "byStatus": health.by_status,
    }))
}

/// `GET /livez`
pub(crate) async fn live() -> &'static str {
    "ok"
}

/// `GET /readyz`: whether the stores answer.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    app.manager.check().await?;
    Ok("ok")
}

/// `GET /metrics`
pub(crate) async fn metrics(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Problem> {
    caller.may(Scope::Metrics)?;
    let text = app.metrics.render();
    Ok((StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
