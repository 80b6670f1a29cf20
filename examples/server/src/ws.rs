//! What happens, as it happens. Requirements: manager.md, 4.7.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json as Answer;
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};
use wa_core::crypto::{Random as _, SystemRandom};
use wa_manager::account::Reason;
use wa_manager::event::{EventKind, EventRecord};
use wa_manager::hub::{EventFilter, StreamError};
use wa_manager::store::ManagerStoreError;
use wa_manager::{AccountId, AccountKey, AccountName, AccountSnapshot, AccountStatus, ManagerError};

use crate::app::App;
use crate::auth::Caller;
use crate::keys::{Key, Scope};
use crate::problem::Problem;
use crate::rates::{PER_MINUTE, Rates};
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
/// Whoever is so many events late is told how everything is now instead of each of them.
const BEHIND: u64 = 500;
/// Figures are told no more often.
const USAGE: Duration = Duration::from_secs(1);

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new().route("/ws", get(open)).route("/ws/ticket", post(ticket))
}

/// Sockets of one key.
const SOCKETS: usize = 100;

/// Tickets that open a socket once: a key is never in an address.
#[derive(Debug, Default)]
pub(crate) struct Tickets {
    open: Mutex<HashMap<String, (Arc<Key>, Duration)>>,
    /// How many sockets each key has.
    sockets: Arc<Mutex<HashMap<String, usize>>>,
}

/// A socket's place among those of its key.
struct Place {
    sockets: Arc<Mutex<HashMap<String, usize>>>,
    key: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        match sockets.get_mut(&self.key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(sockets.remove(&self.key)),
        }
    }
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

    /// A place for one more socket of a key; `None` when it has too many.
    fn place(&self, key: &str) -> Option<Place> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let count = sockets.entry(key.to_owned()).or_default();
        if *count >= SOCKETS {
            return None;
        }
        *count += 1;
        Some(Place { sockets: Arc::clone(&self.sockets), key: key.to_owned() })
    }

    fn redeem(&self, ticket: &str, now: Duration) -> Option<Arc<Key>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(ticket).filter(|(_, until)| now < *until).map(|(key, _)| key)
    }
}

/// `POST /ws/ticket`
async fn ticket(State(app): State<Arc<App>>, caller: Caller) -> Result<Response, Problem> {
    caller.may(Scope::Read)?;
    let ticket = app.tickets.issue(caller.key, app.clock.boot()).ok_or_else(|| Problem::too_many(TICKET))?;
    let no_store = [(CACHE_CONTROL, "no-store")];
    Ok((no_store, Answer(json!({ "ticket": ticket, "expiresIn": TICKET.as_secs() }))).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    ticket: String,
}

/// `GET /ws?ticket=..`
async fn open(
    State(app): State<Arc<App>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    opening: Result<Query<Opening>, QueryRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let Query(Opening { ticket }) = opening.map_err(|_| Problem::unauthorized())?;
    let answer = create_response_with_body(&request, Body::empty)
        .map_err(|_| Problem::of_status(StatusCode::UPGRADE_REQUIRED))?;
    let changes = app.keys.changes();
    let key = app.tickets.redeem(&ticket, app.clock.boot()).ok_or_else(Problem::unauthorized)?;
    let caller = Caller { key, from: from.ip() }.again(&app)?;
    caller.may(Scope::Read)?;
    let place = app.tickets.place(&caller.key.id).ok_or_else(|| Problem::too_many(TICKET))?;
    let upgrade = hyper::upgrade::on(request);
    let sockets = app.sockets.clone();
    sockets.spawn(async move {
        let _place = place;
        match upgrade.await {
            Ok(stream) => Socket::new(app, caller, changes, TokioIo::new(stream)).await.run().await,
            Err(error) => tracing::debug!(%error, "a socket was not opened"),
        }
    });
    Ok(answer)
}

/// One socket, over a connection that is upgraded.
struct Socket<S> {
    app: Arc<App>,
    /// With the key as it was when it was last looked at.
    caller: Caller,
    /// Tells that some key was changed or removed.
    changes: watch::Receiver<u64>,
    socket: WebSocketStream<S>,
    wishes: Wishes,
    /// Accounts whose figures changed since they were told.
    usage: BTreeSet<AccountId>,
    /// Accounts that were told of.
    told: HashMap<AccountId, Told>,
    /// How often the client may show that it is there.
    signs: Rates,
}

/// How an account stood when it was last told of.
struct Told {
    status: AccountStatus,
    reason: Option<Reason>,
    /// The last of its events that is part of this.
    seq: u64,
}

impl Told {
    fn of(account: &AccountSnapshot) -> Self {
        Self { status: account.status, reason: account.reason.clone(), seq: account.seq }
    }
}

/// What a client wants to hear.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wishes {
    /// Messages too.
    messages: bool,
    /// Of these accounts only; of all that the key reaches if there are none.
    accounts: BTreeSet<AccountName>,
}

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Said {
    Ping {},
    /// Everything after this number again.
    Resume {
        seq: u64,
    },
    /// In place of what it wished before.
    Subscribe(Wishes),
}

