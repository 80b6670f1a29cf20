//! What happened to the last messages, kept for [`crate::Client::explain`], and counted. Every fact is noted once, with
//! the step that it belongs to, and counts when that is committed.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use metrics::{counter, histogram};
use wa_types::{MessageId, UnixMillis};

use super::{Actor, Step, clock};
use crate::event::{TrailEntry, TrailStep};

/// Names a message without its id.
type Name = u64;

/// The last things that happened to messages, oldest first. It grows with use, up to its capacity.
pub(super) struct Trail {
    capacity: usize,
    entries: VecDeque<(Name, TrailEntry)>,
}

impl Trail {
    pub(super) const fn new(capacity: usize) -> Self {
        Self { capacity, entries: VecDeque::new() }
    }

    fn add(&mut self, noted: Vec<(Name, TrailStep)>, at: UnixMillis, is_committed: bool) {
        if self.capacity == 0 {
            return;
        }
        for (name, step) in noted {
            if self.entries.len() >= self.capacity {
                self.entries.pop_front();
            }
            self.entries.push_back((name, TrailEntry { at, step, is_committed }));
        }
    }

    /// What is known of a message, oldest first.
    pub(super) fn of(&self, id: &MessageId) -> Vec<TrailEntry> {
        let wanted = name_of(id);
        let entries = self.entries.iter().filter(|(name, _)| *name == wanted);
        entries.map(|(_, entry)| entry.clone()).collect()
    }
}

impl Step {
    /// Notes what happened to a message; it counts once the step is committed.
    pub(super) fn note(&mut self, id: &MessageId, what: TrailStep) {
        self.trail.push((name_of(id), what));
    }
}

impl Actor {
    /// The step of these notes was committed, or failed.
    pub(super) fn keep_trail(&mut self, noted: Vec<(Name, TrailStep)>, is_committed: bool) {
        if noted.is_empty() {
            return;
        }
        if is_committed {
            for (_, step) in &noted {
                counter!("wa_message_steps_total", "step" => step.label()).increment(1);
            }
        }
        self.trail.add(noted, clock::unix_millis(), is_committed);
    }
}

/// A commit of the account took this long, and succeeded or not.
pub(super) fn count_commit(took: std::time::Duration, is_good: bool) {
    histogram!("wa_commit_seconds").record(took.as_secs_f64());
    if !is_good {
        counter!("wa_commits_failed_total").increment(1);
    }
}

/// From the moment when a message was written to the server's ack.
pub(super) fn count_ack(took: std::time::Duration) {
    histogram!("wa_send_ack_seconds").record(took.as_secs_f64());
}

/// A connection was silent for so long before the next bytes came.
pub(super) fn count_silence(took: std::time::Duration) {
    histogram!("wa_socket_frame_age_seconds").record(took.as_secs_f64());
}

/// A login was through, or a connection ended for this reason.
pub(super) fn count_login() {
    counter!("wa_logins_total").increment(1);
}

pub(super) fn count_end(reason: &'static str) {
    counter!("wa_connections_ended_total", "reason" => reason).increment(1);
}

fn name_of(id: &MessageId) -> Name {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let id = |n: u32| MessageId::new(format!("3EB0{n:04}"));
        let mut trail = Trail::new(3);
        for n in 0..4 {
            trail.add(vec![(name_of(&id(n)), TrailStep::SeenBefore)], UnixMillis(u64::from(n)), true);
        }
        assert!(trail.of(&id(0)).is_empty());
        assert_eq!(trail.of(&id(3)).first().map(|entry| entry.at), Some(UnixMillis(3)));
        assert_eq!(trail.entries.len(), 3);
    }
}
