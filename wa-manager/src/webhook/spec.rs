//! A webhook to be, a change of one, and what is wrong with them.

use std::collections::BTreeMap;
use std::fmt;

use super::record::{SigningMode, WebhookRetry};
use super::secret::WebhookSecret;
use crate::event::EventKind;
use crate::ids::AccountId;
use crate::store::{ChatKind, ManagerStoreError};

/// How many secrets a webhook may have: more than one while they are being changed.
const MAX_SECRETS: usize = 4;

/// How many further headers, and how long they may be.
const MAX_HEADERS: usize = 16;
const MAX_HEADER: usize = 1024;

/// Headers that are ours, or the connection's.
const OURS: [&str; 11] = [
    "host",
    "connection",
    "content-length",
    "content-type",
    "transfer-encoding",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "user-agent",
    "x-hub-signature-256",
];

/// A webhook to be.
#[derive(Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "made by callers, from `new`")]
pub struct WebhookSpec {
    /// The account whose events it gets; those of all of the tenant's if there is none.
    pub account: Option<AccountId>,
    /// Where events are sent.
    pub url: String,
    /// Which events; all if there are none.
    pub events: Vec<EventKind>,
    /// What deliveries are signed with: 1 to 4, the newest first.
    pub secrets: Vec<WebhookSecret>,
    /// Further headers. They may carry secrets too.
    pub headers: BTreeMap<String, String>,
    /// How deliveries are signed.
    pub mode: SigningMode,
    /// Whether the events of an account may overtake each other.
    pub is_parallel: bool,
    /// Nothing of chats of these sorts.
    pub ignore: Vec<ChatKind>,
    /// How patient we are with it; as with all if there is nothing.
    pub retry: Option<WebhookRetry>,
}

impl WebhookSpec {
    /// All events of a tenant's accounts, in order, signed with one secret.
    pub fn new(url: impl Into<String>, secret: WebhookSecret) -> Self {
        Self {
            account: None,
            url: url.into(),
            events: Vec::new(),
            secrets: vec![secret],
            headers: BTreeMap::new(),
            mode: SigningMode::default(),
            is_parallel: false,
            ignore: Vec::new(),
            retry: None,
        }
    }
}

impl fmt::Debug for WebhookSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSpec").field("account", &self.account).finish_non_exhaustive()
    }
}

/// What is to be changed of a webhook; the rest stays.
#[derive(Clone, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "made by callers with ..Default::default()")]
pub struct WebhookPatch {
    /// Where events are sent.
    pub url: Option<String>,
    /// Which events.
    pub events: Option<Vec<EventKind>>,
    /// All secrets. To change one: first the new and the old one, and when the receiver knows the new one, that alone.
    pub secrets: Option<Vec<WebhookSecret>>,
    /// All further headers.
    pub headers: Option<BTreeMap<String, String>>,
    /// How deliveries are signed.
    pub mode: Option<SigningMode>,
    /// Whether the events of an account may overtake each other.
    pub is_parallel: Option<bool>,
    /// Nothing of chats of these sorts.
    pub ignore: Option<Vec<ChatKind>>,
    /// How patient we are with it.
    pub retry: Option<WebhookRetry>,
    /// Whether it is sent anything.
    pub is_enabled: Option<bool>,
}

impl fmt::Debug for WebhookPatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookPatch").finish_non_exhaustive()
    }
}

/// Why a webhook was not set up or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The tenant has no such webhook.
    #[error("there is no such webhook")]
    NotFound,
    /// The URL is none of the web, is too long, or has a user or a fragment in it.
    #[error("the URL is not one of a webhook")]
    Url,
    /// The host is not on the public internet, and others are not allowed: see [`Reach`](super::Reach).
    #[error("the host is not on the public internet")]
    Private,
    /// The URL is without TLS, and that is not allowed: see [`Reach`](super::Reach).
    #[error("the URL is without TLS")]
    Plain,
    /// There are too many headers, or one that is ours or malformed.
    #[error("the headers cannot be sent")]
    Headers,
    /// There is no secret, or there are more than 4.
    #[error("a webhook has 1 to 4 secrets")]
    Secrets,
    /// What is stored of its secrets and headers cannot be opened: give both anew.
    #[error("the webhook's secrets cannot be opened")]
    Damaged,
    /// The waits between tries are out of bounds: see [`WebhookRetry`].
    #[error("the waits between tries are out of bounds")]
    Retry,
    /// The tenant has no such account.
    #[error("there is no such account")]
    NoAccount,
    /// The tenant has as many webhooks as it may have.
    #[error("there are too many webhooks")]
    TooMany,
    /// The store failed. Nothing was changed.
    #[error("the store failed")]
    Store(#[from] ManagerStoreError),
    /// The manager has shut down.
    #[error("the manager has shut down")]
    Stopped,
}

impl WebhookPatch {
    pub(super) fn apply(&self, spec: &mut WebhookSpec) {
        let Self { url, events, secrets, headers, mode, is_parallel, ignore, retry, is_enabled: _ } =
            self.clone();
        if let Some(url) = url {
            spec.url = url;
        }
        if let Some(events) = events {
            spec.events = unique(events);
        }
        if let Some(secrets) = secrets {
            spec.secrets = secrets;
        }
        if let Some(headers) = headers {
            spec.headers = headers;
        }
        spec.mode = mode.unwrap_or(spec.mode);
        spec.is_parallel = is_parallel.unwrap_or(spec.is_parallel);
        if let Some(ignore) = ignore {
            spec.ignore = unique(ignore);
        }
        spec.retry = retry.or(spec.retry);
    }
}

/// Each once.
pub(super) fn unique<T: PartialEq>(all: Vec<T>) -> Vec<T> {
    let mut unique = Vec::new();
    for one in all {
        if !unique.contains(&one) {
            unique.push(one);
        }
    }
    unique
}

/// Whether the secrets, the waits and the headers of a webhook can be used.
pub(super) fn check(spec: &WebhookSpec) -> Result<(), WebhookError> {
    if spec.secrets.is_empty() || spec.secrets.len() > MAX_SECRETS {
        return Err(WebhookError::Secrets);
    }
    if spec.retry.is_some_and(|retry| !retry.is_fit()) {
        return Err(WebhookError::Retry);
    }
    let is_fit = |name: &str, value: &str| {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let name = name.to_ascii_lowercase();
        let is_ours = OURS.contains(&name.as_str())
            || ["webhook-", "x-webhook-hmac", "proxy-"].iter().any(|ours| name.starts_with(ours));
        !is_ours
            && !name.is_empty()
            && name.len() + value.len() <= MAX_HEADER
            && name.bytes().all(is_token)
            && value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
    };
    let is_fit =
        spec.headers.len() <= MAX_HEADERS && spec.headers.iter().all(|(name, value)| is_fit(name, value));
    if is_fit { Ok(()) } else { Err(WebhookError::Headers) }
}
