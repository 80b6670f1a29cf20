//! Where faults happen: every stanza of a device that is logged in passes here once on its way in and once on its way
//! out.

use std::sync::Arc;
use std::time::Duration;

use wa_core::wire::Node;
use wa_types::Jid;

use super::chaos::{DOOM, HOLD};
use super::script::{Act, Fate, Verdict, is_delivery, is_message_ack, set};
use crate::account::DeviceKey;
use crate::journal::{Direction, Subject};
use crate::session::Outgoing;
use crate::stanza::{Read, ib};
use crate::state::State;

/// A stanza that waits until others have passed it.
#[derive(Debug)]
pub(crate) struct Held {
    direction: Direction,
    is_delivery: bool,
    left: u32,
    node: Arc<Node>,
}

/// What happens to a connection a while later, if it is still there.
#[derive(Debug)]
pub(super) enum Later {
    /// A stanza arrives at the client.
    Send(Arc<Node>),
    /// A stanza arrives at the server.
    Receive(Arc<Node>),
    /// What was held back goes.
    Release,
    /// The connection breaks.
    Break,
}

impl State {
    /// Sends a stanza on the device's connection, if it has one, with what is set to go wrong with it. Nothing is kept.
    pub(crate) fn transmit(&mut self, key: DeviceKey, node: impl Into<Arc<Node>>) {
        if self.connection_of(key).is_none() {
            return;
        }
        let mut node = node.into();
        if let Some(shift) = self.faults.clock_shift(key) {
            shift_time(Arc::make_mut(&mut node), shift);
        }
        let verdict = self.verdict(key, Direction::ToClient, &mut node);
        let sort = is_delivery(&node);
        match verdict.fate {
            None => {
                if verdict.twice {
                    self.put(key, Arc::clone(&node));
                }
                self.put(key, node);
                self.release(key, Direction::ToClient, sort);
            }
            Some(Fate::Drop | Fate::Nack(_)) => {}
            Some(Fate::After(left)) => self.hold(key, Direction::ToClient, left, node),
            Some(Fate::Delay(delay)) => self.later(key, delay, Later::Send(node)),
            Some(Fate::Cut) => self.cut(key, Arc::unwrap_or_clone(node)),
            Some(Fate::CutAfter) => {
                self.put(key, node);
                if let Some(session) = self.take_session(key) {
                    session.push(Outgoing::Break);
                }
            }
            Some(Fate::HalfOpen) => {
                self.halt(key);
            }
            Some(Fate::End(end)) => self.close(key, Some(end.node())),
        }
    }

    /// Handles one stanza of a device that is logged in, with what is set to go wrong with it.
    pub(crate) fn handle(&mut self, from: DeviceKey, node: &Node) {
        let mut node = Arc::new(node.clone());
        self.note_shared(Subject::Device(from), Direction::FromClient, Arc::clone(&node));
        self.metrics.received += 1;
        self.note_ciphertexts(from, &node);
        if self.faults.writing(Some(from)).dead {
            return;
        }
        let sort = is_delivery(&node);
        let verdict = self.verdict(from, Direction::FromClient, &mut node);
        match verdict.fate {
            None => {
                if verdict.twice {
                    self.dispatch(from, &node);
                }
                self.dispatch(from, &node);
                self.release(from, Direction::FromClient, sort);
            }
            Some(Fate::Drop) => {}
            Some(Fate::After(left)) => self.hold(from, Direction::FromClient, left, node),
            Some(Fate::Delay(delay)) => self.later(from, delay, Later::Receive(node)),
            Some(Fate::Cut) => {
                self.break_off(from);
            }
            Some(Fate::CutAfter) => {
                // Without a connection its answer goes nowhere.
                self.break_off(from);
                self.dispatch(from, &node);
            }
            Some(Fate::HalfOpen) => {
                self.halt(from);
            }
            Some(Fate::End(end)) => self.close(from, Some(end.node())),
            Some(Fate::Nack(code)) => self.refuse_message(from, &node, code),
        }
    }

    /// Breaks a device's connection, as a lost network does. `false` when it has none.
    pub(crate) fn break_off(&mut self, key: DeviceKey) -> bool {
        self.take_session(key).inspect(|session| session.cancel.cancel()).is_some()
    }

    /// Makes a device's connection half open: the server neither reads nor writes it any more, and does not know.
    pub(crate) fn halt(&mut self, key: DeviceKey) -> bool {
        let session = self.device(key).and_then(|device| device.session.as_ref());
        session.inspect(|session| session.halted.cancel()).is_some()
    }

    /// What happens at its time, unless the connection is another one by then.
    fn happen(&mut self, key: DeviceKey, connection: u64, what: Later) {
        if self.connection_of(key) != Some(connection) {
            return;
        }
        match what {
            Later::Send(node) => self.put(key, node),
            Later::Receive(node) => self.dispatch(key, &node),
            Later::Release => self.release_all(key),
            Later::Break => {
                self.break_off(key);
            }
        }
    }

    /// Whether a phone is to say that it cannot read the message that it just got.
    pub(crate) fn is_unreadable(&mut self, phone: DeviceKey) -> bool {
        self.faults.take_undecryptable(phone) || self.chaos_blinds(phone)
    }

    /// Sends half a frame of something, and breaks the connection. `false` when there is none.
    pub(crate) fn cut_mid_frame(&mut self, key: DeviceKey) -> bool {
        let is_there = self.connection_of(key).is_some();
        self.cut(key, ib(Node::new("thread_metadata").attr("item", "cut short on purpose")));
        is_there
    }

