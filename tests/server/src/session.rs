//! One device being online: a companion's connection, or its phone running in this process.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wa_core::wire::Node;

use crate::faults::Held;

/// What the writing half of a connection is told to do.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// Send this stanza.
    Stanza(Arc<Node>),
    /// Send these bytes as the plaintext of one frame.
    Raw(Vec<u8>),
    /// Send only the first half of this stanza's frame, then drop the connection.
    HalfOf(Node),
    /// Drop the connection.
    Break,
    /// Close in good order.
    Close,
}

/// How many stanzas may wait for the writer before the connection counts as stuck and is dropped: a whole backlog, and
/// as much again.
pub(crate) const OUTBOX: usize = 2 * crate::state::QUEUE;

/// How far the delivery of the backlog is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resume {
    /// The client logged in as passive; nothing flows until it says `active`.
    Passive,
    /// The client was told of `total` stanzas and asks for them in batches.
    Running { total: usize },
    /// Stanzas go out as they come.
    Live,
}

/// A device that is online.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) connection: u64,
    pub(crate) outbox: mpsc::Sender<Outgoing>,
    pub(crate) cancel: CancellationToken,
    pub(crate) resume: Resume,
    pub(crate) pull: bool,
    pub(crate) available: bool,
    /// Stanzas that a fault holds back until others have passed.
    pub(crate) held: Vec<Held>,
    /// After how many more stanzas a fault cuts the connection.
    pub(crate) doom: Option<u32>,
    /// Cancelled when the connection is half open: nothing is read or written any more.
    pub(crate) halted: CancellationToken,
    /// The accounts whose presence it asked for.
    pub(crate) watching: BTreeSet<usize>,
}

impl Session {
    /// A connection that just opened.
    pub(crate) fn new(connection: u64, outbox: mpsc::Sender<Outgoing>, cancel: CancellationToken) -> Self {
        Self {
            connection,
            outbox,
            cancel,
            resume: Resume::Live,
            pull: true,
            available: false,
            held: Vec::new(),
            doom: None,
            halted: CancellationToken::new(),
            watching: BTreeSet::new(),
        }
    }

    /// Hands an order to the writer. A writer that does not keep up loses its connection: its stanzas stay queued.
    pub(crate) fn push(&self, outgoing: Outgoing) {
        if self.outbox.try_send(outgoing).is_err() {
            self.cancel.cancel();
        }
    }

    /// Sends a last stanza, if any, and closes.
    pub(crate) fn finish(self, last: Option<Node>) {
        if let Some(node) = last {
            self.push(Outgoing::Stanza(Arc::new(node)));
        }
        self.push(Outgoing::Close);
    }
}
