//! decrypt → commit → deliver → acknowledge, in order, many stanzas at a time. Protocol: receiving.

use std::collections::HashSet;
use std::time::Duration;

use prost::Message as _;
use wa_store::{InboxEntry, MessageKey, PreKeyRecord, SenderKeyName, StoreError};
use wa_types::{Jid, MessageId, PreKeyId, PublicKey, SignalAddress, UnixSeconds};

use super::session::Told;
use super::{Actor, INBOX_PAGE, Link, Phase, READ_AGAIN, Step, clock, credentials};
use crate::connection::Incoming;
use crate::e2e::addressing::{AddressPair, OwnAddress, Place};
use crate::e2e::decrypt::{self, DecryptError, Opening, Outcome};
use crate::event::{Event, MessageReceived, Receipt, Undecryptable};
use crate::message::Message;
use crate::signal::{PreKey, SignedPreKey};
use crate::stanza::ack::{self, nack};
use crate::stanza::message::InboundMessage;
use crate::stanza::receipt::{InboundReceipt, OutboundReceipt, ReceiptKind};
use crate::stanza::retry::{RetryKeys, RetryRequest};

/// From this request on, the sender gets our keys for a new session.
const KEYS_FROM: u8 = 2;

/// A status is gone after this.
const STATUS_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// A sender refuses to send again more often than this.
const RETRY_LIMIT: u8 = 4;

impl Actor {
    /// Keeps the proof of the server's identity; all else is a stanza.
    pub(super) fn handle_established(&mut self, told: Told, step: &mut Step) -> Option<Incoming> {
        match told {
            Told::Stanza(stanza) => Some(stanza),
            Told::Established(server) => {
                if let Link::Up { phase, .. } = &mut self.link {
                    *phase = if self.account.is_paired() { Phase::Login } else { Phase::Open };
                }
                let server = credentials::encode_server(&server);
                if self.account.is_paired() && self.account.server_certificate.as_ref() != Some(&server) {
                    self.account.server_certificate = Some(server);
                    step.changes.put_account(self.account.clone());
                }
                None
            }
        }
    }

    /// Handles what came, in order. What it needs from the store is loaded first, for all stanzas at once.
    pub(super) async fn receive_all(
        &mut self,
        stanzas: Vec<Incoming>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let seen = match self.own() {
            Some(own) => self.load_for(&stanzas, &own).await?,
            None => HashSet::new(),
        };
        let mut fresh = HashSet::new();
        for stanza in stanzas {
            match stanza {
                Incoming::Message(message) => {
                    let Some(own) = self.own() else { continue };
                    self.handle_message(&message, &own, &seen, &mut fresh, step);
                }
                Incoming::Receipt { receipt, ack } => {
                    self.handle_receipt(*receipt, step);
                    step.reply(ack);
                }
                Incoming::Notification { notification, ack } => {
                    self.handle_notification(notification, step).await?;
                    step.reply(ack);
                }
                Incoming::Success(success) => self.handle_success(success, step).await?,
                Incoming::Pairing { iq_id, request } => self.handle_pairing(&iq_id, request, step).await,
                Incoming::Ib(items) => {
                    for item in items {
                        self.handle_ib(item, step);
                    }
                }
                Incoming::Other(node) => step.events.push(Event::Other(Box::new(node))),
            }
        }
        self.note_backlog_traffic();
        Ok(())
    }

