//! One account.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use wa_core::client::{
    AuthenticatorError, HistoryUse, HookFuture, IdentityPolicy, PairCodeOptions, PasskeyAssertion,
    PasskeyAuthenticator, version::fetch_current,
};
use wa_core::connection::CloseReason as Reason;
use wa_core::event as core;
use wa_core::pairing::PairingCode;

use crate::error::WaError;
use crate::event::{CloseReason, Event, SendState};
use crate::history::HistoryStream;
use crate::listener::Listening;
use crate::message::{Message, MessageKey};
use crate::pairing::passkey_answer;
use crate::queue::{CAPACITY, Filling, Queue};
use crate::runtime::{self, Running, Task};
use crate::store::Store;
use crate::testing::TestServer;
use crate::types::{self, Secret};

/// The number of the next account that has no other name in the log.
static COUNT: AtomicU64 = AtomicU64::new(1);

/// How a client connects. All of it may be left out.
#[derive(Debug, Clone, Default, uniffi::Record)]
pub struct ClientOptions {
    /// What the phone shows in its list of linked devices.
    #[uniffi(default = None)]
    pub device_name: Option<String>,
    /// What this account calls itself to others. The phone's choice unless it is said.
    #[uniffi(default = None)]
    pub push_name: Option<String>,
    /// What log records call the account; its number among those of the process unless it is said. Nobody else sees it.
    #[uniffi(default = None)]
    pub alias: Option<String>,
    /// This test server instead of the real service.
    #[uniffi(default = None)]
    pub test_server: Option<Arc<TestServer>>,
    /// The host has passkeys: `PasskeyChallenge` and `PasskeyCode` come, and wait for its answers.
    #[uniffi(default = false)]
    pub answers_passkeys: bool,
    /// Messages to users whose identity key changed wait until `trust_identity`.
    #[uniffi(default = false)]
    pub holds_for_new_identities: bool,
    /// The past that the phone sends after linking is to be read: `history`.
    #[uniffi(default = false)]
    pub reads_history: bool,
}

/// How a message is sent. All of it may be left out.
#[derive(Debug, Clone, Default, uniffi::Record)]
pub struct SendOptions {
    /// Its id, from `new_message_id`. A second send of the same id sends nothing, and tells what became of the first.
    #[uniffi(default = None)]
    pub id: Option<String>,
    /// The host's own name for it. A second send of the same name sends nothing, and tells what became of the first.
    #[uniffi(default = None)]
    pub idempotency_key: Option<String>,
    /// How long it may wait to be written, restarts included.
    #[uniffi(default = None)]
    pub deadline: Option<Duration>,
    /// Who is to get a status post, or a message to a broadcast list.
    #[uniffi(default = None)]
    pub audience: Option<Vec<String>>,
}

/// What the service said to a message of ours.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Sent {
    /// The message.
    pub id: String,
    /// The chat, as events name it.
    pub chat: String,
    /// Names it, for edits and deletions.
    pub key: MessageKey,
    /// When the service took it.
    pub timestamp: std::time::SystemTime,
    /// Its number, in channels.
    pub server_id: Option<u64>,
}

/// What came of the wish to cancel a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Cancellation {
    /// Nothing of it leaves.
    Cancelled,
    /// It may have left, or is done with.
    TooLate,
    /// No message of this id is known, or any more.
    NotFound,
    /// Something that this version does not know.
    Unknown,
}

/// Whether an account is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Status {
    /// A connection is being made.
    Connecting,
    /// Connected, and not linked: a code is on show, or can be asked for.
    Pairing,
    /// Logged in: messages can be sent.
    Ready,
    /// Not connected; the next attempt comes by itself.
    Waiting,
    /// Not connected, and not by itself: see `close_reason`.
    Closed,
    /// The device was unlinked: pair again.
    LoggedOut,
    /// A state that this version does not know.
    Unknown,
}

/// One account: a device that is linked to a phone, or is to be.
///
/// It connects by itself, comes back by itself, and keeps what it must in its store. It ends when it is shut down, or
/// when nobody holds it any more, nor its streams, nor a subscription of a listener.
#[derive(uniffi::Object)]
pub struct Client {
    core: Held,
    /// It was shut down, and is.
    ended: CancellationToken,
    events: Arc<EventStream>,
    /// For who wants to read it.
    pub(crate) history: Option<Arc<HistoryStream>>,
    passkeys: Arc<Passkeys>,
    /// It talks to the real service.
    is_live: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

/// The account, until it is shut down. Whatever tells of it holds it, too: a host that only listens may have let go of
/// the client.
pub(crate) type Held = Arc<Mutex<Option<wa_core::Client>>>;

impl Client {
    pub(crate) fn core(&self) -> Result<wa_core::Client, WaError> {
        lock(&self.core).clone().ok_or_else(WaError::shut_down)
    }

