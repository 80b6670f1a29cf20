//! Short ways to the common kinds, and what can be added to each of them.

use std::time::Duration;

use prost::Message as _;
use wa_proto::e2e;
use wa_types::Jid;

use super::content::{
    Audio, ContactCard, Disappearing, Document, Edit, Image, Keep, LinkPreview, Location, Pin, Poll,
    Reaction, Revoke, Sticker, Text, Video, in_album,
};
use super::context::Quote;
use super::{Message, MessageKey, Wrapper, beside, raw, read, wrapper};

impl Message {
    /// A text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::from_proto(e2e::Message { conversation: Some(text.into()), ..e2e::Message::default() })
    }

    /// A text with the preview of a link in it.
    #[must_use]
    pub fn link(text: impl Into<String>, preview: LinkPreview) -> Self {
        Text { text: text.into(), link: Some(preview), style: None }.into()
    }

    /// A picture.
    #[must_use]
    pub fn image(image: Image) -> Self {
        image.into()
    }

    /// A film, repeating or round when its file is of that kind.
    #[must_use]
    pub fn video(video: Video) -> Self {
        video.into()
    }

    /// A sound, or a voice note when its file is of that kind.
    #[must_use]
    pub fn audio(audio: Audio) -> Self {
        audio.into()
    }

    /// A file.
    #[must_use]
    pub fn document(document: Document) -> Self {
        document.into()
    }

    /// A sticker.
    #[must_use]
    pub fn sticker(sticker: Sticker) -> Self {
        sticker.into()
    }

    /// A place.
    #[must_use]
    pub fn location(location: Location) -> Self {
        location.into()
    }

    /// A contact's card.
    #[must_use]
    pub fn contact(card: ContactCard) -> Self {
        card.into()
    }

    /// A poll.
    #[must_use]
    pub fn poll(poll: Poll) -> Self {
        poll.into()
    }

    /// A reaction to a message: one emoji. It takes the place of our earlier one.
    #[must_use]
    pub fn reaction(target: impl Into<MessageKey>, emoji: impl Into<String>) -> Self {
        Reaction::new(target, emoji).into()
    }

    /// Takes our reaction to a message back.
    #[must_use]
    pub fn reaction_removed(target: impl Into<MessageKey>) -> Self {
        Reaction::new(target, "").into()
    }

    /// New content for a message of ours, which is not older than 20 minutes: for a text a text, for media the same file
    /// with another caption.
    #[must_use]
    pub fn edit(target: impl Into<MessageKey>, message: Self) -> Self {
        Edit::new(target, message).into()
    }

    /// Deletes a message for everyone: one of ours, or in a group that we administrate one of somebody else.
    #[must_use]
    pub fn delete(target: impl Into<MessageKey>) -> Self {
        Revoke::new(target).into()
    }

    /// Pins a message in its chat for a day, a week or 30 days.
    #[must_use]
    pub fn pin(target: impl Into<MessageKey>, duration: Duration) -> Self {
        Pin::new(target, duration).into()
    }

    /// Takes a pinned message down.
    #[must_use]
    pub fn unpin(target: impl Into<MessageKey>) -> Self {
        Pin::removed(target).into()
    }

    /// Keeps a message of a disappearing chat.
    #[must_use]
    pub fn keep(target: impl Into<MessageKey>) -> Self {
        Keep::new(target, true).into()
    }

    /// Keeps a message no longer.
    #[must_use]
    pub fn unkeep(target: impl Into<MessageKey>) -> Self {
        Keep::new(target, false).into()
    }

    /// Sets how long the messages of a direct chat stay from now on: a day, a week or 90 days; `None` for ever.
    #[must_use]
    pub fn disappearing(after: Option<Duration>) -> Self {
        Disappearing::new(after).into()
    }

    /// The same content once more, marked as forwarded one time more often. What it answered, and its secret, stay behind;
    /// what this version does not know of it goes along.
    #[must_use]
    pub fn forward(received: &Self) -> Self {
        /// Wrappers that belong to the content; each has it in its field 1.
        const KEPT: [(Wrapper, u32); 3] =
            [(Wrapper::DocumentWithCaption, 53), (Wrapper::LottieSticker, 74), (Wrapper::Poll, 93)];
        let unwrapped = wrapper::unwrapped(&received.decoded);
        let mut bytes = raw::without(&received.inner_bytes(), &beside::ALL);
        let around = unwrapped.wrappers.last();
        if let Some((_, number)) = KEPT.iter().find(|(kept, _)| Some(kept) == around) {
            bytes = raw::with_at(&[], &[*number, 1], bytes);
        }
        let old = received.context_bytes().and_then(|bytes| e2e::ContextInfo::decode(bytes.as_slice()).ok());
        let old = old.unwrap_or_default();
        let context = e2e::ContextInfo {
            is_forwarded: Some(true),
            forwarding_score: Some(old.forwarding_score().saturating_add(1)),
            mentioned_jid: old.mentioned_jid,
            group_mentions: old.group_mentions,
            forwarded_newsletter_message_info: old.forwarded_newsletter_message_info,
            ..Default::default()
        };
        let forwarded = Self::decode(bytes).expect("part of a message that decodes");
        forwarded.rewrite_context(|_| context.encode_to_vec())
    }

    /// As an answer to a message of the same chat, or of the status feed in the direct chat with its author.
    #[must_use]
    pub fn reply_to(self, quote: impl Into<Quote>) -> Self {
        let quote = quote.into();
        let context = e2e::ContextInfo {
            stanza_id: Some(quote.id.to_string()),
            participant: quote.sender.map(|sender| sender.to_user().to_string()),
            remote_jid: quote.chat.map(|chat| chat.to_string()),
            ..Default::default()
        };
        // What is quoted is told without what it quotes itself, and without keys.
        let quoted = quote.message.map(|message| {
            let bytes = raw::without(&message.inner_bytes(), &beside::ALL);
            let plain = Self::decode(bytes).expect("part of a message that decodes");
            let has_context = plain.context_bytes().is_some();
            let plain = if has_context {
                plain.rewrite_context(|own| raw::without(own, &[QUOTED_MESSAGE]))
            } else {
                plain
            };
            plain.bytes
        });
        self.rewrite_context(|own| {
            let mut added = context.encode_to_vec();
            if let Some(quoted) = quoted {
                added = raw::with(&added, QUOTED_MESSAGE, &quoted);
            }
            raw::overlaid(&raw::without(own, &[QUOTED_MESSAGE, REMOTE_JID]), &added)
        })
    }

    /// Mentions these users: the text has each as `@` and the user part of the same address. In a group that is addressed
    /// by LIDs, these are LIDs.
    #[must_use]
    pub fn mention(self, users: &[Jid]) -> Self {
        let mentioned_jid = users.iter().map(|user| user.to_user().to_string()).collect();
        self.with_context(&e2e::ContextInfo { mentioned_jid, ..Default::default() })
    }

    /// Mentions everybody in the group; the text has `@all`.
    #[must_use]
    pub fn mention_all(self) -> Self {
        self.with_context(&e2e::ContextInfo { non_jid_mentions: Some(1), ..Default::default() })
    }

    /// To disappear after this time, whatever the chat's setting is: a day, a week or 90 days.
    #[must_use]
    pub fn expire_after(self, time: Duration) -> Self {
        self.with_context(&e2e::ContextInfo {
            expiration: Some(read::span_to_wire(time)),
            ..Default::default()
        })
    }

    /// As one of the pictures and films of an album, whose message this is: `MessageKey::from(&sent)` of it.
    #[must_use]
    pub fn in_album(self, album: impl Into<MessageKey>) -> Self {
        let context = self.decoded.message_context_info.as_deref().cloned().unwrap_or_default();
        let message_association = Some(Box::new(in_album(&album.into())));
        let context = e2e::MessageContextInfo { message_association, ..context };
        self.with_nested(&[beside::CONTEXT], context.encode_to_vec())
    }

    /// To be viewed once: a picture, a film or a sound. Others stay as they are.
    #[must_use]
    pub fn view_once(self) -> Self {
        use super::Content;
        match self.content() {
            Content::Image(image) => Self::rebuilt(self, Image { is_view_once: true, ..image }.into()),
            Content::Video(video) => Self::rebuilt(self, Video { is_view_once: true, ..video }.into()),
            Content::Audio(audio) => Self::rebuilt(self, Audio { is_view_once: true, ..audio }.into()),
            _ => self,
        }
    }

    /// The new form of a content, with the context of the old.
    fn rebuilt(old: Self, new: Self) -> Self {
        let context = old.context_bytes();
        let new = match context {
            Some(context) => new.rewrite_context(|_| context),
            None => new,
        };
        match raw::field(&old.bytes, beside::CONTEXT) {
            Some(context) => new.with_nested(&[beside::CONTEXT], context.to_vec()),
            None => new,
        }
    }
}

