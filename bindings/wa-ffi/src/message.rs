//! What is sent: a message, and the ways to make one.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wa_core::message::content::{
    Album, Attendance, Audio, ContactCard, Contacts, Document, GroupInvite, Image, LinkPreview, LiveLocation,
    Location, MemberLabel, Occasion, OccasionAnswer, Poll, Sticker, Video, VideoStyle,
};
use wa_core::message::{self as core, Quote};

use crate::content::{Content, VideoKind};
use crate::error::WaError;
use crate::media::Attachment;
use crate::types;

/// Names a message, from our account's side.
#[derive(Debug, Clone, PartialEq, Eq, Hash, uniffi::Record)]
pub struct MessageKey {
    /// The chat that it stands in.
    pub chat: String,
    /// Its id.
    pub id: String,
    /// Whether our own account wrote it.
    pub from_me: bool,
    /// Who wrote it, unless that was our account; needed in groups and for status posts.
    #[uniffi(default = None)]
    pub sender: Option<String>,
}

impl MessageKey {
    pub(crate) fn of(key: &core::MessageKey) -> Self {
        Self {
            chat: key.chat.to_string(),
            id: key.id.to_string(),
            from_me: key.from_me,
            sender: types::text(key.sender.as_ref()),
        }
    }

    pub(crate) fn to_core(&self) -> Result<core::MessageKey, WaError> {
        let (chat, id) = (types::jid(&self.chat)?, types::message_id(&self.id)?);
        Ok(match &self.sender {
            _ if self.from_me => core::MessageKey::own(&chat, id),
            Some(sender) => core::MessageKey::by(&types::jid(sender)?, &chat, id),
            None if chat.is_user() => core::MessageKey::by(&chat, &chat, id),
            None => return Err(WaError::invalid("author_missing", "who wrote the message is not said")),
        })
    }
}

/// A message: one to send, made by one of the ways below, or one that was received.
///
/// What is added to it gives a new one: `Message.text("yes").reply_to(received)`.
#[derive(uniffi::Object)]
pub struct Message(pub(crate) core::Message);

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Message {
    fn new(message: impl Into<core::Message>) -> Arc<Self> {
        Arc::new(Self(message.into()))
    }

    fn with(&self, change: impl FnOnce(core::Message) -> core::Message) -> Arc<Self> {
        Arc::new(Self(change(self.0.clone())))
    }
}

/// What a picture is sent with. All of it may be left out.
#[derive(Debug, Clone, Default, uniffi::Record)]
pub struct ImageOptions {
    /// The text below it.
    #[uniffi(default = None)]
    pub caption: Option<String>,
    /// What it is; `image/jpeg` unless it is said.
    #[uniffi(default = None)]
    pub mimetype: Option<String>,
    /// Pixels across.
    #[uniffi(default = None)]
    pub width: Option<u32>,
    /// Pixels down.
    #[uniffi(default = None)]
    pub height: Option<u32>,
    /// A small JPEG that is shown until the file was fetched.
    #[uniffi(default = None)]
    pub thumbnail: Option<Vec<u8>>,
    /// It can be looked at once.
    #[uniffi(default = false)]
    pub view_once: bool,
}

/// What a film is sent with. All of it may be left out.
#[derive(Debug, Clone, uniffi::Record)]
pub struct VideoOptions {
    /// The text below it.
    #[uniffi(default = None)]
    pub caption: Option<String>,
    /// What it is; `video/mp4` unless it is said.
    #[uniffi(default = None)]
    pub mimetype: Option<String>,
    /// How it is shown; as what it was uploaded unless it is said. The file must have been uploaded as the same.
    #[uniffi(default = None)]
    pub kind: Option<VideoKind>,
    /// How long it plays.
    #[uniffi(default = None)]
    pub duration: Option<Duration>,
    /// Pixels across.
    #[uniffi(default = None)]
    pub width: Option<u32>,
    /// Pixels down.
    #[uniffi(default = None)]
    pub height: Option<u32>,
    /// A small JPEG that is shown until the file was fetched.
    #[uniffi(default = None)]
    pub thumbnail: Option<Vec<u8>>,
    /// It can be looked at once.
    #[uniffi(default = false)]
    pub view_once: bool,
}

