//! What goes out: within the account's limits, once, or later. Requirements: manager.md, 3.1 to 3.10, 4.4.
//!
//! An account's owner has one [`Gate`], and calls it from its one task:
//!
//! ```text
//! SendRequest ──Gate::ask──► Send: counted and stored, now it may leave ──► the client ──► Gate::settle
//!                        ├─► Wait: until then, and ask again
//!                        ├─► Queued: Gate::next gives it when its turn comes
//!                        └─► Done: it was sent before, under the same key
//! server's signals ──Gate::heed──► restrictions, levels
//! ```
//!
//! What is counted is stored in one commit before anything leaves, and stays counted unless it surely never left. After
//! an error of the store, or when a call is dropped half-way, the gate reads again what is stored.
//!
//! | File | Subject |
//! |---|---|
//! | `gate` | [`Gate`]: opened from the store; time, readiness, commits |
//! | `ask` | may this be sent: classified, counted, stored |
//! | `settle` | what became of it |
//! | `queue` | what waits, in which order it leaves |
//! | `outbox` | the queue of an account in the store |
//! | `control` | levels, limits, resets, by hand |
//! | `heed` | what the server's signals lead to |
//! | `signals` | the client's events as signals |
//! | `questions` | questions that the server was asked too often |
//! | `deed` | what a message is for the limits |
//! | `request` | what is asked for, and what comes of it |
//! | `error` | [`SendError`] |

mod ask;
mod control;
mod deed;
mod error;
mod gate;
mod heed;
mod outbox;
mod questions;
mod queue;
mod request;
mod settle;
mod signals;
#[cfg(test)]
pub(crate) mod tests;

pub use self::control::{Actor, ControlError};
pub(crate) use self::deed::text_of;
pub use self::error::SendError;
pub use self::gate::{Gate, GateConfig, GateOwner, Start};
pub(crate) use self::gate::{KEEP_NUMBERS, Step, created_json};
pub use self::outbox::{Next, QueuedSend};
pub(crate) use self::questions::{Question, Questions};
pub use self::request::{Decision, Queued, Recipient, Reserved, SendReceipt, SendRequest};
pub use self::settle::{Fate, Settled};
pub use self::signals::{signal_of, signal_of_quota};
