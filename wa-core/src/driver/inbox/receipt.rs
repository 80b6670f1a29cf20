//! What others tell about messages.

use wa_store::StoreError;

use crate::driver::{Actor, Step};
use crate::event::{Event, Receipt, TrailStep};
use crate::stanza::receipt::{InboundReceipt, ReceiptKind};

impl Actor {
    pub(super) async fn handle_receipt(
        &mut self,
        receipt: InboundReceipt,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let Some(own) = self.own() else { return Ok(()) };
        if receipt.kind == ReceiptKind::Retry {
            return self.handle_retry(&receipt, step).await;
        }
        let from = receipt.participant.clone().unwrap_or_else(|| receipt.from.clone());
        let is_own = own.is_account(&receipt.from) && !receipt.from.is_group();
        let chat = match &receipt.recipient {
            Some(recipient) if is_own => recipient.to_chat(),
            _ => receipt.from.to_chat(),
        };
        let chat = self.chat_key(&chat, step).await?;
        // Own devices tell each other with the same word as they tell the author.
        let kind = match receipt.kind {
            ReceiptKind::Read if is_own => ReceiptKind::ReadSelf,
            ReceiptKind::Played if is_own => ReceiptKind::PlayedSelf,
            kind => kind,
        };
        for id in &receipt.ids {
            step.note(id, TrailStep::Receipt { kind: kind.clone(), device: from.device() });
        }
        self.note_receipt(&kind, &chat, &receipt.ids, receipt.timestamp);
        step.events.push(Event::Receipt(Box::new(Receipt {
            chat,
            from,
            kind,
            ids: receipt.ids,
            timestamp: receipt.timestamp,
        })));
        Ok(())
    }
}
