//! What the manager keeps besides accounts and events.

use serde::{Deserialize, Serialize};
use wa_types::{Jid, MessageId, PhoneNumber, UnixMillis};

use crate::event::EventRecord;
use crate::ids::{AccountId, TenantId};
use crate::trust::{Lane, Reservation, TrustState};

/// What is remembered of an account for its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a row: stores read and write all of it")]
pub struct TrustRecord {
    /// The account.
    pub account: AccountId,
    /// Limits and use.
    pub state: TrustState,
    /// What texts are hashed with.
    pub text_key: [u8; 32],
}

/// Something that was counted, for the message of its id.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a row: stores read and write all of it")]
pub struct ReservationRecord {
    /// The account.
    pub account: AccountId,
    /// What was counted.
    pub reservation: Reservation,
}

/// A message that waits until it may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a row: stores read and write all of it")]
pub struct SendRecord {
    /// The account.
    pub account: AccountId,
    /// The message's id: it has it from the beginning.
    pub id: MessageId,
    /// Its place: messages of one chat leave in this order.
    pub number: u64,
    /// Where it goes.
    pub to: Jid,
    /// The encoded message.
    pub payload: Vec<u8>,
    /// What it was when it was taken; it is looked at again when its turn comes.
    pub lane: Lane,
    /// When it was taken.
    pub at: UnixMillis,
    /// When it is worth sending no more.
    pub deadline: UnixMillis,
}

/// A person that an account knows, under all addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a row: stores read and write all of it")]
pub struct ContactRecord {
    /// The account.
    pub account: AccountId,
    /// Its number within the account.
    pub id: u64,
    /// By phone number.
    pub pn: Option<Jid>,
    /// By LID.
    pub lid: Option<Jid>,
    /// How they call themselves.
    pub push_name: Option<String>,
    /// When they became known.
    pub created_at: UnixMillis,
    /// When they wrote last.
    pub last_inbound: Option<UnixMillis>,
    /// How often we wrote since then.
    pub unanswered: u32,
}

/// Which sort of chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChatKind {
    /// With one person.
    Direct,
    /// A group.
    Group,
    /// Status posts.
    Status,
    /// A broadcast list.
    Broadcast,
    /// A channel.
    Newsletter,
}

impl ChatKind {
    /// The sort of the chat of this address.
    #[must_use]
    pub fn of(chat: &Jid) -> Self {
        if chat.is_group() {
            Self::Group
        } else if chat.is_status() {
            Self::Status
        } else if chat.is_broadcast() {
            Self::Broadcast
        } else if chat.is_newsletter() {
            Self::Newsletter
        } else {
            Self::Direct
        }
    }
}

/// A chat of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a row: stores read and write all of it")]
pub struct ChatRecord {
    /// The account.
    pub account: AccountId,
    /// Its stable address.
    pub chat: Jid,
    /// Which sort it is.
    pub kind: ChatKind,
    /// Who it is with.
    pub contact: Option<u64>,
    /// When it became known.
    pub created_at: UnixMillis,
    /// When something was written in it last.
    pub last_message_at: Option<UnixMillis>,
    /// The oldest message of it that is known: older ones are asked for from there.
    pub oldest: Option<OldestMessage>,
}

/// The oldest message of a chat that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a part of a row: stores read and write all of it")]
pub struct OldestMessage {
    /// Its id.
    #[serde(with = "crate::text::of_id")]
    pub id: MessageId,
    /// Whether our own account wrote it.
    pub from_me: bool,
    /// When the server took it.
    #[serde(with = "crate::millis")]
    pub at: UnixMillis,
}

/// What the server said of a phone number that was looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a row: stores read and write all of it")]
pub struct NumberRecord {
    /// The account that asked.
    pub account: AccountId,
    /// The number.
    pub number: PhoneNumber,
    /// Its account; none when it has none.
    pub found: Option<FoundNumber>,
    /// When.
    pub at: UnixMillis,
}

/// The account of a phone number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a part of a row: stores read and write all of it")]
pub struct FoundNumber {
    /// Its address.
    pub jid: String,
    /// Its other address.
    pub lid: Option<String>,
    /// Whether it is a verified business.
    pub is_business: bool,
}

/// Files that no account owns any more, and that are to be removed: what a deleted account left, or one that is
/// elsewhere by now.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a row: stores read and write all of it")]
pub struct LeftoverRecord {
    /// Whose they were.
    pub account: AccountId,
    /// Where its keys were; its other files are beside them.
    pub location: String,
}

/// What a key that came with a request led to, so that the request does nothing when it comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a row: stores read and write all of it")]
pub struct IdempotencyRecord {
    /// Whose key it is.
    pub tenant: TenantId,
    /// The key, with what it is for.
    pub key: String,
    /// What it led to.
    pub outcome: String,
    /// Until when that is known.
    pub until: UnixMillis,
}

/// How often a phone number was tried to be linked, under a keyed hash of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a row: stores read and write all of it")]
pub struct PairLimitRecord {
    /// What it is about: a phone, a tenant, the process.
    pub key: String,
    /// The limiter's state.
    pub state: Vec<u8>,
    /// After this it says nothing any more.
    pub until: UnixMillis,
}

/// How far an endpoint took events.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a row: stores read and write all of it")]
pub struct CursorRecord {
    /// The endpoint.
    pub endpoint: String,
    /// The account, if its events were taken further than those of all others.
    pub account: Option<AccountId>,
    /// The last event that it took, or that went to its dead letters: it, and all those before it.
    pub seq: u64,
}

/// An event that an endpoint did not take.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a row: stores read and write all of it")]
pub struct DeadLetterRecord {
    /// The endpoint.
    pub endpoint: String,
    /// The event: it stays here when the others of its time are trimmed.
    pub event: EventRecord,
    /// How often it was tried.
    pub tries: u32,
    /// Why it was not taken: the status, or what went wrong.
    pub reason: String,
    /// When it was given up.
    pub at: UnixMillis,
    /// Whether it shall be tried once more.
    pub is_replayed: bool,
}

/// Which dead letters are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by callers with ..Default::default()")]
pub struct DeadLetterQuery {
    /// Those of events with a higher number than this.
    pub after: u64,
    /// Only those that shall be tried once more, or only the others.
    pub is_replayed: Option<bool>,
    /// So many at most.
    pub limit: usize,
}
