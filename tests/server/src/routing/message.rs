//! Messages: checked as the real server would, acknowledged with their time, and handed out copy by copy.
//! Protocol: messages, "DM stanza" and "Server ack of a message"; receiving, "Resend".

use std::collections::BTreeSet;

use wa_core::wire::Node;
use wa_types::Jid;

use super::group::Fanout;
use crate::account::{DeviceKey, phash};
use crate::stanza::{Read, malformed};
use crate::state::State;

/// A message that passed the checks.
struct Checked<'a> {
    id: &'a str,
    to: Jid,
    recipient: usize,
    copies: Vec<(DeviceKey, &'a Node)>,
    /// Sent to one device on its own: a resend, or a message among own devices.
    is_direct: bool,
}

/// Who gets a message.
enum Receivers<'a> {
    User(Checked<'a>),
    Many(Fanout<'a>),
}

/// Why a message is refused; goes into the ack.
pub(super) struct Refusal(pub(super) u16);

impl State {
    pub(super) fn handle_message(&mut self, from: DeviceKey, node: &Node) {
        let Some(id) = node.attr_text("id").filter(|id| !id.is_empty()).map(std::borrow::Cow::into_owned)
        else {
            tracing::warn!("message without id");
            self.transmit(from, malformed());
            return;
        };
        let to = node.attr_jid("to");
        if let Some(to) = to.as_ref().filter(|to| to.is_newsletter()) {
            return self.take_post(from, &id, to, node);
        }
        match self.check_any(from, &id, to.clone(), node) {
            Ok(Receivers::User(checked)) => self.route(from, node, &checked),
            Ok(Receivers::Many(fanout)) => self.fan_out(from, &id, node, &fanout),
            Err(Refusal(code)) => {
                tracing::debug!(id, code, "message refused");
                let ack = ack(&id, to.as_ref()).attr("t", self.now_seconds()).attr("error", code);
                self.transmit(from, ack);
            }
        }
    }

    /// What is for a channel is no secret: the server reads it, and numbers it.
    fn take_post(&mut self, from: DeviceKey, id: &str, to: &Jid, node: &Node) {
        let taken = self.handle_channel_message(from, to, id, node);
        let ack = ack(id, Some(to));
        let ack = match taken {
            Ok((number, time)) => ack.attr("t", time).attr("server_id", number),
            Err(code) => ack.attr("t", self.now_seconds()).attr("error", code),
        };
        self.transmit(from, ack);
    }

    fn check_any<'a>(
        &mut self,
        from: DeviceKey,
        id: &'a str,
        to: Option<Jid>,
        node: &'a Node,
    ) -> Result<Receivers<'a>, Refusal> {
        let to = to.ok_or(Refusal(400))?;
        if node.attr_text("type").is_none_or(|kind| kind.is_empty()) {
            return Err(Refusal(479));
        }
        let fanout = if to.is_group() {
            self.check_group(from, &to, node)?
        } else if to.is_broadcast() {
            self.check_audience(from, &to, node)?
        } else {
            return self.check(from, id, to, node).map(Receivers::User);
        };
        check_identity(from, node, fanout.copies.values().copied())?;
        if fanout.receivers.iter().any(|key| self.device(*key).is_some_and(|device| device.queue.is_full())) {
            return Err(Refusal(503));
        }
        Ok(Receivers::Many(fanout))
    }

    fn check<'a>(
        &self,
        from: DeviceKey,
        id: &'a str,
        to: Jid,
        node: &'a Node,
    ) -> Result<Checked<'a>, Refusal> {
        if !to.is_user() {
            // Who is that?
            return Err(Refusal(404));
        }
        let recipient = self.account_of(&to).ok_or(Refusal(404))?;
        let participants = node.find("participants");
        let direct: Vec<&Node> = node.find_all("enc").collect();
        let is_direct = !direct.is_empty();
        let copies = match (participants, direct.as_slice()) {
            (Some(participants), []) => self.check_participants(from, &to, recipient, participants)?,
            (None, [enc]) => vec![(DeviceKey { account: recipient, number: to.device() }, check_enc(enc)?)],
            // One library resends to one device in both forms at once.
            (Some(participants), [enc]) => {
                let target = DeviceKey { account: recipient, number: to.device() };
                let named = self.check_participants(from, &to, recipient, participants)?;
                if named.iter().any(|(key, _)| *key != target) || enc.get("count").is_none() {
                    return Err(Refusal(400));
                }
                vec![(target, check_enc(enc)?)]
            }
            _ => return Err(Refusal(400)),
        };
        check_identity(from, node, copies.iter().map(|(_, enc)| *enc))?;
        if is_direct && node.attr_text("category").as_deref() == Some("peer") && recipient != from.account {
            return Err(Refusal(400));
        }
        if copies.iter().any(|(key, _)| self.device(*key).is_some_and(|device| device.queue.is_full())) {
            return Err(Refusal(503));
        }
        Ok(Checked { id, to, recipient, copies, is_direct })
    }

    /// Every addressed device is one of the recipient's or of ours, in the namespace of `to`, and named once.
    fn check_participants<'a>(
        &self,
        from: DeviceKey,
        to: &Jid,
        recipient: usize,
        participants: &'a Node,
    ) -> Result<Vec<(DeviceKey, &'a Node)>, Refusal> {
        let mut seen = BTreeSet::new();
        let mut copies = Vec::new();
        for entry in participants.find_all("to") {
            let jid = entry.attr_jid("jid").filter(Jid::is_user).ok_or(Refusal(400))?;
            if jid.server().folded() != to.server().folded() {
                return Err(Refusal(400));
            }
            let key = self.device_key(&jid).ok_or(Refusal(400))?;
            if (key.account != recipient && key.account != from.account) || !seen.insert(key) {
                return Err(Refusal(400));
            }
            let mut encs = entry.find_all("enc");
            let (Some(enc), None) = (encs.next(), encs.next()) else { return Err(Refusal(400)) };
            copies.push((key, check_enc(enc)?));
        }
        if copies.is_empty() { Err(Refusal(400)) } else { Ok(copies) }
    }

    fn route(&mut self, from: DeviceKey, node: &Node, checked: &Checked<'_>) {
        let now = self.tick();
        let memory = self.config.memory;
        let Some(device) = self.device_mut(from) else { return };
        let time = device.recent.note(checked.id, now, memory) / 1_000_000;
        let ack = ack(checked.id, Some(&checked.to)).attr("t", time);
        let ack = ack.attr_opt("phash", self.corrected_phash(from, node, checked));
        self.transmit(from, ack);

        let is_new_contact = checked.recipient != from.account
            && self
                .accounts
                .get_mut(from.account)
                .is_some_and(|account| account.contacts.insert(checked.recipient));
        if is_new_contact && let Some(account) = self.accounts.get_mut(checked.recipient) {
            account.contacts.insert(from.account);
        }
        for (target, enc) in &checked.copies {
            let resend = enc.attr_number("count").and_then(|count| u32::try_from(count).ok()).unwrap_or(0);
            let copy = (*target, resend);
            let is_new = self.device_mut(from).is_some_and(|device| device.recent.claim(checked.id, copy));
            if is_new && *target != from && self.device(*target).is_some() {
                let stanza = self.copy_for(*target, enc, from, node, checked, time);
                self.deliver(*target, stanza);
            }
        }
    }

    /// One device's copy of a message.
    fn copy_for(
        &self,
        target: DeviceKey,
        enc: &Node,
        from: DeviceKey,
        node: &Node,
        checked: &Checked<'_>,
        time: u64,
    ) -> Node {
        let to = &checked.to;
        let sender = self.jid_of(from, to);
        let category = node.attr_text("category");
        let mut stanza = Node::new("message").attr("from", &sender).attr("id", checked.id).attr("t", time);
        stanza = copy_attrs(stanza, node, &["type", "category", "edit"]);
        let sender_account = self.account(from.account);
        if target.account == from.account {
            // Another own device: `recipient` tells which chat it belongs to, and no attribute speaks of the sender.
            if category.is_none() {
                let chat = node.attr_jid("recipient").unwrap_or_else(|| to.clone()).to_chat();
                let partner = self.account_of(&chat).and_then(|partner| self.account(partner));
                if let Some(partner) = partner.filter(|_| !self.hides_addresses) {
                    let name = if chat.is_lid() { "peer_recipient_pn" } else { "peer_recipient_lid" };
                    stanza = stanza.attr(name, partner.other_jid(&chat));
                }
                stanza = stanza.attr("recipient", chat);
            }
        } else if let Some(account) = sender_account.filter(|_| !self.hides_addresses) {
            let name = if to.is_lid() { "sender_pn" } else { "sender_lid" };
            stanza = stanza.attr(name, account.other_jid(to));
        }
        if let Some(account) = sender_account.filter(|account| !account.name.is_empty()) {
            stanza = stanza.attr("notify", &account.name);
        }
        stanza = stanza.child(enc.clone());
        let establishes = enc.attr_text("type").as_deref() == Some("pkmsg");
        if establishes && let Some(identity) = node.find("device-identity") {
            stanza = stanza.child(identity.clone());
        }
        let passed = node.nodes().iter().filter(|child| PASSED.contains(&child.tag.as_ref()));
        stanza.children(passed.cloned())
    }

    /// The participant hash as the server sees it, when the sender's list of devices was another one.
    fn corrected_phash(&self, from: DeviceKey, node: &Node, checked: &Checked<'_>) -> Option<String> {
        if checked.is_direct {
            return None;
        }
        let mut expected: BTreeSet<DeviceKey> = self.devices_of(checked.recipient).into_iter().collect();
        expected.extend(self.devices_of(from.account));
        let jids =
            |devices: &BTreeSet<DeviceKey>| phash(devices.iter().map(|key| self.jid_of(*key, &checked.to)));
        let with_sender = jids(&expected);
        expected.remove(&from);
        let without_sender = jids(&expected);
        let is_right = match node.attr_text("phash") {
            Some(sent) => sent == with_sender.as_str() || sent == without_sender.as_str(),
            None => {
                let sent: BTreeSet<DeviceKey> =
                    checked.copies.iter().map(|(key, _)| *key).filter(|key| *key != from).collect();
                sent == expected
            }
        };
        (!is_right).then_some(with_sender)
    }
}

