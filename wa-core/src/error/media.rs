//! What goes wrong with media files.

use std::io;

use super::CallError;
use crate::media::cipher::CipherError;
use crate::media::retry::RetryAnswerError;

/// A media file was not moved. [`Self::remedy`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The hosts have the file no more. Ask the phone for it:
    /// [`Media::request_reupload`](crate::client::Media::request_reupload).
    #[error("the hosts have the file no more ({status})")]
    Gone {
        /// What the host answered: 401, 403, 404 or 410.
        status: u16,
    },
    /// The file is not what its sender encrypted. It was fetched from two hosts where there are two.
    #[error("the file is not what was sent")]
    Tampered(#[source] CipherError),
    /// The file ended early, on every host.
    #[error("the file ended after {received} bytes")]
    Truncated {
        /// How many bytes came.
        received: u64,
    },
    /// The file is longer than it says, or than the caller's limit. Nothing of it was kept.
    #[error("the file is longer than {limit} bytes")]
    TooLarge {
        /// How long it may be, as it lies on the host.
        limit: u64,
    },
    /// The attachment does not say where the file is, or names a host that is none of WhatsApp's.
    #[error("the attachment names no place to download from")]
    NoPlace,
    /// The attachment has neither a key nor a hash of the file: nothing could be proven.
    #[error("the attachment has no key")]
    NoKey,
    /// No companion uploads this kind of media there.
    #[error("this kind of media is not uploaded")]
    NotUploadable,
    /// The hosts refuse the request with this status.
    #[error("the hosts refuse the request ({status})")]
    Refused {
        /// The status, such as 413 for a file that is too large.
        status: u16,
    },
    /// The hosts fail, or have too much to do.
    #[error("the hosts fail ({status})")]
    Unavailable {
        /// The status of the last one.
        status: u16,
    },
    /// No host was reached, or each broke off.
    #[error("no media host was reached")]
    Network(#[source] io::Error),
    /// The host's answer to an upload cannot be read, or is not the part of a file that was asked for.
    #[error("the host's answer is malformed")]
    Malformed,
    /// The server did not say which hosts there are.
    #[error("the server did not say which hosts serve media")]
    Hosts(#[source] CallError),
    /// What is to be uploaded cannot be read.
    #[error("the source failed")]
    Source(#[source] io::Error),
    /// The file cannot be written where it shall go.
    #[error("the sink failed")]
    Sink(#[source] io::Error),
    /// The phone did not upload the file again.
    #[error("the file was not uploaded again")]
    Reupload(#[source] RetryAnswerError),
    /// The phone did not answer in time: it may be offline, and may still answer when it is back.
    #[error("the phone did not answer in time")]
    PhoneSilent,
    /// The request to the phone was not sent.
    #[error("the phone was not asked")]
    Call(#[from] CallError),
}

/// What to do about a [`MediaError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaRemedy {
    /// Try again, later.
    TryLater,
    /// Ask the phone to upload the file again: [`Media::request_reupload`](crate::client::Media::request_reupload).
    RequestReupload,
    /// See to the file, disk or directory that was named, then try again.
    CheckLocalFile,
    /// It will not work with this file.
    GiveUp,
}

impl MediaError {
    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> MediaRemedy {
        match self {
            Self::Gone { .. } | Self::Tampered(_) | Self::Truncated { .. } => MediaRemedy::RequestReupload,
            Self::Network(_)
            | Self::Unavailable { .. }
            | Self::Malformed
            | Self::Hosts(_)
            | Self::PhoneSilent
            | Self::Call(_) => MediaRemedy::TryLater,
            Self::Source(_) | Self::Sink(_) => MediaRemedy::CheckLocalFile,
            Self::TooLarge { .. }
            | Self::NoPlace
            | Self::NoKey
            | Self::NotUploadable
            | Self::Refused { .. }
            | Self::Reupload(_) => MediaRemedy::GiveUp,
        }
    }
}
