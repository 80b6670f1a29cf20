//! Text, and the wrappers around it.

use wa_proto::e2e;

use super::Kind;

/// How many wrappers are looked through; honest messages have one or two.
const WRAPPER_LIMIT: usize = 8;

pub(super) fn kind(message: &e2e::Message) -> Kind {
    let inner = unwrap(message);
    if inner.conversation.is_some() || inner.extended_text_message.is_some() {
        Kind::Text
    } else if inner.protocol_message.is_some() {
        Kind::Protocol
    } else {
        Kind::Other
    }
}

pub(super) fn read(message: &e2e::Message) -> Option<&str> {
    let inner = unwrap(message);
    let extended = || inner.extended_text_message.as_ref()?.text.as_deref();
    inner
        .conversation
        .as_deref()
        .filter(|text| !text.is_empty())
        .or_else(extended)
        .or(inner.conversation.as_deref())
}

/// The message inside all wrappers that change nothing about a text.
pub(super) fn unwrap(message: &e2e::Message) -> &e2e::Message {
    let mut inner = message;
    for _ in 0..WRAPPER_LIMIT {
        let wrapper = [
            &inner.ephemeral_message,
            &inner.view_once_message,
            &inner.view_once_message_v2,
            &inner.view_once_message_v2_extension,
            &inner.document_with_caption_message,
            &inner.group_mentioned_message,
            &inner.bot_invoke_message,
            &inner.edited_message,
        ]
        .into_iter()
        .find_map(|wrapper| wrapper.as_ref()?.message.as_ref());
        match wrapper {
            Some(message) => inner = message,
            None => break,
        }
    }
    inner
}
