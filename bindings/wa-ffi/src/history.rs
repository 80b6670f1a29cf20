//! The past of an account: what its phone sends after it was linked, and what it is asked for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use wa_core::client::{Anchor, HistoryReader};
use wa_core::history::{EndOfHistory, HistoryItem, HistoryMute};

use crate::client::{Client, Held};
use crate::content::Content;
use crate::error::WaError;
use crate::message::{Message, MessageKey};
use crate::runtime;
use crate::types;

/// A message of the past.
#[derive(Debug, Clone, uniffi::Record)]
pub struct PastMessage {
    /// Names it.
    pub key: MessageKey,
    /// Who wrote it.
    pub sender: String,
    /// When the service took it.
    pub timestamp: SystemTime,
    /// What the sender called itself.
    pub push_name: Option<String>,
    /// It has a star.
    pub is_starred: bool,
    /// What it says, unless it is only a notice of the chat itself.
    pub content: Option<Content>,
}

/// A chat of the past.
#[derive(Debug, Clone, uniffi::Record)]
pub struct PastChat {
    /// Its address.
    pub chat: String,
    /// The subject of a group, or the name of a contact.
    pub name: Option<String>,
    /// When something last happened in it.
    pub timestamp: Option<SystemTime>,
    /// How many messages are unread.
    pub unread: u32,
    /// It is in the archive.
    pub is_archived: bool,
    /// It is pinned.
    pub is_pinned: bool,
    /// It is silent: until `muted_until`, or for good.
    pub is_muted: bool,
    /// Until when it is silent.
    pub muted_until: Option<SystemTime>,
    /// How long messages in it stay.
    pub disappears_after: Option<Duration>,
    /// The phone has older messages of it: `older_messages` asks for them.
    pub has_more: bool,
    /// The members of a group.
    pub members: Vec<String>,
}

/// One of those that the phone knows.
#[derive(Debug, Clone, uniffi::Record)]
pub struct PastContact {
    /// The address.
    pub user: String,
    /// What the user calls itself.
    pub push_name: Option<String>,
    /// The name in the phone's address book.
    pub full_name: Option<String>,
    /// The first name there.
    pub first_name: Option<String>,
}

/// A part of the past. Those of one chat may come in several.
#[derive(Debug, Clone, uniffi::Record)]
pub struct HistoryPart {
    /// What the whole is that this is a part of: `initial`, `status`, `full`, `recent`, `push_names`, `others`, `on_demand`.
    pub kind: String,
    /// How far the whole is, in percent, where the phone says it.
    pub progress: Option<u32>,
    /// Messages; those of one chat newest first.
    pub messages: Vec<PastMessage>,
    /// Chats, after their messages.
    pub chats: Vec<PastChat>,
    /// Names of users.
    pub contacts: Vec<PastContact>,
    /// How many messages could not be read.
    pub unreadable: u64,
}

/// The past, a part at a time: while `ready`, `take` the part. It counts as taken when `ready` is asked again; a part of
/// which not all was taken comes again after a restart, so know messages by their keys. While nobody takes it, nothing but
/// the past waits.
#[derive(uniffi::Object)]
pub struct HistoryStream {
    reader: tokio::sync::Mutex<HistoryReader>,
    part: Mutex<Option<HistoryPart>>,
    is_stopped: AtomicBool,
    stopped: Notify,
    _account: Held,
}

impl std::fmt::Debug for HistoryStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HistoryStream").finish_non_exhaustive()
    }
}

impl HistoryStream {
    pub(crate) fn new(reader: HistoryReader, account: Held) -> Arc<Self> {
        Arc::new(Self {
            reader: tokio::sync::Mutex::new(reader),
            part: Mutex::new(None),
            is_stopped: AtomicBool::new(false),
            stopped: Notify::new(),
            _account: account,
        })
    }

    fn part(&self) -> std::sync::MutexGuard<'_, Option<HistoryPart>> {
        self.part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn filled(&self) -> bool {
        let mut reader = self.reader.lock().await;
        if self.part().is_some() {
            return true;
        }
        let Some(part) = reader.next().await else { return false };
        *self.part() = Some(HistoryPart::of(part));
        true
    }
}

