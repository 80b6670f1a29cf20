//! What happened to one message, for people who look for the reason.

use wa_types::UnixMillis;

use super::{InboxNumber, LostReason, SendState};
use crate::e2e::DecryptError;
use crate::stanza::receipt::ReceiptKind;

/// One thing that happened to a message; [`crate::Client::explain`] gives them in order. It names nobody and shows no
/// content.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TrailEntry {
    /// When it was committed, or could not be.
    pub at: UnixMillis,
    /// What happened.
    pub step: TrailStep,
    /// Whether the commit that it belongs to succeeded. Otherwise it did not happen: the server sends again, or we do.
    pub is_committed: bool,
}

/// What happens to messages.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TrailStep {
    /// Its stanza came.
    Arrived {
        /// How many ciphertexts were in it for us.
        ciphertexts: usize,
        /// Which resend it was; 0 for the first copy.
        resend: u8,
        /// It came with the backlog of the time away.
        is_backlog: bool,
    },
    /// It was seen before; it was acknowledged and nothing else.
    SeenBefore,
    /// It held nothing but keys.
    OnlyKeys,
    /// It could not be read.
    Unreadable {
        /// Why.
        error: DecryptError,
    },
    /// Its sender was asked for it again.
    SenderAsked {
        /// For which time.
        count: u8,
    },
    /// Our phone was asked for it.
    PhoneAsked,
    /// It was put into the inbox: opened, and if need be by way of the phone.
    Stored {
        /// Under this number.
        number: InboxNumber,
    },
    /// It was given up, which is told under this number.
    Lost {
        /// The inbox's number of the event that says so.
        number: InboxNumber,
        /// Why.
        why: LostReason,
    },
    /// A message of ours came to this state.
    Sending(SendState),
    /// A device told what it did with a message of ours.
    Receipt {
        /// What.
        kind: ReceiptKind,
        /// The device's number; 0 is a phone.
        device: u16,
    },
    /// A device could not read a message of ours.
    AskedAgain {
        /// The device's number.
        device: u16,
        /// How often it asked.
        count: u8,
    },
    /// It was encrypted for that device once more.
    GivenAgain {
        /// The device's number.
        device: u16,
    },
}

impl TrailStep {
    /// Its name among the counters.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Arrived { .. } => "arrived",
            Self::SeenBefore => "seen_before",
            Self::OnlyKeys => "only_keys",
            Self::Unreadable { .. } => "unreadable",
            Self::SenderAsked { .. } => "sender_asked",
            Self::PhoneAsked => "phone_asked",
            Self::Stored { .. } => "stored",
            Self::Lost { .. } => "lost",
            Self::Sending(SendState::Queued) => "queued",
            Self::Sending(SendState::Held { .. }) => "held",
            Self::Sending(SendState::Written) => "written",
            Self::Sending(SendState::Acked { .. }) => "acked",
            Self::Sending(SendState::Delivered) => "delivered",
            Self::Sending(SendState::Read) => "read",
            Self::Sending(SendState::Played) => "played",
            Self::Sending(SendState::Failed(_)) => "failed",
            Self::Receipt { .. } => "receipt",
            Self::AskedAgain { .. } => "asked_again",
            Self::GivenAgain { .. } => "given_again",
        }
    }
}
