//! One webhook: the row in the store, and what others see of it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wa_types::UnixMillis;

use super::spec::WebhookSpec;
use crate::event::EventKind;
use crate::hub::EventFilter;
use crate::ids::{AccountId, TenantId, WebhookId};
use crate::sink::DeliveryPolicy;
use crate::store::ChatKind;

/// How deliveries are signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SigningMode {
    /// `webhook-signature`, as in Standard Webhooks.
    #[default]
    Standard,
    /// And `X-Hub-Signature-256`.
    Hub,
    /// And `X-Webhook-Hmac` with SHA-512.
    Waha,
}

/// How a webhook does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WebhookState {
    /// It takes what it is sent.
    #[default]
    Enabled,
    /// It has not taken anything for a while; it is tried now and then.
    Degraded,
    /// It is sent nothing: somebody said so, or it answered 410. Events wait for it, as long as events are kept.
    Disabled,
    /// It is sent nothing: the secrets that are stored cannot be opened with the keys that there are. With the right key it
    /// is as it was; or it is given secrets and headers anew. Never stored.
    Damaged,
}

/// How patient we are with a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[expect(clippy::exhaustive_structs, reason = "made by callers with ..Default::default()")]
pub struct WebhookRetry {
    /// The wait after the first failure; it doubles. From 1 on.
    pub first_wait_seconds: u32,
    /// The longest wait: no shorter than the first, an hour at most.
    pub longest_wait_seconds: u32,
    /// An event that was not taken for so long is a dead letter: no sooner than after the longest wait, after a day at
    /// the latest.
    pub give_up_after_seconds: u32,
}

impl WebhookRetry {
    pub(super) const fn is_fit(self) -> bool {
        self.first_wait_seconds >= 1
            && self.first_wait_seconds <= self.longest_wait_seconds
            && self.longest_wait_seconds <= 3600
            && self.longest_wait_seconds <= self.give_up_after_seconds
            && self.give_up_after_seconds <= 24 * 3600
    }
}

impl Default for WebhookRetry {
    fn default() -> Self {
        Self { first_wait_seconds: 5, longest_wait_seconds: 15 * 60, give_up_after_seconds: 24 * 3600 }
    }
}

/// A webhook, as the store keeps it.
#[derive(Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a row: stores read and write all of it")]
pub struct WebhookRecord {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is.
    pub tenant: TenantId,
    /// What was asked for.
    pub spec: WebhookSpec,
    /// How it does.
    pub state: WebhookState,
    /// Events after the one of this number are for it.
    pub since: u64,
    /// When it was set up.
    pub created_at: UnixMillis,
    /// When it was changed.
    pub updated_at: UnixMillis,
}

impl WebhookRecord {
    /// Which events it gets.
    pub(super) fn filter(&self) -> EventFilter {
        let WebhookSpec { account, events, ignore, .. } = self.spec.clone();
        EventFilter { tenant: Some(self.tenant.clone()), account, kinds: events, without: ignore }
    }

    /// How patient we are with it.
    pub(super) fn policy(&self, usual: DeliveryPolicy) -> DeliveryPolicy {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        match self.spec.retry {
            Some(retry) => DeliveryPolicy {
                first_wait: seconds(retry.first_wait_seconds),
                longest_wait: seconds(retry.longest_wait_seconds),
                give_up_after: seconds(retry.give_up_after_seconds),
                ..usual
            },
            None => usual,
        }
    }
}

impl fmt::Debug for WebhookRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, tenant, spec, state, .. } = self;
        f.debug_struct("WebhookRecord")
            .field("id", id)
            .field("tenant", tenant)
            .field("account", &spec.account)
            .field("state", state)
            .finish_non_exhaustive()
    }
}

/// A webhook as others see it: without secrets, and without the values of headers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The account whose events it gets.
    #[serde(rename = "accountId")]
    pub account: Option<AccountId>,
    /// Where events are sent.
    pub url: String,
    /// Which events; all if there are none.
    pub events: Vec<EventKind>,
    /// How many secrets it has: more than one while they are being changed.
    pub secrets: usize,
    /// The names of its further headers.
    pub headers: Vec<String>,
    /// How deliveries are signed.
    pub mode: SigningMode,
    /// Whether the events of an account may overtake each other.
    #[serde(rename = "parallel")]
    pub is_parallel: bool,
    /// Nothing of chats of these sorts.
    pub ignore: Vec<ChatKind>,
    /// How patient we are with it, if not as with all.
    pub retry: Option<WebhookRetry>,
    /// How it does.
    pub state: WebhookState,
    /// When it was set up.
    #[serde(serialize_with = "crate::millis::serialize")]
    pub created_at: UnixMillis,
    /// When it was changed.
    #[serde(serialize_with = "crate::millis::serialize")]
    pub updated_at: UnixMillis,
}

impl From<&WebhookRecord> for Webhook {
    fn from(record: &WebhookRecord) -> Self {
        let WebhookRecord { id, tenant, spec, state, since: _, created_at, updated_at } = record.clone();
        Self {
            id,
            tenant,
            account: spec.account,
            url: spec.url,
            events: spec.events,
            secrets: spec.secrets.len(),
            headers: spec.headers.into_keys().collect(),
            mode: spec.mode,
            is_parallel: spec.is_parallel,
            ignore: spec.ignore,
            retry: spec.retry,
            state,
            created_at,
            updated_at,
        }
    }
}
