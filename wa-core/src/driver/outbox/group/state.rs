//! What memory holds of the groups that messages are sent to.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use wa_store::Changes;
use wa_types::{Jid, MessageId, SignalAddress};
use zeroize::Zeroizing;

use super::GroupRoute;
use crate::e2e::group::KeyHolders;
use crate::stanza::message::EncKind;

/// How many groups' routes stay in memory.
const KEPT: usize = 256;

/// The groups that messages are sent to.
#[derive(Default)]
pub(in crate::driver) struct GroupSends {
    pub(super) groups: HashMap<Jid, GroupSend>,
    /// Who has our keys of the groups that are at it: ahead of the store until the step's commit.
    pub(super) holders: HashMap<Jid, HoldersSlot>,
    pub(super) uses: u64,
}

pub(super) struct HoldersSlot {
    pub(super) holders: Option<KeyHolders>,
    pub(super) is_changed: bool,
}

/// One group's sending.
#[derive(Default)]
pub(super) struct GroupSend {
    pub(super) used: u64,
    /// Whose devices are still to be asked for, and are being asked for.
    pub(super) unlisted: Vec<Jid>,
    pub(super) listing: Vec<Jid>,
    pub(super) route: Option<Arc<GroupRoute>>,
    /// Some device gave no keys: then it is looked for again.
    pub(super) look_again_at: Option<Instant>,
    /// Our key, on its way to those who lack it.
    pub(super) keys: Option<Keys>,
    /// What left with a message whose ack has not come.
    pub(super) given: Option<Given>,
}

/// Our key, being sealed for those who lack it.
pub(super) struct Keys {
    pub(super) padded: Zeroizing<Vec<u8>>,
    /// Whose turn it is; by address in the group, and by session.
    pub(super) to_do: VecDeque<(Jid, SignalAddress)>,
    /// Whose keys are still to be asked for, and are being asked for.
    pub(super) without_session: VecDeque<(Jid, SignalAddress)>,
    pub(super) asked: Vec<(Jid, SignalAddress)>,
    pub(super) sealed: Vec<(Jid, EncKind, Vec<u8>)>,
}

/// Who was given our key with which message.
pub(super) struct Given {
    pub(super) id: MessageId,
    pub(super) key_id: u32,
    pub(super) devices: Vec<Jid>,
}

impl GroupSends {
    pub(super) fn entry(&mut self, group: &Jid) -> &mut GroupSend {
        self.uses += 1;
        let uses = self.uses;
        let entry = self.groups.entry(group.clone()).or_default();
        entry.used = uses;
        entry
    }

    /// Whether the group's next message waits for the ack of one that our key left with.
    pub(in crate::driver::outbox) fn waits_for_ack(&self, group: &Jid) -> bool {
        self.groups.get(group).is_some_and(|send| send.given.is_some())
    }

    /// Something about the group changed: the way is found anew before the next message.
    pub(super) fn drop_route(&mut self, group: &Jid) {
        if let Some(send) = self.groups.get_mut(group) {
            (send.route, send.keys) = (None, None);
        }
    }

    /// This user's devices changed.
    pub(in crate::driver::outbox) fn drop_routes_of(&mut self, user: &Jid) {
        for send in self.groups.values_mut() {
            if send.route.as_ref().is_some_and(|route| route.concerns(user)) {
                (send.route, send.keys) = (None, None);
            }
        }
    }

    /// The connection is gone: what left on it may not have arrived.
    pub(in crate::driver::outbox) fn disconnected(&mut self) {
        for send in self.groups.values_mut().filter(|send| send.keys.is_some() || send.given.is_some()) {
            (send.route, send.keys, send.given) = (None, None, None);
        }
    }

    /// Memory is ahead of the store.
    pub(in crate::driver::outbox) fn forget_all(&mut self) {
        self.groups.clear();
        self.holders.clear();
    }

    /// Adds to a commit who was given our keys, and who has them.
    pub(in crate::driver) fn stage(&mut self, changes: &mut Changes) {
        for (group, slot) in self.holders.iter_mut().filter(|(_, slot)| slot.is_changed) {
            slot.is_changed = false;
            match &slot.holders {
                Some(holders) => changes.put_key_holders(group.clone(), holders.encode()),
                None => changes.delete_key_holders(group.clone()),
            };
        }
        let groups = &self.groups;
        self.holders.retain(|group, _| {
            groups.get(group).is_some_and(|send| send.given.is_some() || send.keys.is_some())
        });
    }

    /// Changes who has our key of a group; that must be loaded.
    pub(super) fn change_holders(&mut self, group: &Jid, change: impl FnOnce(&mut KeyHolders)) {
        if let Some(HoldersSlot { holders: Some(holders), is_changed }) = self.holders.get_mut(group) {
            change(holders);
            *is_changed = true;
        }
    }

    /// Lets go of what memory should not hold: of the groups that were not used the longest.
    pub(in crate::driver) fn trim(&mut self) {
        while self.groups.len() > KEPT {
            let idle = self.groups.iter().filter(|(_, send)| send.given.is_none() && send.keys.is_none());
            let oldest = idle.min_by_key(|(_, send)| send.used).map(|(jid, _)| jid.clone());
            let Some(oldest) = oldest else { return };
            self.groups.remove(&oldest);
        }
    }
}
