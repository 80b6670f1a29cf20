//! Under which address the application knows a chat.
//!
//! The first address under which the application saw a chat stays its key, also when the user's other address becomes
//! known later; a user's further addresses lead to it. When both addresses had chats of their own before they were known
//! to be one user, the LID's stays and the phone number's leads there from then on: the LID survives a change of number.

use wa_store::{Changes, ChatKey, Expiration, Store, StoreError};
use wa_types::Jid;

use super::Directory;
use crate::e2e::addressing::AddressPair;

/// How often chats may have been merged into others.
const HOPS: usize = 8;

/// Two chats turned out to be one.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::driver) struct Merge {
    /// The key that stays.
    pub(in crate::driver) kept: Jid,
    /// The key that leads there from now on.
    pub(in crate::driver) gone: Jid,
}

impl Directory {
    /// Loads where these chats lead, and the users' other addresses.
    pub(in crate::driver) async fn load_chats(
        &mut self,
        store: &dyn Store,
        chats: &[Jid],
    ) -> Result<(), StoreError> {
        let users: Vec<Jid> = chats.iter().filter(|chat| chat.is_user()).map(Jid::to_chat).collect();
        self.load_addresses(store, users.clone()).await?;
        let others: Vec<Jid> = users.iter().filter_map(|user| self.other_address(user)).cloned().collect();
        let mut wanted = [users.clone(), others].concat();
        for _ in 0..HOPS {
            wanted.retain(|address| !self.chats.contains_key(address));
            wanted.sort_unstable();
            wanted.dedup();
            if wanted.is_empty() {
                break;
            }
            let found = store.chat_keys(&wanted).await?;
            let next = found.iter().flatten().map(|known| known.key.clone()).collect();
            self.chats.extend(wanted.into_iter().zip(found));
            wanted = next;
        }
        // A chat may be with somebody else than its key's present owner.
        let owners = users.iter().filter_map(|user| self.root(user)?.lid.clone()).collect();
        self.load_addresses(store, owners).await
    }

    /// The key of a chat, which stays it for ever from now on. The chat must be loaded. Chats that are not with one user
    /// are their own key.
    pub(in crate::driver) fn chat_key(&mut self, chat: &Jid, changes: &mut Changes) -> Jid {
        let address = chat.to_chat();
        if !address.is_user() {
            return address;
        }
        if let Some(root) = self.root(&address) {
            return root.key.clone();
        }
        let other = self.other_address(&address).and_then(|other| self.root(other)).filter(|root| {
            // A number that had another owner before leads to that one's chat.
            !address.is_lid() || root.lid.as_ref().is_none_or(|lid| *lid == address)
        });
        let Some(root) = other.cloned() else {
            let lid = if address.is_lid() { Some(&address) } else { self.lid_of(&address) }.cloned();
            self.put_chat(chat_key(address.clone(), address.clone(), lid), changes);
            return address;
        };
        let key = root.key.clone();
        self.put_chat(chat_key(address.clone(), key.clone(), None), changes);
        if address.is_lid() && root.lid.is_none() {
            self.put_chat(ChatKey { lid: Some(address), ..root }, changes);
        }
        key
    }

    /// The key of a chat that the application knows. The chat must be loaded.
    pub(in crate::driver) fn known_chat_key(&self, chat: &Jid) -> Option<Jid> {
        Some(self.root(&chat.to_chat())?.key.clone())
    }

    /// How long the messages of a chat with a user stay. The chat must be loaded.
    pub(in crate::driver) fn expiration(&self, chat: &Jid) -> Option<Expiration> {
        Some(self.root(&chat.to_chat())?.expiration)
    }

    /// Learns how long the messages of a chat with a user stay, unless something later is known. The chat must be loaded.
    pub(in crate::driver) fn set_expiration(&mut self, chat: &Jid, told: Expiration, changes: &mut Changes) {
        if let Some(root) = self.root(&chat.to_chat()).cloned()
            && told.since >= root.expiration.since
            && told != root.expiration
        {
            self.put_chat(ChatKey { expiration: told, ..root }, changes);
        }
    }

    /// The two addresses of the user whose chat this is: LID, and phone number. The chat must be loaded.
    pub(in crate::driver) fn addresses_of_chat(&self, chat: &Jid) -> (Option<Jid>, Option<Jid>) {
        let chat = chat.to_chat();
        let known = self.root(&chat).and_then(|root| root.lid.clone());
        let by_itself = || if chat.is_lid() { Some(chat.clone()) } else { self.lid_of(&chat).cloned() };
        let lid = known.or_else(by_itself);
        let pn = lid.as_ref().and_then(|lid| self.pn_of(lid)).cloned();
        (lid, pn.or_else(|| chat.is_pn().then_some(chat)))
    }