/// `ContextInfo.quotedMessage` and `remoteJid`.
const QUOTED_MESSAGE: u32 = 3;
const REMOTE_JID: u32 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wa_types::UnixMillis;

    use super::*;
    use crate::message::content::{Content, Occasion};
    use crate::message::{Context, GroupMention};

    /// A field that this version does not know, with the number 5000.
    const UNKNOWN: [u8; 5] = [0xC2, 0xB8, 0x02, 1, 7];

    fn has_unknown(bytes: &[u8]) -> bool {
        bytes.windows(UNKNOWN.len()).any(|part| part == UNKNOWN)
    }

    fn key() -> MessageKey {
        MessageKey::own(&Jid::pn("2"), "X".into())
    }

    fn received(context: e2e::ContextInfo) -> Message {
        let text = e2e::ExtendedTextMessage {
            text: Some("hi".into()),
            context_info: Some(Box::new(context)),
            ..Default::default()
        };
        let text = [text.encode_to_vec().as_slice(), &UNKNOWN].concat();
        let secret = e2e::MessageContextInfo { message_secret: Some(vec![9; 32]), ..Default::default() };
        let beside = e2e::Message { message_context_info: Some(Box::new(secret)), ..Default::default() };
        let inner = [raw::with(&[], 6, &text).as_slice(), &beside.encode_to_vec()].concat();
        // In an ephemeral wrapper, as old clients send it.
        Message::from_encoded(raw::with_at(&[], &[40, 1], inner)).unwrap()
    }

    #[test]
    fn an_answer_quotes_what_it_answers_and_not_what_that_answered() {
        let quoted = received(e2e::ContextInfo {
            stanza_id: Some("OLDER".into()),
            quoted_message: Some(Box::new(e2e::Message {
                conversation: Some("old".into()),
                ..Default::default()
            })),
            mentioned_jid: vec!["7@lid".into()],
            ..Default::default()
        });
        let quote = Quote::new("Q".into(), &Jid::lid("3").with_device(4), quoted);
        let answer = Message::text("yes").mention(&[Jid::lid("8")]).reply_to(quote);
        assert_eq!(answer.as_text(), Some("yes"));
        let context = answer.context();
        assert_eq!(context.mentions, [Jid::lid("8")]);
        let quote = context.quote.unwrap();
        assert_eq!((quote.id.as_str(), quote.sender, quote.chat), ("Q", Some(Jid::lid("3")), None));
        let quoted = quote.message.unwrap();
        assert_eq!(quoted.as_text(), Some("hi"));
        assert!(has_unknown(quoted.encoded()), "its unknown fields");
        assert!(quoted.context().quote.is_none_or(|quote| quote.message.is_none()));
        assert_eq!(quoted.context().mentions, [Jid::lid("7")]);
        assert!(quoted.proto().message_context_info.is_none(), "not its secret");
    }

    #[test]
    fn a_plain_text_is_quoted_as_it_is() {
        let answer = Message::text("b").reply_to(Quote::new("Q".into(), &Jid::pn("3"), Message::text("a")));
        assert_eq!(answer.context().quote.unwrap().message.unwrap(), Message::text("a"));
    }

    #[test]
    fn what_is_added_stays_together() {
        let day = Duration::from_secs(86_400);
        let message = Message::text("@all @5").mention(&[Jid::lid("5")]).mention_all().expire_after(day);
        let context = message.context();
        assert!(context.mentions_all);
        assert_eq!((context.mentions, context.expiration), (vec![Jid::lid("5")], Some(day)));
        let item = Message::text("x").in_album(key());
        assert_eq!(item.association().unwrap().parent, key());
        // What has no place for a context stays as it is.
        assert_eq!(Message::reaction(key(), "+").mention_all(), Message::reaction(key(), "+"));
    }

    #[test]
    fn what_is_forwarded_keeps_the_content_and_leaves_the_rest() {
        let message = received(e2e::ContextInfo {
            stanza_id: Some("OLDER".into()),
            quoted_message: Some(Box::default()),
            forwarding_score: Some(3),
            is_forwarded: Some(true),
            expiration: Some(86_400),
            group_mentions: vec![e2e::GroupMention { group_jid: Some("5@g.us".into()), group_subject: None }],
            ..Default::default()
        });
        let forwarded = Message::forward(&message);
        assert_eq!((forwarded.as_text(), forwarded.wrappers()), (Some("hi"), Vec::new()));
        assert!(has_unknown(forwarded.encoded()));
        assert!(forwarded.proto().message_context_info.is_none(), "no secret");
        let group = GroupMention { group: "5@g.us".parse().unwrap(), subject: String::new() };
        let expected = Context { forwarded: Some(4), group_mentions: vec![group], ..Context::default() };
        assert!(forwarded.context() == expected);
        assert_eq!(Message::forward(&Message::text("a")).context().forwarded, Some(1));
    }

    #[test]
    fn a_forwarded_document_keeps_its_caption() {
        use crate::media::{Attachment, MediaKind};
        let document = Document::new(Attachment::new(MediaKind::Document), "a/b", "n").caption("c");
        let forwarded = Message::forward(&Message::from(document));
        assert_eq!(forwarded.wrappers(), [Wrapper::DocumentWithCaption]);
        assert!(
            matches!(forwarded.content(), Content::Document(document) if document.caption.as_deref() == Some("c"))
        );
    }

    #[test]
    fn an_edit_carries_the_new_content_without_its_keys() {
        let edit = Message::edit(key(), received(e2e::ContextInfo::default()));
        let Content::Edit(edit) = edit.content() else { panic!("an edit") };
        assert_eq!((edit.message.as_text(), edit.target), (Some("hi"), key()));
        assert!(has_unknown(edit.message.encoded()));
    }

    #[test]
    fn the_time_of_sending_is_set_where_the_caller_did_not() {
        let (now, then) = (UnixMillis(5_000_500), Some(UnixMillis(7)));
        let times = |message: Message| match message.stamped(now).content() {
            Content::Reaction(Reaction { at, .. })
            | Content::Edit(Edit { at, .. })
            | Content::Pin(Pin { at, .. })
            | Content::Keep(Keep { at, .. }) => at,
            Content::Disappearing(Disappearing { since, .. }) => since.map(wa_types::UnixSeconds::to_millis),
            other => panic!("{other:?}"),
        };
        assert_eq!(times(Message::reaction(key(), "+")), Some(now));
        assert_eq!(times(Reaction { at: then, ..Reaction::new(key(), "+") }.into()), then);
        assert_eq!(times(Message::edit(key(), Message::text("x"))), Some(now));
        assert_eq!(times(Message::unpin(key())), Some(now));
        assert_eq!(times(Message::keep(key())), Some(now));
        assert_eq!(times(Message::disappearing(None)), Some(UnixMillis(5_000_000)));
        let event = Message::from(Occasion::new("n", wa_types::UnixSeconds(1)));
        assert_eq!(event.clone().stamped(now), event);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(message) = Message::from_encoded(bytes) {
                exercise(&message);
            }
        }

        /// Bytes at the places where contents, wrappers and contexts are.
        #[test]
        fn any_nested_bytes_are_read_or_refused(
            wrapper in prop_oneof![Just(40_u32), Just(58), Just(31), Just(53)],
            field in 1_u32..132,
            inner in 1_u32..30,
            bytes in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let nested = if wrapper == 31 { 2 } else { 1 };
            for path in [&[field][..], &[field, inner], &[wrapper, nested, field], &[wrapper, nested, field, inner]] {
                if let Ok(message) = Message::from_encoded(raw::with_at(&[], path, bytes.clone())) {
                    exercise(&message);
                }
            }
        }
    }

    /// All that can be asked of a message, and done with it.
    fn exercise(message: &Message) {
        let content = message.content();
        let (_, _, _) = (content.target().cloned(), format!("{message:?}"), message.class());
        let context = message.context();
        if let Some(quoted) = context.quote.and_then(|quote| quote.message) {
            let _ = quoted.content();
        }
        let _ = (message.wrappers(), message.association(), message.as_text(), message.is_view_once());
        let forwarded = Message::forward(message);
        let answer = forwarded.reply_to(Quote::new("Q".into(), &Jid::pn("3"), message.clone()));
        let _ = answer.mention_all().view_once().stamped(UnixMillis(1)).content();
        let _ = Message::edit(key(), message.clone()).content();
    }
}
