//! What happens, as it happens. Requirements: manager.md, 4.7.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json as Answer;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use wa_core::crypto::{Random as _, SystemRandom};
use wa_manager::event::{EventKind, EventRecord};
use wa_manager::hub::{EventFilter, StreamError};
use wa_manager::{AccountKey, AccountSnapshot};

use crate::app::App;
use crate::auth::Caller;
use crate::keys::{Key, Scope};
use crate::problem::Problem;
use crate::rest;

/// How long a ticket opens a socket.
const TICKET: Duration = Duration::from_secs(60);
/// More are not open at once.
const TICKETS: usize = 10_000;
/// The longest message of a client.
const LONGEST: usize = 4096;
/// Whoever does not take a frame in this time is gone.
const SLOWEST: Duration = Duration::from_secs(20);
/// Whoever is silent for this long is gone; clients ping more often.
const SILENCE: Duration = Duration::from_secs(90);

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/ws", get(open)).route("/ws/ticket", post(ticket))
}

/// Tickets that open a socket once: a key is never in an address.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    open: Mutex<HashMap<String, (Arc<Key>, Duration)>>,
}

impl Tickets {
    fn issue(&self, key: Arc<Key>, now: Duration) -> Option<String> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, (_, until)| now < *until);
        if open.len() >= TICKETS {
            return None;
        }
        let random: [u8; 32] = SystemRandom.array();
        let ticket: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        open.insert(ticket.clone(), (key, now + TICKET));
        Some(ticket)
    }

    fn redeem(&self, ticket: &str, now: Duration) -> Option<Arc<Key>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(ticket).filter(|(_, until)| now < *until).map(|(key, _)| key)
    }
}

/// `POST /ws/ticket`
async fn ticket(State(app): State<Arc<App>>, caller: Caller) -> Result<Answer<Value>, Problem> {
    caller.may(Scope::Read)?;
    let ticket = app.tickets.issue(caller.key, app.clock.boot()).ok_or_else(|| Problem::too_many(TICKET))?;
    Ok(Answer(json!({ "ticket": ticket, "expiresIn": TICKET.as_secs() })))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    ticket: String,
}

/// `GET /ws?ticket=..`
async fn open(
    State(app): State<Arc<App>>,
    opening: Result<Query<Opening>, QueryRejection>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Problem> {
    let Query(Opening { ticket }) = opening.map_err(|_| Problem::unauthorized())?;
    let key = app.tickets.redeem(&ticket, app.clock.boot()).ok_or_else(Problem::unauthorized)?;
    let upgrade = upgrade.max_message_size(LONGEST).max_frame_size(LONGEST);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let socket = Socket { app, key, socket };
        if let Err(why) = socket.serve().await {
            tracing::debug!(why, "a socket ended");
        }
    }))
}

struct Socket {
    app: Arc<App>,
    key: Arc<Key>,
    socket: WebSocket,
}

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Said {
    Ping,
    /// Everything after this number again.
    Resume {
        seq: u64,
    },
}

type Ended = &'static str;

