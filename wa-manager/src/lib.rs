//! Many accounts in one process: life cycle, pairing, limits, events. A library first: no global state, nothing read
//! from the environment, no signal handlers, no log set-up.
//!
//! | Module | Subject |
//! |---|---|
//! | [`account`] | one account: name, settings, where it stands |
//! | [`clock`] | what time it is |
//! | [`event`] | what happened, stored and delivered at least once |
//! | [`location`] | where the stores of accounts are |
//! | [`pairing`] | linking an account to its phone |
//! | [`store`] | where the manager keeps what it knows |
//! | [`trust`] | limits that protect accounts and the people written to |
#![deny(clippy::disallowed_methods)]

pub mod account;
pub mod clock;
pub mod event;
mod ids;
pub mod location;
mod millis;
pub mod pairing;
pub mod store;
pub mod trust;

pub use account::{AccountName, AccountSettings, AccountSnapshot, AccountStatus, NameError};
pub use ids::{AccountId, Epoch, EventId, TenantId, TicketId};
pub use location::{LocationError, PathTemplate, StoreKey, StoreKind, StoreLocator};
