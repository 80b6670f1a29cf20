//! Names of messages inside other messages. Protocol: messages, "Content types".

use wa_proto::common;
use wa_types::{Jid, MessageId};

/// Names a message.
///
/// It is told from one side: one that stands in a [`Content`](super::Content) from the side of who wrote that content,
/// all others from our own account's. `MessageReceived::target` tells the first as the second.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MessageKey {
    /// The chat that the message stands in.
    pub chat: Jid,
    /// Whether the account from whose side this is told wrote it.
    pub from_me: bool,
    /// The user who wrote it, where it is not said by `from_me`: in groups, in the status feed and in broadcast lists.
    pub sender: Option<Jid>,
    /// Its id.
    pub id: MessageId,
}

impl MessageKey {
    /// A message of our own account.
    #[must_use]
    pub fn own(chat: &Jid, id: MessageId) -> Self {
        Self { chat: chat.to_chat(), from_me: true, sender: None, id }
    }

    /// A message that somebody else wrote.
    #[must_use]
    pub fn by(sender: &Jid, chat: &Jid, id: MessageId) -> Self {
        Self { chat: chat.to_chat(), from_me: false, sender: Some(sender.to_user()), id }
    }

    /// `None` when it does not say which message of which chat.
    pub(crate) fn read(key: &common::MessageKey) -> Option<Self> {
        let sender = key.participant.as_deref().and_then(|sender| sender.parse::<Jid>().ok());
        Some(Self {
            chat: key.remote_jid.as_deref()?.parse::<Jid>().ok()?.to_chat(),
            from_me: key.from_me(),
            sender: sender.map(|sender| sender.to_user()),
            id: MessageId::new(key.id.as_deref().filter(|id| !id.is_empty())?),
        })
    }

    /// As it stands in a message that our account writes. Who wrote it is named where the chat does not say so.
    pub(crate) fn to_proto(&self) -> common::MessageKey {
        let is_named =
            !self.from_me && (self.chat.is_group() || self.chat.is_status() || self.chat.is_broadcast_list());
        common::MessageKey {
            remote_jid: Some(self.chat.to_string()),
            from_me: Some(self.from_me),
            id: Some(self.id.to_string()),
            participant: self.sender.as_ref().filter(|_| is_named).map(Jid::to_string),
        }
    }
}

impl From<&Self> for MessageKey {
    fn from(key: &Self) -> Self {
        key.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(chat: &str, from_me: bool, participant: Option<&str>) -> common::MessageKey {
        common::MessageKey {
            remote_jid: Some(chat.into()),
            from_me: Some(from_me),
            id: Some("X".into()),
            participant: participant.map(Into::into),
        }
    }

    #[test]
    fn the_writer_is_named_where_the_chat_does_not_say_it() {
        let ana = Jid::lid("11").with_device(3);
        let cases = [
            ("22@s.whatsapp.net", false, None),
            ("22@s.whatsapp.net", true, None),
            ("33@g.us", false, Some("11@lid")),
            ("33@g.us", true, None),
            ("status@broadcast", false, Some("11@lid")),
            ("44@newsletter", false, None),
        ];
        for (chat, from_me, participant) in cases {
            let chat_jid: Jid = chat.parse().unwrap();
            let key = if from_me {
                MessageKey::own(&chat_jid, "X".into())
            } else {
                MessageKey::by(&ana, &chat_jid, "X".into())
            };
            assert_eq!(key.to_proto(), wire(chat, from_me, participant), "{chat} {from_me}");
        }
    }

    #[test]
    fn a_key_without_a_chat_or_an_id_names_nothing() {
        assert!(MessageKey::read(&wire("33@g.us", false, Some("11@lid"))).is_some());
        assert!(MessageKey::read(&common::MessageKey { id: None, ..wire("33@g.us", false, None) }).is_none());
        assert!(
            MessageKey::read(&common::MessageKey { remote_jid: None, ..wire("3@g.us", true, None) })
                .is_none()
        );
        assert!(MessageKey::read(&wire("not an address", true, None)).is_none());
    }
}
