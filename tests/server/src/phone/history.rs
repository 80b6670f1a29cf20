//! The past that a phone hands to its companions: after linking, and when it is asked. Protocol: history sync, "Phone
//! side".

use std::collections::HashMap;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use prost::Message as _;
use wa_core::media::retry::RetrySecret;
use wa_core::media::{MediaKey, MediaKind, MediaMessage as _};
use wa_core::wire::Node;
use wa_proto::common::MessageKey;
use wa_proto::companion_reg::DeviceProps;
use wa_proto::e2e::peer_data_operation_request_message::{
    HistorySyncChunkRetryRequest, HistorySyncOnDemandRequest,
};
use wa_proto::e2e::peer_data_operation_request_response_message::PeerDataOperationResult;
use wa_proto::e2e::peer_data_operation_request_response_message::peer_data_operation_result::{
    FullHistorySyncOnDemandRequestResponse, HistorySyncChunkRetryResponse,
};
use wa_proto::e2e::protocol_message::Type;
use wa_proto::e2e::{
    HistorySyncNotification, PeerDataOperationRequestMessage, PeerDataOperationRequestResponseMessage,
    PeerDataOperationRequestType as Operation, ProtocolMessage,
};
use wa_proto::history_sync::history_sync::HistorySyncType;
use wa_proto::history_sync::{
    Conversation, GlobalSettings, HistorySync, HistorySyncMsg, PhoneNumberToLidMapping, Pushname,
};
use wa_proto::web::WebMessageInfo;
use wa_types::{Jid, MessageId};

use super::send::SendError;
use super::{Phone, PhoneState};
use crate::account::DeviceKey;
use crate::stanza::Read as _;

/// What a phone knows of the past. Messages of a chat stand newest first.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Past {
    /// All chats, with all messages.
    pub chats: Vec<Conversation>,
    /// The names that users gave themselves.
    pub push_names: Vec<Pushname>,
    /// Which addresses are one user.
    pub addresses: Vec<PhoneNumberToLidMapping>,
    /// The settings of the account.
    pub settings: Option<GlobalSettings>,
    /// Asked for when a blob is deleted.
    pub nonce: Option<String>,
    /// From what tokens for strangers are made.
    pub nct_salt: Option<Vec<u8>>,
    /// How many messages a chunk has; 200 if 0.
    pub chunk_messages: usize,
    /// The user chose to share nothing.
    pub is_refused: bool,
    /// What the phone answers to a request for all of it: 0 that it comes.
    pub full_code: i32,
}

/// What is wrong with a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BrokenHistory {
    /// The compressed stream is cut short.
    Truncated,
    /// The compressed stream has a byte changed in its middle.
    Damaged,
    /// What is compressed is no history.
    NoHistory,
    /// Eight megabytes of nothing.
    Bomb,
    /// Neither bytes nor a place.
    NoPayload,
    /// The media hosts have it no more.
    Lost,
}

/// What a phone keeps for its duties.
#[derive(Default)]
pub(super) struct Histories {
    past: Option<Past>,
    /// What is wrong with the next chunks.
    broken: Vec<BrokenHistory>,
    /// Chunks that cannot be had again, whoever asks.
    is_exhausted: bool,
    is_silent: bool,
    /// The parts that are on the media hosts, by their notifications.
    sent: HashMap<MessageId, Sent>,
}

/// A part on the media hosts.
struct Sent {
    kind: i32,
    order: Option<u32>,
    key: MediaKey,
}

/// Larger ones are on the media hosts, and all recent and old messages.
const INLINE: usize = 64 << 10;

/// How many messages of a chat come with the list of chats, unless the companion wants another number.
const FIRST: usize = 3;

/// A phone gives no more messages at once.
const ON_DEMAND: usize = 50;

impl Phone {
    /// The past, which companions get that are linked from now on.
    pub fn set_past(&self, past: Past) {
        self.lock().histories.past = Some(past);
    }

