//! What a content says about itself: what it answers, whom it mentions, where it came from, when it disappears. Protocol:
//! messages, "contextInfo".

use std::time::Duration;

use prost::Message as _;
use wa_proto::e2e;
use wa_types::{Jid, MessageId, UnixSeconds};

use super::read::{self, opaque_debug};
use super::{Message, raw};

/// Where each content of a `Message` has its `contextInfo`, by the numbers of the fields.
const PLACES: [(u32, u32); 38] = [
    (6, 17),  // text
    (3, 17),  // image
    (9, 17),  // video
    (66, 17), // round video
    (8, 17),  // audio
    (7, 17),  // document
    (26, 17), // sticker
    (86, 11), // sticker pack
    (83, 17), // album
    (5, 17),  // location
    (18, 17), // live location
    (4, 17),  // contact
    (13, 17), // contacts
    (49, 5),  // polls
    (60, 5),
    (64, 5),
    (111, 5),
    (119, 5),
    (88, 3), // results of a poll
    (115, 3),
    (75, 1),  // event
    (122, 1), // invitation to an event
    (28, 7),  // group invite
    (78, 6),  // channel invites
    (113, 5),
    (36, 8), // list and its answer
    (39, 4),
    (42, 8), // buttons and their answer
    (43, 3),
    (25, 3), // template and its answer
    (29, 3),
    (45, 15), // interactive and its answer
    (48, 15),
    (30, 17), // product
    (38, 17), // order
    (54, 1),  // request of a phone number
    (70, 7),  // a group's history
    (97, 4),  // a bot's rich answer
];

/// `Message.conversation`, and where its text stands in `extendedTextMessage`.
const CONVERSATION: u32 = 1;
const EXTENDED_TEXT: u32 = 6;
const TEXT: u32 = 1;
/// `ContextInfo.quotedMessage`.
const QUOTED_MESSAGE: u32 = 3;

/// Why a content came, and what becomes of it.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Context {
    /// The message that it answers.
    pub quote: Option<Quote>,
    /// The users that it mentions. The text has them as `@` and the user part of the address.
    pub mentions: Vec<Jid>,
    /// It mentions everybody in the group.
    pub mentions_all: bool,
    /// The groups of a community that it mentions.
    pub group_mentions: Vec<GroupMention>,
    /// How often it was forwarded, when it was: from 4 on "many times".
    pub forwarded: Option<u32>,
    /// The channel that it was forwarded from.
    pub newsletter: Option<NewsletterOrigin>,
    /// How long after it was sent it disappears.
    pub expiration: Option<Duration>,
    /// Since when the chat has this time.
    pub expiration_since: Option<UnixSeconds>,
    /// The card of a web page or an advertisement that led here.
    pub external: Option<ExternalCard>,
}

opaque_debug!(Context);

/// The message that another one answers.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Quote {
    /// Its id.
    pub id: MessageId,
    /// Who wrote it.
    pub sender: Option<Jid>,
    /// The chat that it stands in, when that is another one: the status feed, or a group that is answered in private.
    pub chat: Option<Jid>,
    /// What it said, as far as the one who answers has it.
    pub message: Option<Message>,
}

opaque_debug!(Quote);

impl Quote {
    /// A quote of this message of this user.
    #[must_use]
    pub fn new(id: MessageId, sender: &Jid, message: Message) -> Self {
        Self { id, sender: Some(sender.to_user()), chat: None, message: Some(message) }
    }

    /// To answer in another chat than the one that the message stands in.
    #[must_use]
    pub fn of_chat(mut self, chat: &Jid) -> Self {
        self.chat = Some(chat.to_chat());
        self
    }

    fn read(context: &e2e::ContextInfo, bytes: &[u8]) -> Option<Self> {
        let id = context.stanza_id.as_deref().filter(|id| !id.is_empty())?;
        let message =
            context.quoted_message.as_deref().map(|quoted| Message::nested(quoted, bytes, &[QUOTED_MESSAGE]));
        Some(Self {
            id: MessageId::new(id),
            sender: read::user(context.participant.as_deref()),
            chat: read::jid(context.remote_jid.as_deref()),
            message,
        })
    }
}

/// A group of a community, named in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupMention {
    /// The group.
    pub group: Jid,
    /// Its subject.
    pub subject: String,
}

/// A message of a channel that was forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewsletterOrigin {
    /// The channel.
    pub newsletter: Jid,
    /// The number of the message in it.
    pub server_id: Option<u64>,
    /// The channel's name.
    pub name: String,
}