/// Why a socket ends.
struct Ended {
    /// What the client is told; nothing when it closed first, or hears nothing.
    code: Option<CloseCode>,
    why: &'static str,
}

impl Ended {
    const fn silently(why: &'static str) -> Self {
        Self { code: None, why }
    }

    const fn with(code: CloseCode, why: &'static str) -> Self {
        Self { code: Some(code), why }
    }

    /// What came could not be read.
    fn of(error: &Error) -> Self {
        match error {
            Error::Capacity(_) => Self::with(CloseCode::Size, "a message is too long"),
            Error::Utf8(_) => Self::with(CloseCode::Invalid, "a text is no UTF-8"),
            // It is gone.
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::silently("cut off"),
            Error::Protocol(_) => Self::with(CloseCode::Protocol, "no frame of a WebSocket"),
            _ => Self::silently("the connection failed"),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    async fn new(app: Arc<App>, caller: Caller, changes: watch::Receiver<u64>, stream: S) -> Self {
        let config = WebSocketConfig::default().max_message_size(Some(LONGEST)).max_frame_size(Some(LONGEST));
        let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        let (wishes, usage, told) = (Wishes::default(), BTreeSet::new(), HashMap::new());
        let signs = Rates::new(PER_MINUTE, None);
        Self { app, caller, changes, socket, wishes, usage, told, signs }
    }

    async fn run(mut self) {
        let Err(Ended { code, why }) = self.serve().await;
        tracing::debug!(why, "a socket ended");
        if let Some(code) = code {
            self.close(code, why).await;
        }
    }

    async fn serve(&mut self) -> Result<Infallible, Ended> {
        let filter = EventFilter { tenant: Some(self.caller.key.tenant.clone()), ..EventFilter::default() };
        let mut seq = self.send_all(None).await?;
        let mut events = self.app.manager.subscribe(filter.clone(), Some(seq));
        let mut figures = interval(USAGE);
        figures.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silent_at = Instant::now() + SILENCE;
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Ok(event) if event.seq + BEHIND < self.app.manager.last_event() => {
                        // Too slow to be told one after the other: all of it as it is now, and on from there.
                        seq = self.send_all(Some(seq)).await?;
                        events = self.app.manager.subscribe(filter.clone(), Some(seq));
                    }
                    Ok(event) => {
                        self.send_event(&event).await?;
                        // With another key it was not told.
                        if self.caller_now().is_some_and(|caller| self.is_told_for(&caller)) {
                            seq = event.seq;
                        }
                    }
                    Err(StreamError::Lagged { .. }) => {
                        seq = self.send_all(Some(seq)).await?;
                        events = self.app.manager.subscribe(filter.clone(), Some(seq));
                    }
                    Err(_) => return Err(SERVER_ENDS),
                },
                Ok(()) = self.changes.changed() => {
                    let caller = self.caller_now().ok_or(KEY_REFUSED)?;
                    if !self.is_told_for(&caller) {
                        self.caller = caller;
                        seq = self.send_all(Some(seq)).await?;
                        events = self.app.manager.subscribe(filter.clone(), Some(seq));
                    }
                }
                _ = figures.tick(), if !self.usage.is_empty() => self.send_usage(seq).await?,
                said = timeout_at(silent_at, self.socket.next()) => {
                    let said = said.map_err(|_| Ended::with(CloseCode::Away, "silent for too long"))?;
                    let message = said.ok_or(Ended::silently("closed"))?.map_err(|error| Ended::of(&error))?;
                    silent_at = Instant::now() + SILENCE;
                    let said = self.hear(message).await?;
                    // What only keeps the socket is counted for each of them: a key has many.
                    let rates = match &said {
                        Some(Said::Ping {}) | None => &self.signs,
                        Some(_) => &self.app.rates,
                    };
                    if rates.take(&self.caller.key.id, "/ws", self.app.clock.boot()).is_err() {
                        return Err(Ended::with(CloseCode::Policy, "too many messages"));
                    }
                    match said {
                        Some(Said::Resume { seq: from }) => {
                            if from < seq {
                                // What was told already is told again.
                                self.told.values_mut().for_each(|told| told.seq = 0);
                                self.usage.clear();
                            }
                            // What is yet to come is not passed over, whatever a client remembers of another database.
                            seq = seq.min(from);
                            events = self.app.manager.subscribe(filter.clone(), Some(seq));
                        }
                        Some(Said::Subscribe(wishes)) => {
                            self.wishes = wishes;
                            seq = self.send_all(Some(seq)).await?;
                            events = self.app.manager.subscribe(filter.clone(), Some(seq));
                        }
                        Some(Said::Ping {}) => {
                            self.send("pong", 0, Value::Null).await?;
                        }
                        None => {}
                    }
                }
            }
        }
    }

    /// The caller, with the key as it is now; `None` when it expired, was removed, or may no longer be used so.
    fn caller_now(&self) -> Option<Caller> {
        self.caller.again(&self.app).ok().filter(|caller| caller.key.may(Scope::Read))
    }

    /// Whether the key was not changed since it was last looked at, not even back again: what was to be told meanwhile was not.
    fn is_told_for(&self, caller: &Caller) -> bool {
        Arc::ptr_eq(&caller.key, &self.caller.key)
    }

    async fn hear(&mut self, message: Message) -> Result<Option<Said>, Ended> {
        match message {
            Message::Text(text) => match serde_json::from_str(&text) {
                Ok(said) => Ok(Some(said)),
                Err(_) => Err(Ended::with(CloseCode::Invalid, "no message of this protocol")),
            },
            Message::Binary(_) => Err(Ended::with(CloseCode::Unsupported, "text only")),
            Message::Close(_) => {
                // The answer is there, and yet to be sent.
                let _gone = timeout(SLOWEST, self.socket.flush()).await;
                Err(Ended::silently("closed"))
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(None),
        }
    }

    fn is_wanted(&self, account: &AccountName) -> bool {
        self.caller.key.reaches(account)
            && (self.wishes.accounts.is_empty() || self.wishes.accounts.contains(account))
    }

    /// All accounts as they are. Gives back the number from which events go on. Whoever missed events is told from where
    /// to where: `GET /whatsapp/events` has them.
    async fn send_all(&mut self, heard: Option<u64>) -> Result<u64, Ended> {
        let board = self.app.manager.all_statuses(Some(&self.caller.key.tenant)).await.map_err(not_read)?;
        let mut wanted = board.accounts;
        wanted.retain(|account| self.is_wanted(&account.name));
        let (app, key) = (Arc::clone(&self.app), Arc::clone(&self.caller.key));
        let mut accounts = Vec::with_capacity(wanted.len());
        for account in &wanted {
            accounts.push(update(&app, &key, account).await);
        }
        let mut data = json!({ "seq": board.seq, "accounts": accounts });
        if let (Some(heard), Some(data)) = (heard.filter(|heard| *heard < board.seq), data.as_object_mut()) {
            data.insert("missed".to_owned(), json!({ "after": heard, "upTo": board.seq }));
        }
        self.usage.clear();
        self.told = wanted.iter().map(|account| (account.id.clone(), Told::of(account))).collect();
        let is_sent = self.send("whatsapp-all-statuses", board.seq, data).await?;
        // Not heard: what is told with the key as it is now says what was missed since the last time.
        Ok(heard.filter(|_| !is_sent).unwrap_or(board.seq))
    }

    async fn send_event(&mut self, event: &EventRecord) -> Result<(), Ended> {
        let Some(id) = &event.account else { return Ok(()) };
        if event.kind == EventKind::AccountDeleted {
            return self.send_deleted(event, id).await;
        }
        let snapshot = self.app.manager.account_after(event).await.map_err(not_read)?;
        let Some(mut snapshot) = snapshot.filter(|account| self.is_wanted(&account.name)) else {
            return Ok(());
        };
        let told = self.told.get(id);
        // What came while all was read is part of that already.
        let is_news = told.is_none_or(|told| told.seq < event.account_seq);
        if is_news {
            as_it_was(&mut snapshot, event, told);
            self.told.insert(id.clone(), Told::of(&snapshot));
        }
        match frame(event.kind) {
            Frame::Message | Frame::None => {
                if self.wishes.messages && matches!(frame(event.kind), Frame::Message) {
                    let data = json!({ "accountId": id, "type": event.kind, "data": event.data });
                    self.send("whatsapp-message", event.seq, data).await?;
                }
                self.usage.insert(id.clone());
            }
            Frame::Status => {
                if event.kind == EventKind::PairingCode {
                    self.send_code(event, id).await?;
                }
                if event.kind == EventKind::AccountRestriction {
                    let data = json!({ "accountId": id, "restriction": event.data });
                    self.send("whatsapp-restriction", event.seq, data).await?;
                }
                if is_news {
                    let data = update(&self.app, &self.caller.key, &snapshot).await;
                    self.send("whatsapp-status", event.seq, data).await?;
                }
            }
        }
        Ok(())
    }

    /// To those who were told of the account: with its name is gone who reached it.
    async fn send_deleted(&mut self, event: &EventRecord, id: &AccountId) -> Result<(), Ended> {
        if self.told.remove(id).is_some() {
            self.send("whatsapp-deleted", event.seq, json!({ "accountId": id })).await?;
        }
        Ok(())
    }

    async fn send_code(&mut self, event: &EventRecord, id: &AccountId) -> Result<(), Ended> {
        if self.caller.key.may(Scope::Control)
            && let Ok(Some(view)) = self.app.manager.pairing(&AccountKey::Id(id.clone())).await
            && let Some(code) = view.code
        {
            let data = json!({ "accountId": id, "code": code.text.expose(), "expiresAt": code.expires_at.0 });
            self.send("whatsapp-pairing-code", event.seq, data).await?;
        }
        Ok(())
    }

    /// What happened that changes figures only, at most once a second.
    async fn send_usage(&mut self, seq: u64) -> Result<(), Ended> {
        for id in std::mem::take(&mut self.usage) {
            let Some(told) = self.told.get(&id) else { continue };
            // Whoever goes by this number passes over no status that is yet to be told.
            let account_seq = told.seq;
            let Some(account) = self.app.manager.get(&AccountKey::Id(id)) else { continue };
            let AccountSnapshot { id, trust, last_active_at, .. } = account.snapshot();
            let data = json!({
                "accountId": id,
                "trustLevel": trust.trust_level,
                "dailyLimit": trust.daily_limit,
                "messagesSentToday": trust.messages_sent_today,
                "lastActiveAt": last_active_at,
                "accountSeq": account_seq,
            });
            self.send("whatsapp-usage", seq, data).await?;
        }
        Ok(())
    }

    /// Whether it was sent.
    async fn send(&mut self, event: &str, seq: u64, data: Value) -> Result<bool, Ended> {
        match self.caller_now() {
            None => return Err(KEY_REFUSED),
            // Made for the key as it was. How everything is for the new one is told next.
            Some(caller) if !self.is_told_for(&caller) => return Ok(false),
            Some(_) => {}
        }
        let frame = json!({ "event": event, "seq": seq, "ts": self.app.now(), "data": data });
        let sent = timeout(SLOWEST, self.socket.send(Message::text(frame.to_string()))).await;
        sent.map_err(|_| Ended::silently("takes nothing"))?
            .map_err(|_| Ended::silently("the connection failed"))?;
        Ok(true)
    }

    /// Tells the client why, and lets go of the connection when the client did. What it had begun to send is taken until
    /// then: a connection that ends with something unread is reset, and its last frame may be lost.
    async fn close(&mut self, code: CloseCode, reason: &'static str) {
        let over = async {
            self.socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await.ok()?;
            let stream = self.socket.get_mut();
            stream.shutdown().await.ok()?;
            let mut rest = [0; LONGEST];
            while stream.read(&mut rest).await.ok()? > 0 {}
            Some(())
        };
        let _gone = timeout(SLOWEST, over).await;
    }
}

