//! Messages to a group: one sender-key ciphertext for all, and pairwise copies for some. The payload is never looked
//! into. Protocol: messages, "Groups"; receiving, "Resend".

use std::collections::HashMap;
use std::sync::Arc;

use wa_core::wire::Node;
use wa_types::Jid;

use super::message::{PASSED, Refusal, ack, check_any_enc, check_enc, copy_attrs};
use crate::account::DeviceKey;
use crate::stanza::Read;
use crate::state::State;

/// A message with many receivers that passed the checks.
pub(super) struct Fanout<'a> {
    pub(super) to: Jid,
    /// An address of the namespace that the message uses.
    pub(super) like: Jid,
    /// What every receiver gets.
    pub(super) shared: Option<&'a Node>,
    /// What only one device gets.
    pub(super) copies: HashMap<DeviceKey, &'a Node>,
    pub(super) receivers: Arc<[DeviceKey]>,
    /// A resend is for one device.
    pub(super) only: Option<DeviceKey>,
    pub(super) mode: Option<&'static str>,
    /// The participant hash as the server sees it.
    pub(super) phash: Option<Arc<str>>,
}

/// The parts of a message that carry ciphertext.
pub(super) struct Parts<'a> {
    pub(super) shared: Option<&'a Node>,
    pub(super) direct: Option<&'a Node>,
    /// `to` entries: the address, and what it gets.
    pub(super) named: Vec<(Jid, Option<&'a Node>)>,
}