/// A card of something outside: the page of a link, or the advertisement that the user came by.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExternalCard {
    /// Its title.
    pub title: Option<String>,
    /// Its text.
    pub body: Option<String>,
    /// Where it leads.
    pub source_url: Option<String>,
    /// The advertisement's id.
    pub source_id: Option<String>,
    /// The advertisement's kind.
    pub source_type: Option<String>,
    /// Where its picture or film is.
    pub media_url: Option<String>,
    /// A small JPEG.
    pub thumbnail: Option<Vec<u8>>,
    /// The click that led here.
    pub click_id: Option<String>,
}

opaque_debug!(ExternalCard);

impl Context {
    fn read(bytes: &[u8]) -> Option<Self> {
        let context = e2e::ContextInfo::decode(bytes).ok()?;
        let newsletter = context.forwarded_newsletter_message_info.as_deref().and_then(|from| {
            Some(NewsletterOrigin {
                newsletter: read::jid(from.newsletter_jid.as_deref())?,
                server_id: from.server_message_id.and_then(|id| u64::try_from(id).ok()),
                name: from.newsletter_name.clone().unwrap_or_default(),
            })
        });
        let group_mentions = context.group_mentions.iter().filter_map(|mention| {
            let group = read::jid(mention.group_jid.as_deref())?;
            Some(GroupMention { group, subject: mention.group_subject.clone().unwrap_or_default() })
        });
        let is_forwarded = context.is_forwarded() || context.forwarding_score() > 0;
        Some(Self {
            quote: Quote::read(&context, bytes),
            mentions: context.mentioned_jid.iter().filter_map(|jid| jid.parse().ok()).collect(),
            mentions_all: context.non_jid_mentions() > 0,
            group_mentions: group_mentions.collect(),
            forwarded: is_forwarded.then(|| context.forwarding_score()),
            newsletter,
            expiration: read::span(context.expiration),
            expiration_since: read::seconds(context.ephemeral_setting_timestamp),
            external: context.external_ad_reply.as_deref().map(|card| ExternalCard {
                title: card.title.clone(),
                body: card.body.clone(),
                source_url: card.source_url.clone(),
                source_id: card.source_id.clone(),
                source_type: card.source_type.clone(),
                media_url: card.media_url.clone(),
                thumbnail: card.thumbnail.clone(),
                click_id: card.ctwa_clid.clone(),
            }),
        })
    }
}

impl Message {
    /// What the content says about itself; nothing of it when it has no place for it.
    #[must_use]
    pub fn context(&self) -> Context {
        self.context_slice().and_then(Context::read).unwrap_or_default()
    }

    /// The encoded `contextInfo` of the content.
    pub(super) fn context_bytes(&self) -> Option<Vec<u8>> {
        self.context_slice().map(<[u8]>::to_vec)
    }

    /// The same, where it stands.
    pub(super) fn context_slice(&self) -> Option<&[u8]> {
        let inner = self.inner_slice();
        let (content, context) = place(inner)?;
        raw::field(raw::field(inner, content)?, context)
    }

    /// With these fields of a `contextInfo` in the place of the content's own; others stay. A plain text becomes an
    /// extended one; content that has no place for them stays as it is.
    pub(super) fn with_context(self, added: &e2e::ContextInfo) -> Self {
        self.rewrite_context(|own| raw::overlaid(own, &added.encode_to_vec()))
    }

    /// With another `contextInfo`, where there is a place for it.
    pub(super) fn rewrite_context(self, rewrite: impl FnOnce(&[u8]) -> Vec<u8>) -> Self {
        let mut inner = self.inner_bytes();
        if place(&inner).is_none()
            && let Some(text) = raw::field(&inner, CONVERSATION)
        {
            let extended = raw::with(&[], TEXT, text);
            inner = raw::with(&raw::without(&inner, &[CONVERSATION]), EXTENDED_TEXT, &extended);
        }
        let Some((content, context)) = place(&inner) else { return self };
        let held = raw::field(&inner, content).unwrap_or_default();
        let changed = rewrite(raw::field(held, context).unwrap_or_default());
        let held = raw::with(held, context, &changed);
        self.with_inner_bytes(raw::with(&inner, content, &held))
    }
}

/// The content's field and the number of its `contextInfo`.
fn place(inner: &[u8]) -> Option<(u32, u32)> {
    raw::find(inner, |number| PLACES.into_iter().find(|&(content, _)| content == number))
}
