//! Events that are pushed to the host, from a thread of their own.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

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

/// As long as somebody holds it, a listener hears of events.
#[derive(uniffi::Object)]
pub struct Subscription {
    events: Arc<EventStream>,
    failures: Arc<Queue<ListenerFailure>>,
    is_ended: Mutex<bool>,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

#[uniffi::export]
impl Client {
    /// Has a listener hear what happens to the account, instead of taking events from the stream. Hold what is returned:
    /// with it the listening ends.
    pub fn listen(&self, listener: Arc<dyn EventListener>) -> Result<Arc<Subscription>, WaError> {
        let (events, failures) = (self.events(), Arc::new(Queue::new(CAPACITY)));
        let (stream, failed, runtime) = (Arc::clone(&events), Arc::clone(&failures), runtime::handle()?);
        let hear = move || {
            while runtime.block_on(stream.ready()) {
                for event in stream.drain(1) {
                    let number = event.number();
                    match callbacks::call(|| listener.on_event(event)) {
                        None => return failed.end(),
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
            failed.end();
        };
        let thread = std::thread::Builder::new().name("wa-listener".to_owned()).spawn(hear);
        thread.map_err(|error| WaError::other("no_threads", error))?;
        Ok(Arc::new(Subscription { events, failures, is_ended: Mutex::new(false) }))
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
        let mut is_ended = self.is_ended.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *is_ended, true) {
            self.events.stop();
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.stop();
    }
}
