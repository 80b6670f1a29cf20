//! What all requests share, and where they go.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio_util::task::TaskTracker;
use wa_manager::ClientManager;
use wa_manager::account::AccountSettings;
use wa_manager::clock::Clock;

use crate::idempotency::{Idempotency, once};
use crate::keys::KeyStore;
use crate::passkeys::Passkeys;
use crate::problem::Problem;
use crate::rates::Rates;
use crate::rest::health::Answered;
use crate::rest::nodes::Node;
use crate::sandbox::Sandbox;
use crate::ws::Tickets;
use crate::{page, rest, sandbox, ws};

/// What all requests share.
pub(crate) struct App {
    /// What all paths begin with.
    pub(crate) base: String,
    pub(crate) manager: ClientManager,
    /// What accounts are set to unless somebody says otherwise.
    pub(crate) defaults: AccountSettings,
    pub(crate) keys: KeyStore,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rates: Rates,
    pub(crate) idempotency: Idempotency,
    pub(crate) tickets: Tickets,
    /// The open sockets: whoever ends the server waits for their goodbyes.
    pub(crate) sockets: TaskTracker,
    pub(crate) passkeys: Passkeys,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) node: Node,
    pub(crate) answered: Answered,
    pub(crate) sandbox: Option<Sandbox>,
}

/// The largest body of a request.
pub(crate) const BODY: usize = 1 << 20;

/// The longest time that a body may take to come; events are waited for no longer than half of it.
pub(crate) const LONGEST: Duration = Duration::from_secs(60);

impl App {
    /// The time of day, in milliseconds since 1970.
    pub(crate) fn now(&self) -> u64 {
        self.clock.wall().0
    }

    /// Everything that is served.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        let mut routes = rest::routes().merge(ws::routes()).merge(page::routes());
        if self.sandbox.is_some() {
            routes = routes.merge(sandbox::routes());
        }
        let routes = routes
            .fallback(async || Problem::not_found())
            .layer(middleware::from_fn_with_state(Arc::clone(self), once))
            .layer(DefaultBodyLimit::max(BODY))
            .with_state(Arc::clone(self));
        let routes =
            if self.base.is_empty() { routes } else { Router::new().nest_service(&self.base, routes) };
        routes.layer(middleware::from_fn(headers))
    }
}

/// What all answers have: the request's id, what a browser must not do, and words of ours when something is wrong.
async fn headers(request: Request, next: Next) -> Response {
    const ID: HeaderName = HeaderName::from_static("x-request-id");
    let id = request.headers().get(ID).filter(|id| id.len() <= 128).cloned();
    let mut response = next.run(request).await;
    let (status, kind) = (response.status(), response.headers().get(CONTENT_TYPE));
    if status.is_client_error() && kind.is_none_or(|kind| !kind.as_bytes().ends_with(b"json")) {
        let allowed = response.headers_mut().remove(ALLOW);
        response = Problem::of_status(status).into_response();
        if let Some(allowed) = allowed {
            response.headers_mut().insert(ALLOW, allowed);
        }
    }
    let headers = response.headers_mut();
    if let Some(id) = id {
        headers.insert(ID, id);
    }
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        (
            "content-security-policy",
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
