//! Devices that ask for messages of ours again: answered from the outbox, one device at a time.
//! Protocol: receiving, "Inbound retry receipt", "Resend".
//!
//! ```text
//! receipt ── known message? may it read it? ──> keys good? ──> e2e::retry decides ──> resend
//!                                                                     └─ its keys are fetched first ─┘
//! ```
//!
//! What it may cost has limits: requests by user and in all ([`Asked`]; what is more waits), answers by message and device,
//! fetched keys by device.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use wa_store::{AddressingMode, OutboxEntry, OutboxState, SenderKeyName, StoreError};
use wa_types::{Jid, MessageId, PublicKey, SignalAddress};
use zeroize::Zeroizing;

use super::answers::{self, Answers, Wanted};
use super::asked::{Asked, requester};
use super::delivery::Delivery;
use super::session::Outgoing;
use super::upkeep::Fetched;
use super::{Actor, Status, Step, clock};
use crate::connection::{REQUEST_LIMIT, RequestError};
use crate::e2e::addressing::OwnAddress;
use crate::e2e::encrypt::Plaintexts;
use crate::e2e::group::distribution_message;
use crate::e2e::recipients::Target;
use crate::e2e::retry::{self, Decision, Ignored, Standing};
use crate::error::SendError;
use crate::event::TrailStep;
use crate::message::Message;
use crate::pairing::{SignedDeviceIdentity, adv};
use crate::stanza::ack::MessageAck;
use crate::stanza::iq::encrypt::{Bundle, BundleAnswer, FetchBundles};
use crate::stanza::receipt::InboundReceipt;
use crate::stanza::retry::{Resend, RetryAsked};

/// How many answers are remembered, and how many devices whose sessions were renewed.
const REMEMBERED: usize = 4096;

/// How many answers to one device wait for its keys.
const WAITING: usize = 16;

/// What is remembered of the requests of devices. Lost at the end of the process, at the worst a device gets a message
/// some times more.
#[derive(Default)]
pub(super) struct Retries {
    asked: Asked,
    answers: HashMap<(MessageId, SignalAddress), Answered>,
    devices: HashMap<SignalAddress, Renewal>,
    waiting: HashMap<SignalAddress, Vec<Wanted>>,
    queue: Answers,
    /// Answers to users who are to be trusted first.
    held: VecDeque<Wanted>,
    /// Requests in groups whose members are not known now.
    in_unknown_groups: Vec<(Jid, InboundReceipt)>,
}

/// How many requests wait for the members of groups.
const WAITING_IN_GROUPS: usize = 256;

/// How often a device got a message again.
#[derive(Debug, Clone, Copy, Default)]
struct Answered {
    times: u8,
    /// The session that carried the last answer to a second or later request.
    base_key: Option<PublicKey>,
}

/// When a device's session was last made anew.
#[derive(Debug, Clone, Copy, Default)]
struct Renewal {
    renewed: Option<Instant>,
    fetched: Option<Instant>,
}

impl Actor {
    /// Answers a retry receipt, where that is right. Its ack is the caller's.
    pub(super) async fn handle_retry(
        &mut self,
        receipt: &InboundReceipt,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let Some(asked) = &receipt.retry else { return Ok(()) };
        let device = requester(receipt).device();
        step.note(&receipt.id, TrailStep::AskedAgain { device, count: asked.count });
        let now = clock::now();
        if asked.count < retry::COUNT_LIMIT && self.retries.asked.admit(receipt, now) {
            self.answer_admitted(receipt, now, step).await?;
        }
        Ok(())
    }

    /// Looks at the requests that were put off, when it is time.
    pub(super) async fn answer_put_off(&mut self, now: Instant) {
        if *self.status.borrow() != Status::Ready {
            return;
        }
        for receipt in self.retries.asked.due(now) {
            let mut step = Step::default();
            match self.answer_admitted(&receipt, now, &mut step).await {
                Ok(()) => self.finish(step).await,
                Err(error) => return self.handle_store_failure(&error, step),
            }
        }
    }

    /// When requests that were put off may be looked at.
    pub(super) fn next_put_off(&self, is_ready: bool) -> Option<Instant> {
        self.retries.asked.next_at().filter(|_| is_ready)
    }

