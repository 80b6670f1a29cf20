//! Up to which messages an action about a chat holds. Protocol: app state, "Action semantics".

use wa_proto::common::MessageKey;
use wa_proto::sync_action::{SyncActionMessage, SyncActionMessageRange};
use wa_types::{Jid, MessageId, UnixSeconds};

use super::field::Field;

/// The newest messages that the writer of an action knew: the action is about these and older ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MessageRange {
    /// When the last message came.
    pub last_message: Option<UnixSeconds>,
    /// When the last notice of the chat itself came.
    pub last_system_message: Option<UnixSeconds>,
    /// The newest of them, a handful.
    pub messages: Vec<RangeMessage>,
}

/// One message of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RangeMessage {
    /// The chat.
    pub chat: Jid,
    /// Its id.
    pub id: MessageId,
    /// Whether this account wrote it.
    pub from_me: bool,
    /// Who wrote it, in a group.
    pub participant: Option<Jid>,
    /// When it came.
    pub timestamp: UnixSeconds,
}

impl RangeMessage {
    /// A message of a chat. `participant` is who wrote it, needed in groups unless this account did.
    #[must_use]
    pub fn new(
        chat: Jid,
        id: MessageId,
        from_me: bool,
        participant: Option<Jid>,
        timestamp: UnixSeconds,
    ) -> Self {
        Self { chat, id, from_me, participant, timestamp }
    }
}

impl MessageRange {
    /// All that came up to the newest of these.
    #[must_use]
    pub fn up_to(messages: Vec<RangeMessage>) -> Self {
        let last_message = messages.iter().map(|message| message.timestamp).max();
        Self { last_message, last_system_message: None, messages }
    }
}

fn seconds(time: Option<i64>) -> Option<UnixSeconds> {
    time.and_then(|time| u64::try_from(time).ok()).filter(|time| *time > 0).map(UnixSeconds)
}

fn number(time: UnixSeconds) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

impl Field<Option<SyncActionMessageRange>> for MessageRange {
    fn read(proto: &Option<SyncActionMessageRange>) -> Self {
        let Some(proto) = proto else { return Self::default() };
        let messages = proto.messages.iter().filter_map(|message| {
            let key = message.key.as_ref()?;
            Some(RangeMessage {
                chat: key.remote_jid().parse().ok()?,
                id: MessageId::new(key.id()),
                from_me: key.from_me(),
                participant: key.participant.as_deref().and_then(|text| text.parse().ok()),
                timestamp: seconds(message.timestamp).unwrap_or_default(),
            })
        });
        Self {
            last_message: seconds(proto.last_message_timestamp),
            last_system_message: seconds(proto.last_system_message_timestamp),
            messages: messages.collect(),
        }
    }

    fn write(&self, proto: &mut Option<SyncActionMessageRange>) {
        let messages = self.messages.iter().map(|message| SyncActionMessage {
            key: Some(MessageKey {
                remote_jid: Some(message.chat.to_string()),
                from_me: Some(message.from_me),
                id: Some(message.id.to_string()),
                participant: message
                    .participant
                    .as_ref()
                    .filter(|_| !message.from_me)
                    .map(|participant| participant.to_user().to_string()),
            }),
            timestamp: Some(number(message.timestamp)),
        });
        *proto = Some(SyncActionMessageRange {
            last_message_timestamp: self.last_message.map(number),
            last_system_message_timestamp: self.last_system_message.map(number),
            messages: messages.collect(),
        });
    }
}
