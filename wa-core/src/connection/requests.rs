//! Questions that wait for their answer: requests by id, messages by the id that the server acknowledges.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use smol_str::SmolStr;

/// Names one waiting question; the driver knows whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

/// What a question's answer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Answers {
    /// An `<iq>` of the same id.
    Iq,
    /// An `<ack class="message">` of the same id.
    Ack,
}

/// The waiting questions of one connection. Each has a deadline; none is forgotten.
#[derive(Debug, Default)]
pub(super) struct Requests {
    by_stanza: HashMap<(Answers, SmolStr), (RequestId, Instant)>,
    deadlines: BTreeSet<(Instant, RequestId)>,
    stanzas: HashMap<RequestId, (Answers, SmolStr)>,
}

impl Requests {
    /// Waits for an answer to this stanza; gives back the question that waited under the same id, if any did.
    pub(super) fn add(
        &mut self,
        answers: Answers,
        stanza: SmolStr,
        request: RequestId,
        now: Instant,
        limit: Duration,
    ) -> Option<RequestId> {
        let deadline = now + limit;
        let replaced = self.by_stanza.insert((answers, stanza.clone()), (request, deadline));
        if let Some((old, deadline)) = replaced {
            self.deadlines.remove(&(deadline, old));
            self.stanzas.remove(&old);
        }
        self.deadlines.insert((deadline, request));
        self.stanzas.insert(request, (answers, stanza));
        replaced.map(|(old, _)| old)
    }

    /// The question that this stanza answers.
    pub(super) fn take(&mut self, answers: Answers, stanza: &str) -> Option<RequestId> {
        let (request, deadline) = self.by_stanza.remove(&(answers, SmolStr::new(stanza)))?;
        self.deadlines.remove(&(deadline, request));
        self.stanzas.remove(&request);
        Some(request)
    }

    /// A question whose time is up.
    pub(super) fn take_overdue(&mut self, now: Instant) -> Option<RequestId> {
        let &(deadline, request) = self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        self.deadlines.remove(&(deadline, request));
        let stanza = self.stanzas.remove(&request)?;
        self.by_stanza.remove(&stanza);
        Some(request)
    }

    /// When the next question's time is up.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }
}