    /// Makes a past of one chat: texts, oldest first, by the other and by this account in turn, a minute apart and since a
    /// day ago. Companions get it that are linked from now on. Returns their ids.
    pub fn remember(
        &self,
        chat: &Jid,
        name: &str,
        texts: impl IntoIterator<Item = String>,
    ) -> Vec<MessageId> {
        let first = self.hub.state().now_seconds().saturating_sub(60 * 60 * 24);
        let (mut messages, mut ids) = (Vec::new(), Vec::new());
        for (number, text) in (0_u64..).zip(texts) {
            let id = format!("3EB0{number:016X}");
            let key = MessageKey {
                remote_jid: Some(chat.to_string()),
                from_me: Some(number % 2 == 1),
                id: Some(id.clone()),
                participant: None,
            };
            let message = wa_proto::e2e::Message { conversation: Some(text), ..Default::default() };
            let info = WebMessageInfo {
                key,
                message: Some(Box::new(message)),
                message_timestamp: Some(first + number * 60),
                ..Default::default()
            };
            messages.push(HistorySyncMsg { message: Some(info), msg_order_id: Some(number) });
            ids.push(MessageId::new(id));
        }
        messages.reverse();
        let chat = Conversation {
            id: chat.to_string(),
            messages,
            name: Some(name.to_owned()),
            ..Default::default()
        };
        self.set_past(Past::new(vec![chat]));
        ids
    }

    /// Breaks the next chunks, one for each of these.
    pub fn break_history(&self, broken: &[BrokenHistory]) {
        self.lock().histories.broken = broken.iter().rev().copied().collect();
    }

    /// Says of every chunk that it cannot be had again.
    pub fn exhaust_history(&self) {
        self.lock().histories.is_exhausted = true;
    }

    /// Does not answer what it is asked about the past.
    pub fn silence_history(&self) {
        self.lock().histories.is_silent = true;
    }