/// What a sound is sent with. All of it may be left out.
#[derive(Debug, Clone, uniffi::Record)]
pub struct AudioOptions {
    /// What it is; unless it is said `audio/ogg; codecs=opus` for a file that was uploaded as a voice note, and else
    /// `audio/mp4`.
    #[uniffi(default = None)]
    pub mimetype: Option<String>,
    /// How long it plays.
    #[uniffi(default = None)]
    pub duration: Option<Duration>,
    /// It is a voice note, as every file is that was uploaded as one. No other file is to be.
    #[uniffi(default = false)]
    pub voice_note: bool,
    /// How loud it is over its time: 64 values of 0 to 100. Voice notes show it.
    #[uniffi(default = None)]
    pub waveform: Option<Vec<u8>>,
    /// It can be heard once.
    #[uniffi(default = false)]
    pub view_once: bool,
}

/// What a file is sent with.
#[derive(Debug, Clone, uniffi::Record)]
pub struct DocumentOptions {
    /// What it is called.
    pub file_name: String,
    /// What it is, such as `application/pdf`.
    pub mimetype: String,
    /// The text below it.
    #[uniffi(default = None)]
    pub caption: Option<String>,
    /// Its title; the name unless it is said.
    #[uniffi(default = None)]
    pub title: Option<String>,
    /// How many pages it has.
    #[uniffi(default = None)]
    pub pages: Option<u32>,
    /// A small JPEG of its first page.
    #[uniffi(default = None)]
    pub thumbnail: Option<Vec<u8>>,
}

/// What a sticker is sent with. All of it may be left out.
#[derive(Debug, Clone, uniffi::Record)]
pub struct StickerOptions {
    /// What it is; `image/webp` unless it is said.
    #[uniffi(default = None)]
    pub mimetype: Option<String>,
    /// Pixels across.
    #[uniffi(default = None)]
    pub width: Option<u32>,
    /// Pixels down.
    #[uniffi(default = None)]
    pub height: Option<u32>,
    /// It moves.
    #[uniffi(default = false)]
    pub animated: bool,
    /// A text for people who cannot see it.
    #[uniffi(default = None)]
    pub label: Option<String>,
}

/// The picture and the words that stand for a link.
#[derive(Debug, Clone, uniffi::Record)]
pub struct LinkOptions {
    /// The link, as it stands in the text.
    pub url: String,
    /// Its title.
    #[uniffi(default = None)]
    pub title: Option<String>,
    /// What it is about.
    #[uniffi(default = None)]
    pub description: Option<String>,
    /// A small JPEG.
    #[uniffi(default = None)]
    pub thumbnail: Option<Vec<u8>>,
}

/// How a poll works.
#[derive(Debug, Clone, uniffi::Record)]
pub struct PollOptions {
    /// How many options may be chosen; 0 for any number.
    #[uniffi(default = 1)]
    pub selectable: u32,
    /// The right answer: makes it a quiz. One of the options.
    #[uniffi(default = None)]
    pub answer: Option<String>,
}

/// What people are invited to.
#[derive(Debug, Clone, uniffi::Record)]
pub struct OccasionOptions {
    /// What it is called.
    pub name: String,
    /// When it begins.
    pub starts: SystemTime,
    /// When it ends.
    #[uniffi(default = None)]
    pub ends: Option<SystemTime>,
    /// More about it.
    #[uniffi(default = None)]
    pub description: Option<String>,
}

/// A contact to share.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Card {
    /// The name to show.
    pub name: String,
    /// The contact, as a vCard.
    pub vcard: String,
}

#[uniffi::export]
impl Message {
    /// A text.
    #[uniffi::constructor]
    pub fn text(text: String) -> Arc<Self> {
        Self::new(core::Message::text(text))
    }

    /// A text with a link, and what is to be shown of it.
    #[uniffi::constructor]
    pub fn link(text: String, link: LinkOptions) -> Arc<Self> {
        let mut preview = LinkPreview::new(link.url);
        preview.title = link.title;
        preview.description = link.description;
        preview.thumbnail = link.thumbnail;
        Self::new(core::Message::link(text, preview))
    }

