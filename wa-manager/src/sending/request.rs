//! What is asked for, and what comes of it.

use std::time::Duration;

use serde::Serialize;
use wa_core::Message;
use wa_core::crypto::{Random as _, SystemRandom};
use wa_core::event::Peer;
use wa_types::{Jid, MessageId, UnixMillis, UnixSeconds};

use crate::contacts::Addresses;
use crate::trust::{Lane, LimitInfo, OnLimit};

/// A message that is to be sent.
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until it is sent"]
pub struct SendRequest {
    pub(super) to: Jid,
    pub(super) message: Message,
    pub(super) id: Option<MessageId>,
    pub(super) on_limit: OnLimit,
    pub(super) deadline: Option<Duration>,
    pub(super) idempotency_key: Option<String>,
}

impl SendRequest {
    /// This message to this chat: refused when a limit is reached.
    pub fn new(to: Jid, message: Message) -> Self {
        Self { to, message, id: None, on_limit: OnLimit::default(), deadline: None, idempotency_key: None }
    }

    /// The message's id; a second request with the same id is the same message, and is counted once.
    pub fn id(mut self, id: MessageId) -> Self {
        self.id = Some(id);
        self
    }

    /// What to do when a limit is reached.
    pub const fn on_limit(mut self, on_limit: OnLimit) -> Self {
        self.on_limit = on_limit;
        self
    }

    /// How long it may wait for a connection once it is counted.
    pub const fn deadline(mut self, within: Duration) -> Self {
        self.deadline = Some(within);
        self
    }

    /// The caller's own name for the message, for a day: a second request with it sends nothing, and leads to the first
    /// message, whatever the messages say.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Its id; it gets one if it has none.
    pub(crate) fn settle_id(&mut self) -> MessageId {
        self.id.get_or_insert_with(new_message_id).clone()
    }

    /// Where it goes.
    #[must_use]
    pub const fn to(&self) -> &Jid {
        &self.to
    }

    /// What to do when a limit is reached.
    #[must_use]
    pub const fn limit_choice(&self) -> OnLimit {
        self.on_limit
    }
}

/// A new id, of the form that companions use.
pub(super) fn new_message_id() -> MessageId {
    use std::fmt::Write as _;
    let bytes: [u8; 9] = SystemRandom.array();
    let mut text = String::from("3EB0");
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02X}");
    }
    MessageId::new(text)
}

/// Who a message is for, under all addresses that are known: a LID and a phone number are one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    pub(super) to: Jid,
    pub(super) addresses: Addresses,
    pub(super) token_at: Option<UnixMillis>,
}

impl Recipient {
    /// The one with this address, when no other is known.
    #[must_use]
    pub fn of(to: &Jid) -> Self {
        Self { to: to.to_chat(), addresses: Addresses::of([to]), token_at: None }
    }

    /// The one with this address, and with what [`Client::peer`](wa_core::Client::peer) tells of it.
    #[must_use]
    pub fn with_peer(to: &Jid, peer: &Peer) -> Self {
        Self {
            token_at: peer.token_at.map(UnixSeconds::to_millis),
            ..Self::with_addresses(to, peer.pn.as_ref(), peer.lid.as_ref())
        }
    }

    /// The one with this address, and these.
    #[must_use]
    pub fn with_addresses(to: &Jid, pn: Option<&Jid>, lid: Option<&Jid>) -> Self {
        let addresses = Addresses::of([Some(to), pn, lid].into_iter().flatten());
        Self { to: to.to_chat(), addresses, token_at: None }
    }

    /// They gave us a token of trust then, which still counts.
    #[must_use]
    pub const fn with_token(mut self, given: UnixMillis) -> Self {
        self.token_at = Some(given);
        self
    }
}

/// What became of a request.
#[derive(Debug)]
#[non_exhaustive]
pub enum Decision {
    /// It is counted and stored: hand it to the client now, under its id.
    Send(Box<Reserved>),
    /// Not before then. Wait, and ask again: only then it is counted.
    Wait {
        /// When.
        until: UnixMillis,
        /// What it waits for.
        limit: LimitInfo,
    },
    /// It waits in the outbox; [`Gate::next`](super::Gate::next) gives it when its turn comes.
    Queued(Queued),
    /// It was sent before.
    Done(SendReceipt),
}

/// A message that is counted, and may leave.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reserved {
    /// Its id: the client is to send it under this one.
    pub id: MessageId,
    /// Where it goes.
    pub to: Jid,
    /// What it says.
    pub message: Message,
    /// On which lane it was counted.
    pub lane: Lane,
    /// It was counted before, and may have left before: under its id the client sends it once.
    pub is_again: bool,
    /// How long it may wait to be written.
    pub deadline: Option<Duration>,
}

/// A message that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Queued {
    /// Its id.
    #[serde(serialize_with = "text")]
    pub id: MessageId,
    /// How many wait before it.
    pub position: usize,
    /// It will not leave before, as things are.
    #[serde(serialize_with = "crate::millis::serialize")]
    pub earliest_at: UnixMillis,
}

/// A message that the server has. Its serialized form is the answer to a request over HTTP: `success`, `message`,
/// `whatsappSent`, `id`, `chat`, `timestamp`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendReceipt {
    /// Its id: receipts name it.
    pub id: MessageId,
    /// Where it went.
    pub chat: Option<Jid>,
    /// When the server took it.
    pub timestamp: UnixMillis,
}

impl Serialize for SendReceipt {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut fields = serializer.serialize_struct("SendReceipt", 6)?;
        fields.serialize_field("success", &true)?;
        fields.serialize_field("message", "sent")?;
        fields.serialize_field("whatsappSent", &true)?;
        fields.serialize_field("id", self.id.as_str())?;
        fields.serialize_field("chat", &self.chat.as_ref().map(Jid::to_string))?;
        fields.serialize_field("timestamp", &self.timestamp.0)?;
        fields.end()
    }
}

fn text<S: serde::Serializer>(id: &MessageId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(id.as_str())
}
