//! decrypt → commit → deliver → acknowledge, in order, many stanzas at a time. Protocol: receiving.

mod accept;
mod answer;
mod load;
mod own_device;
pub(super) mod place;
mod receipt;
pub(super) mod stored;

pub(super) use self::accept::stage_inbox;

use std::collections::HashSet;

use tracing::Instrument as _;
use wa_store::{MessageKey, SenderKeyName, StoreError};
use wa_types::SignalAddress;

use self::place::keys_of;
use super::session::Told;
use super::{Actor, Link, Phase, Step, backlog, credentials};
use crate::connection::Incoming;
use crate::e2e::addressing::{OwnAddress, Place};
use crate::e2e::decrypt::{Opening, Outcome};
use crate::event::{Event, TrailStep};
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
            Some(own) => self.load_for(&stanzas, &own, step).await?,
            None => HashSet::new(),
        };
        let of_backlog = backlog::count(&stanzas);
        for stanza in stanzas {
            match stanza {
                Incoming::Message(message) => {
                    let Some(own) = self.own() else { continue };
                    let span = tracing::debug_span!("stanza", tag = "message", id = %message.id, chat = ?message.from);
                    self.handle_message(&message, &own, &seen, step).instrument(span).await?;
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
                        self.handle_ib(item, step).await;
                    }
                }
                Incoming::RetryAck(id) => self.note_retry_ack(&id, step),
                Incoming::Presence(presence) => self.handle_presence(presence, step).await?,
                Incoming::ChatState(state) => self.handle_chat_state(state, step).await?,
                Incoming::Call { call, answer, .. } => {
                    self.handle_call(*call, step).await?;
                    step.reply(answer);
                }
                Incoming::Other(node) => step.events.push(Event::Other(Box::new(node))),
            }
        }
        self.note_backlog(of_backlog, step);
        Ok(())
    }

    async fn handle_message(
        &mut self,
        message: &InboundMessage,
        own: &OwnAddress,
        seen: &HashSet<MessageKey>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        step.note(
            &message.id,
            TrailStep::Arrived {
                ciphertexts: message.encs.len(),
                resend: message.encs.iter().map(|enc| enc.count).max().unwrap_or(0),
                is_backlog: message.offline.is_some(),
            },
        );
        let mut place = Place::of(message, own);
        let keys = keys_of(&message.known_by(), &place, own, &self.directory);
        if keys.iter().any(|key| seen.contains(key) || step.accepted.contains(key)) {
            step.note(&message.id, TrailStep::SeenBefore);
            self.acknowledge(message, &place, step);
            return Ok(());
        }
        let key = keys.iter().find(|key| self.is_under_repair(key)).or(keys.first());
        let Some(key) = key.cloned() else { return Ok(()) };
        let [sender, other] = self.sender_addresses(message);
        let (outcome, is_new_identity) = match sender {
            Some(sender) => {
                if let Some(other) = other {
                    self.bring_over(message, &other, &sender, step);
                }
                let phone = sender.with_device(0);
                let opening = Opening {
                    own,
                    ours: Self::ours(&self.account),
                    sender: &sender,
                    account_key: self.ratchets.identity(&phone),
                };
                opening.open(message, &mut place, &mut self.ratchets, &mut step.changes, &mut self.random)
            }
            // A channel, or nobody who could have a session with us.
            None => Opening::open_plain(message),
        };
        if is_new_identity {
            step.new_identities.push(message.sender().clone());
        }
        let outcome = match outcome {
            Outcome::Failed(error) => self
                .open_bot_answer(message, &place, step.secrets.clone())
                .await?
                .unwrap_or(Outcome::Failed(error)),
            other => other,
        };
        match outcome {
            Outcome::Content(content) => {
                tracing::debug!(kind = content.content().name(), "a message was read");
                self.accept(message, key, place, content, step).await?;
            }
            Outcome::Undecodable(bytes) => self.accept_undecodable(message, key, place, bytes, step).await?,
            Outcome::Silent => {
                step.note(&message.id, TrailStep::OnlyKeys);
                self.settle_silent(&key, step);
                self.acknowledge(message, &place, step);
            }
            Outcome::Duplicate => {
                step.note(&message.id, TrailStep::SeenBefore);
                self.acknowledge(message, &place, step);
            }
            Outcome::Failed(error) => {
                step.note(&message.id, TrailStep::Unreadable { error: error.clone() });
                place.chat = self.chat_key(&place.chat, step).await?;
                self.handle_unreadable(message, key, place, error, step);
            }
        }
        Ok(())
    }

    /// What is kept under the sender's phone number is moved to its LID before it is used: learning the pair did that,
    /// except for what came to be under the number later.
    fn bring_over(
        &mut self,
        message: &InboundMessage,
        from: &SignalAddress,
        to: &SignalAddress,
        step: &mut Step,
    ) {
        self.ratchets.migrate(from, to, &mut step.changes);
        let name =
            |sender: &SignalAddress| SenderKeyName { group: message.from.clone(), sender: sender.clone() };
        self.ratchets.migrate_sender_key(&name(from), &name(to), &mut step.changes);
    }
}
