//! The sealed part of a message: opened when it is received, and sealed when it is sent. Protocol: messages,
//! "messageSecret and secret-encrypted content".

use prost::Message as _;
use wa_proto::{common, e2e};
use wa_types::UnixMillis;
use zeroize::Zeroizing;

use super::Message;
use super::secret::{self, Part, SealedKind, Secret};

impl Message {
    /// What others seal with, who add something to this message.
    pub(crate) fn secret(&self) -> Option<Zeroizing<Secret>> {
        let contexts =
            [self.proto(), self.unwrapped()].map(|message| message.message_context_info.as_deref());
        let mut secrets =
            contexts.into_iter().flatten().filter_map(|context| context.message_secret.as_deref());
        secrets.find_map(|secret| secret.try_into().ok()).map(Zeroizing::new)
    }

    /// What is sealed in it, or is to be.
    pub(crate) fn part(&self) -> Option<Part<'_>> {
        secret::part(self.unwrapped())
    }

    /// What its sealed part says, once it is opened: the encoded protobuf of a vote, a comment and the like. Not in
    /// [`encoded`](Self::encoded); whoever keeps a received message keeps both.
    #[must_use]
    pub fn opened(&self) -> Option<&[u8]> {
        self.opened.as_deref()
    }

    /// A received message as it was kept, with what [`opened`](Self::opened) told of it.
    #[must_use]
    pub fn with_opened(self, opened: Vec<u8>) -> Self {
        Self { opened: Some(opened), ..self }
    }

    pub(crate) fn set_opened(&mut self, plain: Vec<u8>) {
        self.opened = Some(plain);
    }

    /// A message that is sealed when it is sent.
    pub(crate) fn to_be_sealed(kind: SealedKind, target: common::MessageKey, plain: Vec<u8>) -> Self {
        Self { opened: Some(plain), ..Self::from_proto(secret::carry(kind, target, None, None)) }
    }

    /// What is still to be sealed in it, with the time of now where it has none.
    pub(crate) fn unsealed(&self, now: UnixMillis) -> Option<(Part<'_>, Zeroizing<Vec<u8>>)> {
        let part = self.part().filter(|part| part.sealed.is_none())?;
        let plain = self.opened.as_deref()?;
        let now = Some(i64::try_from(now.0).unwrap_or(i64::MAX));
        let plain = match part.kind {
            SealedKind::EventResponse => {
                let mut response = e2e::EventResponseMessage::decode(plain).ok()?;
                response.timestamp_ms = response.timestamp_ms.or(now);
                response.encode_to_vec()
            }
            SealedKind::Reaction => {
                let mut reaction = e2e::ReactionMessage::decode(plain).ok()?;
                reaction.sender_timestamp_ms = reaction.sender_timestamp_ms.or(now);
                reaction.encode_to_vec()
            }
            _ => plain.to_vec(),
        };
        Some((part, Zeroizing::new(plain)))
    }

    /// The same message, sealed.
    pub(crate) fn sealed_as(
        &self,
        kind: SealedKind,
        target: common::MessageKey,
        sealed: secret::Sealed,
        now: UnixMillis,
    ) -> Self {
        let mut message = secret::carry(kind, target, Some(sealed), Some(now));
        message.message_context_info.clone_from(&self.proto().message_context_info);
        Self::from_proto(message)
    }

    /// A reaction that is sealed when it is sent, when this is an open one.
    pub(crate) fn as_sealed_reaction(&self) -> Option<Self> {
        let reaction = self.unwrapped().reaction_message.as_ref()?;
        let target = reaction.key.clone()?;
        let plain = e2e::ReactionMessage { key: None, ..(**reaction).clone() }.encode_to_vec();
        let mut message = secret::carry(SealedKind::Reaction, target, None, None);
        message.message_context_info.clone_from(&self.proto().message_context_info);
        Some(Self { opened: Some(plain), ..Self::from_proto(message) })
    }
}
