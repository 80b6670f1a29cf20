//! What the event of a message holds. It is as confidential as the message: with its raw form come the keys of its files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use wa_core::Message;
use wa_core::event::{LostReason, RecoveredBy};
use wa_core::message::{Content, MessageKey};
use wa_types::Jid;

use super::item::{Received, What};
use super::provider::Provider;
use crate::event::EventKind;
use crate::sending::text_of;
use crate::store::ChatKind;

/// An encoded message of more bytes than this, with what was sealed in it, is left out of its event: `rawSize` says how
/// many there are, and what the event says of kind and text is what there is of it.
pub const MAX_RAW: usize = 256 * 1024;

/// A text of more bytes than this is cut: `isTextCut` says so.
pub const MAX_TEXT: usize = 64 * 1024;

/// What is known around a message.
pub(super) struct Around<'a> {
    pub(super) kind: ChatKind,
    pub(super) contact: Option<u64>,
    pub(super) provider: Option<&'a Provider>,
    pub(super) host: Host,
}

/// The host's own names for contact and chat.
#[derive(Debug, Clone, Default)]
pub(super) struct Host {
    pub(super) contact: Option<String>,
    pub(super) chat: Option<String>,
}

impl Around<'_> {
    /// Nothing but the sort of chat.
    pub(super) fn new(kind: ChatKind) -> Self {
        Self { kind, contact: None, provider: None, host: Host::default() }
    }
}

/// The event that tells of something that was received.
pub(super) fn event_of(received: &Received, around: &Around<'_>) -> (EventKind, Value) {
    let mut data = Map::new();
    let mut set = |name: &str, value: Value| {
        if !value.is_null() {
            data.insert(name.to_owned(), value);
        }
    };
    set("messageId", json!(received.id.as_str()));
    set("chat", json!(received.chat.to_string()));
    set("chatKind", json!(around.kind));
    set("contactId", json!(around.contact));
    set("hostContact", json!(around.host.contact));
    set("hostChat", json!(around.host.chat));
    set("provider", json!(around.provider.map(Provider::as_str)));
    set("sender", json!(received.sender.to_string()));
    set("senderAlt", json!(received.sender_alt.as_ref().map(Jid::to_string)));
    set("fromMe", json!(received.from_me));
    set("timestamp", json!(received.timestamp.to_millis().0));
    set("pushName", json!(received.push_name));
    set("post", json!(received.post));
    set("isBacklog", json!(received.is_backlog));
    set("recoveredBy", json!(received.recovered.and_then(recovered_by)));
    set("target", received.target.as_ref().map_or(Value::Null, key));
    match &received.what {
        What::Message(message) | What::Opened(message) => {
            set("isOpened", json!(matches!(received.what, What::Opened(_)).then_some(true)));
            of_message(message, &message.content(), set);
        }
        What::Undecodable { bytes } => {
            set("reason", json!("undecodable"));
            set("rawSize", json!(bytes));
        }
        What::Lost(why) => set("reason", json!(lost(*why))),
        What::OwnDevice => {}
    }
    (kind_of(received), Value::Object(data))
}

/// The kind of that event.
pub(super) fn kind_of(received: &Received) -> EventKind {
    match &received.what {
        What::Message(message) | What::Opened(message) => match message.content() {
            Content::Reaction(_) => EventKind::Reaction,
            _ => EventKind::MessageReceived,
        },
        What::Undecodable { .. } | What::Lost(_) => EventKind::MessageUndecryptable,
        What::OwnDevice => EventKind::MessageReceived,
    }
}

fn of_message(message: &Message, content: &Content, mut set: impl FnMut(&str, Value)) {
    set("kind", json!(snake(content.name())));
    if let Some(text) = text_of(content) {
        let cut = text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default();
        set("text", json!(cut));
        set("isTextCut", json!((cut.len() < text.len()).then_some(true)));
    }
    if let Content::Reaction(reaction) = content {
        set("reaction", json!(reaction.emoji));
    }
    let (raw, opened) = (message.encoded(), message.opened());
    let size = raw.len() + opened.map_or(0, <[u8]>::len);
    set("rawSize", json!(size));
    if size <= MAX_RAW {
        set("raw", json!(STANDARD.encode(raw)));
        set("opened", json!(opened.map(|opened| STANDARD.encode(opened))));
    }
}

fn key(key: &MessageKey) -> Value {
    json!({
        "messageId": key.id.as_str(),
        "chat": key.chat.to_string(),
        "fromMe": key.from_me,
        "sender": key.sender.as_ref().map(Jid::to_string),
    })
}

const fn recovered_by(by: RecoveredBy) -> Option<&'static str> {
    match by {
        RecoveredBy::Sender => Some("sender"),
        RecoveredBy::Phone => Some("phone"),
        _ => None,
    }
}

/// Why a message was given up, in words for programs.
const fn lost(why: LostReason) -> &'static str {
    match why {
        LostReason::NotAnswered => "not_answered",
        LostReason::Unreadable => "unreadable",
        LostReason::NotForThisDevice => "not_for_this_device",
        LostReason::OnlyKeys => "only_keys",
        LostReason::NoContent => "no_content",
        LostReason::MissingSecret => "missing_secret",
        LostReason::ForeignCopy => "foreign_copy",
        LostReason::TooMany => "too_many",
        _ => "unknown",
    }
}

/// `LiveLocation` as `live_location`.
fn snake(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_in_snake_case() {
        assert_eq!(snake("LiveLocation"), "live_location");
        assert_eq!(snake("Text"), "text");
    }

    #[test]
    fn what_is_too_large_is_cut_or_left_out_and_said() {
        let message = Message::text("é".repeat(MAX_RAW));
        let mut data = Map::new();
        of_message(&message, &message.content(), |name, value| {
            data.insert(name.to_owned(), value);
        });
        assert_eq!(data["text"].as_str().unwrap().len(), MAX_TEXT);
        assert_eq!(data["isTextCut"], true);
        assert_eq!(data["rawSize"], message.encoded().len());
        assert!(!data.contains_key("raw"));
    }
}