    /// A picture that was uploaded.
    #[uniffi::constructor(default(options = None))]
    pub fn image(file: Arc<Attachment>, options: Option<ImageOptions>) -> Arc<Self> {
        let mut image = Image::new(file.0.clone());
        if let Some(options) = options {
            image.mimetype = options.mimetype.unwrap_or(image.mimetype);
            image.caption = options.caption;
            image.size = options.width.zip(options.height);
            image.thumbnail = options.thumbnail;
            image.is_view_once = options.view_once;
        }
        Self::new(image)
    }

    /// A film that was uploaded.
    #[uniffi::constructor(default(options = None))]
    pub fn video(file: Arc<Attachment>, options: Option<VideoOptions>) -> Arc<Self> {
        let mut video = Video::new(file.0.clone());
        if let Some(options) = options {
            video.style = match options.kind {
                Some(VideoKind::Gif) => VideoStyle::Gif,
                Some(VideoKind::Round) => VideoStyle::Round,
                _ => video.style,
            };
            video.mimetype = options.mimetype.unwrap_or(video.mimetype);
            video.caption = options.caption;
            video.duration = options.duration;
            video.size = options.width.zip(options.height);
            video.thumbnail = options.thumbnail;
            video.is_view_once = options.view_once;
        }
        Self::new(video)
    }

    /// A sound that was uploaded.
    #[uniffi::constructor(default(options = None))]
    pub fn audio(file: Arc<Attachment>, options: Option<AudioOptions>) -> Arc<Self> {
        let mut audio = Audio::new(file.0.clone());
        if let Some(options) = options {
            audio.mimetype = options.mimetype.unwrap_or(audio.mimetype);
            audio.duration = options.duration;
            audio.is_voice_note |= options.voice_note;
            audio.waveform = options.waveform;
            audio.is_view_once = options.view_once;
        }
        Self::new(audio)
    }

    /// A file that was uploaded.
    #[uniffi::constructor]
    pub fn document(file: Arc<Attachment>, options: DocumentOptions) -> Arc<Self> {
        let mut document = Document::new(file.0.clone(), options.mimetype, options.file_name);
        document.caption = options.caption;
        document.title = options.title.or(document.title);
        document.pages = options.pages;
        document.thumbnail = options.thumbnail;
        Self::new(document)
    }

    /// A sticker that was uploaded.
    #[uniffi::constructor(default(options = None))]
    pub fn sticker(file: Arc<Attachment>, options: Option<StickerOptions>) -> Arc<Self> {
        let mut sticker = Sticker::new(file.0.clone());
        if let Some(options) = options {
            sticker.mimetype = options.mimetype.unwrap_or(sticker.mimetype);
            sticker.size = options.width.zip(options.height);
            sticker.is_animated = options.animated;
            sticker.label = options.label;
        }
        Self::new(sticker)
    }

    /// A place, in degrees.
    #[uniffi::constructor(default(name = None, address = None))]
    pub fn location(
        latitude: f64,
        longitude: f64,
        name: Option<String>,
        address: Option<String>,
    ) -> Arc<Self> {
        let mut location = Location::new(latitude, longitude);
        location.name = name;
        location.address = address;
        Self::new(location)
    }

    /// Where somebody is, for a while, in degrees. Later ones have higher numbers.
    #[uniffi::constructor(default(caption = None, sequence = 1))]
    pub fn live_location(latitude: f64, longitude: f64, caption: Option<String>, sequence: i64) -> Arc<Self> {
        let mut location = LiveLocation::new(latitude, longitude);
        location.caption = caption;
        location.sequence = sequence;
        Self::new(location)
    }

    /// The beginning of an album: so many pictures and films follow, each made with `in_album`.
    #[uniffi::constructor]
    pub fn album(images: u32, videos: u32) -> Arc<Self> {
        Self::new(Album::new(images, videos))
    }

