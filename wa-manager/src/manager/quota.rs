//! What tenants may have. Requirements: manager.md, R163, 3.4.

use std::fmt;
use std::sync::Arc;

use crate::ids::TenantId;

/// What a tenant may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made by hosts with ..Default::default()")]
pub struct TenantQuota {
    /// How many accounts; as many as it likes where that is not set.
    pub max_accounts: Option<usize>,
    /// How many messages a day each of its accounts may send, answers not counted. The least of this, the level's limit,
    /// the account's own `dailyLimit` and the server's quota holds.
    pub daily_cap: Option<u32>,
}

/// The quotas of all tenants.
#[derive(Clone)]
pub(crate) struct Quotas(Arc<dyn Fn(&TenantId) -> TenantQuota + Send + Sync>);

impl Quotas {
    pub(super) fn new(quota: impl Fn(&TenantId) -> TenantQuota + Send + Sync + 'static) -> Self {
        Self(Arc::new(quota))
    }

    pub(crate) fn of(&self, tenant: &TenantId) -> TenantQuota {
        (self.0)(tenant)
    }
}

impl Default for Quotas {
    fn default() -> Self {
        Self::new(|_| TenantQuota::default())
    }
}

impl fmt::Debug for Quotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Quotas(..)")
    }
}
