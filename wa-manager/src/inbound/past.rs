//! What the phone's history says about persons: who wrote at some time is no stranger. Requirements: manager.md, 3.3.

use std::collections::BTreeMap;

use wa_core::history::{HistoryBatch, HistoryItem, HistoryMessage};
use wa_types::{Jid, UnixMillis};

use super::provision::older;
use crate::contacts::{self, Addresses};
use crate::sending::Gate;
use crate::store::{Change, ChatKind, ChatRecord, ManagerStoreError, OldestMessage};

/// What the past says about one person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "made of the client's records, and by hosts that import accounts"
)]
pub struct Past {
    /// By phone number.
    pub pn: Option<Jid>,
    /// By LID.
    pub lid: Option<Jid>,
    /// When they wrote last.
    pub last_inbound: Option<UnixMillis>,
    /// Whether we wrote to them.
    pub was_written_to: bool,
    /// How they call themselves.
    pub push_name: Option<String>,
}

impl Past {
    /// The persons of a batch of the past, by their direct chats.
    #[must_use]
    pub fn of(batch: &HistoryBatch) -> Vec<Self> {
        let mut persons: BTreeMap<Jid, Self> = BTreeMap::new();
        for item in &batch.items {
            match item {
                HistoryItem::Message(message) => note(&mut persons, message),
                HistoryItem::Chat(chat) if chat.jid.is_user() => {
                    let past = persons.entry(chat.jid.to_chat()).or_default();
                    if let Some(pair) = &chat.addresses {
                        past.pn = Some(pair.pn.to_chat());
                        past.lid = Some(pair.lid.to_chat());
                    }
                }
                _ => {}
            }
        }
        for pair in &batch.addresses {
            for address in [&pair.pn, &pair.lid] {
                if let Some(past) = persons.get_mut(&address.to_chat()) {
                    past.pn = Some(pair.pn.to_chat());
                    past.lid = Some(pair.lid.to_chat());
                }
            }
        }
        named(persons)
    }

    /// The persons of some messages, by their direct chats.
    pub(crate) fn of_messages(messages: &[HistoryMessage]) -> Vec<Self> {
        let mut persons = BTreeMap::new();
        for message in messages {
            note(&mut persons, message);
        }
        named(persons)
    }
}

fn note(persons: &mut BTreeMap<Jid, Past>, message: &HistoryMessage) {
    if !message.chat.is_user() {
        return;
    }
    let past = persons.entry(message.chat.to_chat()).or_default();
    if message.from_me {
        past.was_written_to = true;
    } else {
        let at = Some(message.timestamp.to_millis());
        past.last_inbound = past.last_inbound.max(at);
        past.push_name = past.push_name.take().or_else(|| message.push_name.clone());
    }
}

fn named(persons: BTreeMap<Jid, Past>) -> Vec<Past> {
    let named = persons.into_iter().map(|(chat, mut past)| {
        let Addresses { pn, lid } = Addresses::of([&chat]);
        past.pn = past.pn.or(pn);
        past.lid = past.lid.or(lid);
        past
    });
    named.collect()
}

/// The oldest message of each chat of a batch of the past.
pub(crate) fn oldest_of(batch: &HistoryBatch) -> BTreeMap<Jid, &HistoryMessage> {
    let mut chats: BTreeMap<Jid, &HistoryMessage> = BTreeMap::new();
    for item in &batch.items {
        if let HistoryItem::Message(message) = item {
            let oldest = chats.entry(message.chat.to_chat()).or_insert(message);
            if message.timestamp < oldest.timestamp {
                *oldest = message;
            }
        }
    }
    chats
}

impl Gate {
    /// Takes note of how far back a chat is known. A chat that is not known is from now on, and not told: it is not new.
    ///
    /// # Errors
    /// [`ManagerStoreError`]: say it again; it can be said as often as one likes.
    pub async fn note_oldest(
        &mut self,
        chat: &Jid,
        message: Option<&HistoryMessage>,
    ) -> Result<(), ManagerStoreError> {
        let Some(message) = message else { return Ok(()) };
        let account = self.owner.account.clone();
        let known = self.store.chat(&account, chat).await?;
        let at = message.timestamp.to_millis();
        let oldest = OldestMessage { id: message.id.clone(), from_me: message.from_me, at };
        let oldest = older(known.as_ref().and_then(|known| known.oldest.clone()), oldest);
        if known.as_ref().is_some_and(|known| known.oldest == oldest) {
            return Ok(());
        }
        let mut step = self.begin().await?;
        let record = match known {
            Some(known) => ChatRecord { oldest, ..known },
            None => {
                let addresses = Addresses::of([chat]);
                let person = contacts::find(&*self.store, &account, &addresses).await?;
                ChatRecord {
                    account,
                    chat: chat.clone(),
                    kind: ChatKind::of(chat),
                    contact: person.map(|known| known.contact.id),
                    created_at: step.now,
                    last_message_at: Some(at),
                    oldest,
                }
            }
        };
        step.changes.push(Change::PutChat(Box::new(record)));
        self.commit(step).await
    }

    /// Takes note of persons of the past: a commit for each. Those who are not new are not told.
    ///
    /// # Errors
    /// [`ManagerStoreError`]: say it again; it can be said as often as one likes.
    pub async fn note_past(&mut self, persons: &[Past]) -> Result<(), ManagerStoreError> {
        for past in persons {
            let addresses = Addresses::of([&past.lid, &past.pn].into_iter().flatten());
            if addresses.is_empty() || (past.last_inbound.is_none() && !past.was_written_to) {
                continue;
            }
            let mut step = self.begin().await?;
            let mut known = self.person(&mut step, &addresses).await?;
            let contact = &mut known.contact;
            contact.last_inbound = contact.last_inbound.max(past.last_inbound);
            if past.was_written_to && contact.last_inbound.is_none() {
                contact.unanswered = contact.unanswered.max(1);
            }
            contact.push_name = contact.push_name.take().or_else(|| past.push_name.clone());
            contacts::write(&*self.store, &known, &mut step.changes).await?;
            self.commit(step).await?;
        }
        Ok(())
    }
}