    async fn answer_admitted(
        &mut self,
        receipt: &InboundReceipt,
        now: Instant,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let requester = requester(receipt);
        let (Some(own), Some(asked)) = (self.own(), &receipt.retry) else { return Ok(()) };
        if own.is_this_device(requester) {
            return Ok(());
        }
        if requester.device() == 0
            && own.is_account(requester)
            && let Some(phone) = SignalAddress::from_jid(&own.lid.as_ref().unwrap_or(&own.pn).to_user())
            && self.repeat_request(&receipt.id, &phone, step).await?
        {
            return Ok(());
        }
        let Some(entry) = self.sent_message(&receipt.id).await? else {
            tracing::debug!(id = %receipt.id, "nothing is known of a message that is asked for");
            return Ok(());
        };
        self.answer_request(&own, receipt, &entry, asked, now, step).await
    }

    /// A message that left, or may have.
    async fn sent_message(&self, id: &MessageId) -> Result<Option<OutboxEntry>, StoreError> {
        let found = self.store.outbox_by_ids(std::slice::from_ref(id)).await?.into_iter().next().flatten();
        Ok(found.filter(|entry| entry.state != OutboxState::Queued))
    }

    /// The members of a group are known, or cannot be: answers what waited for that, or forgets it.
    pub(super) async fn answer_in_group(
        &mut self,
        group: &Jid,
        is_known: bool,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let now = clock::now();
        let waiting = self.retries.in_unknown_groups.extract_if(.., |(other, _)| other == group);
        let waiting: Vec<_> = waiting.filter(|_| is_known).collect();
        for (_, receipt) in waiting {
            let (Some(own), Some(asked)) = (self.own(), &receipt.retry) else { continue };
            if let Some(entry) = self.sent_message(&receipt.id).await? {
                self.answer_request(&own, &receipt, &entry, asked, now, step).await?;
            }
        }
        Ok(())
    }

    /// Logged in: what the last connection may have lost is sent again, and asked for again.
    pub(super) async fn resume_retries(&mut self, step: &mut Step) -> Result<(), StoreError> {
        let mut groups: Vec<Jid> =
            self.retries.in_unknown_groups.iter().map(|(group, _)| group.clone()).collect();
        groups.dedup();
        for group in groups {
            self.fetch_group(&group, None);
        }
        let unacknowledged = self.retries.queue.take_all();
        self.answer_again(unacknowledged, step).await
    }

    /// These users are trusted: what their devices asked for meanwhile goes out.
    pub(super) async fn answer_released(&mut self, users: &[Jid], step: &mut Step) -> Result<(), StoreError> {
        let held = std::mem::take(&mut self.retries.held).into_iter();
        let (released, held): (Vec<_>, Vec<_>) =
            held.partition(|wanted| users.contains(&wanted.requester.to_chat()));
        self.retries.held = held.into();
        self.answer_again(released, step).await
    }

    async fn answer_again(&mut self, answers: Vec<Wanted>, step: &mut Step) -> Result<(), StoreError> {
        let (Some(own), now) = (self.own(), clock::now()) else { return Ok(()) };
        let store = std::sync::Arc::clone(&self.store);
        for wanted in answers {
            let Some(entry) = self.sent_message(&wanted.id).await? else { continue };
            let users = vec![wanted.requester.clone(), own.pn.clone()];
            self.directory.load_addresses(&*store, users).await?;
            let Some(address) = self.directory.signal_address(&wanted.requester) else { continue };
            self.load_sessions(vec![address.clone()]).await?;
            if self.ratchets.can_send_to(&address) {
                self.resend(&own, &entry, &address, &wanted, step).await?;
            } else {
                self.renew(address, wanted, now);
            }
        }
        Ok(())
    }

    /// What the server says to the copy of a message that is on its way, or that it says nothing.
    pub(super) async fn handle_answer_ack(
        &mut self,
        id: &MessageId,
        ack: &Result<MessageAck, RequestError>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        match ack {
            Ok(MessageAck { error: Some(code), .. }) if SendError::from_code(*code).is_temporary() => {
                let next = self.retries.queue.next_of(id);
                self.retries.queue.retry(id);
                // The refused one's turn comes with the next ack, or the next connection.
                return self.answer_again(next.into_iter().collect(), step).await;
            }
            Ok(_) | Err(RequestError::TooLong | RequestError::Encode(_)) => self.retries.queue.settle(id),
            Err(RequestError::Timeout) => self.retries.queue.retry(id),
            // The connection's end follows.
            Err(_) => return Ok(()),
        }
        self.answer_next(id, step).await
    }

    /// The server has this message, or the last copy of it: the next device that asked for it gets its own.
    pub(super) async fn answer_next(&mut self, id: &MessageId, step: &mut Step) -> Result<(), StoreError> {
        while !self.retries.queue.is_out(id)
            && let Some(next) = self.retries.queue.next_of(id)
        {
            self.answer_again(vec![next], step).await?;
        }
        Ok(())
    }

