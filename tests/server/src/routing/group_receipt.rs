//! Receipts in groups, of status posts and in broadcast lists: to the author that `participant` names.
//! Protocol: receiving, "Delivery receipt", "Read and played", "Inbound receipts".

use std::sync::Arc;

use wa_core::wire::Node;
use wa_types::Jid;

use crate::account::DeviceKey;
use crate::stanza::Read;
use crate::state::State;

impl State {
    /// Hands a receipt on; `to` is the group, the status feed or the list.
    pub(super) fn route_group_receipt(&mut self, from: DeviceKey, to: &Jid, kind: Option<&str>, node: &Node) {
        let Some(author) = node.attr_jid("participant") else {
            tracing::warn!(?to, "receipt without participant");
            return;
        };
        let Some(target) = self.device_key(&author) else { return };
        let others = |state: &Self, account: usize| {
            state.devices_of(account).into_iter().filter(|key| *key != from).collect::<Vec<_>>()
        };
        // A user reads, a device receives.
        let is_of_user = matches!(kind, Some("read" | "played" | "read-self" | "played-self"));
        let targets = match kind {
            Some("retry" | "enc_rekey_retry" | "sender") => vec![target],
            Some("read-self" | "played-self") => others(self, from.account),
            Some("read" | "played") => {
                let mut targets = others(self, from.account);
                if target.account != from.account {
                    targets.extend(self.devices_of(target.account));
                }
                targets
            }
            _ => others(self, target.account),
        };
        let mut reader = self.jid_of(from, &author);
        if is_of_user {
            reader = reader.to_user();
        }
        let now = self.now_seconds();
        let receipt = Node::new("receipt")
            .attr("from", to)
            .attr_opt("id", node.get("id").cloned())
            .attr_opt("type", node.get("type").cloned())
            .attr("participant", &reader)
            .attr("t", now)
            .children(node.nodes().iter().cloned());
        let receipt = Arc::new(receipt);
        let may_join = matches!(kind, None | Some("read" | "inactive")) && node.nodes().is_empty();
        for target in targets {
            if may_join && self.join_receipt(target, &receipt, &reader) {
                continue;
            }
            self.deliver(target, Arc::clone(&receipt));
        }
    }

    /// Adds a reader to the receipt of the same message that waits for a device that is away. `false` when there is
    /// none.
    fn join_receipt(&mut self, target: DeviceKey, receipt: &Node, reader: &Jid) -> bool {
        let Some(device) = self.device_mut(target).filter(|device| device.session.is_none()) else {
            return false;
        };
        let same = |queued: &Node| {
            queued.tag == "receipt"
                && ["from", "id", "type"].iter().all(|name| queued.get(name) == receipt.get(name))
                && queued.nodes().iter().all(|child| child.tag == "participants")
        };
        let Some(queued) = device.queue.find_waiting(same) else { return false };
        let user = |jid: Jid, time: Option<u64>| Node::new("user").attr("jid", jid).attr_opt("t", time);
        let queued = Arc::make_mut(queued);
        let mut users: Vec<Node> =
            queued.find("participants").map(|list| list.nodes().to_vec()).unwrap_or_default();
        users.extend(queued.attr_jid("participant").map(|first| user(first, queued.attr_number("t"))));
        users.push(user(reader.clone(), receipt.attr_number("t")));
        let list = Node::new("participants").attr_opt("key", receipt.get("id").cloned()).children(users);
        let joined = ["from", "id", "type", "t"]
            .into_iter()
            .fold(Node::new("receipt"), |joined, name| joined.attr_opt(name, queued.get(name).cloned()));
        *queued = joined.child(list);
        true
    }
}
