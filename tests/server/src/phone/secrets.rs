//! What a phone seals with the secret of a message, and opens. Protocol: messages, "messageSecret and secret-encrypted
//! content".

use prost::Message as _;
use wa_core::crypto::SystemRandom;
use wa_core::message::secret::{Context, Sealed, SealedKind, Secret, open_as_any};
use wa_proto::common::MessageKey;
use wa_proto::e2e::secret_encrypted_message::SecretEncType;
use wa_proto::e2e::{
    EncCommentMessage, EncEventResponseMessage, EncReactionMessage, Message, PollEncValue, PollUpdateMessage,
    PollVoteMessage, SecretEncryptedMessage,
};
use wa_types::{Jid, MessageId};

use super::{Phone, PhoneMessage, SendError, Sent};

impl Phone {
    /// Votes in a poll, for options by their texts, at this time in ms.
    ///
    /// # Errors
    /// [`SendError`]; [`SendError::NoDevice`] when the poll has no secret.
    pub async fn vote(&self, poll: &PhoneMessage, options: &[&str], at_ms: i64) -> Result<Sent, SendError> {
        let hash = |option: &&str| wa_core::message::OptionHash::of(option).0.to_vec();
        let plain = PollVoteMessage { selected_options: options.iter().map(hash).collect() };
        let mut message =
            self.sealed(poll, SealedKind::PollVote, &plain.encode_to_vec()).ok_or(SendError::NoDevice)?;
        if let Some(update) = &mut message.poll_update_message {
            update.sender_timestamp_ms = Some(at_ms);
        }
        self.send(&poll.chat, message).await
    }

    /// Sends something encoded that belongs to a message, sealed with that one's secret.
    ///
    /// # Errors
    /// [`SendError`]; [`SendError::NoDevice`] when that message has no secret.
    pub async fn send_sealed(
        &self,
        target: &PhoneMessage,
        kind: SealedKind,
        plain: &[u8],
    ) -> Result<Sent, SendError> {
        let message = self.sealed(target, kind, plain).ok_or(SendError::NoDevice)?;
        self.send(&target.chat, message).await
    }

    /// Something encoded that belongs to a message, sealed with that one's secret.
    #[must_use]
    pub fn sealed(&self, target: &PhoneMessage, kind: SealedKind, plain: &[u8]) -> Option<Message> {
        let secret = secret_of(target)?;
        let author = target.sender.to_chat();
        let me = if author.is_lid() { self.lid() } else { self.pn() }.to_user();
        let context = Context { kind, id: &target.id, author: &author, sender: &me };
        let sealed = context.seal(&secret, plain, &mut SystemRandom);
        let from_me = author.is_same_user(self.lid()) || author.is_same_user(self.pn());
        let key = MessageKey {
            remote_jid: Some(target.chat.to_string()),
            from_me: Some(from_me),
            id: Some(target.id.to_string()),
            participant: (!target.chat.is_user() && !from_me).then(|| author.to_string()),
        };
        Some(carry(kind, key, sealed))
    }

    /// Opens what belongs to a message of ours or of others; `None` when it does not open.
    #[must_use]
    pub fn open_sealed(&self, target: &PhoneMessage, received: &PhoneMessage) -> Option<Vec<u8>> {
        let (kind, id, sealed) = part(&received.message)?;
        if id != target.id.as_str() {
            return None;
        }
        let (authors, senders) = (self.spellings(&target.sender), self.spellings(&received.sender));
        open_as_any(&secret_of(target)?, kind, &target.id, &authors, &senders, &sealed)
            .map(|plain| plain.to_vec())
    }

    /// Asks as if by a bot: what it answers to a prompt, as the `enc` of its message with this id.
    #[must_use]
    pub fn bot_answer(
        prompt: &PhoneMessage,
        id: &MessageId,
        asker: &Jid,
        bot: &Jid,
        plain: &[u8],
    ) -> Option<Vec<u8>> {
        let secret = secret_of(prompt)?;
        let sealed =
            wa_core::message::secret::bot::seal_answer(&secret, id, asker, bot, plain, &mut SystemRandom);
        let answer = wa_proto::e2e::MessageSecretMessage {
            version: Some(1),
            enc_iv: Some(sealed.iv.to_vec()),
            enc_payload: Some(sealed.payload),
        };
        Some(answer.encode_to_vec())
    }

