//! What can be asked and told over HTTP. Requirements: manager.md, 4.6.
//!
//! | File | Subject |
//! |---|---|
//! | `sessions` | accounts: make, list, change, delete; start, stop, restart, logout |
//! | `batch` | the same for many |
//! | `pairing` | links an account to a phone |
//! | `trust` | limits |
//! | `passkey` | the passkey that a phone may want for that |
//! | `messages` | what is sent, and what waits |
//! | `errands` | the past, numbers, files; reading and typing |
//! | `webhooks` | where events go |
//! | `events` | what happened |
//! | `keys` | who may do what |
//! | `nodes` | the processes that run accounts |
//! | `health` | whether all is well, and figures |
//! | `document` | all of this, for programs |

mod batch;
mod document;
mod errands;
mod events;
pub(crate) mod health;
mod keys;
mod messages;
pub(crate) mod nodes;
mod pairing;
mod passkey;
mod sessions;
mod trust;
mod webhooks;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post};

use crate::app::App;
pub(crate) use keys::id as key_id;
pub(crate) use pairing::shown;

/// All of it.
pub(crate) fn routes() -> Router<Arc<App>> {
    let session = Router::new()
        .route("/", get(sessions::show).put(sessions::update).delete(sessions::remove))
        .route("/start", post(sessions::start))
        .route("/stop", post(sessions::stop))
        .route("/restart", post(sessions::restart))
        .route("/logout", post(sessions::logout))
        .route("/qr", get(pairing::qr))
        .route("/pairing", post(pairing::begin).get(pairing::show))
        .route("/pairing/refresh", post(pairing::refresh))
        .route("/pairing/cancel", post(pairing::cancel))
        .route("/passkey", get(passkey::show).post(passkey::respond))
        .route("/passkey/confirm", post(passkey::confirm))
        .route("/sync-history", post(errands::sync_history))
        .route("/numbers/check", post(errands::check_numbers))
        .route("/typing", post(errands::typing))
        .route("/read", post(errands::read))
        .route("/media", post(errands::media))
        .route("/webhooks", get(webhooks::list_of).post(webhooks::create_for))
        .route("/trust", get(trust::show).put(trust::update))
        .route("/usage/reset", post(trust::reset))
        .route("/messages", post(messages::send))
        .route("/outbox", get(messages::outbox))
        .route("/outbox/{id}", delete(messages::cancel));
    Router::new()
        .route("/whatsapp/session", post(sessions::create))
        .nest("/whatsapp/session/{name}", session)
        .route("/whatsapp/sessions", get(sessions::list))
        .route("/whatsapp/sessions/start", post(batch::start))
        .route("/whatsapp/sessions/stop", post(batch::stop))
        .route("/whatsapp/sessions/stop-all", post(batch::stop_all))
        .route("/whatsapp/sessions/delete", post(batch::remove))
        .route("/whatsapp/webhooks", get(webhooks::list).post(webhooks::create))
        .route("/whatsapp/webhooks/{id}", get(webhooks::show).put(webhooks::update).delete(webhooks::remove))
        .route("/whatsapp/webhooks/{id}/deliveries", get(webhooks::dead_letters))
        .route("/whatsapp/webhooks/{id}/replay", post(webhooks::replay))
        .route("/whatsapp/events", get(events::list))
        .route("/keys", get(keys::list).post(keys::create))
        .route("/keys/{id}", get(keys::show).put(keys::update).delete(keys::remove))
        .route("/nodes", get(nodes::list))
        .route("/nodes/{id}/drain", post(nodes::drain))
        .route("/openapi.json", get(document::document))
        .route("/health", get(health::health))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
}
