//! Drives one endpoint: hears of events, delivers them, and keeps how far the endpoint is. How far it is is committed as
//! soon as the commit before is through: many deliveries share one.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use wa_core::crypto::{Random as _, SystemRandom};

use super::breaker::Turn;
use super::lanes::{Fate, Key, Lanes, Poll, Progress, Settled, Work};
use super::{DeliveryPolicy, EventSink, Outcome};
use crate::clock::Clock;
use crate::event::{EventKind, EventRecord};
use crate::hub::{EventFilter, EventStream, Hub, StreamError};
use crate::store::{
    Change, Changes, CursorRecord, DeadLetterQuery, DeadLetterRecord, EventQuery, ManagerStore,
    ManagerStoreError,
};

/// So many events are read from the store at once.
const PAGE: usize = 16;

/// How far an endpoint is is written when so many events went by that it does not want.
const STRIDE: u64 = 1024;

/// How long deliveries that are under way may take when it is told to stop.
const GRACE: Duration = Duration::from_secs(1);

/// How long to wait after the store failed.
const RETRY: Duration = Duration::from_secs(1);

/// What a dispatcher is made of.
#[expect(clippy::exhaustive_structs, reason = "made by hosts")]
pub struct DispatcherParts {
    /// Where events are.
    pub store: Arc<dyn ManagerStore>,
    /// Where they are heard.
    pub hub: Hub,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Who takes them.
    pub sink: Arc<dyn EventSink>,
    /// Under which name the store keeps how far it is; no other has it.
    pub endpoint: String,
    /// Which events it takes.
    pub filter: EventFilter,
    /// Whether the events of an account may overtake each other.
    pub is_parallel: bool,
    /// It takes events after this one, if the store does not know how far it is.
    pub since: u64,
    /// How patient we are with it.
    pub policy: DeliveryPolicy,
    /// How it did when that was last told. One that did badly is tried with one event first, and does well if it takes it.
    pub health: Health,
    /// What is to be written when the endpoint begins or ends to do badly. It goes with the same commit.
    pub on_health: Box<dyn Fn(Health) -> Changes + Send + Sync>,
}

/// How an endpoint does, when that changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It takes events again.
    Good,
    /// It has not taken any for a while. It is tried now and then.
    Bad,
    /// It wants none any more.
    Gone,
}

/// Why a dispatcher ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// The endpoint wants no events any more.
    Gone,
    /// The store is closed.
    Closed,
}

/// Delivers events to one endpoint: at least once, and in order for each account.
pub struct Dispatcher {
    parts: DispatcherParts,
    replay: Arc<Notify>,
    lanes: Lanes,
    /// To be written with how far the endpoint is.
    pending: Changes,
    /// There is something to be written.
    is_dirty: bool,
    /// How far events had been seen when that was looked at.
    looked: u64,
    /// How many dead letters there were.
    died: usize,
    /// What was written as done with.
    written: u64,
    /// The store failed: nothing is delivered before this time, as nothing of it could be kept.
    blocked_until: Option<Duration>,
}

type Job = Pin<Box<dyn Future<Output = Done> + Send>>;

enum Done {
    Read(Key, Result<(Vec<EventRecord>, u64), ManagerStoreError>),
    Delivered(Key, Outcome),
}

impl Dispatcher {
    /// A dispatcher that goes on from where the endpoint is.
    #[must_use]
    pub fn new(parts: DispatcherParts) -> Self {
        let start = Progress { all: parts.since, further: Vec::new() };
        let replay = Arc::new(Notify::new());
        // Those that were not through when it ended.
        replay.notify_one();
        Self {
            replay,
            lanes: Lanes::new(parts.policy, parts.is_parallel, start),
            pending: Changes::new(),
            is_dirty: false,
            looked: parts.since,
            died: 0,
            written: parts.since,
            blocked_until: None,
            parts,
        }
    }

    /// What is told when dead letters were marked to be tried once more.
    #[must_use]
    pub fn replay(&self) -> Arc<Notify> {
        Arc::clone(&self.replay)
    }

