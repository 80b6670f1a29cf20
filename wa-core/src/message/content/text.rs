//! Text, with its link and its looks.

use wa_proto::e2e;
use wa_proto::e2e::extended_text_message::{FontType, PreviewType};

use crate::media::{Attachment, MediaKey};
use crate::message::Message;
use crate::message::read::{self, opaque_debug};

/// A text. Its formatting (`*bold*`, `_italic_`, `~struck~`, backquotes) stands in it as it was typed; quotes and mentions
/// are in [`Message::context`].
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Text {
    /// What it says.
    pub text: String,
    /// The preview of a link in it.
    pub link: Option<LinkPreview>,
    /// How it looks, in the status feed.
    pub style: Option<TextStyle>,
}

/// What is behind a link, as its sender says: nobody proves it.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct LinkPreview {
    /// The link, as it stands in the text.
    pub url: String,
    /// The page's title.
    pub title: Option<String>,
    /// What the page is about.
    pub description: Option<String>,
    /// A small JPEG.
    pub thumbnail: Option<Vec<u8>>,
    /// A larger picture, on the media hosts: of kind `LinkThumbnail`.
    pub picture: Option<Attachment>,
    /// Width and height of the larger picture.
    pub picture_size: Option<(u32, u32)>,
    /// Whether the page shows a video.
    pub is_video: bool,
}

/// How a text looks in the status feed. Colours are `0xAARRGGBB`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TextStyle {
    /// The colour behind the text.
    pub background: Option<u32>,
    /// The colour of the text.
    pub colour: Option<u32>,
    /// The number of the font.
    pub font: Option<i32>,
}

opaque_debug!(Text, LinkPreview);

impl LinkPreview {
    /// A preview of this link, which must stand in the text as it is here.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), ..Self::default() }
    }

    /// With the page's title.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// With what the page is about.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// With a small JPEG, of a few KiB.
    #[must_use]
    pub fn thumbnail(mut self, jpeg: Vec<u8>) -> Self {
        self.thumbnail = Some(jpeg);
        self
    }

    /// With a larger picture of this width and height.
    #[must_use]
    pub fn picture(mut self, file: Attachment, width: u32, height: u32) -> Self {
        self.picture = Some(file);
        self.picture_size = Some((width, height));
        self
    }

    fn read(text: &e2e::ExtendedTextMessage) -> Option<Self> {
        Some(Self {
            url: read::text(text.matched_text.as_ref())?,
            title: text.title.clone(),
            description: text.description.clone(),
            thumbnail: text.jpeg_thumbnail.clone(),
            picture: Attachment::link_thumbnail(text),
            picture_size: text.thumbnail_width.zip(text.thumbnail_height),
            is_video: text.preview_type() == PreviewType::Video,
        })
    }

    fn write(&self, text: &mut e2e::ExtendedTextMessage) {
        text.matched_text = Some(self.url.clone());
        text.title.clone_from(&self.title);
        text.description.clone_from(&self.description);
        text.preview_type = Some(if self.is_video { PreviewType::Video } else { PreviewType::None } as i32);
        text.jpeg_thumbnail.clone_from(&self.thumbnail);
        if let Some(file) = &self.picture {
            text.thumbnail_direct_path.clone_from(&file.direct_path);
            text.thumbnail_sha256 = file.file_sha256.map(Vec::from);
            text.thumbnail_enc_sha256 = file.file_enc_sha256.map(Vec::from);
            text.media_key = file.key.as_ref().map(MediaKey::as_bytes).map(|key| key.to_vec());
            text.media_key_timestamp = file.key_timestamp.map(read::seconds_to_wire);
        }
        text.thumbnail_width = self.picture_size.map(|(width, _)| width);
        text.thumbnail_height = self.picture_size.map(|(_, height)| height);
    }
}

impl Text {
    pub(super) fn read(message: &e2e::Message) -> Option<Self> {
        let conversation = message.conversation.as_ref();
        let Some(extended) = message.extended_text_message.as_deref() else {
            return Some(Self { text: conversation?.clone(), ..Self::default() });
        };
        let style = TextStyle {
            background: extended.background_argb,
            colour: extended.text_argb,
            font: extended.font,
        };
        Some(Self {
            text: read::text(conversation).or_else(|| extended.text.clone()).unwrap_or_default(),
            link: LinkPreview::read(extended),
            style: Some(style).filter(|style| *style != TextStyle::default()),
        })
    }
}

impl From<Text> for Message {
    fn from(content: Text) -> Self {
        if content.link.is_none() && content.style.is_none() {
            return Self::text(content.text);
        }
        let mut text = e2e::ExtendedTextMessage { text: Some(content.text), ..Default::default() };
        if let Some(link) = content.link {
            link.write(&mut text);
        }
        if let Some(style) = content.style {
            text.background_argb = style.background;
            text.text_argb = style.colour;
            text.font = style.font;
        }
        Self::from_proto(e2e::Message { extended_text_message: Some(Box::new(text)), ..Default::default() })
    }
}

impl TextStyle {
    /// White text of the plain font on this colour, `0xAARRGGBB`.
    #[must_use]
    pub fn on(background: u32) -> Self {
        Self { background: Some(background), colour: Some(0xFFFF_FFFF), font: Some(FontType::System as i32) }
    }
}