    /// Runs a call of the client on the runtime.
    pub(crate) fn call<T, E, F>(&self, call: impl FnOnce(wa_core::Client) -> F) -> Running<T>
    where
        T: Send + 'static,
        WaError: From<E>,
        F: Future<Output = Result<T, E>> + Send + 'static,
    {
        match self.core() {
            Ok(core) => {
                let work = call(core);
                runtime::run(async move { Ok(work.await?) })
            }
            Err(error) => Running::failed(error),
        }
    }
}

#[uniffi::export]
impl Client {
    /// Makes a client of this store, and begins to connect: the event `Connected` tells of the login, or `PairingQr` that the
    /// device is to be linked. Before that it asks which version the service wants, for 20 seconds at most.
    #[uniffi::constructor(default(options = None))]
    pub async fn connect(store: Arc<Store>, options: Option<ClientOptions>) -> Result<Arc<Self>, WaError> {
        let options = options.unwrap_or_default();
        runtime::run(async move {
            let passkeys = Arc::new(Passkeys::default());
            let mut builder = wa_core::Client::builder(Arc::clone(&store.0)).confirm_by_hand();
            // They wait in the stream's own queue.
            builder = builder.event_capacity(BEFORE_QUEUE);
            match &options.test_server {
                Some(server) => builder = server.connect(builder),
                // Without an answer, the version that this release knows.
                None => {
                    if let Ok(version) = fetch_current().await {
                        builder = builder.version(version);
                    }
                }
            }
            let number = || COUNT.fetch_add(1, Ordering::Relaxed).to_string();
            builder = builder.alias(options.alias.unwrap_or_else(number));
            if let Some(name) = options.device_name {
                builder = builder.device_name(name);
            }
            if let Some(name) = options.push_name {
                builder = builder.push_name(name);
            }
            if options.answers_passkeys {
                builder = builder.passkey_authenticator(Arc::clone(&passkeys) as _);
            }
            if options.reads_history {
                builder = builder.history_use(HistoryUse::Deliver);
            }
            if options.holds_for_new_identities {
                builder = builder.identity_policy(IdentityPolicy::Hold);
            }
            let (core, events) = builder.connect().await?;
            let history = core.history().reader();
            let core = Arc::new(Mutex::new(Some(core)));
            Ok(Arc::new(Self {
                events: EventStream::new(events, Arc::clone(&passkeys), Arc::clone(&core))?,
                history: history.map(|reader| HistoryStream::new(reader, Arc::clone(&core))),
                core,
                ended: CancellationToken::new(),
                passkeys,
                is_live: options.test_server.is_none(),
            }))
        })
        .await
    }

    /// What happens to the account. There is one such stream; while nobody takes its events, nothing more is received
    /// once a thousand of them wait.
    pub fn events(&self) -> Arc<EventStream> {
        Arc::clone(&self.events)
    }

    /// Whether it is connected.
    pub fn status(&self) -> Status {
        match self.core().map(|core| core.status()) {
            Ok(wa_core::Status::Connecting) => Status::Connecting,
            Ok(wa_core::Status::Pairing) => Status::Pairing,
            Ok(wa_core::Status::Ready) => Status::Ready,
            Ok(wa_core::Status::Waiting { .. }) => Status::Waiting,
            Ok(wa_core::Status::LoggedOut) => Status::LoggedOut,
            Ok(wa_core::Status::Closed) | Err(_) => Status::Closed,
            Ok(_) => Status::Unknown,
        }
    }

    /// Why it stays disconnected, if it does.
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.core().ok()?.close_reason().as_ref().map(CloseReason::of)
    }

    /// Waits until it is logged in. False when that will not be without a person: see `close_reason`.
    pub async fn ready(&self) -> Result<bool, WaError> {
        let core = self.core()?;
        runtime::run(async move { Ok(core.ready().await) }).await
    }

