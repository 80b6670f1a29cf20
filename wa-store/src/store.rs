//! The store: every record's reader, and one commit.

use std::fmt::Debug;
use std::pin::Pin;

use crate::changes::Changes;
use crate::error::StoreError;
use crate::records::{
    AccountReader, AppStateReader, ChatKeyReader, DeviceListReader, GroupReader, HeldReader, IdentityReader,
    InboxReader, LidMapReader, MessageSecretReader, OutboxReader, PreKeyReader, PrivacyTokenReader,
    RepairReader, SenderKeyReader, SessionReader,
};

/// What every call of a store returns; boxed, so that a store can be an `Arc<dyn Store>`.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Where one account keeps its state. Yours to implement; [`crate::conformance`] tells whether it is right.
///
/// # What every store promises
/// - **All or nothing.** A commit's changes are applied in the order of [`Changes`], become visible together, and
///   survive together. After an error none of them is there.
/// - **Durable.** What was committed when [`Self::commit`] returns `Ok` survives the end of the process, and the
///   loss of power if the store was opened for that.
/// - **In order.** Calls take effect in the order in which their futures are first polled; so a read that starts
///   after a commit has returned sees it, and so does one that starts while the commit is under way or later.
///   Nothing happens before the first poll.
/// - **Dropping is safe.** A commit whose future is dropped after its first poll happens in full or not at all, and
///   before any call that is first polled later.
/// - **One read, one state.** What a single read returns belongs to one moment, never to half a commit.
/// - **Slices.** A read of many keys answers in the order asked, one answer per key, the same key twice included.
pub trait Store:
    AccountReader
    + SessionReader
    + IdentityReader
    + PreKeyReader
    + RepairReader
    + HeldReader
    + PrivacyTokenReader
    + SenderKeyReader
    + DeviceListReader
    + GroupReader
    + LidMapReader
    + ChatKeyReader
    + InboxReader
    + OutboxReader
    + MessageSecretReader
    + AppStateReader
    + Send
    + Sync
    + Debug
{
    /// Writes all changes, or none.
    ///
    /// # Errors
    /// Any [`StoreError`]; nothing of `changes` is stored then, except after [`StoreError::Interrupted`], which
    /// leaves open whether all or nothing is. [`StoreError::InboxOrder`] when a pushed inbox entry's number was
    /// used before.
    fn commit(&self, changes: Changes) -> StoreFuture<'_, ()>;

    /// Finishes what is under way and gives up what the store holds open; later calls fail with
    /// [`StoreError::Closed`]. A second close does nothing. Stores that hold nothing open need not implement it.
    ///
    /// # Errors
    /// Any [`StoreError`] of the last writes; the store is closed all the same.
    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}
