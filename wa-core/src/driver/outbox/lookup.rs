//! Asks the server what a message still needs: who has which devices, and their keys. Protocol: messages, "Device lists
//! and bundles".

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use wa_store::{Device, DeviceList, StoreError};
use wa_types::{Jid, SignalAddress};

use super::Waits;
use crate::connection::{REQUEST_LIMIT, RequestError};
use crate::driver::directory::Evidence;
use crate::driver::upkeep::Fetched;
use crate::driver::{Actor, Step, clock};
use crate::e2e::addressing::AddressPair;
use crate::pairing::{SignedDeviceIdentity, SignedKeyIndexList, adv};
use crate::signal::PreKeyBundle;
use crate::stanza::iq::encrypt::{Bundle, BundleAnswer, FetchBundles};
use crate::stanza::iq::usync::{FetchDevices, UserDevices};

/// A device without keys, or a user without devices, is not asked for again before this.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// How many chats' participant hashes are remembered.
const DISPUTES: usize = 256;

/// What is being asked, and what was asked in vain lately.
#[derive(Default)]
pub(super) struct Lookups {
    lists: HashSet<Jid>,
    bundles: HashSet<SignalAddress>,
    without_keys: HashMap<SignalAddress, Instant>,
    without_devices: HashMap<Jid, Instant>,
    /// What the server said of chats last, where it did not agree.
    disputes: HashMap<Jid, String>,
}

impl Lookups {
    /// Whether this is news: the server may go on to count devices that it does not list.
    pub(super) fn is_new_dispute(&mut self, chat: &Jid, phash: &str) -> bool {
        if self.disputes.len() > DISPUTES {
            self.disputes.clear();
        }
        self.disputes.insert(chat.clone(), phash.to_owned()).is_none_or(|before| before != phash)
    }

    /// Whether this user's devices are being asked for.
    pub(super) fn is_asking_for(&self, user: &Jid) -> bool {
        self.lists.contains(user)
    }

    /// Whether this device's keys are being asked for.
    pub(super) fn is_asking_keys_of(&self, address: &SignalAddress) -> bool {
        self.bundles.contains(address)
    }

    /// Whether this user had no devices a moment ago.
    pub(super) fn knows_no_devices_of(&self, user: &Jid) -> bool {
        self.without_devices.get(user).is_some_and(is_recent)
    }

    /// Whether this device gave no keys a moment ago.
    pub(super) fn knows_no_keys_of(&self, address: &SignalAddress) -> bool {
        self.without_keys.get(address).is_some_and(is_recent)
    }
}

fn is_recent(since: &Instant) -> bool {
    clock::now().duration_since(*since) < ASK_AGAIN
}

impl Actor {
    pub(in crate::driver) fn fetch_devices(&mut self, users: Vec<Jid>) {
        let users: Vec<Jid> =
            users.into_iter().filter(|user| self.outbox.lookups.lists.insert(user.clone())).collect();
        let Some(requester) = self.requester().cloned().filter(|_| !users.is_empty()) else { return };
        let sid = format!("wa-{}", clock::unix_millis().0);
        self.fetch(async move {
            let result = requester.ask(FetchDevices { sid, users: users.clone() }, REQUEST_LIMIT).await;
            Fetched::Devices { users, result }
        });
    }

    pub(super) fn fetch_bundles(&mut self, addresses: Vec<SignalAddress>) {
        let addresses: Vec<SignalAddress> = addresses
            .into_iter()
            .filter(|address| self.outbox.lookups.bundles.insert(address.clone()))
            .collect();
        let Some(requester) = self.requester().cloned().filter(|_| !addresses.is_empty()) else { return };
        let devices = addresses.iter().map(SignalAddress::to_jid).collect();
        // Where there is something archived, the identity may be another one now.
        let is_renewal = addresses.iter().any(|address| self.ratchets.knows(address));
        self.fetch(async move {
            let result = requester.ask(FetchBundles { devices, is_renewal }, REQUEST_LIMIT).await;
            Fetched::Bundles { addresses, result }
        });
    }

