//! `wa` for Python, Kotlin and Swift. Conversions only: what happens is `wa-core`'s, `wa-manager`'s and the test server's.
//!
//! | File | Subject |
//! |---|---|
//! | `runtime` | the one tokio runtime, and how calls get onto it |
//! | `queue` | how events wait for a host that pulls them |
//! | `callbacks` | how code of the host is called |
//! | `listener` | how events are pushed to a host that wants that |
//! | `error` | [`WaError`](error::WaError), the exception of all languages |
//! | `types` | addresses, times and names on their way through |
//! | `store` | where keys and messages are kept |
//! | `client` | one account |
//! | `event` | what happens to it |
//! | `message`, `content` | what is sent; what is received |
//! | `media` | files, by path, in pieces, as bytes |
//! | `stickers`, `polls` | sticker packs; what came of a poll |
//! | `groups`, `chats`, `people`, `history` | the calls on each subject |
//! | `manager`, `account`, `settings`, `pairing`, `limits`, `inbound` | many accounts |
//! | `webhooks` | for who receives them |
//! | `logs` | log records, for the host's own log |
//! | `testing` | the test server and its phones |
//!
//! What a host sees of it is documented here, in words that fit all three languages.

pub mod account;
mod callbacks;
pub mod chats;
pub mod client;
pub mod content;
pub mod error;
pub mod event;
pub mod groups;
pub mod history;
pub mod inbound;
pub mod limits;
pub mod listener;
pub mod logs;
pub mod manager;
pub mod media;
pub mod message;
pub mod pairing;
pub mod people;
pub mod polls;
mod queue;
pub mod runtime;
pub mod settings;
pub mod stickers;
pub mod store;
pub mod testing;
pub mod types;
pub mod webhooks;

uniffi::setup_scaffolding!("wa");
