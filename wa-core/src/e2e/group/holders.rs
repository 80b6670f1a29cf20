//! Which devices have our own key of a group. Protocol: messages, "Who gets the sender key".
//!
//! A key goes out with a message, and only the server's ack of that message says that it arrived. So a device is
//! known in one of two ways: it *may* have the key, from before the bytes leave; and it *has* it, from the ack. Who
//! lacks it is told by the second, and whether the key must be made anew by the first: both err on the safe side,
//! whenever the process ends.

use std::collections::{BTreeMap, HashMap, HashSet};

use prost::Message;
use smol_str::SmolStr;
use wa_store::AddressingMode;
use wa_types::Jid;

/// The devices that have, or may have, one key of ours. Devices are as the group addresses them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyHolders {
    key_id: u32,
    mode: AddressingMode,
    /// Whether the device is known to have it.
    devices: HashMap<(SmolStr, u16), bool>,
}

impl KeyHolders {
    /// Nobody has this key yet.
    #[must_use]
    pub fn new(key_id: u32, mode: AddressingMode) -> Self {
        Self { key_id, mode, devices: HashMap::new() }
    }

    /// Whether it is about this key, in a group of this mode.
    #[must_use]
    pub fn is_of(&self, key_id: u32, mode: AddressingMode) -> bool {
        self.key_id == key_id && self.mode == mode
    }

    /// Whether this device may have the key.
    #[must_use]
    pub fn may_have(&self, device: &Jid) -> bool {
        device.is_lid() == (self.mode == AddressingMode::Lid) && self.devices.contains_key(&key_of(device))
    }

    /// Whether all devices that may have the key are among these. Otherwise somebody could read on who must not.
    #[must_use]
    pub fn are_among(&self, devices: &[Jid]) -> bool {
        let devices: HashSet<(&str, u16)> = devices.iter().map(|jid| (jid.user(), jid.device())).collect();
        self.devices.keys().all(|(user, device)| devices.contains(&(user.as_str(), *device)))
    }

    /// Those of these devices that are not known to have the key.
    #[must_use]
    pub fn lacking(&self, devices: &[Jid]) -> Vec<Jid> {
        devices.iter().filter(|jid| self.devices.get(&key_of(jid)) != Some(&true)).cloned().collect()
    }

    /// The key goes out to this device: it may have it from now on.
    pub fn give(&mut self, device: &Jid) {
        self.devices.entry(key_of(device)).or_insert(false);
    }

    /// The server took the key for this device. Without effect on one that it was not given to, or that was forgotten.
    pub fn confirm(&mut self, device: &Jid) {
        if let Some(has) = self.devices.get_mut(&key_of(device)) {
            *has = true;
        }
    }

    /// The device must get the key again. It may still have it.
    pub fn doubt(&mut self, device: &Jid) {
        if let Some(has) = self.devices.get_mut(&key_of(device)) {
            *has = false;
        }
    }

    /// All devices must get the key again.
    pub fn doubt_all(&mut self) {
        self.devices.values_mut().for_each(|has| *has = false);
    }

    /// As bytes that [`Self::decode`] reads; the same for the same devices.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut users: BTreeMap<&str, RawUser> = BTreeMap::new();
        for ((user, device), has) in &self.devices {
            let raw =
                users.entry(user).or_insert_with(|| RawUser { user: user.to_string(), ..RawUser::default() });
            if *has { &mut raw.has } else { &mut raw.may_have }.push(u32::from(*device));
        }
        let mut users: Vec<RawUser> = users.into_values().collect();
        for user in &mut users {
            user.has.sort_unstable();
            user.may_have.sort_unstable();
        }
        RawHolders { key_id: self.key_id, is_lid: self.mode == AddressingMode::Lid, users }.encode_to_vec()
    }

    /// Reads what [`Self::encode`] wrote; `None` for anything else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let raw = RawHolders::decode(bytes).ok()?;
        let mut devices = HashMap::with_capacity(raw.users.len() * 2);
        for RawUser { user, has, may_have } in raw.users {
            let user = SmolStr::new(user);
            let all = has.into_iter().map(|id| (id, true)).chain(may_have.into_iter().map(|id| (id, false)));
            for (id, has) in all {
                devices.insert((user.clone(), u16::try_from(id).ok()?), has);
            }
        }
        let mode = if raw.is_lid { AddressingMode::Lid } else { AddressingMode::Pn };
        Some(Self { key_id: raw.key_id, mode, devices })
    }
}

