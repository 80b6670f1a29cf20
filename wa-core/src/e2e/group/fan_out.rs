//! Which devices read a group. Protocol: messages, "phash", "Who gets the sender key"; groups and communities, "LID
//! addressing".

use std::collections::HashSet;

use wa_store::{AddressingMode, DeviceList, Group};
use wa_types::Jid;

use crate::e2e::addressing::OwnAddress;
use crate::e2e::phash::participant_hash;

/// All devices of a group's members but this one, and what the server compares them with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FanOut {
    /// The devices, as the group addresses them; each once, hosted ones left out.
    pub devices: Vec<Jid>,
    /// The participant hash of all devices, this one included.
    pub phash: String,
}

impl FanOut {
    /// The members of a group whose device lists are needed, as the group addresses them; our own account included.
    #[must_use]
    pub fn users(group: &Group, own: &OwnAddress) -> Vec<Jid> {
        let me = own.in_group(group.addressing).map(Jid::to_user);
        let mut known = HashSet::with_capacity(group.members.len() + 1);
        let members = group.members.iter().filter(|member| !member.is_unreachable);
        let members = members.filter_map(|member| member.address(group.addressing)).cloned();
        let users =
            members.chain(me).filter(|user| user.is_lid() == (group.addressing == AddressingMode::Lid));
        users.filter(|user| known.insert(user.clone())).collect()
    }

    /// The devices of `users`. A user without any device on the list has a phone all the same; one without a list is
    /// nobody.
    #[must_use]
    pub fn new<'l>(users: &[Jid], me: &Jid, list: impl Fn(&Jid) -> Option<&'l DeviceList>) -> Self {
        let mut devices = Vec::with_capacity(users.len() * 2);
        for user in users {
            let Some(list) = list(user) else { continue };
            if list.devices.is_empty() {
                devices.push(user.clone());
            }
            let own = list.devices.iter().filter(|device| !device.hosted);
            devices.extend(own.map(|device| user.clone().with_device(device.id)));
        }
        devices.retain(|device| device != me && !device.is_hosted());
        let phash = participant_hash(devices.iter().chain([me]));
        Self { devices, phash }
    }
}

impl OwnAddress {
    /// Our own device as a group of this mode addresses it; `None` while we have no LID for one addressed by LID.
    #[must_use]
    pub fn in_group(&self, mode: AddressingMode) -> Option<&Jid> {
        match mode {
            AddressingMode::Pn => Some(&self.pn),
            AddressingMode::Lid => self.lid.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use wa_store::{Device, GroupMember};

    use super::*;

    fn own() -> OwnAddress {
        OwnAddress { pn: Jid::pn("100").with_device(7), lid: Some(Jid::lid("900").with_device(7)) }
    }

    fn member(pn: &str, lid: Option<&str>) -> GroupMember {
        GroupMember::new(Some(Jid::pn(pn)), lid.map(Jid::lid))
    }

    fn group(addressing: AddressingMode) -> Group {
        Group {
            addressing,
            members: vec![member("100", Some("900")), member("200", Some("800")), member("300", None)],
            size: 3,
            ..Group::new("1203@g.us".parse().expect("a group"))
        }
    }

    fn list(ids: &[u16]) -> DeviceList {
        let devices =
            ids.iter().map(|id| Device { id: *id, hosted: *id == 99, ..Device::default() }).collect();
        DeviceList { devices, ..DeviceList::default() }
    }

    fn texts(jids: &[Jid]) -> Vec<String> {
        jids.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn users_are_in_the_groups_name_space_each_once() {
        let by_number = FanOut::users(&group(AddressingMode::Pn), &own());
        assert_eq!(
            texts(&by_number),
            ["100@s.whatsapp.net", "200@s.whatsapp.net", "300@s.whatsapp.net"],
            "our own account is a member once"
        );
        let mut by_lid = group(AddressingMode::Lid);
        assert_eq!(texts(&FanOut::users(&by_lid, &own())), ["900@lid", "800@lid"]);
        by_lid.members.remove(0);
        by_lid.members[0].is_unreachable = true;
        assert_eq!(texts(&FanOut::users(&by_lid, &own())), ["900@lid"], "our own account is one of them");
    }

    #[test]
    fn hosted_devices_and_this_device_get_nothing() {
        let users = FanOut::users(&group(AddressingMode::Pn), &own());
        let (ours, theirs, none) = (list(&[0, 7, 8]), list(&[0, 3, 99]), list(&[]));
        let fan_out = FanOut::new(&users, &own().pn, |user| match user.user() {
            "100" => Some(&ours),
            "200" => Some(&theirs),
            _ => Some(&none),
        });
        assert_eq!(
            texts(&fan_out.devices),
            [
                "100@s.whatsapp.net",
                "100:8@s.whatsapp.net",
                "200@s.whatsapp.net",
                "200:3@s.whatsapp.net",
                "300@s.whatsapp.net"
            ]
        );
        let with_us = fan_out.devices.iter().chain([&own().pn]).cloned().collect::<Vec<_>>();
        assert_eq!(fan_out.phash, participant_hash(&with_us));
    }

    #[test]
    fn this_device_counts_in_the_hash_once_whether_or_not_the_list_has_it() {
        let users = [Jid::pn("100")];
        let (with, without) = (list(&[0, 7]), list(&[0]));
        let hash = |list: &DeviceList| FanOut::new(&users, &own().pn, |_| Some(list)).phash;
        assert_eq!(hash(&with), hash(&without));
    }
}
