//! Where an account's keys, sessions and messages on their way are kept.

use std::sync::Arc;

use wa_store::{MemoryStore, SqliteStore};

use crate::error::WaError;
use crate::runtime;

/// Where an account's keys, sessions and messages on their way are kept. One store is one account; two clients must not
/// use the same one at the same time, and a file refuses that.
#[derive(uniffi::Object)]
pub struct Store(pub(crate) Arc<dyn wa_store::Store>);

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

#[uniffi::export]
impl Store {
    /// In memory: everything is gone with the process, and the phone keeps a device that nobody runs. For tests.
    #[uniffi::constructor]
    pub fn memory() -> Arc<Self> {
        Arc::new(Self(Arc::new(MemoryStore::new())))
    }

    /// A SQLite file, made if there is none. Its folder must exist. It holds secret keys: whoever reads it is this
    /// device.
    #[uniffi::constructor]
    pub async fn sqlite(path: String) -> Result<Arc<Self>, WaError> {
        runtime::run(async move { Ok(Arc::new(Self(Arc::new(SqliteStore::open(path).await?)))) }).await
    }
}
