//! Which message another one is about.

use super::{ChatKind, MessageReceived};
use crate::error::Sent;
use crate::message::{MessageKey, Quote};

impl MessageReceived {
    /// Names this message, from our account's side.
    #[must_use]
    pub fn key(&self) -> MessageKey {
        if self.from_me {
            MessageKey::own(&self.chat, self.id.clone())
        } else {
            MessageKey::by(&self.sender, &self.chat, self.id.clone())
        }
    }

    /// Tells a key that stands in this message from our account's side, as [`MessageKey`]s are to be handed to this
    /// library.
    ///
    /// In a group, a message of ours that somebody else names has us as its [sender](MessageKey::sender): compare it with
    /// the account's own addresses.
    #[must_use]
    pub fn resolve(&self, key: &MessageKey) -> MessageKey {
        let (chat, id) = (&self.chat, key.id.clone());
        if self.kind() == ChatKind::Direct {
            // There are two sides: who wrote this message, and the other.
            return if key.from_me == self.from_me {
                MessageKey::own(chat, id)
            } else {
                MessageKey::by(if self.from_me { chat } else { &self.sender }, chat, id)
            };
        }
        match &key.sender {
            _ if key.from_me && self.from_me => MessageKey::own(chat, id),
            _ if key.from_me => MessageKey::by(&self.sender, chat, id),
            Some(sender) => MessageKey::by(sender, chat, id),
            None => MessageKey { chat: chat.clone(), from_me: false, sender: None, id },
        }
    }

    /// The message that this one is about, from our account's side: what was reacted to, edited, deleted or pinned.
    #[must_use]
    pub fn target(&self) -> Option<MessageKey> {
        self.message.content().target().map(|key| self.resolve(key))
    }

    /// A quote of this message for an answer in another chat: in private to something that was said in a group.
    #[must_use]
    pub fn quote_elsewhere(&self) -> Quote {
        Quote::from(self).of_chat(&self.chat)
    }
}

impl From<&MessageReceived> for MessageKey {
    fn from(received: &MessageReceived) -> Self {
        received.key()
    }
}

impl From<&Sent> for MessageKey {
    fn from(sent: &Sent) -> Self {
        Self::own(&sent.chat, sent.id.clone())
    }
}

impl From<&MessageReceived> for Quote {
    fn from(received: &MessageReceived) -> Self {
        let quote = Self::new(received.id.clone(), &received.sender, received.message.clone());
        // The status feed is answered in the direct chat with the author.
        if received.kind() == ChatKind::Status { quote.of_chat(&received.chat) } else { quote }
    }
}

#[cfg(test)]
mod tests {
    use wa_types::{MessageId, UnixSeconds};

    use super::super::InboxNumber;
    use super::*;
    use crate::message::Message;

    fn received(chat: &str, sender: &str, from_me: bool) -> MessageReceived {
        MessageReceived {
            number: InboxNumber(1),
            chat: chat.parse().unwrap(),
            sender: sender.parse().unwrap(),
            sender_alt: None,
            from_me,
            id: MessageId::new("R"),
            post: None,
            timestamp: UnixSeconds(1),
            push_name: None,
            is_backlog: false,
            recovered: None,
            message: Message::text("x"),
        }
    }

    #[test]
    fn a_key_is_told_from_our_side() {
        let in_chat = [
            // Who wrote the message that holds the key, and what the key says; whether it is ours, and whose else.
            ("2@lid", "2:3@lid", false, true, None, false, Some("2@lid")),
            ("2@lid", "2:3@lid", false, false, None, true, None),
            ("2@lid", "9:1@lid", true, true, None, true, None),
            ("2@lid", "9:1@lid", true, false, None, false, Some("2@lid")),
            ("5@g.us", "2:3@lid", false, true, None, false, Some("2@lid")),
            ("5@g.us", "2:3@lid", false, false, Some("7@lid"), false, Some("7@lid")),
            ("5@g.us", "9:1@lid", true, true, None, true, None),
            ("5@g.us", "9:1@lid", true, false, Some("7@lid"), false, Some("7@lid")),
        ];
        for (chat, writer, from_me, key_from_me, participant, is_ours, sender) in in_chat {
            let received = received(chat, writer, from_me);
            let mut key = MessageKey::own(&"1@s.whatsapp.net".parse().unwrap(), "X".into());
            key.from_me = key_from_me;
            key.sender = participant.map(|jid| jid.parse().unwrap());
            let resolved = received.resolve(&key);
            assert_eq!(resolved.from_me, is_ours, "{chat} {writer} {key:?}");
            assert_eq!(
                resolved.sender.map(|jid| jid.to_string()).as_deref(),
                sender,
                "{chat} {writer} {key:?}"
            );
            assert_eq!((resolved.chat.to_string().as_str(), resolved.id.as_str()), (chat, "X"));
        }
    }

    #[test]
    fn a_status_is_quoted_as_one() {
        let status = received("status@broadcast", "2:3@lid", false);
        assert_eq!(Quote::from(&status).chat, Some(status.chat.clone()));
        assert_eq!(Quote::from(&received("2@lid", "2:3@lid", false)).chat, None);
        assert_eq!(status.key().sender, Some("2@lid".parse().unwrap()));
    }
}
