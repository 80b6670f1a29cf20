//! Where a group's messages go. Protocol: messages, "Groups", "Server ack of a message".
//!
//! ```text
//! info ── device lists ── fan-out ── who lacks our key? ──┬─ nobody ──────────────────────────────> route
//!  ^            ^                                         └─ keys, sealed a piece per step ──> route ─┘
//!  └── 421 ─────┴── the server's hash differs; members, devices or keys change
//! ```
//!
//! A route stays until something changes, so that a message to a group whose devices all have our key costs one
//! encryption. The keys for those who lack ours are sealed a piece per step: other chats' messages go between. They
//! leave with one message, and the group's next messages wait for its ack: only then it is known that the devices have
//! the key ([`KeyHolders`]).

mod ack;
mod audience;
mod keys;
mod state;

use std::collections::hash_map::DefaultHasher;
use std::collections::{HashSet, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use wa_store::{AddressingMode, Group, SenderKeyName, StoreError};
use wa_types::{Jid, SignalAddress};

pub(super) use self::ack::GroupVerdict;
pub(in crate::driver) use self::state::GroupSends;
use self::state::{Given, Keys};
use super::route::{Prepared, Route, report_token};
use super::{Pending, Waits};
use crate::driver::delivery::{Audience, Setting};
use crate::driver::{Actor, clock};
use crate::e2e::addressing::OwnAddress;
use crate::e2e::encrypt::Plaintexts;
use crate::e2e::group::{FanOut, KeyHolders, distribution};
use crate::error::SendError;
use crate::stanza::message::OutboundGroupMessage;
use crate::wire::Node;

/// How many users' devices, and how many devices' keys, are asked for in one question: as many are computed with in
/// one step. Two questions are under way at a time, so that others' answers come between.
const ASKED_AT_ONCE: usize = 128;

/// A device that gave no keys is looked for again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// How a group's messages go, until something changes.
pub(super) struct GroupRoute {
    to: Jid,
    mode: AddressingMode,
    /// Only admins send.
    is_announcement: bool,
    /// How long messages stayed when this way was found.
    pub(super) expiration_s: u32,
    name: SenderKeyName,
    key_id: u32,
    phash: String,
    /// Hashes of the members' user parts: whose devices matter.
    users: HashSet<u64>,
    /// Who reads, where the message says so and not a group.
    audience: Option<ReadBy>,
}

/// The readers of a message to an audience.
struct ReadBy {
    audience: Arc<Audience>,
    info: Group,
    /// Its users as the stanza names them.
    users: Vec<Jid>,
}

impl GroupRoute {
    /// What it means that the server refused a message with this code.
    pub(super) fn refusal(&self, code: u16) -> SendError {
        match self.audience {
            Some(_) => SendError::from_code(code),
            None => ack::refusal_of(&self.to, code, self.is_announcement),
        }
    }

    fn is_for(&self, audience: Option<&Arc<Audience>>) -> bool {
        self.audience.as_ref().map(|read_by| &read_by.audience) == audience
    }

    fn concerns(&self, user: &Jid) -> bool {
        self.users.contains(&hash_of(user))
    }
}

fn hash_of(user: &Jid) -> u64 {
    let mut hasher = DefaultHasher::new();
    user.user().hash(&mut hasher);
    hasher.finish()
}

impl Actor {
    /// Finds the way of a group's next message, as far as this step gets; or of one to an audience, in whose place of the
    /// group is the status feed or the list.
    pub(in crate::driver::outbox) async fn prepare_group(
        &mut self,
        group: &Jid,
        audience: Option<Arc<Audience>>,
    ) -> Result<Prepared, StoreError> {
        let Some(own) = self.own() else { return Ok(Prepared::Fail(SendError::NotPaired)) };
        let send = self.outbox.groups.entry(group);
        if send.given.is_some() {
            return Ok(Prepared::Wait(Waits::Ack));
        }
        if send.look_again_at.is_some_and(|at| clock::now() >= at) {
            (send.route, send.keys, send.look_again_at) = (None, None, None);
        }
        if send.route.as_ref().is_some_and(|route| !route.is_for(audience.as_ref())) {
            (send.route, send.keys) = (None, None);
        }
        if let Some(route) = send.route.clone() {
            if send.keys.is_some() {
                return self.seal_keys(&route).await;
            }
            self.load_own_key(&route.name).await?;
            if self.groups.keys.get(&route.name).is_some_and(|key| key.key_id() == route.key_id) {
                return Ok(Prepared::Go(Route::Group(route)));
            }
        }
        match self.ask_for_lists(group) {
            Waits::Nothing => self.find_route(group, audience, &own).await,
            waits => Ok(Prepared::Wait(waits)),
        }
    }

    /// Goes on asking for devices; nothing is waited for when all have been.
    fn ask_for_lists(&mut self, group: &Jid) -> Waits {
        let send = self.outbox.groups.entry(group);
        let mut unlisted = std::mem::take(&mut send.unlisted);
        let mut listing = std::mem::take(&mut send.listing);
        listing.retain(|user| self.outbox.lookups.is_asking_for(user));
        while listing.len() <= ASKED_AT_ONCE && !unlisted.is_empty() {
            let next = unlisted.split_off(unlisted.len().saturating_sub(ASKED_AT_ONCE));
            listing.extend(next.iter().cloned());
            self.fetch_devices(next);
        }
        let waits = if listing.is_empty() { Waits::Nothing } else { Waits::Devices(listing.clone()) };
        let send = self.outbox.groups.entry(group);
        (send.unlisted, send.listing) = (unlisted, listing);
        waits
    }

    async fn find_route(
        &mut self,
        group: &Jid,
        audience: Option<Arc<Audience>>,
        own: &OwnAddress,
    ) -> Result<Prepared, StoreError> {
        let store = Arc::clone(&self.store);
        let info = match &audience {
            Some(audience) => match self.readers_of(group, audience, own).await? {
                Ok(info) => Arc::new(info),
                Err(unknown) => {
                    self.outbox.groups.entry(group).unlisted = unknown;
                    return Ok(Prepared::Wait(self.ask_for_lists(group)));
                }
            },
            None => match self.groups.load(&*store, group).await? {
                Some(info) => info,
                None => {
                    self.fetch_group(group, None);
                    return Ok(Prepared::Wait(Waits::Group));
                }
            },
        };
        let Some(me) = own.in_group(info.addressing).cloned() else {
            return Ok(Prepared::Fail(SendError::StaleAddressing));
        };
        let users = FanOut::users(&info, own);
        let held = self.held_among(&users).await?;
        if !held.is_empty() {
            return Ok(Prepared::Wait(Waits::Held(held)));
        }
        self.directory.load_lists(&*store, &users).await?;
        let unknown: Vec<Jid> = users
            .iter()
            .filter(|user| {
                self.directory.list(user).is_none() && !self.outbox.lookups.knows_no_devices_of(user)
            })
            .cloned()
            .collect();
        if !unknown.is_empty() {
            self.outbox.groups.entry(group).unlisted = unknown;
            return Ok(Prepared::Wait(self.ask_for_lists(group)));
        }
        let fan_out = FanOut::new(&users, &me, |user| self.directory.list(user));
        let Some(sender) = SignalAddress::from_jid(&me) else {
            return Ok(Prepared::Fail(SendError::StaleAddressing));
        };
        let name = SenderKeyName { group: group.clone(), sender };
        let lacking = self.lacking_our_key(&info, &name, &fan_out).await?;
        let Some(key) = self.groups.keys.get(&name) else {
            return Ok(Prepared::Fail(SendError::NoDevices(group.clone())));
        };
        let route = Arc::new(GroupRoute {
            to: group.clone(),
            mode: info.addressing,
            is_announcement: info.is_announcement,
            expiration_s: info.expiration_s,
            key_id: key.key_id(),
            name,
            phash: fan_out.phash,
            users: users.iter().map(hash_of).collect(),
            audience: audience.map(|audience| ReadBy { audience, info: Arc::unwrap_or_clone(info), users }),
        });
        let keys = if lacking.is_empty() {
            None
        } else {
            let padded = distribution(group, key, &mut self.random);
            self.directory.load_addresses(&*store, lacking.clone()).await?;
            let addressed = lacking.into_iter().filter_map(|device| {
                let address = self.directory.signal_address(&device)?;
                Some((device, address))
            });
            let to_do = addressed.collect();
            Some(Keys {
                padded,
                to_do,
                without_session: VecDeque::new(),
                asked: Vec::new(),
                sealed: Vec::new(),
            })
        };
        let send = self.outbox.groups.entry(group);
        send.route = Some(Arc::clone(&route));
        send.keys = keys;
        if send.keys.is_some() {
            return self.seal_keys(&route).await;
        }
        Ok(Prepared::Go(Route::Group(route)))
    }

    /// Encrypts a message to a group. Our key leaves with it, for those who lack it.
    pub(in crate::driver::outbox) fn seal_group(
        &mut self,
        pending: &Pending,
        route: &GroupRoute,
    ) -> Result<Node, SendError> {
        let plaintexts = Plaintexts::new(&pending.message, &route.to, &mut self.random);
        let content = self.groups.keys.seal(&route.name, plaintexts.theirs(), &mut self.random);
        let content = content.map_err(|error| {
            tracing::error!(%error, group = ?route.to, "our key of a group seals nothing");
            SendError::NoDevices(route.to.clone())
        })?;
        let send = self.outbox.groups.entry(&route.to);
        let keys = match send.keys.take() {
            Some(Keys { sealed, .. }) if !sealed.is_empty() => {
                let devices: Vec<Jid> = sealed.iter().map(|(device, ..)| device.clone()).collect();
                let give = |holders: &mut KeyHolders| devices.iter().for_each(|device| holders.give(device));
                send.given =
                    Some(Given { id: pending.id.clone(), key_id: route.key_id, devices: devices.clone() });
                self.outbox.groups.change_holders(&route.to, give);
                sealed
            }
            _ => Vec::new(),
        };
        let others = route.audience.as_ref().map(|read_by| {
            let keyed: HashSet<&str> = keys.iter().map(|(device, ..)| device.user()).collect();
            read_by.users.iter().filter(|user| !keyed.contains(user.user())).cloned().collect()
        });
        let setting = route.audience.as_ref().and_then(|read_by| read_by.audience.setting);
        let message = OutboundGroupMessage {
            to: &route.to,
            id: &pending.id,
            class: pending.message.class(),
            addressing: route.audience.is_none().then_some(route.mode),
            phash: (!route.to.is_status()).then_some(&*route.phash),
            others: others.unwrap_or_default(),
            setting: setting.map(Setting::as_str),
            keys,
            content,
            device_identity: self.account.signed_device_identity.as_deref(),
        };
        let me = SignalAddress::to_jid(&route.name.sender).to_user();
        Ok(message.into_node().children(report_token(pending, &me, &route.to)))
    }
}
