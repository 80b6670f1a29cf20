//! Trusting users whose identity key changed.

use wa_types::Jid;

use super::Client;
use crate::driver::command::Job;
use crate::error::CallError;

impl Client {
    /// Trusts a user's new identity key: messages to them are sent again. Matters only under
    /// [`IdentityPolicy::Hold`](super::IdentityPolicy::Hold), after [`Event::IdentityChanged`](crate::Event); a user who
    /// is not held is trusted already. Either address of the user will do. Works without a connection.
    ///
    /// # Errors
    /// [`CallError::Store`], [`CallError::Shutdown`].
    pub async fn trust_identity(&self, user: &Jid) -> Result<(), CallError> {
        let user = user.clone();
        self.call(|reply| Job::TrustIdentity { user, reply }).await?
    }
}