const KEY_REFUSED: Ended = Ended::with(CloseCode::Policy, "the key is no longer good");
const SERVER_ENDS: Ended = Ended::with(CloseCode::Away, "the server ends");

/// Why something could not be read: the manager closes its store when it ends.
fn not_read(error: ManagerError) -> Ended {
    match error {
        ManagerError::Store(ManagerStoreError::Closed) => SERVER_ENDS,
        error => {
            tracing::warn!(%error, "a socket ends as the store failed");
            Ended::with(CloseCode::Error, "the store failed")
        }
    }
}

/// What of an event is told.
enum Frame {
    /// How the account stands.
    Status,
    /// To those who want messages.
    Message,
    None,
}

fn frame(kind: EventKind) -> Frame {
    use EventKind as K;
    match kind {
        K::AccountStatus
        | K::AccountCreated
        | K::AccountUpdated
        | K::AccountLinked
        | K::AccountLinkConfirmed
        | K::AccountUnlinked
        | K::AccountRestriction
        | K::TrustChanged
        | K::PairingStarted
        | K::PairingQr
        | K::PairingCode
        | K::PairingCodeExpired
        | K::PairingDegraded
        | K::PairingFailed => Frame::Status,
        K::MessageReceived
        | K::MessageSent
        | K::MessageAck
        | K::MessageFailed
        | K::MessageUndecryptable
        | K::Reaction
        | K::SendQueued
        | K::SendExpired => Frame::Message,
        _ => Frame::None,
    }
}

