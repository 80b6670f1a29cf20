//! Who sees what of us, and who may reach us. Protocol: IQ catalogue, "Privacy settings".

use wa_types::Jid;

use super::Client;
use crate::connection::RequestError;
use crate::driver::command::PeopleJob;
use crate::error::CallError;
use crate::stanza::iq::privacy::{
    ChangePrivacyList, FetchPrivacy, FetchPrivacyList, ListChange, PrivacyCategory, PrivacySettings,
    PrivacyValue, SetDefaultTimer, SetPrivacy,
};
pub use crate::stanza::iq::privacy::{DefaultTimer, PrivacyList};

/// How often a change of a list is tried when others change it at the same time.
const TRIES: usize = 3;

/// Privacy settings; [`Client::privacy`] gives it.
#[derive(Debug, Clone, Copy)]
pub struct Privacy<'c> {
    client: &'c Client,
}

impl Client {
    /// Privacy settings.
    #[must_use]
    pub const fn privacy(&self) -> Privacy<'_> {
        Privacy { client: self }
    }
}

impl Privacy<'_> {
    /// All settings.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn settings(&self) -> Result<PrivacySettings, CallError> {
        self.client.ask(FetchPrivacy).await
    }

    /// Sets one setting. Values with a list are set with [`Self::change_list`].
    ///
    /// # Errors
    /// [`CallError`]; refused with 400 when the value does not go with the category.
    pub async fn set(&self, category: PrivacyCategory, value: PrivacyValue) -> Result<(), CallError> {
        self.client.ask(SetPrivacy { category, value }).await
    }

    /// Who is on the list of a setting: from whom it is kept with [`PrivacyValue::ContactsExcept`], to whom alone it is
    /// given with [`PrivacyValue::OnlyThese`].
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn list(
        &self,
        category: PrivacyCategory,
        value: PrivacyValue,
    ) -> Result<PrivacyList, CallError> {
        let by_lid = self.addresses(&[]).await?.by_lid;
        self.client.ask(FetchPrivacyList { category, value, by_lid }).await
    }

    /// Sets a setting with a list, and puts users onto it or takes them off. Where another device changes the same list
    /// meanwhile, it is read again and the change made to what it is then.
    ///
    /// # Errors
    /// [`CallError`]; refused with 409 when the list changed three times in a row.
    pub async fn change_list(
        &self,
        category: PrivacyCategory,
        value: PrivacyValue,
        add: &[Jid],
        remove: &[Jid],
    ) -> Result<(), CallError> {
        let users: Vec<Jid> = add.iter().chain(remove).cloned().collect();
        let addresses = self.addresses(&users).await?;
        let named = users.iter().zip(addresses.users).enumerate().map(|(at, (user, (lid, pn)))| {
            let is_added = at < add.len();
            match (addresses.by_lid, lid, pn) {
                (true, Some(lid), pn) => ListChange { is_added, user: lid, pn },
                (_, _, Some(pn)) => ListChange { is_added, user: pn, pn: None },
                _ => ListChange { is_added, user: user.to_user(), pn: None },
            }
        });
        let changes: Vec<ListChange> = named.collect();
        let by_lid = addresses.by_lid;
        for attempt in 1.. {
            let query = FetchPrivacyList { category: category.clone(), value: value.clone(), by_lid };
            let hash = self.client.ask(query).await?.hash;
            let change = ChangePrivacyList {
                category: category.clone(),
                value: value.clone(),
                hash,
                changes: changes.clone(),
                by_lid,
            };
            match self.client.ask(change).await {
                Err(CallError::Request(RequestError::Refused(refusal)))
                    if refusal.code == 409 && attempt < TRIES => {}
                done => return done.map(drop),
            }
        }
        Ok(())
    }

    /// Sets how long messages of new chats stay.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn set_default_timer(&self, timer: DefaultTimer) -> Result<(), CallError> {
        self.client.ask(SetDefaultTimer(timer)).await
    }

    async fn addresses(&self, users: &[Jid]) -> Result<crate::driver::people::Addresses, CallError> {
        let users = users.to_vec();
        self.client.people(|reply| PeopleJob::Addresses { users, reply }).await
    }
}
