//! A test server with simulated phones instead of the real service, so that everything can be tried without a phone.

use std::sync::Arc;

use axum::Json as Answer;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use wa_core::client::ClientBuilder;
use wa_manager::account::AccountRecord;
use wa_test_server::{Phone, TestServer};

use crate::app::App;
use crate::auth::Caller;
use crate::body::Json;
use crate::keys::Scope;
use crate::problem::Problem;

/// The phones that are there from the beginning.
const PHONES: [&str; 4] = ["anna", "budi", "citra", "dewi"];

/// The test server.
pub(crate) struct Sandbox {
    server: TestServer,
}

impl Sandbox {
    pub(crate) async fn start() -> Self {
        let server = TestServer::start().await;
        for name in PHONES {
            let _it_is_there = server.phone(name);
        }
        Self { server }
    }

    /// Sends clients here.
    pub(crate) fn client(
        &self,
    ) -> impl Fn(ClientBuilder, &AccountRecord) -> ClientBuilder + Send + Sync + 'static + use<> {
        let (connector, root) = (self.server.connector(), self.server.trust_root());
        let http = self.server.media().http_client();
        move |builder, _| {
            builder.connector(Arc::clone(&connector)).trust_root(root).http_client(Arc::clone(&http))
        }
    }
}

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/sandbox", get(phones))
        .route("/sandbox/scan", post(scan))
        .route("/sandbox/type-code", post(type_code))
        .route("/sandbox/write", post(write))
}

fn sandbox(app: &App) -> Result<&Sandbox, Problem> {
    app.sandbox.as_ref().ok_or_else(Problem::not_found)
}

/// One of the phones; more are not made.
fn phone(app: &App, name: &str) -> Result<Phone, Problem> {
    let server = &sandbox(app)?.server;
    if PHONES.contains(&name) { Ok(server.phone(name)) } else { Err(Problem::not_found()) }
}

/// `GET /sandbox`
async fn phones(State(app): State<Arc<App>>, caller: Caller) -> Result<Answer<Value>, Problem> {
    caller.may(Scope::Control)?;
    let server = &sandbox(&app)?.server;
    let phones: Vec<Value> =
        PHONES.iter().map(|name| json!({ "name": name, "number": server.phone(name).pn().user() })).collect();
    Ok(Answer(json!({ "phones": phones })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    /// The account.
    name: String,
    phone: String,
}

/// `POST /sandbox/scan`
async fn scan(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(body): Json<Link>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Control)?;
    let view = app.manager.pairing(&caller.key_of(&body.name)?).await?;
    let qr = view.and_then(|view| view.qr).ok_or_else(nothing_shown)?;
    let scanned = phone(&app, &body.phone)?.scan(qr.text.expose()).await;
    scanned.map_err(|error| Problem::new(StatusCode::CONFLICT, "scan", error.to_string()))?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /sandbox/type-code`
async fn type_code(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(body): Json<Link>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Control)?;
    let view = app.manager.pairing(&caller.key_of(&body.name)?).await?;
    let code = view.and_then(|view| view.code).ok_or_else(nothing_shown)?;
    let typed = phone(&app, &body.phone)?.enter_code(code.text.expose()).await;
    typed.map_err(|error| Problem::new(StatusCode::CONFLICT, "code", error.to_string()))?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    phone: String,
    /// The number that it writes to.
    to: String,
    text: String,
}

/// `POST /sandbox/write`
async fn write(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(body): Json<Text>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Control)?;
    let to =
        body.to.parse::<wa_types::PhoneNumber>().map_err(|error| Problem::bad_request(error.to_string()))?;
    let phone = phone(&app, &body.phone)?;
    let sent = phone.send_text(&to.to_jid(), &body.text).await;
    sent.map_err(|error| Problem::new(StatusCode::CONFLICT, "write", error.to_string()))?;
    Ok(StatusCode::NO_CONTENT)
}

fn nothing_shown() -> Problem {
    Problem::new(StatusCode::GONE, "gone", "nothing is shown any more, or not yet")
}