    /// Sends a companion one part of the past.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn send_history(&self, companion: &Jid, history: &HistorySync) -> Result<MessageId, SendError> {
        let device = DeviceKey { account: self.inner.key.account, number: companion.device() };
        let mut phone = self.lock();
        self.send_chunk(&mut phone, device, history, HistorySyncNotification::default())
    }

    /// All parts of the past for a companion, in the order in which phones send them.
    #[must_use]
    pub fn parts_of(&self, companion: &Jid) -> Vec<HistorySync> {
        let key = DeviceKey { account: self.inner.key.account, number: companion.device() };
        let props = self.hub.state().device(key).map(|device| device.keys.props.clone()).unwrap_or_default();
        let props = DeviceProps::decode(props.as_slice()).unwrap_or_default();
        self.lock().histories.past.as_ref().map(|past| past.parts(&props)).unwrap_or_default()
    }

    /// After the companion's first login.
    pub(super) async fn give_past(self, companion: Jid) {
        let key = DeviceKey { account: self.inner.key.account, number: companion.device() };
        let is_there = self.hub.wait(|state| {
            let device = state.device(key)?;
            (device.keys.uploaded && device.session.is_some()).then_some(())
        });
        tokio::select! {
            () = is_there => {}
            () = self.hub.shutdown.cancelled() => return,
        }
        if self.lock().histories.past.as_ref().is_some_and(|past| past.is_refused) {
            let notification = HistorySyncNotification { sync_type: Some(7), ..Default::default() };
            let _ = self.tell_companion(&companion, message(notification));
            return;
        }
        for part in self.parts_of(&companion) {
            if let Err(error) = self.send_history(&companion, &part) {
                tracing::warn!(%error, "a part of the past did not leave");
            }
        }
    }

    fn send_chunk(
        &self,
        phone: &mut PhoneState,
        device: DeviceKey,
        history: &HistorySync,
        notification: HistorySyncNotification,
    ) -> Result<MessageId, SendError> {
        let broken = phone.histories.broken.pop();
        let payload = compress(history, broken);
        let mut notification = HistorySyncNotification {
            sync_type: Some(history.sync_type),
            chunk_order: history.chunk_order,
            progress: history.progress,
            ..notification
        };
        if broken == Some(BrokenHistory::NoPayload) {
            // Nothing.
        } else if payload.len() <= INLINE && !is_bulk(history) {
            notification.initial_hist_bootstrap_inline_payload = Some(payload);
        } else {
            self.put_blob(&payload, &mut notification);
            if broken == Some(BrokenHistory::Lost) {
                self.hub.state().media.expire(notification.direct_path());
            }
        }
        let key = notification.media_key().try_into().ok().map(MediaKey::new);
        let sent = self.send_peer(phone, device, message(notification))?;
        if let Some(key) = key {
            phone
                .histories
                .sent
                .insert(sent.clone(), Sent { kind: history.sync_type, order: history.chunk_order, key });
        }
        Ok(sent)
    }

    /// Leaves a blob on the media servers.
    fn put_blob(&self, payload: &[u8], notification: &mut HistorySyncNotification) {
        let blob = self.upload(MediaKind::History, payload);
        notification.set_attachment(&blob);
        notification.enc_handle = Some(format!("handle-of-{}", blob.file_length.unwrap_or_default()));
    }

    /// Answers what a companion asks about the past; `false` when it asks about something else.
    pub(super) fn answer_history(
        &self,
        phone: &mut PhoneState,
        from: DeviceKey,
        id: &str,
        request: &PeerDataOperationRequestMessage,
    ) -> bool {
        let operation = request.peer_data_operation_request_type();
        let done = match operation {
            _ if phone.histories.is_silent => return true,
            Operation::HistorySyncOnDemand => {
                let asked = request.history_sync_on_demand_request.clone().unwrap_or_default();
                self.give_older(phone, from, id, &asked)
            }
            Operation::FullHistorySyncOnDemand => self.give_all(phone, from, id, request),
            Operation::HistorySyncChunkRetry => {
                let asked = request.history_sync_chunk_retry_request.clone().unwrap_or_default();
                self.give_again(phone, from, id, &asked)
            }
            _ => return false,
        };
        if let Err(error) = done {
            tracing::warn!(%error, "companion not answered");
        }
        true
    }

    fn give_older(
        &self,
        phone: &mut PhoneState,
        from: DeviceKey,
        id: &str,
        asked: &HistorySyncOnDemandRequest,
    ) -> Result<MessageId, SendError> {
        let wanted: Option<Jid> = asked.chat_jid().parse().ok();
        let state = self.hub.state();
        let account = wanted.as_ref().and_then(|jid| state.account_of(jid));
        let past = phone.histories.past.clone().unwrap_or_default();
        let chat = past.chats.into_iter().find(|chat| {
            let jid = chat.id.parse::<Jid>().ok();
            jid == wanted || (account.is_some() && jid.and_then(|jid| state.account_of(&jid)) == account)
        });
        drop(state);
        let mut chat =
            chat.unwrap_or_else(|| Conversation { id: asked.chat_jid().to_owned(), ..Default::default() });
        let id_of = |message: &wa_proto::history_sync::HistorySyncMsg| {
            message.message.as_ref().and_then(|info| info.key.id.clone())
        };
        let at =
            chat.messages.iter().position(|message| id_of(message).as_deref() == Some(asked.oldest_msg_id()));
        let mut older = at.map(|at| chat.messages.split_off(at + 1)).unwrap_or_default();
        let count = usize::try_from(asked.on_demand_msg_count()).unwrap_or(0).min(ON_DEMAND);
        chat.end_of_history_transfer_type = Some(i32::from(older.len() <= count));
        older.truncate(count);
        chat.messages = older;
        let history = HistorySync {
            sync_type: HistorySyncType::OnDemand.into(),
            conversations: vec![chat],
            ..Default::default()
        };
        let notification = HistorySyncNotification {
            peer_data_request_session_id: Some(id.to_owned()),
            ..Default::default()
        };
        self.send_chunk(phone, from, &history, notification)
    }

    fn give_all(
        &self,
        phone: &mut PhoneState,
        from: DeviceKey,
        id: &str,
        request: &PeerDataOperationRequestMessage,
    ) -> Result<MessageId, SendError> {
        let asked = request.full_history_sync_on_demand_request.as_ref();
        let metadata = asked.and_then(|asked| asked.request_metadata.clone());
        let past = phone.histories.past.clone().unwrap_or_default();
        let response = FullHistorySyncOnDemandRequestResponse {
            request_metadata: metadata.clone(),
            response_code: Some(past.full_code),
        };
        let result = PeerDataOperationResult {
            full_history_sync_on_demand_request_response: Some(response),
            ..Default::default()
        };
        let mut sent = self.send_peer(phone, from, answer(Operation::FullHistorySyncOnDemand, id, result))?;
        if past.full_code == 0 {
            let parts = past.chunks(HistorySyncType::Full, &past.chats);
            for part in parts {
                let notification = HistorySyncNotification {
                    full_history_sync_on_demand_request_metadata: metadata.clone(),
                    ..Default::default()
                };
                sent = self.send_chunk(phone, from, &part, notification)?;
            }
        }
        Ok(sent)
    }

    /// A companion could not fetch a part: it is uploaded anew, for a new notification.
    pub(super) fn give_blob_again(&self, companion: &Jid, id: &str, receipt: &Node) {
        let mut phone = self.lock();
        let device = self.hub.state().device_key(companion);
        let (Some(device), Some(sent)) = (device, phone.histories.sent.get(&MessageId::new(id))) else {
            return;
        };
        let request = receipt.find("encrypt");
        let secret = request.and_then(|request| {
            Some(RetrySecret::new(request.child_bytes("enc_p")?.to_vec(), request.child_array("enc_iv")?))
        });
        if secret.is_none_or(|secret| secret.open_request(&sent.key, id).is_err()) {
            tracing::warn!(id, "a request for a part of the past cannot be read");
            return;
        }
        let asked = HistorySyncChunkRetryRequest {
            sync_type: Some(sent.kind),
            chunk_order: sent.order,
            chunk_notification_id: Some(id.to_owned()),
            regenerate_chunk: None,
        };
        if let Err(error) = self.give_again(&mut phone, device, id, &asked) {
            tracing::warn!(%error, "companion not answered");
        }
    }

    fn give_again(
        &self,
        phone: &mut PhoneState,
        from: DeviceKey,
        id: &str,
        asked: &HistorySyncChunkRetryRequest,
    ) -> Result<MessageId, SendError> {
        let props = self.hub.state().device(from).map(|device| device.keys.props.clone()).unwrap_or_default();
        let props = DeviceProps::decode(props.as_slice()).unwrap_or_default();
        let parts = phone.histories.past.as_ref().map(|past| past.parts(&props)).unwrap_or_default();
        let part = parts.into_iter().find(|part| {
            Some(part.sync_type) == asked.sync_type && part.chunk_order.unwrap_or(0) == asked.chunk_order()
        });
        match part.filter(|_| !phone.histories.is_exhausted) {
            Some(part) => {
                let notification = HistorySyncNotification {
                    original_message_id: asked.chunk_notification_id.clone(),
                    ..Default::default()
                };
                self.send_chunk(phone, from, &part, notification)
            }
            None => {
                let response = HistorySyncChunkRetryResponse {
                    sync_type: asked.sync_type,
                    chunk_order: asked.chunk_order,
                    request_id: Some(id.to_owned()),
                    response_code: Some(5),
                    can_recover: Some(false),
                };
                let result = PeerDataOperationResult {
                    history_sync_chunk_retry_response: Some(response),
                    ..Default::default()
                };
                self.send_peer(phone, from, answer(Operation::HistorySyncChunkRetry, id, result))
            }
        }
    }
}

