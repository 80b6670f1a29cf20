//! The secrets of messages: kept with every message that has one, and used for what is sealed with them. Protocol:
//! messages, "messageSecret and secret-encrypted content".
//!
//! What came is opened at the end of a step, with one read for all of it. What comes before the message whose secret
//! opens it is told sealed, and kept; it is told again, opened, when that message is there.

use std::collections::HashSet;
use std::sync::Arc;

use wa_proto::common;
use wa_store::{InboxEntry, MessageKey, MessageSecret, SealedMessage, StoreError};
use wa_types::{Jid, MessageId, UnixMillis};

use super::inbox::stored::StoredEvent;
use super::{Actor, Step, clock};
use crate::error::SendError;
use crate::event::{Event, MessageReceived};
use crate::message::Message;
use crate::message::secret::{Context, open_as_any};

/// How many messages that wait for a secret are kept.
pub(super) const KEEP_SEALED: usize = 4096;

/// What memory holds of secrets.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// The messages whose secrets something waits for.
    awaited: HashSet<MessageId>,
}

/// What came of opening.
enum Opening {
    Opened(Vec<u8>),
    /// The message that it belongs to is not known.
    Unknown,
    /// It does not open with the secret that it names.
    Failed,
}

impl Actor {
    /// At the start, and after a failure of the store.
    pub(super) async fn load_secrets(&mut self) -> Result<(), StoreError> {
        self.secrets.awaited = self.store.sealed_targets().await?.into_iter().collect();
        Ok(())
    }

    /// Keeps the secret of a message, if it has one: received, sent, or out of the past. What waits for it is opened by
    /// [`Self::open_sealed`], later in the step.
    pub(super) fn keep_secret(
        &mut self,
        key: MessageKey,
        message: &Message,
        at: UnixMillis,
        step: &mut Step,
    ) {
        let Some(secret) = message.secret() else { return };
        let record = MessageSecret { message: key, secret, at };
        step.changes.put_message_secret(record.clone());
        step.secrets.push(record);
    }

    /// Opens what came sealed in this step, and what waited for secrets that came in it.
    pub(super) async fn open_sealed(&mut self, step: &mut Step) -> Result<(), StoreError> {
        let came = step.secrets.iter().map(|secret| &secret.message.id);
        let came: HashSet<MessageId> = came.filter(|id| self.secrets.awaited.contains(id)).cloned().collect();
        if step.sealed.is_empty() && came.is_empty() {
            return Ok(());
        }
        let store = Arc::clone(&self.store);
        let mut waiting = Vec::new();
        if !came.is_empty() {
            let came: Vec<MessageId> = came.into_iter().collect();
            waiting = store.sealed_for(&came, KEEP_SEALED).await?;
            self.secrets.awaited.retain(|id| !came.contains(id));
        }
        let sealed: Vec<(usize, MessageKey)> = std::mem::take(&mut step.sealed);
        let targets = sealed.iter().filter_map(|(at, _)| target_of(step.events.get(*at)?));
        let known = self.known_secrets(targets.collect(), step.secrets.clone()).await?;
        for (at, key) in sealed {
            let Some(Event::Message(received)) = step.events.get_mut(at) else { continue };
            match self.open_part(received, &known) {
                Opening::Opened(plain) => received.message.set_opened(plain),
                Opening::Failed => tracing::warn!(id = %received.id, "what was sealed does not open"),
                Opening::Unknown => {
                    let Some(target) = received.message.part().and_then(|part| part.target_id()) else {
                        continue;
                    };
                    tracing::debug!(id = %received.id, %target, "sealed with the secret of a message that is not there");
                    if self.secrets.awaited.len() >= KEEP_SEALED {
                        continue; // told sealed, and no more
                    }
                    self.secrets.awaited.insert(target.clone());
                    let payload = StoredEvent::encode_message(received);
                    let received = clock::unix_millis();
                    step.changes.put_sealed(SealedMessage { target, message: key, received, payload });
                }
            }
        }
        self.open_waiting(waiting, &known, step).await
    }

