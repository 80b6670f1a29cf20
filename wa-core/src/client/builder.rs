//! Builds a [`Client`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use wa_store::Store;
use wa_store::archive::Archive;

use super::history;
use super::pairing::{LinkGuard, PairingLimits, PasskeyAuthenticator};
use super::{Client, Events, Inner, ReconnectPolicy, Status};
use crate::driver::config::Config;
use crate::driver::history::{HistoryConfig, HistoryUse};
use crate::driver::identity::IdentityPolicy;
use crate::driver::repair::RepairTimes;
use crate::driver::{self, Actor, JOBS_CAPACITY};
use crate::error::StartError;
use crate::history::{ReadLimits, Selection};
use crate::noise::TrustRoot;
use crate::noise::client_payload::{ClientVersion, DeviceProfile, HistoryRequest, Platform};
use crate::transport::{Connector, HttpClient, Network};

/// How many events wait for the application unless the builder is told otherwise.
const EVENT_CAPACITY: usize = 256;
const TRAIL: usize = 512;

/// How old the signed pre-key gets unless the builder is told otherwise.
const SIGNED_PRE_KEY_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long a backlog may be silent unless the builder is told otherwise.
const BACKLOG_LIMIT: Duration = Duration::from_secs(60);
/// Protocol: messages, "Server ack of a message".
const ACK_LIMIT: Duration = Duration::from_secs(70);
const RETRY_SENDS_AFTER: Duration = Duration::from_secs(3);

/// Devices ask again when they come back from where there was no network.
const KEEP_SENT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const KEEP_SENT_BYTES: u64 = 32 << 20;

/// As long as polls and events are answered. Protocol: messages, "messageSecret and secret-encrypted content".
const KEEP_SECRETS: Duration = Duration::from_secs(90 * 24 * 60 * 60);
const KEEP_SECRETS_COUNT: usize = 100_000;

/// Builds a [`Client`]; every choice has a default that suits the live service.
#[derive(Debug)]
#[must_use = "a builder does nothing until `connect`"]
pub struct ClientBuilder {
    store: Arc<dyn Store>,
    connector: Option<Arc<dyn Connector>>,
    http: Option<Arc<dyn HttpClient>>,
    pub(super) network: Network,
    trust_root: TrustRoot,
    version: ClientVersion,
    reconnect: ReconnectPolicy,
    backlog_limit: Duration,
    profile: DeviceProfile,
    push_name: Option<String>,
    pairing: PairingLimits,
    link_guard: Option<Arc<dyn LinkGuard>>,
    authenticator: Option<Arc<dyn PasskeyAuthenticator>>,
    event_capacity: usize,
    trail: usize,
    alias: Option<String>,
    confirms_by_hand: bool,
    repair: RepairTimes,
    identity_policy: IdentityPolicy,
    archive: Option<Arc<dyn Archive>>,
    history: HistoryConfig,
    signed_pre_key_age: Duration,
    ack_limit: Duration,
    retry_sends_after: Duration,
    keep_sent: (Duration, u64),
    keep_secrets: (Duration, usize),
}

