//! What is sealed with the secret of another message: votes, answers to events, reactions, comments, edits, and what
//! bots say. Protocol: messages, "messageSecret and secret-encrypted content".
//!
//! Whoever has read a message has its secret, and nobody else. The key is made of that secret, of the message, of its
//! author and of who adds to it, all as text; so both sides must name both users alike. A receiver tries the
//! spellings that there are.

use wa_proto::e2e::secret_encrypted_message::SecretEncType;
use wa_proto::{common, e2e};
use wa_types::{Jid, MessageId, UnixMillis};
use zeroize::Zeroizing;

use crate::crypto::Random;
use crate::crypto::aes::{GcmKey, TAG_SIZE};
use crate::crypto::kdf::hkdf_array;

/// The secret of a message.
pub type Secret = [u8; 32];

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SealedKind {
    /// A vote in a poll.
    PollVote,
    /// An answer to an event's invitation.
    EventResponse,
    /// A reaction, in an announcement group of a community.
    Reaction,
    /// A comment on a message.
    Comment,
    /// New content for a message.
    MessageEdit,
    /// New content for an event.
    EventEdit,
    /// New content for a poll.
    PollEdit,
    /// One more option for a poll.
    PollAddOption,
}

impl SealedKind {
    const fn label(self) -> &'static str {
        match self {
            Self::PollVote => "Poll Vote",
            Self::EventResponse => "Event Response",
            Self::Reaction => "Enc Reaction",
            Self::Comment => "Enc Comment",
            Self::MessageEdit => "Message Edit",
            Self::EventEdit => "Event Edit",
            Self::PollEdit => "Poll Edit",
            Self::PollAddOption => "Poll Add Option",
        }
    }

    /// Whether who adds it, and to what, is authenticated beside the content.
    const fn has_context(self) -> bool {
        matches!(self, Self::PollVote | Self::EventResponse)
    }

    /// Whether only the author of the message may add this to it.
    #[must_use]
    pub const fn is_the_authors(self) -> bool {
        matches!(self, Self::MessageEdit | Self::EventEdit | Self::PollEdit)
    }
}

/// What a key is made of, beside the secret.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// What is sealed.
    pub kind: SealedKind,
    /// The message that it is added to.
    pub id: &'a MessageId,
    /// Who wrote that message, without a device.
    pub author: &'a Jid,
    /// Who adds to it, without a device.
    pub sender: &'a Jid,
}

impl Context<'_> {
    fn key(&self, secret: &Secret) -> GcmKey {
        let info = format!("{}{}{}{}", self.id, self.author, self.sender, self.kind.label());
        GcmKey::new(&hkdf_array(secret, &[], info.as_bytes()))
    }

    fn additional(&self) -> Vec<u8> {
        if self.kind.has_context() { additional(self.id.as_str(), self.sender) } else { Vec::new() }
    }

    /// Seals an encoded content, unpadded. Draws 12 bytes.
    #[must_use]
    pub fn seal(&self, secret: &Secret, plain: &[u8], random: &mut impl Random) -> Sealed {
        let iv = random.array();
        let mut payload = Vec::with_capacity(plain.len() + TAG_SIZE);
        payload.extend_from_slice(plain);
        self.key(secret).seal(iv, &self.additional(), &mut payload, 0);
        Sealed { iv, payload }
    }

    /// Opens it; `None` when it was not sealed like this, or was changed.
    #[must_use]
    pub fn open(&self, secret: &Secret, sealed: &Sealed) -> Option<Zeroizing<Vec<u8>>> {
        open(&self.key(secret), &self.additional(), sealed)
    }
}

fn additional(id: &str, sender: &Jid) -> Vec<u8> {
    format!("{id}\0{sender}").into_bytes()
}

fn open(key: &GcmKey, additional: &[u8], sealed: &Sealed) -> Option<Zeroizing<Vec<u8>>> {
    let mut buffer = Zeroizing::new(sealed.payload.clone());
    let length = key.open(sealed.iv, additional, &mut buffer).ok()?.len();
    buffer.truncate(length);
    Some(buffer)
}

