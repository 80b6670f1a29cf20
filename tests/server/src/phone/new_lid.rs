//! An account that gets another LID.

use wa_core::wire::Node;
use wa_types::Jid;

use super::Phone;
use crate::account::DeviceKey;
use crate::state::State;

impl Phone {
    /// Gives the account another LID, which this returns. Contacts are told; what is sent to the old one still arrives,
    /// and [`Self::lid`] still tells it.
    pub fn change_lid(&self) -> Jid {
        let mut state = self.hub.state();
        let new = Jid::lid((NEW_LIDS + state.next_id()).to_string());
        let index = self.inner.key.account;
        if let Some(old) = state.set_lid(index, new.clone()) {
            state.announce_lid(index, &old, &new);
        }
        new
    }
}

impl State {
    /// Tells the contacts of an account's new LID. Protocol: requests, "mex".
    fn announce_lid(&mut self, index: usize, old: &Jid, new: &Jid) {
        let (now, id) = (self.now_seconds(), self.next_id());
        let Some(account) = self.account(index) else { return };
        let change = serde_json::json!({
            "data": { "xwa2_notify_lid_change": { "old": old.to_string(), "new": new.to_string() } }
        });
        let update = Node::new("update").attr("op_name", "LidChangeNotification");
        let notification = Node::new("notification")
            .attr("type", "mex")
            .attr("from", Jid::SERVER)
            .attr("id", id)
            .attr("t", now)
            .child(update.bytes(change.to_string().into_bytes()));
        let contacts = account.contacts.clone();
        let devices: Vec<DeviceKey> =
            contacts.into_iter().flat_map(|contact| self.devices_of(contact)).collect();
        for device in devices {
            self.deliver(device, notification.clone());
        }
    }
}

/// Far from those that accounts begin with.
const NEW_LIDS: u64 = 700_000_000_000_000;
