//! Who has which devices, which two addresses are one user, and under which of them the application knows the chat: the
//! store's records, with the recent ones in memory.

mod chats;

use std::collections::{HashMap, HashSet};

pub(super) use chats::Merge;

use wa_store::{Changes, ChatKey, DeviceList, LidMapping, Store, StoreError};
use wa_types::{Jid, SignalAddress, UnixMillis};

use crate::e2e::addressing::AddressPair;

/// How many entries of a kind stay in memory.
const KEPT: usize = 1024;

/// How well we know that two addresses are one user. Protocol: prekeys and devices, "Write rules".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Somebody who knows told us: it replaces what was known.
    Told,
    /// It stood beside something else: it replaces nothing.
    Seen,
    /// It held at some time: whatever is learned later replaces it.
    Stale,
}

#[derive(Debug, Default)]
pub(super) struct Directory {
    lids: HashMap<Jid, Option<Jid>>,
    pns: HashMap<Jid, Option<Jid>>,
    lists: HashMap<Jid, Option<DeviceList>>,
    chats: HashMap<Jid, Option<ChatKey>>,
    /// Whose list changed.
    changed: Vec<Jid>,
    /// Hints that contradicted what is known, and were looked into.
    disputed: HashSet<AddressPair>,
}

impl Directory {
    /// Loads the other address of each of these users.
    pub(super) async fn load_addresses(
        &mut self,
        store: &dyn Store,
        users: Vec<Jid>,
    ) -> Result<(), StoreError> {
        let (mut pns, mut lids) = (Vec::new(), Vec::new());
        let mut asked = HashSet::with_capacity(users.len());
        for user in users.iter().map(Jid::to_chat).filter(|user| asked.insert(user.clone())) {
            if user.is_pn() && !self.lids.contains_key(&user) {
                pns.push(user);
            } else if user.is_lid() && !self.pns.contains_key(&user) {
                lids.push(user);
            }
        }
        if !pns.is_empty() {
            let found = store.lids_of(&pns).await?;
            self.lids
                .extend(pns.into_iter().zip(found.into_iter().map(|found| found.map(|found| found.lid))));
        }
        if !lids.is_empty() {
            let found = store.pns_of(&lids).await?;
            self.pns.extend(lids.into_iter().zip(found.into_iter().map(|found| found.map(|found| found.pn))));
        }
        Ok(())
    }

    /// Loads the device lists of these users.
    pub(super) async fn load_lists(&mut self, store: &dyn Store, users: &[Jid]) -> Result<(), StoreError> {
        let missing: Vec<Jid> =
            users.iter().filter(|user| !self.lists.contains_key(*user)).cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let found = store.device_lists(&missing).await?;
        self.lists.extend(missing.into_iter().zip(found));
        Ok(())
    }

    /// The LID of a phone number user, as far as it is known and loaded.
    pub(super) fn lid_of(&self, pn: &Jid) -> Option<&Jid> {
        self.lids.get(&pn.to_chat())?.as_ref()
    }

    /// The phone number of a LID user, as far as it is known and loaded.
    pub(super) fn pn_of(&self, lid: &Jid) -> Option<&Jid> {
        self.pns.get(&lid.to_chat())?.as_ref()
    }

    /// The other address of a user, as far as it is known and loaded.
    pub(super) fn other_address(&self, user: &Jid) -> Option<&Jid> {
        self.lid_of(user).or_else(|| self.pn_of(user))
    }

    /// The other address of a device.
    pub(super) fn other_device_address(&self, device: &Jid) -> Option<Jid> {
        self.other_address(device).map(|user| user.clone().with_device(device.device()))
    }

    /// Whether this is what is known already. The pair must be loaded.
    pub(super) fn knows(&self, pair: &AddressPair) -> bool {
        self.lid_of(&pair.pn) == Some(&pair.lid) && self.pn_of(&pair.lid) == Some(&pair.pn)
    }

    /// A user's devices, as far as they are known and loaded.
    pub(super) fn list(&self, user: &Jid) -> Option<&DeviceList> {
        self.lists.get(user)?.as_ref()
    }

    /// Where the session with this device is kept: under its LID where that is known.
    pub(super) fn signal_address(&self, device: &Jid) -> Option<SignalAddress> {
        let lid = if device.is_pn() { self.lid_of(device) } else { None };
        match lid {
            Some(lid) => {
                let server = if device.server() == &wa_types::Server::Hosted {
                    wa_types::Server::HostedLid
                } else {
                    wa_types::Server::Lid
                };
                SignalAddress::from_jid(&lid.clone().with_device(device.device()).with_server(server))
            }
            None => SignalAddress::from_jid(device),
        }
    }

    /// Takes in that two addresses are one user. The pair must be loaded. [`Actor::learn`](super::Actor::learn) also
    /// takes care of sessions and chats; this is for an account that has none yet.
    pub(super) fn learn(&mut self, pair: AddressPair, now: UnixMillis, changes: &mut Changes) {
        if self.knows(&pair) {
            return;
        }
        changes.put_lid_mapping(LidMapping { lid: pair.lid.clone(), pn: pair.pn.clone(), learned: now });
        self.lids.insert(pair.pn.clone(), Some(pair.lid.clone()));
        if let Some(Some(before)) = self.pns.insert(pair.lid, Some(pair.pn.clone()))
            && before != pair.pn
        {
            // Whoever has that number now, it is not this user: it is read from the store again.
            self.lids.remove(&before);
        }
    }

    /// Notes that a hint contradicts what is known; the number, when that is new.
    pub(super) fn note_dispute(&mut self, pair: AddressPair) -> Option<Jid> {
        if self.disputed.len() >= KEPT {
            self.disputed.clear();
        }
        let pn = pair.pn.clone();
        self.disputed.insert(pair).then_some(pn)
    }

    /// Takes in a user's devices.
    pub(super) fn put_list(&mut self, user: Jid, list: DeviceList, changes: &mut Changes) {
        changes.put_device_list(user.clone(), list.clone());
        self.changed.push(user.clone());
        self.lists.insert(user, Some(list));
    }

    /// Forgets a user's devices: they are asked for again before the next message.
    pub(super) fn drop_list(&mut self, user: &Jid, changes: &mut Changes) {
        changes.delete_device_list(user.clone());
        self.changed.push(user.clone());
        self.lists.insert(user.clone(), None);
    }

    /// The users whose lists changed since this was asked.
    pub(super) fn take_changed_lists(&mut self) -> Vec<Jid> {
        std::mem::take(&mut self.changed)
    }

    /// Lets go of what memory should not hold.
    pub(super) fn trim(&mut self) {
        if self.lids.len() + self.pns.len() + self.lists.len() + self.chats.len() > KEPT {
            self.forget_all();
        }
    }

    /// Forgets all: it is read from the store again.
    pub(super) fn forget_all(&mut self) {
        let disputed = std::mem::take(&mut self.disputed);
        *self = Self { disputed, ..Self::default() };
    }
}