/// Whether a part is one of those that phones leave on the media hosts, however short.
fn is_bulk(history: &HistorySync) -> bool {
    matches!(history.sync_type(), HistorySyncType::Recent | HistorySyncType::Full)
}

impl Past {
    /// A past of these chats.
    #[must_use]
    pub fn new(chats: Vec<Conversation>) -> Self {
        Self { chats, ..Self::default() }
    }

    fn parts(&self, props: &DeviceProps) -> Vec<HistorySync> {
        let config = props.history_sync_config.clone().unwrap_or_default();
        let first = config.initial_sync_max_messages_per_chat.and_then(|count| usize::try_from(count).ok());
        let first = first.unwrap_or(FIRST);
        let with = |chat: &Conversation, messages: &[HistorySyncMsg]| Conversation {
            messages: messages.to_vec(),
            ..chat.clone()
        };
        let heads =
            self.chats.iter().map(|chat| with(chat, chat.messages.get(..first).unwrap_or(&chat.messages)));
        let mut parts = vec![HistorySync {
            conversations: heads.collect(),
            global_settings: self.settings.clone(),
            phone_number_to_lid_mappings: self.addresses.clone(),
            companion_meta_nonce: self.nonce.clone(),
            nct_salt: self.nct_salt.clone(),
            ..history(HistorySyncType::InitialBootstrap)
        }];
        if !self.push_names.is_empty() {
            parts.push(HistorySync {
                pushnames: self.push_names.clone(),
                ..history(HistorySyncType::PushName)
            });
        }
        parts.push(history(HistorySyncType::NonBlockingData));
        let newest = self.chats.iter().flat_map(|chat| &chat.messages);
        let newest = newest.filter_map(|it| it.message.as_ref()?.message_timestamp).max().unwrap_or(0);
        let within = |days: Option<u32>| {
            let oldest = days.map_or(0, |days| newest.saturating_sub(u64::from(days) * 24 * 60 * 60));
            let chats = self.chats.iter().map(|chat| {
                let mut chat = chat.clone();
                chat.messages
                    .retain(|it| it.message.as_ref().is_some_and(|info| info.message_timestamp() >= oldest));
                chat
            });
            chats.collect::<Vec<_>>()
        };
        parts.extend(self.chunks(HistorySyncType::Recent, &within(config.recent_sync_days_limit)));
        if props.require_full_sync() {
            parts.extend(self.chunks(HistorySyncType::Full, &within(config.full_sync_days_limit)));
        }
        parts
    }

