//! What the phone's history says about persons: who wrote at some time is no stranger. Requirements: manager.md, 3.3.

use std::collections::BTreeMap;

use wa_core::history::{HistoryBatch, HistoryItem};
use wa_types::{Jid, UnixMillis};

use crate::contacts::{self, Addresses};
use crate::sending::Gate;
use crate::store::ManagerStoreError;

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
                HistoryItem::Message(message) if message.chat.is_user() => {
                    let past = persons.entry(message.chat.to_chat()).or_default();
                    if message.from_me {
                        past.was_written_to = true;
                    } else {
                        let at = Some(message.timestamp.to_millis());
                        past.last_inbound = past.last_inbound.max(at);
                        past.push_name = past.push_name.take().or_else(|| message.push_name.clone());
                    }
                }
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
        let named = persons.into_iter().map(|(chat, mut past)| {
            let Addresses { pn, lid } = Addresses::of([&chat]);
            past.pn = past.pn.or(pn);
            past.lid = past.lid.or(lid);
            past
        });
        named.collect()
    }
}

impl Gate {
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
