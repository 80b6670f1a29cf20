//! What may be delivered now, and how far the endpoint is. Plain values; time and chance are handed in.
//!
//! Each account that has events which were not taken has a lane; its events leave it one after the other. A lane holds
//! few events: the others are read from the store when their turn comes. So what is held is bounded, however long the
//! endpoint takes nothing.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use wa_types::UnixMillis;

use super::Outcome;
use super::breaker::{Breaker, Turn};
use super::policy::{DeliveryPolicy, Next};
use crate::event::EventRecord;
use crate::ids::AccountId;
use crate::store::CursorRecord;

/// So many events wait in one lane, and so many in all of them, while they are still to be read from elsewhere.
const IN_LANE: usize = 16;
const IN_ALL: usize = 1024;

/// So many events that may overtake each other are held.
const PARALLEL: usize = 1024;

/// How long to wait after the store failed.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// What keeps its order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    /// The events of an account; or those of the manager.
    Account(Option<AccountId>),
    /// This one event: it may overtake others, and be overtaken.
    Event(u64),
    /// Dead letters that are tried once more.
    Replay,
}

/// Something to do; what comes of it is told.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Work {
    /// Read more events, after the first of these numbers; those up to the second are there.
    Read { key: Key, after: u64, up_to: u64 },
    /// Deliver an event.
    Deliver { key: Key, event: Arc<EventRecord>, attempt: u32 },
}

/// What to do now.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Poll {
    /// This, and then ask again.
    Work(Work),
    /// Nothing before this time, if nothing else happens.
    Wait(Option<Duration>),
}

/// What a delivery led to.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settled {
    pub(super) event: Arc<EventRecord>,
    pub(super) fate: Fate,
    /// How the endpoint does from now on, if that is news.
    pub(super) turn: Option<Turn>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Taken,
    Waits,
    Dead {
        tries: u32,
        reason: String,
    },
    /// The endpoint wants nothing any more.
    Gone,
}

/// How far the endpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Progress {
    /// All events up to this one are done with.
    pub(super) all: u64,
    /// Those of these accounts up to these, which are further.
    pub(super) further: Vec<(AccountId, u64)>,
}

impl Progress {
    /// As it is stored; `since` if it is not.
    pub(super) fn of(cursors: Vec<CursorRecord>, since: u64) -> Self {
        let all = cursors.iter().find(|cursor| cursor.account.is_none()).map_or(since, |all| all.seq);
        let further = cursors.into_iter().filter(|cursor| cursor.seq > all);
        let further = further.filter_map(|cursor| Some((cursor.account?, cursor.seq))).collect();
        Self { all, further }
    }
}

#[derive(Debug)]
struct Lane {
    events: VecDeque<Arc<EventRecord>>,
    /// All up to this were put into `events`.
    read: u64,
    /// The last one that is known of.
    latest: u64,
    /// There is something new behind what is being read: it is read again.
    is_stale: bool,
    /// How often the first of `events` was tried, and when that began.
    tries: u32,
    since: Duration,
}

impl Lane {
    /// All up to this are done with.
    fn floor(&self) -> u64 {
        self.events.front().map_or(self.read, |event| event.seq - 1)
    }

    fn is_done(&self) -> bool {
        self.events.is_empty() && self.read >= self.latest
    }
}

/// All lanes of an endpoint. Each stands in the queue once, unless something of it is under way; none is empty.
#[derive(Debug)]
pub(super) struct Lanes {
    policy: DeliveryPolicy,
    is_parallel: bool,
    lanes: HashMap<Key, Lane>,
    /// When it is whose turn; the second number keeps the order of those with the same time.
    queue: BTreeSet<(Duration, u64, Key)>,
    turns: u64,
    breaker: Breaker,
    /// Accounts whose events were taken further than those of others before this began.
    further: HashMap<AccountId, u64>,
    /// Accounts whose events were done with since somebody asked.
    done: HashMap<AccountId, u64>,
    /// All events up to this one were seen.
    seen: u64,
    /// Accounts that were deleted, by which event, while something was under way that may be about them.
    gone: HashMap<AccountId, u64>,
    /// Events that wait in lanes.
    held: usize,
    under_way: usize,
    /// So many dead letters were done with, and so many of these does the store know of. The others are still in it as they
    /// were: nothing is read of it until then.
    letters: u64,
    letters_written: u64,
}

impl Lanes {
    pub(super) fn new(policy: DeliveryPolicy, is_parallel: bool, progress: Progress) -> Self {
        Self {
            policy,
            is_parallel,
            lanes: HashMap::new(),
            queue: BTreeSet::new(),
            turns: 0,
            breaker: Breaker::new(),
            further: progress.further.into_iter().collect(),
            done: HashMap::new(),
            seen: progress.all,
            gone: HashMap::new(),
            held: 0,
            under_way: 0,
            letters: 0,
            letters_written: 0,
        }
    }

    /// How many dead letters were done with so far.
    pub(super) const fn letters(&self) -> u64 {
        self.letters
    }

