//! A message that came, as its event tells it: enough to answer it, to say that it was read, and to fetch its file.
//! Requirements: manager.md, 4.4.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use wa_core::Message;
use wa_core::message::{MessageKey, Quote};
use wa_types::{Jid, MessageId};

use crate::event::{EventKind, EventRecord};
use crate::sending::SendRequest;

/// A message that came, with what its `message.received` event says of it: the event's `data`, read from JSON, is one.
/// Other fields are passed over. `Debug` does not show what the message says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "made by hosts from what they kept of the event")]
pub struct InboundMessage {
    /// Its id.
    #[serde(rename = "messageId", with = "crate::text::of_id")]
    pub id: MessageId,
    /// The chat that it came in.
    #[serde(with = "crate::text::of_jid")]
    pub chat: Jid,
    /// Who wrote it.
    #[serde(with = "crate::text::of_jid")]
    pub sender: Jid,
    /// Whether our own account wrote it, on another device.
    #[serde(default)]
    pub from_me: bool,
    /// The encoded message, in base64. Large ones have none: see [`MAX_RAW`](super::MAX_RAW).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// What was sealed in it and is opened, in base64: of a vote, a comment, an answer to an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<String>,
}

/// This is no message that came, or not one that we can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a message that came")]
pub struct NotAMessage;

impl InboundMessage {
    /// The message that an event tells of.
    ///
    /// # Errors
    /// [`NotAMessage`]: it tells of something else.
    pub fn of(event: &EventRecord) -> Result<Self, NotAMessage> {
        if !matches!(event.kind, EventKind::MessageReceived | EventKind::Reaction) {
            return Err(NotAMessage);
        }
        Self::deserialize(&event.data).map_err(|_| NotAMessage)
    }

    /// What it says, if that was kept.
    ///
    /// # Errors
    /// [`NotAMessage`]: what was kept is no message.
    pub fn message(&self) -> Result<Option<Message>, NotAMessage> {
        let Some(raw) = &self.raw else { return Ok(None) };
        let decode = |text| STANDARD.decode(text).map_err(|_| NotAMessage);
        let message = Message::from_encoded(decode(raw)?).map_err(|_| NotAMessage)?;
        Ok(Some(match &self.opened {
            Some(opened) => message.with_opened(decode(opened)?),
            None => message,
        }))
    }

    /// Names it, from our account's side.
    #[must_use]
    pub fn key(&self) -> MessageKey {
        if self.from_me {
            MessageKey::own(&self.chat, self.id.clone())
        } else {
            MessageKey::by(&self.sender, &self.chat, self.id.clone())
        }
    }

    /// A request to answer it with this message, which quotes it. A status post is answered in the direct chat with its
    /// author.
    pub fn answer(&self, message: Message) -> SendRequest {
        let mut quote = Quote::new(self.id.clone(), &self.sender, Message::text(""));
        quote.message = self.message().unwrap_or_default();
        if self.chat.is_status() {
            return SendRequest::new(self.sender.to_user(), message.reply_to(quote.of_chat(&self.chat)));
        }
        SendRequest::new(self.chat.clone(), message.reply_to(quote))
    }
}

impl fmt::Debug for InboundMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundMessage")
            .field("id", &self.id)
            .field("chat", &self.chat)
            .field("from_me", &self.from_me)
            .field("raw", &self.raw.as_ref().map(String::len))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use wa_core::message::Content;

    use super::*;

    fn message(chat: &str, sender: &str) -> InboundMessage {
        let raw = STANDARD.encode(Message::text("are you there?").encoded());
        let text = serde_json::json!({
            "messageId": "AB", "chat": chat, "sender": sender, "raw": raw, "text": "are you there?", "fromMe": false,
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn an_answer_quotes_what_it_answers() {
        let asked = message("628111@s.whatsapp.net", "628111:3@s.whatsapp.net");
        let answer = asked.answer(Message::text("yes"));
        assert_eq!(answer.to(), &asked.chat);
        let json = serde_json::to_value(&asked).unwrap();
        assert_eq!(serde_json::from_value::<InboundMessage>(json).unwrap(), asked);
        assert!(!format!("{asked:?}").contains(asked.raw.as_ref().unwrap()));
        // Without what it said it is answered all the same.
        let large = InboundMessage { raw: None, ..asked };
        assert_eq!(large.message(), Ok(None));
        assert_eq!(large.answer(Message::text("yes")).to(), &large.chat);
        let broken = InboundMessage { raw: Some("*".to_owned()), ..large };
        assert_eq!(broken.message(), Err(NotAMessage));
    }

    #[test]
    fn a_status_post_is_answered_in_person() {
        let post = message("status@broadcast", "628111:3@s.whatsapp.net");
        assert_eq!(post.answer(Message::text("nice")).to(), &post.sender.to_user());
        assert!(matches!(post.message().unwrap().unwrap().content(), Content::Text(_)));
    }
}
