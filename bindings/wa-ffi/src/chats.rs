//! How chats stand, on all devices of the account.

use std::time::SystemTime;

use wa_core::app_state::action::{MessageRange, RangeMessage};
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

/// The newest message of a chat that something is about.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct NewestMessage {
    /// The message.
    pub key: MessageKey,
    /// When the service took it.
    pub at: SystemTime,
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

    /// Puts a chat behind the lock, or takes it from there. One that is locked is neither pinned nor in the archive any
    /// more.
    pub async fn lock_chat(&self, chat: String, is_locked: bool) -> Result<(), WaError> {
        let chat = types::jid(&chat)?;
        self.call(|core| async move {
            match is_locked {
                true => core.chats().lock(&chat).await,
                false => core.chats().unlock(&chat).await,
            }
        })
        .await
    }

    /// Removes the messages of a chat on all our devices; the chat stays. `newest` is the newest message that is meant: what
    /// came after it stays.
    #[uniffi::method(default(newest = None, with_starred = false, with_media = false))]
    pub async fn clear_chat(
        &self,
        chat: String,
        newest: Option<NewestMessage>,
        with_starred: bool,
        with_media: bool,
    ) -> Result<(), WaError> {
        let (chat, range) = (types::jid(&chat)?, range(newest)?);
        self.call(|core| async move { core.chats().clear(&chat, range, with_starred, with_media).await })
            .await
    }

    /// Removes a chat on all our devices, with its messages. `newest` is the newest message that is meant: what came after
    /// it stays.
    #[uniffi::method(default(newest = None, with_media = false))]
    pub async fn delete_chat(
        &self,
        chat: String,
        newest: Option<NewestMessage>,
        with_media: bool,
    ) -> Result<(), WaError> {
        let (chat, range) = (types::jid(&chat)?, range(newest)?);
        self.call(|core| async move { core.chats().delete(&chat, range, with_media).await }).await
    }

    /// Removes a message on all our devices, and not on others': for everyone, send `Message.delete`. `at` is when the
    /// service took it.
    #[uniffi::method(default(with_media = false))]
    pub async fn delete_for_me(
        &self,
        message: MessageKey,
        at: SystemTime,
        with_media: bool,
    ) -> Result<(), WaError> {
        let (named, at) = (named(&message)?, types::seconds(at));
        self.call(|core| async move { core.chats().delete_for_me(&named, at, with_media).await }).await
    }

    /// The messages that have a star, in no useful order.
    pub async fn starred(&self) -> Result<Vec<MessageKey>, WaError> {
        let starred = self.call(|core| async move { core.chats().starred().await }).await?;
        let of = |message: MessageRef| MessageKey {
            // Where nobody is named, it is who the chat is with.
            sender: (!message.from_me)
                .then(|| message.participant.as_ref().unwrap_or(&message.chat).to_string()),
            chat: message.chat.to_string(),
            id: message.id.to_string(),
            from_me: message.from_me,
        };
        Ok(starred.into_iter().map(of).collect())
    }

    /// The chats that come first, in order.
    pub async fn favorites(&self) -> Result<Vec<String>, WaError> {
        Ok(types::texts(&self.call(|core| async move { core.chats().favorites().await }).await?))
    }

    /// Says which chats come first, in order.
    pub async fn set_favorites(&self, chats: Vec<String>) -> Result<(), WaError> {
        let chats = types::jids(&chats)?;
        self.call(|core| async move { core.chats().set_favorites(&chats).await }).await
    }

    /// Whether the status posts of a user are hidden.
    pub async fn is_status_muted(&self, user: String) -> Result<bool, WaError> {
        let user = types::jid(&user)?;
        self.call(|core| async move { core.chats().is_status_muted(&user).await }).await
    }

    /// Hides the status posts of a user, or shows them again.
    pub async fn mute_status(&self, user: String, is_muted: bool) -> Result<(), WaError> {
        let user = types::jid(&user)?;
        self.call(|core| async move { core.chats().mute_status(&user, is_muted).await }).await
    }

    /// Gives a message a star, or takes it away.
    pub async fn star(&self, message: MessageKey, is_starred: bool) -> Result<(), WaError> {
        let named = named(&message)?;
        self.call(|core| async move {
            match is_starred {
                true => core.chats().star(&named).await,
                false => core.chats().unstar(&named).await,
            }
        })
        .await
    }
}

fn named(message: &MessageKey) -> Result<MessageRef, WaError> {
    let key = message.to_core()?;
    Ok(match &key.sender {
        Some(author) if key.chat.is_group() => MessageRef::in_group(&key.chat, author, &key.id),
        _ => MessageRef::direct(&key.chat, &key.id, key.from_me),
    })
}

fn range(newest: Option<NewestMessage>) -> Result<MessageRange, WaError> {
    let Some(newest) = newest else { return Ok(MessageRange::default()) };
    let (named, at) = (named(&newest.key)?, types::seconds(newest.at));
    let message = RangeMessage::new(named.chat, named.id, named.from_me, named.participant, at);
    Ok(MessageRange::up_to(vec![message]))
}
