//! What a batch of stanzas needs from the store, loaded at once.

use std::collections::HashSet;

use wa_store::{MessageKey, SenderKeyName, StoreError};
use wa_types::{Jid, SignalAddress};

use super::place::key_of;
use crate::connection::Incoming;
use crate::driver::Actor;
use crate::e2e::addressing::{OwnAddress, Place};
use crate::e2e::decrypt;
use crate::signal::{PreKey, SignedPreKey};
use crate::stanza::message::InboundMessage;

impl Actor {
    /// Loads addresses, sessions, keys and what came before for a batch of stanzas; answers which messages did.
    pub(super) async fn load_for(
        &mut self,
        stanzas: &[Incoming],
        own: &OwnAddress,
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
        let users = messages.iter().flat_map(|message| {
            let alternatives = [&message.sender_alt, &message.recipient_alt, &message.recipient];
            std::iter::once(message.sender()).chain(alternatives.into_iter().flatten())
        });
        let users: Vec<Jid> = users.cloned().collect();
        self.directory.load_addresses(&*store, users).await?;

        let (mut addresses, mut names) = (Vec::new(), Vec::new());
        let (mut one_time, mut signed, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for message in &messages {
            let [sender, other] = self.sender_addresses(message);
            for address in [sender.clone(), other].into_iter().flatten() {
                addresses.push(SignalAddress::new(address.user(), address.domain(), 0));
                addresses.push(address);
            }
            if let (Some(sender), Some(_)) = (sender, &message.participant) {
                names.push(SenderKeyName { group: message.from.clone(), sender });
            }
            keys.push(key_of(&message.id, &Place::of(message, own)));
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

    /// Where the sender's session is kept, and its other address when that was used before its LID was known.
    pub(super) fn sender_addresses(&self, message: &InboundMessage) -> [Option<SignalAddress>; 2] {
        let sender = message.sender();
        let plain = SignalAddress::from_jid(sender);
        let by_stanza = message
            .sender_alt
            .as_ref()
            .filter(|alt| sender.is_pn() && alt.is_lid())
            .and_then(|lid| SignalAddress::from_jid(&lid.to_user().with_device(sender.device())));
        match by_stanza.or_else(|| self.directory.signal_address(sender)) {
            main if main == plain => {
                let pn = message.sender_alt.as_ref().filter(|alt| sender.is_lid() && alt.is_pn());
                let pn = pn.or_else(|| self.directory.pn_of(sender));
                let other =
                    pn.and_then(|pn| SignalAddress::from_jid(&pn.to_user().with_device(sender.device())));
                [main, other]
            }
            main => [main, plain],
        }
    }
}
