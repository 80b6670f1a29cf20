//! An archive that ends with the process; a search looks at every message.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use wa_types::{Jid, MessageId, UnixSeconds};

use super::{
    Archive, ArchiveEntry, ArchiveLimits, ArchivedChat, ArchivedContact, ArchivedMessage, Page, words,
};
use crate::records::MessageKey;
use crate::store::StoreFuture;

/// An archive in memory.
#[derive(Debug, Default)]
pub struct MemoryArchive {
    limits: ArchiveLimits,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    chats: BTreeMap<Jid, ArchivedChat>,
    contacts: BTreeMap<Jid, ArchivedContact>,
    /// By chat, time, id and sender.
    messages: BTreeMap<Place, ArchivedMessage>,
    /// Where each message is.
    places: BTreeMap<MessageKey, UnixSeconds>,
}

type Place = (Jid, UnixSeconds, MessageId, Jid);

impl MemoryArchive {
    /// An empty archive that keeps this much.
    #[must_use]
    pub fn new(limits: ArchiveLimits) -> Self {
        Self { limits, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn take(&mut self, entry: ArchiveEntry, limits: &ArchiveLimits) {
        match entry {
            ArchiveEntry::Message(message) => self.take_message(message, limits),
            ArchiveEntry::Chat(chat) => match self.chats.get_mut(&chat.jid) {
                Some(known) => {
                    known.at = known.at.max(chat.at);
                    known.name = chat.name.or(known.name.take());
                }
                None => drop(self.chats.insert(chat.jid.clone(), chat)),
            },
            ArchiveEntry::Contact(contact) => match self.contacts.get_mut(&contact.user) {
                Some(known) => {
                    known.name = contact.name.or(known.name.take());
                    known.push_name = contact.push_name.or(known.push_name.take());
                }
                None => drop(self.contacts.insert(contact.user.clone(), contact)),
            },
            ArchiveEntry::Edited { chat, sender, id, at, text, encoded } => {
                if let Some(message) = self.find(chat, sender, id)
                    && !message.is_revoked
                    && message.edited.is_none_or(|last| last <= at)
                {
                    (message.text, message.encoded, message.edited) = (text, encoded, Some(at));
                }
            }
            ArchiveEntry::Revoked { chat, sender, id } => {
                if let Some(message) = self.find(chat, sender, id) {
                    (message.text, message.encoded, message.is_revoked) = (None, Vec::new(), true);
                }
            }
            ArchiveEntry::Merged { kept, gone } => self.merge(&kept, &gone, limits),
        }
    }

    fn take_message(&mut self, message: ArchivedMessage, limits: &ArchiveLimits) {
        if limits.not_before.is_some_and(|oldest| message.at < oldest)
            || limits.message_bytes.is_some_and(|most| message.encoded.len() > most)
            || self.places.contains_key(&message.key)
        {
            return;
        }
        let chat = message.key.chat.clone();
        self.take(ArchiveEntry::Chat(ArchivedChat { jid: chat.clone(), name: None, at: message.at }), limits);
        self.places.insert(message.key.clone(), message.at);
        self.messages.insert(place(&message), message);
        let Some(most) = limits.messages_per_chat else { return };
        let of_chat: Vec<Place> = self.of_chat(&chat).map(|(place, _)| place.clone()).collect();
        let excess = of_chat.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
        for place in of_chat.into_iter().take(excess) {
            if let Some(message) = self.messages.remove(&place) {
                self.places.remove(&message.key);
            }
        }
    }

    fn merge(&mut self, kept: &Jid, gone: &Jid, limits: &ArchiveLimits) {
        let moved: Vec<Place> = self.of_chat(gone).map(|(place, _)| place.clone()).collect();
        for place in moved {
            if let Some(mut message) = self.messages.remove(&place) {
                self.places.remove(&message.key);
                message.key.chat = kept.clone();
                self.take_message(message, limits);
            }
        }
        if let Some(chat) = self.chats.remove(gone) {
            let name = self.chats.get(kept).and_then(|chat| chat.name.clone()).or(chat.name);
            self.take(ArchiveEntry::Chat(ArchivedChat { jid: kept.clone(), name, at: chat.at }), limits);
        }
    }

    fn find(&mut self, chat: Jid, sender: Jid, id: MessageId) -> Option<&mut ArchivedMessage> {
        let key = MessageKey { chat, sender, id };
        let at = *self.places.get(&key)?;
        self.messages.get_mut(&(key.chat, at, key.id, key.sender))
    }

    fn of_chat(&self, chat: &Jid) -> impl DoubleEndedIterator<Item = (&Place, &ArchivedMessage)> {
        let start = (chat.clone(), UnixSeconds(0), MessageId::new(""), Jid::SERVER);
        self.messages
            .range(start..)
            .take_while(move |(place, _)| place.0 == *chat)
            .collect::<Vec<_>>()
            .into_iter()
    }
}

fn place(message: &ArchivedMessage) -> Place {
    (message.key.chat.clone(), message.at, message.key.id.clone(), message.key.sender.clone())
}

impl Archive for MemoryArchive {
    fn put(&self, entries: Vec<ArchiveEntry>) -> StoreFuture<'_, ()> {
        let mut kept = self.kept();
        entries.into_iter().for_each(|entry| kept.take(entry, &self.limits));
        drop(kept);
        Box::pin(std::future::ready(Ok(())))
    }

    fn chats(&self, after: Option<&ArchivedChat>, limit: usize) -> StoreFuture<'_, Vec<ArchivedChat>> {
        let mut chats: Vec<ArchivedChat> = self.kept().chats.values().cloned().collect();
        chats.sort_unstable_by(|one, other| {
            other.at.cmp(&one.at).then_with(|| one.jid.to_string().cmp(&other.jid.to_string()))
        });
        if let Some(after) = after {
            let last = (std::cmp::Reverse(after.at), after.jid.to_string());
            chats.retain(|chat| (std::cmp::Reverse(chat.at), chat.jid.to_string()) > last);
        }
        chats.truncate(limit);
        Box::pin(std::future::ready(Ok(chats)))
    }

