//! Everything that the application hears from an account, in order.

mod app_state;
mod history;
mod media;
mod newsletter;
mod pairing;
mod people;
mod tally;
mod target;
mod trail;

use std::time::Duration;

use wa_store::{OutboxEntry, OutboxState};
use wa_types::{Jid, MessageId, UnixSeconds};

pub use app_state::{AppStateEvent, ChangeOrigin, StateChanged};
pub use history::HistoryUpdate;
pub use media::MediaEvent;
pub use newsletter::{
    Newsletter, NewsletterEvent, NewsletterPicture, NewsletterPost, NewsletterRole, NewsletterState,
    ReactionPolicy,
};
pub use pairing::{CodeVoid, Paired, PairingCodeShown, PairingQr, PasskeyFailure, PasskeyProgress};
pub use people::{
    AccountChange, Blocked, Blocklist, CallOffer, CallSignal, ChatStateChanged, InboundCall, LastSeen,
    NewChatQuota, PresenceChanged, PresenceState, PrivacyCategory, PrivacySetting, PrivacySettings,
    PrivacyValue, ProfileChange, ProfileChanged, ReachoutTimelock, Typing,
};
pub use trail::{TrailEntry, TrailStep};

use crate::connection::CloseReason;
use crate::e2e::DecryptError;
use crate::error::{SendError, StoreFailure};
use crate::message::Message;
use crate::pairing::LinkError;
pub use crate::stanza::community::{GroupSuggestion, LinkKind, LinkedGroup};
pub use crate::stanza::group_setting::GroupSetting;
pub use crate::stanza::notification::groups::GroupChange;
use crate::stanza::receipt::ReceiptKind;
use crate::wire::Node;