    async fn answer_request(
        &mut self,
        own: &OwnAddress,
        receipt: &InboundReceipt,
        entry: &OutboxEntry,
        asked: &RetryAsked,
        now: Instant,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let store = std::sync::Arc::clone(&self.store);
        let requester = requester(receipt);
        if (receipt.from.is_group() || receipt.from.is_broadcast()) && receipt.from != entry.chat {
            return Ok(());
        }
        if entry.chat.is_group() && self.groups.load(&*store, &entry.chat).await?.is_none() {
            // Who is a member is not known now, as after a change that the server told us of by another hash.
            let waiting = &mut self.retries.in_unknown_groups;
            if waiting.len() < WAITING_IN_GROUPS && waiting.iter().all(|(_, other)| other != receipt) {
                waiting.push((entry.chat.clone(), receipt.clone()));
            }
            self.fetch_group(&entry.chat, None);
            return Ok(());
        }
        let users = vec![requester.clone(), entry.chat.clone(), own.pn.clone()];
        self.directory.load_addresses(&*store, users).await?;
        let Some(address) = self.directory.signal_address(requester) else { return Ok(()) };
        let phone = SignalAddress::new(address.user(), address.domain(), 0);
        self.load_sessions(vec![address.clone(), phone]).await?;
        let standing = self.standing(own, requester, &address, entry).await?;
        if standing == Standing::Stranger && is_many(&entry.chat) {
            // Who is no member must not have our key, and seems to.
            self.rotate_group_key(&entry.chat, step);
        }
        let keys = asked.keys.as_deref();
        if standing != Standing::Stranger && keys.is_some_and(|keys| !self.are_good(keys, &address)) {
            tracing::warn!(id = %entry.id, ?requester, "keys of a request do not hold");
            return Ok(());
        }
        let answered = self.retries.answers.get(&(entry.id.clone(), address.clone())).copied();
        let answered = answered.unwrap_or_default();
        let renewal = self.retries.devices.get(&address).copied().unwrap_or_default();
        let request = retry::Request {
            count: asked.count,
            answered: answered.times,
            standing,
            has_keys: keys.is_some(),
            registration_id: asked.registration_id,
            session: self.ratchets.current_session(&address),
            answered_on: answered.base_key,
            renewed: renewal.renewed.map(|at| now.duration_since(at)),
            fetched: renewal.fetched.map(|at| now.duration_since(at)),
        };
        let decision = request.decide();
        tracing::info!(id = %entry.id, ?requester, count = asked.count, ?decision, "a device asks again");
        let wanted = Wanted {
            id: entry.id.clone(),
            requester: requester.clone(),
            count: asked.count,
            registration_id: asked.registration_id,
            tries: 0,
        };
        match (decision, keys) {
            (Decision::AnswerOnKeys, Some(keys)) => {
                if self.begin_session(&address, keys, step) {
                    self.resend(own, entry, &address, &wanted, step).await?;
                }
            }
            (Decision::Renew, _) => self.renew(address, wanted, now),
            (Decision::Answer | Decision::AnswerOnKeys, _) => {
                self.resend(own, entry, &address, &wanted, step).await?;
            }
            (Decision::Ignore(Ignored::UnknownDevice), _) => {
                let user = requester.to_chat();
                if let Some(other) = self.directory.other_address(&user).cloned() {
                    self.directory.drop_list(&other, &mut step.changes);
                }
                self.directory.drop_list(&user, &mut step.changes);
            }
            // It does not ask again by itself.
            (Decision::Ignore(Ignored::TooSoon), _) => self.retries.asked.put_off(receipt, now),
            (Decision::Ignore(_), _) => {}
        }
        Ok(())
    }

