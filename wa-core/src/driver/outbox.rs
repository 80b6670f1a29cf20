//! load → encrypt → commit → send, in order per chat. What a message still needs (device lists, keys) is asked for
//! while the other chats go on. Protocol: messages, "One send".

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use wa_store::{Device, DeviceList, StoreError};
use wa_types::{Jid, MessageId, SignalAddress};

use super::command::SendJob;
use super::directory::Evidence;
use super::session::Outgoing;
use super::upkeep::Fetched;
use super::{Actor, Status, Step, clock};
use crate::connection::{REQUEST_LIMIT, RequestError};
use crate::e2e::addressing::AddressPair;
use crate::e2e::encrypt::Plaintexts;
use crate::e2e::recipients::{self, Target};
use crate::error::{SendError, Sent};
use crate::event::Event;
use crate::pairing::{SignedDeviceIdentity, SignedKeyIndexList, adv};
use crate::signal::PreKeyBundle;
use crate::stanza::ack::MessageAck;
use crate::stanza::iq::encrypt::{Bundle, BundleAnswer, FetchBundles};
use crate::stanza::iq::usync::{FetchDevices, UserDevices};
use crate::stanza::message::OutboundMessage;

/// A device without keys, or a user without devices, is not asked for again before this.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// The messages that are still to be encrypted.
#[derive(Default)]
pub(super) struct Outbox {
    chats: HashMap<Jid, Queue>,
    fetching_lists: HashSet<Jid>,
    fetching_bundles: HashSet<SignalAddress>,
    without_keys: HashMap<SignalAddress, Instant>,
    without_devices: HashMap<Jid, Instant>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<SendJob>,
    waits: Waits,
}

/// What a chat waits for: an answer of the server about these.
#[derive(Default)]
enum Waits {
    #[default]
    No,
    Devices(Vec<Jid>),
    Bundles(Vec<SignalAddress>),
}

/// An encrypted message, to leave once its step is committed.
pub(super) struct StagedSend {
    node: crate::wire::Node,
    reply: AckReply,
}

/// Who waits for a message's ack. Dropped unanswered, the connection was lost.
pub(super) struct AckReply {
    chat: Jid,
    id: MessageId,
    reply: oneshot::Sender<Result<Sent, SendError>>,
}

impl AckReply {
    pub(super) const fn id(&self) -> &MessageId {
        &self.id
    }

    pub(super) fn complete(self, ack: Result<MessageAck, RequestError>) {
        let sent = match ack {
            Ok(MessageAck { error: Some(code), .. }) => Err(SendError::Refused { code }),
            Ok(ack) => Ok(Sent {
                id: self.id,
                chat: self.chat,
                timestamp: ack.timestamp.unwrap_or_else(|| clock::unix_millis().to_seconds()),
            }),
            Err(RequestError::Timeout) => Err(SendError::Timeout),
            Err(RequestError::NotConnected) => Err(SendError::NotConnected),
            Err(RequestError::TooLong | RequestError::Encode(_)) => Err(SendError::TooLarge),
            Err(_) => Err(SendError::ConnectionLost),
        };
        let _ = self.reply.send(sent);
    }
}

impl StagedSend {
    pub(super) fn into_outgoing(self) -> Outgoing {
        Outgoing::Message { node: self.node, reply: self.reply }
    }

    pub(super) fn fail(self, error: SendError) {
        let _ = self.reply.reply.send(Err(error));
    }
}

impl Outbox {
    pub(super) fn push(&mut self, job: SendJob) {
        self.chats.entry(job.chat.to_chat()).or_default().jobs.push_back(job);
    }

    /// Answers all that wait.
    pub(super) fn fail_all(&mut self, error: &SendError) {
        for queue in std::mem::take(self).chats.into_values() {
            fail(queue.jobs, error);
        }
    }

    fn wake_all(&mut self) {
        self.chats.values_mut().for_each(|queue| queue.waits = Waits::No);
    }

    /// A question failed: the chats that waited for its answer are told, and the application decides.
    fn fail_waiting(&mut self, error: &SendError, waited: impl Fn(&Waits) -> bool) {
        for queue in self.chats.values_mut().filter(|queue| waited(&queue.waits)) {
            fail(std::mem::take(&mut queue.jobs), error);
        }
        self.chats.retain(|_, queue| !queue.jobs.is_empty());
    }
}

fn fail(jobs: impl IntoIterator<Item = SendJob>, error: &SendError) {
    for job in jobs {
        let _ = job.reply.send(Err(error.clone()));
    }
}

/// Where a chat's next messages go.
struct Route {
    to: Jid,
    recipient_pn: Option<Jid>,
    targets: Vec<(Target, SignalAddress)>,
}

