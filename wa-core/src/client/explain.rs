//! Why a message did not arrive, or arrived twice, or late.

use wa_types::MessageId;

use super::Client;
use crate::driver::command::Job;
use crate::error::CallError;
use crate::event::TrailEntry;

impl Client {
    /// What happened to a message, oldest first: its stanza, attempts to read it, requests for it, receipts, and whether
    /// each of these was committed. Only the last few hundred things that happened to messages are
    /// [kept](super::ClientBuilder::trail), in memory; empty when nothing of it is.
    ///
    /// # Errors
    /// [`CallError::Shutdown`].
    pub async fn explain(&self, id: &MessageId) -> Result<Vec<TrailEntry>, CallError> {
        self.call(|reply| Job::Explain { id: id.clone(), reply }).await
    }
}