    /// Brings the chats of two addresses together that were learned to be one user. Both chats must be loaded.
    pub(in crate::driver) fn join_chats(
        &mut self,
        pair: &AddressPair,
        changes: &mut Changes,
    ) -> Option<Merge> {
        let of_pn = self.root(&pair.pn).cloned()?;
        if of_pn.lid.as_ref().is_some_and(|lid| *lid != pair.lid) {
            return None; // the chat of the number's owner before
        }
        let Some(of_lid) = self.root(&pair.lid).cloned() else {
            // At once: by the time that the LID is seen first, the number may be another user's.
            let leads = chat_key(pair.lid.clone(), of_pn.key.clone(), None);
            self.put_chat(leads, changes);
            if of_pn.lid.is_none() {
                self.put_chat(ChatKey { lid: Some(pair.lid.clone()), ..of_pn }, changes);
            }
            return None;
        };
        self.merge(of_lid, of_pn, pair.lid.clone(), changes)
    }

    /// Lets a user's new address lead to the chat of the old one. Both chats must be loaded.
    pub(in crate::driver) fn move_chat(
        &mut self,
        old: &Jid,
        new: &Jid,
        changes: &mut Changes,
    ) -> Option<Merge> {
        let of_old = self.root(&old.to_chat()).cloned()?;
        let new = new.to_chat();
        let lid = if new.is_lid() { Some(new.clone()) } else { of_old.lid.clone() };
        if let Some(of_new) = self.root(&new).cloned() {
            let is_anothers = of_new.lid.is_some() && of_old.lid.is_some() && of_new.lid != of_old.lid;
            if new.is_pn() && is_anothers {
                return None;
            }
            return self.merge(of_old, of_new, lid?, changes);
        }
        self.put_chat(chat_key(new, of_old.key.clone(), None), changes);
        if of_old.lid != lid {
            self.put_chat(ChatKey { lid, ..of_old }, changes);
        }
        None
    }

    fn merge(&mut self, kept: ChatKey, gone: ChatKey, lid: Jid, changes: &mut Changes) -> Option<Merge> {
        if kept.key == gone.key {
            return None;
        }
        let merge = Merge { kept: kept.key.clone(), gone: gone.key.clone() };
        let leads = chat_key(merge.gone.clone(), merge.kept.clone(), None);
        self.put_chat(leads, changes);
        // The later word on how long messages stay holds for both.
        let expiration =
            if gone.expiration.since > kept.expiration.since { gone.expiration } else { kept.expiration };
        if kept.lid.as_ref() != Some(&lid) || kept.expiration != expiration {
            self.put_chat(ChatKey { lid: Some(lid), expiration, ..kept }, changes);
        }
        Some(merge)
    }

    /// The record of the key that an address leads to.
    fn root(&self, address: &Jid) -> Option<&ChatKey> {
        let mut known = self.chats.get(address)?.as_ref()?;
        for _ in 0..HOPS {
            if known.key == known.address {
                return Some(known);
            }
            known = self.chats.get(&known.key)?.as_ref()?;
        }
        None
    }

    fn put_chat(&mut self, known: ChatKey, changes: &mut Changes) {
        changes.put_chat_key(known.clone());
        self.chats.insert(known.address.clone(), Some(known));
    }
}

fn chat_key(address: Jid, key: Jid, lid: Option<Jid>) -> ChatKey {
    ChatKey { address, key, lid, expiration: Expiration::default() }
}

#[cfg(test)]
mod tests {
    use wa_store::MemoryStore;
    use wa_types::UnixMillis;

    use super::*;

    const A: &str = "15551230001";
    const B: &str = "15551230002";

    fn pair(pn: &str, lid: &str) -> AddressPair {
        AddressPair { pn: Jid::pn(pn), lid: Jid::lid(lid) }
    }

    /// A directory on a store, written after each act and read again: what holds, holds after a restart.
    #[derive(Default)]
    struct Known {
        store: MemoryStore,
        directory: Directory,
    }

    impl Known {
        async fn act<T>(&mut self, jids: &[Jid], act: impl FnOnce(&mut Directory, &mut Changes) -> T) -> T {
            self.directory.load_chats(&self.store, jids).await.unwrap();
            let mut changes = Changes::new();
            let result = act(&mut self.directory, &mut changes);
            self.store.commit(changes).await.unwrap();
            self.directory = Directory::default();
            result
        }

        async fn key(&mut self, chat: Jid) -> Jid {
            self.act(std::slice::from_ref(&chat), |directory, changes| directory.chat_key(&chat, changes))
                .await
        }

