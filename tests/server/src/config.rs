//! What a test may set about the server before it starts.

use std::time::Duration;

use crate::group::GroupMode;

/// Settings of a [`TestServer`](crate::TestServer). `Default` is what most tests want.
#[derive(Debug, Clone)]
pub struct Config {
    /// How many QR refs one `pair-device` offers.
    pub refs: usize,
    /// How long the first ref lives.
    pub first_ref: Duration,
    /// How long each of the others lives.
    pub next_ref: Duration,
    /// How many lists of refs a connection gets before the server closes it.
    pub ref_lists: usize,
    /// How long a code lives that a phone's user types.
    pub code_life: Duration,
    /// How long a client may take to answer a `pair-success`.
    pub pairing_reply: Duration,
    /// How long a handshake may take.
    pub handshake: Duration,
    /// How long a client may leave the backlog unasked before it is sent anyway.
    pub drain_after: Duration,
    /// How many stanzas of the backlog come before the client asks for more.
    pub primer: usize,
    /// The oldest client revision (third number of the version) that may connect; 405 below it.
    pub minimum_revision: u32,
    /// One-time pre-keys left at or below this make the server ask for more.
    pub low_pre_keys: usize,
    /// Send a routing token after each login.
    pub edge_routing: Option<Vec<u8>>,
    /// Tell new companions that the account's chats are keyed by LID.
    pub lid_migrated: bool,
    /// How members of new groups are addressed.
    pub new_groups: GroupMode,
    /// How many members a group may have.
    pub group_size: usize,
    /// How long after a message its ack goes out; at once without this.
    pub ack_delay: Option<Duration>,
    /// Look for message keys that were used twice: see [`reused_keys`](crate::TestServer::reused_keys).
    pub detect_key_reuse: bool,
    /// How many messages and receipts a phone remembers, and how many sends of a device the server knows again.
    pub memory: usize,
    /// How many stanzas per device [`stanzas_of`](crate::TestServer::stanzas_of) remembers.
    pub journal: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            refs: 6,
            first_ref: Duration::from_secs(60),
            next_ref: Duration::from_secs(20),
            ref_lists: 1,
            code_life: Duration::from_secs(180),
            pairing_reply: Duration::from_secs(30),
            handshake: Duration::from_secs(20),
            drain_after: Duration::from_secs(3),
            primer: 5,
            minimum_revision: 0,
            low_pre_keys: 10,
            edge_routing: None,
            lid_migrated: true,
            new_groups: GroupMode::default(),
            group_size: 1024,
            ack_delay: None,
            detect_key_reuse: false,
            memory: 10_000,
            journal: 256,
        }
    }
}