    /// Asks for a code to type on the phone of this number: digits with the country code. The event `PairingCode` has it,
    /// too.
    pub async fn pair_with_code(&self, phone_number: String) -> Result<String, WaError> {
        let phone = types::phone_number(&phone_number)?;
        self.call(|core| async move {
            core.pair_with_code(&phone, PairCodeOptions::new()).await.map(|shown| shown.code.to_string())
        })
        .await
    }

    /// Answers the event `PasskeyChallenge`: the id of the credential, and WebAuthn's assertion as JSON. Without them, the
    /// user declined.
    #[uniffi::method(default(credential_id = None, assertion = None))]
    pub fn respond_passkey(
        &self,
        credential_id: Option<Vec<u8>>,
        assertion: Option<String>,
    ) -> Result<(), WaError> {
        self.passkeys.respond(passkey_answer(credential_id, assertion))
    }

    /// Answers the event `PasskeyCode`: whether the phone shows the same code.
    pub fn confirm_passkey(&self, is_same: bool) -> Result<(), WaError> {
        self.passkeys.confirm(is_same)
    }

    /// Sends a message, and waits until the service has it. It is stored before anything of it leaves, and is sent
    /// whatever happens: without a connection it waits for one, and after a crash it is sent again under the same id.
    ///
    /// Cancelling the call does not take the message back; `cancel_send` may.
    #[uniffi::method(default(options = None))]
    pub async fn send(
        &self,
        chat: String,
        message: Arc<Message>,
        options: Option<SendOptions>,
    ) -> Result<Sent, WaError> {
        let (chat, options) = (types::jid(&chat)?, to_core(options)?);
        let sent =
            self.call(|core| async move { core.send_with(&chat, message.0.clone(), options).await }).await?;
        Ok(Sent {
            key: MessageKey {
                chat: sent.chat.to_string(),
                id: sent.id.to_string(),
                from_me: true,
                sender: None,
            },
            id: sent.id.to_string(),
            chat: sent.chat.to_string(),
            timestamp: types::time(sent.timestamp),
            server_id: sent.server_id,
        })
    }

    /// Sends a message, and waits only until it is stored. Returns its id, which the event `Send` tells of.
    #[uniffi::method(default(options = None))]
    pub async fn enqueue(
        &self,
        chat: String,
        message: Arc<Message>,
        options: Option<SendOptions>,
    ) -> Result<String, WaError> {
        let (chat, options) = (types::jid(&chat)?, to_core(options)?);
        let id =
            self.call(|core| async move { core.enqueue(&chat, message.0.clone(), options).await }).await?;
        Ok(id.to_string())
    }

    /// Takes a message back that is still queued.
    pub async fn cancel_send(&self, id: String) -> Result<Cancellation, WaError> {
        let id = types::message_id(&id)?;
        let outcome = self.call(|core| async move { core.cancel_send(&id).await }).await?;
        Ok(match outcome {
            core::Cancellation::Cancelled => Cancellation::Cancelled,
            core::Cancellation::TooLate(_) => Cancellation::TooLate,
            core::Cancellation::Unknown => Cancellation::NotFound,
            _ => Cancellation::Unknown,
        })
    }

    /// How far a message of ours is; nothing when it is not known, or any more.
    pub async fn sent_state(&self, id: String) -> Result<Option<SendState>, WaError> {
        let id = types::message_id(&id)?;
        let state = self.call(|core| async move { core.sent_state(&id).await }).await?;
        Ok(state.as_ref().map(SendState::of))
    }

    /// A new message id.
    pub fn new_message_id(&self) -> Result<String, WaError> {
        Ok(self.core()?.new_message_id().to_string())
    }

    /// Tells the senders that their messages were read.
    pub async fn mark_read(&self, messages: Vec<MessageKey>) -> Result<(), WaError> {
        let keys = messages.iter().map(MessageKey::to_core).collect::<Result<Vec<_>, _>>()?;
        self.call(|core| async move { core.mark_keys_read(&keys).await }).await
    }

    /// Connects again after the event `Closed`. When the service refused the version, it asks which one the service wants
    /// first, for 20 seconds at most.
    pub async fn reconnect(&self) -> Result<(), WaError> {
        let is_live = self.is_live;
        self.call(|core| async move {
            let is_refused = matches!(core.close_reason(), Some(Reason::VersionRefused { .. }));
            if is_live
                && is_refused
                && let Ok(version) = fetch_current().await
            {
                core.set_version(version).await;
            }
            core.reconnect().await
        })
        .await
    }