    async fn open_waiting(
        &mut self,
        waiting: Vec<SealedMessage>,
        known: &[MessageSecret],
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let store = Arc::clone(&self.store);
        let senders = waiting.iter().map(|waiting| waiting.message.sender.clone());
        self.directory.load_addresses(&*store, senders.collect()).await?;
        let chats: Vec<Jid> = waiting.iter().map(|waiting| waiting.message.chat.clone()).collect();
        self.directory.load_chats(&*store, &chats).await?;
        for SealedMessage { target, message, received, payload } in waiting {
            let number = self.next_number();
            let entry = InboxEntry { seq: number.0, message, received, payload };
            let Some(StoredEvent::Message(mut received)) = StoredEvent::read(&entry) else { continue };
            match self.open_part(&received, known) {
                Opening::Opened(plain) => {
                    received.message.set_opened(plain);
                    step.changes.delete_sealed(entry.message.clone());
                    self.push_inbox(entry.message, StoredEvent::Opened(received), step);
                }
                Opening::Failed => drop(step.changes.delete_sealed(entry.message)),
                // It is of another message with the same id.
                Opening::Unknown => {
                    self.secrets.awaited.insert(target);
                }
            }
        }
        Ok(())
    }

    /// The secrets of messages with these ids: those of this step, and those of the store. Their chats and users are
    /// loaded.
    pub(super) async fn known_secrets(
        &mut self,
        mut ids: Vec<MessageId>,
        of_step: Vec<MessageSecret>,
    ) -> Result<Vec<MessageSecret>, StoreError> {
        ids.sort_unstable();
        ids.dedup();
        let store = Arc::clone(&self.store);
        let mut known = of_step;
        if !ids.is_empty() {
            known.extend(store.message_secrets(&ids).await?.into_iter().flatten());
        }
        let chats: Vec<Jid> = known.iter().map(|secret| secret.message.chat.clone()).collect();
        self.directory.load_chats(&*store, &chats).await?;
        let users = known.iter().map(|secret| secret.message.sender.clone());
        self.directory.load_addresses(&*store, users.collect()).await?;
        Ok(known)
    }

    fn open_part(&self, received: &MessageReceived, known: &[MessageSecret]) -> Opening {
        let part = received.message.part();
        let Some((part, id)) = part.and_then(|part| part.target_id().map(|id| (part, id))) else {
            return Opening::Failed;
        };
        let Some(sealed) = &part.sealed else { return Opening::Failed };
        let mut senders = self.spellings(&received.sender);
        senders.extend(received.sender_alt.as_ref().map(Jid::to_chat).filter(|alt| !senders.contains(alt)));
        let mut outcome = Opening::Unknown;
        let of_chat = known.iter().filter(|secret| secret.message.id == id);
        for secret in of_chat.filter(|secret| self.is_same_chat(&secret.message.chat, &received.chat)) {
            let authors = self.spellings(&secret.message.sender);
            let is_author = authors.iter().any(|author| senders.contains(author));
            if part.kind.is_the_authors() && !is_author {
                outcome = Opening::Failed;
                continue;
            }
            match open_as_any(&secret.secret, part.kind, &id, &authors, &senders, sealed) {
                Some(plain) => return Opening::Opened(plain.to_vec()),
                None => outcome = Opening::Failed,
            }
        }
        outcome
    }

    pub(super) fn is_same_chat(&self, one: &Jid, other: &Jid) -> bool {
        let key = |chat: &Jid| self.directory.known_chat_key(chat).unwrap_or_else(|| chat.to_chat());
        key(one) == key(other)
    }

