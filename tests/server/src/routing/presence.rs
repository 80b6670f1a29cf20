//! Presence, typing and calls: only for who is there, nothing is kept (but calls).
//! Protocol: receiving, "Presence and chat state" and "Calls".

use std::sync::Arc;

use wa_core::wire::Node;
use wa_types::Jid;

use crate::account::DeviceKey;
use crate::session::Resume;
use crate::stanza::{Read, malformed};
use crate::state::State;

impl State {
    pub(super) fn handle_presence(&mut self, from: DeviceKey, node: &Node) {
        if let Some(name) = node.attr_text("name").filter(|name| !name.is_empty())
            && let Some(account) = self.accounts.get_mut(from.account)
        {
            account.name = name.into_owned();
        }
        match node.attr_text("type").as_deref() {
            // Without a type it only tells the name.
            None => {}
            Some("available") => self.set_available(from, true),
            Some("unavailable") => self.set_available(from, false),
            Some("subscribe") => {
                let Some(to) = node.attr_jid("to") else { return self.transmit(from, malformed()) };
                let Some(account) = self.account_of(&to) else { return };
                let device = self.device_mut(from);
                if let Some(session) = device.and_then(|device| device.session.as_mut()) {
                    session.watching.insert(account);
                }
                let presence = self.presence_of(account, to.is_lid());
                self.transmit(from, presence);
            }
            Some("unsubscribe") => {
                let account = node.attr_jid("to").and_then(|to| self.account_of(&to));
                let session = self.device_mut(from).and_then(|device| device.session.as_mut());
                if let (Some(session), Some(account)) = (session, account) {
                    session.watching.remove(&account);
                }
            }
            Some(_) => self.transmit(from, malformed()),
        }
    }

    /// A device says that it is in use, or not; whoever watches hears it when that changes for the account.
    pub(crate) fn set_available(&mut self, key: DeviceKey, available: bool) {
        let before = self.is_available(key.account);
        if let Some(session) = self.device_mut(key).and_then(|device| device.session.as_mut()) {
            session.available = available;
        }
        self.tell_watchers(key.account, before);
    }

    /// Tells the watchers of an account, if its presence is not `before` any more.
    pub(crate) fn tell_watchers(&mut self, account: usize, before: bool) {
        if self.is_available(account) == before {
            return;
        }
        let now = self.now_seconds();
        if let Some(account) = self.accounts.get_mut(account) {
            account.last_seen = before.then_some(now);
        }
        let presence = self.presence_of(account, true);
        let watchers: Vec<DeviceKey> = (0..self.accounts.len())
            .flat_map(|watcher| self.devices_of(watcher))
            .filter(|key| {
                let session = self.device(*key).and_then(|device| device.session.as_ref());
                session.is_some_and(|session| session.watching.contains(&account))
            })
            .collect();
        for watcher in watchers {
            self.transmit(watcher, presence.clone());
        }
    }

    /// Whether any device of the account is in use.
    pub(crate) fn is_available(&self, account: usize) -> bool {
        self.account(account).is_some_and(|account| {
            account
                .devices
                .values()
                .any(|device| device.session.as_ref().is_some_and(|session| session.available))
        })
    }

    fn presence_of(&self, index: usize, lid: bool) -> Node {
        let Some(account) = self.account(index) else { return Node::new("presence") };
        let node = Node::new("presence").attr("from", if lid { &account.lid } else { &account.pn });
        if self.is_available(index) {
            return node;
        }
        let last = account.last_seen.map_or_else(|| "deny".to_owned(), |time| time.to_string());
        node.attr("type", "unavailable").attr("last", last)
    }

    pub(super) fn handle_chatstate(&mut self, from: DeviceKey, node: &Node) {
        let Some(to) = node.attr_jid("to") else { return self.transmit(from, malformed()) };
        if to.is_group() {
            return self.tell_typing(from, &to, node);
        }
        let Some(account) = self.account_of(&to).filter(|account| *account != from.account) else { return };
        let state = Node::new("chatstate")
            .attr("from", self.jid_of(from, &to).to_user())
            .children(node.nodes().iter().cloned());
        for target in self.devices_of(account) {
            let session = self.device(target).and_then(|device| device.session.as_ref());
            if session.is_some_and(|session| session.resume == Resume::Live) {
                self.transmit(target, state.clone());
            }
        }
    }

    /// Members that are there see who types.
    fn tell_typing(&mut self, from: DeviceKey, group: &Jid, node: &Node) {
        let Some(found) = self.groups.find(group) else { return };
        if !found.members.contains_key(&from.account) {
            return;
        }
        let state = Node::new("chatstate")
            .attr("from", group)
            .attr("participant", self.jid_of(from, &found.mode.sample()).to_user())
            .children(node.nodes().iter().cloned());
        let state = Arc::new(state);
        let members = self.members_of(group).into_iter().filter(|member| *member != from.account);
        for target in members.flat_map(|member| self.devices_of(member)).collect::<Vec<_>>() {
            let session = self.device(target).and_then(|device| device.session.as_ref());
            if session.is_some_and(|session| session.resume == Resume::Live) {
                self.transmit(target, Arc::clone(&state));
            }
        }
    }

    pub(super) fn handle_call(&mut self, from: DeviceKey, node: &Node) {
        let (Some(id), Some(to)) = (node.attr_text("id"), node.attr_jid("to")) else {
            return self.transmit(from, malformed());
        };
        let kind = node.nodes().first().map(|child| child.tag.to_string());
        let ack = Node::new("ack")
            .attr("class", "call")
            .attr("id", id.as_ref())
            .attr("from", &to)
            .attr_opt("type", kind);
        let Some(target) = self.device_key(&to) else {
            return self.transmit(from, ack.attr("error", 404_u16));
        };
        self.transmit(from, ack);
        let call = Node::new("call")
            .attr("from", self.jid_of(from, &to))
            .attr("id", id.as_ref())
            .attr("t", self.now_seconds())
            .children(node.nodes().iter().cloned());
        let targets = if to.device() == 0 { self.devices_of(target.account) } else { vec![target] };
        for target in targets.into_iter().filter(|target| *target != from) {
            self.deliver(target, call.clone());
        }
    }
}
