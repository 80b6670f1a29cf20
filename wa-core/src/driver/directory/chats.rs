//! Under which address the application knows a chat.
//!
//! The first address under which the application saw a chat stays its key, also when the user's other address becomes
//! known later; a user's further addresses lead to it. When both addresses had chats of their own before they were known
//! to be one user, the LID's stays and the phone number's leads there from then on: the LID survives a change of number.

use wa_store::{Changes, ChatKey, Store, StoreError};
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
        let mut wanted = [users, others].concat();
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
        Ok(())
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
            self.put_chat(ChatKey { address: address.clone(), key: address.clone(), lid }, changes);
            return address;
        };
        let key = root.key.clone();
        self.put_chat(ChatKey { address: address.clone(), key: key.clone(), lid: None }, changes);
        if address.is_lid() && root.lid.is_none() {
            self.put_chat(ChatKey { lid: Some(address), ..root }, changes);
        }
        key
    }

    /// The key of a chat that the application knows. The chat must be loaded.
    pub(in crate::driver) fn known_chat_key(&self, chat: &Jid) -> Option<Jid> {
        Some(self.root(&chat.to_chat())?.key.clone())
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
        self.put_chat(ChatKey { address: new, key: of_old.key.clone(), lid: None }, changes);
        if of_old.lid != lid {
            self.put_chat(ChatKey { lid, ..of_old }, changes);
        }
        None
    }

    fn merge(&mut self, kept: ChatKey, gone: ChatKey, lid: Jid, changes: &mut Changes) -> Option<Merge> {
        if kept.key == gone.key {
            return None;
        }
        let merge = Merge { kept: kept.key.clone(), gone: gone.key };
        let leads = ChatKey { address: merge.gone.clone(), key: merge.kept.clone(), lid: None };
        self.put_chat(leads, changes);
        if kept.lid.as_ref() != Some(&lid) {
            self.put_chat(ChatKey { lid: Some(lid), ..kept }, changes);
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
