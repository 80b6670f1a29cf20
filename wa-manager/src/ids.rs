//! The names of things: newtypes, so that none is taken for another.

use std::fmt;

use serde::{Deserialize, Serialize};
use wa_core::crypto::kdf::sha256;

/// Ids that are random UUIDs.
macro_rules! random_ids {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new one, of these random bytes.
            #[must_use]
            pub fn of(random: [u8; 16]) -> Self {
                Self(uuid(random))
            }

            /// One that a store kept.
            pub fn stored(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// Its text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

random_ids! {
    /// An account, as the store knows it: a random UUID, in lower case with dashes. It never changes.
    AccountId,
    /// An event, under an id that stays the same however often it is delivered: a random UUID.
    EventId,
    /// An attempt to link an account: a random UUID.
    TicketId,
    /// A webhook: a random UUID.
    WebhookId,
    /// Something that an account does for a while: a random UUID.
    JobId,
}

/// Whose accounts they are: no tenant sees those of another. Any text; `default` where there is only one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TenantId(String);

/// Which life of its owner may write an account's rows. It grows with each owner; on one machine it counts starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl EventId {
    /// That of something that an account received: the same whenever it is made of the same parts, so that what comes
    /// again is known. The parts are told apart by their place.
    #[must_use]
    pub fn of_inbound(account: &AccountId, number: u64, parts: &[&str]) -> Self {
        let number = number.to_be_bytes();
        let lengths: Vec<[u8; 8]> = parts.iter().map(|part| (part.len() as u64).to_be_bytes()).collect();
        let mut input: Vec<&[u8]> = vec![account.as_str().as_bytes(), &number];
        for (length, part) in lengths.iter().zip(parts) {
            input.extend([length.as_slice(), part.as_bytes()]);
        }
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = sha256(&input);
        Self(uuid_of([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p], 0x8))
    }
}

impl TenantId {
    /// The tenant of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TenantId {
    fn default() -> Self {
        Self::new("default")
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text of a random UUID (version 4).
pub(crate) fn uuid(random: [u8; 16]) -> String {
    uuid_of(random, 0x4)
}

/// The text of a UUID of a version: 4 for random bytes, 8 for a hash of the library's own kind.
fn uuid_of(bytes: [u8; 16], version: u128) -> String {
    const VARIANT: u128 = 0x2 << 62;
    const FREE: u128 = !((0xF << 76) | (0x3 << 62));
    let number = (u128::from_be_bytes(bytes) & FREE) | (version << 76) | VARIANT;
    let hex = format!("{number:032x}");
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    parts.map(|(from, to)| hex.get(from..to).unwrap_or_default()).join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_random_uuids() {
        assert_eq!(AccountId::of([0xFF; 16]).as_str(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(EventId::of([0; 16]).as_str(), "00000000-0000-4000-8000-000000000000");
    }

    #[test]
    fn what_was_received_has_an_id_of_its_own_that_stays() {
        let account = AccountId::of([1; 16]);
        let id = |number, parts: &[&str]| EventId::of_inbound(&account, number, parts);
        assert_eq!(id(7, &["a", "bc"]), id(7, &["a", "bc"]));
        assert_eq!(id(7, &["a", "bc"]).as_str().get(14..15), Some("8"));
        let others = [id(8, &["a", "bc"]), id(7, &["ab", "c"]), id(7, &["a", "bc", ""])];
        assert!(others.iter().all(|other| *other != id(7, &["a", "bc"])));
        assert_ne!(EventId::of_inbound(&AccountId::of([2; 16]), 7, &["a", "bc"]), id(7, &["a", "bc"]));
    }
}
