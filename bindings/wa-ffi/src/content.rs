//! What a received message says.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use wa_core::media as core_media;
use wa_core::message::content::{Attendance, Button, Payment, VideoStyle};
use wa_core::message::{self as core, Content as C};

use crate::media::Attachment;
use crate::message::{Card, Message, MessageKey};
use crate::types::{self, Secret};

/// What a message says. More kinds may come: what this version has no form for is `Unknown`.
#[derive(Debug, Clone, uniffi::Enum)]
pub enum Content {
    /// A text.
    Text {
        /// The text.
        text: String,
        /// The link that a preview stands for.
        link: Option<String>,
    },
    /// A picture.
    Image {
        /// The file.
        file: Arc<Attachment>,
        /// What it is.
        mimetype: String,
        /// The text below it.
        caption: Option<String>,
        /// Pixels across.
        width: Option<u32>,
        /// Pixels down.
        height: Option<u32>,
        /// A small JPEG.
        thumbnail: Option<Vec<u8>>,
        /// It can be looked at once.
        view_once: bool,
    },
    /// A film.
    Video {
        /// The file.
        file: Arc<Attachment>,
        /// How it is shown.
        kind: VideoKind,
        /// What it is.
        mimetype: String,
        /// The text below it.
        caption: Option<String>,
        /// How long it plays.
        duration: Option<Duration>,
        /// Pixels across.
        width: Option<u32>,
        /// Pixels down.
        height: Option<u32>,
        /// A small JPEG.
        thumbnail: Option<Vec<u8>>,
        /// It can be looked at once.
        view_once: bool,
    },
    /// A sound, or a voice note.
    Audio {
        /// The file.
        file: Arc<Attachment>,
        /// What it is.
        mimetype: String,
        /// How long it plays.
        duration: Option<Duration>,
        /// It is a voice note.
        voice_note: bool,
        /// How loud it is over its time.
        waveform: Option<Vec<u8>>,
        /// It can be heard once.
        view_once: bool,
    },
    /// A file.
    Document {
        /// The file.
        file: Arc<Attachment>,
        /// What it is.
        mimetype: String,
        /// What it is called. As the sender says: do not use it as a path.
        file_name: Option<String>,
        /// The text below it.
        caption: Option<String>,
        /// How many pages it has.
        pages: Option<u32>,
        /// A small JPEG.
        thumbnail: Option<Vec<u8>>,
    },
    /// A sticker.
    Sticker {
        /// The file.
        file: Arc<Attachment>,
        /// What it is.
        mimetype: String,
        /// It moves.
        animated: bool,
        /// A text for people who cannot see it.
        label: Option<String>,
    },
    /// Stickers that belong together.
    StickerPack {
        /// A ZIP of them.
        file: Arc<Attachment>,
        /// What it is called.
        name: String,
        /// Who made it.
        publisher: String,
    },
    /// The beginning of an album: so many pictures and films that name it follow.
    Album {
        /// Pictures.
        images: u32,
        /// Films.
        videos: u32,
    },
    /// A place, in degrees.
    Location {
        /// North of the equator.
        latitude: f64,
        /// East of Greenwich.
        longitude: f64,
        /// What it is called.
        name: Option<String>,
        /// Its address.
        address: Option<String>,
    },
    /// Where somebody is, for a while.
    LiveLocation {
        /// North of the equator.
        latitude: f64,
        /// East of Greenwich.
        longitude: f64,
        /// The text below it.
        caption: Option<String>,
        /// Later ones have higher numbers.
        sequence: i64,
    },
    /// One contact or several.
    Contacts {
        /// The contacts.
        cards: Vec<Card>,
    },
    /// A reaction to a message.
    Reaction {
        /// The message, from the side of who reacts.
        target: MessageKey,
        /// The emoji; none when the reaction is taken back.
        emoji: Option<String>,
    },
    /// A comment on a message.
    Comment {
        /// The message.
        target: MessageKey,
        /// The comment.
        message: Arc<Message>,
    },
    /// A poll or a quiz.
    Poll {
        /// The question.
        question: String,
        /// What can be chosen.
        options: Vec<String>,
        /// How many of them; 0 for any number.
        selectable: u32,
        /// It is a quiz.
        quiz: bool,
    },
    /// What came of a poll.
    PollResult {
        /// The question.
        question: String,
        /// How often each option was chosen.
        votes: Vec<OptionCount>,
    },
    /// A vote in a poll.
    PollVote {
        /// The poll.
        poll: MessageKey,
        /// SHA-256 of the text of each option that was chosen.
        selected: Vec<Vec<u8>>,
    },
    /// One more option for a poll.
    PollOption {
        /// The poll.
        poll: MessageKey,
        /// The option.
        name: String,
    },
    /// An event that people are invited to.
    Occasion {
        /// What it is called.
        name: String,
        /// More about it.
        description: Option<String>,
        /// When it begins.
        starts: Option<SystemTime>,
        /// When it ends.
        ends: Option<SystemTime>,
        /// It does not take place.
        canceled: bool,
    },
    /// An invitation to an event of another chat.
    OccasionInvite {
        /// What it is called.
        name: String,
        /// When it begins.
        starts: Option<SystemTime>,
    },
    /// An answer to the invitation to an event.
    OccasionAnswer {
        /// The event.
        occasion: MessageKey,
        /// Whether they come: true, false, or not sure.
        going: Option<bool>,
        /// How many they bring.
        guests: u32,
    },
    /// New content for an earlier message.
    Edit {
        /// The earlier message.
        target: MessageKey,
        /// What it says from now on.
        message: Arc<Message>,
    },
    /// An earlier message is deleted for everyone.
    Delete {
        /// The earlier message.
        target: MessageKey,
    },
    /// A message is pinned, or no longer.
    Pin {
        /// The message.
        target: MessageKey,
        /// For how long; none when it no longer is.
        duration: Option<Duration>,
    },
    /// A message is kept, or no longer.
    Keep {
        /// The message.
        target: MessageKey,
        /// Whether it is.
        kept: bool,
    },
    /// How long the chat's messages stay.
    Disappearing {
        /// How long; none for good.
        after: Option<Duration>,
    },
    /// Whether the chat may be shared on.
    SharingLimit {
        /// Whether that is limited.
        limited: bool,
    },
    /// How a member of the group wants to be known.
    MemberLabel {
        /// The label.
        label: String,
    },
    /// An invitation to a group.
    GroupInvite {
        /// The group.
        group: String,
        /// The code that lets in. A secret: do not log it.
        code: Secret,
        /// What the group is called.
        name: String,
        /// How long it is good.
        expires: Option<SystemTime>,
        /// The text below it.
        caption: Option<String>,
    },
    /// An invitation to a channel.
    NewsletterInvite {
        /// The channel.
        newsletter: String,
        /// What it is called.
        name: String,
        /// The invitation is to be an admin of it.
        admin: bool,
    },
    /// The sender asks for our phone number.
    PhoneNumberRequest,
    /// The sender tells its phone number.
    PhoneNumberShared,
    /// A text with buttons.
    Interactive {
        /// The headline.
        title: Option<String>,
        /// The text.
        body: String,
        /// The small print.
        footer: Option<String>,
        /// The buttons.
        buttons: Vec<ContentButton>,
    },
    /// A list to choose from.
    ListMessage {
        /// The headline.
        title: String,
        /// The text.
        description: Option<String>,
        /// What can be chosen.
        rows: Vec<ContentRow>,
    },
    /// What was chosen of buttons or of a list.
    Choice {
        /// The id of the button, or of the row.
        id: String,
        /// What stands on it.
        text: Option<String>,
    },
    /// A product, or a catalogue.
    Product {
        /// Its id.
        id: String,
        /// What it is called.
        title: String,
        /// More about it.
        description: Option<String>,
        /// In thousandths of the currency's unit.
        price_1000: Option<i64>,
        /// By ISO 4217.
        currency: Option<String>,
        /// Who sells it.
        seller: Option<String>,
    },
    /// An order.
    Order {
        /// Its id.
        id: String,
        /// Lets read it.
        token: String,
        /// How many items it has.
        items: u32,
        /// In thousandths of the currency's unit.
        total_1000: Option<i64>,
        /// By ISO 4217.
        currency: Option<String>,
        /// Who sells it.
        seller: Option<String>,
    },
    /// Something about a payment: `sent`, `requested`, `declined`, `cancelled`, `invited` or `invoice`.
    Payment {
        /// Which of them.
        kind: String,
        /// In thousandths of the currency's unit, where it is said.
        amount_1000: Option<u64>,
        /// By ISO 4217.
        currency: Option<String>,
        /// The request that it is about.
        request: Option<MessageKey>,
    },
    /// A call that took place, or did not.
    CallLog {
        /// It was a video call.
        video: bool,
        /// What came of it: `connected`, `missed`, `failed`, `rejected`, `accepted_elsewhere`, `ongoing`, `silenced`.
        outcome: String,
        /// How long it took.
        duration: Duration,
    },
    /// A call that is to be.
    ScheduledCall {
        /// What it is about.
        title: String,
        /// When.
        at: Option<SystemTime>,
        /// It is a video call.
        video: bool,
    },
    /// Sealed with the secret of another message, that this device does not have. Should that come later, this one is
    /// told again, opened.
    Sealed {
        /// The other message.
        target: MessageKey,
    },
    /// Protocol matters between devices, by their number.
    Protocol {
        /// The number.
        number: i32,
    },
    /// Nothing but keys and context.
    Empty,
    /// A kind that this version has no form for.
    Unknown {
        /// Its name, where it has one.
        kind: String,
        /// The encoded message.
        encoded: Vec<u8>,
    },
}

