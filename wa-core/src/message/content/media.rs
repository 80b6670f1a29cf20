//! Pictures, films, sounds, files and stickers.

use std::time::Duration;

use wa_proto::e2e;

use crate::media::{Attachment, MediaKind, MediaMessage as _};
use crate::message::Message;
use crate::message::read::{self, opaque_debug};

/// A picture.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Image {
    /// The file.
    pub file: Attachment,
    /// Its media type, as `image/jpeg`.
    pub mimetype: String,
    /// The text under it.
    pub caption: Option<String>,
    /// Its width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// A small JPEG of a few KiB.
    pub thumbnail: Option<Vec<u8>>,
    /// It is to be viewed once.
    pub is_view_once: bool,
}

/// A film.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Video {
    /// The file.
    pub file: Attachment,
    /// How it is shown.
    pub style: VideoStyle,
    /// Its media type, as `video/mp4`.
    pub mimetype: String,
    /// The text under it.
    pub caption: Option<String>,
    /// How long it is.
    pub duration: Option<Duration>,
    /// Its width and height in pixels.
    pub size: Option<(u32, u32)>,
    /// A small JPEG of a few KiB.
    pub thumbnail: Option<Vec<u8>>,
    /// It is to be viewed once.
    pub is_view_once: bool,
}

/// How a film is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VideoStyle {
    /// With sound, when it is touched.
    Film,
    /// Without sound, again and again.
    Gif,
    /// Small and round: a message that was filmed in the chat.
    Round,
}

/// A sound.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Audio {
    /// The file.
    pub file: Attachment,
    /// Its media type, as `audio/mp4`; voice notes are `audio/ogg; codecs=opus`.
    pub mimetype: String,
    /// How long it is.
    pub duration: Option<Duration>,
    /// It was spoken in the chat.
    pub is_voice_note: bool,
    /// How loud a voice note is over its time: 64 values from 0 to 100.
    pub waveform: Option<Vec<u8>>,
    /// It is to be played once.
    pub is_view_once: bool,
}

/// A file of any kind.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Document {
    /// The file.
    pub file: Attachment,
    /// Its media type, as `application/pdf`.
    pub mimetype: String,
    /// Its name.
    pub file_name: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// The text under it.
    pub caption: Option<String>,
    /// How many pages it has.
    pub pages: Option<u32>,
    /// A small JPEG of a few KiB.
    pub thumbnail: Option<Vec<u8>>,
}

/// A sticker.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Sticker {
    /// The file.
    pub file: Attachment,
    /// Its media type, `image/webp`; `application/was` for a vector sticker.
    pub mimetype: String,
    /// Its width and height in pixels: 512 each.
    pub size: Option<(u32, u32)>,
    /// It moves.
    pub is_animated: bool,
    /// It is a vector sticker.
    pub is_lottie: bool,
    /// A small PNG.
    pub thumbnail: Option<Vec<u8>>,
    /// What it shows, in words.
    pub label: Option<String>,
}

opaque_debug!(Image, Video, Audio, Document, Sticker);

fn duration(seconds: Option<u32>) -> Option<Duration> {
    seconds.map(|seconds| Duration::from_secs(seconds.into()))
}

/// A setter for an optional part.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $value:expr;)*) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $type) -> Self {
            self.$name = $value;
            self
        }
    )*};
}

impl Image {
    /// A JPEG.
    #[must_use]
    pub fn new(file: Attachment) -> Self {
        Self {
            file,
            mimetype: "image/jpeg".to_owned(),
            caption: None,
            size: None,
            thumbnail: None,
            is_view_once: false,
        }
    }

    setters! {
        /// Another media type than `image/jpeg`.
        mimetype: impl Into<String> = mimetype.into();
        /// With a text under it.
        caption: impl Into<String> = Some(caption.into());
        /// With its width and height in pixels.
        size: (u32, u32) = Some(size);
        /// With a small JPEG of a few KiB, shown before the file is there.
        thumbnail: Vec<u8> = Some(thumbnail);
    }

    pub(super) fn read(image: &e2e::ImageMessage) -> Self {
        Self {
            file: image.attachment(),
            mimetype: image.mimetype.clone().unwrap_or_default(),
            caption: read::text(image.caption.as_ref()),
            size: image.width.zip(image.height),
            thumbnail: image.jpeg_thumbnail.clone(),
            is_view_once: image.view_once(),
        }
    }

    pub(super) fn to_proto(&self) -> e2e::ImageMessage {
        let mut image = e2e::ImageMessage {
            mimetype: Some(self.mimetype.clone()),
            caption: self.caption.clone(),
            width: self.size.map(|(width, _)| width),
            height: self.size.map(|(_, height)| height),
            jpeg_thumbnail: self.thumbnail.clone(),
            view_once: self.is_view_once.then_some(true),
            ..Default::default()
        };
        image.set_attachment(&self.file);
        image
    }
}

