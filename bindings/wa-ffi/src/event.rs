//! What happens to an account.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wa_core::app_state::Collection;
use wa_core::app_state::action::read_index;
use wa_core::event as core;
use wa_core::stanza::receipt::ReceiptKind as CoreReceipt;
use wa_types::UnixMillis;

use crate::content::Content;
use crate::error::WaError;
use crate::groups::GroupMember;
use crate::message::{Message, MessageKey};
use crate::types::{self, Secret};

/// What happened to an account. More kinds may come: what this version has no form for is `Unknown`.
///
/// Those with a `number` are durable: they are told at least once, in the order of the service, and come again after a
/// restart until they are confirmed. All others are told once.
#[derive(Debug, Clone, uniffi::Enum)]
pub enum Event {
    /// A QR code to show. It replaces the one before.
    PairingQr {
        /// The text to show as a QR code. A secret: do not log it.
        text: Secret,
        /// How long it is good.
        expires_in: Duration,
    },
    /// A code to type on the phone.
    PairingCode {
        /// The code, as it is to be shown. A secret: do not log it.
        code: Secret,
        /// How long it is good.
        expires_in: Duration,
    },
    /// The code to type is no longer good.
    PairingCodeVoid {
        /// Why.
        reason: String,
    },
    /// The phone wants a passkey to vouch for the link: answer with `respond_passkey`.
    PasskeyChallenge {
        /// WebAuthn's request options, as JSON. A secret: do not log it.
        options: Secret,
    },
    /// The phone shows this code, too, and the user compares them: answer with `confirm_passkey` if it is asked.
    PasskeyCode {
        /// The code, as it is to be shown. A secret: do not log it.
        code: Secret,
        /// Whether an answer is waited for. Else the phone's word is enough, as this installation proved that it was linked
        /// before.
        is_asked: bool,
    },
    /// The link by passkey did not come about. QR codes and codes to type go on.
    PasskeyFailed {
        /// Why.
        reason: String,
    },
    /// The phone linked this device. `Connected` follows.
    Paired {
        /// Our own device, by phone number.
        jid: String,
        /// Our own device, by LID.
        lid: Option<String>,
        /// The name of the business, for business accounts.
        business_name: Option<String>,
    },
    /// A phone's answer does not hold. Nothing of it was kept, and the code on show still links.
    PairingFailed {
        /// What does not hold.
        reason: String,
    },
    /// Logged in: messages can be sent. After every login.
    Connected,
    /// The connection ended, and comes back by itself.
    Disconnected {
        /// Why.
        reason: CloseReason,
        /// When the next attempt is made.
        retry_in: Duration,
    },
    /// The connection ended and does not come back by itself; `reconnect` tries again.
    Closed {
        /// Why.
        reason: CloseReason,
    },
    /// The device was unlinked: pair again.
    LoggedOut {
        /// How we learned it.
        reason: CloseReason,
    },
    /// What came while we were away comes in.
    Backlog {
        /// How many things there are.
        total: u32,
        /// How many of them were received so far.
        done: u32,
    },
    /// All that came while we were away is through.
    BacklogDone {
        /// How many things there were.
        count: u32,
    },
    /// A message.
    Message {
        /// The message.
        message: MessageReceived,
    },
    /// A message that was told sealed before is opened now.
    Opened {
        /// The message, under a new number.
        message: MessageReceived,
    },
    /// A message could not be read, and its repair began. `Message` or `MessageLost` follows.
    Undecryptable {
        /// The message.
        key: MessageKey,
        /// When the service took it.
        timestamp: SystemTime,
        /// Why it could not be read.
        reason: String,
    },
    /// A message could not be read and never will be.
    MessageLost {
        /// The number to confirm.
        number: u64,
        /// The message.
        key: MessageKey,
        /// When the service took it.
        timestamp: SystemTime,
        /// Why.
        reason: String,
    },
    /// Something was decrypted and is no message that anybody can read.
    Undecodable {
        /// The number to confirm.
        number: u64,
        /// The message.
        key: MessageKey,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Two chats turned out to be with one user.
    ChatsMerged {
        /// The number to confirm.
        number: u64,
        /// The address of both from now on.
        kept: String,
        /// The address that no event carries any more.
        gone: String,
    },
    /// A message of another own device about keys, settings or history.
    OwnDevice {
        /// The message.
        message: MessageReceived,
    },
    /// How far a message of ours is.
    Send {
        /// The chat.
        chat: String,
        /// The message.
        id: String,
        /// How far it is.
        state: SendState,
    },
    /// What became of messages that we sent, or of messages on another device of ours.
    Receipt {
        /// The chat.
        chat: String,
        /// The messages.
        ids: Vec<String>,
        /// Who it is from.
        sender: String,
        /// What happened.
        kind: ReceiptKind,
        /// When.
        timestamp: Option<SystemTime>,
    },
    /// A user's phone has another identity key than before: it was reinstalled, or is another phone.
    IdentityChanged {
        /// The device.
        device: String,
    },
    /// Whether somebody who is watched is there.
    Presence {
        /// The chat.
        chat: String,
        /// Who.
        user: String,
        /// They are there.
        available: bool,
        /// When they were last there, where that is told.
        last_seen: Option<SystemTime>,
    },
    /// Somebody writes or records, or stopped. Let it lapse after 25 seconds.
    Typing {
        /// The chat.
        chat: String,
        /// Who.
        user: String,
        /// What they do.
        state: TypingState,
    },
    /// What a user or a group shows of itself changed.
    Profile {
        /// Whose.
        user: Option<String>,
        /// What: `picture`, `about`, `status`, `username`, `default_timer`, `business` or `unknown`.
        what: String,
    },
    /// Something of our own account changed, on another device or by the service.
    Account {
        /// What: `privacy`, `blocklist`, `picture`, `about`, `default_timer`, `push_name`, `username`, `devices`,
        /// `notices`, `reachout_timelock` or `new_chat_quota`.
        what: String,
    },
    /// A step of a call.
    Call {
        /// The call itself: to reject it.
        call: Arc<Call>,
        /// The call.
        id: String,
        /// Who calls.
        caller: String,
        /// What happened: `offer`, `accept`, `reject`, `terminate` and others.
        what: String,
        /// It is a video call.
        video: bool,
        /// The group that it is for.
        group: Option<String>,
    },
    /// Something happened in a group.
    Group {
        /// The group.
        group: String,
        /// Who did it.
        actor: Option<String>,
        /// When.
        timestamp: SystemTime,
        /// What happened, in one word such as `added`, `left`, `subject`.
        what: String,
        /// The members that it is about.
        users: Vec<String>,
        /// The new text, where there is one.
        text: Option<String>,
    },
    /// Something changed in what the account's devices share: contacts, settings of chats, labels.
    State {
        /// What it is about, the kind first.
        index: Vec<String>,
        /// It was removed.
        removed: bool,
        /// It came with a first or repeated full sync, and may be old.
        full_sync: bool,
    },
    /// A part of what the account's devices share was fetched whole, for the first time or to mend it. Its entries were
    /// told before.
    StateSynced {
        /// Which part: `critical_block` (names), `critical_unblock_low` (contacts), `regular_high` (mutes, stars,
        /// deletions), `regular` (labels and what belongs to businesses), `regular_low` (archive, pins, read marks).
        collection: String,
    },
    /// A change of our own to it was refused by the service for good, and undone.
    StateRefused {
        /// What it was about, the kind first.
        index: Vec<String>,
        /// The service's code.
        code: u16,
    },
    /// A part of it cannot be read. What is known of it stays as it was, and it is tried again with the next connection.
    StateBroken {
        /// Which part: see `StateSynced`.
        collection: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A part of it waits for keys, which our phone was asked for. Everything else goes on.
    StateKeysMissing {
        /// Which part: see `StateSynced`.
        collection: String,
    },
    /// Something happened to a channel, beside posts.
    Newsletter {
        /// The channel, where it is told.
        newsletter: Option<String>,
        /// What: `posts`, `joined`, `left`, `muted`, `changed`.
        what: String,
    },
    /// The past comes in.
    History {
        /// How far it is, percent, as the phone says.
        progress: Option<u32>,
        /// How many messages this part had.
        messages: u64,
        /// The user chose to share nothing of it.
        refused: bool,
    },
    /// A part of the past was given up.
    HistoryFailed {
        /// What the whole is that this was a part of: see `HistoryPart`.
        kind: String,
        /// Why, for programs: `unavailable`, `unreadable`; or `store`, `network`, `shutdown`: then it is tried again.
        reason: String,
        /// Why, for logs.
        detail: String,
    },
    /// The phone uploaded a file again, later than was waited for it.
    Reuploaded {
        /// The chat.
        chat: String,
        /// The message.
        id: String,
    },
    /// The store failed. What was being received comes again.
    StoreFailed {
        /// The store's words for it.
        error: String,
    },
    /// Something that this version has no form for.
    Unknown {
        /// The number to confirm, if it is durable.
        number: Option<u64>,
        /// Its name.
        kind: String,
        /// What is known of it, for logs.
        debug: String,
    },
}

/// A call, as one of its steps told it.
#[derive(Debug, uniffi::Object)]
pub struct Call(pub(crate) core::InboundCall);

/// A message that was received.
#[derive(Debug, Clone, uniffi::Record)]
pub struct MessageReceived {
    /// The number to confirm.
    pub number: u64,
    /// Names it, for reactions, answers, edits.
    pub key: MessageKey,
    /// The chat.
    pub chat: String,
    /// What kind of chat that is.
    pub chat_kind: ChatKind,
    /// The device that wrote it.
    pub sender: String,
    /// The other address of the sender, where it is known: the LID of a phone number, the phone number of a LID.
    pub sender_alt: Option<String>,
    /// Our own account wrote it, on another device.
    pub from_me: bool,
    /// Its id.
    pub id: String,
    /// When the service took it.
    pub timestamp: SystemTime,
    /// What the sender calls itself.
    pub push_name: Option<String>,
    /// It came with what there was while we were away.
    pub is_backlog: bool,
    /// What it says.
    pub content: Content,
    /// Its text, or the caption of its file.
    pub text: Option<String>,
    /// The message that it answers, as far as it is named.
    pub quoted: Option<String>,
    /// The users that it mentions.
    pub mentions: Vec<String>,
    /// The message itself: to quote it, to send it on, to keep it.
    pub message: Arc<Message>,
}

/// What kind of chat a message belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum ChatKind {
    /// With one user, or a bot.
    Direct,
    /// A group.
    Group,
    /// The status feed.
    Status,
    /// A broadcast list of our own account.
    BroadcastList,
    /// A channel.
    Channel,
    /// A kind that this version does not know.
    Unknown,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum ReceiptKind {
    /// It arrived on a device of the recipient.
    Delivered,
    /// The recipient read it.
    Read,
    /// The recipient played it.
    Played,
    /// Another device of our own has it.
    OwnDevice,
    /// It was read on another device of our own.
    ReadSelf,
    /// It was played on another device of our own.
    PlayedSelf,
    /// The recipient could not read it and asks again; that is answered by itself.
    Retry,
    /// Something that this version does not know.
    Unknown {
        /// The service's word for it.
        kind: String,
    },
}

/// What somebody does in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum TypingState {
    /// They write.
    Composing,
    /// They record a voice note.
    Recording,
    /// They stopped.
    Paused,
    /// Something that this version does not know.
    Unknown,
}

/// How far a message of ours is.
#[derive(Debug, Clone, uniffi::Enum)]
pub enum SendState {
    /// It waits, and can be cancelled.
    Queued,
    /// It waits until these users' new identity keys are trusted.
    Held {
        /// Who.
        users: Vec<String>,
    },
    /// It may have left. It is sent again, under the same id, until the service answers.
    Written,
    /// The service has it.
    Acked {
        /// Since when.
        timestamp: SystemTime,
    },
    /// A device of the recipient has it.
    Delivered,
    /// Somebody read it.
    Read,
    /// Somebody played it.
    Played,
    /// It was given up.
    Failed {
        /// Why, for programs.
        code: String,
        /// Why, for logs.
        detail: String,
    },
    /// A state that this version does not know.
    Unknown,
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct CloseReason {
    /// Why, for programs: `network`, `logged_out`, `replaced`, `banned` and others.
    pub code: String,
    /// Why, for logs.
    pub detail: String,
    /// What to do.
    pub next_step: NextStep,
    /// When it may be tried again, if the service says so.
    pub until: Option<SystemTime>,
}

/// What to do after a connection ended. What can be done without a person is done by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum NextStep {
    /// Wait: it comes back by itself.
    Wait,
    /// Wait until the time that is told: not before, whoever asks.
    WaitUntil,
    /// Look what is wrong, then call `reconnect`.
    Reconnect,
    /// Use a newer release of the library.
    UpdateLibrary,
    /// Pair again.
    PairAgain,
    /// Something that this version does not know.
    Unknown,
}

impl CloseReason {
    pub(crate) fn of(reason: &wa_core::connection::CloseReason) -> Self {
        use wa_core::connection::{CloseReason as R, NextStep as N};
        let step = reason.next_step();
        let (next_step, until) = match step {
            N::Now | N::Backoff | N::SlowBackoff | N::Once => (NextStep::Wait, None),
            N::NotBefore(until) => (NextStep::WaitUntil, Some(types::time(until))),
            N::OtherVersion => (NextStep::UpdateLibrary, None),
            N::LoggedOut => (NextStep::PairAgain, None),
            N::Stop => (NextStep::Reconnect, None),
            _ => (NextStep::Unknown, None),
        };
        let code = match reason {
            R::Requested => "requested",
            R::RestartRequired => "restart_required",
            R::LoggedOut => "logged_out",
            R::AccountMoved => "account_moved",
            R::Replaced => "replaced",
            R::Conflict => "conflict",
            R::Refused(_) => "refused",
            R::Banned { .. } => "banned",
            R::VersionRefused { .. } => "version_refused",
            R::Handshake(_) => "handshake",
            R::Network(_) => "network",
            R::ProxyRefused => "proxy_refused",
            R::DeadSocket => "dead_socket",
            R::StreamEnd => "stream_end",
            R::StreamError(_) => "stream_error",
            R::BadFrame => "bad_frame",
            R::PairingTimeout => "pairing_timeout",
            R::Overflow => "overflow",
            R::StoreFailed => "store_failed",
            _ => "other",
        };
        Self { code: code.to_owned(), detail: reason.to_string(), next_step, until }
    }
}

impl SendState {
    pub(crate) fn of(state: &core::SendState) -> Self {
        use core::SendState as S;
        match state {
            S::Queued => Self::Queued,
            S::Held { users } => Self::Held { users: types::texts(users) },
            S::Written => Self::Written,
            S::Acked { timestamp } => Self::Acked { timestamp: types::time(*timestamp) },
            S::Delivered => Self::Delivered,
            S::Read => Self::Read,
            S::Played => Self::Played,
            S::Failed(error) => {
                let error = WaError::from(error.clone());
                Self::Failed { code: error.code().to_owned(), detail: error.to_string() }
            }
            _ => Self::Unknown,
        }
    }
}

impl MessageReceived {
    pub(crate) fn of(received: core::MessageReceived) -> Self {
        let chat_kind = match received.kind() {
            core::ChatKind::Direct => ChatKind::Direct,
            core::ChatKind::Group => ChatKind::Group,
            core::ChatKind::Status => ChatKind::Status,
            core::ChatKind::BroadcastList => ChatKind::BroadcastList,
            core::ChatKind::Channel => ChatKind::Channel,
            _ => ChatKind::Unknown,
        };
        let content = Content::of(&received.message);
        let text = match &content {
            Content::Text { text, .. } => Some(text.clone()),
            Content::Image { caption, .. }
            | Content::Video { caption, .. }
            | Content::Document { caption, .. } => caption.clone(),
            _ => None,
        };
        let context = received.message.context();
        Self {
            number: received.number.get(),
            key: MessageKey::of(&received.key()),
            chat: received.chat.to_string(),
            chat_kind,
            sender: received.sender.to_string(),
            sender_alt: types::text(received.sender_alt.as_ref()),
            from_me: received.from_me,
            id: received.id.to_string(),
            timestamp: types::time(received.timestamp),
            push_name: received.push_name,
            is_backlog: received.is_backlog,
            content,
            text,
            quoted: context.quote.map(|quote| quote.id.to_string()),
            mentions: types::texts(&context.mentions),
            message: Arc::new(Message(received.message)),
        }
    }
}

impl Event {
    /// The number to confirm, for durable events.
    pub(crate) fn number(&self) -> Option<u64> {
        match self {
            Self::Message { message } | Self::Opened { message } | Self::OwnDevice { message } => {
                Some(message.number)
            }
            Self::MessageLost { number, .. }
            | Self::Undecodable { number, .. }
            | Self::ChatsMerged { number, .. } => Some(*number),
            Self::Unknown { number, .. } => *number,
            _ => None,
        }
    }

