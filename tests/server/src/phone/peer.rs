//! What the phone does for its companions: it sends them messages again that they cannot read, and tells which LIDs
//! belong to which numbers. Protocol: messages, "Peer messages".

use std::collections::{BTreeMap, VecDeque};

use prost::Message as _;
use wa_core::wire::Node;
use wa_proto::common::MessageKey;
use wa_proto::e2e::PeerDataOperationRequestType as Operation;
use wa_proto::e2e::peer_data_operation_request_response_message::PeerDataOperationResult;
use wa_proto::e2e::peer_data_operation_request_response_message::peer_data_operation_result::PlaceholderMessageResendResponse;
use wa_proto::e2e::protocol_message::Type;
use wa_proto::e2e::{
    LidMigrationMappingSyncMessage, Message, PeerDataOperationRequestMessage,
    PeerDataOperationRequestResponseMessage, ProtocolMessage,
};
use wa_proto::lid_migration_sync_payload::{LidMigrationMapping, LidMigrationMappingSyncPayload};
use wa_proto::web::WebMessageInfo;
use wa_types::{Jid, MessageId};

use super::send::{SendError, SentMessage};
use super::{Phone, PhoneMessage, PhoneState, message_id};
use crate::account::DeviceKey;

/// What a phone says when a companion asks it for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Resends {
    /// Those that it has.
    #[default]
    Given,
    /// That it has none.
    Missing,
    /// Nothing.
    Silent,
}

/// The messages of the account that the phone has: its own, its companions', and others'.
#[derive(Default)]
pub(super) struct KnownMessages {
    order: VecDeque<String>,
    by_id: BTreeMap<String, Vec<KnownMessage>>,
}

/// One of them, encoded: there are many, and few are asked for.
struct KnownMessage {
    chat: Jid,
    info: Vec<u8>,
}

impl KnownMessages {
    /// The message with this id.
    pub(super) fn message(&self, id: &str) -> Option<Message> {
        let known = self.by_id.get(id)?.first()?;
        WebMessageInfo::decode(known.info.as_slice()).ok()?.message.map(|message| *message)
    }

    /// Where a message of somebody else stands, and who wrote it, where the chat does not say so.
    pub(super) fn place(&self, id: &str) -> Option<(Jid, Option<Jid>)> {
        let known = self.by_id.get(id)?.first()?;
        let info = WebMessageInfo::decode(known.info.as_slice()).ok()?;
        if info.key.from_me == Some(true) {
            return None;
        }
        let author = info.participant.and_then(|author| author.parse().ok());
        Some((known.chat.clone(), author))
    }

    pub(super) fn remember(&mut self, message: &PhoneMessage, memory: usize) {
        let in_group = message.chat.is_group() || message.chat.is_broadcast();
        let author = (in_group && !message.from_me).then(|| message.sender.to_user().to_string());
        let info = WebMessageInfo {
            key: MessageKey {
                remote_jid: Some(message.chat.to_string()),
                from_me: Some(message.from_me),
                id: Some(message.id.to_string()),
                participant: author.clone(),
            },
            message: Some(Box::new(message.message.clone())),
            message_timestamp: Some(message.timestamp.0),
            participant: author,
            push_name: message.push_name.clone(),
            ..WebMessageInfo::default()
        };
        let id = message.id.to_string();
        let known = KnownMessage { chat: message.chat.clone(), info: info.encode_to_vec() };
        self.by_id.entry(id.clone()).or_default().push(known);
        self.order.push_back(id);
        if self.order.len() > memory
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }
}

impl Phone {
    /// Chooses what it says when a companion asks it for messages.
    pub fn set_resends(&self, resends: Resends) {
        self.lock().resends = resends;
    }

    /// Tells a companion something about protocol matters.
    ///
    /// # Errors
    /// [`SendError::NoDevice`] when the companion cannot be encrypted for.
    pub fn tell_companion(&self, companion: &Jid, what: ProtocolMessage) -> Result<MessageId, SendError> {
        let device = DeviceKey { account: self.inner.key.account, number: companion.device() };
        self.send_peer(&mut self.lock(), device, what)
    }

