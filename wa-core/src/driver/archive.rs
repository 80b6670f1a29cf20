//! What goes into the archive: messages as they come and as they are sent, and the past. An archive that fails holds
//! nothing up; what it did not take is put in with the next.

use wa_store::MessageKey;
use wa_store::archive::{ArchiveEntry, ArchivedChat, ArchivedContact, ArchivedMessage};
use wa_types::{Jid, MessageId, UnixSeconds};

use super::Actor;
use crate::event::{Event, MessageReceived};
use crate::history::{HistoryBatch, HistoryItem};
use crate::message::{Content, Message};

/// How many entries wait for an archive that fails.
const WAITING: usize = 4096;

impl Actor {
    /// Puts what these events tell into the archive, before the application hears it.
    pub(super) async fn archive_events(&mut self, events: &[Event]) {
        if self.config.archive.is_none() {
            return;
        }
        let entries: Vec<ArchiveEntry> = events.iter().flat_map(|event| self.of_event(event)).collect();
        self.archive(entries).await;
    }

    /// Puts entries into the archive, behind those that it did not take before.
    pub(super) async fn archive(&mut self, entries: Vec<ArchiveEntry>) {
        let Some(archive) = self.config.archive.clone().filter(|_| !entries.is_empty()) else { return };
        self.unarchived.extend(entries);
        match archive.put(self.unarchived.clone()).await {
            Ok(()) => self.unarchived.clear(),
            Err(error) => {
                tracing::warn!(%error, "the archive failed, and is tried again with the next message");
                let excess = self.unarchived.len().saturating_sub(WAITING);
                self.unarchived.drain(..excess);
            }
        }
    }

    /// A message of our own that is on its way.
    pub(super) fn of_sent(
        &self,
        chat: &Jid,
        id: &MessageId,
        message: &Message,
        at: UnixSeconds,
    ) -> Option<ArchiveEntry> {
        let sender = self.own().filter(|_| self.config.archive.is_some())?.pn.to_user();
        let key = MessageKey { chat: chat.clone(), sender, id: id.clone() };
        Some(of_message(key, true, at, message))
    }

    fn of_event(&self, event: &Event) -> Vec<ArchiveEntry> {
        match event {
            Event::Message(received) => self.of_received(received),
            Event::ChatsMerged(merged) => {
                vec![ArchiveEntry::Merged { kept: merged.kept.clone(), gone: merged.gone.clone() }]
            }
            _ => Vec::new(),
        }
    }

    fn of_received(&self, received: &MessageReceived) -> Vec<ArchiveEntry> {
        let sender = match self.own().filter(|_| received.from_me) {
            Some(own) => own.pn.to_user(),
            None => writer(&received.chat, &received.sender),
        };
        let contact = received.push_name.clone().filter(|_| !received.from_me).map(|name| {
            ArchiveEntry::Contact(ArchivedContact { user: sender.clone(), name: None, push_name: Some(name) })
        });
        let key = MessageKey { chat: received.chat.clone(), sender, id: received.id.clone() };
        let entry = of_message(key, received.from_me, received.timestamp, &received.message);
        contact.into_iter().chain([entry]).collect()
    }
}

/// Who wrote a message that is not ours: in a direct chat the other one, under the one name that the chat has.
fn writer(chat: &Jid, sender: &Jid) -> Jid {
    if chat.is_user() { chat.clone() } else { sender.to_chat() }
}

/// A message, or what it does to an earlier one.
fn of_message(key: MessageKey, from_me: bool, at: UnixSeconds, message: &Message) -> ArchiveEntry {
    match message.content() {
        Content::Edit(edit) => ArchiveEntry::Edited {
            chat: key.chat,
            sender: key.sender,
            id: edit.target.id,
            at: edit.at.map_or(at, wa_types::UnixMillis::to_seconds),
            text: text_of(&edit.message),
            encoded: edit.message.encoded().to_vec(),
        },
        Content::Revoke(revoke) => ArchiveEntry::Revoked {
            chat: key.chat,
            // An admin deletes what somebody else wrote, and names them.
            sender: revoke.target.sender.filter(|_| !revoke.target.from_me).unwrap_or(key.sender),
            id: revoke.target.id,
        },
        _ => ArchiveEntry::Message(ArchivedMessage {
            key,
            from_me,
            at,
            text: text_of(message),
            encoded: message.encoded().to_vec(),
            edited: None,
            is_revoked: false,
        }),
    }
}

/// The words that a message is found by: its text, or its caption.
fn text_of(message: &Message) -> Option<String> {
    if let Some(text) = message.as_text() {
        return Some(text.to_owned());
    }
    match message.content() {
        Content::Image(image) => image.caption,
        Content::Video(video) => video.caption,
        Content::Document(document) => document.caption,
        _ => None,
    }
}

/// What a batch of the past has for the archive.
pub(super) fn of_batch(batch: &HistoryBatch) -> Vec<ArchiveEntry> {
    let entry = |item: &HistoryItem| {
        Some(match item {
            HistoryItem::Message(told) => {
                let sender =
                    if told.from_me { told.sender.clone() } else { writer(&told.chat, &told.sender) };
                let key = MessageKey { chat: told.chat.clone(), sender, id: told.id.clone() };
                of_message(key, told.from_me, told.timestamp, &told.message()?)
            }
            HistoryItem::Chat(chat) => ArchiveEntry::Chat(ArchivedChat {
                jid: chat.jid.clone(),
                name: chat.name.clone(),
                at: chat.timestamp.unwrap_or_default(),
            }),
            HistoryItem::PushName { user, name } => ArchiveEntry::Contact(ArchivedContact {
                user: user.clone(),
                name: None,
                push_name: name.clone(),
            }),
            HistoryItem::Contact { user, full_name, first_name, .. } => {
                ArchiveEntry::Contact(ArchivedContact {
                    user: user.clone(),
                    name: full_name.clone().or_else(|| first_name.clone()),
                    push_name: None,
                })
            }
            _ => return None,
        })
    };
    batch.items.iter().filter_map(entry).collect()
}
