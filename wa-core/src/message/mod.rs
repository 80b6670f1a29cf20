//! What a message says. Protocol: messages, "Content types", "Wrappers".

pub(crate) mod id;
mod raw;
mod text;

use prost::Message as _;
use wa_proto::e2e;

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

    pub(crate) const fn proto(&self) -> &e2e::Message {
        &self.decoded
    }

    /// The encoded `Message` protobuf, exactly as it came.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it holds more than keys and context.
    pub(crate) fn has_content(&self) -> bool {
        let only_keys = e2e::Message {
            sender_key_distribution_message: self.decoded.sender_key_distribution_message.clone(),
            message_context_info: self.decoded.message_context_info.clone(),
            ..e2e::Message::default()
        };
        only_keys.encoded_len() != self.bytes.len()
    }

    /// The chat and the message inside, when it is a copy that another own device sent us. The inner message is taken
    /// as its bytes, so that unknown kinds survive.
    pub(crate) fn device_sent(&self) -> Option<(Option<&str>, Self)> {
        /// `Message.deviceSentMessage`, and its `message`.
        const COPY: u32 = 31;
        const INNER: u32 = 2;
        let copy = self.decoded.device_sent_message.as_ref()?;
        let inner = raw::field(raw::field(&self.bytes, COPY)?, INNER)?;
        let mut inner = Self::decode(inner.to_vec()).ok()?;
        if inner.decoded.message_context_info.is_none() {
            inner.decoded.message_context_info.clone_from(&self.decoded.message_context_info);
        }
        Some((copy.destination_jid.as_deref(), inner))
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
