//! Who is watched, who writes, and what we tell. Protocol: IQ catalogue, "Presence and chat state".

use std::sync::Arc;

use wa_store::StoreError;
use wa_types::Jid;

use crate::driver::{Actor, Step};
use crate::error::CallError;
use crate::event::{ChatStateChanged, Event, PresenceChanged};
use crate::stanza::presence::{
    InboundChatState, InboundPresence, Typing, chat_state, subscribe, unsubscribe,
};

impl Actor {
    /// Watches a user, or no longer: at once, and on every connection.
    pub(super) async fn watch(
        &mut self,
        user: Jid,
        is_wanted: bool,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let user = user.to_chat();
        if is_wanted {
            self.people.watched.insert(user.clone());
        } else {
            // It may be known by its other address.
            let store = Arc::clone(&self.store);
            self.directory.load_addresses(&*store, vec![user.clone()]).await?;
            if let Some(other) = self.directory.other_address(&user) {
                self.people.watched.remove(other);
            }
            self.people.watched.remove(&user);
        }
        if self.is_ready().is_ok() {
            let to = self.wire_address(&user).await?;
            if is_wanted {
                let token = self.token_for(&to).await?;
                step.reply(subscribe(&to, token));
            } else {
                step.reply(unsubscribe(&to));
            }
        }
        Ok(())
    }

    /// A new connection knows of nobody who is watched.
    pub(in crate::driver) async fn watch_again(&mut self, step: &mut Step) -> Result<(), StoreError> {
        for user in self.people.watched.clone() {
            let to = self.wire_address(&user).await?;
            let token = self.token_for(&to).await?;
            step.reply(subscribe(&to, token));
        }
        Ok(())
    }

    /// Tells a chat what we are doing in it.
    pub(super) async fn tell_typing(
        &mut self,
        chat: &Jid,
        state: Typing,
        step: &mut Step,
    ) -> Result<(), CallError> {
        self.is_ready()?;
        let to = self.wire_address(chat).await?;
        step.reply(chat_state(&to, state));
        Ok(())
    }

    pub(in crate::driver) async fn handle_presence(
        &mut self,
        presence: InboundPresence,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let InboundPresence { from, state } = presence;
        let chat = self.chat_key(&from, step).await?;
        step.events.push(Event::Presence(PresenceChanged { chat, from, state }));
        Ok(())
    }

    pub(in crate::driver) async fn handle_chat_state(
        &mut self,
        said: InboundChatState,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        let InboundChatState { from, participant, state, .. } = said;
        let user = participant.unwrap_or_else(|| from.clone());
        // What another device of ours told comes back as an echo.
        if self.own().is_some_and(|own| own.is_account(&user)) {
            return Ok(());
        }
        let chat = self.chat_key(&from, step).await?;
        step.events.push(Event::ChatState(ChatStateChanged { chat, user, state }));
        Ok(())
    }
}