    fn spellings(&self, user: &Jid) -> Vec<Jid> {
        let state = self.hub.state();
        let account = state.account_of(user).and_then(|index| state.account(index));
        account
            .map_or_else(|| vec![user.to_chat()], |account| vec![account.lid.to_user(), account.pn.to_user()])
    }
}

/// A message's own secret.
fn secret_of(message: &PhoneMessage) -> Option<Secret> {
    message.message.message_context_info.as_ref()?.message_secret.as_deref()?.try_into().ok()
}

fn carry(kind: SealedKind, key: MessageKey, sealed: Sealed) -> Message {
    let (enc_iv, enc_payload, key) = (Some(sealed.iv.to_vec()), Some(sealed.payload), Some(key));
    let edit = |kind: SecretEncType, key, enc_iv, enc_payload| Message {
        secret_encrypted_message: Some(Box::new(SecretEncryptedMessage {
            target_message_key: key,
            enc_payload,
            enc_iv,
            secret_enc_type: Some(kind.into()),
            ..Default::default()
        })),
        ..Default::default()
    };
    match kind {
        SealedKind::PollVote => Message {
            poll_update_message: Some(Box::new(PollUpdateMessage {
                poll_creation_message_key: key,
                vote: Some(PollEncValue { enc_payload, enc_iv }),
                ..Default::default()
            })),
            ..Default::default()
        },
        SealedKind::EventResponse => Message {
            enc_event_response_message: Some(Box::new(EncEventResponseMessage {
                event_creation_message_key: key,
                enc_payload,
                enc_iv,
            })),
            ..Default::default()
        },
        SealedKind::Reaction => Message {
            enc_reaction_message: Some(Box::new(EncReactionMessage {
                target_message_key: key,
                enc_payload,
                enc_iv,
            })),
            ..Default::default()
        },
        SealedKind::Comment => Message {
            enc_comment_message: Some(Box::new(EncCommentMessage {
                target_message_key: key,
                enc_payload,
                enc_iv,
            })),
            ..Default::default()
        },
        SealedKind::EventEdit => edit(SecretEncType::EventEdit, key, enc_iv, enc_payload),
        SealedKind::PollEdit => edit(SecretEncType::PollEdit, key, enc_iv, enc_payload),
        SealedKind::PollAddOption => edit(SecretEncType::PollAddOption, key, enc_iv, enc_payload),
        _ => edit(SecretEncType::MessageEdit, key, enc_iv, enc_payload),
    }
}

fn part(message: &Message) -> Option<(SealedKind, &str, Sealed)> {
    let (kind, key, iv, payload) = if let Some(m) = &message.poll_update_message {
        let vote = m.vote.as_ref()?;
        (SealedKind::PollVote, &m.poll_creation_message_key, &vote.enc_iv, &vote.enc_payload)
    } else if let Some(m) = &message.enc_event_response_message {
        (SealedKind::EventResponse, &m.event_creation_message_key, &m.enc_iv, &m.enc_payload)
    } else if let Some(m) = &message.enc_reaction_message {
        (SealedKind::Reaction, &m.target_message_key, &m.enc_iv, &m.enc_payload)
    } else if let Some(m) = &message.enc_comment_message {
        (SealedKind::Comment, &m.target_message_key, &m.enc_iv, &m.enc_payload)
    } else {
        let m = message.secret_encrypted_message.as_ref()?;
        let kind = match m.secret_enc_type() {
            SecretEncType::EventEdit => SealedKind::EventEdit,
            SecretEncType::PollEdit => SealedKind::PollEdit,
            SecretEncType::PollAddOption => SealedKind::PollAddOption,
            _ => SealedKind::MessageEdit,
        };
        (kind, &m.target_message_key, &m.enc_iv, &m.enc_payload)
    };
    let sealed = Sealed { iv: iv.as_deref()?.try_into().ok()?, payload: payload.clone()? };
    Some((kind, key.as_ref()?.id.as_deref()?, sealed))
}
