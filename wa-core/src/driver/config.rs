//! How a client behaves; made by [`crate::ClientBuilder`].

use std::sync::Arc;
use std::time::Duration;

use super::ReconnectPolicy;
use super::history::HistoryConfig;
use super::identity::IdentityPolicy;
use super::pairing::hooks::{LinkGuard, PairingLimits, PasskeyAuthenticator};
use super::repair::RepairTimes;
use crate::noise::TrustRoot;
use crate::noise::client_payload::{ClientVersion, DeviceProfile};
use crate::transport::{Connector, HttpClient};

/// How a client behaves.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) connector: Arc<dyn Connector>,
    /// Moves media.
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) trust_root: TrustRoot,
    /// Which release to present as at first.
    pub(crate) version: ClientVersion,
    pub(crate) reconnect: ReconnectPolicy,
    /// A backlog of which nothing came for this long counts as through.
    pub(crate) backlog_limit: Duration,
    pub(crate) profile: DeviceProfile,
    pub(crate) push_name: Option<String>,
    pub(crate) pairing: PairingLimits,
    /// Which accounts this client may be linked to; any when absent.
    pub(crate) link_guard: Option<Arc<dyn LinkGuard>>,
    pub(crate) authenticator: Option<Arc<dyn PasskeyAuthenticator>>,
    /// How long a message waits for the server's ack.
    pub(crate) ack_limit: Duration,
    /// How long a message waits after a refusal that may pass.
    pub(crate) retry_sends_after: Duration,
    /// How long sent messages are kept, for those who ask for them again.
    pub(crate) keep_sent: Duration,
    /// How many bytes of them.
    pub(crate) keep_sent_bytes: u64,
    /// How long the secrets of messages are kept, and how many.
    pub(crate) keep_secrets: (Duration, usize),
    /// How many events wait for the application before no more stanzas are taken.
    pub(crate) event_capacity: usize,
    /// How many things that happened to messages are kept to explain them.
    pub(crate) trail: usize,
    /// How long a message that could not be read is asked for.
    pub(crate) repair: RepairTimes,
    pub(crate) identity_policy: IdentityPolicy,
    /// Where chats are kept for the application.
    pub(crate) archive: Option<Arc<dyn wa_store::archive::Archive>>,
    /// How the past is read.
    pub(crate) history: HistoryConfig,
    /// The signed pre-key is replaced when it is older.
    pub(crate) signed_pre_key_age: Duration,
}
