//! API keys: who may do what. Of a key only its hash is kept.
//!
//! | File | Subject |
//! |---|---|
//! | `store` | [`KeyStore`]: the keys, in a file of the server's own |

mod store;

use std::collections::BTreeSet;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use wa_core::crypto::{Random as _, SystemRandom};
use wa_manager::{AccountName, TenantId};
use zeroize::Zeroizing;

pub(crate) use store::{KeyError, KeyStore};

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    /// Look.
    Read,
    /// Send messages.
    Send,
    /// Start, stop, link; see codes.
    Control,
    /// Change settings and webhooks.
    Setting,
    /// Delete accounts.
    Delete,
    /// Figures of all accounts, for Prometheus.
    Metrics,
    /// Everything, and limits; keys of its tenant, and those of all tenants in the tenant `default`.
    Admin,
}

/// A key, without the secret that it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Key {
    /// Its name, by which it is listed and removed.
    pub(crate) id: String,
    /// What it is for, in its owner's words.
    pub(crate) label: String,
    /// Whose accounts it reaches.
    pub(crate) tenant: TenantId,
    /// Which of them; all if there are none.
    pub(crate) accounts: BTreeSet<AccountName>,
    /// What it may do. Who may administer may do everything.
    pub(crate) scopes: BTreeSet<Scope>,
    /// From where it may be used; from anywhere if there are none.
    pub(crate) addresses: BTreeSet<IpAddr>,
    /// Until when it is good, in milliseconds since 1970.
    pub(crate) expires_at: Option<u64>,
    /// When it was made.
    pub(crate) created_at: u64,
}

impl Key {
    /// Whether it may be used so, now, from there.
    pub(crate) fn is_good(&self, now: u64, from: IpAddr) -> bool {
        self.expires_at.is_none_or(|at| now < at)
            && (self.addresses.is_empty() || self.addresses.contains(&from.to_canonical()))
    }

    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }

    /// Whether it reaches an account of its tenant.
    pub(crate) fn reaches(&self, account: &AccountName) -> bool {
        self.accounts.is_empty() || self.accounts.contains(account)
    }
}

/// The text of a key, as it is handed out once.
pub(crate) fn generate() -> Zeroizing<String> {
    let random = Zeroizing::new(SystemRandom.array::<32>());
    Zeroizing::new(format!("wa_{}", URL_SAFE_NO_PAD.encode(random.as_slice())))
}

/// What is kept of a key. It is random: a plain hash of it cannot be tried out.
pub(crate) fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_good_where_and_when_it_says() {
        let home: IpAddr = "192.0.2.1".parse().unwrap();
        let key = Key {
            id: "k".to_owned(),
            label: String::new(),
            tenant: TenantId::default(),
            accounts: BTreeSet::from(["shop".parse().unwrap()]),
            scopes: BTreeSet::from([Scope::Read]),
            addresses: BTreeSet::from([home]),
            expires_at: Some(100),
            created_at: 0,
        };
        assert!(key.is_good(99, home));
        assert!(key.is_good(99, "::ffff:192.0.2.1".parse().unwrap()), "the same address");
        assert!(!key.is_good(100, home));
        assert!(!key.is_good(99, "192.0.2.2".parse().unwrap()));
        assert!(key.may(Scope::Read) && !key.may(Scope::Send));
        assert!(key.reaches(&"shop".parse().unwrap()) && !key.reaches(&"other".parse().unwrap()));
    }

    #[test]
    fn no_two_keys_are_alike_and_none_can_be_read_from_its_hash() {
        let (one, other) = (generate(), generate());
        assert_ne!(*one, *other);
        assert!(one.starts_with("wa_") && one.len() == 46);
        assert_ne!(hash(&one), hash(&other));
    }
}
