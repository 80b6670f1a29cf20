//! What keeps an account going: login, pre-key supply, device lists; and what handles ask for.
//! Protocol: transport, "Startup order"; prekeys and devices.

use wa_store::{PreKeyRecord, SignedPreKeyRecord, StoreError};
use wa_types::{Jid, SignalAddress};

use super::command::Job;
use super::directory::Evidence;
use super::groups::GroupAnswer;
use super::history::Done;
use super::pairing::PairingAnswer;
use super::people::PeopleAnswer;
use super::sync::Synced;
use super::{Actor, CONFIRM_AFTER, Status, Step, clock};
use crate::connection::{CloseReason, REQUEST_LIMIT, RequestError};
use crate::e2e::addressing::AddressPair;
use crate::error::CallError;
use crate::event::{Event, NewsletterEvent};
use crate::stanza::ib::Ib;
use crate::stanza::iq::encrypt::{BundleAnswer, ServerKeys};
use crate::stanza::iq::passive::SetActive;
use crate::stanza::iq::usync::UserDevices;
use crate::stanza::notification::Notification;
use crate::stanza::receipt::{IDS_LIMIT, OutboundReceipt};
use crate::stanza::stream::Success;
use crate::wire::Node;

/// An answer to a question of the actor.
pub(super) enum Fetched {
    Devices {
        users: Vec<Jid>,
        result: Result<Vec<UserDevices>, RequestError>,
    },
    Bundles {
        addresses: Vec<SignalAddress>,
        result: Result<Vec<(Jid, BundleAnswer)>, RequestError>,
    },
    /// One-time pre-keys were given to the server.
    PreKeys {
        uploaded: Vec<PreKeyRecord>,
        result: Result<(), RequestError>,
    },
    /// The keys of our own phone.
    PhoneKeys {
        address: SignalAddress,
        result: Result<Vec<(Jid, BundleAnswer)>, RequestError>,
    },
    /// The keys of a device that asked for messages again.
    RenewedKeys {
        address: SignalAddress,
        result: Result<Vec<(Jid, BundleAnswer)>, RequestError>,
    },
    /// The server was told of another signed pre-key.
    Rotated {
        signed: Box<SignedPreKeyRecord>,
        result: Result<(), RequestError>,
    },
    /// What the server has of our keys.
    KeyDigest(Result<Option<ServerKeys>, RequestError>),
    Active(Result<(), RequestError>),
    /// A part of the past is through, or broken.
    History(Box<Done>),
    Group(Box<GroupAnswer>),
    People(Box<PeopleAnswer>),
    /// What pairing asked.
    Pairing(PairingAnswer),
    /// Nothing is to be done about it.
    Nothing,
    /// What came of an exchange about the shared state.
    Synced(Box<Synced>),
    /// To a logout.
    Removed(Result<(), RequestError>),
}

impl Actor {
    pub(super) async fn handle_job(&mut self, job: Job, step: &mut Step) {
        match job {
            Job::Send(job) => self.accept_send(*job, step).await,
            Job::CancelSend { id, reply } => self.cancel_send(&id, reply, step).await,
            Job::Explain { id, reply } => drop(reply.send(self.trail.of(&id))),
            Job::SendState { id, reply } => self.tell_send_state(&id, reply).await,
            Job::Confirm { number } => {
                self.confirms.push(number.0);
                self.confirm_at.get_or_insert_with(|| clock::now() + CONFIRM_AFTER);
            }
            Job::MarkRead { chat, sender, ids, reply } => {
                let done = self.mark_read(&chat, &sender, ids, step).await;
                let _ = reply.send(done);
            }
            Job::Peer { jid, reply } => {
                let peer = self.peer(&jid, step).await;
                let _ = reply.send(peer);
            }
            Job::OwnAddresses { reply } => {
                let own = self.own().map(|own| (own.pn.to_chat(), own.lid.map(|lid| lid.to_chat())));
                let _ = reply.send(own);
            }
            Job::React { newsletter, post, emoji, reply } => {
                let done = self.react_to_post(&newsletter, post, emoji.as_deref(), step);
                let _ = reply.send(done);
            }
            Job::SetPresence { is_available, reply } => {
                self.wants_available = Some(is_available);
                self.send_presence(step);
                let _ = reply.send(());
            }
            Job::PairWithCode(job) => self.pair_with_code(*job, step).await,
            Job::Reconnect { reply } => {
                let done = self.reconnect().await;
                let _ = reply.send(done);
            }
            Job::SetVersion { version } => self.set_version(version),
            Job::Disconnect { reply } => {
                self.disconnect(&CloseReason::Requested).await;
                let _ = reply.send(());
            }
            Job::TrustIdentity { user, reply } => self.trust_identity(&user, reply, step).await,
            Job::Logout { reply } => {
                self.logout(reply, step);
            }
            Job::Reupload(job) => self.request_reupload(*job, step).await,
            Job::History(job) => self.handle_history_job(*job, step).await,
            Job::Group(job) => self.handle_group_job(*job).await,
            Job::AppState(job) => self.change_app_state(*job, step).await,
            Job::People(job) => self.handle_people_job(*job, step).await,
            Job::Forget { reply } => {
                let done = self.forget().await;
                let _ = reply.send(done);
            }
        }
    }

