//! What the application sends: stored, encrypted, written, acknowledged; in order per chat, the chats beside each
//! other. Protocol: messages, "One send", "Server ack of a message".
//!
//! ```text
//!            ┌───────────── temporary refusal, no ack, connection lost ──┐
//!            v                                                           │
//! taken ─> Queued ── devices and keys are there, connected ──> Written ──┴─ ack ──> Acked ── receipts ──> …
//!            │                                                    │
//!            └── cancelled, too late, nobody there ──> Failed <───┴── refused
//! ```
//!
//! Every state is committed with what leads to it. [`OutboxState::Written`] goes with the ratchet step, and the stanza
//! leaves after that commit: whatever happens then, no key is used twice, and the message is sent again, encrypted
//! anew and under the same id, until the server answers. The server delivers an id once.
//!
//! | File | Subject |
//! |---|---|
//! | `accept.rs` | takes a message, once per id and key; cancels one; tells how far one is |
//! | `queue.rs` | what waits in memory, by chat and in order |
//! | `route.rs` | which devices get a copy, and the stanza |
//! | `group/` | the same for groups and audiences: who reads, and who lacks our key |
//! | `lookup.rs` | asks the server for devices and keys |
//! | `ack.rs` | what is under way, and what the server says to it |
//! | `stored.rs` | what the store has, page by page; what is written there lazily; trimming |

mod accept;
mod ack;
mod group;
mod lookup;
mod queue;
mod route;
mod stored;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use wa_store::{Expiration, OutboxEntry, OutboxState, StoreError};
use wa_types::{Jid, MessageId};

pub(super) use self::ack::Answered;
use self::ack::InFlight;
use self::group::GroupSends;
use self::lookup::Lookups;
use self::queue::{Pending, Queue, Waits};
use self::route::{Prepared, Route};
use self::stored::Raised;
use super::command::{CancelReply, SentReply, StoredReply};
use super::session::Outgoing;
use super::{Actor, Status, Step, clock};
use crate::connection::RequestError;
use crate::error::{CallError, SendError, Sent};
use crate::event::{Cancellation, Event, SendState, SendUpdate, TrailStep};
use crate::wire::Node;

/// How many messages are without their ack at a time. After a reconnect they are all sent again, and the server must
/// still know which ones it had.
const IN_FLIGHT: usize = 1024;

/// All that is to be sent, or waits for its ack, in this run.
pub(super) struct Outbox {
    /// What waits in memory, by chat, each in order.
    chats: HashMap<Jid, Queue>,
    /// How many messages that is.
    count: usize,
    /// How many bytes.
    bytes: usize,
    /// Entries with higher numbers than this are in the store only.
    stored_after: Option<u64>,
    /// The store could not be read; then it is tried again.
    page_at: Option<Instant>,
    /// The connection was lost with messages under way: what is pending is read from the store again.
    must_rewind: bool,
    last_seq: u64,
    /// Taken in this step: the store does not know them yet.
    fresh: Vec<Fresh>,
    /// Written, and not answered.
    in_flight: HashMap<MessageId, InFlight>,
    /// Who waits for what comes of a message.
    waiting: HashMap<MessageId, Vec<SentReply>>,
    /// When messages that are not written become too late.
    deadlines: BTreeMap<(Instant, u64), (Jid, MessageId)>,
    /// States that are to be written soon.
    raised: HashMap<MessageId, Raised>,
    raise_at: Option<Instant>,
    /// How many bytes were acknowledged since the last trimming.
    grown: u64,
    trim_at: Instant,
    forget_seen_at: Instant,
    lookups: Lookups,
    pub(super) groups: GroupSends,
}

/// A message that was taken in this step.
struct Fresh {
    seq: u64,
    chat: Jid,
    id: MessageId,
    idempotency_key: Option<String>,
}

/// What a step's commit makes true for the outbox.
#[derive(Default)]
pub(super) struct Staged {
    sends: Vec<StagedSend>,
    /// What came of messages.
    settled: Vec<(MessageId, Result<Sent, SendError>)>,
    /// Who wants to know that a message is stored.
    stored: Vec<(StoredReply, MessageId)>,
    cancelled: Vec<CancelReply>,
}