    /// Ends the connection, and makes none until `reconnect`.
    pub async fn disconnect(&self) -> Result<(), WaError> {
        let core = self.core()?;
        runtime::run(async move {
            core.disconnect().await;
            Ok(())
        })
        .await
    }

    /// Unlinks this device.
    pub async fn logout(&self) -> Result<(), WaError> {
        self.call(|core| async move { core.logout().await }).await
    }

    /// Wipes the keys after a logout.
    pub async fn forget(&self) -> Result<(), WaError> {
        self.call(|core| async move { core.forget().await }).await
    }

    /// Trusts a user's new identity key: messages that were held for it go out.
    pub async fn trust_identity(&self, user: String) -> Result<(), WaError> {
        let user = types::jid(&user)?;
        self.call(|core| async move { core.trust_identity(&user).await }).await
    }

    /// Ends the client in order: what was received is stored, the connection is closed, the events end. Whoever calls it
    /// again waits for the same end, also after a first call that was cancelled.
    pub async fn shutdown(&self) -> Result<(), WaError> {
        let core = lock(&self.core).take();
        if let Some(core) = core {
            let (events, ended) = (Arc::clone(&self.events), self.ended.clone().drop_guard());
            runtime::handle()?.spawn(async move {
                events.flush().await;
                core.shutdown().await;
                drop((events, ended));
            });
        }
        if self.ended.is_cancelled() {
            return Ok(());
        }
        let ended = self.ended.clone();
        runtime::run(async move {
            ended.cancelled().await;
            Ok(())
        })
        .await
    }
}

fn to_core(options: Option<SendOptions>) -> Result<wa_core::SendOptions, WaError> {
    let mut made = wa_core::SendOptions::new();
    let Some(options) = options else { return Ok(made) };
    if let Some(id) = options.id {
        made = made.id(types::message_id(&id)?);
    }
    if let Some(key) = options.idempotency_key {
        made = made.idempotency_key(key);
    }
    if let Some(deadline) = options.deadline {
        made = made.deadline(deadline);
    }
    if let Some(audience) = options.audience {
        made = made.audience(wa_core::client::Audience::Only(types::jids(&audience)?));
    }
    Ok(made)
}

/// How many events wait before the stream's queue.
const BEFORE_QUEUE: usize = 32;

/// What happens to an account: while `ready`, `drain` what there is, and `confirm` what was dealt with. The account goes on
/// as long as somebody holds it.
#[derive(uniffi::Object)]
pub struct EventStream {
    queue: Arc<Queue<Event>>,
    told: Arc<Mutex<BTreeMap<u64, core::InboxNumber>>>,
    /// The listener that hears of them, if one does.
    pub(crate) listening: Mutex<Weak<Listening>>,
    confirms: mpsc::UnboundedSender<Confirm>,
    /// Ends with the stream.
    _pump: Task<()>,
    _account: Held,
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}

enum Confirm {
    Number(core::InboxNumber),
    /// All that came before this was handed to the account.
    Flush(oneshot::Sender<()>),
}

impl Confirm {
    async fn tell(self, events: &wa_core::Events) {
        match self {
            Self::Number(number) => events.confirm(number).await,
            Self::Flush(done) => drop(done.send(())),
        }
    }
}

impl EventStream {
    fn new(
        mut events: wa_core::Events,
        passkeys: Arc<Passkeys>,
        account: Held,
    ) -> Result<Arc<Self>, WaError> {
        let queue = Arc::new(Queue::new(CAPACITY));
        let told = Arc::new(Mutex::new(BTreeMap::new()));
        let (confirms, mut confirmed) = mpsc::unbounded_channel::<Confirm>();
        let (filled, numbers) = (Filling(Arc::clone(&queue)), Arc::clone(&told));
        let pump = Task::spawn(async move {
            let mut has_room = false;
            loop {
                tokio::select! {
                    // Confirmations first: what was confirmed before the account ended does not come again.
                    biased;
                    Some(confirm) = confirmed.recv() => confirm.tell(&events).await,
                    is_open = filled.room(), if !has_room => {
                        if !is_open {
                            break;
                        }
                        has_room = true;
                    }
                    question = passkeys.question() => filled.put(question),
                    event = events.next(), if has_room => {
                        let Some(event) = event else { return };
                        if let Some(number) = event.inbox_number() {
                            lock(&numbers).insert(number.get(), number);
                        }
                        if let Some(event) = Event::of(event) {
                            filled.put(event);
                            has_room = false;
                        }
                    }
                }
            }
            // It was stopped: nobody hears of what comes now, and what was taken before may still be confirmed.
            loop {
                tokio::select! {
                    Some(confirm) = confirmed.recv() => confirm.tell(&events).await,
                    event = events.next() => if event.is_none() { return },
                }
            }
        })?;
        let listening = Mutex::default();
        Ok(Arc::new(Self { queue, told, listening, confirms, _pump: pump, _account: account }))
    }

