//! The same request twice: what a `POST` with an `Idempotency-Key` did is done once, and its answer given again for a day.
//! Requirements: manager.md, 4.6.
//!
//! Kept are answers of success of up to 16 KiB. A request that failed is tried again when it comes again; answers with secrets are never
//! kept. (A message that is sent twice is recognised by the manager itself, also after a crash.)

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::app::{App, BODY, LONGEST};
use crate::auth::Caller;
use crate::problem::Problem;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is one that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// How long answers are kept.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Larger answers are not kept: those of many accounts at once, which name what each of them did.
const LARGEST: usize = 16 * 1024;

type Hash = [u8; 32];

/// Answers that were given, in a file of the server's own.
#[derive(Debug, Clone)]
pub(crate) struct Idempotency {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: Mutex<Connection>,
    /// Requests that are being answered.
    running: Mutex<HashSet<Hash>>,
}

/// The answers cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("the file of the answers cannot be read or written")]
    File(#[from] rusqlite::Error),
    #[error("the work was cut off")]
    Interrupted,
}

impl From<AnswerError> for Problem {
    fn from(error: AnswerError) -> Self {
        Self::store(&error)
    }
}

/// The key of a request, if it has one.
///
/// # Errors
/// `400` when it is none.
pub(crate) fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(key) = headers.get(KEY) else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| (1..=256).contains(&key.len()));
    key.map(Some).ok_or_else(|| Problem::bad_request("Idempotency-Key wants 1 to 256 visible characters"))
}

impl Idempotency {
    /// Opens the file, and makes it if there is none. Blocks for a moment.
    pub(crate) fn open(path: &Path) -> Result<Self, AnswerError> {
        let file = Connection::open(path)?;
        file.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
             CREATE TABLE IF NOT EXISTS answer (
                 request BLOB PRIMARY KEY, body_hash BLOB NOT NULL, status INTEGER NOT NULL, kind TEXT NOT NULL,
                 body BLOB NOT NULL, at INTEGER NOT NULL) STRICT;
             CREATE INDEX IF NOT EXISTS answer_at ON answer (at);",
        )?;
        Ok(Self { inner: Arc::new(Inner { file: Mutex::new(file), running: Mutex::default() }) })
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, AnswerError> {
        let inner = Arc::clone(&self.inner);
        let done = spawn_blocking(move || work(&inner.file.lock().unwrap_or_else(PoisonError::into_inner)));
        Ok(done.await.map_err(|_| AnswerError::Interrupted)??)
    }

    async fn find(&self, request: Hash, now: u64) -> Result<Option<Kept>, AnswerError> {
        let since = stored(now.saturating_sub(millis(KEPT)));
        self.with(move |file| {
            let sql = "SELECT body_hash, status, kind, body FROM answer WHERE request = ?1 AND at > ?2";
            file.query_row(sql, params![request, since], |row| {
                Ok(Kept { body_hash: row.get(0)?, status: row.get(1)?, kind: row.get(2)?, body: row.get(3)? })
            })
            .optional()
        })
        .await
    }

    async fn keep(&self, request: Hash, kept: Kept, now: u64) -> Result<(), AnswerError> {
        self.with(move |file| {
            file.execute("DELETE FROM answer WHERE at <= ?1", [stored(now.saturating_sub(millis(KEPT)))])?;
            let sql = "INSERT OR REPLACE INTO answer VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            file.execute(
                sql,
                params![request, kept.body_hash, kept.status, kept.kind, kept.body, stored(now)],
            )
        })
        .await?;
        Ok(())
    }

    /// `None` while the same request is being answered.
    fn enter(&self, request: Hash) -> Option<Turn> {
        let mut running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.insert(request).then(|| Turn { inner: Arc::clone(&self.inner), request })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A time, as the file has it.
fn stored(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// A request that is being answered.
struct Turn {
    inner: Arc<Inner>,
    request: Hash,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.inner.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.request);
    }
}

struct Kept {
    body_hash: Hash,
    status: u16,
    kind: String,
    body: Vec<u8>,
}

impl Kept {
    fn answer(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let mut response = (status, self.body).into_response();
        if let Ok(kind) = HeaderValue::from_str(&self.kind) {
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        response
    }
}

/// Lets each request through once.
pub(crate) async fn once(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !request.headers().contains_key(KEY) {
        return next.run(request).await;
    }
    answer(app, request, next).await.unwrap_or_else(|problem| problem.into_response())
}

async fn answer(app: Arc<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, &app).await?;
    let Some(key) = key(&parts.headers)? else { return Err(Problem::bad_request("no Idempotency-Key")) };
    let slot: Hash = Sha256::digest(format!("{}\n{}\n{key}", caller.key.id, parts.uri)).into();
    let read = timeout(LONGEST, to_bytes(body, BODY)).await.map_err(|_| Problem::too_slow())?;
    let body = read.map_err(|_| Problem::too_large())?;
    let body_hash: Hash = Sha256::digest(&body).into();
    let busy = || Problem::new(StatusCode::CONFLICT, "in_progress", "this request is being answered");
    let turn = app.idempotency.enter(slot).ok_or_else(busy)?;
    if let Some(kept) = app.idempotency.find(slot, app.now()).await? {
        if kept.body_hash == body_hash {
            return Ok(kept.answer());
        }
        let detail = "this Idempotency-Key came with another body";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_mismatch", detail));
    }
    parts.extensions.insert(caller); // it is counted once
    let request = Request::from_parts(parts, Body::from(body));
    // In a task of its own: whoever goes away does not cut it off.
    let answered = tokio::spawn(async move {
        let _turn = turn;
        let response = next.run(request).await;
        keep(&app, slot, body_hash, response).await
    });
    answered.await.unwrap_or_else(|_| Err(Problem::interrupted()))
}

async fn keep(app: &App, slot: Hash, body_hash: Hash, response: Response) -> Result<Response, Problem> {
    let is_secret = response.headers().get(header::CACHE_CONTROL).is_some_and(|value| value == "no-store");
    if !response.status().is_success() || is_secret {
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body: Bytes = to_bytes(body, usize::MAX).await.map_err(|_| Problem::interrupted())?;
    if body.len() > LARGEST {
        return Ok(Response::from_parts(parts, Body::from(body)));
    }
    let kind =
        parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kept = Kept { body_hash, status: parts.status.as_u16(), kind: kind.to_owned(), body: body.to_vec() };
    if let Err(error) = app.idempotency.keep(slot, kept, app.now()).await {
        // It was done: to say that it failed would be the worse lie.
        tracing::error!(%error, "an answer is not kept");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}