enum Prepared {
    Go(Route),
    Wait(Waits),
    Fail(SendError),
}

impl Actor {
    /// Encrypts what can be; asks for what the rest needs.
    pub(super) async fn send_ready(&mut self, step: &mut Step) -> Result<(), StoreError> {
        let ready: Vec<Jid> = self
            .outbox
            .chats
            .iter()
            .filter(|(_, queue)| matches!(queue.waits, Waits::No) && !queue.jobs.is_empty())
            .map(|(chat, _)| chat.clone())
            .collect();
        for chat in ready {
            let prepared = self.prepare(&chat).await?;
            let Some(queue) = self.outbox.chats.get_mut(&chat) else { continue };
            match prepared {
                Prepared::Wait(waits) => queue.waits = waits,
                Prepared::Fail(error) => fail(std::mem::take(&mut queue.jobs), &error),
                Prepared::Go(route) => {
                    let jobs = std::mem::take(&mut queue.jobs);
                    for job in jobs {
                        self.encrypt(job, &route, step);
                    }
                }
            }
            if self.outbox.chats.get(&chat).is_some_and(|queue| queue.jobs.is_empty()) {
                self.outbox.chats.remove(&chat);
            }
        }
        Ok(())
    }

    async fn prepare(&mut self, chat: &Jid) -> Result<Prepared, StoreError> {
        let Some(own) = self.own().filter(|_| *self.status.borrow() == Status::Ready) else {
            return Ok(Prepared::Fail(SendError::NotConnected));
        };
        if !chat.is_user() && !chat.is_bot() {
            return Ok(Prepared::Fail(SendError::Unsupported(chat.clone())));
        }
        let store = std::sync::Arc::clone(&self.store);
        self.directory.load_chats(&*store, &[chat.clone(), own.pn.clone()]).await?;
        let to = self.name_space(chat);
        let me = own.beside(&to).to_user();

        self.directory.load_lists(&*store, &[to.clone(), me.clone()]).await?;
        let unknown: Vec<Jid> =
            [&to, &me].into_iter().filter(|user| self.directory.list(user).is_none()).cloned().collect();
        if !unknown.is_empty() {
            if self.is_recent(self.outbox.without_devices.get(&to)) {
                return Ok(Prepared::Fail(SendError::UnknownRecipient(to)));
            }
            self.fetch_devices(unknown.clone());
            return Ok(Prepared::Wait(Waits::Devices(unknown)));
        }
        let (Some(theirs), Some(ours)) = (self.directory.list(&to), self.directory.list(&me)) else {
            return Ok(Prepared::Fail(SendError::UnknownRecipient(to)));
        };
        let targets: Vec<(Target, SignalAddress)> = recipients::of_direct(&to, theirs, &own, ours)
            .into_iter()
            .filter_map(|target| self.directory.signal_address(&target.jid).map(|address| (target, address)))
            .collect();
        self.load_sessions(targets.iter().map(|(_, address)| address.clone()).collect()).await?;
        let missing: Vec<SignalAddress> = targets
            .iter()
            .map(|(_, address)| address)
            .filter(|address| {
                !self.ratchets.can_send_to(address) && !self.is_recent(self.outbox.without_keys.get(address))
            })
            .cloned()
            .collect();
        if !missing.is_empty() {
            self.fetch_bundles(missing.clone());
            return Ok(Prepared::Wait(Waits::Bundles(missing)));
        }
        let targets: Vec<_> =
            targets.into_iter().filter(|(_, address)| self.ratchets.can_send_to(address)).collect();
        let is_note_to_self = own.is_account(&to);
        if !is_note_to_self && targets.iter().all(|(target, _)| target.is_own) || targets.is_empty() {
            return Ok(Prepared::Fail(SendError::NoDevices(to)));
        }
        let recipient_pn = if to.is_lid() { self.directory.pn_of(&to).cloned() } else { None };
        Ok(Prepared::Go(Route { to, recipient_pn, targets }))
    }

    /// The address that the server wants for this chat: the LID once the account is migrated, else the phone number.
    pub(super) fn name_space(&self, chat: &Jid) -> Jid {
        if !chat.is_user() {
            return chat.to_chat();
        }
        let (lid, pn) = self.directory.addresses_of_chat(chat);
        let wanted = if self.account.lid_migrated { lid.or(pn) } else { pn.or(lid) };
        wanted.unwrap_or_else(|| chat.to_chat())
    }

    fn is_recent(&self, since: Option<&Instant>) -> bool {
        since.is_some_and(|since| clock::now().duration_since(*since) < ASK_AGAIN)
    }

