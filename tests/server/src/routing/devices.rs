//! A device came or went: the own devices and the contacts are told.
//! Protocol: prekeys and devices, "devices notification" and "account_sync".

use wa_core::wire::Node;

use crate::account::{DeviceKey, KeyIndexList};
use crate::stanza::conflict;
use crate::state::State;

/// What happened to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Removed,
}

impl State {
    /// Tells everyone concerned of a change that already happened.
    pub(crate) fn announce_device(&mut self, key: DeviceKey, key_index: Option<u32>, change: Change) {
        let now = self.now_seconds();
        let id = self.next_id();
        let Some(account) = self.account(key.account) else { return };
        let (pn, lid) = (account.pn.clone(), account.lid.clone());
        let device = Node::new("device")
            .attr("jid", pn.clone().with_device(key.number))
            .attr_opt("key-index", key_index)
            .attr("lid", lid.clone().with_device(key.number));
        let list = account.key_index_list.as_ref();
        let (tag, list) = match change {
            Change::Added => ("add", list.map(key_index_node)),
            Change::Removed => {
                let timestamp = list.map_or(now, |list| list.timestamp);
                ("remove", Some(Node::new("key-index-list").attr("ts", timestamp)))
            }
        };
        let operation = Node::new(tag)
            .attr("device_hash", account.devices_hash(&pn))
            .attr("device_lid_hash", account.devices_hash(&lid))
            .child(device)
            .children(list);
        let to_contacts = Node::new("notification")
            .attr("type", "devices")
            .attr("from", &pn)
            .attr("lid", &lid)
            .attr("id", id)
            .attr("t", now)
            .child(operation);
        let contacts = account.contacts.clone();
        let to_own = self.account_sync(key.account);
        for own in self.devices_of(key.account).into_iter().filter(|own| *own != key) {
            self.deliver(own, to_own.clone());
        }
        for contact in contacts.into_iter().flat_map(|contact| self.devices_of(contact)).collect::<Vec<_>>() {
            self.deliver(contact, to_contacts.clone());
        }
    }

    /// The own device list, as own devices are told of it.
    fn account_sync(&mut self, index: usize) -> Node {
        let (now, id) = (self.now_seconds(), self.next_id());
        let Some(account) = self.account(index) else { return Node::new("notification") };
        let devices = account.devices.iter().map(|(number, device)| {
            Node::new("device")
                .attr("jid", account.pn.clone().with_device(*number))
                .attr_opt("key-index", device.key_index)
        });
        let list = Node::new("devices")
            .attr("dhash", account.devices_hash(&account.pn))
            .children(devices)
            .children(account.key_index_list.as_ref().map(key_index_node));
        Node::new("notification")
            .attr("type", "account_sync")
            .attr("from", &account.pn)
            .attr("id", id)
            .attr("t", now)
            .child(list)
    }

    /// Takes a companion off its account and ends its connection. `false` when there is no such companion.
    pub(crate) fn remove_device(&mut self, key: DeviceKey) -> bool {
        if key.number == 0 {
            return false;
        }
        let was_available = self.is_available(key.account);
        let account = self.accounts.get_mut(key.account);
        let Some(device) = account.and_then(|account| account.devices.remove(&key.number)) else {
            return false;
        };
        if let Some(session) = device.session {
            let last = conflict(Some(401), "device_removed");
            self.note_last(key, &last);
            session.finish(Some(last));
        }
        self.tell_watchers(key.account, was_available);
        self.announce_device(key, device.key_index, Change::Removed);
        true
    }
}

/// The signed list of valid key indexes, as stanzas carry it.
pub(crate) fn key_index_node(list: &KeyIndexList) -> Node {
    Node::new("key-index-list").attr("ts", list.timestamp).bytes(list.signed.clone())
}
