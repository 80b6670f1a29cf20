//! A phone's messages: one copy per device of the recipient, one for each own companion, and resends.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use prost::Message as _;
use tokio::sync::oneshot;
use tokio::time::timeout;
use wa_core::crypto::{Random as _, SystemRandom};
use wa_core::pairing::SignedDeviceIdentity;
use wa_core::pairing::adv::check_companion;
use wa_core::stanza::message::Class;
use wa_core::wire::Node;
use wa_proto::e2e::{DeviceSentMessage, Message, MessageContextInfo};
use wa_types::{Jid, MessageId, UnixSeconds};

use super::keys::bundle_of;
use super::{Addressing, Phone, PhoneMessage, PhoneState, message_id};
use crate::account::DeviceKey;
use crate::stanza::Read;

/// A message that the server took.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Its id.
    pub id: MessageId,
    /// When the server took it.
    pub timestamp: UnixSeconds,
}

/// Why a phone's message did not go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The phone is off.
    #[error("the phone is offline")]
    Offline,
    /// Nobody has this address.
    #[error("no such user")]
    UnknownRecipient,
    /// No device of the recipient could be encrypted for.
    #[error("no device to encrypt for")]
    NoDevice,
    /// The server refused.
    #[error("refused with {0}")]
    Refused(u16),
    /// No ack came.
    #[error("no ack came")]
    NoAck,
}

/// What was sent, for resends.
#[derive(Default)]
pub(super) struct SentMessages {
    order: VecDeque<String>,
    by_id: BTreeMap<String, SentMessage>,
}

#[derive(Clone)]
pub(super) struct SentMessage {
    pub(super) chat: Jid,
    /// Encoded.
    pub(super) message: Vec<u8>,
    /// For an own companion, about the account itself.
    pub(super) is_peer: bool,
}

impl SentMessages {
    pub(super) fn remember(&mut self, id: &str, message: SentMessage, memory: usize) {
        self.order.push_back(id.to_owned());
        self.by_id.insert(id.to_owned(), message);
        if self.order.len() > memory
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }
}

