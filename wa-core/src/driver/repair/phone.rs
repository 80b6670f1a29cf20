//! Asking our phone for messages that this device cannot read. Protocol: messages, "Peer data operations"; receiving,
//! "Ask the primary".

use std::time::Instant;

use wa_proto::common::MessageKey as WireKey;
use wa_proto::e2e;
use wa_store::{MessageKey, StoreError};
use wa_types::{MessageId, SignalAddress};

use super::{Asking, Phone, Repair};
use crate::driver::inbox::stored::StoredEvent;
use crate::driver::{Actor, Step, clock};
use crate::event::{MessageReceived, RecoveredBy, TrailStep};
use crate::message::{self, Message};

/// How many messages one request names.
const BATCH: usize = 32;

/// How often a request that the phone could not read is made again.
const TRIES: u8 = 3;

/// The server wakes the phone for it.
const PRIORITY: &str = "high_force";

impl Actor {
    /// Asks the phone for what it was not asked for yet.
    pub(super) async fn ask_phone(&mut self, now: Instant, step: &mut Step) -> Result<(), StoreError> {
        let after = self.config.repair.phone_after;
        let is_due =
            |repair: &Repair| matches!(repair.phone, Phone::Due { .. }) && now >= repair.opened + after;
        let mut due: Vec<_> = self.repairs.open.iter().filter(|(_, repair)| is_due(repair)).collect();
        if due.is_empty() {
            return Ok(());
        }
        due.sort_unstable_by_key(|(key, repair)| (repair.since, *key));
        due.truncate(BATCH);
        let keys: Vec<MessageKey> = due.iter().map(|(key, _)| (*key).clone()).collect();
        let wire_keys = due.iter().map(|(_, repair)| repair.wire_key()).collect();
        let request = message::id::generate(&mut self.random);
        if !self.send_to_phone(&request, resend_request(wire_keys), PRIORITY, step).await? {
            return Ok(());
        }
        self.repairs.unacknowledged.insert(request.clone());
        let asked = clock::unix_millis();
        for key in keys {
            if let Some(repair) = self.repairs.open.get_mut(&key) {
                let tries = if let Phone::Due { tries } = repair.phone { tries } else { 0 };
                repair.phone = Phone::Asked { request: request.clone(), tries: tries + 1, asked, at: now };
                step.note(&key.id, TrailStep::PhoneAsked);
                step.changes.put_repair(repair.record(key));
            }
        }
        Ok(())
    }

    /// The server has a message of ours, perhaps a request.
    pub(in crate::driver) fn note_request_ack(&mut self, id: &MessageId) {
        self.repairs.unacknowledged.remove(id);
    }

    /// The backlog is here, and the answers that it held: requests that the last connection may have lost are made again.
    pub(in crate::driver) fn resume_repairs(&mut self) {
        let lost = std::mem::take(&mut self.repairs.unacknowledged);
        for (key, repair) in &mut self.repairs.open {
            if repair.asking == Asking::Sent {
                repair.asking = Asking::Due;
                self.repairs.due.push_back(key.clone());
            }
            if let Phone::Asked { request, tries, .. } = &repair.phone
                && lost.contains(request)
            {
                repair.phone = Phone::Due { tries: tries.saturating_sub(1) };
            }
        }
    }

    /// The phone could not read this message of ours: if it was a request, it is made again, on another session.
    /// `false` when it was none.
    pub(in crate::driver) async fn repeat_request(
        &mut self,
        id: &MessageId,
        phone: &SignalAddress,
        step: &mut Step,
    ) -> Result<bool, StoreError> {
        let mut is_request = self.history.repeat(id);
        for (key, repair) in &mut self.repairs.open {
            if let Phone::Asked { request, tries, .. } = &repair.phone
                && request == id
            {
                is_request = true;
                repair.phone = if *tries < TRIES { Phone::Due { tries: *tries } } else { Phone::Failed };
                step.changes.put_repair(repair.record(key.clone()));
            }
        }
        if is_request {
            self.load_sessions(vec![phone.clone()]).await?;
            self.ratchets.archive(phone);
        }
        Ok(is_request)
    }

