//! Seals a message for each device that gets a copy. Protocol: messages, "One send", "MessageContextInfo and
//! DeviceSentMessage".

use prost::Message as _;
use wa_proto::e2e;
use wa_types::{Jid, SignalAddress};

use super::ratchets::Ratchets;
use super::recipients::Target;
use crate::crypto::Random;
use crate::message::Message;
use crate::signal::{CiphertextKind, SignalError, pad};
use crate::stanza::message::EncKind;

/// A message as both kinds of receivers get it, padded.
#[derive(Debug)]
pub struct Plaintexts {
    theirs: Vec<u8>,
    own: Vec<u8>,
}

impl Plaintexts {
    /// The message for the chat's devices, and for our own others. Draws 34 bytes: a message secret, and paddings.
    pub fn new(message: &Message, chat: &Jid, random: &mut impl Random) -> Self {
        let mut content = message.proto().clone();
        let context = content.message_context_info.get_or_insert_default();
        if context.message_secret.is_none() {
            context.message_secret = Some(random.array::<32>().to_vec());
        }
        let mut theirs = content.encode_to_vec();
        let copy = e2e::Message {
            message_context_info: content.message_context_info.clone(),
            device_sent_message: Some(Box::new(e2e::DeviceSentMessage {
                destination_jid: Some(chat.to_string()),
                message: Some(Box::new(content)),
                phash: None,
            })),
            ..e2e::Message::default()
        };
        let mut own = copy.encode_to_vec();
        pad(&mut theirs, random);
        pad(&mut own, random);
        Self { theirs, own }
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
        let kind = match ciphertext.kind {
            CiphertextKind::PreKey => EncKind::PreKey,
            CiphertextKind::Message => EncKind::Message,
        };
        Ok((target.jid.clone(), kind, ciphertext.bytes))
    }
}