/// An encrypted message.
struct StagedSend {
    node: Node,
    /// The stanza's id.
    id: MessageId,
    in_flight: InFlight,
}

impl Outbox {
    /// `last_seq` is the highest number in the store.
    pub(super) fn new(last_seq: u64) -> Self {
        Self {
            chats: HashMap::new(),
            count: 0,
            bytes: 0,
            stored_after: Some(0),
            page_at: None,
            must_rewind: false,
            last_seq,
            fresh: Vec::new(),
            in_flight: HashMap::new(),
            waiting: HashMap::new(),
            deadlines: BTreeMap::new(),
            raised: HashMap::new(),
            raise_at: None,
            grown: 0,
            trim_at: clock::now() + stored::TRIM_FIRST,
            forget_seen_at: clock::now(),
            lookups: Lookups::default(),
            groups: GroupSends::default(),
        }
    }

    /// Whether a message to this chat is under way.
    fn is_sending_to(&self, chat: &Jid) -> bool {
        self.in_flight.values().any(|in_flight| in_flight.chat == *chat)
    }

    /// Whether the server's word about a message is still to come, on this connection or after it is sent again.
    pub(super) fn awaits_ack(&self, entry: &OutboxEntry) -> bool {
        let is_raised = self.raised.contains_key(&entry.id);
        self.in_flight.contains_key(&entry.id) || (entry.state == OutboxState::Written && !is_raised)
    }

    /// When something is to be done, whatever comes.
    pub(super) fn next_wake(&self, is_ready: bool) -> Option<Instant> {
        // Where nothing can be sent now, what makes that possible comes first.
        let may_send = is_ready && !self.must_rewind && self.in_flight.len() < IN_FLIGHT;
        let deadline = self.deadlines.first_key_value().map(|((at, _), _)| *at);
        let chats = self.chats.values().filter(|_| may_send).filter_map(|queue| match queue.waits {
            Waits::Until(at) => Some(at),
            Waits::Turn => Some(clock::now()),
            _ => None,
        });
        chats.chain([deadline, self.raise_at, Some(self.trim_at)].into_iter().flatten()).min()
    }

    /// Answers all that wait.
    pub(super) fn refuse_all(&mut self, error: &SendError) {
        for reply in std::mem::take(&mut self.waiting).into_values().flatten() {
            let _ = reply.send(Err(error.clone()));
        }
    }

    fn resolve(&mut self, id: &MessageId, outcome: &Result<Sent, SendError>) {
        for reply in self.waiting.remove(id).into_iter().flatten() {
            let _ = reply.send(outcome.clone());
        }
    }
}

impl Actor {
    /// Encrypts what can be, asks for what the rest needs, and sees that all of it is stored.
    pub(super) async fn send_ready(&mut self, step: &mut Step) -> Result<(), StoreError> {
        self.rotate_after_identity_changes(step).await?;
        for user in self.directory.take_changed_lists() {
            self.outbox.groups.drop_routes_of(&user);
        }
        if *self.status.borrow() == Status::Ready && !self.outbox.must_rewind {
            let now = clock::now();
            let is_over = |waits: &Waits| match waits {
                Waits::Nothing | Waits::Turn => true,
                Waits::Until(at) => now >= *at,
                Waits::Devices(_) | Waits::Bundles(_) | Waits::Group | Waits::Ack | Waits::Held(_) => false,
            };
            let chats = self.outbox.chats.iter().filter(|(_, queue)| is_over(&queue.waits));
            let ready: Vec<Jid> = chats.map(|(chat, _)| chat.clone()).collect();
            for chat in ready {
                if !self.may_send(step) {
                    break;
                }
                self.send_chat(&chat, step).await?;
            }
        }
        self.store_fresh(step);
        self.tell_held(step);
        Ok(())
    }

    /// Tells once of each message that waits for somebody's being trusted. Those that may have left before just wait.
    fn tell_held(&mut self, step: &mut Step) {
        for (chat, queue) in &mut self.outbox.chats {
            let Waits::Held(users) = &queue.waits else { continue };
            let told = queue.held_to;
            for pending in queue.pending.iter().filter(|pending| pending.seq > told) {
                if pending.state != Some(OutboxState::Written) {
                    step.update(chat, &pending.id, SendState::Held { users: users.clone() });
                }
                queue.held_to = pending.seq;
            }
        }
    }

