//! Errors as answers: `application/problem+json`, with the same codes as the library's errors.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use wa_manager::ManagerError;
use wa_manager::pairing::PairError;
use wa_manager::sending::{ControlError, SendError};
use wa_manager::store::ManagerStoreError;
use wa_manager::trust::LimitSource;
use wa_manager::webhook::WebhookError;
use wa_store::StoreError;
use wa_types::UnixMillis;

/// An error that is answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    retry_after: Option<Duration>,
    more: Map<String, Value>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None, more: Map::new() }
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is no such thing here")
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "no key, or one that is not good")
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub(crate) fn too_many(retry_after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "too many requests with this key")
            .after(Some(retry_after))
    }

    pub(crate) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is larger than 1 MiB")
    }

    pub(crate) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body did not come in time")
    }

    /// Nobody knows whether it was done.
    pub(crate) fn interrupted() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "interrupted", "the work was cut off; look, and try again")
    }

    /// What a framework answered without words of ours.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let code = match status {
            StatusCode::NOT_FOUND => return Self::not_found(),
            StatusCode::METHOD_NOT_ALLOWED => "method",
            StatusCode::PAYLOAD_TOO_LARGE => return Self::too_large(),
            StatusCode::UPGRADE_REQUIRED => "upgrade",
            status if status.is_server_error() => "internal",
            _ => "bad_request",
        };
        Self::new(status, code, "the request cannot be understood so")
    }

    /// A store failed.
    pub(crate) fn store(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "store", "the store failed; try again")
    }

    /// The manager's store failed.
    pub(crate) fn of_store(error: &ManagerStoreError) -> Self {
        match error {
            ManagerStoreError::Corrupt { .. } => Self::damaged(error),
            error => Self::store(error),
        }
    }

    /// What is stored cannot be read, nor will it be the next time. The reason of an account that stands so has the same name.
    fn damaged(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "what is stored is damaged");
        let detail = "what is stored is damaged, and trying again does not help: put a good copy in its place, or delete \
                      the account, with `force` where it cannot be unlinked";
        Self::new(StatusCode::CONFLICT, "store_corrupt", detail)
    }

    fn after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// As JSON, also as a part of a larger answer.
    pub(crate) fn to_json(&self) -> Value {
        let mut body = self.more.clone();
        body.insert("type".to_owned(), json!(format!("urn:wa:problem:{}", self.code)));
        body.insert("title".to_owned(), json!(self.status.canonical_reason().unwrap_or("error")));
        body.insert("status".to_owned(), json!(self.status.as_u16()));
        body.insert("code".to_owned(), json!(self.code));
        body.insert("detail".to_owned(), json!(self.detail));
        if let Some(wait) = self.retry_after {
            body.insert("retryAfter".to_owned(), json!(seconds(wait)));
        }
        Value::Object(body)
    }
}