/// How a film is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum VideoKind {
    /// With sound, when it is touched.
    Film,
    /// Without sound, again and again.
    Gif,
    /// Small and round: filmed in the chat.
    Round,
    /// A way that this version does not know.
    Unknown,
}

/// How often an option was chosen.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct OptionCount {
    /// The option.
    pub name: String,
    /// How often.
    pub count: u64,
}

/// Something to press.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ContentButton {
    /// What it does: `reply`, `url`, `call`, or the name of a flow such as `cta_copy`.
    pub kind: String,
    /// What stands on it.
    pub text: String,
    /// The id of the answer, the page, the number, or what the flow needs as JSON.
    pub value: String,
}

/// A row of a list.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ContentRow {
    /// What the answer carries.
    pub id: String,
    /// What stands on it.
    pub title: String,
    /// More about it.
    pub description: Option<String>,
    /// The section that it stands in.
    pub section: Option<String>,
}

impl Content {
    pub(crate) fn of(message: &core::Message) -> Self {
        let key = MessageKey::of;
        let file = |file: core_media::Attachment| Attachment::new(file);
        match message.content() {
            C::Text(text) => Self::Text { text: text.text, link: text.link.map(|link| link.url) },
            C::Image(image) => Self::Image {
                file: file(image.file),
                mimetype: image.mimetype,
                caption: image.caption,
                width: image.size.map(|size| size.0),
                height: image.size.map(|size| size.1),
                thumbnail: image.thumbnail,
                view_once: image.is_view_once,
            },
            C::Video(video) => Self::Video {
                kind: video_kind(&video.style),
                file: file(video.file),
                mimetype: video.mimetype,
                caption: video.caption,
                duration: video.duration,
                width: video.size.map(|size| size.0),
                height: video.size.map(|size| size.1),
                thumbnail: video.thumbnail,
                view_once: video.is_view_once,
            },
            C::Audio(audio) => Self::Audio {
                file: file(audio.file),
                mimetype: audio.mimetype,
                duration: audio.duration,
                voice_note: audio.is_voice_note,
                waveform: audio.waveform,
                view_once: audio.is_view_once,
            },
            C::Document(document) => Self::Document {
                file: file(document.file),
                mimetype: document.mimetype,
                file_name: document.file_name,
                caption: document.caption,
                pages: document.pages,
                thumbnail: document.thumbnail,
            },
            C::Sticker(sticker) => Self::Sticker {
                file: file(sticker.file),
                mimetype: sticker.mimetype,
                animated: sticker.is_animated,
                label: sticker.label,
            },
            C::StickerPack(pack) => {
                Self::StickerPack { file: file(pack.file), name: pack.name, publisher: pack.publisher }
            }
            C::Album(album) => Self::Album { images: album.images, videos: album.videos },
            C::Location(location) => Self::Location {
                latitude: location.latitude,
                longitude: location.longitude,
                name: location.name,
                address: location.address,
            },
            C::LiveLocation(location) => Self::LiveLocation {
                latitude: location.latitude,
                longitude: location.longitude,
                caption: location.caption,
                sequence: location.sequence,
            },
            C::Contacts(contacts) => {
                let cards = contacts.cards.into_iter();
                Self::Contacts {
                    cards: cards.map(|card| Card { name: card.name, vcard: card.vcard }).collect(),
                }
            }
            C::Reaction(reaction) => Self::Reaction { target: key(&reaction.target), emoji: reaction.emoji },
            C::Comment(comment) => {
                Self::Comment { target: key(&comment.target), message: Arc::new(Message(comment.message)) }
            }
            C::Poll(poll) => Self::Poll {
                question: poll.question,
                options: poll.options,
                selectable: poll.selectable,
                quiz: poll.is_quiz,
            },
            C::PollResult(result) => Self::PollResult {
                question: result.question,
                votes: result.votes.into_iter().map(|(name, count)| OptionCount { name, count }).collect(),
            },
            C::PollVote(vote) => Self::PollVote {
                poll: key(&vote.poll),
                selected: vote.selected.iter().map(|hash| hash.0.to_vec()).collect(),
            },
            C::PollOption(option) => Self::PollOption { poll: key(&option.poll), name: option.name },
            C::Occasion(occasion) => Self::Occasion {
                name: occasion.name,
                description: occasion.description,
                starts: occasion.starts.map(types::time),
                ends: occasion.ends.map(types::time),
                canceled: occasion.is_canceled,
            },
            C::OccasionInvite(invite) => {
                Self::OccasionInvite { name: invite.name, starts: invite.starts.map(types::time) }
            }
            C::OccasionAnswer(answer) => Self::OccasionAnswer {
                occasion: key(&answer.occasion),
                going: match answer.answer {
                    Attendance::Going => Some(true),
                    Attendance::NotGoing => Some(false),
                    _ => None,
                },
                guests: answer.guests,
            },
            C::Edit(edit) => {
                Self::Edit { target: key(&edit.target), message: Arc::new(Message(edit.message)) }
            }
            C::Revoke(revoke) => Self::Delete { target: key(&revoke.target) },
            C::Pin(pin) => Self::Pin { target: key(&pin.target), duration: pin.duration },
            C::Keep(keep) => Self::Keep { target: key(&keep.target), kept: keep.is_kept },
            C::Disappearing(timer) => Self::Disappearing { after: timer.after },
            C::SharingLimit(limit) => Self::SharingLimit { limited: limit.is_limited },
            C::MemberLabel(label) => Self::MemberLabel { label: label.label },
            C::GroupInvite(invite) => Self::GroupInvite {
                group: invite.group.to_string(),
                code: Secret(invite.code),
                name: invite.name,
                expires: invite.expires.map(types::time),
                caption: invite.caption,
            },
            C::NewsletterInvite(invite) => Self::NewsletterInvite {
                newsletter: invite.newsletter.to_string(),
                name: invite.name,
                admin: invite.is_admin,
            },
            C::PhoneNumberRequest => Self::PhoneNumberRequest,
            C::PhoneNumberShared => Self::PhoneNumberShared,
            C::Interactive(shown) => Self::Interactive {
                title: shown.title,
                body: shown.body,
                footer: shown.footer,
                buttons: shown.buttons.into_iter().filter_map(button).collect(),
            },
            C::List(list) => Self::ListMessage {
                title: list.title,
                description: list.description,
                rows: list
                    .sections
                    .into_iter()
                    .flat_map(|section| {
                        let title = section.title;
                        section.rows.into_iter().map(move |row| ContentRow {
                            id: row.id,
                            title: row.title,
                            description: row.description,
                            section: title.clone(),
                        })
                    })
                    .collect(),
            },
            C::Choice(choice) => Self::Choice { id: choice.id, text: choice.text },
            C::Product(product) => Self::Product {
                id: product.id,
                title: product.title,
                description: product.description,
                price_1000: product.price_1000,
                currency: product.currency,
                seller: types::text(product.seller.as_ref()),
            },
            C::Order(order) => Self::Order {
                id: order.id,
                token: order.token,
                items: order.items,
                total_1000: order.total_1000,
                currency: order.currency,
                seller: types::text(order.seller.as_ref()),
            },
            C::Payment(payment) => payment_content(payment),
            C::CallLog(log) => Self::CallLog {
                video: log.is_video,
                outcome: types::snake(&format!("{:?}", log.outcome)),
                duration: types::span(log.duration),
            },
            C::ScheduledCall(call) => Self::ScheduledCall {
                title: call.title,
                at: call.at.map(types::time_ms),
                video: call.is_video,
            },
            C::Sealed(sealed) => Self::Sealed { target: key(&sealed.target) },
            C::Protocol(number) => Self::Protocol { number },
            C::Empty => Self::Empty,
            C::Unknown(encoded) => Self::Unknown { kind: String::new(), encoded },
            other => Self::Unknown { kind: other.name().to_owned(), encoded: message.encoded().to_vec() },
        }
    }
}