    pub(super) fn is_ready(&self) -> Result<(), CallError> {
        if *self.status.borrow() == Status::Ready { Ok(()) } else { Err(RequestError::NotConnected.into()) }
    }

    async fn mark_read(
        &mut self,
        chat: &Jid,
        sender: &Jid,
        ids: Vec<wa_types::MessageId>,
        step: &mut Step,
    ) -> Result<(), CallError> {
        self.is_ready()?;
        let to = self.wire_address(chat).await?;
        for ids in ids.chunks(IDS_LIMIT) {
            let Some((first, rest)) = ids.split_first() else { continue };
            let mut receipt = OutboundReceipt::new(to.clone(), Some("read"), first.clone());
            receipt.ids.extend_from_slice(rest);
            receipt.timestamp = Some(clock::unix_millis().to_seconds());
            receipt.participant = (!chat.is_user()).then(|| sender.to_user());
            step.reply(receipt.into_node());
        }
        Ok(())
    }

    /// Tells the server what the application wants others to see; at once, and after every login.
    pub(super) fn send_presence(&mut self, step: &mut Step) {
        let Some(is_available) = self.wants_available.filter(|_| self.is_ready().is_ok()) else { return };
        self.is_available = is_available;
        let name = self.account.push_name.as_deref().or(self.config.push_name.as_deref());
        step.reply(
            Node::new("presence")
                .attr("type", if is_available { "available" } else { "unavailable" })
                .attr_opt("name", name),
        );
    }

    /// The login succeeded: remember it, see that the server has keys, then ask for traffic.
    pub(super) async fn handle_success(
        &mut self,
        success: Success,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        if !self.account.is_paired() || self.requester().is_none() {
            return Ok(());
        }
        self.backoff.connected(clock::now());
        self.account.login_counter = self.account.login_counter.saturating_add(1);
        self.account.banned_until = None;
        self.server_time.send_replace(success.timestamp);
        if let Some(lid) = success.lid.filter(Jid::is_lid) {
            let pair = self.account.jid.as_ref().and_then(|pn| AddressPair::new(pn, &lid));
            // First, since others' word is measured against it.
            self.account.lid = Some(lid);
            self.learn(pair, Evidence::Told, step).await?;
        }
        step.changes.put_account(self.account.clone());
        if self.account.server_has_pre_keys {
            self.ask_for_traffic()
        } else {
            self.supply_pre_keys(step).await?
        }
        Ok(())
    }

    pub(super) fn ask_for_traffic(&mut self) {
        let Some(requester) = self.requester().cloned() else { return };
        self.greetings.spawn(async move { Fetched::Active(requester.ask(SetActive, REQUEST_LIMIT).await) });
    }

    pub(super) async fn handle_fetched(&mut self, fetched: Fetched) {
        let mut step = Step::default();
        let handled = match fetched {
            Fetched::Devices { users, result } => self.handle_devices(users, result, &mut step).await,
            Fetched::Bundles { addresses, result } => self.handle_bundles(addresses, result, &mut step).await,
            Fetched::Nothing => Ok(()),
            Fetched::PhoneKeys { address, result } => {
                self.handle_phone_keys(address, result, &mut step).await
            }
            Fetched::RenewedKeys { address, result } => {
                self.handle_renewed_keys(address, result, &mut step).await
            }
            Fetched::Rotated { signed, result } => self.handle_rotated(*signed, result, &mut step).await,
            Fetched::KeyDigest(result) => self.handle_digest(result, &mut step).await,
            Fetched::PreKeys { uploaded, result } => self.handle_upload(uploaded, result, &mut step).await,
            Fetched::Group(answer) => self.handle_group_answer(*answer, &mut step).await,
            Fetched::Synced(synced) => self.handle_synced(*synced, &mut step).await,
            Fetched::People(answer) => self.handle_people_answer(*answer, &mut step).await,
            Fetched::History(done) => {
                self.handle_history(*done, &mut step);
                Ok(())
            }
            Fetched::Pairing(answer) => {
                self.handle_pairing_answer(answer, &mut step).await;
                Ok(())
            }
            Fetched::Removed(result) => {
                self.handle_removed(result).await;
                Ok(())
            }
            Fetched::Active(result) => self.handle_active(result, &mut step).await,
        };
        let handled = match handled {
            Ok(()) => self.heed_identities(&mut step).await,
            failed => failed,
        };
        let handled = match handled {
            Ok(()) => self.send_ready(&mut step).await,
            failed => failed,
        };
        let handled = match handled {
            Ok(()) => self.mend(&mut step).await,
            failed => failed,
        };
        match handled {
            Ok(()) => self.finish(step).await,
            Err(error) => self.handle_store_failure(&error, step),
        }
    }