    /// Delivers until it is told to stop, or the endpoint wants nothing any more. What is under way then has a second to
    /// end, or is delivered once more next time; so dropping the future loses nothing either.
    pub async fn run(mut self, stop: CancellationToken) -> Ended {
        if let Some(ended) = self.load(&stop).await {
            return ended;
        }
        let mut heard = self.parts.filter.clone();
        if !heard.kinds.is_empty() && !heard.kinds.contains(&EventKind::AccountDeleted) {
            heard.kinds.push(EventKind::AccountDeleted);
        }
        let mut stream = self.parts.hub.subscribe(heard, Some(self.written));
        let mut is_reading = true;
        let mut jobs: FuturesUnordered<Job> = FuturesUnordered::new();
        let replay = Arc::clone(&self.replay);
        let mut flush: Option<Pin<Box<dyn Future<Output = Flushed> + Send>>> = None;
        let ended = loop {
            let wake = self.start_jobs(&mut jobs);
            if flush.is_none() && self.blocked_until.is_none_or(|until| until <= self.now()) {
                flush = self.flush(&stream);
            }
            tokio::select! {
                () = stop.cancelled() => break Ended::Stopped,
                event = stream.next(), if is_reading && self.lanes.has_room() => match event {
                    Ok(event) => self.hear(event),
                    Err(StreamError::Lagged { resume_cursor }) => {
                        let endpoint = &self.parts.endpoint;
                        tracing::error!(endpoint, resume_cursor, "events were forgotten before they were delivered");
                    }
                    Err(StreamError::Closed) => is_reading = false,
                },
                Some(done) = jobs.next(), if !jobs.is_empty() => {
                    if self.done(done) == Some(Ended::Gone) {
                        break Ended::Gone;
                    }
                }
                flushed = wait(&mut flush) => {
                    flush = None;
                    if let Some(ended) = self.flushed(flushed) {
                        return ended;
                    }
                }
                () = replay.notified() => self.lanes.replay(self.now()),
                () = sleep_until(wake, self.now()) => {}
            }
        };
        if ended == Ended::Stopped {
            // What is under way may just be through; what is not comes again.
            let rest = async {
                while let Some(done) = jobs.next().await {
                    self.done(done);
                }
            };
            let _late = tokio::time::timeout(GRACE, rest).await;
        }
        drop(jobs);
        self.end(flush, &stream).await;
        ended
    }

    /// Reads how far the endpoint is.
    async fn load(&mut self, stop: &CancellationToken) -> Option<Ended> {
        let Self { parts, .. } = self;
        let cursors = loop {
            match parts.store.cursors(&parts.endpoint).await {
                Ok(cursors) => break cursors,
                Err(ManagerStoreError::Closed) => return Some(Ended::Closed),
                Err(error) => tracing::warn!(%error, "how far an endpoint is cannot be read"),
            }
            if stop.run_until_cancelled(tokio::time::sleep(RETRY)).await.is_none() {
                return Some(Ended::Stopped);
            }
        };
        let progress = Progress::of(cursors, parts.since);
        let all = progress.all;
        self.lanes = Lanes::new(parts.policy, parts.is_parallel, progress);
        if parts.health != Health::Good {
            self.lanes.probe_first();
        }
        (self.written, self.looked) = (all, all);
        None
    }

    /// There is an event, wanted or not. Of a deleted account nothing is delivered any more but that.
    fn hear(&mut self, event: Arc<EventRecord>) {
        if event.kind == EventKind::AccountDeleted
            && let Some(account) = &event.account
        {
            self.lanes.forget(account, event.seq);
            self.is_dirty = true;
        }
        if self.parts.filter.matches(&event) {
            self.lanes.see(event, self.now());
        }
    }

    fn now(&self) -> Duration {
        self.parts.clock.boot()
    }

