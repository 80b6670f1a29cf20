//! Who is who.

use wa_types::Jid;

use super::Client;
use crate::driver::command::Job;
use crate::error::CallError;
use crate::event::Peer;

impl Client {
    /// The two addresses of a user, as far as they are known, and the chat with it as events name it. Either address
    /// will do, and so will one of its devices; a group or a channel is its own chat.
    ///
    /// Answered from the store, without a question to the server. The chat keeps this name from then on, whatever
    /// becomes known of the user.
    ///
    /// # Errors
    /// [`CallError::Store`], [`CallError::Shutdown`].
    pub async fn peer(&self, jid: &Jid) -> Result<Peer, CallError> {
        let jid = jid.clone();
        self.call(|reply| Job::Peer { jid, reply }).await?
    }

    /// The addresses of our own account: its phone number, and its LID, once the server told it.
    ///
    /// # Errors
    /// [`CallError::NotPaired`], [`CallError::Shutdown`].
    pub async fn own_addresses(&self) -> Result<(Jid, Option<Jid>), CallError> {
        self.call(|reply| Job::OwnAddresses { reply }).await?.ok_or(CallError::NotPaired)
    }
}
