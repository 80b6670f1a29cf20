//! What is under way, and what the server says to it. Protocol: messages, "Server ack of a message".

use std::sync::Arc;
use std::time::Instant;

use wa_store::{OutboxState, StoreError};
use wa_types::{Jid, MessageId, UnixMillis, UnixSeconds};

use super::Waits;
use super::group::GroupVerdict;
use super::route::Route;
use crate::connection::RequestError;
use crate::driver::{Actor, Step, clock, trail};
use crate::error::{SendError, Sent};
use crate::event::SendState;
use crate::stanza::ack::MessageAck;
use crate::stanza::receipt::ReceiptKind;

/// How often a message is tried again on one connection.
const RETRIES: u8 = 1;

/// A message that was written and not answered.
pub(super) struct InFlight {
    /// Its own id; the stanza's is another one for a change of a channel's post.
    pub(super) id: MessageId,
    pub(super) seq: u64,
    /// The key of the chat.
    pub(super) chat: Jid,
    pub(super) route: Arc<Route>,
    pub(super) retries: u8,
    pub(super) bytes: u64,
    pub(super) written: Instant,
    /// A receipt told that it arrived: if the ack never comes, that says as much.
    pub(super) delivered: Option<UnixMillis>,
    /// The number that the server gave it in its channel.
    pub(super) server_id: Option<u64>,
}

/// The server's answer to a message, or why there is none.
#[derive(Debug)]
pub(in crate::driver) struct Answered {
    pub(in crate::driver) id: MessageId,
    pub(in crate::driver) ack: Result<MessageAck, RequestError>,
}

impl Actor {
    /// Takes the server's answers.
    pub(in crate::driver) async fn handle_acks(
        &mut self,
        answers: Vec<Answered>,
        step: &mut Step,
    ) -> Result<(), StoreError> {
        for Answered { id: stanza_id, ack } in answers {
            let Some(in_flight) = self.outbox.in_flight.remove(&stanza_id) else {
                if ack.is_ok() {
                    self.note_request_ack(&stanza_id);
                    self.history.note_ack(&stanza_id);
                }
                self.handle_answer_ack(&stanza_id, &ack, step).await?;
                continue;
            };
            let id = in_flight.id.clone();
            let verdict = match &*in_flight.route {
                Route::Group(route) => self.judge_group(&id, route, &ack, step).await?,
                Route::Direct(_) => GroupVerdict::Settled,
                Route::Channel(_) => {
                    // The channel's next posts waited for this.
                    self.outbox.wake();
                    GroupVerdict::Settled
                }
            };
            if verdict == GroupVerdict::SendAgain && in_flight.retries < RETRIES {
                self.send_again(id, in_flight, false).await?;
                continue;
            }
            match ack {
                Ok(ack @ MessageAck { error: None, .. }) => {
                    trail::count_ack(clock::now() - in_flight.written);
                    self.heed_ack(&in_flight.route, &ack, &mut step.changes);
                    let timestamp = ack.timestamp.unwrap_or_else(|| clock::unix_millis().to_seconds());
                    let in_flight = InFlight { server_id: ack.server_id, ..in_flight };
                    self.acknowledge_send(id.clone(), in_flight, timestamp, step);
                }
                Ok(MessageAck { error: Some(code), .. }) => {
                    let error = match &*in_flight.route {
                        Route::Group(route) => route.refusal(code),
                        Route::Direct(_) | Route::Channel(_) => SendError::from_code(code),
                    };
                    if error.is_temporary() && in_flight.retries < RETRIES {
                        self.send_again(id, in_flight, true).await?;
                        continue;
                    }
                    self.fail_in_flight(&id, &in_flight, &error, step);
                }
                Err(RequestError::TooLong | RequestError::Encode(_)) => {
                    self.fail_in_flight(&id, &in_flight, &SendError::TooLarge, step);
                }
                Err(RequestError::Timeout) => match in_flight.delivered {
                    Some(at) => self.acknowledge_send(id.clone(), in_flight, at.to_seconds(), step),
                    None if in_flight.retries < RETRIES => {
                        self.send_again(id, in_flight, false).await?;
                        continue;
                    }
                    None => self.fail_in_flight(&id, &in_flight, &SendError::Timeout, step),
                },
                // The connection's end follows, and with it all that is under way is sent again.
                Err(_) => {
                    self.outbox.in_flight.insert(stanza_id, in_flight);
                    continue;
                }
            }
            self.answer_next(&id, step).await?;
        }
        Ok(())
    }