    /// Starts what may be done now, and says when to look again.
    fn start_jobs(&mut self, jobs: &mut FuturesUnordered<Job>) -> Option<Duration> {
        loop {
            let now = self.now();
            match self.blocked_until {
                Some(until) if until > now => return Some(until),
                // One more commit decides.
                Some(_) => return None,
                None => {}
            }
            match self.lanes.poll(now) {
                Poll::Work(work) => jobs.push(self.job(work)),
                Poll::Wait(until) => return until,
            }
        }
    }

    fn job(&self, work: Work) -> Job {
        match work {
            Work::Deliver { key, event, attempt } => {
                let sink = Arc::clone(&self.parts.sink);
                Box::pin(async move {
                    let delivery = AssertUnwindSafe(sink.deliver(&event, attempt)).catch_unwind();
                    let panicked = |_| Outcome::Failed { retry_after: None, reason: "panic".to_owned() };
                    Done::Delivered(key, delivery.await.unwrap_or_else(panicked))
                })
            }
            Work::Read { key, after, up_to } => {
                let store = Arc::clone(&self.parts.store);
                let (endpoint, filter) = (self.parts.endpoint.clone(), self.parts.filter.clone());
                Box::pin(async move {
                    let read = match &key {
                        Key::Replay => read_letters(&*store, &endpoint, after).await,
                        Key::Account(_) | Key::Event(_) => read(&*store, &filter, &key, after, up_to).await,
                    };
                    Done::Read(key, read)
                })
            }
        }
    }

    fn done(&mut self, done: Done) -> Option<Ended> {
        let now = self.now();
        let (key, outcome) = match done {
            Done::Delivered(key, outcome) => (key, outcome),
            Done::Read(key, read) => {
                let read = read.inspect_err(|error| tracing::warn!(%error, "events cannot be read"));
                self.lanes.fill(&key, read.ok(), now);
                return None;
            }
        };
        let (wall, chance) = (self.parts.clock.wall(), u64::from_be_bytes(SystemRandom.array()));
        let Settled { event, fate, turn } = self.lanes.settle(&key, outcome, now, wall, chance)?;
        let endpoint = self.parts.endpoint.clone();
        let mut health = turn.map(|turn| match turn {
            Turn::Worse => Health::Bad,
            Turn::Better => Health::Good,
        });
        match fate {
            Fate::Waits => {}
            Fate::Gone => health = Some(Health::Gone),
            Fate::Taken => {
                self.is_dirty = true;
                if key == Key::Replay {
                    let (first, last) = (event.seq, event.seq);
                    self.pending.push(Change::DeleteDeadLetters { endpoint, first, last });
                }
            }
            Fate::Dead { tries, reason } => {
                tracing::warn!(endpoint, seq = event.seq, tries, reason, "an event was not taken");
                self.is_dirty = true;
                let (event, at) = (EventRecord::clone(&event), wall);
                let keep = self.parts.policy.dead_letters;
                let trim = Change::TrimDeadLetters { endpoint: endpoint.clone(), keep };
                let letter = DeadLetterRecord { endpoint, event, tries, reason, at, is_replayed: false };
                self.pending.push(Change::PutDeadLetter(Box::new(letter)));
                // Not with each one: to count them takes long.
                if self.died.is_multiple_of((keep / 16).clamp(1, 256)) {
                    self.pending.push(trim);
                }
                self.died += 1;
            }
        }
        if let Some(health) = health {
            for change in (self.parts.on_health)(health) {
                self.pending.push(change);
            }
            self.is_dirty = true;
        }
        (health == Some(Health::Gone)).then_some(Ended::Gone)
    }

    /// Begins to write how far the endpoint is, if there is news.
    fn flush(&mut self, stream: &EventStream) -> Option<Pin<Box<dyn Future<Output = Flushed> + Send>>> {
        let seen = stream.cursor();
        if !self.is_dirty && seen < self.looked + STRIDE {
            return None;
        }
        (self.is_dirty, self.looked) = (false, seen);
        self.lanes.see_up_to(seen);
        let Progress { all, further } = self.lanes.progress();
        let endpoint = &self.parts.endpoint;
        let cursor = |account, seq| {
            Change::PutCursor(Box::new(CursorRecord { endpoint: endpoint.clone(), account, seq }))
        };
        let mut changes = std::mem::take(&mut self.pending);
        for (account, seq) in further {
            changes.push(cursor(Some(account), seq));
        }
        if all > self.written {
            changes.push(cursor(None, all));
            self.written = all;
        }
        if changes.is_empty() {
            return None;
        }
        let (store, hub, letters) =
            (Arc::clone(&self.parts.store), self.parts.hub.clone(), self.lanes.letters());
        Some(Box::pin(async move {
            let done = store.commit(changes.clone()).await.map(|events| {
                if !events.is_empty() {
                    hub.notify();
                }
            });
            Flushed { changes, letters, done }
        }))
    }

