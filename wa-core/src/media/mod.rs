//! Media files: what must be known to fetch one, and how it is encrypted. Bytes in, bytes out; hosts and HTTP are the
//! driver's. Protocol: media.

mod attachment;
pub mod cipher;
mod key;
mod kind;
#[cfg(any(feature = "probe", feature = "waveform"))]
mod ogg;
pub mod plain;
#[cfg(feature = "probe")]
pub mod probe;
pub mod retry;
mod sidecar;
pub mod sticker_zip;
#[cfg(feature = "waveform")]
pub mod waveform;
pub mod webp;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub use attachment::{Attachment, MediaMessage};
pub use key::MediaKey;
pub use kind::MediaKind;

/// A file's name on the media hosts, from the SHA-256 of what is uploaded. Protocol: media, "Upload".
#[must_use]
pub fn upload_token(sha256: &[u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(sha256)
}
