//! Where a chat's messages go, and what each of them becomes on the way. Protocol: messages, "One send", "DM stanza".

use std::sync::Arc;

use wa_store::{Changes, Expiration, StoreError};
use wa_types::{Jid, SignalAddress, UnixSeconds};

use super::group::GroupRoute;
use super::{Pending, Waits};
use crate::driver::Actor;
use crate::driver::delivery::Delivery;
use crate::e2e::encrypt::Plaintexts;
use crate::e2e::phash::participant_hash;
use crate::e2e::recipients::{self, Target};
use crate::error::SendError;
use crate::message::post::Post;
use crate::message::report;
use crate::stanza::ack::MessageAck;
use crate::stanza::message::{OutboundMessage, OutboundPost, reporting};
use crate::wire::Node;

/// Where a chat's next messages go.
pub(super) enum Route {
    /// To one user.
    Direct(Box<Direct>),
    /// To a group.
    Group(Arc<GroupRoute>),
    /// To a channel, in the clear.
    Channel(Jid),
}

/// The devices of one user, and our own others.
pub(super) struct Direct {
    /// Where the message stands when that is not the chat with the user: the status feed, for reactions.
    feed: Option<Jid>,
    /// The chat as the stanza names it.
    to: Jid,
    recipient_pn: Option<Jid>,
    me: Jid,
    targets: Vec<(Target, SignalAddress)>,
    /// All devices that should get a copy, those without keys included.
    listed: Vec<Jid>,
}

/// What there is to do for a chat's messages.
pub(super) enum Prepared {
    Go(Route),
    /// Something is being asked for.
    Wait(Waits),
    /// None of them can be sent.
    Fail(SendError),
}

impl Actor {
    /// Whether messages can be sent there at all.
    pub(super) fn can_send_to(chat: &Jid) -> bool {
        chat.is_user() || chat.is_bot() || chat.is_group() || chat.is_broadcast() || chat.is_newsletter()
    }

    /// Loads what a chat's messages need, and asks for what is missing.
    pub(super) async fn prepare(&mut self, chat: &Jid) -> Result<Prepared, StoreError> {
        if chat.is_group() {
            self.prepare_group(chat, None).await
        } else if chat.is_broadcast() {
            match self.outbox.next_delivery(chat).cloned() {
                Some(Delivery::Audience(audience)) => self.prepare_group(chat, Some(audience)).await,
                Some(Delivery::Author(author)) => self.prepare_direct(&author, Some(chat)).await,
                _ => Ok(Prepared::Fail(SendError::Damaged)),
            }
        } else if chat.is_newsletter() {
            // One after the other: a change of a post goes under the same id as the post.
            let is_busy = self.outbox.is_sending_to(chat);
            Ok(if is_busy { Prepared::Wait(Waits::Ack) } else { Prepared::Go(Route::Channel(chat.clone())) })
        } else if Self::can_send_to(chat) {
            self.prepare_direct(chat, None).await
        } else {
            Ok(Prepared::Fail(SendError::Unsupported(chat.clone())))
        }
    }

    /// How long the messages of a chat stay.
    pub(super) fn expiration_of(&self, chat: &Jid, route: &Route) -> Expiration {
        match route {
            Route::Direct(_) => self.directory.expiration(chat).unwrap_or_default(),
            // Every change of a group drops its way.
            Route::Group(group) => Expiration { seconds: group.expiration_s, since: UnixSeconds::default() },
            Route::Channel(_) => Expiration::default(),
        }
    }

    /// Encrypts a message for its devices. The sessions must be loaded.
    pub(super) fn seal_for(&mut self, pending: &Pending, route: &Route) -> Result<Node, SendError> {
        match route {
            Route::Direct(direct) => self.seal_direct(pending, direct),
            Route::Group(group) => self.seal_group(pending, group),
            Route::Channel(channel) => {
                let Post { changes, class, content } = Post::of(&pending.message);
                let id = changes.as_ref().unwrap_or(&pending.id);
                let file = match &pending.delivery {
                    Delivery::File(handle) => Some(handle.as_str()),
                    _ => None,
                };
                Ok(OutboundPost { to: channel, id, class, file, content }.into_node())
            }
        }
    }

    /// What an ack says besides: when the server knows of other devices than we do, the lists are asked for again before
    /// the next message. Who got no copy of this one asks for it.
    pub(super) fn heed_ack(&mut self, route: &Route, ack: &MessageAck, changes: &mut Changes) {
        let Some(phash) = &ack.phash else { return };
        match route {
            Route::Direct(direct) => {
                // Libraries differ in whether the sender counts.
                let without_me = participant_hash(&direct.listed);
                let with_me = participant_hash(direct.listed.iter().chain([&direct.me]));
                let is_right = *phash == without_me || *phash == with_me;
                if is_right || !self.outbox.lookups.is_new_dispute(&direct.to, phash) {
                    return;
                }
                tracing::info!(chat = ?direct.to, "the server knows of other devices");
                self.directory.drop_list(&direct.to, changes);
                self.directory.drop_list(&direct.me.to_user(), changes);
            }
            // A group's answers are judged first of all; in a channel there is nothing to learn.
            Route::Group(_) | Route::Channel(_) => {}
        }
    }