    /// What a device is to a message. The addresses of its user and of the chat must be loaded.
    async fn standing(
        &mut self,
        own: &OwnAddress,
        requester: &Jid,
        address: &SignalAddress,
        entry: &OutboxEntry,
    ) -> Result<Standing, StoreError> {
        let chat = &entry.chat;
        let user = requester.to_chat();
        let other = self.directory.other_address(&user).cloned();
        let store = std::sync::Arc::clone(&self.store);
        let may_read = |chat: &Jid| {
            chat.is_same_user(&user) || other.as_ref().is_some_and(|other| chat.is_same_user(other))
        };
        let is_reader = if chat.is_group() {
            let group = self.groups.load(&*store, chat).await?;
            group.is_some_and(|group| {
                let addresses = group.members.iter().flat_map(|member| [&member.pn, &member.lid]);
                addresses.flatten().any(may_read)
            })
        } else if chat.is_broadcast() {
            Delivery::decode(&entry.delivery).is_some_and(|delivery| delivery.is_for(may_read))
        } else {
            may_read(chat)
        };
        if !is_reader && !own.is_account(requester) {
            return Ok(Standing::Stranger);
        }
        let users: Vec<Jid> = std::iter::once(user).chain(other).collect();
        self.directory.load_lists(&*store, &users).await?;
        let mut lists = users.iter().filter_map(|user| self.directory.list(user)).peekable();
        let is_listed = if lists.peek().is_some() {
            // An account has a phone, whatever the list says.
            requester.device() == 0
                || lists.any(|list| list.devices.iter().any(|device| device.id == requester.device()))
        } else {
            // The list is to be fetched anew; who we wrote to before is no stranger.
            self.ratchets.knows(address)
        };
        Ok(if is_listed { Standing::Reader } else { Standing::Unlisted })
    }

    /// Whether keys are signed by their identity, and their device is vouched for by its account. A companion that we
    /// know under this identity need not show it again.
    fn are_good(&self, keys: &Bundle, address: &SignalAddress) -> bool {
        if address.device() == 0 || self.ratchets.identity(address) == Some(keys.identity) {
            return true;
        }
        let phone = SignalAddress::new(address.user(), address.domain(), 0);
        let known = self.ratchets.identity(&phone);
        let identity = keys.device_identity.as_deref().map(SignedDeviceIdentity::decode);
        identity.is_some_and(|identity| {
            identity
                .is_ok_and(|identity| adv::check_companion(&identity, &keys.identity, known.as_ref()).is_ok())
        })
    }

    /// Stops sending on the session with a device, and fetches keys for another one; then the message goes again.
    fn renew(&mut self, address: SignalAddress, wanted: Wanted, now: Instant) {
        self.ratchets.archive(&address);
        let Some(requester) = self.requester().cloned() else { return self.retries.queue.wait(wanted) };
        let is_fetching = self.retries.waiting.contains_key(&address);
        let waiting = self.retries.waiting.entry(address.clone()).or_default();
        if waiting.len() < WAITING && waiting.iter().all(|other| other.id != wanted.id) {
            waiting.push(wanted);
        }
        if is_fetching {
            return;
        }
        if self.retries.devices.len() >= REMEMBERED {
            let is_recent =
                |at: Option<Instant>| at.is_some_and(|at| now.duration_since(at) < retry::RENEW_AFTER);
            self.retries.devices.retain(|_, renewal| is_recent(renewal.renewed));
        }
        if self.retries.devices.len() < REMEMBERED {
            let renewal = Renewal { renewed: Some(now), fetched: Some(now) };
            self.retries.devices.insert(address.clone(), renewal);
        }
        self.fetch(async move {
            let request = FetchBundles { devices: vec![address.to_jid()], is_renewal: true };
            Fetched::RenewedKeys { address, result: requester.ask(request, REQUEST_LIMIT).await }
        });
    }

    /// The keys of a device came: what waited for them goes out.
    pub(super) async fn handle_renewed_keys(
        &mut self,
        address: SignalAddress,
        result: Result<Vec<(Jid, BundleAnswer)>, RequestError>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let waiting = self.retries.waiting.remove(&address).unwrap_or_default();
        let phone = SignalAddress::new(address.user(), address.domain(), 0);
        self.load_sessions(vec![address.clone(), phone]).await?;
        if matches!(result, Err(RequestError::ConnectionLost | RequestError::NotConnected)) {
            waiting.into_iter().for_each(|wanted| self.retries.queue.wait(wanted));
            return Ok(());
        }
        let Ok(Some((_, BundleAnswer::Bundle(bundle)))) = result.map(|answers| answers.into_iter().next())
        else {
            return Ok(());
        };
        let Some(own) = self.own().filter(|_| self.begin_session(&address, &bundle, step)) else {
            return Ok(());
        };
        for wanted in waiting {
            if let Some(entry) = self.sent_message(&wanted.id).await? {
                self.resend(&own, &entry, &address, &wanted, step).await?;
            }
        }
        Ok(())
    }

