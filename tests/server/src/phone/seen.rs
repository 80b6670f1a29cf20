//! Which messages a phone read, so that one that comes in two encryptions is shown once.

use std::collections::{HashSet, VecDeque};

/// The last messages, by the sender's account and their id.
#[derive(Debug, Default)]
pub(super) struct Seen {
    order: VecDeque<(usize, String)>,
    known: HashSet<(usize, String)>,
}

impl Seen {
    /// Notes a message. Whether it is new.
    pub(super) fn note(&mut self, account: usize, id: &str) -> bool {
        let message = (account, id.to_owned());
        if !self.known.insert(message.clone()) {
            return false;
        }
        self.order.push_back(message);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

const KEPT: usize = 8192;