/// Whole seconds, rounded up: who waits so long does not come too early.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.to_json().to_string();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds(wait)));
        }
        if self.status == StatusCode::UPGRADE_REQUIRED {
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<ManagerError> for Problem {
    fn from(error: ManagerError) -> Self {
        let (code, detail) = (error.code(), error.to_string());
        let status = match error {
            ManagerError::NotFound => return Self::not_found(),
            ManagerError::Pair(error) => return error.into(),
            // Until then the server wants to hear nothing of it.
            ManagerError::NotYet { until } => {
                return Self::new(StatusCode::LOCKED, code, detail).with("until", until.0);
            }
            ManagerError::ClientOutdated { until } => {
                return Self::new(StatusCode::BAD_GATEWAY, code, detail).with("until", until.0);
            }
            ManagerError::AlreadyExists { .. }
            | ManagerError::Exported
            | ManagerError::NotLinked
            | ManagerError::FenceLost { .. }
            | ManagerError::Crashed => StatusCode::CONFLICT,
            ManagerError::InvalidName(_) | ManagerError::InvalidCursor | ManagerError::Location(_) => {
                StatusCode::BAD_REQUEST
            }
            ManagerError::VersionConflict { .. } => StatusCode::PRECONDITION_FAILED,
            ManagerError::NotUnlinked(_) => StatusCode::BAD_GATEWAY,
            ManagerError::QuotaExceeded { .. } => StatusCode::FORBIDDEN,
            ManagerError::Store(error) => return Self::of_store(&error),
            ManagerError::KeyStore(
                error @ (StoreError::NotADatabase
                | StoreError::OtherApplication { .. }
                | StoreError::Corrupt { .. }),
            ) => return Self::damaged(&error),
            error => return Self { code, ..Self::store(&error) },
        };
        Self::new(status, code, detail)
    }
}

impl From<PairError> for Problem {
    fn from(error: PairError) -> Self {
        let status = match error {
            PairError::RateLimited { .. } | PairError::UnstableLink { .. } => StatusCode::TOO_MANY_REQUESTS,
            PairError::PhoneMissing => StatusCode::BAD_REQUEST,
            PairError::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            PairError::ConnectTimeout | PairError::Rejected { .. } => StatusCode::BAD_GATEWAY,
            _ => StatusCode::CONFLICT,
        };
        Self::new(status, error.code(), error.to_string()).after(error.retry_after())
    }
}

impl Problem {
    /// A message was not sent. `now` is what waits are counted from.
    pub(crate) fn of_send(error: SendError, now: UnixMillis) -> Self {
        let error = match error {
            SendError::Manager(error) => return Self::from(*error),
            error => error,
        };
        let status = match &error {
            SendError::NotReady { .. } => StatusCode::CONFLICT,
            SendError::Limited(_) => StatusCode::TOO_MANY_REQUESTS,
            SendError::Restricted { .. } => StatusCode::LOCKED,
            SendError::InvalidRecipient => StatusCode::BAD_REQUEST,
            SendError::Store(error) => return Self::of_store(error),
            SendError::Refused { .. } | SendError::Unknown { .. } => StatusCode::BAD_GATEWAY,
            _ => StatusCode::CONFLICT,
        };
        let mut problem = Self::new(status, error.code(), error.to_string()).after(error.retry_after(now));
        if let Some(until) = error.until() {
            problem = problem.with("until", until.0);
        }
        match error {
            SendError::Limited(info) => {
                problem = problem
                    .with("lane", info.lane.as_str())
                    .with("scope", info.scope.as_str())
                    .with("limit", info.limit)
                    .with("used", info.used)
                    .with("resetsAt", info.retry_at.map(|at| at.0))
                    .with("source", if info.source == LimitSource::Own { "own" } else { "server" });
            }
            SendError::Restricted { kind, server_code, .. } => {
                problem = problem.with("kind", kind.as_str()).with("serverCode", server_code);
            }
            SendError::Refused { server_code } => problem = problem.with("serverCode", server_code),
            SendError::Unknown { message_id } => problem = problem.with("id", message_id.as_str()),
            _ => {}
        }
        problem
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        let detail = error.to_string();
        match error {
            ControlError::NoReason => Self::new(StatusCode::BAD_REQUEST, "no_reason", detail),
            ControlError::TooHigh { highest } => {
                Self::new(StatusCode::CONFLICT, "too_high", detail).with("highest", highest.number())
            }
            ControlError::AboveLevel { ceiling } => {
                Self::new(StatusCode::CONFLICT, "above_level", detail).with("ceiling", ceiling)
            }
            ControlError::AlreadyReset { resets_at } => {
                Self::new(StatusCode::CONFLICT, "already_reset", detail).with("resetsAt", resets_at.0)
            }
            ControlError::Gone => Self::not_found(),
            ControlError::Store(error) => Self::of_store(&error),
            error => Self::store(&error),
        }
    }
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        let detail = error.to_string();
        let code = match error {
            WebhookError::NotFound => return Self::not_found(),
            WebhookError::Url => "webhook_url",
            WebhookError::Private => "webhook_private",
            WebhookError::Plain => "webhook_plain",
            WebhookError::Headers => "webhook_headers",
            WebhookError::Secrets => "webhook_secrets",
            WebhookError::Damaged => "webhook_damaged",
            WebhookError::Retry => "webhook_retry",
            WebhookError::NoAccount => "webhook_account",
            WebhookError::TooMany => return Self::new(StatusCode::FORBIDDEN, "webhook_too_many", detail),
            error => return Self::store(&error),
        };
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_and_when() {
        let wait = Duration::from_millis(1500);
        let error = PairError::RateLimited { retry_after: wait, by: wa_manager::pairing::LimitedBy::Phone };
        let problem = Problem::from(ManagerError::from(error));
        let body = problem.to_json();
        assert_eq!((body["status"].as_u64(), body["code"].as_str()), (Some(429), Some("rate_limited")));
        assert_eq!(body["retryAfter"], 2);
        let response = problem.into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }
}
