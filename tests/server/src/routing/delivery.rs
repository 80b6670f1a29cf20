//! How stanzas reach a device: at once, or with the backlog of its next login.

use std::sync::Arc;

use wa_core::wire::Node;
use wa_types::Jid;

use crate::account::DeviceKey;
use crate::queue::{Acknowledged, Unsent};
use crate::session::Resume;
use crate::stanza::ib;
use crate::state::State;

impl State {
    /// Queues a stanza that the device must acknowledge, and sends it if the device is there. `false` when the
    /// device's queue is full, or the device does not exist.
    pub(crate) fn deliver(&mut self, key: DeviceKey, node: impl Into<Arc<Node>>) -> bool {
        let node = node.into();
        let interleaves = self.faults.interleaves(key);
        let Some(device) = self.device_mut(key) else { return false };
        if device.is_silent {
            return true;
        }
        let live = device.session.as_ref().is_some_and(|session| match session.resume {
            Resume::Passive => false,
            Resume::Running { .. } => interleaves,
            Resume::Live => true,
        });
        if !device.queue.push(Arc::clone(&node), live) {
            tracing::warn!(?key, "queue full, stanza dropped");
            return false;
        }
        self.metrics.routed += 1;
        if live {
            self.transmit(key, node);
        }
        true
    }

    /// Starts a login's delivery: tells what waits, and sends what may go at once. Called when the client is ready,
    /// which a passive one is after `active`.
    pub(crate) fn start_delivery(&mut self, key: DeviceKey) {
        let (primer, routing) = (self.config.primer, self.config.edge_routing.clone());
        let Some(device) = self.device_mut(key) else { return };
        let Some(session) = device.session.as_mut() else { return };
        let backlog = device.queue.rewind();
        session.resume = Resume::Running { total: backlog.total() };
        let count = if session.pull { primer } else { usize::MAX };
        if let Some(info) = routing {
            let info = Node::new("routing_info").bytes(info);
            self.transmit(key, ib(Node::new("edge_routing").child(info)));
        }
        let preview = Node::new("offline_preview")
            .attr("count", backlog.total())
            .attr("message", backlog.message)
            .attr("notification", backlog.notification)
            .attr("receipt", backlog.receipt)
            .attr("appdata", 0_u32)
            .attr("call", backlog.call);
        self.transmit(key, ib(preview));
        self.send_backlog(key, count);
    }

    /// Sends up to `count` stanzas of the backlog; after the last one says so and goes live.
    pub(crate) fn send_backlog(&mut self, key: DeviceKey, count: usize) {
        let Some(device) = self.device_mut(key) else { return };
        let Some(Resume::Running { total }) = device.session.as_ref().map(|session| session.resume) else {
            return;
        };
        let before = device.queue.unsent_backlog();
        let batch = device.queue.take_unsent(count, true);
        let first = total.saturating_sub(before);
        let left = device.queue.unsent_backlog();
        self.metrics.redelivered += batch.iter().filter(|unsent| unsent.again).count() as u64;
        for (index, Unsent { node, .. }) in batch.into_iter().enumerate() {
            self.transmit(key, Arc::unwrap_or_clone(node).attr("offline", first + index));
        }
        if left == 0 {
            self.finish_backlog(key, total);
        }
    }

    fn finish_backlog(&mut self, key: DeviceKey, total: usize) {
        self.transmit(key, ib(Node::new("offline").attr("count", total)));
        let Some(device) = self.device_mut(key) else { return };
        if let Some(session) = device.session.as_mut() {
            session.resume = Resume::Live;
        }
        for Unsent { node, .. } in device.queue.take_unsent(usize::MAX, false) {
            self.transmit(key, node);
        }
    }

    /// Forgets what the device acknowledged. `from` is whom it named as the stanza's sender.
    pub(crate) fn acknowledge(
        &mut self,
        key: DeviceKey,
        class: &str,
        id: &str,
        from: Option<&Jid>,
        kind: Option<&str>,
    ) {
        let resolved = from.and_then(|from| self.device_key(from));
        // The queue is taken out, so that addresses can be resolved while it is searched.
        let Some(device) = self.device_mut(key) else { return };
        let mut queue = std::mem::take(&mut device.queue);
        let same = |queued: &Jid, named: &Jid| {
            queued == named || (resolved.is_some() && self.device_key(queued) == resolved)
        };
        let ack = Acknowledged { class, id, from, kind };
        if !queue.acknowledge(&ack, same) {
            tracing::debug!(class, id, "nothing to acknowledge");
        }
        if let Some(device) = self.device_mut(key) {
            device.queue = queue;
        }
    }

    /// Sends any stanza to a device that is online, past all queues.
    pub(crate) fn inject(&mut self, key: DeviceKey, node: Node) {
        self.transmit(key, node);
    }
}
