//! Whether all is well, and figures.

use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::app::App;
use crate::auth::Caller;
use crate::keys::Scope;
use crate::problem::Problem;

/// For how long it is taken for granted that the stores answer.
const FRESH: Duration = Duration::from_secs(1);
/// A store that says nothing for so long does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// `GET /health`: whether somebody should look, and at what.
pub(crate) async fn health(State(app): State<Arc<App>>) -> Answer<Value> {
    let health = app.manager.health();
    let mut warnings = health.warnings;
    if looked(&app).await.is_err() {
        warnings.push("store");
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

/// When the stores answered last. They are asked by one at a time, however many want to know.
#[derive(Debug, Default)]
pub(crate) struct Answered(Mutex<Option<Duration>>);

/// Asks the stores, unless they answered a moment ago.
async fn looked(app: &App) -> Result<(), Problem> {
    let asked = async {
        let mut answered = app.answered.0.lock().await;
        let now = app.clock.boot();
        if answered.is_none_or(|at| now.saturating_sub(at) >= FRESH) {
            app.manager.check().await?;
            *answered = Some(now);
        }
        Ok(())
    };
    timeout(PATIENCE, asked).await.map_err(|late| Problem::store(&late))?
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::time::Instant;
    use wa_manager::AccountId;
    use wa_manager::pairing::{MemoryPairingStore, PairingStore, PairingView};
    use wa_manager::store::{MemoryManagerStore, StoreFuture};
    use wa_types::UnixMillis;

    use super::*;
    use crate::ws::tests::app_on;

    /// A store that says nothing while it hangs.
    #[derive(Debug, Default)]
    struct Hanging {
        inner: MemoryPairingStore,
        hangs: AtomicBool,
    }

    impl PairingStore for Hanging {
        fn put(&self, account: &AccountId, view: &PairingView, now: UnixMillis) -> StoreFuture<'_, ()> {
            self.inner.put(account, view, now)
        }

        fn get(&self, account: &AccountId, now: UnixMillis) -> StoreFuture<'_, Option<PairingView>> {
            self.inner.get(account, now)
        }

        fn delete(&self, account: &AccountId) -> StoreFuture<'_, ()> {
            self.inner.delete(account)
        }

        fn check(&self) -> StoreFuture<'_, ()> {
            if self.hangs.load(Ordering::Relaxed) {
                Box::pin(std::future::pending())
            } else {
                self.inner.check()
            }
        }
    }

    /// Everybody who asks is told so, and waits no longer when others ask, too.
    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_is_told_in_time() {
        let store = Arc::new(Hanging::default());
        let (app, _directory) = app_on(Arc::new(MemoryManagerStore::new()), store.clone()).await;
        let ask = || health(State(Arc::clone(&app)));
        store.hangs.store(true, Ordering::Relaxed);
        let start = Instant::now();
        let (one, other, ready) = tokio::join!(ask(), ask(), ready(State(Arc::clone(&app))));
        assert_eq!(start.elapsed().as_secs(), 5);
        for Answer(told) in [one, other] {
            assert_eq!((&told["status"], &told["warnings"]), (&json!("degraded"), &json!(["store"])));
        }
        assert_eq!(ready.unwrap_err().to_json()["code"], "store");
        store.hangs.store(false, Ordering::Relaxed);
        assert_eq!(ask().await.0["status"], "ok");
    }
}
