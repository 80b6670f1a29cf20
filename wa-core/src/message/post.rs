//! Messages as posts of channels. Protocol: messages, "Newsletter".

use wa_types::{MessageId, UnixMillis};

use super::content::Edit;
use super::{Content, Message, MessageKey};
use crate::stanza::message::{Class, InboundMessage};

/// What a message is in a channel: a change of an earlier post goes under that one's id, as plain content.
pub(crate) struct Post {
    /// The post that it changes.
    pub(crate) changes: Option<MessageId>,
    pub(crate) class: Class,
    pub(crate) content: Vec<u8>,
}

impl Post {
    pub(crate) fn of(message: &Message) -> Self {
        match message.content() {
            Content::Edit(edit) => Self {
                changes: Some(edit.target.id),
                class: Class { edit: Some("3"), ..edit.message.class() },
                content: edit.message.content_bytes(),
            },
            Content::Revoke(revoke) => Self {
                changes: Some(revoke.target.id),
                class: Class { edit: Some("8"), ..Class::TEXT },
                content: Vec::new(),
            },
            _ => Self { changes: None, class: message.class(), content: message.content_bytes() },
        }
    }
}

/// What an edit of a post says.
pub(crate) fn edited(stanza: &InboundMessage, at: UnixMillis, message: Message) -> Message {
    let edit = Edit::new(key(stanza), message);
    Edit { at: (at.0 > 0).then_some(at), ..edit }.into()
}

/// What the deletion of a post says.
pub(crate) fn deleted(stanza: &InboundMessage) -> Message {
    Message::delete(key(stanza))
}

/// The post, told from the channel's side.
fn key(stanza: &InboundMessage) -> MessageKey {
    MessageKey::own(&stanza.from, stanza.id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_go_under_the_id_of_what_they_change() {
        let channel = "120363@newsletter".parse().unwrap();
        let key = MessageKey::own(&channel, "POST".into());
        let plain = Message::text("new").content_bytes();
        let post = Post::of(&Message::text("new"));
        assert_eq!((post.changes, post.class.edit, &post.content), (None, None, &plain));
        let post = Post::of(&Message::edit(key.clone(), Message::text("new")));
        assert_eq!((post.changes, post.class.edit, &post.content), (Some("POST".into()), Some("3"), &plain));
        let post = Post::of(&Message::delete(key));
        assert_eq!((post.changes, post.class.edit, post.content.len()), (Some("POST".into()), Some("8"), 0));
    }
}
