//! What all devices of an account know of its chats: archive, pins, mutes, read marks, stars, deletions. Protocol: app
//! state, "Action semantics".

use wa_types::{Jid, MessageId, UnixMillis, UnixSeconds};

use super::Client;
use super::app_state::AppState;
use crate::app_state::action::{Action, ChatAction, MessageAction, MessageRange, SettingAction};
use crate::error::CallError;

/// The chats of an account; [`Client::chats`] gives it. How changes travel is said at [`AppState`].
#[derive(Debug, Clone, Copy)]
pub struct Chats<'c> {
    state: AppState<'c>,
}

/// How a chat is set up on all devices.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ChatSettings {
    /// In the archive.
    pub is_archived: bool,
    /// Pinned.
    pub is_pinned: bool,
    /// Silent, and until when.
    pub mute: Option<Mute>,
    /// Marked as unread by hand.
    pub is_marked_unread: bool,
    /// Behind the lock.
    pub is_locked: bool,
}

/// How long a chat is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mute {
    /// Until it is told otherwise.
    Forever,
    /// Until then.
    Until(UnixMillis),
}

/// Names one message, for stars and deletions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MessageRef {
    /// The chat.
    pub chat: Jid,
    /// Its id.
    pub id: MessageId,
    /// Whether this account wrote it.
    pub from_me: bool,
    /// Who wrote it: needed in groups, unless this account did.
    pub participant: Option<Jid>,
}

impl MessageRef {
    /// A message of a chat with one person.
    #[must_use]
    pub fn direct(chat: &Jid, id: &MessageId, from_me: bool) -> Self {
        Self { chat: chat.clone(), id: id.clone(), from_me, participant: None }
    }

    /// A message that this account wrote.
    #[must_use]
    pub fn own(chat: &Jid, id: &MessageId) -> Self {
        Self { chat: chat.clone(), id: id.clone(), from_me: true, participant: None }
    }

    /// A message that somebody wrote in a group.
    #[must_use]
    pub fn in_group(group: &Jid, author: &Jid, id: &MessageId) -> Self {
        Self { chat: group.clone(), id: id.clone(), from_me: false, participant: Some(author.to_user()) }
    }

    /// Of a message that was received.
    #[must_use]
    pub fn of(message: &crate::event::MessageReceived) -> Self {
        if message.from_me {
            Self::own(&message.chat, &message.id)
        } else if message.chat.is_user() {
            Self::direct(&message.chat, &message.id, false)
        } else {
            Self::in_group(&message.chat, &message.sender, &message.id)
        }
    }

    /// Who is named in the index; none is written for our own messages and in direct chats.
    fn author(&self) -> Result<Option<Jid>, CallError> {
        if self.from_me || self.chat.is_user() {
            return Ok(None);
        }
        self.participant.clone().map(Some).ok_or(CallError::AuthorMissing)
    }
}

impl Client {
    /// The account's chats, as all its devices see them.
    #[must_use]
    pub const fn chats(&self) -> Chats<'_> {
        Chats { state: self.app_state() }
    }
}

