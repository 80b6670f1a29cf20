//! Sticker packs.

use std::sync::Arc;

use crate::client::Client;
use crate::error::WaError;
use crate::message::Message;
use crate::runtime;

/// A sticker pack that is to be uploaded.
#[derive(Clone, uniffi::Record)]
pub struct NewStickerPack {
    /// Its id: at most 128 bytes, without slashes, dots and control characters.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Who made it.
    pub publisher: String,
    /// The picture for the tray, a WebP.
    pub tray_icon: Vec<u8>,
    /// The stickers, at most 60.
    pub stickers: Vec<NewSticker>,
    /// The text below it.
    #[uniffi(default = None)]
    pub caption: Option<String>,
    /// What it is about.
    #[uniffi(default = None)]
    pub description: Option<String>,
}

/// A sticker of a pack that is to be uploaded.
#[derive(Clone, uniffi::Record)]
pub struct NewSticker {
    /// The picture, a WebP.
    pub webp: Vec<u8>,
    /// The emojis that it stands for.
    pub emojis: Vec<String>,
    /// A text for people who cannot see it.
    #[uniffi(default = None)]
    pub label: Option<String>,
}

impl std::fmt::Debug for NewStickerPack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewStickerPack({} stickers)", self.stickers.len())
    }
}

impl std::fmt::Debug for NewSticker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewSticker({} bytes)", self.webp.len())
    }
}

#[uniffi::export]
impl Client {
    /// Packs stickers, and uploads the pack: what comes back is the message to send.
    pub async fn upload_sticker_pack(&self, pack: NewStickerPack) -> Result<Arc<Message>, WaError> {
        let media = self.core()?.media();
        let mut made =
            wa_core::client::NewStickerPack::new(pack.id, pack.name, pack.publisher, pack.tray_icon);
        for sticker in pack.stickers {
            made = made.sticker(sticker.webp, sticker.emojis);
            if let Some(label) = sticker.label {
                made = made.label(label);
            }
        }
        if let Some(caption) = pack.caption {
            made = made.caption(caption);
        }
        if let Some(description) = pack.description {
            made = made.description(description);
        }
        runtime::run(async move {
            let uploaded = media.upload_sticker_pack(made).await?;
            Ok(Arc::new(Message(uploaded.into())))
        })
        .await
    }
}
