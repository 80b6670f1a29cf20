//! What others tell about messages.

use crate::driver::{Actor, Step};
use crate::event::{Event, Receipt};
use crate::stanza::receipt::{InboundReceipt, ReceiptKind};

impl Actor {
    pub(super) fn handle_receipt(&self, receipt: InboundReceipt, step: &mut Step) {
        let Some(own) = self.own() else { return };
        if matches!(receipt.kind, ReceiptKind::Retry) {
            tracing::warn!(id = %receipt.id, "a device asks for a message again");
        }
        let from = receipt.participant.clone().unwrap_or_else(|| receipt.from.clone());
        let is_own = own.is_account(&receipt.from) && !receipt.from.is_group();
        let chat = match &receipt.recipient {
            Some(recipient) if is_own => recipient.to_chat(),
            _ => receipt.from.to_chat(),
        };
        // Own devices tell each other with the same word as they tell the author.
        let kind = match receipt.kind {
            ReceiptKind::Read if is_own => ReceiptKind::ReadSelf,
            ReceiptKind::Played if is_own => ReceiptKind::PlayedSelf,
            kind => kind,
        };
        step.events.push(Event::Receipt(Box::new(Receipt {
            chat,
            from,
            kind,
            ids: receipt.ids,
            timestamp: receipt.timestamp,
        })));
    }
}
