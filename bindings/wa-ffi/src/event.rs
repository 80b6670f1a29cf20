//! What happens to an account, as a host sees it. `conversion` makes it of what `wa-core` tells.

mod conversion;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wa_core::event as core;

use crate::content::Content;
use crate::message::{Message, MessageKey};
use crate::types::Secret;

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
        /// Why, for programs: `expired`, `not_confirmed` (mostly a wrong code), `too_many_answers`, `refreshed` (a new one
        /// comes by itself if the library made this one), `refresh_by_user`, `connection_lost`, `refused`, `not_renewed`.
        code: String,
        /// Why, for logs.
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
        /// Why, for programs: `declined`, `authenticator`, `request`, `phone`, `timeout`, `connection_lost`;
        /// `no_authenticator` when nobody answers for passkeys here.
        code: String,
        /// Why, for logs.
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
        /// What does not hold, for programs: `size`, `malformed`, `hmac` (it was not made from our code), `no_account_key`,
        /// `account_signature`; `vetoed` when this account is not wanted here, `unconfirmed` for an earlier link that never
        /// came about.
        code: String,
        /// What does not hold, for logs.
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
        /// Why it could not be read, for programs: `unreadable`, `device_identity`, `not_for_this_device`,
        /// `missing_secret`, `no_content`, `foreign_copy`.
        code: String,
        /// Why it could not be read, for logs.
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
        /// The new text, where there is one; for `setting` and `flag` which one it is, such as `announcement`. `group` tells
        /// how it is now.
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
        /// What is wrong with it, for programs: `missing_keys`, `version_gap`, `value_mac`, `index_mac`, `patch_mac`,
        /// `snapshot_mac`, `file_tampered`, `file_gone`, `duplicate_index`, `too_short`, `exit_code`, `malformed`.
        code: String,
        /// What is wrong with it, for logs.
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
        /// Where the file is now: `Attachment.moved` takes it. A secret: do not log it.
        place: Secret,
    },
    /// The store failed. What was being received comes again, once the store works.
    StoreFailed {
        /// What happened, under a name of WaError.Store.
        code: String,
        /// The store's words for it.
        detail: String,
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
    /// What kind of chat that is. What is sent to the chat of a status post is a post of the account's own: programs that answer
    /// by themselves answer `Direct` and `Group`.
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
    /// Call `reconnect`, which asks for the service's version first. When that is refused, too: use a newer release of the library.
    UpdateLibrary,
    /// Pair again.
    PairAgain,
    /// Something that this version does not know.
    Unknown,
}

impl Event {
    /// The number to confirm, for durable events.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
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
}
