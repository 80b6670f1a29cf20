//! What a media file is for. Protocol: media, "Media types".

/// What a media file is for. It decides which keys are made of its media key, and where it is uploaded; both sides must
/// mean the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MediaKind {
    /// A picture, mostly JPEG.
    Image,
    /// A sticker, mostly WebP.
    Sticker,
    /// A picture inside a product or shared content.
    ProductImage,
    /// A video.
    Video,
    /// A video without sound that repeats.
    Gif,
    /// A round video.
    RoundVideo,
    /// Music or another recording.
    Audio,
    /// A voice note.
    VoiceNote,
    /// Any file.
    Document,
    /// The large picture of a link preview.
    LinkThumbnail,
    /// The separate thumbnail of a picture.
    ImageThumbnail,
    /// The separate thumbnail of a video.
    VideoThumbnail,
    /// The separate thumbnail of a document.
    DocumentThumbnail,
    /// A ZIP of stickers.
    StickerPack,
    /// The picture of a sticker pack.
    StickerPackThumbnail,
    /// A snapshot or a large patch of app state.
    AppState,
    /// A chunk of history.
    History,
    /// The past of a group, for a new member.
    GroupHistory,
    /// The background of a payment.
    PaymentBackground,
}

impl MediaKind {
    /// All kinds.
    pub const ALL: &[Self] = &[
        Self::Image,
        Self::Sticker,
        Self::ProductImage,
        Self::Video,
        Self::Gif,
        Self::RoundVideo,
        Self::Audio,
        Self::VoiceNote,
        Self::Document,
        Self::LinkThumbnail,
        Self::ImageThumbnail,
        Self::VideoThumbnail,
        Self::DocumentThumbnail,
        Self::StickerPack,
        Self::StickerPackThumbnail,
        Self::AppState,
        Self::History,
        Self::GroupHistory,
        Self::PaymentBackground,
    ];

    /// The protocol's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Sticker => "sticker",
            Self::ProductImage => "xma-image",
            Self::Video => "video",
            Self::Gif => "gif",
            Self::RoundVideo => "ptv",
            Self::Audio => "audio",
            Self::VoiceNote => "ptt",
            Self::Document => "document",
            Self::LinkThumbnail => "thumbnail-link",
            Self::ImageThumbnail => "thumbnail-image",
            Self::VideoThumbnail => "thumbnail-video",
            Self::DocumentThumbnail => "thumbnail-document",
            Self::StickerPack => "sticker-pack",
            Self::StickerPackThumbnail => "thumbnail-sticker-pack",
            Self::AppState => "md-app-state",
            Self::History => "md-msg-hist",
            Self::GroupHistory => "group-history",
            Self::PaymentBackground => "payment-bg-image",
        }
    }

    /// What the media key is expanded with.
    #[must_use]
    pub const fn key_info(self) -> &'static str {
        match self {
            Self::Image | Self::Sticker | Self::ProductImage => "WhatsApp Image Keys",
            Self::Video | Self::Gif | Self::RoundVideo => "WhatsApp Video Keys",
            Self::Audio | Self::VoiceNote => "WhatsApp Audio Keys",
            Self::Document => "WhatsApp Document Keys",
            Self::LinkThumbnail => "WhatsApp Link Thumbnail Keys",
            Self::ImageThumbnail => "WhatsApp Image Thumbnail Keys",
            Self::VideoThumbnail => "WhatsApp Video Thumbnail Keys",
            Self::DocumentThumbnail => "WhatsApp Document Thumbnail Keys",
            Self::StickerPack => "WhatsApp Sticker Pack Keys",
            Self::StickerPackThumbnail => "WhatsApp Sticker Pack Thumbnail Keys",
            Self::AppState => "WhatsApp App State Keys",
            Self::History => "WhatsApp History Keys",
            Self::GroupHistory => "Group History",
            Self::PaymentBackground => "WhatsApp Payment Background Keys",
        }
    }

    /// Where it is uploaded, encrypted; `None` for what no companion uploads.
    #[must_use]
    pub const fn upload_path(self) -> Option<&'static str> {
        Some(match self {
            Self::Image | Self::Sticker | Self::ProductImage => "/mms/image",
            Self::Video | Self::Gif | Self::RoundVideo => "/mms/video",
            Self::Audio | Self::VoiceNote => "/mms/audio",
            Self::Document => "/mms/document",
            Self::LinkThumbnail => "/mms/thumbnail-link",
            Self::ImageThumbnail => "/mms/thumbnail-image",
            Self::VideoThumbnail => "/mms/thumbnail-video",
            Self::DocumentThumbnail => "/mms/thumbnail-document",
            Self::StickerPack => "/mms/sticker-pack",
            Self::StickerPackThumbnail => "/mms/thumbnail-sticker-pack",
            Self::AppState => "/mms/md-app-state",
            Self::History => "/mms/md-msg-hist",
            Self::GroupHistory => "/mms/group-history",
            Self::PaymentBackground => return None,
        })
    }

    /// Where it is uploaded for a newsletter, not encrypted; `None` for what newsletters do not have.
    /// Protocol: media, "Plain (channel) media".
    #[must_use]
    pub const fn newsletter_path(self) -> Option<&'static str> {
        Some(match self {
            Self::Image | Self::ProductImage => "/newsletter/newsletter-image",
            Self::Sticker => "/newsletter/newsletter-sticker",
            Self::Video => "/newsletter/newsletter-video",
            Self::Gif => "/newsletter/newsletter-gif",
            Self::RoundVideo => "/newsletter/newsletter-ptv",
            Self::Audio => "/newsletter/newsletter-audio",
            Self::VoiceNote => "/newsletter/newsletter-ptt",
            Self::Document => "/newsletter/newsletter-document",
            Self::LinkThumbnail => "/newsletter/newsletter-thumbnail-link",
            Self::StickerPack => "/newsletter/newsletter-sticker-pack",
            _ => return None,
        })
    }

    /// Whether its message carries a streaming sidecar, with which a player can verify parts of it.
    #[must_use]
    pub const fn has_sidecar(self) -> bool {
        matches!(self, Self::Video | Self::Gif | Self::RoundVideo | Self::Audio | Self::VoiceNote)
    }
}
