//! Events to subscribers in this process, after their commit and in their order. Requirements: manager.md, 4.3, 5.6; R116,
//! R157, R169, R180.
//!
//! One task, the [`Tail`], reads what was committed and hands it on. Nobody waits for a slow subscriber: it reads the
//! events that it was too slow for from the store, from where it is.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::event::{EventKind, EventRecord};
use crate::figures;
use crate::ids::{AccountId, TenantId};
use crate::store::{ChatKind, EventQuery, ManagerStore, ManagerStoreError};

/// How many events are read from the store at once.
const PAGE: usize = 256;

/// More is never held for late subscribers.
const MAX_CAPACITY: usize = 1 << 16;

/// How long to wait after the store failed: doubled each time, up to the second.
const RETRY: Duration = Duration::from_millis(100);
const MAX_RETRY: Duration = Duration::from_secs(5);

/// Where events are heard. Clones are the same hub.
#[derive(Clone)]
pub struct Hub {
    shared: Arc<Shared>,
    /// The tail has the only other one: with it the subscriptions end.
    live: broadcast::WeakSender<Arc<EventRecord>>,
}

struct Shared {
    store: Arc<dyn ManagerStore>,
    /// There may be new events in the store.
    committed: Notify,
    /// The last event that was handed on.
    published: AtomicU64,
}

/// Which events a subscriber wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by callers with ..Default::default()")]
pub struct EventFilter {
    /// Those of one tenant only.
    pub tenant: Option<TenantId>,
    /// Those of one account only.
    pub account: Option<AccountId>,
    /// Those of these kinds; of all if there are none.
    pub kinds: Vec<EventKind>,
    /// But none of chats of these sorts.
    pub without: Vec<ChatKind>,
}

impl EventFilter {
    /// Whether an event is wanted.
    #[must_use]
    pub fn matches(&self, event: &EventRecord) -> bool {
        self.tenant.as_ref().is_none_or(|tenant| event.tenant == *tenant)
            && (self.account.is_none() || event.account == self.account)
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && (self.without.is_empty() || !self.without.iter().any(|kind| event.chat_kind() == Some(*kind)))
    }
}

impl Hub {
    /// The usual capacity.
    pub const CAPACITY: usize = 500;

    /// A hub that hands on what is committed from now on, once somebody runs the tail. `capacity` is how
    /// many events a subscriber may be late before it has to read them from the store.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn new(
        store: Arc<dyn ManagerStore>,
        capacity: usize,
    ) -> Result<(Self, Tail), ManagerStoreError> {
        let published = AtomicU64::new(store.last_seq().await?);
        let (live, _) = broadcast::channel(capacity.clamp(1, MAX_CAPACITY));
        let shared = Arc::new(Shared { store, committed: Notify::new(), published });
        Ok((Self { shared: Arc::clone(&shared), live: live.downgrade() }, Tail { shared, live, clock: None }))
    }

    /// Says that events may have been committed. To be called after each commit that has some; it costs next to nothing.
    pub fn notify(&self) {
        self.shared.committed.notify_one();
    }

    /// Events of this filter, in order, each once: those after the event of this number if there is one, or else those
    /// that are committed from now on (and those that were committed just now and are still being handed on).
    #[must_use]
    pub fn subscribe(&self, filter: EventFilter, after: Option<u64>) -> EventStream {
        // In this order: what is handed on later is received.
        let live = match self.live.upgrade() {
            Some(live) => live.subscribe(),
            // The tail has ended.
            None => broadcast::channel(1).1,
        };
        let (cursor, is_behind) = match after {
            Some(seq) => (seq, true),
            None => (self.published(), false),
        };
        EventStream {
            shared: Arc::clone(&self.shared),
            live,
            filter,
            cursor,
            is_behind,
            read: VecDeque::new(),
        }
    }

    /// The number of the last event that was handed on. Those up to it may be trimmed.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.shared.published.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("published", &self.published()).finish_non_exhaustive()
    }
}

/// What hands events on. The hub's owner runs it, and awaits it when it has told it to stop.
#[must_use = "nobody hears of an event unless this runs"]
pub struct Tail {
    shared: Arc<Shared>,
    live: broadcast::Sender<Arc<EventRecord>>,
    /// Measures how long status events take.
    clock: Option<Arc<dyn Clock>>,
}

