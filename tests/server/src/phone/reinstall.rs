//! A phone that is set up anew: another identity, another registration, no companions.

use wa_core::wire::Node;

use super::keys::{PhoneKeys, UPLOAD};
use super::sender_keys::SenderKeys;
use super::{Phone, peer};
use crate::account::DeviceKey;
use crate::state::State;

impl Phone {
    /// Installs the app again: new keys and a new epoch of the account, so that every companion is unlinked. Contacts
    /// hear that the identity changed. What waits for the phone was encrypted for its old keys: it will ask for it
    /// again.
    pub fn reinstall(&self) {
        let companions = self.linked_devices();
        for companion in &companions {
            self.remove_device(companion);
        }
        let keys = PhoneKeys::generate(UPLOAD);
        let public = keys.public();
        let mut phone = self.lock();
        phone.keys = keys;
        phone.sender_keys = SenderKeys::default();
        phone.sent = super::send::SentMessages::default();
        phone.known = peer::KnownMessages::default();
        phone.live.clear();
        phone.next_key_index = 1;
        drop(phone);
        let mut state = self.hub.state();
        if let Some(device) = state.device_mut(self.inner.key) {
            device.keys = public;
        }
        state.announce_identity(self.inner.key.account);
        drop(state);
        self.publish_list();
    }
}

impl State {
    /// Tells the contacts that an account's phone has another identity. Protocol: receiving, "Notifications".
    fn announce_identity(&mut self, index: usize) {
        let (now, id) = (self.now_seconds(), self.next_id());
        let Some(account) = self.account(index) else { return };
        let notification = Node::new("notification")
            .attr("type", "encrypt")
            .attr("from", &account.pn)
            .attr("lid", &account.lid)
            .attr("id", id)
            .attr("t", now)
            .child(Node::new("identity"));
        let contacts = account.contacts.clone();
        let devices: Vec<DeviceKey> =
            contacts.into_iter().flat_map(|contact| self.devices_of(contact)).collect();
        for device in devices {
            self.deliver(device, notification.clone());
        }
    }
}
