//! Stanzas that a device must acknowledge: kept until it does, delivered again at its next login.

use std::collections::VecDeque;
use std::sync::Arc;

use wa_core::wire::Node;
use wa_types::Jid;

use crate::stanza::Read;

/// One stanza that waits for its acknowledgement.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) node: Arc<Node>,
    /// Whether it went out on the device's present connection.
    pub(crate) sent: bool,
    /// Whether it went out on an earlier one.
    pub(crate) again: bool,
    /// Whether it was here before that connection logged in.
    pub(crate) backlog: bool,
}

/// A stanza that is to go out.
#[derive(Debug)]
pub(crate) struct Unsent {
    pub(crate) node: Arc<Node>,
    /// Whether it went out before.
    pub(crate) again: bool,
}

/// The stanzas of one device, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    items: VecDeque<Queued>,
    limit: usize,
}

/// The backlog by kind, as `offline_preview` tells it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backlog {
    pub(crate) message: usize,
    pub(crate) notification: usize,
    pub(crate) receipt: usize,
    pub(crate) call: usize,
}

impl Backlog {
    pub(crate) fn total(self) -> usize {
        self.message + self.notification + self.receipt + self.call
    }
}

impl Queue {
    pub(crate) fn new(limit: usize) -> Self {
        Self { items: VecDeque::new(), limit }
    }

    /// Adds a stanza; `false` when the queue is full.
    pub(crate) fn push(&mut self, node: Arc<Node>, sent: bool) -> bool {
        if self.is_full() {
            return false;
        }
        self.items.push_back(Queued { node, sent, again: false, backlog: false });
        true
    }

    /// Whether nothing more goes in.
    pub(crate) fn is_full(&self) -> bool {
        self.items.len() >= self.limit
    }

    /// A new login: everything is to be sent again.
    pub(crate) fn rewind(&mut self) -> Backlog {
        let mut backlog = Backlog::default();
        for item in &mut self.items {
            item.again |= item.sent;
            item.sent = false;
            item.backlog = true;
            match item.node.tag.as_ref() {
                "message" => backlog.message += 1,
                "receipt" => backlog.receipt += 1,
                "call" => backlog.call += 1,
                _ => backlog.notification += 1,
            }
        }
        backlog
    }

    /// Up to `count` stanzas that wait to be sent, of the backlog or of all; they count as sent now.
    pub(crate) fn take_unsent(&mut self, count: usize, backlog_only: bool) -> Vec<Unsent> {
        self.items
            .iter_mut()
            .filter(|item| !item.sent && (item.backlog || !backlog_only))
            .take(count)
            .map(|item| {
                item.sent = true;
                Unsent { node: Arc::clone(&item.node), again: item.again }
            })
            .collect()
    }

    /// How many stanzas of the backlog wait to be sent.
    pub(crate) fn unsent_backlog(&self) -> usize {
        self.items.iter().filter(|item| item.backlog && !item.sent).count()
    }

    /// One of the last stanzas that did not go out yet, to be changed.
    pub(crate) fn find_waiting(&mut self, wanted: impl Fn(&Node) -> bool) -> Option<&mut Arc<Node>> {
        let last = self.items.iter_mut().rev().take(LAST);
        last.filter(|item| !item.sent).map(|item| &mut item.node).find(|node| wanted(node))
    }

    /// How many stanzas wait for an acknowledgement.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Removes what an acknowledgement names: the first stanza of this tag, id, sender and (where it says one)
    /// type. `same` tells whether two addresses are the same device.
    pub(crate) fn acknowledge(&mut self, ack: &Acknowledged<'_>, same: impl Fn(&Jid, &Jid) -> bool) -> bool {
        let place = self.items.iter().position(|item| {
            item.node.tag.as_ref() == ack.class
                && item.node.attr_text("id").as_deref() == Some(ack.id)
                && ack.kind.is_none_or(|kind| item.node.attr_text("type").as_deref() == Some(kind))
                && ack
                    .from
                    .is_none_or(|from| item.node.attr_jid("from").is_none_or(|sender| same(&sender, from)))
        });
        place.and_then(|place| self.items.remove(place)).is_some()
    }
}

/// How far back a receipt looks for one that it can join.
const LAST: usize = 64;

/// What a client acknowledged.
#[derive(Debug)]
pub(crate) struct Acknowledged<'a> {
    pub(crate) class: &'a str,
    pub(crate) id: &'a str,
    pub(crate) from: Option<&'a Jid>,
    pub(crate) kind: Option<&'a str>,
}
