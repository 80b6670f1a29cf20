//! Events that are pushed to the host, from a thread of their own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use tokio::sync::Notify;

use crate::callbacks;
use crate::client::{Client, EventStream};
use crate::error::WaError;
use crate::event::Event;
use crate::queue::{CAPACITY, Queue};
use crate::runtime;

/// Code of the host failed.
#[derive(Debug, Clone, thiserror::Error, uniffi::Error)]
pub enum CallbackError {
    /// It threw.
    #[error("{reason}")]
    Failed {
        /// What it says.
        reason: String,
    },
}

impl From<uniffi::UnexpectedUniFFICallbackError> for CallbackError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Failed { reason: error.reason }
    }
}

/// Hears what happens to an account. Called from one thread of the library, one event at a time; while it works, events
/// wait.
#[uniffi::export(foreign)]
pub trait EventListener: Send + Sync {
    /// Takes an event. A durable event counts as dealt with when this returns; when it throws, the event comes again after
    /// a restart, and the subscription's `failures` tell of it. The next event comes in any case.
    fn on_event(&self, event: Event) -> Result<(), CallbackError>;
}

/// That a listener failed.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ListenerFailure {
    /// The number of the durable event that it failed over.
    pub number: Option<u64>,
    /// What it said.
    pub reason: String,
    /// When.
    pub at: SystemTime,
}

/// As long as somebody holds it, a listener hears of events, and the account goes on, whoever holds the client. A listener
/// that holds its own subscription keeps it until `stop`, or until the client is shut down.
#[derive(uniffi::Object)]
pub struct Subscription {
    failures: Arc<Queue<ListenerFailure>>,
    listening: Arc<Listening>,
}

/// What is so from some time on.
#[derive(Debug, Default)]
struct Flag {
    is_set: AtomicBool,
    news: Notify,
}

impl Flag {
    fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    fn set(&self) {
        self.is_set.store(true, Ordering::Release);
        self.news.notify_waiters();
    }

    /// Waits until it is so.
    async fn wait(&self) {
        let news = self.news.notified();
        if !self.is_set() {
            news.await;
        }
    }
}

/// How far a listener is.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    /// The event that it is at is its last one.
    ended: Flag,
    /// It is done with that, too.
    done: Flag,
}

impl Listening {
    /// Waits for an event; false when none is to be heard any more.
    async fn ready(&self, events: &EventStream) -> bool {
        tokio::select! {
            biased;
            () = self.ended.wait() => false,
            is_ready = events.ready() => is_ready,
        }
    }
}

/// However the thread of a listener ends.
struct EndOnDrop(Arc<Listening>, Arc<Queue<ListenerFailure>>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.ended.set();
        self.0.done.set();
        self.1.end();
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

#[uniffi::export]
impl Client {
    /// Has a listener hear what happens to the account, instead of taking events from the stream. Hold what is returned:
    /// with it the listening ends, and events wait for the next listener, or for who takes them from the stream. There
    /// is one listener at a time: another one is a `Conflict`; one that comes after a `stop` hears nothing before the last
    /// one has returned.
    pub fn listen(&self, listener: Arc<dyn EventListener>) -> Result<Arc<Subscription>, WaError> {
        let (stream, failures, runtime) = (self.events(), Arc::new(Queue::new(CAPACITY)), runtime::handle()?);
        let listening = Arc::new(Listening::default());
        let last = {
            let mut current = stream.listening.lock().unwrap_or_else(PoisonError::into_inner);
            if current.upgrade().is_some_and(|listening| !listening.ended.is_set()) {
                return Err(WaError::conflict("listened", "a listener hears the events of this client"));
            }
            std::mem::replace(&mut *current, Arc::downgrade(&listening)).upgrade()
        };
        let (heard, failed) = (Arc::clone(&listening), Arc::clone(&failures));
        let hear = move || {
            let _end = EndOnDrop(Arc::clone(&heard), Arc::clone(&failed));
            if let Some(last) = last {
                runtime.block_on(last.done.wait());
            }
            'hearing: while runtime.block_on(heard.ready(&stream)) {
                for event in stream.drain(1) {
                    let number = event.number();
                    match callbacks::call(|| listener.on_event(event)) {
                        None => break 'hearing,
                        Some(Ok(())) => number.into_iter().for_each(|number| stream.confirm(number)),
                        Some(Err(error)) => {
                            tracing::error!(number, %error, "a listener failed");
                            failed.put(ListenerFailure {
                                number,
                                reason: error.to_string(),
                                at: SystemTime::now(),
                            });
                            // Nobody looks: the newest are kept.
                            if failed.is_full() {
                                failed.drain(1);
                            }
                        }
                    }
                }
            }
            callbacks::let_go(listener);
        };
        let thread = std::thread::Builder::new().name("wa-listener".to_owned()).spawn(hear);
        thread.map_err(|error| WaError::other("no_threads", error))?;
        Ok(Arc::new(Subscription { failures, listening }))
    }
}

#[uniffi::export]
impl Subscription {
    /// Waits until the listener failed. True when it did, false when it hears nothing any more.
    pub async fn failed(&self) -> bool {
        self.failures.ready().await
    }

    /// Takes the failures so far.
    pub fn failures(&self) -> Vec<ListenerFailure> {
        self.failures.drain(u32::MAX)
    }

    /// Ends the listening. The event that the listener is at is its last one.
    pub fn stop(&self) {
        self.listening.ended.set();
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.stop();
    }
}