    /// One contact or several.
    #[uniffi::constructor]
    pub fn contacts(cards: Vec<Card>) -> Arc<Self> {
        Self::new(Contacts::new(
            cards.into_iter().map(|card| ContactCard::new(card.name, card.vcard)).collect(),
        ))
    }

    /// A reaction. An empty one takes back what was there.
    #[uniffi::constructor]
    pub fn reaction(target: MessageKey, emoji: String) -> Result<Arc<Self>, WaError> {
        Ok(Self::new(core::Message::reaction(target.to_core()?, emoji)))
    }

    /// A poll.
    #[uniffi::constructor(default(how = None))]
    pub fn poll(question: String, options: Vec<String>, how: Option<PollOptions>) -> Arc<Self> {
        let mut poll = Poll::new(question, options);
        if let Some(how) = how {
            poll = poll.selectable(how.selectable);
            if let Some(answer) = how.answer {
                poll = poll.quiz(answer);
            }
        }
        Self::new(poll)
    }

    /// A vote in a poll, for these options by their texts; none takes the vote back. The poll must have come or been sent
    /// on this device, or be part of the history; the same holds for the answers, comments and options below.
    #[uniffi::constructor]
    pub fn poll_vote(poll: MessageKey, options: Vec<String>) -> Result<Arc<Self>, WaError> {
        Ok(Self::new(core::Message::poll_vote(poll.to_core()?, options)))
    }

    /// One more option for a poll that allows that.
    #[uniffi::constructor]
    pub fn poll_option(poll: MessageKey, name: String) -> Result<Arc<Self>, WaError> {
        Ok(Self::new(core::Message::poll_option(poll.to_core()?, name)))
    }

    /// A comment on a message of an announcement group.
    #[uniffi::constructor]
    pub fn comment(target: MessageKey, message: Arc<Self>) -> Result<Arc<Self>, WaError> {
        Ok(Self::new(core::Message::comment(target.to_core()?, message.0.clone())))
    }

    /// An answer to the invitation to an event: whether we come, or do not know yet, and how many guests we bring.
    #[uniffi::constructor(default(going = None, guests = 0))]
    pub fn occasion_answer(
        occasion: MessageKey,
        going: Option<bool>,
        guests: u32,
    ) -> Result<Arc<Self>, WaError> {
        let answer = match going {
            Some(true) => Attendance::Going,
            Some(false) => Attendance::NotGoing,
            None => Attendance::Maybe,
        };
        Ok(Self::new(OccasionAnswer::new(occasion.to_core()?, answer).guests(guests)))
    }

    /// An event that people are invited to.
    #[uniffi::constructor]
    pub fn occasion(occasion: OccasionOptions) -> Arc<Self> {
        let mut made = Occasion::new(occasion.name, types::seconds(occasion.starts));
        made.ends = occasion.ends.map(types::seconds);
        made.description = occasion.description;
        Self::new(made)
    }

    /// New content for an earlier message of ours.
    #[uniffi::constructor]
    pub fn edit(target: MessageKey, message: Arc<Self>) -> Result<Arc<Self>, WaError> {
        let (target, message) = (target.to_core()?, message.0.clone());
        Ok(Self::new(match message.content() {
            // For these, only a sealed one is taken.
            core::Content::Occasion(_) | core::Content::Poll(_) => {
                core::Message::sealed_edit(target, message)
            }
            _ => core::Message::edit(target, message),
        }))
    }

    /// Deletes an earlier message for everyone: one of ours, or any one of a group that we are an admin of.
    #[uniffi::constructor]
    pub fn delete(target: MessageKey) -> Result<Arc<Self>, WaError> {
        Ok(Self::new(core::Message::delete(target.to_core()?)))
    }

    /// Pins a message for everyone, for so long. The applications offer a day, a week and a month.
    #[uniffi::constructor]
    pub fn pin(target: MessageKey, duration: Duration) -> Result<Arc<Self>, WaError> {
        Ok(Self::new(core::Message::pin(target.to_core()?, duration)))
    }

    /// Ends that a message is pinned.
    #[uniffi::constructor]
    pub fn unpin(target: MessageKey) -> Result<Arc<Self>, WaError> {
        Ok(Self::new(core::Message::unpin(target.to_core()?)))
    }