    /// Sends a message again to one device.
    async fn resend(
        &mut self,
        own: &OwnAddress,
        entry: &OutboxEntry,
        address: &SignalAddress,
        wanted: &Wanted,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        // Acks under this id are awaited already.
        if self.retries.queue.is_out(&entry.id) || self.outbox.awaits_ack(entry) {
            self.retries.queue.wait(wanted.clone());
            return Ok(());
        }
        let Ok(message) = Message::decode(entry.payload.clone()) else {
            tracing::error!(id = %entry.id, "a sent message is damaged");
            return Ok(());
        };
        let is_own = own.is_account(&wanted.requester);
        // The request may have come with the very key that is not trusted.
        self.heed_identities(step).await?;
        if !is_own && !self.held_among(std::slice::from_ref(&wanted.requester)).await?.is_empty() {
            tracing::info!(id = %entry.id, "not sent again before its user is trusted");
            answers::keep(&mut self.retries.held, wanted.clone());
            return Ok(());
        }
        let store = std::sync::Arc::clone(&self.store);
        self.directory.load_addresses(&*store, vec![entry.chat.clone()]).await?;
        let chat = self.name_space(&entry.chat);
        let target = Target { jid: wanted.requester.clone(), is_own };
        let (distribution, addressing_mode) = self.distribution_for(own, &chat).await?;
        if is_many(&chat) {
            self.forget_holder(&chat, &wanted.requester).await?;
        }
        let sealed = Plaintexts::with_distribution(&message, &chat, &distribution, &mut self.random)
            .seal_for(&target, address, &mut self.ratchets);
        let (_, kind, bytes) = match sealed {
            Ok(sealed) => sealed,
            Err(error) => {
                tracing::warn!(%error, id = %entry.id, "a message could not be encrypted again");
                return Ok(());
            }
        };
        step.note(&entry.id, TrailStep::GivenAgain { device: wanted.requester.device() });
        self.retries.note_answer(
            entry.id.clone(),
            address,
            wanted.count,
            self.ratchets.current_session(address),
        );
        let resend = Resend {
            to: if is_many(&chat) { &chat } else { &wanted.requester },
            participant: is_many(&chat).then_some(&wanted.requester),
            recipient: (is_own && !is_many(&chat)).then_some(&chat),
            id: &entry.id,
            class: message.class(),
            enc: (kind, bytes),
            count: wanted.count,
            device_identity: self.account.signed_device_identity.as_deref(),
            addressing_mode,
        };
        let (node, id, limit) = (resend.into_node(), entry.id.clone(), self.config.ack_limit);
        step.outgoing.push(Outgoing::Message { node, id, limit });
        self.retries.asked.note_answer(wanted);
        self.retries.queue.sent(wanted.clone());
        Ok(())
    }
}

impl Actor {
    /// Our key of a group as it is now, for a message that is sent again, and how the group is addressed; nothing for
    /// other chats: a later status post may have another audience, and our key then is not for this one.
    async fn distribution_for(
        &mut self,
        own: &OwnAddress,
        chat: &Jid,
    ) -> Result<(Zeroizing<Vec<u8>>, Option<&'static str>), StoreError> {
        let nothing = || (Zeroizing::new(Vec::new()), None);
        if !chat.is_group() {
            return Ok(nothing());
        }
        let store = std::sync::Arc::clone(&self.store);
        let Some(group) = self.groups.load(&*store, chat).await? else { return Ok(nothing()) };
        let me = own.in_group(group.addressing).and_then(SignalAddress::from_jid);
        let Some(sender) = me else { return Ok(nothing()) };
        let name = SenderKeyName { group: chat.clone(), sender };
        self.load_own_key(&name).await?;
        let mode = match group.addressing {
            AddressingMode::Pn => "pn",
            AddressingMode::Lid => "lid",
        };
        let key = self.groups.keys.get(&name);
        Ok((key.map_or_else(|| nothing().0, |key| distribution_message(chat, key)), Some(mode)))
    }
}

/// Whether a chat's messages have many readers, so that a device is named beside it.
fn is_many(chat: &Jid) -> bool {
    chat.is_group() || chat.is_broadcast()
}

impl Retries {
    fn note_answer(
        &mut self,
        id: MessageId,
        address: &SignalAddress,
        count: u8,
        session: Option<retry::Session>,
    ) {
        if self.answers.len() >= REMEMBERED {
            // Whoever comes so far has asked for thousands of messages: forgetting costs little.
            self.answers.clear();
        }
        let answered = self.answers.entry((id, address.clone())).or_default();
        answered.times = answered.times.saturating_add(1);
        if retry::is_remembered(count) {
            answered.base_key = session.map(|session| session.base_key);
        }
    }
}
