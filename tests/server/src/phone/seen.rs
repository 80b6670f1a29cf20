//! Which messages a phone read, so that one that comes in two encryptions is shown once.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{BuildHasher as _, RandomState};

/// The last messages, by the sender's account and their id. Of each a hash is kept: there are many.
#[derive(Debug, Default)]
pub(super) struct Seen {
    order: VecDeque<u64>,
    known: BTreeSet<u64>,
    hasher: RandomState,
}

impl Seen {
    /// Notes a message, and forgets the oldest of more than these. Whether it is new.
    pub(super) fn note(&mut self, account: usize, id: &str, memory: usize) -> bool {
        let message = self.hasher.hash_one((account, id));
        if !self.known.insert(message) {
            return false;
        }
        self.order.push_back(message);
        if self.order.len() > memory
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}
