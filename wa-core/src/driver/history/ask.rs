//! What the phone is asked about the past, and its answers. Protocol: history sync, "Peer data operations".

use std::time::Instant;

use tokio::sync::oneshot;
use wa_proto::e2e;
use wa_proto::e2e::PeerDataOperationRequestType as Operation;
use wa_proto::e2e::peer_data_operation_request_message as asked;
use wa_store::StoreError;
use wa_types::{Jid, MessageId, UnixMillis};

use super::{Histories, Pending, REPLACED_WITHIN};
use crate::crypto::{Random, SystemRandom};
use crate::driver::{Actor, Step};
use crate::error::HistoryRequestError;
use crate::history::{EndOfHistory, HistoryMessage};
use crate::message::{self, Message};
use crate::noise::client_payload::DeviceProfile;

/// The server wakes the phone for what somebody waits for.
const URGENT: &str = "high_force";
const PLAIN: &str = "high";

/// The oldest message of a chat that is known: those before it are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Anchor {
    /// The chat.
    pub chat: Jid,
    /// The message.
    pub id: MessageId,
    /// Whether our own account wrote it.
    pub from_me: bool,
    /// When the server took it.
    pub time: UnixMillis,
}

impl Anchor {
    /// Before this message.
    pub fn new(chat: Jid, id: MessageId, from_me: bool, time: UnixMillis) -> Self {
        Self { chat, id, from_me, time }
    }
}

impl From<&HistoryMessage> for Anchor {
    fn from(message: &HistoryMessage) -> Self {
        Self {
            chat: message.chat.clone(),
            id: message.id.clone(),
            from_me: message.from_me,
            time: message.timestamp.to_millis(),
        }
    }
}

/// Older messages of a chat.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct HistoryPage {
    /// The messages, newest first.
    pub messages: Vec<HistoryMessage>,
    /// Whether the phone has more of the chat, as far as it said so.
    pub end: Option<EndOfHistory>,
}

pub(super) type Answer = oneshot::Sender<Result<HistoryPage, HistoryRequestError>>;

/// Something that the phone is asked.
pub(super) struct Request {
    message: e2e::PeerDataOperationRequestMessage,
    is_sent: bool,
    is_acked: bool,
    pub(super) until: Instant,
    /// Who waits; nobody for a part that is asked for again.
    reply: Option<Answer>,
}

impl Request {
    pub(super) fn end(self, result: Result<HistoryPage, HistoryRequestError>) {
        if let Some(reply) = self.reply {
            let _ = reply.send(result);
        }
    }
}

impl Histories {
    pub(super) fn request(
        &mut self,
        message: e2e::PeerDataOperationRequestMessage,
        reply: Option<Answer>,
        until: Instant,
        random: &mut impl Random,
    ) {
        let request = Request { message, is_sent: false, is_acked: false, until, reply };
        self.requests.insert(message::id::generate(random), request);
    }

    /// Asks for a broken part again.
    pub(super) fn ask_again(&mut self, pending: &Pending, now: Instant) {
        let told = &pending.notification;
        let message = e2e::PeerDataOperationRequestMessage {
            peer_data_operation_request_type: Some(Operation::HistorySyncChunkRetry.into()),
            history_sync_chunk_retry_request: Some(asked::HistorySyncChunkRetryRequest {
                sync_type: Some(told.kind.number()),
                chunk_order: Some(told.chunk_order),
                chunk_notification_id: Some(pending.id.to_string()),
                regenerate_chunk: Some(true),
            }),
            ..Default::default()
        };
        self.request(message, None, now + REPLACED_WITHIN, &mut SystemRandom);
    }

    /// Those who wait no longer.
    pub(super) fn expire(&mut self, now: Instant) {
        for (_, request) in self.requests.extract_if(|_, request| {
            request.until <= now || request.reply.as_ref().is_some_and(oneshot::Sender::is_closed)
        }) {
            request.end(Err(HistoryRequestError::NoAnswer));
        }
    }

    /// The server has a message of ours, perhaps a request.
    pub(in crate::driver) fn note_ack(&mut self, id: &MessageId) {
        if let Some(request) = self.requests.get_mut(id) {
            request.is_acked = true;
        }
    }

    /// Logged in: requests that the last connection may have lost are made again.
    pub(in crate::driver) fn resume(&mut self) {
        for request in self.requests.values_mut().filter(|request| !request.is_acked) {
            request.is_sent = false;
        }
    }

    /// The phone could not read this message of ours: if it was a request, it is made again. `false` when it was none.
    pub(in crate::driver) fn repeat(&mut self, id: &MessageId) -> bool {
        let request = self.requests.get_mut(id);
        request.map(|request| (request.is_sent, request.is_acked) = (false, false)).is_some()
    }
}

