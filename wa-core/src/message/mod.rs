//! What a message says. Protocol: messages, "Content types", "Wrappers".
//!
//! [`Message`] is the encoded protobuf and a way to read it: [`Message::content`] tells what it says, [`Message::wrappers`]
//! and [`Message::context`] how it is meant. Each kind that can be sent turns into a `Message`; the short ways are
//! functions of it, as [`Message::reaction`].

mod class;
mod compose;
pub mod content;
mod context;
mod expiration;
pub(crate) mod id;
mod key;
pub mod poll;
pub(crate) mod post;
mod raw;
mod read;
pub mod report;
pub mod sealed;
pub mod secret;
mod stamp;
mod wrapper;

pub use content::Content;
pub use context::{Context, ExternalCard, GroupMention, NewsletterOrigin, Quote};
pub use key::MessageKey;
pub use poll::{OptionHash, OptionVotes, Tally};
pub use wrapper::Wrapper;

use std::sync::Arc;

use prost::Message as _;
use wa_proto::e2e::protocol_message::Type;
use wa_proto::web::WebMessageInfo;
use wa_proto::{common, e2e};

use content::Association;

use crate::crypto::Random;
use crate::stanza::message::Class;

/// Numbers of fields of `Message` that stand beside the content.
mod beside {
    pub(super) const SENDER_KEY_DISTRIBUTION: u32 = 2;
    pub(super) const FAST_RATCHET_DISTRIBUTION: u32 = 15;
    pub(super) const CONTEXT: u32 = 35;
    pub(super) const ALL: [u32; 3] = [SENDER_KEY_DISTRIBUTION, FAST_RATCHET_DISTRIBUTION, CONTEXT];
}

/// The content of a message, received or to be sent.
///
/// It keeps the bytes as they came beside their decoded form, so that kinds and fields which this version does not
/// know reach the application whole. `Debug` shows the kind and the length, never the content.
#[derive(Clone)]
pub struct Message {
    decoded: Arc<e2e::Message>,
    bytes: Vec<u8>,
    /// What its sealed part says, once that is opened; or what is to be sealed.
    opened: Option<Vec<u8>>,
}

impl Message {
    pub(crate) fn from_proto(decoded: e2e::Message) -> Self {
        let bytes = decoded.encode_to_vec();
        Self { decoded: Arc::new(decoded), bytes, opened: None }
    }

    /// A message from its encoded protobuf, for kinds that there is no builder for.
    ///
    /// # Errors
    /// [`InvalidMessage`]: these bytes are no protobuf, or one that contradicts what a message has.
    pub fn from_encoded(bytes: Vec<u8>) -> Result<Self, InvalidMessage> {
        Self::decode(bytes).map_err(|_| InvalidMessage)
    }

    /// Reads an encoded message, and keeps the bytes.
    pub(crate) fn decode(bytes: Vec<u8>) -> Result<Self, prost::DecodeError> {
        let decoded = Arc::new(e2e::Message::decode(bytes.as_slice())?);
        Ok(Self { decoded, bytes, opened: None })
    }

    pub(crate) fn proto(&self) -> &e2e::Message {
        &self.decoded
    }

    /// The encoded `Message` protobuf as it came. A copy from another own device has the context that stood around it.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it holds more than keys and context.
    pub(crate) fn has_content(&self) -> bool {
        raw::has_others(&self.bytes, &beside::ALL)
    }

