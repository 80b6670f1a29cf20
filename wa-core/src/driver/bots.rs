//! What bots answer: sealed with the secret of the message that asked. Protocol: messages, "Bot messages".

use prost::Message as _;
use wa_proto::e2e::MessageSecretMessage;
use wa_store::{MessageSecret, StoreError};

use super::Actor;
use crate::e2e::addressing::Place;
use crate::e2e::decrypt::{DecryptError, Outcome};
use crate::message::Message;
use crate::message::secret::{Sealed, bot};
use crate::stanza::message::{EncKind, InboundMessage};

impl Actor {
    /// Opens a bot's answer; `None` when the message is none. Whoever read what was asked could seal one: only bots are
    /// heard so. `of_step` are the secrets that the store does not know yet.
    pub(super) async fn open_bot_answer(
        &mut self,
        message: &InboundMessage,
        place: &Place,
        of_step: Vec<MessageSecret>,
    ) -> Result<Option<Outcome>, StoreError> {
        let sealed = message.encs.iter().filter(|enc| enc.kind == EncKind::MessageSecret);
        let sealed: Vec<Sealed> = sealed.filter_map(|enc| read(&enc.bytes)).collect();
        let Some(answer) = message.bot_answer.as_ref().filter(|_| !sealed.is_empty()) else {
            return Ok(None);
        };
        let bot = message.sender().to_chat();
        let Some(own) = self.own() else { return Ok(None) };
        if !bot.is_bot() {
            return Ok(None);
        }
        let known = self.known_secrets(vec![answer.prompt.clone()], of_step).await?;
        let chat = answer.chat.as_ref().unwrap_or(&place.chat);
        let askers = self.spellings(answer.asker.as_ref().unwrap_or(&own.pn));
        let id = answer.replaces.as_ref().unwrap_or(&message.id);
        let of_prompt = known.iter().filter(|secret| {
            secret.message.id == answer.prompt && self.is_same_chat(&secret.message.chat, chat)
        });
        let opened = of_prompt.flat_map(|secret| sealed.iter().map(move |sealed| (secret, sealed))).find_map(
            |(secret, sealed)| {
                askers.iter().find_map(|asker| bot::open_answer(&secret.secret, id, asker, &bot, sealed))
            },
        );
        Ok(Some(match opened {
            Some(plain) => Message::decode(plain.to_vec())
                .map_or_else(|_| Outcome::Undecodable(plain.to_vec()), Outcome::Content),
            None => Outcome::Failed(DecryptError::MissingSecret),
        }))
    }
}

fn read(bytes: &[u8]) -> Option<Sealed> {
    let sealed = MessageSecretMessage::decode(bytes).ok()?;
    Sealed::read(sealed.enc_iv.as_ref(), sealed.enc_payload.as_ref())
}
