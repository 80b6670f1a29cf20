//! What must be known to fetch a media file, and the messages that say it. Protocol: media, "Message fields".

use wa_proto::e2e::{
    AudioMessage, DocumentMessage, ExtendedTextMessage, HistorySyncNotification, ImageMessage,
    MessageHistoryBundle, StickerMessage, StickerPackMessage, VideoMessage,
};
use wa_proto::server_sync::ExternalBlobReference;
use wa_types::UnixSeconds;

use super::{MediaKey, MediaKind};

/// A media file on the media hosts: where it is, its key, and what proves that it is whole. Made by an upload, or read
/// from a message; keep it to download the file later. The hosts keep a file for some weeks only.
///
/// Hashes and keys of a wrong length count as absent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attachment {
    /// What the file is for.
    pub kind: MediaKind,
    /// The path on every media host, with its signature.
    pub direct_path: Option<String>,
    /// The whole address; used when there is no path.
    pub url: Option<String>,
    /// The file is not encrypted, and lies at this address. Newsletters only.
    pub static_url: Option<String>,
    /// The key. `None` for files that are not encrypted, as those of newsletters.
    pub key: Option<MediaKey>,
    /// When the key was made.
    pub key_timestamp: Option<UnixSeconds>,
    /// SHA-256 of the file.
    pub file_sha256: Option<[u8; 32]>,
    /// SHA-256 of the encrypted file.
    pub file_enc_sha256: Option<[u8; 32]>,
    /// The length of the file in bytes, as the sender says. Not proven.
    pub file_length: Option<u64>,
    /// MACs of the parts of audio and video, for players that begin in the middle.
    pub sidecar: Option<Vec<u8>>,
    /// The hosts' name for it: newsletters post with it, app state and history delete with it.
    pub handle: Option<String>,
}

impl Attachment {
    /// Nothing known but the kind.
    #[must_use]
    pub const fn new(kind: MediaKind) -> Self {
        Self {
            kind,
            direct_path: None,
            url: None,
            static_url: None,
            key: None,
            key_timestamp: None,
            file_sha256: None,
            file_enc_sha256: None,
            file_length: None,
            sidecar: None,
            handle: None,
        }
    }

    /// The same file as another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: MediaKind) -> Self {
        self.kind = kind;
        self
    }

    /// The separate thumbnail of a picture.
    #[must_use]
    pub fn image_thumbnail(message: &ImageMessage) -> Option<Self> {
        thumbnail(
            MediaKind::ImageThumbnail,
            message.thumbnail_direct_path.as_deref(),
            message.thumbnail_sha256.as_deref(),
            message.thumbnail_enc_sha256.as_deref(),
            message.media_key.as_deref(),
            message.media_key_timestamp,
        )
    }

    /// The separate thumbnail of a video.
    #[must_use]
    pub fn video_thumbnail(message: &VideoMessage) -> Option<Self> {
        thumbnail(
            MediaKind::VideoThumbnail,
            message.thumbnail_direct_path.as_deref(),
            message.thumbnail_sha256.as_deref(),
            message.thumbnail_enc_sha256.as_deref(),
            message.media_key.as_deref(),
            message.media_key_timestamp,
        )
    }

    /// The separate thumbnail of a document.
    #[must_use]
    pub fn document_thumbnail(message: &DocumentMessage) -> Option<Self> {
        thumbnail(
            MediaKind::DocumentThumbnail,
            message.thumbnail_direct_path.as_deref(),
            message.thumbnail_sha256.as_deref(),
            message.thumbnail_enc_sha256.as_deref(),
            message.media_key.as_deref(),
            message.media_key_timestamp,
        )
    }

    /// The picture of a sticker pack.
    #[must_use]
    pub fn sticker_pack_thumbnail(message: &StickerPackMessage) -> Option<Self> {
        thumbnail(
            MediaKind::StickerPackThumbnail,
            message.thumbnail_direct_path.as_deref(),
            message.thumbnail_sha256.as_deref(),
            message.thumbnail_enc_sha256.as_deref(),
            message.media_key.as_deref(),
            message.media_key_timestamp,
        )
    }

    /// The large picture of a link preview. Protocol: media, "Link previews".
    #[must_use]
    pub fn link_thumbnail(message: &ExtendedTextMessage) -> Option<Self> {
        thumbnail(
            MediaKind::LinkThumbnail,
            message.thumbnail_direct_path.as_deref(),
            message.thumbnail_sha256.as_deref(),
            message.thumbnail_enc_sha256.as_deref(),
            message.media_key.as_deref(),
            message.media_key_timestamp,
        )
    }
}

