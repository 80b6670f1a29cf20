//! Puts what was received into the inbox, and reads what an earlier run left there.

use wa_store::{InboxEntry, MessageKey};

use super::stored::StoredEvent;
use crate::driver::{Actor, INBOX_PAGE, READ_AGAIN, Step, clock};
use crate::e2e::addressing::Place;
use crate::event::{Event, InboxNumber, MessageReceived, RecoveredBy, Undecodable};
use crate::message::Message;
use crate::stanza::ack::{self, nack};
use crate::stanza::message::InboundMessage;

impl Actor {
    /// Takes a message that was read.
    pub(super) fn accept(
        &mut self,
        stanza: &InboundMessage,
        key: MessageKey,
        place: Place,
        message: Message,
        step: &mut Step,
    ) {
        self.acknowledge(stanza, &place, step);
        let is_resend = stanza.encs.iter().any(|enc| enc.count > 0);
        let recovered = (self.settle_repair(&key, step) || is_resend).then_some(RecoveredBy::Sender);
        let is_for_own_devices = stanza.is_peer || message.is_for_own_devices();
        let received = Box::new(MessageReceived {
            number: self.next_number(),
            chat: place.chat,
            sender: place.sender,
            sender_alt: stanza.sender_alt.clone(),
            from_me: place.from_me,
            id: stanza.id.clone(),
            timestamp: stanza.timestamp,
            push_name: stanza.push_name.clone(),
            is_backlog: stanza.offline.is_some(),
            recovered,
            message,
        });
        let event = if is_for_own_devices {
            StoredEvent::OwnDevice(received)
        } else {
            StoredEvent::Message(received)
        };
        self.push_inbox(key, event, step);
    }

    /// Takes a payload that was decrypted and is no message. The server is told so, and does not send it again.
    pub(super) fn accept_undecodable(
        &mut self,
        stanza: &InboundMessage,
        key: MessageKey,
        place: Place,
        bytes: Vec<u8>,
        step: &mut Step,
    ) {
        tracing::warn!(id = %stanza.id, bytes = bytes.len(), "a payload is no message; it is kept");
        step.reply(ack::for_message(stanza, Some(nack::INVALID_PROTOBUF)));
        self.settle_repair(&key, step);
        let undecodable = Undecodable {
            number: self.next_number(),
            chat: place.chat,
            sender: place.sender,
            sender_alt: stanza.sender_alt.clone(),
            from_me: place.from_me,
            id: stanza.id.clone(),
            timestamp: stanza.timestamp,
            bytes,
        };
        self.push_inbox(key, StoredEvent::Undecodable(Box::new(undecodable)), step);
    }

    /// The number for the next inbox entry.
    pub(in crate::driver) const fn next_number(&mut self) -> InboxNumber {
        let number = InboxNumber(self.next_seq);
        self.next_seq += 1;
        number
    }

    /// Puts an event into the inbox, to be delivered once that is committed. `key` is what its message is known by when
    /// it comes again.
    pub(in crate::driver) fn push_inbox(&mut self, key: MessageKey, event: StoredEvent, step: &mut Step) {
        step.accepted.insert(key.clone());
        step.changes.push_inbox(InboxEntry {
            seq: event.number().0,
            message: key,
            received: clock::unix_millis(),
            payload: event.encode(),
        });
        step.events.push(event.into_event());
    }

    /// Reads the next stored messages of an earlier run, once those before them are delivered.
    pub(in crate::driver) async fn read_stored(&mut self) {
        if self.read_again_at.is_some() {
            return;
        }
        let Some(after) = self.stored_after.filter(|_| self.undelivered.is_empty()) else { return };
        match self.store.inbox(after, INBOX_PAGE).await {
            Ok(entries) => {
                self.stored_after = entries.last().map(|entry| entry.seq);
                for entry in entries {
                    match StoredEvent::read(&entry) {
                        Some(stored) => self.undelivered.push_back(stored.into_event()),
                        None => tracing::error!(seq = entry.seq, "a stored message is damaged"),
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, "the inbox could not be read");
                self.undelivered.push_back(Event::StoreFailed { error: error.to_string() });
                self.read_again_at = Some(clock::now() + READ_AGAIN);
            }
        }
    }
}
