//! Calls: heard of, and declined. Sound and pictures are not ours. Protocol: IQ catalogue, "Calls".

use super::Client;
use crate::crypto::{Random as _, SystemRandom};
use crate::driver::command::PeopleJob;
use crate::error::CallError;
use crate::stanza::call;
use crate::stanza::call::InboundCall;

/// Calls; [`Client::calls`] gives it. They are told as [`Event::Call`](crate::Event::Call).
#[derive(Debug, Clone, Copy)]
pub struct Calls<'c> {
    client: &'c Client,
}

impl Client {
    /// Calls.
    #[must_use]
    pub const fn calls(&self) -> Calls<'_> {
        Calls { client: self }
    }
}

impl Calls<'_> {
    /// Declines a call: it rings no longer, here and on our other devices.
    ///
    /// # Errors
    /// [`CallError`]. The server does not say whether the caller heard of it; a call that is over is declined in vain.
    pub async fn reject(&self, call: &InboundCall) -> Result<(), CallError> {
        let users = Vec::new();
        let addresses = self.client.people(|reply| PeopleJob::Addresses { users, reply }).await?;
        // In the name space of the caller.
        let own = if call.creator.is_lid() { addresses.own_lid } else { None }.unwrap_or(addresses.own);
        let bytes: [u8; 16] = SystemRandom.array();
        let id: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        self.client.tell(call::reject(&id, &own, &call.call_id, &call.creator)).await
    }
}