impl Video {
    /// An MP4, shown as its kind says: `MediaKind::Gif`, `MediaKind::RoundVideo`, or a film.
    #[must_use]
    pub fn new(file: Attachment) -> Self {
        let style = match file.kind {
            MediaKind::Gif => VideoStyle::Gif,
            MediaKind::RoundVideo => VideoStyle::Round,
            _ => VideoStyle::Film,
        };
        Self {
            file,
            style,
            mimetype: "video/mp4".to_owned(),
            caption: None,
            duration: None,
            size: None,
            thumbnail: None,
            is_view_once: false,
        }
    }

    setters! {
        /// Shown in another way than its kind says.
        style: VideoStyle = style;
        /// Another media type than `video/mp4`.
        mimetype: impl Into<String> = mimetype.into();
        /// With a text under it.
        caption: impl Into<String> = Some(caption.into());
        /// With how long it is; whole seconds count.
        duration: Duration = Some(duration);
        /// With its width and height in pixels.
        size: (u32, u32) = Some(size);
        /// With a small JPEG of a few KiB, shown before the file is there.
        thumbnail: Vec<u8> = Some(thumbnail);
    }

    pub(super) fn read(video: &e2e::VideoMessage, is_round: bool) -> Self {
        let style = match (is_round, video.gif_playback()) {
            (true, _) => VideoStyle::Round,
            (false, true) => VideoStyle::Gif,
            (false, false) => VideoStyle::Film,
        };
        let file = video.attachment();
        Self {
            file: if is_round { file.with_kind(MediaKind::RoundVideo) } else { file },
            style,
            mimetype: video.mimetype.clone().unwrap_or_default(),
            caption: read::text(video.caption.as_ref()),
            duration: duration(video.seconds),
            size: video.width.zip(video.height),
            thumbnail: video.jpeg_thumbnail.clone(),
            is_view_once: video.view_once(),
        }
    }

    pub(super) fn to_proto(&self) -> e2e::VideoMessage {
        let mut video = e2e::VideoMessage {
            mimetype: Some(self.mimetype.clone()),
            caption: self.caption.clone(),
            seconds: self.duration.map(read::span_to_wire),
            gif_playback: (self.style == VideoStyle::Gif).then_some(true),
            width: self.size.map(|(width, _)| width),
            height: self.size.map(|(_, height)| height),
            jpeg_thumbnail: self.thumbnail.clone(),
            view_once: self.is_view_once.then_some(true),
            ..Default::default()
        };
        video.set_attachment(&self.file);
        video
    }
}

impl Audio {
    /// A sound, or a voice note when its kind is `MediaKind::VoiceNote`.
    #[must_use]
    pub fn new(file: Attachment) -> Self {
        let is_voice_note = file.kind == MediaKind::VoiceNote;
        let mimetype = if is_voice_note { "audio/ogg; codecs=opus" } else { "audio/mp4" };
        Self {
            file,
            mimetype: mimetype.to_owned(),
            duration: None,
            is_voice_note,
            waveform: None,
            is_view_once: false,
        }
    }

    setters! {
        /// Another media type than `audio/mp4`, or `audio/ogg; codecs=opus` of a voice note.
        mimetype: impl Into<String> = mimetype.into();
        /// With how long it is; whole seconds count.
        duration: Duration = Some(duration);
        /// With how loud a voice note is over its time: 64 values from 0 to 100.
        waveform: Vec<u8> = Some(waveform);
    }

    pub(super) fn read(audio: &e2e::AudioMessage) -> Self {
        Self {
            file: audio.attachment(),
            mimetype: audio.mimetype.clone().unwrap_or_default(),
            duration: duration(audio.seconds),
            is_voice_note: audio.ptt(),
            waveform: audio.waveform.clone(),
            is_view_once: audio.view_once(),
        }
    }
}

impl Document {
    /// A file of this media type and name.
    #[must_use]
    pub fn new(file: Attachment, mimetype: impl Into<String>, file_name: impl Into<String>) -> Self {
        Self {
            file,
            mimetype: mimetype.into(),
            file_name: Some(file_name.into()),
            title: None,
            caption: None,
            pages: None,
            thumbnail: None,
        }
    }

    setters! {
        /// With a title.
        title: impl Into<String> = Some(title.into());
        /// With a text under it.
        caption: impl Into<String> = Some(caption.into());
        /// With how many pages it has.
        pages: u32 = Some(pages);
        /// With a small JPEG of a few KiB.
        thumbnail: Vec<u8> = Some(thumbnail);
    }

    pub(super) fn read(document: &e2e::DocumentMessage) -> Self {
        Self {
            file: document.attachment(),
            mimetype: document.mimetype.clone().unwrap_or_default(),
            file_name: read::text(document.file_name.as_ref()),
            title: read::text(document.title.as_ref()),
            caption: read::text(document.caption.as_ref()),
            pages: document.page_count.filter(|&pages| pages > 0),
            thumbnail: document.jpeg_thumbnail.clone(),
        }
    }
}

