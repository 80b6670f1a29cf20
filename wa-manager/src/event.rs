//! What happened, as it is stored and delivered: at least once, in order for each account, under an id that stays.
//! Requirements: manager.md, 4.3, 4.8, 5.6.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wa_types::UnixMillis;

use crate::ids::{AccountId, EventId, TenantId};
use crate::store::ChatKind;

/// An event that is about to be stored; the store gives it its numbers.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a row: stores read and write all of it")]
pub struct NewEvent {
    /// Its id.
    pub id: EventId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Which account it is about; none for those of the manager.
    pub account: Option<AccountId>,
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: UnixMillis,
    /// More, by kind. Never keys or codes.
    pub data: Value,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "a row: stores read and write all of it")]
pub struct EventRecord {
    /// Its number among all; later ones have higher ones. There may be gaps.
    pub seq: u64,
    /// Its number among those of its account, without gaps; 0 for those of the manager.
    pub account_seq: u64,
    /// Its id.
    pub id: EventId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Which account it is about.
    #[serde(rename = "accountId", skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// When, in milliseconds since 1970.
    #[serde(rename = "timestamp", serialize_with = "crate::millis::serialize")]
    pub at: UnixMillis,
    /// More, by kind.
    pub data: Value,
}

impl EventRecord {
    /// Which sort of chat it is about, if it is about one.
    #[must_use]
    pub fn chat_kind(&self) -> Option<ChatKind> {
        if let Some(kind) = self.data.get("chatKind") {
            return ChatKind::deserialize(kind).ok();
        }
        let chat = self.data.get("chat").or_else(|| self.data.get("group"))?;
        Some(ChatKind::of(&chat.as_str()?.parse().ok()?))
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $wire:literal,)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum EventKind {
            $($(#[$doc])* #[serde(rename = $wire)] $variant,)*
        }

        impl EventKind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name on the wire.
            #[must_use]
            pub const fn wire(self) -> &'static str {
                match self {
                    $(Self::$variant => $wire,)*
                }
            }
        }
    };
}

kinds! {
    /// An account stands elsewhere.
    AccountStatus = "account.status",
    /// An account was made.
    AccountCreated = "account.created",
    /// Its name or settings changed.
    AccountUpdated = "account.updated",
    /// An account is gone.
    AccountDeleted = "account.deleted",
    /// It is linked, and connected.
    AccountLinked = "account.linked",
    /// The link held through its probation.
    AccountLinkConfirmed = "account.link_confirmed",
    /// It is no longer linked.
    AccountUnlinked = "account.unlinked",
    /// Its session was handed out: it does not run here any more.
    AccountExported = "account.exported",
    /// It has a session of another manager, or its own one back.
    AccountImported = "account.imported",
    /// The server forbids something, or no longer.
    AccountRestriction = "account.restriction",
    /// It is trusted more or less than before.
    TrustChanged = "trust.changed",
    /// A pairing began.
    PairingStarted = "pairing.started",
    /// There is a QR code.
    PairingQr = "pairing.qr",
    /// There is a code to be typed.
    PairingCode = "pairing.code",
    /// A code is worth nothing any more.
    PairingCodeExpired = "pairing.code_expired",
    /// What is on show cannot be stored: other processes see nothing of it.
    PairingDegraded = "pairing.degraded",
    /// A pairing ended without a link.
    PairingFailed = "pairing.failed",
    /// Most pairings failed alike, whoever tried: none begins before the time that this tells. It is the manager's, of no
    /// account, and of the tenant of those that name none: somebody who runs this should look.
    PairingPaused = "pairing.paused",
    /// A message came.
    MessageReceived = "message.received",
    /// The server has a message of ours.
    MessageSent = "message.sent",
    /// A message of ours was delivered, read or played.
    MessageAck = "message.ack",
    /// A message of ours will not be sent.
    MessageFailed = "message.failed",
    /// A message came that nobody could read.
    MessageUndecryptable = "message.undecryptable",
    /// Something that came could not be taken in.
    InboundFailed = "inbound.failed",
    /// Somebody's phone has another identity key: it was reinstalled, or is another phone.
    IdentityChanged = "identity.changed",
    /// Somebody reacted.
    Reaction = "reaction",
    /// A group changed.
    Group = "group",
    /// Somebody calls.
    CallOffer = "call.offer",
    /// Somebody is known from now on.
    ContactCreated = "contact.created",
    /// There is a new chat.
    ChatCreated = "chat.created",
    /// Two chats turned out to be with one person.
    ChatMerged = "chat.merged",
    /// The past comes.
    HistoryProgress = "history.progress",
    /// A message waits for its turn.
    SendQueued = "send.queued",
    /// A message waited too long.
    SendExpired = "send.expired",
    /// A webhook does not take what it is sent.
    WebhookDegraded = "webhook.degraded",
    /// The clock jumped.
    ClockSkew = "manager.clock_skew",
}

impl EventKind {
    /// The kind of this name.
    #[must_use]
    pub fn from_wire(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.wire() == name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_has_one_name() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::from_wire(kind.wire()), Some(*kind));
            assert_eq!(serde_json::to_string(kind).unwrap(), format!("\"{}\"", kind.wire()));
        }
        assert_eq!(EventKind::from_wire("message"), None);
    }

    #[test]
    fn the_sort_of_chat_is_known_of_every_event_that_names_one() {
        let kind = |data| {
            let record = EventRecord {
                seq: 1,
                account_seq: 1,
                id: EventId::of([1; 16]),
                tenant: TenantId::default(),
                account: None,
                kind: EventKind::MessageAck,
                at: UnixMillis(0),
                data,
            };
            record.chat_kind()
        };
        assert_eq!(kind(json!({ "chat": "1@s.whatsapp.net", "chatKind": "status" })), Some(ChatKind::Status));
        assert_eq!(kind(json!({ "chat": "1@g.us" })), Some(ChatKind::Group));
        assert_eq!(kind(json!({ "group": "1@g.us" })), Some(ChatKind::Group));
        assert_eq!(kind(json!({ "chat": "1@lid" })), Some(ChatKind::Direct));
        assert_eq!(kind(json!({ "status": "ready" })), None);
    }
}
