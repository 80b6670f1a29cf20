//! Stickers that belong together. Protocol: media, "Sticker packs".

use wa_proto::e2e;
use wa_proto::e2e::sticker_pack_message::{Sticker as WireSticker, StickerPackOrigin};

use crate::media::{Attachment, MediaMessage as _};
use crate::message::Message;
use crate::message::read::{self, opaque_debug};

/// A sticker pack: one ZIP on the media hosts with all stickers and a picture for the tray.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct StickerPack {
    /// The pack's id: at most 128 bytes, without slashes, dots and control characters.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Who made it.
    pub publisher: String,
    /// The stickers, at most 60.
    pub stickers: Vec<PackedSticker>,
    /// The ZIP.
    pub file: Attachment,
    /// The name of the tray's picture in the ZIP.
    pub tray_icon: Option<String>,
    /// The pack's JPEG on the media hosts, under the ZIP's key.
    pub thumbnail: Option<Attachment>,
    /// Width and height of that JPEG.
    pub thumbnail_size: Option<(u32, u32)>,
    /// The text under it.
    pub caption: Option<String>,
    /// What the pack is about.
    pub description: Option<String>,
    /// A hash of the pictures, as base64.
    pub image_data_hash: Option<String>,
}

/// A sticker of a pack.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackedSticker {
    /// The name of its file in the ZIP: the file's SHA-256 as unpadded URL-safe base64, and `.webp`.
    pub file_name: String,
    /// The emojis that it stands for.
    pub emojis: Vec<String>,
    /// What it shows, in words.
    pub label: Option<String>,
    /// It moves.
    pub is_animated: bool,
    /// It is a vector sticker.
    pub is_lottie: bool,
    /// Its media type.
    pub mimetype: Option<String>,
}

opaque_debug!(StickerPack, PackedSticker);

impl PackedSticker {
    /// A still WebP of this name in the ZIP.
    #[must_use]
    pub fn new(file_name: impl Into<String>, emojis: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            file_name: file_name.into(),
            emojis: emojis.into_iter().map(Into::into).collect(),
            mimetype: Some("image/webp".to_owned()),
            ..Self::default()
        }
    }
}

impl StickerPack {
    /// A pack in this ZIP; its tray's picture is `<id>.webp` there.
    #[must_use]
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        publisher: impl Into<String>,
        file: Attachment,
        stickers: Vec<PackedSticker>,
    ) -> Self {
        let id = id.into();
        Self {
            tray_icon: Some(format!("{id}.webp")),
            id,
            name: name.into(),
            publisher: publisher.into(),
            stickers,
            file,
            thumbnail: None,
            thumbnail_size: None,
            caption: None,
            description: None,
            image_data_hash: None,
        }
    }

    /// With a JPEG of this width and height, encrypted under the ZIP's key.
    #[must_use]
    pub fn thumbnail(mut self, file: Attachment, width: u32, height: u32) -> Self {
        self.thumbnail = Some(file);
        self.thumbnail_size = Some((width, height));
        self
    }

    pub(super) fn read(pack: &e2e::StickerPackMessage) -> Self {
        let stickers = pack.stickers.iter().map(|sticker| PackedSticker {
            file_name: sticker.file_name.clone().unwrap_or_default(),
            emojis: sticker.emojis.clone(),
            label: read::text(sticker.accessibility_label.as_ref()),
            is_animated: sticker.is_animated(),
            is_lottie: sticker.is_lottie(),
            mimetype: sticker.mimetype.clone(),
        });
        Self {
            id: pack.sticker_pack_id.clone().unwrap_or_default(),
            name: pack.name.clone().unwrap_or_default(),
            publisher: pack.publisher.clone().unwrap_or_default(),
            stickers: stickers.collect(),
            file: pack.attachment(),
            tray_icon: pack.tray_icon_file_name.clone(),
            thumbnail: Attachment::sticker_pack_thumbnail(pack),
            thumbnail_size: pack.thumbnail_width.zip(pack.thumbnail_height),
            caption: read::text(pack.caption.as_ref()),
            description: read::text(pack.pack_description.as_ref()),
            image_data_hash: pack.image_data_hash.clone(),
        }
    }
}

impl From<StickerPack> for Message {
    fn from(content: StickerPack) -> Self {
        let stickers = content.stickers.into_iter().map(|sticker| WireSticker {
            file_name: Some(sticker.file_name),
            is_animated: Some(sticker.is_animated),
            emojis: sticker.emojis,
            accessibility_label: sticker.label,
            is_lottie: Some(sticker.is_lottie),
            mimetype: sticker.mimetype,
            ..Default::default()
        });
        let mut pack = e2e::StickerPackMessage {
            sticker_pack_id: Some(content.id),
            name: Some(content.name),
            publisher: Some(content.publisher),
            stickers: stickers.collect(),
            tray_icon_file_name: content.tray_icon,
            caption: content.caption,
            pack_description: content.description,
            image_data_hash: content.image_data_hash,
            sticker_pack_size: content.file.file_length,
            sticker_pack_origin: Some(StickerPackOrigin::UserCreated as i32),
            thumbnail_width: content.thumbnail_size.map(|(width, _)| width),
            thumbnail_height: content.thumbnail_size.map(|(_, height)| height),
            ..Default::default()
        };
        pack.set_attachment(&content.file);
        if let Some(thumbnail) = content.thumbnail {
            pack.thumbnail_direct_path = thumbnail.direct_path;
            pack.thumbnail_sha256 = thumbnail.file_sha256.map(Vec::from);
            pack.thumbnail_enc_sha256 = thumbnail.file_enc_sha256.map(Vec::from);
        }
        Self::from_proto(e2e::Message { sticker_pack_message: Some(Box::new(pack)), ..Default::default() })
    }
}
