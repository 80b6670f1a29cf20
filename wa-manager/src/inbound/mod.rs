//! What comes in: told once, with its contact and its chat, or skipped for a reason, or failed at a stage; nothing is
//! lost in silence. Requirements: manager.md, 4.9, R064 to R076.
//!
//! ```text
//! Event ──Item::of──► classify ─► ignore rules ─► provider ─► contact ─► chat ─► event ─► one commit ─► confirm
//!                                    │ skipped       └── a failure drops these only ──┘
//! ```
//!
//! An account's owner has one [`Inbound`] beside its [`Gate`](crate::sending::Gate), and calls it from the same task.
//! After its `take` the client's event may be confirmed; after an error of it not: it comes again, and its
//! events have the same ids.
//!
//! | File | Subject |
//! |---|---|
//! | `pipeline` | [`Inbound`]: one item from the client to the store |
//! | `item` | the client's durable events, as plain values |
//! | `data` | what the event of a message holds |
//! | `group` | what the event of a change in a group holds |
//! | `message` | [`InboundMessage`]: what an event tells of a message, to answer it |
//! | `provision` | contacts and chats |
//! | `provider` | [`ProviderSelector`]: the host's word on who serves a message |
//! | `past` | what the phone's history says about persons |
//! | `outcome` | outcomes, counted |
//! | `error` | [`InboundError`]: a variant for each stage |

mod data;
mod error;
mod group;
mod item;
mod message;
mod outcome;
mod past;
mod pipeline;
mod provider;
mod provision;
#[cfg(test)]
mod tests;

pub use self::data::{MAX_RAW, MAX_TEXT};
pub use self::error::{InboundError, Stage};
pub(crate) use self::group::group_json;
pub use self::item::{Item, Received, What};
pub use self::message::{InboundMessage, NotAMessage};
pub use self::outcome::{Outcome, Skip};
pub use self::past::Past;
pub(crate) use self::past::oldest_of;
pub(crate) use self::pipeline::Answer;
pub use self::pipeline::Inbound;
pub use self::provider::{
    ContactProvisioner, FixedProvider, HookError, InboundContext, Provider, ProviderFuture, ProviderSelector,
    ProvisionFuture,
};
