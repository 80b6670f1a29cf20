//! The account's address book, as all its devices have it. Protocol: app state, "Action semantics".

use std::collections::HashSet;

use wa_types::Jid;

use super::Client;
use super::app_state::{AppState, index_of};
use crate::app_state::action::{Action, ContactAction};
use crate::error::CallError;

/// The address book of an account; [`Client::contacts`] gives it. How changes travel is said at [`AppState`].
#[derive(Debug, Clone, Copy)]
pub struct Contacts<'c> {
    state: AppState<'c>,
}

/// Somebody in the address book. `Debug` shows no name.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Contact {
    /// The address that the entry has: a phone number, or a LID where no number is known.
    pub jid: Jid,
    /// The LID beside a phone number.
    pub lid: Option<Jid>,
    /// The whole name.
    pub full_name: Option<String>,
    /// The first name.
    pub first_name: Option<String>,
    /// The user's name of the service.
    pub username: Option<String>,
    /// Whether the phone's own address book has it, too.
    pub is_on_phone: bool,
}

impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contact").field("jid", &self.jid).field("lid", &self.lid).finish_non_exhaustive()
    }
}

impl Contact {
    /// Somebody of this name, by phone number or LID; not in the phone's own address book.
    #[must_use]
    pub fn new(jid: &Jid, full_name: impl Into<String>) -> Self {
        Self {
            jid: jid.to_user(),
            lid: None,
            full_name: Some(full_name.into()),
            first_name: None,
            username: None,
            is_on_phone: false,
        }
    }

    /// With this first name.
    #[must_use]
    pub fn first_name(mut self, name: impl Into<String>) -> Self {
        self.first_name = Some(name.into());
        self
    }

    /// In the phone's own address book, too.
    #[must_use]
    pub const fn on_phone(mut self) -> Self {
        self.is_on_phone = true;
        self
    }

    fn of(action: Action) -> Option<Self> {
        match action {
            Action::Contact(ContactAction::Contact {
                pn,
                full_name,
                first_name,
                lid,
                on_phone,
                username,
                ..
            }) => {
                let is_on_phone = on_phone.unwrap_or_default();
                Some(Self { jid: pn, lid, full_name, first_name, username, is_on_phone })
            }
            Action::Contact(ContactAction::LidContact { lid, full_name, first_name, username }) => {
                Some(Self { jid: lid, lid: None, full_name, first_name, username, is_on_phone: false })
            }
            _ => None,
        }
    }

    fn to_action(&self) -> Action {
        let (full_name, first_name) = (self.full_name.clone(), self.first_name.clone());
        let username = self.username.clone();
        Action::Contact(if self.jid.is_lid() {
            ContactAction::LidContact { lid: self.jid.clone(), full_name, first_name, username }
        } else {
            ContactAction::Contact {
                pn: self.jid.clone(),
                full_name,
                first_name,
                lid: self.lid.clone(),
                on_phone: Some(self.is_on_phone),
                pn_too: None,
                username,
            }
        })
    }
}

impl Client {
    /// The account's address book.
    #[must_use]
    pub const fn contacts(&self) -> Contacts<'_> {
        Contacts { state: self.app_state() }
    }
}

impl Contacts<'_> {
    /// Somebody, by either address; `None` when not in the address book.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn find(&self, jid: &Jid) -> Result<Option<Contact>, CallError> {
        let addresses = self.state.addresses(jid).await?;
        let indexes: Vec<Vec<u8>> =
            addresses.iter().map(|address| index_of(&[name_of(address), &address.to_string()])).collect();
        let said = self.state.read(&indexes).await?.into_iter().flatten();
        Ok(said.max_by_key(super::Said::time).and_then(|said| Contact::of(said.action())))
    }

    /// Up to `limit` contacts (at most 1,000) by address, behind `after`: those with a phone number first.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn page(&self, after: Option<&Jid>, limit: usize) -> Result<Vec<Contact>, CallError> {
        let behind = |name: &str| after.map(|after| index_of(&[name, &after.to_string()]));
        let mut page = Vec::new();
        if !after.is_some_and(Jid::is_lid) {
            page = self.state.said_page("contact", behind("contact"), limit).await?;
        }
        if page.len() < limit {
            let after = behind("lid_contact").filter(|_| after.is_some_and(Jid::is_lid));
            page.extend(self.state.said_page("lid_contact", after, limit - page.len()).await?);
        }
        Ok(page.iter().filter_map(|said| Contact::of(said.action())).collect())
    }

    /// All contacts, by address: those with a phone number first. Who is there by LID, too, as the entry of the
    /// number says, is there once.
    ///
    /// # Errors
    /// [`CallError::Store`].
    pub async fn all(&self) -> Result<Vec<Contact>, CallError> {
        // In this order: who is given a number meanwhile is in both, not in neither.
        let by_lid = self.state.all("lid_contact").await?.into_iter().filter_map(Contact::of);
        let by_number = self.state.all("contact").await?.into_iter().filter_map(Contact::of);
        let mut all: Vec<Contact> = by_number.collect();
        let numbered: HashSet<Jid> = all.iter().filter_map(|contact| contact.lid.clone()).collect();
        all.extend(by_lid.filter(|contact| !numbered.contains(&contact.jid)));
        Ok(all)
    }

    /// Adds a contact, or changes the one of this address.
    ///
    /// # Errors
    /// [`CallError`]; nothing was changed.
    pub async fn put(&self, contact: &Contact) -> Result<(), CallError> {
        self.state.set(vec![contact.to_action()]).await
    }

    /// Takes somebody off the address book, by either address. One that is not there is no error.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub async fn remove(&self, jid: &Jid) -> Result<(), CallError> {
        let addresses = self.state.addresses(jid).await?;
        let entries = addresses.iter().map(|address| Contact::new(address, "").to_action()).collect();
        self.state.remove(entries).await
    }
}

/// Under which action an address is.
fn name_of(jid: &Jid) -> &'static str {
    if jid.is_lid() { "lid_contact" } else { "contact" }
}
