//! Devices that ask for messages of ours again. Protocol: receiving, "Inbound retry receipt".

use wa_store::StoreError;
use wa_types::SignalAddress;

use super::{Actor, Step};
use crate::stanza::receipt::InboundReceipt;

impl Actor {
    /// Answers a retry receipt, where that is right. Its ack is the caller's.
    pub(super) async fn handle_retry(
        &mut self,
        receipt: &InboundReceipt,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let requester = receipt.participant.as_ref().unwrap_or(&receipt.from);
        let Some(own) = self.own() else { return Ok(()) };
        let phone = own.lid.as_ref().unwrap_or(&own.pn).to_user();
        if requester.device() == 0
            && own.is_account(requester)
            && let Some(address) = SignalAddress::from_jid(&phone)
            && self.repeat_request(&receipt.id, &address, step).await?
        {
            return Ok(());
        }
        Ok(())
    }
}
