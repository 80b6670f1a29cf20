//! The past of an account, as its phone hands it over: blobs of compressed protobuf, read one record at a time. Whatever
//! the size of a blob, a reader holds one record of it and a window of a few kilobytes.
//! Protocol: history sync.
//!
//! ```text
//! compressed bytes ── window ──> fields ── Reader ──> Item (borrowed) ── batch ──> HistoryBatch (owned)
//! ```
//!
//! Of a message only its envelope is read: key, time, secret. What it says stays bytes until somebody asks.

mod batch;
mod chat;
mod fields;
mod limits;
mod message;
mod notification;
mod reader;
mod window;

pub use batch::{AddressPair, Batches, HistoryBatch, HistoryItem, PastMember};
pub use chat::{EndOfHistory, HistoryChat, HistoryMember, HistoryMute, MemberRank};
pub use limits::{HistoryError, ReadLimits, Selection};
pub use message::{HistoryMessage, WebMessage};
pub use notification::{HistoryKind, HistoryNotification, Payload};
pub use reader::{Item, Reader, Summary};
