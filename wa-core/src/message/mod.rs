//! What a message says. Protocol: messages, "Content types", "Wrappers".

mod class;
pub(crate) mod id;
pub mod poll;
mod raw;
pub mod report;
pub mod secret;
mod text;

use prost::Message as _;
use wa_proto::e2e::protocol_message::Type;
use wa_proto::web::WebMessageInfo;
use wa_proto::{common, e2e};

pub use self::poll::{OptionHash, OptionVotes, Tally};

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
#[derive(Clone, PartialEq)]
pub struct Message {
    decoded: Box<e2e::Message>,
    bytes: Vec<u8>,
}

impl Message {
    /// A text message.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::from_proto(e2e::Message { conversation: Some(text.into()), ..e2e::Message::default() })
    }

    pub(crate) fn from_proto(decoded: e2e::Message) -> Self {
        let bytes = decoded.encode_to_vec();
        Self { decoded: Box::new(decoded), bytes }
    }

    /// Reads an encoded message, and keeps the bytes.
    pub(crate) fn decode(bytes: Vec<u8>) -> Result<Self, prost::DecodeError> {
        let decoded = Box::new(e2e::Message::decode(bytes.as_slice())?);
        Ok(Self { decoded, bytes })
    }

    /// The message inside all wrappers.
    pub(crate) fn unwrapped(&self) -> &e2e::Message {
        text::unwrap(&self.decoded)
    }

    pub(crate) const fn proto(&self) -> &e2e::Message {
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
        let protocol = text::unwrap(&self.decoded).protocol_message.as_ref()?;
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
        let context = e2e::MessageContextInfo { message_secret, ..context };
        let beside = e2e::Message { message_context_info: Some(Box::new(context)), ..Default::default() };
        bytes.extend(beside.encode_to_vec());
        Self::decode(bytes).expect("parts of a message that decodes")
    }

    pub(crate) fn into_encoded(self) -> Vec<u8> {
        self.bytes
    }

    /// How its stanza presents it.
    pub(crate) fn class(&self) -> Class {
        class::of(&self.decoded)
    }

    /// The phone's answer to a request of ours, if it is one.
    pub(crate) fn phone_answer(&self) -> Option<&e2e::PeerDataOperationRequestResponseMessage> {
        text::unwrap(&self.decoded)
            .protocol_message
            .as_ref()?
            .peer_data_operation_request_response_message
            .as_deref()
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

    /// What kind of content it is. Wrappers are looked through.
    #[must_use]
    pub fn kind(&self) -> Kind {
        text::kind(&self.decoded)
    }

    /// The text of a text message, without or with formatting, links and quotes. Wrappers are looked through.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        text::read(&self.decoded)
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

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({:?}, {} bytes)", self.kind(), self.bytes.len())
    }
}

/// The kinds of content that this version tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A text: [`Message::as_text`].
    Text,
    /// Protocol matters between devices.
    Protocol,
    /// Anything else: [`Message::encoded`] has it whole.
    Other,
}

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