    /// None for what another event of ours tells.
    pub(crate) fn of(event: core::Event) -> Option<Self> {
        use core::Event as E;
        Some(match event {
            E::PairingQr(qr) => Self::PairingQr { text: Secret(qr.text), expires_in: qr.expires_in },
            E::PairingCode(shown) => {
                Self::PairingCode { code: Secret(shown.code.to_string()), expires_in: shown.expires_in }
            }
            E::PairingCodeVoid { reason } => Self::PairingCodeVoid { reason: reason.to_string() },
            E::Paired(paired) => Self::Paired {
                jid: paired.jid.to_string(),
                lid: types::text(paired.lid.as_ref()),
                business_name: paired.business_name,
            },
            E::PairingFailed { error } => Self::PairingFailed { reason: error.to_string() },
            E::Connected => Self::Connected,
            E::Disconnected { reason, retry_in } => {
                Self::Disconnected { reason: CloseReason::of(&reason), retry_in }
            }
            E::Closed { reason } => Self::Closed { reason: CloseReason::of(&reason) },
            E::LoggedOut { reason } => Self::LoggedOut { reason: CloseReason::of(&reason) },
            E::Backlog(progress) => Self::Backlog { total: progress.total, done: progress.done },
            E::BacklogDone { count, .. } => Self::BacklogDone { count },
            E::Message(received) => Self::Message { message: MessageReceived::of(*received) },
            E::Opened(received) => Self::Opened { message: MessageReceived::of(*received) },
            E::OwnDevice(received) => Self::OwnDevice { message: MessageReceived::of(*received) },
            E::ChatsMerged(merged) => Self::ChatsMerged {
                number: merged.number.get(),
                kept: merged.kept.to_string(),
                gone: merged.gone.to_string(),
            },
            E::Send(update) => Self::Send {
                chat: update.chat.to_string(),
                id: update.id.to_string(),
                state: SendState::of(&update.state),
            },
            E::Receipt(receipt) => Self::Receipt {
                chat: receipt.chat.to_string(),
                ids: receipt.ids.iter().map(ToString::to_string).collect(),
                sender: receipt.from.to_string(),
                kind: receipt_kind(&receipt.kind),
                timestamp: receipt.timestamp.map(types::time),
            },
            E::IdentityChanged { device } => Self::IdentityChanged { device: device.to_string() },
            E::StoreFailed { error } => Self::StoreFailed { error },
            E::Passkey(progress) => return passkey(progress),
            event => of_others(event),
        })
    }
}

fn receipt_kind(kind: &CoreReceipt) -> ReceiptKind {
    match kind {
        CoreReceipt::Delivered => ReceiptKind::Delivered,
        CoreReceipt::Sender => ReceiptKind::OwnDevice,
        CoreReceipt::Read => ReceiptKind::Read,
        CoreReceipt::ReadSelf => ReceiptKind::ReadSelf,
        CoreReceipt::Played => ReceiptKind::Played,
        CoreReceipt::PlayedSelf => ReceiptKind::PlayedSelf,
        CoreReceipt::Retry => ReceiptKind::Retry,
        CoreReceipt::Other(word) => ReceiptKind::Unknown { kind: word.to_string() },
        other => ReceiptKind::Unknown { kind: format!("{other:?}") },
    }
}

/// All that is rare, in words.
fn of_others(event: core::Event) -> Event {
    use core::Event as E;
    match event {
        E::PairingVetoed(_) => Event::PairingFailed { reason: "this account is not wanted here".to_owned() },
        E::LinkUnconfirmed => Event::PairingFailed { reason: "an earlier link never came about".to_owned() },
        E::Undecryptable(unread) => Event::Undecryptable {
            key: key(&unread.chat, &unread.sender, false, &unread.id),
            timestamp: types::time(unread.timestamp),
            reason: unread.error.to_string(),
        },
        E::MessageLost(lost) => Event::MessageLost {
            number: lost.number.get(),
            key: key(&lost.chat, &lost.sender, lost.from_me, &lost.id),
            timestamp: types::time(lost.timestamp),
            reason: types::snake(&format!("{:?}", lost.why)),
        },
        E::Undecodable(unread) => Event::Undecodable {
            number: unread.number.get(),
            key: key(&unread.chat, &unread.sender, unread.from_me, &unread.id),
            bytes: unread.bytes,
        },
        E::Presence(changed) => Event::Presence {
            chat: changed.chat.to_string(),
            user: changed.from.to_string(),
            available: !matches!(changed.state, core::PresenceState::Unavailable(_)),
            last_seen: match changed.state {
                core::PresenceState::Unavailable(core::LastSeen::At(at)) => Some(types::time(at)),
                _ => None,
            },
        },
        E::ChatState(changed) => Event::Typing {
            chat: changed.chat.to_string(),
            user: changed.user.to_string(),
            state: match changed.state {
                core::Typing::Composing => TypingState::Composing,
                core::Typing::Recording => TypingState::Recording,
                core::Typing::Paused => TypingState::Paused,
                _ => TypingState::Unknown,
            },
        },
        E::Profile(changed) => {
            Event::Profile { user: types::text(changed.of.as_ref()), what: types::word(&changed.change) }
        }
        E::Account(change) => Event::Account { what: types::word(&change) },
        E::Call(call) => step_of_call(*call),
        E::GroupChanged(changed) => group(*changed),
        E::AppState(change) => state(*change),
        E::Newsletter(change) => newsletter(*change),
        E::History(update) => history(*update),
        E::Media(core::MediaEvent::Reuploaded { chat, id, .. }) => {
            Event::Reuploaded { chat: chat.to_string(), id: id.to_string() }
        }
        other => Event::Unknown {
            number: other.inbox_number().map(core::InboxNumber::get),
            kind: types::word(&other),
            debug: format!("{other:?}"),
        },
    }
}

fn key(chat: &wa_types::Jid, sender: &wa_types::Jid, from_me: bool, id: &wa_types::MessageId) -> MessageKey {
    MessageKey {
        chat: chat.to_string(),
        id: id.to_string(),
        from_me,
        sender: (!from_me).then(|| sender.to_user().to_string()),
    }
}

/// The phone's wish, and the code to be compared, are told when there is something to answer: by the client's passkeys.
fn passkey(progress: core::PasskeyProgress) -> Option<Event> {
    use core::PasskeyProgress as P;
    Some(match progress {
        P::Asked | P::Code { is_handed_off: false, .. } => return None,
        P::Code { code, .. } => Event::PasskeyCode { code: Secret(code.to_string()), is_asked: false },
        P::Failed(failure) => Event::PasskeyFailed { reason: failure.to_string() },
        P::NoAuthenticator => Event::PasskeyFailed { reason: "nobody answers for passkeys here".to_owned() },
        other => Event::Unknown { number: None, kind: "passkey".to_owned(), debug: format!("{other:?}") },
    })
}

fn step_of_call(call: core::InboundCall) -> Event {
    let offer = match &call.signal {
        core::CallSignal::Offer(offer) | core::CallSignal::Notice(offer) => Some(offer.clone()),
        _ => None,
    };
    Event::Call {
        id: call.call_id.clone(),
        caller: call.creator.to_string(),
        what: match &call.signal {
            core::CallSignal::Other(word) => word.clone(),
            signal => types::word(signal),
        },
        video: offer.as_ref().is_some_and(|offer| offer.is_video),
        group: types::text(offer.as_ref().and_then(|offer| offer.group.as_ref())),
        call: Arc::new(Call(call)),
    }
}

fn group(changed: core::GroupChanged) -> Event {
    use core::GroupChange as G;
    let what = types::word(&changed.change);
    let mut text = None;
    let members = match changed.change {
        G::Added { members, .. }
        | G::Removed { members, .. }
        | G::Promoted { members }
        | G::Demoted { members } => members,
        G::InvitesRevoked { users } | G::JoinRequested { users, .. } | G::JoinRequestsGone { users } => users,
        G::NumberChanged { member } => vec![*member],
        G::Created(group) => {
            text = Some(group.subject);
            group.members
        }
        G::Subject { subject, .. } => {
            text = Some(subject);
            Vec::new()
        }
        G::Description { description } => {
            text = description.map(|description| description.text);
            Vec::new()
        }
        _ => Vec::new(),
    };
    Event::Group {
        group: changed.group.to_string(),
        actor: types::text(changed.actor.as_ref()),
        timestamp: types::time(changed.timestamp),
        what,
        users: members.iter().map(|member| GroupMember::of(member).address).collect(),
        text,
    }
}

fn state(change: core::AppStateEvent) -> Event {
    use core::AppStateEvent as A;
    let of = |collection: Collection| collection.name().to_owned();
    match change {
        A::Changed(changed) => Event::State {
            removed: changed.action.is_none(),
            full_sync: changed.origin == core::ChangeOrigin::FullSync,
            index: changed.index,
        },
        A::Synced { collection } => Event::StateSynced { collection: of(collection) },
        A::Refused { action, code } => {
            let (_, draft) = action.to_draft(UnixMillis(0));
            Event::StateRefused { index: read_index(&draft.index), code }
        }
        A::Broken { collection, error } => {
            Event::StateBroken { collection: of(collection), reason: error.to_string() }
        }
        A::KeysMissing { collection } => Event::StateKeysMissing { collection: of(collection) },
        other => Event::Unknown { number: None, kind: "app_state".to_owned(), debug: format!("{other:?}") },
    }
}

fn newsletter(change: core::NewsletterEvent) -> Event {
    use core::NewsletterEvent as N;
    let what = types::word(&change);
    let newsletter = match change {
        N::Posts { newsletter, .. } | N::Left { newsletter } => Some(newsletter),
        N::Joined(newsletter) | N::Muted(newsletter) => Some(newsletter.jid),
        N::Changed { newsletter, .. } => newsletter,
        _ => None,
    };
    Event::Newsletter { newsletter: types::text(newsletter.as_ref()), what }
}

fn history(update: core::HistoryUpdate) -> Event {
    use core::HistoryUpdate as H;
    match update {
        H::ChunkDone { progress, messages, .. } => Event::History { progress, messages, refused: false },
        H::ChunkFailed { kind, error, .. } => Event::HistoryFailed {
            kind: types::word(&kind),
            reason: types::word(&error),
            detail: error.to_string(),
        },
        H::Refused => Event::History { progress: None, messages: 0, refused: true },
        other => Event::Unknown { number: None, kind: "history".to_owned(), debug: format!("{other:?}") },
    }
}

#[cfg(test)]
mod tests {
    use wa_core::app_state::action::ChatAction;
    use wa_core::app_state::{Action, AppStateError};
    use wa_core::error::ChunkError;
    use wa_core::history::HistoryKind;