    /// Waits until what was confirmed is with the account.
    async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.confirms.send(Confirm::Flush(done)).is_ok() {
            let _ = flushed.await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[uniffi::export]
impl EventStream {
    /// Waits for an event. True when there is one, false when there will be none any more. Takes nothing: cancelling it
    /// loses nothing.
    pub async fn ready(&self) -> bool {
        self.queue.ready().await
    }

    /// How many events wait here to be taken.
    pub fn waiting(&self) -> u64 {
        self.queue.length() as u64
    }

    /// Takes up to so many events, without waiting.
    pub fn drain(&self, max: u32) -> Vec<Event> {
        self.queue.drain(max)
    }

    /// Says that the durable event of this number was dealt with: it does not come again. Numbers that are not known are
    /// passed over.
    pub fn confirm(&self, number: u64) {
        if let Some(number) = lock(&self.told).remove(&number) {
            let _ = self.confirms.send(Confirm::Number(number));
        }
    }

    /// Ends the stream: `ready` answers false. What was taken can still be confirmed; what was not confirmed comes again
    /// after a restart.
    pub fn stop(&self) {
        self.queue.stop();
    }
}

/// Passkeys of the host: what is asked becomes an event, and waits for a call.
#[derive(Debug, Default)]
struct Passkeys {
    asked: Mutex<Option<oneshot::Sender<Result<PasskeyAssertion, AuthenticatorError>>>>,
    shown: Mutex<Option<oneshot::Sender<bool>>>,
    /// What the host was not told yet: a newer question takes the place of an older one.
    question: Mutex<Option<Event>>,
    news: tokio::sync::Notify,
}

impl Passkeys {
    /// The next question. Consumes it at its end only: cancel safe.
    async fn question(&self) -> Event {
        loop {
            let news = self.news.notified();
            if let Some(question) = lock(&self.question).take() {
                return question;
            }
            news.await;
        }
    }

    fn ask(&self, question: Event) {
        *lock(&self.question) = Some(question);
        self.news.notify_one();
    }

    fn respond(&self, answer: Result<PasskeyAssertion, AuthenticatorError>) -> Result<(), WaError> {
        let asked = lock(&self.asked).take();
        asked.and_then(|asked| asked.send(answer).ok()).ok_or_else(nobody_asked)
    }

    fn confirm(&self, is_same: bool) -> Result<(), WaError> {
        let shown = lock(&self.shown).take();
        shown.and_then(|shown| shown.send(is_same).ok()).ok_or_else(nobody_asked)
    }
}

fn nobody_asked() -> WaError {
    WaError::conflict("not_asked", "nobody asked for that, or any more")
}

/// The questions are told from here, and not by the account's own events: these may come before anybody waits for an
/// answer.
impl PasskeyAuthenticator for Passkeys {
    fn assert<'a>(
        &'a self,
        options: &'a str,
    ) -> HookFuture<'a, Result<PasskeyAssertion, AuthenticatorError>> {
        let (answer, answered) = oneshot::channel();
        *lock(&self.asked) = Some(answer);
        self.ask(Event::PasskeyChallenge { options: Secret(options.to_owned()) });
        Box::pin(async move { answered.await.unwrap_or(Err(AuthenticatorError::Declined)) })
    }

    fn confirm<'a>(&'a self, code: &'a PairingCode) -> HookFuture<'a, bool> {
        let (answer, answered) = oneshot::channel();
        *lock(&self.shown) = Some(answer);
        self.ask(Event::PasskeyCode { code: Secret(code.to_string()), is_asked: true });
        Box::pin(async move { answered.await.unwrap_or(false) })
    }
}

/// The address of the user with this phone number: digits with the country code.
#[uniffi::export]
pub fn address_of_number(phone_number: String) -> Result<String, WaError> {
    Ok(types::phone_number(&phone_number)?.to_jid().to_string())
}