/// Opens what one of these users, all one, added to a message of one of those: all spellings are tried, those in one
/// name space first.
#[must_use]
pub fn open_as_any(
    secret: &Secret,
    kind: SealedKind,
    id: &MessageId,
    authors: &[Jid],
    senders: &[Jid],
    sealed: &Sealed,
) -> Option<Zeroizing<Vec<u8>>> {
    let pairs = || authors.iter().flat_map(|author| senders.iter().map(move |sender| (author, sender)));
    let is_mixed = |(author, sender): &(&Jid, &Jid)| author.is_lid() != sender.is_lid();
    let alike = pairs().filter(|pair| !is_mixed(pair));
    let mut all = alike.chain(pairs().filter(is_mixed));
    all.find_map(|(author, sender)| Context { kind, id, author, sender }.open(secret, sealed))
}

/// Something sealed: a nonce, and the ciphertext with its tag.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The nonce.
    pub iv: [u8; 12],
    /// The ciphertext and its tag.
    pub payload: Vec<u8>,
}

impl Sealed {
    pub(crate) fn read(iv: Option<&Vec<u8>>, payload: Option<&Vec<u8>>) -> Option<Self> {
        Some(Self { iv: iv?.as_slice().try_into().ok()?, payload: payload?.clone() })
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({} bytes)", self.payload.len())
    }
}

/// The sealed part of a message.
#[derive(Debug, Clone)]
pub(crate) struct Part<'m> {
    pub(crate) kind: SealedKind,
    /// The message that it is added to, as the sender names it.
    pub(crate) target: &'m common::MessageKey,
    /// `None` while it is not sealed yet.
    pub(crate) sealed: Option<Sealed>,
}

impl Part<'_> {
    /// The id of the message that it is added to.
    pub(crate) fn target_id(&self) -> Option<MessageId> {
        self.target.id.as_deref().filter(|id| !id.is_empty()).map(MessageId::new)
    }
}

/// The part of a message, unwrapped, that is sealed or is to be; `None` when there is none, or it is of an unknown kind.
pub(crate) fn part(message: &e2e::Message) -> Option<Part<'_>> {
    let (kind, target, iv, payload) = if let Some(m) = &message.poll_update_message {
        let vote = m.vote.as_ref();
        let (iv, payload) =
            (vote.and_then(|vote| vote.enc_iv.as_ref()), vote.and_then(|vote| vote.enc_payload.as_ref()));
        (SealedKind::PollVote, &m.poll_creation_message_key, iv, payload)
    } else if let Some(m) = &message.enc_event_response_message {
        (SealedKind::EventResponse, &m.event_creation_message_key, m.enc_iv.as_ref(), m.enc_payload.as_ref())
    } else if let Some(m) = &message.enc_reaction_message {
        (SealedKind::Reaction, &m.target_message_key, m.enc_iv.as_ref(), m.enc_payload.as_ref())
    } else if let Some(m) = &message.enc_comment_message {
        (SealedKind::Comment, &m.target_message_key, m.enc_iv.as_ref(), m.enc_payload.as_ref())
    } else {
        let m = message.secret_encrypted_message.as_ref()?;
        let kind = match m.secret_enc_type() {
            SecretEncType::MessageEdit => SealedKind::MessageEdit,
            SecretEncType::EventEdit => SealedKind::EventEdit,
            SecretEncType::PollEdit => SealedKind::PollEdit,
            SecretEncType::PollAddOption => SealedKind::PollAddOption,
            SecretEncType::Unknown | SecretEncType::MessageSchedule => return None,
        };
        (kind, &m.target_message_key, m.enc_iv.as_ref(), m.enc_payload.as_ref())
    };
    Some(Part { kind, target: target.as_ref()?, sealed: Sealed::read(iv, payload) })
}

