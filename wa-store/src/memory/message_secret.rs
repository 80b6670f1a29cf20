//! The secrets of messages, in memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use wa_types::{MessageId, UnixMillis};

use crate::records::message_secret::SECRETS_PER_ID;
use crate::records::{MessageKey, MessageSecret, SealedMessage};

#[derive(Default)]
pub(super) struct MessageSecrets {
    /// By id, then by chat and sender.
    secrets: HashMap<MessageId, BTreeMap<MessageKey, MessageSecret>>,
    sealed: BTreeMap<MessageKey, SealedMessage>,
}

impl MessageSecrets {
    pub(super) fn of(&self, id: &MessageId) -> Vec<MessageSecret> {
        let found = self.secrets.get(id).into_iter().flat_map(BTreeMap::values);
        found.take(SECRETS_PER_ID).cloned().collect()
    }

    pub(super) fn sealed_for(&self, targets: &[MessageId], limit: usize) -> Vec<SealedMessage> {
        let mut found: Vec<&SealedMessage> =
            self.sealed.values().filter(|sealed| targets.contains(&sealed.target)).collect();
        found.sort_unstable_by_key(|sealed| (sealed.received, &sealed.message));
        found.into_iter().take(limit).cloned().collect()
    }

    pub(super) fn targets(&self) -> Vec<MessageId> {
        let targets: BTreeSet<&MessageId> = self.sealed.values().map(|sealed| &sealed.target).collect();
        targets.into_iter().cloned().collect()
    }

    pub(super) fn put(&mut self, record: MessageSecret) {
        let of_id = self.secrets.entry(record.message.id.clone()).or_default();
        of_id.insert(record.message.clone(), record);
    }

    pub(super) fn put_sealed(&mut self, record: SealedMessage) {
        self.sealed.insert(record.message.clone(), record);
    }

    pub(super) fn delete_sealed(&mut self, message: &MessageKey) {
        self.sealed.remove(message);
    }

    pub(super) fn trim(&mut self, before: UnixMillis, keep: usize, keep_sealed: usize) {
        for of_id in self.secrets.values_mut() {
            of_id.retain(|_, record| record.at >= before);
        }
        self.sealed.retain(|_, sealed| sealed.received >= before);
        let records = self.secrets.values().flat_map(BTreeMap::values);
        let mut all: Vec<_> = records.map(|record| (Reverse(record.at), record.message.clone())).collect();
        all.sort_unstable();
        for (_, key) in all.into_iter().skip(keep) {
            if let Some(of_id) = self.secrets.get_mut(&key.id) {
                of_id.remove(&key);
            }
        }
        self.secrets.retain(|_, of_id| !of_id.is_empty());
        let mut all: Vec<_> =
            self.sealed.iter().map(|(key, sealed)| (Reverse(sealed.received), key.clone())).collect();
        all.sort_unstable();
        for (_, key) in all.into_iter().skip(keep_sealed) {
            self.sealed.remove(&key);
        }
    }
}
