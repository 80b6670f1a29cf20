//! How chats stand, on all devices of the account.

use std::time::SystemTime;

use wa_core::app_state::action::MessageRange;
use wa_core::client::{MessageRef, Mute};

use crate::client::Client;
use crate::error::WaError;
use crate::message::MessageKey;
use crate::types;

/// How a chat stands.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ChatSettings {
    /// In the archive.
    pub is_archived: bool,
    /// Pinned.
    pub is_pinned: bool,
    /// Silent.
    pub is_muted: bool,
    /// Silent until then, unless it is for good.
    pub muted_until: Option<SystemTime>,
    /// Marked as unread by hand.
    pub is_marked_unread: bool,
    /// Behind the lock.
    pub is_locked: bool,
}

#[uniffi::export]
impl Client {
    /// How a chat stands.
    pub async fn chat_settings(&self, chat: String) -> Result<ChatSettings, WaError> {
        let chat = types::jid(&chat)?;
        let found = self.call(|core| async move { core.chats().settings(&chat).await }).await?;
        Ok(ChatSettings {
            is_archived: found.is_archived,
            is_pinned: found.is_pinned,
            is_muted: found.mute.is_some(),
            muted_until: match found.mute {
                Some(Mute::Until(until)) => Some(types::time_ms(until)),
                _ => None,
            },
            is_marked_unread: found.is_marked_unread,
            is_locked: found.is_locked,
        })
    }

    /// Puts a chat into the archive, or takes it out.
    pub async fn archive_chat(&self, chat: String, is_archived: bool) -> Result<(), WaError> {
        let chat = types::jid(&chat)?;
        self.call(|core| async move {
            match is_archived {
                true => core.chats().archive(&chat, MessageRange::default()).await,
                false => core.chats().unarchive(&chat, MessageRange::default()).await,
            }
        })
        .await
    }

    /// Pins a chat, or does no longer.
    pub async fn pin_chat(&self, chat: String, is_pinned: bool) -> Result<(), WaError> {
        let chat = types::jid(&chat)?;
        self.call(|core| async move {
            match is_pinned {
                true => core.chats().pin(&chat).await,
                false => core.chats().unpin(&chat).await,
            }
        })
        .await
    }

    /// Makes a chat silent: until then, or for good.
    #[uniffi::method(default(until = None))]
    pub async fn mute_chat(&self, chat: String, until: Option<SystemTime>) -> Result<(), WaError> {
        let chat = types::jid(&chat)?;
        let mute = until.map_or(Mute::Forever, |until| Mute::Until(types::seconds(until).to_millis()));
        self.call(|core| async move { core.chats().mute(&chat, mute).await }).await
    }

    /// Ends that a chat is silent.
    pub async fn unmute_chat(&self, chat: String) -> Result<(), WaError> {
        let chat = types::jid(&chat)?;
        self.call(|core| async move { core.chats().unmute(&chat).await }).await
    }

    /// Marks a chat as read or unread on our own devices. Senders hear nothing of it: that is `mark_read`.
    pub async fn mark_chat(&self, chat: String, is_read: bool) -> Result<(), WaError> {
        let chat = types::jid(&chat)?;
        self.call(|core| async move {
            match is_read {
                true => core.chats().mark_read(&chat, MessageRange::default()).await,
                false => core.chats().mark_unread(&chat, MessageRange::default()).await,
            }
        })
        .await
    }

    /// Gives a message a star, or takes it away.
    pub async fn star(&self, message: MessageKey, is_starred: bool) -> Result<(), WaError> {
        let key = message.to_core()?;
        let named = match &key.sender {
            Some(author) if key.chat.is_group() => MessageRef::in_group(&key.chat, author, &key.id),
            _ => MessageRef::direct(&key.chat, &key.id, key.from_me),
        };
        self.call(|core| async move {
            match is_starred {
                true => core.chats().star(&named).await,
                false => core.chats().unstar(&named).await,
            }
        })
        .await
    }
}
