//! Messages that came to an account of a manager, as its events tell of them.

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use wa_manager::inbound as core;
use wa_types::UnixMillis;

use crate::account::Account;
use crate::content::Content;
use crate::error::WaError;
use crate::event::ChatKind;
use crate::limits::{SendResult, result};
use crate::message::{Message, MessageKey};
use crate::types;

/// A message that came to an account of a manager: to answer it, to say that it was read, and to fetch its file.
#[derive(Debug, Clone, uniffi::Record)]
pub struct InboundMessage {
    /// Names it, for reactions, answers, edits.
    pub key: MessageKey,
    /// Its id.
    pub id: String,
    /// The chat.
    pub chat: String,
    /// What kind of chat that is. What is sent to the chat of a status post is a post of the account's own.
    pub chat_kind: ChatKind,
    /// The device that wrote it.
    pub sender: String,
    /// The other address of the sender, where it is known: the LID of a phone number, the phone number of a LID.
    pub sender_alt: Option<String>,
    /// Our own account wrote it, on another device.
    pub from_me: bool,
    /// When the service took it.
    pub timestamp: SystemTime,
    /// What the sender calls itself.
    pub push_name: Option<String>,
    /// It came with what there was while we were away.
    pub is_backlog: bool,
    /// Its text, or the caption of its file. One of more than 64 KiB is cut.
    pub text: Option<String>,
    /// What it says; nothing when it is so large (256 KiB) that its event does not have it.
    pub content: Option<Content>,
    /// The message that it answers, as far as it is named.
    pub quoted: Option<String>,
    /// The users that it mentions.
    pub mentions: Vec<String>,
    /// The message itself, where there is its content: to quote it, to send it on, to keep it.
    pub message: Option<Arc<Message>>,
}

/// What the event says besides what is needed to answer it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    sender_alt: Option<String>,
    #[serde(default)]
    timestamp: u64,
    push_name: Option<String>,
    #[serde(default)]
    is_backlog: bool,
    text: Option<String>,
}

impl InboundMessage {
    /// Nothing when the event tells of something else.
    pub(crate) fn of(data: &serde_json::Value) -> Option<Self> {
        let (core, told) = (core::InboundMessage::deserialize(data).ok()?, Told::deserialize(data).ok()?);
        let message = core.message().ok().flatten();
        let context = message.as_ref().map(wa_core::Message::context);
        Some(Self {
            key: MessageKey::of(&core.key()),
            id: core.id.to_string(),
            chat: core.chat.to_string(),
            chat_kind: ChatKind::of(&core.chat),
            sender: core.sender.to_string(),
            sender_alt: told.sender_alt,
            from_me: core.from_me,
            timestamp: types::time_ms(UnixMillis(told.timestamp)),
            push_name: told.push_name,
            is_backlog: told.is_backlog,
            text: told.text,
            content: message.as_ref().map(Content::of),
            quoted: context.as_ref().and_then(|context| Some(context.quote.as_ref()?.id.to_string())),
            mentions: context.map(|context| types::texts(&context.mentions)).unwrap_or_default(),
            message: message.map(|message| Arc::new(Message(message))),
        })
    }

    pub(crate) fn to_core(&self) -> Result<core::InboundMessage, WaError> {
        let message = self.message.as_ref().map(|message| &message.0);
        Ok(core::InboundMessage {
            id: types::message_id(&self.id)?,
            chat: types::jid(&self.chat)?,
            sender: types::jid(&self.sender)?,
            from_me: self.from_me,
            raw: message.map(|message| STANDARD.encode(message.encoded())),
            opened: message.and_then(|message| message.opened()).map(|opened| STANDARD.encode(opened)),
        })
    }
}

/// The message that an event of a manager tells of, by the event's `data`: for whoever kept that.
#[uniffi::export]
pub fn message_of_event(data: String) -> Result<InboundMessage, WaError> {
    let data = serde_json::from_str(&data).map_err(|error| WaError::invalid("no_message", error))?;
    InboundMessage::of(&data)
        .ok_or_else(|| WaError::invalid("no_message", "this tells of no message that came"))
}

#[uniffi::export]
impl Account {
    /// Answers a message, which is quoted, within the account's limits.
    pub async fn reply(&self, to: InboundMessage, message: Arc<Message>) -> Result<SendResult, WaError> {
        let to = to.to_core()?;
        Ok(result(self.call(|account| async move { account.reply(&to, message.0.clone()).await }).await?))
    }

    /// Tells the senders that these messages were read.
    pub async fn mark_read(&self, messages: Vec<InboundMessage>) -> Result<(), WaError> {
        let messages = messages.iter().map(InboundMessage::to_core).collect::<Result<Vec<_>, _>>()?;
        self.call(|account| async move { account.mark_read(&messages).await }).await
    }
}
