//! The answers to received messages: taken, asked for again, refused.

use std::time::Duration;

use wa_store::PreKeyRecord;
use wa_types::{Jid, PreKeyId, PublicKey};

use crate::driver::{Actor, Step, clock};
use crate::e2e::addressing::Place;
use crate::e2e::decrypt::DecryptError;
use crate::event::{Event, Undecryptable};
use crate::signal::PreKey;
use crate::stanza::ack::{self, nack};
use crate::stanza::message::InboundMessage;
use crate::stanza::receipt::OutboundReceipt;
use crate::stanza::retry::{Origin, RetryKeys, RetryRequest};

/// From this request on, the sender gets our keys for a new session.
const KEYS_FROM: u8 = 2;

/// A status is gone after this.
const STATUS_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// A sender refuses to send again more often than this.
const RETRY_LIMIT: u8 = 4;

impl Actor {
    /// The positive answer. Protocol: receiving, "Positive answers".
    pub(super) fn acknowledge(&self, message: &InboundMessage, place: &Place, step: &mut Step) {
        let is_note_to_self = place.from_me && message.recipient.is_none() && message.from.is_user();
        if message.from.is_newsletter() || (is_note_to_self && !message.is_peer) {
            return step.reply(ack::for_message(message, None));
        }
        let kind = if message.is_peer {
            Some("peer_msg")
        } else if place.from_me {
            Some("sender")
        } else if self.is_available || message.from.is_status() {
            None
        } else {
            Some("inactive")
        };
        let mut receipt = OutboundReceipt::new(message.from.clone(), kind, message.id.clone());
        receipt.participant.clone_from(&message.participant);
        if place.from_me && !message.is_peer {
            receipt.recipient = message.recipient.as_ref().map(Jid::to_user);
        }
        step.receipt(receipt);
    }

    /// A message that cannot be read: asks for it again where that helps, refuses it where it does not.
    pub(super) fn give_up(
        &mut self,
        message: &InboundMessage,
        place: Place,
        error: DecryptError,
        step: &mut Step,
    ) {
        let count = message.encs.iter().map(|enc| enc.count).max().unwrap_or(0).saturating_add(1);
        let age = clock::unix_millis().to_seconds().0.saturating_sub(message.timestamp.0);
        let is_expired = message.from.is_status() && age > STATUS_LIFE.as_secs();
        let code = error.retry_code().filter(|_| count <= RETRY_LIMIT && !is_expired);
        tracing::warn!(%error, id = %message.id, count, is_retried = code.is_some(), "a message could not be read");
        match (code, &error) {
            (Some(code), _) => {
                let fresh =
                    (count >= KEYS_FROM || message.from.is_hosted()).then(|| self.spare_pre_key(step));
                let device_identity = self.account.signed_device_identity.as_deref();
                let keys = fresh.zip(device_identity).map(|(one_time, device_identity)| RetryKeys {
                    identity: self.account.identity.public,
                    one_time: Some(one_time),
                    signed: self.signed_pre_key(),
                    device_identity,
                });
                let registration_id = self.account.registration_id;
                // 0 is "unknown", and left out.
                let code = Some(code).filter(|code| *code != 0);
                step.reply(
                    RetryRequest { origin: &Origin::of(message), count, code, registration_id, keys }
                        .to_node(),
                );
                step.reply(ack::for_message(message, None));
            }
            (None, DecryptError::MissingSecret) => {
                step.reply(ack::for_message(message, Some(nack::MISSING_SECRET)))
            }
            (None, DecryptError::NoContent) => {
                step.reply(ack::for_message(message, Some(nack::UNRECOGNIZED_TYPE)))
            }
            (None, _) => step.reply(ack::for_message(message, None)),
        }
        step.events.push(Event::Undecryptable(Box::new(Undecryptable {
            chat: place.chat,
            sender: place.sender,
            id: message.id.clone(),
            timestamp: message.timestamp,
            error,
            is_retried: code.is_some(),
        })));
    }

    /// A one-time pre-key that is given to one sender only: the server never gets it.
    fn spare_pre_key(&mut self, step: &mut Step) -> (PreKeyId, PublicKey) {
        let id = self.account.next_pre_key_id;
        self.account.next_pre_key_id = id.next();
        let PreKey { id, key_pair } = PreKey::generate(id, &mut self.random);
        let public = key_pair.public;
        step.changes.put_pre_key(PreKeyRecord { id, key_pair, uploaded: true });
        step.changes.put_account(self.account.clone());
        (id, public)
    }
}
