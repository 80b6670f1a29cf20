//! Many accounts in one process: life cycle, pairing, limits, events. A library first: no global state, nothing read
//! from the environment, no signal handlers, no log set-up.
//!
//! | Module | Subject |
//! |---|---|
//! | [`account`] | one account: name, settings, where it stands |
//! | [`clock`] | what time it is |
//! | [`event`] | what happened, stored and delivered at least once |
//! | [`figures`] | what is counted and measured, for a recorder |
//! | [`hub`] | events to subscribers in this process |
//! | [`inbound`] | what comes in: classified, ignored, or told, with contact and chat |
//! | [`keys`] | where the protocol keeps the accounts' keys |
//! | [`location`] | where the stores of accounts are |
//! | [`manager`] | [`ClientManager`]: all accounts |
//! | [`media`] | files that accounts downloaded, kept where their settings say |
//! | [`pairing`] | linking an account to its phone |
//! | [`sending`] | what goes out: within the limits, once, or later |
//! | [`sink`] | events to others, at least once and in order |
//! | [`store`] | where the manager keeps what it knows |
//! | [`trust`] | limits that protect accounts and the people written to |
//! | [`vault`] | secrets at rest |
//! | [`webhook`] | events to URLs |
#![deny(clippy::disallowed_methods)]

pub mod account;
pub mod clock;
mod contacts;
pub mod event;
pub mod figures;
pub mod hub;
mod ids;
pub mod inbound;
pub mod keys;
pub mod location;
pub mod manager;
pub mod media;
mod millis;
pub mod pairing;
pub mod sending;
pub mod sink;
pub mod store;
mod text;
pub mod trust;
pub mod vault;
pub mod webhook;

pub use account::{
    Account, AccountName, AccountPatch, AccountSettings, AccountSnapshot, AccountStatus, CommandOutcome,
    NameError, Unlink,
};
pub use ids::{AccountId, Epoch, EventId, JobId, TenantId, TicketId};
pub use location::{LocationError, PathTemplate, StoreKey, StoreKind, StoreLocator};
pub use manager::{AccountKey, AccountSpec, ClientManager, ManagerBuilder, ManagerError};

#[cfg(test)]
mod tests {
    /// R147: facade, life cycle, events and trust levels are parts of their own, and the table above names each part.
    #[test]
    fn each_part_is_a_module_of_its_own_and_is_named() {
        let source = include_str!("lib.rs");
        let parts = |start: &str, end: char| -> Vec<&str> {
            source.lines().filter_map(|line| line.strip_prefix(start)?.split(end).next()).collect()
        };
        let (named, there) = (parts("//! | [`", '`'), parts("pub mod ", ';'));
        assert_eq!(named, there);
        for service in ["manager", "account", "inbound", "event", "trust"] {
            assert!(there.contains(&service), "{service}");
        }
    }
}
