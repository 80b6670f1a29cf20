//! Where codes on show are kept for a while, so that another process can show them. Requirements: manager.md, R037-R039,
//! R053-R055.
//!
//! | File | Subject |
//! |---|---|
//! | `memory` | [`MemoryPairingStore`]: for one process |
//! | `sqlite` | [`SqlitePairingStore`]: a file that several processes of one machine open |
//! | `redis` | `RedisPairingStore`: a server for several machines; feature `redis` |
//! | `publisher` | [`ViewPublisher`]: writes what an account shows, and tells whether that works |

mod memory;
mod publisher;
#[cfg(feature = "redis")]
mod redis;
mod sqlite;
#[cfg(test)]
mod tests;

use std::fmt::Debug;

use wa_types::UnixMillis;

pub use self::memory::MemoryPairingStore;
pub use self::publisher::{StoreHealth, ViewPublisher};
#[cfg(feature = "redis")]
pub use self::redis::RedisPairingStore;
pub use self::sqlite::SqlitePairingStore;
use super::view::PairingView;
use crate::ids::AccountId;
use crate::store::StoreFuture;

/// Where codes on show are kept for a while. Yours to implement.
///
/// # What every store promises
/// - **One view for each account.** The last one that was put, whoever put it.
/// - **Nothing that has expired.** A view whose ticket has ended is gone from every reader, and no view is given out
///   with a code that has expired: [`PairingView::at`] sees to that. What has expired is also removed, sooner or later.
/// - **Nobody else reads it.** A view holds secrets.
pub trait PairingStore: Send + Sync + Debug {
    /// Shows `view` until its ticket ends; `now` is when that is counted from.
    ///
    /// # Errors
    /// Any [`crate::store::ManagerStoreError`]; so with all calls.
    fn put(&self, account: &AccountId, view: &PairingView, now: UnixMillis) -> StoreFuture<'_, ()>;

    /// What the account shows now.
    ///
    /// # Errors
    /// As [`Self::put`].
    fn get(&self, account: &AccountId, now: UnixMillis) -> StoreFuture<'_, Option<PairingView>>;

    /// Shows nothing any more.
    ///
    /// # Errors
    /// As [`Self::put`].
    fn delete(&self, account: &AccountId) -> StoreFuture<'_, ()>;

    /// Whether it can be reached: asked when a manager is built, and by whoever wants to know its health (R038).
    ///
    /// # Errors
    /// As [`Self::put`].
    fn check(&self) -> StoreFuture<'_, ()>;
}
