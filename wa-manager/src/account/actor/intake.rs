//! What comes to an account: stored and told, then confirmed. Requirements: manager.md, 4.9.

use std::future::pending;

use serde_json::json;
use wa_core::Event;
use wa_core::client::{HistoryPart, HistoryState};
use wa_core::event::CallSignal;

use super::client::Running;
use super::{Actor, End, Lost};
use crate::account::IdentityPolicy;
use crate::event::EventKind;
use crate::inbound::{InboundError, Item, Past, oldest_of};
use crate::store::Changes;

/// What comes from an account's client.
pub(super) enum Input {
    /// The next event; none when the client ended.
    Event(Option<Event>),
    /// The next part of the past that the phone sends.
    Past(HistoryPart),
}

impl Running {
    /// What comes next. Never returns while there is no client.
    ///
    /// Cancel safe.
    pub(super) async fn next(running: &mut Option<Self>) -> Input {
        let Some(Self { events, past, .. }) = running else { return pending().await };
        let next_past = async {
            if let Some(reader) = past {
                match reader.next().await {
                    Some(part) => return part,
                    None => *past = None,
                }
            }
            pending().await
        };
        tokio::select! {
            event = events.next() => Input::Event(event),
            part = next_past => Input::Past(part),
        }
    }
}

impl Actor {
    /// Takes a durable event in. Only then it is confirmed to the client.
    pub(super) async fn take(&mut self, event: &Event) -> Result<(), Lost> {
        let Some(number) = event.inbox_number() else { return self.tell_other(event).await };
        if let Some(item) = Item::of(event) {
            let ignore = self.record.settings.ignore;
            while let Err(error) = self.inbound.handle(&mut self.gate, &item, &ignore, Changes::new()).await {
                match error {
                    InboundError::Store(error) => self.wait_for_store(error).await?,
                    InboundError::UnknownAccount => return Err(self.lose(End::FenceLost)),
                    // Told as failed, and stored.
                    _ => break,
                }
            }
            self.record.last_active_at = Some(self.shared.clock.wall());
            self.after_gate();
        }
        if let Some(running) = &self.running {
            running.events.confirm(number).await;
        }
        Ok(())
    }

    /// Tells what happened once, and is no message.
    async fn tell_other(&mut self, event: &Event) -> Result<(), Lost> {
        match event {
            Event::Undecryptable(message) => {
                let data = json!({
                    "chat": message.chat.to_string(),
                    "sender": message.sender.to_string(),
                    "messageId": message.id.as_str(),
                    "error": message.error.to_string(),
                });
                self.tell(EventKind::MessageUndecryptable, data).await
            }
            Event::IdentityChanged { device } => {
                let trusted = self.record.settings.identity_policy == IdentityPolicy::AutoTrust;
                let data = json!({ "device": device.to_string(), "isTrusted": trusted });
                self.tell(EventKind::IdentityChanged, data).await
            }
            Event::GroupChanged(changed) => {
                let data = json!({
                    "group": changed.group.to_string(),
                    "actor": changed.actor.as_ref().map(ToString::to_string),
                    "change": format!("{:?}", changed.change),
                });
                self.tell(EventKind::Group, data).await
            }
            Event::Call(call) if matches!(call.signal, CallSignal::Offer(_)) => {
                let data = json!({ "from": call.from.to_string(), "callId": call.id });
                self.tell(EventKind::CallOffer, data).await
            }
            Event::History(_) => {
                let state = self.running.as_ref().map(|running| running.client.history().progress().state);
                if matches!(state, Some(HistoryState::Complete | HistoryState::Refused)) {
                    persist!(self, self.gate.history_done());
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A part of the past: who wrote before is no stranger.
    pub(super) async fn take_past(&mut self, part: HistoryPart) -> Result<(), Lost> {
        let persons = Past::of(&part.batch);
        persist!(self, self.gate.note_past(&persons));
        for (chat, oldest) in oldest_of(&part.batch) {
            persist!(self, self.gate.note_oldest(&chat, Some(oldest)));
        }
        let data =
            json!({ "chunk": part.chunk_order, "percent": part.progress, "records": part.batch.items.len() });
        self.tell(EventKind::HistoryProgress, data).await
    }

    /// Stores an event, and tells it.
    pub(super) async fn tell(&mut self, kind: EventKind, data: serde_json::Value) -> Result<(), Lost> {
        let mut changes = self.shared.fenced(&self.record);
        changes.push_event(self.event(kind, data));
        self.write(changes).await
    }
}