impl Actor {
    /// Asks what was not asked yet.
    pub(super) async fn ask_for_history(&mut self, step: &mut Step) -> Result<(), StoreError> {
        let due = self.history.requests.iter().filter(|(_, request)| !request.is_sent);
        let due: Vec<_> = due.map(|(id, request)| (id.clone(), request.message.clone())).collect();
        for (id, asked) in due {
            let priority = match asked.peer_data_operation_request_type() {
                Operation::HistorySyncOnDemand => URGENT,
                _ => PLAIN,
            };
            let message = e2e::ProtocolMessage {
                r#type: Some(e2e::protocol_message::Type::PeerDataOperationRequestMessage.into()),
                peer_data_operation_request_message: Some(Box::new(asked)),
                ..Default::default()
            };
            if !self.send_to_phone(&id, message, priority, step).await? {
                return Ok(());
            }
            if let Some(request) = self.history.requests.get_mut(&id) {
                request.is_sent = true;
            }
        }
        Ok(())
    }

    /// What the phone says about a request for the past; `false` when it is about something else.
    pub(in crate::driver) fn take_history_answer(&mut self, answer: &Message, step: &mut Step) -> bool {
        let Some(answer) = answer.phone_answer() else { return false };
        let kind = answer.peer_data_operation_request_type();
        let is_full = kind == Operation::FullHistorySyncOnDemand;
        let is_retry = kind == Operation::HistorySyncChunkRetry;
        if !is_full && !is_retry {
            return false;
        }
        let Some(request) = self.history.requests.remove(&MessageId::new(answer.stanza_id())) else {
            return true;
        };
        let result = answer.peer_data_operation_result.first();
        if is_full {
            let response = result.and_then(|it| it.full_history_sync_on_demand_request_response.as_ref());
            let code = response.and_then(|response| response.response_code).unwrap_or_default();
            request.end(match code {
                0 => Ok(HistoryPage::default()),
                code => Err(HistoryRequestError::Refused { code }),
            });
        } else if let Some(refused) = result.and_then(|it| it.history_sync_chunk_retry_response.as_ref())
            && refused.can_recover != Some(true)
        {
            let of = (refused.sync_type, refused.chunk_order());
            let is_it = |pending: &Pending| {
                (Some(pending.notification.kind.number()), pending.notification.chunk_order) == of
            };
            let lost: Vec<_> = self.history.broken.extract_if(.., |(_, pending, _)| is_it(pending)).collect();
            for (_, pending, error) in lost {
                self.give_up_history(pending, error, step);
            }
        }
        true
    }
}

/// The question for older messages of a chat.
pub(super) fn on_demand(
    chat: &Jid,
    anchor: &Anchor,
    count: u32,
    own_lid: Option<&Jid>,
) -> e2e::PeerDataOperationRequestMessage {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    e2e::PeerDataOperationRequestMessage {
        peer_data_operation_request_type: Some(Operation::HistorySyncOnDemand.into()),
        history_sync_on_demand_request: Some(asked::HistorySyncOnDemandRequest {
            chat_jid: Some(chat.to_string()),
            oldest_msg_id: Some(anchor.id.to_string()),
            oldest_msg_from_me: Some(anchor.from_me),
            on_demand_msg_count: Some(i32::try_from(count).unwrap_or(i32::MAX)),
            oldest_msg_timestamp_ms: Some(number(anchor.time.0)),
            account_lid: own_lid.map(|lid| lid.to_user().to_string()),
            support_inline_response: Some(true),
        }),
        ..Default::default()
    }
}

/// The question for all that the phone has. The answer says whether it will; the past follows.
pub(super) fn full(
    name: &MessageId,
    days: Option<u32>,
    profile: &DeviceProfile,
) -> e2e::PeerDataOperationRequestMessage {
    e2e::PeerDataOperationRequestMessage {
        peer_data_operation_request_type: Some(Operation::FullHistorySyncOnDemand.into()),
        full_history_sync_on_demand_request: Some(asked::FullHistorySyncOnDemandRequest {
            request_metadata: Some(e2e::FullHistorySyncOnDemandRequestMetadata {
                request_id: Some(name.to_string()),
                ..Default::default()
            }),
            history_sync_config: Some(profile.history.to_proto()),
            full_history_sync_on_demand_config: days.map(|days| e2e::FullHistorySyncOnDemandConfig {
                history_duration_days: Some(days),
                ..Default::default()
            }),
        }),
        ..Default::default()
    }
}