    /// Takes in what the phone says, of which this is the message; `false` when it is no answer about resends.
    pub(in crate::driver) fn take_phone_answer(&mut self, answer: &Message, step: &mut Step) -> bool {
        let Some(answer) = answer.phone_answer() else { return false };
        if answer.peer_data_operation_request_type()
            != e2e::PeerDataOperationRequestType::PlaceholderMessageResend
        {
            return false;
        }
        let request = MessageId::new(answer.stanza_id());
        let mut asked: Vec<MessageKey> = self
            .repairs
            .open
            .iter()
            .filter(|(_, repair)| matches!(&repair.phone, Phone::Asked { request: of, .. } if *of == request))
            .map(|(key, _)| key.clone())
            .collect();
        asked.sort_by_key(|key| self.repairs.open.get(key).map(|repair| repair.since));
        let given = answer.peer_data_operation_result.iter().filter_map(|result| {
            let response = result.placeholder_message_resend_response.as_ref()?;
            message::of_web_info(response.web_message_info_bytes.as_deref()?)
        });
        let mut given: Vec<(WireKey, Message)> = given.take(BATCH).collect();
        for key in asked {
            let Some(mut repair) = self.repairs.open.remove(&key) else { continue };
            let found = given.iter().position(|(of, _)| repair.is_named_by(of));
            match found.map(|at| given.swap_remove(at).1) {
                Some(message) if message.has_content() => self.recover(key, repair, message, step),
                _ => {
                    repair.phone = Phone::Failed;
                    step.changes.put_repair(repair.record(key.clone()));
                    self.repairs.open.insert(key, repair);
                }
            }
        }
        true
    }

    fn recover(&mut self, key: MessageKey, repair: Repair, message: Message, step: &mut Step) {
        step.changes.delete_repair(key.clone());
        self.keep_secret(key.clone(), &message, repair.origin.timestamp.to_millis(), step);
        let received = MessageReceived {
            number: self.next_number(),
            chat: repair.chat,
            sender: repair.sender,
            sender_alt: repair.sender_alt,
            from_me: repair.from_me,
            id: repair.origin.id,
            post: None,
            timestamp: repair.origin.timestamp,
            push_name: repair.push_name,
            is_backlog: repair.is_backlog,
            recovered: Some(RecoveredBy::Phone),
            message,
        };
        self.push_inbox(key, StoredEvent::Message(Box::new(received)), step);
    }
}

impl Repair {
    fn wire_key(&self) -> WireKey {
        let has_participant = !self.chat.is_user();
        // As the stanza names the chat: the application may know it under the user's other address.
        let chat = match &self.origin.recipient {
            _ if has_participant => self.chat.clone(),
            Some(recipient) if self.from_me => recipient.to_chat(),
            _ if self.origin.from.is_user() => self.origin.from.to_chat(),
            _ => self.chat.clone(),
        };
        WireKey {
            remote_jid: Some(chat.to_string()),
            from_me: Some(self.from_me),
            id: Some(self.origin.id.to_string()),
            participant: has_participant.then(|| self.sender.to_user().to_string()),
        }
    }

    /// The request names the message; within it the id does, and who wrote it.
    fn is_named_by(&self, key: &WireKey) -> bool {
        key.id() == self.origin.id.as_str() && key.from_me() == self.from_me
    }
}

fn resend_request(keys: Vec<WireKey>) -> e2e::ProtocolMessage {
    use e2e::peer_data_operation_request_message::PlaceholderMessageResendRequest;
    let request = e2e::PeerDataOperationRequestMessage {
        peer_data_operation_request_type: Some(
            e2e::PeerDataOperationRequestType::PlaceholderMessageResend.into(),
        ),
        placeholder_message_resend_request: keys
            .into_iter()
            .map(|key| PlaceholderMessageResendRequest { message_key: Some(key) })
            .collect(),
        ..e2e::PeerDataOperationRequestMessage::default()
    };
    e2e::ProtocolMessage {
        r#type: Some(e2e::protocol_message::Type::PeerDataOperationRequestMessage.into()),
        peer_data_operation_request_message: Some(Box::new(request)),
        ..e2e::ProtocolMessage::default()
    }
}
