//! Messages on their way once more to devices that could not read them. A server's ack names the message and no device, so
//! of one message only one copy is on its way at a time; the others wait for its ack.

use std::collections::VecDeque;

use wa_types::{Jid, MessageId, RegistrationId};

/// How many wait, for an ack or for their turn.
const CAPACITY: usize = 256;

/// How often a copy is sent that the server does not acknowledge.
const TRIES: u8 = 3;

/// A message that a device is to get again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) id: MessageId,
    pub(super) requester: Jid,
    /// The device's count of its requests.
    pub(super) count: u8,
    /// Its registration id, where it told it.
    pub(super) registration_id: Option<RegistrationId>,
    /// How often it was sent and not acknowledged.
    pub(super) tries: u8,
}

impl Wanted {
    fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.requester == other.requester
    }
}

#[derive(Debug, Default)]
pub(super) struct Answers {
    waiting: VecDeque<Wanted>,
    /// Sent and not acknowledged; no two of one message.
    out: Vec<Wanted>,
}

impl Answers {
    /// Whether a copy of this message is on its way.
    pub(super) fn is_out(&self, id: &MessageId) -> bool {
        self.out.iter().any(|wanted| wanted.id == *id)
    }

    /// It was sent.
    pub(super) fn sent(&mut self, wanted: Wanted) {
        self.out.push(wanted);
    }

    /// It waits for its turn. A newer request takes the older one's place; the oldest goes where there are too many.
    pub(super) fn wait(&mut self, wanted: Wanted) {
        keep(&mut self.waiting, wanted);
    }

    /// The server has the copy of this message that is on its way, or refused it for good.
    pub(super) fn settle(&mut self, id: &MessageId) {
        self.out.retain(|wanted| wanted.id != *id);
    }

    /// The copy of this message that is on its way may not have arrived: it waits again, unless it was sent often enough.
    pub(super) fn retry(&mut self, id: &MessageId) {
        for mut wanted in self.out.extract_if(.., |wanted| wanted.id == *id) {
            wanted.tries += 1;
            if wanted.tries < TRIES && !self.waiting.iter().any(|newer| newer.is_same(&wanted)) {
                keep(&mut self.waiting, wanted);
            }
        }
    }

    /// The next one of this message that waits.
    pub(super) fn next_of(&mut self, id: &MessageId) -> Option<Wanted> {
        let place = self.waiting.iter().position(|wanted| wanted.id == *id)?;
        self.waiting.remove(place)
    }

    /// The connection is another one: all are to be sent once more.
    pub(super) fn take_all(&mut self) -> Vec<Wanted> {
        let mut all = std::mem::take(&mut self.out);
        for wanted in std::mem::take(&mut self.waiting) {
            all.retain(|older| !older.is_same(&wanted));
            all.push(wanted);
        }
        all
    }
}

/// Keeps a request once; the oldest goes where there are too many.
pub(super) fn keep(requests: &mut VecDeque<Wanted>, wanted: Wanted) {
    requests.retain(|other| !other.is_same(&wanted));
    requests.push_back(wanted);
    if requests.len() > CAPACITY {
        requests.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(requester: &str) -> Wanted {
        let (id, requester) = (MessageId::new("M"), requester.parse().unwrap());
        Wanted { id, requester, count: 1, registration_id: None, tries: 0 }
    }

    const ANA: &str = "111@lid";
    const RUI: &str = "222@lid";

    #[test]
    fn one_copy_of_a_message_is_on_its_way_at_a_time() {
        let (mut answers, id) = (Answers::default(), MessageId::new("M"));
        answers.sent(wanted(ANA));
        answers.wait(wanted(RUI));
        assert!(answers.is_out(&id));
        assert!(!answers.is_out(&MessageId::new("N")));
        answers.settle(&id);
        assert!(!answers.is_out(&id));
        assert_eq!(answers.next_of(&id), Some(wanted(RUI)));
        assert_eq!(answers.next_of(&id), None);
    }

    #[test]
    fn an_unacknowledged_copy_waits_behind_the_others_and_is_given_up_in_the_end() {
        let (mut answers, id) = (Answers::default(), MessageId::new("M"));
        answers.sent(wanted(ANA));
        answers.wait(wanted(RUI));
        answers.retry(&id);
        assert_eq!(answers.next_of(&id), Some(wanted(RUI)));
        let mut tried = answers.next_of(&id).unwrap();
        for _ in 1..TRIES {
            answers.sent(tried.clone());
            answers.retry(&id);
            tried = answers.next_of(&id).unwrap_or(tried);
        }
        assert_eq!(answers.take_all(), []);
    }

    #[test]
    fn a_newer_request_takes_the_older_ones_place() {
        let mut answers = Answers::default();
        answers.sent(wanted(ANA));
        let newer = Wanted { count: 2, ..wanted(ANA) };
        answers.wait(newer.clone());
        answers.retry(&newer.id);
        assert_eq!(answers.take_all(), [newer]);
    }
}