/// The message that carries something that is sealed; without `sealed`, that is to be.
pub(crate) fn carry(
    kind: SealedKind,
    target: common::MessageKey,
    sealed: Option<Sealed>,
    at: Option<UnixMillis>,
) -> e2e::Message {
    let key = Some(target);
    let (enc_iv, enc_payload) = sealed.map(|sealed| (sealed.iv.to_vec(), sealed.payload)).unzip();
    let mut message = e2e::Message::default();
    let edit = match kind {
        SealedKind::PollVote => {
            message.poll_update_message = Some(Box::new(e2e::PollUpdateMessage {
                poll_creation_message_key: key,
                vote: Some(e2e::PollEncValue { enc_payload, enc_iv }),
                sender_timestamp_ms: at.map(|at| i64::try_from(at.0).unwrap_or(i64::MAX)),
                ..Default::default()
            }));
            return message;
        }
        SealedKind::EventResponse => {
            let content =
                e2e::EncEventResponseMessage { event_creation_message_key: key, enc_payload, enc_iv };
            message.enc_event_response_message = Some(Box::new(content));
            return message;
        }
        SealedKind::Reaction => {
            let content = e2e::EncReactionMessage { target_message_key: key, enc_payload, enc_iv };
            message.enc_reaction_message = Some(Box::new(content));
            return message;
        }
        SealedKind::Comment => {
            let content = e2e::EncCommentMessage { target_message_key: key, enc_payload, enc_iv };
            message.enc_comment_message = Some(Box::new(content));
            return message;
        }
        SealedKind::MessageEdit => SecretEncType::MessageEdit,
        SealedKind::EventEdit => SecretEncType::EventEdit,
        SealedKind::PollEdit => SecretEncType::PollEdit,
        SealedKind::PollAddOption => SecretEncType::PollAddOption,
    };
    message.secret_encrypted_message = Some(Box::new(e2e::SecretEncryptedMessage {
        target_message_key: key,
        enc_payload,
        enc_iv,
        secret_enc_type: Some(edit.into()),
        ..Default::default()
    }));
    message
}

/// What bots say (`enc type="msmsg"`).
pub mod bot {
    use super::{
        GcmKey, Jid, MessageId, Random, Sealed, Secret, TAG_SIZE, Zeroizing, additional, hkdf_array, open,
    };

    /// The secret that a bot gets instead of a message's own.
    #[must_use]
    pub fn secret_of(secret: &Secret) -> Zeroizing<Secret> {
        hkdf_array(secret, &[], b"Bot Message")
    }

    fn key(secret: &Secret, id: &MessageId, asker: &Jid, bot: &Jid) -> GcmKey {
        let info = format!("{id}{asker}{bot}");
        GcmKey::new(&hkdf_array(secret_of(secret).as_slice(), &[], info.as_bytes()))
    }

    /// Opens an answer. `secret` is that of the prompt, `id` names the answer, and both users are without a device.
    #[must_use]
    pub fn open_answer(
        secret: &Secret,
        id: &MessageId,
        asker: &Jid,
        bot: &Jid,
        sealed: &Sealed,
    ) -> Option<Zeroizing<Vec<u8>>> {
        open(&key(secret, id, asker, bot), &additional(id.as_str(), bot), sealed)
    }

    /// Seals an answer, as bots do. Draws 12 bytes.
    #[must_use]
    pub fn seal_answer(
        secret: &Secret,
        id: &MessageId,
        asker: &Jid,
        bot: &Jid,
        plain: &[u8],
        random: &mut impl Random,
    ) -> Sealed {
        let iv = random.array();
        let mut payload = Vec::with_capacity(plain.len() + TAG_SIZE);
        payload.extend_from_slice(plain);
        key(secret, id, asker, bot).seal(iv, &additional(id.as_str(), bot), &mut payload, 0);
        Sealed { iv, payload }
    }
}
