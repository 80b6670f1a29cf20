//! How an account of a manager sends, and what its limits allow.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wa_manager::account::SendOutcome;
use wa_manager::sending::Actor;
use wa_manager::trust::{Admission, OnLimit, TrustLevel};

use crate::account::Account;
use crate::error::{self, WaError};
use crate::message::Message;
use crate::types;

/// How far an account is trusted, and what was used of its limits.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Trust {
    /// 0 to 5.
    pub level: u8,
    /// How many messages a day, answers not counted.
    pub daily_limit: u32,
    /// How many were sent today, answers counted. `reset_usage` forgives them, and they are counted here all the same.
    pub sent_today: u32,
    /// When the day ends.
    pub resets_at: SystemTime,
    /// What the service forbids now.
    pub restrictions: Vec<Restriction>,
}

/// Something that the service forbids.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Restriction {
    /// What.
    pub kind: String,
    /// Until when; until somebody acts without it.
    pub until: Option<SystemTime>,
    /// The service's code, where there is one.
    pub code: Option<u16>,
}

/// Whether something may be sent.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Preview {
    /// Now.
    Allowed {
        /// What it counts as.
        lane: String,
    },
    /// Not before a time.
    Later {
        /// What stands against it.
        limit: LimitInfo,
    },
    /// Not by waiting.
    Denied {
        /// What stands against it.
        limit: LimitInfo,
    },
    /// Something that this version does not know.
    Unknown,
}

/// A limit that is reached.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct LimitInfo {
    /// Whose budget, such as `first_contact`.
    pub lane: String,
    /// Of what, such as `day`.
    pub scope: String,
    /// How many are allowed.
    pub limit: u32,
    /// How many were used.
    pub used: u32,
    /// When it may be tried again.
    pub retry_at: Option<SystemTime>,
}

/// What to do when a limit is reached.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum LimitChoice {
    /// Say so: the error `Limited`.
    Reject,
    /// Wait up to this long, then say so.
    WaitUpTo {
        /// How long.
        duration: Duration,
    },
    /// Keep it, and send it when it may be sent, if that is within this long.
    Enqueue {
        /// How long it is worth sending.
        deadline: Duration,
    },
}

