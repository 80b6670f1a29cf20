//! Opens inbound messages. Protocol: receiving, "Decryption".

use wa_store::{Changes, SenderKeyName};
use wa_types::{Jid, PreKeyId, PublicKey, SignalAddress};

use super::addressing::{OwnAddress, Place};
use super::ratchets::Ratchets;
use crate::crypto::Random;
use crate::message::{Message, post};
use crate::pairing::SignedDeviceIdentity;
use crate::pairing::adv::{self, IdentityError};
use crate::signal::{LocalIdentity, Peer, PreKeySignalMessage, SignalError, unpad};
use crate::stanza::message::{EncKind, InboundMessage, Unavailable};

/// Why a message could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptError {
    /// The Signal layer could not open it; asking the sender again mends it.
    #[error("the ciphertext does not open")]
    Signal(#[from] SignalError),
    /// The sending companion is not vouched for by its account.
    #[error("the sender's device identity does not hold")]
    DeviceIdentity(#[source] IdentityError),
    /// The sender did not encrypt for this device; the phone has the message.
    #[error("not encrypted for this device: {0:?}")]
    Unavailable(Unavailable),
    /// It is encrypted with the secret of an earlier message, that we do not have.
    #[error("the secret that it is encrypted with is missing")]
    MissingSecret,
    /// No part of a kind that we know.
    #[error("nothing in the stanza that could be read")]
    NoContent,
    /// It claims to be a copy of a message of our own account, and comes from another.
    #[error("a copy for own devices from a foreign device")]
    ForeignCopy,
}

impl DecryptError {
    /// The code for a retry receipt; `None` when asking again is hopeless.
    #[must_use]
    pub const fn retry_code(&self) -> Option<u8> {
        match self {
            Self::Signal(error) => error.retry_code(),
            Self::DeviceIdentity(_) => Some(12),
            Self::Unavailable(_) | Self::MissingSecret | Self::NoContent | Self::ForeignCopy => None,
        }
    }
}

/// What became of a message.
#[derive(Debug)]
pub enum Outcome {
    /// For the application.
    Content(Message),
    /// It opened, and is padded wrongly or no message. The sender's fault; asking again does not help. These bytes are
    /// all there is, with the padding if that is what does not hold.
    Undecodable(Vec<u8>),
    /// Nothing for the application: only keys.
    Silent,
    /// It came before: acknowledge and drop it.
    Duplicate,
    /// It could not be read.
    Failed(DecryptError),
}

/// What a message needs to be opened.
#[derive(Debug)]
pub struct Opening<'a> {
    /// Our own addresses.
    pub own: &'a OwnAddress,
    /// Our own keys.
    pub ours: LocalIdentity<'a>,
    /// The sender's Signal address: its LID where that is known.
    pub sender: &'a SignalAddress,
    /// The identity key of the sender's phone, if known: it vouches for companions.
    pub account_key: Option<PublicKey>,
}

/// The pre-keys that a message needs: one-time, and signed. None for sessions that are there already; what is known
/// of the sender must be loaded.
#[must_use]
pub fn named_pre_keys(
    message: &InboundMessage,
    sender: Option<&SignalAddress>,
    ratchets: &Ratchets,
) -> (Vec<PreKeyId>, Vec<PreKeyId>) {
    let firsts = message.encs.iter().filter(|enc| enc.kind == EncKind::PreKey);
    let mut parsed: Vec<_> = firsts.filter_map(|enc| PreKeySignalMessage::parse(&enc.bytes).ok()).collect();
    parsed.retain(|first| !sender.is_some_and(|sender| ratchets.continues(sender, first)));
    let one_time = parsed.iter().filter_map(PreKeySignalMessage::pre_key_id).collect();
    let signed = parsed.iter().filter_map(PreKeySignalMessage::signed_pre_key_id).collect();
    (one_time, signed)
}

/// What an unencrypted message says.
fn read_plain(plain: &[u8]) -> Outcome {
    Message::decode(plain.to_vec()).map_or_else(|_| Outcome::Undecodable(plain.to_vec()), Outcome::Content)
}

