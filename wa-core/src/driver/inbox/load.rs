//! What a batch of stanzas needs from the store, loaded at once.

use std::collections::HashSet;

use wa_store::{MessageKey, SenderKeyName, StoreError};
use wa_types::{Jid, SignalAddress};

use super::place::keys_of;
use crate::connection::Incoming;
use crate::driver::directory::Evidence;
use crate::driver::{Actor, Step};
use crate::e2e::addressing::{AddressPair, OwnAddress, Place};
use crate::e2e::decrypt;
use crate::signal::{PreKey, SignedPreKey};
use crate::stanza::message::InboundMessage;

impl Actor {
    /// Loads addresses, sessions, keys and what came before for a batch of stanzas; answers which messages did. What the
    /// stanzas tell of addresses is learned first, so that every message of a user meets the same session.
    pub(super) async fn load_for(
        &mut self,
        stanzas: &[Incoming],
        own: &OwnAddress,
        step: &mut Step,
    ) -> Result<HashSet<MessageKey>, StoreError> {
        let messages: Vec<&InboundMessage> = stanzas
            .iter()
            .filter_map(
                |stanza| if let Incoming::Message(message) = stanza { Some(&**message) } else { None },
            )
            .collect();
        if messages.is_empty() {
            return Ok(HashSet::new());
        }
        let store = std::sync::Arc::clone(&self.store);
        let pairs = messages.iter().flat_map(|message| {
            let sender = message.sender_alt.as_ref().and_then(|alt| AddressPair::new(message.sender(), alt));
            let recipient = message.recipient.as_ref().zip(message.recipient_alt.as_ref());
            let recipient = recipient.and_then(|(one, other)| AddressPair::new(one, other));
            // Nobody else knows who is on a list.
            let is_ours = own.is_account(message.sender());
            let listed = message.recipients.iter().filter(move |_| is_ours);
            let listed = listed.filter_map(|(one, other)| AddressPair::new(one, other));
            [sender, recipient].into_iter().flatten().chain(listed)
        });
        let pairs: Vec<AddressPair> = pairs.collect();
        self.learn(pairs, Evidence::Told, step).await?;
        let users = messages.iter().map(|message| message.sender().clone());
        self.directory.load_addresses(&*store, users.collect()).await?;
        let chats: Vec<Jid> = messages.iter().map(|message| Place::of(message, own).chat).collect();
        self.directory.load_chats(&*store, &chats).await?;

        let (mut addresses, mut names) = (Vec::new(), Vec::new());
        let (mut one_time, mut signed, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for message in &messages {
            for address in self.sender_addresses(message).into_iter().flatten() {
                addresses.push(SignalAddress::new(address.user(), address.domain(), 0));
                addresses.push(address);
            }
            if message.participant.is_some() {
                let senders = self.sender_addresses(message).into_iter().flatten();
                names.extend(senders.map(|sender| SenderKeyName { group: message.from.clone(), sender }));
            }
            keys.extend(keys_of(&message.known_by(), &Place::of(message, own), own, &self.directory));
        }
        self.load_sessions(addresses).await?;
        for message in &messages {
            let [sender, _] = self.sender_addresses(message);
            let (a, b) = decrypt::named_pre_keys(message, sender.as_ref(), &self.ratchets);
            one_time.extend(a);
            signed.extend(b);
        }
        names.retain(|name| !self.ratchets.has_loaded_sender_key(name));
        if !names.is_empty() {
            for (name, record) in names.iter().zip(store.sender_keys(&names).await?) {
                self.ratchets.load_sender_key(name.clone(), record);
            }
        }
        if !one_time.is_empty() {
            for key in store.pre_keys(&one_time).await?.into_iter().flatten() {
                self.ratchets.load_pre_key(PreKey { id: key.id, key_pair: key.key_pair });
            }
        }
        if !signed.is_empty() {
            for key in store.signed_pre_keys(&signed).await?.into_iter().flatten() {
                let key = SignedPreKey { id: key.id, key_pair: key.key_pair, signature: key.signature };
                self.ratchets.load_signed_pre_key(key);
            }
        }
        let seen = store.seen(&keys).await?;
        Ok(keys.into_iter().zip(seen).filter_map(|(key, seen)| seen.then_some(key)).collect())
    }

    /// Loads the sessions and identities that are not in memory.
    pub(in crate::driver) async fn load_sessions(
        &mut self,
        mut addresses: Vec<SignalAddress>,
    ) -> Result<(), StoreError> {
        addresses.retain(|address| !self.ratchets.has_loaded(address));
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() {
            return Ok(());
        }
        let records = self.store.sessions(&addresses).await?;
        let identities = self.store.identities(&addresses).await?;
        for ((address, record), identity) in addresses.into_iter().zip(records).zip(identities) {
            self.ratchets.load(address, record, identity);
        }
        Ok(())
    }

    /// Where the sender's session is kept; and its other address, where there may be something that was never moved.
    pub(super) fn sender_addresses(&self, message: &InboundMessage) -> [Option<SignalAddress>; 2] {
        let sender = message.sender();
        let main = self.directory.signal_address(sender);
        let pn =
            if sender.is_lid() { self.directory.other_device_address(sender) } else { Some(sender.clone()) };
        let other =
            pn.and_then(|pn| SignalAddress::from_jid(&pn)).filter(|other| Some(other) != main.as_ref());
        [main, other]
    }
}
