//! What a phone does with the stanzas that it gets.

use prost::Message as _;
use wa_core::signal::{Peer, SignalError};
use wa_core::wire::Node;
use wa_proto::e2e::Message;
use wa_types::{Jid, MessageId, UnixSeconds};

use super::keys::Unreadable;
use super::{Phone, PhoneMessage, PhoneReceipt};
use crate::stanza::Read;

impl Phone {
    pub(super) fn handle(&self, node: &Node) {
        match node.tag.as_ref() {
            "message" => self.handle_message(node),
            "receipt" => self.handle_receipt(node),
            "notification" => self.handle_notification(node),
            "ack" => self.handle_ack(node),
            "call" => self.acknowledge(node),
            _ => {}
        }
    }

    fn handle_message(&self, node: &Node) {
        let (Some(id), Some(from)) = (node.attr_text("id"), node.attr_jid("from")) else { return };
        let Some(device) = self.hub.state().device_key(&from) else { return self.acknowledge(node) };
        let Some(enc) = node.find("enc") else { return self.acknowledge(node) };
        let from_me = device.account == self.inner.key.account;
        let peer = if from_me { Peer::OwnDevice } else { Peer::Contact };
        let kind = enc.attr_text("type").unwrap_or_default();
        let bytes = enc.content_bytes().unwrap_or_default();

        let mut phone = self.lock();
        let refused = self.hub.state().is_unreadable(self.inner.key);
        let decrypted = if refused {
            Err(Unreadable::Signal(SignalError::BadMac))
        } else {
            phone.keys.decrypt(device, peer, &kind, bytes)
        };
        let message = match decrypted {
            Ok(plaintext) => Message::decode(plaintext.as_slice()).ok(),
            Err(Unreadable::Signal(SignalError::Duplicate { .. })) => {
                drop(phone);
                return self.confirm(node, &id, &from, from_me);
            }
            Err(Unreadable::Signal(error)) => {
                tracing::debug!(%error, "phone cannot read a message");
                if phone.retries.len() > KEPT {
                    phone.retries.clear();
                }
                let count = phone.retries.entry((from.clone(), id.clone().into_owned())).or_insert(0);
                *count += 1;
                let count = *count;
                let parts = phone.keys.retry_parts(count >= 2);
                drop(phone);
                return self.ask_again(node, &id, &from, count, error.retry_code(), parts);
            }
            Err(Unreadable::Padding) => None,
        };
        let Some(message) = message else {
            drop(phone);
            return self.transmit(&ack(node).attr("error", 491_u32));
        };
        let is_peer = node.attr_text("category").as_deref() == Some("peer");
        if is_peer && from_me {
            self.handle_peer(&mut phone, &id, device, &message);
        }
        if !is_peer
            && let Some(message) = self.read_message(node, &id, &from, from_me, message)
            && phone.seen.note(device.account, &id)
        {
            phone.kept.keep(&message);
            phone.messages.push_back(message);
            if phone.messages.len() > KEPT {
                phone.messages.pop_front();
            }
        }
        drop(phone);
        self.inner.arrived.notify_waiters();
        self.confirm(node, &id, &from, from_me);
    }

    /// What the message says, own copies unwrapped; `None` when only an own device could have sent it, and did not.
    fn read_message(
        &self,
        node: &Node,
        id: &str,
        from: &Jid,
        from_me: bool,
        mut message: Message,
    ) -> Option<PhoneMessage> {
        let mut chat = from.to_chat();
        if let Some(copy) = message.device_sent_message.take() {
            if !from_me {
                return None;
            }
            chat = copy.destination_jid().parse().ok()?;
            message = *copy.message?;
        } else if from_me {
            chat = node.attr_jid("recipient").unwrap_or(chat);
        }
        Some(PhoneMessage {
            id: MessageId::new(id),
            chat,
            sender: from.clone(),
            from_me,
            timestamp: UnixSeconds(node.attr_number("t").unwrap_or(0)),
            push_name: node.attr_text("notify").map(std::borrow::Cow::into_owned),
            message,
        })
    }