    /// The server's word that traffic flows, or not. Without it this connection is of no use.
    async fn handle_active(
        &mut self,
        result: Result<(), RequestError>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        match result {
            Ok(()) => {
                self.set_ready();
                self.send_presence(step);
                self.watch_again(step).await?;
                step.events.push(Event::Connected);
                self.check_keys();
                self.sync.connected();
                self.history.resume();
                self.resume_retries(step).await?;
            }
            // The connection's task tells why.
            Err(RequestError::ConnectionLost | RequestError::NotConnected) => {}
            Err(error) => {
                tracing::warn!(%error, "the server does not let traffic flow");
                self.disconnect(&CloseReason::DeadSocket).await;
            }
        }
        Ok(())
    }

    pub(super) async fn handle_notification(
        &mut self,
        notification: Notification,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        match notification {
            Notification::PreKeysLow { count } => {
                tracing::debug!(count, "the server runs low on pre-keys");
                self.account.server_has_pre_keys = false;
                self.supply_pre_keys(step).await?;
            }
            Notification::CheckKeys => self.check_digest(),
            Notification::DevicesChanged { user, lid } => {
                self.drop_device_lists(&user, lid, step).await?;
            }
            Notification::Reupload(answer) => self.handle_reupload(*answer, step),
            Notification::ContactDevicesChanged { hash } => step.contact_hashes.extend([hash]),
            Notification::Pairing(notice) => self.handle_pairing_notice(notice, step),
            Notification::IdentityChanged { user, lid } if self.is_own_phone(&user, lid.as_ref()) => {
                self.leave_moved_account(step);
            }
            Notification::People(news) => self.handle_people_news(*news, step).await?,
            Notification::Addresses(said) => self.handle_addresses(said, step).await?,
            Notification::IdentityChanged { user, lid } => {
                self.handle_identity_notice(&user, lid.as_ref(), step).await?;
            }
            Notification::Group(group) => self.handle_group_notification(*group, step).await?,
            Notification::AppState { collections } => self.handle_app_state_news(collections).await?,
            Notification::Newsletters(told) => {
                let events = told.changes.into_iter().map(NewsletterEvent::from);
                step.events.extend(events.map(|event| Event::Newsletter(Box::new(event))));
            }
            Notification::Other { .. } => {}
        }
        Ok(())
    }

    /// The devices of a user, or our own, are other ones than before.
    pub(super) async fn drop_device_lists(
        &mut self,
        user: &Jid,
        lid: Option<Jid>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let pair = lid.as_ref().and_then(|lid| AddressPair::new(user, lid));
        let store = std::sync::Arc::clone(&self.store);
        self.directory.load_addresses(&*store, vec![user.clone()]).await?;
        let known = [self.directory.lid_of(user), self.directory.pn_of(user)];
        let mut users: Vec<Jid> = known.into_iter().flatten().cloned().collect();
        users.push(user.to_chat());
        users.extend(lid.map(|lid| lid.to_chat()));
        if self.own().is_some_and(|own| own.is_account(user)) {
            users.extend(
                self.own()
                    .into_iter()
                    .flat_map(|own| [Some(own.pn), own.lid])
                    .flatten()
                    .map(|jid| jid.to_user()),
            );
        }
        for user in users {
            self.directory.drop_list(&user, &mut step.changes);
        }
        self.learn(pair, Evidence::Seen, step).await?;
        Ok(())
    }

    pub(super) async fn handle_ib(&mut self, ib: Ib, step: &mut Step) {
        match ib {
            Ib::OfflinePreview(preview) => self.begin_backlog(preview, step),
            Ib::OfflineDone { count } => self.end_backlog(count, step),
            Ib::EdgeRouting(info) => {
                if self.account.routing_info.as_ref() != Some(&info) {
                    self.account.routing_info = Some(info);
                    step.changes.put_account(self.account.clone());
                }
            }
            Ib::Dirty { kind, timestamp, .. } if kind == "syncd_app_state" => {
                self.handle_dirty_app_state(kind, timestamp);
            }
            Ib::Dirty { kind, timestamp, parts } => self.heed_dirty(kind, timestamp, &parts, step).await,
            Ib::DowngradeWebClient => tracing::warn!("the phone does not support linked devices; update it"),
            Ib::Other => {}
        }
    }
}
