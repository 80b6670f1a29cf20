//! How the manager behaves, against the in-process server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod acceptance;
mod batch;
mod crashes;
mod damage;
mod errands;
mod fence;
mod figures;
mod history;
mod hooks;
mod kill;
mod lifecycle;
mod limits;
mod list;
mod messages;
mod numbers;
mod pairing;
mod pairing_codes;
mod paused;
mod receiver;
mod relink;
mod restore;
mod scene;
mod signals;
mod status;
mod webhooks;