    fn confirm(&self, node: &Node, id: &str, from: &Jid, from_me: bool) {
        let is_peer = node.attr_text("category").as_deref() == Some("peer");
        let kind = match (is_peer, from_me) {
            (true, _) => Some("peer_msg"),
            (false, true) => Some("sender"),
            (false, false) => None,
        };
        let receipt = Node::new("receipt")
            .attr("id", id)
            .attr("to", from)
            .attr_opt("type", kind)
            .attr_opt("recipient", node.get("recipient").cloned());
        self.transmit(&receipt);
    }

    fn ask_again(&self, node: &Node, id: &str, from: &Jid, count: u32, code: Option<u8>, parts: Vec<Node>) {
        if count >= MAX_RETRIES {
            return self.transmit(&ack(node).attr("error", 500_u32));
        }
        let retry = Node::new("retry")
            .attr("v", "1")
            .attr("count", count)
            .attr("id", id)
            .attr_opt("t", node.get("t").cloned())
            .attr_opt("error", code);
        let receipt = Node::new("receipt")
            .attr("id", id)
            .attr("to", from)
            .attr("type", "retry")
            .attr_opt("recipient", node.get("recipient").cloned())
            .attr_opt("category", node.get("category").cloned())
            .child(retry)
            .children(parts);
        self.transmit(&receipt);
    }

    fn handle_receipt(&self, node: &Node) {
        self.acknowledge(node);
        let (Some(id), Some(from)) = (node.attr_text("id"), node.attr_jid("from")) else { return };
        let kind = node.attr_text("type").map(std::borrow::Cow::into_owned);
        if kind.as_deref() == Some("retry") && !self.lock().ignores_retries {
            self.resend(&from, &id, node);
        }
        let mut ids = vec![MessageId::new(&id)];
        let items = node.find("list").into_iter().flat_map(|list| list.find_all("item"));
        ids.extend(items.filter_map(|item| item.attr_text("id")).map(|id| MessageId::new(&id)));
        let mut phone = self.lock();
        phone.receipts.push_back(PhoneReceipt { from, kind, ids });
        if phone.receipts.len() > KEPT {
            phone.receipts.pop_front();
        }
        drop(phone);
        self.inner.arrived.notify_waiters();
    }

    fn handle_notification(&self, node: &Node) {
        self.acknowledge(node);
        match node.attr_text("type").as_deref() {
            Some("encrypt") if node.find("count").is_some() => {
                let keys = self.lock().keys.upload();
                if self.request(&self.new_request("set", "encrypt").children(keys)).is_none() {
                    tracing::warn!("pre-keys of a phone refused");
                }
            }
            Some("link_code_companion_reg") => {
                if let Some(stage) = node.find("link_code_companion_reg") {
                    self.handle_code(stage);
                }
            }
            Some("account_sync") => {
                if let Some(devices) = node.find("devices") {
                    let listed: Vec<u16> = devices
                        .find_all("device")
                        .filter_map(|d| d.attr_jid("jid"))
                        .map(|jid| jid.device())
                        .collect();
                    self.drop_unlisted(&listed);
                }
            }
            _ => {}
        }
    }

    fn handle_ack(&self, node: &Node) {
        let Some(id) = node.attr_text("id") else { return };
        if node.attr_text("class").as_deref() != Some("message") {
            return;
        }
        let waiting = self.lock().waiting.remove(id.as_ref());
        if let Some(waiting) = waiting {
            let _nobody_waits = waiting.send(node.clone());
        }
    }

    fn acknowledge(&self, node: &Node) {
        self.transmit(&ack(node));
    }
}

fn ack(node: &Node) -> Node {
    Node::new("ack")
        .attr("class", node.tag.as_ref())
        .attr_opt("id", node.get("id").cloned())
        .attr_opt("to", node.get("from").cloned())
        .attr_opt("type", node.get("type").filter(|_| node.tag != "message").cloned())
}

const KEPT: usize = 10_000;
const MAX_RETRIES: u32 = 5;
