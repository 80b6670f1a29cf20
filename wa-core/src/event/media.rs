//! What the application hears about media files.

use wa_types::{Jid, MessageId};

/// Something about a media file that nobody waits for.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MediaEvent {
    /// The phone uploaded a file again, later than [`Media::request_reupload`](crate::client::Media::request_reupload)
    /// waited. Told once, and only in the session of the request.
    Reuploaded {
        /// The chat.
        chat: Jid,
        /// The message that has the file.
        id: MessageId,
        /// Where the file is now: goes into the attachment's `direct_path`.
        direct_path: String,
    },
}

impl std::fmt::Debug for MediaEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // The path carries a signature.
            Self::Reuploaded { chat, id, .. } => {
                f.debug_struct("Reuploaded").field("chat", chat).field("id", id).finish_non_exhaustive()
            }
        }
    }
}