    use super::*;

    #[test]
    fn what_is_told_seldom_has_a_form_too() {
        let state = |change| Event::of(core::Event::AppState(Box::new(change)));
        let chat = "1@s.whatsapp.net".parse().unwrap();
        let action = Box::new(Action::Chat(ChatAction::Lock { chat, locked: true }));
        let refused = state(core::AppStateEvent::Refused { action, code: 403 });
        let Some(Event::StateRefused { index, code: 403 }) = refused else { panic!("{refused:?}") };
        assert_eq!(index, ["lock", "1@s.whatsapp.net"]);
        let synced = state(core::AppStateEvent::Synced { collection: Collection::Regular });
        assert!(matches!(synced, Some(Event::StateSynced { collection }) if collection == "regular"));
        let collection = Collection::RegularLow;
        let broken = state(core::AppStateEvent::Broken { collection, error: AppStateError::ValueMac });
        let Some(Event::StateBroken { collection, reason }) = broken else { panic!("{broken:?}") };
        assert_eq!((collection.as_str(), reason.contains("MAC")), ("regular_low", true));
        let missing = state(core::AppStateEvent::KeysMissing { collection: Collection::CriticalBlock });
        assert!(
            matches!(missing, Some(Event::StateKeysMissing { collection }) if collection == "critical_block")
        );

        let error = ChunkError::Network("no route".to_owned());
        let failed = core::HistoryUpdate::ChunkFailed { kind: HistoryKind::PushNames, chunk_order: 3, error };
        let failed = Event::of(core::Event::History(Box::new(failed)));
        let Some(Event::HistoryFailed { kind, reason, detail }) = failed else { panic!("{failed:?}") };
        assert_eq!((kind.as_str(), reason.as_str()), ("push_names", "network"));
        assert!(detail.contains("no route"));
    }

    /// Who hears the answer tells the question: see `Passkeys`.
    #[test]
    fn what_another_event_tells_is_not_told_twice() {
        assert!(Event::of(core::Event::Passkey(core::PasskeyProgress::Asked)).is_none());
    }
}
