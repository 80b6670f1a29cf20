//! Which messages a phone read, so that one that comes in two encryptions is shown once.

use std::collections::{HashSet, VecDeque};

/// The last messages, by the sender's account and their id.
#[derive(Debug, Default)]
pub(super) struct Seen {
    order: VecDeque<(usize, String)>,
    known: HashSet<(usize, String)>,
}

impl Seen {
    /// Notes a message, and forgets the oldest of more than these. Whether it is new.
    pub(super) fn note(&mut self, account: usize, id: &str, memory: usize) -> bool {
        let message = (account, id.to_owned());
        if !self.known.insert(message.clone()) {
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
