//! Media files: what must be known to fetch one, and how it is encrypted. Bytes in, bytes out; hosts and HTTP are the
//! driver's. Protocol: media.

mod attachment;
mod key;
mod kind;

pub use attachment::{Attachment, MediaMessage};
pub use key::MediaKey;
pub use kind::MediaKind;