impl Opening<'_> {
    /// Reads a message of a sender with whom there can be no session: channels.
    #[must_use]
    pub fn open_plain(message: &InboundMessage) -> (Outcome, bool) {
        let outcome = match (&message.plaintext, message.change) {
            (_, Some(change)) if change.is_deleted => Outcome::Content(post::deleted(message)),
            (Some(plain), Some(change)) => match read_plain(plain) {
                Outcome::Content(content) => Outcome::Content(post::edited(message, change.at, content)),
                other => other,
            },
            (Some(plain), None) => read_plain(plain),
            (None, _) => Outcome::Failed(DecryptError::NoContent),
        };
        (outcome, false)
    }

    /// Opens a message. Records and pre-keys must be loaded; what changes is in `ratchets` and `changes`. `place` is
    /// corrected when the message is a copy of our own, for another chat. The second value tells whether the sender's
    /// identity key is a new one.
    pub fn open(
        &self,
        message: &InboundMessage,
        place: &mut Place,
        ratchets: &mut Ratchets,
        changes: &mut Changes,
        random: &mut impl Random,
    ) -> (Outcome, bool) {
        let mut is_new_identity = false;
        let outcome = self
            .open_parts(message, place, ratchets, changes, random, &mut is_new_identity)
            .unwrap_or_else(|error| match error {
                DecryptError::Signal(SignalError::Duplicate { .. }) => Outcome::Duplicate,
                error => Outcome::Failed(error),
            });
        (outcome, is_new_identity)
    }

    fn open_parts(
        &self,
        message: &InboundMessage,
        place: &mut Place,
        ratchets: &mut Ratchets,
        changes: &mut Changes,
        random: &mut impl Random,
        is_new_identity: &mut bool,
    ) -> Result<Outcome, DecryptError> {
        if let Some(plain) = &message.plaintext {
            return Ok(read_plain(plain));
        }
        if message.encs.is_empty() {
            return Err(message.unavailable.map_or(DecryptError::NoContent, DecryptError::Unavailable));
        }
        let peer = if place.from_me { Peer::OwnDevice } else { Peer::Contact };
        let (mut content, mut undecodable) = (None, None);
        let mut has_opened = false;
        // What to say when no part has content.
        let mut fault = DecryptError::NoContent;
        for enc in &message.encs {
            let padded = match enc.kind {
                EncKind::PreKey | EncKind::Message => {
                    self.check_device(message, &enc.bytes, enc.kind, ratchets)?;
                    let (padded, effects) =
                        match ratchets.open(self.ours, self.sender, enc, peer, changes, random) {
                            // The keys came before; the content, under the group's key, may not have.
                            Err(error @ SignalError::Duplicate { .. }) => {
                                fault = error.into();
                                continue;
                            }
                            opened => opened?,
                        };
                    *is_new_identity |= effects.is_new_identity;
                    padded
                }
                EncKind::SenderKey => {
                    let name = SenderKeyName { group: message.from.clone(), sender: self.sender.clone() };
                    ratchets.open_group(&name, &enc.bytes)?
                }
                EncKind::MessageSecret => {
                    fault = DecryptError::MissingSecret;
                    continue;
                }
            };
            has_opened = true;
            let Ok(plain) = (if enc.is_padded { unpad(&padded) } else { Ok(padded.as_slice()) }) else {
                undecodable.get_or_insert(padded);
                continue;
            };
            let Ok(decoded) = Message::decode(plain.to_vec()) else {
                undecodable.get_or_insert_with(|| plain.to_vec());
                continue;
            };
            if enc.kind != EncKind::SenderKey {
                self.take_distribution(message, &decoded, ratchets)?;
            }
            if decoded.has_content() {
                let Some(unwrapped) = self.unwrap_copy(decoded, place)? else {
                    undecodable.get_or_insert_with(|| plain.to_vec());
                    continue;
                };
                // Only our own devices may tell us about keys, history and addresses.
                if place.from_me || !unwrapped.is_for_own_devices() {
                    content = Some(unwrapped);
                }
            }
        }
        match (content, undecodable) {
            (Some(content), _) => Ok(Outcome::Content(content)),
            (None, Some(bytes)) => Ok(Outcome::Undecodable(bytes)),
            (None, None) if has_opened => Ok(Outcome::Silent),
            (None, None) => Err(fault),
        }
    }

    /// A companion's first message must show that its account linked it.
    fn check_device(
        &self,
        message: &InboundMessage,
        bytes: &[u8],
        kind: EncKind,
        ratchets: &Ratchets,
    ) -> Result<(), DecryptError> {
        if kind != EncKind::PreKey || self.sender.device() == 0 {
            return Ok(());
        }
        let Some(identity) = &message.device_identity else { return Ok(()) };
        let first = PreKeySignalMessage::parse(bytes)?;
        if ratchets.continues(self.sender, &first) {
            return Ok(()); // checked when the session began
        }
        SignedDeviceIdentity::decode(identity)
            .and_then(|identity| {
                adv::check_companion(&identity, first.identity_key(), self.account_key.as_ref())
            })
            .map(|_| ())
            .map_err(DecryptError::DeviceIdentity)
    }

    fn take_distribution(
        &self,
        stanza: &InboundMessage,
        message: &Message,
        ratchets: &mut Ratchets,
    ) -> Result<(), DecryptError> {
        let Some(distribution) = &message.proto().sender_key_distribution_message else { return Ok(()) };
        let names_chat = distribution
            .group_id
            .as_deref()
            .is_none_or(|group| group.parse::<Jid>().is_ok_and(|group| group == stanza.from));
        if !stanza.has_participants() || !names_chat {
            return Ok(());
        }
        let name = SenderKeyName { group: stanza.from.clone(), sender: self.sender.clone() };
        let bytes = distribution.axolotl_sender_key_distribution_message.as_deref().unwrap_or_default();
        Ok(ratchets.process_distribution(name, bytes)?)
    }

    /// The message inside a copy that another own device sent us; its chat becomes the place's. `None` when there is
    /// no message inside that we can read.
    fn unwrap_copy(&self, message: Message, place: &mut Place) -> Result<Option<Message>, DecryptError> {
        if !message.is_device_sent() {
            return Ok(Some(message));
        }
        if !place.from_me {
            return Err(DecryptError::ForeignCopy);
        }
        let Some((destination, inner)) = message.device_sent() else { return Ok(None) };
        if let Some(Ok(chat)) = destination.map(str::parse::<Jid>) {
            place.chat = chat.to_chat();
        }
        Ok(Some(inner))
    }
}