#[uniffi::export]
impl HistoryStream {
    /// Waits for a part. True when there is one, false when there will be none any more. Takes nothing: cancelling it
    /// loses nothing.
    pub async fn ready(&self) -> bool {
        let stopped = self.stopped.notified();
        // In a process that was forked nothing comes: what reads it stayed in the parent.
        if self.is_stopped.load(Ordering::Acquire) || runtime::handle().is_err() {
            return false;
        }
        tokio::select! {
            is_filled = self.filled() => is_filled,
            () = stopped => false,
        }
    }

    /// Takes the part that is ready, without waiting.
    pub fn take(&self) -> Option<HistoryPart> {
        self.part().take()
    }

    /// Ends the stream: `ready` answers false. What was not taken comes again after a restart.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Release);
        self.part().take();
        self.stopped.notify_waiters();
    }
}

#[uniffi::export]
impl Client {
    /// The past that the phone sends, for a client that was connected with `reads_history`; nothing for all others. There
    /// is one such stream: who asks again goes on with it.
    pub fn history(&self) -> Result<Option<Arc<HistoryStream>>, WaError> {
        self.core()?;
        Ok(self.history.clone())
    }

    /// Asks our phone for messages of a chat that are older than this one, newest first, and waits so long for its
    /// answer.
    pub async fn older_messages(
        &self,
        before: MessageKey,
        at: SystemTime,
        count: u32,
        within: Duration,
    ) -> Result<Vec<PastMessage>, WaError> {
        let key = before.to_core()?;
        let anchor = Anchor::new(key.chat, key.id, key.from_me, types::seconds(at).to_millis());
        let page =
            self.call(|core| async move { core.history().on_demand(anchor, count, within).await }).await?;
        Ok(page.messages.into_iter().map(PastMessage::of).collect())
    }
}

impl PastMessage {
    fn of(message: wa_core::history::HistoryMessage) -> Self {
        Self {
            key: MessageKey {
                chat: message.chat.to_string(),
                id: message.id.to_string(),
                from_me: message.from_me,
                sender: (!message.from_me).then(|| message.sender.to_user().to_string()),
            },
            sender: message.sender.to_string(),
            timestamp: types::time(message.timestamp),
            is_starred: message.is_starred,
            content: message.message().map(|message| Message(message).content()),
            push_name: message.push_name,
        }
    }
}

impl PastChat {
    fn of(chat: wa_core::history::HistoryChat) -> Self {
        Self {
            chat: chat.jid.to_string(),
            name: chat.name,
            timestamp: chat.timestamp.map(types::time),
            unread: chat.unread,
            is_archived: chat.is_archived,
            is_pinned: chat.pinned.is_some(),
            is_muted: chat.mute.is_some(),
            muted_until: match chat.mute {
                Some(HistoryMute::Until(until)) => Some(types::time(until)),
                _ => None,
            },
            disappears_after: chat
                .ephemeral_seconds
                .filter(|seconds| *seconds > 0)
                .map(|seconds| Duration::from_secs(seconds.into())),
            has_more: chat.end == EndOfHistory::More,
            members: chat.members.iter().map(|member| member.user.to_string()).collect(),
        }
    }
}

impl HistoryPart {
    fn of(part: wa_core::client::HistoryPart) -> Self {
        let mut made = Self {
            kind: types::word(&part.kind),
            progress: part.progress,
            messages: Vec::new(),
            chats: Vec::new(),
            contacts: Vec::new(),
            unreadable: part.batch.unreadable,
        };
        for item in part.batch.items {
            match item {
                HistoryItem::Message(message) => made.messages.push(PastMessage::of(message)),
                HistoryItem::Chat(chat) => made.chats.push(PastChat::of(*chat)),
                HistoryItem::PushName { user, name } => made.contacts.push(PastContact {
                    user: user.to_string(),
                    push_name: name,
                    full_name: None,
                    first_name: None,
                }),
                HistoryItem::Contact { user, full_name, first_name, .. } => made.contacts.push(PastContact {
                    user: user.to_string(),
                    push_name: None,
                    full_name,
                    first_name,
                }),
                _ => {}
            }
        }
        made
    }
}