    pub(in crate::driver) async fn handle_devices(
        &mut self,
        users: Vec<Jid>,
        result: Result<Vec<UserDevices>, RequestError>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        for user in &users {
            self.outbox.lookups.lists.remove(user);
        }
        let answers = match result {
            Ok(answers) => answers,
            Err(error) => {
                let waited = |_: &Jid, waits: &Waits| matches!(waits, Waits::Devices(of) if of.iter().any(|user| users.contains(user)));
                tracing::warn!(%error, "devices could not be asked for");
                self.look_up_again(&error, waited, step);
                return Ok(());
            }
        };
        self.outbox.wake();
        let pairs = answers.iter().flat_map(|answer| {
            let others = [&answer.lid, &answer.pn].into_iter().flatten();
            others.filter_map(|other| AddressPair::new(&answer.user, other))
        });
        self.learn(pairs.collect::<Vec<_>>(), Evidence::Told, step).await?;
        let phones = users.iter().filter_map(|user| self.directory.signal_address(user));
        self.load_sessions(phones.collect()).await?;
        for user in users {
            let answer =
                answers.iter().find(|answer| answer.user == user || answer.lid.as_ref() == Some(&user));
            let Some((answer, devices)) = answer.and_then(|answer| Some((answer, answer.devices.as_ref()?)))
            else {
                self.outbox.lookups.without_devices.insert(user.clone(), clock::now());
                if self.own().is_some_and(|own| own.is_account(&user)) {
                    // Our own list is a courtesy to our other devices: messages go out without it.
                    self.directory.put_list(user, DeviceList::default(), &mut step.changes);
                }
                continue;
            };
            let phone = self.directory.signal_address(&user);
            let known = phone.and_then(|phone| self.ratchets.identity(&phone));
            let signed = answer.key_index_list.as_deref().map(|list| {
                SignedKeyIndexList::decode(list)
                    .and_then(|list| list.verify(known.as_ref()))
                    .map(|(list, _)| list)
            });
            let signed = match signed {
                Some(Ok(list)) => Some(list),
                Some(Err(error)) => {
                    tracing::warn!(%error, ?user, "only the phone of this device list is kept");
                    None
                }
                None => None,
            };
            let valid = devices.iter().filter(|device| match &signed {
                Some(list) => list.admits(device.id, device.key_index),
                None => device.id == 0,
            });
            let list = DeviceList {
                devices: valid
                    .map(|device| Device {
                        id: device.id,
                        key_index: device.key_index,
                        hosted: device.is_hosted,
                    })
                    .collect(),
                raw_id: signed.as_ref().map(|list| list.raw_id),
                timestamp: answer.timestamp,
                hash: answer.hash.clone(),
                fetched: clock::unix_millis(),
            };
            self.outbox.lookups.without_devices.remove(&user);
            self.directory.put_list(user, list, &mut step.changes);
        }
        Ok(())
    }

    pub(in crate::driver) async fn handle_bundles(
        &mut self,
        addresses: Vec<SignalAddress>,
        result: Result<Vec<(Jid, BundleAnswer)>, RequestError>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        for address in &addresses {
            self.outbox.lookups.bundles.remove(address);
        }
        let answers = match result {
            Ok(answers) => answers,
            Err(error) => {
                let waited = |_: &Jid, waits: &Waits| matches!(waits, Waits::Bundles(of) if of.iter().any(|address| addresses.contains(address)));
                tracing::warn!(%error, "keys could not be asked for");
                self.look_up_again(&error, waited, step);
                return Ok(());
            }
        };
        self.outbox.wake();
        let phones = addresses.iter().map(|address| SignalAddress::new(address.user(), address.domain(), 0));
        self.load_sessions(phones.chain(addresses.iter().cloned()).collect()).await?;
        for address in addresses {
            let jid = address.to_jid();
            let answer = answers.iter().find(|(user, _)| *user == jid).map(|(_, answer)| answer);
            let is_usable = match answer {
                Some(BundleAnswer::Bundle(bundle)) => self.begin_session(&address, bundle, step),
                Some(BundleAnswer::Gone) => {
                    let user = jid.to_chat();
                    self.directory.drop_list(&user, &mut step.changes);
                    if let Some(pn) = self.directory.pn_of(&user).cloned() {
                        self.directory.drop_list(&pn, &mut step.changes);
                    }
                    false
                }
                Some(BundleAnswer::Unavailable) | None => false,
            };
            if !is_usable {
                self.outbox.lookups.without_keys.insert(address, clock::now());
            }
        }
        Ok(())
    }

    /// Checks who a bundle is from, and opens a session with it.
    pub(in crate::driver) fn begin_session(
        &mut self,
        address: &SignalAddress,
        bundle: &Bundle,
        step: &mut Step,
    ) -> bool {
        if address.device() != 0 {
            let phone = SignalAddress::new(address.user(), address.domain(), 0);
            let known = self.ratchets.identity(&phone);
            let checked = bundle.device_identity.as_deref().map(|identity| {
                let identity = SignedDeviceIdentity::decode(identity)?;
                adv::check_companion(&identity, &bundle.identity, known.as_ref())
            });
            if let Some(Err(error)) = checked {
                tracing::warn!(%error, ?address, "a bundle was refused");
                return false;
            }
        }
        let keys = PreKeyBundle {
            registration_id: bundle.registration_id,
            identity: bundle.identity,
            signed_pre_key_id: bundle.signed.id,
            signed_pre_key: bundle.signed.key,
            signature: bundle.signed.signature,
            pre_key: bundle.one_time,
        };
        let ours = Self::ours(&self.account);
        match self.ratchets.initiate(ours, address, &keys, &mut step.changes, &mut self.random) {
            Ok(effects) => {
                if effects.is_new_identity {
                    step.new_identities.push(address.to_jid());
                }
                true
            }
            Err(error) => {
                tracing::warn!(%error, ?address, "a bundle was refused");
                false
            }
        }
    }
}