impl State {
    pub(super) fn check_group<'a>(
        &mut self,
        from: DeviceKey,
        to: &Jid,
        node: &'a Node,
    ) -> Result<Fanout<'a>, Refusal> {
        let group = self.groups.find(to).ok_or(Refusal(404))?;
        if !group.members.contains_key(&from.account) {
            return Err(Refusal(403));
        }
        let mode = group.mode;
        // A resend need not say it: not every client does.
        let unnamed = if node.get("participant").is_some() { mode.as_str() } else { "pn" };
        if node.attr_text("addressing_mode").as_deref().unwrap_or(unnamed) != mode.as_str() {
            return Err(Refusal(421));
        }
        if group.announcement && !group.is_admin(from.account) {
            return Err(Refusal(403));
        }
        let parts = parts(node)?;
        let only = self.check_target(node)?;
        let roster = self.roster(to).ok_or(Refusal(404))?;
        let like = mode.sample();
        let mut copies = self.check_named(&like, &parts)?;
        // Whoever left while the message was on its way gets nothing; the hash tells the sender.
        copies.retain(|device, _| roster.devices.binary_search(device).is_ok());
        if let Some(only) = only {
            if roster.devices.binary_search(&only).is_err() {
                return Err(Refusal(403));
            }
            copies.extend(parts.direct.map(|enc| (only, enc)));
            copies.retain(|device, _| *device == only);
        }
        let receivers = if parts.shared.is_some() {
            roster.devices
        } else {
            let mut named: Vec<DeviceKey> = copies.keys().copied().collect();
            named.sort_unstable();
            named.into()
        };
        Ok(Fanout {
            to: to.clone(),
            like,
            shared: parts.shared,
            copies,
            receivers,
            only,
            mode: Some(mode.as_str()),
            phash: Some(roster.phash),
        })
    }

    /// The one device that a resend is for.
    pub(super) fn check_target(&self, node: &Node) -> Result<Option<DeviceKey>, Refusal> {
        let direct = node.find_all("enc").any(|enc| enc.attr_text("type").as_deref() != Some("skmsg"));
        match node.attr_jid("participant") {
            Some(target) => Ok(Some(self.device_key(&target).ok_or(Refusal(404))?)),
            None if direct => Err(Refusal(400)),
            None => Ok(None),
        }
    }

    /// The copies by device. Addresses of another namespace, or named twice, are refused.
    pub(super) fn check_named<'a>(
        &self,
        like: &Jid,
        parts: &Parts<'a>,
    ) -> Result<HashMap<DeviceKey, &'a Node>, Refusal> {
        let mut copies = HashMap::with_capacity(parts.named.len());
        for (jid, enc) in &parts.named {
            if jid.server().folded() != like.server().folded() {
                return Err(Refusal(400));
            }
            if let (Some(enc), Some(key)) = (enc, self.device_key(jid))
                && copies.insert(key, *enc).is_some()
            {
                return Err(Refusal(400));
            }
        }
        Ok(copies)
    }

    /// Acknowledges a message with many receivers, and hands it out.
    pub(super) fn fan_out(&mut self, from: DeviceKey, id: &str, node: &Node, fanout: &Fanout<'_>) {
        let now = self.tick();
        let memory = self.config.memory;
        let Some(device) = self.device_mut(from) else { return };
        let time = device.recent.note(id, now, memory) / 1_000_000;
        let sent = node.attr_text("phash");
        let corrected = fanout
            .phash
            .as_deref()
            .filter(|hash| fanout.only.is_none() && sent.as_deref().is_some_and(|sent| sent != *hash));
        let ack = ack(id, Some(&fanout.to))
            .attr("t", time)
            .attr_opt("participant", node.get("participant").cloned())
            .attr_opt("addressing_mode", fanout.mode)
            .attr_opt("phash", corrected);
        self.transmit(from, ack);

        let head = self.head(from, id, node, fanout, time);
        let passed: Vec<&Node> =
            node.nodes().iter().filter(|child| PASSED.contains(&child.tag.as_ref())).collect();
        let whole = |own: Option<&Node>| {
            let establishes = own.is_some_and(|enc| enc.attr_text("type").as_deref() == Some("pkmsg"));
            let identity = node.find("device-identity").filter(|_| establishes);
            let children = own.into_iter().chain(fanout.shared).chain(identity).chain(passed.iter().copied());
            Arc::new(head.clone().children(children.cloned()))
        };
        // The same stanza for all who get no copy of their own.
        let common = fanout.shared.map(|_| whole(None));
        let is_new = fanout.only.is_some() || self.claim(from, id, (from, 0));
        for target in fanout.receivers.iter().copied().filter(|target| *target != from) {
            if fanout.only.is_some_and(|only| only != target) {
                continue;
            }
            let own = fanout.copies.get(&target).copied();
            // The same message again is for those who did not get a copy of their own the first time.
            let is_due = if own.is_some() || fanout.only.is_some() {
                let resend = own.and_then(|enc| enc.attr_number("count")).unwrap_or(0);
                self.claim(from, id, (target, u32::try_from(resend).unwrap_or(u32::MAX)))
            } else {
                is_new
            };
            if !is_due {
                continue;
            }
            let stanza = match (&common, own) {
                (Some(common), None) => Arc::clone(common),
                (_, own) => whole(own),
            };
            self.deliver(target, stanza);
        }
    }

    fn claim(&mut self, from: DeviceKey, id: &str, copy: crate::dedupe::Copy) -> bool {
        self.device_mut(from).is_some_and(|device| device.recent.claim(id, copy))
    }

    /// A copy without its content.
    fn head(&self, from: DeviceKey, id: &str, node: &Node, fanout: &Fanout<'_>, time: u64) -> Node {
        let mut head = Node::new("message")
            .attr("from", &fanout.to)
            .attr("id", id)
            .attr("t", time)
            .attr("participant", self.jid_of(from, &fanout.like))
            .attr_opt("addressing_mode", fanout.mode);
        head = copy_attrs(head, node, &["type", "edit", "phash"]);
        if let Some(sender) = self.account(from.account) {
            let name = if fanout.like.is_lid() { "participant_pn" } else { "participant_lid" };
            head = head.attr(name, sender.other_jid(&fanout.like));
            if !sender.name.is_empty() {
                head = head.attr("notify", &sender.name);
            }
        }
        head
    }
}

/// Takes the ciphertexts of a message apart; each must have the form of one.
pub(super) fn parts(node: &Node) -> Result<Parts<'_>, Refusal> {
    let (mut shared, mut direct) = (None, None);
    for enc in node.find_all("enc") {
        let place = if enc.attr_text("type").as_deref() == Some("skmsg") { &mut shared } else { &mut direct };
        if place.replace(check_any_enc(enc)?).is_some() {
            return Err(Refusal(400));
        }
    }
    let mut named = Vec::new();
    for entry in node.find("participants").into_iter().flat_map(|participants| participants.find_all("to")) {
        let jid = entry.attr_jid("jid").filter(Jid::is_user).ok_or(Refusal(400))?;
        let mut encs = entry.find_all("enc");
        let enc = encs.next().map(check_enc).transpose()?;
        if encs.next().is_some() {
            return Err(Refusal(400));
        }
        named.push((jid, enc));
    }
    if shared.is_none() && direct.is_none() && named.iter().all(|(_, enc)| enc.is_none()) {
        return Err(Refusal(400));
    }
    Ok(Parts { shared, direct, named })
}