impl Socket {
    async fn serve(mut self) -> Result<(), Ended> {
        let mut seq = self.send_all().await?;
        let filter = EventFilter { tenant: Some(self.key.tenant.clone()), ..EventFilter::default() };
        let mut events = self.app.manager.subscribe(filter.clone(), Some(seq));
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Ok(event) => self.send_event(&event).await?,
                    Err(StreamError::Lagged { .. }) => {
                        // Too late for what was trimmed: all of it as it is now, and on from there.
                        seq = self.send_all().await?;
                        events = self.app.manager.subscribe(filter.clone(), Some(seq));
                    }
                    Err(_) => return self.close(close_code::AWAY, "the server ends").await,
                },
                said = timeout(SILENCE, self.socket.next()) => {
                    let said = said.map_err(|_| "silent for too long")?;
                    let message = said.ok_or("closed")?.map_err(|_| "the connection failed")?;
                    match self.hear(message).await? {
                        Some(Said::Resume { seq }) => {
                            events = self.app.manager.subscribe(filter.clone(), Some(seq));
                        }
                        Some(Said::Ping) => self.send("pong", 0, Value::Null).await?,
                        None => {}
                    }
                }
            }
            if self.key.expires_at.is_some_and(|at| self.app.now() >= at) {
                return self.close(close_code::POLICY, "the key has expired").await;
            }
        }
    }

    async fn hear(&mut self, message: Message) -> Result<Option<Said>, Ended> {
        match message {
            Message::Text(text) => match serde_json::from_str(&text) {
                Ok(said) => Ok(Some(said)),
                Err(_) => {
                    self.close(close_code::INVALID, "no message of this protocol").await?;
                    Err("said what is none of the protocol")
                }
            },
            Message::Binary(_) => {
                self.close(close_code::UNSUPPORTED, "text only").await?;
                Err("sent bytes")
            }
            Message::Close(_) => Err("closed"),
            Message::Ping(_) | Message::Pong(_) => Ok(None),
        }
    }

    /// All accounts as they are. Gives back the number from which events go on.
    async fn send_all(&mut self) -> Result<u64, Ended> {
        let board =
            self.app.manager.all_statuses(Some(&self.key.tenant)).await.map_err(|_| "the store failed")?;
        let mut accounts = Vec::new();
        for account in board.accounts.iter().filter(|account| self.key.reaches(&account.name)) {
            accounts.push(update(&self.app, &self.key, account).await);
        }
        let data = json!({ "seq": board.seq, "accounts": accounts });
        self.send("whatsapp-all-statuses", board.seq, data).await?;
        Ok(board.seq)
    }

    async fn send_event(&mut self, event: &EventRecord) -> Result<(), Ended> {
        let Some(id) = &event.account else { return Ok(()) };
        if event.kind == EventKind::AccountDeleted {
            let name = event.data["name"].as_str().and_then(|name| name.parse().ok());
            if !name.is_some_and(|name| self.key.reaches(&name)) {
                return Ok(());
            }
            return self.send("whatsapp-deleted", event.seq, json!({ "accountId": id })).await;
        }
        let snapshot = self.app.manager.account_after(event).await.map_err(|_| "the store failed")?;
        let Some(snapshot) = snapshot.filter(|account| self.key.reaches(&account.name)) else {
            return Ok(());
        };
        if event.kind == EventKind::PairingCode
            && self.key.may(Scope::Control)
            && let Ok(Some(view)) = self.app.manager.pairing(&AccountKey::Id(id.clone())).await
            && let Some(code) = view.code
        {
            let data = json!({ "accountId": id, "code": code.text.expose(), "expiresAt": code.expires_at.0 });
            self.send("whatsapp-pairing-code", event.seq, data).await?;
        }
        let data = update(&self.app, &self.key, &snapshot).await;
        self.send("whatsapp-status", event.seq, data).await
    }

    async fn send(&mut self, event: &str, seq: u64, data: Value) -> Result<(), Ended> {
        let frame = json!({ "event": event, "seq": seq, "ts": self.app.now(), "data": data });
        let sent = timeout(SLOWEST, self.socket.send(Message::Text(frame.to_string().into()))).await;
        sent.map_err(|_| "takes nothing")?.map_err(|_| "the connection failed")
    }

    async fn close(&mut self, code: u16, reason: &'static str) -> Result<(), Ended> {
        let frame = CloseFrame { code, reason: reason.into() };
        let _gone = timeout(SLOWEST, self.socket.send(Message::Close(Some(frame)))).await;
        Err(reason)
    }
}

/// An account, as sockets tell it. Codes only to keys that may link.
async fn update(app: &App, key: &Key, account: &AccountSnapshot) -> Value {
    let mut data = json!({
        "accountId": account.id,
        "name": account.name,
        "displayName": account.display_name,
        "status": account.status,
        "message": account.reason.as_ref().and_then(|reason| reason.detail.as_deref()),
        "reason": account.reason,
        "retryAt": account.reason.as_ref().and_then(|reason| reason.retry_at),
        "userAction": account.reason.as_ref().map(|reason| reason.kind.user_action()),
        "phoneNumber": account.phone_number,
        "isLoggedIn": account.is_logged_in,
        "battery": account.battery,
        "restriction": account.trust.restrictions.first(),
        "trustLevel": account.trust.trust_level,
        "dailyLimit": account.trust.daily_limit,
        "messagesSentToday": account.trust.messages_sent_today,
        "lastActiveAt": account.last_active_at,
        "settings": account.settings,
        "version": account.version,
        "accountSeq": account.seq,
    });
    if key.may(Scope::Control)
        && !account.is_logged_in
        && let Ok(Some(view)) = app.manager.pairing(&AccountKey::Id(account.id.clone())).await
        && let (Some(data), Value::Object(shown)) = (data.as_object_mut(), rest::shown(&view))
    {
        data.extend(shown);
    }
    data
}