    /// The store knows of so many of them.
    pub(super) const fn letters_written(&mut self, count: u64) {
        self.letters_written = count;
    }

    /// Whether dead letters are to be read, and are not yet as they should be.
    fn are_letters_stale(&self) -> bool {
        let lane = self.lanes.get(&Key::Replay);
        self.letters != self.letters_written && lane.is_some_and(|lane| lane.events.is_empty())
    }

    /// The endpoint is tried with one event before the others.
    pub(super) const fn probe_first(&mut self) {
        self.breaker = Breaker::Open { probe_at: Duration::ZERO };
    }

    /// Whether another event may be seen.
    pub(super) fn has_room(&self) -> bool {
        !self.is_parallel || self.lanes.len() < PARALLEL
    }

    /// There is an event; they are seen in their order.
    pub(super) fn see(&mut self, event: Arc<EventRecord>, now: Duration) {
        let seq = event.seq;
        self.see_up_to(seq);
        let further = event.account.as_ref().and_then(|account| self.further.get(account));
        if further.is_some_and(|further| seq <= *further) {
            return;
        }
        let key = if self.is_parallel { Key::Event(seq) } else { Key::Account(event.account.clone()) };
        let may_hold = self.is_parallel || self.held < IN_ALL;
        let is_new = !self.lanes.contains_key(&key);
        let before = seq - 1;
        let lane = self.lanes.entry(key.clone()).or_insert_with(|| Lane {
            events: VecDeque::new(),
            read: before,
            latest: before,
            is_stale: false,
            tries: 0,
            since: now,
        });
        if may_hold && lane.read == lane.latest && lane.events.len() < IN_LANE {
            lane.events.push_back(event);
            lane.read = seq;
            self.held += 1;
        }
        lane.latest = seq;
        if is_new {
            self.enqueue(key, now);
        }
    }

    /// There are no more events up to this one.
    pub(super) fn see_up_to(&mut self, seq: u64) {
        self.seen = self.seen.max(seq);
    }

    /// An account was deleted, by this event: nothing from before it is delivered any more. What is under way is.
    pub(super) fn forget(&mut self, account: &AccountId, by: u64) {
        self.further.remove(account);
        if self.under_way > 0 {
            self.gone.insert(account.clone(), by);
        }
        let waiting: HashSet<Key> = self.queue.iter().map(|(_, _, key)| key.clone()).collect();
        let of_it = Key::Account(Some(account.clone()));
        for (key, lane) in &mut self.lanes {
            let mut is_under_way = !waiting.contains(key);
            if !is_under_way && lane.events.front().is_some_and(|event| is_before(event, account, by)) {
                lane.tries = 0;
            }
            let count = lane.events.len();
            lane.events.retain(|event| mem::take(&mut is_under_way) || !is_before(event, account, by));
            self.held -= count - lane.events.len();
            if *key == of_it {
                lane.read = lane.latest;
            }
        }
        let is_over = |key: &Key, lane: &Lane| lane.is_done() && waiting.contains(key);
        self.lanes.retain(|key, lane| !is_over(key, lane));
        self.queue.retain(|(_, _, key)| self.lanes.contains_key(key));
    }

    /// There may be dead letters that are to be tried once more.
    pub(super) fn replay(&mut self, now: Duration) {
        match self.lanes.get_mut(&Key::Replay) {
            // From the beginning, once those that are held are done with.
            Some(lane) => (lane.read, lane.latest, lane.is_stale) = (0, u64::MAX, true),
            None => {
                let events = VecDeque::new();
                let lane = Lane { events, read: 0, latest: u64::MAX, is_stale: false, tries: 0, since: now };
                self.lanes.insert(Key::Replay, lane);
                self.enqueue(Key::Replay, now);
            }
        }
    }

    /// What to do now.
    pub(super) fn poll(&mut self, now: Duration) -> Poll {
        let are_letters_stale = self.are_letters_stale();
        let mut turns = self.queue.iter().filter(|(.., key)| !are_letters_stale || *key != Key::Replay);
        let Some(turn) = turns.next().cloned() else { return Poll::Wait(None) };
        if self.under_way >= self.policy.at_once {
            return Poll::Wait(None);
        }
        let Some(open) = self.breaker.open_until() else { return Poll::Wait(None) };
        let due = open.max(turn.0);
        if due > now {
            return Poll::Wait(Some(due));
        }
        self.queue.remove(&turn);
        let (_, _, key) = turn;
        let Some(lane) = self.lanes.get_mut(&key) else { return Poll::Wait(Some(now)) };
        self.under_way += 1;
        Poll::Work(match lane.events.front() {
            None => {
                lane.is_stale = false;
                Work::Read { key, after: lane.read, up_to: lane.latest }
            }
            Some(event) => {
                if lane.tries == 0 {
                    lane.since = now;
                }
                lane.tries += 1;
                self.breaker.try_one();
                Work::Deliver { key, event: Arc::clone(event), attempt: lane.tries }
            }
        })
    }

