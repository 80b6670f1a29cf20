//! `<ib>`: what the server tells about the connection. Protocol: transport, "`ib` stanzas from the server".

use super::Reader;
use crate::wire::Node;

/// One child of an `<ib>`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ib {
    /// A backlog waits; ask for it with [`offline_batch`].
    OfflinePreview(OfflinePreview),
    /// The backlog is through.
    OfflineDone {
        /// How many stanzas it had.
        count: u32,
    },
    /// Bytes to send on the next connection, so that it reaches the same edge.
    EdgeRouting(Vec<u8>),
    /// This kind of data changed while we were away.
    Dirty {
        /// `account_sync`, `groups`, …
        kind: String,
        /// When; goes back with the cleaning.
        timestamp: String,
        /// Which parts of it; none stands for all.
        parts: Vec<String>,
    },
    /// The phone linked us without multi-device: it must be updated.
    DowngradeWebClient,
    /// Anything else.
    Other,
}

/// How many stanzas wait, in all and by kind, by the server's count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OfflinePreview {
    /// In all.
    pub count: u32,
    /// Messages.
    pub messages: u32,
    /// Receipts.
    pub receipts: u32,
    /// Notifications.
    pub notifications: u32,
    /// Calls.
    pub calls: u32,
    /// Status broadcasts.
    pub statuses: u32,
    /// Changes of the account's own settings.
    pub app_data: u32,
}

impl Ib {
    /// Reads all children.
    #[must_use]
    pub fn read(stanza: Reader<'_>) -> Vec<Self> {
        stanza.children().map(read_child).collect()
    }
}

/// More parts than this are not looked at.
const PARTS_LIMIT: usize = 32;

fn read_child(child: Reader<'_>) -> Ib {
    let number = |name| child.number_opt(name).ok().flatten().unwrap_or(0);
    match &*child.node().tag().as_str() {
        "offline_preview" => Ib::OfflinePreview(OfflinePreview {
            count: number("count"),
            messages: number("message"),
            receipts: number("receipt"),
            notifications: number("notification"),
            calls: number("call"),
            statuses: number("status"),
            app_data: number("appdata"),
        }),
        "offline" => Ib::OfflineDone { count: number("count") },
        "edge_routing" => match child.child_opt("routing_info") {
            Some(info) => Ib::EdgeRouting(info.content().into_owned()),
            None => Ib::Other,
        },
        "dirty" => match (child.text_opt("type"), child.text_opt("timestamp")) {
            (Some(kind), Some(timestamp)) => Ib::Dirty {
                kind: kind.into_owned(),
                timestamp: timestamp.into_owned(),
                parts: child
                    .children()
                    .take(PARTS_LIMIT)
                    .map(|part| part.node().tag().to_smol().to_string())
                    .collect(),
            },
            _ => Ib::Other,
        },
        "downgrade_webclient" => Ib::DowngradeWebClient,
        _ => Ib::Other,
    }
}

/// Asks for this many stanzas of the backlog.
#[must_use]
pub fn offline_batch(count: u32) -> Node {
    Node::new("ib").child(Node::new("offline_batch").attr("count", count))
}
