//! Puts what was received into the inbox, and reads what an earlier run left there.

use prost::Message as _;
use wa_store::InboxEntry;

use super::place::key_of;
use super::stored::StoredMessage;
use crate::driver::{Actor, INBOX_PAGE, READ_AGAIN, Step, clock};
use crate::e2e::addressing::Place;
use crate::event::{Event, MessageReceived};
use crate::message::Message;
use crate::stanza::message::InboundMessage;

impl Actor {
    /// Puts a message into the inbox, to be delivered and acknowledged once that is committed.
    pub(super) fn accept(
        &mut self,
        stanza: &InboundMessage,
        place: Place,
        content: Message,
        now: wa_types::UnixMillis,
        step: &mut Step,
    ) {
        self.acknowledge(stanza, &place, step);
        // The key as the stanza has it: a copy's chat is known only once it is opened.
        let key = self
            .own()
            .map_or_else(|| key_of(&stanza.id, &place), |own| key_of(&stanza.id, &Place::of(stanza, &own)));
        let received = MessageReceived {
            seq: self.next_seq,
            chat: place.chat,
            sender: place.sender,
            from_me: place.from_me,
            id: stanza.id.clone(),
            timestamp: stanza.timestamp,
            push_name: stanza.push_name.clone(),
            is_backlog: stanza.offline.is_some(),
            message: content,
        };
        self.next_seq += 1;
        step.changes.push_inbox(InboxEntry {
            seq: received.seq,
            message: key,
            received: now,
            payload: StoredMessage::of(&received).encode_to_vec(),
        });
        step.events.push(Event::Message(Box::new(received)));
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
                    match StoredMessage::read(&entry) {
                        Some(received) => self.undelivered.push_back(Event::Message(Box::new(received))),
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
