//! The phone's word that a part of the past is there. Protocol: history sync, "Notification message".

use wa_proto::e2e;
use wa_types::{MessageId, UnixSeconds};

use crate::media::{Attachment, MediaMessage as _};
use crate::message::Message;

/// What a part of the past holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum HistoryKind {
    /// All chats with few messages or none, and the settings; comes first.
    Initial,
    /// The status feed.
    Status,
    /// All that a phone is willing to give; several chunks.
    Full,
    /// The recent messages of all chats; several chunks.
    Recent,
    /// Names that users gave themselves.
    PushNames,
    /// Calls, past members, addresses.
    Others,
    /// The answer to a request of ours.
    OnDemand,
    /// The user chose to share nothing. Has no payload.
    Refused,
    /// How far access goes. Has no payload.
    Access,
    /// A kind of tomorrow, by its number.
    Unknown(i32),
}

impl HistoryKind {
    const KNOWN: [(Self, i32); 9] = [
        (Self::Initial, 0),
        (Self::Status, 1),
        (Self::Full, 2),
        (Self::Recent, 3),
        (Self::PushNames, 4),
        (Self::Others, 5),
        (Self::OnDemand, 6),
        (Self::Refused, 7),
        (Self::Access, 8),
    ];

    /// The kind of a number.
    #[must_use]
    pub fn from_number(number: i32) -> Self {
        let known = Self::KNOWN.iter().find(|(_, known)| *known == number);
        known.map_or(Self::Unknown(number), |(kind, _)| *kind)
    }

    /// Its number on the wire.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Unknown(number) => number,
            known => Self::KNOWN.iter().find(|(kind, _)| *kind == known).map_or(-1, |(_, number)| *number),
        }
    }
}

/// Where a part of the past is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payload {
    /// Here: the compressed stream.
    Inline(Vec<u8>),
    /// On the media hosts.
    Blob(Box<Attachment>),
    /// Nowhere: the notification is all there is, or it is broken.
    Nothing,
}

/// The phone's word that a part of the past is there.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HistoryNotification {
    /// What it holds.
    pub kind: HistoryKind,
    /// Its place among the chunks of its kind, from 1.
    pub chunk_order: u32,
    /// How far the whole is, percent.
    pub progress: Option<u32>,
    /// When its oldest message was sent.
    pub oldest: Option<UnixSeconds>,
    /// The notification that it replaces.
    pub replaces: Option<MessageId>,
    /// The request that it answers.
    pub request: Option<MessageId>,
    /// The request for a full history that it answers.
    pub full_request: Option<String>,
    /// Where it is.
    pub payload: Payload,
}

impl HistoryNotification {
    /// Reads it out of a message, if it is one.
    pub(crate) fn of(message: &Message) -> Option<Self> {
        let protocol = message.proto().protocol_message.as_ref()?;
        Some(Self::from_proto(protocol.history_sync_notification.as_deref()?))
    }

    /// Reads an encoded `HistorySyncNotification`.
    ///
    /// # Errors
    /// When it is none.
    pub fn decode(bytes: &[u8]) -> Result<Self, super::HistoryError> {
        let proto = <e2e::HistorySyncNotification as prost::Message>::decode(bytes);
        proto
            .map(|proto| Self::from_proto(&proto))
            .map_err(|_| super::HistoryError::Malformed("no notification"))
    }

    fn from_proto(proto: &e2e::HistorySyncNotification) -> Self {
        let id = |text: &Option<String>| text.as_deref().filter(|id| !id.is_empty()).map(MessageId::new);
        let metadata = proto.full_history_sync_on_demand_request_metadata.as_ref();
        Self {
            kind: HistoryKind::from_number(proto.sync_type.unwrap_or(0)),
            chunk_order: proto.chunk_order(),
            progress: proto.progress,
            oldest: proto
                .oldest_msg_in_chunk_timestamp_sec
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map(UnixSeconds),
            replaces: id(&proto.original_message_id),
            request: id(&proto.peer_data_request_session_id),
            full_request: metadata.and_then(|metadata| metadata.request_id.clone()),
            payload: payload(proto).unwrap_or(Payload::Nothing),
        }
    }
}

fn payload(proto: &e2e::HistorySyncNotification) -> Option<Payload> {
    if let Some(inline) = proto.initial_hist_bootstrap_inline_payload.as_ref().filter(|it| !it.is_empty()) {
        return Some(Payload::Inline(inline.clone()));
    }
    let file = proto.attachment();
    let is_whole = file.direct_path.as_ref().is_some_and(|path| !path.is_empty())
        && file.key.is_some()
        && file.file_enc_sha256.is_some()
        && file.file_sha256.is_some();
    is_whole.then(|| Payload::Blob(Box::new(file)))
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inline(bytes) => write!(f, "Inline({} bytes)", bytes.len()),
            Self::Blob(file) => write!(f, "Blob({:?} bytes)", file.file_length),
            Self::Nothing => f.write_str("Nothing"),
        }
    }
}

impl std::fmt::Debug for HistoryNotification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HistoryNotification")
            .field("kind", &self.kind)
            .field("chunk_order", &self.chunk_order)
            .field("progress", &self.progress)
            .field("payload", &self.payload)
            .finish_non_exhaustive()
    }
}