    /// What came of it. What was not written is written again, before what came later.
    fn flushed(&mut self, Flushed { changes, letters, done }: Flushed) -> Option<Ended> {
        match done {
            Ok(()) => {
                self.blocked_until = None;
                self.lanes.letters_written(letters);
            }
            Err(ManagerStoreError::Closed) => return Some(Ended::Closed),
            Err(error) => {
                tracing::warn!(%error, "how far an endpoint is cannot be written");
                let later = std::mem::replace(&mut self.pending, changes);
                for change in later {
                    self.pending.push(change);
                }
                self.is_dirty = true;
                self.blocked_until = Some(self.now() + RETRY);
            }
        }
        None
    }

    /// Writes what was not written, once.
    async fn end(
        &mut self,
        flush: Option<Pin<Box<dyn Future<Output = Flushed> + Send>>>,
        stream: &EventStream,
    ) {
        if let Some(flush) = flush {
            let flushed = flush.await;
            self.flushed(flushed);
        }
        self.is_dirty = true;
        if let Some(flush) = self.flush(stream)
            && let Err(error) = flush.await.done
        {
            let endpoint = &self.parts.endpoint;
            tracing::warn!(endpoint, %error, "how far an endpoint is was not written: some events will come again");
        }
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher").field("endpoint", &self.parts.endpoint).finish_non_exhaustive()
    }
}

impl fmt::Debug for DispatcherParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DispatcherParts").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// A commit, and what came of it.
struct Flushed {
    changes: Changes,
    /// So many dead letters were done with by then.
    letters: u64,
    done: Result<(), ManagerStoreError>,
}

/// The end of what is there; never, if nothing is.
async fn wait<T>(future: &mut Option<Pin<Box<dyn Future<Output = T> + Send>>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(wake: Option<Duration>, now: Duration) {
    match wake {
        Some(wake) => tokio::time::sleep(wake.saturating_sub(now)).await,
        None => std::future::pending().await,
    }
}

/// Reads events of one lane: some wanted ones if there are any, and up to which number none is missing.
async fn read(
    store: &dyn ManagerStore,
    filter: &EventFilter,
    key: &Key,
    mut after: u64,
    up_to: u64,
) -> Result<(Vec<EventRecord>, u64), ManagerStoreError> {
    let account = match key {
        Key::Account(account) => account.clone(),
        Key::Event(_) | Key::Replay => None,
    };
    loop {
        let query =
            EventQuery { after, tenant: filter.tenant.clone(), account: account.clone(), limit: PAGE };
        let mut page = store.events(query).await?;
        let is_all = page.len() < PAGE;
        after = page.last().map_or(after, |last| last.seq);
        page.retain(|event| event.account == account && filter.matches(event));
        if is_all || after >= up_to {
            return Ok((page, after.max(up_to)));
        }
        if !page.is_empty() {
            return Ok((page, after));
        }
    }
}

async fn read_letters(
    store: &dyn ManagerStore,
    endpoint: &str,
    after: u64,
) -> Result<(Vec<EventRecord>, u64), ManagerStoreError> {
    let query = DeadLetterQuery { after, is_replayed: Some(true), limit: PAGE };
    let letters = store.dead_letters(endpoint, query).await?;
    let last = letters.last().map_or(after, |last| last.event.seq);
    Ok((letters.into_iter().map(|letter| letter.event).collect(), last))
}

#[cfg(test)]
mod tests;
