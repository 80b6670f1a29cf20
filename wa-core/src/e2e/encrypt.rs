//! Seals a message for each device that gets a copy. Protocol: messages, "One send", "MessageContextInfo and
//! DeviceSentMessage".

use prost::Message as _;
use wa_proto::e2e;
use wa_types::{Jid, SignalAddress};
use zeroize::Zeroizing;

use super::ratchets::Ratchets;
use super::recipients::Target;
use crate::crypto::Random;
use crate::message::Message;
use crate::signal::{CiphertextKind, SignalError, pad};
use crate::stanza::message::EncKind;

/// `Message.deviceSentMessage`, and its `message`.
const DEVICE_SENT_MESSAGE: u32 = 31;
const COPY_MESSAGE: u32 = 2;

/// A message as both kinds of receivers get it, padded.
pub struct Plaintexts {
    theirs: Zeroizing<Vec<u8>>,
    own: Zeroizing<Vec<u8>>,
}

impl Plaintexts {
    /// The message for the chat's devices, and for our own others. Draws 34 bytes: a message secret, and paddings.
    pub fn new(message: &Message, chat: &Jid, random: &mut impl Random) -> Self {
        Self::with_distribution(message, chat, &[], random)
    }

    /// The same with an encoded message beside it that gives our key of a group; both kinds of receivers get that as it
    /// is.
    pub fn with_distribution(
        message: &Message,
        chat: &Jid,
        distribution: &[u8],
        random: &mut impl Random,
    ) -> Self {
        // The content stays the bytes that it is: a forwarded message keeps what this version does not know.
        let mut theirs = Zeroizing::new(message.encoded().to_vec());
        let mut context = message.proto().message_context_info.clone().unwrap_or_default();
        if context.message_secret.is_none() {
            let secret = Some(random.array::<32>().to_vec());
            context.message_secret.clone_from(&secret);
            let added = e2e::MessageContextInfo { message_secret: secret, ..Default::default() };
            // Decoders merge it with the context that may stand before.
            theirs.extend(with_context(added).encode_to_vec());
        }
        let mut copy = e2e::DeviceSentMessage {
            destination_jid: Some(chat.to_string()),
            ..e2e::DeviceSentMessage::default()
        }
        .encode_to_vec();
        prost::encoding::bytes::encode(COPY_MESSAGE, &*theirs, &mut copy);
        let copy = Zeroizing::new(copy);
        let mut own = Zeroizing::new(with_context(*context).encode_to_vec());
        prost::encoding::bytes::encode(DEVICE_SENT_MESSAGE, &*copy, &mut *own);
        theirs.extend_from_slice(distribution);
        own.extend_from_slice(distribution);
        pad(&mut theirs, random);
        pad(&mut own, random);
        Self { theirs, own }
    }

    /// As the chat's devices get it.
    #[must_use]
    pub fn theirs(&self) -> &[u8] {
        &self.theirs
    }

    /// Seals it for a device. Its session must be loaded.
    ///
    /// # Errors
    /// [`SignalError::NoSession`], [`SignalError::InvalidSession`]: this device gets no copy.
    pub fn seal_for(
        &self,
        target: &Target,
        address: &SignalAddress,
        ratchets: &mut Ratchets,
    ) -> Result<(Jid, EncKind, Vec<u8>), SignalError> {
        let plaintext = if target.is_own { &self.own } else { &self.theirs };
        let ciphertext = ratchets.seal(address, plaintext)?;
        Ok((target.jid.clone(), enc_kind(ciphertext.kind), ciphertext.bytes))
    }
}

/// Seals a message for one device as it is, without a context: for messages about protocol matters. The session must be
/// loaded. Draws two bytes for the padding.
///
/// # Errors
/// [`SignalError::NoSession`], [`SignalError::InvalidSession`].
pub fn seal(
    message: &Message,
    address: &SignalAddress,
    ratchets: &mut Ratchets,
    random: &mut impl Random,
) -> Result<(EncKind, Vec<u8>), SignalError> {
    let mut padded = Zeroizing::new(message.encoded().to_vec());
    pad(&mut padded, random);
    let ciphertext = ratchets.seal(address, &padded)?;
    Ok((enc_kind(ciphertext.kind), ciphertext.bytes))
}

const fn enc_kind(kind: CiphertextKind) -> EncKind {
    match kind {
        CiphertextKind::PreKey => EncKind::PreKey,
        CiphertextKind::Message => EncKind::Message,
    }
}

fn with_context(context: e2e::MessageContextInfo) -> e2e::Message {
    e2e::Message { message_context_info: Some(Box::new(context)), ..e2e::Message::default() }
}

impl std::fmt::Debug for Plaintexts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Plaintexts({} bytes)", self.theirs.len())
    }
}
