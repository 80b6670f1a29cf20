//! The server against a companion written by hand on the protocol's own layers.

mod admin;
mod admin_groups;
mod admin_pairing;
mod chaos;
mod companion;
mod counting;
mod crowd;
mod faults;
mod group_phones;
mod groups;
mod messages;
mod pairing;
mod scripts;
mod sockets;
mod stanzas;
