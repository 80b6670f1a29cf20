//! What can be asked and told, for programs: OpenAPI.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::State;
use serde_json::{Value, json};

use crate::app::App;
use crate::problem::Problem;

const DOCUMENT: &str = include_str!("../../openapi.json");

/// `GET /openapi.json`
pub(crate) async fn document(State(app): State<Arc<App>>) -> Result<Answer<Value>, Problem> {
    let mut document: Value = serde_json::from_str(DOCUMENT).map_err(|error| Problem::store(&error))?;
    let base = if app.base.is_empty() { "/" } else { &app.base };
    if let Some(document) = document.as_object_mut() {
        document.insert("servers".to_owned(), json!([{ "url": base }]));
    }
    Ok(Answer(document))
}
