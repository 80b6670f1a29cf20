//! The server as a program: started, asked over real sockets, ended, killed.
//!
//! | File | Subject |
//! |---|---|
//! | `server`, `receiver` | the program, and how it is asked; whoever gets its webhooks |
//! | `sessions`, `batches`, `pairing`, `messages`, `errands`, `webhooks` | what can be asked and told |
//! | `keys`, `doors`, `nodes` | who may do what, at every operation of the document; the process as one of many |
//! | `bad_input`, `files` | what is refused, and how; files that options name |
//! | `idempotency` | the same request twice |
//! | `socket` | what happens, as it happens |
//! | `document`, `figures` | the OpenAPI document; what a scrape shows |
//! | `kills`, `states` | the program is killed at random, and in each state of an account |
//! | `agreement` | whether rows, log, API and socket say the same |
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod agreement;
mod bad_input;
mod batches;
mod document;
mod doors;
mod errands;
mod figures;
mod files;
mod idempotency;
mod keys;
mod kills;
mod messages;
mod nodes;
mod pairing;
mod receiver;
mod server;
mod sessions;
mod socket;
mod states;
mod webhooks;
