//! Our key of a group: who lacks it, and how it gets to them. Protocol: messages, "Who gets the sender key".

use std::sync::Arc;

use wa_store::{Group, SenderKeyName, StoreError};
use wa_types::{Jid, SignalAddress};

use super::state::HoldersSlot;
use super::{ASKED_AT_ONCE, FanOut, GroupRoute, LOOK_AGAIN};
use crate::driver::outbox::Waits;
use crate::driver::outbox::route::{Prepared, Route};
use crate::driver::{Actor, Step, clock};
use crate::e2e::group::KeyHolders;
use crate::event::Event;
use crate::signal::{CiphertextKind, OwnSenderKey};
use crate::stanza::message::EncKind;

/// For how many devices our key is sealed in one step.
const SEALED_AT_ONCE: usize = 256;

impl Actor {
    /// Which devices lack our key; all of a new one, when there is none, or when somebody may have it who is no reader
    /// any more.
    pub(super) async fn lacking_our_key(
        &mut self,
        info: &Group,
        name: &SenderKeyName,
        fan_out: &FanOut,
    ) -> Result<Vec<Jid>, StoreError> {
        self.load_own_key(name).await?;
        self.load_holders(&info.jid).await?;
        let key_id = self.groups.keys.get(name).map(OwnSenderKey::key_id);
        let slot = self.outbox.groups.holders.get(&info.jid);
        if let Some(holders) = slot.and_then(|slot| slot.holders.as_ref())
            && key_id.is_some_and(|id| holders.is_of(id, info.addressing))
            && holders.are_among(&fan_out.devices)
        {
            return Ok(holders.lacking(&fan_out.devices));
        }
        tracing::debug!(group = ?info.jid, "a new key of ours");
        let key = self.groups.keys.rotate(name, &mut self.random);
        let holders = Some(KeyHolders::new(key.key_id(), info.addressing));
        self.outbox.groups.holders.insert(info.jid.clone(), HoldersSlot { holders, is_changed: true });
        Ok(fan_out.devices.clone())
    }

    pub(in crate::driver) async fn load_own_key(&mut self, name: &SenderKeyName) -> Result<(), StoreError> {
        if !self.groups.keys.has_loaded(name) {
            let record = self.store.sender_keys(std::slice::from_ref(name)).await?.into_iter().next();
            self.groups.keys.load(name.clone(), record.flatten());
        }
        Ok(())
    }

    pub(super) async fn load_holders(&mut self, group: &Jid) -> Result<(), StoreError> {
        if !self.outbox.groups.holders.contains_key(group) {
            let record = self.store.key_holders(std::slice::from_ref(group)).await?.into_iter().next();
            let holders = record.flatten().and_then(|record| KeyHolders::decode(&record));
            self.outbox.groups.holders.insert(group.clone(), HoldersSlot { holders, is_changed: false });
        }
        Ok(())
    }

