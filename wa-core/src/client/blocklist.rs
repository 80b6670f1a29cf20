//! Whom we want to hear nothing of. Protocol: IQ catalogue, "Blocklist", "Spam report".

use wa_types::Jid;

use super::Client;
use crate::driver::command::PeopleJob;
use crate::error::CallError;
use crate::stanza::iq::blocklist::{Blocklist, ChangeBlocklist, FetchBlocklist};
use crate::stanza::iq::spam::ReportSpam;
pub use crate::stanza::iq::spam::{SpamFlow, SpamMessage};

/// The block list; [`Client::blocklist`] gives it.
#[derive(Debug, Clone, Copy)]
pub struct BlocklistHandle<'c> {
    client: &'c Client,
}

impl Client {
    /// The block list.
    #[must_use]
    pub const fn blocklist(&self) -> BlocklistHandle<'_> {
        BlocklistHandle { client: self }
    }
}

impl BlocklistHandle<'_> {
    /// Who is blocked. It is asked for once, and kept true by what the server tells
    /// ([`AccountChange::Blocklist`](crate::event::AccountChange::Blocklist)).
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn list(&self) -> Result<Blocklist, CallError> {
        match self.known().await?.0 {
            Some(list) => Ok(list),
            None => self.refresh().await,
        }
    }

    /// Asks the server who is blocked, whatever is known.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn refresh(&self) -> Result<Blocklist, CallError> {
        let (_, state) = self.known().await?;
        let list = self.client.ask(FetchBlocklist).await?;
        self.keep(list.clone(), state).await?;
        Ok(list)
    }

    /// Whether a user is blocked, by either address.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn is_blocked(&self, user: &Jid) -> Result<bool, CallError> {
        let list = self.list().await?;
        let (lid, pn) = self.addresses(user).await?.0;
        Ok([Some(user.clone()), lid, pn].into_iter().flatten().any(|user| list.contains(&user)))
    }

    /// Blocks a user: nothing of theirs reaches us, and they do not see whether we are there. The user must be known by LID
    /// once the account is migrated: [look up](super::Users::lookup) the number first where it is not.
    ///
    /// # Errors
    /// [`CallError`]; refused with 400 when the server does not know the user by that address.
    pub async fn block(&self, user: &Jid) -> Result<(), CallError> {
        self.change(user, true).await
    }

    /// Hears of a user again.
    ///
    /// # Errors
    /// As [`Self::block`].
    pub async fn unblock(&self, user: &Jid) -> Result<(), CallError> {
        self.change(user, false).await
    }

    /// Reports messages to the operator of the service. Only for what a person asked for: the messages are shown to people.
    /// Returns the number of the report, where the server gives one.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn report(
        &self,
        flow: SpamFlow,
        chat: &Jid,
        messages: Vec<SpamMessage>,
    ) -> Result<Option<String>, CallError> {
        let token = if chat.is_user() {
            let user = chat.clone();
            self.client.people(|reply| PeopleJob::Token { user, reply }).await?
        } else {
            None
        };
        self.client.ask(ReportSpam { flow, chat: chat.to_chat(), messages, token }).await
    }

    async fn change(&self, user: &Jid, is_blocked: bool) -> Result<(), CallError> {
        let ((lid, pn), by_lid) = self.addresses(user).await?;
        let (user, pn) = match (by_lid, lid, pn) {
            (true, Some(lid), pn) => (lid, pn),
            (_, _, Some(pn)) => (pn, None),
            (_, Some(lid), None) => (lid, None),
            (_, None, None) => (user.to_user(), None),
        };
        let (_, state) = self.known().await?;
        let list = self.client.ask(ChangeBlocklist { is_blocked, user, pn }).await?;
        match list {
            Some(list) => self.keep(list, state).await,
            None => Ok(()),
        }
    }

    async fn known(&self) -> Result<(Option<Blocklist>, u64), CallError> {
        self.client.people(|reply| PeopleJob::Blocklist { reply }).await
    }

    async fn keep(&self, list: Blocklist, state: u64) -> Result<(), CallError> {
        self.client.people(|reply| PeopleJob::KeepBlocklist { list, state, reply }).await
    }

    /// LID and phone number of a user, and whether the account is migrated to LIDs.
    async fn addresses(&self, user: &Jid) -> Result<((Option<Jid>, Option<Jid>), bool), CallError> {
        let users = vec![user.clone()];
        let addresses = self.client.people(|reply| PeopleJob::Addresses { users, reply }).await?;
        Ok((addresses.users.into_iter().next().unwrap_or_default(), addresses.by_lid))
    }
}