/// `<ack class="message">`, its `from` being where the message went.
pub(super) fn ack(id: &str, to: Option<&Jid>) -> Node {
    Node::new("ack").attr("class", "message").attr("id", id).attr("from", to.unwrap_or(&Jid::SERVER))
}

/// Whoever begins a session from a companion must show that it is one.
fn check_identity<'a>(
    from: DeviceKey,
    node: &Node,
    mut encs: impl Iterator<Item = &'a Node>,
) -> Result<(), Refusal> {
    let establishes = encs.any(|enc| enc.attr_text("type").as_deref() == Some("pkmsg"));
    let is_shown = node.child_bytes("device-identity").is_some_and(|identity| !identity.is_empty());
    if establishes && from.number != 0 && !is_shown { Err(Refusal(400)) } else { Ok(()) }
}

/// A ciphertext for one device.
pub(super) fn check_enc(enc: &Node) -> Result<&Node, Refusal> {
    if enc.attr_text("type").as_deref() == Some("skmsg") { Err(Refusal(400)) } else { check_any_enc(enc) }
}

/// A ciphertext for one device or for a group.
pub(super) fn check_any_enc(enc: &Node) -> Result<&Node, Refusal> {
    let version = enc.attr_text("v");
    let kind = enc.attr_text("type");
    let known = matches!(version.as_deref(), None | Some("2" | "3"))
        && matches!(kind.as_deref(), Some("pkmsg" | "msg" | "skmsg"))
        && enc.content_bytes().is_some_and(|bytes| !bytes.is_empty());
    if known { Ok(enc) } else { Err(Refusal(400)) }
}

pub(super) fn copy_attrs(mut to: Node, from: &Node, names: &[&'static str]) -> Node {
    for &name in names {
        to = to.attr_opt(name, from.get(name).cloned());
    }
    to
}

/// Children that receivers get as they are.
pub(super) const PASSED: [&str; 4] = ["meta", "biz", "bot", "reporting"];
