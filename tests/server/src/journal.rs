//! The last stanzas of every device, in and out: what a failing test shows, and what a test waits for.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use wa_core::wire::Node;

use crate::account::DeviceKey;

/// Which way a stanza went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Direction {
    /// From the client to the server.
    FromClient,
    /// From the server to the client.
    ToClient,
}

/// Whose stanzas: a device's, or those of a connection that is not paired yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    Device(DeviceKey),
    Connection(u64),
}

/// One stanza as it was seen.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) direction: Direction,
    pub(crate) node: Arc<Node>,
    /// Rises by one per stanza of the server.
    pub(crate) number: u64,
}

/// The stanzas of all devices, the last few of each.
#[derive(Debug)]
pub(crate) struct Journal {
    limit: usize,
    entries: HashMap<Subject, VecDeque<Entry>>,
    next: u64,
}

impl Journal {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, entries: HashMap::new(), next: 0 }
    }

    /// Notes a stanza.
    pub(crate) fn note(&mut self, subject: Subject, direction: Direction, node: Arc<Node>) {
        if self.limit == 0 {
            return;
        }
        let entries = self.entries.entry(subject).or_default();
        if entries.len() >= self.limit {
            entries.pop_front();
        }
        entries.push_back(Entry { direction, node, number: self.next });
        self.next += 1;
    }

    /// The stanzas of one subject, oldest first.
    pub(crate) fn of(&self, subject: Subject) -> impl Iterator<Item = &Entry> {
        self.entries.get(&subject).into_iter().flatten()
    }

    /// The number of the next stanza.
    pub(crate) const fn next_number(&self) -> u64 {
        self.next
    }

    /// A connection became a device: its stanzas are the device's.
    pub(crate) fn adopt(&mut self, connection: u64, device: DeviceKey) {
        if let Some(entries) = self.entries.remove(&Subject::Connection(connection)) {
            self.entries.insert(Subject::Device(device), entries);
        }
    }

    /// A connection ended without becoming a device.
    pub(crate) fn forget(&mut self, connection: u64) {
        self.entries.remove(&Subject::Connection(connection));
    }
}