impl Phone {
    /// Sends a text to all devices of a user, and a copy to each own companion. Returns when the server took it.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send_text(&self, to: &Jid, text: &str) -> Result<Sent, SendError> {
        let message = Message { conversation: Some(text.to_owned()), ..Message::default() };
        self.send(to, message).await
    }

    /// Sends any message; adds a message secret where there is none.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&self, to: &Jid, mut message: Message) -> Result<Sent, SendError> {
        let context = message.message_context_info.get_or_insert_default();
        if context.message_secret.is_none() {
            context.message_secret = Some(SystemRandom.array::<32>().to_vec());
        }
        self.send_encoded(to, &message.encode_to_vec()).await
    }

    /// Sends an encoded message as it is.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send_encoded(&self, to: &Jid, message: &[u8]) -> Result<Sent, SendError> {
        let id = message_id();
        let (acked, ack) = oneshot::channel();
        self.hand_in(to, &id, message, acked)?;
        let Some(ack) = timeout(ACK, ack).await.ok().and_then(Result::ok) else {
            self.lock().waiting.remove(&id);
            return Err(SendError::NoAck);
        };
        if let Some(code) = ack.attr_number("error") {
            return Err(SendError::Refused(u16::try_from(code).unwrap_or(500)));
        }
        let timestamp = UnixSeconds(ack.attr_number("t").unwrap_or(0));
        Ok(Sent { id: MessageId::new(id), timestamp })
    }

    /// What the next direct messages hold for others decrypts, and is no message.
    pub fn spoil_next(&self, count: u32) {
        self.lock().spoils = count;
    }

    /// Whether it is deaf to those who ask it for its messages again.
    pub fn ignore_retries(&self, on: bool) {
        self.lock().ignores_retries = on;
    }

    /// Marks a message as read, and tells its sender.
    pub fn read(&self, message: &super::PhoneMessage) {
        let is_many = message.chat.is_group() || message.chat.is_broadcast();
        self.tell_read(&message.id, &message.chat, is_many.then_some(&message.sender));
    }

    /// [`Self::read`], by the message's id. `false` when nobody else sent this phone such a message.
    #[must_use]
    pub fn read_id(&self, id: &MessageId) -> bool {
        let place = self.lock().known.place(id.as_str());
        place.is_some_and(|(chat, author)| {
            self.tell_read(id, &chat, author.as_ref());
            true
        })
    }

    fn tell_read(&self, id: &MessageId, chat: &Jid, author: Option<&Jid>) {
        let receipt = Node::new("receipt")
            .attr("id", id)
            .attr("to", chat.to_user())
            .attr_opt("participant", author)
            .attr("type", "read")
            .attr("t", self.hub.state().now_seconds());
        self.transmit(&receipt);
    }

    /// Says that its user is typing (or has stopped) to another.
    pub fn typing(&self, to: &Jid, on: bool) {
        let state = Node::new(if on { "composing" } else { "paused" });
        self.transmit(&Node::new("chatstate").attr("to", to.to_user()).child(state));
    }

    /// Says that its user is there, or not.
    pub fn presence(&self, available: bool) {
        let kind = if available { "available" } else { "unavailable" };
        self.transmit(&Node::new("presence").attr("type", kind).attr("name", self.name()));
    }

    fn hand_in(
        &self,
        to: &Jid,
        id: &str,
        message: &[u8],
        acked: oneshot::Sender<Node>,
    ) -> Result<(), SendError> {
        let class = class_of(message);
        // Held to the end: messages enter the server in the order of their session counters.
        let mut phone = self.lock();
        if phone.online.is_none() {
            return Err(SendError::Offline);
        }
        if to.is_group() || to.is_broadcast() {
            let stanza = self.sealed_for_many(&mut phone, to, id, message)?;
            self.remember_sent(&mut phone, id, to, message, acked);
            self.transmit(&stanza);
            return Ok(());
        }
        let (recipient, chat) = self.address(to, phone.addressing).ok_or(SendError::UnknownRecipient)?;
        let own = self.inner.key;
        let mut devices = {
            let state = self.hub.state();
            let mut devices = state.devices_of(recipient);
            if recipient != own.account {
                devices.extend(state.devices_of(own.account));
            }
            devices
        };
        devices.retain(|device| *device != own);
        let (mut for_others, for_own) = (message.to_vec(), own_copy(&chat, message));
        if phone.spoils > 0 {
            phone.spoils -= 1;
            for_others = SPOILED.to_vec();
        }
        let without: Vec<DeviceKey> =
            devices.iter().copied().filter(|device| !phone.keys.has_session(*device)).collect();
        self.fetch_sessions(&mut phone, &without);

        let mut copies = Vec::new();
        for device in devices {
            let plaintext = if device.account == own.account { &for_own } else { &for_others };
            match phone.keys.encrypt(device, plaintext) {
                Ok(ciphertext) => {
                    let enc = Node::new("enc")
                        .attr("v", "2")
                        .attr("type", ciphertext.kind.as_str())
                        .bytes(ciphertext.bytes);
                    let to = self.hub.state().jid_of(device, &chat);
                    copies.push(Node::new("to").attr("jid", to).child(class.on_enc(enc)));
                }
                Err(error) => tracing::debug!(?device, %error, "device left out"),
            }
        }
        if copies.is_empty() {
            return Err(SendError::NoDevice);
        }
        self.remember_sent(&mut phone, id, &chat, message, acked);
        let stanza = Node::new("message")
            .attr("to", &chat)
            .attr("id", id)
            .attr("type", class.kind)
            .attr_opt("edit", class.edit)
            .child(Node::new("participants").children(copies))
            .children(class.meta_node());
        self.transmit(&stanza);
        Ok(())
    }

    /// Keeps a message for resends and for companions, before it goes.
    fn remember_sent(
        &self,
        phone: &mut PhoneState,
        id: &str,
        chat: &Jid,
        message: &[u8],
        acked: oneshot::Sender<Node>,
    ) {
        let sent = SentMessage { chat: chat.clone(), message: message.to_vec(), is_peer: false };
        phone.sent.remember(id, sent, phone.memory);
        phone.remember(&PhoneMessage {
            id: MessageId::new(id),
            chat: chat.clone(),
            sender: self.inner.lid.clone(),
            from_me: true,
            timestamp: UnixSeconds(self.hub.state().now_seconds()),
            push_name: None,
            message: Message::decode(message).unwrap_or_default(),
        });
        phone.waiting.insert(id.to_owned(), acked);
    }

    /// The account behind an address, and the address to use.
    fn address(&self, to: &Jid, addressing: Addressing) -> Option<(usize, Jid)> {
        let state = self.hub.state();
        let index = state.account_of(to)?;
        let account = state.account(index)?;
        let by_lid = match addressing {
            Addressing::Account => self.hub.config.lid_migrated,
            Addressing::Pn => false,
            Addressing::Lid => true,
            Addressing::AsGiven => to.is_lid(),
        };
        Some((index, if by_lid { account.lid.clone() } else { account.pn.clone() }))
    }

    /// Begins sessions with devices, from bundles of the server.
    pub(super) fn fetch_sessions(&self, phone: &mut PhoneState, devices: &[DeviceKey]) {
        if devices.is_empty() {
            return;
        }
        let users = devices
            .iter()
            .map(|device| Node::new("user").attr("jid", self.hub.state().jid_of(*device, &self.inner.lid)));
        let users: Vec<Node> = users.collect();
        let iq = self.new_request("get", "encrypt").child(Node::new("key").children(users));
        let Some(answer) = self.request(&iq) else { return };
        for user in answer.find("list").into_iter().flat_map(|list| list.find_all("user")) {
            let Some(device) = user.attr_jid("jid").and_then(|jid| self.hub.state().device_key(&jid)) else {
                continue;
            };
            let Some(bundle) = bundle_of(user, None) else { continue };
            if device.number != 0 && !self.is_companion(device, user, &bundle.identity) {
                tracing::warn!(?device, "bundle without a good device identity");
                continue;
            }
            if let Err(error) = phone.keys.initiate(device, &bundle) {
                tracing::warn!(?device, %error, "bundle refused");
            }
        }
    }

    fn is_companion(&self, device: DeviceKey, user: &Node, identity: &wa_types::PublicKey) -> bool {
        let account = {
            let state = self.hub.state();
            state.device(DeviceKey { number: 0, ..device }).map(|phone| phone.keys.identity)
        };
        let signed =
            user.child_bytes("device-identity").and_then(|bytes| SignedDeviceIdentity::decode(bytes).ok());
        signed.is_some_and(|signed| check_companion(&signed, identity, account.as_ref()).is_ok())
    }

    /// Sends a message again to the one device that could not read it. Protocol: receiving, "Inbound retry receipt".
    pub(super) fn resend(&self, from: &Jid, id: &str, receipt: &Node) {
        let count = receipt.find("retry").and_then(|retry| retry.attr_number("count")).unwrap_or(1);
        let Some(device) = self.hub.state().device_key(from) else { return };
        let mut phone = self.lock();
        let Some(sent) = phone.sent.by_id.get(id).cloned() else { return };
        if count >= MAX_RETRIES {
            return;
        }
        let registration = receipt.child_array::<4>("registration");
        let bundle = receipt.find("keys").and_then(|keys| bundle_of(keys, registration));
        let known = phone.keys.remote_registration(device).map(wa_types::RegistrationId::to_bytes);
        if let Some(bundle) = bundle {
            if let Err(error) = phone.keys.initiate(device, &bundle) {
                tracing::warn!(%error, "keys of a retry receipt refused");
            }
        } else if known != registration || count >= 2 {
            phone.keys.archive(device);
        }
        if !phone.keys.has_session(device) {
            self.fetch_sessions(&mut phone, &[device]);
        }
        let class = class_of(&sent.message);
        let is_own = device.account == self.inner.key.account;
        let is_many = sent.chat.is_group() || sent.chat.is_broadcast();
        let for_device =
            if is_own && !sent.is_peer { own_copy(&sent.chat, &sent.message) } else { sent.message };
        let mut stanza =
            Node::new("message").attr("id", id).attr("type", class.kind).attr_opt("edit", class.edit);
        let plaintext = if is_many {
            let Some((plaintext, to, mode)) = self.resealed(&mut phone, &sent.chat, &for_device, device)
            else {
                return;
            };
            stanza = stanza.attr("to", &sent.chat).attr("participant", to).attr_opt("addressing_mode", mode);
            plaintext
        } else {
            stanza = stanza.attr("to", self.hub.state().jid_of(device, &sent.chat));
            stanza = match (is_own, sent.is_peer) {
                (true, true) => stanza.attr("category", "peer"),
                (true, false) => stanza.attr("recipient", &sent.chat),
                (false, _) => stanza.attr("device_fanout", "false"),
            };
            for_device
        };
        let Ok(ciphertext) = phone.keys.encrypt(device, &plaintext) else { return };
        let enc = Node::new("enc")
            .attr("v", "2")
            .attr("type", ciphertext.kind.as_str())
            .attr("count", count)
            .bytes(ciphertext.bytes);
        self.transmit(&stanza.child(class.on_enc(enc)));
    }
}