/// A protobuf message that refers to one media file.
pub trait MediaMessage {
    /// The file that it refers to.
    fn attachment(&self) -> Attachment;

    /// Makes it refer to this file. What the message has no field for is left out.
    fn set_attachment(&mut self, file: &Attachment);
}

fn thumbnail(
    kind: MediaKind,
    direct_path: Option<&str>,
    sha256: Option<&[u8]>,
    enc_sha256: Option<&[u8]>,
    key: Option<&[u8]>,
    key_timestamp: Option<i64>,
) -> Option<Attachment> {
    Some(Attachment {
        direct_path: Some(text(direct_path)?),
        key: key.and_then(MediaKey::from_slice),
        key_timestamp: seconds(key_timestamp),
        file_sha256: hash(sha256),
        file_enc_sha256: hash(enc_sha256),
        ..Attachment::new(kind)
    })
}

fn text(value: Option<&str>) -> Option<String> {
    value.filter(|value| !value.is_empty()).map(str::to_owned)
}

fn hash(value: Option<&[u8]>) -> Option<[u8; 32]> {
    value.and_then(|value| value.try_into().ok())
}

fn seconds(value: Option<i64>) -> Option<UnixSeconds> {
    value.and_then(|value| u64::try_from(value).ok()).map(UnixSeconds)
}

fn to_seconds(value: Option<UnixSeconds>) -> Option<i64> {
    value.and_then(|value| i64::try_from(value.0).ok())
}

/// The fields that all messages have, and those in brackets that this one has.
macro_rules! media_message {
    ($message:ident, $kind:expr, [$($field:ident),*]) => {
        impl MediaMessage for $message {
            fn attachment(&self) -> Attachment {
                let kind: fn(&Self) -> MediaKind = $kind;
                #[allow(unused_mut, reason = "some messages have no further fields")]
                let mut file = Attachment {
                    direct_path: text(self.direct_path.as_deref()),
                    key: self.media_key.as_deref().and_then(MediaKey::from_slice),
                    file_sha256: hash(self.file_sha256.as_deref()),
                    file_enc_sha256: hash(self.file_enc_sha256.as_deref()),
                    ..Attachment::new(kind(self))
                };
                $(media_message!(read $field, self, file);)*
                file
            }

            fn set_attachment(&mut self, file: &Attachment) {
                self.direct_path.clone_from(&file.direct_path);
                self.media_key = file.key.as_ref().map(|key| key.as_bytes().to_vec());
                self.file_sha256 = file.file_sha256.map(Vec::from);
                self.file_enc_sha256 = file.file_enc_sha256.map(Vec::from);
                $(media_message!(write $field, self, file);)*
            }
        }
    };
    (read url, $message:ident, $file:ident) => { $file.url = text($message.url.as_deref()) };
    (write url, $message:ident, $file:ident) => { $message.url.clone_from(&$file.url) };
    (read static_url, $message:ident, $file:ident) => { $file.static_url = text($message.static_url.as_deref()) };
    (write static_url, $message:ident, $file:ident) => { $message.static_url.clone_from(&$file.static_url) };
    (read length, $message:ident, $file:ident) => { $file.file_length = $message.file_length };
    (write length, $message:ident, $file:ident) => { $message.file_length = $file.file_length };
    (read time, $message:ident, $file:ident) => { $file.key_timestamp = seconds($message.media_key_timestamp) };
    (write time, $message:ident, $file:ident) => { $message.media_key_timestamp = to_seconds($file.key_timestamp) };
    (read sidecar, $message:ident, $file:ident) => { $file.sidecar.clone_from(&$message.streaming_sidecar) };
    (write sidecar, $message:ident, $file:ident) => { $message.streaming_sidecar.clone_from(&$file.sidecar) };
    (read enc_handle, $message:ident, $file:ident) => { $file.handle = text($message.enc_handle.as_deref()) };
    (write enc_handle, $message:ident, $file:ident) => { $message.enc_handle.clone_from(&$file.handle) };
    (read size, $message:ident, $file:ident) => {{
        $file.file_length = $message.file_size_bytes;
        $file.handle = text($message.handle.as_deref());
    }};
    (write size, $message:ident, $file:ident) => {{
        $message.file_size_bytes = $file.file_length;
        $message.handle.clone_from(&$file.handle);
    }};
}