/// What happened to an account.
///
/// What was received is durable: [`Event::Message`], [`Event::OwnDevice`], [`Event::Undecodable`], [`Event::MessageLost`]
/// and [`Event::ChatsMerged`] are delivered at least once and in the order in which the server sent them; one that the
/// application did not confirm
/// comes again after a restart, with the same [number](Event::inbox_number). All other events are told once.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A QR code to show. It replaces the one before; after the last one comes [`Event::Closed`] with
    /// [`CloseReason::PairingTimeout`].
    PairingQr(PairingQr),
    /// A code for the user to type on the phone, asked for with [`crate::Client::pair_with_code`] or made by itself after
    /// the one before.
    PairingCode(PairingCodeShown),
    /// The pairing code is no longer good. Not told when it linked this device, or another way of linking did.
    PairingCodeVoid {
        /// Why.
        reason: CodeVoid,
    },
    /// The phone wants a passkey to vouch for the link, and how far that is.
    Passkey(PasskeyProgress),
    /// The [`crate::client::LinkGuard`] refused this account. Nothing of it was kept, the keys were made anew, and
    /// [`Event::Closed`] follows.
    PairingVetoed(Paired),
    /// An earlier link was stored, and never came about: we ended before the server heard of it. The keys were made
    /// anew, and pairing begins again by itself.
    LinkUnconfirmed,
    /// The phone linked this device. The connection is made anew by itself; [`Event::Connected`] follows.
    Paired(Paired),
    /// The phone's answer does not hold: it was made without our secret, or is not signed by the account. Nothing of
    /// it was kept. The QR code on show and those after it still link; should the server end the
    /// connection, new ones come with the next.
    PairingFailed {
        /// What does not hold.
        error: LinkError,
    },
    /// Logged in: messages can be sent. After every login.
    Connected,
    /// The connection ended, and comes back by itself. Not emitted when it stays away: that is [`Event::Closed`].
    Disconnected {
        /// Why.
        reason: CloseReason,
        /// When the next attempt is made; zero for at once.
        retry_in: Duration,
    },
    /// The connection ended and does not come back by itself; [`crate::Client::reconnect`] tries again.
    Closed {
        /// Why; [`CloseReason::next_step`] says what can be done.
        reason: CloseReason,
    },
    /// The device was unlinked, by the phone, by the server or by [`crate::Client::logout`]: pair again. The keys
    /// are kept and useless; [`crate::Client::forget`] wipes them.
    LoggedOut {
        /// How we learned it.
        reason: CloseReason,
    },
    /// A backlog of the time away comes in: told when it begins, and every few hundred stanzas.
    /// [`Event::BacklogDone`] follows.
    Backlog(BacklogProgress),
    /// The backlog of the time away is through. Told after every login, also when there was none.
    BacklogDone {
        /// How many stanzas it had: by the server's count, or by ours when it is not complete.
        count: u32,
        /// Whether the server said so. Otherwise nothing of it came for too long; what is still to come comes as it
        /// does.
        is_complete: bool,
    },
    /// A message: of a direct chat, a group, the status feed or a channel.
    Message(Box<MessageReceived>),
    /// A message of our phone, or of another own device, about protocol matters: keys, history, settings. It belongs to
    /// no chat of the application; [`Message::own_device_kind`] tells what it is about. Those that this version handles
    /// itself are not told.
    OwnDevice(Box<MessageReceived>),
    /// A message that was decrypted and is no message that we can read. The sender does not send it again: this is all
    /// there is of it.
    Undecodable(Box<Undecodable>),
    /// A message could not be read, and its repair began: the sender is asked for it again, and our phone too. Told
    /// once, for information; the last word is always a durable event, now or after a restart: [`Event::Message`],
    /// [`Event::Undecodable`] or [`Event::MessageLost`].
    Undecryptable(Box<Undecryptable>),
    /// A message could not be read and never will be: the last word on it. See [`crate::RepairTimes`] for when.
    MessageLost(Box<MessageLost>),
    /// Two chats turned out to be with one user: what the application keeps under the old key belongs to the other one.
    /// Durable, and told before anything that comes under the new key.
    ChatsMerged(Box<ChatsMerged>),
    /// A message that was told sealed, with [`Event::Message`], because it came before the one whose secret opens it. It
    /// is opened now; chat, sender and id are those from before, the number is new.
    Opened(Box<MessageReceived>),
    /// How far a message of the application's own is: queued, written, acknowledged by the server, or failed. Told once
    /// for each state that it comes to, in this order; delivery, reading and playing come as [`Event::Receipt`]. Of
    /// thousands that the application does not take, the oldest are dropped: [`crate::Client::sent_state`] knows.
    Send(Box<SendUpdate>),
    /// What happened to messages that we sent, or to messages on another device of our own.
    Receipt(Box<Receipt>),
    /// A user's phone has another identity key than before: it was reinstalled, or is another phone.
    IdentityChanged {
        /// The device whose key changed.
        device: Jid,
    },
    /// Whether somebody who is watched is there.
    Presence(PresenceChanged),
    /// Somebody writes or records, or stopped.
    ChatState(ChatStateChanged),
    /// What a user or a group shows of itself changed.
    Profile(Box<ProfileChanged>),
    /// Something of our own account changed.
    Account(Box<AccountChange>),
    /// A step of a call: somebody calls, takes it, declines it, hangs up.
    Call(Box<InboundCall>),
    /// Something about a media file that nobody waits for.
    Media(MediaEvent),
    /// Something happened in a group that we are or were in.
    GroupChanged(Box<GroupChanged>),
    /// Something changed in the state that the account's devices share: contacts, chat settings, labels and more.
    AppState(Box<AppStateEvent>),
    /// Something happened to a channel, beside posts.
    Newsletter(Box<NewsletterEvent>),
    /// Something happened to the past that the phone sends.
    History(Box<HistoryUpdate>),
    /// A stanza that this version has no event for.
    Other(Box<Node>),
    /// The store failed. What was being received is not acknowledged and comes again; the connection is made anew
    /// after a pause, since memory and store must agree.
    StoreFailed {
        /// What it said, and what to do about it.
        error: StoreFailure,
    },
}

impl Event {
    /// The number under which the inbox keeps this event until [`crate::Events::confirm`]; `None` for events that are
    /// told once.
    #[must_use]
    pub const fn inbox_number(&self) -> Option<InboxNumber> {
        match self {
            Self::Message(message) | Self::OwnDevice(message) | Self::Opened(message) => Some(message.number),
            Self::Undecodable(undecodable) => Some(undecodable.number),
            Self::MessageLost(lost) => Some(lost.number),
            Self::ChatsMerged(merged) => Some(merged.number),
            _ => None,
        }
    }
}

/// Names a durable event of one account. Later events have higher numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InboxNumber(pub(crate) u64);

impl InboxNumber {
    /// The number itself: for names that stay the same when the event comes again.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// How much of a backlog there is, and how much of it was received. The counts are the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BacklogProgress {
    /// How many stanzas there are in all.
    pub total: u32,
    /// How many of them are messages.
    pub messages: u32,
    /// How many of them are receipts.
    pub receipts: u32,
    /// How many of them are notifications.
    pub notifications: u32,
    /// How many of them are calls.
    pub calls: u32,
    /// How many of them are status broadcasts.
    pub statuses: u32,
    /// How many of them are changes of the account's settings.
    pub app_data: u32,
    /// How many were received and stored so far.
    pub done: u32,
}

