//! Sticker packs: made and uploaded, fetched and opened. Protocol: media, "Sticker packs".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::Media;
use crate::error::MediaError;
use crate::media::MediaKind;
use crate::media::sticker_zip::{self, MAX_ZIP_LENGTH, StickerZipError};
use crate::media::webp::WebpHead;
use crate::message::content::{PackedSticker, StickerPack};

/// A sticker pack that is to be uploaded: [`Media::upload_sticker_pack`].
#[derive(Clone)]
#[must_use]
pub struct NewStickerPack {
    id: String,
    name: String,
    publisher: String,
    tray_icon: Vec<u8>,
    stickers: Vec<(Vec<u8>, PackedSticker)>,
    thumbnail: Option<(Vec<u8>, u32, u32)>,
    caption: Option<String>,
    description: Option<String>,
}

impl NewStickerPack {
    /// A pack without stickers. The id has at most 128 bytes, without slashes, dots and control characters; the tray's
    /// picture is a WebP.
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        publisher: impl Into<String>,
        tray_icon: Vec<u8>,
    ) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            publisher: publisher.into(),
            tray_icon,
            stickers: Vec::new(),
            thumbnail: None,
            caption: None,
            description: None,
        }
    }

    /// With one more sticker, a WebP, and the emojis that it stands for.
    pub fn sticker(mut self, webp: Vec<u8>, emojis: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.stickers.push((webp, PackedSticker::new("", emojis)));
        self
    }

    /// With what the last sticker shows, in words.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        if let Some((_, sticker)) = self.stickers.last_mut() {
            sticker.label = Some(label.into());
        }
        self
    }

    /// With a JPEG of this width and height, shown in the chat.
    pub fn thumbnail(mut self, jpeg: Vec<u8>, width: u32, height: u32) -> Self {
        self.thumbnail = Some((jpeg, width, height));
        self
    }

    /// With a text under it.
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = Some(caption.into());
        self
    }

    /// With what the pack is about.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

impl std::fmt::Debug for NewStickerPack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewStickerPack({} stickers)", self.stickers.len())
    }
}

/// The files of a sticker pack.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StickerPackFiles {
    /// The tray's picture, mostly WebP. `None` if the pack has none.
    pub tray_icon: Option<Vec<u8>>,
    /// The stickers, in the order of the message, each with its file. A stranger made them: expect anything.
    pub stickers: Vec<(PackedSticker, Vec<u8>)>,
}

impl std::fmt::Debug for StickerPackFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StickerPackFiles({} stickers)", self.stickers.len())
    }
}

/// A sticker pack was not uploaded, or not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StickerPackError {
    /// The pack cannot be made of these files, or the fetched ZIP cannot be read. Not worth a second try.
    #[error("the sticker pack's ZIP is not a good one")]
    Zip(#[from] StickerZipError),
    /// The transfer failed; its remedy says what to do.
    #[error("the sticker pack was not transferred")]
    Media(#[from] MediaError),
    /// The message names a sticker that is not in the ZIP. Not worth a second try.
    #[error("a sticker of the message is not in the ZIP")]
    Missing,
}

impl Media {
    /// Makes the ZIP of a pack, uploads it, and its thumbnail under the same key. What comes back is the message, but for
    /// sending it: `client.send(&chat, pack.into())`.
    ///
    /// # Errors
    /// - [`StickerPackError::Zip`]: more than 60 stickers or none, one of more than 1 MiB or no WebP, or a bad id.
    /// - [`StickerPackError::Media`].
    pub async fn upload_sticker_pack(&self, pack: NewStickerPack) -> Result<StickerPack, StickerPackError> {
        let (files, mut stickers): (Vec<_>, Vec<_>) = pack.stickers.into_iter().unzip();
        let zip = sticker_zip::pack(&pack.id, &pack.tray_icon, &files)?;
        for ((sticker, name), file) in stickers.iter_mut().zip(zip.names).zip(&files) {
            sticker.file_name = name;
            sticker.is_animated = WebpHead::read(file).is_some_and(|head| head.is_animated);
        }
        let file = self.upload(zip.bytes, MediaKind::StickerPack).await?;
        let key = file.key.clone().ok_or(MediaError::NoKey)?;
        let mut uploaded = StickerPack::new(pack.id, pack.name, pack.publisher, file, stickers);
        uploaded.tray_icon = Some(zip.tray_icon);
        uploaded.caption = pack.caption;
        uploaded.description = pack.description;
        if let Some((jpeg, width, height)) = pack.thumbnail {
            uploaded.image_data_hash = Some(STANDARD.encode(Sha256::digest(&jpeg)));
            let file = self.upload_with_key(jpeg, MediaKind::StickerPackThumbnail, &key).await?;
            uploaded = uploaded.thumbnail(file, width, height);
        }
        Ok(uploaded)
    }

    /// Fetches the ZIP of a pack into memory, at most 62 MiB, and takes the files out of it that the message names.
    ///
    /// # Errors
    /// - [`StickerPackError::Zip`], [`StickerPackError::Missing`]: the pack is broken.
    /// - [`StickerPackError::Media`]: as [`Media::download`].
    pub async fn download_sticker_pack(
        &self,
        pack: &StickerPack,
    ) -> Result<StickerPackFiles, StickerPackError> {
        let zip = self.download_bytes(&pack.file, MAX_ZIP_LENGTH as u64).await?;
        let files = sticker_zip::unpack(&zip)?;
        let file = |name: &str| files.iter().find(|file| file.name == name).map(|file| file.bytes.clone());
        if pack.stickers.len() > sticker_zip::MAX_STICKERS {
            return Err(StickerZipError::Count { count: pack.stickers.len() }.into());
        }
        let stickers = pack.stickers.iter().map(|sticker| {
            file(&sticker.file_name).map(|bytes| (sticker.clone(), bytes)).ok_or(StickerPackError::Missing)
        });
        Ok(StickerPackFiles {
            stickers: stickers.collect::<Result<_, _>>()?,
            tray_icon: pack.tray_icon.as_deref().and_then(file),
        })
    }
}