impl Tail {
    /// Measures how long status events take, by the clock that they have their times from.
    pub fn timed(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Hands on what is committed until it is told to stop, and then what was committed before that. Subscriptions end
    /// with it.
    pub async fn run(self, stop: CancellationToken) {
        let mut retry = Retry::default();
        loop {
            // Asked before reading: what was committed before the end is still handed on.
            let is_last = stop.is_cancelled();
            match self.publish().await {
                Ok(()) => retry = Retry::default(),
                Err(ManagerStoreError::Closed) => return,
                Err(_) if is_last => return,
                Err(error) => {
                    tracing::warn!(%error, "events cannot be read");
                    stop.run_until_cancelled(retry.wait()).await;
                    continue;
                }
            }
            if is_last {
                return;
            }
            stop.run_until_cancelled(self.shared.committed.notified()).await;
        }
    }

    /// Hands on all that is in the store and was not handed on.
    async fn publish(&self) -> Result<(), ManagerStoreError> {
        loop {
            let after = self.shared.published.load(Ordering::Acquire);
            let query = EventQuery { after, limit: PAGE, ..EventQuery::default() };
            let page = self.shared.store.events(query).await?;
            let is_all = page.len() < PAGE;
            for event in page {
                // First the number: whoever subscribes now has missed this one, and whoever did before gets it.
                self.shared.published.store(event.seq, Ordering::Release);
                let (kind, at) = (event.kind, event.at);
                let _nobody_listens = self.live.send(Arc::new(event));
                if let Some(clock) = self.clock.as_ref().filter(|_| kind == EventKind::AccountStatus) {
                    figures::status_published(clock.wall().since(at));
                }
            }
            if is_all {
                return Ok(());
            }
        }
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tail").finish_non_exhaustive()
    }
}

/// Events for one subscriber.
pub struct EventStream {
    shared: Arc<Shared>,
    live: broadcast::Receiver<Arc<EventRecord>>,
    filter: EventFilter,
    /// Events up to this number were taken, or are not wanted.
    cursor: u64,
    /// There may be events after the cursor that will not come live.
    is_behind: bool,
    /// Taken from the store, not yet returned.
    read: VecDeque<Arc<EventRecord>>,
}

/// Why there is no next event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// Events were trimmed before they were returned. Take a new snapshot; the stream goes on after `resume_cursor`.
    #[error("events up to {resume_cursor} are gone")]
    Lagged {
        /// The last event that is gone.
        resume_cursor: u64,
    },
    /// The manager has shut down, and all that it committed was returned.
    #[error("there are no more events")]
    Closed,
}

impl EventStream {
    /// The next event. Waits while there is none, and while the store fails.
    ///
    /// Cancel safe: no event is lost by dropping the future.
    ///
    /// # Errors
    /// Any [`StreamError`].
    pub async fn next(&mut self) -> Result<Arc<EventRecord>, StreamError> {
        loop {
            if let Some(event) = self.read.pop_front() {
                return Ok(event);
            }
            if self.is_behind {
                self.catch_up().await?;
                continue;
            }
            match self.live.recv().await {
                Ok(event) if event.seq > self.cursor => {
                    self.cursor = event.seq;
                    if self.filter.matches(&event) {
                        return Ok(event);
                    }
                }
                // It was read from the store.
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    self.live = self.live.resubscribe();
                    self.is_behind = true;
                }
                Err(broadcast::error::RecvError::Closed) => return Err(StreamError::Closed),
            }
        }
    }

    /// The number of the last event that was returned, or that is not wanted: another stream goes on from here.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.read.front().map_or(self.cursor, |next| next.seq - 1)
    }

    /// Reads a page from the store.
    async fn catch_up(&mut self) -> Result<(), StreamError> {
        let mut retry = Retry::default();
        // What was handed on is in the store: the page has all of it, if it is the last.
        let published = self.shared.published.load(Ordering::Acquire);
        let (page, first) = loop {
            match self.page().await {
                Ok(read) => break read,
                Err(ManagerStoreError::Closed) => return Err(StreamError::Closed),
                Err(error) => {
                    tracing::warn!(%error, "events cannot be read");
                    retry.wait().await;
                }
            }
        };
        if first > self.cursor.saturating_add(1) {
            self.cursor = first - 1;
            return Err(StreamError::Lagged { resume_cursor: self.cursor });
        }
        // Whatever was committed after this page was read comes live.
        self.is_behind = page.len() == PAGE;
        if !self.is_behind {
            self.cursor = self.cursor.max(published);
        }
        if let Some(last) = page.last() {
            self.cursor = self.cursor.max(last.seq);
        }
        self.read.extend(page.into_iter().filter(|event| self.filter.matches(event)).map(Arc::new));
        Ok(())
    }

    /// A page, and the number of the oldest event that was there after it had been read.
    async fn page(&self) -> Result<(Vec<EventRecord>, u64), ManagerStoreError> {
        let EventFilter { tenant, account, kinds: _, without: _ } = self.filter.clone();
        let query = EventQuery { after: self.cursor, tenant, account, limit: PAGE };
        let page = self.shared.store.events(query).await?;
        Ok((page, self.shared.store.first_seq().await?))
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { filter, cursor, .. } = self;
        f.debug_struct("EventStream").field("filter", filter).field("cursor", cursor).finish_non_exhaustive()
    }
}

/// How long to wait before the store is asked again.
struct Retry(Duration);

impl Default for Retry {
    fn default() -> Self {
        Self(RETRY)
    }
}

impl Retry {
    async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(MAX_RETRY);
    }
}

#[cfg(test)]
mod tests;