fn key_of(jid: &Jid) -> (SmolStr, u16) {
    (SmolStr::new(jid.user()), jid.device())
}

#[derive(Clone, PartialEq, Message)]
struct RawHolders {
    #[prost(uint32, tag = "1")]
    key_id: u32,
    #[prost(bool, tag = "2")]
    is_lid: bool,
    #[prost(message, repeated, tag = "3")]
    users: Vec<RawUser>,
}

#[derive(Clone, PartialEq, Message)]
struct RawUser {
    #[prost(string, tag = "1")]
    user: String,
    #[prost(uint32, repeated, tag = "2")]
    has: Vec<u32>,
    #[prost(uint32, repeated, tag = "3")]
    may_have: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn devices(numbers: &[(u32, u16)]) -> Vec<Jid> {
        numbers.iter().map(|(user, device)| Jid::lid(user.to_string()).with_device(*device)).collect()
    }

    #[test]
    fn only_an_ack_makes_a_holder() {
        let all = devices(&[(1, 0), (1, 4), (2, 0)]);
        let mut holders = KeyHolders::new(7, AddressingMode::Lid);
        holders.confirm(&all[0]);
        assert_eq!(holders.lacking(&all), all, "what was not given cannot be confirmed");
        all.iter().for_each(|device| holders.give(device));
        assert_eq!(holders.lacking(&all), all, "given is not arrived");
        holders.confirm(&all[0]);
        holders.confirm(&all[2]);
        assert_eq!(holders.lacking(&all), all[1..2]);
        holders.give(&all[0]);
        assert_eq!(holders.lacking(&all), all[1..2], "given again, it has it still");
    }

    #[test]
    fn who_may_have_the_key_counts_until_it_is_made_anew() {
        let all = devices(&[(1, 0), (2, 0)]);
        let mut holders = KeyHolders::new(7, AddressingMode::Lid);
        assert!(holders.are_among(&[]));
        holders.give(&all[1]);
        assert!(holders.may_have(&all[1]) && !holders.may_have(&all[0]) && !holders.may_have(&Jid::pn("2")));
        assert!(holders.are_among(&all));
        assert!(!holders.are_among(&all[..1]), "it may have arrived though no ack came");
        holders.confirm(&all[1]);
        holders.doubt(&all[1]);
        assert_eq!(holders.lacking(&all), all);
        assert!(!holders.are_among(&all[..1]));
        holders.confirm(&all[1]);
        holders.doubt_all();
        assert_eq!(holders.lacking(&all), all);
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_is_small() {
        let mut holders = KeyHolders::new(u32::MAX, AddressingMode::Lid);
        for user in 0..1024_u64 {
            for device in [0, 12] {
                let jid = Jid::lid(format!("{}", 100_000_000_000_000 + user)).with_device(device);
                holders.give(&jid);
                if user % 3 == 0 {
                    holders.confirm(&jid);
                }
            }
        }
        let bytes = holders.encode();
        assert_eq!(KeyHolders::decode(&bytes), Some(holders));
        assert!(bytes.len() < 24 * 1024, "{} bytes", bytes.len());
        assert_eq!(KeyHolders::decode(b"\xff\xff"), None);
        let empty = KeyHolders::new(3, AddressingMode::Pn);
        assert_eq!(KeyHolders::decode(&empty.encode()), Some(empty));
    }
}