    /// Loads addresses, sessions, keys and what came before for a batch of stanzas; answers which messages did.
    async fn load_for(
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
    pub(super) async fn load_sessions(
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
    fn sender_addresses(&self, message: &InboundMessage) -> [Option<SignalAddress>; 2] {
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

    fn handle_message(
        &mut self,
        message: &InboundMessage,
        own: &OwnAddress,
        seen: &HashSet<MessageKey>,
        fresh: &mut HashSet<MessageKey>,
        step: &mut Step,
    ) {
        let mut place = Place::of(message, own);
        let [sender, other] = self.sender_addresses(message);
        let now = clock::unix_millis();
        let pairs = [
            message.sender_alt.as_ref().and_then(|alt| AddressPair::new(message.sender(), alt)),
            message
                .recipient
                .as_ref()
                .zip(message.recipient_alt.as_ref())
                .and_then(|(a, b)| AddressPair::new(a, b)),
        ];
        for pair in pairs.into_iter().flatten() {
            self.directory.learn(pair, now, &mut step.changes);
        }
        let key = key_of(&message.id, &place);
        if seen.contains(&key) || fresh.contains(&key) {
            self.acknowledge(message, &place, step);
            return;
        }
        let Some(sender) = sender else {
            return self.give_up(message, place, DecryptError::NoContent, step);
        };
        if let Some(other) = other.filter(|other| *other != sender) {
            self.ratchets.migrate(&other, &sender, &mut step.changes);
        }
        let opening = Opening {
            own,
            ours: Self::ours(&self.account),
            sender: &sender,
            account_key: self.ratchets.identity(&SignalAddress::new(sender.user(), sender.domain(), 0)),
        };
        let (outcome, is_new_identity) =
            opening.open(message, &mut place, &mut self.ratchets, &mut step.changes, &mut self.random);
        if is_new_identity {
            step.events.push(Event::IdentityChanged { device: message.sender().clone() });
        }
        match outcome {
            Outcome::Content(content) => {
                fresh.insert(key);
                self.accept(message, place, content, now, step);
            }
            Outcome::Silent | Outcome::Duplicate => self.acknowledge(message, &place, step),
            Outcome::Failed(error) => self.give_up(message, place, error, step),
        }
    }

    /// Puts a message into the inbox, to be delivered and acknowledged once that is committed.
    fn accept(
        &mut self,
        stanza: &InboundMessage,
        place: Place,
        content: Message,
        now: wa_types::UnixMillis,
        step: &mut Step,
    ) {
        self.acknowledge(stanza, &place, step);
        // The key as the stanza has it: a copy's chat is known only once it is opened.
        let key = self
            .own()
            .map_or_else(|| key_of(&stanza.id, &place), |own| key_of(&stanza.id, &Place::of(stanza, &own)));
        let received = MessageReceived {
            seq: self.next_seq,
            chat: place.chat,
            sender: place.sender,
            from_me: place.from_me,
            id: stanza.id.clone(),
            timestamp: stanza.timestamp,
            push_name: stanza.push_name.clone(),
            is_backlog: stanza.offline.is_some(),
            message: content,
        };
        self.next_seq += 1;
        step.changes.push_inbox(InboxEntry {
            seq: received.seq,
            message: key,
            received: now,
            payload: StoredMessage::of(&received).encode_to_vec(),
        });
        step.events.push(Event::Message(Box::new(received)));
    }

    /// The positive answer. Protocol: receiving, "Positive answers".
    fn acknowledge(&self, message: &InboundMessage, place: &Place, step: &mut Step) {
        let is_note_to_self = place.from_me && message.recipient.is_none() && message.from.is_user();
        if message.from.is_newsletter() || (is_note_to_self && !message.is_peer) {
            return step.reply(ack::for_message(message, None));
        }
        let kind = if message.is_peer {
            Some("peer_msg")
        } else if place.from_me {
            Some("sender")
        } else if self.is_available || message.from.is_status() {
            None
        } else {
            Some("inactive")
        };
        let mut receipt = OutboundReceipt::new(message.from.clone(), kind, message.id.clone());
        receipt.participant.clone_from(&message.participant);
        if place.from_me && !message.is_peer {
            receipt.recipient = message.recipient.as_ref().map(Jid::to_user);
        }
        step.receipt(receipt);
    }

    /// A message that cannot be read: asks for it again where that helps, refuses it where it does not.
    fn give_up(&mut self, message: &InboundMessage, place: Place, error: DecryptError, step: &mut Step) {
        let count = message.encs.iter().map(|enc| enc.count).max().unwrap_or(0).saturating_add(1);
        let age = clock::unix_millis().to_seconds().0.saturating_sub(message.timestamp.0);
        let is_expired = message.from.is_status() && age > STATUS_LIFE.as_secs();
        let code = error.retry_code().filter(|_| count <= RETRY_LIMIT && !is_expired);
        tracing::warn!(%error, id = %message.id, count, is_retried = code.is_some(), "a message could not be read");
        match (code, &error) {
            (Some(code), _) => {
                let fresh =
                    (count >= KEYS_FROM || message.from.is_hosted()).then(|| self.spare_pre_key(step));
                let device_identity = self.account.signed_device_identity.as_deref();
                let keys = fresh.zip(device_identity).map(|(one_time, device_identity)| RetryKeys {
                    identity: self.account.identity.public,
                    one_time: Some(one_time),
                    signed: self.signed_pre_key(),
                    device_identity,
                });
                let registration_id = self.account.registration_id;
                // 0 is "unknown", and left out.
                let code = Some(code).filter(|code| *code != 0);
                step.reply(RetryRequest { message, count, code, registration_id, keys }.to_node());
                step.reply(ack::for_message(message, None));
            }
            (None, DecryptError::Malformed) => {
                step.reply(ack::for_message(message, Some(nack::INVALID_PROTOBUF)))
            }
            (None, DecryptError::MissingSecret) => {
                step.reply(ack::for_message(message, Some(nack::MISSING_SECRET)))
            }
            (None, DecryptError::NoContent) => {
                step.reply(ack::for_message(message, Some(nack::UNRECOGNIZED_TYPE)))
            }
            (None, _) => step.reply(ack::for_message(message, None)),
        }
        step.events.push(Event::Undecryptable(Box::new(Undecryptable {
            chat: place.chat,
            sender: place.sender,
            id: message.id.clone(),
            timestamp: message.timestamp,
            error,
            is_retried: code.is_some(),
        })));
    }

    /// A one-time pre-key that is given to one sender only: the server never gets it.
    fn spare_pre_key(&mut self, step: &mut Step) -> (PreKeyId, PublicKey) {
        let id = self.account.next_pre_key_id;
        self.account.next_pre_key_id = id.next();
        let PreKey { id, key_pair } = PreKey::generate(id, &mut self.random);
        let public = key_pair.public;
        step.changes.put_pre_key(PreKeyRecord { id, key_pair, uploaded: true });
        step.changes.put_account(self.account.clone());
        (id, public)
    }

    fn handle_receipt(&self, receipt: InboundReceipt, step: &mut Step) {
        let Some(own) = self.own() else { return };
        if matches!(receipt.kind, ReceiptKind::Retry) {
            tracing::warn!(id = %receipt.id, "a device asks for a message again");
        }
        let from = receipt.participant.clone().unwrap_or_else(|| receipt.from.clone());
        let is_own = own.is_account(&receipt.from) && !receipt.from.is_group();
        let chat = match &receipt.recipient {
            Some(recipient) if is_own => recipient.to_chat(),
            _ => receipt.from.to_chat(),
        };
        // Own devices tell each other with the same word as they tell the author.
        let kind = match receipt.kind {
            ReceiptKind::Read if is_own => ReceiptKind::ReadSelf,
            ReceiptKind::Played if is_own => ReceiptKind::PlayedSelf,
            kind => kind,
        };
        step.events.push(Event::Receipt(Box::new(Receipt {
            chat,
            from,
            kind,
            ids: receipt.ids,
            timestamp: receipt.timestamp,
        })));
    }

    /// Reads the next stored messages of an earlier run, once those before them are delivered.
    pub(super) async fn read_stored(&mut self) {
        if self.read_again_at.is_some() {
            return;
        }
        let Some(after) = self.stored_after.filter(|_| self.undelivered.is_empty()) else { return };
        match self.store.inbox(after, INBOX_PAGE).await {
            Ok(entries) => {
                self.stored_after = entries.last().map(|entry| entry.seq);
                for entry in entries {
                    match StoredMessage::read(&entry) {
                        Some(received) => self.undelivered.push_back(Event::Message(Box::new(received))),
                        None => tracing::error!(seq = entry.seq, "a stored message is damaged"),
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, "the inbox could not be read");
                self.undelivered.push_back(Event::StoreFailed { error: error.to_string() });
                self.read_again_at = Some(clock::now() + READ_AGAIN);
            }
        }
    }
}

/// What a message is known by when it comes again. The server repeats a stanza with the addresses that it had.
fn key_of(id: &MessageId, place: &Place) -> MessageKey {
    MessageKey { chat: place.chat.clone(), sender: place.sender.to_user(), id: id.clone() }
}

/// A received message as the inbox keeps it.
#[derive(Clone, PartialEq, prost::Message)]
struct StoredMessage {
    #[prost(string, tag = "1")]
    chat: String,
    #[prost(string, tag = "2")]
    sender: String,
    #[prost(bool, tag = "3")]
    from_me: bool,
    #[prost(uint64, tag = "4")]
    timestamp: u64,
    #[prost(string, optional, tag = "5")]
    push_name: Option<String>,
    #[prost(bool, tag = "6")]
    is_backlog: bool,
    #[prost(bytes = "vec", tag = "7")]
    message: Vec<u8>,
}

impl StoredMessage {
    fn of(received: &MessageReceived) -> Self {
        Self {
            chat: received.chat.to_string(),
            sender: received.sender.to_string(),
            from_me: received.from_me,
            timestamp: received.timestamp.0,
            push_name: received.push_name.clone(),
            is_backlog: received.is_backlog,
            message: received.message.encoded().to_vec(),
        }
    }

    fn read(entry: &InboxEntry) -> Option<MessageReceived> {
        let stored = Self::decode(entry.payload.as_slice()).ok()?;
        Some(MessageReceived {
            seq: entry.seq,
            chat: stored.chat.parse().ok()?,
            sender: stored.sender.parse().ok()?,
            from_me: stored.from_me,
            id: entry.message.id.clone(),
            timestamp: UnixSeconds(stored.timestamp),
            push_name: stored.push_name,
            is_backlog: stored.is_backlog,
            message: Message::decode(stored.message).ok()?,
        })
    }
}