impl ClientBuilder {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            connector: None,
            http: None,
            network: Network::default(),
            trust_root: TrustRoot::WHATSAPP,
            version: ClientVersion::BUILT_IN,
            reconnect: ReconnectPolicy::default(),
            backlog_limit: BACKLOG_LIMIT,
            profile: DeviceProfile::default(),
            push_name: None,
            pairing: PairingLimits::default(),
            link_guard: None,
            authenticator: None,
            event_capacity: EVENT_CAPACITY,
            trail: TRAIL,
            alias: None,
            confirms_by_hand: false,
            repair: RepairTimes::default(),
            identity_policy: IdentityPolicy::default(),
            archive: None,
            history: HistoryConfig::default(),
            signed_pre_key_age: SIGNED_PRE_KEY_AGE,
            ack_limit: ACK_LIMIT,
            retry_sends_after: RETRY_SENDS_AFTER,
            keep_sent: (KEEP_SENT, KEEP_SENT_BYTES),
            keep_secrets: (KEEP_SECRETS, KEEP_SECRETS_COUNT),
        }
    }

    /// How to reach the server. By default the live service, over a WebSocket (feature `websocket`).
    pub fn connector(mut self, connector: Arc<dyn Connector>) -> Self {
        self.connector = Some(connector);
        self
    }

    /// How media are moved. By default over HTTPS (feature `http`).
    pub fn http_client(mut self, http: Arc<dyn HttpClient>) -> Self {
        self.http = Some(http);
        self
    }

    /// Whose certificates to trust. By default WhatsApp's; a test server has its own. There is no way to trust anyone.
    pub const fn trust_root(mut self, trust_root: TrustRoot) -> Self {
        self.trust_root = trust_root;
        self
    }

    /// Which release to present as. The server refuses old ones; see the `version` module for the current one, and
    /// [`Client::set_version`].
    pub const fn version(mut self, version: ClientVersion) -> Self {
        self.version = version;
        self
    }

    /// When to come back after a connection ended.
    pub const fn reconnect(mut self, policy: ReconnectPolicy) -> Self {
        self.reconnect = policy;
        self
    }

    /// How long the server may send nothing of a backlog that it announced before it counts as through: a minute by
    /// default. [`Event::BacklogDone`](crate::Event::BacklogDone) tells it.
    pub const fn backlog_limit(mut self, limit: Duration) -> Self {
        self.backlog_limit = limit;
        self
    }

    /// The name in the phone's list of linked devices. Fixed at pairing.
    pub fn device_name(mut self, name: impl Into<String>) -> Self {
        self.profile.name = name.into();
        self
    }

    /// The picture in the phone's list of linked devices. Fixed at pairing.
    pub const fn platform(mut self, platform: Platform) -> Self {
        self.profile.platform = platform;
        self
    }

    /// How much of the past the phone shall send. Fixed at pairing.
    pub const fn history(mut self, history: HistoryRequest) -> Self {
        self.profile.history = history;
        self
    }

    /// Keeps chats, contacts and messages here: what comes, what is sent, and the past. What the application keeps to
    /// itself it need not keep here.
    pub fn archive(mut self, archive: Arc<dyn Archive>) -> Self {
        self.archive = Some(archive);
        self
    }

    /// What becomes of the past that the phone sends; by default the library takes what it needs itself, and no more.
    pub const fn history_use(mut self, wanted: HistoryUse) -> Self {
        self.history.wanted = wanted;
        self
    }

    /// How large a part of the past may be, and a record of it.
    pub const fn history_limits(mut self, limits: ReadLimits) -> Self {
        self.history.limits = limits;
        self
    }

    /// Which messages of the past are wanted; by default all that the phone sends.
    pub const fn history_selection(mut self, selection: Selection) -> Self {
        self.history.selection = selection;
        self
    }

    /// The account's own name, told to the server with the presence and when connecting.
    pub fn push_name(mut self, name: impl Into<String>) -> Self {
        self.push_name = Some(name.into());
        self
    }

    /// Asked which accounts this client may be linked to. By default any.
    pub fn link_guard(mut self, guard: Arc<dyn LinkGuard>) -> Self {
        self.link_guard = Some(guard);
        self
    }

    /// Signs with a passkey when the phone wants one. Without it such a phone can link this client by QR code or by
    /// pairing code only, as far as it allows that.
    pub fn passkey_authenticator(mut self, authenticator: Arc<dyn PasskeyAuthenticator>) -> Self {
        self.authenticator = Some(authenticator);
        self
    }

    /// How long the steps of pairing may take. The defaults are the service's.
    pub const fn pairing_limits(mut self, limits: PairingLimits) -> Self {
        self.pairing = limits;
        self
    }

    /// How many events wait for the application before the account takes no more stanzas; at least 1.
    pub const fn event_capacity(mut self, capacity: usize) -> Self {
        self.event_capacity = if capacity == 0 { 1 } else { capacity };
        self
    }

    /// How many of the last things that happened to messages [`Client::explain`] can tell; 512 unless set, with some
    /// dozens of bytes each.
    pub const fn trail(mut self, entries: usize) -> Self {
        self.trail = entries;
        self
    }

    /// What the account is called in the spans of the log; it is shown to nobody else.
    pub fn alias(mut self, alias: impl Into<String>) -> Self {
        self.alias = Some(alias.into());
        self
    }

    /// Durable events count as taken only when [`Events::confirm`] says so, not when the next event is asked for.
    pub const fn confirm_by_hand(mut self) -> Self {
        self.confirms_by_hand = true;
        self
    }

    /// What a new identity key of somebody's phone means for messages to them; by default nothing.
    pub const fn identity_policy(mut self, policy: IdentityPolicy) -> Self {
        self.identity_policy = policy;
        self
    }

    /// How old the signed pre-key may get before it is replaced; 7 days. At least a second.
    pub const fn signed_pre_key_age(mut self, age: Duration) -> Self {
        const LEAST: Duration = Duration::from_secs(1);
        self.signed_pre_key_age = if age.as_secs() < LEAST.as_secs() { LEAST } else { age };
        self
    }

    /// How long a message that could not be read is asked for, and where.
    pub const fn repair_times(mut self, times: RepairTimes) -> Self {
        self.repair = times;
        self
    }

    /// How long and how many bytes of sent messages the store keeps, each as one copy, to answer devices that ask for
    /// a message again; 7 days and 32 MiB unless set. What is still to be sent is kept in any case. With a message go
    /// its state and its idempotency key.
    ///
    /// What such requests may cost has limits, by user, by message and in all: a storm of them is acknowledged, a few are
    /// answered each second, and the rest is not.
    pub const fn keep_sent(mut self, duration: Duration, bytes: u64) -> Self {
        self.keep_sent = (duration, bytes);
        self
    }

    /// How long and how many secrets of messages the store keeps, of about 150 bytes each: with them votes, answers to
    /// events, and sealed reactions, comments and edits are opened and sent. 90 days and 100,000 messages unless set.
    pub const fn keep_secrets(mut self, duration: Duration, messages: usize) -> Self {
        self.keep_secrets = (duration, messages);
        self
    }

    /// How long a message waits for the server's ack while connected, 70 seconds unless set. Then it is sent once more,
    /// under the same id, and after as long again it fails with [`SendError::Timeout`].
    ///
    /// [`SendError::Timeout`]: crate::SendError::Timeout
    pub const fn ack_limit(mut self, limit: Duration) -> Self {
        self.ack_limit = limit;
        self
    }

    /// How long a message waits before it is tried again, once, after the server refused it or a question about its
    /// recipient for now; 3 seconds unless set.
    pub const fn retry_sends_after(mut self, pause: Duration) -> Self {
        self.retry_sends_after = pause;
        self
    }

    /// Opens the store, makes keys if it is new, and starts connecting. Returns at once after that: the events tell
    /// how it goes, beginning with what an earlier run left unconfirmed.
    ///
    /// # Errors
    /// [`StartError::Store`]: the store could not be opened, or what an earlier run left could not be read. Nothing was
    /// started, and the store stays open: this may be tried again.
    pub async fn connect(self) -> Result<(Client, Events), StartError> {
        let config = Arc::new(Config {
            connector: self.connector.unwrap_or_else(|| live(&self.network)),
            http: self.http.unwrap_or_else(|| https(&self.network)),
            trust_root: self.trust_root,
            version: self.version,
            reconnect: self.reconnect,
            backlog_limit: self.backlog_limit,
            profile: self.profile,
            push_name: self.push_name,
            pairing: self.pairing,
            link_guard: self.link_guard,
            authenticator: self.authenticator,
            ack_limit: self.ack_limit,
            retry_sends_after: self.retry_sends_after,
            keep_sent: self.keep_sent.0,
            keep_sent_bytes: self.keep_sent.1,
            keep_secrets: self.keep_secrets,
            event_capacity: self.event_capacity,
            trail: self.trail,
            repair: self.repair,
            identity_policy: self.identity_policy,
            archive: self.archive,
            history: self.history,
            signed_pre_key_age: self.signed_pre_key_age,
        });
        let (jobs, asked) = mpsc::channel(JOBS_CAPACITY);
        let (events, receiver) = mpsc::channel(self.event_capacity);
        let (status, watched) = watch::channel(Status::Connecting);
        let (ended, watched_end) = watch::channel(None);
        let (server_time, watched_time) = watch::channel(None);
        let stop = CancellationToken::new();
        let store = self.store;
        let (histories, history) = history::open(self.history.wanted, &jobs);
        let shown = (status, ended, server_time);
        let actor = Actor::open(config, Arc::clone(&store), events, shown, stop.clone(), histories).await?;
        let beside = (actor.asker(), actor.fetcher(), actor.pulse());
        let span = tracing::info_span!("account", alias = self.alias);
        let task = driver::spawn(actor.run(asked).instrument(span));
        let events = Events::new(receiver, jobs.downgrade(), self.confirms_by_hand);
        Ok((
            Client {
                inner: Arc::new(Inner::new(
                    store,
                    jobs,
                    history,
                    beside,
                    (watched, watched_end, watched_time),
                    stop,
                    task,
                )),
            },
            events,
        ))
    }
}

#[cfg(feature = "websocket")]
fn live(network: &Network) -> Arc<dyn Connector> {
    Arc::new(network.connector())
}

/// Without a transport of our own, the builder must be given one; connecting fails with `Unsupported` otherwise.
#[cfg(not(feature = "websocket"))]
fn live(_: &Network) -> Arc<dyn Connector> {
    Arc::new(crate::transport::NoConnector)
}

#[cfg(feature = "http")]
fn https(network: &Network) -> Arc<dyn HttpClient> {
    Arc::new(network.http_client())
}

/// Without a client of our own, the builder must be given one; media fail with `Unsupported` otherwise.
#[cfg(not(feature = "http"))]
fn https(_: &Network) -> Arc<dyn HttpClient> {
    Arc::new(crate::transport::http::NoHttpClient)
}