media_message!(ImageMessage, |_| MediaKind::Image, [url, static_url, length, time]);
media_message!(VideoMessage, video_kind, [url, static_url, length, time, sidecar]);
media_message!(AudioMessage, audio_kind, [url, length, time, sidecar]);
media_message!(DocumentMessage, |_| MediaKind::Document, [url, length, time]);
media_message!(StickerMessage, |_| MediaKind::Sticker, [url, length, time]);
media_message!(StickerPackMessage, |_| MediaKind::StickerPack, [length, time]);
media_message!(HistorySyncNotification, |_| MediaKind::History, [length, enc_handle]);
media_message!(MessageHistoryBundle, |_| MediaKind::GroupHistory, [time]);
media_message!(ExternalBlobReference, |_| MediaKind::AppState, [size]);

const fn video_kind(message: &VideoMessage) -> MediaKind {
    match message.gif_playback {
        Some(true) => MediaKind::Gif,
        _ => MediaKind::Video,
    }
}

const fn audio_kind(message: &AudioMessage) -> MediaKind {
    match message.ptt {
        Some(true) => MediaKind::VoiceNote,
        _ => MediaKind::Audio,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(kind: MediaKind) -> Attachment {
        Attachment {
            direct_path: Some("/v/t62.1/2?oh=3&oe=4".to_owned()),
            url: Some("https://mmg.whatsapp.net/v/t62.1/2?oh=3&oe=4".to_owned()),
            key: Some(MediaKey::new([1; 32])),
            key_timestamp: Some(UnixSeconds(1_700_000_000)),
            file_sha256: Some([2; 32]),
            file_enc_sha256: Some([3; 32]),
            file_length: Some(4),
            ..Attachment::new(kind)
        }
    }

    #[test]
    fn what_is_written_into_a_message_is_read_from_it() {
        let image = full(MediaKind::Image);
        let mut message = ImageMessage::default();
        message.set_attachment(&image);
        assert_eq!(message.attachment(), image);

        let voice = Attachment { sidecar: Some(vec![5; 10]), ..full(MediaKind::VoiceNote) };
        let mut message = AudioMessage { ptt: Some(true), ..AudioMessage::default() };
        message.set_attachment(&voice);
        assert_eq!(message.attachment(), voice);

        let blob = Attachment {
            url: None,
            key_timestamp: None,
            handle: Some("handle".to_owned()),
            ..full(MediaKind::AppState)
        };
        let mut message = ExternalBlobReference::default();
        message.set_attachment(&blob);
        assert_eq!(message.attachment(), blob);
    }

    #[test]
    fn what_has_a_wrong_length_counts_as_absent() {
        let message = ImageMessage {
            media_key: Some(vec![1; 31]),
            file_sha256: Some(vec![1; 33]),
            file_enc_sha256: Some(Vec::new()),
            direct_path: Some(String::new()),
            media_key_timestamp: Some(-1),
            ..ImageMessage::default()
        };
        assert_eq!(message.attachment(), Attachment::new(MediaKind::Image));
    }

    #[test]
    fn a_thumbnail_has_the_key_of_its_message() {
        let mut message = VideoMessage { thumbnail_sha256: Some(vec![7; 32]), ..VideoMessage::default() };
        message.set_attachment(&full(MediaKind::Video));
        assert_eq!(Attachment::video_thumbnail(&message), None);
        message.thumbnail_direct_path = Some("/thumb".to_owned());
        let thumbnail = Attachment::video_thumbnail(&message).unwrap();
        assert_eq!((thumbnail.kind, thumbnail.key), (MediaKind::VideoThumbnail, full(MediaKind::Video).key));
        assert_eq!(thumbnail.file_sha256, Some([7; 32]));
    }
}
