//! Receipts and acks: what they acknowledge is forgotten, and the senders hear of it.
//! Protocol: receiving, "Positive answers" and "Inbound receipts".

use wa_core::wire::Node;
use wa_types::Jid;

use crate::account::DeviceKey;
use crate::stanza::{Read, malformed};
use crate::state::State;

impl State {
    pub(super) fn handle_ack(&mut self, from: DeviceKey, node: &Node) {
        let (Some(class), Some(id)) = (node.attr_text("class"), node.attr_text("id")) else {
            tracing::warn!("ack without class or id");
            return;
        };
        let to = node.attr_jid("to");
        // A message's type need not be echoed, and another library echoes another one.
        let kind = node.attr_text("type").filter(|_| class == "receipt");
        self.acknowledge(from, &class, &id, to.as_ref(), kind.as_deref());
    }

    pub(super) fn handle_receipt(&mut self, from: DeviceKey, node: &Node) {
        let (Some(id), Some(to)) = (node.attr_text("id"), node.attr_jid("to")) else {
            tracing::warn!("receipt without id or to");
            self.transmit(from, malformed());
            return;
        };
        let kind = node.attr_text("type");
        let ack = Node::new("ack")
            .attr("class", "receipt")
            .attr("id", id.as_ref())
            .attr("from", &to)
            .attr_opt("type", node.get("type").cloned())
            .attr_opt("participant", node.get("participant").cloned());
        self.transmit(from, ack);

        // That a step of a call arrived; nobody else is told.
        if node.nodes().iter().any(|step| step.get("call-id").is_some()) {
            self.acknowledge(from, "call", &id, Some(&to), None);
            return;
        }
        if matches!(kind.as_deref(), None | Some("inactive" | "sender" | "peer_msg" | "retry")) {
            self.acknowledge(from, "message", &id, Some(&to), None);
            for item in node.find("list").into_iter().flat_map(|list| list.find_all("item")) {
                if let Some(id) = item.attr_text("id") {
                    self.acknowledge(from, "message", &id, Some(&to), None);
                }
            }
        }
        if to.is_newsletter() {
            if kind.as_deref() == Some("view") {
                self.view_posts(from, &to, node);
            }
            return;
        }
        if to.is_group() || to.is_broadcast() {
            return self.route_group_receipt(from, &to, kind.as_deref(), node);
        }
        let Some(target) = self.device_key(&to) else {
            if to.is_user() {
                tracing::debug!(?to, "receipt to nobody");
            }
            return;
        };
        self.route_receipt(from, &to, target, kind.as_deref(), node);
    }

    fn route_receipt(
        &mut self,
        from: DeviceKey,
        to: &Jid,
        target: DeviceKey,
        kind: Option<&str>,
        node: &Node,
    ) {
        let own_others: Vec<DeviceKey> =
            self.devices_of(from.account).into_iter().filter(|key| *key != from).collect();
        match kind {
            // For one device only.
            Some("retry" | "enc_rekey_retry" | "sender" | "peer_msg" | "hist_sync" | "server-error") => {
                self.forward(from, to, &[target], false, node);
            }
            Some("read-self" | "played-self") => self.forward(from, to, &own_others, true, node),
            Some("read" | "played") => {
                if target.account != from.account {
                    let theirs = self.devices_of(target.account);
                    self.forward(from, to, &theirs, false, node);
                }
                self.forward(from, to, &own_others, true, node);
            }
            // Delivered: all devices of the sender show it.
            _ => {
                let theirs: Vec<DeviceKey> =
                    self.devices_of(target.account).into_iter().filter(|key| *key != from).collect();
                self.forward(from, to, &theirs, false, node);
            }
        }
    }

    /// Hands a receipt on. To own devices, `recipient` names the chat.
    fn forward(&mut self, from: DeviceKey, to: &Jid, targets: &[DeviceKey], to_own: bool, node: &Node) {
        let sender = self.jid_of(from, to);
        let about_chat = matches!(node.attr_text("type").as_deref(), Some("read" | "played"));
        let now = self.now_seconds();
        for target in targets {
            let sender = if about_chat && !to_own { sender.to_user() } else { sender.clone() };
            let mut receipt = Node::new("receipt")
                .attr("from", sender)
                .attr_opt("id", node.get("id").cloned())
                .attr_opt("type", node.get("type").cloned())
                .attr("t", now);
            if to_own {
                receipt = receipt.attr("recipient", to.to_chat());
            } else if target.account == from.account {
                receipt = receipt.attr_opt("recipient", node.get("recipient").cloned());
            }
            receipt = receipt.attr_opt("category", node.get("category").cloned());
            self.deliver(*target, receipt.children(node.nodes().iter().cloned()));
        }
    }
}
