//! Puts what was received into the inbox, and reads what an earlier run left there.

use wa_store::{Expiration, InboxEntry, MessageKey, StoreError};

use super::stored::StoredEvent;
use crate::driver::history::Pending;
use wa_types::Jid;

use crate::driver::{Actor, INBOX_PAGE, READ_AGAIN, Step, clock};
use crate::e2e::addressing::Place;
use crate::event::{Event, InboxNumber, MessageReceived, RecoveredBy, TrailStep, Undecodable};
use crate::message::Message;
use crate::stanza::ack::{self, nack};
use crate::stanza::message::InboundMessage;

impl Actor {
    /// Takes a message that was read.
    pub(super) async fn accept(
        &mut self,
        stanza: &InboundMessage,
        key: MessageKey,
        place: Place,
        message: Message,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        self.acknowledge(stanza, &place, step);
        let is_resend = stanza.encs.iter().any(|enc| enc.count > 0);
        let recovered = (self.settle_repair(&key, step) || is_resend).then_some(RecoveredBy::Sender);
        if let Some(kind) = message.own_device_kind()
            && self.take_own_device(kind, &message, &key, &place, step).await?
        {
            step.changes.mark_seen(key.clone(), clock::unix_millis());
            step.accepted.insert(key);
            return Ok(());
        }
        let of_chat = MessageKey { chat: place.chat.clone(), ..key.clone() };
        self.keep_secret(of_chat, &message, stanza.timestamp.to_millis(), step);
        let is_for_own_devices = stanza.is_peer || message.is_for_own_devices();
        let chat = self.chat_key(&place.chat, step).await?;
        if chat.is_user()
            && let Some((seconds, since)) = message.told_expiration(stanza.timestamp)
        {
            self.directory.set_expiration(&chat, Expiration { seconds, since }, &mut step.changes);
        }
        let received = Box::new(MessageReceived {
            number: self.next_number(),
            chat,
            sender_alt: self.directory.other_device_address(&place.sender),
            sender: place.sender,
            from_me: place.from_me,
            id: stanza.id.clone(),
            post: stanza.post,
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
        Ok(())
    }

    /// Takes a payload that was decrypted and is no message. The server is told so, and does not send it again.
    pub(super) async fn accept_undecodable(
        &mut self,
        stanza: &InboundMessage,
        key: MessageKey,
        place: Place,
        bytes: Vec<u8>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        tracing::warn!(id = %stanza.id, bytes = bytes.len(), "a payload is no message; it is kept");
        step.reply(ack::for_message(stanza, Some(nack::INVALID_PROTOBUF)));
        self.settle_repair(&key, step);
        let undecodable = Undecodable {
            number: self.next_number(),
            chat: self.chat_key(&place.chat, step).await?,
            sender_alt: self.directory.other_device_address(&place.sender),
            sender: place.sender,
            from_me: place.from_me,
            id: stanza.id.clone(),
            timestamp: stanza.timestamp,
            bytes,
        };
        self.push_inbox(key, StoredEvent::Undecodable(Box::new(undecodable)), step);
        Ok(())
    }

    /// The number for the next inbox entry.
    pub(in crate::driver) const fn next_number(&mut self) -> InboxNumber {
        let number = InboxNumber(self.next_seq);
        self.next_seq += 1;
        number
    }

    /// Puts an event into the inbox, to be delivered once that is committed. `key` is what its message is known by when
    /// it comes again. A sealed message is opened first, at the end of the step.
    pub(in crate::driver) fn push_inbox(&mut self, key: MessageKey, mut event: StoredEvent, step: &mut Step) {
        self.name_chat(&mut event);
        step.accepted.insert(key.clone());
        let number = event.number();
        let what = match &event {
            StoredEvent::Lost(lost) => TrailStep::Lost { number, why: lost.why },
            _ => TrailStep::Stored { number },
        };
        step.note(&key.id, what);
        let at = step.events.len();
        if let StoredEvent::Message(received) = &event
            && received.message.part().is_some_and(|part| part.sealed.is_some())
            && received.message.opened().is_none()
        {
            step.sealed.push((at, key.clone()));
        }
        step.inbox.push((at, key));
        step.events.push(event.into_event());
    }

    /// Its chat may have been merged into another one since the event was made.
    fn name_chat(&self, event: &mut StoredEvent) {
        if let Some(chat) = event.chat_mut()
            && let Some(key) = self.directory.known_chat_key(chat)
        {
            *chat = key;
        }
    }

    /// Reads the next stored messages of an earlier run, once those before them are delivered.
    pub(in crate::driver) async fn read_stored(&mut self) {
        if self.read_again_at.is_some() {
            return;
        }
        let Some(after) = self.stored_after.filter(|_| self.undelivered.is_empty()) else { return };
        match self.read_page(after).await {
            Ok(last) => self.stored_after = last,
            Err(error) => {
                tracing::error!(%error, "the inbox could not be read");
                self.undelivered.push_back(Event::StoreFailed { error: error.into() });
                self.read_again_at = Some(clock::now() + READ_AGAIN);
            }
        }
    }
    /// Reads the stored events behind this number; answers with the last one's.
    async fn read_page(&mut self, after: u64) -> Result<Option<u64>, StoreError> {
        let entries = self.store.inbox(after, INBOX_PAGE).await?;
        let last = entries.last().map(|entry| entry.seq);
        let mut events = Vec::with_capacity(entries.len());
        for entry in &entries {
            if let Some(pending) = Pending::read(entry) {
                self.history.push(pending);
                continue;
            }
            match StoredEvent::read(entry) {
                Some(event) => events.push(event),
                None => tracing::error!(seq = entry.seq, "a stored event is damaged"),
            }
        }
        // A chat that was merged since has another key now.
        let chats: Vec<Jid> = events.iter_mut().filter_map(|event| event.chat_mut().cloned()).collect();
        let store = std::sync::Arc::clone(&self.store);
        self.directory.load_chats(&*store, &chats).await?;
        let mut read = Vec::with_capacity(events.len());
        for mut event in events {
            self.name_chat(&mut event);
            read.push(event.into_event());
        }
        // What was stored may not have come into the archive.
        self.archive_events(&read).await;
        self.undelivered.extend(read);
        self.directory.trim();
        Ok(last)
    }
}

/// Adds a step's durable events and parts of the past to its commit, in the order of their numbers: the store takes no
/// other.
pub(in crate::driver) fn stage_inbox(step: &mut Step) {
    let received = clock::unix_millis();
    let mut entries = std::mem::take(&mut step.past);
    for (at, message) in std::mem::take(&mut step.inbox) {
        if let Some((number, payload)) = step.events.get(at).and_then(StoredEvent::encode) {
            entries.push(InboxEntry { seq: number.0, message, received, payload });
        }
    }
    entries.sort_unstable_by_key(|entry| entry.seq);
    for entry in entries {
        step.changes.push_inbox(entry);
    }
}