    /// Keeps a message that would disappear, or no longer does.
    #[uniffi::constructor]
    pub fn keep(target: MessageKey, is_kept: bool) -> Result<Arc<Self>, WaError> {
        let target = target.to_core()?;
        Ok(Self::new(if is_kept { core::Message::keep(target) } else { core::Message::unkeep(target) }))
    }

    /// Sets how long the messages of a direct chat stay; without a time they stay for good. Groups have a setting.
    #[uniffi::constructor(default(after = None))]
    pub fn disappearing(after: Option<Duration>) -> Arc<Self> {
        Self::new(core::Message::disappearing(after))
    }

    /// An invitation to a group, for somebody who cannot be added.
    #[uniffi::constructor]
    pub fn group_invite(
        group: String,
        code: String,
        name: String,
        expires: SystemTime,
    ) -> Result<Arc<Self>, WaError> {
        Ok(Self::new(GroupInvite::new(&types::jid(&group)?, code, name, types::seconds(expires))))
    }

    /// How our account wants to be known in a group.
    #[uniffi::constructor]
    pub fn member_label(label: String) -> Arc<Self> {
        Self::new(MemberLabel::new(label))
    }

    /// What was received, to be sent on.
    #[uniffi::constructor]
    pub fn forward(received: Arc<Self>) -> Arc<Self> {
        Self::new(core::Message::forward(&received.0))
    }

    /// A message from its encoded protobuf: for kinds that there is no way above for, and for messages that were kept.
    #[uniffi::constructor]
    pub fn decode(encoded: Vec<u8>) -> Result<Arc<Self>, WaError> {
        let decoded = core::Message::from_encoded(encoded);
        Ok(Self::new(decoded.map_err(|error| WaError::invalid("no_message", error))?))
    }

    /// The encoded protobuf.
    pub fn encoded(&self) -> Vec<u8> {
        self.0.encoded().to_vec()
    }

    /// What it says. Reads it anew each time.
    pub fn content(&self) -> Content {
        Content::of(&self.0)
    }

    /// As an answer to this message, which is quoted. `quoted` is what it said, if that is to be shown.
    #[uniffi::method(default(quoted = None))]
    pub fn reply_to(&self, target: MessageKey, quoted: Option<Arc<Self>>) -> Result<Arc<Self>, WaError> {
        let key = target.to_core()?;
        let sender = key.sender.clone().unwrap_or_else(|| key.chat.clone());
        let mut quote = Quote::new(
            key.id,
            &sender,
            quoted.as_ref().map_or_else(|| core::Message::text(""), |m| m.0.clone()),
        );
        if quoted.is_none() {
            quote.message = None;
        }
        Ok(self.with(|message| message.reply_to(quote)))
    }

    /// Mentions these users: their names stand in the text as `@` and the number.
    pub fn mention(&self, users: Vec<String>) -> Result<Arc<Self>, WaError> {
        let users = types::jids(&users)?;
        Ok(self.with(|message| message.mention(&users)))
    }

    /// Mentions all members of the group.
    pub fn mention_all(&self) -> Arc<Self> {
        self.with(core::Message::mention_all)
    }

    /// It disappears after this time.
    pub fn expire_after(&self, time: Duration) -> Arc<Self> {
        self.with(|message| message.expire_after(time))
    }

    /// It can be looked at, or heard, once.
    pub fn view_once(&self) -> Arc<Self> {
        self.with(core::Message::view_once)
    }

    /// It belongs to an album.
    pub fn in_album(&self, album: MessageKey) -> Result<Arc<Self>, WaError> {
        let album = album.to_core()?;
        Ok(self.with(|message| message.in_album(album)))
    }
}

/// A contact of this name with this phone number, to share.
#[uniffi::export]
pub fn card_of_number(name: String, number: String) -> Result<Card, WaError> {
    let card = ContactCard::of_number(name, &types::phone_number(&number)?.to_jid());
    Ok(Card { name: card.name, vcard: card.vcard })
}