    /// What it is about, when it is about keys, history or addresses of an account: to be believed from own devices
    /// only. Protocol: receiving, "Protocol messages received".
    #[must_use]
    pub fn own_device_kind(&self) -> Option<OwnDeviceKind> {
        let protocol = self.unwrapped().protocol_message.as_ref()?;
        Some(match protocol.r#type() {
            Type::HistorySyncNotification => OwnDeviceKind::History,
            Type::AppStateSyncKeyShare => OwnDeviceKind::AppStateKeys,
            Type::AppStateSyncKeyRequest => OwnDeviceKind::AppStateKeyRequest,
            Type::PeerDataOperationRequestMessage => OwnDeviceKind::PhoneRequest,
            Type::PeerDataOperationRequestResponseMessage => OwnDeviceKind::PhoneAnswer,
            Type::LidMigrationMappingSync => OwnDeviceKind::Addresses,
            _ => return None,
        })
    }

    /// Whether it is to be believed from own devices only.
    pub(crate) fn is_for_own_devices(&self) -> bool {
        self.own_device_kind().is_some()
    }

    /// What may be sent on of a message that may have been received: not its group keys, and not its secret, which
    /// opens what others added to it.
    ///
    /// The new secret stays with it, however often it is encrypted.
    pub(crate) fn to_send(&self, random: &mut impl Random) -> Self {
        let mut bytes = raw::without(&self.bytes, &beside::ALL);
        let context = self.decoded.message_context_info.as_deref().cloned().unwrap_or_default();
        let message_secret = Some(random.array::<32>().to_vec());
        let reporting_token_version = report::content(&bytes).map(|_| i32::from(report::VERSION));
        let context = e2e::MessageContextInfo { message_secret, reporting_token_version, ..context };
        let beside = e2e::Message { message_context_info: Some(Box::new(context)), ..Default::default() };
        bytes.extend(beside.encode_to_vec());
        let sent = Self::decode(bytes).expect("parts of a message that decodes");
        Self { opened: self.opened.clone(), ..sent }
    }

    pub(crate) fn into_encoded(self) -> Vec<u8> {
        self.bytes
    }

    /// How its stanza presents it.
    #[must_use]
    pub fn class(&self) -> Class {
        class::of(&self.decoded)
    }

    /// The phone's answer to a request of ours, if it is one.
    pub(crate) fn phone_answer(&self) -> Option<&e2e::PeerDataOperationRequestResponseMessage> {
        self.unwrapped().protocol_message.as_ref()?.peer_data_operation_request_response_message.as_deref()
    }

    /// Whether it is a copy that another own device sent us.
    pub(crate) fn is_device_sent(&self) -> bool {
        self.decoded.device_sent_message.is_some()
    }

    /// The chat and the message inside, when it is a copy that another own device sent us. The inner message is taken
    /// as its bytes, so that unknown kinds survive.
    pub(crate) fn device_sent(&self) -> Option<(Option<&str>, Self)> {
        /// `Message.deviceSentMessage`, and its `message`.
        const COPY: u32 = 31;
        const INNER: u32 = 2;
        let copy = self.decoded.device_sent_message.as_ref()?;
        let inner = raw::field(raw::field(&self.bytes, COPY)?, INNER)?;
        let mut bytes = inner.to_vec();
        if raw::field(inner, beside::CONTEXT).is_none() {
            let message_context_info = self.decoded.message_context_info.clone();
            bytes.extend(e2e::Message { message_context_info, ..Default::default() }.encode_to_vec());
        }
        Some((copy.destination_jid.as_deref(), Self::decode(bytes).ok()?))
    }

    /// What stands around the content and says how it is meant, the outermost first.
    #[must_use]
    pub fn wrappers(&self) -> Vec<Wrapper> {
        wrapper::unwrapped(&self.decoded).wrappers
    }

    /// Whether it is to be viewed or played once.
    #[must_use]
    pub fn is_view_once(&self) -> bool {
        class::is_view_once(&self.decoded)
    }

    /// The message that it belongs to, as the picture of an album to the album.
    #[must_use]
    pub fn association(&self) -> Option<Association> {
        let of = |message: &e2e::Message| {
            Association::read(message.message_context_info.as_ref()?.message_association.as_ref()?)
        };
        of(&self.decoded).or_else(|| of(self.unwrapped()))
    }

    /// The text of a text message, without or with formatting, links and quotes. Wrappers are looked through.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        let inner = self.unwrapped();
        let extended = || inner.extended_text_message.as_ref()?.text.as_deref();
        let plain = inner.conversation.as_deref();
        plain.filter(|text| !text.is_empty()).or_else(extended).or(plain)
    }

    /// The message inside all wrappers.
    pub(crate) fn unwrapped(&self) -> &e2e::Message {
        wrapper::unwrap(&self.decoded)
    }

    fn from_protocol(protocol: e2e::ProtocolMessage) -> Self {
        Self::from_proto(e2e::Message { protocol_message: Some(Box::new(protocol)), ..Default::default() })
    }

    /// A message that is nested in another one, at the end of this path in its bytes. It is taken as its bytes, so that
    /// unknown kinds survive.
    fn nested(decoded: &e2e::Message, bytes: &[u8], path: &[u32]) -> Self {
        let inside = path.iter().try_fold(bytes, |bytes, &number| raw::field(bytes, number));
        let read = inside.and_then(|bytes| Self::decode(bytes.to_vec()).ok());
        // Not by `clone`: of a message, with the hundreds of types in it, that compiles to 100 KB.
        let copied = || Self::decode(decoded.encode_to_vec()).ok();
        read.or_else(copied).unwrap_or_else(|| Self::from_proto(e2e::Message::default()))
    }

    /// With these bytes as the nested message or value at the end of this path.
    fn with_nested(self, path: &[u32], bytes: Vec<u8>) -> Self {
        let bytes = raw::with_at(&self.bytes, path, bytes);
        Self::decode(bytes).expect("a message that decodes, in one that does")
    }

    /// The encoded message without keys and context.
    pub(crate) fn content_bytes(&self) -> Vec<u8> {
        raw::without(&self.bytes, &beside::ALL)
    }

    /// The encoded message inside all wrappers.
    fn inner_bytes(&self) -> Vec<u8> {
        self.inner_slice().to_vec()
    }

    /// The same, where it stands.
    fn inner_slice(&self) -> &[u8] {
        wrapper::unwrapped(&self.decoded).bytes(&self.bytes).unwrap_or(&self.bytes)
    }

    /// With another encoded message inside all wrappers, which decodes.
    fn with_inner_bytes(self, inner: Vec<u8>) -> Self {
        let bytes = wrapper::unwrapped(&self.decoded).with_inner(&self.bytes, inner);
        Self::decode(bytes).unwrap_or(self)
    }
}