    fn encrypt(&mut self, job: SendJob, route: &Route, step: &mut Step) {
        let plaintexts = Plaintexts::new(&job.message, &route.to, &mut self.random);
        let mut recipients = Vec::with_capacity(route.targets.len());
        for (target, address) in &route.targets {
            match plaintexts.seal_for(target, address, &mut self.ratchets) {
                Ok(sealed) => recipients.push(sealed),
                Err(error) => tracing::warn!(%error, device = ?target.jid, "a device gets no copy"),
            }
        }
        if recipients.is_empty() {
            let _ = job.reply.send(Err(SendError::NoDevices(route.to.clone())));
            return;
        }
        let node = OutboundMessage {
            to: &route.to,
            id: &job.id,
            class: job.message.class(),
            recipients,
            device_identity: self.account.signed_device_identity.as_deref(),
            recipient_pn: route.recipient_pn.as_ref(),
        }
        .into_node();
        let reply = AckReply { chat: route.to.clone(), id: job.id, reply: job.reply };
        step.sends.push(StagedSend { node, reply });
    }

    fn fetch_devices(&mut self, users: Vec<Jid>) {
        let users: Vec<Jid> =
            users.into_iter().filter(|user| self.outbox.fetching_lists.insert(user.clone())).collect();
        let Some(requester) = self.requester().cloned().filter(|_| !users.is_empty()) else { return };
        let sid = format!("wa-{}", clock::unix_millis().0);
        self.fetches.spawn(async move {
            let result = requester.ask(FetchDevices { sid, users: users.clone() }, REQUEST_LIMIT).await;
            Fetched::Devices { users, result }
        });
    }

    fn fetch_bundles(&mut self, addresses: Vec<SignalAddress>) {
        let addresses: Vec<SignalAddress> = addresses
            .into_iter()
            .filter(|address| self.outbox.fetching_bundles.insert(address.clone()))
            .collect();
        let Some(requester) = self.requester().cloned().filter(|_| !addresses.is_empty()) else { return };
        let devices = addresses.iter().map(SignalAddress::to_jid).collect();
        self.fetches.spawn(async move {
            let result = requester.ask(FetchBundles { devices, is_renewal: false }, REQUEST_LIMIT).await;
            Fetched::Bundles { addresses, result }
        });
    }

    pub(super) async fn handle_devices(
        &mut self,
        users: Vec<Jid>,
        result: Result<Vec<UserDevices>, RequestError>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        for user in &users {
            self.outbox.fetching_lists.remove(user);
        }
        let answers = match result {
            Ok(answers) => answers,
            Err(error) => {
                let waited = |waits: &Waits| matches!(waits, Waits::Devices(of) if of.iter().any(|user| users.contains(user)));
                self.outbox.fail_waiting(&SendError::Lookup(error), waited);
                return Ok(());
            }
        };
        self.outbox.wake_all();
        for user in users {
            let answer =
                answers.iter().find(|answer| answer.user == user || answer.lid.as_ref() == Some(&user));
            let Some((answer, devices)) = answer.and_then(|answer| Some((answer, answer.devices.as_ref()?)))
            else {
                self.outbox.without_devices.insert(user.clone(), clock::now());
                if self.own().is_some_and(|own| own.is_account(&user)) {
                    // Our own list is a courtesy to our other devices: messages go out without it.
                    self.directory.put_list(user, DeviceList::default(), &mut step.changes);
                }
                continue;
            };
            let others = [&answer.lid, &answer.pn].into_iter().flatten();
            let pairs: Vec<AddressPair> =
                others.filter_map(|other| AddressPair::new(&answer.user, other)).collect();
            self.learn(pairs, Evidence::Told, step).await?;
            let phone = self.directory.signal_address(&user);
            if let Some(phone) = &phone {
                self.load_sessions(vec![phone.clone()]).await?;
            }
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
            self.outbox.without_devices.remove(&user);
            self.directory.put_list(user, list, &mut step.changes);
        }
        Ok(())
    }

    pub(super) async fn handle_bundles(
        &mut self,
        addresses: Vec<SignalAddress>,
        result: Result<Vec<(Jid, BundleAnswer)>, RequestError>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        for address in &addresses {
            self.outbox.fetching_bundles.remove(address);
        }
        let answers = match result {
            Ok(answers) => answers,
            Err(error) => {
                let waited = |waits: &Waits| matches!(waits, Waits::Bundles(of) if of.iter().any(|address| addresses.contains(address)));
                self.outbox.fail_waiting(&SendError::Lookup(error), waited);
                return Ok(());
            }
        };
        self.outbox.wake_all();
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
                self.outbox.without_keys.insert(address, clock::now());
            }
        }
        Ok(())
    }

    /// Checks who a bundle is from, and opens a session with it.
    pub(super) fn begin_session(
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
                    step.events.push(Event::IdentityChanged { device: address.to_jid() });
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
