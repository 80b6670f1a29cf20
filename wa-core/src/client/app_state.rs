//! The state that the account's devices share, as a whole: any action of the catalogue. Handles for single subjects
//! stand on it. Protocol: app state.

use wa_types::Jid;

use super::Client;
use crate::app_state::action::{Action, write_index};
use crate::driver::command::{ChangeJob, Job};
use crate::driver::sync::view::{self, Said};
use crate::error::CallError;

/// How many entries are read at once at most.
const PAGE: usize = 1000;

/// The shared state of an account; [`Client::app_state`] gives it.
///
/// A change is stored before the call returns, is what reads give from then on, and is uploaded as soon as there is a
/// connection, also after a restart. Of several changes of one entry only the last goes out. One that the server refuses
/// for good is undone: [`crate::event::AppStateEvent::Refused`]. A later change by another device wins over one that
/// still waits.
#[derive(Debug, Clone, Copy)]
pub struct AppState<'c> {
    client: &'c Client,
}

impl Client {
    /// The state that the account's devices share.
    #[must_use]
    pub const fn app_state(&self) -> AppState<'_> {
        AppState { client: self }
    }
}

impl AppState<'_> {
    /// Writes entries, all or none.
    ///
    /// # Errors
    /// [`CallError`]; nothing was changed then.
    pub async fn set(&self, actions: Vec<Action>) -> Result<(), CallError> {
        self.change(actions, Vec::new()).await
    }

    /// Removes entries, all or none. Most switches are not removed but written with `false`.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub async fn remove(&self, actions: Vec<Action>) -> Result<(), CallError> {
        self.change(Vec::new(), actions).await
    }

    pub(super) async fn change(&self, set: Vec<Action>, remove: Vec<Action>) -> Result<(), CallError> {
        let job = |reply| Job::AppState(Box::new(ChangeJob { set, remove, reply }));
        self.client.call(job).await?
    }

    /// The entry of this index, the name of the action first; `None` where there is none.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn get(&self, index: &[&str]) -> Result<Option<Action>, CallError> {
        let said = self.read(&[index_of(index)]).await?;
        Ok(said.into_iter().next().flatten().map(|said| said.action()))
    }

    /// Up to `limit` entries (at most 1,000) of an action, by index, behind the one that `after` names. The name of the
    /// action comes first in both.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn page(
        &self,
        name: &str,
        after: Option<&[&str]>,
        limit: usize,
    ) -> Result<Vec<Action>, CallError> {
        let said = self.said_page(name, after.map(index_of), limit).await?;
        Ok(said.iter().map(Said::action).collect())
    }

    pub(super) async fn said_page(
        &self,
        name: &str,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<Said>, CallError> {
        let mut prefix = index_of(&[name]);
        // With or without further elements.
        prefix.pop();
        let store = &*self.client.inner.store;
        view::page(store, &prefix, after.as_deref(), limit.min(PAGE)).await.map_err(CallError::from)
    }

    /// All entries of an action.
    pub(super) async fn all(&self, name: &str) -> Result<Vec<Action>, CallError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = self.said_page(name, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.index.clone());
            all.extend(page.iter().map(Said::action));
        }
    }

    pub(super) async fn read(&self, indexes: &[Vec<u8>]) -> Result<Vec<Option<Said>>, CallError> {
        view::read(&*self.client.inner.store, indexes).await.map_err(CallError::from)
    }

    /// The addresses under which something may be said about a chat or a user, the given one first.
    pub(super) async fn addresses(&self, jid: &Jid) -> Result<Vec<Jid>, CallError> {
        let store = &self.client.inner.store;
        let user = jid.to_user();
        let asked = std::slice::from_ref(&user);
        let other = if user.is_pn() {
            let known = store.lids_of(asked).await?.into_iter().flatten().next();
            known.map(|known| known.lid)
        } else if user.is_lid() {
            let known = store.pns_of(asked).await?.into_iter().flatten().next();
            known.map(|known| known.pn)
        } else {
            None
        };
        Ok([user].into_iter().chain(other).collect())
    }

    /// What is said under the given elements about a chat, by either of its addresses; the latest word counts.
    pub(super) async fn about(&self, name: &str, addresses: &[Jid]) -> Result<Option<Action>, CallError> {
        Ok(self.about_each(&[name], addresses).await?.pop().flatten())
    }

    /// The same under each of these names, in one read: some are written together.
    pub(super) async fn about_each(
        &self,
        names: &[&str],
        addresses: &[Jid],
    ) -> Result<Vec<Option<Action>>, CallError> {
        let mut indexes = Vec::with_capacity(names.len() * addresses.len());
        for name in names {
            indexes.extend(addresses.iter().map(|address| index_of(&[name, &address.to_string()])));
        }
        let said = self.read(&indexes).await?;
        let latest =
            |said: &[Option<Said>]| said.iter().flatten().max_by_key(|said| said.time()).map(Said::action);
        Ok(said.chunks(addresses.len()).map(latest).collect())
    }

    /// Under which of its addresses a chat is written about: the one that is in use.
    pub(super) async fn address_in_use(&self, name: &str, chat: &Jid) -> Result<Jid, CallError> {
        let addresses = self.addresses(chat).await?;
        let indexes: Vec<Vec<u8>> =
            addresses.iter().map(|address| index_of(&[name, &address.to_string()])).collect();
        let said = self.read(&indexes).await?;
        let in_use =
            addresses.iter().zip(&said).filter_map(|(address, said)| Some((address, said.as_ref()?)));
        let latest = in_use.max_by_key(|(_, said)| said.time()).map(|(address, _)| address.clone());
        Ok(latest.unwrap_or_else(|| chat.to_user()))
    }
}

pub(super) fn index_of(parts: &[&str]) -> Vec<u8> {
    let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
    write_index(&parts)
}