    /// Seals our key for the next devices that lack it. Those without a session are asked about, and those that give no
    /// keys are left out.
    pub(super) async fn seal_keys(&mut self, route: &Arc<GroupRoute>) -> Result<Prepared, StoreError> {
        let Some(mut keys) = self.outbox.groups.entry(&route.to).keys.take() else {
            return Ok(Prepared::Go(Route::Group(Arc::clone(route))));
        };
        // Whose answer has come has a session now, or is known to give no keys.
        let lookups = &self.outbox.lookups;
        let (asked, answered) = std::mem::take(&mut keys.asked)
            .into_iter()
            .partition(|(_, address)| lookups.is_asking_keys_of(address));
        keys.asked = asked;
        keys.to_do.extend::<Vec<_>>(answered);

        let piece: Vec<_> = keys.to_do.drain(..keys.to_do.len().min(SEALED_AT_ONCE)).collect();
        self.load_sessions(piece.iter().map(|(_, address)| address.clone()).collect()).await?;
        for (device, address) in piece {
            if self.ratchets.can_send_to(&address) {
                match self.ratchets.seal(&address, &keys.padded) {
                    Ok(sealed) => {
                        let kind = match sealed.kind {
                            CiphertextKind::PreKey => EncKind::PreKey,
                            CiphertextKind::Message => EncKind::Message,
                        };
                        keys.sealed.push((device, kind, sealed.bytes));
                    }
                    Err(error) => tracing::warn!(%error, ?device, "a device does not get our key"),
                }
            } else if self.outbox.lookups.knows_no_keys_of(&address) {
                let again = clock::now() + LOOK_AGAIN;
                self.outbox.groups.entry(&route.to).look_again_at.get_or_insert(again);
            } else {
                keys.without_session.push_back((device, address));
            }
        }
        while keys.asked.len() <= ASKED_AT_ONCE && !keys.without_session.is_empty() {
            let count = keys.without_session.len().min(ASKED_AT_ONCE);
            let next: Vec<_> = keys.without_session.drain(..count).collect();
            self.fetch_bundles(next.iter().map(|(_, address)| address.clone()).collect());
            keys.asked.extend(next);
        }
        let prepared = if !keys.to_do.is_empty() {
            Prepared::Wait(Waits::Turn)
        } else if !keys.asked.is_empty() {
            Prepared::Wait(Waits::Bundles(keys.asked.iter().map(|(_, address)| address.clone()).collect()))
        } else {
            Prepared::Go(Route::Group(Arc::clone(route)))
        };
        self.outbox.groups.entry(&route.to).keys = Some(keys);
        Ok(prepared)
    }

    /// Has a device get our key of a group again, with the next message: it could not read one.
    pub(in crate::driver) async fn forget_holder(
        &mut self,
        group: &Jid,
        device: &Jid,
    ) -> Result<(), StoreError> {
        let forms = self.forms_of(device).await?;
        self.outbox.groups.drop_route(group);
        if let Some(given) = self.outbox.groups.groups.get_mut(group).and_then(|send| send.given.as_mut()) {
            // What is on its way to it was sealed before.
            given.devices.retain(|device| !forms.contains(device));
        }
        self.load_holders(group).await?;
        self.outbox.groups.change_holders(group, |holders| {
            forms.iter().for_each(|form| holders.doubt(form));
        });
        Ok(())
    }

    /// Makes our key of a group anew before the next message: somebody may have it who must not read on.
    pub(in crate::driver) fn rotate_group_key(&mut self, group: &Jid, step: &mut Step) {
        self.outbox.groups.groups.remove(group);
        let gone = HoldersSlot { holders: None, is_changed: true };
        self.outbox.groups.holders.insert(group.clone(), gone);
        let own = self.own();
        let addresses = own.iter().flat_map(|own| [Some(&own.pn), own.lid.as_ref()]).flatten();
        for sender in addresses.filter_map(SignalAddress::from_jid) {
            self.groups.keys.forget(SenderKeyName { group: group.clone(), sender }, &mut step.changes);
        }
    }

    /// A device with a new identity may be somebody else's: what had our keys of groups under the old one must not read
    /// on.
    pub(in crate::driver) async fn rotate_after_identity_changes(
        &mut self,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let changed: Vec<Jid> = step
            .events
            .iter()
            .filter_map(|event| match event {
                Event::IdentityChanged { device, .. } => Some(device.clone()),
                _ => None,
            })
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        let mut forms = Vec::new();
        for device in changed {
            forms.extend(self.forms_of(&device).await?);
        }
        for group in self.store.key_holder_groups().await? {
            self.load_holders(&group).await?;
            let slot = self.outbox.groups.holders.get(&group);
            let holders = slot.and_then(|slot| slot.holders.as_ref());
            if holders.is_some_and(|holders| forms.iter().any(|device| holders.may_have(device))) {
                self.rotate_group_key(&group, step);
            }
        }
        Ok(())
    }

    /// A device under both of its user's addresses, as far as both are known.
    async fn forms_of(&mut self, device: &Jid) -> Result<Vec<Jid>, StoreError> {
        let store = Arc::clone(&self.store);
        self.directory.load_addresses(&*store, vec![device.clone()]).await?;
        let other = self.directory.lid_of(device).or_else(|| self.directory.pn_of(device));
        let other = other.map(|other| other.clone().with_device(device.device()));
        Ok(other.into_iter().chain([device.clone()]).collect())
    }
}
