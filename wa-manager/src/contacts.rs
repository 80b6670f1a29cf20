//! Who is who for an account: one contact for each person, whichever of their addresses is used.
//! Requirements: manager.md, R074.
//!
//! A LID stays with its person; a phone number may pass to another one. So two contacts are one person when something
//! names both addresses and the number's contact has no LID of its own; with another LID it is somebody else, who lost
//! the number.

use wa_core::crypto::Random;
use wa_types::{Jid, UnixMillis};

use crate::ids::AccountId;
use crate::store::{Change, Changes, ContactRecord, ManagerStore, ManagerStoreError};

/// The addresses of one person, as far as they are told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) pn: Option<Jid>,
    pub(crate) lid: Option<Jid>,
}

impl Addresses {
    /// Of what is told of a person: phone number and LID, devices or users; others are no persons.
    pub(crate) fn of<'a>(addresses: impl IntoIterator<Item = &'a Jid>) -> Self {
        let mut of = Self::default();
        for address in addresses {
            if address.is_lid() {
                of.lid.get_or_insert_with(|| address.to_chat());
            } else if address.is_pn() {
                of.pn.get_or_insert_with(|| address.to_chat());
            }
        }
        of
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.pn.is_none() && self.lid.is_none()
    }
}

/// A person, as they are to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) contact: ContactRecord,
    /// Whether there was none before.
    pub(crate) is_new: bool,
    /// Another contact, that turned out to be the same person.
    pub(crate) merged: Option<ContactRecord>,
}

/// The person with these addresses; `None` if there is none.
pub(crate) async fn find(
    store: &dyn ManagerStore,
    account: &AccountId,
    addresses: &Addresses,
) -> Result<Option<Known>, ManagerStoreError> {
    let by_lid = match &addresses.lid {
        Some(lid) => store.contact(account, lid).await?,
        None => None,
    };
    let by_pn = match &addresses.pn {
        Some(pn) => store.contact(account, pn).await?,
        None => None,
    };
    Ok(join(by_lid, by_pn, addresses))
}

/// The same, made when there is none.
pub(crate) async fn find_or_make(
    store: &dyn ManagerStore,
    account: &AccountId,
    addresses: &Addresses,
    random: &mut (dyn Random + Send + Sync),
    now: UnixMillis,
) -> Result<Known, ManagerStoreError> {
    if let Some(known) = find(store, account, addresses).await? {
        return Ok(known);
    }
    let contact = ContactRecord {
        account: account.clone(),
        id: free_id(store, account, random).await?,
        pn: addresses.pn.clone(),
        lid: addresses.lid.clone(),
        push_name: None,
        created_at: now,
        last_inbound: None,
        unanswered: 0,
    };
    Ok(Known { contact, is_new: true, merged: None })
}

fn join(by_lid: Option<ContactRecord>, by_pn: Option<ContactRecord>, of: &Addresses) -> Option<Known> {
    let known = |mut contact: ContactRecord, merged: Option<ContactRecord>| {
        contact.pn = of.pn.clone().or(contact.pn);
        contact.lid = of.lid.clone().or(contact.lid);
        Some(Known { contact, is_new: false, merged })
    };
    match (by_lid, by_pn) {
        (None, None) => None,
        (Some(person), None) => known(person, None),
        // The number passed to somebody who is not known yet.
        (None, Some(person)) if of.lid.is_some() && person.lid.is_some() => None,
        (None, Some(person)) => known(person, None),
        (Some(person), Some(other)) if person.id == other.id || other.lid.is_some() => known(person, None),
        (Some(person), Some(other)) => {
            let joined = ContactRecord {
                push_name: person.push_name.or_else(|| other.push_name.clone()),
                created_at: person.created_at.min(other.created_at),
                last_inbound: person.last_inbound.max(other.last_inbound),
                unanswered: person.unanswered.saturating_add(other.unanswered),
                ..person
            };
            known(joined, Some(other))
        }
    }
}

/// Writes a person, and what was kept of them as two.
pub(crate) async fn write(
    store: &dyn ManagerStore,
    known: &Known,
    changes: &mut Changes,
) -> Result<(), ManagerStoreError> {
    let Known { contact, merged, .. } = known;
    if let Some(merged) = merged {
        let account = &contact.account;
        changes.push(Change::DeleteContact { account: account.clone(), id: merged.id });
        for address in [&merged.pn, &merged.lid].into_iter().flatten() {
            if let Some(mut chat) = store.chat(account, address).await? {
                chat.contact = Some(contact.id);
                changes.push(Change::PutChat(Box::new(chat)));
            }
        }
    }
    changes.push(Change::PutContact(Box::new(contact.clone())));
    Ok(())
}

/// A number that no contact has; small enough for JSON.
async fn free_id(
    store: &dyn ManagerStore,
    account: &AccountId,
    random: &mut (dyn Random + Send + Sync),
) -> Result<u64, ManagerStoreError> {
    const BITS: u64 = (1 << 53) - 1;
    loop {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        let id = u64::from_be_bytes(bytes) & BITS;
        let next = store.contacts(account, id, 1).await?;
        if next.first().is_none_or(|contact| contact.id != id) {
            return Ok(id);
        }
    }
}
