//! Which devices get a copy, and in which name space. Protocol: messages, "Device lists and bundles", "PN and LID
//! addressing".

use wa_store::DeviceList;
use wa_types::{Jid, Server};

use super::addressing::OwnAddress;

/// One device that gets a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its address in the stanza.
    pub jid: Jid,
    /// Whether it is another device of our own account: it gets the message as a copy, with its chat.
    pub is_own: bool,
}

/// The devices that a direct message goes to: those of the recipient, then our own others, each once.
///
/// `recipient` decides the name space: all addresses are in it.
#[must_use]
pub fn of_direct(recipient: &Jid, theirs: &DeviceList, own: &OwnAddress, ours: &DeviceList) -> Vec<Target> {
    let me = own.beside(recipient);
    let is_note_to_self = own.is_account(recipient);
    let mut targets = Vec::with_capacity(theirs.devices.len() + ours.devices.len());
    if !is_note_to_self {
        let devices = theirs.devices.iter().map(|device| device_jid(recipient, device.id, device.hosted));
        targets.extend(devices.map(|jid| Target { jid, is_own: false }));
        if theirs.devices.is_empty() {
            targets.push(Target { jid: recipient.clone(), is_own: false });
        }
    }
    let others = ours.devices.iter().filter(|device| device.id != me.device());
    targets.extend(
        others
            .map(|device| Target { jid: device_jid(&me.to_user(), device.id, device.hosted), is_own: true }),
    );
    targets
}

fn device_jid(user: &Jid, id: u16, is_hosted: bool) -> Jid {
    let jid = user.clone().with_device(id);
    match user.server() {
        Server::Pn if is_hosted => jid.with_server(Server::Hosted),
        Server::Lid if is_hosted => jid.with_server(Server::HostedLid),
        _ => jid,
    }
}

#[cfg(test)]
mod tests {
    use wa_store::Device;

    use super::*;

    fn list(ids: &[u16]) -> DeviceList {
        let devices = ids.iter().map(|id| Device { id: *id, ..Device::default() }).collect();
        DeviceList { devices, ..DeviceList::default() }
    }

    fn texts(targets: &[Target]) -> Vec<String> {
        targets.iter().map(|target| target.jid.to_string()).collect()
    }

    #[test]
    fn all_addresses_are_in_the_recipients_name_space_and_this_device_gets_no_copy() {
        let own = OwnAddress { pn: Jid::pn("100").with_device(7), lid: Some(Jid::lid("900").with_device(7)) };
        let targets = of_direct(&Jid::lid("800"), &list(&[0, 3]), &own, &list(&[0, 7, 8]));
        assert_eq!(texts(&targets), ["800@lid", "800:3@lid", "900@lid", "900:8@lid"]);
        assert_eq!(targets.iter().filter(|target| target.is_own).count(), 2);
    }

    #[test]
    fn a_note_to_self_goes_to_each_own_device_once() {
        let own = OwnAddress { pn: Jid::pn("100").with_device(7), lid: None };
        let devices = list(&[0, 7]);
        assert_eq!(texts(&of_direct(&Jid::pn("100"), &devices, &own, &devices)), ["100@s.whatsapp.net"]);
    }
}
