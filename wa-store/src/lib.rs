//! Where one account of `wa` keeps its state.
//!
//! Reads are many, the write is one: a protocol step reads what it needs, computes, and returns the [`Changes`] that
//! it makes; [`Store::commit`] writes them all or writes none. A crash between two commits loses nothing.
//!
//! | Module | Subject |
//! |---|---|
//! | [`store`] | [`Store`]: every record's reader, and one commit |
//! | [`archive`] | what an application may keep of its chats, searchable; apart from the store |
//! | [`changes`] | [`Changes`]: everything that one protocol step writes |
//! | [`records`] | what is kept, a file per record, with the trait that reads it |
//! | [`memory`] | [`MemoryStore`]: for tests, and for accounts that end with the process |
//! | `sqlite` | `SqliteStore`: one file per account (feature `sqlite`, on by default) |
//! | [`conformance`] | the tests that every store passes, ours and yours |
//! | [`error`] | [`StoreError`], and what to do about it |

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod archive;
pub mod changes;
pub mod conformance;
pub mod error;
mod jid_text;
pub mod memory;
pub mod records;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod store;

pub use changes::{Change, Changes};
pub use error::{BoxError, Remedy, StoreError};
pub use memory::MemoryStore;
pub use records::{
    Account, AccountReader, AddressingMode, AdvSecret, AppStateChange, AppStateEntry, AppStateReader,
    ChatKey, ChatKeyReader, Device, DeviceList, DeviceListReader, Expiration, Group, GroupDescription,
    GroupFlag, GroupFlags, GroupMember, GroupReader, GroupRole, GrowthLock, HeldReader, IdentityReader,
    InboxEntry, InboxReader, LidMapReader, LidMapping, MemberDetails, MessageKey, MessageSecret,
    MessageSecretReader, NctSalt, OutboxEntry, OutboxReader, OutboxState, PreKeyReader, PreKeyRecord,
    PrivacyToken, PrivacyTokenReader, RepairReader, RepairRecord, SealedMessage, SenderKeyName,
    SenderKeyReader, SessionReader, SignedPreKeyRecord, WhoMay,
};
#[cfg(feature = "sqlite")]
pub use sqlite::{Durability, SqliteStore, SqliteStoreBuilder};
pub use store::{Store, StoreFuture};
