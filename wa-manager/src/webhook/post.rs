//! One delivery: the request, and what the answer means.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;
use metrics::counter;
use tokio::time::timeout;
use wa_core::transport::{HttpClient as _, HttpMethod, HttpRequest};
use wa_types::UnixMillis;

use super::reach::Clients;
use super::record::WebhookRecord;
use super::{body, sign};
use crate::clock::Clock;
use crate::event::EventRecord;
use crate::sink::{EventSink, Outcome, SinkFuture};
use crate::store::ManagerStore;

const USER_AGENT: &str = "wa-manager";

/// Posts events to one URL.
pub(super) struct Post {
    pub(super) record: WebhookRecord,
    pub(super) clients: Clients,
    pub(super) store: Arc<dyn ManagerStore>,
    pub(super) clock: Arc<dyn Clock>,
    /// How long an answer may take.
    pub(super) time_limit: Duration,
}

impl Post {
    async fn post(&self, event: &EventRecord, attempt: u32) -> Outcome {
        let account = match &event.account {
            Some(id) => match self.store.account(id).await {
                Ok(account) => account,
                Err(error) => return failed(error.to_string()),
            },
            None => None,
        };
        let body = match body::render(event, account.as_ref()) {
            Ok(body) => body,
            Err(error) => return Outcome::Refused { reason: error.to_string() },
        };
        let spec = &self.record.spec;
        let mut request = HttpRequest::new(HttpMethod::Post, spec.url.clone())
            .header("content-type", "application/json")
            .header("user-agent", USER_AGENT);
        for (name, value) in &spec.headers {
            request = request.header(name.clone(), value.clone());
        }
        let now = self.clock.wall();
        for (name, value) in sign::headers(spec.mode, &spec.secrets, event.id.as_str(), now, attempt, &body) {
            request = request.header(name, value);
        }
        let length = body.len() as u64;
        let request = request.body(Box::new(io::Cursor::new(body)), length);
        match timeout(self.time_limit, self.clients.of(&spec.url).send(request)).await {
            Ok(Ok(answer)) => {
                let wait = answer.header("retry-after").and_then(|wait| retry_after(wait, self.clock.wall()));
                meaning(answer.status, wait)
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
                failed("the host has no address that may be reached".to_owned())
            }
            Ok(Err(error)) => failed(error.to_string()),
            Err(_) => failed("no answer in time".to_owned()),
        }
    }
}

impl EventSink for Post {
    fn deliver<'a>(&'a self, event: &'a EventRecord, attempt: u32) -> SinkFuture<'a> {
        Box::pin(async move {
            let outcome = self.post(event, attempt).await;
            let result = match outcome {
                Outcome::Taken => "taken",
                Outcome::Failed { .. } => "failed",
                Outcome::Refused { .. } => "refused",
                Outcome::Gone => "gone",
            };
            counter!("wa_webhook_attempts_total", "result" => result).increment(1);
            outcome
        })
    }
}

impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").field("record", &self.record).finish_non_exhaustive()
    }
}

fn failed(reason: String) -> Outcome {
    Outcome::Failed { retry_after: None, reason }
}

/// What a status says.
fn meaning(status: u16, retry_after: Option<Duration>) -> Outcome {
    let reason = format!("status {status}");
    match status {
        200..=299 => Outcome::Taken,
        410 => Outcome::Gone,
        408 | 409 | 425 | 429 | 500..=599 => Outcome::Failed { retry_after, reason },
        _ => Outcome::Refused { reason },
    }
}

/// How long a `Retry-After` asks to wait: seconds, or a date.
fn retry_after(text: &str, now: UnixMillis) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTimeParser::new().parse_zoned(text.trim()).ok()?;
    let date = u64::try_from(date.timestamp().as_millisecond()).ok()?;
    Some(Duration::from_millis(date.saturating_sub(now.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_mean_what_the_contract_says() {
        let failed = |status| Outcome::Failed { retry_after: None, reason: format!("status {status}") };
        for status in [408, 409, 425, 429, 500, 502, 503, 504, 599] {
            assert_eq!(meaning(status, None), failed(status));
        }
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(meaning(status, None), Outcome::Taken);
        }
        for status in [301, 302, 307, 400, 401, 403, 404, 413, 422, 600] {
            assert_eq!(meaning(status, None), Outcome::Refused { reason: format!("status {status}") });
        }
        assert_eq!(meaning(410, None), Outcome::Gone);
        let wait = Some(Duration::from_secs(7));
        assert_eq!(meaning(503, wait), Outcome::Failed { retry_after: wait, reason: "status 503".into() });
    }

    #[test]
    fn retry_after_is_in_seconds_or_a_date() {
        // 6 November 1994, 08:49:30.
        let now = UnixMillis(784_111_770_000);
        for (text, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:49:07 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(retry_after(text, now), expected.map(Duration::from_secs), "{text}");
        }
    }
}
