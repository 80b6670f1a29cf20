//! The state that all devices of an account share: contacts, chat settings, labels and more. The server keeps it
//! encrypted, as collections that grow by patches; every device applies the same patches. Protocol: app state.
//!
//! ```text
//! server ── patch, snapshot ──> Patch, Snapshot ── every MAC checked ──> Record ──> Action
//! Action ── seal ──> Upload ── patch ──> server
//! ```
//!
//! | Module | Subject |
//! |---|---|
//! | `collection` | the five collections, and how far this device is in each |
//! | `keys` | key ids, derivation, which key writes |
//! | `lt_hash` | the hash over all entries of a collection |
//! | `record` | one entry, sealed and opened |
//! | `patch`, `snapshot`, `recovery` | what the server and the phone send |
//! | `upload` | the patch that we write |
//! | `action` | what the entries mean |

pub mod action;
mod collection;
mod error;
mod keys;
mod lt_hash;
mod patch;
mod record;
mod recovery;
mod snapshot;
mod upload;

pub use action::Action;
pub use collection::{Collection, CollectionState};
pub use error::AppStateError;
pub use keys::{ExpandedKey, KeyId, KeyRing, active_key};
pub use lt_hash::LtHash;
pub use patch::{Applied, BlobReference, Entries, Patch, read_mutations};
pub use record::{IndexMac, Operation, Record, ValueMac};
pub use recovery::{RECOVERY_LIMIT, Recovered, read_recovery};
pub use snapshot::Snapshot;
pub use upload::{Draft, Upload};
