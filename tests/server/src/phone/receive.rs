//! What a phone does with the stanzas that it gets.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use prost::Message as _;
use wa_core::signal::{Peer, SignalError};
use wa_core::wire::Node;
use wa_proto::e2e::Message;
use wa_types::{Jid, MessageId, UnixSeconds};

use super::keys::Unreadable;
use super::{Phone, PhoneMessage, PhoneReceipt, PhoneState};
use crate::account::DeviceKey;
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
        let is_many = from.is_group() || from.is_broadcast();
        let sender = if is_many { node.attr_jid("participant") } else { Some(from.clone()) };
        let device = sender.as_ref().and_then(|sender| self.hub.state().device_key(sender));
        let (Some(sender), Some(device)) = (sender, device) else { return self.acknowledge(node) };
        if node.find("enc").is_none() {
            return self.acknowledge(node);
        }
        let stanza = Stanza { node, id: &id, chat: &from, sender, device };
        let from_me = device.account == self.inner.key.account;

        let mut phone = self.lock();
        let refused = self.hub.state().is_unreadable(self.inner.key);
        let read = if refused {
            Err(Unreadable::Signal(SignalError::BadMac))
        } else {
            self.open(&mut phone, &stanza)
        };
        let message = match read {
            Ok(message) => message,
            Err(Unreadable::Signal(SignalError::Duplicate { .. })) => {
                drop(phone);
                return self.confirm(&stanza);
            }
            Err(Unreadable::Signal(error)) => {
                tracing::debug!(%error, %id, from = ?stanza.sender, phone = %self.inner.name, "phone cannot read a message");
                if phone.retries.len() > phone.memory {
                    phone.retries.clear();
                }
                let retry = phone.retries.entry((stanza.sender.clone(), id.clone().into_owned()));
                let count = retry.or_default().count_copy(node);
                let parts = phone.keys.retry_parts(count >= 2);
                drop(phone);
                return self.ask_again(&stanza, count, error.retry_code(), parts);
            }
            Err(Unreadable::Padding | Unreadable::Protobuf) => {
                drop(phone);
                return self.transmit(&ack(node).attr("error", 491_u32));
            }
        };
        let is_peer = node.attr_text("category").as_deref() == Some("peer");
        match message {
            Some(message) if is_peer && from_me => self.handle_peer(&mut phone, device, &id, &message),
            Some(message) if !is_peer => {
                if let Some(message) = read_message(&stanza, from_me, message)
                    && phone.note_seen(device.account, &id)
                {
                    phone.remember(&message);
                    phone.messages.push_back(message);
                    if phone.messages.len() > phone.memory {
                        phone.messages.pop_front();
                    }
                }
            }
            _ => {}
        }
        drop(phone);
        self.inner.arrived.notify_waiters();
        self.confirm(&stanza);
    }

    /// Decrypts a stanza, the pairwise part first: it may bring the key for the other. `None` when it brought nothing
    /// else.
    fn open(&self, phone: &mut PhoneState, stanza: &Stanza<'_>) -> Result<Option<Message>, Unreadable> {
        let from_me = stanza.device.account == self.inner.key.account;
        let peer = if from_me { Peer::OwnDevice } else { Peer::Contact };
        let is_shared = |enc: &Node| enc.attr_text("type").as_deref() == Some("skmsg");
        let mut encs: Vec<&Node> = stanza.node.find_all("enc").collect();
        encs.sort_by_key(|enc| is_shared(enc));
        let mut content = None;
        for enc in encs {
            let bytes = enc.content_bytes().unwrap_or_default();
            let plaintext = if is_shared(enc) {
                phone.sender_keys.decrypt(stanza.chat, stanza.device, bytes)?
            } else {
                let kind = enc.attr_text("type").unwrap_or_default();
                phone.keys.decrypt(stanza.device, peer, &kind, bytes)?
            };
            let mut message = Message::decode(plaintext.as_slice()).map_err(|_| Unreadable::Protobuf)?;
            let distribution = message.sender_key_distribution_message.take();
            if let Some(bytes) = distribution.and_then(|given| given.axolotl_sender_key_distribution_message)
            {
                phone.sender_keys.take(stanza.chat, stanza.device, &bytes)?;
            }
            if !is_bare(&message) {
                content = Some(message);
            }
        }
        Ok(content)
    }

    fn confirm(&self, stanza: &Stanza<'_>) {
        let node = stanza.node;
        let is_peer = node.attr_text("category").as_deref() == Some("peer");
        let kind = match (is_peer, stanza.device.account == self.inner.key.account) {
            (true, _) => Some("peer_msg"),
            (false, true) => Some("sender"),
            (false, false) => None,
        };
        let receipt = Node::new("receipt")
            .attr("id", stanza.id)
            .attr("to", stanza.chat)
            .attr_opt("type", kind)
            .attr_opt("participant", node.get("participant").cloned())
            .attr_opt("recipient", node.get("recipient").cloned())
            .attr_opt("context", stanza.chat.is_status().then_some("status"));
        self.transmit(&receipt);
    }

    fn ask_again(&self, stanza: &Stanza<'_>, count: u32, code: Option<u8>, parts: Vec<Node>) {
        let node = stanza.node;
        if count >= MAX_RETRIES {
            return self.transmit(&ack(node).attr("error", 500_u32));
        }
        let retry = Node::new("retry")
            .attr("v", "1")
            .attr("count", count)
            .attr("id", stanza.id)
            .attr_opt("t", node.get("t").cloned())
            .attr_opt("error", code);
        let receipt = Node::new("receipt")
            .attr("id", stanza.id)
            .attr("to", stanza.chat)
            .attr("type", "retry")
            .attr_opt("participant", node.get("participant").cloned())
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
        let from = node.attr_jid("participant").unwrap_or(from);
        if kind.as_deref() == Some("server-error") {
            if node.attr_text("category").as_deref() == Some("peer") {
                self.give_blob_again(&from, &id, node);
            } else {
                self.upload_again(&from, &id, node);
            }
        }
        if kind.as_deref() == Some("retry") && !self.lock().ignores_retries {
            self.resend(&from, &id, node);
        }
        let mut ids = vec![MessageId::new(&id)];
        let items = node.find("list").into_iter().flat_map(|list| list.find_all("item"));
        ids.extend(items.filter_map(|item| item.attr_text("id")).map(|id| MessageId::new(&id)));
        let readers = node.find_all("participants").flat_map(|list| list.find_all("user"));
        let readers: Vec<Jid> = readers.filter_map(|user| user.attr_jid("jid")).collect();
        let mut phone = self.lock();
        for from in if readers.is_empty() { vec![from] } else { readers } {
            phone.receipts.push_back(PhoneReceipt { from, kind: kind.clone(), ids: ids.clone() });
        }
        while phone.receipts.len() > phone.memory {
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

/// A message, and what its addresses mean.
struct Stanza<'a> {
    node: &'a Node,
    id: &'a str,
    /// Its `from`: a device, a group, the status feed, or a broadcast list.
    chat: &'a Jid,
    sender: Jid,
    device: DeviceKey,
}

/// What the message says, own copies unwrapped; `None` when only an own device could have sent it, and did not.
fn read_message(stanza: &Stanza<'_>, from_me: bool, mut message: Message) -> Option<PhoneMessage> {
    let mut chat = stanza.chat.to_chat();
    if let Some(copy) = message.device_sent_message.take() {
        if !from_me {
            return None;
        }
        chat = copy.destination_jid().parse().ok()?;
        message = *copy.message?;
    } else if from_me {
        chat = stanza.node.attr_jid("recipient").unwrap_or(chat);
    }
    Some(PhoneMessage {
        id: MessageId::new(stanza.id),
        chat,
        sender: stanza.sender.clone(),
        from_me,
        timestamp: UnixSeconds(stanza.node.attr_number("t").unwrap_or(0)),
        push_name: stanza.node.attr_text("notify").map(std::borrow::Cow::into_owned),
        message,
    })
}

/// Whether nothing but its context is in it: all that is set has a length.
fn is_bare(message: &Message) -> bool {
    let context = message.message_context_info.clone();
    message.encoded_len() == Message { message_context_info: context, ..Message::default() }.encoded_len()
}

fn ack(node: &Node) -> Node {
    Node::new("ack")
        .attr("class", node.tag.as_ref())
        .attr_opt("id", node.get("id").cloned())
        .attr_opt("to", node.get("from").cloned())
        .attr_opt("participant", node.get("participant").cloned())
        .attr_opt("type", node.get("type").filter(|_| node.tag != "message").cloned())
}
const MAX_RETRIES: u32 = 5;

/// A message that the phone asks for again.
#[derive(Debug, Default)]
pub(super) struct Retry {
    count: u32,
    /// Tells copies apart: the server delivers one again and again as long as nobody confirms it.
    copy: u64,
}

impl Retry {
    /// The number of the request that a copy calls for: a copy that came before is asked for as before.
    fn count_copy(&mut self, node: &Node) -> u32 {
        let mut hasher = DefaultHasher::new();
        node.find_all("enc").for_each(|enc| enc.content_bytes().hash(&mut hasher));
        let copy = hasher.finish();
        if self.count == 0 || self.copy != copy {
            (self.count, self.copy) = (self.count + 1, copy);
        }
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_comes_again_is_the_same_request() {
        let copy = |bytes: &'static [u8]| Node::new("message").child(Node::new("enc").bytes(bytes));
        let mut retry = Retry::default();
        let counts =
            [&b"one"[..], b"one", b"two", b"two", b"three"].map(|bytes| retry.count_copy(&copy(bytes)));
        assert_eq!(counts, [1, 1, 2, 2, 3]);
    }
}