/// Every change of a status is told (R116), each after the one before it, also when the account stands elsewhere by now:
/// what is told next says where.
fn as_it_was(account: &mut AccountSnapshot, event: &EventRecord, told: Option<&Told>) {
    let of_event = match event.kind {
        EventKind::AccountStatus => status_of(event),
        EventKind::AccountCreated => Some((AccountStatus::Idle, None)),
        _ if account.seq == event.account_seq => None,
        _ => told.map(|told| (told.status, told.reason.clone())),
    };
    if let Some((status, reason)) = of_event {
        (account.status, account.reason, account.seq) = (status, reason, event.account_seq);
    }
}

fn status_of(event: &EventRecord) -> Option<(AccountStatus, Option<Reason>)> {
    let said = |name: &str| event.data.get(name).cloned().unwrap_or_default();
    Some((serde_json::from_value(said("status")).ok()?, serde_json::from_value(said("reason")).ok()?))
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
        "retryable": account.reason.as_ref().map(|reason| reason.kind.is_retryable()),
        "userAction": account.reason.as_ref().map(|reason| reason.kind.user_action()),
        "phoneNumber": account.phone_number,
        "isLoggedIn": account.is_logged_in,
        "battery": account.battery,
        "restriction": account.trust.restrictions.first(),
        "restrictions": account.trust.restrictions,
        "resetsAt": account.trust.resets_at,
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

#[cfg(test)]
pub(crate) mod tests;
