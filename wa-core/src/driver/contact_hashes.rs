//! Contacts whose device list changed, where the server names them by a hash only. Protocol: prekeys and devices,
//! "devices notification".

use std::sync::Arc;

use wa_store::{Store, StoreError};
use wa_types::Jid;

use super::{Actor, Step};
use crate::e2e::phash::contact_hash;

/// How many users are looked at in one read.
const AT_ONCE: usize = 512;

impl Actor {
    /// Forgets the lists of the contacts that this step's notifications named: they are asked for before the next
    /// message. A hash may fit several; whom it fits by chance is asked about in vain.
    pub(super) async fn heed_contact_hashes(&mut self, step: &mut Step) -> Result<(), StoreError> {
        let hashes = std::mem::take(&mut step.contact_hashes);
        if hashes.is_empty() {
            return Ok(());
        }
        let is_meant = |user: &Jid| hashes.contains(&contact_hash(user.user()));
        let store = Arc::clone(&self.store);
        for users in store.listed_users().await?.chunks(AT_ONCE) {
            let others = other_addresses(&*store, users).await?;
            for (user, other) in users.iter().zip(others) {
                if is_meant(user) || other.as_ref().is_some_and(is_meant) {
                    self.directory.drop_list(user, &mut step.changes);
                }
            }
        }
        Ok(())
    }
}

/// The other address of each of these users; straight from the store, to keep memory for those who are written to.
async fn other_addresses(store: &dyn Store, users: &[Jid]) -> Result<Vec<Option<Jid>>, StoreError> {
    let of_kind =
        |is_lid: bool| users.iter().filter(|user| user.is_lid() == is_lid).cloned().collect::<Vec<_>>();
    let mut pns = store.pns_of(&of_kind(true)).await?.into_iter().map(|known| known.map(|known| known.pn));
    let mut lids =
        store.lids_of(&of_kind(false)).await?.into_iter().map(|known| known.map(|known| known.lid));
    Ok(users.iter().map(|user| if user.is_lid() { pns.next() } else { lids.next() }.flatten()).collect())
}
