//! Pictures and films that belong together. Protocol: messages, "Content types".

use wa_proto::e2e;
use wa_proto::e2e::message_association::AssociationType;

use crate::message::{Message, MessageKey, read};

/// The beginning of an album: its pictures and films follow as messages of their own, each [associated](Association) with
/// this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Album {
    /// How many pictures follow.
    pub images: u32,
    /// How many films follow.
    pub videos: u32,
}

impl Album {
    /// An album of so many pictures and films.
    #[must_use]
    pub const fn new(images: u32, videos: u32) -> Self {
        Self { images, videos }
    }

    pub(super) fn read(album: &e2e::AlbumMessage) -> Self {
        Self { images: album.expected_image_count(), videos: album.expected_video_count() }
    }
}

impl From<Album> for Message {
    fn from(album: Album) -> Self {
        let album = e2e::AlbumMessage {
            expected_image_count: Some(album.images),
            expected_video_count: Some(album.videos),
            ..Default::default()
        };
        Self::from_proto(e2e::Message { album_message: Some(Box::new(album)), ..Default::default() })
    }
}

/// That a message belongs to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Association {
    /// How.
    pub kind: AssociationKind,
    /// The message that it belongs to; told from the side of who wrote this one.
    pub parent: MessageKey,
}

/// How a message belongs to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AssociationKind {
    /// A picture or film of an album.
    Album,
    /// The picture of an event.
    EventCover,
    /// The picture of a poll's option.
    PollOption,
    /// The better copy of a picture or film.
    HighQuality,
    /// The film of a moving picture.
    MotionPhoto,
    /// A kind that this version does not know, by its number.
    Unknown(i32),
}

impl AssociationKind {
    fn read(number: i32) -> Self {
        match AssociationType::try_from(number) {
            Ok(AssociationType::MediaAlbum) => Self::Album,
            Ok(AssociationType::EventCoverImage) => Self::EventCover,
            Ok(AssociationType::MediaPoll) => Self::PollOption,
            Ok(AssociationType::HdVideoDualUpload | AssociationType::HdImageDualUpload) => Self::HighQuality,
            Ok(AssociationType::MotionPhoto) => Self::MotionPhoto,
            _ => Self::Unknown(number),
        }
    }
}

impl Association {
    pub(in crate::message) fn read(association: &e2e::MessageAssociation) -> Option<Self> {
        Some(Self {
            kind: AssociationKind::read(association.association_type?),
            parent: read::key(association.parent_message_key.as_ref())?,
        })
    }
}

/// As it stands in the picture of an album.
pub(in crate::message) fn in_album(album: &MessageKey) -> e2e::MessageAssociation {
    e2e::MessageAssociation {
        association_type: Some(AssociationType::MediaAlbum as i32),
        parent_message_key: Some(album.to_proto()),
        ..Default::default()
    }
}
