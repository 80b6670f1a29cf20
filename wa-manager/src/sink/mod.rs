//! Events to others, outside of this process: at least once, and in order for each account. Requirements: manager.md, 4.4,
//! 4.8, 5.6; R036.
//!
//! | File | Subject |
//! |---|---|
//! | `policy` | when a delivery is tried again, and when it is given up |
//! | `breaker` | when an endpoint that takes nothing is left alone |
//! | `lanes` | what may be delivered now, and how far the endpoint is: plain values |
//! | `dispatch` | [`Dispatcher`]: drives one endpoint |
//! | `hosts` | the sinks that a manager is built with |
//! | `untaken` | what is about to be forgotten, and was not taken |
//!
//! A sink learns of an event after it was committed, and what it answers changes only how far it is: no account, no
//! pairing.

mod breaker;
mod dispatch;
mod hosts;
mod lanes;
mod policy;
mod untaken;

use std::fmt::Debug;
use std::pin::Pin;
use std::time::Duration;

pub use dispatch::{Dispatcher, DispatcherParts, Ended, Health};
pub use hosts::SinkOptions;
pub(crate) use hosts::Sinks;
pub use policy::DeliveryPolicy;
pub(crate) use untaken::Endpoint;

use crate::event::EventRecord;

/// What a delivery returns; boxed, so that a sink can be an `Arc<dyn EventSink>`.
pub type SinkFuture<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Takes events away. Yours to implement: a broker, a queue, another database.
pub trait EventSink: Send + Sync + Debug {
    /// Takes one event; `attempt` counts from 1. The next one of the same account comes after this one was taken. It may
    /// come again under the same id: after a failure, or after a restart.
    ///
    /// The sink bounds the time. Dropping the future ends the attempt.
    fn deliver<'a>(&'a self, event: &'a EventRecord, attempt: u32) -> SinkFuture<'a>;
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The event is theirs now.
    Taken,
    /// It is not; later it may be.
    Failed {
        /// Not before so long.
        retry_after: Option<Duration>,
        /// What went wrong, in few words.
        reason: String,
    },
    /// They do not want this event. It is tried a few times, and then is a dead letter.
    Refused {
        /// What went wrong, in few words.
        reason: String,
    },
    /// They want no events any more.
    Gone,
}