    /// A user under all known addresses, without a device.
    pub(super) fn spellings(&self, user: &Jid) -> Vec<Jid> {
        let user = user.to_chat();
        if let Some(own) = self.own().filter(|own| own.is_account(&user)) {
            return [own.lid, Some(own.pn)].into_iter().flatten().map(|own| own.to_chat()).collect();
        }
        let other = self.directory.other_address(&user).cloned();
        std::iter::once(user).chain(other).collect()
    }

    /// Seals what is to be sealed in a message of ours; other messages stay as they are. The chat must be loaded.
    /// `of_step` are the secrets that the store does not know yet.
    pub(super) async fn seal_content(
        &mut self,
        chat: &Jid,
        message: &Message,
        of_step: Vec<MessageSecret>,
    ) -> Result<Option<Message>, SendError> {
        let reaction = self.in_announcements(chat, message).await?;
        let message = reaction.as_ref().unwrap_or(message);
        let Some((part, plain)) = message.unsealed(clock::unix_millis()) else { return Ok(None) };
        let (kind, from_me) = (part.kind, part.target.from_me());
        let named = part.target.participant.as_deref().and_then(|author| author.parse::<Jid>().ok());
        let Some(id) = part.target_id() else { return Err(SendError::UnknownSecret(MessageId::new(""))) };
        let Some(own) = self.own() else { return Err(SendError::NotPaired) };
        let known = self.known_secrets(vec![id.clone()], of_step).await?;
        let is_meant = |secret: &&MessageSecret| {
            let authors = self.spellings(&secret.message.sender);
            let is_own = own.is_account(&secret.message.sender);
            secret.message.id == id
                && self.is_same_chat(&secret.message.chat, chat)
                && is_own == from_me
                && (is_own || !kind.is_the_authors())
                && named.as_ref().is_none_or(|named| from_me || authors.contains(&named.to_chat()))
        };
        let Some(secret) = known.iter().find(is_meant) else { return Err(SendError::UnknownSecret(id)) };

        // All are named as the chat names them.
        let to = self.name_space(chat);
        let is_lid = if to.is_user() { to.is_lid() } else { self.is_by_lid(&to).await? };
        let authors = self.spellings(&secret.message.sender);
        let author = authors.iter().find(|author| author.is_lid() == is_lid).or(authors.first());
        let author = author.cloned().unwrap_or_else(|| secret.message.sender.to_chat());
        let sender = own.beside(&author).to_chat();
        let target = common::MessageKey {
            remote_jid: Some(to.to_string()),
            from_me: Some(from_me),
            id: Some(id.to_string()),
            participant: (!to.is_user() && !from_me).then(|| author.to_string()),
        };
        let context = Context { kind, id: &id, author: &author, sender: &sender };
        let sealed = context.seal(&secret.secret, &plain, &mut self.random);
        Ok(Some(message.sealed_as(kind, target, sealed, clock::unix_millis())))
    }

    /// In the announcement group of a community reactions are sealed: all who read them know the message.
    async fn in_announcements(
        &mut self,
        chat: &Jid,
        message: &Message,
    ) -> Result<Option<Message>, StoreError> {
        let sealed = if chat.is_group() { message.as_sealed_reaction() } else { None };
        let Some(sealed) = sealed else { return Ok(None) };
        let store = Arc::clone(&self.store);
        let group = self.groups.load(&*store, chat).await?;
        Ok(group.is_some_and(|group| group.is_default_subgroup).then_some(sealed))
    }

    async fn is_by_lid(&mut self, chat: &Jid) -> Result<bool, StoreError> {
        let store = Arc::clone(&self.store);
        let group = if chat.is_group() { self.groups.load(&*store, chat).await? } else { None };
        let is_lid = group.map(|group| group.addressing == wa_store::AddressingMode::Lid);
        Ok(is_lid.unwrap_or_else(|| self.account.lid.is_some()))
    }
}

fn target_of(event: &Event) -> Option<MessageId> {
    let Event::Message(received) = event else { return None };
    received.message.part()?.target_id()
}