    fn messages(&self, chat: &Jid, page: Page, limit: usize) -> StoreFuture<'_, Vec<ArchivedMessage>> {
        let kept = self.kept();
        let all = kept.of_chat(chat).map(|(_, message)| message);
        let place = |message: &ArchivedMessage| (message.at, message.key.id.clone());
        let found: Vec<ArchivedMessage> = match page {
            Page::Newest => all.rev().take(limit).cloned().collect(),
            Page::Before(at, id) => {
                all.rev().filter(|one| place(one) < (at, id.clone())).take(limit).cloned().collect()
            }
            Page::After(at, id) => {
                all.filter(|one| place(one) > (at, id.clone())).take(limit).cloned().collect()
            }
        };
        drop(kept);
        Box::pin(std::future::ready(Ok(found)))
    }

    fn search(&self, text: &str, chat: Option<&Jid>, limit: usize) -> StoreFuture<'_, Vec<ArchivedMessage>> {
        let wanted: Vec<String> = words(text).collect();
        let kept = self.kept();
        let is_hit = |message: &&ArchivedMessage| {
            let Some(text) = &message.text else { return false };
            let has: Vec<String> = words(text).collect();
            chat.is_none_or(|chat| message.key.chat == *chat)
                && wanted.iter().all(|word| has.iter().any(|other| other.starts_with(word)))
        };
        let mut found: Vec<ArchivedMessage> =
            kept.messages.values().filter(|_| !wanted.is_empty()).filter(is_hit).cloned().collect();
        drop(kept);
        found.sort_unstable_by(|one, other| (other.at, &other.key.id).cmp(&(one.at, &one.key.id)));
        found.truncate(limit);
        Box::pin(std::future::ready(Ok(found)))
    }

    fn message(&self, key: &MessageKey) -> StoreFuture<'_, Option<ArchivedMessage>> {
        let found =
            self.kept().find(key.chat.clone(), key.sender.clone(), key.id.clone()).map(|found| found.clone());
        Box::pin(std::future::ready(Ok(found)))
    }

    fn contacts(&self, users: &[Jid]) -> StoreFuture<'_, Vec<Option<ArchivedContact>>> {
        let kept = self.kept();
        let found = users.iter().map(|user| kept.contacts.get(user).cloned()).collect();
        drop(kept);
        Box::pin(std::future::ready(Ok(found)))
    }
}