/// A message, decrypted and stored. `Debug` does not show the sender's name for itself.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct MessageReceived {
    /// Its number in the inbox; [`crate::Events::confirm`] takes it.
    pub number: InboxNumber,
    /// The chat that it belongs to.
    pub chat: Jid,
    /// The device that wrote it.
    pub sender: Jid,
    /// The sender's other address, where it is known: the LID of a phone number, the phone number of a LID.
    pub sender_alt: Option<Jid>,
    /// Whether our own account wrote it, on another device.
    pub from_me: bool,
    /// Its id.
    pub id: MessageId,
    /// Its number in a channel: what reactions to it and views of it name.
    pub post: Option<u64>,
    /// When the server took it.
    pub timestamp: UnixSeconds,
    /// The sender's own name for itself.
    pub push_name: Option<String>,
    /// It came with the backlog of the time away.
    pub is_backlog: bool,
    /// Set when it could not be read as it was first sent, and who made up for it.
    pub recovered: Option<RecoveredBy>,
    /// What it says.
    pub message: Message,
}

impl MessageReceived {
    /// What kind of chat it came in.
    #[must_use]
    pub fn kind(&self) -> ChatKind {
        ChatKind::of(&self.chat)
    }
}

/// What kind of chat a message belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChatKind {
    /// With one user, or a bot.
    Direct,
    /// A group.
    Group,
    /// The status feed: it is gone after a day, and is answered in a direct chat. What is sent to the feed itself is a post of
    /// the account's own.
    Status,
    /// A broadcast list of our own account.
    BroadcastList,
    /// A channel.
    Channel,
}

impl ChatKind {
    /// The kind of the chat with this address.
    #[must_use]
    pub fn of(chat: &Jid) -> Self {
        if chat.is_group() {
            Self::Group
        } else if chat.is_status() {
            Self::Status
        } else if chat.is_broadcast_list() {
            Self::BroadcastList
        } else if chat.is_newsletter() {
            Self::Channel
        } else {
            Self::Direct
        }
    }
}

impl std::fmt::Debug for MessageReceived {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageReceived")
            .field("number", &self.number)
            .field("chat", &self.chat)
            .field("sender", &self.sender)
            .field("sender_alt", &self.sender_alt)
            .field("from_me", &self.from_me)
            .field("id", &self.id)
            .field("post", &self.post)
            .field("timestamp", &self.timestamp)
            .field("push_name", &self.push_name.as_ref().map(|_| ".."))
            .field("is_backlog", &self.is_backlog)
            .field("recovered", &self.recovered)
            .field("message", &self.message)
            .finish()
    }
}

/// Who gave us a message that we could not read at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecoveredBy {
    /// The sender sent it again.
    Sender,
    /// Our own phone had it.
    Phone,
}

/// Two chats turned out to be one, because a phone number and a LID were learned to be one user after both had been used.
///
/// The LID's chat stays: a LID survives a change of number. When a LID was replaced, the older one's chat stays.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChatsMerged {
    /// Its number in the inbox; [`crate::Events::confirm`] takes it.
    pub number: InboxNumber,
    /// The key of both from now on.
    pub kept: Jid,
    /// The key that no event carries any more; it still leads to the chat when something is sent to it.
    pub gone: Jid,
}

/// The two addresses of one user, and the key of the chat with it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// The phone number, as far as it is known.
    pub pn: Option<Jid>,
    /// The LID, as far as it is known.
    pub lid: Option<Jid>,
    /// The chat, as events name it.
    pub chat: Jid,
    /// When they gave us the token of trust that goes with messages to them; none without one, or with one that has
    /// lapsed.
    pub token_at: Option<UnixSeconds>,
}

/// A payload that was decrypted and could not be read as a message.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Undecodable {
    /// Its number in the inbox; [`crate::Events::confirm`] takes it.
    pub number: InboxNumber,
    /// The chat that it belongs to.
    pub chat: Jid,
    /// The device that wrote it.
    pub sender: Jid,
    /// The sender's other address, where it is known.
    pub sender_alt: Option<Jid>,
    /// Whether our own account wrote it, on another device.
    pub from_me: bool,
    /// Its id.
    pub id: MessageId,
    /// When the server took it.
    pub timestamp: UnixSeconds,
    /// The bytes, decrypted; with their padding when that is what does not hold.
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Undecodable {
    /// The bytes by their number.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Undecodable")
            .field("number", &self.number)
            .field("chat", &self.chat)
            .field("sender", &self.sender)
            .field("id", &self.id)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

/// A message that could not be read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Undecryptable {
    /// The chat that it belongs to.
    pub chat: Jid,
    /// The device that wrote it.
    pub sender: Jid,
    /// Its id.
    pub id: MessageId,
    /// When the server took it.
    pub timestamp: UnixSeconds,
    /// Why.
    pub error: DecryptError,
    /// The sender is asked for it again; otherwise only our phone is.
    pub is_retried: bool,
}