impl Sticker {
    /// A still WebP of 512 by 512 pixels.
    #[must_use]
    pub fn new(file: Attachment) -> Self {
        Self {
            file,
            mimetype: "image/webp".to_owned(),
            size: Some((512, 512)),
            is_animated: false,
            is_lottie: false,
            thumbnail: None,
            label: None,
        }
    }

    setters! {
        /// Whether it moves.
        is_animated: bool = is_animated;
        /// With a small PNG.
        thumbnail: Vec<u8> = Some(thumbnail);
        /// With what it shows, in words.
        label: impl Into<String> = Some(label.into());
    }

    /// As a vector sticker: a Lottie file of WhatsApp's.
    #[must_use]
    pub fn lottie(mut self) -> Self {
        self.is_lottie = true;
        self.is_animated = true;
        "application/was".clone_into(&mut self.mimetype);
        self
    }

    pub(super) fn read(sticker: &e2e::StickerMessage) -> Self {
        Self {
            file: sticker.attachment(),
            mimetype: sticker.mimetype.clone().unwrap_or_default(),
            size: sticker.width.zip(sticker.height),
            is_animated: sticker.is_animated(),
            is_lottie: sticker.is_lottie(),
            thumbnail: sticker.png_thumbnail.clone(),
            label: read::text(sticker.accessibility_label.as_ref()),
        }
    }
}

fn wrapped(inner: e2e::Message) -> Option<Box<e2e::FutureProofMessage>> {
    Some(Box::new(e2e::FutureProofMessage { message: Some(Box::new(inner)) }))
}

impl From<Image> for Message {
    fn from(image: Image) -> Self {
        let once = image.is_view_once;
        let inner = e2e::Message { image_message: Some(Box::new(image.to_proto())), ..Default::default() };
        Self::from_proto(if once {
            e2e::Message { view_once_message_v2: wrapped(inner), ..Default::default() }
        } else {
            inner
        })
    }
}

impl From<Video> for Message {
    fn from(video: Video) -> Self {
        let (once, is_round) = (video.is_view_once, video.style == VideoStyle::Round);
        let video = Some(Box::new(video.to_proto()));
        let inner = if is_round {
            e2e::Message { ptv_message: video, ..Default::default() }
        } else {
            e2e::Message { video_message: video, ..Default::default() }
        };
        Self::from_proto(if once {
            e2e::Message { view_once_message_v2: wrapped(inner), ..Default::default() }
        } else {
            inner
        })
    }
}

impl From<Audio> for Message {
    fn from(content: Audio) -> Self {
        let mut audio = e2e::AudioMessage {
            mimetype: Some(content.mimetype),
            seconds: content.duration.map(read::span_to_wire),
            ptt: content.is_voice_note.then_some(true),
            waveform: content.waveform,
            view_once: content.is_view_once.then_some(true),
            ..Default::default()
        };
        audio.set_attachment(&content.file);
        let inner = e2e::Message { audio_message: Some(Box::new(audio)), ..Default::default() };
        Self::from_proto(if content.is_view_once {
            e2e::Message { view_once_message_v2_extension: wrapped(inner), ..Default::default() }
        } else {
            inner
        })
    }
}

impl From<Document> for Message {
    fn from(content: Document) -> Self {
        let has_caption = content.caption.is_some();
        let mut document = e2e::DocumentMessage {
            mimetype: Some(content.mimetype),
            title: content.title.or_else(|| content.file_name.clone()),
            file_name: content.file_name,
            caption: content.caption,
            page_count: content.pages,
            jpeg_thumbnail: content.thumbnail,
            ..Default::default()
        };
        document.set_attachment(&content.file);
        let inner = e2e::Message { document_message: Some(Box::new(document)), ..Default::default() };
        Self::from_proto(if has_caption {
            e2e::Message { document_with_caption_message: wrapped(inner), ..Default::default() }
        } else {
            inner
        })
    }
}

impl From<Sticker> for Message {
    fn from(content: Sticker) -> Self {
        let is_lottie = content.is_lottie;
        let mut sticker = e2e::StickerMessage {
            mimetype: Some(content.mimetype),
            width: content.size.map(|(width, _)| width),
            height: content.size.map(|(_, height)| height),
            is_animated: content.is_animated.then_some(true),
            is_lottie: is_lottie.then_some(true),
            png_thumbnail: content.thumbnail,
            accessibility_label: content.label,
            ..Default::default()
        };
        sticker.set_attachment(&content.file);
        let inner = e2e::Message { sticker_message: Some(Box::new(sticker)), ..Default::default() };
        Self::from_proto(if is_lottie {
            e2e::Message { lottie_sticker_message: wrapped(inner), ..Default::default() }
        } else {
            inner
        })
    }
}