impl Chats<'_> {
    /// How a chat is set up. A chat that nothing is known of has the default.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn settings(&self, chat: &Jid) -> Result<ChatSettings, CallError> {
        let addresses = self.state.addresses(chat).await?;
        let mut settings = ChatSettings::default();
        let names = ["archive", "pin_v1", "mute", "markChatAsRead", "lock"];
        for said in self.state.about_each(&names, &addresses).await? {
            match said {
                Some(Action::Chat(ChatAction::Archive { archived, .. })) => settings.is_archived = archived,
                Some(Action::Chat(ChatAction::Pin { pinned, .. })) => settings.is_pinned = pinned,
                Some(Action::Chat(ChatAction::Mute { muted: true, until, .. })) => {
                    settings.mute = Some(until.map_or(Mute::Forever, Mute::Until));
                }
                Some(Action::Chat(ChatAction::MarkRead { read, .. })) => settings.is_marked_unread = !read,
                Some(Action::Chat(ChatAction::Lock { locked, .. })) => settings.is_locked = locked,
                _ => {}
            }
        }
        Ok(settings)
    }

    /// Puts a chat into the archive, up to these messages; it is not pinned any more.
    ///
    /// # Errors
    /// [`CallError`]; nothing was changed.
    pub async fn archive(&self, chat: &Jid, range: MessageRange) -> Result<(), CallError> {
        let archive = self.at("archive", chat).await?;
        let pin = self.at("pin_v1", chat).await?;
        let archive = ChatAction::Archive { chat: archive, archived: true, range };
        self.set([archive, ChatAction::Pin { chat: pin, pinned: false }]).await
    }

    /// Takes a chat out of the archive.
    ///
    /// # Errors
    /// As [`Self::archive`].
    pub async fn unarchive(&self, chat: &Jid, range: MessageRange) -> Result<(), CallError> {
        let chat = self.at("archive", chat).await?;
        self.set([ChatAction::Archive { chat, archived: false, range }]).await
    }

    /// Pins a chat; it is not in the archive any more.
    ///
    /// # Errors
    /// As [`Self::archive`].
    pub async fn pin(&self, chat: &Jid) -> Result<(), CallError> {
        let pin = self.at("pin_v1", chat).await?;
        let archive = self.at("archive", chat).await?;
        let archive = ChatAction::Archive { chat: archive, archived: false, range: MessageRange::default() };
        self.set([ChatAction::Pin { chat: pin, pinned: true }, archive]).await
    }

    /// Pins a chat no longer.
    ///
    /// # Errors
    /// As [`Self::archive`].
    pub async fn unpin(&self, chat: &Jid) -> Result<(), CallError> {
        let chat = self.at("pin_v1", chat).await?;
        self.set([ChatAction::Pin { chat, pinned: false }]).await
    }

    /// Makes a chat silent.
    ///
    /// # Errors
    /// As [`Self::archive`].
    pub async fn mute(&self, chat: &Jid, mute: Mute) -> Result<(), CallError> {
        let chat = self.at("mute", chat).await?;
        let until = match mute {
            Mute::Forever => None,
            Mute::Until(until) => Some(until),
        };
        self.set([ChatAction::Mute { chat, muted: true, until, auto_muted: None, mentions_until: None }])
            .await
    }

    /// Lets a chat make noise again.
    ///
    /// # Errors
    /// As [`Self::archive`].
    pub async fn unmute(&self, chat: &Jid) -> Result<(), CallError> {
        let chat = self.at("mute", chat).await?;
        let (until, auto_muted, mentions_until) = (None, None, None);
        self.set([ChatAction::Mute { chat, muted: false, until, auto_muted, mentions_until }]).await
    }

    /// Marks a chat as read on our devices, up to these messages. Their authors hear of it by
    /// [`Client::mark_read`] only.
    ///
    /// # Errors
    /// As [`Self::archive`].
    pub async fn mark_read(&self, chat: &Jid, range: MessageRange) -> Result<(), CallError> {
        let chat = self.at("markChatAsRead", chat).await?;
        self.set([ChatAction::MarkRead { chat, read: true, range }]).await
    }

    /// Marks a chat as unread on our devices.
    ///
    /// # Errors
    /// As [`Self::archive`].
    pub async fn mark_unread(&self, chat: &Jid, range: MessageRange) -> Result<(), CallError> {
        let chat = self.at("markChatAsRead", chat).await?;
        self.set([ChatAction::MarkRead { chat, read: false, range }]).await
    }

    /// Puts a chat behind the lock; it is neither in the archive nor pinned any more.
    ///
    /// # Errors
    /// As [`Self::archive`].
    pub async fn lock(&self, chat: &Jid) -> Result<(), CallError> {
        let lock = ChatAction::Lock { chat: self.at("lock", chat).await?, locked: true };
        let archive = self.at("archive", chat).await?;
        let archive = ChatAction::Archive { chat: archive, archived: false, range: MessageRange::default() };
        let pin = ChatAction::Pin { chat: self.at("pin_v1", chat).await?, pinned: false };
        self.set([lock, archive, pin]).await
    }

    /// Takes a chat from behind the lock.
    ///
    /// # Errors
    /// As [`Self::archive`].
    pub async fn unlock(&self, chat: &Jid) -> Result<(), CallError> {
        let chat = self.at("lock", chat).await?;
        self.set([ChatAction::Lock { chat, locked: false }]).await
    }

    /// Removes the messages of a chat on our devices, up to these; the chat stays.
    ///
    /// # Errors
    /// As [`Self::archive`].
    pub async fn clear(
        &self,
        chat: &Jid,
        range: MessageRange,
        delete_starred: bool,
        delete_media: bool,
    ) -> Result<(), CallError> {
        let chat = chat.to_user();
        self.set([ChatAction::Clear { chat, delete_starred, delete_media, range }]).await
    }

    /// Removes a chat on our devices, with its messages up to these.
    ///
    /// # Errors
    /// As [`Self::archive`].
    pub async fn delete(&self, chat: &Jid, range: MessageRange, delete_media: bool) -> Result<(), CallError> {
        self.set([ChatAction::Delete { chat: chat.to_user(), delete_media, range }]).await
    }

    /// Gives a message a star.
    ///
    /// # Errors
    /// As [`Self::archive`]; [`CallError::AuthorMissing`].
    pub async fn star(&self, message: &MessageRef) -> Result<(), CallError> {
        self.set_star(message, true).await
    }

    /// Takes a message's star.
    ///
    /// # Errors
    /// As [`Self::star`].
    pub async fn unstar(&self, message: &MessageRef) -> Result<(), CallError> {
        self.set_star(message, false).await
    }

    async fn set_star(&self, message: &MessageRef, starred: bool) -> Result<(), CallError> {
        let (chat, id, from_me) = (message.chat.to_user(), message.id.clone(), message.from_me);
        let participant = message.author()?;
        let star = MessageAction::Star { chat, id, from_me, participant, starred };
        self.state.set(vec![Action::Message(star)]).await
    }

    /// The messages with a star, in no useful order.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn starred(&self) -> Result<Vec<MessageRef>, CallError> {
        let stars = self.state.all("star").await?.into_iter().filter_map(|action| match action {
            Action::Message(MessageAction::Star { chat, id, from_me, participant, starred: true }) => {
                Some(MessageRef { chat, id, from_me, participant })
            }
            _ => None,
        });
        Ok(stars.collect())
    }

    /// Deletes a message on our devices, and not on others'. `timestamp` is when it came.
    ///
    /// # Errors
    /// As [`Self::star`].
    pub async fn delete_for_me(
        &self,
        message: &MessageRef,
        timestamp: UnixSeconds,
        delete_media: bool,
    ) -> Result<(), CallError> {
        let delete = MessageAction::DeleteForMe {
            chat: message.chat.to_user(),
            id: message.id.clone(),
            from_me: message.from_me,
            participant: message.author()?,
            delete_media,
            timestamp: Some(timestamp),
        };
        self.state.set(vec![Action::Message(delete)]).await
    }

    /// The chats that come first, in order.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn favorites(&self) -> Result<Vec<Jid>, CallError> {
        Ok(match self.state.get(&["favorites"]).await? {
            Some(Action::Setting(SettingAction::Favorites { chats })) => chats,
            _ => Vec::new(),
        })
    }

    /// Says which chats come first, in order.
    ///
    /// # Errors
    /// As [`Self::archive`].
    pub async fn set_favorites(&self, chats: &[Jid]) -> Result<(), CallError> {
        let chats = chats.iter().map(Jid::to_user).collect();
        self.state.set(vec![Action::Setting(SettingAction::Favorites { chats })]).await
    }

    /// Whether somebody's status posts are hidden.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn is_status_muted(&self, user: &Jid) -> Result<bool, CallError> {
        let addresses = self.state.addresses(user).await?;
        let action = self.state.about("userStatusMute", &addresses).await?;
        Ok(matches!(action, Some(Action::Chat(ChatAction::MuteStatus { muted: true, .. }))))
    }

    /// Hides somebody's status posts, or shows them again.
    ///
    /// # Errors
    /// As [`Self::archive`].
    pub async fn mute_status(&self, user: &Jid, muted: bool) -> Result<(), CallError> {
        let user = self.at("userStatusMute", user).await?;
        self.set([ChatAction::MuteStatus { user, muted }]).await
    }

    async fn at(&self, name: &str, chat: &Jid) -> Result<Jid, CallError> {
        self.state.address_in_use(name, chat).await
    }

    async fn set<const N: usize>(&self, actions: [ChatAction; N]) -> Result<(), CallError> {
        self.state.set(actions.into_iter().map(Action::Chat).collect()).await
    }
}