    /// Tells a companion which LID each number has (pairs of number and LID). With a time, unix seconds, it also tells
    /// that the account's chats are keyed by LID since then.
    ///
    /// # Errors
    /// [`SendError::NoDevice`] when the companion cannot be encrypted for.
    pub fn send_lid_mappings(
        &self,
        companion: &Jid,
        pairs: &[(&Jid, &Jid)],
        migrated: Option<u64>,
    ) -> Result<MessageId, SendError> {
        let number = |jid: &Jid| jid.user().parse::<u64>().ok();
        let mapping = |(pn, lid): &(&Jid, &Jid)| {
            Some(LidMigrationMapping { pn: number(pn)?, assigned_lid: number(lid)?, latest_lid: None })
        };
        let payload = LidMigrationMappingSyncPayload {
            pn_to_lid_mappings: pairs.iter().filter_map(mapping).collect(),
            chat_db_migration_timestamp: migrated,
        };
        let message = ProtocolMessage {
            r#type: Some(Type::LidMigrationMappingSync.into()),
            lid_migration_mapping_sync_message: Some(
                LidMigrationMappingSyncMessage { encoded_mapping_payload: Some(payload.encode_to_vec()) }
                    .into(),
            ),
            ..ProtocolMessage::default()
        };
        self.tell_companion(companion, message)
    }

    /// What a companion asked for.
    pub(super) fn handle_peer(&self, phone: &mut PhoneState, from: DeviceKey, id: &str, message: &Message) {
        if self.answer_app_state(phone, from, id, message) {
            return;
        }
        let request = message.protocol_message.as_ref();
        let request = request.and_then(|message| message.peer_data_operation_request_message.as_deref());
        let Some(request) = request.filter(|_| phone.resends != Resends::Silent) else { return };
        if self.answer_history(phone, from, id, request) {
            return;
        }
        if request.peer_data_operation_request_type() != Operation::PlaceholderMessageResend {
            return;
        }
        let answer = ProtocolMessage {
            r#type: Some(Type::PeerDataOperationRequestResponseMessage.into()),
            peer_data_operation_request_response_message: Some(self.found(phone, id, request).into()),
            ..ProtocolMessage::default()
        };
        if let Err(error) = self.send_peer(phone, from, answer) {
            tracing::warn!(%error, "companion not answered");
        }
    }

    /// One result for each message that was asked for; without a message where the phone does not have it.
    fn found(
        &self,
        phone: &PhoneState,
        id: &str,
        request: &PeerDataOperationRequestMessage,
    ) -> PeerDataOperationRequestResponseMessage {
        let gives = phone.resends == Resends::Given;
        let keys = request.placeholder_message_resend_request.iter().map(|asked| asked.message_key.as_ref());
        let results = keys.map(|key| {
            let info = key.filter(|_| gives).and_then(|key| self.find_known(phone, key));
            PeerDataOperationResult {
                placeholder_message_resend_response: Some(PlaceholderMessageResendResponse {
                    web_message_info_bytes: info.map(<[u8]>::to_vec),
                }),
                ..PeerDataOperationResult::default()
            }
        });
        PeerDataOperationRequestResponseMessage {
            peer_data_operation_request_type: Some(Operation::PlaceholderMessageResend.into()),
            stanza_id: Some(id.to_owned()),
            peer_data_operation_result: results.collect(),
        }
    }

    fn find_known<'a>(&self, phone: &'a PhoneState, key: &MessageKey) -> Option<&'a [u8]> {
        let chat: Jid = key.remote_jid().parse().ok()?;
        let state = self.hub.state();
        let is_same = |other: &Jid| {
            *other == chat
                || (state.account_of(other).is_some() && state.account_of(other) == state.account_of(&chat))
        };
        let candidates = phone.known.by_id.get(key.id())?;
        candidates.iter().find(|known| is_same(&known.chat)).map(|known| known.info.as_slice())
    }

    pub(super) fn send_peer(
        &self,
        phone: &mut PhoneState,
        device: DeviceKey,
        message: ProtocolMessage,
    ) -> Result<MessageId, SendError> {
        if phone.online.is_none() {
            return Err(SendError::Offline);
        }
        let message = Message { protocol_message: Some(Box::new(message)), ..Message::default() };
        if !phone.keys.has_session(device) {
            self.fetch_sessions(phone, &[device]);
        }
        let ciphertext =
            phone.keys.encrypt(device, &message.encode_to_vec()).map_err(|_| SendError::NoDevice)?;
        let id = message_id();
        let enc =
            Node::new("enc").attr("v", "2").attr("type", ciphertext.kind.as_str()).bytes(ciphertext.bytes);
        let to = self.inner.lid.clone().with_device(device.number);
        let stanza = Node::new("message")
            .attr("to", &to)
            .attr("id", &id)
            .attr("type", "text")
            .attr("category", "peer")
            .attr("push_priority", "high")
            .child(Node::new("meta").attr("appdata", "default"))
            .child(enc);
        let sent = SentMessage { chat: to.to_user(), message: message.encode_to_vec(), is_peer: true };
        phone.sent.remember(&id, sent, phone.memory);
        self.transmit(&stanza);
        Ok(MessageId::new(id))
    }
}
