//! What a file is: how large, how long, and a small picture of it, for the fields of a message. Feature `probe`.
//!
//! Everything here reads files that a stranger may have made: all is bounded, and what is damaged is an error. The
//! functions read and compute while they are called; in an asynchronous program they belong into `spawn_blocking`.
//! Protocol: media, "Message fields".

mod mp3;
mod mp4;
mod picture;
mod sound;

use std::io;

pub use mp4::{VideoInfo, video};
pub use picture::{MAX_PIXELS, Picture, PictureInfo, Thumbnail, picture};
pub use sound::{SoundInfo, sound};

/// It was not found out what a file is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    /// It is none of the formats that are known here. The file can be sent, without what would be known of it.
    #[error("the format of the file is not known")]
    Unknown,
    /// It is damaged, or says of itself what cannot be.
    #[error("the file is damaged")]
    Malformed,
    /// It asks for more memory or time than it may have.
    #[error("the file is too large to be looked at")]
    TooLarge,
}

impl From<io::Error> for ProbeError {
    /// What ends early is damaged.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Malformed,
            _ => Self::Read(error),
        }
    }
}
