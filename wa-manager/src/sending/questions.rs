//! Questions that the server was asked too often (429): each sort stays closed for a while, longer each time, until one
//! is answered again. Requirements: manager.md, 3.1.

use std::collections::BTreeMap;
use std::time::Duration;

use wa_core::CallError;
use wa_core::connection::RequestError;

/// A sort of questions that the server counts on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Question {
    /// Its time lock.
    TimeLock,
    /// Its quota of new chats.
    NewChats,
    /// Which numbers have an account.
    Numbers,
}

/// How long a sort is closed after one refusal, after two, and so on.
const LADDER: [Duration; 4] = [
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
    Duration::from_secs(60 * 60),
];

/// Which sorts are closed, by the clock that does not jump. Plain values: they end with the account's task.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    closed: BTreeMap<Question, Closed>,
}

#[derive(Debug, Clone, Copy)]
struct Closed {
    refusals: usize,
    until: Duration,
}

impl Questions {
    /// Until when a sort is closed; `None` when it may be asked now.
    pub(crate) fn closed_until(&self, question: Question, now: Duration) -> Option<Duration> {
        self.closed.get(&question).map(|closed| closed.until).filter(|until| *until > now)
    }

    /// One was answered, or was not. Only a refusal for too many says anything, and one that asks to wait.
    pub(crate) fn note<T>(&mut self, question: Question, answer: &Result<T, CallError>, now: Duration) {
        match answer {
            Ok(_) => drop(self.closed.remove(&question)),
            Err(CallError::Request(RequestError::Refused(refusal)))
                if refusal.code == 429 || refusal.backoff.is_some() =>
            {
                self.refused(question, refusal.backoff, now);
            }
            Err(_) => {}
        }
    }

    /// The server refused one for too many; it may say for how long.
    pub(crate) fn refused(&mut self, question: Question, backoff: Option<Duration>, now: Duration) {
        let closed = self.closed.entry(question).or_insert(Closed { refusals: 0, until: Duration::ZERO });
        // Of those that were under way together, the first counts.
        if closed.until > now {
            return;
        }
        let step = LADDER.get(closed.refusals).or(LADDER.last()).copied().unwrap_or_default();
        closed.until = now + step.max(backoff.unwrap_or_default());
        closed.refusals += 1;
    }
}

#[cfg(test)]
mod tests {
    use wa_core::stanza::iq::IqRefusal;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// 3.1: 1, 5, 15, 60 minutes, each sort on its own, until one is answered.
    #[test]
    fn a_sort_is_closed_longer_each_time_until_one_is_answered() {
        let mut questions = Questions::default();
        let mut now = MINUTE;
        for minutes in [1, 5, 15, 60, 60] {
            questions.refused(Question::Numbers, None, now);
            // Another one that was under way.
            questions.refused(Question::Numbers, None, now);
            assert_eq!(questions.closed_until(Question::Numbers, now), Some(now + MINUTE * minutes));
            assert_eq!(questions.closed_until(Question::TimeLock, now), None);
            now += MINUTE * minutes;
            assert_eq!(questions.closed_until(Question::Numbers, now), None);
        }
        questions.note(Question::Numbers, &Ok(()), now);
        questions.refused(Question::Numbers, Some(MINUTE * 3), now);
        assert_eq!(questions.closed_until(Question::Numbers, now), Some(now + MINUTE * 3));
        questions.note(Question::TimeLock, &Err::<(), _>(CallError::NotPaired), now);
        let mut refusal = IqRefusal::of_part(500);
        questions.note(Question::TimeLock, &Err::<(), _>(RequestError::Refused(refusal.clone()).into()), now);
        assert_eq!(questions.closed_until(Question::TimeLock, now), None);
        // Whatever its reason, it asks to wait.
        refusal.backoff = Some(MINUTE * 2);
        questions.note(Question::TimeLock, &Err::<(), _>(RequestError::Refused(refusal).into()), now);
        assert_eq!(questions.closed_until(Question::TimeLock, now), Some(now + MINUTE * 2));
    }
}
