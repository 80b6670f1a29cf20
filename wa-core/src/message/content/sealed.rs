//! What is sealed with the secret of another message. Protocol: messages, "messageSecret and secret-encrypted content".

use wa_proto::e2e;

use crate::message::{MessageKey, read};

/// Something about another message, sealed with its secret: a vote, an answer, a reaction, a comment or an edit. Here it
/// is not opened: the secret is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sealed {
    /// The message; told from the side of who wrote this one.
    pub target: MessageKey,
}

impl Sealed {
    pub(super) fn read(m: &e2e::Message) -> Option<Self> {
        let key = None
            .or_else(|| m.poll_update_message.as_ref()?.poll_creation_message_key.as_ref())
            .or_else(|| m.enc_event_response_message.as_ref()?.event_creation_message_key.as_ref())
            .or_else(|| m.enc_reaction_message.as_ref()?.target_message_key.as_ref())
            .or_else(|| m.enc_comment_message.as_ref()?.target_message_key.as_ref())
            .or_else(|| m.secret_encrypted_message.as_ref()?.target_message_key.as_ref());
        Some(Self { target: read::key(key)? })
    }
}
