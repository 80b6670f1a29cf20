//! decrypt → commit → deliver → acknowledge, in order, many stanzas at a time. Protocol: receiving.

mod accept;
mod answer;
mod load;
mod place;
mod receipt;
pub(super) mod stored;

use std::collections::HashSet;

use wa_store::{MessageKey, StoreError};
use wa_types::SignalAddress;

use self::place::key_of;
use super::session::Told;
use super::{Actor, Link, Phase, Step, backlog, clock, credentials};
use crate::connection::Incoming;
use crate::e2e::addressing::{AddressPair, OwnAddress, Place};
use crate::e2e::decrypt::{DecryptError, Opening, Outcome};
use crate::event::Event;
use crate::stanza::message::InboundMessage;

impl Actor {
    /// Keeps the proof of the server's identity; all else is a stanza.
    pub(super) fn handle_established(&mut self, told: Told, step: &mut Step) -> Option<Incoming> {
        match told {
            Told::Stanza(stanza) => Some(stanza),
            Told::Established(server) => {
                if let Link::Up { phase, .. } = &mut self.link {
                    *phase = if self.account.is_paired() { Phase::Login } else { Phase::Open };
                }
                let server = credentials::encode_server(&server);
                if self.account.is_paired() && self.account.server_certificate.as_ref() != Some(&server) {
                    self.account.server_certificate = Some(server);
                    step.changes.put_account(self.account.clone());
                }
                None
            }
        }
    }

    /// Handles what came, in order. What it needs from the store is loaded first, for all stanzas at once.
    pub(super) async fn receive_all(
        &mut self,
        stanzas: Vec<Incoming>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let seen = match self.own() {
            Some(own) => self.load_for(&stanzas, &own).await?,
            None => HashSet::new(),
        };
        let of_backlog = backlog::count(&stanzas);
        for stanza in stanzas {
            match stanza {
                Incoming::Message(message) => {
                    let Some(own) = self.own() else { continue };
                    self.handle_message(&message, &own, &seen, step);
                }
                Incoming::Receipt { receipt, ack, .. } => {
                    self.handle_receipt(*receipt, step).await?;
                    step.reply(ack);
                }
                Incoming::Notification { notification, ack, .. } => {
                    self.handle_notification(notification, step).await?;
                    step.reply(ack);
                }
                Incoming::Success(success) => self.handle_success(success, step).await?,
                Incoming::Pairing { iq_id, request } => self.handle_pairing(&iq_id, request, step).await,
                Incoming::Ib(items) => {
                    for item in items {
                        self.handle_ib(item, step);
                    }
                }
                Incoming::Other(node) => step.events.push(Event::Other(Box::new(node))),
            }
        }
        self.note_backlog(of_backlog, step);
        Ok(())
    }

    fn handle_message(
        &mut self,
        message: &InboundMessage,
        own: &OwnAddress,
        seen: &HashSet<MessageKey>,
        step: &mut Step,
    ) {
        let mut place = Place::of(message, own);
        let [sender, other] = self.sender_addresses(message);
        let now = clock::unix_millis();
        let pairs = [
            message.sender_alt.as_ref().and_then(|alt| AddressPair::new(message.sender(), alt)),
            message
                .recipient
                .as_ref()
                .zip(message.recipient_alt.as_ref())
                .and_then(|(a, b)| AddressPair::new(a, b)),
        ];
        for pair in pairs.into_iter().flatten() {
            self.directory.learn(pair, now, &mut step.changes);
        }
        let key = key_of(&message.id, &place);
        if seen.contains(&key) || step.accepted.contains(&key) {
            self.acknowledge(message, &place, step);
            return;
        }
        let Some(sender) = sender else {
            return self.handle_unreadable(message, key, place, DecryptError::NoContent, step);
        };
        if let Some(other) = other.filter(|other| *other != sender) {
            self.ratchets.migrate(&other, &sender, &mut step.changes);
        }
        let opening = Opening {
            own,
            ours: Self::ours(&self.account),
            sender: &sender,
            account_key: self.ratchets.identity(&SignalAddress::new(sender.user(), sender.domain(), 0)),
        };
        let (outcome, is_new_identity) =
            opening.open(message, &mut place, &mut self.ratchets, &mut step.changes, &mut self.random);
        if is_new_identity {
            step.events.push(Event::IdentityChanged { device: message.sender().clone() });
        }
        match outcome {
            Outcome::Content(content) => {
                let is_from_phone = place.from_me && message.is_peer && message.sender().device() == 0;
                if is_from_phone && self.take_phone_answer(&content, step) {
                    self.acknowledge(message, &place, step);
                } else {
                    self.accept(message, key, place, content, step);
                }
            }
            Outcome::Undecodable(bytes) => self.accept_undecodable(message, key, place, bytes, step),
            Outcome::Silent => {
                self.settle_silent(&key, step);
                self.acknowledge(message, &place, step);
            }
            Outcome::Duplicate => self.acknowledge(message, &place, step),
            Outcome::Failed(error) => self.handle_unreadable(message, key, place, error, step),
        }
    }
}