/// What own companions receive: the message stays the bytes that it is.
fn own_copy(chat: &Jid, message: &[u8]) -> Vec<u8> {
    /// `Message.deviceSentMessage`, and its `message`.
    const DEVICE_SENT_MESSAGE: u32 = 31;
    const COPY_MESSAGE: u32 = 2;
    let context = Message::decode(message).ok().and_then(|message| message.message_context_info);
    let context = context.map(|info| {
        Box::new(MessageContextInfo { message_secret: info.message_secret, ..MessageContextInfo::default() })
    });
    let destination_jid = Some(chat.to_string());
    let mut copy = DeviceSentMessage { destination_jid, ..DeviceSentMessage::default() }.encode_to_vec();
    prost::encoding::bytes::encode(COPY_MESSAGE, &message.to_vec(), &mut copy);
    let mut own = Message { message_context_info: context, ..Message::default() }.encode_to_vec();
    prost::encoding::bytes::encode(DEVICE_SENT_MESSAGE, &copy, &mut own);
    own
}

/// How the stanza of an encoded message presents it.
pub(super) fn class_of(message: &[u8]) -> Class {
    wa_core::Message::from_encoded(message.to_vec()).map_or(Class::TEXT, |message| message.class())
}

/// No protobuf begins like this.
pub const SPOILED: [u8; 9] = [0xFF; 9];
const MAX_RETRIES: u64 = 5;
const ACK: Duration = Duration::from_secs(30);