/// The key and the message of an encoded `WebMessageInfo`, as phones hand messages over. The message is taken as its
/// bytes, so that unknown kinds survive.
pub(crate) fn of_web_info(bytes: &[u8]) -> Option<(common::MessageKey, Message)> {
    /// `WebMessageInfo.message`.
    const MESSAGE: u32 = 2;
    let info = WebMessageInfo::decode(bytes).ok()?;
    Some((info.key, Message::decode(raw::field(bytes, MESSAGE)?.to_vec()).ok()?))
}

/// What is decoded follows from the bytes.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes && self.opened == other.opened
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({}, {} bytes)", self.content().name(), self.bytes.len())
    }
}

/// Bytes that are no encoded message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are no encoded message")]
pub struct InvalidMessage;

/// What a message between our own devices is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OwnDeviceKind {
    /// Where a part of the past can be fetched.
    History,
    /// Keys of the state that our devices share.
    AppStateKeys,
    /// Another device lacks such keys.
    AppStateKeyRequest,
    /// A request to the phone.
    PhoneRequest,
    /// The phone's answer to a request.
    PhoneAnswer,
    /// Which LIDs and phone numbers are one user.
    Addresses,
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sevens;

    impl Random for Sevens {
        fn fill(&mut self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    /// A field that this version does not know, with the number 5000.
    const UNKNOWN: [u8; 5] = [0xC2, 0xB8, 0x02, 1, 7];

    fn with_unknown(message: &e2e::Message) -> Message {
        Message::decode([message.encode_to_vec().as_slice(), &UNKNOWN].concat()).unwrap()
    }

    fn secret() -> e2e::Message {
        let context = e2e::MessageContextInfo { message_secret: Some(vec![9; 32]), ..Default::default() };
        e2e::Message { message_context_info: Some(Box::new(context)), ..Default::default() }
    }

    #[test]
    fn keys_and_context_are_no_content_whatever_they_hold() {
        // A context with a field of tomorrow inside.
        let context = [&[0x9A, 0x02, 5][..], &UNKNOWN].concat();
        assert!(!Message::decode(context).unwrap().has_content());
        assert!(!Message::from_proto(secret()).has_content());
        assert!(with_unknown(&secret()).has_content());
        assert!(Message::text("").has_content());
    }

    #[test]
    fn what_is_forwarded_keeps_the_unknown_and_loses_the_secret() {
        let received = with_unknown(&e2e::Message { conversation: Some("hi".into()), ..secret() });
        let sent = received.to_send(&mut Sevens);
        assert_eq!(sent.as_text(), Some("hi"));
        assert!(sent.encoded().windows(UNKNOWN.len()).any(|bytes| bytes == UNKNOWN));
        let secret = sent.proto().message_context_info.as_ref().unwrap().message_secret.clone();
        assert_eq!(secret, Some(vec![7; 32]));
    }

    #[test]
    fn the_class_follows_the_content() {
        let of = |message| {
            let class = Message::from_proto(message).class();
            (class.kind, class.media, class.edit, class.hides_failure)
        };
        assert_eq!(of(e2e::Message { conversation: Some("x".into()), ..Default::default() }).0, "text");
        let image = e2e::Message { image_message: Some(Box::default()), ..Default::default() };
        assert_eq!(of(image), ("media", Some("image"), None, false));
        let reaction = e2e::Message { reaction_message: Some(Box::default()), ..Default::default() };
        assert_eq!(of(reaction), ("reaction", None, Some("7"), true));
    }

    #[test]
    fn account_matters_are_known_as_such() {
        let protocol =
            e2e::ProtocolMessage { r#type: Some(Type::AppStateSyncKeyShare as i32), ..Default::default() };
        let message = e2e::Message { protocol_message: Some(Box::new(protocol)), ..Default::default() };
        assert!(Message::from_proto(message).is_for_own_devices());
        assert!(!Message::text("x").is_for_own_devices());
    }
}
