//! One user, two addresses: what is learned of it, and what moves then. Protocol: messages, "PN and LID addressing";
//! prekeys and devices, "LID ↔ PN mapping".

use std::sync::Arc;

use wa_store::{MessageKey, StoreError};
use wa_types::{Domain, Jid, MessageId, SignalAddress, UnixMillis};

use super::directory::{Evidence, Merge};
use super::inbox::stored::StoredEvent;
use super::{Actor, Step, clock};
use crate::e2e::addressing::AddressPair;
use crate::error::CallError;
use crate::event::{ChatsMerged, Peer};
use crate::stanza::notification::addresses::AddressNotification;

/// How many numbers are asked about for one stanza; honest ones contradict one or two.
const DISPUTES_AT_ONCE: usize = 64;

impl Actor {
    /// Takes in which addresses are one user: their sessions and chats come together with it, in the same commit.
    /// What is known already costs no more than a look into memory.
    pub(super) async fn learn(
        &mut self,
        pairs: impl IntoIterator<Item = AddressPair>,
        evidence: Evidence,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let own = self.own();
        let mut pairs: Vec<AddressPair> = pairs.into_iter().collect();
        // Nobody but the login says who we are.
        pairs.retain(|pair| own.as_ref().is_none_or(|own| own.may_be(pair)));
        if pairs.is_empty() {
            return Ok(());
        }
        let store = Arc::clone(&self.store);
        let users = |pairs: &[AddressPair]| -> Vec<Jid> {
            pairs.iter().flat_map(|pair| [pair.pn.clone(), pair.lid.clone()]).collect()
        };
        self.directory.load_addresses(&*store, users(&pairs)).await?;
        pairs.retain(|pair| !self.directory.knows(pair));
        if evidence == Evidence::Seen {
            let is_open = |pair: &mut AddressPair| {
                self.directory.lid_of(&pair.pn).or_else(|| self.directory.pn_of(&pair.lid)).is_none()
            };
            let open: Vec<AddressPair> = pairs.extract_if(.., is_open).collect();
            self.settle_dispute(std::mem::replace(&mut pairs, open));
        }
        if pairs.is_empty() {
            return Ok(());
        }
        self.directory.load_chats(&*store, &users(&pairs)).await?;
        let moves = pairs.iter().flat_map(|pair| {
            [(Domain::Pn, Domain::Lid), (Domain::Hosted, Domain::HostedLid)].map(|(from, to)| {
                (SignalAddress::new(pair.pn.user(), from, 0), SignalAddress::new(pair.lid.user(), to, 0))
            })
        });
        let moves = moves.collect();
        self.move_sessions(moves, step).await?;
        let learned = if evidence == Evidence::Stale { UnixMillis(0) } else { clock::unix_millis() };
        for pair in pairs {
            self.directory.learn(pair.clone(), learned, &mut step.changes);
            if let Some(merge) = self.directory.join_chats(&pair, &mut step.changes) {
                self.tell_merge(merge, step);
            }
        }
        Ok(())
    }

    /// A hint contradicts what is known: the server is asked who has these numbers, once for each contradiction.
    fn settle_dispute(&mut self, pairs: Vec<AddressPair>) {
        let new: Vec<Jid> = pairs
            .into_iter()
            .filter_map(|pair| self.directory.note_dispute(pair))
            .take(DISPUTES_AT_ONCE)
            .collect();
        if !new.is_empty() {
            tracing::debug!(count = new.len(), "addresses contradict what is known");
            self.fetch_devices(new);
        }
    }

