//! Who is there, and who writes. Protocol: IQ catalogue, "Presence and chat state".

use wa_types::Jid;

use super::Client;
use crate::driver::command::PeopleJob;
use crate::error::CallError;
use crate::stanza::presence::Typing;

/// Presence and typing; [`Client::presence`] gives it. Whether we are there ourselves is told with
/// [`Client::set_available`]; only those who are available hear of others.
#[derive(Debug, Clone, Copy)]
pub struct Presence<'c> {
    client: &'c Client,
}

impl Client {
    /// Presence and typing.
    #[must_use]
    pub const fn presence(&self) -> Presence<'_> {
        Presence { client: self }
    }
}

impl Presence<'_> {
    /// Asks to be told whether a user is there: [`Event::Presence`](crate::Event::Presence) comes at once and with every
    /// change. It holds until [`Self::unsubscribe`], across connections. A token of trust that the user gave us goes along.
    ///
    /// # Errors
    /// [`CallError::Store`], [`CallError::Shutdown`]. The server does not say whether it heeds it.
    pub async fn subscribe(&self, user: &Jid) -> Result<(), CallError> {
        let user = user.clone();
        self.client.people(|reply| PeopleJob::Watch { user, is_wanted: true, reply }).await
    }

    /// Asks to be told no longer.
    ///
    /// # Errors
    /// As [`Self::subscribe`].
    pub async fn unsubscribe(&self, user: &Jid) -> Result<(), CallError> {
        let user = user.clone();
        self.client.people(|reply| PeopleJob::Watch { user, is_wanted: false, reply }).await
    }

    /// Tells a direct chat or a group that we write, record, or stopped. It lapses at the others' after about 25 seconds:
    /// repeat it every ten seconds, and end it with [`Typing::Paused`].
    ///
    /// # Errors
    /// [`CallError`]; without a connection nothing is told, now or later.
    pub async fn typing(&self, chat: &Jid, state: Typing) -> Result<(), CallError> {
        let chat = chat.clone();
        self.client.people(|reply| PeopleJob::Typing { chat, state, reply }).await
    }
}