        async fn learn(&mut self, pair: AddressPair) -> Option<Merge> {
            let jids = [pair.pn.clone(), pair.lid.clone()];
            self.act(&jids, |directory, changes| {
                directory.learn(pair.clone(), UnixMillis(1), changes);
                directory.join_chats(&pair, changes)
            })
            .await
        }

        async fn replace(&mut self, old: Jid, new: Jid) -> Option<Merge> {
            let jids = [old.clone(), new.clone()];
            self.act(&jids, |directory, changes| directory.move_chat(&old, &new, changes)).await
        }

        async fn addresses(&mut self, chat: Jid) -> (Option<Jid>, Option<Jid>) {
            self.act(std::slice::from_ref(&chat), |directory, _| directory.addresses_of_chat(&chat)).await
        }
    }

    #[tokio::test]
    async fn the_first_address_stays_the_key() {
        let mut known = Known::default();
        assert_eq!(known.key(Jid::pn(A).with_device(3)).await, Jid::pn(A));
        assert_eq!(known.learn(pair(A, "1")).await, None);
        assert_eq!(known.key(Jid::lid("1")).await, Jid::pn(A));
        // Known as a pair from the beginning: whichever comes first.
        assert_eq!(known.learn(pair(B, "2")).await, None);
        assert_eq!(known.key(Jid::lid("2")).await, Jid::lid("2"));
        assert_eq!(known.key(Jid::pn(B)).await, Jid::lid("2"));
        for other in [Jid::STATUS, "123-456@g.us".parse().unwrap(), "1@newsletter".parse().unwrap()] {
            assert_eq!(known.key(other.clone()).await, other);
        }
    }

    #[tokio::test]
    async fn two_chats_of_one_user_become_the_lids() {
        let mut known = Known::default();
        known.key(Jid::pn(A)).await;
        known.key(Jid::lid("1")).await;
        let merge = Merge { kept: Jid::lid("1"), gone: Jid::pn(A) };
        assert_eq!(known.learn(pair(A, "1")).await, Some(merge));
        assert_eq!(known.learn(pair(A, "1")).await, None, "once");
        assert_eq!(known.key(Jid::pn(A)).await, Jid::lid("1"));
    }

    #[tokio::test]
    async fn a_number_that_passes_to_another_user_does_not_take_the_chat_along() {
        let mut known = Known::default();
        known.key(Jid::pn(A)).await;
        known.learn(pair(A, "1")).await;
        // The user of LID 1 has number B now, and somebody new has A.
        known.learn(pair(B, "1")).await;
        known.learn(pair(A, "2")).await;
        assert_eq!(known.key(Jid::lid("1")).await, Jid::pn(A));
        assert_eq!(known.key(Jid::pn(B)).await, Jid::pn(A));
        assert_eq!(known.key(Jid::lid("2")).await, Jid::lid("2"));
        // The key still leads to whom it was given for.
        assert_eq!(known.addresses(Jid::pn(A)).await, (Some(Jid::lid("1")), Some(Jid::pn(B))));
        assert_eq!(known.addresses(Jid::lid("2")).await, (Some(Jid::lid("2")), Some(Jid::pn(A))));
    }

    #[tokio::test]
    async fn another_lid_of_the_same_user_leads_to_the_same_chat() {
        let mut known = Known::default();
        known.key(Jid::lid("1")).await;
        assert_eq!(known.replace(Jid::lid("1"), Jid::lid("2")).await, None);
        assert_eq!(known.key(Jid::lid("2")).await, Jid::lid("1"));
        assert_eq!(known.addresses(Jid::lid("1")).await.0, Some(Jid::lid("2")));
        // Also when the new one had a chat already, and chats had been merged into that.
        known.key(Jid::pn(B)).await;
        known.key(Jid::lid("3")).await;
        known.learn(pair(B, "3")).await;
        let merge = Merge { kept: Jid::lid("1"), gone: Jid::lid("3") };
        assert_eq!(known.replace(Jid::lid("2"), Jid::lid("3")).await, Some(merge));
        for jid in [Jid::pn(B), Jid::lid("1"), Jid::lid("2"), Jid::lid("3")] {
            assert_eq!(known.key(jid).await, Jid::lid("1"));
        }
        assert_eq!(known.addresses(Jid::pn(B)).await, (Some(Jid::lid("3")), Some(Jid::pn(B))));
    }

    #[tokio::test]
    async fn a_changed_number_without_a_lid_keeps_its_chat() {
        let mut known = Known::default();
        known.key(Jid::pn(A)).await;
        assert_eq!(known.replace(Jid::pn(A), Jid::pn(B)).await, None);
        assert_eq!(known.key(Jid::pn(B)).await, Jid::pn(A));
    }
}
