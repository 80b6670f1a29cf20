//! The processes that run accounts: this one. Requirements: manager.md, 4.6.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use wa_core::crypto::{Random as _, SystemRandom};

use crate::app::App;
use crate::auth::Caller;
use crate::problem::Problem;

/// This process. Another life of it is another node.
#[derive(Debug)]
pub(crate) struct Node {
    id: String,
    /// Milliseconds since 1970.
    started_at: u64,
    /// Somebody wants it to end.
    pub(crate) drain: CancellationToken,
}

impl Node {
    /// One that starts now.
    pub(crate) fn new(now: u64) -> Self {
        let random: [u8; 8] = SystemRandom.array();
        let id = format!("node_{:016x}", u64::from_be_bytes(random));
        Self { id, started_at: now, drain: CancellationToken::new() }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeView {
    id: String,
    version: &'static str,
    started_at: u64,
    accounts: usize,
    connected: usize,
    draining: bool,
}

impl NodeView {
    fn of(app: &App) -> Self {
        let (node, health) = (&app.node, app.manager.health());
        Self {
            id: node.id.clone(),
            version: env!("CARGO_PKG_VERSION"),
            started_at: node.started_at,
            accounts: health.total,
            connected: health.connected,
            draining: node.drain.is_cancelled(),
        }
    }
}

/// `GET /nodes`
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller) -> Result<Answer<Value>, Problem> {
    caller.looks_after_all()?;
    Ok(Answer(json!({ "nodes": [NodeView::of(&app)] })))
}

/// `POST /nodes/{id}/drain`: it ends as it does when it is terminated. What ran runs again when it is started anew.
pub(crate) async fn drain(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<(StatusCode, Answer<NodeView>), Problem> {
    caller.looks_after_all()?;
    if id != app.node.id {
        return Err(Problem::not_found());
    }
    app.node.drain.cancel();
    Ok((StatusCode::ACCEPTED, Answer(NodeView::of(&app))))
}