    fn may_send(&self, step: &Step) -> bool {
        self.outbox.in_flight.len() + step.staged.sends.len() < IN_FLIGHT
    }

    async fn send_chat(&mut self, chat: &Jid, step: &mut Step) -> Result<(), StoreError> {
        match self.prepare(chat).await? {
            Prepared::Wait(waits) => {
                if let Some(queue) = self.outbox.chats.get_mut(chat) {
                    queue.waits = waits;
                }
            }
            Prepared::Fail(error) => self.fail_chat(chat, &error, step),
            Prepared::Go(route) => {
                let route = Arc::new(route);
                if let Some(queue) = self.outbox.chats.get_mut(chat) {
                    let waits = if chat.is_newsletter() { Waits::Ack } else { Waits::Nothing };
                    (queue.waits, queue.failures) = (waits, 0);
                }
                let mut delivery = None;
                while self.may_send(step)
                    && !self.outbox.groups.waits_for_ack(chat)
                    && let Some(pending) = self.outbox.pop(chat)
                {
                    let is_same =
                        *delivery.get_or_insert_with(|| pending.delivery.clone()) == pending.delivery;
                    if !is_same {
                        // It has a way of its own.
                        self.outbox.insert(pending);
                        if let Some(queue) = self.outbox.chats.get_mut(chat) {
                            queue.waits = Waits::Turn;
                        }
                        break;
                    }
                    self.seal(pending, &route, step);
                    if matches!(*route, Route::Channel(_)) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// All that waits in a chat is given up.
    fn fail_chat(&mut self, chat: &Jid, error: &SendError, step: &mut Step) {
        while let Some(pending) = self.outbox.pop(chat) {
            // What was written before may have arrived.
            let is_open = pending.state == Some(OutboxState::Written);
            self.fail(pending, if is_open { &SendError::Timeout } else { error }, step);
        }
    }

    /// A question of these chats was not answered. Once more is tried; a lost connection does not count.
    fn look_up_again(
        &mut self,
        error: &RequestError,
        waited: impl Fn(&Jid, &Waits) -> bool,
        step: &mut Step,
    ) {
        let is_lost = matches!(error, RequestError::ConnectionLost | RequestError::NotConnected);
        let again = clock::now() + self.config.retry_sends_after;
        let mut hopeless = Vec::new();
        for (chat, queue) in self.outbox.chats.iter_mut().filter(|(chat, queue)| waited(chat, &queue.waits)) {
            if is_lost {
                queue.waits = Waits::Nothing;
            } else {
                queue.waits = Waits::Until(again);
                queue.failures += 1;
            }
            if queue.failures > 1 {
                hopeless.push(chat.clone());
            }
        }
        for chat in hopeless {
            self.fail_chat(&chat, &SendError::Lookup, step);
        }
    }

    fn seal(&mut self, mut pending: Pending, route: &Arc<Route>, step: &mut Step) {
        let Expiration { seconds, since } = self.expiration_of(&pending.chat, route);
        let taken = pending.message.encoded().len();
        pending.message = pending.message.expiring(seconds, since);
        let is_changed = pending.message.encoded().len() != taken;
        let node = match self.seal_for(&pending, route) {
            Ok(node) => node,
            Err(error) => return self.fail(pending, &error, step),
        };
        // Whatever comes between the commit and the archive: without its ack the message passes here again.
        let sent = self.of_sent(&pending.chat, &pending.id, &pending.message, pending.created.to_seconds());
        step.sent.extend(sent);
        let now = clock::unix_millis();
        let in_flight = InFlight {
            seq: pending.seq,
            chat: pending.chat.clone(),
            route: Arc::clone(route),
            retries: pending.retries,
            bytes: pending.message.encoded().len() as u64,
            written: clock::now(),
            delivered: None,
            server_id: None,
            id: pending.id.clone(),
        };
        let id = pending.id.clone();
        let stanza_id = node.get("id").map_or_else(|| id.clone(), |id| MessageId::new(id.to_text()));
        if pending.state != Some(OutboxState::Written) {
            step.update(&pending.chat, &id, SendState::Written);
        }
        match pending.state {
            Some(OutboxState::Written) => {}
            Some(_) if !is_changed => {
                step.changes.set_outbox_state(pending.seq, OutboxState::Written, now);
            }
            _ => drop(step.changes.put_outbox(pending.into_entry(OutboxState::Written, now))),
        }
        step.staged.sends.push(StagedSend { node, id: stanza_id, in_flight });
    }

    /// A message that is not under way is given up.
    fn fail(&mut self, pending: Pending, error: &SendError, step: &mut Step) {
        let state = OutboxState::Failed(error.to_reason());
        step.update(&pending.chat, &pending.id, SendState::Failed(error.clone()));
        step.staged.settled.push((pending.id.clone(), Err(error.clone())));
        let now = clock::unix_millis();
        match pending.state {
            None => drop(step.changes.put_outbox(pending.into_entry(state, now))),
            Some(_) => drop(step.changes.set_outbox_state(pending.seq, state, now)),
        }
    }

    /// Messages that were taken in this step, and could not leave in it, are stored with it.
    fn store_fresh(&mut self, step: &mut Step) {
        let now = clock::unix_millis();
        let Outbox { fresh, chats, .. } = &mut self.outbox;
        if chats.is_empty() {
            return;
        }
        for Fresh { seq, chat, .. } in fresh {
            let Some(queue) = chats.get_mut(chat) else { continue };
            let place = queue.pending.binary_search_by_key(seq, |pending| pending.seq);
            let Some(pending) = place.ok().and_then(|place| queue.pending.get_mut(place)) else { continue };
            if pending.state.is_none() {
                step.changes.put_outbox(pending.to_entry(OutboxState::Queued, now));
                pending.state = Some(OutboxState::Queued);
                step.update(&pending.chat, &pending.id, SendState::Queued);
            }
        }
    }

    /// The step is committed: what it staged is true, and its messages may leave.
    pub(super) fn outbox_committed(&mut self, staged: Staged, outgoing: &mut Vec<Outgoing>) {
        self.outbox.fresh.clear();
        for (id, outcome) in staged.settled {
            self.outbox.resolve(&id, &outcome);
        }
        for (reply, id) in staged.stored {
            let _ = reply.send(Ok(id));
        }
        for reply in staged.cancelled {
            let _ = reply.send(Ok(Cancellation::Cancelled));
        }
        if self.requester().is_none() && !staged.sends.is_empty() {
            self.outbox.must_rewind = true;
            return;
        }
        let limit = self.config.ack_limit;
        for StagedSend { node, id, in_flight } in staged.sends {
            self.outbox.in_flight.insert(id.clone(), in_flight);
            outgoing.push(Outgoing::Message { node, id, limit });
        }
    }

    /// The step was not committed: what it took is not stored, and all else is as the store says.
    pub(super) fn outbox_failed(&mut self, staged: Staged, error: &StoreError) {
        let failed = SendError::Store(error.into());
        for Fresh { seq, id, .. } in std::mem::take(&mut self.outbox.fresh) {
            self.outbox.resolve(&id, &Err(failed.clone()));
            self.outbox.deadlines.retain(|(_, other), _| *other != seq);
        }
        for (reply, _) in staged.stored {
            let _ = reply.send(Err(failed.clone()));
        }
        for reply in staged.cancelled {
            let _ = reply.send(Err(CallError::Store(error.into())));
        }
        self.outbox.groups.forget_all();
        self.outbox.must_rewind = true;
    }

    /// The connection is gone. What was under way is sent again on the next one.
    pub(super) fn outbox_disconnected(&mut self) {
        self.outbox.groups.disconnected();
        if !self.outbox.in_flight.is_empty() {
            self.outbox.must_rewind = true;
        }
    }
}

impl Step {
    /// Tells the application how far a message is.
    fn update(&mut self, chat: &Jid, id: &MessageId, state: SendState) {
        self.note(id, TrailStep::Sending(state.clone()));
        let update = SendUpdate { chat: chat.to_chat(), id: id.clone(), state };
        self.events.push(Event::Send(Box::new(update)));
    }
}