    /// What was read: all wanted events up to a number. None if that failed.
    pub(super) fn fill(&mut self, key: &Key, read: Option<(Vec<EventRecord>, u64)>, now: Duration) {
        self.under_way -= 1;
        let Some(lane) = self.lanes.get_mut(key) else { return };
        let Some((events, up_to)) = read else {
            self.enqueue(key.clone(), now + READ_AGAIN);
            return;
        };
        if mem::take(&mut lane.is_stale) {
            self.end_of_one();
            self.enqueue(key.clone(), now);
            return;
        }
        if *key == Key::Replay && events.is_empty() {
            lane.latest = lane.read;
        }
        let up_to = events.last().map_or(up_to, |last| last.seq.max(up_to));
        // Later ones will be seen.
        let gone = &self.gone;
        let is_new =
            |event: &EventRecord| event.seq > lane.read && event.seq <= lane.latest && !is_gone(gone, event);
        let new: Vec<_> = events.into_iter().filter(is_new).collect();
        let before = lane.events.len();
        lane.events.extend(new.into_iter().map(Arc::new));
        self.held += lane.events.len() - before;
        lane.read = lane.read.max(up_to.min(lane.latest));
        self.end_of_one();
        self.go_on(key, now);
    }

    /// What became of the first event of a lane. `wall` is the time of day, which events have their times from.
    pub(super) fn settle(
        &mut self,
        key: &Key,
        outcome: Outcome,
        now: Duration,
        wall: UnixMillis,
        chance: u64,
    ) -> Option<Settled> {
        self.under_way -= 1;
        let lane = self.lanes.get_mut(key)?;
        let event = Arc::clone(lane.events.front()?);
        let is_gone = is_gone(&self.gone, &event);
        let age = match key {
            // However old it is, somebody wants it now.
            Key::Replay => now.saturating_sub(lane.since),
            // Each life of the process counts from the same moment.
            Key::Account(_) | Key::Event(_) => wall.since(event.at),
        };
        let next = self.policy.after(&outcome, lane.tries, age, chance);
        let (fate, turn) = match outcome {
            Outcome::Taken => (Fate::Taken, self.breaker.succeed()),
            Outcome::Gone => (Fate::Gone, None),
            Outcome::Failed { reason, .. } | Outcome::Refused { reason } => {
                let turn = self.breaker.fail(&self.policy, now);
                match next {
                    // Nobody shall have it any more.
                    _ if is_gone => (Fate::Taken, turn),
                    Next::GiveUp => (Fate::Dead { tries: lane.tries, reason }, turn),
                    Next::Wait(wait) => {
                        // The others are read again when their turn comes.
                        self.held -= lane.events.len() - 1;
                        lane.events.truncate(1);
                        lane.read = lane.read.min(event.seq);
                        self.enqueue(key.clone(), now + wait);
                        return Some(Settled { event, fate: Fate::Waits, turn });
                    }
                }
            }
        };
        if let Fate::Taken | Fate::Dead { .. } = fate {
            lane.events.pop_front();
            lane.tries = 0;
            self.held -= 1;
            match key {
                Key::Account(Some(account)) => {
                    self.done.insert(account.clone(), event.seq);
                }
                Key::Replay => self.letters += 1,
                Key::Account(None) | Key::Event(_) => {}
            }
        }
        self.end_of_one();
        self.go_on(key, now);
        Some(Settled { event, fate, turn })
    }

    /// How far the endpoint is; and which accounts are further, of those that went on since this was asked last.
    pub(super) fn progress(&mut self) -> Progress {
        let lanes = self.lanes.iter().filter(|(key, _)| **key != Key::Replay);
        let all = lanes.map(|(_, lane)| lane.floor()).min().unwrap_or(self.seen).min(self.seen);
        let further = mem::take(&mut self.done).into_iter().filter(|(_, seq)| *seq > all).collect();
        Progress { all, further }
    }

    fn end_of_one(&mut self) {
        if self.under_way == 0 {
            self.gone.clear();
        }
    }

    fn go_on(&mut self, key: &Key, now: Duration) {
        if self.lanes.get(key).is_some_and(Lane::is_done) {
            self.lanes.remove(key);
        } else {
            self.enqueue(key.clone(), now);
        }
    }

    fn enqueue(&mut self, key: Key, due: Duration) {
        self.turns += 1;
        self.queue.insert((due, self.turns, key));
    }
}

/// Whether an event is of this account, and from before its deletion.
fn is_before(event: &EventRecord, account: &AccountId, by: u64) -> bool {
    event.account.as_ref() == Some(account) && event.seq < by
}

/// Whether the account of an event was deleted after it.
fn is_gone(gone: &HashMap<AccountId, u64>, event: &EventRecord) -> bool {
    event.account.as_ref().and_then(|account| gone.get(account)).is_some_and(|by| event.seq < *by)
}

#[cfg(test)]
mod tests;
