//! What a message says. Protocol: messages, "Content types", "Wrappers".

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
