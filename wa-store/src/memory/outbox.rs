//! The outbox in memory.

use std::collections::{BTreeMap, HashMap};

use wa_types::{MessageId, UnixMillis};

use crate::records::{OutboxEntry, OutboxState};

#[derive(Default)]
pub(super) struct Outbox {
    entries: BTreeMap<u64, OutboxEntry>,
    ids: HashMap<MessageId, u64>,
    keys: HashMap<String, u64>,
}

impl Outbox {
    pub(super) fn put(&mut self, entry: OutboxEntry) {
        let key = entry.idempotency_key.as_ref();
        let replaced = [
            Some(entry.seq),
            self.ids.get(&entry.id).copied(),
            key.and_then(|key| self.keys.get(key)).copied(),
        ];
        for seq in replaced.into_iter().flatten() {
            self.remove(seq);
        }
        self.ids.insert(entry.id.clone(), entry.seq);
        if let Some(key) = &entry.idempotency_key {
            self.keys.insert(key.clone(), entry.seq);
        }
        self.entries.insert(entry.seq, entry);
    }

    pub(super) fn set_state(&mut self, seq: u64, state: OutboxState, at: UnixMillis) {
        if let Some(entry) = self.entries.get_mut(&seq) {
            entry.raise(state, at);
        }
    }

    pub(super) fn set_state_of(&mut self, id: &MessageId, state: OutboxState, at: UnixMillis) {
        let entry = self.ids.get(id).and_then(|seq| self.entries.get_mut(seq));
        if let Some(entry) = entry.filter(|entry| entry.state.rank() < state.rank()) {
            entry.raise(state, at);
        }
    }

    pub(super) fn trim(&mut self, before: UnixMillis, keep_bytes: u64) {
        let mut bytes = 0_u64;
        let mut removed = Vec::new();
        for entry in self.entries.values().rev().filter(|entry| !entry.state.is_pending()) {
            if entry.created >= before {
                bytes = bytes.saturating_add((entry.payload.len() + entry.delivery.len()) as u64);
            }
            if entry.created < before || bytes > keep_bytes {
                removed.push(entry.seq);
            }
        }
        removed.into_iter().for_each(|seq| self.remove(seq));
    }

    pub(super) fn pending(&self, after: u64, limit: usize) -> Vec<OutboxEntry> {
        let Some(first) = after.checked_add(1) else { return Vec::new() };
        let entries = self.entries.range(first..).map(|(_, entry)| entry);
        entries.filter(|entry| entry.state.is_pending()).take(limit).cloned().collect()
    }

    pub(super) fn by_id(&self, id: &MessageId) -> Option<&OutboxEntry> {
        self.entries.get(self.ids.get(id)?)
    }

    pub(super) fn by_key(&self, key: &str) -> Option<&OutboxEntry> {
        self.entries.get(self.keys.get(key)?)
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.entries.last_key_value().map_or(0, |(seq, _)| *seq)
    }

    fn remove(&mut self, seq: u64) {
        let Some(entry) = self.entries.remove(&seq) else { return };
        self.ids.remove(&entry.id);
        if let Some(key) = &entry.idempotency_key {
            self.keys.remove(key);
        }
    }
}