    fn verdict(&mut self, key: DeviceKey, direction: Direction, node: &mut Arc<Node>) -> Verdict {
        let mut verdict = self.faults.play(key, direction, node);
        if key.number == 0 && verdict.fate.as_ref().is_some_and(needs_socket) {
            verdict.fate = None;
        }
        if self.is_doomed(key) {
            self.break_off(key);
            verdict.fate = Some(Fate::Drop);
        }
        if verdict.fate.is_none()
            && !verdict.twice
            && let Some(turn) = self.turn_of(key, direction, node)
        {
            verdict.apply(&turn.act, node);
            if matches!(turn.act, Act::After(_)) {
                self.later(key, HOLD, Later::Release);
            }
            if let Some(doom) = turn.doom {
                self.doom(key, doom);
            }
        }
        if verdict.fate.is_none() && direction == Direction::ToClient && is_message_ack(node) {
            verdict.fate = self.config.ack_delay.map(Fate::Delay);
        }
        verdict
    }

    /// The connection breaks after so many more stanzas, or after a while.
    fn doom(&mut self, key: DeviceKey, stanzas: u32) {
        let Some(session) = self.device_mut(key).and_then(|device| device.session.as_mut()) else { return };
        session.doom = Some(session.doom.map_or(stanzas, |doom| doom.min(stanzas)));
        self.later(key, DOOM, Later::Break);
    }

    /// Counts one stanza. Whether the connection breaks before it.
    fn is_doomed(&mut self, key: DeviceKey) -> bool {
        let session = self.device_mut(key).and_then(|device| device.session.as_mut());
        let Some(doom) = session.and_then(|session| session.doom.as_mut()) else { return false };
        *doom = doom.saturating_sub(1);
        *doom == 0
    }

    fn put(&mut self, key: DeviceKey, node: Arc<Node>) {
        if self.connection_of(key).is_none() {
            return;
        }
        self.note_shared(Subject::Device(key), Direction::ToClient, Arc::clone(&node));
        self.metrics.sent += 1;
        if let Some(session) = self.device(key).and_then(|device| device.session.as_ref()) {
            session.push(Outgoing::Stanza(node));
        }
    }

    /// Sends half of a stanza's frame and breaks the connection.
    fn cut(&mut self, key: DeviceKey, node: Node) {
        if let Some(session) = self.take_session(key) {
            session.push(Outgoing::HalfOf(node));
        }
    }

    fn hold(&mut self, key: DeviceKey, direction: Direction, left: u32, node: Arc<Node>) {
        let held = Held { direction, is_delivery: is_delivery(&node), left, node };
        if let Some(session) = self.device_mut(key).and_then(|device| device.session.as_mut()) {
            session.held.push(held);
        }
    }

    /// One stanza passed: those that waited for it go.
    fn release(&mut self, key: DeviceKey, direction: Direction, is_delivery: bool) {
        let Some(session) = self.device_mut(key).and_then(|device| device.session.as_mut()) else { return };
        if session.held.is_empty() {
            return;
        }
        let (mut free, mut held) = (Vec::new(), Vec::new());
        for mut item in session.held.drain(..) {
            if item.direction == direction && item.is_delivery == is_delivery {
                item.left = item.left.saturating_sub(1);
            }
            if item.left == 0 { free.push(item) } else { held.push(item) }
        }
        session.held = held;
        self.let_go(key, free);
    }

    fn release_all(&mut self, key: DeviceKey) {
        let session = self.device_mut(key).and_then(|device| device.session.as_mut());
        let held = session.map(|session| std::mem::take(&mut session.held)).unwrap_or_default();
        self.let_go(key, held);
    }

    fn let_go(&mut self, key: DeviceKey, items: Vec<Held>) {
        for item in items {
            match item.direction {
                Direction::ToClient => self.put(key, item.node),
                Direction::FromClient => self.dispatch(key, &item.node),
            }
        }
    }

    fn later(&self, key: DeviceKey, delay: Duration, what: Later) {
        let Some(session) = self.device(key).and_then(|device| device.session.as_ref()) else { return };
        let (connection, cancel, hub) = (session.connection, session.cancel.clone(), self.hub.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = tokio::time::sleep(delay) => {
                    if let Some(hub) = hub.upgrade() {
                        hub.state().happen(key, connection, what);
                    }
                }
            }
        });
    }

    fn refuse_message(&mut self, from: DeviceKey, node: &Node, code: u16) {
        let Some(id) = node.attr_text("id") else { return };
        let to = node.attr_jid("to").unwrap_or(Jid::SERVER);
        let ack = Node::new("ack").attr("class", "message").attr("id", id.as_ref()).attr("from", to);
        let now = self.now_seconds();
        self.transmit(from, ack.attr("t", now).attr("error", code));
    }

    fn connection_of(&self, key: DeviceKey) -> Option<u64> {
        self.device(key)?.session.as_ref().map(|session| session.connection)
    }
}

/// Whether a fate is one of the connection's.
fn needs_socket(fate: &Fate) -> bool {
    matches!(fate, Fate::Cut | Fate::CutAfter | Fate::HalfOpen | Fate::End(_))
}

/// Adds seconds to the time that a stanza tells.
fn shift_time(node: &mut Node, seconds: i64) {
    if let Some(time) = node.attr_number("t") {
        set(node, "t", time.saturating_add_signed(seconds));
    }
}