    async fn prepare_direct(&mut self, chat: &Jid, feed: Option<&Jid>) -> Result<Prepared, StoreError> {
        let Some(own) = self.own() else { return Ok(Prepared::Fail(SendError::NotPaired)) };
        let store = std::sync::Arc::clone(&self.store);
        self.directory.load_chats(&*store, &[chat.clone(), own.pn.clone()]).await?;
        let to = self.name_space(chat);
        let me = own.beside(&to).clone();
        let held = self.held_among(std::slice::from_ref(&to)).await?;
        if !held.is_empty() {
            return Ok(Prepared::Wait(Waits::Held(held)));
        }

        let users = [to.clone(), me.to_user()];
        self.directory.load_lists(&*store, &users).await?;
        let unknown: Vec<Jid> =
            users.iter().filter(|user| self.directory.list(user).is_none()).cloned().collect();
        if !unknown.is_empty() {
            if self.outbox.lookups.knows_no_devices_of(&to) {
                return Ok(Prepared::Fail(SendError::UnknownRecipient(to)));
            }
            self.fetch_devices(unknown.clone());
            return Ok(Prepared::Wait(Waits::Devices(unknown)));
        }
        let (Some(theirs), Some(ours)) = (self.directory.list(&to), self.directory.list(&me.to_user()))
        else {
            return Ok(Prepared::Fail(SendError::UnknownRecipient(to)));
        };
        let mut targets: Vec<(Target, SignalAddress)> = recipients::of_direct(&to, theirs, &own, ours)
            .into_iter()
            .filter_map(|target| self.directory.signal_address(&target.jid).map(|address| (target, address)))
            .collect();
        self.load_sessions(targets.iter().map(|(_, address)| address.clone()).collect()).await?;
        let missing: Vec<SignalAddress> = targets
            .iter()
            .map(|(_, address)| address)
            .filter(|address| {
                !self.ratchets.can_send_to(address) && !self.outbox.lookups.knows_no_keys_of(address)
            })
            .cloned()
            .collect();
        if !missing.is_empty() {
            self.fetch_bundles(missing.clone());
            return Ok(Prepared::Wait(Waits::Bundles(missing)));
        }
        let listed = targets.iter().map(|(target, _)| target.jid.clone()).collect();
        targets.retain(|(_, address)| self.ratchets.can_send_to(address));
        let is_note_to_self = own.is_account(&to);
        if !is_note_to_self && targets.iter().all(|(target, _)| target.is_own) || targets.is_empty() {
            return Ok(Prepared::Fail(SendError::NoDevices(to)));
        }
        self.load_tokens(std::slice::from_ref(&to)).await?;
        let recipient_pn = if to.is_lid() { self.directory.pn_of(&to).cloned() } else { None };
        let feed = feed.cloned();
        Ok(Prepared::Go(Route::Direct(Box::new(Direct { feed, to, recipient_pn, me, targets, listed }))))
    }

    /// The address that the server wants for this chat: the LID once the account is migrated, else the phone number.
    /// The chat's addresses must be loaded.
    pub(in crate::driver) fn name_space(&self, chat: &Jid) -> Jid {
        if !chat.is_user() {
            return chat.to_chat();
        }
        let (lid, pn) = self.directory.addresses_of_chat(chat);
        let wanted = if self.account.lid_migrated { lid.or(pn) } else { pn.or(lid) };
        wanted.unwrap_or_else(|| chat.to_chat())
    }

    fn seal_direct(&mut self, pending: &Pending, route: &Direct) -> Result<Node, SendError> {
        let chat = route.feed.as_ref().unwrap_or(&route.to);
        let plaintexts = Plaintexts::new(&pending.message, chat, &mut self.random);
        let mut recipients = Vec::with_capacity(route.targets.len());
        for (target, address) in &route.targets {
            match plaintexts.seal_for(target, address, &mut self.ratchets) {
                Ok(sealed) => recipients.push(sealed),
                Err(error) => tracing::warn!(%error, device = ?target.jid, "a device gets no copy"),
            }
        }
        if recipients.is_empty() {
            return Err(SendError::NoDevices(route.to.clone()));
        }
        let is_feed = route.feed.is_some();
        let message = OutboundMessage {
            to: chat,
            id: &pending.id,
            class: pending.message.class(),
            recipients,
            device_identity: self.account.signed_device_identity.as_deref(),
            recipient_pn: route.recipient_pn.as_ref().filter(|_| !is_feed),
            trust: self.trust_for(&route.to).filter(|_| !is_feed).map(|trust| trust.to_node()),
        };
        let token = report_token(pending, &route.me.to_user(), chat);
        let node = message.into_node().children(token);
        if !is_feed {
            self.note_written_to(&route.to);
        }
        Ok(node)
    }
}

/// By which a report of the message can be checked.
pub(super) fn report_token(pending: &Pending, sender: &Jid, remote: &Jid) -> Option<Node> {
    let message = &pending.message;
    let token = report::token(&*message.secret()?, &pending.id, sender, remote, message.encoded())?;
    Some(reporting(token))
}