/// Something that happened in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupChanged {
    /// The group.
    pub group: Jid,
    /// Who did it; nobody when the server did.
    pub actor: Option<Jid>,
    /// When, by the server's clock.
    pub timestamp: UnixSeconds,
    /// What happened.
    pub change: GroupChange,
}

/// A message that could not be read and was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageLost {
    /// Its number in the inbox; [`crate::Events::confirm`] takes it.
    pub number: InboxNumber,
    /// The chat that it belongs to.
    pub chat: Jid,
    /// The device that wrote it.
    pub sender: Jid,
    /// Whether our own account wrote it, on another device.
    pub from_me: bool,
    /// Its id.
    pub id: MessageId,
    /// When the server took it.
    pub timestamp: UnixSeconds,
    /// Why.
    pub why: LostReason,
}

/// Why a message was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LostReason {
    /// Neither its sender nor our phone sent it again in time.
    NotAnswered,
    /// The sender sent it again as often as it does, and each copy could not be read; our phone does not have it.
    Unreadable,
    /// Only the phone may show it: a view-once message, or one that was not meant for this device and that the phone
    /// did not hand over.
    NotForThisDevice,
    /// Sent again it held nothing but keys: nothing is missing.
    OnlyKeys,
    /// Nothing in it is of a kind that this version reads.
    NoContent,
    /// It is encrypted with the secret of an earlier message, that we do not have.
    MissingSecret,
    /// It claims to be a copy of a message of our own account, and comes from another: an attempt to deceive.
    ForeignCopy,
    /// Too many messages could not be read at the same time, and this one was the oldest.
    TooMany,
}

/// How far a message of ours is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SendUpdate {
    /// The chat, under the name that its messages and receipts come with.
    pub chat: Jid,
    /// The message.
    pub id: MessageId,
    /// How far it is.
    pub state: SendState,
}

/// How far a message of ours is. All of it but [`Held`](Self::Held) is stored, and survives restarts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendState {
    /// It waits: for a connection, for the recipient's keys, or for those before it. It can be cancelled.
    Queued,
    /// It is queued, and waits until these users' new identity keys are [trusted](crate::Client::trust_identity), under
    /// [`IdentityPolicy::Hold`](crate::IdentityPolicy::Hold). It can be cancelled. After a restart it is told again.
    Held {
        /// Who is to be trusted; one at least.
        users: Vec<Jid>,
    },
    /// It may have left. It is sent again, under the same id, until the server answers.
    Written,
    /// The server has it.
    Acked {
        /// When the server took it.
        timestamp: UnixSeconds,
    },
    /// A device of the recipient has it.
    Delivered,
    /// Somebody read it.
    Read,
    /// Somebody played it.
    Played,
    /// It was given up; [`SendError::remedy`] says what to do.
    Failed(SendError),
}

/// What came of the wish to cancel a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cancellation {
    /// Nothing of it leaves.
    Cancelled,
    /// It was written before, or is done with.
    TooLate(SendState),
    /// No message of this id is known, or any more.
    Unknown,
}

impl SendState {
    pub(crate) fn of(entry: &OutboxEntry) -> Self {
        match entry.state {
            OutboxState::Queued => Self::Queued,
            OutboxState::Written => Self::Written,
            OutboxState::Acked => Self::Acked { timestamp: entry.acked.unwrap_or(entry.at).to_seconds() },
            OutboxState::Delivered => Self::Delivered,
            OutboxState::Read => Self::Read,
            OutboxState::Played => Self::Played,
            OutboxState::Failed(reason) => Self::Failed(SendError::from_reason(reason, &entry.chat)),
        }
    }
}

/// What happened to messages.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The chat of the messages.
    pub chat: Jid,
    /// The device, or the user, that it happened on.
    pub from: Jid,
    /// What happened.
    pub kind: ReceiptKind,
    /// To which messages.
    pub ids: Vec<MessageId>,
    /// When, by the server's clock.
    pub timestamp: Option<UnixSeconds>,
}
