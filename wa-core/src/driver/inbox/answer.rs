//! The positive answer to received messages.

use wa_types::Jid;

use crate::driver::{Actor, Step};
use crate::e2e::addressing::Place;
use crate::stanza::ack;
use crate::stanza::message::InboundMessage;
use crate::stanza::receipt::OutboundReceipt;

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
}
