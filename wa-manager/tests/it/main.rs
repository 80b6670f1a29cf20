//! How the manager behaves, against the in-process server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod batch;
mod crashes;
mod damage;
mod errands;
mod fence;
mod figures;
mod history;
mod lifecycle;
mod limits;
mod list;
mod messages;
mod numbers;
mod pairing;
mod pairing_codes;
mod receiver;
mod relink;
mod restore;
mod scene;
mod signals;
mod status;
mod webhooks;