fn video_kind(style: &VideoStyle) -> VideoKind {
    match style {
        VideoStyle::Film => VideoKind::Film,
        VideoStyle::Gif => VideoKind::Gif,
        VideoStyle::Round => VideoKind::Round,
        _ => VideoKind::Unknown,
    }
}

fn button(button: Button) -> Option<ContentButton> {
    let (kind, text, value) = match button {
        Button::Reply { text, id } => ("reply".to_owned(), text, id),
        Button::Url { text, url } => ("url".to_owned(), text, url),
        Button::Call { text, number } => ("call".to_owned(), text, number),
        Button::Flow { name, params } => (name, String::new(), params),
        _ => return None,
    };
    Some(ContentButton { kind, text, value })
}

fn payment_content(payment: Payment) -> Content {
    let of = |kind: &str, request: Option<&core::MessageKey>| Content::Payment {
        kind: kind.to_owned(),
        amount_1000: None,
        currency: None,
        request: request.map(MessageKey::of),
    };
    match payment {
        Payment::Sent { request, .. } => of("sent", request.as_ref()),
        Payment::Requested { amount_1000, currency, .. } => Content::Payment {
            kind: "requested".to_owned(),
            amount_1000: Some(amount_1000),
            currency: Some(currency),
            request: None,
        },
        Payment::Declined(request) => of("declined", Some(&request)),
        Payment::Cancelled(request) => of("cancelled", Some(&request)),
        Payment::Invited => of("invited", None),
        Payment::Invoice { .. } => of("invoice", None),
        _ => of("unknown", None),
    }
}