    /// A user has another address of the same kind than before.
    pub(super) async fn replace_address(
        &mut self,
        old: &Jid,
        new: &Jid,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let store = Arc::clone(&self.store);
        let (old, new) = (old.to_chat(), new.to_chat());
        self.directory.load_chats(&*store, &[old.clone(), new.clone()]).await?;
        let pair = self.directory.other_address(&old).and_then(|other| AddressPair::new(&new, other));
        if old.is_lid() && new.is_lid() {
            let address = |jid: &Jid, domain| SignalAddress::new(jid.user(), domain, 0);
            let moves =
                [Domain::Lid, Domain::HostedLid].map(|domain| (address(&old, domain), address(&new, domain)));
            self.move_sessions(moves.to_vec(), step).await?;
        }
        if let Some(merge) = self.directory.move_chat(&old, &new, &mut step.changes) {
            self.tell_merge(merge, step);
        }
        self.learn(pair, Evidence::Told, step).await
    }

    /// Moves all that is known of these users' devices to their other address. Device numbers do not matter.
    async fn move_sessions(
        &mut self,
        users: Vec<(SignalAddress, SignalAddress)>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let from: Vec<SignalAddress> = users.iter().map(|(from, _)| from.clone()).collect();
        let stored = self.store.known_devices(&from).await?;
        let mut moves = Vec::new();
        for ((from, to), stored) in users.into_iter().zip(stored) {
            // What this step itself began is in memory only.
            let mut devices = [stored, self.ratchets.devices_of(&from)].concat();
            devices.sort_unstable();
            devices.dedup();
            moves
                .extend(devices.into_iter().map(|device| (from.with_device(device), to.with_device(device))));
        }
        if moves.is_empty() {
            return Ok(());
        }
        self.load_sessions(moves.iter().flat_map(|(from, to)| [from.clone(), to.clone()]).collect()).await?;
        for (from, to) in moves {
            self.ratchets.migrate(&from, &to, &mut step.changes);
        }
        Ok(())
    }

    /// The application learns that two chats are one, durably: what it keeps under the old name has to move.
    fn tell_merge(&mut self, Merge { kept, gone }: Merge, step: &mut Step) {
        self.outbox.join_chats(&gone, &kept);
        let key = MessageKey { chat: kept.clone(), sender: gone.clone(), id: MessageId::new("chats-merged") };
        let number = self.next_number();
        self.push_inbox(key, StoredEvent::ChatsMerged(Box::new(ChatsMerged { number, kept, gone })), step);
    }

    /// The key under which the application knows this chat.
    pub(super) async fn chat_key(&mut self, chat: &Jid, step: &mut Step) -> Result<Jid, StoreError> {
        let store = Arc::clone(&self.store);
        self.directory.load_chats(&*store, std::slice::from_ref(chat)).await?;
        Ok(self.directory.chat_key(chat, &mut step.changes))
    }

    /// The address under which the server knows this chat: the LID once the account is migrated, else the phone number,
    /// as far as they are known.
    pub(super) async fn wire_address(&mut self, chat: &Jid) -> Result<Jid, StoreError> {
        let store = Arc::clone(&self.store);
        self.directory.load_chats(&*store, std::slice::from_ref(chat)).await?;
        Ok(self.name_space(chat))
    }

    /// What a notification says about addresses.
    pub(super) async fn handle_addresses(
        &mut self,
        said: AddressNotification,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let pairs = |list: Vec<(Jid, Jid)>| -> Vec<AddressPair> {
            list.iter().filter_map(|(one, other)| AddressPair::new(one, other)).collect()
        };
        for (old, new) in said.changed {
            tracing::info!(?old, ?new, "a user has another address");
            self.replace_address(&old, &new, step).await?;
        }
        self.learn(pairs(said.told), Evidence::Told, step).await?;
        self.learn(pairs(said.seen), Evidence::Seen, step).await
    }

    /// Who this is.
    pub(super) async fn peer(&mut self, jid: &Jid, step: &mut Step) -> Result<Peer, CallError> {
        let chat = self.chat_key(jid, step).await?;
        let (lid, pn) = if chat.is_user() { self.directory.addresses_of_chat(&chat) } else { (None, None) };
        let token_at = self.token_at(&chat).await?;
        Ok(Peer { pn, lid, chat, token_at })
    }
}