/// How an account sends a message. All of it may be left out.
#[derive(Debug, Clone, Default, uniffi::Record)]
pub struct AccountSendOptions {
    /// What to do when a limit is reached: say so, unless it is said.
    #[uniffi(default = None)]
    pub on_limit: Option<LimitChoice>,
    /// How long it may wait to be written.
    #[uniffi(default = None)]
    pub deadline: Option<Duration>,
    /// The host's own name for it: the same name sends nothing more for a day, and is answered as the first.
    #[uniffi(default = None)]
    pub idempotency_key: Option<String>,
    /// Its id.
    #[uniffi(default = None)]
    pub id: Option<String>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum SendResult {
    /// The service has it.
    Sent {
        /// Its id.
        id: String,
        /// The chat, as events name it.
        chat: Option<String>,
        /// Since when.
        timestamp: SystemTime,
    },
    /// It waits for its turn. `message.sent`, `message.failed` or `send.expired` follows.
    Queued {
        /// Its id.
        id: String,
        /// How many wait before it.
        position: u64,
        /// It is not sent before.
        earliest_at: SystemTime,
    },
    /// Something that this version does not know; nothing went wrong.
    Unknown,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct QueuedMessage {
    /// Its id.
    pub id: String,
    /// Where it goes.
    pub to: String,
    /// When it was taken.
    pub at: SystemTime,
    /// When it is worth sending no more.
    pub deadline: SystemTime,
    /// How many wait before it.
    pub position: u64,
}

impl Trust {
    pub(crate) fn of(trust: &wa_manager::account::TrustSnapshot) -> Self {
        let of = |restriction: &wa_manager::trust::Restriction| Restriction {
            kind: restriction.kind.as_str().to_owned(),
            until: error::at(restriction.until.map(wa_types::UnixMillis)),
            code: restriction.code,
        };
        Self {
            level: trust.trust_level,
            daily_limit: trust.daily_limit,
            sent_today: trust.messages_sent_today,
            resets_at: types::time_ms(wa_types::UnixMillis(trust.resets_at)),
            restrictions: trust.restrictions.iter().map(of).collect(),
        }
    }
}

impl LimitInfo {
    fn of(limit: &wa_manager::trust::LimitInfo) -> Self {
        Self {
            lane: limit.lane.as_str().to_owned(),
            scope: limit.scope.as_str().to_owned(),
            limit: limit.limit,
            used: limit.used,
            retry_at: error::at(limit.retry_at),
        }
    }
}

pub(crate) fn result(outcome: SendOutcome) -> SendResult {
    match outcome {
        SendOutcome::Sent(receipt) => SendResult::Sent {
            id: receipt.id.to_string(),
            chat: types::text(receipt.chat.as_ref()),
            timestamp: types::time_ms(receipt.timestamp),
        },
        SendOutcome::Queued(queued) => SendResult::Queued {
            id: queued.id.to_string(),
            position: queued.position as u64,
            earliest_at: types::time_ms(queued.earliest_at),
        },
        _ => SendResult::Unknown,
    }
}

#[uniffi::export]
impl Account {
    /// Sends a message, within the account's limits: what they do not allow is the error `Limited`, or waits, as is asked
    /// for.
    #[uniffi::method(default(options = None))]
    pub async fn send(
        &self,
        to: String,
        message: Arc<Message>,
        options: Option<AccountSendOptions>,
    ) -> Result<SendResult, WaError> {
        let mut request = wa_manager::sending::SendRequest::new(types::jid(&to)?, message.0.clone());
        let options = options.unwrap_or_default();
        if let Some(id) = options.id {
            request = request.id(types::message_id(&id)?);
        }
        if let Some(key) = options.idempotency_key {
            request = request.idempotency_key(key);
        }
        if let Some(deadline) = options.deadline {
            request = request.deadline(deadline);
        }
        request = request.on_limit(match options.on_limit {
            None | Some(LimitChoice::Reject) => OnLimit::Reject,
            Some(LimitChoice::WaitUpTo { duration }) => OnLimit::WaitUpTo(duration),
            Some(LimitChoice::Enqueue { deadline }) => OnLimit::Enqueue { deadline },
        });
        Ok(result(self.call(|account| async move { account.send(request).await }).await?))
    }

    /// How far it is trusted, and what was used of its limits.
    pub async fn trust(&self) -> Result<Trust, WaError> {
        let view = self.call(|account| async move { account.trust().view().await }).await?;
        Ok(Trust::of(&view.summary))
    }

    /// Whether something may be sent to this address now. Nothing is counted.
    pub async fn preview(&self, to: String) -> Result<Preview, WaError> {
        let to = types::jid(&to)?;
        let admission = self.call(|account| async move { account.trust().preview(&to).await }).await?;
        Ok(match admission {
            Admission::Allow { lane } => Preview::Allowed { lane: lane.as_str().to_owned() },
            Admission::Delay(limit) => Preview::Later { limit: LimitInfo::of(&limit) },
            Admission::Deny(limit) => Preview::Denied { limit: LimitInfo::of(&limit) },
            _ => Preview::Unknown,
        })
    }

    /// Sets its level: lower at will, higher by one step. `actor` is who wants it, and both are recorded.
    pub async fn set_trust_level(&self, level: u8, actor: String, reason: String) -> Result<(), WaError> {
        let level = TrustLevel::new(level)
            .ok_or_else(|| WaError::invalid("invalid_level", "levels are from 0 to 5"))?;
        self.call(|account| async move { account.trust().set_level(level, Actor::new(actor), reason).await })
            .await
    }

    /// Sets how many messages a day, answers not counted; not above what its level allows.
    pub async fn set_daily_limit(&self, limit: u32, actor: String) -> Result<(), WaError> {
        self.call(|account| async move { account.trust().set_daily_limit(limit, Actor::new(actor)).await })
            .await
    }

    /// Forgives what was used today, once a day. What the service forbids stays.
    pub async fn reset_usage(&self, actor: String, reason: String) -> Result<(), WaError> {
        self.call(|account| async move { account.trust().reset_usage(Actor::new(actor), reason).await }).await
    }

    /// What waits to be sent.
    pub async fn outbox(&self) -> Result<Vec<QueuedMessage>, WaError> {
        let queued = self.call(|account| async move { account.outbox().list().await }).await?;
        let of = |queued: wa_manager::sending::QueuedSend| QueuedMessage {
            id: queued.id.to_string(),
            to: queued.to.to_string(),
            at: types::time_ms(queued.at),
            deadline: types::time_ms(queued.deadline),
            position: queued.position as u64,
        };
        Ok(queued.into_iter().map(of).collect())
    }

    /// Takes a message back that waits. False when it is not there, or is leaving.
    pub async fn cancel_send(&self, id: String) -> Result<bool, WaError> {
        let id = types::message_id(&id)?;
        self.call(|account| async move { account.outbox().cancel(id).await }).await
    }
}