    /// The server has it. Whoever waits learns it at once; the store a little later: should that be lost, the message
    /// is sent again, and the server knows its id.
    pub(super) fn acknowledge_send(
        &mut self,
        id: MessageId,
        in_flight: InFlight,
        timestamp: UnixSeconds,
        step: &mut Step,
    ) {
        let at = UnixMillis(timestamp.0.saturating_mul(1000));
        self.outbox.raise(id.clone(), Some(in_flight.seq), OutboxState::Acked, at);
        self.note_growth(in_flight.bytes);
        step.update(&in_flight.chat, &id, SendState::Acked { timestamp });
        let sent = Sent { id: id.clone(), chat: in_flight.chat, timestamp, server_id: in_flight.server_id };
        self.outbox.resolve(&id, &Ok(sent));
    }

    fn fail_in_flight(&mut self, id: &MessageId, in_flight: &InFlight, error: &SendError, step: &mut Step) {
        tracing::warn!(%error, %id, "a message was not taken");
        self.fail_stored(in_flight.seq, &in_flight.chat, id, error, step);
    }

    /// Once more, encrypted anew and under the same id; the chat's other messages wait for it.
    async fn send_again(
        &mut self,
        id: MessageId,
        in_flight: InFlight,
        is_refused: bool,
    ) -> Result<(), StoreError> {
        let found = self.store.outbox_by_ids(std::slice::from_ref(&id)).await?.pop().flatten();
        let read = match found {
            Some(entry) => self.chat_of(&entry).await.map(|chat| Self::read_pending(chat, entry).ok())?,
            None => None,
        };
        let Some(mut pending) = read else {
            tracing::error!(%id, "a message that is to be sent again is not in the store");
            return Err(StoreError::corrupt("outbox", "a message that is under way is missing or damaged"));
        };
        pending.retries = in_flight.retries + 1;
        tracing::debug!(%id, is_refused, "a message is sent once more");
        let chat = pending.chat.clone();
        self.outbox.insert(pending);
        if is_refused && let Some(queue) = self.outbox.chats.get_mut(&chat) {
            queue.waits = Waits::Until(clock::now() + self.config.retry_sends_after);
        }
        Ok(())
    }

    /// A receipt tells how far messages of ours are.
    pub(in crate::driver) fn note_receipt(
        &mut self,
        kind: &ReceiptKind,
        chat: &Jid,
        ids: &[MessageId],
        at: Option<UnixSeconds>,
    ) {
        let state = match kind {
            ReceiptKind::Delivered => OutboxState::Delivered,
            ReceiptKind::Read => OutboxState::Read,
            ReceiptKind::Played => OutboxState::Played,
            _ => return,
        };
        let at = at.map_or_else(clock::unix_millis, |at| UnixMillis(at.0.saturating_mul(1000)));
        for id in ids {
            if let Some(in_flight) = self.outbox.in_flight.get_mut(id) {
                if in_flight.chat == *chat {
                    in_flight.delivered.get_or_insert(at);
                }
            } else if self.outbox.waiting.contains_key(id) {
                let sent =
                    Sent { id: id.clone(), chat: chat.clone(), timestamp: at.to_seconds(), server_id: None };
                self.outbox.resolve(id, &Ok(sent));
            }
            self.outbox.raise(id.clone(), None, state, at);
        }
    }
}