    /// Chats in chunks of some messages; one at least.
    fn chunks(&self, kind: HistorySyncType, chats: &[Conversation]) -> Vec<HistorySync> {
        let most = if self.chunk_messages == 0 { 200 } else { self.chunk_messages };
        let mut chunks = vec![Vec::new()];
        let mut room = most;
        for chat in chats {
            let mut messages = chat.messages.as_slice();
            loop {
                let (now, later) = messages.split_at(messages.len().min(room));
                if let Some(chunk) = chunks.last_mut() {
                    chunk.push(Conversation { messages: now.to_vec(), ..chat.clone() });
                }
                room -= now.len();
                messages = later;
                if messages.is_empty() {
                    break;
                }
                chunks.push(Vec::new());
                room = most;
            }
        }
        let count = chunks.len();
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let chunks = chunks.into_iter().enumerate();
        chunks
            .map(|(at, conversations)| HistorySync {
                chunk_order: Some(number(at + 1)),
                progress: Some(number((at + 1) * 100 / count)),
                conversations,
                ..history(kind)
            })
            .collect()
    }
}

fn history(kind: HistorySyncType) -> HistorySync {
    HistorySync { sync_type: kind.into(), ..Default::default() }
}

fn message(notification: HistorySyncNotification) -> ProtocolMessage {
    ProtocolMessage {
        r#type: Some(Type::HistorySyncNotification.into()),
        history_sync_notification: Some(Box::new(notification)),
        ..Default::default()
    }
}

fn answer(operation: Operation, id: &str, result: PeerDataOperationResult) -> ProtocolMessage {
    let response = PeerDataOperationRequestResponseMessage {
        peer_data_operation_request_type: Some(operation.into()),
        stanza_id: Some(id.to_owned()),
        peer_data_operation_result: vec![result],
    };
    ProtocolMessage {
        r#type: Some(Type::PeerDataOperationRequestResponseMessage.into()),
        peer_data_operation_request_response_message: Some(response.into()),
        ..Default::default()
    }
}

fn compress(history: &HistorySync, broken: Option<BrokenHistory>) -> Vec<u8> {
    let bytes = match broken {
        Some(BrokenHistory::NoHistory) => b"not a history at all".to_vec(),
        // A field that nobody knows, of as many bytes as it says.
        Some(BrokenHistory::Bomb) => {
            let mut bytes = vec![8, 3, 0xA2, 0x1F, 0x80, 0x80, 0x80, 0x04];
            bytes.resize(bytes.len() + (8 << 20), 0);
            bytes
        }
        _ => history.encode_to_vec(),
    };
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&bytes).expect("a vector takes all");
    let mut compressed = encoder.finish().expect("a vector takes all");
    match broken {
        Some(BrokenHistory::Truncated) => compressed.truncate(compressed.len() / 2),
        Some(BrokenHistory::Damaged) => {
            let middle = compressed.len() / 2;
            if let Some(byte) = compressed.get_mut(middle) {
                *byte ^= 0x55;
            }
        }
        _ => {}
    }
    compressed
}
