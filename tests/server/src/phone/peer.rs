//! A phone's answers to its own companions' requests. Protocol: messages, "Peer data operations".

use std::collections::VecDeque;

use prost::Message as _;
use wa_core::wire::Node;
use wa_proto::common::MessageKey;
use wa_proto::e2e::peer_data_operation_request_response_message::PeerDataOperationResult;
use wa_proto::e2e::peer_data_operation_request_response_message::peer_data_operation_result::PlaceholderMessageResendResponse;
use wa_proto::e2e::protocol_message::Type;
use wa_proto::e2e::{
    Message, PeerDataOperationRequestMessage, PeerDataOperationRequestResponseMessage,
    PeerDataOperationRequestType, ProtocolMessage,
};
use wa_proto::web::WebMessageInfo;

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

/// The messages that a phone may be asked for, the newest last.
#[derive(Default)]
pub(super) struct KeptMessages(VecDeque<WebMessageInfo>);

impl KeptMessages {
    pub(super) fn keep(&mut self, message: &PhoneMessage) {
        let key = MessageKey {
            remote_jid: Some(message.chat.to_string()),
            from_me: Some(message.from_me),
            id: Some(message.id.to_string()),
            participant: None,
        };
        self.0.push_back(WebMessageInfo {
            key,
            message: Some(Box::new(message.message.clone())),
            message_timestamp: Some(message.timestamp.0),
            ..WebMessageInfo::default()
        });
        if self.0.len() > KEPT {
            self.0.pop_front();
        }
    }

    fn find(&self, key: &MessageKey) -> Option<&WebMessageInfo> {
        self.0.iter().rev().find(|kept| kept.key.id == key.id && kept.key.from_me() == key.from_me())
    }
}

impl Phone {
    /// Chooses what it says when a companion asks it for messages.
    pub fn set_resends(&self, resends: Resends) {
        self.lock().resends = resends;
    }

    /// Answers a companion.
    pub(super) fn handle_peer(
        &self,
        phone: &mut PhoneState,
        id: &str,
        companion: DeviceKey,
        message: &Message,
    ) {
        let Some(protocol) = &message.protocol_message else { return };
        let Some(request) = &protocol.peer_data_operation_request_message else { return };
        if request.peer_data_operation_request_type()
            == PeerDataOperationRequestType::PlaceholderMessageResend
            && phone.resends != Resends::Silent
        {
            let answer = resend_answer(phone, id, request);
            self.send_peer(phone, companion, &answer);
        }
    }

    fn send_peer(&self, phone: &mut PhoneState, companion: DeviceKey, message: &Message) {
        if !phone.keys.has_session(companion) {
            self.fetch_sessions(phone, &[companion]);
        }
        let Ok(ciphertext) = phone.keys.encrypt(companion, &message.encode_to_vec()) else { return };
        let enc =
            Node::new("enc").attr("v", "2").attr("type", ciphertext.kind.as_str()).bytes(ciphertext.bytes);
        let to = self.hub.state().jid_of(companion, &self.inner.lid);
        let stanza = Node::new("message")
            .attr("to", to)
            .attr("id", message_id())
            .attr("type", "text")
            .attr("category", "peer")
            .attr("push_priority", "high")
            .child(Node::new("meta").attr("appdata", "default"))
            .child(enc);
        self.transmit(&stanza);
    }
}

fn resend_answer(phone: &PhoneState, id: &str, request: &PeerDataOperationRequestMessage) -> Message {
    let results = request.placeholder_message_resend_request.iter().map(|asked| {
        let kept = asked.message_key.as_ref().and_then(|key| phone.kept.find(key));
        let kept = kept.filter(|_| phone.resends == Resends::Given);
        PeerDataOperationResult {
            placeholder_message_resend_response: Some(PlaceholderMessageResendResponse {
                web_message_info_bytes: kept.map(WebMessageInfo::encode_to_vec),
            }),
            ..PeerDataOperationResult::default()
        }
    });
    let answer = PeerDataOperationRequestResponseMessage {
        peer_data_operation_request_type: Some(PeerDataOperationRequestType::PlaceholderMessageResend.into()),
        stanza_id: Some(id.to_owned()),
        peer_data_operation_result: results.collect(),
    };
    let protocol = ProtocolMessage {
        r#type: Some(Type::PeerDataOperationRequestResponseMessage.into()),
        peer_data_operation_request_response_message: Some(Box::new(answer)),
        ..ProtocolMessage::default()
    };
    Message { protocol_message: Some(Box::new(protocol)), ..Message::default() }
}

/// How many messages a phone keeps for its companions.
const KEPT: usize = 1000;
