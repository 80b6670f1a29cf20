//! Labels of chats and messages, and quick replies. Protocol: app state, "Action semantics".

use wa_types::{Jid, MessageId};

use super::Client;
use super::app_state::AppState;
use crate::app_state::action::{Action, BusinessAction, LabelAction, LabelKind};
use crate::error::CallError;

/// The labels of an account; [`Client::labels`] gives it. How changes travel is said at [`AppState`].
#[derive(Debug, Clone, Copy)]
pub struct Labels<'c> {
    state: AppState<'c>,
}

/// A label. `Debug` shows no name.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Label {
    /// Its id: a number as text.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its colour, as a number of the app's palette.
    pub color: Option<i32>,
    /// Which of the predefined ones it is.
    pub predefined: Option<i32>,
    /// What kind of list it is.
    pub kind: Option<LabelKind>,
    /// Its place among the others.
    pub order: Option<i32>,
}

impl std::fmt::Debug for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Label").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Label {
    /// A label of the user's own. The id must not be in use: [`Labels::all`] tells which are.
    #[must_use]
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        let (id, name) = (id.into(), name.into());
        Self { id, name, color: None, predefined: None, kind: Some(LabelKind::Custom), order: None }
    }

    /// In this colour.
    #[must_use]
    pub const fn color(mut self, color: i32) -> Self {
        self.color = Some(color);
        self
    }

    fn of(action: Action) -> Option<Self> {
        match action {
            Action::Label(LabelAction::Edit {
                id,
                name,
                color,
                predefined,
                deleted: false,
                order,
                kind,
                ..
            }) => Some(Self { id, name: name.unwrap_or_default(), color, predefined, kind, order }),
            _ => None,
        }
    }

    fn to_action(&self, deleted: bool) -> Action {
        Action::Label(LabelAction::Edit {
            id: self.id.clone(),
            name: Some(self.name.clone()),
            color: self.color,
            predefined: self.predefined,
            deleted,
            order: self.order,
            active: None,
            kind: self.kind,
            immutable: None,
            muted_until: None,
        })
    }
}

/// A text that is sent by its shortcut. `Debug` shows no text.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuickReply {
    /// Its id: any text that stays the same.
    pub id: String,
    /// What is typed for it.
    pub shortcut: String,
    /// What it says.
    pub message: String,
    /// What it is found by.
    pub keywords: Vec<String>,
    /// How often it was used.
    pub count: Option<i32>,
}

impl std::fmt::Debug for QuickReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuickReply").field("id", &self.id).finish_non_exhaustive()
    }
}

impl QuickReply {
    /// A quick reply.
    #[must_use]
    pub fn new(id: impl Into<String>, shortcut: impl Into<String>, message: impl Into<String>) -> Self {
        let (id, shortcut, message) = (id.into(), shortcut.into(), message.into());
        Self { id, shortcut, message, keywords: Vec::new(), count: None }
    }

    fn of(action: Action) -> Option<Self> {
        match action {
            Action::Business(BusinessAction::QuickReply {
                id,
                shortcut,
                message,
                keywords,
                count,
                deleted: false,
                ..
            }) => Some(Self { id, shortcut, message, keywords, count }),
            _ => None,
        }
    }

    fn to_action(&self, deleted: bool) -> Action {
        Action::Business(BusinessAction::QuickReply {
            id: self.id.clone(),
            shortcut: self.shortcut.clone(),
            message: self.message.clone(),
            keywords: self.keywords.clone(),
            count: self.count,
            deleted,
            labels: Vec::new(),
        })
    }
}

impl Client {
    /// The account's labels, and its quick replies.
    #[must_use]
    pub const fn labels(&self) -> Labels<'_> {
        Labels { state: self.app_state() }
    }
}

impl Labels<'_> {
    /// All labels, by id.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn all(&self) -> Result<Vec<Label>, CallError> {
        Ok(self.state.all("label_edit").await?.into_iter().filter_map(Label::of).collect())
    }

    /// Makes a label, or changes the one of this id.
    ///
    /// # Errors
    /// [`CallError`]; nothing was changed.
    pub async fn put(&self, label: &Label) -> Result<(), CallError> {
        self.state.set(vec![label.to_action(false)]).await
    }

    /// Deletes a label.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn delete(&self, label: &Label) -> Result<(), CallError> {
        self.state.set(vec![label.to_action(true)]).await
    }

    /// Gives a chat a label, or takes it.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn label_chat(&self, id: &str, chat: &Jid, labeled: bool) -> Result<(), CallError> {
        let (id, chat) = (id.to_owned(), chat.to_user());
        let action = LabelAction::Chat { id, chat, labeled, model_data: None };
        self.state.set(vec![Action::Label(action)]).await
    }

    /// Gives a message a label, or takes it.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn label_message(
        &self,
        id: &str,
        chat: &Jid,
        message: &MessageId,
        labeled: bool,
    ) -> Result<(), CallError> {
        let (id, chat, message) = (id.to_owned(), chat.to_user(), message.clone());
        let (from_me, participant, model_data) = (false, None, None);
        let action = LabelAction::Message { id, chat, message, from_me, participant, labeled, model_data };
        self.state.set(vec![Action::Label(action)]).await
    }

    /// The chats with a label.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn chats(&self, label: &str) -> Result<Vec<Jid>, CallError> {
        let all = self.state.all("label_jid").await?;
        let chats = all.into_iter().filter_map(|action| match action {
            Action::Label(LabelAction::Chat { id, chat, labeled: true, .. }) if id == label => Some(chat),
            _ => None,
        });
        Ok(chats.collect())
    }

    /// The messages with a label, and their chats.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn messages(&self, label: &str) -> Result<Vec<(Jid, MessageId)>, CallError> {
        let all = self.state.all("label_message").await?;
        let messages = all.into_iter().filter_map(|action| match action {
            Action::Label(LabelAction::Message { id, chat, message, labeled: true, .. }) if id == label => {
                Some((chat, message))
            }
            _ => None,
        });
        Ok(messages.collect())
    }

    /// All quick replies, by id.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn quick_replies(&self) -> Result<Vec<QuickReply>, CallError> {
        Ok(self.state.all("quick_reply").await?.into_iter().filter_map(QuickReply::of).collect())
    }

    /// Makes a quick reply, or changes the one of this id.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn put_quick_reply(&self, reply: &QuickReply) -> Result<(), CallError> {
        self.state.set(vec![reply.to_action(false)]).await
    }

    /// Deletes a quick reply.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn delete_quick_reply(&self, reply: &QuickReply) -> Result<(), CallError> {
        self.state.set(vec![reply.to_action(true)]).await
    }
}
