//! What a device sent lately, so that a resend with the same id is acknowledged but delivered only once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::account::DeviceKey;

/// One copy of a message: for whom, and which resend of it (0 is the first).
pub(crate) type Copy = (DeviceKey, u32);

/// The last messages of one device. In a tree: a hash table that things come to and go from grows once more, long after it
/// was full, and looks like a leak.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    order: VecDeque<String>,
    sends: BTreeMap<String, Send>,
    /// How often an id came that was there before.
    pub(crate) repeated: u64,
}

#[derive(Debug)]
struct Send {
    time: u64,
    delivered: BTreeSet<Copy>,
}

impl Recent {
    /// Notes a send; returns its time, which is that of the first send with this id.
    pub(crate) fn note(&mut self, id: &str, now: u64, memory: usize) -> u64 {
        if let Some(send) = self.sends.get(id) {
            self.repeated += 1;
            return send.time;
        }
        self.order.push_back(id.to_owned());
        self.sends.insert(id.to_owned(), Send { time: now, delivered: BTreeSet::new() });
        if self.order.len() > memory
            && let Some(oldest) = self.order.pop_front()
        {
            self.sends.remove(&oldest);
        }
        now
    }

    /// Whether this copy is new; from now on it is not.
    pub(crate) fn claim(&mut self, id: &str, copy: Copy) -> bool {
        self.sends.get_mut(id).is_none_or(|send| send.delivered.insert(copy))
    }
}
