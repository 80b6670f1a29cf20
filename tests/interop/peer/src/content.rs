//! What messages say, in JSON: what to send, and what came. `../baileys/README.md` has the shapes.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wa_core::media::{Attachment, MediaKind};
use wa_core::message::content::{
    Audio, ContactCard, Content, Document, Image, Location, Poll, PollVote, Sticker, Video, VideoStyle,
};
use wa_core::message::{MessageKey, OptionHash};
use wa_core::{Client, Message, MessageReceived, Sent};
use wa_types::Jid;

use crate::{Address, Result};

/// How much a file may have, bytes.
const FILE_LIMIT: u64 = 16 << 20;

/// What is to be sent.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Sending {
    Text {
        text: String,
        quoted: Option<String>,
        #[serde(default)]
        mentions: Vec<Address>,
        expires: Option<u64>,
    },
    Image {
        path: PathBuf,
        caption: Option<String>,
        #[serde(default)]
        view_once: bool,
    },
    Video {
        path: PathBuf,
        caption: Option<String>,
        style: Option<Style>,
    },
    Audio {
        path: PathBuf,
        mimetype: String,
        #[serde(default)]
        voice: bool,
    },
    Document {
        path: PathBuf,
        mimetype: String,
        name: String,
    },
    Sticker {
        path: PathBuf,
    },
    Location {
        latitude: f64,
        longitude: f64,
        name: String,
    },
    Contact {
        name: String,
        vcard: String,
    },
    Poll {
        question: String,
        options: Vec<String>,
        selectable: u32,
    },
    Vote {
        target: String,
        options: Vec<String>,
    },
    Reaction {
        target: String,
        emoji: String,
    },
    Edit {
        target: String,
        text: String,
    },
    Delete {
        target: String,
    },
    Disappearing {
        seconds: u64,
    },
}

#[derive(Deserialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Style {
    Gif,
    Round,
}

/// The messages that came and that were sent, by ID: what may be named in a command.
#[derive(Default)]
pub(crate) struct Known(Mutex<HashMap<String, Entry>>);

#[derive(Clone)]
enum Entry {
    Received(Arc<MessageReceived>),
    Sent(MessageKey, Message),
}

impl Known {
    pub(crate) fn received(&self, message: MessageReceived) -> Arc<MessageReceived> {
        let message = Arc::new(message);
        self.entries().insert(message.id.to_string(), Entry::Received(Arc::clone(&message)));
        message
    }

    pub(crate) fn sent(&self, sent: &Sent, message: Message) {
        self.entries().insert(sent.id.to_string(), Entry::Sent(sent.into(), message));
    }

    /// The messages of these IDs, if each of them came.
    pub(crate) fn all_received(&self, ids: &[String]) -> Option<Vec<Arc<MessageReceived>>> {
        let entries = self.entries();
        let received = ids.iter().map(|id| match entries.get(id)? {
            Entry::Received(message) => Some(Arc::clone(message)),
            Entry::Sent(..) => None,
        });
        received.collect()
    }

    fn one(&self, id: &str) -> Result<Entry> {
        self.entries().get(id).cloned().ok_or_else(|| format!("{id} is not known").into())
    }

    fn key(&self, id: &str) -> Result<MessageKey> {
        Ok(match self.one(id)? {
            Entry::Received(message) => MessageKey::from(&*message),
            Entry::Sent(key, _) => key,
        })
    }

