//! Contacts and chats of what comes in: made when there are none, kept one for each person.
//! Requirements: manager.md, R066, R067, R074.

use serde_json::json;
use tracing::Instrument as _;
use wa_types::{Jid, UnixMillis};

use super::error::{InboundError, Stage};
use super::item::Received;
use crate::contacts::{self, Addresses, Known};
use crate::event::{EventKind, NewEvent};
use crate::ids::EventId;
use crate::sending::{Gate, Step};
use crate::store::{Change, ChatKind, ChatRecord, OldestMessage};

/// Who a message is with or from: the other one of a direct chat, the writer in a group. Nobody for our own messages
/// to many, and for channels.
pub(super) fn person_of(received: &Received, kind: ChatKind) -> Addresses {
    match kind {
        ChatKind::Direct if received.from_me => Addresses::of([&received.chat]),
        ChatKind::Direct => {
            let addresses = [Some(&received.sender), received.sender_alt.as_ref(), Some(&received.chat)];
            Addresses::of(addresses.into_iter().flatten())
        }
        ChatKind::Newsletter => Addresses::default(),
        _ if received.from_me => Addresses::default(),
        _ => Addresses::of([Some(&received.sender), received.sender_alt.as_ref()].into_iter().flatten()),
    }
}

/// The older one of two.
pub(super) fn older(known: Option<OldestMessage>, other: OldestMessage) -> Option<OldestMessage> {
    Some(known.filter(|known| known.at <= other.at).unwrap_or(other))
}

impl Gate {
    /// The contact and the chat of a message, within its step. The number of the contact.
    pub(super) async fn provision(
        &mut self,
        step: &mut Step,
        received: &Received,
        kind: ChatKind,
    ) -> Result<Option<u64>, InboundError> {
        let addresses = person_of(received, kind);
        // Not later than now, whoever's clock is wrong.
        let at = UnixMillis(received.timestamp.to_millis().0.min(step.now.0));
        let contact = if addresses.is_empty() {
            None
        } else {
            let contact = self.provision_contact(step, received, kind, &addresses, at);
            Some(contact.instrument(Stage::Contact.span()).await?)
        };
        let chat = self.provision_chat(step, received, kind, contact, at);
        chat.instrument(Stage::Chat.span()).await?;
        Ok(contact)
    }

    async fn provision_contact(
        &mut self,
        step: &mut Step,
        received: &Received,
        kind: ChatKind,
        addresses: &Addresses,
        at: UnixMillis,
    ) -> Result<u64, InboundError> {
        let mut known = self.person(step, addresses).await.map_err(InboundError::Contact)?;
        let is_ours = kind == ChatKind::Direct && received.from_me;
        // What comes again was counted.
        let is_counted = is_ours && self.is_known(received).await?;
        let contact = &mut known.contact;
        if is_ours && !is_counted {
            contact.unanswered = contact.unanswered.saturating_add(1);
        } else if kind == ChatKind::Direct && !is_ours {
            // What comes again says nothing new.
            if contact.last_inbound.is_none_or(|last| last < at) {
                contact.last_inbound = Some(at);
                contact.unanswered = 0;
            }
        }
        if let Some(name) = received.push_name.as_ref().filter(|_| !received.from_me) {
            contact.push_name = Some(name.clone());
        }
        let id = contact.id;
        if kind == ChatKind::Direct && !received.from_me {
            step.state.note_inbound(id, at);
        }
        contacts::write(&*self.store, &known, &mut step.changes).await.map_err(InboundError::Contact)?;
        if known.is_new {
            let data = json!({
                "contactId": id,
                "by": "inbound",
                "phone": known.contact.pn.as_ref().map(Jid::to_string),
                "lid": known.contact.lid.as_ref().map(Jid::to_string),
                "pushName": known.contact.push_name,
            });
            self.push_inbound(
                step,
                EventKind::ContactCreated,
                received.number,
                &[received.id.as_str()],
                data,
            );
        }
        Ok(id)
    }

    async fn provision_chat(
        &mut self,
        step: &mut Step,
        received: &Received,
        kind: ChatKind,
        contact: Option<u64>,
        at: UnixMillis,
    ) -> Result<(), InboundError> {
        let contact = contact.filter(|_| kind == ChatKind::Direct);
        let account = self.owner.account.clone();
        let found = self.store.chat(&account, &received.chat).await.map_err(InboundError::Chat)?;
        let is_new = found.is_none();
        let chat = found.unwrap_or_else(|| ChatRecord {
            account,
            chat: received.chat.clone(),
            kind,
            contact,
            created_at: step.now,
            last_message_at: None,
            oldest: None,
        });
        let last_message_at = chat.last_message_at.max(Some(at));
        let first = OldestMessage {
            id: received.id.clone(),
            from_me: received.from_me,
            at: received.timestamp.to_millis(),
        };
        let oldest = older(chat.oldest.clone(), first);
        let chat = ChatRecord { contact: contact.or(chat.contact), last_message_at, oldest, ..chat };
        if is_new {
            let data =
                json!({ "chat": chat.chat.to_string(), "chatKind": chat.kind, "contactId": chat.contact });
            self.push_inbound(step, EventKind::ChatCreated, received.number, &[received.id.as_str()], data);
        }
        step.changes.push(Change::PutChat(Box::new(chat)));
        Ok(())
    }

    fn inbound_id(&self, kind: EventKind, number: u64, parts: &[&str]) -> EventId {
        let parts: Vec<&str> = [kind.wire()].iter().chain(parts).copied().collect();
        EventId::of_inbound(&self.owner.account, number, &parts)
    }

    /// Whether this message was taken in before, and comes again.
    async fn is_known(&self, received: &Received) -> Result<bool, InboundError> {
        let kind = super::data::kind_of(received);
        let id = self.inbound_id(kind, received.number, &[received.id.as_str()]);
        self.store.has_event(&id).await.map_err(InboundError::Contact)
    }

    /// The person with these addresses, made when there is none; two that turn out to be one are so for the limits, too.
    pub(super) async fn person(
        &mut self,
        step: &mut Step,
        addresses: &Addresses,
    ) -> Result<Known, crate::store::ManagerStoreError> {
        let (store, account) = (std::sync::Arc::clone(&self.store), self.owner.account.clone());
        let known = contacts::find_or_make(&*store, &account, addresses, &mut *self.random, step.now).await?;
        if let Some(merged) = &known.merged {
            step.state.merge_persons(merged.id, known.contact.id);
        }
        Ok(known)
    }

    /// Adds an event whose id stays the same when what led to it comes again: what is told by its number in the inbox and
    /// these parts.
    pub(super) fn push_inbound(
        &self,
        step: &mut Step,
        kind: EventKind,
        number: u64,
        parts: &[&str],
        data: serde_json::Value,
    ) {
        step.changes.push_event(NewEvent {
            id: self.inbound_id(kind, number, parts),
            tenant: self.owner.tenant.clone(),
            account: Some(self.owner.account.clone()),
            kind,
            at: step.now,
            data,
        });
    }
}