    /// What a poll's options are called in its votes.
    fn names(&self, poll: &str, selected: &[OptionHash]) -> Vec<String> {
        let content = match self.one(poll) {
            Ok(Entry::Received(message)) => message.message.content(),
            Ok(Entry::Sent(_, message)) => message.content(),
            Err(_) => return vec![format!("a poll {poll} that is not known")],
        };
        let Content::Poll(poll) = content else { return vec!["no poll".to_owned()] };
        poll.options.into_iter().filter(|option| selected.contains(&OptionHash::of(option))).collect()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sending {
    /// The message, its file uploaded.
    pub(crate) async fn into_message(self, client: &Client, known: &Known) -> Result<Message> {
        let upload = async |path: PathBuf, kind| client.media().upload(path, kind).await;
        Ok(match self {
            Self::Text { text, quoted, mentions, expires } => {
                let mut message = Message::text(text);
                if let Some(quoted) = quoted {
                    let Entry::Received(quoted) = known.one(&quoted)? else {
                        return Err("only what came can be quoted".into());
                    };
                    message = message.reply_to(&*quoted);
                }
                if let Some(seconds) = expires {
                    message = message.expire_after(Duration::from_secs(seconds));
                }
                let users: Vec<Jid> = mentions.iter().map(|Address(user)| user.to_user()).collect();
                if users.is_empty() { message } else { message.mention(&users) }
            }
            Self::Image { path, caption, view_once } => {
                let mut image = Image::new(upload(path, MediaKind::Image).await?);
                image.caption = caption;
                let message = Message::image(image);
                if view_once { message.view_once() } else { message }
            }
            Self::Video { path, caption, style } => {
                let (kind, style) = match style {
                    None => (MediaKind::Video, VideoStyle::Film),
                    Some(Style::Gif) => (MediaKind::Gif, VideoStyle::Gif),
                    Some(Style::Round) => (MediaKind::RoundVideo, VideoStyle::Round),
                };
                let mut video = Video::new(upload(path, kind).await?).style(style);
                video.caption = caption;
                Message::video(video)
            }
            Self::Audio { path, mimetype, voice } => {
                let kind = if voice { MediaKind::VoiceNote } else { MediaKind::Audio };
                Message::audio(Audio::new(upload(path, kind).await?).mimetype(mimetype))
            }
            Self::Document { path, mimetype, name } => {
                Message::document(Document::new(upload(path, MediaKind::Document).await?, mimetype, name))
            }
            Self::Sticker { path } => Message::sticker(Sticker::new(upload(path, MediaKind::Sticker).await?)),
            Self::Location { latitude, longitude, name } => {
                Message::location(Location::new(latitude, longitude).name(name))
            }
            Self::Contact { name, vcard } => Message::contact(ContactCard::new(name, vcard)),
            Self::Poll { question, options, selectable } => {
                Message::poll(Poll::new(question, options).selectable(selectable))
            }
            Self::Vote { target, options } => PollVote::new(known.key(&target)?, options).into(),
            Self::Reaction { target, emoji } => Message::reaction(known.key(&target)?, emoji),
            Self::Edit { target, text } => Message::edit(known.key(&target)?, Message::text(text)),
            Self::Delete { target } => Message::delete(known.key(&target)?),
            Self::Disappearing { seconds } => {
                Message::disappearing(Some(seconds).filter(|&seconds| seconds > 0).map(Duration::from_secs))
            }
        })
    }
}

/// What a message says; of a file the hash of what was downloaded.
pub(crate) async fn describe(message: &Message, client: &Client, known: &Known) -> Value {
    let target = |key: &MessageKey| key.id.as_str().to_owned();
    let mut told = match message.content() {
        Content::Text(text) => {
            let context = message.context();
            let quoted = context.quote.map(|quote| quote.id.as_str().to_owned());
            let mentions: Vec<String> = context.mentions.iter().map(Jid::to_string).collect();
            json!({ "kind": "text", "text": text.text, "quoted": quoted, "mentions": mentions })
        }
        Content::Image(image) => json!({
            "kind": "image",
            "caption": image.caption,
            "view_once": message.is_view_once(),
            "sha256": download(&image.file, client).await,
        }),
        Content::Video(video) => json!({
            "kind": "video",
            "style": match video.style {
                VideoStyle::Gif => Some("gif"),
                VideoStyle::Round => Some("round"),
                _ => None,
            },
            "caption": video.caption,
            "sha256": download(&video.file, client).await,
        }),
        Content::Audio(audio) => json!({
            "kind": "audio",
            "voice": audio.is_voice_note,
            "mimetype": audio.mimetype,
            "sha256": download(&audio.file, client).await,
        }),
        Content::Document(document) => json!({
            "kind": "document",
            "name": document.file_name,
            "mimetype": document.mimetype,
            "sha256": download(&document.file, client).await,
        }),
        Content::Sticker(sticker) => {
            json!({ "kind": "sticker", "sha256": download(&sticker.file, client).await })
        }
        Content::Location(place) => json!({
            "kind": "location",
            "latitude": place.latitude,
            "longitude": place.longitude,
            "name": place.name,
        }),
        Content::Contacts(contacts) => {
            let card = contacts.cards.first();
            json!({ "kind": "contact", "name": card.map(|card| &card.name), "vcard": card.map(|card| &card.vcard) })
        }
        Content::Poll(poll) => json!({
            "kind": "poll",
            "question": poll.question,
            "options": poll.options,
            "selectable": poll.selectable,
        }),
        Content::PollVote(vote) => json!({
            "kind": "vote",
            "target": target(&vote.poll),
            "options": known.names(vote.poll.id.as_str(), &vote.selected),
        }),
        Content::Reaction(reaction) => json!({
            "kind": "reaction",
            "target": target(&reaction.target),
            "emoji": reaction.emoji.unwrap_or_default(),
        }),
        Content::Edit(edit) => {
            json!({ "kind": "edit", "target": target(&edit.target), "text": edit.message.as_text() })
        }
        Content::Revoke(revoke) => json!({ "kind": "delete", "target": target(&revoke.target) }),
        Content::Disappearing(setting) => {
            json!({ "kind": "disappearing", "seconds": setting.after.unwrap_or_default().as_secs() })
        }
        other => json!({ "kind": other.name() }),
    };
    if let (Some(after), Some(told)) = (message.context().expiration, told.as_object_mut()) {
        told.insert("expires".to_owned(), after.as_secs().into());
    }
    told
}

async fn download(file: &Attachment, client: &Client) -> String {
    match client.media().download_bytes(file, FILE_LIMIT).await {
        Ok(bytes) => hex::encode(Sha256::digest(&bytes)),
        Err(error) => format!("not downloaded: {error}"),
    }
}
